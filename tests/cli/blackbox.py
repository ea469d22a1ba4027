# SPDX-License-Identifier: Apache-2.0
"""Every program as a stranger meets it: its help, and what it makes of nonsense.

blackbox.py BIN_DIR [PROGRAM...]: all programs named sidestep* there, or these. Nothing is known of a program but its
name; commands and options are read from its own help. It runs as nobody, without a cluster and without a home, so that
nothing typed here can change the machine. Ends with 'N passed, N failed'.
"""
import itertools
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

# The exit codes of the house; anything else, and every death by signal, is a failure.
CODES = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 64}
USAGE = 64
MARKS_OF_A_CRASH = re.compile(rb"AddressSanitizer|runtime error:|LeakSanitizer|assertion|Assertion|core dumped|stack smashing")

GARBAGE_FILES = {
    "empty": b"",
    "zeros": b"\0" * 4096,
    "noise": bytes((i * 7919 + i // 3) % 256 for i in range(20000)),
    "not-utf8": b"kind: \xff\xfe\xfd\n",
    "deep.json": b"[" * 100000,
    "deep.yaml": b"a:\n" + b"".join(b" " * i + b"- a:\n" for i in range(1, 3000)),
    "cut.json": b'{"apiVersion": "v1", "kind": "List", "items": [{"apiVer',
    "wrong.yaml": b"apiVersion: [v1]\nkind: {a: b}\nmetadata: 7\nspec: [[[]]]\n",
    "bomb.yaml": b"a: &a [x,x,x,x,x,x,x,x,x]\n" + b"".join(
        b"%c: &%c [*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c]\n" % ((c + 1, c + 1) + (c,) * 8) for c in range(97, 107)),
    "long-line.yaml": b"kind: " + b"x" * 300000 + b"\n",
}
PLACEHOLDERS = ("FILE", "DIR", "PATH")


class Report:
    def __init__(self):
        self.passed = self.failed = 0

    def check(self, ok, what, run=None):
        if ok:
            self.passed += 1
            return
        self.failed += 1
        print(f"FAIL {what}")
        if run is not None:
            print(f"     exit {run.returncode}; stdout {run.stdout[:200]!r}; stderr {run.stderr[:300]!r}")


def nobody():
    if os.getuid() == 0:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)


def run(argv, stdin=b"", env=None, stdout=subprocess.PIPE, timeout=30):
    environment = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "HOME": "/nonexistent", "LC_ALL": "C",
                   "KUBECONFIG": "/nonexistent/kubeconfig", "TERM": "dumb", **(env or {})}
    try:
        return subprocess.run(argv, input=stdin, stdout=stdout, stderr=subprocess.PIPE, env=environment, cwd="/",
                              preexec_fn=nobody, timeout=timeout, check=False)
    except subprocess.TimeoutExpired as late:
        return subprocess.CompletedProcess(argv, -1000, late.stdout or b"", late.stderr or b"(still running)")


def sane(result):
    text = (result.stdout or b"") + result.stderr
    return result.returncode in CODES and not MARKS_OF_A_CRASH.search(text)


def quiet_usage_error(result, *words):
    """64, nothing on stdout, and a sentence that names what was wrong and where to read on."""
    return (sane(result) and result.returncode == USAGE and not result.stdout and b"--help" in result.stderr
            and all(word.encode() in result.stderr for word in words))


def readable(text):
    lines = text.decode("utf-8").splitlines()
    return (len(lines) > 2 and any(line.startswith("Usage:") for line in lines)
            and all(len(line) <= 100 and line == line.rstrip() for line in lines))


def commands_of(program):
    """The command paths its own table names: [['run'], ['endpoint', 'list'], ...]."""
    table = run([program, "__markdown"])
    name = os.path.basename(program)
    if table.returncode != 0:
        return []
    rows = re.findall(r"^\| `" + re.escape(name) + r" ([^`|]*)", table.stdout.decode(), re.M)
    return [[w for w in row.split() if re.fullmatch(r"[a-z][a-z0-9-]*", w)] for row in rows]


def options_of(help_text):
    """[(option, placeholder or None, help)] of a help page."""
    found = re.findall(r"^  (?:-\w, )?(?:    )?(--[a-z][a-z-]*)(?:[ =]([A-Z|a-z.,:\[\]-]+))?(?:  +(.*))?$", help_text, re.M)
    return [(name, value or None, text) for name, value, text in found]


def exit_codes(page):
    """Those that a command's page names; empty where it names none (a program's own page)."""
    table = page.split("\nExit codes", 1)[-1]
    return {int(code) for code in re.findall(r"^  (\d+) +\S", table, re.M)}


def examples(page):
    """Lines of a page that can be typed, as a shell reads them, without what a '#' or a pipe puts behind them."""
    lines = (shlex.split(line, comments=True) for line in re.findall(r"^  (sidestep.*)$", page.replace("\\\n", " "), re.M))
    return [list(itertools.takewhile(lambda word: word != "|", line)) for line in lines]


def check_examples(report, program, path, page, folder):
    """Every example is a command line that the program it names takes: run by nobody, it is no usage error."""
    shown = " ".join([os.path.basename(program), *path])
    lines = examples(page)
    report.check(lines or not path, f"{shown} --help has an example")
    for words in lines:
        given = run([os.path.join(folder, words[0]), *words[1:]])
        report.check(sane(given) and given.returncode != USAGE, f"{shown}: its example {' '.join(words)!r}", given)
        if path and path in (words[1:1 + len(path)], words[2:2 + len(path)]):
            report.check(given.returncode in exit_codes(page), f"{shown}: ends with one of its exit codes", given)


def check_help(report, program, path):
    shown = " ".join([os.path.basename(program), *path])
    page = run([program, *path, "--help"])
    report.check(sane(page) and page.returncode == 0 and readable(page.stdout) and not page.stderr,
                 f"{shown} --help is a readable page", page)
    report.check(not re.search(rb"default (0|-\d+)?\)", page.stdout),
                 f"{shown} --help shows no number that stands for 'none'", page)
    for name, _, text in options_of(page.stdout.decode("utf-8", "replace")):
        report.check(bool(text) or re.search(re.escape(name) + r"[^\n]*\n {10,}\S", page.stdout.decode()),
                     f"{shown} --help says what {name} is for")
    if path:
        report.check(run([program, "help", *path]).stdout == page.stdout, f"help {' '.join(path)} is the same page")
    return page.stdout.decode("utf-8", "replace")


def check_usage(report, program, path, page):
    shown = " ".join([os.path.basename(program), *path])
    wrong = run([program, *path, "--no-such-option"])
    report.check(quiet_usage_error(wrong, "--no-such-option"), f"{shown} --no-such-option", wrong)
    for option, value, text in options_of(page):
        if value == "TIME":
            report.check(bool(re.search(re.escape(option) + r" TIME\s[^(]*\(like 5s|" + re.escape(option) + r" TIME[^-]*like 20",
                                        page)), f"{shown} {option}: says how a TIME is written")
        if value is None:
            given = run([program, *path, option + "=value"])
            report.check(sane(given) and given.returncode == USAGE, f"{shown} {option}=value: a flag takes none", given)
        else:
            missing = run([program, *path, option])
            report.check(quiet_usage_error(missing, option), f"{shown} {option} without its value", missing)
        if value in ("N", "DURATION", "SECONDS") or (value == "PORT" and "repeat" not in text) or (value and "|" in value):
            for nonsense in ("-", "nonsense", "99999999999999999999", "1e9", ""):
                given = run([program, *path, option, nonsense])
                report.check(sane(given) and given.returncode == USAGE, f"{shown} {option} {nonsense!r}", given)


def check_files(report, program, path, page, folder):
    """Every option that names a file or folder meets every kind of garbage."""
    shown = " ".join([os.path.basename(program), *path])
    for option, value, _ in options_of(page):
        if value is None or not any(value.startswith(p) for p in PLACEHOLDERS):
            continue
        for name in [*GARBAGE_FILES, "absent", ".", "."]:
            given = run([program, *path, option, os.path.join(folder, name)])
            report.check(sane(given) and given.returncode in exit_codes(page), f"{shown} {option} {name}", given)
            if given.returncode not in (0,):
                report.check(bool(given.stderr.strip()) or bool(given.stdout.strip()),
                             f"{shown} {option} {name}: says why", given)


def check_arguments(report, program):
    name = os.path.basename(program)
    unknown = run([program, "no-such-command"])
    report.check(quiet_usage_error(unknown, "no-such-command"), f"{name} no-such-command", unknown)
    for argument in (b"\xff\xfe", b"a\nb", b"%s%n%n", b"-", b"--", b"---", b"-\xff", b"--=", b"--output", b"x" * 100000):
        for argv in ([program, argument], [program, "help", argument]):
            given = run(argv)
            report.check(sane(given) and (given.returncode != 0 or argument in (b"--", b"-")),
                         f"{name} {argv[1:]!r:.60}", given)


def check_pipes(report, program):
    name = os.path.basename(program)
    with open("/dev/full", "wb") as full:
        given = run([program, "--help"], stdout=full)
    report.check(given.returncode not in (0, *range(-64, 0)), f"{name} --help onto a full disk is no success", given)
    closed = run(["/bin/sh", "-c", 'exec "$0" --help <&- >&- 2>&-', program])
    report.check(closed.returncode in CODES, f"{name} --help without any descriptor", closed)


def check_completion(report, program):
    name = os.path.basename(program)
    for shell in ("bash", "zsh", "fish"):
        code = run([program, "completion", shell])
        report.check(sane(code) and code.returncode == 0 and code.stdout, f"{name} completion {shell}", code)
        if shell == "bash" and code.returncode == 0:
            report.check(run(["bash", "-n"], stdin=code.stdout).returncode == 0, f"{name}: bash reads its completion")
    report.check(quiet_usage_error(run([program, "completion", "tcsh"])), f"{name} completion tcsh",
                 run([program, "completion", "tcsh"]))


def check_program(report, program, folder):
    name = os.path.basename(program)
    version = run([program, "--version"])
    report.check(sane(version) and version.returncode == 0 and re.search(rb"\d+\.\d+", version.stdout),
                 f"{name} --version", version)
    bare = run([program])
    report.check(sane(bare), f"{name} alone", bare)
    check_pipes(report, program)
    page = check_help(report, program, [])
    check_examples(report, program, [], page, folder)
    paths = commands_of(program)
    check_usage(report, program, [], page)
    if not paths:
        check_files(report, program, [], page, folder)
        return
    check_arguments(report, program)
    check_completion(report, program)
    for path in paths:
        page = check_help(report, program, path)
        check_examples(report, program, path, page, folder)
        check_usage(report, program, path, page)
        check_files(report, program, path, page, folder)


def check_cni(report, program):
    """The CNI plugin speaks to a runtime: JSON in, JSON out, whatever comes."""
    good = {"CNI_COMMAND": "ADD", "CNI_CONTAINERID": "c1", "CNI_NETNS": "/nonexistent/ns", "CNI_IFNAME": "eth0",
            "CNI_PATH": "/opt/cni/bin", "CNI_ARGS": "K8S_POD_NAMESPACE=a;K8S_POD_NAME=b"}
    config = {"cniVersion": "1.0.0", "name": "n", "type": "sidestep-cni", "socket": "/nonexistent/s"}
    inputs = [*GARBAGE_FILES.values(), json.dumps(config).encode(), b"null", b"7", b'{"cniVersion": 7}',
              json.dumps({**config, "cniVersion": "9.9.9"}).encode(), json.dumps({**config, "socket": 7}).encode()]
    environments = [{}, good, {**good, "CNI_COMMAND": "NONSENSE"}, {**good, "CNI_IFNAME": "../../../etc"},
                    {**good, "CNI_CONTAINERID": "../../x"}, {**good, "CNI_CONTAINERID": "x" * 5000},
                    {**good, "CNI_COMMAND": "CHECK"}, {**good, "CNI_ARGS": ";;;=;K8S_POD_NAME"},
                    {**good, "CNI_NETNS": "x" * 5000}, {k: v for k, v in good.items() if k != "CNI_NETNS"}]
    for env in environments:
        for text in inputs:
            given = run([program], stdin=text, env=env)
            report.check(sane(given) and given.returncode != 0, f"sidestep-cni fails on {text[:40]!r} {env}", given)
            try:
                answer = json.loads(given.stdout)
                ok = isinstance(answer["code"], int) and answer["msg"]
            except (ValueError, KeyError, TypeError):
                ok = False
            report.check(ok, f"sidestep-cni says why in JSON: {text[:40]!r} {env}", given)
    version = run([program], stdin=b'{"cniVersion": "1.0.0"}', env={"CNI_COMMAND": "VERSION"})
    report.check(version.returncode == 0 and "1.0.0" in json.loads(version.stdout)["supportedVersions"],
                 "sidestep-cni VERSION", version)


def main():
    bin_dir = sys.argv[1]
    programs = sys.argv[2:] or sorted(f for f in os.listdir(bin_dir) if re.fullmatch(r"sidestep[a-z-]*", f))
    report = Report()
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        os.chmod(folder, 0o755)
        for name, content in GARBAGE_FILES.items():
            with open(os.path.join(folder, name), "wb") as f:
                f.write(content)
        for name in os.listdir(bin_dir):  # nobody may not be able to walk to where they were built
            if name.startswith("sidestep"):
                shutil.copy(os.path.join(bin_dir, name), folder)
        for name in programs:
            program = os.path.join(folder, name)
            if name == "sidestep-cni":
                check_cni(report, program)
            else:
                check_program(report, program, folder)
    print(f"{report.passed} passed, {report.failed} failed")
    return 1 if report.failed or not report.passed else 0


if __name__ == "__main__":
    sys.exit(main())
