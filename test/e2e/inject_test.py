#!/usr/bin/python3
"""Rows E1, E2, E4, N1: remote data is never a command, an option or a line of the log."""
import glob
import os
import re
import time

import letters
import server
import tap
from letters import letter, token
from server import shared
from smtp import Closed
from tap import cases, check, equal, test

MARK = "/tmp/wx-e2e-owned-%d" % os.getpid()


def not_run():
    check(not glob.glob(MARK + "*"), "something was executed")


E1 = [b"<;sleep 66;>", b"<;touch " + MARK.encode() + b";>",
      b"<;for i in 0 1 2 3;do read r;done;sh;exit 0;>", b"<`touch " + MARK.encode() + b"`>",
      b"<$(touch$IFS" + MARK.encode() + b")>", b"<|touch " + MARK.encode() + b">",
      b"<\"|touch " + MARK.encode() + b"\">", b"<&touch&>", b"< >", b"<;;>"]


@cases([("E1 MAIL FROM:%s" % a.decode().replace(MARK, "/tmp/x"), a) for a in E1])
def sender(address):
    s = shared()
    with s.stays_alive():
        with s.client() as c:
            c.ehlo()
            r = c.cmd(b"MAIL FROM:" + address)
            check(r.code in (501, 553, 550), "reply %r" % r)
    not_run()


@cases([("E1 E2 RCPT TO:%s" % a.decode().replace(MARK, "/tmp/x"), a) for a in [
    b"<${run{\\x2fbin\\x2ftouch\\t" + MARK.encode() + b"}}@localhost>",
    b"<${run{/bin/touch/" + MARK.encode().replace(b"/", b"_") + b"}}@localhost>",
    b"<\"${run{/bin/touch " + MARK.encode() + b"}}\"@example.org>",
    b"<root+${run{/bin/sh}}@localhost>", b"<$local_part@example.org>", b"<%u@example.org>",
    b"<;touch " + MARK.encode() + b";@example.org>", b"<|/bin/sh@example.org>",
    b"<\"|/bin/sh\"@example.org>", b"<\"/tmp/x\"@example.org>", b"</tmp/x@example.org>",
    b"<:include:/etc/passwd@example.org>", b"<../../../tmp/x@example.org>",
    b"<..@example.org>", b"<alice/../bob@example.org>"]])
def recipient(address):
    s, t = shared(), token()
    hops = b"".join(b"Received: from a%d by b%d; Thu, 05 Nov 2026 10:00:00 +0000\r\n" % (i, i)
                    for i in range(31))
    with s.stays_alive():
        with s.client() as c:
            c.ehlo()
            c.mail()
            r = c.cmd(b"RCPT TO:" + address)
            if r.code == 250:
                c.data(letter(t, headers=hops))
    not_run()
    for p in s.anywhere(t):
        check("/mail/example.org/alice/" in p or "/mail/example.org/postmaster" in p,
              "stored at %s" % p)


@cases([("E4 %s" % a, a) for a in (
    "-oQ/tmp", "-X%s" % MARK, "-be", "--help", "-C/etc/passwd", "-bs", "-")])
def option(local):
    s, t = shared(), token()
    with s.stays_alive():
        with s.client() as c:
            c.ehlo()
            r = c.mail("%s@client.example.net" % local)
            check(r.code in (250, 501, 553), "MAIL %r" % r)
            if r.code == 250:
                equal(c.rcpt("%s@example.org" % local).code, 550, "RCPT")
                equal(c.rcpt("alice@example.org").code, 250, "RCPT")
                equal(c.data(letter(t)).code, 250, "DATA")
                got = s.wait(t)
                equal(got.first("return-path"), "<%s@client.example.net>" % local, "Return-Path")
    not_run()


@test("E4 a subaddress that looks like an option or a path")
def detail():
    s = shared()
    for d in ("-oQ", "../../x", "%s", "${x}", "a/b", ".ssh"):
        t = token()
        with s.client() as c:
            c.ehlo()
            c.mail()
            if c.cmd("RCPT TO:<alice+%s@example.org>" % d).code == 250:
                equal(c.data(letter(t)).code, 250, "DATA")
                s.wait(t)
                for p in s.anywhere(t):
                    check(p.startswith(s.maildir("alice") + "/"), p)


ODD = [b"\x1b]0;owned\x07", b"\x07\x08\x7f", b"a\0b", "‮gro.elpmaxe".encode(), b"%n%s%n%s%x",
       b"\xff\xfe\xc3\x28\xa0", b"x\rmsg=0000000000000 event=forged", b"y\nmsg=1 event=forged",
       b"z\" why=\"forged", b"k=v rcpt=<forged@example.org>", b"q" * 1500, b"w" * 60000,
       b"\\r\\n\\x00", b"\xe2\x80\xa8line", b"\xc2\x85nel"]


@cases([("N1 %s with %s" % (v, ascii(o[:24])[2:-1]), v, o) for v in ("HELO", "MAIL", "RCPT")
        for o in ODD])
def log_line(verb, odd):
    s = shared()
    mark = len(s.log_bytes())
    t = token()
    lines = {"HELO": b"EHLO " + odd, "MAIL": b"MAIL FROM:<" + odd + b"@client.example.net>",
             "RCPT": b"RCPT TO:<" + odd + b"@example.org>"}
    with s.client() as c:
        try:
            if verb != "HELO":
                c.ehlo()
            if verb == "RCPT":
                c.mail()
            c.send(lines[verb] + b"\r\n")
            c.reply()
            if verb == "HELO" and b"\n" not in odd:
                c.deliver("alice@example.org", letter(t))
            c.cmd("QUIT")
        except Closed:
            pass
    s.fence()
    new = s.log_bytes()[mark:]
    check(new, "nothing was logged")
    for l in new.split(b"\n")[:-1]:
        check(re.match(rb"^2\d\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z? ", l), "not a line: %r" % l[:200])
        check(not re.search(rb"[\x00-\x08\x0a-\x1f\x7f]", l), "control bytes: %r" % l[:300])
        check(not re.search(rb"(^|\s)event=forged|\swhy=\"forged", l), "forged: %r" % l[:300])
        check(len(l) <= 4096, "a line of %d octets" % len(l))
        for v in re.findall(rb'=("(?:[^"\\]|\\.)*"|\S+)', l):
            check(len(v) <= 1100, "a field of %d octets" % len(v))
        try:
            text = l.decode("utf-8")
        except UnicodeDecodeError:
            tap.fail("not UTF-8: %r" % l[:300])
        for u in "‮\u2028\u0085":
            check(u not in text, "U+%04X unescaped" % ord(u))


@test("N1 a HELO name reaches Received in one clean line")
def received():
    s = shared()
    for odd in (b"%n%s", b"(comment)", b"a;b", b"x\\", b"\"quoted", b"a b c"):
        t = token()
        with s.client() as c:
            r = c.cmd(b"HELO " + odd)
            if r.code != 250:
                continue
            equal(c.deliver("alice@example.org", letter(t)).code, 250, "DATA")
        got = s.wait(t)
        check(b"\r" not in got.raw, "CR on disk")
        equal(got.data, letters.on_disk(letter(t)), "the header is whole after HELO %r" % odd)


tap.main()
