# SPDX-License-Identifier: Apache-2.0
"""The migration tool on a small lab with real sidecars and traffic: a rule that forces TLS stops it, two people cannot
carry out one run, a colleague goes on when a laptop is lost, and a gate that fails takes everything back. No request fails.

One lab, three workloads: a server, its caller, and one that the server must refuse.
"""
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile

import labs
from kills import bad, counts, details, steady, total
from labs import Lab, check, kill, until

NAMESPACE = "desk"
SERVER_PORTS = "[{name: http, port: 8080}, {name: tcp, port: 9000}]"
HEAD = """
apiVersion: v1
kind: Namespace
metadata: {name: desk, labels: {istio-injection: enabled}}
---
apiVersion: v1
kind: Service
metadata: {name: server, namespace: desk}
spec:
  selector: {app: server}
  ports: [{name: http, port: 8080}, {name: tcp, port: 9000}]
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default, namespace: desk}
spec: {mtls: {mode: STRICT}}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: default-deny, namespace: desk}
spec: {}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: server, namespace: desk}
spec:
  selector: {matchLabels: {app: server}}
  action: ALLOW
  rules:
  - from: [{source: {principals: [cluster.local/ns/desk/sa/caller]}}]
    to: [{operation: {ports: ["8080", "9000"]}}]
"""
RULE = """
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: server, namespace: desk}
spec:
  host: server.desk.svc.cluster.local
  trafficPolicy: {tls: {mode: ISTIO_MUTUAL}}
"""
WORKLOAD = """
apiVersion: v1
kind: ServiceAccount
metadata: {name: NAME, namespace: desk}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: NAME, namespace: desk, labels: {app: NAME}}
spec:
  replicas: 2
  strategy: {rollingUpdate: {maxSurge: 1, maxUnavailable: 0}}
  selector: {matchLabels: {app: NAME}}
  template:
    metadata: {labels: {app: NAME}}
    spec:
      serviceAccountName: NAME
      terminationGracePeriodSeconds: 10
      containers:
      - name: app
        image: sidestep.dev/lab/workload:1
        args: [ARGS]
        ports: [{name: http, containerPort: 8080}, {name: tcp, containerPort: 9000}]
        readinessProbe: {exec: {command: [/workload, --probe]}, periodSeconds: 1}
        lifecycle: {preStop: {sleep: {seconds: 3}}}
"""
WORKLOADS = {
    "server": "--http=8080, --tcp-echo=9000",
    "caller": "--http=8080, --rate=10, '--call=http://server:8080/', '--call=tcp://server:9000', '--hold=tcp://server:9000'",
    "stranger": "--http=8080, --rate=10, '--refuse=http://server:8080/', '--refuse=tcp://server:9000'",
}
PROFILE = """
auditWindow: 3s
settle: 2s
soak: 2s
sampleEvery: 500ms
gateTimeout: 20s
waivers:
- {id: encryption-lost, reason: The lab's wire is inside this machine., owner: this test, expires: "2027-12-31"}
- {id: identity-by-address, reason: The lab has no SPIRE., owner: this test, expires: "2027-12-31"}
"""
# What a migration changes, whole, and what everything else writes into it, apart.
KINDS = ("namespace", "destinationrules.networking.istio.io", "ciliumnetworkpolicies.cilium.io", "deployments.apps",
         "sidesteprequests.sidestep.dev")
NOISE = ("uid", "resourceVersion", "creationTimestamp", "generation", "managedFields")


class Desk:
    """The lab, its manifests' folder, and the tool as somebody runs it: each person has a state folder."""

    def __init__(self, lab, folder):
        self.lab, self.folder = lab, folder
        self.before = {}

    def file(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        return path

    def up(self):
        manifests = os.path.join(self.folder, "manifests")
        os.mkdir(manifests)
        self.file("manifests/0.yaml", HEAD)
        self.file("manifests/1.yaml", RULE)
        for name, words in WORKLOADS.items():
            self.file(f"manifests/{name}.yaml", WORKLOAD.replace("NAME", name).replace("ARGS", words))
        self.file("profile.yaml", PROFILE)
        self.lab.up("--nodes", "2", "--istio", "--envoy", os.environ["ENVOY"], "--manifests", manifests)
        steady(self.lab)
        self.before = counts(self.lab)

    def migrate(self, who, verb, *words):
        argv = [os.path.join(labs.BIN, "sidestep-migrate"), verb, *words, "--kubeconfig", self.lab.kubeconfig]
        if verb in ("run", "resume", "rollback"):
            argv += ["--yes", "--state", os.path.join(self.folder, who)]
        if verb == "run":
            argv += ["--profile", os.path.join(self.folder, "profile.yaml")]
        return argv

    def start(self, who, verb, *words):
        return subprocess.Popen(self.migrate(who, verb, *words), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def ends(self, who, verb, *words, code=0, says=()):
        return judge(self.start(who, verb, *words), code, says, " ".join((who, verb)))

    def kubectl(self, *words):
        done = self.lab.kubectl(*words)
        check(done.returncode == 0, f"kubectl {words}: {done.stderr}")
        return done.stdout

    def objects(self, kind):
        scope = ("get", kind, NAMESPACE) if kind == "namespace" else ("get", kind, "-n", NAMESPACE)
        got = json.loads(self.kubectl(*scope, "-o", "json"))
        return got.get("items", [got])

    def state(self):
        """Everything that a migration touches, without what servers and restarts write; and who has a sidecar."""
        found = {}
        for kind in KINDS:
            for o in self.objects(kind):
                meta = {k: v for k, v in o["metadata"].items() if k not in NOISE and k != "annotations"}
                spec = o.get("spec", {})
                spec.get("template", {}).get("metadata", {}).pop("annotations", None)
                found[f"{kind}/{meta['name']}"] = (meta, spec)
        return json.dumps(found, sort_keys=True, indent=1), self.sidecars()

    def sidecars(self):
        found = {}
        for pod in self.objects("pods"):
            name = pod["metadata"]["labels"]["app"]
            has = any(c["name"] == "istio-proxy" for part in ("containers", "initContainers")
                      for c in pod["spec"].get(part, []))
            if "deletionTimestamp" not in pod["metadata"]:
                found.setdefault(name, []).append(has)
        return {name: sorted(v) for name, v in found.items()}

    def records(self, who):
        """The journal of somebody's newest run."""
        runs = sorted(d for d in os.listdir(os.path.join(self.folder, who)) if d.startswith(NAMESPACE + "-"))
        text = labs.read(os.path.join(self.folder, who, runs[-1], "journal")) if runs else ""
        return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]

    def reaches(self, who, tool, kind, step):
        """Waits until the journal has that record, while the tool lives."""
        def there():
            check(tool.poll() is None, f"the tool ended with {tool.returncode} before {kind} {step}")
            return os.path.isdir(os.path.join(self.folder, who)) and any(
                r["type"] == kind and r.get("step", "").startswith(step) for r in self.records(who))
        until(f"{kind} {step}", there, patience=120)

    def nothing_failed(self, when):
        now = counts(self.lab)
        check(bad(now) == bad(self.before), f"{when}:\n  {details(self.before, now)}")
        print(f"     {when}: {total(now, 'ok') - total(self.before, 'ok')} requests passed, "
              f"{total(now, 'refused') - total(self.before, 'refused')} refused, {bad(now)}", flush=True)


def judge(tool, code, says, what):
    said, _ = tool.communicate(timeout=240)
    check(tool.returncode == code, f"{what}: exit {tool.returncode}, wanted {code}:\n{said}")
    flat = " ".join(said.split())  # a page breaks its lines where it likes
    for words in says:
        check(words in flat, f"{what}: does not say '{words}':\n{said}")
    return said


def cut(tool):
    kill(tool.pid)
    tool.communicate()


def a_rule_put_back_stops_it(desk):
    """Left by: the run is cut behind N7, and goes on no further than the gate."""
    tool = desk.start("ann", "run", NAMESPACE)
    desk.reaches("ann", tool, "end", "N7")
    cut(tool)
    check(not any(r["type"] == "intent" and r["step"].startswith(("N8", "N9")) for r in desk.records("ann")),
          "the tool was faster than the kill")
    desk.kubectl("apply", "-f", desk.file("rule.yaml", RULE))
    desk.ends("ann", "resume", NAMESPACE, code=3, says=(
        "G-RELAXED", "DestinationRule desk/server forces ISTIO_MUTUAL", "next: nothing was taken back"))
    check(all(all(v) for v in desk.sidecars().values()), f"sidecars are missing: {desk.sidecars()}")
    check(desk.objects("namespace")[0]["metadata"]["labels"].get("istio-injection") == "enabled", "injection is off")
    desk.ends("ann", "status", NAMESPACE, says=("stopped", "G-RELAXED", "mend what the gate names"))
    desk.ends("ann", "status", NAMESPACE, "-o", "json", says=('"step": "N8"',))
    desk.ends("ann", "pause", NAMESPACE, says=("nothing to pause",))
    desk.nothing_failed("stopped at the gate")
    desk.kubectl("patch", "destinationrule", "server", "-n", NAMESPACE, "--type=merge", "-p",
                 '{"spec": {"trafficPolicy": {"tls": null}}}')


def one_run_has_one_runner(desk):
    """Ann resumes; Bob is refused while she lives. Her laptop sleeps: he goes on, and she, awake again, does not."""
    ann = desk.start("ann", "resume", NAMESPACE)
    desk.reaches("ann", ann, "intent", "N9/")
    desk.ends("ann", "resume", NAMESPACE, code=1, says=("on this machine",))
    holder = labs.read(os.path.join(desk.folder, "ann", "holder"))
    check(holder, "the state folder has no name of its own")
    desk.ends("bob", "resume", NAMESPACE, code=1, says=(holder, "until 20", f"Lease {NAMESPACE}/sidestep-migrate-{NAMESPACE}"))
    kill(ann.pid, signal.SIGSTOP)
    try:
        bob = desk.start("bob", "resume", NAMESPACE)
        until("the colleague's copy", lambda: os.path.isdir(os.path.join(desk.folder, "bob")) and
              any(r.get("state") == "running" for r in desk.records("bob")[-4:]), patience=60)
        known = len(desk.records("ann"))
    finally:
        kill(ann.pid, signal.SIGCONT)
    said, _ = ann.communicate(timeout=120)
    check(ann.returncode in (1, 8), f"overtaken, Ann's tool ended with {ann.returncode}:\n{said}")
    new = [r for r in desk.records("ann")[known:] if r["type"] in ("intent", "done")]
    check(len(new) <= 1, f"overtaken, it went on: {new}")
    print("     overtaken:", said.strip().splitlines()[-1])
    judge(bob, 0, ("done",), "the colleague")
    check(not any(any(v) for v in desk.sidecars().values()), f"sidecars are left: {desk.sidecars()}")
    desk.nothing_failed("there, by a colleague")


def a_lost_laptop_is_no_loss(desk, before):
    """The way back is cut, the laptop is gone with its journal; somebody else finishes from the cluster alone."""
    tool = desk.start("bob", "rollback", NAMESPACE)
    desk.reaches("bob", tool, "undo-end", "N9/")
    cut(tool)
    shutil.rmtree(os.path.join(desk.folder, "bob"))
    shutil.rmtree(os.path.join(desk.folder, "ann"))
    desk.ends("cid", "resume", NAMESPACE, says=("rolled-back",))
    now = desk.state()
    check(now[1] == before[1], f"sidecars: {now[1]}, wanted {before[1]}")
    check(now[0] == before[0], f"not as it was:\n{before[0]}\n---\n{now[0]}")
    desk.nothing_failed("back, by a third")


def a_failed_gate_goes_back_by_itself(desk):
    """An application that is Ready only while its sidecar answers: without, its new pod never is."""
    probe = {"exec": None, "httpGet": {"path": "/healthz/ready", "port": 15021}, "periodSeconds": 1}
    patch = [{"op": "replace", "path": "/spec/template/spec/containers/0/readinessProbe",
              "value": {k: v for k, v in probe.items() if v}}]
    desk.kubectl("patch", "deployment", "server", "-n", NAMESPACE, "--type=json", "-p", json.dumps(patch))
    desk.kubectl("rollout", "status", "deployment/server", "-n", NAMESPACE, "--timeout=90s")
    until("two servers with sidecars", lambda: desk.sidecars().get("server") == [True, True], patience=30)
    before = desk.state()
    said = desk.ends("dot", "run", NAMESPACE, "--rollback-on-failure", code=9, says=(
        "N9/server: gate G-RESTARTED", "going back, as --rollback-on-failure asks", "rolled-back"))
    print("     " + next(line for line in said.splitlines() if "gate G-RESTARTED" in line)[:200])
    now = desk.state()
    check(now == before, f"not as it was:\n{before}\n---\n{now}")
    desk.nothing_failed("gone back by itself")


def everything():
    with Lab("migration") as lab, tempfile.TemporaryDirectory() as folder:
        desk = Desk(lab, folder)
        desk.up()
        before = desk.state()
        a_rule_put_back_stops_it(desk)
        one_run_has_one_runner(desk)
        a_lost_laptop_is_no_loss(desk, before)
        a_failed_gate_goes_back_by_itself(desk)
        lab.down()
        lab.check_no_traces("migrations and down")


if __name__ == "__main__":
    labs.need("sidestep-lab", "sidestep-migrate", "sidestepd", "sidestep-cni")
    if not os.environ.get("ENVOY"):
        labs.skip("no Envoy (ENVOY=/path, or deploy/fetch-envoy)")
    if not shutil.which("kubectl"):
        labs.skip("kubectl is not installed")
    sys.argv[1:] = []
    labs.main([everything])
