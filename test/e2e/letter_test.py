#!/usr/bin/python3
"""A letter from the first byte to its owner's Maildir."""
import os
import re
import stat
import time

import letters
import server
import tap
from letters import letter, on_disk, same, token
from server import SLOW, shared
from smtp import stuff
from tap import cases, check, equal, test

NAME = re.compile(r"^(\d+)\.([0-9a-hjkmnp-tv-z]{13})-\d+-\d+\.([^,:]+),S=(\d+),W=(\d+)(:2,[A-Z]*)?$")


@test("the first letter: headers, name, place, modes")
def first():
    with server.Server() as s:
        before = time.time()
        t, r = s.give()
        equal(r.code, 250, "reply")
        qid = r.queue_id
        check(re.match(r"^[0-9a-hjkmnp-tv-z]{13}$", qid), "the id in %r" % r)
        got = s.wait(t)
        equal(os.path.basename(os.path.dirname(got.path)), "new", "folder")
        equal([k for k, _ in got.trace], ["return-path", "delivered-to", "envelope-to", "received"],
              "trace headers")
        equal(got.first("return-path"), "<sender@client.example.net>", "Return-Path")
        equal(got.first("delivered-to"), "alice@example.org", "Delivered-To")
        equal(got.first("envelope-to"), "alice@example.org", "Envelope-To")
        rcv = got.first("received")
        for what in (r"^from client\.example\.net \(", r"\[127\.0\.0\.1\]", r"by mail\.example\.org",
                     r"with ESMTP\b", "id " + qid, r"; \w{3}, +\d+ \w{3} 20\d\d \d\d:\d\d:\d\d [+-]\d{4}"):
            check(re.search(what, rcv), "no %s in Received: %s" % (what, rcv))
        check(same(got, letter(t)), "not identical")
        equal(got.data, on_disk(letter(t)), "text")
        m = NAME.match(got.name)
        check(m, "name %s" % got.name)
        equal(m.group(2), qid, "the id in the name")
        equal(int(m.group(4)), len(got.raw), "S=")
        equal(int(m.group(5)), len(got.raw) + got.raw.count(b"\n"), "W=")
        check(abs(int(m.group(1)) - before) < 60, "seconds in the name")
        st = os.stat(got.path)
        equal(stat.S_IMODE(st.st_mode) & 0o077, 0, "mode of the letter %o" % st.st_mode)
        for d in ("", "/new", "/cur", "/tmp"):
            ds = os.stat(s.maildir() + d)
            equal((stat.S_IMODE(ds.st_mode) & 0o077, ds.st_uid), (0, st.st_uid), "Maildir" + d)
        equal(os.listdir(s.maildir() + "/tmp"), [], "tmp")
        check("msg=" + qid in s.log(), "no msg= in the log")
        check(any("rcpt=" in l or "to=" in l for l in s.log().splitlines() if qid in l), "no rcpt in the log")


@test("several recipients with mixed results, one copy each")
def mixed():
    s, t = shared(), token()
    with s.client() as c:
        c.ehlo()
        c.mail()
        codes = [c.rcpt(a).code for a in ("alice@example.org", "nobody@example.org",
                                          "BOB@Example.ORG", "v@victim.example",
                                          "carol+x@example.org", "alice@example.org",
                                          "postmaster@example.org")]
        equal(codes, [250, 550, 250, 550, 250, 250, 250], "RCPT")
        equal(c.data(letter(t)).code, 250, "DATA")
    for u, to in (("alice", "alice@example.org"), ("bob", "BOB@Example.ORG"),
                  ("carol", "carol+x@example.org")):
        got = s.wait(t, u)
        equal(got.first("envelope-to"), to, "Envelope-To as it was given")
    s.fence("alice"), s.fence("bob"), s.fence("carol")
    for u in ("bob", "carol"):
        equal(len(s.find(t, u)), 1, "copies for " + u)
        check("BOB" not in s.find(t, "carol")[0].raw.decode("latin-1"), "others are visible")


@test("a recipient named twice gets one copy")
def named_twice():
    s, t = shared(), token()
    with s.client() as c:
        c.ehlo()
        c.mail()
        for a in ("alice@example.org", "alice@example.org", "Alice@EXAMPLE.org"):
            equal(c.rcpt(a).code, 250, "RCPT")
        equal(c.data(letter(t)).code, 250, "DATA")
    s.wait(t)
    s.fence()
    equal(len(s.find(t)), 1, "copies")


@test("postmaster and abuse always exist")
def always():
    s = shared()
    with s.client() as c:
        c.ehlo()
        for a in ("postmaster@example.org", "Postmaster@EXAMPLE.ORG", "abuse@example.org",
                  "postmaster@mail.example.org", "postmaster"):
            c.mail()
            equal(c.rcpt(a).code, 250, "RCPT " + a)
            c.cmd("RSET")


@test("the null sender")
def null_sender():
    s, t = shared(), token()
    equal(s.give(tok=t, sender="")[1].code, 250, "reply")
    equal(s.wait(t).first("return-path"), "<>", "Return-Path")


@cases([("odd letters come back as they were: %s" % n, b) for n, b in [
    ("no final newline by BDAT", b"Subject: x\r\n\r\nlast line has no end"),
    ("header only", b"Subject: x\r\nX: y\r\n"), ("body only", b"\r\nbody\r\n"),
    ("empty lines at the end", b"Subject: x\r\n\r\n\r\n\r\n\r\n"),
    ("all bytes but NUL, CR, LF", b"Subject: x\r\n\r\n" + bytes(
        b for b in range(1, 256) if b not in (10, 13)) + b"\r\n"),
    ("lines of dots", b"Subject: x\r\n\r\n.\r\n..\r\n...\r\n.a\r\n"),
    ("an mbox From line", b"From someone Thu Nov  5 10:00:00 2026\r\nSubject: x\r\n\r\nFrom here\r\n"),
    ("forged trace headers", b"Return-Path: <forged@x>\r\nDelivered-To: forged@x\r\n"
     b"Received: from forged\r\nSubject: x\r\n\r\nb\r\n")]])
def odd(body):
    s, t = shared(), token()
    # The token stands in the envelope: the letter itself stays as it is.
    with s.client() as c:
        c.ehlo()
        c.mail(t + "@client.example.net"), c.rcpt("alice@example.org")
        r = c.bdat(body) if not body.endswith(b"\r\n") else c.data(body)
        equal(r.code, 250, "reply")
    got = s.wait(t)
    check(same(got, body), "text %r" % got.data)


@cases([("a letter of %d octets by %s" % (n, how), n, how)
        for n in (100_000, 262_144, 262_145, 3_000_000, 20_000_000) for how in ("DATA", "BDAT")])
def sizes(n, how):
    s, t = shared(), token()
    body = letter(t, size=n)
    with s.client() as c:
        c.ehlo()
        c.mail(params="SIZE=%d" % len(body)), c.rcpt("alice@example.org"), c.rcpt("bob@example.org")
        r = c.data(body) if how == "DATA" else \
            c.bdat(*[body[i:i + 77777] for i in range(0, len(body), 77777)])
        equal(r.code, 250, "reply")
    for u in ("alice", "bob"):
        check(same(s.wait(t, u, limit=20), body), "not identical for " + u)
    for p in s.paths():
        if t in open(p, "rb").read(3000).decode("latin-1"):
            os.unlink(p)


@test("ids grow and are unique over connections")
def ids():
    s, seen = shared(), []
    for _ in range(3):
        with s.client() as c:
            c.ehlo()
            for _ in range(20):
                seen.append(c.deliver("bob@example.org", letter()).queue_id)
        time.sleep(0.05)        # a busy smtpd keeps ids for 20 ms
    equal(len(set(seen)), 60, "ids")
    equal(sorted(seen), seen, "order")


@test("two clients at once: letters do not mix", limit=60)
def at_once():
    s = shared()
    cs, bodies = [], []
    for i in range(20):
        c = s.client()
        c.ehlo()
        c.mail(), c.rcpt("carol@example.org"), c.cmd("DATA")
        t = token()
        cs.append((c, t))
        bodies.append(letter(t, body=(b"%d " % i) * 5000 + b"\r\n"))
    wires = [stuff(b) for b in bodies]
    for at in range(0, max(map(len, wires)), 3001):
        for (c, _), w in zip(cs, wires):
            if w[at:at + 3001]:
                c.send(w[at:at + 3001])
    for (c, t), b in zip(cs, bodies):
        equal(c.reply().code, 250, "reply")
        check(same(s.wait(t, "carol"), b), "mixed")
        c.close()


tap.main()
