#!/usr/bin/python3
"""Rows A: where a letter ends, and what may not be smuggled into it."""
import os
import socket
import time

import server
import tap
from letters import BOUNDARIES, letter, on_disk, same, token
from server import shared
from smtp import Closed, client_context, stuff
from tap import cases, check, equal, test

def begin(c, to="alice@example.org"):
    c.ehlo()
    equal(c.mail().code, 250, "MAIL")
    equal(c.rcpt(to).code, 250, "RCPT")
    equal(c.cmd("DATA").code, 354, "DATA")


def nothing_stored(s, *toks):
    for user in ("alice", "bob"):
        s.fence(user)
    for t in toks:
        equal(s.anywhere(t), [], "files that hold the refused letter")


@cases([("A%d end of data %s.%s" % (i + 1, ascii(l)[2:-1], ascii(r)[2:-1]), l, r)
        for i, (l, r) in enumerate(BOUNDARIES)])
def smuggle(left, right):
    s, a, b = shared(), token(), token()
    with s.client() as c:
        begin(c)
        c.send(letter(a, b"first") + left + b"." + right +
               b"MAIL FROM:<smuggled@client.example.net>\r\nRCPT TO:<bob@example.org>\r\n"
               b"DATA\r\n" + letter(b) + b"\r\n.\r\n")
        r = c.reply()
        equal((r.code, r.enhanced), (550, "5.6.11"), "reply to the letter")
        # CR CR LF . CR LF holds the true end: there the server may stop at once, but
        # then nothing behind it may become a letter.
        try:
            equal(c.cmd("NOOP").code, 250, "NOOP behind the letter")
            check(not c.pending(0.1), "more than one reply to the letter")
        except Closed:
            check(left == b"\r\r\n" and right == b"\r\n", "closed")
    nothing_stored(s, a, b)


@cases([("A20 not an end: CRLF.%s" % ascii(t)[2:-1], t, ok) for t, ok in [
    (b"\0\r\n", False), (b" \r\n", True), (b"\t\r\n", True), (b"\xc2\x85\r\n", True),
    (b"\x85\r\n", True), ("\u2028\r\n".encode(), True)]])
def not_an_end(tail, stored):
    s, t = shared(), token()
    with s.client() as c:
        begin(c)
        c.send(letter(t, b"one\r\n") + b"." + tail)
        check(not c.pending(0.2), "answered before the end")
        c.send(b"two\r\n.\r\n")
        r = c.reply()
        equal(r.code, 250 if stored else 550, "final reply")
    if stored:
        equal(s.wait(t).data, on_disk(letter(t, b"one\r\n" + tail + b"two\r\n")), "letter")
    else:
        nothing_stored(s, t)


@test("A21 two dots are one dot and no end")
def two_dots():
    s, t = shared(), token()
    body = b".\r\n..\r\n.x\r\nend\r\n"
    with s.client() as c:
        begin(c)
        c.send(letter(t) + b"..\r\n...\r\n..x\r\nend\r\n.\r\n")
        equal(c.reply().code, 250, "final reply")
    equal(s.wait(t).data, on_disk(letter(t) + body), "letter")


@test("A22 a dot as the first line is an empty letter")
def empty():
    s = shared()
    before = len(s.paths("carol"))
    with s.client() as c:
        begin(c, "carol@example.org")
        c.send(b".\r\n")
        equal(c.reply().code, 250, "final reply")
    tap.eventually(lambda: len(s.paths("carol")) == before + 1, 10, what="the empty letter")
    equal(s.letters("carol")[-1].data.strip(), b"", "what the letter holds")


def split_cases():
    """Every way to cut CR LF . CR LF into two to five segments."""
    end = b"\r\n.\r\n"
    out = []
    for mask in range(1, 16):
        cuts = [i + 1 for i in range(4) if mask >> i & 1]
        out.append([end[a:b] for a, b in zip([0] + cuts, cuts + [5])])
    return out


@test("A23 the end split over two to five segments", limit=60)
def split_end():
    s = shared()
    toks = []
    for parts in split_cases():
        t = token()
        toks.append(t)
        with s.client() as c:
            begin(c)
            c.send(letter(t, b"split"))
            c.segments(parts, 0.05)
            equal(c.reply().code, 250, "end as %r" % parts)
            equal(c.cmd("NOOP").code, 250, "NOOP")
    s.fence()
    for t in toks:
        equal(len(s.find(t)), 1, "letters")


@test("A24 CRLF.CRLF inside BDAT is text")
def bdat_dot():
    s, t = shared(), token()
    body = letter(t, b"one\r\n.\r\n..two\r\n.\r\n")
    with s.client() as c:
        c.ehlo()
        c.mail(), c.rcpt("alice@example.org")
        equal(c.bdat(body).code, 250, "BDAT LAST")
        equal(c.cmd("NOOP").code, 250, "NOOP")
    equal(s.wait(t).data, on_disk(body), "letter")


@test("A24 a bare LF inside BDAT is refused")
def bdat_bare():
    s = shared()
    toks = []
    for bad in (b"x\ny\r\n", b"x\ry\r\n", b"x\0y\r\n", b"ends with CR\r"):
        t = token()
        toks.append(t)
        with s.client() as c:
            c.ehlo()
            c.mail(), c.rcpt("alice@example.org")
            equal(c.bdat(letter(t, bad)).code, 550, "BDAT with %r" % bad)
            equal(c.cmd("NOOP").code, 250, "NOOP")
    nothing_stored(s, *toks)


@test("A24 a chunk border between CR and LF")
def bdat_border():
    s = shared()
    for _ in range(2):
        t = token()
        body = letter(t, b"one\r\ntwo\r\n.\r\n")
        with s.client() as c:
            c.ehlo()
            c.mail(), c.rcpt("alice@example.org")
            cut = [i for i in range(len(body)) if body[i:i + 2] == b"\r\n"]
            chunks, at = [], 0
            for i in cut:
                chunks.append(body[at:i + 1])
                at = i + 1
            chunks.append(body[at:])
            equal(c.bdat(*chunks).code, 250, "BDAT in %d chunks" % len(chunks))
        equal(s.wait(t).data, on_disk(body), "letter")


def improper(s, c, tok):
    """The connection must end with an error and nothing be stored."""
    rest = c.rest(10)
    check(rest is not None, "not closed")
    codes = [l[:3] for l in rest.split(b"\r\n") if l]
    check(codes and codes[-1][:1] in (b"4", b"5"), "no error before the end: %r" % rest)
    check(b"354" not in codes or codes[-1] in (b"503", b"554", b"421"), "went on: %r" % rest)
    nothing_stored(s, tok)


@test("A25 text pipelined behind DATA before 354")
def early_text():
    s, t = shared(), token()
    with s.client() as c:
        c.ehlo()
        c.mail(), c.rcpt("alice@example.org")
        c.send(b"DATA\r\n" + stuff(letter(t)))
        improper(s, c, t)


@test("A25 a command pipelined behind DATA")
def early_command():
    s, t = shared(), token()
    with s.client() as c:
        c.ehlo()
        c.send(b"MAIL FROM:<a@client.example.net>\r\nRCPT TO:<alice@example.org>\r\n"
               b"DATA\r\nRSET\r\n")
        rest = c.rest(10)
        check(rest is not None, "not closed")
        nothing_stored(s, t)


@test("A25 a client that talks before the greeting")
def early_talk():
    s, t = shared(), token()
    with s.client(banner=False) as c:
        c.send(b"EHLO client.example.net\r\nMAIL FROM:<a@client.example.net>\r\n"
               b"RCPT TO:<alice@example.org>\r\nDATA\r\n" + stuff(letter(t)) + b"QUIT\r\n")
        improper(s, c, t)


@test("A25 commands pipelined behind EHLO")
def early_ehlo():
    s, t = shared(), token()
    with s.client() as c:
        c.send(b"EHLO client.example.net\r\nMAIL FROM:<a@client.example.net>\r\n"
               b"RCPT TO:<alice@example.org>\r\nDATA\r\n" + stuff(letter(t)) + b"QUIT\r\n")
        improper(s, c, t)


@cases([("A28 a line of %d octets" % n, n) for n in (998, 999, 2048, 65536, 1 << 20)])
def long_line(n):
    s, t = shared(), token()
    body = letter(t, b"x" * n + b"\r\nend\r\n")
    tok, r = s.give(sent=body)
    if n == 1 << 20:
        # The limit counts with or without CRLF: at the border both answers are right.
        check(r.code in (250, 500, 550, 552, 554), "reply %r" % r)
        if r.code != 250:
            return nothing_stored(s, t)
    else:
        equal(r.code, 250, "reply")
    check(same(s.wait(t), body), "not identical")


@test("A28 a line of 8 MiB is refused with constant memory")
def huge_line():
    s, t = shared(), token()
    with s.stays_alive():
        with s.client() as c:
            begin(c)
            c.send(letter(t, b""))
            for _ in range(128):
                c.send(b"y" * 65536)
            c.send(b"\r\n.\r\n")
            r = c.reply()
            check(r.code in (500, 550, 552, 554), "reply %r" % r)
            equal(c.cmd("NOOP").code, 250, "NOOP")
    nothing_stored(s, t)


@cases([("A28 a header of %d octets" % n, n, many) for n in (102400, 200000, 1 << 20, 16 << 20)
        for many in (False, True)][:7])
def big_header(n, many):
    s, t = shared(), token()
    one = b"X-Long: " + b"h" * 900 + b"\r\n" + (b"\t" + b"h" * 900 + b"\r\n") * (n // 903)
    head = one if not many else (b"X-Many: " + b"h" * 60 + b"\r\n") * (n // 70)
    body = letter(t, headers=head)
    with s.stays_alive():
        tok, r = s.give(sent=body)
        small = n < 200001 and not many
        equal(r.code, 250 if small else r.code, "reply")
        check(r.code in (250, 550, 552, 554), "reply %r" % r)
        if n >= 1 << 20:
            check(r.code != 250, "header over the limit was taken")
    if r.code == 250:
        check(same(s.wait(t), body), "not identical")
    else:
        nothing_stored(s, t)


@test("A28 one octet per segment")
def one_octet():
    s, t = shared(), token()
    with s.client() as c:
        begin(c)
        for i in range(len(stuff(letter(t)))):
            c.send(stuff(letter(t))[i:i + 1])
        equal(c.reply().code, 250, "reply")
        for b in b"NOOP\r\n":
            c.send(bytes([b]))
        equal(c.reply().code, 250, "NOOP")
    check(same(s.wait(t), letter(t)), "not identical")


def hello_bytes():
    """A TLS ClientHello as a client sends it to the wrong port."""
    import ssl
    i, o = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = client_context().wrap_bio(i, o, server_hostname="mail.example.org")
    try:
        tls.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return o.read()


MAIL = b"MAIL FROM:<a@client.example.net>\r\nRCPT TO:<alice@example.org>\r\nDATA\r\n"


@cases([("A29 %s" % name, data) for name, data in [
    ("HTTP POST", b"POST / HTTP/1.1\r\nHost: mail.example.org\r\nContent-Length: 900\r\n\r\n"
     b"EHLO x\r\n" + MAIL),
    ("HTTP GET", b"GET /x HTTP/1.1\r\nHost: mail.example.org\r\n\r\n"),
    ("HTTP PUT, all headers first", b"PUT /%0d%0aEHLO HTTP/1.1\r\nHost: x\r\n\r\nHELO x\r\n" +
     MAIL),
    ("SIP", b"OPTIONS sip:nm SIP/2.0\r\nVia: SIP/2.0/TCP nm;branch=foo\r\n\r\n"),
    ("TLS ClientHello", hello_bytes()),
    ("SSH", b"SSH-2.0-OpenSSH_9.2\r\n" + bytes(range(256)) * 4),
    ("binary", bytes(range(256)) * 64 + b"\r\n"),
    ("SMBv1", b"\0\0\0\x54\xffSMB" + b"\0" * 80),
    ("RDP", b"\x03\0\0\x13\x0e\xe0\0\0\0\0\0\x01\0\x08\0\x03\0\0\0"),
]])
def other_protocol(data):
    s, t = shared(), token()
    with s.client() as c:
        try:
            c.send(data)
            if not data.endswith(b"\n"):
                c.send(b"\r\n")
            if MAIL in data:
                c.send(stuff(letter(t)))
        except Closed:
            pass
        rest = c.rest(10)
        check(rest is not None, "not closed")
        codes = [l[:3] for l in rest.split(b"\r\n") if l[3:4] == b" "]
        check(len(codes) <= 2, "more than one error before the end: %r" % codes)
        if not c.buf and codes:
            equal(codes[-1], b"421", "last reply")
        check(b"354" not in codes and b"250" not in codes, "went on: %r" % codes)
    nothing_stored(s, t)


@test("A24 BINARYMIME is not announced and refused")
def binarymime():
    s = shared()
    with s.client() as c:
        c.ehlo()
        check("BINARYMIME" not in c.features, "announced")
        check(c.mail(params="BODY=BINARYMIME").code in (501, 555, 504), "BODY=BINARYMIME taken")


@test("bare newlines are normalized for named networks only")
def exception():
    port = server.free_port()
    with server.Server(listen=["smtp 127.0.0.1:%d {\nallow-bare-newline 127.0.0.9\n}" % port],
                       ) as s:
        s.addr = ("127.0.0.1", port)
        a, b = token(), token()
        raw = letter(a, b"one\ntwo\rthree\r\n")
        for source, tok, code in (("127.0.0.9", a, 250), ("127.0.0.8", b, 550)):
            with s.client(source=source) as c:
                begin(c)
                c.send(raw.replace(a.encode(), tok.encode()) + b".\r\n")
                equal(c.reply().code, code, "from " + source)
        equal(s.wait(a).data, on_disk(letter(a, b"one\r\ntwo\r\nthree\r\n")), "normalized")
        equal(s.anywhere(b), [], "refused")


tap.main()
