#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""An API server that says no, and a namespace that is not there: sidestep-migrate says what to do.

  refused.py BIN_DIR
"""
import http.server
import json
import os
import subprocess
import sys
import tempfile
import threading

NAMESPACES = "/api/v1/namespaces"
SNAPSHOT = "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n"


class Api(http.server.BaseHTTPRequestHandler):
    """Two namespaces and nothing else; status is what it answers when they are asked for."""
    status = 200

    def do_GET(self):
        asked, status = self.path.split("?")[0], 404
        body = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 404, "message": "not here"}
        if asked == NAMESPACES and self.status == 200:
            items = [{"metadata": {"name": name, "uid": name}} for name in ("default", "my-team")]
            status, body = 200, {"kind": "NamespaceList", "apiVersion": "v1", "metadata": {"resourceVersion": "1"},
                                 "items": items}
        elif asked == NAMESPACES:
            status = self.status
            body.update(code=status, message='namespaces is forbidden: User "ann" cannot list resource "namespaces"')
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


def expect(bin_dir, status, words, *args):
    Api.status = status
    for verb in ("inventory", "translate", "verify", "plan", "run"):
        if verb == "run" and "--snapshot" in args:
            continue
        more = ["--yes"] if verb == "run" else []
        done = subprocess.run([os.path.join(bin_dir, "sidestep-migrate"), verb, "nowhere", *args, *more],
                              capture_output=True, text=True, timeout=60, check=False)
        missing = [w for w in words if w not in done.stderr]
        if done.returncode != 1 or done.stdout or missing:
            print(f"FAILED: {verb} {args} with {status}: exit {done.returncode}, no {missing} in {done.stderr!r}")
            sys.exit(1)


def main():
    bin_dir = sys.argv[1]
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Api)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as folder:
        config, snapshot = (os.path.join(folder, name) for name in ("kubeconfig", "objects.yaml"))
        with open(config, "w", encoding="utf-8") as f:
            json.dump({"apiVersion": "v1", "kind": "Config", "current-context": "c",
                       "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}],
                       "users": [{"name": "c", "user": {}}],
                       "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}]}, f)
        with open(snapshot, "w", encoding="utf-8") as f:
            f.write(SNAPSHOT)
        expect(bin_dir, 200, ("nowhere", "default, my-team", "--context"), "--kubeconfig", config)
        expect(bin_dir, 403, ("cannot list", "kubectl auth can-i list namespaces", "--snapshot"), "--kubeconfig", config)
        expect(bin_dir, 401, ("log in again", "--kubeconfig"), "--kubeconfig", config)
        expect(bin_dir, 200, ("nowhere", snapshot, "shop"), "--snapshot", snapshot)
    server.shutdown()
    print("4 refusals by 5 verbs")


if __name__ == "__main__":
    main()
