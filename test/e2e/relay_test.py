#!/usr/bin/python3
"""Rows D: an outsider asks in every notation to have a letter carried elsewhere.

An address that is taken is a failure unless it can only mean one of our own people; then
the letter must lie with that one and nowhere else."""
import re
import socket
import struct

import server
import submission
import tap
from letters import letter, token
from server import shared
from smtp import Closed, Smtp
from tap import cases, check, equal, test

server.share(inbound="friends 10.0.0.0/8 192.0.2.0/24", users=("alice", "bob", "carol", "user"))
REFUSED = (450, 451, 500, 501, 503, 504, 530, 550, 551, 553, 554, 555)
V = "v@victim.example"

RCPT = [
    (1, b"<v@victim.example>"), (2, b"<v%victim.example@example.org>"),
    (3, b"<v%victim.example@[192.0.2.25]>"), (4, b"<v%victim.example>"),
    (5, b'<"v@victim.example">'), (6, b'<"v%victim.example">'),
    (7, b'<"v@victim.example"@example.org>'), (8, b'<"v%victim.example"@example.org>'),
    (9, b'<"v@victim.example"@[192.0.2.25]>'), (10, b"<@example.org:v@victim.example>"),
    (11, b"<@[192.0.2.25]:v@victim.example>"),
    (12, b"<@example.org,@mx.example.org:v@victim.example>"), (13, b"<victim.example!v>"),
    (14, b"<victim.example!v@example.org>"), (15, b"<victim.example!v@[192.0.2.25]>"),
    (16, b"<example.org!victim.example!v>"), (17, b"<v@victim.example@example.org>"),
    (18, b"<v@victim.example%example.org>"), (19, b"<v@[198.51.100.9]>"),
    (20, b"<v@victim.example.>"),
    (27, b"<user@example.org>,<v@victim.example>"), (28, b"v@victim.example"),
    (29, b"<user@example.org\0@victim.example>"), (30, b"<user@example.org\r@victim.example>"),
    (30, b"<user@example.org\n@victim.example>"), (31, b"<v@victim.example(example.org)>"),
    (32, b"<v@victim.example,example.org>"), (38, b"<user+v%victim.example@example.org>"),
    (39, "<v@victim.example@example.org>".encode()), (39, "<v＠victim.example>".encode()),
    (39, "<v%victim．example@example.org>".encode()), (39, "<v％victim.example@example.org>".encode()),
    (39, "<v@victim。example>".encode()), (39, "<v@exampІe.org>".encode()),
    (39, "<alice@exаmple.org>".encode()), (39, b"<alice@xn--exmple-4nf.org>"),
    (40, b"<alice@x.example.org>"), (40, b"<v@mail.example.org.victim.example>"),
    (41, b"<v@anything.victim.example>"), (41, b"<@victim.example>"),
    (37, b"<SRS0=aaaa=bb=victim.example=v@example.org>"),
    (37, b"<prvs=0123456789=v%victim.example@example.org>"),
    (37, b"<bounces+v=victim.example@example.org>"),
]


def listeners():
    """The server of these tests has other listeners too, where one can log in and nobody does."""
    return [("", None), (" at a port with auth", "auth")] + [(" at %s" % p, p) for p in ("submission", "submissions", "clear")]


def at(port):
    """(server, a connection to that listener)"""
    if not port:
        s = shared()
        return s, s.client()
    s = submission.shared("relay", lambda: submission.SubmissionServer(
        inbound="friends 10.0.0.0/8 192.0.2.0/24", users=("alice", "bob", "carol", "user"), passwords={}))
    return s, s.submission(port=port)


def everywhere(name, rows):
    """The rows for each listener: a name, what is said, which."""
    return [(name % row[:2] + words,) + row[2:] + (port,) for row in rows for words, port in listeners()]


@cases(everywhere("D%d RCPT TO:%s", [(n, ascii(a)[2:-1], a) for n, a in RCPT]))
def forms(address, port):
    (s, c), t = at(port), token()
    utf8 = b"" if all(b < 128 for b in address) else b" SMTPUTF8"
    with c:
        c.ehlo()
        wants_auth = port in ("submission", "submissions", "clear")
        equal(c.cmd(b"MAIL FROM:<s@client.example.net>" + utf8).code, 530 if wants_auth else 250, "MAIL")
        c.send(b"RCPT TO:" + address + b"\r\n")
        try:
            r = c.reply()
        except Closed:
            return
        if r.code not in (250, 251):
            check(r.code in REFUSED, "reply %r" % r)
            if b"\n" in address or b"\r" in address:
                return
            equal(c.rcpt("alice@example.org").code in REFUSED, wants_auth, "a good RCPT behind it is refused")
            check(not wants_auth or c.cmd("DATA").code in REFUSED, "DATA")
            return
        check(b"user+" in address and not wants_auth, "taken: %r" % r)
        equal(c.data(letter(t)).code, 250, "DATA")
    s.wait(t, "user")
    equal([p for p in s.anywhere(t) if "/example.org/user/" not in p], [], "other places")


@cases(everywhere("D%d MAIL FROM:%s", [(n, a, a, V) for n, a in [
    (21, "<>"), (22, "<postmaster@example.org>"), (23, "<u@[192.0.2.25]>"),
    (23, "<u@[127.0.0.1]>"), (24, "<u@localhost>"), (25, "<u>"), (26, "<%s>" % V)]]))
def senders(address, to, port):
    _, c = at(port)
    with c:
        c.ehlo()
        r = c.cmd("MAIL FROM:" + address)
        check(r.code == 250 or r.code in REFUSED, "MAIL %r" % r)
        r = c.rcpt(to)
        check(r.code in REFUSED, "taken: %r" % r)
        check(c.cmd("DATA").code in (503, 530, 554), "DATA without a recipient")


@cases([("D33 ORCPT of our own with a foreign RCPT" + words, port) for words, port in listeners()])
def orcpt(port):
    _, c = at(port)
    with c:
        c.ehlo()
        c.mail()
        check(c.rcpt(V, "ORCPT=rfc822;user@example.org").code in REFUSED, "taken")


PROXY2 = b"\r\n\r\n\0\r\nQUIT\n" + b"\x21\x11" + struct.pack(">H", 12) + \
    socket.inet_aton("127.0.0.1") * 2 + struct.pack(">HH", 4000, 25)


@cases(everywhere("D%d %s", [(34,) + row for row in [
    ("XCLIENT", b"XCLIENT ADDR=10.0.0.1 NAME=localhost LOGIN=alice\r\n"),
    ("XFORWARD", b"XFORWARD ADDR=127.0.0.1 NAME=localhost\r\n"),
    ("PROXY v1", b"PROXY TCP4 127.0.0.1 127.0.0.1 4000 25\r\n"), ("PROXY v2", PROXY2)]]))
def claims(data, port):
    s, c = at(port)
    with c:
        c.send(data)
        try:
            r = c.reply()
            check(r.code >= 400, "taken: %r" % r)
            c.ehlo()
            c.mail()
            check(c.rcpt(V).code in REFUSED, "taken")
        except (Closed, ValueError):
            pass
    with s.client(banner=False) if not port else s.at(port, banner=False) as c:
        c.send(data)
        rest = c.rest(3)
        check(rest is None or b"250" not in rest, "went on: %r" % rest)


@test("D35 our own addresses are no trusted network")
def own_addresses():
    p = server.free_port()
    listen = ["smtp 127.0.0.1:%d" % p, "smtp [::1]:%d" % p]
    with server.Server(listen=listen, inbound="friends 10.0.0.0/8 ::1 127.0.0.5") as s:
        for addr, source in ((("127.0.0.1", p), None), (("::1", p), None),
                             (("127.0.0.1", p), "127.0.0.5"), (("::ffff:127.0.0.1", p), None),
                             (("0.0.0.0", p), None)):
            try:
                c = Smtp(addr, source=source, slow=server.SLOW)
            except OSError:
                continue
            with c:
                c.ehlo()
                c.mail()
                check(c.rcpt(V).code in REFUSED, "taken from %r %r" % (addr, source))
                equal(c.rcpt("alice@example.org").code, 250, "own RCPT from %r" % (addr,))


@cases(everywhere("D%d %s", [(36, h, h) for h in ("HELO localhost", "EHLO [127.0.0.1]", "HELO mail.example.org",
                                                   "EHLO example.org", "EHLO [IPv6:::1]", "EHLO 127.0.0.1")]))
def hello(line, port):
    _, c = at(port)
    with c:
        c.cmd(line)
        r = c.mail()
        if r.code == 250:
            check(c.rcpt(V).code in REFUSED, "taken")


@test("D39 a full-width local domain is never another one")
def wide_own():
    s, t = shared(), token()
    with s.client() as c:
        c.ehlo()
        c.cmd("MAIL FROM:<s@client.example.net> SMTPUTF8")
        r = c.rcpt("alice@ｅxample.org")
        # IDNA maps it onto example.org: then it is alice's; else it is refused.
        if r.code == 250:
            equal(c.data(letter(t)).code, 250, "DATA")
            s.wait(t)
        else:
            check(r.code in REFUSED, "reply %r" % r)


@cases(everywhere("D%d %s", [(42, w, w) for w in ("ETRN victim.example", "TURN", "ATRN victim.example",
                                                   "SEND FROM:<a@b.example>", "SAML FROM:<a@b.example>",
                                                   "SOML FROM:<a@b.example>", "XEXCH50 1 2", "EXPN alice")]))
def old_verbs(line, port):
    _, c = at(port)
    with c:
        c.ehlo()
        r = c.cmd(line)
        check(r.code >= 400 or line[:4] == "EXPN" and r.code == 252, "reply %r" % r)
        check(c.rcpt("alice@example.org").code == 503, "a transaction began")


@test("D48 no bounce to a forged sender: unknown is said at RCPT")
def no_bounce():
    s, t = shared(), token()
    with s.client() as c:
        c.ehlo()
        equal(c.mail("forged@victim.example").code, 250, "MAIL")
        equal(c.rcpt("nobody@example.org").code, 550, "unknown")
        equal(c.rcpt("alice@example.org").code, 250, "known")
        equal(c.rcpt("bob+x@example.org").code, 250, "known")
        equal(c.rcpt("nobody2@example.org").code, 550, "unknown")
        equal(c.data(letter(t)).code, 250, "DATA")
    s.wait(t), s.wait(t, "bob")
    s.fence()
    equal(sorted(len(s.find(t, u)) for u in ("alice", "bob", "carol")), [0, 1, 1], "letters")
    equal([p for p in s.anywhere(t) if "/Maildir/" not in p], [], "a bounce waits")
    code, out, err = s.command("queue", "list")
    check("to=<forged@victim.example>" not in out, "a bounce waits: " + out)


@test("D48 after a refusal behind DATA nothing is bounced")
def no_bounce_data():
    s, t = shared(), token()
    with s.client() as c:
        c.ehlo()
        c.mail("forged@victim.example"), c.rcpt("alice@example.org")
        equal(c.cmd("DATA").code, 354, "DATA")
        c.send(letter(t, b"a\nb\r\n") + b".\r\n")
        equal(c.reply().code, 550, "reply")
    s.fence()
    equal(s.anywhere(t), [], "files")


tap.main()
