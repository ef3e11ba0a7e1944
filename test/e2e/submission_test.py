#!/usr/bin/python3
"""Submission: who may send, as whom, how much, and what becomes of the letter: rows C1 to C5, C9, C11, D26 to D48,
N3."""
import base64
import json
import re
import smtplib
import time

import submission
from letters import letter
from smtp import Closed, client_context
from submission import USERS, SubmissionServer, b64, plain, scram, token
from tap import cases, check, equal, eventually, main, test

RELAY = """
user dave@example.org {
    kind send-only
    may-send-as own *@example.net
}
user branch@example.org {
    kind relay
    may-send-as any
    per-account off
}
user slow@example.org {
    per-account 3 per 1h
}
user quiet@example.org {
    sent-copy off
}
users file users.txt
submission {
    network 127.0.0.2 as *@example.org limit 2 per 1h
    network 127.0.0.3 as any
}
"""
MORE = {"dave": "dave-pw", "branch": "branch-pw", "slow": "slow-pw", "quiet": "quiet-pw"}


class Shop(SubmissionServer):
    def __init__(self, **kw):
        super().__init__(RELAY, passwords=dict(USERS, **MORE), **kw)
        with open(self.dir + "/users.txt", "w") as f:
            f.write("sales@example.org: alice, bob\nboss@example.org: bob\n")


USERS.update(MORE)


def shared():
    return submission.shared("shop", Shop)


def mine(user="alice", tok=None, to="bob@example.org", headers=b"", body=b"hello\r\n"):
    return b"From: <%s@example.org>\r\nTo: %s\r\nDate: Thu, 05 Nov 2026 10:00:00 +0000\r\nMessage-ID: <%s@here>\r\n%s\r\n%s" % (
        user.encode(), to.encode(), (tok or token()).encode(), headers, body)


def steps(s, msg):
    """The letter's steps in the queue, or none."""
    code, out, err = s.command("--json", "queue", "list")
    equal(code, 0, "queue list: %s%s" % (out, err))
    return [x for x in map(json.loads, out.splitlines()) if x.get("id", x.get("msg")) == msg]


# Logging in

@test("smtplib sends by STARTTLS and by TLS, to a colleague")
def libraries():
    s, ctx = shared(), client_context()
    for n, c in enumerate((smtplib.SMTP("127.0.0.1", s.ports["submission"]),
                           smtplib.SMTP_SSL("127.0.0.1", s.ports["submissions"], context=ctx))):
        tok = token()
        c.ehlo()
        if n == 0:
            c.starttls(context=ctx)
            c.ehlo()
        c.login("alice@example.org", USERS["alice"])
        equal(c.sendmail("alice@example.org", ["bob@example.org"], mine(tok=tok)), {}, "nobody is refused")
        c.quit()
        got = s.wait(tok, "bob")
        check(" with ESMTPSA" in got.first("received"), "Received says ESMTPSA: %r" % got.trace)
        check("alice" not in got.first("received"), "and not who it was")


@cases([("%s: %s" % (m, u), m, u) for u in ("alice", "bob", "carol") for m in
        ("PLAIN", "PLAIN later", "LOGIN", "LOGIN initial", "SCRAM", "SCRAM-PLUS")])
def mechanisms(m, u):
    s = shared()
    user, pw = s.address(u), USERS[u]
    with s.submission() as c:
        if m == "PLAIN":
            r = c.cmd(b"AUTH PLAIN " + plain(user, pw))
        elif m == "PLAIN later":
            equal(c.cmd("AUTH PLAIN").code, 334, "an empty challenge")
            r = c.cmd(plain(user, pw))
        elif m.startswith("LOGIN"):
            if m == "LOGIN":
                equal(c.cmd("AUTH LOGIN").code, 334, "Username:")
                r = c.cmd(b64(user))
            else:
                r = c.cmd(b"AUTH LOGIN " + b64(user))
            equal(r.code, 334, "Password:")
            r = c.cmd(b64(pw))
        else:
            r, x = scram(c, user, pw, plus=m == "SCRAM-PLUS")
            check(x.server_ok, "the server proves itself")
        equal((r.code, r.enhanced), (235, "2.7.0"), m)
        equal(c.cmd(b"AUTH PLAIN " + plain(user, pw)).code, 503, "a second time")


@test("C11 before TLS AUTH is not announced, and answered 538 unread")
def in_the_clear():
    s = shared()
    for port in ("submission", "auth"):
        with s.at(port) as c:
            c.ehlo()
            check("AUTH" not in c.features, "announced: %r" % c.features)
            r = c.cmd(b"AUTH PLAIN " + plain("alice@example.org", "canary-clear"))
            equal((r.code, r.enhanced), (538, "5.7.11"), "AUTH")
            equal(c.mail("alice@example.org").code, 530 if port == "submission" else 250, "MAIL")
    with s.at("clear") as c:
        c.ehlo()
        check("PLAIN" in c.features["AUTH"], "loopback with plaintext: %r" % c.features)
    with s.at("smtp") as c:
        c.ehlo()
        check("AUTH" not in c.features and c.cmd("AUTH PLAIN").code == 502, "a port for strangers knows no AUTH")
    check("canary-clear" not in s.log(), "no password in the log")


@test("announced: the strongest first, DSN, and AUTH no more once it is known who it is")
def announced():
    s = shared()
    with s.submission() as c:
        equal(c.features["AUTH"].split(), ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "LOGIN", "PLAIN"], "mechanisms")
        check("DSN" in c.features, "DSN")
        equal(c.cmd(b"AUTH PLAIN " + plain("alice@example.org", USERS["alice"])).code, 235, "AUTH")
        c.ehlo()
        check("AUTH" not in c.features, "still announced")


@test("D nothing goes without AUTH on submission: 530 5.7.0, before TLS too")
def required():
    s = shared()
    with s.at("submission") as c:
        c.ehlo()
        r = c.mail("alice@example.org")
        equal((r.code, r.enhanced), (530, "5.7.0"), "before TLS")
        check("STARTTLS" in r.text, r)
    for port in ("submission", "submissions"):
        with s.submission(port=port) as c:
            for line in ("MAIL FROM:<>", "MAIL FROM:<alice@example.org>", "MAIL FROM:<x@victim.example>"):
                r = c.cmd(line)
                equal((r.code, r.enhanced), (530, "5.7.0"), line)


WRONG = [
    ("an unknown user", lambda: plain("nobody@example.org", "x")),
    ("a wrong password", lambda: plain("alice@example.org", "wrong")),
    ("no @", lambda: plain("alice", USERS["alice"])),
    ("C3 a name with quotes", lambda: plain("' OR 1=1--", "x")),
    ("C4 not UTF-8", lambda: b64(b"\0\xff\xfe@x\0y")),
    ("C4 a NUL too many", lambda: b64(b"\0alice@example.org\0pw\0x")),
    ("an empty password", lambda: plain("alice@example.org", "")),
]


@cases([(n + " is 535 5.7.8 (or 501), later than a second", f) for n, f in WRONG])
def wrong(f):
    s = shared()
    with s.submission() as c:
        begun = time.monotonic()
        r = c.cmd(b"AUTH PLAIN " + f())
        check((r.code, r.enhanced) in ((535, "5.7.8"), (501, "5.5.2")), r)
        if r.code == 535:
            check(time.monotonic() - begun > 0.9, "it was said at once")
        equal(c.mail("alice@example.org").code, 530, "and it is nobody")


@test("C9 who exists hears the same words as who does not; four more failures end the connection")
def same_words():
    s = shared()
    said = []
    for user in ("alice", "nobody"):
        with s.submission() as c:
            said.append(c.cmd(b"AUTH PLAIN " + plain(user + "@example.org", "wrong")).lines)
    equal(said[0], said[1], "the words")
    with s.submission() as c:
        codes = []
        try:
            for _ in range(6):
                codes.append(c.cmd(b"AUTH PLAIN " + plain("nobody@example.org", "wrong")).code)
        except Closed:
            pass
        check(421 in codes and len(codes) <= 5, codes)


@test("C1 base64 of any length, C5 a cancelled and a broken exchange, C2 others go on")
def broken():
    s = shared()
    with s.submission() as c:
        for n in list(range(0, 40)) + [100, 1000, 3000]:
            r = c.cmd(b"AUTH PLAIN " + b"A" * n if n else b"AUTH PLAIN =")
            check(r.code in (501, 535), "%d: %r" % (n, r))
            if n % 8 == 7:
                c.close()
                c = s.submission()
        equal(c.cmd(b"AUTH PLAIN " + b"A" * 12300).code, 500, "longer than a line may be")
    with s.submission() as c:
        c.cmd("AUTH LOGIN")
        equal(c.cmd("*").code, 501, "cancelled")
        equal(c.cmd("AUTH CRAM-MD5").code, 504, "a mechanism that there is not")
        equal(c.cmd(b"AUTH PLAIN !!!!").code, 501, "no base64")
    for tamper in ("nonce", "proof", "short"):
        with s.submission() as c:
            r, x = scram(c, "alice@example.org", USERS["alice"], tamper=tamper)
            check(r.code in (535, 501) and not x.server_ok, "%s: %r" % (tamper, r))
    for end in range(1, 60, 7):
        c = s.submission()
        c.raw_send if False else c.send((b"AUTH PLAIN " + plain("alice@example.org", USERS["alice"]))[:end])
        c.reset()
    equal(s.send("alice", "bob", mine()).code, 250, "a letter of somebody else")


@test("app passwords are good for sending; a disabled account is not; send-only has no mailbox")
def kinds():
    s = shared()
    code, out, _ = s.command("user", "app-password", "add", "alice@example.org", "phone")
    equal(code, 0, "app-password")
    app = out.split()[-1]
    with s.submission("alice", password=app) as c:
        equal(c.mail("alice@example.org").code, 250, "MAIL")
    equal(s.send("dave", "bob", mine("dave")).code, 250, "a send-only account sends")
    with s.at("smtp") as c:
        c.ehlo()
        c.mail()
        equal(c.rcpt("dave@example.org").code, 550, "and has no mailbox")
    from imap import Imap
    with Imap(("127.0.0.1", s.ports["imaps"]), tls=True) as c:
        r = c.login("dave@example.org", USERS["dave"])
        check(r.status == "NO" and "may only send" in r.text, r)
    s.command("user", "disable", "quiet@example.org")
    with s.submission() as c:
        r = c.cmd(b"AUTH PLAIN " + plain("quiet@example.org", USERS["quiet"]))
        equal((r.code, r.enhanced), (535, "5.7.13"), r)
    s.command("user", "enable", "quiet@example.org")


# By which address

RIGHTS = [
    ("alice", "alice@example.org", True), ("alice", "ALICE@Example.Org", True), ("alice", "alice+x@example.org", True),
    ("alice", "sales@example.org", True), ("alice", "", True),
    ("alice", "bob@example.org", False), ("alice", "boss@example.org", False), ("alice", "x@victim.example", False),
    ("alice", "alice@example.net", False), ("alice", "alice@[127.0.0.1]", False), ("alice", "alice@sub.example.org", False),
    ("alice", "postmaster@example.org", True),      # the contact has no mailbox: it leads to the first account
    ("bob", "boss@example.org", True), ("bob", "alice@example.org", False),
    ("dave", "anybody@example.net", True), ("dave", "dave@example.org", True), ("dave", "alice@example.org", False),
    ("branch", "x@victim.example", True), ("branch", "alice@example.org", True),
]


@cases([("D %s %s send by <%s>" % (u, "may" if ok else "may not", a), u, a, ok) for u, a, ok in RIGHTS])
def rights(u, address, ok):
    s = shared()
    with s.submission(u) as c:
        r = c.mail(address)
        if ok:
            equal(r.code, 250, r)
        else:
            equal((r.code, r.enhanced), (553, "5.7.1"), r)
            check(address in r.text and "postmaster" in r.text, "which, and the next step: %r" % r)
            equal(c.mail(s.address(u)).code, 250, "its own is fine in the same session")


AUTHORS = [
    (b"bob@example.org", False), (b"Alice <alice@example.org>, bob@example.org", False),
    (b"\"alice@example.org\" <x@victim.example>", False), (b"alice@example.org, sales@example.org", True),
    (b"Alice (bob@example.org) <alice+news@EXAMPLE.org>", True), (b"alice", True), (b"bob", False), (b"<>", True),
    (b"=?utf-8?q?alice=40example.org?=", False), (b"a:alice@example.org;", True),
]


@cases([("D From: %s is %s" % (a.decode(), "fine" if ok else "refused"), a, ok) for a, ok in AUTHORS])
def authors(a, ok):
    s = shared()
    r = s.send("alice", "bob", mine().replace(b"From: <alice@example.org>", b"From: " + a))
    equal((r.code, r.enhanced), (250, "2.0.0") if ok else (550, "5.7.1"), r)


@test("D two From fields: each is looked at")
def two_authors():
    s = shared()
    equal(s.send("alice", "bob", b"From: alice@example.org\r\n" + mine("bob")).code, 550, "two")


@test("B8 D44 after AUTH as one: RSET, EHLO do not make it another; STARTTLS then is 503, and changes nothing")
def as_other():
    s = shared()
    with s.at("clear") as c:
        c.ehlo()
        equal(c.cmd(b"AUTH PLAIN " + plain("alice@example.org", USERS["alice"])).code, 235, "AUTH")
        for line in ("RSET", "EHLO bob.example.org", "HELO bob"):
            c.cmd(line)
            equal(c.mail("bob@example.org").code, 553, "behind " + line)
        equal(c.cmd("STARTTLS").code, 503, "STARTTLS")
        equal(c.mail("bob@example.org").code, 553, "behind STARTTLS")
        equal(c.mail("alice@example.org").code, 250, "it is still who it was")


@test("D43 a failed AUTH on a port for strangers lets nobody relay; a good one does")
def auth_port():
    s = shared()
    with s.submission(port="auth") as c:
        equal(c.cmd(b"AUTH PLAIN " + plain("alice@example.org", "wrong")).code, 535, "AUTH")
        equal(c.mail("alice@example.org").code, 250, "a stranger's letter")
        equal(c.rcpt("x@victim.example").code, 550, "to elsewhere")
        equal(c.rcpt("bob@example.org").code, 250, "to here")
    with s.submission("alice", port="auth") as c:
        c.mail("alice@example.org")
        equal(c.rcpt("x@elsewhere.example").code, 250, "to elsewhere, logged in")


@test("per-account: who has sent to as many as it may hears how many, and when to go on")
def limit():
    s = shared()
    tok = token()
    equal(s.send("slow", ["bob", "alice"], mine("slow", tok)).code, 250, "two")
    equal(s.send("slow", ["bob", "alice", "carol"], mine("slow")).code, 250, "one is left, the letter goes whole")
    r = s.send("slow", "bob", mine("slow"))
    equal((r.code, r.enhanced), (450, "4.7.1"), r)
    check("3 recipients" in r.text and "60 minutes" in r.text, r)
    for _ in range(5):
        equal(s.send("branch", ["bob", "alice"], mine("branch")).code, 250, "off is no limit")


# Networks

@test("D35 a network sends without AUTH by what it is allowed, its limit holds, and others are strangers")
def network():
    s = shared()

    def send(source, sender, to, author=None):
        with s.at("smtp", source=source) as c:
            equal(c.ehlo("strange host_name!").code if source != "127.0.0.1" else 250, 250, "any name in EHLO")
            if source == "127.0.0.1":
                c.ehlo()
            r = c.mail(sender)
            if r.code != 250:
                return r
            r = c.rcpt(to)
            if r.code != 250:
                return r
            return c.data(b"From: <%s>\r\nSubject: x\r\n\r\nx\r\n" % (author or sender).encode())

    equal(send("127.0.0.2", "printer@example.org", "x@elsewhere.example").code, 250, "an allowed sender, to elsewhere")
    equal(send("127.0.0.2", "printer@example.org", "x@elsewhere.example", "boss@victim.example").code, 550, "another in From")
    equal(send("127.0.0.2", "x@victim.example", "x@elsewhere.example").code, 550, "another is a stranger: no relay")
    equal(send("127.0.0.2", "x@victim.example", "alice@example.org").code, 250, "and may write to us")
    equal(send("127.0.0.2", "printer@example.org", "alice@example.org").code, 250, "the second")
    equal(send("127.0.0.2", "printer@example.org", "alice@example.org").code, 450, "the limit")
    equal(send("127.0.0.3", "x@victim.example", "y@elsewhere.example").code, 250, "any")
    equal(send("127.0.0.1", "printer@example.org", "x@elsewhere.example").code, 550, "no network")
    with s.submission(port="submission", source="127.0.0.3") as c:
        equal(c.mail("alice@example.org").code, 530, "on submission nobody goes without AUTH")


# The letter

def sent(headers, user="alice", to="bob", sender=None):
    """What the recipient gets of a letter with these headers; its bytes without what we put in front of Received."""
    s = shared()
    tok = token()
    r = s.send(user, to, headers + b"\r\nbody " + tok.encode() + b"\r\n", sender=sender)
    equal(r.code, 250, r)
    return s.wait(tok, to), r.queue_id


@test("what is missing is added: From, To, Date, Message-ID; no byte that is there is changed")
def completed():
    got, msg = sent(b"")
    text = got.data.decode()
    check(text.startswith("From: <alice@example.org>\nTo: undisclosed-recipients:;\nDate: "), text)
    check("Message-ID: <%s@mail.example.org>\n\nbody" % msg in text, text)
    whole = b"From: a <alice@example.org>\r\nTo: x@y\r\nDATE: never\r\nmessage-id: <x@y>\r\nX-Odd:   two  spaces \r\n\tand a fold\r\n"
    got, _ = sent(whole)
    check(got.data.startswith(whole.replace(b"\r\n", b"\n") + b"\nbody"), got.data)


@test("Bcc, Resent-Bcc and Return-Path do not leave, wherever they stand")
def blind():
    got, _ = sent(b"Return-Path: <x@victim.example>\r\nBcc: carol@example.org,\r\n secret@example.org\r\n"
                  b"From: alice@example.org\r\nresent-bcc: secret2@example.org\r\nTo: bob@example.org\r\nBCC:\r\n")
    check(b"secret" not in got.raw and b"carol" not in got.raw and b"victim" not in got.raw, got.raw)
    equal(got.first("return-path"), "<alice@example.org>", "the one Return-Path is ours")
    check(b"To: bob@example.org" in got.data, got.data)


@test("a stranger's letter is not completed, and keeps its Bcc")
def strangers():
    s = shared()
    tok = token()
    with s.at("smtp") as c:
        c.ehlo()
        equal(c.deliver("bob@example.org", b"Bcc: x@y\r\n\r\n" + tok.encode() + b"\r\n").code, 250, "sent")
    got = s.wait(tok, "bob")
    check(got.data.startswith(b"Bcc: x@y\n\n"), got.raw)


@test("a letter for other servers waits in the queue, with what DSN asks of it")
def remote():
    s = shared()
    r = s.send("alice", "x@elsewhere.example", mine(), params="RET=HDRS ENVID=e+2B1 BODY=8BITMIME",
               rcpt_params="NOTIFY=FAILURE,DELAY ORCPT=rfc822;y@elsewhere.example")
    equal(r.code, 250, r)
    code, out, _ = s.command("queue", "show", r.queue_id)
    check(code == 0 and "x@elsewhere.example" in out, "queue show: %d %s" % (code, out))
    with s.submission("alice") as c:
        equal(c.mail("alice@example.org", "RET=NO").code, 501, "RET that is none")
        c.mail("alice@example.org")
        equal(c.rcpt("x@elsewhere.example", "NOTIFY=NEVER,DELAY").code, 501, "NOTIFY that is none")
        equal(c.rcpt("nobody@example.org").code, 550, "an address of ours that is nobody")
        equal(c.rcpt("x@[192.0.2.1]").code, 250, "an address literal")


@test("N3 no password, right or wrong, is in a log")
def canaries():
    s = shared()
    with s.submission() as c:
        c.cmd(b"AUTH PLAIN " + plain("alice@example.org", "canary-wrong-1"))
        c.cmd("AUTH LOGIN")
        c.cmd(b64("alice@example.org"))
        c.cmd(b64("canary-wrong-2"))
    log = s.log() + s.stderr()
    for secret in ["canary-wrong-1", "canary-wrong-2", b64("canary-wrong-2").decode()] + list(USERS.values()):
        check(secret not in log, "%s stands in the log" % secret)
    check("protocol=\"submission\"" in log, "but that it was tried does")


main()
