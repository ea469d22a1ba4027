#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a person was shown and said yes to is what a run carries out, or nothing: against the lab's API server.

  approved.py BIN_DIR
"""
import glob
import os
import pty
import subprocess
import sys
import tempfile

import yaml

from api import Api, check

SOURCE = os.environ.get("SIDESTEP_SOURCE_DIR", ".")
RUNS, TILL = "/apis/sidestep.dev/v1alpha1/sidestepruns", "/apis/apps/v1/namespaces/shop/deployments/till"
NODE = "/apis/sidestep.dev/v1alpha1/sidestepnodes"
PROFILE = """\
gateTimeout: 1s
sampleEvery: 100ms
waivers:
- {id: encryption-lost, reason: a test, owner: nobody, expires: "2199-01-01"}
"""
LABELS = ["k8s:app=till", "k8s:io.kubernetes.pod.namespace=shop", "k8s:io.cilium.k8s.policy.serviceaccount=default"]


def fill(api):
    for path in glob.glob(os.path.join(SOURCE, "deploy/crds/sidestep*.yaml")):
        with open(path, encoding="utf-8") as f:
            for crd in filter(None, yaml.safe_load_all(f)):
                api.ask("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", crd)
    api.ask("POST", "/api/v1/namespaces", {"metadata": {"name": "shop", "labels": {"istio-injection": "enabled"}}})
    api.ask("POST", "/api/v1/nodes", {"metadata": {"name": "a"}})
    api.ask("POST", TILL.rsplit("/", 1)[0], {"metadata": {"name": "till"}, "spec": {
        "replicas": 2, "selector": {"matchLabels": {"app": "till"}}, "template": {
            "metadata": {"labels": {"app": "till"}}, "spec": {"containers": [{"name": "app", "image": "till:1"}]}}}})
    api.ask("POST", NODE, {"apiVersion": "sidestep.dev/v1alpha1", "kind": "SidestepNode", "metadata": {"name": "a"}})
    counted(api, 80)


def counted(api, *ports):
    """What the node's agent publishes: calls of the till to itself."""
    call = {"source": 300, "destination": 300, "protocol": "TCP", "verdict": "forwarded", "count": 5}
    api.merge(NODE + "/a/status", {"status": {"ready": True, "identities": [{"id": 300, "labels": LABELS}],
                                              "counters": [{**call, "port": port} for port in ports]}})


def run_and_say_yes(bin_dir, folder, api, meanwhile):
    """A person at a terminal: reads the plan, and says yes once meanwhile() has happened."""
    terminal, stdin = pty.openpty()
    run = subprocess.Popen([os.path.join(bin_dir, "sidestep-migrate"), "run", "shop", "--kubeconfig", api.kubeconfig, "--state",
                            os.path.join(folder, "state"), "--profile", os.path.join(folder, "profile.yaml")],
                           stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    asked = b""
    while b"[y/N]" not in asked:
        more = os.read(run.stderr.fileno(), 4096)
        check(more, f"it does not ask: {asked!r}")
        asked += more
    meanwhile()
    os.write(terminal, b"y\n")
    out, err = run.communicate(timeout=120)
    os.close(terminal)
    os.close(stdin)
    return run.returncode, out.decode(), err.decode()


def main():
    bin_dir = sys.argv[1]
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "profile.yaml"), "w", encoding="utf-8") as f:
            f.write(PROFILE)
        api = Api(bin_dir, folder)
        try:
            fill(api)
            code, out, err = run_and_say_yes(bin_dir, folder, api, lambda: api.merge(TILL, {"spec": {"replicas": 3}}))
            check(code == 1 and "can be carried out" in out and "no longer fits: Deployment shop/till was changed" in err,
                  f"another cluster than was shown: exit {code}\n{out}{err}")
            check(not api.ask("GET", RUNS)["items"] and not os.path.exists(os.path.join(folder, "state/shop")), "it left a run")
            # A plan made now would have an edge more.
            code, out, err = run_and_say_yes(bin_dir, folder, api, lambda: counted(api, 80, 81))
            runs = api.ask("GET", RUNS)["items"]
            check(len(runs) == 1, f"exit {code}\n{out}{err}")
            edges = [e["port"] for e in runs[0]["spec"]["plan"]["edges"]]
            check(edges == [80], f"not the plan that was shown: edges to {edges}")
        finally:
            api.server.terminate()
            api.server.wait(60)
    print("carried out as shown, or not at all")


main()
