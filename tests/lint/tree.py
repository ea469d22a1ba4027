# SPDX-License-Identifier: Apache-2.0
"""The tree a lint looks at: its files, and how complaints are printed."""
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def files(*endings):
    """Tracked and new files (never build output), relative to the root; all of them without endings."""
    try:
        out = subprocess.run(["git", "-C", ROOT, "ls-files", "-co", "--exclude-standard"], check=True,
                             capture_output=True, text=True).stdout.split("\n")
    except (OSError, subprocess.CalledProcessError):
        out = [os.path.relpath(os.path.join(d, f), ROOT) for d, dirs, names in os.walk(ROOT) for f in names
               if not os.path.relpath(d, ROOT).startswith(("build", ".git"))]
    return sorted(f for f in out if f and (not endings or f.endswith(endings))
                  and os.path.isfile(os.path.join(ROOT, f)))


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8", errors="replace") as f:
        return f.read()


def folder_of(path, folders):
    """The longest of folders that holds path, or None."""
    best = None
    for folder in folders:
        if path.startswith(folder + "/") and (best is None or len(folder) > len(best)):
            best = folder
    return best


def strip_comments(text):
    """C text with comments blanked, lines kept; strings stay."""
    pattern = re.compile(r'"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'|/\*.*?\*/|//[^\n]*', re.S)
    return pattern.sub(lambda m: m.group(0) if m.group(0)[0] in "\"'" else re.sub(r"[^\n]", " ", m.group(0)), text)


def finish(complaints, what):
    for line in complaints:
        print(line)
    print(f"{what}: {len(complaints)} complaints" if complaints else f"{what}: clean")
    sys.exit(1 if complaints else 0)
