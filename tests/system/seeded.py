# SPDX-License-Identifier: Apache-2.0
"""The demo can turn red: each fault of seeded_faults.py, built into a copy of the product, is told by the story.

  seeded.py --list     names of the faults, in the story's order
  seeded.py --apply    every fault still fits the source, at exactly one place; builds and runs nothing
  seeded.py NAME       builds the product with that fault and expects the demo red, for the reason the table names
  seeded.py untouched  the same copy without a fault is green, and every step that its report lists has a fault

The copy of the tree and its build are kept beside the build's other folders and used again: a fault costs what it changes.
"""
import json
import os
import re
import shutil
import sys
import tempfile
import time

import labs
from seeded_faults import FAULTS

WORK = os.path.join(os.path.dirname(labs.BIN), "seeded")
TREE = os.path.join(WORK, "tree")
OURS = os.path.join(TREE, "build/dev/bin")
# Shorter than the lab's own profile: a gate that will not open is given up soon.
PROFILE = {"auditWindow": "4s", "settle": "1s", "soak": "2s", "sampleEvery": "500ms", "gateTimeout": "25s"}
BUILD_S, STORY_S = 900, 420


def applied(fault, text):
    count = text.count(fault.old)
    labs.check(count == 1, f"{fault.name} no longer applies: its old text stands {count} times in {fault.file}; "
                           f"seed the same fault where the code is now:\n{fault.old}")
    return text.replace(fault.old, fault.new)


def source_files():
    for top, folders, files in os.walk(labs.SOURCE):
        if top == labs.SOURCE:
            folders[:] = [f for f in folders if f != "build" and not f.startswith(".")]
        folders[:] = [f for f in folders if f != "__pycache__"]
        for name in files:
            if name != ".git":
                yield os.path.relpath(os.path.join(top, name), labs.SOURCE)


def write_if_new(path, content, like):
    try:
        with open(path, "rb") as f:
            if f.read() == content:
                return
    except OSError:
        os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as f:
        f.write(content)
    shutil.copymode(like, path)


def copy_tree(fault):
    """The tree as it is, with the fault; files that stay the same keep their times, so that little is built."""
    wanted = set()
    for name in source_files():
        wanted.add(name)
        source = os.path.join(labs.SOURCE, name)
        with open(source, "rb") as f:
            content = f.read()
        if fault and name == fault.file:
            content = applied(fault, content.decode()).encode()
        write_if_new(os.path.join(TREE, name), content, source)
    labs.check(not fault or fault.file in wanted, f"{fault and fault.name}: there is no file {fault and fault.file}")
    for top, folders, files in os.walk(TREE):
        if top == TREE:
            folders[:] = [f for f in folders if f != "build"]
        for name in files:
            path = os.path.join(top, name)
            if os.path.relpath(path, TREE) not in wanted:
                os.unlink(path)


def build():
    for argv in (["cmake", "--preset", "dev"], ["cmake", "--build", "--preset", "dev", "--target", "programs"]):
        done = labs.run("env", "-C", TREE, *argv, timeout=BUILD_S)
        labs.check(done.returncode == 0, f"{' '.join(argv)}: {(done.stdout + done.stderr)[-3000:]}")


def tell(folder, options=()):
    """Runs the demo of the copy; its exit code, report (or nothing) and last words."""
    lab = f"seeded-{os.getpid()}"
    profile = os.path.join(folder, "profile.json")
    with open(os.path.join(labs.SOURCE, "deploy/lab/profile.yaml"), encoding="utf-8") as f:
        lines = [line for line in f if line.split(":")[0] not in PROFILE]
    with open(profile, "w", encoding="utf-8") as f:
        f.write("".join(f"{key}: {value}\n" for key, value in PROFILE.items()) + "".join(lines))
    argv = [os.path.join(OURS, "sidestep-lab"), "demo", "--lab", lab, "--report", folder, "--window", "2s",
            "--timeout", "60s", "--profile", profile, "--envoy", os.environ["ENVOY"], *options]
    try:
        done = labs.run(*argv, timeout=STORY_S, env={"SIDESTEP_SOURCE_DIR": TREE})
    finally:
        labs.run(argv[0], "down", "--lab", lab)
    print(done.stderr, flush=True)
    report = labs.read(os.path.join(folder, "report.json"))
    return done.returncode, json.loads(report) if report else {}, done.stderr


def evidence(report, folder, step):
    """Everything said about a step: its own words and what its program printed."""
    words = [s.get("words") or s["status"] for s in report.get("steps", []) if s["id"] == step and s["status"] != "ok"]
    for base in sorted(os.listdir(os.path.join(folder, "evidence")) if words else []):
        if base.endswith(".err") and (step in base or step == "timeline" and base.startswith("report-")):
            words.append(labs.read(os.path.join(folder, "evidence", base)))
    return "\n".join(words)


def number_at(report, path):
    for key in path.split("."):
        report = report.get(key, {})
    return report if isinstance(report, (int, float)) else 0


def judge(fault, folder, code, report, said):
    labs.check(code != 0, "the demo is green: the fault was not noticed")
    allowed = fault.exit if isinstance(fault.exit, tuple) else (fault.exit,)
    labs.check(code in allowed, f"exit {code}, the table says {fault.exit}")
    if fault.red.startswith("requests.") or fault.red.startswith("connections."):
        labs.check(number_at(report, fault.red) > 0, f"{fault.red} is 0 in the report")
        said = report["verdict"]
    elif report:
        said = evidence(report, folder, fault.red)
        labs.check(said, f"step {fault.red} is not red: {[(s['id'], s['status']) for s in report['steps']]}")
    labs.check(re.search(fault.words, said), f"nothing says /{fault.words}/:\n{said}")
    print(f"red, as it must be: exit {code}, {fault.red}: {fault.words}")


def covered(report):
    """Every step and state that this green story went through has a fault of its own."""
    went = {s["id"].split("/")[0] for s in report["steps"] if s["status"] != "not done"}
    named = {step for fault in FAULTS for step in fault.steps}
    labs.check(went - named == set(), f"no fault is seeded for {sorted(went - named)}: add one to seeded_faults.py")
    labs.check(named - went == set(), f"faults for steps that the story no longer has: {sorted(named - went)}")


def run(name):
    fault = next((f for f in FAULTS if f.name == name), None)
    labs.check(fault or name == "untouched", f"there is no fault {name}")
    labs.need()
    if not os.environ.get("ENVOY"):
        labs.skip("no Envoy (ENVOY=/path, or deploy/fetch-envoy)")
    began = time.monotonic()
    copy_tree(fault)
    build()
    built = time.monotonic()
    folder = tempfile.mkdtemp(prefix="sidestep-seeded-")
    try:
        code, report, said = tell(folder, fault.options if fault else ())
        print(f"built in {built - began:.0f} s, told in {time.monotonic() - built:.0f} s", flush=True)
        if fault:
            judge(fault, folder, code, report, said)
        else:
            labs.check(code == 0, f"exit {code}: {report.get('verdict')}")
            covered(report)
    except labs.Failed:
        print(f"kept: {folder}")
        raise
    shutil.rmtree(folder, ignore_errors=True)


def apply_all():
    names = [f.name for f in FAULTS]
    labs.check(len(set(names)) == len(names), "two faults have one name")
    for fault in FAULTS:
        with open(os.path.join(labs.SOURCE, fault.file), encoding="utf-8") as f:
            applied(fault, f.read())
    print(f"{len(FAULTS)} faults fit the source")


def main():
    what = sys.argv[1] if len(sys.argv) == 2 else "--help"
    if what == "--list":
        print(";".join(f.name for f in FAULTS), end="")
    elif what == "--help":
        print(__doc__)
        sys.exit(0 if sys.argv[1:] == ["--help"] else 64)
    else:
        try:
            apply_all() if what == "--apply" else run(what)
        except labs.Failed as failure:
            print(f"FAILED: {failure}")
            sys.exit(1)


if __name__ == "__main__":
    main()
