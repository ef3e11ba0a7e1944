"""Files are short, begin with their paragraph, and name no path of anybody's machine.
"""
import re
import subprocess

import source

LONG = 600   # lines; more is advice
WIDE = 110   # columns; a line of 100 is the aim
# where this checkout lies, and the folder around it, unless everybody has one of that name
COMMON = ("/", "/root", "/home", "/tmp", "/usr", "/opt", "/srv", "/src", "/var")
HERE = [] if str(source.ROOT.parent) in COMMON else [str(source.ROOT), f"{source.ROOT.parent}/"]
UNFINISHED = re.compile(r"\b(?:TODO|FIXME|XXX)\b")
LISTED = [".c", ".h", ".def", ".py", ".sh", ".md", ".build", ".8", ".5", ".conf"]


def check():
    listed = subprocess.run(["git", "-C", str(source.ROOT), "ls-files", "--cached", "--others", "--exclude-standard"],
                            capture_output=True, text=True, check=False).stdout.splitlines()
    if not listed:
        yield "skip: not a git checkout"
    for path in (source.ROOT / p for p in listed):
        if path.suffix not in LISTED and path.name not in ("dev", "run") or not path.is_file():
            continue
        if "corpus" in path.parts:
            continue
        lines = source.text(path).splitlines()
        in_c = path.suffix in (".c", ".h")
        if in_c and len(lines) > LONG:
            yield f"advice: {source.name(path)} has {len(lines)} lines: is it one noun?"
        if in_c and source.SRC in path.parents and not re.match(r"/\* " + re.escape(path.name), lines[0] if lines else ""):
            yield f'{source.name(path)}:1: does not begin with "/* {path.name} — …"'
        for i, line in enumerate(lines, 1):
            if any(h in line for h in HERE):
                yield f"{source.name(path)}:{i}: names a path of somebody's machine"
            if UNFINISHED.search(line) and in_c:
                yield f"{source.name(path)}:{i}: sounds unfinished"
            if in_c and len(line.expandtabs(8)) > WIDE:
                yield f"advice: {source.name(path)}:{i}: {len(line.expandtabs(8))} columns"
