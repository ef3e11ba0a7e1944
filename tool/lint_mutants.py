"""The seeded bugs of test/mutants still apply.

A patch that no longer fits is a bug that nobody looks for any more.  The bugs
themselves are tried by ./dev soak --mutants.
"""
import subprocess

from source import ROOT


def check():
    for patch in sorted((ROOT / "test/mutants").glob("*.patch")):
        tried = subprocess.run(["patch", "-s", "-p1", "--dry-run", "-i", patch], cwd=ROOT, check=False,
                               capture_output=True, text=True)
        if tried.returncode:
            yield f"test/mutants/{patch.name}:1: does not apply: {' '.join((tried.stdout + tried.stderr).split())}"
