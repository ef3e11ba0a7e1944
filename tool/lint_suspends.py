"""A function that may wait is marked SUSPENDS.

gcc -O0 -fcallgraph-info tells who calls whom; whoever calls a marked function
is marked too.  Calls through pointers are not in that graph.  For them a
structure's field or a typedef is marked (SUSPENDS bool (*run)(…), typedef
SUSPENDS void x_fn(…)), and a call  x->run(…)  counts as a call of a marked
function.  What starts fibers takes marked functions and is itself not marked.

Not looked at: the scheduler itself; tests and fuzz targets, main.c, ctl/ and what
NO_FIBERS names, which run outside fibers, where waiting calls just block.
"""
import concurrent.futures
import functools
import os
import re
import subprocess

import dialogues
import source

MARK = re.compile(r"\bSUSPENDS\b([^;{}()]*?)\(\s*(\*?)\s*(\w+)?")
EDGE = re.compile(r'edge: \{ sourcename: "([^"]+)" targetname: "([^"]+)"(?: label: "([^"]+)")?')
FUNCTION = re.compile(r"^(?:[A-Za-z_][^\n;{}()=]*?[\s*])?(\w+)\([^;{}]*\)\s*\n\{(.*?)^\}", re.DOTALL | re.MULTILINE)
DIRECTIVE = re.compile(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", re.MULTILINE)
EXEMPT = {"fiber/fiber.c", "fiber/loop.c", "fiber/switch.c", "main.c"}
NO_FIBERS = {"zygote_main", "child_read"}  # the zygote has no loop, nor has the child that reads a configuration


def watched(path):
    where = str(path.relative_to(source.SRC))
    return not (where in EXEMPT or where.startswith("ctl/") or path.stem.endswith(("_test", "_fuzz")))


@functools.cache
def marks(path):
    """Names of marked functions and of marked function-pointer fields in a file."""
    functions, fields = set(), set()
    for m in MARK.finditer(DIRECTIVE.sub("", source.code(path))):
        before, star, inner = m[1], m[2], m[3]
        if star and inner:
            fields.add(inner)
        elif words := re.findall(r"\w+", before):
            functions.add(words[-1])
    return functions, fields


@functools.cache
def included(path):
    """The project's files that a file includes, and those they include, and itself."""
    found, todo = set(), [path]
    while todo:
        p = todo.pop()
        if p not in found and p.exists():
            found.add(p)
            todo += [source.SRC / m for m in re.findall(r'#include "([^"]+)"', source.text(p))]
    return found


def callgraph(job):
    path, flags = job
    out = source.ROOT / "build/lint" / (source.name(path).replace("/", "-") + ".o")
    keep = [f for f in flags if f.startswith(("-I", "-D", "-isystem", "-std"))]
    keep = [f for f in keep if not f.startswith("-D_FORTIFY_SOURCE")]
    done = subprocess.run(["gcc", "-O0", "-w", "-fcallgraph-info", *keep, "-c", str(path), "-o", str(out)],
                          capture_output=True, text=True, check=False, env={**os.environ, "CCACHE_DISABLE": "1"})
    graph = out.with_suffix(".ci")
    if done.returncode or not graph.exists():
        return path, None
    return path, EDGE.findall(graph.read_text(encoding="utf-8"))


def check():
    # each CALL of the dialogues is a waiting function (ipc/say.h)
    calls = {m[2] for m in dialogues.messages() if m[0] == "CALL"}
    jobs = [(p, f) for p, f in source.compile_commands().items() if p.is_relative_to(source.SRC) and watched(p)]
    (source.ROOT / "build/lint").mkdir(parents=True, exist_ok=True)
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for path, edges in pool.map(callgraph, jobs):
            seen_marks = [marks(p) for p in included(path)]
            marked = calls.union(*(f for f, _ in seen_marks))
            pointers = set().union(*(p for _, p in seen_marks))
            if edges is None:
                yield f"{source.name(path)}: gcc gives no call graph"
                continue
            seen = set()
            for caller, callee, label in edges:
                caller, callee = caller.split(":")[-1], callee.split(":")[-1]
                if callee in marked and caller not in marked | NO_FIBERS and (caller, callee) not in seen:
                    seen.add((caller, callee))
                    line = label.split(":")[-2] if label.count(":") >= 2 else "?"
                    yield f"{source.name(path)}:{line}: {caller} calls {callee}, which SUSPENDS"
            yield from through_pointers(path, marked, pointers)


def through_pointers(path, marked, fields):
    if not fields:
        return
    call = re.compile(r"(?:->|\.)\s*(" + "|".join(map(re.escape, sorted(fields))) + r")\s*\(")
    text = source.code(path)
    for f in FUNCTION.finditer(text):
        if f[1] not in marked and (m := call.search(f[2])):
            yield (f"{source.name(path)}:{source.line_of(text, f.start(2) + m.start())}: "
                   f"{f[1]} calls through {m[1]}, which SUSPENDS")
