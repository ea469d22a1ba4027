#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What only looks writes nothing: sidestep-config's and sidestep-runbook's reading verbs against a server that notes every
request. What they send besides GET is a dry run, or the question who they are.

  looks.py BIN_DIR
"""
import http.server
import json
import os
import subprocess
import sys
import tempfile
import threading
from urllib.parse import parse_qs, urlsplit

RATES = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "rates", "namespace": "shop", "uid": "u", "resourceVersion": "7"},
         "data": {"eur": "1.1"}}
THERE = {
    "/api/v1/namespaces/kube-system": {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kube-system", "uid": "c-1"}},
    "/api/v1/namespaces/shop": {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop", "uid": "n-1"}},
    "/api/v1/namespaces/shop/configmaps/rates": RATES,
    "/version": {"major": "1", "minor": "34", "gitVersion": "v1.34.4"},
}
WANTED = 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: rates}\ndata: {eur: "1.2"}\n'
# (program, words, exit codes it may end with)
LOOKS = [
    ("config", ("diff", "-f", "wanted.yaml", "-n", "shop"), {0}),
    ("config", ("drift", "-f", "wanted.yaml", "-n", "shop"), {0}),
    ("config", ("plan", "-f", "wanted.yaml", "-n", "shop", "--out", "p.json"), {0}),
    ("config", ("apply", "-f", "wanted.yaml", "-n", "shop", "--dry-run"), {0}),
    ("config", ("apply", "p.json", "--dry-run"), {0}),
    ("config", ("apply", "-f", "wanted.yaml", "-n", "shop"), {7}),
    ("config", ("rollback", "1", "--dry-run"), {1}),
    ("config", ("history",), {0}),
    ("config", ("fsck",), {0, 5}),
    ("config", ("status",), {0}),
    ("runbook", ("run", "RB-12", "-p", "namespace=shop"), {5}),
    ("runbook", ("run", "RB-3", "-p", "since=1h"), {0, 5}),
    ("runbook", ("run", "RB-3", "-p", "since=1h", "--mode", "propose"), {0, 3, 5}),
    ("runbook", ("run", "RB-5"), {0, 5}),
    ("runbook", ("status",), {0}),
]
REVIEW = "/apis/authentication.k8s.io/v1/selfsubjectreviews"


class Server(http.server.BaseHTTPRequestHandler):
    """A cluster of two objects; everything else is empty or not there."""
    protocol_version = "HTTP/1.1"
    written, asked = [], []

    def answer(self, status, body):
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def nothing(self):
        self.answer(404, {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404, "message": "not here"})

    def do_GET(self):
        path = urlsplit(self.path).path
        self.asked.append(path)
        parts = path.strip("/").split("/")
        plural = parts[-1]
        if path in THERE:
            self.answer(200, THERE[path])
        elif plural in ("configmaps", "secrets", "nodes", "pods", "events", "daemonsets", "deployments", "namespaces", "sidestepnodes", "sidestepruns",
                        "ciliumnetworkpolicies", "networkpolicies"):
            self.answer(200, {"apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": "9"}, "items": []})
        else:
            self.nothing()

    def write(self):
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or "{}")
        parts = urlsplit(self.path)
        if parts.path == REVIEW:
            self.answer(201, {**body, "status": {"userInfo": {"username": "jo", "groups": ["people"]}}})
        elif parse_qs(parts.query).get("dryRun") == ["All"] and parts.path in THERE:
            self.answer(200, {**THERE[parts.path], "data": {**THERE[parts.path]["data"], **body.get("data", {})}})
        else:
            self.written.append(f"{self.command} {self.path}")
            self.answer(500, {"kind": "Status", "status": "Failure", "code": 500, "message": "nobody should write here"})

    do_POST = do_PUT = do_PATCH = do_DELETE = write

    def log_message(self, *_):
        pass


def check(ok, what):
    if not ok:
        print("FAILED:", what)
        sys.exit(1)


def recorded(bin_dir, folder, config):
    """What was looked at is a case that leads to the same."""
    env = {"PATH": bin_dir, "HOME": folder, "KUBECONFIG": config, "SIDESTEP_STATE": folder + "/state"}
    runs = sorted(os.listdir(folder + "/state/runbooks"))
    check(len(runs) == 4, f"{runs}")
    for run in runs:
        told = subprocess.run([bin_dir + "/sidestep-runbook", "record", run], capture_output=True, text=True, timeout=60, check=False, env=env)
        case = os.path.join(folder, run + ".yaml")
        with open(case, "w", encoding="utf-8") as f:
            f.write(told.stdout)
        done = subprocess.run([bin_dir + "/sidestep-runbook", "test", case, "-o", "json"], capture_output=True, text=True, timeout=60, check=False)
        led = [f for f in json.loads(done.stdout)["findings"] if f["id"] == "RBT-001"]
        check(told.returncode == 0 and len(led) == 1 and led[0]["result"] == "pass", f"{run}: {told.stdout}{told.stderr}{done.stdout[-800:]}{done.stderr}")


def main():
    bin_dir = os.path.abspath(sys.argv[1])
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as folder:
        config = os.path.join(folder, "kubeconfig")
        with open(config, "w", encoding="utf-8") as f:
            json.dump({"apiVersion": "v1", "kind": "Config", "current-context": "c",
                       "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}],
                       "users": [{"name": "c", "user": {}}], "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}]}, f)
        with open(os.path.join(folder, "wanted.yaml"), "w", encoding="utf-8") as f:
            f.write(WANTED)
        for program, words, codes in LOOKS:
            Server.asked.clear()
            done = subprocess.run([os.path.join(bin_dir, "sidestep-" + program), *words], capture_output=True, text=True, timeout=60, check=False,
                                  cwd=folder, stdin=subprocess.DEVNULL,
                                  env={"PATH": bin_dir, "HOME": folder, "KUBECONFIG": config, "SIDESTEP_STATE": folder + "/state"})
            told = f"{program} {' '.join(words)}: exit {done.returncode}\n{done.stdout[-1500:]}{done.stderr[-1500:]}"
            check(not Server.written, f"it wrote {Server.written}: {told}")
            check(done.returncode in codes, told)
            check(Server.asked, f"it asked nothing: {told}")
            check(words[0] != "rollback" or "nor any other yet" in done.stderr, told)
        recorded(bin_dir, folder, config)
    server.shutdown()
    print(f"{len(LOOKS)} ways to look, nothing written")


if __name__ == "__main__":
    main()
