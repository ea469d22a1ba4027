# SPDX-License-Identifier: Apache-2.0
"""Kill rounds: under load, one process of ours after another ends with SIGKILL, while Deployments are restarted so that pods
come and go. No request fails, none that must be refused gets through, no long-lived connection is lost.

kills.py [--rounds N] [--pause S]: each round kills one process, waits until it has been started again, and S to S+1 seconds
more (0 unless told).
"""
import datetime
import glob
import http.client
import json
import os
import random
import re
import shutil
import ssl
import sys
import tempfile
import time

import labs
from garbage import admin_context
from labs import Lab, check, kill, until

SEED = int(os.environ.get("SIDESTEP_SEED", random.SystemRandom().randrange(1 << 32)))
ROUNDS = int(sys.argv[sys.argv.index("--rounds") + 1]) if "--rounds" in sys.argv else 30
PAUSE_S = float(sys.argv[sys.argv.index("--pause") + 1]) if "--pause" in sys.argv else 0
NAMESPACE = "production"

# What the namespace's Istio policies say of the servers that somebody tries without leave: port and callers.
POLICIES = {
    "payment-service": ("8080", ["order-service"]),
    "order-service": ("8080", ["api-service"]),
    "database": ("5432", ["order-service", "payment-service"]),
}


class Api:
    def __init__(self, lab, folder):
        self.address = re.search(r"server:\s*\"?https://([^\"\s]+)", labs.read(lab.kubeconfig))[1]
        self.context = admin_context(lab.kubeconfig, folder)

    def ask(self, verb, path, body=None, kind="application/json"):
        """(status, object); status 0 while nobody answers."""
        connection = http.client.HTTPSConnection(self.address, context=self.context, timeout=10)
        try:
            connection.request(verb, path, json.dumps(body) if body else None, {"Content-Type": kind})
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        except (OSError, ssl.SSLError, http.client.HTTPException, ValueError):
            return 0, {}
        finally:
            connection.close()

    def must(self, what, wanted, *request):
        until(what, lambda: self.ask(*request)[0] in wanted, patience=30)


def policy(server, port, callers):
    return {"apiVersion": "cilium.io/v2", "kind": "CiliumNetworkPolicy", "metadata": {"name": server, "namespace": NAMESPACE},
            "spec": {"endpointSelector": {"matchLabels": {"app": server}},
                     "ingress": [{"fromEndpoints": [{"matchLabels": {"app": c}} for c in callers],
                                  "toPorts": [{"ports": [{"port": port, "protocol": "TCP"}]}]}]}}


def counts(lab):
    """{(client file, target, how): edge}: every client that ever ran."""
    found = {}
    for path in glob.glob(lab.dir + "/counts/*.json"):
        try:
            said = json.loads(labs.read(path))
        except ValueError:
            continue
        for edge in said.get("edges", []):
            found[os.path.basename(path), edge["target"], edge["how"]] = edge
        for held in said.get("long_lived", []):
            found[os.path.basename(path), held["target"], "lost"] = {"lost": held.get("lost", 0)}
    return found


def total(edges, key):
    return sum(e.get(key, 0) for e in edges.values())


BAD = ("failed", "refused_missing", "lost")


def bad(edges):
    return {key: total(edges, key) for key in BAD}


def steady(lab):
    """Two seconds in which requests passed, some were refused, and nothing went wrong."""
    def quiet():
        before = counts(lab)
        labs.wait(2)
        after = counts(lab)
        return (bad(before) == bad(after) and total(after, "ok") - total(before, "ok") > 50
                and total(after, "refused") > total(before, "refused"))
    until("traffic to be steady", quiet, patience=90)


def details(before, after):
    lines = []
    for key, edge in sorted(after.items()):
        old = before.get(key, {})
        for word in BAD:
            if edge.get(word, 0) > old.get(word, 0):
                lines.append(f"{' '.join(key)}: {edge[word] - old.get(word, 0)} {word}, last: {edge.get('recent', [])[-2:]}")
    return "\n  ".join(lines)


def restart(api, dice):
    """`kubectl rollout restart` of one Deployment: pods come and go through the CNI plugin."""
    _, deployments = api.ask("GET", f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments")
    if deployments.get("items"):
        name = dice.choice(deployments["items"])["metadata"]["name"]
        stamp = {"spec": {"template": {"metadata": {"annotations": {"kills.test/restarted": str(dice.random())}}}}}
        api.ask("PATCH", f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/{name}", stamp, "application/merge-patch+json")
        return name
    return "of nothing: the API is away"


class Victims:
    """Whom to kill next. The lab's kubelet, like a real one, doubles its wait before each start of a container that keeps ending,
    until one run of it was long enough (GOOD_RUN_NS in deploy/lab/kubelet). A node without an agent for eight seconds has no news
    of pods that are replaced meanwhile: so an agent killed AT_MOST times in a row is spared until its next run counts as good."""
    AT_MOST, SPARED_S = 3, 15

    def __init__(self, dice):
        self.dice, self.killed = dice, {}  # how often an agent was killed in a row, and when last

    def spared(self, role, now):
        times, last = self.killed.get(role, (0, 0))
        return times >= self.AT_MOST and now - last < self.SPARED_S

    def pick(self, roles):
        now = time.monotonic()
        # the supervisor stands for systemd and the kubelet's own restarts: it is not one of ours
        role = self.dice.choice(sorted(r for r in roles if r != "supervise" and not self.spared(r, now)))
        if role.startswith("sidestepd."):
            times, last = self.killed.get(role, (0, 0))
            self.killed[role] = (times + 1 if now - last < self.SPARED_S else 1, now)
        return role, roles[role]


def clock():
    return datetime.datetime.now(datetime.timezone.utc).strftime("%H:%M:%S.%f")[:-3]


def rollouts_are_over(api):
    _, deployments = api.ask("GET", f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments")
    items = deployments.get("items", [])
    return items and all(d.get("status", {}).get("updatedReplicas") == d["spec"]["replicas"] ==
                         d["status"].get("availableReplicas") == d["status"].get("replicas") for d in items)


def nothing_is_lost_by_kills():
    dice = random.Random(SEED)
    with Lab("pe-kills") as lab, tempfile.TemporaryDirectory() as folder:
        manifests = shutil.copytree(os.path.join(labs.SOURCE, "deploy/lab/manifests", NAMESPACE), os.path.join(folder, "m"))
        os.remove(os.path.join(manifests, "istio.yaml"))  # the smallest lab that shows it: no sidecars
        lab.up("--nodes", "2", "--manifests", manifests)
        api = Api(lab, folder)
        for server, (port, callers) in POLICIES.items():
            api.must("a policy to be stored", (201, 409), "POST",
                     f"/apis/cilium.io/v2/namespaces/{NAMESPACE}/ciliumnetworkpolicies", policy(server, port, callers))
        steady(lab)
        before = counts(lab)
        story, victims = [], Victims(dice)
        for number in range(ROUNDS):
            role, pid = victims.pick(lab.roles())
            if number % 3 == 0:
                story.append(f"{clock()} rollout restart {restart(api, dice)}")
            kill(pid)
            story.append(f"{clock()} kill -9 {role}")
            until(f"{role} to be started again", lambda r=role, p=pid: lab.roles().get(r, p) != p, patience=20)
            labs.wait(PAUSE_S + dice.random())
            now = counts(lab)
            check(bad(now) == bad(before), f"round {number}, {role} killed (seed {SEED}):\n  {details(before, now)}\n  " +
                  "\n  ".join(story))
        until("the last rollout to end", lambda: rollouts_are_over(api), patience=120)
        steady(lab)
        after = counts(lab)
        check(bad(after) == bad(before), f"at the end (seed {SEED}):\n  {details(before, after)}\n  " +
              "\n  ".join(story))
        print(f"     {ROUNDS} kills, {total(after, 'ok') - total(before, 'ok')} requests passed, "
              f"{total(after, 'refused') - total(before, 'refused')} refused")
        lab.down()
        lab.check_no_traces("kills and down")


if __name__ == "__main__":
    labs.need("sidestep-lab", "sidestepd", "sidestep-cni")
    print(f"seed {SEED}: repeat with SIDESTEP_SEED={SEED}")
    sys.argv[1:] = []
    labs.main([nothing_is_lost_by_kills])
