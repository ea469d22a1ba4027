#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""sidestep-config diff over every folder beside this file, in every format, byte for byte.

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
# Pending or not, as --detailed-exitcode tells it.
EXITS = {"fresh": 0}
# Values that stand in the manifests and may stand in no output, nor may their base64.
PLANTED = ("hunter2", "hunter3", "s3cr3t-one", "s3cr3t-two", "planted", "5678")
TIME = re.compile(r'timestamp="[^"]*"')


def run(bin_dir, folder, output):
    argv = [os.path.join(bin_dir, "sidestep-config"), "diff", "-f", "desired.yaml", "-n", "shop", "-o", output,
            "--digest-key", "../digest-key", "--detailed-exitcode"]
    for option in ("against", "applied", "live"):
        if os.path.exists(os.path.join(folder, option + ".yaml")):
            argv += ["--" + option, option + ".yaml"]
    return subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=False,
                          env={"PATH": "/nonexistent", "HOME": "/nonexistent"})


def leaks(text):
    return [p for p in PLANTED if p in text or base64.b64encode(p.encode()).decode().rstrip("=") in text]


def compare(bin_dir, folder, output, complaints):
    name = os.path.basename(folder)
    got = run(bin_dir, folder, output)
    text = TIME.sub('timestamp="T"', got.stdout)
    path = os.path.join(folder, "want." + output)
    if got.returncode != EXITS.get(name, 2) or got.stderr:
        complaints.append(f"{name} -o {output}: exit {got.returncode}, {got.stderr.strip()}")
    if leaks(got.stdout + got.stderr):
        complaints.append(f"{name} -o {output}: secrets in the output: {leaks(got.stdout)}")
    if os.environ.get("SIDESTEP_GOLDEN_UPDATE"):
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
    with open(path, encoding="utf-8") as f:
        if f.read() != text:
            complaints.append(f"{name} -o {output} differs from {path}:\n{text}")


found, ran = [], 0
for case in sorted(glob.glob(os.path.join(HERE, "*/"))):
    for form in FORMATS:
        compare(os.path.abspath(sys.argv[1]), case.rstrip("/"), form, found)
        ran += 1
for complaint in found:
    print("FAIL", complaint)
print(f"{ran - len(found)} passed, {len(found)} failed")
sys.exit(bool(found) or not ran)
