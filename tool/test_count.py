#!/usr/bin/python3
"""Adds up test results.

test_count.py --meson TESTLOG   prints meson's test log as TAP lines
test_count.py DIRECTORY         reads every PART.tap and PART.rc there, repeats what
                                failed and why something was skipped, and ends with
                                "N passed, N failed, N skipped"; exit 1 if anything failed

A part that ends with an error but names no failed test counts as one failure.
"""
import json
import pathlib
import re
import sys

LINE = re.compile(r"^\s*(not ok|ok)\b\s*\d*\s*(?:-\s*)?(.*)$")
SKIP = re.compile(r"#\s*SKIP\b\s*(.*)", re.IGNORECASE)


def tap(text):
    """Yields (result, name) of each TAP line; cmocka writes skipped tests as "not ok … # SKIP"."""
    for line in text.splitlines():
        if m := LINE.match(line):
            skip = SKIP.search(m[2])
            yield ("skip" if skip else m[1]), m[2]


def from_meson(path):
    """Each test of the log as TAP; one whose program failed without saying so gets a line of its own."""
    failed = False
    for row in map(json.loads, path.read_text(encoding="utf-8").splitlines()):
        name = row["name"].removeprefix("waxwing:").strip()
        results = list(tap(row.get("stdout", "")))
        for result, what in results:
            print("ok" if result == "skip" else result, "-", f"{name}: {what}")
        bad = row["result"] in ("TIMEOUT", "INTERRUPT", "ERROR") or row["returncode"] != 0
        if bad:
            print("\n".join("# " + line for line in (row.get("stdout", "") + row.get("stderr", ""))
                            .splitlines()[-80:]))
        if not results:
            print("not ok" if bad else "ok", "-", name)
        elif bad and all(r != "not ok" for r, _ in results):
            print(f"not ok - {name}: ended with {row['result']}, status {row['returncode']}")
        failed |= bad
    return failed


def add_up(folder):
    passed, failed, skipped = 0, [], []
    for part in sorted(folder.glob("*.tap"), key=lambda p: p.stat().st_mtime):
        results = list(tap(part.read_text(encoding="utf-8", errors="replace")))
        passed += sum(r == "ok" for r, _ in results)
        skipped += [f"{part.stem}: {w}" for r, w in results if r == "skip"]
        bad = [f"{part.stem}: {w}" for r, w in results if r == "not ok"]
        status = part.with_suffix(".rc").read_text().strip()
        if status != "0" and not bad:
            bad = [f"{part.stem}: ended with status {status}"]
        failed += bad
    for what in skipped:
        print("skipped:", what)
    for what in failed:
        print("FAILED:", what)
    print(f"{passed} passed, {len(failed)} failed, {len(skipped)} skipped")
    return bool(failed) or passed == 0


if sys.argv[1] == "--meson":
    sys.exit(from_meson(pathlib.Path(sys.argv[2])))
sys.exit(add_up(pathlib.Path(sys.argv[1])))
