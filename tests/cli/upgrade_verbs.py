#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The verbs of sidestep-upgrade as somebody types them, against the lab's API server; this script is the nodes.

  upgrade_verbs.py BIN_DIR
"""
import base64
import datetime
import glob
import http.client
import json
import os
import ssl
import subprocess
import sys
import tempfile
import threading

import yaml

SOURCE = os.environ.get("SIDESTEP_SOURCE_DIR", ".")
NODES = ("a", "b")
SET = "/apis/apps/v1/namespaces/kube-system/daemonsets"
PODS = "/api/v1/namespaces/kube-system/pods"
OURS = "/apis/sidestep.dev/v1alpha1"
PROFILE = """\
name: a hurry
canarySoak: 200ms
settle: 200ms
waveSoak: 200ms
soak: 200ms
prepare: 2s
sampleEvery: 100ms
gateTimeout: 6s
waivers:
- {id: staging-proof, reason: a test, owner: nobody, expires: "2199-01-01"}
"""
RELEASES = """\
- {version: 0.2.0, conntrackLayout: 1, health: false}
- {version: 0.3.0, conntrackLayout: 2, health: false}
- {version: 0.4.0, conntrackLayout: 2, health: false}
"""


def check(ok, what, done=None):
    if not ok:
        print("FAILED:", what)
        if done:
            print(f"exit {done.returncode}\n{done.stdout}\n{done.stderr}")
        sys.exit(1)


class Api:
    def __init__(self, bin_dir, folder):
        self.kubeconfig = os.path.join(folder, "kubeconfig")
        self.server = subprocess.Popen([os.path.join(bin_dir, "sidestep-lab"), "apiserver", "--dir", os.path.join(folder, "api"),
                                        "--listen", "127.0.0.1:0", "--write-kubeconfig", self.kubeconfig],
                                       stdout=subprocess.PIPE, text=True)
        self.address = self.server.stdout.readline().strip().removeprefix("https://")
        with open(self.kubeconfig, encoding="utf-8") as f:
            config = yaml.safe_load(f)
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        self.context = ssl.create_default_context(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
        pair = os.path.join(folder, "pair.pem")
        with open(pair, "wb") as f:
            f.write(base64.b64decode(user["client-certificate-data"]) + b"\n" + base64.b64decode(user["client-key-data"]))
        self.context.load_cert_chain(pair)

    def ask(self, method, path, body=None, kind="application/json"):
        c = http.client.HTTPSConnection(self.address, context=self.context, timeout=30)
        c.request(method, path, json.dumps(body) if body else None, {"Content-Type": kind})
        answer = c.getresponse()
        return answer.status, json.loads(answer.read())

    def must(self, method, path, body=None, kind="application/json"):
        status, answer = self.ask(method, path, body, kind)
        check(status in (200, 201), f"{method} {path}: {status} {answer}")
        return answer

    def status(self, path, status):
        self.ask("PATCH", f"{path}/status", {"status": status}, "application/merge-patch+json")


class Nodes:
    """The DaemonSet's controller, kubelets and agents: one round every time it is turned."""

    def __init__(self, api):
        self.api, self.made, self.sick, self.prepared, self.over = api, 0, set(), set(), threading.Event()
        self.thread = threading.Thread(target=self.live)

    def live(self):
        while not self.over.wait(0.05):
            self.turn()

    def make(self, node, template):
        self.made += 1
        owner = {"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "sidestep", "uid": self.uid, "controller": True}
        self.api.ask("POST", PODS, {"metadata": {"name": f"sidestep-{self.made}", "labels": {"k8s-app": "sidestep"}, "ownerReferences": [owner]},
                                    "spec": {**template["spec"], "nodeName": node}})

    def turn(self):
        daemonset = self.api.ask("GET", f"{SET}/sidestep")[1]
        self.uid, agents = daemonset["metadata"]["uid"], {}
        for pod in self.api.ask("GET", PODS)[1]["items"]:
            name, meta, image = pod["metadata"]["name"], pod["metadata"], pod["spec"]["containers"][0]["image"]
            if meta.get("deletionTimestamp"):
                self.api.ask("DELETE", f"{PODS}/{name}", {"gracePeriodSeconds": 0})
            elif "sidestep.dev/upgrade" in meta.get("labels", {}):
                self.api.status(f"{PODS}/{name}", {"phase": "Succeeded", "podIP": "10.0.0.7", "containerStatuses": [
                    {"name": "c", "state": {"terminated": {"exitCode": 0}}}]})
            else:
                agents[pod["spec"]["nodeName"]] = image.split(":")[1]
                ready = image.split(":")[1] not in self.sick
                self.api.status(f"{PODS}/{name}", {"phase": "Running", "conditions": [
                    {"type": "Ready", "status": "True" if ready else "False"}]})
        for node in NODES:
            if node not in agents:
                self.make(node, daemonset["spec"]["template"])
            elif agents[node] not in self.sick:
                self.publish(node, agents[node])
        self.answer()

    def publish(self, node, version):
        now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        connections = {"layout": 1} if version == "0.2.0" else {"layout": 2, "older": 1 if node in self.prepared else 0}
        self.api.status(f"{OURS}/sidestepnodes/{node}", {
            "version": version, "ready": True, "bootID": "b", "updated": now, "conntrack": connections, "endpoints": [
                {"id": 1, "namespace": "team", "pod": "web", "uid": f"web-{node}", "state": "ready", "generation": 1}]})

    def answer(self):
        for request in self.api.ask("GET", f"{OURS}/sidesteprequests")[1]["items"]:
            nodes = request["spec"].get("nodes") or NODES
            if request["spec"]["kind"] == "Prepare":
                self.prepared |= set(nodes)
            if request.get("status"):
                continue
            self.api.status(f"{OURS}/sidesteprequests/{request['metadata']['name']}", {"nodes": [
                {"node": n, "state": "done", "observedGeneration": 1, "selected": 1, "regenerated": 1, "failed": 0, "repaired": 0}
                for n in nodes]})


def fill(api):
    for path in glob.glob(os.path.join(SOURCE, "deploy/crds/*.yaml")):
        with open(path, encoding="utf-8") as f:
            for crd in filter(None, yaml.safe_load_all(f)):
                api.must("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", crd)
    api.must("POST", SET, {"metadata": {"name": "sidestep"}, "spec": {
        "updateStrategy": {"type": "OnDelete"}, "selector": {"matchLabels": {"k8s-app": "sidestep"}}, "template": {
            "metadata": {"labels": {"k8s-app": "sidestep"}},
            "spec": {"containers": [{"name": "sidestep-agent", "image": "sidestep.dev/sidestepd:0.2.0"}]}}}})
    for node in NODES:
        api.must("POST", "/api/v1/nodes", {"metadata": {"name": node}})
        api.status(f"/api/v1/nodes/{node}", {"conditions": [{"type": "Ready", "status": "True"}]})
        api.must("POST", f"{OURS}/sidestepnodes", {"apiVersion": "sidestep.dev/v1alpha1", "kind": "SidestepNode", "metadata": {"name": node}})
    # A runbook that waits, and what a colleague said to it: neither is a run that would be in the way.
    for name, spec in (("hop", {"tool": "runbook", "subject": "hop", "state": "paused"}),
                       ("hop-approval-1", {"tool": "approval", "subject": "hop", "step": "approve_hop"})):
        api.must("POST", f"{OURS}/sidestepruns", {"apiVersion": "sidestep.dev/v1alpha1", "kind": "SidestepRun",
                                                  "metadata": {"name": name}, "spec": spec})


class Tool:
    def __init__(self, bin_dir, folder, kubeconfig):
        self.path, self.folder = os.path.abspath(os.path.join(bin_dir, "sidestep-upgrade")), folder
        self.env = {**os.environ, "KUBECONFIG": kubeconfig, "SIDESTEP_STATE": os.path.join(folder, "state")}
        for name, text in (("profile.yaml", PROFILE), ("releases.yaml", RELEASES)):
            with open(os.path.join(folder, name), "w", encoding="utf-8") as f:
                f.write(text)

    def run(self, code, *args, says=()):
        done = subprocess.run([self.path, *args], capture_output=True, text=True, timeout=300, check=False, cwd=self.folder, env=self.env,
                              stdin=subprocess.DEVNULL)
        check(done.returncode == code, f"{' '.join(args)} ends with {code}", done)
        for words in says:
            check(words in " ".join((done.stdout + done.stderr).split()), f"{' '.join(args)} says '{words}'", done)
        return done.stdout

    def hop(self, code, to, *args, says=()):
        return self.run(code, "run", "--to", to, "--profile", "profile.yaml", "--releases", "releases.yaml", *args, says=says)


def who_joins_is_named(tool, nodes):
    nodes.api.must("POST", "/api/v1/nodes", {"metadata": {"name": "c"}})
    nodes.make("c", nodes.api.ask("GET", f"{SET}/sidestep")[1]["spec"]["template"])
    tool.run(0, "status", says=["c came up with 0.3.0 before its turn: it joined", "drain no node while the canary soaks"])
    nodes.api.ask("DELETE", f"{PODS}/sidestep-{nodes.made}", {"gracePeriodSeconds": 0})
    nodes.api.ask("DELETE", "/api/v1/nodes/c")


def who_was_left_is_named(tool, nodes):
    pod = next(p["metadata"]["name"] for p in nodes.api.ask("GET", PODS)[1]["items"] if p["spec"]["nodeName"] == "b")
    patch = {"spec": {"containers": [{"name": "sidestep-agent", "image": "sidestep.dev/sidestepd:0.2.0"}]}}
    nodes.api.must("PATCH", f"{PODS}/{pod}", patch, "application/merge-patch+json")
    tool.run(0, "status", says=[f"b has 0.2.0, and the run ended with 0.3.0: 'kubectl -n kube-system delete pod {pod}' gives it that"])
    patch["spec"]["containers"][0]["image"] = "sidestep.dev/sidestepd:0.3.0"
    nodes.api.must("PATCH", f"{PODS}/{pod}", patch, "application/merge-patch+json")


def story(tool, nodes):
    tool.run(0, "status", says=["There is none."])
    tool.run(1, "pause", says=["there is no run of sidestep upgrade"])
    tool.hop(3, "0.4.0", "--yes", says=["the legal hops are 0.3.0, 0.4.0"])
    tool.hop(0, "0.3.0", "--dry-run", says=["Waived by profile a hurry: staging-proof", "This plan can be carried out."])
    tool.hop(7, "0.3.0")
    tool.run(0, "status", says=["There is none."])
    # A bad release goes back by itself, and says what it did.
    nodes.sick.add("0.3.0")
    tool.hop(9, "0.3.0", "--yes", says=["stopped: U8/a: gate G-NODE", "going back by itself", "rolled-back", "now: 0.2.0 on a, b.",
                                      "next: nothing to do; 'sidestep upgrade report' says what was seen"])
    tool.run(0, "status", says=["rolled-back", "U8/a: gate G-NODE", "0.2.0 on a, b. Nothing changes by itself"])
    report = json.loads(tool.run(0, "report", "-o", "json"))
    check(report["stopped_at"] == "U8/a" and report["stopped_by"] == "G-NODE" and report["to"]["version"] == "0.3.0", f"report: {report}")
    back = report["taken_back"]
    check([n["node"] for n in back] == ["a"] and back[0]["since"] < back[0]["until"] and back[0]["seconds"] > 0, f"taken back: {back}")
    tool.run(0, "report", says=["Taken back", "So long this node had 0.3.0"])
    nodes.sick.clear()
    # A good one waits for its last word.
    tool.hop(7, "0.3.0", "--yes", says=["paused: U15: waits for an approval", "resume --finalize"])
    status = json.loads(tool.run(0, "status", "-o", "json"))
    check(not status["mixed"] and [n["version"] for n in status["nodes"]] == ["0.3.0", "0.3.0"] and
          status["runs"][-1]["state"] == "paused", f"status: {status}")
    who_joins_is_named(tool, nodes)
    tool.hop(3, "0.4.0", "--yes", says=["is not finished (paused)"])
    tool.run(0, "rollback", "--dry-run", says=["U8/a done", "0.3.0 on a, b"])
    tool.run(0, "abort", says=["nobody is at it", "now: 0.3.0 on a, b", "'sidestep upgrade rollback' still goes back"])
    tool.run(0, "resume", "--finalize", "--yes", says=["done", "the way back is a hop of its own now: 'sidestep upgrade plan --to VERSION'"])
    tool.run(3, "rollback", "--yes", says=["there is no way back", "plan --to 0.2.0"])
    tool.run(0, "resume", "--yes", says=["done already"])
    tool.run(0, "abort", says=["it has ended, nothing was under way"])
    # Down again: a hop of its own, and from there back with `rollback`.
    tool.run(0, "plan", "--to", "0.2.0", "--profile", "profile.yaml", "--releases", "releases.yaml", "-o", "json", "-f", "plan.json")
    tool.run(0, "run", "--plan", "plan.json", "--finalize", "--yes", says=["done"])
    tool.run(0, "status", says=["0.2.0 on a, b", "'sidestep upgrade rollback' brings the old version back"])
    tool.run(0, "rollback", "--yes", says=["rolled-back"])
    tool.run(0, "status", says=["0.3.0 on a, b"])
    who_was_left_is_named(tool, nodes)
    page = tool.run(0, "report", "-o", "markdown", says=["Upgrade from 0.3.0 to 0.2.0"])
    check("G-NODE-BACK" in page, "the report has the gates of the way back")
    tool.run(0, "run", "--plan", "plan.json", "--dry-run", says=["still fits: 0.3.0 to 0.2.0, 2 nodes"])


def main():
    with tempfile.TemporaryDirectory() as folder:
        api = Api(sys.argv[1], folder)
        nodes = Nodes(api)
        try:
            fill(api)
            nodes.turn()
            nodes.turn()
            nodes.thread.start()
            story(Tool(sys.argv[1], folder, api.kubeconfig), nodes)
        finally:
            nodes.over.set()
            if nodes.thread.is_alive():
                nodes.thread.join()
            api.server.terminate()
            api.server.wait()


main()
