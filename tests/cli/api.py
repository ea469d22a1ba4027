# SPDX-License-Identifier: Apache-2.0
"""The lab's API server as a process of its own, asked over HTTPS."""
import base64
import http.client
import json
import os
import ssl
import subprocess
import sys

import yaml


def check(ok, what):
    if not ok:
        print("FAILED:", what)
        sys.exit(1)


class Api:
    def __init__(self, bin_dir, folder):
        self.kubeconfig = os.path.join(folder, "kubeconfig")
        self.server = subprocess.Popen([os.path.join(bin_dir, "sidestep-lab"), "apiserver", "--dir", os.path.join(folder, "api"),
                                        "--listen", "127.0.0.1:0", "--write-kubeconfig", self.kubeconfig],
                                       stdout=subprocess.PIPE, text=True)
        self.address = self.server.stdout.readline().strip().removeprefix("https://")
        with open(self.kubeconfig, encoding="utf-8") as f:
            config = yaml.safe_load(f)
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        self.context = ssl.create_default_context(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
        pair = os.path.join(folder, "pair.pem")
        with open(pair, "wb") as f:
            f.write(base64.b64decode(user["client-certificate-data"]) + b"\n" + base64.b64decode(user["client-key-data"]))
        self.context.load_cert_chain(pair)

    def ask(self, method, path, body=None, kind="application/json"):
        c = http.client.HTTPSConnection(self.address, context=self.context, timeout=30)
        c.request(method, path, json.dumps(body) if body else None, {"Content-Type": kind})
        answer = c.getresponse()
        text = answer.read()
        check(answer.status in (200, 201), f"{method} {path}: {answer.status} {text[:300]!r}")
        return json.loads(text)

    def merge(self, path, patch):
        self.ask("PATCH", path, patch, "application/merge-patch+json")
