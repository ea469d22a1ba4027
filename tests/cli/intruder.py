#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""An intruder of the lab counts every 200 as a request that got through, whoever answers; what says no refuses.

  intruder.py BIN_DIR
"""
import http.server
import json
import os
import subprocess
import sys
import tempfile
import threading


def server(status, words):
    """Answers every request so; asked is set once one came."""
    class Somebody(http.server.BaseHTTPRequestHandler):
        asked = threading.Event()

        def do_GET(self):
            self.send_response(status)
            self.send_header("Content-Length", str(len(words)))
            self.end_headers()
            self.wfile.write(words)
            self.asked.set()

        def log_message(self, *_):
            pass

    made = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Somebody)
    threading.Thread(target=made.serve_forever, daemon=True).start()
    return made


def main():
    servers = [server(200, b"workload=of-somebody-else\n"), server(403, b"RBAC: access denied\n")]
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "intruder.json")
        args = [f"--refuse=http://127.0.0.1:{s.server_port}/" for s in servers]
        env = dict(os.environ, POD_NAME="intruder-1-1", POD_NAMESPACE="n", SIDESTEP_LAB_COUNTS=path)
        intruder = subprocess.Popen([os.path.join(sys.argv[1], "sidestep-lab"), "workload", *args], env=env)
        came = [s.RequestHandlerClass.asked.wait(60) for s in servers]
        intruder.terminate()
        intruder.wait(60)
        with open(path, encoding="utf-8") as f:
            wrong, no = json.load(f)["edges"]
    ok = wrong["refused_missing"] > 0 == wrong["refused"] and no["refused"] > 0 == no["refused_missing"]
    if not all(came) or not ok:
        print(f"FAILED: asked {came}, counted {wrong} and {no}")
        sys.exit(1)


main()
