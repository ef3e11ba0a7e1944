#!/usr/bin/python3
"""test_named.py NAME…: the tests whose name contains one of the words, as TAP.

Unit tests and corpora run from build/asan, end-to-end tests through test/e2e/run.
"""
import os
import pathlib
import subprocess
import sys

words = sys.argv[1:]
listed = subprocess.run(["meson", "test", "-C", "build/asan", "--list"], check=True, text=True,
                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout.split("\n")
units = [t.split(" / ")[-1].strip() for t in listed if t.strip() and any(w in t for w in words)]
bad = 0
if units:
    subprocess.run(["meson", "test", "-C", "build/asan", "--no-rebuild", *units], check=False,
                   stdout=subprocess.DEVNULL)
    bad |= subprocess.run([sys.executable, "tool/test_count.py", "--meson",
                           "build/asan/meson-logs/testlog.json"], check=False).returncode
if pathlib.Path("test/e2e/run").exists() and os.access("test/e2e/run", os.X_OK):
    subprocess.run(["./dev", "build"], check=True)
    bad |= subprocess.run(["test/e2e/run", "--all", *words], check=False).returncode
sys.exit(1 if bad else 0)
