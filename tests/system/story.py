# SPDX-License-Identifier: Apache-2.0
"""The product's story, whole, and its promise judged again from report.json by somebody else's code.

  story.py [--kills] [--seed N] [--random SEED] [--real-api] [--clsact] [--upgrade]

--kills: agents, control plane, webhook, plugins and the tool itself, and now and then a sidecar or a workload, are killed
(-9) while the namespace moves, by a fresh printed seed. --real-api: on a real kube-apiserver with etcd. --random: about a namespace that nobody wrote.
--upgrade: agents begin as the release before and go one minor up; at the end two releases with a defect are undone, and
after each RB-3 looks for what it has left. Without it the report must say that this was not done. A configuration is always
changed, touched by somebody else, and taken back.
"""
import argparse
import json
import os
import shutil
import sys
import tempfile

import carried
import labs

STORY_S = 900
WHY_NOT = "no commit of the older release here"
DEFECTS = ("verifier", "unready")
MEMBERS = ("requests connections steps sidecars equivalence blocked waivers latency_ms memory_mib cpu_seconds "
           "pod_start_s config bad_releases runbooks not_done").split()
LOOKS_WELL = ("not-the-mesh", "drops-over", "unknown")  # what RB-3 says where it finds nothing that is left


def arguments():
    p = argparse.ArgumentParser()
    p.add_argument("--kills", action="store_true")
    p.add_argument("--seed", type=int)
    p.add_argument("--random")
    p.add_argument("--real-api", action="store_true")
    p.add_argument("--clsact", action="store_true")
    p.add_argument("--upgrade", action="store_true")
    return p.parse_args()


def real_api(folder):
    script = os.path.join(labs.SOURCE, "tests/peers/kubernetes")
    if labs.run(script, "have").returncode:
        labs.skip("the real kube-apiserver is not built (tests/peers/kubernetes build)")
    done = labs.run(script, "up", folder, timeout=120)
    labs.check(done.returncode == 0, f"a real API server: {done.stderr}")
    return os.path.join(folder, "kubeconfig")


def judge_kills(report):
    """Sidecars and workloads were hit too; each failure that went with one is named, and the sums agree."""
    kills = report["kills"]
    labs.check(len(kills) > 5, f"only {len(kills)} kills")
    pods = [k for k in kills if "pod" in k]
    labs.check({k["what"] for k in pods} == {"sidecar", "workload"}, f"a sidecar and a workload were to be killed: {pods}")
    for k in pods:
        labs.check(k["ready_after_s"] is not None or k["deleted_after_s"] is not None, f"it never came back: {k}")
    blamed = [r for r in report["recent"] if "kill" in r]
    for what, of in (("requests", lambda r: r["kind"] != "lost"), ("connections", lambda r: r["kind"] == "lost")):
        taken = sum(of(r) for r in blamed)
        labs.check(report[what]["by_kill"] == taken == sum(k[what] for k in pods), f"{what} taken by kills: {report[what]}, {pods}")
    print("killed:", ", ".join(sorted({k["what"] for k in kills})))
    for k in pods:
        print(f"  {k['at']:7.2f} s {k['what']} of {k['pod']}: Ready after {k['ready_after_s']} s, out of the endpoints after "
              f"{k['out_of_endpoints_after_s']} s, took {k['requests']} requests and {k['connections']} connections")


def judge_upgrade(report, kills):
    u, bad = report["upgrade"], report["bad_releases"]
    labs.check((u["from"], u["to"]) == (carried.OLDER, carried.TREE), f"upgrade: {u}")
    labs.check(kills or u["attempts"] == 1, f"the hop took itself back, and was tried again: {u}")
    labs.check(u["endpoints"] >= 14 and u["regenerated"] == u["endpoints"], f"endpoints: {u}")
    labs.check(u["connections"] >= 10 and u["connections_lost"] == 0, f"connections: {u}")
    labs.check([b["defect"] for b in bad] == list(DEFECTS), f"bad releases: {bad}")
    for b in bad:
        labs.check(b["rolled_back"] and b["stopped_at"].split("/")[0] in ("U8", "U9"), f"bad release: {b}")
        labs.check(b["requests_failed"] == 0 and b["connections_lost"] == 0, f"a bad release cost something: {b}")
    looks = report["runbooks"]
    labs.check([r["after"] for r in looks] == list(DEFECTS), f"a runbook after each bad release: {looks}")
    for r in looks:
        labs.check(r["id"] == "RB-3" and r["mode"] == "diagnose", f"runbook: {r}")
        labs.check(r["outcome"] in LOOKS_WELL and r["exit"] == (5 if r["outcome"] == "unknown" else 0), f"runbook: {r}")
        print(f"{r['id']} after {r['after']}: {r['outcome']} (exit {r['exit']}); {r.get('why')}; {r['doubts']}")
    labs.check(report["not_done"] == {}, f"not done: {report['not_done']}")


def said(folder, title):
    with open(os.path.join(folder, "evidence", title + ".out"), encoding="utf-8") as f:
        return f.read()


def judge_config(report, folder):
    """What the report says is what the program said, and that is what was done to it."""
    c, history = report["config"], json.loads(said(folder, "config-history"))
    labs.check(c["revisions"] == len(history) == 3, f"config: {c}, {history}")
    labs.check(history[0]["why"] == "as it was before", f"the newest revision is the way back: {history}")
    drift, conflict = json.loads(said(folder, "config-drift-after")), json.loads(said(folder, "config-conflict"))
    fields = [f["scope"] for f in drift["findings"] if f["result"] == "fail"]
    labs.check(c["drifted"] == len(fields) > 0 and all("spec.ingress" in f for f in fields), f"config: {c}, drift: {fields}")
    labs.check(c["conflicts"] == conflict["summary"]["conflict"] > 0, f"config: {c}, plan: {conflict['summary']}")
    labs.check(c["rolled_back"] is True, f"config: {c}")


def judge_steps(report, args):
    """Each step went well by itself, and what was not done is said, with the reason, for everybody."""
    for s in report["steps"]:
        labs.check(s["requests"]["failed"] == 0 and (args.kills or s["connections_lost"] == 0), f"step {s['id']} lost something: {s}")
    undone = {s["id"]: s["words"] for s in report["steps"] if s["status"] == "not done"}
    labs.check(undone == report["not_done"], f"{undone} {report['not_done']}")
    if not args.upgrade:
        labs.check(undone == {"upgrade": WHY_NOT, "bad-releases": "no release with a defect was given (--defect)"}, f"not done: {undone}")
        labs.check(WHY_NOT in report["verdict"], f"verdict: {report['verdict']}")


def judge(report, args, folder):
    for member in MEMBERS:
        labs.check(member in report, f"report.json has no {member}")
    r, c, s = report["requests"], report["connections"], report["sidecars"]
    labs.check(r["sent"] > 50 * 60, f"only {r['sent']} requests were sent")
    labs.check(r["ok"] > 0 and r["refused"] > 0, f"nothing passed or nothing was refused: {r}")
    labs.check(r["failed"] == 0 and r["announced"] == 0, f"requests failed: {r}, {report['recent'][-5:]}")
    labs.check(r["refused_missing"] == 0, f"what must be refused got through: {r}, {report['recent'][-5:]}")
    labs.check(r["let_through_while_enforced"] == 0, f"let through while the new policies were in force: {r}")
    labs.check(c["lost"] == 0 and c["long_lived"] > 0, f"long-lived connections: {c}")
    labs.check(s["before"] > 0 and s["after"] == 0 and s["after_rollback"] == s["before"], f"sidecars: {s}")
    e = report["equivalence"]
    labs.check(e["exhaustive"] and e["differences"] == 0 and e["widening"] == 0 and e["compared"] > 0,
               f"equivalence: {e}")
    labs.check(e["approximated"] > 0 and len(report["waivers"]) >= 2, "the approximation and its waivers are not named")
    if not args.random:
        labs.check(c["long_lived"] >= 10, f"fewer than 10 long-lived connections: {c}")
        labs.check(len({b["namespace"] for b in report["blocked"]}) == 2, f"blocked: {report['blocked']}")
        for b in report["blocked"]:
            labs.check(b["object"] and b["path"] and b["reason"], f"blocked without object, path or reason: {b}")
    if args.kills:
        judge_kills(report)
    judge_config(report, folder)
    judge_steps(report, args)
    if args.upgrade:
        judge_upgrade(report, args.kills)


def tell(args, folder):
    lab = f"story-{os.getpid()}"
    argv = [os.path.join(labs.BIN, "sidestep-lab"), "demo", "--lab", lab, "--report", folder, "--window", "5s"]
    argv += ["--envoy", os.environ["ENVOY"]]
    argv += ["--kills"] * args.kills + ["--clsact"] * args.clsact
    argv += ["--seed", str(args.seed)] if args.seed else []
    argv += ["--random", args.random] if args.random else []
    if args.upgrade:
        argv += ["--from", f"{carried.OLDER}={carried.release(carried.OLDER)}"]
        for defect in DEFECTS:
            argv += ["--defect", f"{defect}=0.4.0={carried.release('0.4.0', defect)}"]
    else:
        argv += ["--no-upgrade", WHY_NOT]
    api = os.path.join(folder, "api")
    argv += ["--kubeconfig", real_api(api)] if args.real_api else []
    try:
        done = labs.run(*argv, timeout=STORY_S)
    finally:
        labs.run(argv[0], "down", "--lab", lab)
        if args.real_api:
            labs.run(os.path.join(labs.SOURCE, "tests/peers/kubernetes"), "down", api)
    print(done.stderr)
    with open(os.path.join(folder, "report.json"), encoding="utf-8") as f:
        judge(json.load(f), args, folder)
    labs.check(done.returncode == 0, f"the story ended with {done.returncode}")
    labs.check(os.path.getsize(os.path.join(folder, "report.html")) > 5000, "report.html is empty")
    for name in () if args.upgrade else ("report.html", "report.txt"):
        labs.check(WHY_NOT in " ".join(labs.read(os.path.join(folder, name)).split()), f"{name} does not say what was not done")
    labs.check(args.upgrade or WHY_NOT in done.stderr, "the terminal does not say what was not done")


def main():
    args = arguments()
    labs.need("sidestep-lab", "sidestep-migrate", "sidestepd", "sidestep-cni", "sidestep-preflight", "sidestep-config",
              "sidestep-runbook", "sidestep-upgrade")
    if not os.environ.get("ENVOY"):
        labs.skip("no Envoy (ENVOY=/path, or deploy/fetch-envoy)")
    folder = tempfile.mkdtemp(prefix="sidestep-story-")
    try:
        tell(args, folder)
    except labs.Failed as failure:
        print(f"FAILED: {failure} (kept: {folder})")
        sys.exit(1)
    shutil.rmtree(folder, ignore_errors=True)


main()
