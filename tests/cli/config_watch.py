# SPDX-License-Identifier: Apache-2.0
"""sidestep-config drift --watch: prints what is new, survives what it cannot read, ends when it is asked to.

  config_watch.py BIN_DIR
"""
import os
import signal
import subprocess
import sys
import tempfile

DEADLINE = 60
APPLIED = 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: rates}\ndata: {eur: "1.1"}\n'


def write(folder, name, text):
    """As a whole: whoever reads it sees the old or the new text."""
    with open(os.path.join(folder, "part"), "w", encoding="utf-8") as f:
        f.write(text)
    os.rename(os.path.join(folder, "part"), os.path.join(folder, name))


def until(stream, word):
    """Lines up to the one with the word; ends the test when the stream ends before."""
    for line in stream:
        if word in line:
            return line
    sys.exit(f"FAIL the output ended before '{word}'")


signal.alarm(DEADLINE)
with tempfile.TemporaryDirectory() as folder:
    write(folder, "applied.yaml", APPLIED)
    write(folder, "live.yaml", APPLIED)
    program = subprocess.Popen(
        [os.path.join(sys.argv[1], "sidestep-config"), "drift", "-f", "applied.yaml", "--live", "live.yaml", "--watch",
         "--every", "20ms", "--detailed-exitcode", "-o", "short"], cwd=folder, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True)
    try:
        until(program.stdout, "1 pass, 0 fail")
        write(folder, "live.yaml", APPLIED.replace("1.1", "1.2"))
        until(program.stdout, "1.2")
        write(folder, "live.yaml", "[broken")
        until(program.stderr, "live.yaml")
        write(folder, "live.yaml", APPLIED.replace("1.1", "1.3"))
        until(program.stdout, "1.3")
        program.send_signal(signal.SIGINT)
        rest = program.stdout.read()
        code = program.wait()
    finally:
        program.kill()
if code != 2 or "1.2" in rest:
    sys.exit(f"FAIL exit {code}, want 2 for the last look; then came {rest!r}")
print("4 looks, each printed once")
