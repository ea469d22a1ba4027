# SPDX-License-Identifier: Apache-2.0
"""deploy/releases.yaml: minors in order, built from history, the last of them this tree; the agent's manifest is its, and the
defects of tests/system/releases fit it."""
import re
import subprocess

import yaml

import tree

LIST = "deploy/releases.yaml"
AGENT = "deploy/agent/sidestep.yaml"
KEYS = {"version": str, "commit": str, "image": str, "conntrackLayout": int, "health": bool, "blocksDowngrade": list,
        "crds": list, "notes": str}
found = []


def git(*words):
    return subprocess.run(["git", "-C", tree.ROOT, *words], check=False, capture_output=True, text=True)


SHALLOW = git("rev-parse", "--is-shallow-repository").stdout.strip() != "false"


def check_commit(where, commit, last):
    if commit == "tree":
        if not last:
            found.append(f"{where}: only the last release is the tree")
    elif not re.fullmatch(r"[0-9a-f]{40}", commit):
        found.append(f"{where}: commit is neither \"tree\" nor 40 hexadecimal digits")
    elif last:
        found.append(f"{where}: the last release is the tree")
    elif not SHALLOW and git("merge-base", "--is-ancestor", commit, "HEAD").returncode:
        found.append(f"{where}: commit {commit} is not in this tree's history")


def check_release(where, release, before, last):
    """Returns its version as numbers."""
    for key, value in release.items():
        if not isinstance(value, KEYS.get(key, ())):
            found.append(f"{where}: {key} is unknown or of a wrong type")
    for key in ("version", "commit", "notes"):
        if not release.get(key):
            found.append(f"{where}: no {key}")
    numbers = re.fullmatch(r"(\d+)\.(\d+)\.(\d+)", str(release.get("version", "")))
    if not numbers:
        found.append(f"{where}: version is not like 0.2.0")
        return before
    check_commit(where, str(release.get("commit", "")), last)
    numbers = tuple(map(int, numbers.groups()))
    if before and (numbers <= before or numbers[1] > before[1] + 1):
        found.append(f"{where}: comes after {before}: out of order, or a minor is missing")
    return numbers


releases = yaml.safe_load(tree.read(LIST))["releases"]
last_version = None
for i, item in enumerate(releases):
    last_version = check_release(f"{LIST}: release {i + 1}", item, last_version, i + 1 == len(releases))
# deploy/build-release reads the list with sed.
lines = [line for line in tree.read(LIST).split("\n") if line.startswith("- {version: ")]
if len(lines) != len(releases) or any(not re.match(r"- \{version: [0-9.]+, commit: [0-9a-z]+, ", line) for line in lines):
    found.append(f"{LIST}: one line a release, which begins with version and commit")

version = re.search(r"^project\(sidestep VERSION ([0-9.]+)", tree.read("CMakeLists.txt"), re.M).group(1)
if releases[-1]["version"] != version:
    found.append(f"{LIST}: the tree is {version}, the last release {releases[-1]['version']}")
if f"image: sidestep.dev/sidestepd:{version}\n" not in tree.read(AGENT):
    found.append(f"{AGENT}: the image is not that of {version}")
for path in tree.files(".patch"):
    fits = git("apply", "--check", path)
    if path.startswith("tests/system/releases/") and fits.returncode:
        found.append(f"{path}: no longer fits; make the same mistake where the code is now: {fits.stderr.strip()}")
if SHALLOW:
    print("releases: commits were not looked at: this is no whole clone ('git fetch --unshallow')")
tree.finish(found, "releases")
