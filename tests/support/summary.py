# SPDX-License-Identifier: Apache-2.0
"""Adds up the JUnit files of ctest runs: failures, skips with their reasons, and one closing line of counts."""
import argparse
import fnmatch
import os
import re
import sys
import xml.etree.ElementTree as ET


def allowed_patterns(path):
    patterns = []
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            line = re.split(r"\s{2,}#|^#", line.rstrip("\n"))[0].strip()
            if line:
                patterns.append(line)
    return patterns


def skip_reason(case):
    """What the test printed behind "SKIP:", or why ctest did not run it."""
    text = "".join(case.itertext())
    found = re.search(r"^SKIP: *(.+)$", text, re.M)
    if found:
        return found.group(1).strip()
    skipped = case.find("skipped")
    return (skipped.get("message") if skipped is not None else None) or "no reason given"


def read(preset, path):
    """(preset, name, outcome, detail) of every case."""
    for case in ET.parse(path).getroot().iter("testcase"):
        status, name = case.get("status"), case.get("name")
        if status == "run":
            yield preset, name, "passed", ""
        elif status == "notrun" and case.find("skipped") is not None:
            yield preset, name, "skipped", skip_reason(case)
        elif status == "disabled":
            yield preset, name, "skipped", "disabled"
        else:
            failure = case.find("failure")
            yield preset, name, "failed", (failure.get("message") if failure is not None else None) or status


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--skips-allowed", required=True)
    parser.add_argument("--broken", action="append", default=[], help="a build that failed")
    parser.add_argument("reports", nargs="*", help="PRESET=FILE")
    args = parser.parse_args()
    patterns = allowed_patterns(args.skips_allowed)
    strict = os.environ.get("CI") == "true"
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    failures, skips = [], {}
    for report in args.reports:
        preset, path = report.split("=", 1)
        for preset, name, outcome, detail in read(preset, path):
            allowed = any(fnmatch.fnmatchcase(detail, p) for p in patterns)
            if outcome == "skipped":
                skips.setdefault(detail, []).append(f"{name} ({preset})")
                if strict and not allowed:
                    outcome, detail = "failed", f"skipped in CI: {detail}"
            if outcome == "failed":
                failures.append(f"{name} ({preset}): {detail}")
            counts[outcome] += 1
    for preset in args.broken:
        failures.append(f"build {preset}: see build/{preset}.log")
        counts["failed"] += 1
    print("\n== summary")
    for reason in sorted(skips):
        print(f"skipped: {reason}: {', '.join(skips[reason])}")
    for failure in failures:
        print(f"FAILED: {failure}")
    if not any(counts.values()):
        print("no test ran")
        counts["failed"] = 1
    print(f"{counts['passed']} passed, {counts['failed']} failed, {counts['skipped']} skipped")
    sys.exit(1 if counts["failed"] else 0)


main()
