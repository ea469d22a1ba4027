# SPDX-License-Identifier: Apache-2.0
"""What an upgrade must carry over: held connections of every kind, new ones all the time, and how each was decided.

On two nodes, one server each. Callers of both reach each by its own address ("plain", half of them to the other node) and through
a Service; those whose container is called istio-proxy are left alone by the sockets' programs, so the pods' programs translate
for them. Whoever calls accepts no connection itself: an answer passes because its connection is known, or not at all.
"""
import json
import os
import tempfile
import time

import yaml

import labs
from kills import BAD, Api, bad, counts, details, steady, total
from labs import BIN, SOURCE, Lab, check, run, until

NAMESPACE = "carried"
NODES = ("node-a", "node-b")
TCP, UDP = 7000, 7001
IMAGE = "sidestep.dev/sidestepd:"
RELEASES = SOURCE + "/deploy/releases.yaml"
VERSIONS = [r["version"] for r in yaml.safe_load(labs.read(RELEASES))["releases"]]
OLDER, TREE = VERSIONS[-2:]  # the release before this one, and this checkout
BUILD_S, HOP_S = 1500, 600

# --- who talks to whom ---


def urls(*hosts):
    return [f"{scheme}://{host}:{port}" for host in hosts for scheme, port in (("tcp", TCP), ("udp", UDP))]


def deployment(name, role, node, args, container="app"):
    labels = {"app": name, "role": role}
    pod = {"terminationGracePeriodSeconds": 10, "nodeSelector": {"kubernetes.io/hostname": node},
           "containers": [{"name": container, "image": "sidestep.dev/lab/workload:1", "args": args}]}
    if role == "server":
        pod["containers"][0]["readinessProbe"] = {"exec": {"command": ["/workload", "--probe"]}, "periodSeconds": 1}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": NAMESPACE},
            "spec": {"replicas": 1, "selector": {"matchLabels": {"app": name}},
                     "template": {"metadata": {"labels": labels}, "spec": pod}}}


def service(name, selector, **spec):
    ports = [{"name": "tcp", "port": TCP}, {"name": "udp", "port": UDP, "protocol": "UDP"}]
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": NAMESPACE},
            "spec": {"selector": selector, "ports": ports, **spec}}


def objects(lines, rate):
    """lines: held connections for each target; rate: new ones a second for each of six."""
    yield {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    yield service("echo", {"role": "server"})
    for node in NODES:
        letter = node[-1]
        yield service(f"echo-{letter}", {"app": f"echo-{letter}"}, clusterIP="None")
        yield deployment(f"echo-{letter}", "server", node, [f"--tcp-echo={TCP}", f"--udp-echo={UDP}"])
        hold = [f"--lines={lines}", *(f"--hold={u}" for u in urls("echo", "echo-a", "echo-b"))]
        yield deployment(f"hold-{letter}", "caller", node, hold)
        hold = [f"--lines={lines}", *(f"--hold={u}" for u in urls("echo"))]
        yield deployment(f"translated-{letter}", "caller", node, hold, container="istio-proxy")
        calls = [f"--call=tcp://{host}:{TCP}" for host in ("echo", "echo-a", "echo-b")]
        yield deployment(f"dial-{letter}", "caller", node, [f"--rate={rate}", *calls])
        yield deployment(f"stranger-{letter}", "stranger", node, [f"--refuse=tcp://echo:{TCP}", "--rate=2"])


HELD_TARGETS = len(NODES) * (len(urls("echo", "echo-a", "echo-b")) + len(urls("echo")))
DIALLED = len(NODES) * 3


def policies():
    ports = [{"port": str(TCP), "protocol": "TCP"}, {"port": str(UDP), "protocol": "UDP"}]
    for name, of, callers in (("server", "server", "caller"), ("caller", "caller", "nobody")):
        rule = {"fromEndpoints": [{"matchLabels": {"role": callers}}], "toPorts": [{"ports": ports}]}
        yield {"apiVersion": "cilium.io/v2", "kind": "CiliumNetworkPolicy", "metadata": {"name": name, "namespace": NAMESPACE},
               "spec": {"endpointSelector": {"matchLabels": {"role": of}}, "ingress": [rule]}}


def open_now(lab):
    """Held connections, by the clients' own count."""
    n = 0
    for path in os.listdir(lab.dir + "/counts"):
        try:
            said = json.loads(labs.read(f"{lab.dir}/counts/{path}")) if path.endswith(".json") else {}
        except ValueError:
            continue
        n += sum(h["opened"] - h["ended_with_pod"] - h["lost"] for h in said.get("long_lived", []))
    return n


def dialled(edges):
    return sum(e.get("sent", 0) for key, e in edges.items() if key[2] == "fresh" and "_dial-" in key[0])


# --- releases ---


def release(version, patch=None):
    """The folder of its programs, built from history; with a patch of releases/ it is the tree with that defect."""
    if version == TREE and not patch:
        return BIN
    words = [f"{version}=tree", "--patch", f"{SOURCE}/tests/system/releases/{patch}.patch"] if patch else [version]
    built = run(SOURCE + "/deploy/build-release", *words, os.path.join(os.path.dirname(os.path.dirname(BIN)), "releases"),
                timeout=BUILD_S)
    if built.returncode and "no commit of the older release here" in built.stderr:
        labs.skip(built.stderr.strip())
    check(built.returncode == 0, f"build-release {words}: {built.stderr}")
    return built.stdout.strip()


# --- how connections were decided ---

MEANING = ("action", "newSource", "newDestination", "sourceIdentity", "destinationIdentity", "node")
FLAGS = {"reply", "nat", "service", "loopback", "from-tunnel"}


def decisions(lab, bin_dirs):
    """{(node, direction): decision} of answered connections to our servers, read from the pinned maps by that release."""
    found = {}
    for node in NODES:
        listed = run(os.path.join(bin_dirs[node], "sidestep"), "bpf", "ct", "list", "-o", "json", "--pin-root",
                     f"{lab.dir}/nodes/{node}/bpf/sidestep")
        check(listed.returncode == 0, f"bpf ct list on {node}: {listed.stderr}")
        for row in json.loads(listed.stdout):
            ports = {int(row[end].rsplit(":", 1)[1]) for end in ("source", "destination")}
            if row["answered"] and ports & {TCP, UDP}:
                decision = tuple(row.get(k) for k in MEANING) + tuple(sorted(FLAGS & set(row.get("flags", ()))))
                found[node, row["protocol"], row["from"], row["source"], row["destination"]] = decision
    return found


def decided_alike(before, after, callers):
    """All connections that are in both were decided the same way; how many of them those addresses opened."""
    both = before.keys() & after.keys()
    other = [f"{' '.join(k)}:\n    was {before[k]}\n    is  {after[k]}" for k in sorted(both) if before[k] != after[k]]
    check(not other, f"{len(other)} of {len(both)} directions are decided differently:\n  " + "\n  ".join(other[:5]))
    return sum(1 for k in both if k[2] == "pod" and "reply" not in before[k] and k[3].rsplit(":", 1)[0] in callers)


# --- a mesh under this load ---


class Mesh:
    """With-statement: a lab whose agents are of that version, with its connections open and its traffic steady."""

    def __init__(self, name, version, bin_dir, lines, rate):
        self.lab, self.folder = Lab(name), None
        self.bin = dict.fromkeys(NODES, bin_dir)
        self.version, self.held, self.rate = version, lines * HELD_TARGETS, rate * DIALLED
        self.lines, self.each = lines, rate

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory()
        self.lab.__enter__()
        try:
            self.begin()
        except BaseException as error:
            self.__exit__(type(error), error, None)
            raise
        return self

    def __exit__(self, kind, value, trace):
        self.lab.__exit__(kind, value, trace)
        self.folder.cleanup()

    def write(self, name, documents):
        path = os.path.join(self.folder.name, name)
        with open(path, "w", encoding="utf-8") as f:
            f.write("---\n".join(json.dumps(d) + "\n" for d in documents))  # which is YAML
        return path

    def begin(self):
        image = IMAGE + self.version
        manifest = self.write("namespace.yaml", list(objects(self.lines, self.each))[:1])
        self.lab.up("--nodes", str(len(NODES)), "--manifests", manifest, "--image", f"{image}={self.bin[NODES[0]]}", "--agent", image)
        self.api = Api(self.lab, self.folder.name)
        until("every agent to be ready", self.agents_are_ready, patience=90)
        self.load()
        for policy in policies():
            self.api.must("a policy to be stored", (201, 409), "POST",
                          f"/apis/cilium.io/v2/namespaces/{NAMESPACE}/ciliumnetworkpolicies", policy)
        until("every connection to be open", lambda: open_now(self.lab) >= self.held, patience=90)
        steady(self.lab)

    def agents_are_ready(self):
        """On every node: 0.1.0 can lose the endpoint of a pod whose first ADD found no agent, for the deletion that is queued then
        is withdrawn by later releases only. So the load comes behind the agents, and none of its pods meets that."""
        _, pods = self.api.ask("GET", "/api/v1/namespaces/kube-system/pods?labelSelector=k8s-app%3Dsidestep")
        ready = {p["spec"].get("nodeName") for p in pods.get("items", [])
                 for c in p["status"].get("conditions", []) if c["type"] == "Ready" and c["status"] == "True"}
        return ready >= set(NODES)

    def load(self):
        for thing in objects(self.lines, self.each):
            kind = thing["kind"]
            path = {"Namespace": "/api/v1/namespaces", "Service": f"/api/v1/namespaces/{NAMESPACE}/services",
                    "Deployment": f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments"}[kind]
            self.api.must(f"{kind} {thing['metadata']['name']} to be stored", (201, 409), "POST", path, thing)

    def image(self, version, bin_dir):
        added = run(os.path.join(BIN, "sidestep-lab"), "image", "add", IMAGE + version, bin_dir, "--lab", self.lab.name)
        check(added.returncode == 0, f"image add: {added.stderr}")

    def profile(self, **shorter):
        """The lab's, and what this test shortens further."""
        with open(SOURCE + "/deploy/lab/upgrade.yaml", encoding="utf-8") as f:
            return self.write("profile.yaml", [{**yaml.safe_load(f), **shorter}])

    def argv(self, verb, *words):
        state = [] if verb in ("plan", "status", "report") else ["--state", os.path.join(self.folder.name, "state")]
        return [os.path.join(BIN, "sidestep-upgrade"), verb, *words, *state, "--kubeconfig", self.lab.kubeconfig]

    def upgrade(self, verb, *words, timeout=HOP_S):
        return run(*self.argv(verb, *words), timeout=timeout)

    @staticmethod
    def words(version, releases, profile):
        return ["--to", version, "--yes", "--finalize", "--canary", NODES[1], "--releases", releases, "--profile", profile]

    def hop(self, version, releases, profile):
        """`sidestep upgrade run` to a version, node-b first; (exit code, its report, what it said)."""
        done = self.upgrade("run", *self.words(version, releases, profile))
        told = self.upgrade("report", "-o", "json")
        return done.returncode, json.loads(told.stdout) if told.returncode == 0 else {}, done.stdout + done.stderr

    def holders(self):
        """Addresses of the pods that hold connections, and begin no others."""
        _, pods = self.api.ask("GET", f"/api/v1/namespaces/{NAMESPACE}/pods")
        return {p["status"].get("podIP") for p in pods.get("items", [])
                if p["metadata"]["name"].startswith(("hold-", "translated-"))}

    def versions(self):
        """What each node's agent says it is, and its pod's image."""
        _, nodes = self.api.ask("GET", "/apis/sidestep.dev/v1alpha1/sidestepnodes")
        _, pods = self.api.ask("GET", "/api/v1/namespaces/kube-system/pods?labelSelector=k8s-app%3Dsidestep")
        said = {n["metadata"]["name"]: n.get("status", {}).get("version") for n in nodes.get("items", [])}
        runs = {p["spec"].get("nodeName"): p["spec"]["containers"][0]["image"].removeprefix(IMAGE) for p in pods.get("items", [])}
        return said, runs


class Carried:
    """With-statement around a change: what was open before it is open and decided alike behind it, and nothing failed."""

    def __init__(self, mesh, what, least):
        self.mesh, self.what, self.least = mesh, what, least

    def __enter__(self):
        self.before, self.rows, self.began = counts(self.mesh.lab), decisions(self.mesh.lab, self.mesh.bin), time.monotonic()
        return self

    def __exit__(self, kind, value, trace):
        if kind is None:
            self.judge()

    def judge(self):
        lab = self.mesh.lab
        labs.wait(4)  # a connection that is not answered is lost after three seconds
        after, seconds = counts(lab), time.monotonic() - self.began
        check(bad(after) == bad(self.before), f"{self.what}:\n  {details(self.before, after)}")
        alike = decided_alike(self.rows, decisions(lab, self.mesh.bin), self.mesh.holders())
        check(alike >= self.least, f"{self.what}: only {alike} connections were open before and behind it, not {self.least}")
        new = dialled(after) - dialled(self.before)
        check(new >= 0.9 * self.mesh.rate * seconds, f"{self.what}: only {new} new connections in {seconds:.0f} s")
        print(f"     {self.what}: {seconds:.0f} s, {alike} connections decided alike, {new} new ones, "
              f"{total(after, 'refused') - total(self.before, 'refused')} refused, nothing lost", flush=True)


def lost_on(before, after):
    """{edge: how often each kind of bad} of the edges on which something went wrong."""
    worse = {}
    for key, edge in after.items():
        more = {word: edge.get(word, 0) - before.get(key, {}).get(word, 0) for word in BAD}
        if any(more.values()):
            worse[key] = {word: n for word, n in more.items() if n}
    return worse
