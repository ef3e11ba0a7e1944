#!/usr/bin/python3
"""Many sessions on one mailbox, each checking what it is told (STRESS: seconds)."""
import os

import imap_stress
import imap_target
import tap
from tap import cases, test

SECONDS = float(os.environ.get("STRESS", "1800" if os.environ.get("SOAK") else "60"))


@test("IMAP stress: eight sessions on one mailbox are never told what cannot be", limit=2000)
def stress():
    t = imap_target.shared()
    seconds = SECONDS if t.name == "waxwing" else min(SECONDS, 10)
    text, error = imap_stress.stress((t.host, t.imap), t.login_name("alice"), t.password("alice"),
                                     seconds=seconds)
    print("# " + text)
    tap.check(not error, error)
    tap.equal(t.problems(), [], "problems in the log")


@cases([(k, k) for k in sorted(imap_stress.LIES)], name="IMAP stress: the checker finds {0}")
def lie(kind):
    t = imap_target.shared()
    _text, error = imap_stress.stress((t.host, t.imap), t.login_name("bob"), t.password("bob"),
                                      sessions=4, seconds=50, lie=kind)
    tap.check(error, "not found")


tap.main()
