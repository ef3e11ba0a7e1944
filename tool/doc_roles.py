#!/usr/bin/python3
"""Writes the role table of ARCHITECTURE.md from src/role/roles.def and src/ipc/dialogues.def.

doc_roles.py          brings the section between the markers up to date
doc_roles.section()   is what must stand there; ./dev lint compares
"""
import sys

import dialogues
import role_table
import source

PAGE = source.ROOT / "ARCHITECTURE.md"
BEGIN = "<!-- made by tool/doc_roles.py: begin -->"
END = "<!-- end -->"


USER = {"OWN": "`_waxwing-{name}`", "ROOT": "root", "ACCOUNT": "the account's"}
COPIES = {"ONE": "1", "PER_CORE": "min(cores, 4)", "PER_ACCOUNT": "1 per active account"}
FILES = {"FILES_NONE": "none", "FILES_SPOOL": "journal and spool", "FILES_DB": "its database",
         "FILES_HOME": "that account's home", "FILES_ANY": "not confined"}


def roles():
    yield from ["| role | user | copies | files | system calls |", "|---|---|---|---|---|"]
    for r in role_table.rows():
        groups = "all but the deny list" if r["groups"] == "LOOSE" else r["groups"].lower().replace(" |", ",")
        yield (f"| `{r['name']}` | {USER[r['user']].format(**r)} | {COPIES[r['copies']]} | {FILES[r['files']]} | "
               f"{groups} |")


def calls():
    yield from ["| role | calls | with |", "|---|---|---|"]
    for role, others in dialogues.calls(to_all=False).items():
        for other, names in sorted(others.items()):
            yield f"| `{role}` | `{other}` | {', '.join(f'`{n}`' for n in names)} |"
    for kind, _, name, senders, receivers in dialogues.messages():
        if kind == "CALL" and len(receivers) > 2:
            yield f"| {', '.join(f'`{r}`' for r in sorted(senders))} | every role | `{name}` |"


def section():
    return "\n".join([*roles(), "", *calls()])


def parts():
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    inside, _, after = rest.partition(END)
    return before, inside.strip(), after


if __name__ == "__main__":
    head, _, tail = parts()
    if not tail:
        sys.exit(f"{PAGE.name} has no markers")
    PAGE.write_text(f"{head}{BEGIN}\n{section()}\n{END}{tail}", encoding="utf-8")
