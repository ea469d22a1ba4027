# SPDX-License-Identifier: Apache-2.0
"""Every folder of the house has its README with the four headings; command tables are the programs' own.

  readmes.py BIN_DIR [--update]

A README holds a program's commands between "<!-- commands NAME -->" and "<!-- end -->", a page of its help between
"<!-- help NAME TOPIC -->" and "<!-- end -->"; --update rewrites them.
"""
import os
import re
import subprocess
import sys

import house
import tree

HEADINGS = ("What lives here", "What does not", "Who may include it", "Start reading at")
BLOCK = re.compile(r"(<!-- (?:commands|help) (\S+) ?(\S*) -->\n)(.*?)(<!-- end -->)", re.S)
# Program -> the README that must show its commands.
PROGRAMS = {"sidestep": "agent/cli", "sidestep-preflight": "preflight", "sidestep-migrate": "migrate",
            "sidestep-config": "upgrade", "sidestep-upgrade": "upgrade",
            "sidestep-lab": "deploy/lab", "sidestep-runbook": "runbooks"}


def folders():
    wanted = {f for f in house.ARROWS if f != "tests"}
    wanted |= {"tests/" + f.split("/")[1] for f in tree.files() if f.startswith("tests/") and f.count("/") > 1}
    present = {os.path.dirname(f) for f in tree.files(".c", ".h", ".py", ".sh")}
    return sorted(f for f in wanted if any(p == f or p.startswith(f + "/") for p in present))


def check_headings(complaints):
    for folder in folders():
        path = f"{folder}/README.md"
        if not os.path.exists(os.path.join(tree.ROOT, path)):
            complaints.append(f"{path} is missing")
            continue
        for heading in HEADINGS:
            if heading not in tree.read(path):
                complaints.append(f"{path}: no '{heading}'")


def commands(bin_dir, program, topic):
    """Its command table, or that page of its help; None when it prints none."""
    words = ["help", topic] if topic else ["__markdown"]
    run = subprocess.run([os.path.join(bin_dir, program), *words], capture_output=True, text=True, check=False)
    if run.returncode:
        return None
    return f"```text\n{run.stdout}```\n" if topic else run.stdout


def check_tables(complaints, bin_dir, update):
    for path in tree.files("README.md"):
        text = tree.read(path)

        def renew(match):
            if not os.path.exists(os.path.join(bin_dir, match.group(2))):
                return match.group(0)
            table = commands(bin_dir, match.group(2), match.group(3))
            if table is None:
                complaints.append(f"{path}: {match.group(2)} prints no commands")
                return match.group(0)
            if table != match.group(4) and not update:
                complaints.append(f"{path}: the commands of {match.group(2)} differ (readmes.py BIN --update)")
            return match.group(1) + table + match.group(5)

        renewed = BLOCK.sub(renew, text)
        if update and renewed != text:
            with open(os.path.join(tree.ROOT, path), "w", encoding="utf-8") as f:
                f.write(renewed)
    for program, folder in PROGRAMS.items():
        if not os.path.exists(os.path.join(bin_dir, program)):
            continue
        path = f"{folder}/README.md"
        if not os.path.exists(os.path.join(tree.ROOT, path)) or f"<!-- commands {program} -->" not in tree.read(path):
            complaints.append(f"{path}: no block of {program}'s commands")


def check_exit_codes(complaints):
    readme = tree.read("README.md").replace("`", "")
    for number, meaning in re.findall(r"X\(CLI_\w+, (\d+), \"([^\"]+)\"\)", tree.read("lib/cli/exit.h")):
        if f"| {number} | {meaning} |" not in readme:
            complaints.append(f"README.md: exit code {number} differs from lib/cli/exit.h: {meaning}")


found = []
check_headings(found)
check_exit_codes(found)
if len(sys.argv) > 1:
    check_tables(found, sys.argv[1], "--update" in sys.argv)
tree.finish(found, "readmes")
