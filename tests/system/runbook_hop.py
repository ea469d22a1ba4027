# SPDX-License-Identifier: Apache-2.0
"""RB-6 for real: a hop that ann asks for and two colleagues agree to, killed on the way and gone on with, taken back before it is
final, asked for again and finished. Afterwards RB-3 finds the agent that was left without a process. Connections are held
meanwhile, and none is lost.
"""
import os
import shutil
import signal

import daemonset
import labs
from carried import NODES, OLDER, TREE, Carried, Mesh, release
from labs import check, kill, until
from runbooks import SILENT_S, People, kept, run_of

LINES, RATE = 20, 10
HURRY = {"name": "a hurry", "canarySoak": "3s", "waveSoak": "1s", "soak": "1s", "settle": "1s"}


class Table:
    """What People asks of a desk."""

    def __init__(self, mesh):
        self.lab, self.folder = mesh.lab, mesh.folder.name

    def file(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        return path


def asked_for(people):
    run = run_of(people.call("ann", "run", "RB-6", "-p", f"to={TREE}", "--mode", "execute", "--yes", want=7))
    people.call("ann", "approve", run, "approve_hop", "--yes", want=3)
    people.call("bob", "approve", run, "approve_hop", "--yes")
    # one colleague is not enough
    people.call("ann", "resume", run, want=7)
    check(daemonset.numbers(people.api) == (2, 2, 2), "it went on with one word")
    people.call("cleo", "approve", run, "approve_hop", "--yes")
    return run


def hops(people, mesh, run, killed):
    """Until it waits for the word that cannot be taken back."""
    going = people.start("ann", "resume", run)
    if killed:
        until("a node to be changed", lambda: TREE in mesh.versions()[1].values() or going.poll() is not None, patience=300)
        check(going.poll() is None, "it ended before a node was changed: exit {}\n{}\n{}".format(going.returncode, *going.communicate()))
        kill(going.pid, signal.SIGKILL)
        going.communicate()
        going = people.start("ann", "resume", run)
    for _ in range(3):
        out, err = going.communicate(timeout=900)
        if going.returncode != 5:
            break
        going = people.start("ann", "resume", run)
    check(going.returncode == 7, f"exit {going.returncode}, not 7: it should wait to be finished\n{out}\n{err}")
    check(mesh.versions() == (dict.fromkeys(NODES, TREE),) * 2, f"{mesh.versions()}")


def there_and_back(people, mesh, older, newer):
    account = people.account("ann", "run", "RB-6", "-p", f"to={TREE}")
    check(account["outcome"] == "ready", f"{account['outcome']}: {account.get('why')}")
    with Carried(mesh, "RB-6, killed once", mesh.held):
        run = asked_for(people)
        hops(people, mesh, run, True)
        mesh.bin = dict.fromkeys(NODES, newer)
    with Carried(mesh, "RB-6 taken back", mesh.held):
        people.call("ann", "rollback", run, "--yes", want=9)
        check(mesh.versions() == (dict.fromkeys(NODES, OLDER),) * 2, f"{mesh.versions()}")
        mesh.bin = dict.fromkeys(NODES, older)


def to_the_end(people, mesh, newer):
    with Carried(mesh, "RB-6 to its end", mesh.held):
        run = asked_for(people)
        hops(people, mesh, run, False)
        for who in ("bob", "cleo"):
            people.call(who, "approve", run, "approve_finalize", "--yes")
        account = people.account("ann", "resume", run)
        check(account["outcome"] == "finalized", f"{account['outcome']}: {account.get('why')}")
        check({v["who"] for a in account["approvals"] for v in a["by"]} == {"bob", "cleo"}, f"{account['approvals']}")
        mesh.bin = dict.fromkeys(NODES, newer)


def what_is_left(people, mesh):
    """RB-3 after it: first all is well, then an agent says nothing any more, and its restart helps."""
    account = people.account("ann", "run", "RB-3", "-p", "since=1h", want=None)
    check(account["outcome"] in ("not-the-mesh", "drops-over", "unknown"), f"{account['outcome']}: {account.get('cause')}")
    kill(daemonset.agent(mesh.lab, NODES[1]), signal.SIGSTOP)
    labs.wait(SILENT_S)
    account = people.account("ann", "run", "RB-3", "-p", "since=1h", want=None)
    check(account["outcome"] in ("agents-unwell", "rollout-unfinished"), f"{account['outcome']}: {account.get('cause')}")
    check(NODES[1] in kept(account, "agents")["unwell_nodes"], f"{kept(account, 'agents')}")
    kill(daemonset.agent(mesh.lab, NODES[1]), signal.SIGCONT)
    until("it to be heard again", lambda: daemonset.numbers(mesh.api) == (2, 2, 2), patience=60)


def everything():
    older, newer = release(OLDER), release(TREE)
    with Mesh("rb-hop", OLDER, older, LINES, RATE) as mesh:
        mesh.profile(**HURRY)  # profile.yaml in its folder, which is where People look for it
        people = People(Table(mesh))
        people.api = mesh.api
        there_and_back(people, mesh, older, newer)
        to_the_end(people, mesh, newer)
        what_is_left(people, mesh)
        mesh.lab.down()
        mesh.lab.check_no_traces("RB-6 and down")


if __name__ == "__main__":
    labs.need("sidestep-lab", "sidestepd", "sidestep", "sidestep-cni", "sidestep-upgrade", "sidestep-runbook")
    if not shutil.which("kubectl") or not shutil.which("openssl"):
        labs.skip("kubectl or openssl is not installed")
    labs.main([everything])
