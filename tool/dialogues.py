"""dialogues.py: src/ipc/dialogues.def as data."""
import re

import source

DEF = source.SRC / "ipc/dialogues.def"
NAMES = source.SRC / "ipc/role_name.h"
ROW = re.compile(r"^(CALL|TELL)\(\s*(\d+),\s*(\w+),\s*([^,]+),\s*([^,]+),", re.MULTILINE)
# the tool is a command, not a process of the server; the parent is asked by messages (ARCHITECTURE.md)
OUTSIDE = {"tool", "parent"}


def roles():
    return [name for _, name in re.findall(r'X\((\w+), "(\w+)"\)', source.text(NAMES))]


def _set(words, every):
    return every if "R_ANY" in words else {r.lower() for r in re.findall(r"R\((\w+)\)", words)}


def messages():
    """Rows (kind, number, name, from, to); from and to are sets of role names."""
    if not DEF.exists():
        return []
    every = set(roles()) - OUTSIDE
    return [(kind, int(number), name, _set(sender, every), _set(to, every))
            for kind, number, name, sender, to in ROW.findall(source.code(DEF))]


def calls(to_all=True):
    """role → {role it calls: [names of the calls]}, without questions to the parent.

    to_all=False leaves out what goes to every role alike.
    """
    table = {r: {} for r in roles()}
    for kind, _, name, senders, receivers in messages():
        if not to_all and len(receivers) > 2:
            continue
        for a in senders if kind == "CALL" else ():
            for b in receivers - {a, "parent"}:
                table[a].setdefault(b, []).append(name)
    return table
