# SPDX-License-Identifier: Apache-2.0
"""A lab comes and goes: up, up again, down, and down after everything has been killed. Nothing is left behind."""
import glob
import os
import random
import shutil
import signal
import subprocess
import tempfile

import labs
from labs import Lab, check, kill, until

SMALL = ("--nodes", "1")
SEED = int(os.environ.get("SIDESTEP_SEED", random.SystemRandom().randrange(1 << 32)))


def up_and_down_leave_nothing():
    with Lab("pe-plain") as lab:
        lab.up(*SMALL)
        before = lab.roles()
        check(len(before) > 3, f"few processes: {before}")
        lab.up(*SMALL)
        check(lab.roles() == before, f"a second up restarted something: {before} {lab.roles()}")
        status = lab.command("status", "-o", "json")
        check(status.returncode == 0 and lab.name in status.stdout, f"status: {status.stdout} {status.stderr}")
        lab.down()
        lab.check_no_traces("down")
        check(lab.command("down").returncode == 0, "a second down fails")


def what_is_killed_comes_back():
    with Lab("pe-back") as lab:
        lab.up(*SMALL)
        for role, pid in sorted(lab.roles().items()):
            if role == "supervise":
                continue
            kill(pid)
            until(f"{role} to be started again", lambda r=role, p=pid: lab.roles().get(r, p) != p, patience=10)
        lab.up(*SMALL)  # it stands again
        lab.down()
        lab.check_no_traces("down")


def down_after_everything_was_killed():
    with Lab("pe-dead") as lab:
        lab.up(*SMALL)
        lab.remember()
        # the supervisor first, or it would start the others again
        for pid in [lab.roles()["supervise"], *lab.processes()]:
            kill(pid)
        lab.down()
        lab.check_no_traces("kill -9 of every process and down")


def up_after_everything_was_killed():
    with Lab("pe-again") as lab:
        lab.up(*SMALL)
        for pid in [lab.roles()["supervise"], *lab.processes()]:
            kill(pid)
        lab.up(*SMALL)
        lab.down()
        lab.check_no_traces("kill -9 of every process, up and down")


def up_killed_at_any_moment():
    """After a random number of lines that `up` has printed, and once before the first."""
    dice = random.Random(SEED)
    for lines in (0, dice.randrange(1, 4), dice.randrange(4, 8)):
        with Lab("pe-half") as lab:
            argv = [os.path.join(labs.BIN, "sidestep-lab"), "up", "--lab", lab.name, *SMALL]
            with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as up:
                for _ in range(lines):
                    up.stdout.readline()
                up.kill()
            lab.remember()
            lab.down()
            lab.check_no_traces(f"up killed after {lines} lines (seed {SEED}) and down")


def up_interrupted_cleans_up():
    with Lab("pe-int") as lab:
        argv = [os.path.join(labs.BIN, "sidestep-lab"), "up", "--lab", lab.name, *SMALL]
        with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as up:
            up.stdout.readline()
            up.send_signal(signal.SIGINT)
            check(up.wait(60) == 8, f"exit {up.returncode} after SIGINT, want 8 (aborted)")
        lab.remember()
        lab.down()
        lab.check_no_traces("Ctrl-C and down")


POD = """\
apiVersion: v1
kind: Pod
metadata: {name: late, namespace: default}
spec: {containers: [{name: app, image: "sidestep.dev/lab/workload:1", args: [--http, "8080"]}]}
"""


def plugins(lab):
    """The CNI plugins that work for pods of the lab: {pid: what they were asked}."""
    found = {}
    for entry in filter(str.isdigit, os.listdir("/proc")):
        environment = dict(x.split("=", 1) for x in labs.read(f"/proc/{entry}/environ").split("\0") if "=" in x)
        if environment.get("CNI_NETNS", "").startswith(lab.dir + "/") and labs.start_time(entry):
            found[int(entry)] = environment["CNI_COMMAND"]
    return found


def down_while_a_plugin_works():
    """A plugin that waits for its agent, and goes on when the lab is down, leaves nothing in a deletion queue."""
    with Lab("pe-cni") as lab, tempfile.TemporaryDirectory() as folder:
        lab.up(*SMALL)
        manifest = os.path.join(folder, "pod.yaml")
        with open(manifest, "w", encoding="utf-8") as f:
            f.write(POD)
        until("the agent to serve", lambda: glob.glob(lab.dir + "/nodes/*/run/*/sidestepd.sock"))
        kill(next(pid for role, pid in lab.roles().items() if role.startswith("sidestepd")), signal.SIGSTOP)
        argv = [os.path.join(labs.BIN, "sidestep-lab"), "up", "--lab", lab.name, *SMALL, "--manifests", manifest]
        with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as up:
            until("a plugin to wait for its agent", lambda: plugins(lab))
            up.kill()
        for pid in plugins(lab):  # what a killed ADD has left is taken away by a DEL, and a DEL has the queue
            kill(pid)
        until("a DEL to wait for its agent", lambda: "DEL" in plugins(lab).values(), patience=60)
        waiting = plugins(lab)
        for pid in waiting:
            kill(pid, signal.SIGSTOP)
        lab.down()
        for pid in waiting:
            kill(pid, signal.SIGCONT)
        until("the plugins to be gone", lambda: not plugins(lab))
        lab.check_no_traces("down while a plugin worked")


def two_labs_side_by_side():
    with Lab("pe-one") as one, Lab("pe-two") as two:
        one.up(*SMALL)
        two.up(*SMALL)
        one.down()
        one.check_no_traces("down of one of two")
        check(two.command("status").returncode == 0, "the other lab has suffered")
        two.up(*SMALL)
        two.down()
        two.check_no_traces("down of the other")


def who_may_not_is_told():
    with tempfile.TemporaryDirectory() as folder:  # nobody may not be able to walk to where it was built
        os.chmod(folder, 0o755)
        program = shutil.copy(os.path.join(labs.BIN, "sidestep-lab"), folder)
        result = labs.run("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", program, "up",
                          "--lab", f"pe-nobody-{os.getpid()}")
    check(result.returncode == 3, f"up as nobody: exit {result.returncode}, want 3")
    check("root" in result.stderr, f"up as nobody does not say what is missing: {result.stderr}")


if __name__ == "__main__":
    labs.need("sidestep-lab", "sidestepd", "sidestep-cni")
    print(f"seed {SEED}: repeat with SIDESTEP_SEED={SEED}")
    labs.main([up_and_down_leave_nothing, what_is_killed_comes_back, down_after_everything_was_killed,
               up_after_everything_was_killed, up_killed_at_any_moment, up_interrupted_cleans_up,
               down_while_a_plugin_works, two_labs_side_by_side, who_may_not_is_told])
