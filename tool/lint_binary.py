"""The release binary is hardened and imports nothing that is banned.
"""
import re
import stat
import subprocess

import source

BANNED = {"system", "popen", "dlopen", "gets", "strcpy", "strcat", "stpcpy", "sprintf", "vsprintf", "strtok",
          "strtok_r", "atoi", "alloca", "setjmp", "_setjmp", "longjmp", "regcomp", "tmpnam", "mktemp", "execlp", "execvp"}


def tool(*args):
    return subprocess.run([*args, str(source.BINARY)], check=True, capture_output=True, text=True).stdout


def check():
    if not source.BINARY.exists():
        yield "skip: there is no build/release/waxwing"
        return
    where = source.name(source.BINARY)
    elf = tool("readelf", "-hW", "-lW", "-dW", "-nW")
    rules = [
        (r"Type:\s+DYN", "not position independent"),
        (r"FLAGS.*BIND_NOW|FLAGS_1.*\bNOW\b", "not BIND_NOW"),
        (r"FLAGS_1.*\bPIE\b", "no PIE flag"),
        (r"GNU_RELRO", "no RELRO"),
        (r"GNU_STACK\s.*\sRW\s", "the stack is executable"),
    ]
    if "X86-64" in elf:
        rules += [(r"x86 feature:.*\bIBT\b", "no IBT note"), (r"x86 feature:.*\bSHSTK\b", "no SHSTK note")]
    for pattern, why in rules:
        if not re.search(pattern, elf):
            yield f"{where}: {why}"
    if re.search(r"\((?:RPATH|RUNPATH|TEXTREL)\)", elf):
        yield f"{where}: has an RPATH, RUNPATH or TEXTREL"
    if source.BINARY.stat().st_mode & (stat.S_ISUID | stat.S_ISGID):
        yield f"{where}: is setuid"
    for line in tool("nm", "-D", "--undefined-only").splitlines():
        symbol = line.split()[-1].split("@")[0]
        plain = re.sub(r"^__(\w+?)_chk$", r"\1", symbol)
        if plain in BANNED:
            yield f"{where}: imports {symbol}"
