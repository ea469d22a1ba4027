# SPDX-License-Identifier: Apache-2.0
"""The story while somebody else's script kills -9: agents, control plane, kubelets, DNS, plugins, tools, sidecars and workloads,
picked at random, one or two seconds apart, from the first change to the end. The demo knows nothing of it but what the API tells.

others.py: SIDESTEP_SEED repeats the choices (not the moments).
"""
import glob
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time

import labs

SEED = int(os.environ.get("SIDESTEP_SEED", random.SystemRandom().randrange(1 << 32)))
STORY_S = 900
NAMESPACE = "production"  # two replicas of everything: elsewhere a killed pod is its route's only one
CONTAINER_REST_S = 12  # of a Service: a container killed twice may wait, and two replicas at once are nobody's promise


def children(pid):
    return [int(c) for c in labs.read(f"/proc/{pid}/task/{pid}/children").split()]


def name_of(pid):
    return labs.read(f"/proc/{pid}/comm").strip()


class Killer:
    def __init__(self, lab, demo):
        self.lab, self.demo, self.dice = lab, demo, random.Random(SEED)
        self.hit, self.killed = {}, []

    def containers(self):
        """(kind, Service, pid) of the sidecars and workloads of pods, from the kubelets' own files."""
        found = []
        for folder in glob.glob(self.lab.dir + "/pods/*"):
            try:
                state = json.loads(labs.read(folder + "/state.json"))
            except ValueError:
                continue
            for container in state.get("containers", []):
                pid = labs.read(f"{folder}/{container['name']}.pid").strip()
                if state.get("namespace") != NAMESPACE or container.get("state") != 1 or not pid or container.get("restarts") or not container.get("ready"):
                    continue
                service = state["name"].rsplit("-", 2)[0].split("-v")[0]
                sidecar = container["name"] == "istio-proxy"
                found.append(("sidecar" if sidecar else "workload", service, int(pid)))
        return found

    def candidates(self):
        kinds = {}
        for role, pid in self.lab.roles().items():
            if role != "supervise":
                kinds[role] = [(role, None, pid)]
        kinds["tool"] = [("tool", None, p) for p in children(self.demo) if name_of(p).startswith("sidestep-migra")]
        kinds["plugin"] = [("plugin", None, c) for r, p in self.lab.roles().items() if r.startswith("kubelet")
                           for c in children(p) if name_of(c) == "sidestep-cni"]
        now = time.monotonic()
        for kind, service, pid in self.containers():
            if now - self.hit.get(service, 0) > CONTAINER_REST_S:
                kinds.setdefault(kind, []).append((kind, service, pid))
        return [self.dice.choice(sorted(v, key=str)) for _, v in sorted(kinds.items()) if v]

    def strike(self):
        found = self.candidates()
        if not found:
            return
        kind, service, pid = self.dice.choice(found)
        if kind == "sidecar":
            pid = next((c for c in children(pid) if name_of(c).startswith("envoy")), pid)
        if labs.kill(pid):
            self.killed.append(kind)
            if service:
                self.hit[service] = time.monotonic()


def moving(demo):
    return any(name_of(p).startswith("sidestep-migra") and "--state" in labs.read(f"/proc/{p}/cmdline") for p in children(demo))


def tell(folder):
    lab = labs.Lab("others")
    argv = [os.path.join(labs.BIN, "sidestep-lab"), "demo", "--lab", lab.name, "--report", folder, "--window", "5s",
            "--envoy", os.environ["ENVOY"]]
    end, begun = time.monotonic() + STORY_S, False
    with lab, open(os.path.join(folder, "stderr"), "w", encoding="utf-8") as said:
        demo = subprocess.Popen(argv, stderr=said)
        killer = Killer(lab, demo.pid)
        try:
            while demo.poll() is None:
                labs.check(time.monotonic() < end, "the story does not end")
                begun = begun or moving(demo.pid)
                labs.wait(1 + killer.dice.random())
                if begun:
                    killer.strike()
        finally:
            labs.kill(demo.pid)
            demo.wait()
    print(labs.read(os.path.join(folder, "stderr")))
    return demo.returncode, killer.killed


def judge(code, killed, report):
    counts = {k: killed.count(k) for k in sorted(set(killed))}
    r, c, e = report["requests"], report["connections"], report["kills"]
    print(f"killed {len(killed)}: {counts}\nrequests {r}\nconnections {c}")
    for k in e:
        print(f"  {k['what']} of {k['pod']} at {k['at']} s: {k['requests']} requests, {k['connections']} connections")
    bad = [i for i in report["recent"] if "kill" not in i]
    labs.check(r["failed"] == 0 and r["refused_missing"] == 0 and c["lost"] == 0, f"{r}, {c}, {bad[-8:]}")
    labs.check(code == 0, f"the story ended with {code}: {report['verdict']}")
    labs.check(counts.get("sidecar") and counts.get("workload"), f"no sidecar or no workload was killed: {counts}")
    labs.check(all(k["by"] == "somebody else" for k in e), "the story killed itself")
    seen = [k["what"] for k in e]
    for kind in ("sidecar", "workload"):
        labs.check(seen.count(kind) <= counts[kind], f"the report has more kills than there were: {seen}, {counts}")


def main():
    labs.need("sidestep-lab", "sidestep-migrate", "sidestepd", "sidestep-cni", "sidestep-preflight")
    if not os.environ.get("ENVOY"):
        labs.skip("no Envoy (ENVOY=/path, or deploy/fetch-envoy)")
    print(f"seed {SEED}: repeat with SIDESTEP_SEED={SEED}", flush=True)
    folder = tempfile.mkdtemp(prefix="sidestep-others-")
    try:
        code, killed = tell(folder)
        with open(os.path.join(folder, "report.json"), encoding="utf-8") as f:
            judge(code, killed, json.load(f))
    except labs.Failed as failure:
        print(f"FAILED: {failure} (kept: {folder})")
        sys.exit(1)
    shutil.rmtree(folder, ignore_errors=True)


main()
