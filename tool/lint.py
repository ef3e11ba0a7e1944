#!/usr/bin/python3
"""./dev lint: what the compiler does not check.  Each lint is a module lint_NAME.py.

A lint has a docstring, whose first line is its name in the output, and check(),
which yields one sentence "file:line: what is wrong" per fault; a sentence that
begins with "advice:" or "skip:" is no fault.  lint.py [NAME…] runs those named.
"""
import importlib
import pathlib
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent


def main():
    sys.path.insert(0, str(HERE))
    names = sys.argv[1:] or sorted(p.stem.removeprefix("lint_") for p in HERE.glob("lint_*.py"))
    bad = 0
    for name in names:
        lint = importlib.import_module(f"lint_{name}")
        start = time.monotonic()
        said = list(lint.check())
        faults = [s for s in said if not s.startswith(("advice:", "skip:"))]
        for s in said:
            print("#", s)
        bad += bool(faults)
        skip = [s for s in said if s.startswith("skip:")]
        title = lint.__doc__.splitlines()[0].rstrip(".")
        print("not ok" if faults else "ok", f"- lint {name}: {title} ({time.monotonic() - start:.1f} s)",
              *[f"# SKIP {skip[0].removeprefix('skip:').strip()}"] if skip and not faults else [], flush=True)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
