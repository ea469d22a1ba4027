# SPDX-License-Identifier: Apache-2.0
"""Every header compiles alone, with gcc and with clang."""
import concurrent.futures
import os
import shutil
import subprocess
import sys

import tree

FLAGS = ["-std=gnu17", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Wmissing-prototypes", "-Werror", "-fsyntax-only",
         '-DSIDESTEP_VERSION="0"', "-I", tree.ROOT, "-x", "c", "-"]
# Headers of BPF programs see the kernel's types instead of libc's.
BPF = ["-target", "bpf", "-O2", "-Wno-unused-parameter", "-Wno-unused-function", "-Wno-unknown-attributes",
       "-idirafter", f"/usr/include/{os.uname().machine}-linux-gnu"]


def compile_alone(job):
    compiler, path = job
    flags = FLAGS
    if path.startswith("datapath/bpf/"):
        if "clang" not in compiler:
            return None
        flags = BPF + [f for f in FLAGS if f not in ("-Wmissing-prototypes", "-D_GNU_SOURCE")]
    run = subprocess.run([compiler, *flags], input=f'#include "{path}"\n', text=True, capture_output=True, check=False)
    return f"{path} ({compiler}):\n{run.stderr.strip()}" if run.returncode else None


compilers = [c for c in ("gcc", "clang") if shutil.which(c)]
if not compilers:
    print("SKIP: no compiler")
    sys.exit(77)
jobs = [(c, p) for p in tree.files(".h") for c in compilers
        if not p.startswith(("tests/datapath/", "tests/bench/"))]
with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
    tree.finish([r for r in pool.map(compile_alone, jobs) if r], "headers")
