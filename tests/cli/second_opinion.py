#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Random small clusters: what translate and verify say, against a plain second reading of both sides.

  second_opinion.py BIN_DIR [SEEDS [FIRST]]

Every seed writes a cluster as manifests, asks the real programs, and looks at every connection between
what is in it (tests/support/plain_reading.py). It fails when a translation that blocks nothing decides a
connection otherwise than Istio, when verify is silent about one, or when a counterexample is none. The
policies are then broken at random and verify is asked again. The seed and the folder are printed.
"""
import copy
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time

import yaml

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
import plain_reading as plain  # noqa: E402

NAMESPACES, ACCOUNTS, APPS = ["one", "two", "three-prod"], ["a", "b", "c", "default"], ["x", "u", "z"]
PORTS = ["80", "443", "8080", "9000", "15020", "65535"]
BLOCKS = ["192.0.2.0/24", "192.0.2.128/25", "192.0.2.7", "198.51.100.0/22", "203.0.0.0/8", "0.0.0.0/0", "10.9.0.0/16"]
ADDRESSES = ["192.0.2.7", "192.0.2.8", "192.0.2.200", "198.51.101.1", "203.1.1.1", "8.8.8.8", "10.9.2.2"]
NODE = "10.9.1.1"
MODES = ["STRICT", "PERMISSIVE", "DISABLE", "UNSET"]
TOLD = [1795452067]  # seeds that once found something, played every time


class World:
    def __init__(self, seed):
        self.dice = random.Random(seed)
        self.objects, self.pods = [], []
        self.make()

    def one_in(self, n):
        return self.dice.randrange(n) == 0

    def some(self, values):
        return [self.dice.choice(values) for _ in range(self.dice.choice((1, 1, 2, 3)))]

    def add(self, version, kind, name, namespace, **rest):
        meta = {"name": name, **rest.pop("meta", {})}
        if namespace:
            meta["namespace"] = namespace
        self.objects.append({"apiVersion": version, "kind": kind, "metadata": meta, **rest})

    def principal(self):
        ns, sa = self.dice.choice(NAMESPACES), self.dice.choice(ACCOUNTS)
        forms = [f"cluster.local/ns/{ns}/sa/{sa}"] * 6 + [f"{plain.MESH.trust_domain}/ns/{ns}/sa/{sa}"] * 2 + \
            ["*", f"*/sa/{sa}", f"cluster.local/ns/{ns}/*", f"*/ns/{ns}/sa/{sa}", f"cluster.local/ns/{ns}/sa/*"]
        if self.one_in(12):
            forms = [f"cluster.local/ns/{ns[:2]}*", f"*{sa}", f"*/ns/{ns}/*", "other.domain/ns/one/sa/a", f"old.example/ns/{ns}/sa/{sa}",
                     f"spiffe://cluster.local/ns/{ns}/sa/{sa}", f"*/ns/{ns}/sa/*"]
        return self.dice.choice(forms)

    def values(self, attribute):
        if attribute == "principal":
            return [self.principal() for _ in self.some([0])]
        if attribute == "namespace":
            return self.some(NAMESPACES * 4 + ["*"] + (["*-prod", "t*", "*o*"] if self.one_in(8) else []))
        if attribute == "serviceAccount":
            return self.some([f"{n}/{a}" for n in NAMESPACES for a in ACCOUNTS] + ACCOUNTS)
        return self.some(BLOCKS if attribute == "ip" else PORTS)

    def source(self):
        out = {}
        for name, attribute in plain.SOURCES.items():
            if self.one_in(3):
                negate = self.one_in(3)
                out["not" + name[0].upper() + name[1:] if negate else name] = self.values(attribute)
                if not negate and self.one_in(5):
                    out["not" + name[0].upper() + name[1:]] = self.values(attribute)
        if set(out) & {"serviceAccounts", "notServiceAccounts"}:  # beside these Istio takes only addresses
            out = {k: v for k, v in out.items() if "erviceAccounts" in k or "pBlocks" in k}
        return {"source": out or {"namespaces": ["one"]}}

    def rule(self):
        out = {}
        if not self.one_in(4):
            out["from"] = [self.source() for _ in self.some([0])][:2]
        if not self.one_in(3):
            out["to"] = [{"operation": {self.dice.choice(["ports", "ports", "notPorts"]): self.values("port")}}
                         for _ in self.some([0])][:2]
            if self.one_in(15):
                out["to"][0]["operation"]["methods"] = ["GET"]
        if self.one_in(5):
            key, attribute = self.dice.choice(list(plain.CONDITIONS.items()))
            out["when"] = [{"key": key, self.dice.choice(["values", "notValues"]): self.values(attribute)}]
        return out

    def selector(self):
        labels = self.dice.choice([{}, {}, {"app": self.dice.choice(APPS)}, {"tier": self.dice.choice(["t0", "t1"])},
                                   {"app": self.dice.choice(APPS), "tier": "t0"}])
        return {"selector": {"matchLabels": labels}} if labels else self.dice.choice([{}, {}, {"selector": {}}])

    def make(self):
        self.add("v1", "Node", "node", None, spec={"podCIDR": "10.244.0.0/16"},
                 status={"addresses": [{"type": "InternalIP", "address": NODE}]})
        plain.MESH.root_namespace, plain.MESH.trust_domain, plain.MESH.aliases = "istio-system", "cluster.local", ()
        if self.one_in(5):
            plain.MESH.root_namespace = self.dice.choice(["istio-system", "mesh-root"])
            plain.MESH.trust_domain, plain.MESH.aliases = "corp.example", self.dice.choice([(), ("old.example",)])
            self.add("v1", "ConfigMap", "istio", "istio-system", data={"mesh": yaml.safe_dump({
                "rootNamespace": plain.MESH.root_namespace, "trustDomain": plain.MESH.trust_domain,
                "trustDomainAliases": list(plain.MESH.aliases)})})
        labels = {}
        for ns in NAMESPACES:
            labels[ns] = self.dice.choice([{"istio-injection": "enabled"}] * 3 + [
                {}, {"istio-injection": "disabled"}, {"istio.io/rev": "default"}])
            if ns == "one" and not self.one_in(6):
                labels[ns] = {"istio-injection": "enabled"}
            self.add("v1", "Namespace", ns, None, meta={"labels": labels[ns]} if labels[ns] else {})
        for i in range(2 + self.dice.randrange(6)):
            self.workload(i, labels)
        for i in range(self.dice.randrange(5)):
            spec = self.selector()
            if not self.one_in(6):
                spec["mtls"] = {"mode": self.dice.choice(MODES)}
            if spec.get("selector") and self.one_in(2):
                spec["portLevelMtls"] = {p: {"mode": self.dice.choice(MODES)} for p in self.some(PORTS)}
            self.add("security.istio.io/v1", "PeerAuthentication", f"m{i}",
                     self.dice.choice(["one", "one", "two", "istio-system", plain.MESH.root_namespace]), spec=spec,
                     meta={"creationTimestamp": f"2026-01-0{1 + self.dice.randrange(9)}T00:00:00Z"})
        for i in range(self.dice.randrange(5)):
            spec = self.selector()
            if not self.one_in(3):
                spec["action"] = self.dice.choice(["ALLOW", "ALLOW", "DENY"])
            if not self.one_in(8):
                spec["rules"] = [self.rule() for _ in range(self.dice.randrange(3))]
            self.add("security.istio.io/v1", "AuthorizationPolicy", f"p{i}",
                     self.dice.choice(["one"] * 5 + ["istio-system", plain.MESH.root_namespace, "two"]), spec=spec,
                     meta={"annotations": {"istio.io/dry-run": "true"}} if self.one_in(15) else {})

    def workload(self, i, namespace_labels):
        ns = "one" if i == 0 else self.dice.choice(["one", *NAMESPACES])
        labels = {"w": f"w{i}", "app": self.dice.choice(APPS), "tier": self.dice.choice(["t0", "t1"])}
        if self.one_in(8):
            labels["sidecar.istio.io/inject"] = self.dice.choice(["true", "false"])
        notes = {}
        if self.one_in(5):
            name = self.dice.choice(["excludeInboundPorts", "includeInboundPorts"])
            notes["traffic.sidecar.istio.io/" + name] = ",".join(self.some(PORTS))
        if self.one_in(12):
            notes["sidecar.istio.io/inject"] = "false"
        account = self.dice.choice(ACCOUNTS)
        account = account if self.one_in(3) else f"{account}{i}"
        if self.one_in(2):
            account = self.dice.choice(ACCOUNTS)
        spec = {"serviceAccountName": account, "containers": [{"name": "c"}]}
        if account == "default" and self.one_in(2):
            del spec["serviceAccountName"]
        host = self.one_in(15)
        if host:
            spec["hostNetwork"] = True
        pod_meta = {"labels": labels, **({"annotations": notes} if notes else {})}
        kind = self.dice.choice(["Deployment", "StatefulSet", "DaemonSet", "Pod"])
        if kind == "Pod":
            self.add("v1", "Pod", f"w{i}", ns, meta=pod_meta, spec=spec)
        else:
            known = {"w": f"w{i}"} if self.dice.randrange(6) else {"app": labels["app"]}  # now and then it overlaps
            self.add("apps/v1", kind, f"w{i}", ns,
                     spec={"selector": {"matchLabels": known}, "template": {"metadata": pod_meta, "spec": spec}})
        pod = plain.Pod(ns, account, labels, notes, namespace_labels[ns], host)
        pod.address, pod.name = f"10.244.0.{10 + i}", f"{kind}/w{i}"
        self.pods.append(pod)


def ask(bin_dir, folder, verb, *options):
    done = subprocess.run([os.path.join(bin_dir, "sidestep-migrate"), verb, "one", "--snapshot",
                           os.path.join(folder, "world.yaml"), "-o", "json", *options],
                          capture_output=True, text=True, timeout=120, check=False)
    if done.returncode not in (0, 3, 5):
        raise AssertionError(f"{verb}: exit {done.returncode}: {done.stderr}")
    return json.loads(done.stdout)


def connections(world):
    ports = sorted({int(p) for p in PORTS} | {1, 12345, 15008})
    callers = [p for p in world.pods if not p.host_network] + [plain.Outsider(a) for a in ADDRESSES]
    callers.append(plain.Outsider(NODE, "remote-node"))
    for pod in world.pods:
        if pod.namespace == "one" and not pod.host_network:
            for caller in callers:
                for port in ports:
                    yield caller, pod, port, "TCP"
                yield caller, pod, 53, "UDP"


def words(caller, pod, port, protocol):
    who = f"{caller.namespace}/{caller.account} ({caller.name})" if isinstance(caller, plain.Pod) else caller.address
    return f"{who} -> {pod.name}:{port}/{protocol}"


def judge(world, policies, verified, must_be_equal, what):
    """Both readings against what verify claims. Returns how many connections were looked at."""
    looked, different, wider = 0, [], []
    if verified["unread"]:  # verify itself says that it proves nothing
        if must_be_equal:
            raise AssertionError(f"{what}: nothing is blocked, and yet {verified['unread']}")
        return 0
    for c in connections(world):
        some, every = plain.istio(world.objects, *c)
        mesh = plain.cilium(policies, *c)
        looked += 1
        if mesh != some or mesh != every:
            different.append(f"{words(*c)}: Istio {some}/{every}, mesh {mesh}")
        if mesh and not some:
            wider.append(words(*c))
    if must_be_equal and (different or verified["differences"]):
        raise AssertionError(f"{what}: nothing is blocked, and yet {different[:5]}, verify {verified['differences']}: "
                             f"{verified['counterexamples'][:2]}")
    if different and not verified["differences"]:
        raise AssertionError(f"{what}: verify sees no difference: {different[:5]}")
    if wider and not verified["widening"]:
        raise AssertionError(f"{what}: verify sees no widening: {wider[:5]}")
    for example in verified["counterexamples"]:
        check_example(world, policies, example, what)
    return looked


def check_example(world, policies, example, what):
    """A counterexample that names a pod of the world must be one."""
    source, to = example["source"], example["destination"]
    pods = [p for p in world.pods if p.namespace == "one" and p.name == to["workload"]]
    if to["protocol"] not in ("TCP", "UDP") or not pods:
        return
    if "serviceAccount" in source and source["serviceAccount"]:
        callers = [p for p in world.pods if not p.host_network and p.namespace == source["namespace"] and
                   p.account == source["serviceAccount"]]
        if len({p.sidecar for p in callers}) != 1 or source.get("labels"):
            return  # not in this world, or told apart by something else
        caller = copy.copy(callers[0])
        caller.address = source.get("address") or caller.address
    elif source["address"] and source["address"][0].isdigit():
        entities = ("remote-node", "health", "kube-apiserver", "init", "unmanaged", "ingress", "host")
        caller = plain.Outsider(source["address"], source["labels"] if source["labels"] in entities else "world")
        if source.get("namespace"):
            return
    else:
        return
    c = (caller, pods[0], to["port"], to["protocol"])
    some, every = plain.istio(world.objects, *c)
    mesh = plain.cilium(policies, *c)
    if mesh == some == every or mesh != (example["mesh"] == "allow"):
        raise AssertionError(f"{what}: no counterexample: {example}: Istio {some}/{every}, mesh {mesh}")


def broken(dice, policies):
    """The policies with one fault, as a careless hand leaves it."""
    out = copy.deepcopy(policies)
    spec = dice.choice(out)["spec"]
    direction = dice.choice([d for d in ("ingress", "ingressDeny") if spec.get(d)])
    rule = dice.choice(spec[direction])
    fault = dice.randrange(6)
    selectors = rule.get("fromEndpoints") or [{}]
    expressions = selectors[0].get("matchExpressions") or []
    if fault == 0 and expressions:
        expressions.remove(dice.choice(expressions))
    elif fault == 1 and expressions and "values" in expressions[0]:
        expressions[0]["operator"] = "In" if expressions[0]["operator"] == "NotIn" else "NotIn"
    elif fault == 2 and "toPorts" in rule:
        ports = rule["toPorts"][0]["ports"]
        ports.remove(dice.choice(ports))
        if not ports:
            spec[direction].remove(rule)
    elif fault == 3 and len(out) > 1:
        out.remove(dice.choice(out))
    elif fault == 4:
        for key in ("fromEndpoints", "fromCIDR", "fromEntities"):
            rule.pop(key, None)
    else:
        spec[direction].remove(rule)
    return out


def play(bin_dir, seed, tally):
    folder = tempfile.mkdtemp(prefix=f"second-opinion-{seed}-")
    try:
        world = World(seed)
        with open(os.path.join(folder, "world.yaml"), "w", encoding="utf-8") as f:
            yaml.safe_dump_all(world.objects, f, sort_keys=False, default_flow_style=world.dice.choice([True, False, None]))
        said = ask(bin_dir, folder, "translate")
        verified = ask(bin_dir, folder, "verify")["equivalence"]
        blocked = said["fields"]["blocked"]
        tally["blocked" if blocked else "equal"] += 1
        tally["connections"] += judge(world, said["policies"], verified, not blocked, "translated")
        if said["policies"]:
            policies = broken(world.dice, said["policies"])
            path = os.path.join(folder, "broken.yaml")
            with open(path, "w", encoding="utf-8") as f:
                yaml.safe_dump_all(policies, f, sort_keys=False)
            verified = ask(bin_dir, folder, "verify", "--policies", path)["equivalence"]
            judge(world, policies, verified, False, "broken")
            tally["caught"] += verified["differences"] > 0
    except AssertionError as e:
        print(f"FAILED: seed {seed}, {folder}: {e}")
        return False
    shutil.rmtree(folder)
    return True


def main():
    bin_dir = sys.argv[1]
    seeds = int(sys.argv[2]) if len(sys.argv) > 2 else 30
    first = int(sys.argv[3]) if len(sys.argv) > 3 else int(time.time())
    tally = {"equal": 0, "blocked": 0, "caught": 0, "connections": 0}
    played = [*TOLD, *range(first, first + seeds)]
    print(f"seeds {first} to {first + seeds - 1}, and {TOLD}")
    good = sum(play(bin_dir, seed, tally) for seed in played)
    print(f"{good} of {len(played)} seeds: {tally}")
    sys.exit(0 if good == len(played) and min(tally["equal"], tally["caught"]) >= seeds // 5 else 1)


if __name__ == "__main__":
    main()
