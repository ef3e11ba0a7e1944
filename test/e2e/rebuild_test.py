#!/usr/bin/python3
"""Every cache is deleted while the server is down: UIDs, flags and keywords are the same, and soon there.
100,000 letters are measured by test/bench/imap --parts rebuilt."""
import os
import time

import imap_client as imap
import imap_target
from server import SLOW
from tap import check, equal, main, test

LETTERS = 10000
FLAGS = ("", "S", "RS", "F", "Sa", "FSab")


def told(t):
    """Seconds, and what a client is told that asks for all."""
    start = time.monotonic()
    with imap.Imap((t.host, t.imap), timeout=60) as c:
        c.login(t.login_name("alice"), t.password("alice"))
        heads = [u.raw for u in c.ok("SELECT INBOX") if b"UID" in u.raw]
        rows = [u.raw.replace(b"\\Recent", b"") for u in c.ok("UID FETCH 1:* (UID FLAGS)")]
    return time.monotonic() - start, heads, rows


@test("P4 %d letters without their caches are there again within 2 s, with UIDs, flags and keywords" % LETTERS, limit=120)
def rebuilt():
    t = imap_target.Waxwing(users=("alice",))
    try:
        t.stop()
        d = t.maildir("alice")
        for sub in ("cur", "new", "tmp"):
            os.makedirs(os.path.join(d, sub), exist_ok=True)
        with open(d + "/dovecot-keywords", "w") as f:
            f.write("0 work\n1 $Forwarded\n")
        for i in range(LETTERS):
            with open("%s/cur/%d.M%dP1.host:2,%s" % (d, 1500000000 + i * 7 % LETTERS, i, FLAGS[i % len(FLAGS)]), "wb") as f:
                f.write(b"Subject: %d\n\nbody\n" % i)
        t.own("alice")
        t.start()
        first = told(t)
        equal(len(first[2]), LETTERS, "letters")
        check(sum(b"$Forwarded" in r and b"work" in r for r in first[2]) == LETTERS // len(FLAGS), "keywords")
        t.stop()
        t.drop_caches("alice")
        t.start()
        again = told(t)
        print("# at first %.2f s, again %.2f s" % (first[0], again[0]))
        equal(again[1:], first[1:], "what is told")
        check(again[0] < 2 * SLOW, "%.1f s" % again[0])
    finally:
        t.end()


if __name__ == "__main__":
    main()
