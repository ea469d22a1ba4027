# SPDX-License-Identifier: Apache-2.0
"""sidestepd on two nodes that are network namespaces: a real API server, the real CNI plugin, real packets.

What is shown: two pods talk or are refused, and a change of policy reaches a live connection; a ClusterIP reaches a
pod of the other node; a policy nobody enforces says so and closes; kill -9 under load loses nothing and everything
is found again; rows corrupted behind the agent's back are found, repaired and reported.
"""
import fcntl
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

import labs
from labs import check, until

NAME = f"ms-{os.getpid()}"
NODES = {"n1": "172.29.77.1", "n2": "172.29.77.2"}
PORT = 8080

SERVER = """
import socket, sys, threading
s = socket.create_server(("", int(sys.argv[1])))
print("up", flush=True)
def serve(c):
    while True:
        data = c.recv(4096)
        if not data:
            return c.close()
        c.sendall(data)
while True:
    c, _ = s.accept()
    threading.Thread(target=serve, args=(c,), daemon=True).start()
"""

# One connection a line: "ok", "refused", "timeout".
CLIENT = """
import socket, sys
try:
    c = socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=float(sys.argv[3]))
    c.sendall(b"hello")
    print("ok" if c.recv(5) == b"hello" else "wrong")
except ConnectionRefusedError:
    print("refused")
except TimeoutError:
    print("timeout")
except OSError as e:
    print("error", e)
"""

# A connection that is kept: writes a byte every 50 ms, prints every echo that fails to come.
KEPT = """
import select, socket, sys
c = socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=5)
print("up", flush=True)
n = 0
while True:
    try:
        c.sendall(b"x")
        if c.recv(1) != b"x":
            raise OSError("closed")
    except OSError as e:
        print("lost", n, e, flush=True)
        sys.exit(1)
    n += 1
    if select.select([sys.stdin], [], [], 0.05)[0]:
        print("kept", n, flush=True)
        sys.exit(0)
"""

# A connected datagram socket in the balanced cgroup: says how its wait for an answer ends.
WAIT_ON_UDP = """
import os, socket, sys
with open(sys.argv[3] + "/cgroup.procs", "w") as f:
    f.write(str(os.getpid()))
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.connect((sys.argv[1], int(sys.argv[2])))
print("connected", s.getpeername()[0], flush=True)
try:
    s.recv(1)
    print("answered", flush=True)
except ConnectionAbortedError:
    print("aborted", flush=True)
"""


def sh(*argv, **more):
    done = subprocess.run(argv, capture_output=True, text=True, check=False, **more)
    check(done.returncode == 0, f"{' '.join(argv)}: {done.stdout}{done.stderr}")
    return done.stdout


def within(netns, *argv):
    return ("nsenter", f"--net={netns}", "--", *argv)


class Cluster:
    """Two namespaces with an agent each, joined by a veth pair, and an API server that both reach."""

    def __init__(self):
        self.token = ""
        self.dir = tempfile.mkdtemp(prefix=f"{NAME}-")
        mounts = [line.split() for line in labs.read("/proc/self/mounts").splitlines()]
        self.cgroup = os.path.join([m[1] for m in mounts if m[2] == "cgroup2"][0], NAME)
        os.makedirs(self.cgroup, exist_ok=True)
        self.processes = []
        self.agents = {}
        self.pods = {}
        self.names = []

    def start(self, argv, log, **more):
        with open(os.path.join(self.dir, log), "ab") as out:
            p = subprocess.Popen(argv, stdout=out, stderr=out, stdin=subprocess.DEVNULL, **more)
        self.processes.append(p)
        return p

    def netns(self, name):
        sh("ip", "netns", "add", name)
        self.names.append(name)
        sh("ip", "-n", name, "link", "set", "lo", "up")
        return f"/run/netns/{name}"

    def up(self):
        for node in NODES:
            self.netns(f"{NAME}-{node}")
        sh("ip", "link", "add", "u0", "netns", f"{NAME}-n1", "mtu", "1500", "type", "veth",
           "peer", "name", "u0", "netns", f"{NAME}-n2")
        for node, address in NODES.items():
            sh("ip", "-n", f"{NAME}-{node}", "addr", "add", f"{address}/24", "dev", "u0")
            sh("ip", "-n", f"{NAME}-{node}", "link", "set", "u0", "up")
        hub = f"/run/netns/{NAME}-n1"
        self.start(within(hub, os.path.join(labs.BIN, "sidestep-lab"), "apiserver", "--dir", f"{self.dir}/api",
                          "--listen", f"{NODES['n1']}:6443", "--write-kubeconfig", f"{self.dir}/kubeconfig"), "api.log")
        until("the API server's token", lambda: os.path.exists(f"{self.dir}/kubeconfig")
              and labs.read(f"{self.dir}/api/admin.token"))
        self.token = labs.read(f"{self.dir}/api/admin.token").strip()
        until("the API server", lambda: self.try_api("GET", "/version"))
        for crds in ("sidestep.yaml", "cilium.yaml"):
            text = labs.read(os.path.join(labs.SOURCE, "deploy/crds", crds))
            for part in re.split(r"^---$", text, flags=re.M):
                self.api("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", part,
                         kind="application/yaml")
        for i, (node, address) in enumerate(NODES.items(), 1):
            self.api("POST", "/api/v1/nodes", {"metadata": {"name": node}, "spec": {"podCIDR": f"10.231.{i}.0/24"}})
            self.api("PATCH", f"/api/v1/nodes/{node}/status", {"status": {
                "addresses": [{"type": "InternalIP", "address": address}]}})
        self.api("POST", "/api/v1/namespaces", {"metadata": {"name": "shop"}})
        os.makedirs(f"/sys/fs/bpf/{NAME}", exist_ok=True)
        for node in NODES:
            self.start_agent(node)

    def start_agent(self, node):
        self.agents[node] = self.start(
            within(f"/run/netns/{NAME}-{node}", os.path.join(labs.BIN, "sidestepd"), "--node", node, "--kubeconfig",
                   f"{self.dir}/kubeconfig", "--socket", self.socket(node), "--state-dir", f"{self.dir}/{node}/state",
                   "--queue", f"{self.dir}/{node}/queue", "--pin-root", f"/sys/fs/bpf/{NAME}/{node}",
                   "--publish-interval", "200ms", "--cgroup", self.cgroup, *sys.argv[1:]), f"agent.{node}.log")
        until(f"the agent of {node}", lambda: self.agent(node, "GET", "/v1/status", quiet=True).get("ready"))

    def socket(self, node):
        return f"{self.dir}/{node}.sock"

    def down(self):
        for p in self.processes:
            p.kill()
            p.wait()
        for name in self.names:
            subprocess.run(("ip", "netns", "del", name), check=False)
        shutil.rmtree(f"/sys/fs/bpf/{NAME}", ignore_errors=True)
        os.rmdir(self.cgroup)
        shutil.rmtree(self.dir, ignore_errors=True)

    # --- talking to the API server (from its own namespace) and to agents

    def try_api(self, method, path, body=None, kind="application/json"):
        if method == "PATCH":
            kind = "application/merge-patch+json"
        if body is not None and not isinstance(body, str):
            body = json.dumps(body)
        argv = ["curl", "-sk", "-X", method, "-H", f"Authorization: Bearer {self.token}",
                "-w", "\n%{http_code}", f"https://{NODES['n1']}:6443{path}"]
        if body is not None:
            argv += ["-H", f"Content-Type: {kind}", "--data-binary", "@-"]
        done = subprocess.run(within(f"/run/netns/{NAME}-n1", *argv), input=body, capture_output=True, text=True,
                              check=False)
        text, _, code = done.stdout.rpartition("\n")
        return (json.loads(text) if text else {}) if code.startswith("2") else None if method == "GET" else text

    def api(self, method, path, body=None, kind="application/json"):
        answer = self.try_api(method, path, body, kind)
        check(isinstance(answer, dict), f"{method} {path}: {answer}")
        return answer

    def agent(self, node, method, path, quiet=False):
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(30)
        try:
            s.connect(self.socket(node))
            s.sendall(f"{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n".encode())
            data = b""
            while True:
                piece = s.recv(65536)
                if not piece:
                    break
                data += piece
        except OSError:
            if quiet:
                return {}
            raise
        finally:
            s.close()
        head, _, body = data.partition(b"\r\n\r\n")
        if b"chunked" in head.lower():
            body = b"".join(re.split(rb"\r\n[0-9a-f]+\r\n", b"\r\n" + body))
        return json.loads(body) if body.strip() else {}

    def flows(self, node):
        s = socket.socket(socket.AF_UNIX)
        s.connect(self.socket(node))
        s.sendall(b"GET /v1/events?last=500&follow=false HTTP/1.0\r\nHost: x\r\n\r\n")
        data = b""
        while piece := s.recv(65536):
            data += piece
        s.close()
        return [json.loads(line) for line in data.partition(b"\r\n\r\n")[2].splitlines() if line.startswith(b"{")]

    # --- pods

    def cni(self, node, command, pod):
        conf = {"cniVersion": "1.0.0", "name": "t", "type": "sidestep-cni", "socket": self.socket(node),
                "queue": f"{self.dir}/{node}/queue"}
        env = {"CNI_COMMAND": command, "CNI_CONTAINERID": pod, "CNI_NETNS": f"/run/netns/{NAME}-{pod}",
               "CNI_IFNAME": "eth0", "CNI_PATH": labs.BIN,
               "CNI_ARGS": f"K8S_POD_NAMESPACE=shop;K8S_POD_NAME={pod};IgnoreUnknown=1"}
        done = labs.run(*within(f"/run/netns/{NAME}-{node}", os.path.join(labs.BIN, "sidestep-cni")), env=env,
                        stdin=json.dumps(conf))
        check(done.returncode == 0, f"CNI {command} {pod}: {done.stdout} {done.stderr}")
        return json.loads(done.stdout) if done.stdout.strip() else {}

    def pod(self, node, name, labels, serve=True):
        self.netns(f"{NAME}-{name}")
        self.api("POST", "/api/v1/namespaces/shop/pods", {
            "metadata": {"name": name, "labels": labels},
            "spec": {"nodeName": node, "containers": [{"name": "c", "image": "x"}]}})
        result = self.cni(node, "ADD", name)
        address = result["ips"][0]["address"].split("/")[0]
        self.api("PATCH", f"/api/v1/namespaces/shop/pods/{name}/status", {"status": {
            "phase": "Running", "podIP": address, "podIPs": [{"ip": address}]}})
        self.pods[name] = address
        if serve:
            self.start(within(f"/run/netns/{NAME}-{name}", sys.executable, "-u", "-c", SERVER, str(PORT)), f"{name}.log")
            until(f"the server in {name}", lambda: "up" in labs.read(f"{self.dir}/{name}.log"))
        for other in NODES:
            until(f"{name} known on {other}", lambda other=other: self.knows(other, name))
        return address

    def knows(self, node, pod):
        """Whether the node's agent has compiled a state in which the pod has its identity."""
        ids = {i["id"] for i in self.agent(node, "GET", "/v1/identity").get("items", [])}
        mine = [e for n in NODES for e in self.agent(n, "GET", "/v1/endpoint").get("items", []) if e["pod"] == pod]
        t = self.agent(node, "GET", f"/v1/policy/trace?source={self.pods[pod]}&destination={self.pods[pod]}&port=1")
        return mine and mine[0].get("identity") in ids and "verdict" in t

    def connect(self, pod, to, port=PORT, timeout=2):
        done = labs.run(*within(f"/run/netns/{NAME}-{pod}", sys.executable, "-c", CLIENT, to, str(port), str(timeout)))
        return done.stdout.strip() or done.stderr.strip()

    def endpoint(self, pod):
        for node in NODES:
            for e in self.agent(node, "GET", "/v1/endpoint").get("items", []):
                if e["pod"] == pod:
                    return e
        return None

    def policy(self, name, spec):
        body = {"apiVersion": "cilium.io/v2", "kind": "CiliumNetworkPolicy",
                "metadata": {"name": name, "namespace": "shop"}, "spec": spec}
        path = "/apis/cilium.io/v2/namespaces/shop/ciliumnetworkpolicies"
        self.try_api("DELETE", f"{path}/{name}")
        self.api("POST", path, body)
        for node in NODES:
            until(f"policy {name} on {node}", lambda node=node: any(
                p["name"] == name for p in self.agent(node, "GET", "/v1/policy").get("items", [])))

    def no_policy(self, name):
        self.try_api("DELETE", f"/apis/cilium.io/v2/namespaces/shop/ciliumnetworkpolicies/{name}")
        for node in NODES:
            until(f"policy {name} gone on {node}", lambda node=node: not any(
                p["name"] == name for p in self.agent(node, "GET", "/v1/policy").get("items", [])))


def kept(c, pod, to):
    p = subprocess.Popen(within(f"/run/netns/{NAME}-{pod}", sys.executable, "-u", "-c", KEPT, to, str(PORT)),
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    c.processes.append(p)
    check(p.stdout.readline().strip() == "up", f"no connection from {pod} to {to}")
    return p


def finish(p):
    try:
        p.stdin.write("\n")
        p.stdin.close()
    except BrokenPipeError:
        pass
    answer = p.stdout.readline().strip()
    p.wait(timeout=30)
    return answer


ONLY_A = {"endpointSelector": {"matchLabels": {"app": "server"}}, "ingress": [
    {"fromEndpoints": [{"matchLabels": {"app": "a"}}], "toPorts": [{"ports": [{"port": str(PORT), "protocol": "TCP"}]}]}]}


def talk_or_not(c):
    server = c.pods["server"]
    for pod in ("a", "b", "far"):
        check(c.connect(pod, server) == "ok", f"{pod} -> server without policy: {c.connect(pod, server)}")
    c.policy("only-a", ONLY_A)
    check(c.connect("a", server) == "ok", "a -> server is allowed by the policy")
    for pod in ("b", "far"):
        answer = c.connect(pod, server)
        check(answer in ("refused", "timeout"), f"{pod} -> server against the policy: {answer}")
    check(c.connect("a", server, 8081) != "ok", "a -> server on another port")
    def told():
        return [f for f in c.flows("n1") if f["verdict"] == "DROPPED" and f["source"].get("pod_name") == "b"
                and f["destination"].get("pod_name") == "server"]
    until("the refusal as a flow", told)
    check(told()[0]["drop_reason_desc"] == "POLICY_DENIED", f"{told()[0]}")
    trace = c.agent("n1", "GET", f"/v1/policy/trace?source=shop/b&destination=shop/server&port={PORT}")
    check(trace.get("verdict") == "denied", f"trace says {trace}")


def live_connections_meet_a_change(c):
    c.no_policy("only-a")
    connection = kept(c, "b", c.pods["server"])
    good = kept(c, "a", c.pods["server"])
    c.policy("only-a", ONLY_A)
    check(until("the live connection to end", lambda: connection.poll() is not None, 30) is True
          or connection.returncode == 1, "a connection outlived the policy that forbids it")
    check(finish(good).startswith("kept"), "a connection that is allowed was lost")


def cluster_ip(c):
    c.api("POST", "/api/v1/namespaces/shop/services", {
        "metadata": {"name": "server"}, "spec": {"clusterIP": "10.96.7.7", "ports": [{"name": "t", "port": 80}]}})
    c.api("POST", "/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices", {
        "metadata": {"name": "server-1", "labels": {"kubernetes.io/service-name": "server"}}, "addressType": "IPv4",
        "ports": [{"name": "t", "port": PORT, "protocol": "TCP"}],
        "endpoints": [{"addresses": [c.pods["server"]], "conditions": {"ready": True},
                       "targetRef": {"kind": "Pod", "name": "server", "namespace": "shop"}}]})
    for node in NODES:
        until(f"the service on {node}", lambda node=node: any(
            s.get("backends") for s in c.agent(node, "GET", "/v1/service").get("items", []) if s["name"] == "server"))
    check(c.connect("a", "10.96.7.7", 80) == "ok", f"a -> ClusterIP: {c.connect('a', '10.96.7.7', 80)}")
    c.no_policy("only-a")
    check(c.connect("far", "10.96.7.7", 80) == "ok", f"far -> ClusterIP: {c.connect('far', '10.96.7.7', 80)}")


SLICES = "/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices"
NAMES_VIP = "10.96.7.53"


def names_backend(c):
    c.api("POST", SLICES, {
        "metadata": {"name": "names-1", "labels": {"kubernetes.io/service-name": "names"}}, "addressType": "IPv4",
        "ports": [{"name": "u", "port": 5353, "protocol": "UDP"}],
        "endpoints": [{"addresses": [c.pods["server"]], "conditions": {"ready": True}}]})
    until("the backend of names", lambda: any(
        s.get("backends") for s in c.agent("n1", "GET", "/v1/service").get("items", []) if s["name"] == "names"))


def wait_on_names(c, log):
    c.start(within(f"/run/netns/{NAME}-a", sys.executable, "-u", "-c", WAIT_ON_UDP, NAMES_VIP, "53", c.cgroup), log)
    until("the datagram socket", lambda: "connected" in labs.read(f"{c.dir}/{log}"))


def aborted(c, log, when):
    until(f"the socket to end {when}", lambda: "aborted" in labs.read(f"{c.dir}/{log}"), patience=20)


def datagram_sockets_end_with_their_backend(c):
    """Also when the agent was killed after it had removed the backend's rows and before it ended the sockets."""
    c.api("POST", "/api/v1/namespaces/shop/services", {"metadata": {"name": "names"}, "spec": {
        "clusterIP": NAMES_VIP, "ports": [{"name": "u", "port": 53, "protocol": "UDP", "targetPort": 5353}]}})
    names_backend(c)
    wait_on_names(c, "udp1.log")
    c.api("DELETE", f"{SLICES}/names-1")
    aborted(c, "udp1.log", "with its backend")
    names_backend(c)
    wait_on_names(c, "udp2.log")
    c.agents["n1"].kill()
    c.agents["n1"].wait()
    c.api("DELETE", f"{SLICES}/names-1")
    for name in ("service_v1", "svc_slot_v1", "svc_backend_v1"):
        pin = f"/sys/fs/bpf/{NAME}/n1/{name}"
        for row in json.loads(sh("bpftool", "-j", "map", "dump", "pinned", pin)):
            if row["key"][6] == "0x11":  # UDP: all three keys begin with a struct service_key
                sh("bpftool", "map", "delete", "pinned", pin, "key", "hex", *[k[2:] for k in row["key"]])
    c.api("DELETE", "/api/v1/namespaces/shop/services/names")
    c.start_agent("n1")
    aborted(c, "udp2.log", "after the agent's return")


def unsupported_policy_closes_and_says_so(c):
    c.policy("l7", {"endpointSelector": {"matchLabels": {"app": "server"}}, "ingress": [
        {"fromEndpoints": [{}], "toPorts": [{"ports": [{"port": str(PORT), "protocol": "TCP"}],
                                             "rules": {"http": [{"method": "GET"}]}}]}]})
    check(c.connect("a", c.pods["server"]) != "ok", "what a policy with http rules allows must stay closed")
    path = "/apis/cilium.io/v2/namespaces/shop/ciliumnetworkpolicies/l7"
    until("the policy's status", lambda: c.api("GET", path).get("status", {}).get("conditions"))
    status = c.api("GET", path)["status"]
    valid = [x for x in status["conditions"] if x["type"] == "Valid"][0]
    check(valid["status"] == "False", f"Valid is {valid}")
    check(status["unsupported"][0]["path"] == "spec.ingress[0].toPorts[0].rules.http", f"{status['unsupported']}")
    node = "/apis/sidestep.dev/v1alpha1/sidestepnodes/n1"
    until("the node to name it too", lambda: [u for u in c.api("GET", node).get("status", {}).get("unsupported", [])
                                              if u["object"] == "CiliumNetworkPolicy shop/l7"])
    c.no_policy("l7")
    check(c.connect("a", c.pods["server"]) == "ok", "open again without the policy")


def kill_loses_nothing(c):
    c.policy("only-a", ONLY_A)
    lives = [kept(c, "a", c.pods["server"])]
    before = c.endpoint("server")
    stop, failures, intruded = threading.Event(), [], []

    def load():
        while not stop.is_set():
            answer = c.connect("a", c.pods["server"])
            if answer != "ok":
                failures.append(answer)
            answer = c.connect("b", c.pods["server"], timeout=0.3)
            if answer == "ok":
                intruded.append(answer)

    worker = threading.Thread(target=load, daemon=True)
    worker.start()
    for _ in range(3):
        c.agents["n1"].send_signal(signal.SIGKILL)
        c.agents["n1"].wait()
        answer = c.connect("a", c.pods["server"])
        check(answer == "ok", f"a -> server while the agent is dead: {answer}, and under load {failures[:3]}")
        check(c.connect("b", c.pods["server"], timeout=0.3) != "ok", "b -> server while the agent is dead")
        c.start_agent("n1")
    stop.set()
    worker.join()
    check(not failures, f"failed under kills: {failures[:3]}")
    check(not intruded, "an intruder got through under kills")
    check(finish(lives[0]).startswith("kept"), "a live connection was lost under kills")
    after = c.endpoint("server")
    check(after["id"] == before["id"] and after["identity"] == before["identity"], f"{before} became {after}")
    check(after["generation"] >= before["generation"], "a generation went back")


def deletion_while_dead(c):
    c.pod("n1", "short", {"app": "short"}, serve=False)
    c.agents["n1"].kill()
    c.agents["n1"].wait()
    c.cni("n1", "DEL", "short")
    c.api("DELETE", "/api/v1/namespaces/shop/pods/short?gracePeriodSeconds=0")
    check(os.path.exists(f"{c.dir}/n1/queue/short"), "DEL without an agent leaves a file in the queue")
    c.start_agent("n1")
    until("the queue drained", lambda: not os.path.exists(f"{c.dir}/n1/queue/short"))
    check(c.endpoint("short") is None, "the endpoint is gone")


def an_add_outlives_the_deletion_before_it(c):
    """An ADD without an agent undoes itself through the queue; the next ADD of the same container is not undone by it."""
    queue = f"{c.dir}/n1/queue"
    c.agents["n1"].kill()
    c.agents["n1"].wait()
    sh("ip", "netns", "add", f"{NAME}-again")
    try:
        c.cni("n1", "ADD", "again")
    except labs.Failed:
        pass
    sh("ip", "netns", "del", f"{NAME}-again")
    check(os.path.exists(f"{queue}/again"), "an ADD without an agent leaves a deletion")
    with open(f"{queue}/.lock", "w", encoding="utf-8") as busy:  # as another plugin that is queueing
        fcntl.flock(busy, fcntl.LOCK_EX)
        c.start_agent("n1")
        c.pod("n1", "again", {"app": "a"}, serve=False)
        with open(f"{queue}/last", "w", encoding="utf-8") as f:  # gone: the queue was looked through
            f.write("{}")
    until("the queue drained", lambda: not os.path.exists(f"{queue}/last"))
    check(c.endpoint("again"), "the endpoint is there")
    check(c.connect("again", c.pods["server"]) == "ok", "again -> server")


def corruption_is_found_and_repaired(c):
    """Removes a policy row and changes another behind the agent's back."""
    pins = f"/sys/fs/bpf/{NAME}/n1"
    rows = json.loads(sh("bpftool", "-j", "map", "dump", "pinned", f"{pins}/policy_v1"))
    check(rows, "there are policy rows")
    key = rows[0]["key"]
    sh("bpftool", "map", "delete", "pinned", f"{pins}/policy_v1", "key", "hex", *[k[2:] for k in key])
    before = c.endpoint("server")
    c.api("POST", "/apis/sidestep.dev/v1alpha1/sidesteprequests", {
        "metadata": {"name": "r1"}, "spec": {"kind": "Regenerate", "namespace": "shop"}})
    path = "/apis/sidestep.dev/v1alpha1/sidesteprequests/r1"
    answer = until("every node's answer", lambda: len(c.api("GET", path).get("status", {}).get("nodes", [])) == len(NODES)
                   and c.api("GET", path)["status"]["nodes"])
    mine = [n for n in answer if n["node"] == "n1"][0]
    check(mine["state"] == "done", f"{mine}")
    check(sum(e.get("corrupted", 0) for e in mine["endpoints"]) >= 1, f"nothing was found: {mine}")
    server = [e for e in mine["endpoints"] if e["pod"] == "server"][0]
    check(server["generationBefore"] == before["generation"], f"{server} {before}")
    check(server["generationAfter"] > server["generationBefore"], f"{server}")
    again = json.loads(sh("bpftool", "-j", "map", "dump", "pinned", f"{pins}/policy_v1"))
    # A set that is not whole is written anew under another number, which stands in bytes 4 to 7.
    check(any(r["key"][:4] + r["key"][8:] == key[:4] + key[8:] for r in again), "the row is back")
    check(c.connect("a", c.pods["server"]) == "ok", "a -> server afterwards")
    check(c.connect("b", c.pods["server"], timeout=0.3) != "ok", "b -> server afterwards")


def stops_and_starts(c):
    c.agents["n2"].send_signal(signal.SIGTERM)
    check(c.agents["n2"].wait(timeout=30) == 0, f"the agent ended with {c.agents['n2'].returncode}")
    check(c.connect("far", c.pods["server"], timeout=0.3) != "ok", "far -> server without the agent of n2")
    c.start_agent("n2")


def candidate(labels, attempt=0):
    """lib/mesh/identity.h's number for a label set, so that a test can be there first."""
    h = 0xcbf29ce484222325
    for key, value in sorted(labels.items()):
        for byte in f"{key}\0{value}\0".encode():
            h = (h ^ byte) * 0x100000001b3 % 2**64
    h ^= h >> 32
    return 256 + ((h & 0xffffffff) + attempt) % (65535 - 256 + 1)


def identities_are_made_once(c):
    """Two nodes meet one label set at once; a number that others have is left to them."""
    labels = {"k8s:app": "twin", "k8s:io.cilium.k8s.policy.cluster": "default",
              "k8s:io.cilium.k8s.policy.serviceaccount": "default", "k8s:io.kubernetes.pod.namespace": "shop",
              "k8s:io.cilium.k8s.namespace.labels.kubernetes.io/metadata.name": "shop"}
    taken = candidate(labels)
    path = "/apis/cilium.io/v2/ciliumidentities"
    c.api("POST", path, {"metadata": {"name": str(taken)}, "security-labels": {"k8s:app": "somebody"}})
    pair = [threading.Thread(target=c.pod, args=(node, name, {"app": "twin"}, False))
            for node, name in (("n1", "twin1"), ("n2", "twin2"))]
    for t in pair:
        t.start()
    for t in pair:
        t.join()
    one, two = c.endpoint("twin1"), c.endpoint("twin2")
    check(one and two and one["identity"] == two["identity"] == candidate(labels, 1), f"{one} {two} {taken}")
    mine = [i for i in c.api("GET", path)["items"] if i["security-labels"].get("k8s:app") == "twin"]
    check(len(mine) == 1, f"{mine}")


def audit_lets_pass_and_counts(c):
    c.api("POST", "/apis/sidestep.dev/v1alpha1/sidesteprequests", {
        "metadata": {"name": "audit"}, "spec": {"kind": "Audit", "namespace": "shop"}})
    path = "/apis/sidestep.dev/v1alpha1/sidesteprequests/audit"
    until("audit everywhere", lambda: [n for n in c.api("GET", path).get("status", {}).get("nodes", [])
                                       if n["state"] == "active"].__len__() == len(NODES))
    check(c.connect("b", c.pods["server"]) == "ok", "audit lets pass what policy would refuse")
    node = "/apis/sidestep.dev/v1alpha1/sidestepnodes/n1"
    source = c.endpoint("b")["identity"]
    until("the audit counter", lambda: [x for x in c.api("GET", node).get("status", {}).get("counters", [])
                                        if x["verdict"] == "audit" and x["source"] == source and x["port"] == PORT])
    c.try_api("DELETE", path)
    until("audit over", lambda: not c.endpoint("server").get("audit"))
    check(c.connect("b", c.pods["server"], timeout=0.5) != "ok", "refused again after the audit")


STEPS = (talk_or_not, live_connections_meet_a_change, cluster_ip, datagram_sockets_end_with_their_backend,
         unsupported_policy_closes_and_says_so,
         kill_loses_nothing, deletion_while_dead, an_add_outlives_the_deletion_before_it, corruption_is_found_and_repaired,
         audit_lets_pass_and_counts, stops_and_starts, identities_are_made_once)


def main():
    labs.need("sidestepd", "sidestep-cni", "sidestep-lab")
    c = Cluster()
    try:
        c.up()
        c.pod("n1", "server", {"app": "server"})
        c.pod("n1", "a", {"app": "a"}, serve=False)
        c.pod("n1", "b", {"app": "b"}, serve=False)
        c.pod("n2", "far", {"app": "far"}, serve=False)
        for step in STEPS:
            started = time.monotonic()
            step(c)
            print(f"{step.__name__}: ok ({time.monotonic() - started:.1f} s)", flush=True)
    except Exception:
        for log in sorted(os.listdir(c.dir)):
            if log.endswith(".log"):
                print(f"--- {log}\n{labs.read(os.path.join(c.dir, log))[-3000:]}")
        raise
    finally:
        c.down()


if __name__ == "__main__":
    try:
        main()
    except labs.Failed as e:
        sys.exit(f"FAILED: {e}")
