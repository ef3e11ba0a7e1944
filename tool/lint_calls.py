"""No circle of calls between roles, and each number of a message is used once.

src/role/roles.def says who may call whom, src/ipc/dialogues.def with what.
While a role serves a call it calls only roles below it; two roles that wait for
each other would wait for ever.  Asking the parent is a message, not a call.
The one exception, named in ARCHITECTURE.md: a session in a mailbox gives a letter to the
queue, never while it serves the queue.
"""
import dialogues
import role_table
import source

EXCEPTION = ("mailbox", "queue")


def circle(table):
    """A list of roles that call each other in a ring, or None."""
    done = set()

    def walk(role, path):
        if role in path:
            return path[path.index(role):] + [role]
        if role in done:
            return None
        for other in table.get(role, {}):
            if (role, other) != EXCEPTION and (found := walk(other, path + [role])):
                return found
        done.add(role)
        return None

    return next((c for r in table if (c := walk(r, []))), None)


def check():
    if not dialogues.DEF.exists():
        yield "skip: there are no dialogues yet"
        return
    where = source.name(dialogues.DEF)
    allowed = {row["name"]: row["calls"] for row in role_table.rows()}
    if ring := circle(allowed):
        yield f"{source.name(role_table.DEF)}: a circle of calls: {' → '.join(ring)}"
    for role, others in dialogues.calls(to_all=False).items():
        for other in set(others) - set(allowed.get(role, others)):
            yield (f"{source.name(role_table.DEF)}: {role} may not call {other}, "
                   f"but {where} has {others[other][0]}")
    if ring := circle(dialogues.calls()):
        yield f"{where}: a circle of calls: {' → '.join(ring)}"
    numbers = {}
    for kind, number, name, senders, receivers in dialogues.messages():
        if number in numbers:
            yield f"{where}: {name} and {numbers[number]} are both number {number}"
        numbers[number] = name
        for role in (senders | receivers) - set(dialogues.roles()):
            yield f"{where}: {name} names {role}, which is no role"
        if not senders or not receivers:
            yield f"{where}: {name} has nobody to say or to hear it"
