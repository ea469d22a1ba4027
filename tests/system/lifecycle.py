# SPDX-License-Identifier: Apache-2.0
"""A lab comes and goes: up, up again, down, and down after everything has been killed. Nothing is left behind."""
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
               two_labs_side_by_side, who_may_not_is_told])
