#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Manifests that are broken, or made to be something else than they seem: each is refused with its place, and no terminal obeys
what it holds. Whatever real file: it does not differ from itself, or the error names it. Without a cluster.

  config_malformed.py BIN_DIR
"""
import glob
import os
import subprocess
import sys
import tempfile

MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"
DEEP = MAP + "data: " + "[" * 3000 + "]" * 3000 + "\n"
BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{chr(ord('a') + i)}: &{chr(ord('a') + i)} [{', '.join(['*' + chr(ord('a') + i - 1)] * 9)}]\n" for i in range(1, 12))
# (what, text, words of the error behind the file's name)
REFUSED = [
    ("text", "just text\n", ":1:1: not an object"),
    ("a list", "- a\n", ":1:1: not an object"),
    ("no apiVersion", "kind: ConfigMap\nmetadata: {name: a}\n", ":1:1: not an object"),
    ("a List of no list", "apiVersion: v1\nkind: List\nitems: {a: b}\n", ":3:8: items: want a list, got map"),
    ("a List of numbers", "apiVersion: v1\nkind: List\nitems:\n- 5\n", ":4:3: not an object"),
    ("no name", "apiVersion: v1\nkind: ConfigMap\n", ":1:1: ConfigMap without metadata.name"),
    ("a made up name", "apiVersion: v1\nkind: ConfigMap\nmetadata: {generateName: a-}\n", ":1:1: ConfigMap without metadata.name"),
    ("a number as a name", MAP.replace("name: a", "name: 5"), "metadata.name: want a string, got integer"),
    ("a name that climbs", MAP.replace("name: a", "name: ../../nodes/a"), "metadata.name may have no / and no %"),
    ("a name that is a place", MAP.replace("name: a", 'name: ".."'), "metadata.name is a place in a path, not a name"),
    ("a namespace that climbs", MAP.replace("name: a", "name: a, namespace: ../x"), "metadata.namespace may have no / and no %"),
    ("a kind that climbs", MAP.replace("ConfigMap", "../Config"), "kind may have no / and no %"),
    ("an escape in a name", MAP.replace("name: a", 'name: "a\\e[2Jb"'), "metadata.name may have no control characters"),
    ("a key twice", MAP + "data: {a: '1', a: '2'}\n", ':4:19: key "a" is set twice, and not to the same (the first is in line 4)'),
    ("an object twice", MAP + "---\n" + MAP, "ConfigMap/default/a occurs twice"),
    ("aliases", BOMB, "aliases expand to too much"),
    ("an alias to itself", MAP.replace("{name: a}", "&m {name: a, labels: *m}"), ":3:32: unknown anchor"),
    ("depth", DEEP, "nested too deep"),
    ("a tab", MAP + "\tdata: {}\n", ":4:1:"),
    ("no number", MAP + "data: .nan\n", "not a finite number"),
    ("binary", "\x00\x01\x02", ":1:1:"),
]
# A renderer that failed says nothing, or only comments.
NOTHING = ["", "\n", "# nothing\n---\n---\n", "apiVersion: v1\nkind: List\nitems: []\n", MAP.replace("name: a", "name: a, annotations: {helm.sh/hook: test}")]


def check(ok, what):
    if not ok:
        print("FAILED:", what)
        sys.exit(1)


def call(bin_dir, folder, *args, text=None):
    done = subprocess.run([os.path.join(bin_dir, "sidestep-config"), *args], input=text, capture_output=True, text=True, timeout=60,
                          check=False, cwd=folder, env={"PATH": "/nonexistent", "HOME": folder, "SIDESTEP_STATE": folder + "/state"})
    check("\x1b" not in done.stdout + done.stderr, f"{args}: an escape reaches the terminal")
    return done


def write(folder, name, text):
    with open(os.path.join(folder, name), "w", encoding="utf-8", newline="") as f:
        f.write(text)


def the_same(bin_dir, folder):
    """diff(a, a) is empty, by the program, for every manifest there is here. How many of them could be read."""
    source = os.path.abspath(os.environ.get("SIDESTEP_SOURCE_DIR", "."))
    shared = os.path.abspath(os.environ.get("SIDESTEP_SHARED") or os.path.join(source, "../shared"))
    read = 0
    for path in sorted(glob.glob(source + "/deploy/**/*.yaml", recursive=True) + glob.glob(shared + "/corpus/**/*.yaml", recursive=True) +
                       glob.glob(shared + "/article-manifests/**/*.yaml", recursive=True)):
        done = call(bin_dir, folder, "diff", "-f", path, "--against", path, "--detailed-exitcode", "-o", "json")
        check(done.returncode == 0 or (done.returncode == 1 and path in done.stderr), f"{path}: exit {done.returncode}: {done.stdout[:300]}{done.stderr[:600]}")
        read += done.returncode == 0
    check(read > 20, f"only {read} manifests could be read")
    return read


def main():
    bin_dir = os.path.abspath(sys.argv[1])
    with tempfile.TemporaryDirectory() as folder:
        write(folder, "good.yaml", MAP + "data: {a: b}\n")
        os.mkdir(os.path.join(folder, "empty"))
        for what, text, words in REFUSED:
            write(folder, "m.yaml", text)
            # Wanted, or there: a file is a file.
            for args in (["-f", "m.yaml", "--against", "good.yaml"], ["-f", "good.yaml", "--against", "m.yaml"]):
                done = call(bin_dir, folder, "diff", *args)
                check(done.returncode == 1 and "m.yaml:" in done.stderr and words in done.stderr,
                      f"{what}: exit {done.returncode}: {done.stdout[:300]}{done.stderr[:600]}")
        for text in NOTHING:
            write(folder, "m.yaml", text)
            for args in (["-f", "m.yaml"], ["-f", "-"], ["-f", "empty"]):
                done = call(bin_dir, folder, "diff", *args, "--against", "good.yaml", "--prune", text=text)
                check(done.returncode == 1 and "no object is in there" in done.stderr, f"{text!r}: exit {done.returncode}: {done.stdout}{done.stderr}")
        write(folder, "m.yaml", MAP + 'data: {"k\\e[2Jx": "v\\e[2Jy"}\n')
        for form in ("diff", "table", "json", "yaml", "junit", "markdown", "html"):
            check(call(bin_dir, folder, "diff", "-f", "m.yaml", "--against", "good.yaml", "-o", form).returncode == 0, f"-o {form}")
        check(call(bin_dir, folder, "diff", "-f", "nowhere.yaml", "--against", "good.yaml").returncode == 1, "a file that is not there")
        read = the_same(bin_dir, folder)
    print(f"{len(REFUSED)} manifests and {len(NOTHING)} empty ones refused, {read} do not differ from themselves")


main()
