# SPDX-License-Identifier: Apache-2.0
"""clang-format has nothing to change in what was committed."""
import os
import shutil
import subprocess
import sys

import tree

if not shutil.which("clang-format"):
    print("SKIP: clang-format is not installed")
    sys.exit(77)
paths = [os.path.join(tree.ROOT, f) for f in tree.files(".c", ".h")]
jobs = [subprocess.Popen(["clang-format", "--dry-run", "-Werror", *paths[i::4]], stderr=subprocess.PIPE, text=True)
        for i in range(4)]
bad = set()
for job in jobs:
    for line in job.communicate()[1].split("\n"):
        if "[-Wclang-format-violations]" in line:
            bad.add(os.path.relpath(line.split(":", 1)[0], tree.ROOT))
tree.finish([f"{f}: run clang-format -i" for f in sorted(bad)], "format")
