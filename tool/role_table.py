"""role_table.py: src/role/roles.def as data."""
import re

import source

DEF = source.SRC / "role/roles.def"
ROW = re.compile(r"^ROLE\((.*?)\)\s*$", re.MULTILINE | re.DOTALL)


def rows():
    """One dict per role, in the table's order; empty if there is no table yet."""
    if not DEF.exists():
        return []
    found = []
    for m in ROW.finditer(source.code(DEF)):
        _, name, user, copies, groups, files, caps, _, _, mib, calls = [
            " ".join(f.split()) for f in m[1].split(",", 10)]
        found.append({"name": name, "user": user, "copies": copies, "groups": groups, "files": files,
                      "caps": caps, "mib": mib, "calls": [c.lower() for c in re.findall(r"CALL_TO\((\w+)\)", calls)]})
    return found
