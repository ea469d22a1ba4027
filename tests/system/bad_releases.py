# SPDX-License-Identifier: Apache-2.0
"""Releases with a genuine defect (releases/*.patch, each a change somebody could have made): every one is stopped at the canary
and taken back by itself; nothing outside the canary notices, and on it only what the defect is about.
"""
import daemonset
import labs
from carried import IMAGE, NODES, TREE, Mesh, bad, counts, decided_alike, decisions, details, lost_on, release, steady
from labs import check, until

BAD = "0.4.0"
CANARY = NODES[1]
RELEASES = [{"version": TREE, "conntrackLayout": 2}, {"version": BAD, "conntrackLayout": 2}]
PROFILE = {"name": "a hurry", "canarySoak": "15s", "settle": "2s", "gateTimeout": "30s"}
LINES, RATE = 20, 10
UNANSWERED_S = 3  # then a held connection is lost
MEMORY = "768Mi"  # what the verifier takes while programs are loaded counts, too


def limit(mesh):
    """Agents get a limit of memory, which a cluster's administrator sets."""
    patch = {"spec": {"template": {"spec": {"containers": [{"name": "sidestep-agent", "resources": {"limits": {"memory": MEMORY}}}]}}}}
    status, _ = mesh.api.ask("PATCH", daemonset.SET, patch, "application/strategic-merge-patch+json")
    check(status == 200, f"patch of the limit: {status}")
    for n, node in enumerate(NODES):
        daemonset.delete(mesh.api, node)
        until(f"{node} to have it", lambda want=n + 1: daemonset.numbers(mesh.api) == (2, want, 2), patience=60)


def crosses(key):
    """Whether an edge's connections may lead through the tunnel to or from the canary."""
    client, target, _ = key
    here, there = client.split("_")[1].split("-")[1], target.split("://")[1].split(":")[0]
    return there == "echo" or there != f"echo-{here}"


def window():
    """Seconds that the gates of the canary, there and back, may take."""
    settle, soak, patience = (int(PROFILE[key].removesuffix("s")) for key in ("settle", "canarySoak", "gateTimeout"))
    return 2 * settle + soak + 3 * patience


def only_udp_of_the_canary(worse, after, report):
    """What the defect is about: datagrams from the other node, while the canary had it, as the report says."""
    others = {key: n for key, n in worse.items() if not (key[1].startswith("udp://") and crosses(key))}
    check(not others, f"others noticed: {others}")
    lost = sum(n.get("lost", 0) for n in worse.values())
    check(lost, "the defect took nothing: it is not what this is about")
    (canary,) = report["taken_back"]
    check(canary["node"] == CANARY and canary["seconds"] <= window(), f"taken back: {canary}, of {window()} s")
    check("drop" in report["reason"] or "let through before" in report["reason"], f"the report does not say what was lost: {report['reason']}")
    # A line is opened again when it was lost, and lost again when nobody answers for so long.
    lines = LINES * sum(1 for key in after if key[2] == "lost" and key[1].startswith("udp://") and crosses(key))
    most = lines * (1 + int(canary["seconds"] / UNANSWERED_S))
    check(lost <= most, f"{lost} of {lines} lines lost in {canary['seconds']} s: at most {most}")
    return f"{lost} connections lost on {lines} lines of UDP between the nodes in {canary['seconds']:.0f} s, none else and none after"


def nothing(worse, _after, _report):
    check(not worse, f"connections noticed: {worse}")
    return "nothing lost"


def taken_back(mesh, defect, stopped_by, judge):
    """One bad release from the plan to the report."""
    lab, bin_dir = mesh.lab, release(BAD, defect)
    mesh.image(BAD, bin_dir)
    releases, profile = mesh.write("releases.yaml", [{"releases": RELEASES}]), mesh.profile(**PROFILE)
    steady(lab)
    before, rows, other = counts(lab), decisions(lab, mesh.bin), daemonset.agent(lab, NODES[0])
    code, report, said = mesh.hop(BAD, releases, profile)
    labs.wait(UNANSWERED_S + 1)
    after = counts(lab)
    check(code == 9, f"{defect}: exit {code}, not 9 (rolled back)\n{said}")
    step, gate = report.get("stopped_at", ""), report.get("stopped_by")
    check(step in (f"U8/{CANARY}", "U9") and gate in stopped_by, f"{defect}: stopped at {step} by {gate}\n{said}")
    check(report.get("state") == "rolled-back" and gate in (report.get("reason") or ""),
          f"{defect}: {report.get('state')}, because of {report.get('reason')}\n{said}")
    check(mesh.versions() == (dict.fromkeys(NODES, TREE),) * 2, f"{defect}: {mesh.versions()}")
    status, template = mesh.api.ask("GET", daemonset.SET)
    check(status == 200 and template["spec"]["template"]["spec"]["containers"][0]["image"] == IMAGE + TREE,
          f"{defect}: the template still asks for it")
    check(daemonset.agent(lab, NODES[0]) == other, f"{defect}: the agent of {NODES[0]} was restarted")
    words = judge(lost_on(before, after), after, report)
    labs.wait(UNANSWERED_S + 1)
    check(not lost_on(after, counts(lab)), f"{defect}: taken back, and still: {lost_on(after, counts(lab))}")
    if judge is nothing:
        alike = decided_alike(rows, decisions(lab, mesh.bin), mesh.holders())
        check(alike >= mesh.held, f"{defect}: only {alike} connections are decided as before, not {mesh.held}")
    steady(lab)
    print(f"     {defect}: stopped at {step} by {gate}, rolled back; {words}\n       {report.get('reason')}", flush=True)


DEFECTS = (
    ("verifier", ("G-NODE",), nothing),
    ("unready", ("G-NODE",), nothing),
    ("leaks", ("G-NODE", "G-CANARY"), nothing),
    ("drops", ("G-NODE", "G-CANARY"), only_udp_of_the_canary),
)


def each_is_stopped_at_the_canary():
    for defect, _, _ in DEFECTS:
        release(BAD, defect)
    with Mesh("pe-bad", TREE, release(TREE), LINES, RATE) as mesh:
        limit(mesh)
        for defect, stopped_by, judge in DEFECTS:
            taken_back(mesh, defect, stopped_by, judge)
        before = counts(mesh.lab)
        labs.wait(2)
        after = counts(mesh.lab)
        check(bad(after) == bad(before), details(before, after))
        mesh.lab.down()
        mesh.lab.check_no_traces("four bad releases and down")


if __name__ == "__main__":
    labs.need("sidestep-lab", "sidestepd", "sidestep", "sidestep-cni", "sidestep-upgrade")
    labs.main([each_is_stopped_at_the_canary])
