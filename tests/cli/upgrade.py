#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Plans of an upgrade from a snapshot: what they print, what they refuse, and the files that help pages show.

  upgrade.py BIN_DIR
"""
import datetime
import json
import os
import re
import subprocess
import sys
import tempfile

import yaml

RELEASES = """\
releases:
- {version: 0.1.0, conntrackLayout: 1}
- {version: 0.2.0, conntrackLayout: 1}
- {version: 0.3.0, conntrackLayout: 2}
- {version: 0.4.0-rc.1, conntrackLayout: 2}
- {version: 0.4.0, conntrackLayout: 2}
"""


def mesh(version):
    """Two nodes with an agent of that version each, and one pod each that has an endpoint."""
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    image = f"sidestep.dev/sidestepd:{version}"
    items = [{"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "sidestep", "namespace": "kube-system", "uid": "d"},
              "spec": {"updateStrategy": {"type": "OnDelete"}, "selector": {"matchLabels": {"k8s-app": "sidestep"}},
                       "template": {"metadata": {"labels": {"k8s-app": "sidestep"}},
                                    "spec": {"containers": [{"name": "sidestep-agent", "image": image}]}}}}]
    for node in ("a", "b"):
        items += [
            {"apiVersion": "v1", "kind": "Node", "metadata": {"name": node},
             "status": {"conditions": [{"type": "Ready", "status": "True"}]}},
            {"apiVersion": "v1", "kind": "Pod", "metadata": {
                "name": f"sidestep-{node}", "namespace": "kube-system",
                "ownerReferences": [{"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "sidestep", "uid": "d", "controller": True}]},
             "spec": {"nodeName": node, "containers": [{"name": "sidestep-agent", "image": image}]},
             "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}},
            {"apiVersion": "sidestep.dev/v1alpha1", "kind": "SidestepNode", "metadata": {"name": node}, "status": {
                "version": version, "ready": True, "updated": now,
                "endpoints": [{"id": 1, "namespace": "team", "pod": f"web-{node}", "uid": node, "state": "ready"}]}}]
    return {"apiVersion": "v1", "kind": "List", "items": items}


def check(ok, what, done=None):
    if not ok:
        print("FAILED:", what)
        if done:
            print(f"exit {done.returncode}\n{done.stdout}\n{done.stderr}")
        sys.exit(1)


def example(page, name):
    """The file that a help page shows under "Example (NAME):"."""
    text = page.split(f"Example ({name}):\n\n")[1]
    return "\n".join(line[4:] for line in re.match(r"((?:    .*)?\n)+", text).group(0).split("\n"))


class Tool:
    def __init__(self, bin_dir, folder):
        self.path, self.folder = os.path.abspath(os.path.join(bin_dir, "sidestep-upgrade")), folder
        self.write("releases.yaml", RELEASES)

    def write(self, name, text):
        with open(os.path.join(self.folder, name), "w", encoding="utf-8") as f:
            f.write(text)

    def run(self, *args):
        return subprocess.run([self.path, *args], capture_output=True, text=True, timeout=60, check=False, cwd=self.folder)

    def plan(self, to, *args, version="0.2.0"):
        self.write("mesh.json", json.dumps(mesh(version)))
        return self.run("plan", "--to", to, "--snapshot", "mesh.json", "--releases", "releases.yaml", *args)


def check_plan(tool):
    page = tool.run("help", "profile").stdout
    tool.write("rehearsal.yaml", example(page, "rehearsal.yaml"))
    done = tool.plan("0.3.0", "--profile", "rehearsal.yaml")
    check(done.returncode == 0, "a plan with the help page's profile can be carried out", done)
    for words in ("Shortened by profile rehearsal: soak 1h instead of 48h", "Waived by profile rehearsal: staging-proof",
                  "From 0.2.0 to 0.3.0", "What will happen to whom", "connections go from layout 1 to 2", "What cannot be taken back",
                  "U8/a", "G-NODE after (Kubernetes, agents, a new pod, agents' health)", "not present"):
        check(words in " ".join(done.stdout.split()), f"the page says '{words}'", done)
    check(done.stdout.index("Shortened by profile") < done.stdout.index("Findings"), "what is shortened stands at the top", done)
    done = tool.plan("0.3.0", "--profile", "rehearsal.yaml", "--canary", "b", "-o", "json")
    plan = json.loads(done.stdout)
    steps = [s["id"] for s in plan["steps"]]
    check(steps[:6] == ["U0", "U1", "U2", "U3", "U4", "U5"] and steps.index("U8/b") < steps.index("U10/a") < steps.index("U13")
          and steps[-1] == "U15", f"the steps of a plan: {steps}", done)
    check(all(len(g["sources"]) >= 2 for s in plan["steps"] for g in s.get("gates", [])), "every gate asks two sources", done)


def check_refusals(tool):
    done = tool.plan("0.4.0")
    check(done.returncode == 3 and "the legal hops are 0.3.0, 0.4.0" in " ".join(done.stdout.split()), "a skip is refused with the legal hops", done)
    done = tool.plan("0.3.0")
    check(done.returncode == 3 and "--staging FILE" in " ".join(done.stdout.split()), "no staging proof, no plan", done)
    done = tool.plan("0.4.0-rc.1", version="0.3.0")
    check(done.returncode == 3 and "--allow-prerelease" in " ".join(done.stdout.split()), "a pre-release is refused", done)
    done = tool.plan("0.4.0-rc.1", "--allow-prerelease", "--profile", "rehearsal.yaml", version="0.3.0")
    check(done.returncode == 0, "a pre-release is taken when it is allowed", done)
    done = tool.plan("0.1.0", "--profile", "rehearsal.yaml")
    check(done.returncode == 0 and "connections keep their layout" in " ".join(done.stdout.split()), "one minor down", done)
    done = tool.run("plan", "--snapshot", "mesh.json")
    check(done.returncode == 64 and "--to VERSION" in done.stderr, "without a version it is a usage error", done)
    done = tool.plan("0.3.0", "--canary", "z")
    check(done.returncode == 1 and "no node z" in done.stderr, "a node that is not there", done)
    tool.write("old.yaml", example(tool.run("help", "profile").stdout, "rehearsal.yaml").replace("2030", "2020"))
    done = tool.plan("0.3.0", "--profile", "old.yaml")
    check(done.returncode == 6, "an expired waiver covers nothing", done)


def check_releases(tool):
    tool.write("releases.yaml", RELEASES.replace("0.2.0, conntrackLayout: 1", "0.2.0, conntrackLayout: 2"))
    done = tool.plan("0.3.0", "--profile", "rehearsal.yaml")
    check(done.returncode == 3 and "agents of 0.2.0 keep connections in layout 1, and releases.yaml says 2" in " ".join(done.stdout.split()),
          "a layout that the tool knows better", done)
    tool.write("releases.yaml", RELEASES.replace("0.2.0, ", "0.2.0, image: mirror.example/sidestepd:0.2.0, "))
    done = tool.plan("0.3.0", "--profile", "rehearsal.yaml")
    check(done.returncode != 0 and "file for --releases FILE" in " ".join(done.stdout.split()), "an image from a mirror", done)
    tool.write("releases.yaml", RELEASES)


def check_staging(tool):
    report = {"run": "upgrade-1", "state": "done", "from": {"version": "0.2.0"}, "to": {"version": "0.3.0"},
              "steps": [{"id": "U14", "seconds": 90000.0}]}
    tool.write("staging.json", json.dumps(report))
    done = tool.plan("0.3.0", "--staging", "staging.json")
    check(done.returncode == 0 and "shown by the report of run upgrade-1" in " ".join(done.stdout.split()), "a proof from staging", done)
    for change, words in (({"state": "rolled-back"}, "was not done there"), ({"to": {"version": "0.4.0"}}, "another hop"),
                          ({"steps": [{"id": "U14", "seconds": 60.0}]}, "a day is wanted")):
        tool.write("staging.json", json.dumps({**report, **change}))
        done = tool.plan("0.3.0", "--staging", "staging.json")
        check(done.returncode == 3 and words in " ".join(done.stdout.split()), f"no proof: {words}", done)


def main():
    with tempfile.TemporaryDirectory() as folder:
        tool = Tool(sys.argv[1], folder)
        check_plan(tool)
        check_refusals(tool)
        check_releases(tool)
        check_staging(tool)
        page = tool.run("help", "releases").stdout
        check(len(yaml.safe_load(example(page, "releases.yaml"))["releases"]) == 2, "the help page's releases are a file")


main()
