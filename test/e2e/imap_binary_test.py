#!/usr/bin/python3
"""BINARY (RFC 3516): what comes as a literal8 comes back octet by octet."""
import os
import re

from sessions import append, filled, lines, new_folder, ok, one, refused, session, shared   # first: it starts us again

from tap import cases, check, equal, main, test

TOP = b"From: a@example.org\r\nMIME-Version: 1.0\r\n"
OCTETS = b"Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: binary\r\n"
ALL = bytes(range(256)) * 3


def binary(c, what):
    """What BINARY.PEEK[what] of the last letter gives, and whether it was a literal8."""
    r = ok(c, "FETCH * BINARY.PEEK[%s]" % what)
    u = lines(r, rb"BINARY\[")[0]
    m = re.search(rb"BINARY\[[\d.]*\](?:<\d+>)? (~?)\{(\d+)\}\r\n", u)
    check(m, "a literal: %r" % u[:100])
    return u[m.end():m.end() + int(m.group(2))], bool(m.group(1))


def size(c, what):
    return int(one(ok(c, "FETCH * BINARY.SIZE[%s]" % what), rb"BINARY\.SIZE\[[\d.]*\] (\d+)\)")[0])


def stored(s, name):
    d = os.path.join(s.maildir("alice"), "." + name, "cur")
    out = []
    for n in sorted(os.listdir(d)):
        with open(os.path.join(d, n), "rb") as f:
            out.append(f.read())
    return out


@cases([
    ("NUL", b"a\0b"), ("only NULs", b"\0" * 1000), ("bare LF", b"a\nb\n"), ("bare CR", b"a\rb\r"),
    ("CR CR LF", b"a\r\r\n\r\n"), ("every octet", ALL), ("lines", b"one\r\ntwo\r\n"), ("no line end", b"\xff\xfe"),
    ("an end like a boundary's", b"x\n"), ("much", os.urandom(300000)),
], name="a binary part comes back as it came: {0}")
def comes_back(data):
    c, name = filled([])
    append(c, name, TOP + OCTETS + b"\r\n" + data, literal8=True)
    got, is_literal8 = binary(c, "1")
    equal(got, data, "BINARY[1]")
    equal(is_literal8, b"\0" in data, "a literal8 says that there is a NUL")
    equal(size(c, "1"), len(data), "BINARY.SIZE")
    whole = ok(c, "FETCH * BODY.PEEK[]").untagged[0]
    check(b"\0" not in whole, "no NUL in BODY[]")
    n = int(one(ok(c, "FETCH * RFC822.SIZE"), rb"RFC822\.SIZE (\d+)")[0])
    check(b"BODY[] {%d}\r\n" % n in whole, "its size is RFC822.SIZE")


@test("BODYSTRUCTURE says the encoding that BODY[] has")
def structure():
    c, name = filled([])
    append(c, name, TOP + OCTETS + b"\r\nab\0", literal8=True)
    enc, n = one(ok(c, "FETCH 1 BODYSTRUCTURE"), rb'BODYSTRUCTURE \("application" "octet-stream" NIL NIL NIL "(\w+)" (\d+)')
    equal(enc.lower(), b"base64", "encoding")
    check(lines(ok(c, "FETCH 1 BODY.PEEK[1]"), rb"BODY\[1\] \{%d\}\r\nYWIA\r\n\)" % int(n)), "octets")
    append(c, name, TOP + OCTETS + b"\r\nabc\r\n", literal8=True)
    enc, n = one(ok(c, "FETCH 2 BODYSTRUCTURE"), rb'"octet-stream" NIL NIL NIL "(\w+)" (\d+)')
    equal((enc.lower(), n), (b"binary", b"5"), "what can stay is left alone")


@test("one part is encoded, those beside it stay to the octet")
def parts():
    s = shared()
    c, name = filled([])
    head = TOP + b"Content-Type: multipart/mixed; boundary=b\r\n\r\npre\r\n--b\r\nContent-Type: text/plain\r\n\r\none\r\n--b\r\n"
    tail = b"\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: in\r\n" + OCTETS + b"\r\nx\0y\r\n--b--\r\npost\r\n"
    append(c, name, head + OCTETS + b"\r\n" + ALL + tail, literal8=True)
    equal(binary(c, "2")[0], ALL, "part 2")
    equal(binary(c, "3.1"), (b"x\0y", True), "the part of the letter within")
    equal(binary(c, "1"), (b"one", False), "part 1")
    equal(binary(c, "2")[0], ALL, "again")
    file = stored(s, name)[0].replace(b"\n", b"\r\n")
    check(file.startswith(head), "before it: %r" % file[:300])
    check(file.endswith(b"--b--\r\npost\r\n"), "behind it: %r" % file[-100:])
    check(b"\0" not in file, "no NUL at rest")


@test("partial octets are those of the decoded part")
def partial():
    c, name = filled([])
    append(c, name, TOP + OCTETS + b"\r\n" + ALL, literal8=True)
    for at, n in ((0, 1), (0, 10), (1, 300), (700, 1000), (768, 5), (5000, 1)):
        r = ok(c, "FETCH 1 BINARY.PEEK[1]<%d.%d>" % (at, n))
        want = ALL[at:at + n]
        head = b"BINARY[1]<%d> %s{%d}\r\n" % (at, b"~" if b"\0" in want else b"", len(want))
        check(r.untagged[0].endswith(head + want + b")"), "<%d.%d>: %r" % (at, n, r.untagged[0][:80]))
    refused(c, "FETCH 1 BINARY.PEEK[1]<0.0>", "BAD")
    refused(c, "FETCH 1 BINARY.SIZE[1]<0.1>", "BAD")


@test("BINARY sets \\Seen, BINARY.PEEK and BINARY.SIZE do not")
def seen():
    c, _ = filled([TOP + b"\r\nx\r\n"])
    ok(c, "FETCH 1 (BINARY.PEEK[1] BINARY.SIZE[1])")
    check(not lines(ok(c, "FETCH 1 FLAGS"), rb"Seen"), "peeked")
    check(lines(ok(c, "FETCH 1 BINARY[1]"), rb"FLAGS \(.*Seen"), "and the answer says so")


@test("a part that is not there is NIL, an encoding nobody knows is NO [UNKNOWN-CTE]")
def unknown():
    odd = TOP + b"Content-Transfer-Encoding: x-odd\r\n\r\nx\r\n"
    c, _ = filled([odd])
    check(lines(ok(c, "FETCH 1 BINARY.PEEK[7]"), rb"BINARY\[7\] NIL\)"), "part 7")
    for what in ("BINARY.PEEK[1]", "BINARY[1]", "BINARY.SIZE[1]"):
        refused(c, "FETCH 1 " + what, "NO", "UNKNOWN-CTE")
    ok(c, "FETCH 1 BINARY.PEEK[]")
    for what in ("BINARY[TEXT]", "BINARY[1.MIME]", "BINARY[HEADER]", "BINARY[0]", "BINARY", "BINARY.PEEK"):
        refused(c, "FETCH 1 " + what, "BAD")


@test("NULs that no part can hold: NO [UNKNOWN-CTE], and nothing stays")
def cannot():
    s = shared()
    c, name = filled([])
    for letter in (b"Subject: a\0b\r\n\r\nx", TOP + b"Content-Transfer-Encoding: base64\r\n\r\nAA\0A",
                   TOP + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n\0\r\n--b\r\n\r\nx\r\n--b--\r\n"):
        refused(c, b"APPEND %s ~{%d+}\r\n%s" % (name.encode(), len(letter), letter), "NO", "UNKNOWN-CTE")
    check(lines(ok(c, "SELECT " + name), rb"\* 0 EXISTS"), "nothing")
    equal(os.listdir(os.path.join(s.maildir("alice"), "." + name, "tmp")), [], "tmp/ is clean")
    letter = TOP + OCTETS + b"\r\n\0"
    good = b"{%d+}\r\n%s" % (len(TOP), TOP)
    refused(c, b"APPEND %s %s ~{9+}\r\nS: \0\r\n\r\n\0 ~{%d+}\r\n%s" % (name.encode(), good, len(letter), letter),
            "NO", "UNKNOWN-CTE")
    check(lines(ok(c, "SELECT " + name), rb"\* 0 EXISTS"), "nothing of several letters")


@test("literals and literal8 in one MULTIAPPEND, flags and date with them")
def several():
    c, name = filled([])
    letter = TOP + OCTETS + b"\r\n" + ALL
    r = c.cmd(b"APPEND %s (\\Seen) {%d+}\r\n%s (\\Draft) \"17-Jul-1996 02:44:25 -0700\" ~{%d+}\r\n%s {%d+}\r\n%s" % (
        name.encode(), len(TOP), TOP, len(letter), letter, len(TOP), TOP))
    check(re.match(r"APPENDUID \d+ 1:3$", r.code), "%r" % r)
    r = ok(c, "FETCH 2 (FLAGS INTERNALDATE BINARY.SIZE[1])")
    check(lines(r, rb'FLAGS \(\\Draft.*"17-Jul-1996 09:44:25 \+0000" BINARY\.SIZE\[1\] 768\)'), "%r" % r.untagged)


@test("a literal8 is asked for before it comes, or refused")
def synchronising():
    c, name = filled([])
    letter = TOP + OCTETS + b"\r\n\0"
    tag = c.tag()
    c.send(tag + b" APPEND %s ~{%d}\r\n" % (name.encode(), len(letter)))
    check(c.line().startswith(b"+ "), "go ahead")
    c.send(letter + b"\r\n")
    equal(c.answer(tag).status, "OK", "APPEND")
    tag = c.tag()
    c.send(tag + b" APPEND Missing ~{%d}\r\n" % len(letter))
    equal(c.answer(tag).code, "TRYCREATE", "no such mailbox")
    for what in (b"~{0+}\r\n", b"~{3+}\r\nabc extra", b"~ {3+}\r\nabc", b"~~{3+}\r\nabc"):
        refused(c, b"APPEND %s %s" % (name.encode(), what), "BAD")
    ok(c, "NOOP")


@test("the letter is the same for a server started anew")
def restarted():
    s = shared()
    c, name = filled([])
    append(c, name, TOP + OCTETS + b"\r\n" + ALL, literal8=True)
    before = ok(c, "FETCH 1 (RFC822.SIZE BODYSTRUCTURE)").untagged
    s.restart()
    c = session()
    ok(c, "SELECT " + name)
    equal(ok(c, "FETCH 1 (RFC822.SIZE BODYSTRUCTURE)").untagged, before, "sizes")
    equal(binary(c, "1"), (ALL, True), "octets")


@test("BINARY is announced")
def announced():
    c = session()
    check("BINARY" in c.capabilities(), "%r" % c.capabilities())


main()
