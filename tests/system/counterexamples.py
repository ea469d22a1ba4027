# SPDX-License-Identifier: Apache-2.0
"""What verify says about a faulty translator is true on the wire: its counterexample is sent, and differs.

A lab without sidecars enforces the good policies, then those of one faulty translator after the other
(tests/support/translator_faults.h). From a pod with the counterexample's namespace and account to its server and port: the
good policies do what Istio's rules say, the faulty ones the opposite.
"""
import base64
import http.client
import json
import os
import ssl
import sys
import tempfile

import yaml

import labs
from labs import check, run, until

NS = "production"
FOLDERS = [os.path.join(labs.SOURCE, "deploy/lab/manifests", f) for f in (NS, "intruder")]
POLICIES = f"/apis/cilium.io/v2/namespaces/{NS}/ciliumnetworkpolicies"
# One connection: whatever the server's stack says counts as "let through", silence does not.
KNOCK = """
import socket, sys
s = socket.socket()
s.settimeout(2)
try:
    s.connect((sys.argv[1], int(sys.argv[2])))
    print("through")
except ConnectionRefusedError:
    print("through")
except OSError:
    print("refused")
"""


class Api:
    def __init__(self, kubeconfig):
        config = yaml.safe_load(labs.read(kubeconfig))
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        self.address = cluster["server"].removeprefix("https://")
        self.context = ssl.create_default_context(
            cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
        with tempfile.NamedTemporaryFile() as pair:
            pair.write(base64.b64decode(user["client-certificate-data"]) + b"\n" +
                       base64.b64decode(user["client-key-data"]))
            pair.flush()
            self.context.load_cert_chain(pair.name)

    def ask(self, method, path, body=None, ok=(200, 201)):
        c = http.client.HTTPSConnection(self.address, context=self.context, timeout=30)
        c.request(method, path, json.dumps(body) if body else None, {"Content-Type": "application/json"})
        answer = c.getresponse()
        text = answer.read()
        check(answer.status in ok, f"{method} {path}: {answer.status} {text[:300]!r}")
        return json.loads(text or b"{}")


def translated(*number):
    result = run(os.path.join(labs.BIN, "translator-fault"), *FOLDERS, NS, *number)
    check(result.returncode == 0, result.stderr)
    return json.loads(result.stdout)


class Bench:
    def __init__(self, lab):
        self.lab, self.api = lab, Api(lab.kubeconfig)
        self.pods = {}
        # Refusals in silence here: a reset would look like that of a port where nobody listens.
        ns = self.api.ask("GET", "/api/v1/namespaces/" + NS)
        ns["metadata"].setdefault("annotations", {})["sidestep.dev/refusal"] = "drop"
        self.api.ask("PUT", "/api/v1/namespaces/" + NS, ns)

    def policies(self, wanted):
        for old in self.api.ask("GET", POLICIES)["items"]:
            self.api.ask("DELETE", f"{POLICIES}/{old['metadata']['name']}")
        for policy in wanted:
            self.api.ask("POST", POLICIES, policy)

    def pod(self, ns, account, labels, serve=False):
        """A pod of that identity, made when there is none yet; its name."""
        key = (ns, account, tuple(sorted(labels.items())), serve)
        if key not in self.pods:
            name = f"probe-{len(self.pods)}"
            self.api.ask("POST", "/api/v1/namespaces", {"metadata": {"name": ns}}, ok=(201, 409))
            self.api.ask("POST", f"/api/v1/namespaces/{ns}/serviceaccounts", {"metadata": {"name": account}}, ok=(201, 409))
            self.api.ask("POST", f"/api/v1/namespaces/{ns}/pods", {
                "metadata": {"name": name, "labels": labels},
                "spec": {"serviceAccountName": account, "containers": [
                    {"name": "app", "image": "sidestep.dev/lab/workload:1", "args": ["--http=8080"]}]}})
            until(f"{ns}/{name} to be ready", lambda: self.ready(ns, name), patience=60)
            self.pods[key] = name
        return self.pods[key]

    def ready(self, ns, name):
        status = self.api.ask("GET", f"/api/v1/namespaces/{ns}/pods/{name}").get("status", {})
        return any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions", []))

    def server(self, workload):
        """The address of a pod that the counterexample's destination speaks of."""
        kind, _, name = workload.partition("/")
        if kind != "Deployment":
            labels = dict(p.split("=") for p in workload.removeprefix("pods with ").split(",") if "=" in p)
            name = self.pod(NS, "any-other-account", labels, serve=True)
        for pod in self.api.ask("GET", f"/api/v1/namespaces/{NS}/pods")["items"]:
            if pod["metadata"]["name"] == name or (kind == "Deployment" and pod["metadata"]["name"].startswith(name + "-")):
                return pod["status"]["podIP"]
        raise labs.Failed(f"no pod of {workload}")

    def verdict(self, example):
        source, to = example["source"], example["destination"]
        labels = dict(p.split("=") for p in source.get("labels", "").split(",") if p)
        name = self.pod(source["namespace"], source["serviceAccount"], labels)
        said = self.lab.command("shell", f"{source['namespace']}/{name}", "--", sys.executable, "-c", KNOCK,
                                self.server(to["workload"]), str(to["port"]), timeout=30)
        check(said.stdout.strip() in ("through", "refused"), f"shell: {said.stdout}{said.stderr}")
        return said.stdout.strip()

    def expect(self, example, allowed, what):
        word = "through" if allowed else "refused"
        until(f"{what}: {json.dumps(example)} to be {word}", lambda: self.verdict(example) == word, patience=40)


def sendable(fault):
    """A counterexample that a pod can send, in the direction of the fault; workloads that run first."""
    found = [e for e in fault["equivalence"]["counterexamples"]
             if e["destination"]["protocol"] == "TCP" and "namespace" in e["source"]
             and (e["mesh"] == "allow") == fault["widens"]]
    found.sort(key=lambda e: not e["destination"]["workload"].startswith("Deployment/"))
    return found[0] if found else None


def counterexamples_are_true():
    good = translated()
    check(good["equivalence"]["differences"] == 0, "the good policies differ")
    sent = 0
    with labs.Lab("counter") as lab:
        # Istio's own objects stay out: nothing here would read them.
        files = [os.path.join(f, n) for f in FOLDERS for n in sorted(os.listdir(f)) if n != "istio.yaml"]
        lab.up("--nodes", "2", *[a for f in files for a in ("--manifests", f)])
        bench = Bench(lab)
        for number in range(good["faults"]):
            fault = translated(str(number))
            check(fault["equivalence"]["differences"] > 0, f"{fault['name']}: verify saw nothing")
            example = sendable(fault)
            if not example:  # its callers are outside the cluster
                print(f"     {fault['name']}: no pod can send it", flush=True)
                continue
            bench.policies(good["policies"])
            bench.expect(example, example["istio"] == "allow", "good policies")
            bench.policies(fault["policies"])
            bench.expect(example, example["mesh"] == "allow", fault["name"])
            print(f"     {fault['name']}: sent, and it differs", flush=True)
            sent += 1
    check(sent >= 10, f"only {sent} counterexamples could be sent")


labs.need("sidestep-lab", "translator-fault")
labs.main([counterexamples_are_true])
