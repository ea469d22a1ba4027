#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runbooks carried out from the command line: against the lab's API server, without any cluster, interrupted, killed and gone
on with, and approved by another user of the machine.

  runbook_run.py BIN_DIR
"""
import glob
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import xml.etree.ElementTree

import yaml

from api import Api, check

SOURCE = os.environ.get("SIDESTEP_SOURCE_DIR", ".")
LABELS = ["k8s:app=till", "k8s:io.kubernetes.pod.namespace=web"]
SECRET = "hunter2-planted"
HEAD = """\
apiVersion: sidestep.dev/v1alpha1
kind: Runbook
metadata: {name: NAME, summary: a test, version: 1, owners: [me], severity: sev4, reviewed: "2026-11-23"}
"""
LOCAL = HEAD.replace("NAME", "local") + """\
requires: {lock: none}
modes: {default: diagnose, allowed: [diagnose]}
steps:
- {id: kernel, title: the kernel, kind: command, mutates: false, command: {argv: [uname, -a], output: 4KiB}, register: kernel, timeout: 9s,
   evidence: [{name: kernel.json, from: kernel, redact: default, max: 4KiB}]}
- {id: links, title: links, kind: command, mutates: false, command: {argv: [ip, -json, -details, link, show], output: 64KiB}, register: links, timeout: 9s}
- {id: shut, title: nobody is there, kind: http, mutates: false, http: {url: "http://127.0.0.1:1/", output: 4KiB}, register: shut, timeout: 2s,
   on_error: {action: continue, mark: inconclusive}}
outcomes:
- {id: told, when: kernel.exit == 0 and links.exit == 0, cause: this node tells of itself}
- {id: unknown, default: true, cause: unknown}
"""
WAITING = HEAD.replace("NAME", "waiting") + """\
requires: {lock: none}
modes: {default: diagnose, allowed: [diagnose]}
steps:
- {id: kernel, title: the kernel, kind: command, mutates: false, command: {argv: [uname, -a], output: 4KiB}, register: kernel, timeout: 9s}
- {id: seen, title: the map, kind: k8s, mutates: false, k8s: {get: v1 ConfigMap web/seen}, register: seen, timeout: 9s}
- {id: until, title: until it is there, kind: wait, mutates: false, wait: {until: seen.found and kernel.exit == 0, poll: 100ms, within: 2m}}
finally:
- {id: last, title: the end, kind: note, mutates: false, note: it is over}
outcomes:
- {id: there, when: kernel.exit == 0, cause: it came}
- {id: unknown, default: true, cause: unknown}
"""
AGREED = HEAD.replace("NAME", "agreed") + """\
requires: {lock: cluster}
params: [{name: unit, type: k8s-name, default: not-there-either}]
modes: {default: diagnose, allowed: [diagnose, propose, execute]}
steps:
- {id: kernel, title: the kernel, kind: command, mutates: false, command: {argv: [uname, -a], output: 4KiB}, register: kernel, timeout: 9s}
- {id: disk, title: the disk, kind: command, mutates: false, command: {argv: [df, -P], output: 64KiB}, register: disk, timeout: 9s}
- {id: agree, title: restart what is not there, kind: approve, mutates: false, approvers: {min: 1, groups: [nogroup], expires: 1h}}
- id: restart
  title: what is not there is restarted
  kind: mutate
  mutates: true
  risk: medium
  idempotency_key: once
  op: {command: {argv: [systemctl, restart, sidestep-is-not-there.service]}}
  timeout: 10s
  verify: {expr: kernel.exit == 0 and disk.exit == 0, poll: 10ms, within: 1s, stable: 2}
  rollback: {inverse: none, reason: it was not there}
- id: another
  title: harmless
  kind: command
  mutates: true
  risk: medium
  idempotency_key: once
  command: {argv: [systemctl, restart, "sidestep-${params.unit}.service"], output: 4KiB}
  timeout: 10s
  verify: {expr: kernel.exit == 0 and disk.exit == 0, poll: 10ms, within: 1s, stable: 2}
  rollback: {inverse: none, reason: it was not there}
outcomes:
- {id: unknown, default: true, cause: unknown}
"""


class World:
    def __init__(self, bin_dir, folder):
        self.bin, self.folder, self.state = bin_dir, folder, os.path.join(folder, "state")
        self.program = os.path.realpath(os.path.join(bin_dir, "sidestep-runbook"))

    def env(self):
        return {"PATH": self.bin + ":" + os.environ["PATH"], "HOME": self.folder, "SIDESTEP_STATE": self.state}

    def call(self, *args, want=0):
        done = subprocess.run([self.program, *args], capture_output=True, text=True, timeout=120, check=False,
                              stdin=subprocess.DEVNULL, env=self.env())
        check(done.returncode == want, f"{args}: exit {done.returncode}, not {want}\n{done.stdout}\n{done.stderr}")
        return done.stdout

    def doc(self, *args, want=0):
        return json.loads(self.call(*args, "-o", "json", want=want))

    def file(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        return path


def fill(api):
    for path in glob.glob(os.path.join(SOURCE, "deploy/crds/sidestep*.yaml")):
        with open(path, encoding="utf-8") as f:
            for crd in filter(None, yaml.safe_load_all(f)):
                api.ask("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", crd)
    api.ask("POST", "/api/v1/namespaces", {"metadata": {"name": "web"}})
    api.ask("POST", "/api/v1/nodes", {"metadata": {"name": "a"}})
    api.ask("POST", "/apis/apps/v1/namespaces/kube-system/daemonsets", {
        "metadata": {"name": "sidestep", "labels": {"k8s-app": "sidestep"}}, "spec": {
            "selector": {"matchLabels": {"k8s-app": "sidestep"}}, "updateStrategy": {"type": "OnDelete"}, "template": {
                "metadata": {"labels": {"k8s-app": "sidestep"}},
                "spec": {"containers": [{"name": "sidestep-agent", "image": "sidestep.dev/sidestepd:0.3.0"}]}}}})
    api.merge("/apis/apps/v1/namespaces/kube-system/daemonsets/sidestep/status",
              {"status": {"desiredNumberScheduled": 1, "numberReady": 1, "updatedNumberScheduled": 1, "currentNumberScheduled": 1,
                          "numberMisscheduled": 0}})
    api.ask("POST", "/api/v1/namespaces/web/events", {"metadata": {"name": "e"}, "type": "Warning", "reason": "Odd",
            "involvedObject": {"kind": "Pod", "name": "p", "namespace": "web"}, "message": f"password={SECRET}"})
    nodes = "/apis/sidestep.dev/v1alpha1/sidestepnodes"
    api.ask("POST", nodes, {"apiVersion": "sidestep.dev/v1alpha1", "kind": "SidestepNode", "metadata": {"name": "a"}})
    api.merge(nodes + "/a/status", {"status": {
        "ready": True, "version": "0.3.0", "identities": [{"id": 300, "labels": LABELS}], "countersEpoch": "b-1-1",
        "counters": [{"source": 300, "destination": 300, "protocol": "TCP", "port": 80, "verdict": "forwarded", "count": 5}],
        "endpoints": [{"id": 1, "namespace": "web", "pod": "p", "state": "not-ready", "generation": 3, "policyRevision": 2}],
        "health": {"metricsEpoch": "b-1-1", "drops": [], "mapErrors": 0, "maps": [], "programs": {"wrong": 0, "ids": []}}}})


def evidence_is_whole(account):
    folder = account["evidence"]["dir"]
    with open(os.path.join(folder, "index.json"), encoding="utf-8") as f:
        index = json.load(f)
    check(index["files"], "no evidence")
    for one in index["files"]:
        with open(os.path.join(folder, one["file"]), "rb") as f:
            data = f.read()
        check(hashlib.sha256(data).hexdigest() == one["sha256"] and len(data) == one["bytes"], f"{one['file']} is another")
        check(one["source"] and one["time"] and one["node"] and SECRET.encode() not in data, f"{one}: {data[:200]!r}")
    return {one["file"].split("/")[1] for one in index["files"]}


def collect(w, api):
    """RB-12: what can be had is there; what cannot says why."""
    account = w.doc("run", "RB-12", "-p", "namespace=web", "--kubeconfig", api.kubeconfig, want=5)
    check(account["outcome"] == "partial" and account["requester"]["by"] == "api", f"{account['outcome']} {account['requester']}")
    kept = evidence_is_whole(account)
    check({"agents.json", "endpoints.json", "policies.json", "events.json", "rollout.json", "flows.json", "drops.json",
           "maps.json"} <= kept, f"only {kept}")
    by_id = {s["step"]: s for s in account["steps"]}
    check(by_id["proxies"]["status"] == "inconclusive" and "no node Envoy" in by_id["proxies"]["why"], f"{by_id['proxies']}")
    run = account["run"]
    for root, _, files in os.walk(w.state):
        for name in files:
            with open(os.path.join(root, name), "rb") as f:
                check(SECRET.encode() not in f.read(), f"a secret in {root}/{name}")
    suite = xml.etree.ElementTree.fromstring(w.call("report", run, "-o", "junit"))
    cases = {c.get("name"): c for c in suite.iter("testcase")}
    check(len(cases) == 11, f"{sorted(cases)}")
    check("<html" in w.call("report", run, "-o", "html") and "| step |" in w.call("report", run, "-o", "markdown"), "a report")
    with open(os.path.join(account["evidence"]["dir"], account["evidence"]["files"][0]["file"]), "a", encoding="utf-8") as f:
        f.write(" ")
    check("is not what was written" in w.call("report", run, want=3), "a changed file is not told")
    check(not api.ask("GET", "/apis/sidestep.dev/v1alpha1/sidestepruns")["items"], "reading left something in the cluster")


def after_an_upgrade(w, api):
    """RB-3 reads the node's own words; and proposes without changing."""
    account = w.doc("run", "RB-3", "-p", "since=1h", "--kubeconfig", api.kubeconfig, want=5)
    steps = {s["step"]: s for s in account["steps"]}
    check(steps["endpoints"]["status"] == "ok" and steps["rollout"]["status"] == "ok", f"{steps}")
    check(account["params"]["mesh_namespace"] == "kube-system", f"not discovered: {account['params']}")
    check(steps["choose"]["then"] == "approve_regenerate", f"{steps['choose']}")
    account = w.doc("run", "RB-3", "-p", "since=1h", "--kubeconfig", api.kubeconfig, "--mode", "execute", "--dry-run", want=5)
    steps = {s["step"]: s for s in account["steps"]}
    check(steps["regenerate"]["status"] == "assumed", f"{steps['regenerate']}")
    check(steps["regenerate"]["would"]["changes"][0]["forward"]["spec"]["kind"] == "Regenerate", f"{steps['regenerate']}")
    check(not api.ask("GET", "/apis/sidestep.dev/v1alpha1/sidesteprequests")["items"], "a dry run asked for something")
    out = w.call("run", "RB-3", "-p", "since=1h", "--kubeconfig", api.kubeconfig, "--mode", "execute", "--yes", want=7)
    run = re.search(r"^run (\S+):", out).group(1)
    # The one who asked, and nobody of the group.
    w.call("approve", run, "approve_regenerate", "--kubeconfig", api.kubeconfig, "--yes", want=3)
    check(f"approve {run} approve_regenerate" in w.call("status", run, "--kubeconfig", api.kubeconfig), "status says nothing")
    check(run in w.call("status", "--kubeconfig", api.kubeconfig, "--state", os.path.join(w.folder, "other")), "others do not see it")
    later = w.file("later.yaml", LOCAL.replace('severity: sev4', 'severity: sev4, applies_to: {mesh: ">=1.0"}'))
    w.call("run", later, "--kubeconfig", api.kubeconfig, want=3)
    w.call("abort", run, "--kubeconfig", api.kubeconfig, want=8)
    w.call("resume", run, "--kubeconfig", api.kubeconfig, want=8)
    w.call("run", "RB-3", "-p", "since=1h", "--kubeconfig", api.kubeconfig, "--only", "agents", "-o", "json")


def moved_or_not(w, api):
    """RB-7 and RB-9 ask the tool that moves; here nothing can be moved, and nothing was."""
    account = w.doc("run", "RB-7", "-p", "namespace=web", "--kubeconfig", api.kubeconfig)
    check(account["outcome"] in ("not-ready", "blocked"), f"{account['outcome']}: {account['steps']}")
    check(any(s["step"] == "plan" and s["status"] == "ok" for s in account["steps"]), f"{account['steps']}")
    account = w.doc("run", "RB-9", "-p", "namespace=web", "--kubeconfig", api.kubeconfig)
    check(account["outcome"] == "nothing-to-take-back", f"{account['outcome']}: {account['steps']}")


def alone(w):
    """No cluster, no agent: what this node tells."""
    account = w.doc("run", w.file("local.yaml", LOCAL), "--no-cluster")
    check(account["outcome"] == "told" and account["requester"]["name"] == f"uid {os.geteuid()}", f"{account}")
    check(evidence_is_whole(account) == {"kernel.json"}, "evidence")
    check("local" in w.call("status"), "status")
    w.call("run", w.file("needs.yaml", LOCAL.replace("lock: none", "lock: none, tools: [no-such-program]")), "--no-cluster", want=3)


def interrupted(w, api):
    """By Ctrl-C in a wait, then killed in it; gone on with when it has come."""
    path = w.file("waiting.yaml", WAITING)
    before = set(glob.glob("/tmp/sidestep-step-*"))
    for signo, verb in ((signal.SIGINT, "run"), (signal.SIGKILL, "resume"), (None, "resume")):
        what = [path] if verb == "run" else [run]
        going = subprocess.Popen([w.program, verb, *what, "--kubeconfig", api.kubeconfig], stdout=subprocess.PIPE, text=True,
                                 env=w.env())
        if verb == "run":
            run = re.search(r"^run (\S+):", going.stdout.readline()).group(1)
            while "seen" not in going.stdout.readline():
                pass
        if signo is None:
            api.ask("POST", "/api/v1/namespaces/web/configmaps", {"metadata": {"name": "seen"}})
        else:
            going.send_signal(signo)
        out = going.communicate(timeout=60)[0]
        want = {signal.SIGINT: 8, signal.SIGKILL: -signal.SIGKILL, None: 0}[signo]
        check(going.returncode == want, f"{signo}: exit {going.returncode}\n{out}")
    check("there: it came" in out and "it is over" in out, out)
    check(set(glob.glob("/tmp/sidestep-step-*")) <= before, "a temporary folder is left")
    # The same file with another word in it: refused where it has been begun, and taken where it has not.
    account = w.doc("run", path, "--kubeconfig", api.kubeconfig, "--until", "kernel")
    check([s["step"] for s in account["steps"]] == ["kernel"], f"{account['steps']}")


def agreed_by_another(w):
    """Without a cluster a uid is a person: root asks, nobody agrees."""
    if os.geteuid() != 0:
        print("not root: approvals of another user are left out")
        return
    os.chmod(w.folder, 0o711)
    out = w.call("run", w.file("agreed.yaml", AGREED), "--no-cluster", "--mode", "execute", "--yes", want=7)
    run = re.search(r"^run (\S+):", out).group(1)
    shown = w.call("approve", run, "agree", "--no-cluster", "--dry-run")
    check('"argv":["systemctl","restart","sidestep-not-there-either.service"]' in shown, shown)
    check("systemctl" in shown and "risk medium" in shown and "way back none: it was not there" in shown, shown)
    w.call("approve", run, "agree", "--no-cluster", "--yes", want=3)
    spool = os.path.join(w.state, "approvals")
    ask = [f for f in os.listdir(spool) if f.endswith(".ask")][0]
    with open(os.path.join(spool, ask), encoding="utf-8") as f:
        digest = json.load(f)["digest"]
    # A file in another's name is still its owner's.
    with open(os.path.join(spool, ask.replace(".ask", ".65534")), "w", encoding="utf-8") as f:
        f.write(f"approve {run} agree {digest}\n")
    w.call("resume", run, "--no-cluster", want=7)
    os.unlink(os.path.join(spool, ask.replace(".ask", ".65534")))
    done = subprocess.run(["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", w.program, "approve", run, "agree",
                           "--no-cluster", "--yes"], capture_output=True, text=True, timeout=60, check=False, env=w.env(), cwd="/")
    check(done.returncode == 0, f"nobody may not agree: {done.returncode} {done.stdout} {done.stderr}")
    out = w.call("resume", run, "--no-cluster", want=3)
    account = w.doc("report", run, "--no-cluster")
    check(account["approvals"][0]["by"][0]["who"] == "uid 65534", f"{account['approvals']}")
    check("restart" in out, out)


def examples(w):
    """Every example of the help pages can be typed."""
    w.file("mine.yaml", LOCAL.replace("allowed: [diagnose]", "allowed: [diagnose, propose]").replace(
        "requires:", "params: [{name: namespace, type: k8s-name, default: web}]\nrequires:"))
    w.file("mine-cases.yaml", "")
    for folder in ("runbooks/fixtures", "transcripts"):
        os.makedirs(os.path.join(w.folder, folder), exist_ok=True)
    w.file("runbooks/local.yaml", LOCAL)
    case = {"apiVersion": "sidestep.dev/v1alpha1", "kind": "RunbookFixture", "metadata": {"name": "one"}, "runbook": "local",
            "mode": "diagnose", "answers": {"kernel": {"exit": 0}, "links": {"exit": 0}, "shut": {}},
            "expect": {"path": ["kernel", "links", "shut"], "outcome": "told"}}
    for name in ("mine-cases.yaml", "runbooks/fixtures/one.yaml"):
        w.file(name, json.dumps(case))
    run, typed = os.listdir(os.path.join(w.state, "runbooks"))[0], 0
    for command in re.findall(r"^  ([a-z]+) ", w.call("--help").split("Commands", 1)[-1], re.M):
        page = subprocess.run([w.program, command, "--help"], capture_output=True, text=True, check=False).stdout
        for line in re.findall(r"^  sidestep (runbook .*)$", page, re.M):
            words = [run if x == "RUN" else x for x in line.split("#")[0].split()]
            done = subprocess.run([os.path.join(os.path.realpath(w.bin), "sidestep"), *words], capture_output=True, text=True,
                                  check=False, timeout=60, cwd=w.folder, env=w.env(), stdin=subprocess.DEVNULL)
            check(done.returncode != 64 and "unknown" not in done.stderr, f"{line}: exit {done.returncode}: {done.stderr}")
            typed += 1
    check(typed > 20, f"only {typed} examples")


def main():
    with tempfile.TemporaryDirectory() as folder:
        w = World(sys.argv[1], folder)
        alone(w)
        agreed_by_another(w)
        examples(w)
        api = Api(sys.argv[1], folder)
        try:
            fill(api)
            collect(w, api)
            after_an_upgrade(w, api)
            moved_or_not(w, api)
            interrupted(w, api)
        finally:
            api.server.terminate()
            api.server.wait(60)
    print("told, kept, waited, agreed, gone on with")


main()
