#!/usr/bin/python3
"""./dev soak --mutants: each seeded bug must turn the tests red.

A bug is a patch test/mutants/NAME.patch.  A line "Tests: WORD…" in its head names the
tests that must see it (./dev test WORD…; without the line, all of them).  Each is
applied to a copy of the tree under build/mutants, which keeps its builds between bugs.
"""
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
TREE = ROOT / "build/mutants/tree"


def copy_sources():
    listed = subprocess.run(["git", "-C", ROOT, "ls-files", "-z"], check=True, capture_output=True).stdout
    for name in filter(None, listed.decode().split("\0")):
        to = TREE / name
        new = (ROOT / name).read_bytes()
        if not to.exists() or to.read_bytes() != new:  # ninja looks at times: leave what is the same
            to.parent.mkdir(parents=True, exist_ok=True)
            to.write_bytes(new)
            shutil.copymode(ROOT / name, to)


def red(words):
    """The lines of what failed in ./dev test WORD… of the copy, and its output."""
    done = subprocess.run(["./dev", "test", *words], cwd=TREE, check=False, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    failed = [line for line in done.stdout.splitlines() if line.startswith("FAILED:")]
    ran = re.search(r"^[1-9]\d* passed", done.stdout, re.MULTILINE)
    return failed if ran or failed else ["FAILED: build or no test at all"]


def words_of(patch):
    head = patch.read_text(encoding="utf-8").partition("\n---")[0]
    return (re.search(r"^Tests: (.*)$", head, re.MULTILINE) or [None, ""])[1].split()


def main():
    patches = sorted((ROOT / "test/mutants").glob("*.patch"))
    if not patches:
        print("not ok - there are no mutants in test/mutants")
        return 1
    copy_sources()
    before = red(sorted({word for patch in patches for word in words_of(patch)}))
    bad = bool(before)
    print("not ok" if bad else "ok", "- without a bug:", (before or ["the tests are green"])[0], flush=True)
    for patch in patches:
        copy_sources()
        if subprocess.run(["patch", "-s", "-p1", "-i", patch], cwd=TREE, check=False).returncode:
            bad = True
            print(f"not ok - {patch.stem}: the patch does not apply", flush=True)
            continue
        failed = red(words_of(patch))
        # a tree that does not build is red too, and proves nothing
        seen = [line for line in failed if not line.startswith("FAILED: build")]
        bad |= not seen
        print("ok" if seen else "not ok", f"- {patch.stem}:", (seen or failed or ["the tests stay green"])[0],
              flush=True)
    copy_sources()
    return 1 if bad else 0


sys.exit(main())
