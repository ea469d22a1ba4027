# SPDX-License-Identifier: Apache-2.0
"""Words that must not be there: waiting by sleeping, the lab's names in C, marks of unfinished work; and the SPDX line."""
import os
import re

import tree

SLEEP = re.compile(r"\b(sleep|usleep|nanosleep|clock_nanosleep)\s*\(|\b(poll|ppoll|select|pselect)\s*\(\s*(NULL|0)\s*,")
SHELL = re.compile(r"\b(system|popen)\s*\(")
CLOCK = re.compile(r"\b(time|gettimeofday|clock_gettime)\s*\(")
MARK = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
STRING = re.compile(r'"((?:\\.|[^"\\\n])*)"')
KNOWS_LAB = re.compile(r"sidestep-lab|sidestep\.dev/lab|\bdeploy/lab\b")
# The field's own words, whatever a manifest calls by them.
FIELD = {"frontend", "backend", "cache", "database", "default", "http", "tcp", "grpc", "v1", "v2", "main", "client",
         "server", "web", "metrics", "health", "app", "istio-system", "kube-system", "istio-proxy", "all", "data",
         "api", "ring", "canary", "a", "b", "c", "x", "tls", "intruder", "workload"}
PRODUCT = ("lib/", "agent/", "migrate/", "preflight/", "runbooks/", "datapath/")


def manifest_names():
    """Names of namespaces, workloads and services in the demo's manifests."""
    names = set()
    for path in tree.files(".yaml"):
        if path.startswith("deploy/lab/manifests/"):
            names |= set(re.findall(r"^\s*(?:- )?(?:name|namespace|app):\s*['\"]?([a-z0-9][a-z0-9.-]*)", tree.read(path), re.M))
    return {n for n in names if n not in FIELD and len(n) > 2}


def spdx(path, first):
    want = "Apache-2.0"
    if path.startswith(("datapath/abi/", "datapath/bpf/")):
        want = "GPL-2.0-only OR BSD-2-Clause"
    return f"SPDX-License-Identifier: {want}" in first


found = []
names = manifest_names()
for path in tree.files(".c", ".h", ".py", ".sh") + [f for f in tree.files() if os.access(os.path.join(tree.ROOT, f), os.X_OK)]:
    text = tree.read(path)
    if not text.startswith("#!") and path.endswith((".c", ".h", ".py", ".sh")) or text.startswith("#!"):
        if path != ".ci/run" and not spdx(path, "\n".join(text.split("\n")[:3])):
            found.append(f"{path}: the SPDX line is missing or names another licence")
for path in tree.files(".c", ".h"):
    text = tree.read(path)
    code = tree.strip_comments(text)
    for number, line in enumerate(code.split("\n"), 1):
        place = f"{path}:{number}"
        bare = STRING.sub('""', line)
        if SLEEP.search(bare):
            found.append(f"{place}: waits by sleeping: use the loop, a deadline or a fake clock")
        if SHELL.search(bare) and not path.startswith("tests/"):
            found.append(f"{place}: starts a shell")
        if CLOCK.search(bare) and path.startswith(PRODUCT) and path != "lib/base/clock.c":
            found.append(f"{place}: asks the time itself: take a struct clock")
        for literal in STRING.findall(line):
            if line.lstrip().startswith("#include"):
                continue
            if path.startswith(PRODUCT) and KNOWS_LAB.search(literal):
                found.append(f'{place}: knows of the lab: "{literal}"')
            words = set(re.findall(r"[a-z0-9][a-z0-9.-]*", literal))
            if not path.startswith("tests/") and words & names:
                found.append(f"{place}: names the demo's {', '.join(sorted(words & names))}")
    for number, line in enumerate(text.split("\n"), 1):
        if MARK.search(line):
            found.append(f"{path}:{number}: a mark of unfinished work")
tree.finish(sorted(set(found)), "words")
