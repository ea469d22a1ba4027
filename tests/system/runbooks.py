# SPDX-License-Identifier: Apache-2.0
"""Shipped runbooks for real, on a small lab with sidecars and traffic: RB-12 collects, also from a slow API; RB-3, RB-5 and RB-12
see an agent that says nothing any more, and that it is back; RB-7 moves a namespace once a colleague agrees, killed on the way,
with the API server and controllers killed, too, and gone on with; RB-9 brings it back likewise. No request fails.

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
from faults import inject
from kills import steady
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
                      str(sum(who.encode())), "-days", "2", "-out", cert, "-extfile", self.desk.file("ext", "extendedKeyUsage=clientAuth\n")]):
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
        # The lab's API server has no admission policies, and so vouches for nobody's name.
        words = (*words, "--accept-unvouched") if verb == "resume" else words
        profile = os.path.join(self.desk.folder, "profile.yaml")
        env = {**os.environ, "SIDESTEP_MIGRATE_PROFILE": profile, "SIDESTEP_UPGRADE_PROFILE": profile, "KUBECONFIG": ""}
        return subprocess.Popen([os.path.join(labs.BIN, "sidestep-runbook"), verb, *words, "--kubeconfig", self.kubeconfig(who),
                                 "--state", os.path.join(self.desk.folder, who)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                text=True, env=env, stdin=subprocess.DEVNULL)

    def call(self, who, verb, *words, want=0):
        tool = self.start(who, verb, *words)
        out, err = tool.communicate(timeout=240)
        check(tool.returncode == want if want is not None else out, f"{who} {verb} {words}: exit {tool.returncode}, not {want}\n{out}\n{err}")
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


def collects_slowly(people, lab):
    """An API that takes its time, and one that fails for a while: the same evidence."""
    for fault in ("api-slow", "api-error"):
        inject(lab, fault)
        tool = people.start("ann", "run", "RB-12", "-p", f"namespace={NAMESPACE}", "-o", "json")
        labs.wait(3)
        inject(lab, "api-clear")
        out, err = tool.communicate(timeout=240)
        check(tool.returncode == 5, f"RB-12 under {fault}: exit {tool.returncode}\n{out}\n{err}")
        steps = {s["step"]: s["status"] for s in json.loads(out)["steps"]}
        check(all(steps[step] == "ok" for step in ("agents", "endpoints", "policies", "events", "flows")), f"under {fault}: {steps}")


def kept(account, name):
    with open(os.path.join(account["evidence"]["dir"], next(f["file"] for f in account["evidence"]["files"] if name in f["file"])),
              encoding="utf-8") as f:
        return json.load(f)


def looks_after_an_upgrade(people):
    """Nothing is wrong that it can see; what it cannot see it does not call well, either."""
    account = people.account("ann", "run", "RB-3", "-p", "since=1h", want=None)
    steps = {s["step"]: s for s in account["steps"]}
    check(account["outcome"] in ("not-the-mesh", "drops-over", "unknown"), f"{account['outcome']}: {account.get('cause')}")
    check((account["outcome"] == "unknown") == (account["exit"] == 5), f"{account['outcome']}: exit {account['exit']}")
    check(steps["agents"]["status"] == "ok" and steps["endpoints"]["status"] == "ok", f"{steps}")
    check(not kept(account, "agents")["unwell_nodes"], f"{kept(account, 'agents')}")
    print(f"     RB-3: {account['outcome']}; " + "; ".join(f"{k} {v['status']}" for k, v in steps.items()), flush=True)


SILENT_S = 62  # runbooks/sources.c: an agent that has not published for a minute


def sees_a_silent_agent(people, desk):
    """node-b's agent is stopped: what runs goes on, and three runbooks name it."""
    silent = desk.lab.roles()["sidestepd.node-b"]
    kill(silent, signal.SIGSTOP)
    try:
        labs.wait(SILENT_S)
        account = people.account("ann", "run", "RB-3", "-p", "since=1h")
        steps = {s["step"]: s for s in account["steps"]}
        # where agents are a DaemonSet its pod is not ready either, and that is said first
        check(account["outcome"] in ("agents-unwell", "rollout-unfinished"), f"{account['outcome']}: {steps}")
        check(kept(account, "agents")["unwell_nodes"] == ["node-b"], f"{kept(account, 'agents')}")
        check(steps.get("restart", {}).get("status", "skipped") == "skipped" and account["advice"], f"{steps}: {account['advice']}")
        account = people.account("ann", "run", "RB-5")
        check(account["outcome"] == "agent-down" and any(s["step"] == "agent_down" for s in account["steps"]), f"{account['outcome']}")
        account = people.account("ann", "run", "RB-12", "-p", f"namespace={NAMESPACE}", want=5)
        rows = {r["node"]: r.get("unwell") for r in kept(account, "agents")["rows"]}
        check(rows["node-b"] and not rows["node-a"], f"{rows}")
    finally:
        kill(silent, signal.SIGCONT)
    until("the agent to be heard again", lambda: not kept(people.account("ann", "run", "RB-3", "-p", "since=1h", want=None), "agents")["unwell_nodes"],
          patience=60)
    desk.nothing_failed("an agent silent for a minute")


def strike(desk, *roles):
    """The lab's own processes, which come back; whatever asks them asks again."""
    for role in roles:
        inject(desk.lab, "kill-role", role)


def ended(going, people, who, run):
    """Its account, once it came to an end; where it could not tell because of the fault (5), it is gone on with."""
    for _ in range(3):
        out, err = going.communicate(timeout=240)
        if going.returncode == 0:
            return json.loads(out)
        check(going.returncode == 5, f"{who} {run}: exit {going.returncode}\n{out}\n{err}")
        going = people.start(who, "resume", run, "-o", "json")
    check(False, f"{who} {run}: cannot tell again and again\n{out}\n{err}")
    return None


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
    going = people.start("ann", "resume", run, "-o", "json")
    strike(desk, "controllers", "apiserver")
    account = ended(going, people, "ann", run)
    check(account["outcome"] == "moved", f"{account['outcome']}: {account.get('why')}")
    check(account["approvals"][0]["by"][0]["who"] == "bob", f"{account['approvals']}")
    check(not any(any(v) for v in desk.sidecars().values()), f"sidecars are left: {desk.sidecars()}")
    desk.nothing_failed("moved by RB-7")


def comes_back(people, desk, before):
    """By bob this time, with ann's word."""
    run = run_of(people.call("bob", "run", "RB-9", "-p", f"namespace={NAMESPACE}", "--mode", "execute", "--yes", want=7))
    people.call("ann", "approve", run, "approve_back", "--yes")
    going = people.start("bob", "resume", run, "-o", "json")
    strike(desk, "apiserver", "sidestepd.node-a")
    account = ended(going, people, "bob", run)
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
        collects_slowly(people, lab)
        looks_after_an_upgrade(people)
        sees_a_silent_agent(people, desk)
        steady(lab)
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
