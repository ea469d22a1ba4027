# SPDX-License-Identifier: Apache-2.0
"""Garbage into every socket of a lab: none of its processes ends, each still answers, and none says yes."""
import base64
import json
import os
import random
import re
import socket
import ssl
import struct
import subprocess
import sys
import tempfile

import labs
from labs import Lab, check, run, until

SEED = int(os.environ.get("SIDESTEP_SEED", random.SystemRandom().randrange(1 << 32)))
DICE = random.Random(SEED)
DEADLINE_S = 10


def noise(n):
    return bytes(DICE.randrange(256) for _ in range(n))


# ---------------------------------------------------------------------------------------------- what is sent

def http_garbage():
    line = b"GET /version HTTP/1.1\r\nHost: x\r\n"
    post = b"POST /api/v1/namespaces/default/configmaps HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    yield "nothing", b""
    yield "noise", noise(3000)
    yield "zeros", b"\0" * 70000
    yield "line feeds", b"\r\n" * 5000
    yield "no end of line", b"A" * 200000
    yield "half a request", line
    yield "an unknown verb", b"FROB / HTTP/1.1\r\nHost: x\r\n\r\n"
    yield "an unknown version", b"GET / HTTP/9.9\r\nHost: x\r\n\r\n"
    yield "HTTP/2 unasked", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + noise(50)
    yield "a header without end", line + b"X-A: " + b"a" * 300000
    yield "many headers", line + b"X-A: a\r\n" * 20000 + b"\r\n"
    yield "a header with NUL", line + b"X-A: a\0b\r\n\r\n"
    yield "a folded header", line + b"X-A: a\r\n b\r\n\r\n"
    yield "a header without colon", line + b"nonsense\r\n\r\n"
    yield "two lengths", post + b"Content-Length: 5\r\nContent-Length: 7\r\n\r\n{}{}{}{"
    yield "length and chunks", post + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    yield "a negative length", post + b"Content-Length: -1\r\n\r\n{}"
    yield "a huge length", post + b"Content-Length: 99999999999999999999\r\n\r\n{}"
    yield "a length beyond the limit", post + b"Content-Length: 2000000000\r\n\r\n" + b"{" * 1000
    yield "a chunk of nonsense", post + b"Transfer-Encoding: chunked\r\n\r\nZZZ\r\n{}\r\n0\r\n\r\n"
    yield "a huge chunk", post + b"Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\n{}"
    yield "a body cut short", post + b"Content-Length: 500\r\n\r\n{\"kind\":"
    for path in (b"/../../../../etc/passwd", b"/%2e%2e/%2e%2e/etc/passwd", b"/%00", b"/" + b"a/" * 5000, b"/%", b"//", b"*",
                 b"/api/v1/namespaces/%2e%2e/pods", b"/api/v1/pods?watch=1&resourceVersion=-1&timeoutSeconds=nonsense",
                 b"/api/v1/pods?limit=99999999999999999999", b"/api/v1/pods?labelSelector=%00%ff", b"/?" + b"a=b&" * 30000,
                 b"/v1/endpoint/../../x", b"/v1/endpoint/" + b"x" * 4000):
        yield f"path {path[:30]!r}", b"GET " + path + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


def bodies():
    yield "nothing", b""
    yield "noise", noise(500)
    yield "null", b"null"
    yield "a number", b"7"
    yield "a list", b"[]"
    yield "deep", b'{"a":' * 5000
    yield "a long number", b'{"gracePeriodSeconds":' + b"9" * 5000 + b"}"  # in YAML it reads as a string
    yield "every type is wrong", b'{"apiVersion":7,"kind":[],"metadata":"x","spec":{"containers":{"a":1}},"status":null}'
    yield "no UTF-8", b'{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"\xff\xfe"}}'
    yield "an escape", b'{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"../../x"}}'
    yield "a NUL", b'{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a\\u0000b"}}'
    yield "a review of nothing", b'{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":null}'
    yield "a review of garbage", b'{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":7,"object":[1]}}'


TYPES = ("application/json", "application/yaml", "application/vnd.kubernetes.protobuf", "application/json-patch+json",
         "application/merge-patch+json", "application/strategic-merge-patch+json", "application/apply-patch+yaml", "x")


def typed_requests(paths):
    for path in paths:
        for verb in ("POST", "PUT", "PATCH", "DELETE"):
            for kind in TYPES:
                for name, body in bodies():
                    text = b"k8s\0" + body if "protobuf" in kind else body
                    head = f"{verb} {path} HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\nContent-Length: {len(text)}\r\n"
                    yield f"{verb} {path} {kind}: {name}", head.encode() + b"Connection: close\r\n\r\n" + text


def dns_garbage():
    def query(name, count=1, flags=0x0100, kind=1, tail=b""):
        return struct.pack(">HHHHHH", DICE.randrange(65536), flags, count, 0, 0, 0) + name + struct.pack(">HH", kind, 1) + tail
    good = b"\x08kube-dns\x0bkube-system\x03svc\x07cluster\x05local\0"
    yield b""
    yield b"\0"
    yield noise(12)
    for _ in range(50):
        yield noise(DICE.randrange(1, 600))
    yield query(b"\xc0\x0c")                 # a name that points at itself
    yield query(b"\xc0\xff")                 # and one beyond the end
    yield query(b"\x3f" + b"a" * 10)         # a label longer than the message
    yield query(b"\x80aaaa\0")               # a reserved kind of label
    yield query((b"\x3f" + b"a" * 63) * 5 + b"\0")  # a name too long
    yield query(b"\x01\0\0")
    yield query(good, count=65535)
    yield query(good, count=0)
    yield query(good, flags=0x8180)          # an answer
    yield query(good, flags=0x2800)          # an update
    for kind in (0, 12, 255, 65535):
        yield query(good, kind=kind)
    for cut in range(len(query(good))):
        yield query(good)[:cut]


# ---------------------------------------------------------------------------------------------- how it is sent

class Door:
    """A way in: what connects, and whether TLS is spoken. wrap: None or an SSL context."""

    def __init__(self, name, connect, wrap=None):
        self.name, self.connect, self.wrap = name, connect, wrap

    def send(self, data, raw=False):
        """The first bytes of the answer; b'' when there was none: it closed, or it still waits for the rest."""
        tls = self.wrap and not raw
        with self.connect() as s:
            s.settimeout(DEADLINE_S)
            try:
                if tls:
                    s = self.wrap.wrap_socket(s)
                s.sendall(data)
                if tls:  # Python cannot half-close TLS and read on
                    s.settimeout(0.3)
                else:
                    s.shutdown(socket.SHUT_WR)
                return s.recv(4096)
            except TimeoutError:
                check(tls, f"{self.name}: no answer and no end for {DEADLINE_S} s to {data[:60]!r}")
                return b""
            except OSError:  # it closed, at whatever moment
                return b""


def no_yes(door, what, answer):
    """200 for what is a question; nothing may be made, changed or deleted by garbage."""
    status = re.match(rb"HTTP/1\.\d (\d+)", answer)
    change = what.startswith(("POST", "PUT", "PATCH", "DELETE")) and not what.endswith((": nothing", ": null"))
    check(not (status and (status[1] == b"201" or change and status[1] == b"200")),
          f"{door.name} says {answer[:80]!r} to {what} (seed {SEED})")


def batter(door, requests):
    for what, data in requests:
        no_yes(door, what, door.send(data))
    if door.wrap:
        for _, data in http_garbage():
            door.send(data, raw=True)


def tcp(port):
    return lambda: socket.create_connection(("127.0.0.1", port), timeout=DEADLINE_S)


def unix(path):
    def connect():
        s = socket.socket(socket.AF_UNIX)
        s.connect(path)
        return s
    return connect


def agent_socket(lab):
    path = os.path.join(lab.dir, "nodes/node-a/run/node-a/sidestepd.sock")
    until("the agent's socket", lambda: os.path.exists(path))
    return path


def admin_context(kubeconfig, folder):
    """TLS as the lab's admin."""
    text = labs.read(kubeconfig)
    files = {}
    for key in ("client-certificate-data", "client-key-data"):
        found = re.search(key + r":\s*\"?([A-Za-z0-9+/=]+)", text)
        check(found, f"no {key} in {kubeconfig}")
        files[key] = os.path.join(folder, key)
        with open(files[key], "wb") as f:
            f.write(base64.b64decode(found[1]))
    context = ssl._create_unverified_context()
    context.load_cert_chain(files["client-certificate-data"], files["client-key-data"])
    return context


def listening(pid):
    """Ports of 127.0.0.1 that this process listens on."""
    lines = run("ss", "-lntpH").stdout.splitlines()
    return [int(re.search(r"127\.0\.0\.1:(\d+)", x)[1]) for x in lines if f"pid={pid}," in x and "127.0.0.1:" in x]


def dns_ask(name, kind=1):
    """From inside the hub's namespace: see inside_hub()."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(5)
        labels = b"".join(bytes([len(x)]) + x.encode() for x in name.split("."))
        s.sendto(struct.pack(">HHHHHH", 7, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">HH", kind, 1), ("172.30.0.1", 53))
        return s.recv(4096)


def inside_hub():
    """Runs in the lab's own namespace: garbage to its DNS by UDP and TCP, then a question that it must answer."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        for message in dns_garbage():
            s.sendto(message, ("172.30.0.1", 53))
    for message in [*dns_garbage()][:40]:
        for prefix in (struct.pack(">H", len(message)), struct.pack(">H", 65535), b""):
            with socket.create_connection(("172.30.0.1", 53), timeout=5) as s:
                try:
                    s.sendall(prefix + message)
                    s.shutdown(socket.SHUT_WR)
                    s.settimeout(5)
                    s.recv(4096)
                except (ConnectionError, TimeoutError):
                    pass
    answer = dns_ask("kube-dns.kube-system.svc.cluster.local")
    count = struct.unpack(">H", answer[6:8])[0]
    print(f"answers: {count}")
    sys.exit(0 if count == 1 and answer.endswith(socket.inet_aton("10.96.0.10")) else 1)


# ---------------------------------------------------------------------------------------------- the tests

API_PATHS = ("/api/v1/namespaces/default/configmaps", "/api/v1/namespaces/default/configmaps/x", "/api/v1/namespaces/default/pods",
             "/api/v1/namespaces/default/pods/x/eviction", "/api/v1/namespaces/default/pods/x/binding",
             "/apis/apps/v1/namespaces/default/deployments/x/scale", "/apis/cilium.io/v2/namespaces/default/ciliumnetworkpolicies",
             "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", "/apis/sidestep.dev/v1alpha1/sidesteprequests",
             "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations", "/sidestep/faults", "/version")
AGENT_PATHS = ("/v1/endpoint/x", "/v1/endpoint", "/v1/status", "/v1/", "/v1/endpoint/%2e%2e%2f", "/")


def garbage_everywhere():
    with Lab("pe-garbage") as lab, tempfile.TemporaryDirectory() as folder:
        envoy = os.environ.get("ENVOY")
        lab.up("--nodes", "1", *(["--istio", "--envoy", envoy] if envoy else []))
        before = lab.roles()
        api = listening(before["apiserver"])
        check(api, "the API server listens nowhere")
        doors = [Door("API", tcp(api[0]), admin_context(lab.kubeconfig, folder)),
                 Door("API, nobody", tcp(api[0]), ssl._create_unverified_context())]
        doors += [Door("webhook", tcp(p), ssl._create_unverified_context()) for p in listening(before.get("injector", 0))]
        agent = Door("agent", unix(agent_socket(lab)))
        for door in doors:
            batter(door, http_garbage())
            batter(door, typed_requests(API_PATHS))
        batter(agent, http_garbage())
        batter(agent, typed_requests(AGENT_PATHS))
        hub = subprocess.run(["nsenter", f"--net={lab.dir}/netns/hub", sys.executable, __file__, "--inside-hub"],
                             capture_output=True, text=True, timeout=120, check=False)
        check(hub.returncode == 0, f"DNS after garbage: {hub.stdout}{hub.stderr}")
        still_stand(lab, before)
        lab.down()
        lab.check_no_traces("garbage and down")


def still_stand(lab, before):
    after = lab.roles()
    check(after == before, f"restarted by garbage (seed {SEED}): {sorted(r for r in before if after.get(r) != before[r])}")
    status = json.loads(lab.command("status", "-o", "json").stdout)
    check(all(p["running"] for p in status["processes"]), f"status: {status}")
    lab.up("--nodes", "1", *(["--istio", "--envoy", os.environ["ENVOY"]] if "ENVOY" in os.environ else []))
    for role in before:
        log = labs.read(f"{lab.dir}/log/{role}.log")
        check("Sanitizer" not in log and "runtime error" not in log, f"{role}: {log[-2000:]}")


def connections_that_say_nothing():
    """A few hundred of them, held open: others are still served."""
    with Lab("pe-silent") as lab:
        lab.up("--nodes", "1")
        port = listening(lab.roles()["apiserver"])[0]
        held = [socket.create_connection(("127.0.0.1", port), timeout=5) for _ in range(300)]
        held += [unix(agent_socket(lab))() for _ in range(50)]
        until("the API to answer beside silent connections", lambda: lab.command("up", "--nodes", "1").returncode == 0)
        for s in held:
            s.close()
        lab.down()


if __name__ == "__main__":
    if sys.argv[1:] == ["--inside-hub"]:
        inside_hub()
    labs.need("sidestep-lab", "sidestepd")
    print(f"seed {SEED}: repeat with SIDESTEP_SEED={SEED}")
    labs.main([garbage_everywhere, connections_that_say_nothing])
