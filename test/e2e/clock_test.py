#!/usr/bin/python3
"""Time that passes and time that jumps, in the build where the clock is moved by hand (build/hooks): IDLE for
hours, rows P8 and P11."""
import os
import re

os.environ.setdefault("LOGIN_TEST_NET", "")
from logins import LoginServer                                        # noqa: E402

import server                                                         # noqa: E402
import tap                                                            # noqa: E402
from hostile import fill, raw, strict                                 # noqa: E402
from server import SLOW                                               # noqa: E402
from tap import cases, check, equal, main, test                       # noqa: E402


def needs_clock(s):
    if s.command("test", "clock")[0]:
        tap.skip("this build has no clock by hand")


def clock(s, move):
    equal(s.command("test", "clock", move)[0], 0, "test clock " + move)


@test("P11 IDLE for six hours, said anew every 29 minutes: it is told of changes all the time; who says nothing for 40 hears BYE", limit=90)
def hours():
    with LoginServer() as s:
        needs_clock(s)
        s.fence("alice")
        fill(s, "Long", 15)
        with raw(s) as c, raw(s) as d:
            for x in (c, d):
                equal(x.cmd("SELECT Long").status, "OK", "SELECT")
            before = None
            for i in range(13):
                c.send(b"i IDLE\r\n")
                while not c.line().startswith(b"+"):
                    pass
                equal(d.cmd("STORE %d +FLAGS (\\Flagged)" % (i + 1)).status, "OK", "STORE")
                while not (u := c.line()).startswith(b"* %d FETCH" % (i + 1)):
                    check(u.startswith(b"* "), "%r" % u)
                clock(s, "+29m")
                c.send(b"DONE\r\n")
                equal(c.answer(b"i").status, "OK", "after %d times 29 minutes" % (i + 1))
                equal(d.cmd("NOOP").status, "OK", "the other one")
                now = sum(server.pss_of(p) for p in s.roles()["mailbox"] + s.roles()["login"])
                before = before or now
                check(server.SANITIZED or now - before < 1024, "%d KiB, then %d" % (before, now))
            c.send(b"i IDLE\r\n")
            check(c.line().startswith(b"+"), "go ahead")
            clock(s, "+40m")
            rest = c.rest(5 * SLOW)
            check(rest is not None and b"* BYE" in rest, "%r" % rest)


@cases([("an hour back", "-1h"), ("an hour on", "+1h"), ("ten years back", "-3650d"), ("ten years on", "+3650d"),
        ("beyond January 2038", "+3650d +600d")], name="P8 the clock goes {0}: names, UIDs and MODSEQ go on")
def clock_jumps(move):
    with LoginServer() as s:
        needs_clock(s)
        s.fence("alice")

        def state(c):
            un = c.ok("SELECT Time")
            m = b"".join(u.raw for u in un)
            return [int(re.search(x, m).group(1)) for x in (rb"UIDVALIDITY (\d+)", rb"UIDNEXT (\d+)", rb"HIGHESTMODSEQ (\d+)")]
        with strict(s) as c:
            c.ok("CREATE Time")
            for i in range(3):
                c.append("Time", b"Subject: x\r\n\r\nbefore %d\r\n" % i)
            was = state(c)
        for m in move.split():
            clock(s, m)
        with strict(s) as c:            # who was silent meanwhile has been sent away
            for i in range(3):
                c.append("Time", b"Subject: x\r\n\r\nafter %d\r\n" % i)
            c.ok("SELECT Time")
            c.ok("STORE 1 +FLAGS (\\Flagged)")
            now = state(c)
            equal(now[:2], [was[0], was[1] + 3], "UIDVALIDITY and UIDNEXT")
            check(now[2] > was[2], "MODSEQ: %d, then %d" % (was[2], now[2]))
            un = c.ok("FETCH 1:* (UID BODY.PEEK[TEXT])")
            equal([u.args[2][3] for u in un if len(u.args) > 2],
                [b"before %d\r\n" % i for i in range(3)] + [b"after %d\r\n" % i for i in range(3)], "order")
            files = os.listdir(os.path.join(s.maildir("alice"), ".Time",
                "cur")) + os.listdir(os.path.join(s.maildir("alice"), ".Time", "new"))
            equal(len({f.split(":")[0] for f in files}), 6, "names: %r" % files)
            s.give("alice")                     # and mail comes in
            s.fence("alice")


if __name__ == "__main__":
    main()
