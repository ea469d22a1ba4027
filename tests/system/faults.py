# SPDX-License-Identifier: Apache-2.0
"""Workloads are restarted under traffic while the API server misbehaves and processes are killed: nothing is lost."""
import json
import os
import tempfile

import labs
from labs import BIN, Lab, check, run, until

# A server and who calls it, without a mesh in front: small, and every request must pass.
MANIFEST = """
apiVersion: v1
kind: Namespace
metadata: {name: plain}
---
apiVersion: v1
kind: Service
metadata: {name: server, namespace: plain}
spec:
  selector: {app: server}
  ports: [{name: http, port: 8080}, {name: tcp, port: 9000}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: server, namespace: plain}
spec:
  replicas: 2
  strategy: {rollingUpdate: {maxSurge: 1, maxUnavailable: 0}}
  selector: {matchLabels: {app: server}}
  template:
    metadata: {labels: {app: server}}
    spec:
      terminationGracePeriodSeconds: 20
      containers:
      - name: app
        image: sidestep.dev/lab/workload:1
        args: ["--http=8080", "--tcp-echo=9000"]
        readinessProbe: {exec: {command: [/workload, --probe]}, periodSeconds: 1}
        lifecycle: {preStop: {sleep: {seconds: 3}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: client, namespace: plain}
spec:
  replicas: 2
  strategy: {rollingUpdate: {maxSurge: 1, maxUnavailable: 0}}
  selector: {matchLabels: {app: client}}
  template:
    metadata: {labels: {app: client}}
    spec:
      terminationGracePeriodSeconds: 20
      containers:
      - name: app
        image: sidestep.dev/lab/workload:1
        args: ["--rate=5", "--call=http://server:8080/", "--call=tcp://server:9000", "--hold=tcp://server:9000"]
        lifecycle: {preStop: {sleep: {seconds: 3}}}
"""
FAULTS = (
    ("api-expire",),
    ("api-cut",),
    ("api-conflict",),
    ("api-busy",),
    ("api-error",),
    ("api-slow",),
    ("kill-role", "controllers"),
    ("kill-role", "apiserver"),
    ("kill-role", "kubelet.node-a"),
    ("kill-role", "sidestepd.node-b"),
    ("kill-role", "dns"),
)


def verb(lab, *words):
    return run(os.path.join(BIN, "sidestep-lab"), *words, "--lab", lab.name)


def inject(lab, *fault):
    result = verb(lab, "fault", "inject", *fault)
    check(result.returncode == 0, f"fault {fault}: exit {result.returncode}: {result.stderr}")


def rolled_out(lab):
    """Asked again while the server refuses: it is kubectl, too, that the faults strike."""
    result = lab.kubectl("get", "deployments", "-n", "plain", "-o", "json")
    if result.returncode != 0:
        return False
    for d in json.loads(result.stdout)["items"]:
        status, want = d.get("status", {}), d["spec"]["replicas"]
        if (status.get("observedGeneration", 0) < d["metadata"]["generation"] or
                any(status.get(n, 0) != want for n in ("updatedReplicas", "replicas", "availableReplicas"))):
            return False
    return True


def restarted(lab):
    """kubectl refuses a second restart within the same second, and a lab can be faster than that."""
    result = lab.kubectl("rollout", "restart", "deployment", "-n", "plain")
    check(result.returncode == 0 or "within the past second" in result.stderr,
          f"rollout restart: {result.stdout}{result.stderr}")
    return result.returncode == 0


def restart_under(lab, fault):
    until("kubectl to restart", lambda: restarted(lab))
    inject(lab, *fault)
    until(f"the restart under {fault}", lambda: rolled_out(lab), 150)
    if fault[0] != "kill-role":
        inject(lab, "api-clear")


def counts(lab):
    result = verb(lab, "traffic", "report", "-o", "json")
    # 5: a fast lab is asked before the first request was sent.
    check(result.returncode in (0, 3, 5), f"traffic report: exit {result.returncode}: {result.stderr}")
    return json.loads(result.stdout)


def restarts_under_faults_lose_nothing():
    with Lab("faults") as lab:
        with tempfile.TemporaryDirectory() as folder:
            with open(os.path.join(folder, "plain.yaml"), "w", encoding="utf-8") as f:
                f.write(MANIFEST)
            lab.up("--manifests", folder)
        check(verb(lab, "traffic", "start").returncode == 0, "traffic start")
        for fault in FAULTS:
            restart_under(lab, fault)
            seen = counts(lab)
            print(fault, seen["requests"], seen["connections"])
            check(seen["requests"]["failed"] == 0, f"{fault}: requests failed: {seen}")
            check(seen["connections"]["lost"] == 0, f"{fault}: connections lost: {seen}")
        check(seen["requests"]["sent"] > 100, f"hardly any traffic: {seen['requests']}")
        check(verb(lab, "fault", "inject", "no-such").returncode == 64, "an unknown fault is a usage error")
        check(verb(lab, "fault", "inject", "kill-role").returncode == 64, "a fault without its target, too")
        check(verb(lab, "fault", "inject", "kill-role", "nobody").returncode == 1, "nobody to kill is an error")
        # A fault that is not survived must be seen: otherwise the zeros above say nothing.
        pods = json.loads(lab.kubectl("get", "pods", "-n", "plain", "-l", "app=server", "-o", "json").stdout)["items"]
        for pod in pods:
            if "deletionTimestamp" not in pod["metadata"]:
                inject(lab, "kill-container", f"plain/{pod['metadata']['name']}/app")
        until("a failure to be counted", lambda: counts(lab)["requests"]["failed"] > 0
              or counts(lab)["connections"]["lost"] > 0, 20)


if __name__ == "__main__":
    labs.need("sidestep-lab", "sidestepd", "sidestep-cni")
    labs.main([restarts_under_faults_lose_nothing])
