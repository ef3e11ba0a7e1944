"""Includes point downwards.

base ← wire ← fiber, conf ← ipc ← dns trust spam filter queue store user ← role, ctl.
A room includes itself and the rooms below it, never one beside it; nobody
includes role.  Tests may include test words from anywhere below the roles.
"""
import re

import source

HEIGHT = {"base": 0, "wire": 1, "fiber": 2, "conf": 2, "ipc": 3, "dns": 4, "trust": 4, "spam": 4,
          "filter": 4, "queue": 4, "store": 4, "user": 4, "role": 5, "ctl": 5}
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*"([^"]+)"', re.MULTILINE)


def check():
    for path in source.files(".c", ".h", ".def"):
        room = path.relative_to(source.SRC).parts[0]
        if room.endswith((".c", ".h")):
            continue  # main.c stands above all
        for m in INCLUDE.finditer(source.text(path)):
            where = f"{source.name(path)}:{source.line_of(source.text(path), m.start())}"
            other, _, rest = m[1].partition("/")
            if not rest:
                yield f'{where}: "{m[1]}" does not name its room'
            elif room not in HEIGHT or other not in HEIGHT:
                yield f"{where}: the room {room if room not in HEIGHT else other} is not in the plan"
            elif other != room and HEIGHT[other] >= HEIGHT[room]:
                if not (path.stem.endswith("_test") and HEIGHT[other] < HEIGHT["role"]):
                    yield f"{where}: {room} includes {other}, which is not below it"
