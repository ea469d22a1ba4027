# SPDX-License-Identifier: Apache-2.0
"""One minor up, down, and up again, as an SRE does it, while connections of every kind are held and new ones begin: none is lost,
none is decided differently. A release without the converter is not so kind, and that shows.

upgrade.py [TEST...]: which releases, says deploy/releases.yaml; older ones are built from history.
"""
import json
import random
import subprocess

import daemonset
import labs
from carried import NODES, OLDER, RELEASES, TREE, VERSIONS, Carried, Mesh, counts, decisions, lost_on, release
from kills import SEED
from labs import check, kill, until

HURRY = {"name": "a hurry", "canarySoak": "3s", "waveSoak": "1s", "soak": "1s", "settle": "1s"}
MANY, NEW = 80, 34  # 1280 held connections, 204 new ones a second
FEW, SELDOM = 20, 10


def planned(mesh, version, old, new):
    """The plan says what will become of connections."""
    done = mesh.upgrade("plan", "--to", version, "--releases", RELEASES, "--profile", mesh.profile(), "-o", "json")
    check(done.returncode == 0, f"plan to {version}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    words = [e["effect"] for e in json.loads(done.stdout)["effects"] if e["what"] == "map conversion"]
    check(f"from layout {old} to {new}" in " ".join(words), f"plan to {version}: {words}")


def hop(mesh, version, bin_dir, profile, least):
    with Carried(mesh, f"to {version}", least):
        code, report, said = mesh.hop(version, RELEASES, profile)
        check(code == 0, f"to {version}: exit {code}\n{said}")
        mesh.bin = dict.fromkeys(NODES, bin_dir)
        check(mesh.versions() == (dict.fromkeys(NODES, version),) * 2, f"not every node is {version}: {mesh.versions()}")
        check(report.get("endpoints", 0) >= 10 and report["regenerated"] == report["endpoints"],
              f"endpoints {report.get('endpoints')}, regenerated {report.get('regenerated')}")


def restarted(mesh, least):
    """Without an upgrade: an agent is killed, another one's pod is deleted."""
    with Carried(mesh, "agents restarted", least):
        old, name = daemonset.agent(mesh.lab, "node-a"), daemonset.pod_of(mesh.api, "node-b")["metadata"]["name"]
        kill(old)
        daemonset.delete(mesh.api, "node-b")
        until("node-a's agent to be started again", lambda: daemonset.agent(mesh.lab, "node-a") not in (None, old))
        until("node-b's pod to be another", lambda: (daemonset.pod_of(mesh.api, "node-b") or {}).get(
            "metadata", {}).get("name", name) != name)
        until("both to be ready", lambda: daemonset.numbers(mesh.api) == (2, 2, 2), patience=60)


def no_minor_is_skipped(mesh):
    done = mesh.upgrade("run", *mesh.words(VERSIONS[0], RELEASES, mesh.profile()))
    check(done.returncode == 3 and OLDER in done.stdout, f"to {VERSIONS[0]}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    check(mesh.versions() == (dict.fromkeys(NODES, TREE),) * 2, f"a refused hop changed {mesh.versions()}")


def from_the_oldest_release():
    dirs = {version: release(version) for version in VERSIONS}
    with Mesh("pe-oldest", VERSIONS[0], dirs[VERSIONS[0]], FEW, SELDOM) as mesh:
        for version in VERSIONS[1:]:
            mesh.image(version, dirs[version])
            hop(mesh, version, dirs[version], mesh.profile(**HURRY), mesh.held)


def one_hop_up():
    older = release(OLDER)
    with Mesh("pe-hop", OLDER, older, FEW, SELDOM) as mesh:
        hop(mesh, TREE, release(TREE), mesh.profile(**HURRY), mesh.held)
        mesh.lab.down()
        mesh.lab.check_no_traces("an upgrade and down")


def up_down_and_up_again():
    older, newer = release(OLDER), release(TREE)
    with Mesh("pe-hops", OLDER, older, MANY, NEW) as mesh:
        check(mesh.held >= 1000 and mesh.rate >= 200, "the load is not what is promised")
        for version, bin_dir, layouts in ((TREE, newer, (1, 2)), (OLDER, older, (2, 1)), (TREE, newer, (1, 2))):
            planned(mesh, version, *layouts)
            hop(mesh, version, bin_dir, mesh.profile(), mesh.held)
        restarted(mesh, mesh.held)
        no_minor_is_skipped(mesh)
        mesh.lab.down()
        mesh.lab.check_no_traces("three upgrades and down")


def has_begun(mesh):
    _, runs = mesh.api.ask("GET", "/apis/sidestep.dev/v1alpha1/sidestepruns")
    return bool(runs.get("items"))


def strike(mesh, dice):
    """One of what a cluster starts again by itself; agents are not among them: a gate takes back a node whose agent ended."""
    roles = sorted((r, p) for r, p in mesh.lab.roles().items() if r != "supervise" and not r.startswith("sidestepd"))
    role, pid = dice.choice(roles)
    kill(pid)
    until(f"{role} to be started again", lambda: mesh.lab.roles().get(role, pid) != pid, patience=20)
    return role


def carried_on(mesh, words, dice, strikes):
    """The tool and something else are killed so often; whoever types `resume` each time comes to an end."""
    story = []
    for _ in range(strikes + 20):
        with subprocess.Popen(mesh.argv(*words), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as tool:
            try:
                said = tool.communicate(timeout=1 + 5 * dice.random() if len(story) < strikes else 300)[1]
            except subprocess.TimeoutExpired:
                tool.kill()
                story.append(strike(mesh, dice))
                tool.communicate()
                said = "killed"
        if tool.returncode in (0, 9):
            return tool.returncode, story
        if has_begun(mesh):
            words = ["resume", "--yes", "--finalize"]
    raise labs.Failed(f"it comes to no end (seed {SEED}): exit {tool.returncode}, {said}, killed with it: {story}")


def blames_a_kill(mesh, story):
    """An agent ends with the kubelet that runs it; a gate may take that for the release's fault, and must name the node."""
    told = mesh.upgrade("report", "-o", "json")
    reason = json.loads(told.stdout).get("reason") or "" if told.returncode == 0 else ""
    print(f"     it went back: {reason}", flush=True)
    return any(f"kubelet.{node}" in story and node in reason for node in NODES)


def killed_and_resumed():
    dice, older, newer = random.Random(SEED), release(OLDER), release(TREE)
    with Mesh("pe-hopk", OLDER, older, FEW, SELDOM) as mesh:
        with Carried(mesh, "a hop with kills", mesh.held):
            words = ["run", *mesh.words(TREE, RELEASES, mesh.profile(**HURRY))]
            code, story = carried_on(mesh, words, dice, 8)
            version, bin_dir = (TREE, newer) if code == 0 else (OLDER, older)
            mesh.bin = dict.fromkeys(NODES, bin_dir)
            check(mesh.versions() == (dict.fromkeys(NODES, version),) * 2, f"exit {code}, and {mesh.versions()} (seed {SEED})")
            check(code == 0 or blames_a_kill(mesh, story), f"it went back, and not for an agent that ended with its kubelet (seed {SEED})")
        print(f"     seed {SEED}: exit {code}, killed with the tool: {', '.join(story)}", flush=True)


def without_the_converter_connections_are_lost():
    """The negative control: were this green, the tests above would prove nothing."""
    older, broken = release(OLDER), release(TREE, "no-converter")
    with Mesh("pe-lost", OLDER, older, FEW, SELDOM) as mesh:
        mesh.image(TREE, broken)
        before, rows = counts(mesh.lab), decisions(mesh.lab, mesh.bin)
        code, _, said = mesh.hop(TREE, RELEASES, mesh.profile(**HURRY, gateTimeout="20s"))
        labs.wait(4)
        worse = lost_on(before, counts(mesh.lab))
        lost = sum(n.get("lost", 0) for n in worse.values())
        check(lost, f"exit {code}, and no connection was lost without the converter\n{said}")
        check(all("_translated-" in key[0] or "_hold-" in key[0] for key in worse if worse[key].get("lost")), f"lost: {worse}")
        # Where the new programs are, connections are open that nobody had before.
        mesh.bin = {n: broken if v == TREE else older for n, v in mesh.versions()[1].items()}
        now = decisions(mesh.lab, mesh.bin)
        other = sum(1 for k in rows.keys() & now.keys() if rows[k] != now[k])
        print(f"     without the converter: exit {code}, {lost} connections lost, {other} directions decided differently", flush=True)


if __name__ == "__main__":
    labs.need("sidestep-lab", "sidestepd", "sidestep", "sidestep-cni", "sidestep-upgrade")
    labs.main([one_hop_up, up_down_and_up_again, from_the_oldest_release, killed_and_resumed,
               without_the_converter_connections_are_lost])
