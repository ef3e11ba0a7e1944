#!/usr/bin/python3
"""METADATA (RFC 5464): GETMETADATA and SETMETADATA, limits, and where annotations go with their mailbox; row G6."""
import os
import re

from searching import USERS, shared                                  # first: it starts the test again

from tap import cases, check, equal, main, test


def session(user="alice"):
    c = shared().imap()
    equal(c.login(shared().address(user), USERS[user]).status, "OK", "login")
    return c


def fresh(*folders):
    """A session of an account whose annotations and folders of before are gone."""
    c = session()
    for n in ("Notes", "Other", "Notes.below", "Old", "Copy"):
        c.cmd("DELETE %s" % n)
    for at in ('""', "INBOX"):
        for name in stored(c, at):
            equal(c.cmd(b'SETMETADATA %s ("%s" NIL)' % (at.encode(), name.encode())).status, "OK", "away with it")
    for n in folders:
        equal(c.cmd("CREATE %s" % n).status, "OK", "CREATE")
    return c


def got(r):
    """{entry: value} of the METADATA answers; NIL is None."""
    out = {}
    for u in r.untagged:
        m = re.match(rb'\* METADATA ("[^"]*"|\S+) \((.*)\)$', u, re.S)
        check(m, "an answer that is none: %r" % u)
        rest = m.group(2)
        while rest:
            m = re.match(rb'("([^"]*)"|(/[^ ]*)) (?:(NIL)|"((?:[^"\\]|\\.)*)"|~?\{(\d+)\}\r\n)', rest, re.S)
            check(m, "entries: %r" % rest[:200])
            name = (m.group(2) or m.group(3)).decode()
            rest = rest[m.end():]
            if m.group(6):
                n = int(m.group(6))
                out[name], rest = rest[:n], rest[n:]
            else:
                out[name] = None if m.group(4) else re.sub(rb"\\(.)", rb"\1", m.group(5))
            rest = rest[1:]
    return out


def get(c, at, what, options=""):
    r = c.cmd("GETMETADATA %s %s %s" % (options, at, what) if options else "GETMETADATA %s %s" % (at, what))
    equal(r.status, "OK", "GETMETADATA: %r" % r)
    return got(r)


def stored(c, at):
    return {k: v for k, v in get(c, at, "(/private /shared)", "(DEPTH infinity)").items() if v is not None}


def put(c, at, *pairs):
    text = b" ".join(b'"%s" %s' % (k.encode(), b"NIL" if v is None else b"~{%d+}\r\n%s" % (len(v), v)) for k, v in pairs)
    return c.cmd(b"SETMETADATA %s (%s)" % (at.encode(), text))


@test("the capability; the examples of the RFC")
def examples():
    with fresh() as c:
        check("METADATA" in c.capabilities(), "not announced")
        equal(c.cmd('SETMETADATA INBOX (/private/comment "My new comment" /shared/comment "This one is for you!")').status,
              "OK", "two at once")
        equal(get(c, '"INBOX"', "/private/comment"), {"/private/comment": b"My new comment"}, "one")
        equal(get(c, '"INBOX"', "(/shared/comment /private/comment)"),
              {"/shared/comment": b"This one is for you!", "/private/comment": b"My new comment"}, "two")
        equal(get(c, '""', "/shared/comment"), {"/shared/comment": None}, "of the server")
        r = c.cmd(b"SETMETADATA INBOX (/private/comment {33+}\r\nMy new comment across\r\ntwo lines.)")
        equal(r.status, "OK", "a literal: %r" % r)
        equal(get(c, "INBOX", "/private/comment"), {"/private/comment": b"My new comment across\r\ntwo lines."}, "lines")
        equal(c.cmd("SETMETADATA INBOX (/private/comment NIL)").status, "OK", "NIL")
        equal(stored(c, "INBOX"), {"/shared/comment": b"This one is for you!"}, "left")


@cases([("octets %r" % v[:12], v) for v in (b"", b"NIL", b'"\\', b"\r\n\t", b"\\n\\t\\0", b"a\0b", "\u00fc\u20ac".encode(), b"\xff\xfe",
                                          b"x" * 65536, bytes(range(256)))])
def octets(value):
    with fresh("Notes") as c:
        equal(put(c, "Notes", ("/private/vendor/x", value), ("/private/last", b"end")).status, "OK", "SETMETADATA")
        equal(stored(c, "Notes"), {"/private/vendor/x": value, "/private/last": b"end"}, "what comes back")


@test("DEPTH 0, 1, infinity; MAXSIZE and LONGENTRIES; letter case; the empty parent")
def depth():
    with fresh("Notes") as c:
        all_ = {"/private/filters/values/small": b"SMALLER 5000", "/private/filters/values/boss": b'FROM "boss@example.com"',
                "/private/filters/values/boss/deep": b"x" * 100, "/private/filters/valuesnot": b"no"}
        equal(put(c, "Notes", *all_.items()).status, "OK", "SETMETADATA")
        top, below = "/private/filters/values", [k for k in all_ if k.startswith("/private/filters/values/")]
        equal(get(c, "Notes", top), {top: None}, "depth 0")
        equal(set(get(c, "Notes", top, "(DEPTH 1)")), set(below) - {top + "/boss/deep"}, "depth 1")
        equal(set(get(c, "Notes", "(%s)" % top, "(DEPTH infinity)")), set(below), "infinity")
        equal(set(get(c, "Notes", "/private", "(DEPTH 1)")), {"/private"}, "nothing right below /private")
        equal(get(c, "Notes", "/PRIVATE/Filters/ValuesNot"), {"/private/filters/valuesnot": b"no"}, "letter case")
        r = c.cmd("GETMETADATA (MAXSIZE 20 DEPTH infinity) Notes %s" % top)
        check(r.status == "OK" and r.code == "METADATA LONGENTRIES 100", "%r" % r)
        equal(set(got(r)), {top + "/small"}, "MAXSIZE")
        r = c.cmd("GETMETADATA Notes (MAXSIZE 3) (%s/boss)" % top)
        check(r.code == "METADATA LONGENTRIES 23" and not r.untagged, "behind the mailbox: %r" % r)
        equal(put(c, "Notes", ("/Private/Filters/VALUES/small", b"new")).status, "OK", "again")
        equal(len(stored(c, "Notes")), 4, "replaced in another letter case")


@test("what cannot be: names, places, sizes, numbers; and then nothing is changed")
def refused():
    with fresh("Notes") as c:
        for text, status in (("GETMETADATA Nowhere /private/comment", "NO"), ("GETMETADATA INBOX /comment", "BAD"),
                             ("GETMETADATA INBOX comment", "BAD"), ("GETMETADATA INBOX /private//a", "BAD"),
                             ("GETMETADATA INBOX /private/*", "BAD"), ("GETMETADATA INBOX ()", "BAD"), ("GETMETADATA INBOX", "BAD"),
                             ("GETMETADATA (DEPTH 2) INBOX /private", "BAD"), ("GETMETADATA (MAXSIZE x) INBOX /private", "BAD"),
                             ("SETMETADATA Nowhere (/private/comment x)", "BAD"), ('SETMETADATA Nowhere (/private/comment "x")', "NO"),
                             ('SETMETADATA INBOX (/other/comment "x")', "BAD"), ('SETMETADATA INBOX (/privatex "x")', "BAD"),
                             ("SETMETADATA INBOX ()", "BAD"), ("SETMETADATA INBOX (/private/comment)", "BAD")):
            r = c.cmd(text)
            equal(r.status, status, "%s: %r" % (text, r))
        equal(c.cmd("GETMETADATA Nowhere /private/comment").code, "NONEXISTENT", "code")
        equal(c.cmd('SETMETADATA "" (/shared/comment "x")').code, "NOPERM", "of all users")
        equal(put(c, '""', ("/private/comment", b"mine")).status, "OK", "the user's own, of the server")
        equal(stored(c, '""'), {"/private/comment": b"mine"}, "of the server")
        equal(put(c, "Notes", *[("/private/%d" % i, b"v") for i in range(200)]).status, "OK", "as many as there may be")
        r = put(c, "Notes", ("/private/0", b"other"), ("/private/more", b"x"))
        check(r.status == "NO" and r.code == "METADATA TOOMANY", "%r" % r)
        equal(get(c, "Notes", "/private/0"), {"/private/0": b"v"}, "nothing was changed")
        equal(put(c, "Notes", ("/private/0", None), ("/private/more", b"x")).status, "OK", "one goes, one comes")
        c.send(b"z SETMETADATA Notes (/private/1 {65537+}\r\n" + b"x" * 65537 + b")\r\n")
        r = c.answer(b"z")
        check(r.status != "OK", "over the limit: %r" % r)
        equal(get(c, "Notes", "/private/1"), {"/private/1": b"v"}, "it stands")


@test("G6 no name of a mailbox and none of an entry leads out of the Maildir")
def escape():
    with fresh("Notes") as c:
        s = shared()
        before = sorted(os.listdir(s.home("alice")) + os.listdir(s.maildir("alice")))
        for name in ("../x", "/etc", "a/b", "..", ".", "...", "/etc/passwd", "~root", "a/../../b", "INBOX/../..", "&AC8-", "&AC4ALg-", "&AAA-",
                     "cur", "new", "tmp", "waxwing", "a:2,S", "%", "*", "x" * 4096, ".".join("a" * 255)):
            for command in ('GETMETADATA "%s" /private/comment', 'SETMETADATA "%s" (/private/comment "x")'):
                r = c.cmd(command % name)
                check(r.status in ("NO", "BAD"), "%s: %r" % (command % name[:40], r))
        for entry in ("/private/../../x", "/private/../../../etc/passwd", "/shared/waxwing-use"):
            equal(put(c, "Notes", (entry, b"x")).status, "OK", "a name of an entry is no path")
        equal(len(stored(c, "Notes")), 3, "stored")
        equal(sorted(os.listdir(s.home("alice")) + os.listdir(s.maildir("alice"))), before, "the home")


@test("annotations follow RENAME, end with DELETE, and INBOX keeps its own when renamed")
def follow():
    with fresh("Notes", "Notes.below") as c:
        for n in ("Notes", "Notes.below", "INBOX"):
            equal(put(c, n, ("/private/comment", n.encode())).status, "OK", "SETMETADATA")
        equal(c.cmd("RENAME Notes Old").status, "OK", "RENAME")
        equal(stored(c, "Old"), {"/private/comment": b"Notes"}, "of the renamed")
        equal(stored(c, "Old.below"), {"/private/comment": b"Notes.below"}, "of its child")
        equal(c.cmd("GETMETADATA Notes /private/comment").status, "NO", "of the old name")
        equal(c.cmd("RENAME INBOX Copy").status, "OK", "RENAME INBOX")
        equal(stored(c, "Copy"), {"/private/comment": b"INBOX"}, "of its copy")
        equal(stored(c, "INBOX"), {"/private/comment": b"INBOX"}, "of INBOX")
        for n in ("Old.below", "Old", "Copy"):
            equal(c.cmd("DELETE %s" % n).status, "OK", "DELETE")
        equal(c.cmd("CREATE Old").status, "OK", "CREATE")
        equal(stored(c, "Old"), {}, "of a new one of that name")


@test("a plain file: the cache is not asked, another session sees it, damage stays and is passed over")
def plain():
    with fresh("Notes") as c, session() as d:
        equal(put(c, "Notes", ("/shared/comment", b"one\ttab\nline")).status, "OK", "SETMETADATA")
        equal(stored(d, "Notes"), {"/shared/comment": b"one\ttab\nline"}, "the other session")
        home = os.path.join(shared().dir, "mail", "example.org", "alice", "Maildir")
        path = os.path.join(home, ".Notes", "waxwing-metadata")
        text = open(path, "rb").read()
        equal(text, b"/shared/comment\tone\\ttab\\nline\n", "the file")
        with open(path, "wb") as f:
            f.write(b"damaged\n" + text + b"/private/x\tbad\\q\n/private/last\tno end")
        equal(stored(c, "Notes"), {"/shared/comment": b"one\ttab\nline", "/private/last": b"no end"}, "around the damage")
        equal(put(c, "Notes", ("/shared/comment", None)).status, "OK", "SETMETADATA")
        equal(open(path, "rb").read(), b"damaged\n/private/x\tbad\\q\n/private/last\tno end\n", "damage was kept")
        shared().restart()
    with session() as c:
        equal(stored(c, "Notes"), {"/private/last": b"no end"}, "after a restart")


main()
