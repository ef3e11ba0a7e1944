#!/usr/bin/python3
"""The SMTP dialogue: extensions, limits, rows B15–B23."""
import re
import socket
import time

import server
import tap
from letters import letter, on_disk, same, token
from server import SLOW, shared
from smtp import Closed, Smtp, stuff
from tap import cases, check, equal, test

server.share(inbound="max-errors 50\nmax-size 2M\nmax-recipients 100")


@test("EHLO names what the server can do, and nothing else")
def ehlo():
    s = shared()
    with s.client() as c:
        check(c.banner.code == 220 and c.banner.text.startswith(server.HOST), repr(c.banner))
        r = c.ehlo()
        check(r.lines[0].startswith(b"250-" + server.HOST.encode()), repr(r))
        for w in ("PIPELINING", "SIZE", "8BITMIME", "SMTPUTF8", "CHUNKING", "STARTTLS",
                  "ENHANCEDSTATUSCODES", "DSN", "HELP"):
            check(w in c.features, "%s is missing" % w)
        equal(c.features["SIZE"], "2097152", "SIZE")
        for w in ("BINARYMIME", "AUTH", "ETRN", "VRFY", "EXPN", "XCLIENT", "TURN"):
            check(w not in c.features, "%s is offered" % w)
        equal(c.cmd("HELO client.example.net").code, 250, "HELO")


@cases([("replies to %s" % ascii(l.strip())[2:-1], l, code) for l, code in [
    (b"NOOP", 250), (b"noop ignored words", 250), (b"RSET", 250), (b"HELP", 214),
    (b"HELP MAIL", 214), (b"VRFY alice", 252), (b"VRFY alice@example.org", 252),
    (b"VRFY nobody@example.org", 252), (b"QUIT", 221), (b"XYZZY", 500), (b"", 500),
    (b" NOOP", 500), (b"NOOP\t", (250, 500, 501)), (b"RSET x", 501), (b"DATA", 503), (b"DATA x", 501),
    (b"RCPT TO:<alice@example.org>", 503), (b"BDAT 0 LAST", 503), (b"EHLO", 501), (b"HELO", 501),
    (b"MAIL", 501), (b"MAIL FROM", 501), (b"MAIL FROM:", 501), (b"MAIL FROM:<a@b", (501, 553)),
    (b"MAIL FROM:a@b.example", 501), (b"MAIL FROM:<a@b.example>", 250),
    (b"mail from:<a@b.example>", 250), (b"MAIL FROM:<>", 250), (b"MAIL FROM: <a@b.example>", (250, 501)),
    (b"MAIL FROM:<a@b.example> SIZE=1000", 250), (b"MAIL FROM:<a@b.example> SIZE=x", 501),
    (b"MAIL FROM:<a@b.example> SIZE=99999999", 552),
    (b"MAIL FROM:<a@b.example> SIZE=99999999999999999999999", (501, 552)),
    (b"MAIL FROM:<a@b.example> BODY=8BITMIME", 250), (b"MAIL FROM:<a@b.example> BODY=7BIT", 250),
    (b"MAIL FROM:<a@b.example> BODY=9BIT", 501), (b"MAIL FROM:<a@b.example> SMTPUTF8", 250),
    (b"MAIL FROM:<a@b.example> SMTPUTF8=1", 501), (b"MAIL FROM:<a@b.example> UNKNOWN=1", (555, 501)),
    (b"MAIL FROM:<a@b.example> SIZE=1 SIZE=2", 501), (b"MAIL FROM:<@x.example:a@b.example>", (250, 501, 553)),
    (b"MAIL FROM:<\xc3\xbc@b.example>", (501, 553, 550)), (b"MAIL FROM:<\"a b\"@b.example>", 250),
    (b"MAIL FROM:<a@[192.0.2.1]>", 250), (b"MAIL FROM:<a@[IPv6:2001:db8::1]>", 250),
    (b"MAIL FROM:<" + b"x" * 65 + b"@b.example>", (250, 501, 553, 550)),
    (b"MAIL FROM:<a@b.example>x", 501), (b"MAIL FROM:<a@b..example>", (501, 553)),
    (b"MAIL FROM:<a b@b.example>", (501, 553)), (b"MAIL FROM:<a@b.example> AUTH=<>", (250, 501, 503, 555)),
    (b"STARTTLS x", 501), (b"EXPN staff", (500, 502, 550, 252)), (b"AUTH PLAIN", (500, 502, 503, 538, 530)),
]])
def one_command(line, code):
    s = shared()
    with s.client() as c:
        if not line.startswith((b"EHLO", b"HELO")):
            c.ehlo()
        r = c.cmd(line)
        check(r.code in (code if isinstance(code, tuple) else (code,)), "reply %r, want %r" % (r, code))
        if r.code >= 400:
            check(r.enhanced.startswith(str(r.code)[0]), "no enhanced code: %r" % r)
        if r.code == 221:
            check(c.closed(), "not closed")


@test("commands before EHLO, HELO without extensions")
def order():
    s = shared()
    with s.client() as c:
        equal(c.mail().code, 503, "MAIL before EHLO")
        equal(c.cmd("NOOP").code, 250, "NOOP")
        equal(c.cmd("HELO client.example.net").code, 250, "HELO")
        equal(c.mail().code, 250, "MAIL")
        equal(c.mail().code, 503, "nested MAIL")
        equal(c.rcpt("alice@example.org").code, 250, "RCPT")
        equal(c.ehlo().code, 250, "EHLO resets")
        equal(c.rcpt("alice@example.org").code, 503, "RCPT behind EHLO")
        equal(c.mail().code, 250, "MAIL")
        equal(c.cmd("DATA").code, 503, "DATA without RCPT")
        equal(c.rcpt("nobody@example.org").code, 550, "unknown")
        check(c.cmd("DATA").code in (503, 554), "DATA with no good RCPT")
        equal(c.rcpt("alice@example.org").code, 250, "the transaction is still there")


@test("one transaction in two round trips: pipelining")
def pipelining():
    s, t = shared(), token()
    with s.client() as c:
        c.ehlo()
        c.send(b"MAIL FROM:<a@client.example.net>\r\nRCPT TO:<alice@example.org>\r\n"
               b"RCPT TO:<nobody@example.org>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\n")
        equal([r.code for r in c.replies(5)], [250, 250, 550, 250, 354], "replies")
        c.send(stuff(letter(t)) + b"MAIL FROM:<a@client.example.net>\r\nRSET\r\nNOOP\r\nQUIT\r\n")
        rs = c.replies(5)
        equal([r.code for r in rs], [250, 250, 250, 250, 221], "replies")
    s.wait(t), s.wait(t, "bob")


@test("300 transactions on a connection, all pipelined")
def many():
    s = shared()
    toks = [token() for _ in range(300)]
    with s.client() as c:
        c.ehlo()
        out = b"".join(b"MAIL FROM:<a@client.example.net>\r\nRCPT TO:<carol@example.org>\r\n"
                       b"BDAT %d LAST\r\n" % len(letter(t)) + letter(t) for t in toks)
        c.sock.setblocking(True)
        import threading
        w = threading.Thread(target=c.send, args=(out,))
        w.start()
        codes = [r.code for r in c.replies(900)]
        w.join()
        equal(set(codes), {250}, "replies")
    tap.eventually(lambda: len(s.paths("carol")) >= 300, 20 * SLOW, what="300 letters")
    have = b"".join(l.raw for l in s.letters("carol"))
    for t in toks:
        equal(have.count(t.encode() + b"@client"), 1, "copies")


@test("8BITMIME, SMTPUTF8: bytes and addresses come through")
def eight_bit():
    s, t = shared(), token()
    body = letter(t, "Grüße — 你好\r\n".encode(), "X-Raw: ü\r\n".encode())
    with s.client() as c:
        c.ehlo()
        equal(c.mail("üser@client.example.net", "BODY=8BITMIME SMTPUTF8").code, 250, "MAIL")
        equal(c.rcpt("alice@example.org").code, 250, "RCPT")
        equal(c.data(body).code, 250, "DATA")
    got = s.wait(t)
    check(same(got, body), "not identical")
    equal(got.trace[0], ("return-path", "<üser@client.example.net>".encode().decode("latin-1")),
          "Return-Path")
    check("UTF8SMTP" in got.first("received"), "with UTF8SMTP (RFC 6531 §4.3): " +
          got.first("received"))


@test("SIZE: declared and real, DATA and BDAT")
def size():
    s = shared()
    big = letter(token(), size=(2 << 20) + 4096)
    with s.client() as c:
        c.ehlo()
        equal(c.mail(params="SIZE=2097153").code, 552, "MAIL SIZE= too big")
        equal(c.rcpt("alice@example.org").code, 503, "no transaction")
        equal(c.deliver("alice@example.org", big).code, 552, "DATA too big")
        equal(c.cmd("NOOP").code, 250, "NOOP")
        equal(c.rcpt("alice@example.org").code, 503, "state after it")
        c.mail(), c.rcpt("alice@example.org")
        equal(c.bdat(big[:1 << 20], big[1 << 20:]).code, 552, "BDAT too big")
        equal(c.cmd("NOOP").code, 250, "NOOP")
        c.send(b"BDAT 5 LAST\r\nhello")
        equal(c.reply().code, 503, "BDAT after it")
        equal(c.cmd("NOOP").code, 250, "the chunk was read, and no more")
        t = token()
        equal(c.deliver("alice@example.org", letter(t, size=(2 << 20) - 4096)).code, 250,
              "just below")
    s.wait(t)


@test("100 recipients are taken, 101 are 452; the others get it")
def recipients():
    s, t = shared(), token()
    with s.client() as c:
        c.ehlo()
        c.mail()
        for i in range(100):
            equal(c.rcpt("alice+%d@example.org" % i).code, 250, "RCPT %d" % i)
        equal(c.rcpt("bob@example.org").code, 452, "RCPT 101")
        equal(c.data(letter(t)).code, 250, "DATA")
    s.wait(t, n=100, limit=20)
    equal(len({l.first("envelope-to") for l in s.find(t)}), 100, "Envelope-To")


@test("too many errors close the connection")
def errors():
    with server.Server(inbound="max-errors 5") as s:
        with s.client() as c:
            codes = []
            try:
                for _ in range(20):
                    codes.append(c.cmd("XYZZY").code)
            except Closed:
                pass
            check(len(codes) <= 6 and codes[-1] == 421, "replies %r" % codes)


@test("a command line of 2,048 is taken, longer is 500")
def line_length():
    s = shared()
    with s.client() as c:
        c.ehlo()
        equal(c.cmd("NOOP " + "x" * 2041).code, 250, "2,048 octets with CRLF")
        equal(c.cmd("NOOP " + "x" * 3000).code, 500, "3,007 octets")
        equal(c.cmd("NOOP").code, 250, "NOOP")
        with s.stays_alive():
            try:
                c.send(b"EHLO " + b"y" * (4 << 20) + b"\r\n")
                equal(c.reply().code, 500, "4 MiB")
            except Closed:
                pass


@test("per-client limits of connections, counted over all processes", limit=40)
def per_client():
    with server.Server(limits=False, inbound="per-client 5 connections") as s:
        conns, refused = [], 0
        for _ in range(9):
            c = s.client()
            conns.append(c)
            refused += c.banner.code in (421, 450, 451, 554)
        equal(refused, 4, "connections refused")
        with s.client(source="127.0.0.77") as other:
            equal(other.banner.code, 220, "another client")
        for c in conns:
            c.close()
        tap.eventually(lambda: s.client().banner.code == 220, 5, 0.1, "room again")


@test("a rate of connections and of letters", limit=40)
def rates():
    with server.Server(limits=False, inbound="per-client 50 connections 10 per 1m\nletters 3 per 1m") as s:
        codes = []
        with s.client() as c:
            c.ehlo()
            for _ in range(5):
                codes.append(c.deliver("alice@example.org", letter()).code)
                c.cmd("RSET")
        equal(codes[:3], [250] * 3, "three letters")
        check(all(x in (450, 451, 452, 421) for x in codes[3:]), "letters: %r" % codes)
        codes = []
        for _ in range(12):
            with s.client() as c:
                codes.append(c.banner.code)
        check(codes[:9] == [220] * 9 and codes[-1] in (421, 450, 451), "greetings %r" % codes)


@test("a letter that has gone through 50 hops is a loop")
def hops():
    s = shared()
    hop = b"Received: from a by b; Thu, 05 Nov 2026 10:00:00 +0000\r\n"
    equal(s.give(sent=letter(headers=hop * 30))[1].code, 250, "30 hops")
    r = s.give(sent=letter(headers=hop * 51))[1]
    check(r.code in (550, 554), "51 hops: %r" % r)


@test("B15 a BDAT error, then DATA with no MAIL")
def bdat_then_data():
    s = shared()
    big = b"x" * ((2 << 20) + 1)
    for chunk in (b"BDAT %d LAST\r\n" % len(big) + big, b"BDAT 10 LAST EXTRA\r\n",
                  b"BDAT 5\r\na\nb\r\nBDAT 0 LAST\r\n"):
        with s.stays_alive():
            with s.client() as c:
                c.ehlo()
                c.mail(), c.rcpt("alice@example.org")
                c.send(chunk)
                r = c.reply()
                if chunk.startswith(b"BDAT 5"):
                    r = c.reply() if r.code == 250 else r
                check(r.code >= 500, "BDAT %r" % r)
                if r.code in (552, 550):
                    while c.pending(0.2):
                        c.reply()
                    equal(c.cmd("DATA").code, 503, "DATA")
                    equal(c.rcpt("alice@example.org").code, 503, "RCPT")
                    equal(c.mail().code, 250, "MAIL")


@test("B16 a refusal after DATA, then RCPT and DATA with no MAIL")
def after_refusal():
    s = shared()
    with s.client() as c:
        c.ehlo()
        c.mail()
        for i in range(100):
            c.rcpt("alice+%d@example.org" % i)
        equal(c.cmd("DATA").code, 354, "DATA")
        c.send(letter(body=b"a\nb\r\n") + b".\r\n")
        equal(c.reply().code, 550, "refused")
        equal(c.rcpt("alice@example.org").code, 503, "RCPT")
        equal(c.cmd("DATA").code, 503, "DATA")
        equal(c.mail().code, 250, "MAIL")
        t = token()
        for i in range(100):
            equal(c.rcpt("bob+%d@example.org" % i).code, 250, "the count of recipients is new")
        equal(c.data(letter(t)).code, 250, "the verdict is new")
    s.wait(t, "bob", 100, 20)


@test("B17 VRFY with UTF-8 within a transaction; truncated UTF-8")
def vrfy():
    s, t = shared(), token()
    with s.stays_alive():
        with s.client() as c:
            c.ehlo()
            c.mail()
            c.rcpt("alice@example.org")
            r = c.cmd('VRFY "ü@x"')
            check(r.code in (252, 501, 550, 553), "VRFY %r" % r)
            r = c.cmd(b"VRFY \xc3")
            check(r.code in (252, 501, 550, 553), "VRFY %r" % r)
            equal(c.data(letter(t)).code, 250, "the transaction is intact")
            r = c.cmd(b"EHLO \xc3")
            check(r.code in (250, 501), "EHLO %r" % r)
            c.ehlo()
            r = c.cmd(b"MAIL FROM:<\xc3@client.example.net> SMTPUTF8")
            check(r.code in (501, 553), "MAIL %r" % r)
    s.wait(t)


@cases([("B18 many times %s" % n, d) for n, d in [
    ("NOOP", b"NOOP\r\n"), ("RSET", b"RSET\r\n"), ("VRFY", b"VRFY x\r\n"), ("HELP", b"HELP\r\n"),
    ("EHLO", b"EHLO x\r\n"), ("MAIL, RSET", b"MAIL FROM:<a@b.example>\r\nRSET\r\n"),
    ("XYZZY", b"XYZZY\r\n")]])
def endless(data):
    s = shared()
    with s.stays_alive():
        with s.client() as c:
            c.ehlo()
            if data == b"EHLO x\r\n":
                # EHLO ends a group of pipelined commands.
                for _ in range(500):
                    try:
                        if c.cmd("EHLO x").code == 421:
                            return
                    except Closed:
                        return
                tap.fail("500 times EHLO")
            # A batch is answered before the next one goes out: a client that only writes
            # would fill the server's socket and never see the 421.
            per, n, r = data.count(b"\r\n"), 0, None
            try:
                while n < 20000 and not (r and r.code == 421):
                    c.raw_send(data * 25)
                    for _ in range(25 * per):
                        r, n = c.reply(), n + 1
                        if r.code == 421:
                            break
            except Closed:
                tap.fail("closed without 421 after %d replies, the last %r" % (n, r))
            equal(r.code, 421, "after %d replies" % n)
            check(c.closed(), "not closed behind 421")


@test("B18 a letter in chunks of one octet", limit=60)
def tiny_chunks():
    s, t = shared(), token()
    body = letter(t, b"x" * 600 + b"\r\n")
    with s.stays_alive():
        with s.client() as c:
            c.ehlo()
            c.mail(), c.rcpt("alice@example.org")
            out = b"".join(b"BDAT 1\r\n" + body[i:i + 1] for i in range(len(body)))
            c.send(out + b"BDAT 0 LAST\r\n")
            rs = c.replies(len(body) + 1)
            equal({r.code for r in rs}, {250}, "replies")
    check(same(s.wait(t), body), "not identical")


@cases([("B19 %s" % ascii(d[:40])[2:-1], rcpt, d, codes) for rcpt, d, codes in [
    (True, b"BDAT 18446744073709551616\r\n", (501, 552)),
    (True, b"BDAT 18446744073709551615 LAST\r\n", (501, 552)),
    (True, b"BDAT 9223372036854775808\r\n", (501, 552)), (True, b"BDAT -1\r\n", (501,)),
    (True, b"BDAT +5\r\n", (501,)), (True, b"BDAT 0x10\r\n", (501,)), (True, b"BDAT\r\n", (501,)),
    (True, b"BDAT \r\n", (501,)), (True, b"BDAT x LAST\r\n", (501,)),
    (True, b"BDAT 5 LASTX\r\n", (501,)), (True, b"BDAT 1e3\r\n", (501,)),
    (False, b"BDAT 0\r\n", (503,)), (False, b"BDAT 0 LAST\r\n", (503,)),
    (False, b"BDAT 5\r\nhello", (503,)), (False, b"BDAT 3 LAST\r\n.\r\n", (503,)),
]])
def odd_bdat(rcpt, data, codes):
    s = shared()
    with s.stays_alive():
        with s.client() as c:
            c.ehlo()
            c.mail()
            if rcpt:
                c.rcpt("alice@example.org")
            c.send(data)
            r = c.reply()
            check(r.code in codes, "reply %r" % r)
            try:
                # After a size that cannot be read the stream is lost: closing is right.
                equal(c.cmd("NOOP").code, 250, "NOOP")
            except Closed:
                check(rcpt, "closed")


@test("B19 BDAT 0 LAST is an empty letter, BDAT 0 first is no end")
def bdat_zero():
    s, t = shared(), token()
    with s.client() as c:
        c.ehlo()
        c.mail(), c.rcpt("alice@example.org")
        equal(c.bdat(b"", letter(t), b"").code, 250, "0, letter, 0 LAST")
        equal(c.mail().code, 250, "MAIL")
        equal(c.cmd("RSET").code, 250, "RSET")
        equal(c.mail().code, 250, "MAIL")
        equal(c.rcpt("alice@example.org").code, 250, "RCPT")
        c.send(b"BDAT 3\r\nabc")
        equal(c.reply().code, 250, "first chunk")
        equal(c.cmd("DATA").code, 503, "DATA behind BDAT")
        equal(c.cmd("NOOP").code, 250, "NOOP")
        c.send(b"BDAT 3 LAST\r\n.\r\n")
        check(c.reply().code in (250, 503), "a dot is text")
        check(c.cmd("BDAT 0 LAST").code == 503, "BDAT behind LAST")
    s.wait(t)


@cases([("B20 RCPT TO:%s" % a, a) for a in (
    '<"">', '<""@example.org>', "<@>", "<.@example.org>", "<a..b@example.org>", "<>",
    "<.a@example.org>", "<a.@example.org>", "<@example.org>", "<alice@>", '<"@example.org>',
    "<alice@example.org", "alice@example.org>", "<alice@@example.org>", '<"\\"@example.org>',
    "<alice@-example.org>", "<alice@exa mple.org>", "<alice@[>", "<alice@[]>", "<alice@[1.2.3]>",
    "<alice@example.org>>", "<<alice@example.org>", "<alice@[IPv6:::::]>", "<alice@.org>")])
def odd_rcpt(address):
    s, t = shared(), token()
    with s.stays_alive():
        with s.client() as c:
            c.ehlo()
            c.mail()
            r = c.cmd("RCPT TO:" + address)
            check(r.code in (501, 553, 550), "reply %r" % r)
            equal(c.rcpt("alice@example.org").code, 250, "a good one")
            equal(c.data(letter(t)).code, 250, "DATA")
    s.wait(t)


@cases([("B21 %s" % ascii(p), verb, p) for verb, p in [
    ("MAIL", "AUTH=a+0Ab"), ("MAIL", "AUTH=a+0Db"), ("MAIL", "AUTH=a+00b"),
    ("MAIL", "ENVID=a+0D+0Ab"), ("MAIL", "ENVID=a+0ARCPT"), ("MAIL", "ENVID=+00"),
    ("MAIL", "ENVID=+"), ("MAIL", "ENVID=+0"), ("MAIL", "ENVID=+ZZ"), ("MAIL", "ENVID=a+0a"),
    ("MAIL", "ENVID=" + "x" * 101), ("MAIL", "ENVID="), ("MAIL", "RET=NONE"), ("MAIL", "ENVID=a\x0bb"),
    ("RCPT", "ORCPT=rfc822;a+0Ab@example.org"), ("RCPT", "ORCPT=rfc822;a+0D@x.example"),
    ("RCPT", "ORCPT=rfc822;a+00@x.example"), ("RCPT", "ORCPT=a+0Ab;x"), ("RCPT", "ORCPT=nosemicolon"),
    ("RCPT", "NOTIFY=NEVER,SUCCESS"), ("RCPT", "NOTIFY=SOMETIMES"), ("RCPT", "NOTIFY=")]])
def xtext(verb, param):
    s = shared()
    with s.stays_alive():
        with s.client() as c:
            c.ehlo()
            if verb == "MAIL":
                r = c.mail(params=param)
            else:
                c.mail()
                r = c.rcpt("alice@example.org", param)
            # 555: a parameter of an extension that is not announced.
            check(r.code in (501, 555, 504), "reply %r" % r)


@cases([("B22 %s" % ascii(d[:48])[2:-1], d) for d in [
    b"MAIL FROM:<a@b.example> =\r\n", b"MAIL FROM:<a@b.example> ==\r\n",
    b"MAIL FROM:<a@b.example> AUTH===\"\r\n", b"MAIL FROM:<a@b.example> \xff=\xff\r\n",
    b"MAIL FROM:<a@b.example> SIZE\r\n", b"MAIL FROM:<a@b.example> SIZE=\r\n",
    b"MAIL FROM:<a@b.example>  SIZE=\r\n", b"MAIL FROM:<a@b.example> BODY\r\n",
    b"MAIL FROM:<a@b.example> " + b"A=1 " * 400 + b"\r\n", b"AUTH===\"\r\n", b"AUTH=\r\n",
    b"MAIL FROM:<a@b.example> AUTH=" + b"+41" * 500 + b"\r\n"]])
def odd_params(data):
    s = shared()
    with s.stays_alive():
        with s.client() as c:
            c.ehlo()
            c.send(data)
            r = c.reply()
            check(r.code in (500, 501, 502, 503, 504, 538, 555), "reply %r" % r)
            equal(c.mail().code, 250, "no transaction was begun")


@test("B22 64 KiB of continuation lines in a header")
def continuation():
    s, t = shared(), token()
    body = letter(t, headers=b"X-Folded: a\r\n" + b"\t\r\n" * 100 + b" b\r\n" * 16000)
    with s.stays_alive():
        equal(s.give(sent=body)[1].code, 250, "reply")
    check(same(s.wait(t), body), "not identical")


@test("B22 a header that begins with a continuation line, or none at all")
def odd_header():
    s = shared()
    for head in (b" folded first\r\n", b"\r\n", b": no name\r\n", b"no colon at all\r\n",
                 b"\r\n\r\n", b"X" * 900 + b"\r\n", b"A:\r\n\r\n"):
        t = token()
        body = head + b"Message-ID: <" + t.encode() + b"@x>\r\n\r\nbody\r\n"
        with s.stays_alive():
            tok, r = s.give(sent=body)
            check(r.code in (250, 550, 554), "reply %r" % r)
        if r.code == 250:
            check(s.wait(t).raw.endswith(on_disk(body)), "not identical")


@cases([("B23 EHLO with %s" % n, d) for n, d in [
    ("12,000 characters", b"a" * 12000), ("2,000 characters", b"a" * 2000), ("8 bit", b"\xe4\xf6.example"),
    ("NUL", b"a\0b.example"), ("dots", b"." * 300), ("255 and more", b"a." * 140 + b"org"),
    ("a literal without end", b"[127.0.0.1"), ("IPv6 nonsense", b"[IPv6:zz]"), ("CR", b"a\rb")]])
def odd_ehlo(name):
    s, t = shared(), token()
    with s.stays_alive():
        with s.client() as c:
            r = c.cmd(b"EHLO " + name)
            # helo is lenient by default: an odd name is no reason, a broken line is.
            strict = b"\0" in name or b"\r" in name or len(name) > 2040
            check(r.code in ((500, 501) if strict else (250, 500, 501)), "reply %r" % r)
            equal(c.ehlo().code, 250, "EHLO")
            equal(c.deliver("alice@example.org", letter(t)).code, 250, "letter")
    s.wait(t)


@test("helo strict refuses what is no name")
def helo_strict():
    with server.Server(inbound="helo strict") as s:
        with s.client() as c:
            for n, code in (("good.example.net", 250), ("[192.0.2.1]", 250), ("under_score", 501),
                            ("a b", 501), ("-x", 501)):
                r = c.cmd("EHLO " + n)
                check(r.code == code or code == 501 and r.code in (501, 550), "%s: %r" % (n, r))


@test("several listeners, IPv4 and IPv6")
def listeners():
    a, b = server.free_port(), server.free_port()
    with server.Server(listen=["smtp 127.0.0.1:%d" % a, "smtp [::1]:%d" % b]) as s:
        for addr in (("127.0.0.1", a), ("::1", b)):
            t = token()
            with Smtp(addr, slow=SLOW) as c:
                c.ehlo()
                equal(c.deliver("alice@example.org", letter(t)).code, 250, "letter")
            got = s.wait(t)
            check(("[IPv6:::1]" if ":" in addr[0] else "[127.0.0.1]") in got.first("received"),
                  got.first("received"))


@test("a client that vanishes leaves nothing behind", limit=60)
def vanish():
    s = shared()
    t = token()
    wire = b"EHLO x\r\nMAIL FROM:<a@client.example.net>\r\nRCPT TO:<alice@example.org>\r\nDATA\r\n"
    with s.stays_alive():
        for how in ("close", "reset"):
            for stop in range(5):
                c = s.client()
                c.ehlo()
                c.mail()
                if stop > 0:
                    c.rcpt("alice@example.org")
                if stop > 1:
                    c.cmd("DATA")
                if stop > 2:
                    c.send(letter(t, size=1 << (10 * (stop - 2))))
                c.close() if how == "close" else c.reset()
    s.fence()
    equal(s.anywhere(t), [], "files")


tap.main()
