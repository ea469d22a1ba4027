# SPDX-License-Identifier: Apache-2.0
"""Shipped runbooks for real, on a small lab with sidecars and traffic: RB-12 collects, RB-3 finds nothing and then a fault, RB-7
moves a namespace once a colleague agrees, killed on the way and gone on with, and RB-9 brings it back. No request fails.

One lab, as in migration.py; two people with certificates of their own.
"""
import base64
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile

import yaml

import labs
from labs import Lab, check, kill, until
from migration import Desk, NAMESPACE

GROUP = "mesh-oncall"


class People:
    """Each with a certificate of the lab's authority, a kubeconfig and a state folder."""

    def __init__(self, desk):
        self.desk = desk

    def kubeconfig(self, who):
        path = os.path.join(self.desk.folder, who + ".conf")
        if os.path.exists(path):
            return path
        with open(self.desk.lab.kubeconfig, encoding="utf-8") as f:
            config = yaml.safe_load(f)
        keys = [p for p in self.authorities() if os.path.exists(p + "/ca.key")]
        check(keys, "the lab's authority is not found")
        key, csr, cert = (os.path.join(self.desk.folder, f"{who}.{end}") for end in ("key", "csr", "crt"))
        for argv in (["req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", key, "-out", csr,
                      "-subj", f"/O={GROUP}/CN={who}"],
                     ["x509", "-req", "-in", csr, "-CA", keys[0] + "/ca.crt", "-CAkey", keys[0] + "/ca.key", "-set_serial",
                      str(1000 + len(who)), "-days", "2", "-out", cert, "-extfile", self.desk.file("ext", "extendedKeyUsage=clientAuth\n")]):
            done = labs.run("openssl", *argv)
            check(done.returncode == 0, f"openssl {argv[0]}: {done.stderr}")
        user = config["users"][0]["user"]
        user.clear()
        for field, source in (("client-certificate-data", cert), ("client-key-data", key)):
            with open(source, "rb") as f:
                user[field] = base64.b64encode(f.read()).decode()
        with open(path, "w", encoding="utf-8") as f:
            yaml.safe_dump(config, f)
        return path

    def authorities(self):
        return [root for root, _, files in os.walk(self.desk.lab.dir) if "ca.key" in files]

    def start(self, who, verb, *words):
        env = {**os.environ, "SIDESTEP_MIGRATE_PROFILE": os.path.join(self.desk.folder, "profile.yaml"), "KUBECONFIG": ""}
        return subprocess.Popen([os.path.join(labs.BIN, "sidestep-runbook"), verb, *words, "--kubeconfig", self.kubeconfig(who),
                                 "--state", os.path.join(self.desk.folder, who)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                text=True, env=env, stdin=subprocess.DEVNULL)

    def call(self, who, verb, *words, want=0):
        tool = self.start(who, verb, *words)
        out, err = tool.communicate(timeout=240)
        check(tool.returncode == want, f"{who} {verb} {words}: exit {tool.returncode}, not {want}\n{out}\n{err}")
        return out

    def account(self, who, verb, *words, want=0):
        return json.loads(self.call(who, verb, *words, "-o", "json", want=want))


def run_of(text):
    return re.search(r"^run (\S+):", text, re.M).group(1)


def collects(people):
    account = people.account("ann", "run", "RB-12", "-p", f"namespace={NAMESPACE}", want=5)
    check(account["requester"]["name"] == "ann", f"{account['requester']}")
    steps = {s["step"]: s for s in account["steps"]}
    for step in ("agents", "endpoints", "policies", "events", "flows"):
        check(steps[step]["status"] == "ok", f"{steps[step]}")
    files = account["evidence"]["files"]
    check(not account["evidence"]["problems"] and len(files) >= 5, f"{account['evidence']}")
    with open(os.path.join(account["evidence"]["dir"], next(f["file"] for f in files if "endpoints" in f["file"])),
              encoding="utf-8") as f:
        rows = json.load(f)
    check(rows["all"] == 6 and rows["sidecars"] == 6 and rows["not_ready"] == 0, f"{rows['all']} {rows['sidecars']} {rows['not_ready']}")
    print(f"     RB-12: {account['outcome']}, {len(files)} files", flush=True)


def looks_after_an_upgrade(people):
    account = people.account("ann", "run", "RB-3", "-p", "since=1h", want=5)
    steps = {s["step"]: s for s in account["steps"]}
    check(steps["agents"]["status"] == "ok" and steps["endpoints"]["status"] == "ok", f"{steps}")
    print(f"     RB-3: {account['outcome']}; " + "; ".join(f"{k} {v['status']}" for k, v in steps.items()), flush=True)


def moves(people, desk):
    """Asked for by ann, agreed to by bob, killed while it moves, gone on with."""
    account = people.account("ann", "run", "RB-7", "-p", f"namespace={NAMESPACE}")
    check(account["outcome"] == "ready", f"{account['outcome']}: {account.get('cause')}")
    run = run_of(people.call("ann", "run", "RB-7", "-p", f"namespace={NAMESPACE}", "--mode", "execute", "--yes", want=7))
    people.call("ann", "approve", run, "approve_move", "--yes", want=3)
    people.call("bob", "approve", run, "approve_move", "--yes")
    going = people.start("ann", "resume", run)
    until("the migration to begin", lambda: json.loads(desk.kubectl("get", "sidestepruns", "-o", "json"))["items"] and any(
        r["spec"]["tool"] == "migrate" for r in json.loads(desk.kubectl("get", "sidestepruns", "-o", "json"))["items"]), patience=60)
    kill(going.pid, signal.SIGKILL)
    going.communicate()
    account = people.account("ann", "resume", run)
    check(account["outcome"] == "moved", f"{account['outcome']}: {account.get('why')}")
    check(account["approvals"][0]["by"][0]["who"] == "bob", f"{account['approvals']}")
    check(not any(any(v) for v in desk.sidecars().values()), f"sidecars are left: {desk.sidecars()}")
    desk.nothing_failed("moved by RB-7")


def comes_back(people, desk, before):
    """By bob this time, with ann's word."""
    run = run_of(people.call("bob", "run", "RB-9", "-p", f"namespace={NAMESPACE}", "--mode", "execute", "--yes", want=7))
    people.call("ann", "approve", run, "approve_back", "--yes")
    account = people.account("bob", "resume", run)
    check(account["outcome"] == "taken-back", f"{account['outcome']}: {account.get('why')}")
    now = desk.state()
    check(now == before, f"not as it was:\n{before}\n---\n{now}")
    desk.nothing_failed("taken back by RB-9")


def everything():
    with Lab("runbooks") as lab, tempfile.TemporaryDirectory() as folder:
        desk = Desk(lab, folder)
        desk.up()
        people = People(desk)
        before = desk.state()
        collects(people)
        looks_after_an_upgrade(people)
        moves(people, desk)
        comes_back(people, desk, before)
        lab.down()
        lab.check_no_traces("runbooks and down")


if __name__ == "__main__":
    labs.need("sidestep-lab", "sidestep-migrate", "sidestep-runbook", "sidestepd", "sidestep-cni", "sidestep")
    if not os.environ.get("ENVOY"):
        labs.skip("no Envoy (ENVOY=/path, or deploy/fetch-envoy)")
    if not shutil.which("kubectl") or not shutil.which("openssl"):
        labs.skip("kubectl or openssl is not installed")
    sys.argv[1:] = []
    labs.main([everything])
