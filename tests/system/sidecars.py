# SPDX-License-Identifier: Apache-2.0
"""Real Envoys with the configuration that lib/istio renders, behind the real redirect rules, in pods that are namespaces.

What is shown: mutual TLS by Service name, with the caller's identity at the server; a wrong identity and plain text
are refused; a server that speaks first is heard; a pod that lost its sidecar is called in plain text the moment its
endpoint says so, on files changed under a running Envoy; readiness, statistics and draining answer; and what a probe pod
says of sidecars that have taken a relaxed rule, and of those that have not.
"""
import json
import os
import shutil
import subprocess
import sys
import tempfile

import yaml

import labs
from labs import check, run, until

CASE = os.path.join(labs.SOURCE, "tests/golden/istio/cases/story/objects.yaml")
UID = "1337"
# netns -> (pod, account, addresses: its own, and that of its absent twin, so that every endpoint answers)
PODS = {
    "order": ("order-service-1", "order-service", ["10.244.1.20", "10.244.2.21"]),
    "pay": ("payment-service-1", "payment-service", ["10.244.1.22", "10.244.2.23"]),
    "data": ("database-1", "database", ["10.244.1.16", "10.244.2.17"]),
}
SERVER = """
import socket, sys, threading
first = sys.argv[1] == "first"
s = socket.create_server(("", int(sys.argv[2])))
print("up", flush=True)
def serve(c):
    if first:
        c.sendall(b"GREETING\\n")
    data = b""
    while True:
        more = c.recv(4096)
        if not more:
            return c.close()
        if first:
            c.sendall(more)
            continue
        data += more
        while b"\\r\\n\\r\\n" in data:
            head, data = data.split(b"\\r\\n\\r\\n", 1)
            who = [l for l in head.split(b"\\r\\n") if l.lower().startswith(b"x-forwarded-client-cert")]
            body = b"hello " + (who[0] if who else b"plain") + b"\\n"
            c.sendall(b"HTTP/1.1 200 OK\\r\\ncontent-length: %d\\r\\n\\r\\n" % len(body) + body)
while True:
    c, _ = s.accept()
    threading.Thread(target=serve, args=(c,), daemon=True).start()
"""
TALK = """
import socket, sys
s = socket.create_connection((sys.argv[1], int(sys.argv[2])), 5)
s.settimeout(5)
print(s.recv(64).decode().strip())
s.sendall(b"ping\\n")
print(s.recv(64).decode().strip())
"""


class Pods:
    def __init__(self):
        self.tag = f"is{os.getpid() % 100000}"
        self.dir = tempfile.mkdtemp(prefix="sidestep-sidecars-")
        self.processes = []

    def netns(self, name):
        return f"{self.tag}-{name}"

    def __enter__(self):
        os.chmod(self.dir, 0o755)
        return self

    def __exit__(self, kind, value, trace):
        if kind is not None:
            for name in PODS:
                print(f"--- {name}\n" + "\n".join(labs.read(f"{self.dir}/{name}/log").splitlines()[-8:]))
        for process in self.processes:
            process.kill()
            process.wait()
        for name in ["switch", *PODS]:
            run("ip", "netns", "del", self.netns(name))
        shutil.rmtree(self.dir, ignore_errors=True)

    def ok(self, *argv, **kw):
        result = run(*argv, **kw)
        check(result.returncode == 0, f"{' '.join(argv)}: {result.stderr.strip()}")
        return result.stdout

    def inside(self, name, *argv, timeout=20):
        return run("ip", "netns", "exec", self.netns(name), *argv, timeout=timeout)

    def start(self, name, *argv, log=None, wait=None):
        out = open(log, "w", encoding="utf-8") if log else subprocess.PIPE
        process = subprocess.Popen(["ip", "netns", "exec", self.netns(name), *argv], stdout=out,
                                   stderr=subprocess.STDOUT if log else subprocess.DEVNULL, text=True)
        self.processes.append(process)
        if wait:
            check(process.stdout.readline().strip() == wait, f"{argv[0]} does not start")
        return process

    def wire(self):
        """Namespaces on one switch; whatever has no address here answers "unreachable" at once."""
        switch = self.netns("switch")
        self.ok("ip", "netns", "add", switch)
        self.ok("ip", "-n", switch, "link", "add", "br0", "type", "bridge")
        self.ok("ip", "-n", switch, "addr", "add", "10.244.255.254/16", "dev", "br0")
        self.ok("ip", "-n", switch, "link", "set", "br0", "up")
        for name, (_, _, addresses) in PODS.items():
            ns = self.netns(name)
            self.ok("ip", "netns", "add", ns)
            self.ok("ip", "link", "add", "eth0", "netns", ns, "type", "veth", "peer", "name", name, "netns", switch)
            for address in addresses:
                self.ok("ip", "-n", ns, "addr", "add", address + "/16", "dev", "eth0")
            for link in ("lo", "eth0"):
                self.ok("ip", "-n", ns, "link", "set", link, "up")
            self.ok("ip", "-n", ns, "route", "add", "default", "via", "10.244.255.254")
            self.ok("ip", "-n", switch, "link", "set", name, "master", "br0", "up")

    def certificates(self):
        ca = self.dir + "/ca"
        os.mkdir(ca)
        self.ok("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                "-subj", "/O=test", "-days", "2", "-keyout", ca + "/key.pem", "-out", ca + "/root.pem")
        for name, (_, account, _) in PODS.items():
            d = f"{self.dir}/{name}"
            os.mkdir(d)
            self.ok("openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-subj", "/O=test", "-keyout", d + "/key.pem", "-out", d + "/csr.pem")
            with open(d + "/ext", "w", encoding="utf-8") as f:
                f.write(f"subjectAltName=URI:spiffe://cluster.local/ns/production/sa/{account}\n")
            self.ok("openssl", "x509", "-req", "-in", d + "/csr.pem", "-CA", ca + "/root.pem", "-CAkey", ca + "/key.pem",
                    "-CAcreateserial", "-days", "2", "-extfile", d + "/ext", "-out", d + "/cert.pem")
            shutil.copy(ca + "/root.pem", d)

    def objects(self, bare, relaxed):
        """The story's objects; the pods whose names begin with `bare` have lost their sidecars; no rule forces TLS."""
        path = f"{self.dir}/objects.yaml"
        with open(CASE, encoding="utf-8") as f:
            documents = list(yaml.safe_load_all(f))
        for d in documents:
            if bare and d["kind"] == "Pod" and d["metadata"]["name"].startswith(bare):
                del d["metadata"]["labels"]["security.istio.io/tlsMode"]
                del d["spec"]["initContainers"]
            if relaxed and d["kind"] == "DestinationRule":
                d["spec"].get("trafficPolicy", {}).pop("tls", None)
        with open(path, "w", encoding="utf-8") as f:
            yaml.safe_dump_all(documents, f)
        return path

    def publish(self, name, bare=None, relaxed=False):
        """The files of a state of the cluster, each moved into its place at once."""
        d = f"{self.dir}/{name}"
        self.ok(os.path.join(labs.BIN, "sidecar-files"), self.objects(bare, relaxed), "production/" + PODS[name][0], d)
        self.ok("chown", "-R", UID, d)

    def proxy(self, name, envoy):
        d = f"{self.dir}/{name}"
        rules = labs.read(d + "/rules").replace("* nat", "*nat")
        result = run("ip", "netns", "exec", self.netns(name), "iptables-restore", stdin=rules)
        check(result.returncode == 0, "iptables-restore: " + result.stderr)
        self.start(name, "setpriv", "--reuid", UID, "--regid", UID, "--clear-groups", envoy, "-c", d + "/bootstrap.json",
                   "--disable-hot-restart", "--concurrency", "1", "--log-level", "warning", log=d + "/log")
        until(f"{name}'s sidecar", lambda: self.get(name, "http://127.0.0.1:15021/healthz/ready")[0] == 200)
        until("its listeners", lambda: '"virtualInbound"' in self.get(
            name, "http://127.0.0.1:15000/config_dump?resource=dynamic_listeners")[1])

    def probe(self, name, *args):
        """What a probe pod in this namespace would leave: whether it has a sidecar itself, and whose took no configuration."""
        words = f"{self.dir}/words"
        self.ok("ip", "netns", "exec", self.netns(name), os.path.join(labs.BIN, "sidestep-migrate"), "probe",
                "--result", words, *args)
        found = json.loads(labs.read(words))
        check(found["asked"] == found["taken"] + len(found["late"]), f"a probe does not add up: {found}")
        names = [arg.partition("=")[0] for arg in args if "=" in arg]
        self.marks = {name: found["marks"][3 * i:3 * i + 3] for i, name in enumerate(names)}
        return found["sidecar"], sorted(one["pod"] for one in found["late"])

    def get(self, name, url, *args):
        result = self.inside(name, "curl", "-s", "-m", "6", "-w", "\n%{http_code}", *args, url)
        body, _, code = result.stdout.rpartition("\n")
        return int(code or 0), body


def envoy_path():
    path = os.environ.get("ENVOY") or os.path.join(labs.SOURCE, "build/envoy/envoy")
    if not os.access(path, os.X_OK):
        labs.skip("no Envoy: deploy/fetch-envoy build/envoy")
    return path


def pods_with_sidecars():
    pods = Pods()
    envoy = envoy_path()
    with pods:
        pods.wire()
        pods.certificates()
        for name in PODS:
            pods.publish(name)
            pods.proxy(name, envoy)
        pods.start("pay", sys.executable, "-c", SERVER, "http", "8080", wait="up")
        pods.start("data", sys.executable, "-c", SERVER, "first", "5432", wait="up")

        # By the name of the Service, through its address: the caller's certificate arrives.
        for _ in range(4):
            code, body = pods.get("order", "http://10.96.1.6:8080/", "-H", "Host: payment-service:8080")
            check(code == 200 and "ns/production/sa/order-service" in body, f"order -> payment: {code} {body}")
        # A certificate that no rule names, and none at all.
        code, body = pods.get("data", "http://10.96.1.6:8080/", "-H", "Host: payment-service:8080")
        check(code == 403, f"database -> payment: {code} {body}")
        plain = run("ip", "netns", "exec", pods.netns("switch"), "curl", "-s", "-m", "6", "http://10.244.1.22:8080/")
        check(plain.returncode != 0 and not plain.stdout, f"plain text got {plain.stdout!r}")
        # The server speaks first, behind mutual TLS.
        talk = pods.inside("order", sys.executable, "-c", TALK, "10.96.1.3", "5432")
        check(talk.stdout.split() == ["GREETING", "ping"], f"order -> database: {talk.stdout!r} {talk.stderr[-200:]}")
        for port in (15090, 15020):
            code, body = pods.get("pay", f"http://127.0.0.1:{port}/stats/prometheus")
            check(code == 200 and "envoy_" in body, f"statistics on {port}: {code}")

        # A rule is relaxed; one sidecar hears of it. Then the probe knows who has not, and who cannot be asked.
        clients = [f"production/{name}={PODS[name][2][0]}" for name in ("order", "pay")]
        found = pods.probe("switch", *clients)
        check(found == ("none", []), f"before: {found}")
        check("---" not in pods.marks.values(), f"marks: {pods.marks}")
        clients = [f"{client}@{pods.marks[client.partition('=')[0]]}" for client in clients]
        found = pods.probe("switch", "--within", "1s", *clients)
        check(found == ("none", ["production/order", "production/pay"]), f"nobody has taken anything: {found}")
        pods.publish("order", relaxed=True)
        found = pods.probe("switch", "--within", "4s", *clients)
        check(found == ("none", ["production/pay"]), f"one has taken it: {found}")
        # From behind a sidecar everybody's statistics are its own: only said, and for no gate to build on.
        found = pods.probe("order", "--within", "4s", "--expect-sidecar", *clients)
        check(found == ("answers", []), f"a sidecar answers for the others: {found}")
        found = pods.probe("switch", "--within", "1s", "production/nobody=10.244.9.9")
        check(found == ("none", ["production/nobody"]), f"nobody is there: {found}")
        pods.publish("order")

        # The database loses its sidecar, under the running one of order-service.
        ns = pods.netns("data")
        pods.ok("ip", "netns", "exec", ns, "iptables", "-t", "nat", "-F")
        pods.publish("order", "database")
        bare = {json.dumps(e) for e in [
            h["metadata"] for h in json.loads(labs.read(
                f"{pods.dir}/order/eds/outbound_5432__database.production.svc.cluster.local/eds.json"))
            ["resources"][0]["endpoints"][0]["lb_endpoints"] if "metadata" in h]}
        check(not bare, f"endpoints still say tlsMode: {bare}")
        until("plain text to the bare pod", lambda: [
            t for t in [pods.inside("order", sys.executable, "-c", TALK, "10.96.1.3", "5432")]
            if t.stdout.split() == ["GREETING", "ping"]])
        # ... while payment-service, whose sidecar stayed, is still called with a certificate.
        code, body = pods.get("order", "http://10.96.1.6:8080/", "-H", "Host: payment-service:8080")
        check(code == 200, f"order -> payment after the change: {code} {body}")

        # Draining: asked for by the admin interface, the sidecar goes on with what it has.
        code, body = pods.get("order", "http://127.0.0.1:15000/drain_listeners?graceful&skip_exit", "-X", "POST")
        check(code == 200 and "OK" in body, f"drain: {code} {body}")
        code, _ = pods.get("order", "http://10.96.1.6:8080/", "-H", "Host: payment-service:8080")
        check(code == 200, f"order -> payment while draining: {code}")


labs.need("sidecar-files", "sidestep-migrate")
labs.main([pods_with_sidecars])
