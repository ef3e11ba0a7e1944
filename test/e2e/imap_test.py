#!/usr/bin/python3
"""An IMAP session: what each command answers, what other sessions see, rows G1 to G4, G7, G8, G12, G13."""
import imaplib
import os
import re
import time
import zlib

from logins import USERS, alice, shared                              # first: it starts us again

import letters
from server import SLOW
from smtp import Closed
from tap import cases, check, equal, main, test

LETTER = (b"From: Alice <a@example.org>\r\nTo: b@example.org, C <c@example.net>\r\nSubject: hi\r\n"
          b"Date: Mon, 7 Feb 1994 21:52:25 -0800\r\nMessage-ID: <x@y>\r\nMIME-Version: 1.0\r\n"
          b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n"
          b"\r\nHello =C3=A4\r\nline2\r\n")
MULTI = (b"From: a@example.org\r\nSubject: parts\r\nMIME-Version: 1.0\r\n"
         b"Content-Type: multipart/mixed; boundary=b\r\n\r\npre\r\n--b\r\nContent-Type: text/plain\r\n\r\n"
         b"one\r\n--b\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n"
         b"Content-ID: <id>\r\n\r\nAAECAw==\r\n--b\r\nContent-Type: text/plain\r\n"
         b"Content-Transfer-Encoding: x-odd\r\n\r\nwhat\r\n--b--\r\n")
_n = [0]


def folder(s, user="alice"):
    """A new, empty folder."""
    _n[0] += 1
    name = "T%d" % _n[0]
    base = os.path.join(s.maildir(user), "." + name)
    for d in ("cur", "new", "tmp"):
        os.makedirs(os.path.join(base, d), mode=0o700)
    owner = os.stat(s.home(user))
    if os.geteuid() == 0 and owner.st_uid:
        for d in (s.maildir(user), base) + tuple(os.path.join(base, x) for x in ("cur", "new", "tmp")):
            os.chown(d, owner.st_uid, owner.st_gid)
    return name


def session(s, user="alice", **kw):
    c = s.imap(**kw)
    equal(c.login(s.address(user), USERS[user]).status, "OK", "login")
    return c


def append(c, name, letter=LETTER, flags=""):
    r = c.cmd(b"APPEND %s %s{%d+}\r\n%s" % (name.encode(), flags.encode() + b" " if flags else b"", len(letter), letter))
    equal(r.status, "OK", "APPEND: %r" % r)
    return r


def filled(s, n=3, letter=LETTER, select=True):
    """A session with a new folder that holds n letters."""
    if not os.path.isdir(s.maildir("alice")):
        s.fence("alice")
    c, name = session(s), folder(s)
    for _ in range(n):
        append(c, name, letter)
    if select:
        equal(c.cmd("SELECT " + name).status, "OK", "SELECT")
    return c, name


def lines(r, what):
    return [u for u in r.untagged if re.search(what, u)]


def ok(c, cmd):
    r = c.cmd(cmd)
    equal(r.status, "OK", "%s: %r %r" % (cmd, r, r.untagged[-3:]))
    return r


# -- one command, one answer -------------------------------------------------------

COMMANDS = [
    # command, status, code, what some untagged line must hold
    ("CAPABILITY", "OK", "", rb"IMAP4rev1 .*IDLE"), ("NOOP", "OK", "", None), ("CHECK", "OK", "", None),
    ("NAMESPACE", "OK", "", rb'NAMESPACE \(\("" "\."\)\) NIL NIL'), ("ID NIL", "OK", "", rb"ID \("),
    ('ID ("name" "x" "v" NIL)', "OK", "", rb"ID \("), ("ENABLE X-FOO", "OK", "", rb"^\* ENABLED$"),
    ("ENABLE CONDSTORE", "OK", "", rb"ENABLED CONDSTORE"), ("FETCH 1 FLAGS", "OK", "", rb"\* 1 FETCH \(FLAGS \("),
    ("FETCH 1:* UID", "OK", "", rb"\* 3 FETCH \(UID 3\)"), ("FETCH *:2 UID", "OK", "", rb"\* 2 FETCH"),
    ("UID FETCH 2 FLAGS", "OK", "", rb"\* 2 FETCH \(UID 2 FLAGS"), ("UID FETCH 99 FLAGS", "OK", "", None),
    ("FETCH 4 FLAGS", "BAD", "CLIENTBUG", None), ("FETCH 1,4 FLAGS", "BAD", "CLIENTBUG", None),
    ("FETCH 0 FLAGS", "BAD", "", None), ("FETCH 1", "BAD", "", None), ("FETCH", "BAD", "", None),
    ("FETCH 1 NONSENSE", "BAD", "", None), ("FETCH 1 BODY[", "BAD", "", None), ("FETCH 1 (FLAGS", "BAD", "", None),
    ("FETCH 1 RFC822.SIZE", "OK", "", rb"RFC822.SIZE %d\)" % len(LETTER)),
    ("FETCH 1 FAST", "OK", "", rb"INTERNALDATE \"[ 0-9]\d-\w\w\w-\d{4} [\d:]{8} [+-]\d{4}\""),
    ("FETCH 1 ENVELOPE", "OK", "", rb'ENVELOPE \("Mon, 7 Feb 1994 21:52:25 -0800" "hi" \(\("Alice" NIL "a" "example.org"\)\)'),
    ("FETCH 1 BODY", "OK", "", rb'BODY \("text" "plain" \("charset" "utf-8"\) NIL NIL "quoted-printable" 21 2\)'),
    ("FETCH 1 FULL", "OK", "", rb"BODY \("), ("FETCH 1 BODYSTRUCTURE", "OK", "", rb"BODYSTRUCTURE \("),
    ("FETCH 1 BODY.PEEK[]", "OK", "", rb"BODY\[\] \{%d\}\r\nFrom: " % len(LETTER)),
    ("FETCH 1 BODY.PEEK[HEADER]", "OK", "", rb"BODY\[HEADER\] \{\d+\}\r\nFrom(.|\n)*printable\r\n\r\n\)"),
    ("FETCH 1 BODY.PEEK[HEADER.FIELDS (SUBJECT X)]", "OK", "", rb"\{15\}\r\nSubject: hi\r\n\r\n\)"),
    ("FETCH 1 BODY.PEEK[HEADER.FIELDS.NOT (SUBJECT)]", "OK", "", rb"\}\r\nFrom"),
    ("FETCH 1 BODY.PEEK[TEXT]", "OK", "", rb"BODY\[TEXT\] \{21\}\r\nHello =C3=A4\r\nline2\r\n\)"),
    ("FETCH 1 BODY.PEEK[TEXT]<6.4>", "OK", "", rb"BODY\[TEXT\]<6> \{4\}\r\n=C3=\)"),
    ("FETCH 1 BODY.PEEK[TEXT]<12.4>", "OK", "", rb"<12> \{4\}\r\n\r\nli\)"),
    ("FETCH 1 BODY.PEEK[TEXT]<999.4>", "OK", "", rb"<999> (\{0\}\r\n|\"\")\)"),
    ("FETCH 1 BODY.PEEK[TEXT]<1.0>", "BAD", "", None),
    ("FETCH 1 BODY.PEEK[1]", "OK", "", rb"BODY\[1\] \{21\}"), ("FETCH 1 BODY.PEEK[2]", "OK", "", rb"BODY\[2\] NIL\)"),
    ("FETCH 1 BODY.PEEK[1.MIME]", "OK", "", rb"BODY\[1\.MIME\] "), ("FETCH 1 BINARY.PEEK[1]", "OK", "", b"\\{17\\}\r\nHello \xc3\xa4"),
    ("FETCH 1 BINARY.SIZE[1]", "OK", "", rb"BINARY\.SIZE\[1\] 17\)"), ("FETCH 1 RFC822.HEADER", "OK", "", rb"RFC822\.HEADER \{"),
    ("FETCH 1 EMAILID", "OK", "", rb"EMAILID \(\w+\)"), ("FETCH 1 THREADID", "OK", "", rb"THREADID NIL"),
    ("FETCH 1 SAVEDATE", "OK", "", rb'SAVEDATE "'), ("FETCH 1 PREVIEW", "OK", "", b"PREVIEW (\"|\\{)[\\s\\S]*Hello \xc3\xa4 line2"),
    ("FETCH 1 (PREVIEW (LAZY))", "OK", "", rb"PREVIEW "), ("FETCH 1 MODSEQ", "OK", "", rb"MODSEQ \(\d+\)"),
    ("FETCH 1 (FLAGS) (CHANGEDSINCE 1)", "OK", "", rb"MODSEQ"), ("FETCH 1 FLAGS (CHANGEDSINCE 9223372036854775807)", "OK", "", None),
    ("UID FETCH 1 FLAGS (CHANGEDSINCE 1 VANISHED)", "BAD", "CLIENTBUG", None),
    ("STORE 1 +FLAGS (\\Flagged kw)", "OK", "", rb"\* 1 FETCH \(.*FLAGS \(\\Flagged.* kw\)\)"),
    ("STORE 1 +FLAGS.SILENT (\\Flagged)", "OK", "", None), ("UID STORE 2 FLAGS ()", "OK", "", rb"\* 2 FETCH \(UID 2 .*FLAGS \(\)\)"),
    ("STORE 9 +FLAGS (\\Seen)", "BAD", "CLIENTBUG", None), ("STORE 1 +FLAGS (\\Recent)", "BAD", "", None),
    ("STORE 1 +FLAGS (\\Bogus)", "BAD", "", None), ("STORE 1 (UNCHANGEDSINCE 1) FLAGS (\\Seen)", "OK", "MODIFIED 1", None),
    ("UID STORE 77 +FLAGS (\\Seen)", "OK", "", None), ("EXPUNGE", "OK", "", None), ("UID EXPUNGE 1:*", "OK", "", None),
    ("COPY 1 Missing", "NO", "TRYCREATE", None), ("MOVE 1 Missing", "NO", "TRYCREATE", None), ("COPY 9 INBOX", "BAD", "CLIENTBUG", None),
    ("UID COPY 99 INBOX", "OK", "", None), ("COPY 1 ../x", "NO", "", None), ("SELECT Missing", "NO", "NONEXISTENT", None),
    ("SELECT ..", "NO", "", None), ("SELECT a/../b", "NO", "", None), ("SELECT INBOX (FOO)", "BAD", "", None),
    ("SELECT INBOX (QRESYNC (1 1))", "BAD", "CLIENTBUG", None), ("LOGIN a b", "BAD", "CLIENTBUG", None),
    ("STARTTLS", "BAD", "", None), ("AUTHENTICATE PLAIN", "BAD", "", None), ("BOGUS", "BAD", "", None), ("", "BAD", "", None),
    ("COMPRESS LZ4", "BAD", "", None), ("UNSELECT", "OK", "", None), ("CLOSE", "OK", "", None), ("EXAMINE INBOX", "OK", "READ-ONLY", None),
]


@cases([("%s: %s" % (r[0] or "(nothing)", r[1]),) + r for r in COMMANDS])
def commands(cmd, status, code, want):
    s = shared()
    if "c" not in _kept:
        _kept["c"], _kept["name"] = filled(s, 3)
    c = _kept["c"]
    ok(c, "SELECT " + _kept["name"])
    r = c.cmd(cmd)
    equal(r.status, status, "%s: %r" % (cmd, r))
    if code:
        equal(r.code, code, "%s: %r" % (cmd, r))
    if want is not None:
        check(lines(r, want), "%s: %r is not in %r" % (cmd, want, r.untagged))


_kept = {}

# -- folders -----------------------------------------------------------------------


@test("SELECT tells all that a client needs")
def select():
    c, name = filled(shared(), 2)
    r = ok(c, "SELECT " + name)
    equal(r.code, "READ-WRITE", "code")
    check(c.cmd("SELECT " + name).untagged[0].startswith(b"* OK [CLOSED]"), "CLOSED comes first")
    for want in (rb"FLAGS \(.*\\Seen", rb"PERMANENTFLAGS \(.*\\\*\)", rb"\* 2 EXISTS", rb"\* \d RECENT", rb"UNSEEN 1\]",
                 rb"UIDVALIDITY \d+\]", rb"UIDNEXT 3\]", rb"HIGHESTMODSEQ \d+\]", rb"MAILBOXID \(\w+\)\]"):
        check(lines(r, want), "%r is not in %r" % (want, r.untagged))
    r = ok(c, "EXAMINE " + name)
    equal(r.code, "READ-ONLY", "code")
    check(lines(r, rb"PERMANENTFLAGS \(\)"), "nothing can be changed: %r" % r.untagged)
    for cmd in ("STORE 1 +FLAGS (\\Seen)", "EXPUNGE", "MOVE 1 INBOX", "UID EXPUNGE 1"):
        equal((c.cmd(cmd).status, c.cmd(cmd).code), ("NO", "READ-ONLY"), cmd)
    ok(c, "FETCH 1 BODY[]")
    check(not lines(ok(c, "FETCH 1 FLAGS"), rb"\\Seen"), "EXAMINE sets no flag")
    ok(c, "UNSELECT")
    equal(c.cmd("FETCH 1 FLAGS").status, "BAD", "nothing is open")


@test("CLOSE expunges without a word, UNSELECT does not")
def close():
    c, name = filled(shared(), 3)
    ok(c, "STORE 2 +FLAGS (\\Deleted)")
    ok(c, "UNSELECT")
    check(lines(ok(c, "SELECT " + name), rb"\* 3 EXISTS"), "all are there")
    equal([u for u in ok(c, "CLOSE").untagged if b"EXPUNGE" in u], [], "CLOSE is silent")
    r = ok(c, "SELECT " + name)
    check(lines(r, rb"\* 2 EXISTS"), "one went: %r" % r.untagged)
    check(lines(ok(c, "FETCH 1:* UID"), rb"2 FETCH \(UID 3\)"), "UIDs stay")


@test("1:* in an empty folder is no error")
def empty():
    c, _ = filled(shared(), 0)
    for cmd in ("FETCH 1:* FLAGS", "UID FETCH 1:* FLAGS", "STORE 1:* +FLAGS (\\Seen)", "EXPUNGE"):
        equal(ok(c, cmd).untagged, [], cmd)
    equal(c.cmd("FETCH 1 FLAGS").status, "BAD", "FETCH 1")


# -- letters -----------------------------------------------------------------------


@test("a body that is read is seen, one that is peeked at is not")
def seen():
    c, _ = filled(shared(), 2)
    ok(c, "FETCH 1 BODY.PEEK[]")
    check(not lines(ok(c, "FETCH 1 FLAGS"), rb"Seen"), "PEEK")
    r = ok(c, "FETCH 1 BODY[TEXT]")
    equal(len(r.untagged), 1, "one answer: %r" % r.untagged)
    check(lines(r, rb"FLAGS \(\\Seen"), "the answer says so: %r" % r.untagged)
    check(not lines(ok(c, "FETCH 1 BODY[TEXT]"), rb"FLAGS"), "only once")
    ok(c, "FETCH 2 RFC822.HEADER")
    check(not lines(ok(c, "FETCH 2 FLAGS"), rb"Seen"), "RFC822.HEADER does not")
    check(lines(ok(c, "FETCH 2 RFC822"), rb"FLAGS \(\\Seen.*RFC822 \{"), "RFC822 does")


@test("parts and their octets, BINARY decoded")
def parts():
    c, _ = filled(shared(), 1, MULTI)
    check(lines(ok(c, "FETCH 1 BODY.PEEK[1]"), rb"\{3\}\r\none\)"), "part 1")
    check(lines(ok(c, "FETCH 1 BODY.PEEK[2]"), rb"AAECAw=="), "part 2")
    check(lines(ok(c, "FETCH 1 BODY.PEEK[2.MIME]"), rb"Content-ID: <id>\r\n\r\n\)"), "its header")
    tag = c.tag()
    c.send(tag + b" FETCH 1 BINARY.PEEK[2]\r\n")
    equal(c.line(), b"* 1 FETCH (BINARY[2] ~{4}", "literal8 where there is a NUL")
    equal(c.exactly(4), b"\0\1\2\3", "octets")
    equal(c.line(), b")", "end")
    c.answer(tag)
    check(lines(ok(c, "FETCH 1 BINARY.SIZE[2]"), rb"BINARY\.SIZE\[2\] 4\)"), "size")
    r = c.cmd("FETCH 1 BINARY[3]")
    equal((r.status, r.code), ("NO", "UNKNOWN-CTE"), "an encoding nobody knows")
    ok(c, "NOOP")


@test("a letter comes back octet by octet")
def octets():
    s = shared()
    c, name = filled(s, 0)
    for body in (b"x", b"\r\n" * 100, b"a\r\n.\r\nb", b"\xff\xfe\r\n", os.urandom(200000).replace(b"\r", b"").replace(b"\n", b"").replace(b"\0", b"")):
        letter = b"Subject: x\r\n\r\n" + body
        append(c, name, letter)
        r = ok(c, "FETCH * (RFC822.SIZE BODY.PEEK[])")
        got = next(u for u in r.untagged if b" FETCH " in u)
        check(b"RFC822.SIZE %d " % len(letter) in got, "size: %r" % got[:80])
        check(b"{%d}\r\n%s)" % (len(letter), letter) in got, "octets of %r" % body[:20])


@test("a letter of 8 MB goes in and out, in pieces too")
def large():
    c, name = filled(shared(), 0)
    body = (b"0123456789abcdef" * 4 + b"\r\n") * 120000
    letter = b"Subject: large\r\nContent-Type: text/plain\r\n\r\n" + body
    append(c, name, letter)
    got = next(u for u in ok(c, "FETCH 1 BODY.PEEK[]").untagged if b" FETCH " in u)
    check(got.endswith(letter + b")"), "all of it")
    got = ok(c, "FETCH 1 BODY.PEEK[TEXT]<7900003.70>").untagged[0]
    check(got.endswith(b"{70}\r\n" + body[7900003:7900073] + b")"), "a piece: %r" % got)
    got = ok(c, "FETCH 1 (BODY.PEEK[TEXT]<7919990.70> RFC822.SIZE ENVELOPE)").untagged[0]
    check(b"{10}\r\n" + body[-10:] in got, "its end: %r" % got)
    check(lines(ok(c, "FETCH 1 BINARY.SIZE[1]"), b" %d\\)" % len(body)), "BINARY.SIZE")


@test("STORE: flags, keywords, UNCHANGEDSINCE")
def store():
    c, name = filled(shared(), 3)
    ok(c, "STORE 1:3 FLAGS (\\Answered $Forwarded)")
    r = ok(c, "STORE 2 -FLAGS ($Forwarded)")
    check(lines(r, rb"\* 2 FETCH \(FLAGS \(\\Answered[^$]*\)\)"), "removed: %r" % r.untagged)
    r = ok(c, "FETCH 1 (MODSEQ)")
    m = int(re.search(rb"\* 1 FETCH.*MODSEQ \((\d+)\)", b" ".join(r.untagged)).group(1))
    ok(c, "STORE 1 +FLAGS (\\Seen)")
    r = ok(c, "STORE 1,3 (UNCHANGEDSINCE %d) +FLAGS (\\Flagged)" % m)
    equal(r.code, "MODIFIED 1", "the one that changed: %r" % r)
    check(lines(r, rb"\* 3 FETCH .*\\Flagged"), "the other: %r" % r.untagged)
    check(not lines(ok(c, "FETCH 1 FLAGS"), rb"Flagged"), "1 was left alone")
    for i in range(26):
        c.cmd("STORE 1 +FLAGS (k%d)" % i)
    r = c.cmd("STORE 1 +FLAGS (onemore)")
    equal((r.status, r.code), ("NO", "LIMIT"), "a 27th keyword")
    r = ok(c, "SELECT " + name)
    check(not lines(r, rb"PERMANENTFLAGS .*\\\*"), "no room is said")


@test("COPY and MOVE say where letters went")
def copy():
    s = shared()
    c, name = filled(s, 3)
    to = folder(s)
    r = ok(c, "COPY 1,3 " + to)
    check(re.match(r"COPYUID \d+ 1,3 1:2$", r.code), "COPYUID: %r" % r)
    r = ok(c, "UID MOVE 2:3 " + to)
    check(re.search(rb"^\* OK \[COPYUID \d+ 2:3 3:4\]", r.untagged[0]), "before the EXPUNGEs: %r" % r.untagged)
    equal(sorted(u for u in r.untagged if b"EXPUNGE" in u), [b"* 2 EXPUNGE", b"* 3 EXPUNGE"], "they left")
    check(lines(ok(c, "SELECT " + to), rb"\* 4 EXISTS"), "they came")
    check(lines(ok(c, "FETCH 4 BODY.PEEK[TEXT]"), b"Hello"), "whole")


@test("EXPUNGE and UID EXPUNGE take what is \\Deleted")
def expunge():
    c, _ = filled(shared(), 4)
    ok(c, "STORE 1,2,4 +FLAGS.SILENT (\\Deleted)")
    equal([u for u in ok(c, "UID EXPUNGE 2:3").untagged if b"EXPUNGE" in u], [b"* 2 EXPUNGE"], "only UID 2")
    r = ok(c, "EXPUNGE")
    left = [1, 3, 4]
    for u in lines(r, rb"EXPUNGE"):
        del left[int(u.split()[1]) - 1]
    equal(left, [3], "what is left")


# -- APPEND ------------------------------------------------------------------------


@test("APPEND waits for its literal, and says no before it comes")
def literal():
    s = shared()
    c, name = filled(s, 0)
    tag = c.tag()
    c.send(tag + b" APPEND %s (\\Seen) \"17-Jul-1996 02:44:25 -0700\" {%d}\r\n" % (name.encode(), len(LETTER)))
    check(c.line().startswith(b"+ "), "go ahead")
    c.send(LETTER + b"\r\n")
    r = c.answer(tag)
    check(re.match(r"APPENDUID \d+ 1$", r.code), "APPENDUID: %r" % r)
    r = ok(c, "FETCH 1 (FLAGS INTERNALDATE)")
    check(lines(r, rb'\\Seen.*"17-Jul-1996 09:44:25 \+0000"'), "flags and date: %r" % r.untagged)
    for what, code in ((b"Missing {10}", "TRYCREATE"), (name.encode() + b" {999999999999}", "TOOBIG"),
                       (name.encode() + b" (\\Bogus) {10}", ""), (name.encode() + b" {0}", "")):
        tag = c.tag()
        c.send(tag + b" APPEND " + what + b"\r\n")
        line = c.line()
        check(line.startswith(tag + b" NO") or line.startswith(tag + b" BAD"), "%r: %r" % (what, line))
        check(code.encode() in line, "%r: %r" % (what, line))
    ok(c, "NOOP")


@test("MULTIAPPEND is all or nothing")
def multi():
    s = shared()
    c, name = filled(s, 0)
    n = name.encode()
    r = c.cmd(b"APPEND %s {%d+}\r\n%s (\\Seen) {%d+}\r\n%s" % (n, len(LETTER), LETTER, len(MULTI), MULTI))
    check(re.match(r"APPENDUID \d+ 1:2$", r.code), "APPENDUID: %r" % r)
    r = c.cmd(b"APPEND %s {%d+}\r\n%s (\\Bogus) {%d+}\r\n%s" % (n, len(LETTER), LETTER, len(MULTI), MULTI))
    equal(r.status, "BAD", "a wrong flag: %r" % r)
    check(lines(ok(c, "SELECT " + name), rb"\* 2 EXISTS"), "nothing of it stays")
    equal(os.listdir(os.path.join(s.maildir("alice"), "." + name, "tmp")), [], "tmp/ is clean")


@test("APPEND that is broken off leaves nothing")
def broken_off():
    s = shared()
    c, name = filled(s, 0)
    c.send(b"x APPEND %s {1000}\r\n" % name.encode())
    check(c.line().startswith(b"+ "), "go ahead")
    c.send(b"half of it")
    c.close()
    with session(s) as d:
        time.sleep(0.2 * SLOW)
        check(lines(ok(d, "SELECT " + name), rb"\* 0 EXISTS"), "nothing")
    equal(os.listdir(os.path.join(s.maildir("alice"), "." + name, "tmp")), [], "tmp/ is clean")


# -- several sessions --------------------------------------------------------------


@test("sessions see each other; sequence numbers stay during FETCH and STORE")
def together():
    s = shared()
    c, name = filled(s, 4)
    d = session(s)
    ok(d, "SELECT " + name)
    ok(c, "STORE 2 +FLAGS (\\Deleted)")
    check(lines(ok(d, "NOOP"), rb"\* 2 FETCH .*Deleted"), "a flag is seen")
    ok(c, "EXPUNGE")
    r = ok(d, "FETCH 1:4 UID")
    equal([u for u in r.untagged if b"EXPUNGE" in u], [], "not during FETCH: %r" % r.untagged)
    check(lines(r, rb"\* 4 FETCH \(UID 4\)"), "numbers are the old ones")
    equal(r.code, "EXPUNGEISSUED", "and it is said")
    equal(d.cmd("STORE 2 +FLAGS (\\Seen)").code, "EXPUNGEISSUED", "STORE on one that is gone")
    check(b"* 2 EXPUNGE" in ok(d, "NOOP").untagged, "then it is told")
    check(lines(ok(d, "FETCH 3 UID"), rb"\* 3 FETCH \(UID 4\)"), "numbers are the new ones")
    append(c, name)
    check(lines(ok(d, "NOOP"), rb"\* 4 EXISTS"), "a new letter is seen")


@test("G12 IDLE tells at once: flags, new letters, expunged ones, and mail that comes in")
def idle():
    s = shared()
    c, name = filled(s, 2)
    d = session(s)
    ok(d, "SELECT " + name)
    tag = d.tag()
    d.send(tag + b" IDLE\r\n")
    check(d.line().startswith(b"+ "), "go ahead")
    for cmd, want in (("STORE 1 +FLAGS (\\Answered)", rb"\* 1 FETCH .*Answered"), ("STORE 1 +FLAGS (\\Deleted)", rb"\* 1 FETCH"),
                      ("EXPUNGE", rb"\* 1 EXPUNGE")):
        took = []
        start = time.monotonic()
        c.send(b"zz " + cmd.encode() + b"\r\n")
        check(re.search(want, d.line()), cmd)
        took.append(time.monotonic() - start)
        c.answer(b"zz")
        check(took[0] < 0.05 * SLOW, "%s took %.0f ms" % (cmd, took[0] * 1000))
    d.send(b"DONE\r\n")
    equal(d.answer(tag).status, "OK", "DONE")
    ok(d, "SELECT INBOX")
    tag = d.tag()
    d.send(tag + b" IDLE\r\n")
    check(d.line().startswith(b"+ "), "go ahead")
    tok = letters.token()
    s.give("alice", tok)
    check(re.search(rb"\* \d+ EXISTS", d.line()), "a letter that came in")
    d.send(b"BOGUS\r\n")
    equal(d.answer(tag).status, "BAD", "only DONE ends it well")
    ok(d, "NOOP")


@test("QRESYNC: what changed and what vanished since")
def qresync():
    s = shared()
    c, name = filled(s, 5)
    r = ok(c, "SELECT " + name)
    all_ = b" ".join(r.untagged)
    v, m = (int(re.search(x, all_).group(1)) for x in (rb"UIDVALIDITY (\d+)", rb"HIGHESTMODSEQ (\d+)"))
    ok(c, "STORE 2,4 +FLAGS (\\Deleted)")
    ok(c, "EXPUNGE")
    ok(c, "STORE 1 +FLAGS (\\Flagged)")
    d = session(s)
    equal(d.cmd("SELECT %s (QRESYNC (%d %d))" % (name, v, m)).status, "BAD", "ENABLE comes first")
    check(lines(ok(d, "ENABLE QRESYNC"), rb"\* ENABLED .*QRESYNC"), "ENABLED")
    r = ok(d, "SELECT %s (QRESYNC (%d %d))" % (name, v, m))
    check(b"* VANISHED (EARLIER) 2,4" in r.untagged, "vanished: %r" % r.untagged)
    equal(len(lines(r, rb"FETCH")), 1, "one changed: %r" % r.untagged)
    check(lines(r, rb"\* 1 FETCH \(UID 1 MODSEQ \(\d+\) FLAGS \(.*Flagged"), "which: %r" % r.untagged)
    r = ok(d, "SELECT %s (QRESYNC (%d %d 3:5))" % (name, v, m))
    check(b"* VANISHED (EARLIER) 4" in r.untagged and not lines(r, rb"FETCH"), "of the known UIDs: %r" % r.untagged)
    r = ok(d, "SELECT %s (QRESYNC (%d %d))" % (name, v + 1, m))
    check(not lines(r, rb"VANISHED|FETCH"), "another UIDVALIDITY: %r" % r.untagged)
    ok(d, "STORE 2 +FLAGS (\\Deleted)")
    r = ok(d, "EXPUNGE")
    check(b"* VANISHED 3" in r.untagged and r.code.startswith("HIGHESTMODSEQ"), "%r %r" % (r, r.untagged))
    r = ok(d, "UID FETCH 1:* (FLAGS) (CHANGEDSINCE %d VANISHED)" % m)
    check(b"* VANISHED (EARLIER) 2:4" in r.untagged, "UID FETCH: %r" % r.untagged)


@test("a letter that lies in the Maildir is there for the next NOOP")
def noop():
    s = shared()
    c = session(s)
    r = ok(c, "SELECT INBOX")
    n = int(re.search(rb"\* (\d+) EXISTS", b" ".join(r.untagged)).group(1))
    for _ in range(15):
        tok = letters.token()
        s.give("alice", tok)
        s.wait(tok, "alice")
        n += 1
        check(b"* %d EXISTS" % n in ok(c, "NOOP").untagged, "letter %d" % n)


@test("a letter that was moved or expunged before a crash does not come back")
def not_again():
    s = shared()
    s.fence("alice")
    c, to = session(s), folder(s)
    ok(c, "SELECT INBOX")
    toks = [letters.token(), letters.token()]
    for tok in toks:
        s.give("alice", tok)
        s.wait(tok, "alice")
    ok(c, "NOOP")
    ok(c, "STORE * +FLAGS (\\Deleted)")
    r = ok(c, "FETCH * UID")
    uid = int(re.search(rb"FETCH \(UID (\d+)\)", b" ".join(r.untagged)).group(1))
    ok(c, "UID MOVE %d %s" % (uid - 1, to))
    ok(c, "EXPUNGE")
    s.kill_all()
    s.start()
    s.fence("alice")
    left = [f for f in s.paths("alice") if any(t.encode() in open(f, "rb").read() for t in toks)]
    equal(left, [], "in INBOX again")
    c = session(s)
    check(lines(ok(c, "SELECT " + to), rb"\* 1 EXISTS"), "the moved one is where it went, once")


# -- bytes -------------------------------------------------------------------------


@test("COMPRESS=DEFLATE both ways")
def compress():
    c, name = filled(shared(), 2)
    ok(c, "COMPRESS DEFLATE")
    z, u = zlib.compressobj(9, zlib.DEFLATED, -15), zlib.decompressobj(-15)
    send, fill = c.sock.sendall, c.sock.recv

    class Packed:
        def sendall(self, b):
            send(z.compress(b) + z.flush(zlib.Z_SYNC_FLUSH))

        def recv(self, n):
            while True:
                b = fill(n)
                out = u.decompress(b) if b else b""
                if out or not b:
                    return out

        def close(self):
            pass
    c.sock = Packed()
    check(lines(ok(c, "FETCH 1 BODY.PEEK[]"), b"Hello"), "FETCH")
    equal(c.cmd("COMPRESS DEFLATE").code, "COMPRESSIONACTIVE", "only once")
    append(c, name, b"Subject: x\r\n\r\n" + b"y" * 300000)
    check(lines(ok(c, "FETCH 3 BODY.PEEK[TEXT]"), b"y" * 300000), "a large one")
    c.send(b"".join(b"p%d UID FETCH 1 (UID FLAGS INTERNALDATE)\r\n" % i for i in range(2000)))
    equal(c.answer(b"p1999").status, "OK", "2,000 commands at once, which are small when packed")


@test("G8 what unfolds without end is held by the limits of a command")
def bomb():
    c, _ = filled(shared(), 1)
    ok(c, "COMPRESS DEFLATE")
    z = zlib.compressobj(9, zlib.DEFLATED, -15)
    data = z.compress(b"a NOOP ") + z.compress(b"x" * (256 << 20)) + z.flush(zlib.Z_SYNC_FLUSH)
    try:
        c.send(data)
        raw = c.rest(20 * SLOW)
    except Closed:
        raw = b""
    check(raw is not None, "it must hang up")
    ok(session(shared()), "NOOP")


@test("who sends nonsense is cut off, others are not")
def nonsense():
    s = shared()
    c, d = session(s), session(s)
    end = None
    for i in range(40):
        try:
            c.send(b"x%d BOGUS\r\n" % i)
            line = c.line()
        except Closed:
            break
        if line.startswith(b"* BYE"):
            end = line
            break
        check(b" BAD" in line, "%r" % line)
    check(end, "no BYE after 40 errors")
    ok(d, "NOOP")


@cases([("G1 NUL in a quoted string", b'x SELECT "a\0b"\r\n'), ("G1 NUL in a literal", b"x SELECT {3+}\r\na\0b\r\n"),
        ("G1 bare LF", b"x NOOP\ny NOOP\r\n"), ("G2 a literal of 2^64", b"x SELECT {18446744073709551615}\r\n"),
        ("G2 a literal beyond the limit", b"x SELECT {1000000}\r\n"), ("G3 parentheses", b"x FETCH " + b"(" * 60000 + b"\r\n"),
        ("G3 braces", b"x NOOP {{{\r\n"), ("G4 a set of a hundred thousand", b"x FETCH " + b"1," * 30000 + b"1 UID\r\n"),
        ("G4 a set to the end of numbers", b"x FETCH *:4294967295 UID\r\n"), ("G4 beyond the end", b"x FETCH 4294967296 UID\r\n")])
def attack(data):
    s = shared()
    with filled(s, 1)[0] as c:
        c.send(data)
        line = c.response()
        check(line.startswith((b"x BAD", b"x NO", b"x OK", b"* ")), "%r" % line[:80])
        ok(session(s), "NOOP")


@test("G7 what is no letter is not read")
def not_letters():
    s = shared()
    c, name = filled(s, 1)
    cur = os.path.join(s.maildir("alice"), "." + name, "cur")
    os.symlink("/etc/passwd", os.path.join(cur, "1000000000.1.host:2,S"))
    os.mkfifo(os.path.join(cur, "1000000001.1.host:2,S"))
    ok(c, "SELECT " + name)
    r = c.cmd("UID FETCH 1:* (RFC822.SIZE ENVELOPE BODY.PEEK[])")
    check(r.status in ("OK", "NO"), "%r" % r)
    check(b"root:" not in b"".join(r.untagged), "the file behind a link was read")
    ok(c, "NOOP")


@test("G13 what a letter says ends no line and no list")
def injection():
    s = shared()
    evil = (b'From: "a\\"b) {10}" <x@y>\r\nSubject: a"b\\c) BODY[] {5}\r\nTo: =?utf-8?q?=0D=0A*_1_EXPUNGE?= <a@b>\r\n'
            b'Content-Type: text/plain; name="a\\"b"; x="{3}"\r\n\r\nx\r\n')
    c, _ = filled(s, 1, evil)
    r = ok(c, "FETCH 1 (ENVELOPE BODYSTRUCTURE PREVIEW UID)")
    equal([u for u in r.untagged if not re.match(rb"\* (1 FETCH|OK|\d+ (EXISTS|RECENT))", u)], [], "a line of its own")
    check(r.untagged[0].endswith(b")"), "%r" % r.untagged)


@test("imaplib reads and writes")
def library():
    s = shared()
    name = folder(s)
    c = imaplib.IMAP4("127.0.0.1", s.ports["plain"])
    c.login(alice(s), USERS["alice"])
    for i in range(5):
        equal(c.append(name, "\\Seen", imaplib.Time2Internaldate(time.time()), LETTER)[0], "OK", "append")
    equal(c.select(name)[1], [b"5"], "select")
    typ, data = c.uid("FETCH", "1:*", "(FLAGS RFC822)")
    equal([d[1] for d in data if isinstance(d, tuple)], [LETTER] * 5, "octets")
    equal(c.uid("STORE", "2", "+FLAGS", "(\\Deleted)")[0], "OK", "store")
    equal(c.expunge()[1], [b"2"], "expunge")
    c.logout()


@test("the server stops: BYE")
def stopping():
    s = shared()
    c = session(s)
    ok(c, "SELECT INBOX")
    d = session(s)
    d.send(b"i IDLE\r\n")
    d.line()
    s.stop()
    for x in (c, d):
        raw = x.rest(5 * SLOW)
        check(raw is not None and b"* BYE" in raw, "%r" % raw)


main()
