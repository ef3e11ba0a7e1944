#!/usr/bin/python3
"""Row B29 for IMAP and POP3: the random walk (WALK names another number of commands)."""
import os

import imap_target
import imap_walk
import tap
from tap import test

USERS = ["w%d" % i for i in range(6)]


@test("B29 a random walk of IMAP and POP3 commands agrees with the RFCs", limit=900)
def walk():
    t = imap_target.shared(users=USERS)
    pop3 = t.pop3 if t.name == "dovecot" or imap_target.serves("pop3") else None
    n = int(os.environ.get("WALK", "200000" if t.name == "waxwing" else "20000"))
    text, errors = imap_walk.walk(t.host, t.imap, pop3, [(t.login_name(u), t.password(u)) for u in USERS],
                                  n, dovecot=t.name == "dovecot")
    print("# " + text)
    tap.check(not errors, lambda: "\n".join(errors))
    tap.equal(t.problems(), [], "problems in the log")


tap.main()
