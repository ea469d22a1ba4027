#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""sidestep-config diff and drift over the folders beside this file, in every format, byte for byte.

  config.py BIN_DIR     SIDESTEP_GOLDEN_UPDATE=1 rewrites what is wanted
"""
import base64
import glob
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
FORMATS = ("diff", "table", "json", "yaml", "junit", "markdown")
DRIFT_FORMATS = ("table", "json")
# Pending or not, as --detailed-exitcode tells it; an acceptance of three-way's drift has expired.
EXITS = {("diff", "fresh"): 0, ("drift", "fresh"): 0, ("drift", "three-way"): 6}
# Values that stand in the manifests and may stand in no output, nor may their base64.
PLANTED = ("hunter2", "hunter3", "s3cr3t-one", "s3cr3t-two", "planted", "5678")
# When it was made: of a suite, or at the top of a report; not those of owners deeper in.
TIME = re.compile(r'(timestamp="|^  "time": ")[^"]*"', re.M)


def run(bin_dir, folder, verb, output):
    wanted = "applied.yaml" if verb == "drift" else "desired.yaml"
    argv = [os.path.join(bin_dir, "sidestep-config"), verb, "-f", wanted, "-n", "shop", "-o", output,
            "--digest-key", "../digest-key", "--detailed-exitcode"]
    for option in ("live", "ignore") if verb == "drift" else ("against", "applied", "live"):
        if os.path.exists(os.path.join(folder, option + ".yaml")):
            argv += ["--" + option, option + ".yaml"]
    return subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=False,
                          env={"PATH": "/nonexistent", "HOME": "/nonexistent"})


def leaks(text):
    return [p for p in PLANTED if p in text or base64.b64encode(p.encode()).decode().rstrip("=") in text]


def compare(bin_dir, folder, verb, output, complaints):
    name = os.path.basename(folder)
    what = f"{name}: {verb} -o {output}"
    got = run(bin_dir, folder, verb, output)
    text = TIME.sub(r'\1T"', got.stdout)
    path = os.path.join(folder, ("want." if verb == "diff" else "want-drift.") + output)
    beside = "".join(line + "\n" for line in got.stderr.splitlines() if not line.startswith("left out: "))
    if verb == "diff" and name == "chart" and got.stderr.count("left out: ") != 4:
        complaints.append(f"{what}: not what is left out: {got.stderr}")
    if got.returncode != EXITS.get((verb, name), 2) or beside:
        complaints.append(f"{what}: exit {got.returncode}, {got.stderr.strip()}")
    if leaks(got.stdout + got.stderr):
        complaints.append(f"{what}: secrets in the output: {leaks(got.stdout)}")
    if os.environ.get("SIDESTEP_GOLDEN_UPDATE"):
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
    with open(path, encoding="utf-8") as f:
        if f.read() != text:
            complaints.append(f"{what} differs from {path}:\n{text}")


found, ran = [], 0
for case in sorted(glob.glob(os.path.join(HERE, "*/"))):
    todo = [("diff", form) for form in FORMATS]
    if os.path.exists(os.path.join(case, "applied.yaml")):
        todo += [("drift", form) for form in DRIFT_FORMATS]
    for word, form in todo:
        compare(os.path.abspath(sys.argv[1]), case.rstrip("/"), word, form, found)
        ran += 1
for complaint in found:
    print("FAIL", complaint)
print(f"{ran - len(found)} passed, {len(found)} failed")
sys.exit(bool(found) or not ran)
