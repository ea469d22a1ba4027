#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A configuration planned, applied, killed, gone on with and taken back, by the programs as one types them.

  config_apply.py BIN_DIR

Against the lab's API server alone: no pods run, so no workloads are among the manifests.
"""
import base64
import glob
import http.client
import json
import os
import pty
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile

import yaml

SOURCE = os.environ.get("SIDESTEP_SOURCE_DIR", ".")
RATES, BANK = "/api/v1/namespaces/shop/configmaps/rates", "/api/v1/namespaces/shop/secrets/bank"
PLANTED = ["planted-one", "planted-two"]
seen = []  # everything that was printed


def check(ok, what):
    if not ok:
        print("FAILED:", what)
        sys.exit(1)


def manifests(rate, pin, more=""):
    return (f"apiVersion: v1\nkind: Namespace\nmetadata: {{name: shop}}\n---\n"
            f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: rates}}\ndata: {{eur: '{rate}'}}\n---\n"
            f"apiVersion: v1\nkind: Secret\nmetadata: {{name: bank}}\nstringData: {{pin: {pin}}}\n{more}")


class Api:
    def __init__(self, bin_dir, folder):
        self.kubeconfig = os.path.join(folder, "kubeconfig")
        self.server = subprocess.Popen([os.path.join(bin_dir, "sidestep-lab"), "apiserver", "--dir", os.path.join(folder, "api"),
                                        "--listen", "127.0.0.1:0", "--allow-faults", "--write-kubeconfig", self.kubeconfig],
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
        for path in glob.glob(os.path.join(SOURCE, "deploy/crds/sidestep*.yaml")):
            with open(path, encoding="utf-8") as f:
                for crd in filter(None, yaml.safe_load_all(f)):
                    self.ask("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", crd)

    def ask(self, method, path, body=None, kind="application/json"):
        c = http.client.HTTPSConnection(self.address, context=self.context, timeout=30)
        c.request(method, path, json.dumps(body) if body else None, {"Content-Type": kind})
        answer = c.getresponse()
        text = answer.read()
        check(answer.status in (200, 201), f"{method} {path}: {answer.status} {text[:300]!r}")
        return json.loads(text) if text else None

    def merge(self, path, patch):
        self.ask("PATCH", path, patch, "application/merge-patch+json")

    def rate(self):
        return self.ask("GET", RATES)["data"]["eur"]

    def pin(self):
        return base64.b64decode(self.ask("GET", BANK)["data"]["pin"]).decode()

    def faults(self, *rules):
        self.ask("PUT", "/sidestep/faults", {"faults": list(rules)})


class Person:
    """Somebody with a machine: a state folder of their own."""

    def __init__(self, bin_dir, folder, name, api):
        self.program, self.state = os.path.join(bin_dir, "sidestep-config"), os.path.join(folder, name)
        self.folder, self.api = folder, api

    def argv(self, verb, *words):
        return [self.program, verb, *words, "--kubeconfig", self.api.kubeconfig, "--state", self.state]

    def types(self, verb, *words, given=None, want=0, says=()):
        run = subprocess.run(self.argv(verb, *words), input=given, capture_output=True, text=True, timeout=120, check=False)
        seen.extend([run.stdout, run.stderr])
        told = f"{verb} {' '.join(words)}: exit {run.returncode}\n{run.stdout}{run.stderr}"
        check(run.returncode == want, told)
        for word in [says] if isinstance(says, str) else says:
            check(word in run.stdout + run.stderr, f"'{word}' in {told}")
        return run.stdout

    def writes(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        return path


def plan_and_apply(jo, api):
    one = jo.writes("one.yaml", manifests("1.1", PLANTED[0]))
    plan = os.path.join(jo.folder, "plan.json")
    jo.types("plan", "-f", one, "-n", "shop", "--out", plan, "--detailed-exitcode", want=2,
             says=("create Namespace/shop", "create Secret/shop/bank", "plan written to"))
    with open(plan, encoding="utf-8") as f:
        seen.append(f.read())
    check(os.stat(plan).st_mode & 0o777 == 0o600, "a plan is nobody else's to read")
    jo.types("apply", plan, "--yes", want=3, says="Secret/shop/bank: the value of data.pin is not known")
    jo.types("apply", plan, "-f", one, "-n", "shop", "--dry-run", says='+  eur: "1.1"')
    jo.types("apply", plan, "-f", one, "-n", "shop", want=7, says="approve it with --yes")
    jo.types("apply", plan, "-f", one, "-n", "shop", "--yes", "-m", "the first rates", "--as", "opening",
             says=("revision 1", f"'sidestep config history --kubeconfig {api.kubeconfig} --state {jo.state}'"))
    check(api.rate() == "1.1" and api.pin() == PLANTED[0], "it is there")
    jo.types("apply", plan, "-f", one, "-n", "shop", "--yes", want=1, says="no longer fits")
    jo.types("apply", "-f", one, "-n", "shop", says="nothing to do")
    jo.types("apply", "-f", "-", "-n", "shop", "--yes", given=manifests("1.1", PLANTED[0]), says="nothing to do")
    jo.types("plan", "-f", one, "-n", "shop", "--detailed-exitcode")
    jo.types("diff", "-f", one, "-n", "shop", "--detailed-exitcode")
    jo.types("drift", "--detailed-exitcode")


def somebody_says_yes(jo, api):
    """What was shown is what is done, or nothing."""
    two = jo.writes("two.yaml", manifests("1.2", PLANTED[1]))
    terminal, stdin = pty.openpty()
    run = subprocess.Popen(jo.argv("apply", "-f", two, "-n", "shop"), stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    asked = b""
    while b"[y/N]" not in asked:
        more = os.read(run.stderr.fileno(), 4096)
        check(more, f"it does not ask: {asked!r}")
        asked += more
    api.merge(RATES, {"data": {"eur": "3"}})
    os.write(terminal, b"y\n")
    out, err = (text.decode() for text in run.communicate(timeout=120))
    os.close(terminal)
    os.close(stdin)
    seen.extend([out, err])
    check(run.returncode == 1 and "no longer fits" in err and "data.eur" in err, f"exit {run.returncode}\n{out}{err}")
    check(api.rate() == "3", "what somebody else wrote stays")
    jo.types("drift", "--once", "--detailed-exitcode", want=2, says=("rates", "data.eur"))
    jo.types("drift", "--once", "--watch", want=64, says="not both")
    jo.types("apply", "-f", two, "-n", "shop", "--yes", want=3, says="--overwrite ConfigMap/shop/rates")
    jo.types("apply", "-f", two, "-n", "shop", "--yes", "--overwrite", "ConfigMap/shop/rates", "-m", "new rates", says="revision 2")
    check(api.rate() == "1.2" and api.pin() == PLANTED[1], "it is there")


def history(jo, may):
    runs = json.loads(jo.types("history", "-o", "json"))
    check([r["revision"] for r in runs] == [2, 1] and runs[1]["name"] == "opening" and runs[0]["why"] == "new rates", f"{runs}")
    check(runs == json.loads(may.types("history", "-o", "json")), "another machine has the same history")
    may.types("show", "opening", says=('eur: "1.1"', "hmac-sha256:"))
    may.types("diff", "opening", "newest", "--detailed-exitcode", want=2, says=('-  eur: "1.1"', '+  eur: "1.2"'))
    may.types("fsck", "-o", "junit", says='failures="0"')
    repository = glob.glob(os.path.join(may.state, "config/*/main/history"))[0]
    run = subprocess.run([may.program, "history", "--repository", repository, "-o", "json"], capture_output=True, text=True, check=False)
    check(run.returncode == 0 and json.loads(run.stdout) == runs, f"without a cluster: {run.stdout}{run.stderr}")
    if shutil.which("git"):
        log = subprocess.run(["git", "-C", repository, "log", "-p", "main"], capture_output=True, text=True, check=False)
        seen.append(log.stdout)
        check(log.returncode == 0 and "new rates" in log.stdout and "Run: main-" in log.stdout, f"git reads it: {log.stderr}")


def rollback(may, api):
    may.types("rollback", "opening", "--dry-run", says="update Secret/shop/bank")
    may.types("rollback", "opening", "--yes", "-m", "back", says="revision 3")
    check(api.rate() == "1.1" and api.pin() == PLANTED[0], "it is as it was, the secret too")
    may.types("rollback", "1", "--yes", says="nothing to do")
    may.types("rollback", "nothing", "--yes", want=1, says="there is no revision")


def killed(jo, may, api):
    """kill -9 while a write is under way; meanwhile nobody else gets in, afterwards anybody goes on."""
    three = jo.writes("three.yaml", manifests("1.3", PLANTED[1], "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: third}\n"))
    api.faults({"match": {"verb": "patch", "resource": "configmaps", "name": "rates"}, "delayMs": 60000},
               {"match": {"verb": "create", "resource": "configmaps", "namespace": "shop"}, "delayMs": 60000})
    run = subprocess.Popen(jo.argv("apply", "-f", three, "-n", "shop", "--yes", "--no-server-check"), stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE, text=True)
    while not api.ask("GET", "/apis/sidestep.dev/v1alpha1/sidestepruns")["items"][-1]["spec"]["journal"][-1].count("intent"):
        check(run.poll() is None, "it ended before it could be killed")
    may.types("apply", "-f", three, "-n", "shop", "--yes", want=1,
              says=("has not ended", f"'sidestep config abort main --kubeconfig {api.kubeconfig} --state {may.state}'"))
    may.types("resume", "--yes", want=1, says=("is at main already", "until"))
    run.send_signal(signal.SIGKILL)
    run.communicate()
    api.faults()
    may.types("status", says="running")
    jo.types("resume", "--yes", says="revision 4")
    check(api.rate() == "1.3" and api.pin() == PLANTED[1], "it is there")
    jo.types("resume", "--yes", says="nothing is left to do")
    jo.types("abort", "--yes", says="nothing is left to do")
    jo.types("rollback", "3", "--yes", says="revision 5")
    check(api.rate() == "1.1", "back again")
    names = [c["metadata"]["name"] for c in api.ask("GET", "/api/v1/namespaces/shop/configmaps")["items"]]
    check("third" not in names, f"what came since is deleted: {names}")


def nothing_leaked(folder):
    for root, _, files in os.walk(folder):
        if os.path.join(folder, "api") in root:
            continue
        for name in files:
            if name in ("one.yaml", "two.yaml", "three.yaml"):
                continue
            with open(os.path.join(root, name), "rb") as f:
                text = f.read()
            for word in PLANTED:
                check(word.encode() not in text and base64.b64encode(word.encode()) not in text, f"{root}/{name} holds {word}")
    for text in seen:
        for word in PLANTED:
            check(word not in text and base64.b64encode(word.encode()).decode() not in text, f"{word} was printed: {text}")


def main():
    bin_dir = sys.argv[1]
    with tempfile.TemporaryDirectory() as folder:
        api = Api(bin_dir, folder)
        try:
            jo, may = Person(bin_dir, folder, "jo", api), Person(bin_dir, folder, "may", api)
            plan_and_apply(jo, api)
            somebody_says_yes(jo, api)
            history(jo, may)
            rollback(may, api)
            killed(jo, may, api)
            jo.types("fsck")
            nothing_leaked(folder)
        finally:
            api.server.kill()
            api.server.wait()
    print("a configuration was planned, applied, killed, gone on with and taken back")


main()
