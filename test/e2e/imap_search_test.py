#!/usr/bin/python3
"""SEARCH, SORT and THREAD over IMAP: the words of the RFCs, and the same answers as Dovecot on the same letters."""
import glob
import os
import re
import time

from logins import USERS, shared                                     # first: it starts us again

from dovecot_imap import Dovecot
from server import SLOW
from tap import cases, check, equal, main, test

DATA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../../shared/testdata")
OWN = [
    b"From: \"J\xc3\xb6rg M\xc3\xbcller\" <joerg@example.org>\r\nTo: alice@example.org\r\nCc: carol@example.net\r\n"
    b"Subject: =?UTF-8?Q?Gr=C3=BC=C3=9Fe_aus_K=C3=B6ln?=\r\nDate: Mon, 7 Feb 1994 21:52:25 -0800\r\n"
    b"Message-ID: <1@x>\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n"
    b"\r\nHello caf=C3=A9, a rare word: zyxomma\r\n",
    b"From: bob@example.org\r\nTo: alice@example.org\r\nSubject: Re: =?ISO-8859-1?Q?Gr=FC=DFe?= aus =?UTF-8?B?S8O2bG4=?=\r\n"
    b"Date: Tue, 8 Feb 1994 01:00:00 +0000\r\nMessage-ID: <2@x>\r\nIn-Reply-To: <1@x>\r\n\r\nyes\r\n",
    b"From: Carol <carol@example.net>\r\nTo: bob@example.org\r\nSubject: picture\r\nMIME-Version: 1.0\r\n"
    b"Date: Wed, 9 Feb 1994 12:00:00 +0000\r\nMessage-ID: <3@x>\r\n"
    b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n"
    b"Content-Transfer-Encoding: base64\r\n\r\naGlkZGVuIHRyZWFzdXJl\r\n--b\r\nContent-Type: image/png; name=\"holiday.png\"\r\n"
    b"Content-Transfer-Encoding: base64\r\n\r\ncGl4ZWxz\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n"
    b"Subject: inner letter\r\nFrom: deep@example.org\r\n\r\nfar inside\r\n--b--\r\n",
    b"From: dave@example.org\r\nTo: alice@example.org\r\nSubject: no date, no id\r\nX-Custom: \r\n\r\nsmall\r\n",
]
_state = {}


def letters():
    """The letters that the rows are about, in CRLF."""
    out = [l for l in OWN]
    for path in sorted(glob.glob(DATA + "/threads/threading/**/*", recursive=True) +
                       glob.glob(DATA + "/threads/default/**/*", recursive=True)):
        if os.path.isfile(path):
            with open(path, "rb") as f:
                out.append(f.read().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))
    return out


def fill(s, name, all_letters):
    if not os.path.isdir(s.maildir("alice")):
        s.fence("alice")
    base = os.path.join(s.maildir("alice"), "." + name)
    owner = os.stat(s.home("alice"))
    for d in ("cur", "new", "tmp"):
        os.makedirs(os.path.join(base, d), mode=0o700)
    for i, l in enumerate(all_letters):
        path = "%s/cur/%d.M%06d.h:2," % (base, 1600000000 + i, i)
        with open(path, "wb") as f:
            f.write(l)
        os.utime(path, (1600000000 + 86400 * i, 1600000000 + 86400 * i))
    if os.geteuid() == 0:
        for top, _, files in os.walk(base):
            for f in [""] + files:
                os.chown(os.path.join(top, f), owner.st_uid, owner.st_gid)


def session(name="Search"):
    s = shared()
    if _state.get("server") is not s:
        _state.update(server=s, letters=letters())
        fill(s, "Search", _state["letters"])
    c = s.imap()
    equal(c.login(s.address("alice"), USERS["alice"]).status, "OK", "login")
    equal(c.cmd("SELECT " + name).status, "OK", "SELECT")
    return c


def wire(command):
    """Words that are not ASCII go as literals, as a client without UTF8=ACCEPT has to."""
    return re.sub(rb'"([^"]*[\x80-\xff][^"]*)"', lambda m: b"{%d+}\r\n%s" % (len(m.group(1)), m.group(1)), command.encode())


def answer(c, command):
    r = c.cmd(wire(command))
    equal(r.status, "OK", "%s: %r" % (command, r))
    got = [u for u in r.untagged if re.match(rb"\* (SEARCH|ESEARCH|SORT|THREAD)", u)]
    return got[0].decode() if got else ""


def found(c, what):
    return [int(n) for n in answer(c, "SEARCH " + what).split()[2:]]


# What is found in the first letters, which are OWN, by the words of RFC 9051 §6.4.4.
@cases([(what, what, want) for what, want in (
    ("1:4", [1, 2, 3, 4]), ("*", None), ("1:4 NOT 2", [1, 3, 4]), ("1:4 OR 1 3", [1, 3]), ("1:4 (NOT (OR 1 (2)))", [3, 4]),
    ("1:4 SUBJECT \"KÖLN\"", [1, 2]), ("1:4 SUBJECT \"koln\"", []), ("1:4 SUBJECT \"\"", [1, 2, 3, 4]),
    ("1:4 FROM \"jörg MÜLLER\"", [1]), ("1:4 FROM example.net", [3]), ("1:4 TO alice", [1, 2, 4]), ("1:4 CC carol", [1]),
    ("1:4 BCC x", []), ("1:4 BODY \"CAFÉ\"", [1]), ("1:4 BODY \"hidden TREASURE\"", [3]), ("1:4 BODY pixels", []),
    ("1:4 BODY holiday.png", [3]), ("1:4 BODY \"far inside\"", [3]), ("1:4 BODY \"inner letter\"", [3]),
    ("1:4 BODY \"Köln\"", []), ("1:4 TEXT \"köln\"", [1, 2]), ("1:4 TEXT zyxomma", [1]), ("1:4 HEADER x-custom \"\"", [4]),
    ("1:4 HEADER message-id 2@x", [2]), ("1:4 HEADER In-Reply-To \"\"", [2]),
    ("1:4 SENTON 7-Feb-1994", [1]), ("1:4 SENTSINCE 8-Feb-1994", [2, 3]), ("1:4 SENTBEFORE 9-Feb-1994", [1, 2]),
    ("1:4 ON 14-Sep-2020", [2]), ("1:4 SINCE 14-Sep-2020", [2, 3, 4]), ("1:4 BEFORE 14-Sep-2020", [1]),
    ("1:4 LARGER 300", [1, 3]), ("1:4 SMALLER 120", [4]), ("1:4 YOUNGER 100", []), ("1:4 OLDER 100", [1, 2, 3, 4]),
    ("1:4 SEEN", []), ("1:4 UNSEEN", [1, 2, 3, 4]), ("1:4 KEYWORD nope", []), ("1:4 UNKEYWORD nope", [1, 2, 3, 4]),
    ("1:4 MODSEQ 1", [1, 2, 3, 4]), ("UID 2:3", [2, 3]), ("1:4 THREADID x", []), ("1:4 EMAILID Mnone", []))])
def keys(what, want):
    with session() as c:
        r = c.cmd(wire("SEARCH " + what))
        equal(r.status, "OK", repr(r))
        got = [int(n) for u in r.untagged if u.startswith(b"* SEARCH") for n in re.sub(rb" \(MODSEQ.*", b"", u).split()[2:]]
        equal(got, [len(_state["letters"])] if want is None else want, what)


@test("flags, keywords and EMAILID as they are set")
def flags():
    with session() as c:
        for item, n in (("\\Flagged", 1), ("\\Seen", 2), ("$Later", 3), ("\\Deleted", 4)):
            equal(c.cmd("STORE %d +FLAGS.SILENT (%s)" % (n, item)).status, "OK", "STORE")
        for key, n in (("FLAGGED", 1), ("SEEN", 2), ("KEYWORD $later", 3), ("DELETED", 4)):
            equal(found(c, "1:4 " + key), [n], key)
        r = c.cmd("FETCH 1 (EMAILID)")
        m = re.search(rb"EMAILID \(([^)]*)\)", b"".join(r.untagged))
        check(m, "no EMAILID: %r" % r.untagged)
        check(1 in found(c, "EMAILID " + m.group(1).decode()), "EMAILID")
        c.cmd("STORE 1:4 FLAGS.SILENT ()")


@test("ESEARCH: each return option, and with UID (RFC 4731, 9051)")
def esearch():
    with session() as c:
        for options, want in (("", "ALL 1,3:4"), ("MIN", "MIN 1"), ("MAX", "MAX 4"), ("COUNT", "COUNT 3"), ("ALL", "ALL 1,3:4"),
                              ("MIN MAX COUNT ALL", "MIN 1 MAX 4 ALL 1,3:4 COUNT 3"), ("PARTIAL 1:2", "PARTIAL (1:2 1,3)"),
                              ("PARTIAL -1:-2", "PARTIAL (-1:-2 3:4)"), ("PARTIAL 5:9", "PARTIAL (5:9 NIL)")):
            tag = "t%d" % (c.n + 1)
            equal(answer(c, "SEARCH RETURN (%s) 1:4 NOT 2" % options), '* ESEARCH (TAG "%s") %s' % (tag, want), options)
            tag = "t%d" % (c.n + 1)
            equal(answer(c, "UID SEARCH RETURN (%s) 1:4 NOT 2" % options), '* ESEARCH (TAG "%s") UID %s' % (tag, want), options)
        tag = "t%d" % (c.n + 1)
        equal(answer(c, "SEARCH RETURN (MIN MAX COUNT ALL) 1 2"), '* ESEARCH (TAG "%s") COUNT 0' % tag, "nothing found")


@test("SEARCHRES: what was saved is $ (RFC 5182)")
def searchres():
    with session() as c:
        equal(answer(c, "SEARCH RETURN (SAVE) 1:4 NOT 2"), "", "SAVE alone says nothing")
        equal(found(c, "$"), [1, 3, 4], "$")
        equal(found(c, "NOT $ 1:5"), [2, 5], "NOT $")
        equal(found(c, "$ SUBJECT picture"), [3], "$ and more")
        check("COUNT 3" in answer(c, "SEARCH RETURN (SAVE COUNT) $"), "saved out of itself")
        answer(c, "SEARCH RETURN (SAVE MIN) $")
        equal(found(c, "$"), [1], "only MIN was asked for")
        r = c.cmd("FETCH $ (UID)")
        equal([u for u in r.untagged if b"FETCH" in u], [b"* 1 FETCH (UID 1)"], "FETCH $")
        equal(c.cmd("SEARCH RETURN (SAVE) CHARSET KOI8-R ALL").status, "NO", "unknown charset")
        equal(found(c, "$"), [], "a SEARCH that failed saved nothing")


@test("MODSEQ is told if asked for (RFC 7162)")
def modseq():
    with session() as c:
        r = c.cmd("SEARCH 1:4 MODSEQ 1")
        check(re.search(r"\* SEARCH 1 2 3 4 \(MODSEQ \d+\)", b"\n".join(r.untagged).decode()), repr(r.untagged))
        equal([u for u in c.cmd("SEARCH MODSEQ 9000000000000000000").untagged if u.startswith(b"* SEARCH")], [b"* SEARCH"], "none")


@test("charsets: UTF-8 and US-ASCII, another is refused with BADCHARSET")
def charsets():
    with session() as c:
        equal(c.cmd(wire('SEARCH CHARSET UTF-8 1:4 SUBJECT "köln"')).status, "OK", "UTF-8")
        equal(c.cmd("SEARCH CHARSET US-ASCII ALL").status, "OK", "US-ASCII")
        for verb in ("SEARCH CHARSET KOI8-R ALL", "SORT (DATE) KOI8-R ALL", "THREAD REFERENCES KOI8-R ALL"):
            r = c.cmd(verb)
            equal((r.status, r.code.split()[0]), ("NO", "BADCHARSET"), verb)


@test("an expunged letter is not found, a new one is not told before EXISTS")
def expunged():
    with session() as c:
        c.cmd("CREATE Gone")
        for i in range(3):
            l = b"Subject: n%d\r\n\r\nbody%d\r\n" % (i, i)
            c.cmd(b"APPEND Gone {%d+}\r\n%s" % (len(l), l))
    with session("Gone") as c, session("Gone") as d:
        equal(found(c, "BODY body"), [1, 2, 3], "all")
        d.cmd("STORE 2 +FLAGS.SILENT (\\Deleted)")
        d.cmd("EXPUNGE")
        equal(found(c, "BODY body"), [1, 3], "numbers stay, the letter is gone")
        equal(found(c, "SUBJECT n"), [1, 3], "in the facts as well")
        c.cmd("NOOP")
        equal(found(c, "ALL"), [1, 2], "after EXPUNGE was told")
        l = b"Subject: n9\r\n\r\nbody9\r\n"
        d.cmd(b"APPEND Gone {%d+}\r\n%s" % (len(l), l))
        c.cmd("NOOP")
        equal(found(c, "SUBJECT n9"), [3], "a new one")


SAME = [
    'SEARCH SUBJECT "notmuch"', 'SEARCH FROM "carl"', 'SEARCH TO "notmuch@notmuchmail.org"', 'SEARCH BODY "the"',
    'SEARCH BODY "patch"', 'SEARCH BODY "zyxomma"', 'SEARCH TEXT "Mailman"', 'SEARCH NOT BODY "e"',
    'SEARCH HEADER "X-Mailer" ""', 'SEARCH HEADER "References" "@"', 'SEARCH SENTSINCE 18-Nov-2009',
    'SEARCH SENTON 18-Nov-2009', 'SEARCH SENTBEFORE 18-Nov-2009', 'SEARCH OR SUBJECT "patch" BODY "git"',
    'SEARCH LARGER 4000', 'SEARCH SMALLER 1500', 'SEARCH CC "a"', 'SEARCH BODY "ö"', 'SEARCH TEXT "é"',
    'SORT (SIZE) UTF-8 ALL', 'SORT (REVERSE SIZE) UTF-8 ALL', 'SORT (DATE) UTF-8 SENTSINCE 1-Jan-1990',
    'SORT (REVERSE DATE) UTF-8 SENTSINCE 1-Jan-1990', 'SORT (SUBJECT) UTF-8 ALL', 'SORT (REVERSE SUBJECT DATE) UTF-8 ALL',
    'SORT (FROM SIZE) UTF-8 ALL', 'SORT (TO SUBJECT) UTF-8 ALL', 'SORT (CC SIZE) UTF-8 ALL',
    'THREAD REFERENCES UTF-8 SENTSINCE 1-Jan-1990', 'THREAD ORDEREDSUBJECT UTF-8 SENTSINCE 1-Jan-1990',
    'THREAD REFERENCES UTF-8 SUBJECT "re:"', 'UID SORT (SUBJECT) UTF-8 BODY "patch"']


@test("the same answers as Dovecot", limit=120)
def dovecot():
    all_letters = letters()
    with Dovecot(all_letters) as d, session() as c:
        out = d.talk(*(wire(l).decode() for l in SAME)).decode("utf-8", "replace")
        for command in SAME:
            mine = answer(c, command)
            want = [l for l in out.split("\r\n") if re.match(r"\* (SEARCH|SORT|THREAD)", l)][SAME.index(command)]
            equal(mine.rstrip(), want.rstrip(), command)


@test("SORT tells in order, by RFC 5256 §3")
def sort():
    with session() as c:
        equal(answer(c, "SORT (SIZE) UTF-8 1:4"), "* SORT 4 2 1 3", "SIZE")
        equal(answer(c, "SORT (REVERSE SIZE) UTF-8 1:4"), "* SORT 3 1 2 4", "REVERSE SIZE")
        equal(answer(c, "SORT (DATE) UTF-8 1:4"), "* SORT 2 1 3 4", "DATE: in UTC; without one INTERNALDATE")
        equal(answer(c, "SORT (SUBJECT DATE) UTF-8 1:4"), "* SORT 2 1 4 3", "base subjects are the same")
        equal(answer(c, "SORT (ARRIVAL) UTF-8 1:4"), "* SORT 1 2 3 4", "ARRIVAL")
        equal(answer(c, "SORT (FROM) UTF-8 1:4"), "* SORT 2 3 4 1", "mailbox of the first address")
        equal(answer(c, "SORT (SIZE) UTF-8 SUBJECT nothing-has-this"), "* SORT", "nothing")
        equal(answer(c, "UID SORT (SIZE) UTF-8 1:4"), "* SORT 4 2 1 3", "UID")
        tag = "t%d" % (c.n + 1)
        equal(answer(c, "SORT RETURN (ALL COUNT) (SIZE) UTF-8 1:4"), '* ESEARCH (TAG "%s") ALL 4,2,1,3 COUNT 4' % tag, "ESORT")


@test("THREAD, and an algorithm nobody knows")
def thread():
    with session() as c:
        equal(answer(c, "THREAD REFERENCES UTF-8 1:4"), "* THREAD (1 2)(3)(4)", "REFERENCES")
        equal(answer(c, "THREAD ORDEREDSUBJECT UTF-8 1:4"), "* THREAD (2 1)(3)(4)", "ORDEREDSUBJECT: by date")
        equal(answer(c, "THREAD REFERENCES UTF-8 SUBJECT nothing-has-this"), "* THREAD", "nothing")
        equal(c.cmd("THREAD MAGIC UTF-8 ALL").status, "BAD", "MAGIC")


@test("G5 a search that costs much stops nobody: another session answers meanwhile")
def load():
    with session() as c, session() as d:
        key = " ".join('NOT BODY "absent%d"' % i for i in range(200))
        c.send(b"big SEARCH " + key.encode() + b"\r\n")
        worst = 0
        for _ in range(20):
            at = time.monotonic()
            d.cmd("NOOP")
            worst = max(worst, time.monotonic() - at)
        check(worst < 1 * SLOW, "NOOP took %.2f s" % worst)
        equal(c.answer(b"big").status, "OK", "the big one")


@test("deep and long programs: a limit, not an end")
def limits():
    with session() as c:
        equal(c.cmd("SEARCH " + "NOT " * 40 + "ALL").status, "OK", "40 levels")
        for big in ("NOT " * 5000 + "ALL", "(" * 5000 + "ALL" + ")" * 5000, " ".join(["ALL"] * 5000)):
            r = c.cmd("SEARCH " + big)
            check(r.status in ("BAD", "NO"), repr(r))
        equal(c.cmd("NOOP").status, "OK", "the session goes on")


if __name__ == "__main__":
    main()
