#!/usr/bin/python3
"""All real letters under ../shared/testdata (WAXWING_TESTDATA names another place), sent with
CRLF: with NUL or a bare CR they get 550, all others come back identical (trace headers, CRLF
and a final newline aside).  Names of files are shown, never their text."""
import collections
import hashlib
import os
import re

import letters
import server
import smtp
import tap
from server import SLOW
from tap import check, equal, test

TOP = server.TOP
DATA = os.environ.get("WAXWING_TESTDATA", os.path.join(TOP, "..", "shared", "testdata"))
LETTERS = ("corpus/ham", "corpus/spam", "dkim-real/msg", "dkim/corpus", "dsn/bsd", "dsn/err", "dsn/mailbox",
           "dsn/not", "mime", "threads", "sa-oracle/t-data", "auth-rspamd/messages", "exim-filter/mail",
           "reports/arf", "maildir-dovecot")
SKIP = re.compile(r"(?i)(\.(py|json|yml|yaml|txt|md|tsv|csv|sh|expected|xml|zip|gz|out|html|golden)|"
                  r"(SOURCE|README|LICENSE|COPYING)[^/]*)$")


def files():
    out = []
    for top in LETTERS:
        for d, dirs, names in os.walk(os.path.join(DATA, top)):
            dirs.sort()
            out += [os.path.join(d, n) for n in sorted(names) if not SKIP.search(n)]
    return out


def crlf(raw):
    """As a client sends it: each line end becomes CRLF."""
    return raw.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


@test("real letters come back as they were sent", limit=230)
def corpus():
    if not os.path.isdir(os.path.join(DATA, "corpus")):
        tap.skip("no real letters at %s" % DATA)
    s = server.Server(users=["real"], inbound="hops 1000\nmax-errors 1000\nheader-limit 4M\nheader-count 10000")
    try:
        s.start()
        todo = [(f, crlf(open(f, "rb").read())) for f in files()]
        want, refused, wrong = {}, 0, []
        kinds = collections.Counter()
        c, n = None, 0
        for path, text in todo:
            if not text:
                continue
            if c is None or n % 500 == 499:
                c = s.client(timeout=60)
                c.ehlo()
            n += 1
            bad = b"\0" in text or re.search(rb"\r(?!\n)", text)
            use_bdat = n % 3 == 0
            rcpt = "real+%d@example.org" % n
            c.send(b"MAIL FROM:<r@client.example.net> BODY=8BITMIME\r\nRCPT TO:<%s>\r\n" % rcpt.encode() +
                   (b"BDAT %d LAST\r\n" % len(text) + text if use_bdat else b"DATA\r\n"))
            a, b = c.replies(2)
            equal((a.code, b.code), (250, 250), "MAIL, RCPT for %s" % path)
            r = c.reply()
            if not use_bdat:
                equal(r.code, 354, "DATA for %s" % path)
                c.send(smtp.stuff(text))
                r = c.reply()
            kinds["550" if bad else "250"] += 1
            if r.code != (550 if bad else 250):
                wrong.append("%s: %r, want %d" % (os.path.relpath(path, DATA), r.text[:60], 550 if bad else 250))
                c.cmd("RSET")
            elif bad:
                refused += 1
            else:
                want[rcpt] = (path, text)
        tap.eventually(lambda: len(s.paths("real")) >= len(want), 60 * SLOW, 0.3,
                       lambda: "%d of %d letters" % (len(s.paths("real")), len(want)))
        differ, seen = [], set()
        for p in s.paths("real"):
            got = letters.Stored(p)
            rcpt = got.first("envelope-to")
            check(rcpt in want and rcpt not in seen, "a letter for %s" % rcpt)
            seen.add(rcpt)
            path, text = want[rcpt]
            # One that begins with a blank continues our Received: its bytes are still there.
            blank = text[:1] in b" \t" and got.raw.rstrip(b"\n").endswith(letters.on_disk(text).rstrip(b"\n"))
            if not blank and not letters.same(got, text):
                differ.append(os.path.relpath(path, DATA))
        check(not wrong and not differ, lambda: "%d answers: %s; %d differ: %s" %
              (len(wrong), "; ".join(wrong[:40]), len(differ), differ[:12]))
        equal(len(seen), len(want), "letters")
        # A stop syncs every one of them first.
        equal(s.stop(limit=60), 0, "a clean stop")
        print("# %d letters: %d taken and identical, %d refused with 550" % (sum(kinds.values()), len(want), refused))
    finally:
        s.end()


tap.main()
