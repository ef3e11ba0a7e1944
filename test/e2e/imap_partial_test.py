#!/usr/bin/python3
"""Parts of large answers: PARTIAL (RFC 9394), ESORT (RFC 5267), and what a client of QRESYNC remembers (RFC 7162
section 3.2.5.2)."""
import os
import re

from sessions import append, filled, lines, ok, one, refused, session, shared   # first: it starts us again

from tap import cases, check, equal, main, test

_kept = {}


def six():
    """Letters 1 to 6 with UIDs 11 to 16, subjects f to a."""
    if "c" not in _kept:
        c, name = filled([b"Subject: x\r\n\r\n"] * 10 + [b"Subject: %c\r\n\r\n" % s for s in b"fedcba"])
        ok(c, "UID STORE 1:10 +FLAGS.SILENT (\\Deleted)")
        ok(c, "EXPUNGE")
        _kept["c"], _kept["name"] = c, name
    return _kept["c"]


SEARCHES = [
    # command, what the ESEARCH says behind its tag
    ("SEARCH RETURN (PARTIAL 1:3) ALL", b" PARTIAL (1:3 1:3)"), ("SEARCH RETURN (PARTIAL 5:9) ALL", b" PARTIAL (5:9 5:6)"),
    ("SEARCH RETURN (PARTIAL 3:1) ALL", b" PARTIAL (1:3 1:3)"), ("SEARCH RETURN (PARTIAL 7:9) ALL", b" PARTIAL (7:9 NIL)"),
    ("SEARCH RETURN (PARTIAL 6:6) ALL", b" PARTIAL (6:6 6)"), ("SEARCH RETURN (PARTIAL 1:4294967295) ALL", b" PARTIAL (1:4294967295 1:6)"),
    ("SEARCH RETURN (PARTIAL -1:-2) ALL", b" PARTIAL (-1:-2 5:6)"), ("SEARCH RETURN (PARTIAL -1:-99) ALL", b" PARTIAL (-1:-99 1:6)"),
    ("SEARCH RETURN (PARTIAL -2:-2) ALL", b" PARTIAL (-2:-2 5)"), ("SEARCH RETURN (PARTIAL -6:-7) ALL", b" PARTIAL (-6:-7 1)"),
    ("SEARCH RETURN (PARTIAL -7:-9) ALL", b" PARTIAL (-7:-9 NIL)"), ("SEARCH RETURN (PARTIAL 1:2) DELETED", b" PARTIAL (1:2 NIL)"),
    ("SEARCH RETURN (PARTIAL -1:-2) DELETED", b" PARTIAL (-1:-2 NIL)"),
    ("SEARCH RETURN (PARTIAL 2:3) OR 1 4:6", b" PARTIAL (2:3 4:5)"), ("UID SEARCH RETURN (PARTIAL 2:3) OR 1 4:6", b" UID PARTIAL (2:3 14:15)"),
    ("SEARCH RETURN (PARTIAL 2:3 MIN MAX COUNT) ALL", b" MIN 1 MAX 6 COUNT 6 PARTIAL (2:3 2:3)"),
    ("UID SEARCH RETURN (PARTIAL -1:-1) UID 12:14", b" UID PARTIAL (-1:-1 14)"),
    # ESORT
    ("SORT RETURN () (SUBJECT) UTF-8 ALL", b" ALL 6,5,4,3,2,1"), ("SORT RETURN (ALL) (REVERSE SUBJECT) UTF-8 ALL", b" ALL 1:6"),
    ("SORT RETURN (MIN) (SUBJECT) UTF-8 ALL", b" MIN 6"), ("SORT RETURN (MAX) (SUBJECT) UTF-8 ALL", b" MAX 1"),
    ("SORT RETURN (COUNT) (SUBJECT) UTF-8 ALL", b" COUNT 6"), ("SORT RETURN (MIN MAX COUNT) (SUBJECT) UTF-8 2:4", b" MIN 4 MAX 2 COUNT 3"),
    ("UID SORT RETURN (ALL) (SUBJECT) UTF-8 2:3", b" UID ALL 13,12"), ("SORT RETURN (MIN ALL) (SUBJECT) UTF-8 DELETED", b""),
    ("SORT RETURN (COUNT) (SUBJECT) UTF-8 DELETED", b" COUNT 0"), ("SORT RETURN (ALL) (ARRIVAL) UTF-8 1:3,5", b" ALL 1:3,5"),
]


@cases([("%s" % r[0],) + r for r in SEARCHES])
def searches(cmd, want):
    c = six()
    equal(ok(c, cmd).untagged, [b'* ESEARCH (TAG "t%d")%s' % (c.n, want)], cmd)


@cases([(x, x) for x in (
    "SEARCH RETURN (PARTIAL) ALL", "SEARCH RETURN (PARTIAL 1) ALL", "SEARCH RETURN (PARTIAL 0:1) ALL",
    "SEARCH RETURN (PARTIAL 1:*) ALL", "SEARCH RETURN (PARTIAL 1:-1) ALL", "SEARCH RETURN (PARTIAL -1:1) ALL",
    "SEARCH RETURN (PARTIAL -0:-1) ALL", "SEARCH RETURN (PARTIAL 1:4294967296) ALL", "SEARCH RETURN (PARTIAL 1:2 ALL) ALL",
    "SEARCH RETURN (ALL PARTIAL 1:2) ALL", "SEARCH RETURN (PARTIAL 1:2 PARTIAL 3:4) ALL", "SEARCH RETURN (PARTIAL (1:2)) ALL",
    "FETCH 1:* UID (PARTIAL 1:2)", "UID FETCH 1:* UID (PARTIAL)", "UID FETCH 1:* UID (PARTIAL 0:2)",
    "UID FETCH 1:* UID (PARTIAL 1:-2)", "UID FETCH 1:* UID PARTIAL 1:2", "SORT RETURN (FOO) (SUBJECT) UTF-8 ALL",
    "SORT RETURN MIN (SUBJECT) UTF-8 ALL")], name="is BAD: {0}")
def bad(cmd):
    refused(six(), cmd, "BAD")


# The table of RFC 9394 section 3.2.
@cases([("SAVE " + o, o, want) for o, want in (
    ("PARTIAL 2:3", b"2:3"), ("PARTIAL 2:3 MIN", b"1:3"), ("PARTIAL 2:3 MAX", b"2:3,6"), ("PARTIAL 3:4 MIN MAX", b"1,3:4,6"),
    ("PARTIAL 2:3 COUNT", b"1:6"), ("PARTIAL 2:3 COUNT MIN", b"1:6"), ("PARTIAL 9:10", b""), ("PARTIAL -1:-2", b"5:6"),
    ("MIN", b"1"), ("MIN MAX", b"1,6"), ("COUNT", b"1:6"))], name="what $ holds: {0}")
def saved(options, want):
    c = six()
    ok(c, "SEARCH RETURN (SAVE %s) ALL" % options)
    equal(ok(c, "SEARCH RETURN (ALL) $").untagged, [b'* ESEARCH (TAG "t%d")%s' % (c.n, b" ALL " + want if want else b"")], options)


@test("MODSEQ is the highest of those that PARTIAL names")
def modseq():
    c = six()
    ok(c, "STORE 6 +FLAGS (\\Flagged)")
    low = int(one(ok(c, "SEARCH RETURN (PARTIAL 1:2) MODSEQ 1"), rb"PARTIAL \(1:2 1:2\) MODSEQ (\d+)$")[0])
    high = int(one(ok(c, "SEARCH RETURN (PARTIAL -1:-2) MODSEQ 1"), rb"PARTIAL \(-1:-2 5:6\) MODSEQ (\d+)$")[0])
    check(low < high, "%d, %d" % (low, high))


FETCHES = [
    ("1:* FLAGS (PARTIAL 1:2)", [11, 12]), ("1:* FLAGS (PARTIAL -1:-2)", [15, 16]), ("1:* FLAGS (PARTIAL -2:-1)", [15, 16]),
    ("12:15 FLAGS (PARTIAL 2:99)", [13, 14, 15]), ("1:* FLAGS (PARTIAL 7:9)", []), ("1:* FLAGS (PARTIAL -6:-9)", [11]),
    ("1:5 FLAGS (PARTIAL 1:5)", []), ("12,16 FLAGS (PARTIAL -1:-1)", [16]), ("1:* (FLAGS RFC822.SIZE) (PARTIAL 6:6)", [16]),
    ("1:* FLAGS (PARTIAL 1:6 CHANGEDSINCE 1)", [11, 12, 13, 14, 15, 16]),
]


@cases([("UID FETCH " + r[0],) + r for r in FETCHES])
def fetches(cmd, want):
    r = ok(six(), "UID FETCH " + cmd)
    equal([int(re.search(rb"UID (\d+)", u).group(1)) for u in r.untagged], want, cmd)


@test("PARTIAL chooses first, CHANGEDSINCE of those (RFC 9394 section 3.4)")
def changed():
    c = six()
    m = int(one(ok(c, "STATUS %s (HIGHESTMODSEQ)" % _kept["name"]), rb"HIGHESTMODSEQ (\d+)")[0])
    ok(c, "UID STORE 11,15 +FLAGS.SILENT (\\Answered)")
    for order in ("PARTIAL -1:-3 CHANGEDSINCE %d", "CHANGEDSINCE %d PARTIAL -1:-3"):
        r = ok(c, "UID FETCH 1:* FLAGS (%s)" % (order % m))
        equal([re.search(rb"UID (\d+)", u).group(1) for u in r.untagged], [b"15"], order)


@test("both are announced")
def announced():
    words = session().capabilities()
    check("PARTIAL" in words and "ESORT" in words, "%r" % words)


# -- QRESYNC -----------------------------------------------------------------------


@test("QRESYNC: below a pair that still matches nothing vanished")
def matches():
    c, name = filled([b"Subject: x\r\n\r\n"] * 12)
    v = int(one(ok(c, "STATUS %s (UIDVALIDITY)" % name), rb"UIDVALIDITY (\d+)")[0])
    ok(c, "STORE 2,5,8,11 +FLAGS.SILENT (\\Deleted)")
    ok(c, "EXPUNGE")                                     # UIDs left: 1 3 4 6 7 9 10 12
    ok(c, "ENABLE QRESYNC")
    for match, want in (("", b"2,5,8,11"), (" (1 1)", b"2,5,8,11"), (" (2 3)", b"5,8,11"), (" (2,4 3,6)", b"8,11"),
                        (" (2,4,6 3,6,9)", b"11"), (" (8 12)", None), (" (2,4 3,7)", b"5,8,11"), (" (4,6 7,9)", b"11"),
                        (" (1:4 1,3,4,6)", b"8,11"), (" (2:3 3:4)", b"5,8,11"), (" (99 12)", b"2,5,8,11"),
                        (" (1:4294967295 1:4294967295)", b"2,5,8,11"), (" (2,3 3)", b"5,8,11")):
        r = ok(c, "SELECT %s (QRESYNC (%d 1 1:12%s))" % (name, v, match))
        equal(lines(r, rb"VANISHED"), [b"* VANISHED (EARLIER) " + want] if want else [], "matches%s" % match)
        equal(len(lines(r, rb"^\* \d+ FETCH")), 8, "flags are told all the same")
    r = ok(c, "SELECT %s (QRESYNC (%d 1 (2,4 3,6)))" % (name, v))
    equal(lines(r, rb"VANISHED"), [b"* VANISHED (EARLIER) 8,11"], "without known UIDs")
    for x in ("(2 3", "(2)", "(2 *)", "(* 3)", "()", "(2 3) x"):
        refused(c, "SELECT %s (QRESYNC (%d 1 1:12 %s))" % (name, v, x), "BAD")


main()
