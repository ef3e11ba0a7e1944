#!/usr/bin/python3
"""SEARCH, SORT and THREAD over IMAP: the words of the RFCs; rows G4 and G5."""
import re
import time

from searching import answer, session, state, wire                  # first: it starts the test again

from server import SLOW
from tap import cases, check, equal, main, test


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
        equal(got, [len(state["letters"])] if want is None else want, what)


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
        equal(found(c, "NOT $ 1:4"), [2], "NOT $")
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


@test("SORT tells in order, by RFC 5256 §3")
def sort():
    with session() as c:
        equal(answer(c, "SORT (SIZE) UTF-8 1:4"), "* SORT 4 2 1 3", "SIZE")
        equal(answer(c, "SORT (REVERSE SIZE) UTF-8 1:4"), "* SORT 3 1 2 4", "REVERSE SIZE")
        equal(answer(c, "SORT (DATE) UTF-8 1:4"), "* SORT 2 1 3 4", "DATE: in UTC; without one INTERNALDATE")
        equal(answer(c, "SORT (SUBJECT DATE) UTF-8 1:4"), "* SORT 2 1 4 3", "base subjects are the same")
        equal(answer(c, "SORT (ARRIVAL) UTF-8 1:4"), "* SORT 1 2 3 4", "ARRIVAL")
        equal(answer(c, "SORT (FROM) UTF-8 1:4"), "* SORT 2 3 4 1", "mailbox of the first address")
        equal(answer(c, "SORT (DISPLAYFROM) UTF-8 1:4"), "* SORT 2 3 4 1", "RFC 5957: bob@, Carol, dave@, J\u00f6rg")
        equal(answer(c, "SORT (REVERSE DISPLAYTO DISPLAYFROM) UTF-8 1:4"), "* SORT 3 2 4 1", "DISPLAYTO, then DISPLAYFROM")
        equal(answer(c, "SORT (SIZE) UTF-8 SUBJECT nothing-has-this"), "* SORT", "nothing")
        equal(answer(c, "UID SORT (SIZE) UTF-8 1:4"), "* SORT 4 2 1 3", "UID")
        tag = "t%d" % (c.n + 1)
        equal(answer(c, "SORT RETURN (ALL COUNT) (SIZE) UTF-8 1:4"), '* ESEARCH (TAG "%s") ALL 4,2,1,3 COUNT 4' % tag, "ESORT")


@test("THREAD, and an algorithm nobody knows")
def thread():
    with session() as c:
        equal(answer(c, "THREAD REFERENCES UTF-8 1:4"), "* THREAD (1 2)(3)(4)", "REFERENCES")
        equal(answer(c, "THREAD ORDEREDSUBJECT UTF-8 1:4"), "* THREAD (2 1)(3)(4)", "ORDEREDSUBJECT: by date")
        equal(answer(c, "THREAD REFS UTF-8 1:4"), "* THREAD (1 2)(3)(4)", "REFS")
        equal(answer(c, "UID THREAD REFS UTF-8 2:4"), "* THREAD (2)(3)(4)", "REFS without the first")
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


@test("G5 references in circles and 10,000 of them: a thread each, at once")
def circles():
    with session() as c:
        c.cmd("CREATE Circles")
        many = b" ".join(b"<r%d@x>" % i for i in range(10000))
        for i in range(40):
            l = b"Message-ID: <c%d@x>\r\nReferences: <c%d@x> <c%d@x>\r\nSubject: s%d\r\n\r\n" % (i, (i + 1) % 40, (i + 20) % 40, i)
            equal(c.cmd(b"APPEND Circles {%d+}\r\n%s" % (len(l), l)).status, "OK", "APPEND")
        l = b"Message-ID: <many@x>\r\nReferences: " + many.replace(b"> <", b">\r\n <") + b"\r\nSubject: many\r\n\r\n"
        equal(c.cmd(b"APPEND Circles {%d+}\r\n%s" % (len(l), l)).status, "OK", "APPEND")
        c.cmd("SELECT Circles")
        at = time.monotonic()
        words = answer(c, "THREAD REFERENCES UTF-8 ALL")
        check(time.monotonic() - at < 2 * SLOW, "it took %.1f s" % (time.monotonic() - at))
        equal(sorted(int(n) for n in re.findall(r"\d+", words)), list(range(1, 42)), "each letter once")


@test("G4 deep and long programs and sets: a limit, not an end")
def limits():
    with session() as c:
        equal(c.cmd("SEARCH " + "NOT " * 40 + "ALL").status, "OK", "40 levels")
        for big in ("NOT " * 5000 + "ALL", "(" * 5000 + "ALL" + ")" * 5000, " ".join(["ALL"] * 5000), "OR " * 20000 + "ALL",
                    ",".join(["1"] * 30000)):
            r = c.cmd("SEARCH " + big)
            check(r.status in ("BAD", "NO"), repr(r))
        equal(found(c, "1,1,1,*:1,1:* 2"), [2], "a set in no order")
        equal(c.cmd("NOOP").status, "OK", "the session goes on")


if __name__ == "__main__":
    main()
