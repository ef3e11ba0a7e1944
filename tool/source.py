"""source.py: what the lints need to know about the C sources."""
import functools
import json
import pathlib
import re
import shlex

ROOT = pathlib.Path(__file__).resolve().parent.parent
SRC = ROOT / "src"
RELEASE = ROOT / "build/release"
BINARY = RELEASE / "waxwing"

# comments; then string and character literals
_TOKENS = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.DOTALL)


def files(*suffixes):
    return sorted(p for p in SRC.rglob("*") if p.suffix in suffixes)


def name(path):
    """The path as a complaint shows it."""
    return str(path.relative_to(ROOT))


@functools.cache
def text(path):
    return path.read_text(encoding="utf-8")


def _blank(m, keep_strings):
    s = m[0]
    if keep_strings and s[0] in "\"'":
        return s
    inner = re.sub(r"[^\n]", " ", s)
    return s[0] + inner[1:-1] + s[0] if s[0] in "\"'" else inner


@functools.cache
def code(path, keep_strings=False):
    """The text with comments (and the insides of literals) as blanks: line numbers stay."""
    return _TOKENS.sub(lambda m: _blank(m, keep_strings), text(path))


def line_of(s, offset):
    return s.count("\n", 0, offset) + 1


@functools.cache
def compile_commands():
    """Source path → arguments, without compiler, output and ccache, from the release build."""
    db = RELEASE / "compile_commands.json"
    commands = {}
    for row in json.loads(db.read_text()) if db.exists() else []:
        args = shlex.split(row["command"])
        keep = [a for a in args if a.startswith(("-I", "-D", "-U", "-std", "-isystem", "-f", "-pthread"))]
        keep = [a if not a.startswith("-I") else "-I" + str((RELEASE / a[2:]).resolve()) for a in keep]
        commands[(RELEASE / row["file"]).resolve()] = keep
    return commands
