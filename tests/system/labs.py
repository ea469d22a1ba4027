# SPDX-License-Identifier: Apache-2.0
"""A lab for a test: brought up by the program a user starts, looked at from outside, and never left behind."""
import glob
import json
import os
import select
import signal
import subprocess
import sys
import time

ROOT = "/run/sidestep-lab"
BIN = os.path.realpath(os.environ.get("SIDESTEP_BIN_DIR", "build/dev/bin"))
SOURCE = os.path.realpath(os.environ.get("SIDESTEP_SOURCE_DIR", "."))
PATIENCE_S = 240
SYSCTLS = ("fs/inotify/max_user_instances", "fs/inotify/max_user_watches", "net/ipv4/ip_forward", "kernel/panic")


def skip(reason):
    print(f"SKIP: {reason}")
    sys.exit(77)


def need(*programs):
    """Skips the test where it cannot run, and says why."""
    if os.getuid() != 0:
        skip("needs root")
    for program in programs:
        if not os.path.exists(os.path.join(BIN, program)):
            skip(f"{program} is not built")


class Failed(Exception):
    pass


def check(ok, what):
    if not ok:
        raise Failed(what)


def run(*argv, timeout=PATIENCE_S, env=None, stdin=None):
    return subprocess.run(argv, capture_output=True, text=True, timeout=timeout, check=False, input=stdin,
                          env={**os.environ, **(env or {})})


def until(what, question, patience=30):
    """Asks until the answer is true. There is nothing to wait on: another program's state is what is asked for."""
    end = time.monotonic() + patience
    while True:
        answer = question()
        if answer:
            return answer
        check(time.monotonic() < end, f"waited {patience} s for {what}")
        select.select([], [], [], 0.02)


def wait(seconds):
    """Lets the lab live on for so long: a pause between two acts, never instead of asking for a state."""
    select.select([], [], [], seconds)


def read(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as f:
            return f.read()
    except OSError:
        return ""


def start_time(pid):
    """Ticks since boot: with the pid it names one process for good. '' when it is gone or a zombie."""
    stat = read(f"/proc/{pid}/stat")
    fields = stat[stat.rfind(")") + 2:].split()
    return fields[19] if len(fields) > 19 and fields[0] != "Z" else ""


def kill(pid, signo=signal.SIGKILL):
    try:
        os.kill(pid, signo)
        return True
    except ProcessLookupError:
        return False


def mounts():
    """(line, where, number of the network namespace mounted there or 0), one for each mount."""
    for line in read("/proc/self/mountinfo").splitlines():
        _, _, _, root, point = line.split()[:5]
        yield line, point, int(root[5:-1]) if root.startswith("net:[") else 0


class Lab:
    """With-statement: the lab is down at its end, whatever happened; when the test failed its logs are printed."""

    def __init__(self, name):
        self.name = f"{name}-{os.getpid()}"
        self.dir = os.path.join(ROOT, self.name)
        self.sysctls = {s: read("/proc/sys/" + s) for s in SYSCTLS}
        self.netns = set()
        self.mounted = set()
        self.remembered = 0  # clock ticks since boot
        self.programs = set()

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if kind is not None:
            self.print_logs()
        self.command("down")

    def command(self, verb, *args, timeout=PATIENCE_S):
        return run(os.path.join(BIN, "sidestep-lab"), verb, "--lab", self.name, *args, timeout=timeout)

    def up(self, *args):
        result = self.command("up", *args)
        check(result.returncode == 0, f"up {args}: exit {result.returncode}\n{result.stdout}\n{result.stderr}")
        self.remember()
        return result

    def down(self):
        self.remember()
        result = self.command("down")
        check(result.returncode == 0, f"down: exit {result.returncode}\n{result.stderr}")

    def print_logs(self):
        for path in sorted(glob.glob(self.dir + "/log/*.log") + glob.glob(self.dir + "/pods/*/sidestep-agent.log")):
            tail = read(path).splitlines()[-15:]
            print(f"--- {os.path.relpath(path, self.dir)}\n" + "\n".join(tail))

    @property
    def kubeconfig(self):
        return os.path.join(self.dir, "kubeconfig")

    def kubectl(self, *args, timeout=60):
        return run("kubectl", "--kubeconfig", self.kubeconfig, *args, timeout=timeout)

    # What the lab consists of, seen from outside.

    def roles(self):
        """{role: pid} of the processes that have written their pid and live; the agents, too, which are pods."""
        found = {}
        for path in glob.glob(self.dir + "/run/*.pid"):
            words = read(path).split()
            if len(words) == 2 and start_time(words[0]) == words[1]:
                found[os.path.basename(path)[:-len(".pid")]] = int(words[0])
        for path in glob.glob(self.dir + "/pods/*/sidestep-agent.pid"):
            pod, pid = os.path.dirname(path), read(path).strip()
            if pid and os.path.basename(pod) in read(f"/proc/{pid}/cgroup") and start_time(pid):
                found["sidestepd." + json.loads(read(pod + "/state.json"))["node"]] = int(pid)
        return found

    def processes(self):
        """Every process of ours: one that names the lab, or lives in one of its network namespaces."""
        found = []
        for entry in os.listdir("/proc"):
            began = start_time(entry) if entry.isdigit() and int(entry) != os.getpid() else ""
            if not began:
                continue
            try:
                inside = os.stat(f"/proc/{entry}/ns/net").st_ino in self.netns and int(began) <= self.remembered
            except OSError:
                inside = False
            names = read(f"/proc/{entry}/cmdline").split("\0")
            if inside or self.name in names or any(self.dir + "/" in n for n in names):
                found.append(int(entry))
        return found

    def remember(self):
        """What there is while the lab is up, so that its absence can be told afterwards."""
        for pid in self.roles().values():
            try:
                self.netns.add(os.stat(f"/proc/{pid}/ns/net").st_ino)
            except OSError:
                pass
        for path in glob.glob(self.dir + "/netns/*"):
            self.netns.add(os.stat(path).st_ino)
        self.netns.discard(os.stat("/proc/self/ns/net").st_ino)
        self.mounted |= {point for _, point, inode in mounts() if inode in self.netns}
        self.remembered = time.clock_gettime(time.CLOCK_BOOTTIME) * os.sysconf("SC_CLK_TCK")
        for link in json.loads(run("bpftool", "-j", "-f", "prog").stdout or "[]"):
            if any(self.dir + "/" in pin for pin in link.get("pinned", [])):
                self.programs.add(link["id"])

    def traces(self):
        """What is left of the lab on this machine, one line each; empty is what `down` promises."""
        left = [f"process {p}: " + read(f"/proc/{p}/cmdline").replace("\0", " ") for p in self.processes()]
        # the number of a namespace that is gone is soon another one's: of somebody else's lab, say
        left += ["mount " + point for line, point, inode in mounts() if self.dir + "/" in line or
                 (inode in self.netns and point in self.mounted)]
        if os.path.exists(self.dir):
            left.append("folder " + self.dir)
        for base in ("/sys/fs/cgroup", "/sys/fs/cgroup/unified"):
            left += ["cgroup " + g for g in glob.glob(f"{base}/**/*{self.name}*", recursive=True)]
        left += ["pin " + p for p in glob.glob(f"/sys/fs/bpf/**/*{self.name}*", recursive=True)]
        loaded = {p["id"] for p in json.loads(run("bpftool", "-j", "prog").stdout or "[]")}
        left += [f"BPF program {i}" for i in sorted(self.programs & loaded)]
        if not glob.glob(ROOT + "/*/lab.json"):  # a lab that is still up needs what was raised; the last one gives back
            left += [f"sysctl {s} was {v.strip()}" for s, v in self.sysctls.items() if read("/proc/sys/" + s) != v]
        return left

    def check_no_traces(self, after):
        # the kernel frees programs and namespaces a moment after their last user
        try:
            until("nothing to be left", lambda: not self.traces(), patience=10)
        except Failed:
            raise Failed(f"after {after}:\n  " + "\n  ".join(self.traces())) from None


def main(tests):
    """Runs the tests named on the command line, or all; prints one line each and the counts."""
    chosen = [t for t in tests if not sys.argv[1:] or t.__name__ in sys.argv[1:]]
    failed = 0
    for test in chosen:
        begun = time.monotonic()
        try:
            test()
            print(f"ok   {test.__name__} ({time.monotonic() - begun:.1f} s)", flush=True)
        except (Failed, subprocess.TimeoutExpired) as error:
            failed += 1
            print(f"FAIL {test.__name__}: {error}", flush=True)
    print(f"{len(chosen) - failed} passed, {failed} failed")
    sys.exit(1 if failed or not chosen else 0)
