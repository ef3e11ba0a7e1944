#!/usr/bin/python3
"""Writes the table "who calls whom" of ARCHITECTURE.md from src/ipc/dialogues.def.

doc_roles.py          brings the section between the markers up to date
doc_roles.section()   is what must stand there; ./dev lint compares
"""
import sys

import dialogues
import source

PAGE = source.ROOT / "ARCHITECTURE.md"
BEGIN = "<!-- made by tool/doc_roles.py from src/ipc/dialogues.def: begin -->"
END = "<!-- end -->"


def section():
    lines = ["| role | calls | with |", "|---|---|---|"]
    for role, others in dialogues.calls(to_all=False).items():
        for other, names in sorted(others.items()):
            lines.append(f"| `{role}` | `{other}` | {', '.join(f'`{n}`' for n in names)} |")
    for kind, _, name, senders, receivers in dialogues.messages():
        if kind == "CALL" and len(receivers) > 2:
            lines.append(f"| {', '.join(f'`{r}`' for r in sorted(senders))} | every role | `{name}` |")
    return "\n".join(lines)


def parts():
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    inside, _, after = rest.partition(END)
    return before, inside.strip(), after


if __name__ == "__main__":
    head, _, tail = parts()
    if not tail:
        sys.exit(f"{PAGE.name} has no markers")
    PAGE.write_text(f"{head}{BEGIN}\n{section()}\n{END}{tail}", encoding="utf-8")
