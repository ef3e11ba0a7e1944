#!/usr/bin/python3
"""CATENATE (RFC 4469) and REPLACE (RFC 8508): letters made of letters, and letters in place of others."""
import os
import re

from sessions import append, filled, lines, new_folder, ok, one, refused, session, shared   # first: it starts us again

from logins import USERS, LoginServer
from tap import cases, check, equal, main, test

ONE = b"From: a@example.org\r\nSubject: one\r\n\r\nbody one\r\n"
PARTS = (b"From: a@example.org\r\nSubject: parts\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
         b"--b\r\nContent-Type: text/plain\r\n\r\nfirst\r\n--b\r\nContent-Type: application/zip\r\n"
         b"Content-Transfer-Encoding: base64\r\n\r\nAAEC\r\n--b--\r\n")


def text(data, literal8=False):
    return b"TEXT %s{%d+}\r\n%s" % (b"~" if literal8 else b"", len(data), data)


def url(u):
    return b'URL "%s"' % u.encode()


def catenate(name, *parts, args=b""):
    return b"APPEND %s %sCATENATE (%s)" % (name.encode(), args, b" ".join(parts))


def letter(c, n=b"*"):
    r = ok(c, b"FETCH %s BODY.PEEK[]" % n)
    u = lines(r, rb"BODY\[\] \{")[0]
    m = re.search(rb"BODY\[\] \{(\d+)\}\r\n", u)
    return u[m.end():m.end() + int(m.group(1))]


def tmp_is_clean(s, name):
    equal(os.listdir(os.path.join(s.maildir("alice"), "." + name, "tmp")), [], "tmp/ is clean")


# -- CATENATE ----------------------------------------------------------------------

HEADER = PARTS[:PARTS.index(b"\r\n\r\n") + 4]
WHAT = [
    # the URL behind /FOLDER, what it stands for
    ("/;UID=2", PARTS), ("/;uid=2/;section=HEADER", HEADER), ("/;UID=2/;SECTION=TEXT", PARTS[len(HEADER):]),
    ("/;UID=2/;SECTION=1", b"first"), ("/;UID=2/;SECTION=2", b"AAEC"),
    ("/;UID=2/;SECTION=1.MIME", b"Content-Type: text/plain\r\n\r\n"),
    ("/;UID=2/;SECTION=HEADER.FIELDS%20(Subject)", b"Subject: parts\r\n\r\n"),
    ("/;UID=1/;PARTIAL=0.4", b"From"), ("/;UID=1/;PARTIAL=6.1", b"a"), ("/;UID=1/;PARTIAL=99999", b""),
    ("/;UID=2/;SECTION=1/;PARTIAL=1.3", b"irs"), (";UIDVALIDITY=%d/;UID=1", ONE),
]


@cases([("%s" % w[0],) + w for w in WHAT], name="CATENATE copies what the URL names: {0}")
def url_names(what, want):
    c, name = filled([ONE, PARTS])
    if "%d" in what:
        what = what % int(one(ok(c, "STATUS %s (UIDVALIDITY)" % name), rb"UIDVALIDITY (\d+)")[0])
    ok(c, catenate(name, text(b"A: b\r\n\r\n<"), url("/" + name + what), text(b">")))
    ok(c, "NOOP")
    equal(letter(c), b"A: b\r\n\r\n<" + want + b">", "the letter")


@test("CATENATE of one part, of literals only, of other folders, of INBOX; flags and date")
def forms():
    c, name = filled([ONE])
    other = new_folder(c)
    append(c, other, PARTS)
    r = ok(c, catenate(name, url("/" + name + "/;UID=1")))
    check(re.match(r"APPENDUID \d+ 2$", r.code), "%r" % r)
    ok(c, "NOOP")
    equal(letter(c), ONE, "a copy")
    ok(c, catenate(name, text(b"A: 1\r\n"), text(b"B: 2\r\n"), text(b""), text(b"\r\nx")))
    ok(c, catenate(name, url("/" + other + "/;UID=1/;SECTION=HEADER"), text(b"x"),
                   args=b'(\\Seen kw) "17-Jul-1996 02:44:25 -0700" '))
    r = ok(c, "FETCH 4 (FLAGS INTERNALDATE)")
    check(lines(r, rb'FLAGS \(\\Seen.* kw\) INTERNALDATE "17-Jul-1996 09:44:25 \+0000"'), "%r" % r.untagged)
    equal(letter(c, b"3"), b"A: 1\r\nB: 2\r\n\r\nx", "literals")
    check(not lines(ok(c, "FETCH 1 FLAGS"), rb"Seen"), "what is copied is not seen")
    append(c, "INBOX", ONE)
    uid = int(one(ok(c, "STATUS INBOX (UIDNEXT)"), rb"UIDNEXT (\d+)")[0]) - 1
    ok(c, catenate(name, url("/inbox/;UID=%d/;SECTION=HEADER" % uid), text(b"y")))
    ok(c, "UNSELECT")
    ok(c, catenate(name, url("/%s/;UID=1" % name)))
    refused(c, catenate(name, url(";UID=1")), "NO", "BADURL ;UID=1")
    ok(c, "SELECT " + name)
    equal(letter(c, b"5"), ONE[:ONE.index(b"\r\n\r\n") + 4] + b"y", "from INBOX")
    ok(c, catenate(name, url(";UID=5/;SECTION=TEXT")))
    ok(c, "NOOP")
    equal(letter(c), b"y", "of the open folder")


@cases([(u, u) for u in (
    "/%s/;UID=9", "/%s/;UID=0", "/%s/;UID=x", "/%s", "/%s;UIDVALIDITY=1/;UID=1", "/Missing/;UID=1", "/../%s/;UID=1",
    "/%s/;UID=1/;SECTION=3", "/%s/;UID=1/;SECTION=odd", "/%s/;UID=1;URLAUTH=anonymous", "imap://example.org/%s/;UID=1",
    "imap://alice@example.org/%s/;UID=1", "//example.org/%s/;UID=1", "http://example.org/", "/%s/;UID=1/;PARTIAL=x")],
    name="CATENATE refuses a URL: {0}")
def bad_urls(u):
    s = shared()
    c, name = filled([ONE])
    u = u.replace("%s", name)
    for parts in ([url(u)], [text(b"A: b\r\n\r\n"), url(u)], [url(u), text(b"x")],
                  [url("/%s/;UID=1" % name), text(b"x"), url(u), text(b"y")]):
        refused(c, catenate(name, *parts), "NO", "BADURL " + u)
    check(lines(ok(c, "STATUS %s (MESSAGES)" % name), rb"MESSAGES 1\)"), "nothing came")
    tmp_is_clean(s, name)
    refused(c, catenate("Missing", url(u)), "NO", "TRYCREATE")


@test("CATENATE: what cannot be understood is BAD, and what a URL must not do to a reply")
def syntax():
    s = shared()
    c, name = filled([ONE])
    n = name.encode()
    for what in (b"()", b"TEXT {1+}\r\nx", b"(TEXT)", b"(URL)", b"(TEXT x)", b"(FOO x)", b"(TEXT {1+}\r\nx",
                 b"(TEXT {1+}\r\nx)x", b"(TEXT {1+}\r\nxURL a)", b"(URL a URL)", b"( TEXT {1+}\r\nx)"):
        refused(c, b"APPEND %s CATENATE %s" % (n, what), "BAD")
    refused(c, catenate(name, text(b"")), "BAD")
    refused(c, catenate(name, b'URL "a] x\\\\"'), "NO", "BADURL /")
    refused(c, b"APPEND %s CATENATE (URL {7+}\r\na\r\nb\r\nc)" % n, "NO", "BADURL /")
    ok(c, b"APPEND %s CATENATE (URL {%d+}\r\n/%s/;UID=1)" % (n, len(n) + 8, n))
    ok(c, "NOOP")
    tmp_is_clean(s, name)


@test("CATENATE waits for each literal, and says no before the next one comes")
def synchronising():
    c, name = filled([ONE])
    n = name.encode()
    tag = c.tag()
    c.send(tag + b" APPEND %s CATENATE (URL \"/%s/;UID=1/;SECTION=HEADER\" TEXT {3}\r\n" % (n, n))
    check(c.line().startswith(b"+ "), "go ahead")
    c.send(b"abc TEXT {4}\r\n")
    check(c.line().startswith(b"+ "), "go ahead")
    c.send(b"defg)\r\n")
    equal(c.answer(tag).status, "OK", "APPEND")
    ok(c, "NOOP")
    check(letter(c).endswith(b"\r\n\r\nabcdefg"), "the letter")
    tag = c.tag()
    c.send(tag + b" APPEND %s CATENATE (TEXT {3}\r\n" % n)
    check(c.line().startswith(b"+ "), "go ahead")
    c.send(b"abc URL \"/%s/;UID=77\" TEXT {4}\r\n" % n)
    r = c.answer(tag)
    equal((r.status, r.code), ("NO", "BADURL /%s/;UID=77" % name), "in place of go ahead")
    ok(c, "NOOP")


@test("several letters at once, put together and plain; all or nothing")
def several():
    c, name = filled([ONE])
    n = name.encode()
    u = b'URL "/%s/;UID=1/;SECTION=HEADER"' % n
    r = ok(c, b"APPEND %s CATENATE (%s %s) (\\Seen) {%d+}\r\n%s CATENATE (%s)" % (
        n, u, text(b"x"), len(PARTS), PARTS, u))
    check(re.match(r"APPENDUID \d+ 2:4$", r.code), "%r" % r)
    ok(c, "NOOP")
    equal((letter(c, b"2")[-5:], letter(c, b"3"), letter(c, b"4")[-4:]), (b"\r\n\r\nx", PARTS, b"\r\n\r\n"), "letters")
    refused(c, b"APPEND %s CATENATE (%s) {%d+}\r\n%s CATENATE (URL \"/%s/;UID=99\")" % (n, u, len(PARTS), PARTS, n), "NO")
    check(lines(ok(c, "STATUS %s (MESSAGES)" % name), rb"MESSAGES 4\)"), "nothing came")


@test("CATENATE with a literal8: the part comes back octet by octet")
def with_binary():
    c, name = filled([PARTS])
    n = name.encode()
    data = bytes(range(256))
    ok(c, b"APPEND %s CATENATE (URL \"/%s/;UID=1/;SECTION=HEADER\" %s URL \"/%s/;UID=1/;SECTION=1\" %s)" % (
        n, n, text(b"--b\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: binary\r\n\r\n" + data + b"\r\n--b\r\n\r\n", True),
        n, text(b"\r\n--b--\r\n")))
    ok(c, "NOOP")
    r = ok(c, "FETCH 2 (BINARY.PEEK[1] BINARY.PEEK[2])")
    check(r.untagged[0].endswith(b"BINARY[1] ~{256}\r\n" + data + b" BINARY[2] {5}\r\nfirst)"), "%r" % r.untagged)


@test("a short command cannot have any amount of octets read")
def amplified():
    c, name = filled([b"Subject: large\r\n\r\n" + (b"x" * 62 + b"\r\n") * (32 << 14)])
    u = url("/%s/;UID=1/;PARTIAL=0.1" % name)
    ok(c, catenate(name, *[u] * 2))
    refused(c, catenate(name, *[u] * 33), "NO", "LIMIT")
    check(lines(ok(c, "STATUS %s (MESSAGES)" % name), rb"MESSAGES 2\)"), "nothing came of it")


@test("another account's letters are out of reach")
def other_account():
    with session("bob") as b:
        ok(b, "CREATE Secret")
        append(b, "Secret", ONE)
    c, name = filled([])
    for u in ("/Secret/;UID=1", "/../bob/Secret/;UID=1", "/~bob/Secret/;UID=1", "/user.bob.Secret/;UID=1"):
        refused(c, catenate(name, url(u)), "NO", "BADURL " + u)


# -- REPLACE -----------------------------------------------------------------------


def replace(what, name, data, args=b"", uid=False):
    return b"%sREPLACE %s %s %s{%d+}\r\n%s" % (b"UID " if uid else b"", what, name.encode(), args, len(data), data)


@test("REPLACE: the new letter comes, the old one goes, in the order the RFC wants")
def replaced():
    c, name = filled([ONE, ONE, ONE])
    d = session()
    ok(d, "SELECT " + name)
    r = ok(c, replace(b"2", name, PARTS, b"(\\Draft) \"17-Jul-1996 02:44:25 -0700\" "))
    at = [next(i for i, u in enumerate(r.untagged) if re.match(x, u))
          for x in (rb"\* OK \[APPENDUID \d+ 4\]", rb"\* 2 EXPUNGE")]
    check(at[0] < at[1], "APPENDUID before EXPUNGE: %r" % r.untagged)
    check(lines(r, rb"\* 3 EXISTS"), "the new one is told: %r" % r.untagged)
    check(not lines(r, rb"Deleted"), "no STORE is seen: %r" % r.untagged)
    r = ok(c, "FETCH 3 (UID FLAGS INTERNALDATE)")
    check(lines(r, rb'UID 4 FLAGS \(\\Draft.*"17-Jul-1996 09:44:25 \+0000"'), "flags and date: %r" % r.untagged)
    equal(letter(c), PARTS, "octets")
    r = ok(d, "NOOP")
    check(b"* 2 EXPUNGE" in r.untagged and lines(r, rb"\* 3 EXISTS"), "another session: %r" % r.untagged)


@test("UID REPLACE, into another folder, with VANISHED and HIGHESTMODSEQ")
def into_another():
    c, name = filled([ONE, ONE])
    other = new_folder(c)
    ok(c, "ENABLE QRESYNC")
    r = ok(c, replace(b"2", other, PARTS, uid=True))
    check(re.match(r"HIGHESTMODSEQ \d+$", r.code), "%r" % r)
    check(lines(r, rb"^\* VANISHED 2$") and lines(r, rb"^\* OK \[APPENDUID \d+ 1\]"), "%r" % r.untagged)
    check(lines(ok(c, "FETCH 1:* UID"), rb"1 FETCH \(UID 1\)"), "the other stays")
    ok(c, "SELECT " + other)
    equal(letter(c), PARTS, "octets")


@test("REPLACE with CATENATE, also of the letter that goes, and with a literal8")
def replaced_by_parts():
    c, name = filled([PARTS])
    n = name.encode()
    ok(c, b"UID REPLACE 1 %s CATENATE (TEXT {9+}\r\nTo: x@y\r\n URL \"/%s/;UID=1\")" % (n, n))
    equal(letter(c), b"To: x@y\r\n" + PARTS, "octets")
    ok(c, b"REPLACE 1 %s CATENATE (URL \"/%s/;UID=2/;SECTION=1\")" % (n, n))
    equal(letter(c), b"first", "without any literal")
    data = b"Content-Type: a/b\r\nContent-Transfer-Encoding: binary\r\n\r\n\0\n"
    ok(c, b"REPLACE * %s ~{%d+}\r\n%s" % (n, len(data), data))
    check(lines(ok(c, "FETCH 1:* BINARY.PEEK[1]"), rb"1 FETCH .*BINARY\[1\] ~\{2\}\r\n\0\n"), "literal8")


@test("REPLACE that cannot be: nothing comes and nothing goes")
def refusals():
    s = shared()
    c, name = filled([ONE, ONE])
    for cmd, status, code in (
            (replace(b"3", name, PARTS), "BAD", "CLIENTBUG"), (replace(b"0", name, PARTS), "BAD", None),
            (replace(b"1:2", name, PARTS), "BAD", None), (replace(b"1,2", name, PARTS), "BAD", None),
            (replace(b"$", name, PARTS), "BAD", None), (replace(b"9", name, PARTS, uid=True), "NO", "NONEXISTENT"),
            (replace(b"1", "Missing", PARTS), "NO", "TRYCREATE"), (replace(b"1", "../x", PARTS), "NO", None),
            (replace(b"1", name, b""), "BAD", None), (replace(b"1", name, PARTS, b"(\\Bogus) "), "BAD", None),
            (replace(b"1", name, PARTS) + b" {3+}\r\nabc", "BAD", None),
            (b"REPLACE 1 %s" % name.encode(), "BAD", None),
            (b"REPLACE 1 %s CATENATE (URL \"/%s/;UID=77\")" % (name.encode(), name.encode()), "NO", "BADURL /%s/;UID=77" % name)):
        r = refused(c, cmd, status, code)
        check(not lines(r, rb"EXPUNGE|APPENDUID"), "%r: %r" % (cmd[:60], r.untagged))
    check(lines(ok(c, "FETCH 1:* UID"), rb"2 FETCH \(UID 2\)"), "both are there")
    check(lines(ok(c, "STATUS %s (MESSAGES UIDNEXT)" % name), rb"MESSAGES 2 "), "no other")
    tmp_is_clean(s, name)
    ok(c, "EXAMINE " + name)
    refused(c, replace(b"1", name, PARTS), "NO", "READ-ONLY")
    ok(c, "UNSELECT")
    refused(c, replace(b"1", name, PARTS), "BAD", "CLIENTBUG")


@test("REPLACE of a letter that another session expunged meanwhile")
def gone_meanwhile():
    c, name = filled([ONE, ONE])
    d = session()
    ok(d, "SELECT " + name)
    tag = c.tag()
    c.send(tag + b" REPLACE 1 %s {%d}\r\n" % (name.encode(), len(PARTS)))
    check(c.line().startswith(b"+ "), "go ahead")
    ok(d, "STORE 1 +FLAGS.SILENT (\\Deleted)")
    ok(d, "EXPUNGE")
    c.send(PARTS + b"\r\n")
    r = c.answer(tag)
    equal((r.status, r.code), ("NO", "NONEXISTENT"), "%r" % r)
    check(lines(ok(d, "STATUS %s (MESSAGES)" % name), rb"MESSAGES 1\)"), "nothing came")


@test("REPLACE in a full mailbox: only what it takes more counts")
def quota():
    with LoginServer(conf="quota 20K 3 letters for bob@example.org\n") as s:
        s.fence("bob")
        c = s.imap()
        equal(c.login(s.address("bob"), USERS["bob"]).status, "OK", "login")
        ok(c, "CREATE Box")
        n = int(one(ok(c, "STATUS INBOX (MESSAGES)"), rb"MESSAGES (\d+)")[0])
        for _ in range(3 - n):
            append(c, "Box", b"Subject: x\r\n\r\n" + b"y" * 3000 + b"\r\n")
        ok(c, "SELECT Box")
        refused(c, b"APPEND Box {%d+}\r\n%s" % (len(ONE), ONE), "NO", "OVERQUOTA")
        ok(c, replace(b"1", "Box", ONE))
        ok(c, replace(b"*", "Box", b"Subject: z\r\n\r\n" + b"y" * 8000 + b"\r\n"))
        refused(c, replace(b"*", "Box", b"Subject: z\r\n\r\n" + b"y" * 24000 + b"\r\n"), "NO", "OVERQUOTA")
        check(lines(ok(c, "STATUS Box (MESSAGES)"), rb"MESSAGES %d\)" % (3 - n)), "as many as before")


@test("what was replaced stays replaced when the process is killed behind the OK")
def durable():
    s = shared()
    c, name = filled([ONE])
    for i in range(5):
        ok(c, replace(b"1", name, b"Subject: %d\r\n\r\nx\r\n" % i))
    s.kill_role("mailbox")
    c = session()
    check(lines(ok(c, "SELECT " + name), rb"\* 1 EXISTS"), "one letter")
    check(lines(ok(c, "FETCH 1 (UID BODY.PEEK[HEADER])"), rb"UID 6 .*\r\nSubject: 4\r\n"), "the last one")


@test("CATENATE and REPLACE are announced")
def announced():
    words = session().capabilities()
    check("CATENATE" in words and "REPLACE" in words, "%r" % words)


main()
