# SPDX-License-Identifier: Apache-2.0
"""Shell scripts parse, say --help where people start them, and call no sudo."""
import os
import re
import subprocess

import tree

STARTED_BY_PEOPLE = ("deploy/demo", "deploy/build-release", "deploy/install-packages", "deploy/fetch-envoy", "tests/run")

found = []
for path in tree.files():
    full = os.path.join(tree.ROOT, path)
    first = tree.read(path).split("\n", 1)[0] if os.access(full, os.X_OK) else ""
    if not re.match(r"#!/bin/(ba)?sh|#!/usr/bin/env bash", first):
        continue
    shell = "bash" if "bash" in first else "sh"
    run = subprocess.run([shell, "-n", full], capture_output=True, text=True, check=False)
    if run.returncode:
        found.append(f"{path}: {run.stderr.strip()}")
    for number, line in enumerate(tree.read(path).split("\n"), 1):
        if re.match(r"\s*sudo\b", line):
            found.append(f"{path}:{number}: calls sudo")
for path in STARTED_BY_PEOPLE:
    run = subprocess.run([os.path.join(tree.ROOT, path), "--help"], capture_output=True, text=True, check=False)
    if run.returncode or not run.stdout.strip():
        found.append(f"{path} --help says nothing")
tree.finish(found, "scripts")
