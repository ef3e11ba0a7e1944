"""The release binary is hardened, imports nothing that is banned, and has no name twice.

The notes for IBT and shadow stacks are looked for in our own objects: Debian
12's crt1.o has none, so the linker leaves them out of every program.  What only
builds for tests have (base/hooks.h) must not be in it.
"""
import re
import stat
import subprocess

import source

BANNED = {"system", "popen", "dlopen", "gets", "strcpy", "strcat", "stpcpy", "sprintf", "vsprintf", "strtok",
          "strtok_r", "atoi", "alloca", "setjmp", "_setjmp", "longjmp", "regcomp", "tmpnam", "mktemp", "execlp", "execvp"}


def tool(*args):
    return subprocess.run([*args, str(source.BINARY)], check=True, capture_output=True, text=True).stdout


def without_cet():
    """Our objects that lack the notes."""
    for path in sorted([*source.RELEASE.glob("waxwing.p/*.o"), *source.RELEASE.glob("src/libwaxwing-all.a.p/*.o")]):
        notes = subprocess.run(["readelf", "-nW", str(path)], check=True, capture_output=True, text=True).stdout
        if not re.search(r"x86 feature:.*\bIBT, SHSTK\b", notes):
            yield path


def of_tests():
    """What would tell that fault points were compiled in."""
    points = re.findall(r'^POINT\(\w+, "([^"]+)"', source.text(source.SRC / "base/fault_points.def"), re.MULTILINE)
    return [p.encode() for p in points] + [b"hooks_fault", b"fault_point", b"role_hooks", b"parent_clock"]


def twice():
    """Names that two objects export: the linker silently takes the first of them out of an archive."""
    owner = {}
    for path in sorted(source.RELEASE.glob("src/libwaxwing-all.a.p/*.o")):
        names = subprocess.run(["nm", "-g", "--defined-only", str(path)], check=True, capture_output=True,
                               text=True).stdout
        for name in re.findall(r"^\w+ [TDBR] (\w+)$", names, re.MULTILINE):
            if name in owner:
                yield f"{path.name}: exports {name}, as {owner[name].name} does"
            owner[name] = path


def check():
    if not source.BINARY.exists():
        yield "skip: there is no build/release/waxwing"
        return
    where = source.name(source.BINARY)
    yield from twice()
    elf = tool("readelf", "-hW", "-lW", "-dW", "-nW")
    rules = [
        (r"Type:\s+DYN", "not position independent"),
        (r"FLAGS.*BIND_NOW|FLAGS_1.*\bNOW\b", "not BIND_NOW"),
        (r"FLAGS_1.*\bPIE\b", "no PIE flag"),
        (r"GNU_RELRO", "no RELRO"),
        (r"GNU_STACK\s.*\sRW\s", "the stack is executable"),
    ]
    for pattern, why in rules:
        if not re.search(pattern, elf):
            yield f"{where}: {why}"
    if re.search(r"\((?:RPATH|RUNPATH|TEXTREL)\)", elf):
        yield f"{where}: has an RPATH, RUNPATH or TEXTREL"
    for path in without_cet() if "X86-64" in elf else ():
        yield f"{source.name(path)}: no IBT and SHSTK notes"
    content = source.BINARY.read_bytes()
    for word in of_tests():
        if word in content:
            yield f"{where}: has {word.decode()}, which is for tests"
    if source.BINARY.stat().st_mode & (stat.S_ISUID | stat.S_ISGID):
        yield f"{where}: is setuid"
    for line in tool("nm", "-D", "--undefined-only").splitlines():
        symbol = line.split()[-1].split("@")[0]
        plain = re.sub(r"^__(\w+?)_chk$", r"\1", symbol)
        if plain in BANNED:
            yield f"{where}: imports {symbol}"
