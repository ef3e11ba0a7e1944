"""Each header compiles alone, with gcc and with clang.
"""
import concurrent.futures
import os
import subprocess

import source


def alone(job):
    compiler, path, flags = job
    done = subprocess.run([compiler, "-std=gnu17", "-Wall", "-Wextra", "-Werror", "-Wno-unused-function", "-D_GNU_SOURCE", *flags, "-fsyntax-only", "-x", "c", "-include", str(path), "/dev/null"],
                          capture_output=True, text=True, check=False)
    first = next((x for x in done.stderr.splitlines() if "error" in x), done.stderr[:200])
    return f"{source.name(path)}: not alone with {compiler}: {first}" if done.returncode else None


def check():
    flags = {a for args in source.compile_commands().values() for a in args if a.startswith("-I")}
    flags = sorted(flags | {f"-I{source.SRC}"})
    jobs = [(c, p, flags) for p in source.files(".h") for c in ("gcc", "clang")]
    for path in source.files(".h"):
        if "#pragma once" not in source.text(path):
            yield f"{source.name(path)}: no #pragma once"
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        yield from filter(None, pool.map(alone, jobs))
