# SPDX-License-Identifier: Apache-2.0
"""deploy/demo is interrupted, and killed: nothing is left behind, and the next run cleans up what a kill has left.

  interrupt.py [TEST...]
"""
import os
import random
import re
import shutil
import signal
import subprocess
import tempfile
import threading

import labs
from labs import Lab, check, wait

SEED = int(os.environ.get("SIDESTEP_SEED", random.SystemRandom().randrange(1 << 32)))
DICE = random.Random(SEED)
INTERRUPTED = 8
END_S = 60


class Demo:
    """The front door, as a user starts it; lines: what it has said so far."""

    def __init__(self, lab):
        self.folder = tempfile.mkdtemp(prefix="sidestep-interrupt-")
        argv = [os.path.join(labs.SOURCE, "deploy/demo"), "--lab", lab.name, "--report", self.folder, "--window", "1s"]
        self.lines = []
        self.news = threading.Condition()
        self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.PIPE, text=True, start_new_session=True)
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.process.stderr:
            with self.news:
                self.lines.append(line)
                self.news.notify_all()

    def says(self, pattern, patience=300):
        with self.news:
            said = self.news.wait_for(lambda: any(re.search(pattern, x) for x in self.lines), patience)
        check(said, f"waited {patience} s for the demo to say {pattern!r}; it said\n" + "".join(self.lines))

    def story(self):
        """The pid of the story under the script."""
        for child in labs.read(f"/proc/{self.process.pid}/task/{self.process.pid}/children").split():
            if "sidestep-lab\0demo" in labs.read(f"/proc/{child}/cmdline"):
                return int(child)
        return None

    def interrupt(self, when):
        self.process.send_signal(signal.SIGINT)
        code = self.process.wait(END_S)
        self.reader.join(END_S)
        if code == -signal.SIGINT and not self.lines:
            return  # before the shell had read its first lines: it had begun nothing
        check(code == INTERRUPTED, f"interrupted {when}: exit {code}\n" + "".join(self.lines[-15:]))
        check(any("nothing was left behind" in x for x in self.lines), "it does not say that nothing is left")

    def end(self):
        """After this neither the script nor its story runs, however the test went."""
        for pid in (self.story(), self.process.pid if self.process.poll() is None else None):
            if pid:
                labs.kill(pid)
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def interrupted(when, pattern, longest_s):
    with Lab("pe-int") as lab:
        demo = Demo(lab)
        try:
            if pattern:
                demo.says(pattern)
            after = DICE.uniform(0, longest_s)
            wait(after)
            lab.remember()
            demo.interrupt(f"{after:.2f} s after {when} (seed {SEED})")
            lab.check_no_traces(f"Ctrl-C {after:.2f} s after {when} (seed {SEED})")
        finally:
            demo.end()


def at_the_start():
    interrupted("the start", None, 2)


def while_the_lab_comes_up():
    interrupted("the lab's first words", r"\[1/", 4)


def while_the_namespace_moves():
    interrupted("the beginning of the move", r"the namespace leaves its sidecars \.\.\.", 40)


def while_it_comes_back():
    interrupted("the beginning of the way back", r"and comes back \.\.\.", 40)


def the_next_run_cleans_up_after_a_kill():
    with Lab("pe-int-kill") as lab:
        first = Demo(lab)
        second = None
        try:
            first.says(r"the namespace leaves its sidecars \.\.\.")
            after = DICE.uniform(0, 10)
            wait(after)
            lab.remember()
            story = first.story()
            check(story, "no story runs under the script")
            for pid in (first.process.pid, story):
                labs.kill(pid)
            second = Demo(lab)
            second.says(r"\[2/\d+\] .*: ok")  # a whole lab stands again, and its traffic passes
            lab.remember()
            second.interrupt("in the second run")
            lab.check_no_traces(f"kill -9 {after:.2f} s into the move, and a second run (seed {SEED})")
        finally:
            first.end()
            if second:
                second.end()


if __name__ == "__main__":
    labs.need("sidestep-lab", "sidestep-migrate", "sidestepd")
    if not os.environ.get("ENVOY"):
        labs.skip("no Envoy (ENVOY=/path, or deploy/fetch-envoy)")
    print(f"seed {SEED}: repeat with SIDESTEP_SEED={SEED}", flush=True)
    labs.main([at_the_start, while_the_lab_comes_up, the_next_run_cleans_up_after_a_kill,
               while_the_namespace_moves, while_it_comes_back])
