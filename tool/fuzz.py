#!/usr/bin/python3
"""Runs the fuzz targets of build/fuzz, as many at a time as there are cores.

fuzz.py --seconds N [--seed N] [TARGET…]     TAP on standard output

With a seed, two runs walk the same way: a change is judged by what it does, not by
what one run happens to find.  Without one each run looks somewhere else.

The kept corpus in test/corpus/TARGET is only read; what is found anew lies in
build/fuzz/corpus/TARGET, what broke the target in build/fuzz/crash/.  A
dictionary is test/corpus/TARGET.dict.
"""
import argparse
import concurrent.futures
import os
import pathlib
import subprocess
import sys

BUILD = pathlib.Path("build/fuzz")
KEPT = pathlib.Path("test/corpus")


def run(exe, seconds, seed):
    name = exe.name.removeprefix("fuzz_")
    found, crash = BUILD / "corpus" / name, BUILD / "crash"
    found.mkdir(parents=True, exist_ok=True)
    crash.mkdir(exist_ok=True)
    args = [str(exe), f"-max_total_time={seconds}", f"-seed={seed}", "-timeout=10", "-rss_limit_mb=2048",
            f"-artifact_prefix={crash}/{name}-", str(found)]
    if (KEPT / name).is_dir():
        args.append(str(KEPT / name))
    if (KEPT / f"{name}.dict").exists():
        args.append(f"-dict={KEPT / name}.dict")
    done = subprocess.run(args, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace", check=False)
    return name, done.returncode, done.stdout


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--seconds", type=int, default=60)
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("target", nargs="*")
    a = p.parse_args()
    every = sorted(x for x in (BUILD / "src").glob("fuzz_*") if x.is_file() and os.access(x, os.X_OK))
    chosen = [x for x in every if not a.target or x.name.removeprefix("fuzz_") in a.target]
    if not chosen and a.target:
        print("no such target; there are:", " ".join(x.name.removeprefix("fuzz_") for x in every))
        return 2
    bad = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for name, status, out in pool.map(lambda x: run(x, a.seconds, a.seed), chosen):
            if status:
                bad += 1
                print("\n".join("# " + line for line in out.splitlines()[-60:]))
            print("not ok" if status else "ok", "- fuzz", name, f"({a.seconds} s)", flush=True)
    return 1 if bad else 0


sys.exit(main())
