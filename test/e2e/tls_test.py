#!/usr/bin/python3
"""STARTTLS: rows B1, B6–B8, B14, B24, B25, B27, B28."""
import os
import re
import shutil
import ssl
import struct
import subprocess
import time

import certs
import letters
import server
import tap
from letters import letter, same, token
from server import shared
from smtp import Closed, Smtp, client_context, stuff
from tap import cases, check, equal, test

V = ssl.TLSVersion


def banner(s, **kw):
    c = s.client(**kw)
    c.ehlo()
    check("STARTTLS" in c.features, "STARTTLS not offered")
    return c


@cases([("B1 pipelined behind STARTTLS: %s" % n, d) for n, d in [
    ("NOOP", b"STARTTLS\r\nNOOP\r\n"),
    ("MAIL", b"STARTTLS\r\nMAIL FROM:<a@client.example.net>\r\n"),
    ("half a command", b"STARTTLS\r\nMAIL FR"),
    ("one byte", b"STARTTLS\r\n\0"),
    ("RSET, STARTTLS again", b"STARTTLS\r\nSTARTTLS\r\n"),
    ("lower case", b"starttls\r\nRSET\r\n"),
]])
def injected(data):
    s = shared()
    with banner(s) as c:
        c.send(data)
        rest = c.rest(10)
        check(rest is not None, "not closed")
        lines = [l for l in rest.split(b"\r\n") if l]
        check(len(lines) <= 1 or not any(l.startswith(b"250") for l in lines),
              "executed: %r" % rest)


@test("B1 EHLO, STARTTLS and MAIL in one segment")
def injected_ehlo():
    s = shared()
    with s.client() as c:
        c.send(b"EHLO x\r\nSTARTTLS\r\nMAIL FROM:<a@client.example.net>\r\n")
        rest = c.rest(10)
        check(rest is not None, "not closed")
        check(b"2.1.0" not in rest, "MAIL executed: %r" % rest)


@test("B6 bytes between 220 and the ClientHello")
def between():
    s = shared()
    for bad in (b"NOOP\r\n", b"EHLO x\r\nMAIL FROM:<a@client.example.net>\r\n", b"\0", b"\x16"):
        with banner(s) as c:
            equal(c.cmd("STARTTLS").code, 220, "STARTTLS")
            c.send(bad)
            time.sleep(0.05)
            failed = False
            try:
                c.sock.settimeout(5)
                c.handshake()
                c.send(b"NOOP\r\n")
                c.reply()
            except (Closed, ssl.SSLError, OSError):
                failed = True
            check(failed, "a handshake behind %r" % bad)


@test("B7 everything said before STARTTLS is forgotten")
def forgotten():
    s = shared()
    with banner(s) as c:
        equal(c.mail().code, 250, "MAIL")
        equal(c.cmd("RSET").code, 250, "RSET")
        equal(c.starttls().code, 220, "STARTTLS")
        equal(c.mail().code, 503, "MAIL without a new EHLO")
        equal(c.cmd("RCPT TO:<alice@example.org>").code, 503, "RCPT")
        r = c.ehlo()
        check("STARTTLS" not in c.features, "STARTTLS inside TLS")
        for word in ("PIPELINING", "SIZE", "8BITMIME", "SMTPUTF8", "CHUNKING",
                     "ENHANCEDSTATUSCODES"):
            check(word in c.features, "%s not in the second EHLO: %r" % (word, r))
        equal(c.cmd("RCPT TO:<alice@example.org>").code, 503, "RCPT without MAIL")
        t = token()
        equal(c.deliver("alice@example.org", letter(t)).code, 250, "letter")
    got = s.wait(t)
    check(re.search(r"with ESMTPS\b", got.first("received")), got.first("received"))
    check(re.search(r"TLS1[._]?[23]|TLSv1\.[23]", got.first("received")), "TLS details: " +
          got.first("received"))
    equal(len(got.all("received")), 1, "Received")


@test("B8 STARTTLS after MAIL, twice, inside TLS, with an argument")
def twice():
    s = shared()
    with banner(s) as c:
        equal(c.mail().code, 250, "MAIL")
        equal(c.cmd("STARTTLS").code, 503, "STARTTLS after MAIL")
        equal(c.rcpt("alice@example.org").code, 250, "RCPT: the state is kept")
        equal(c.cmd("RSET").code, 250, "RSET")
        equal(c.cmd("STARTTLS now").code, 501, "STARTTLS with an argument")
        equal(c.starttls().code, 220, "STARTTLS")
        equal(c.cmd("STARTTLS").code, 503, "STARTTLS inside TLS, before EHLO")
        c.ehlo()
        equal(c.cmd("STARTTLS").code, 503, "STARTTLS inside TLS")
        equal(c.mail().code, 250, "MAIL: the state is kept")


@test("B8 STARTTLS before EHLO")
def before_ehlo():
    s = shared()
    with s.client() as c:
        # RFC 3207 does not forbid it; refusing is right too.
        r = c.cmd("STARTTLS")
        check(r.code in (220, 503), "reply %r" % r)


@test("B14 close_notify within BDAT, then a clear byte")
def dead_letter():
    s, t = shared(), token()
    with s.stays_alive():
        for tail in (b"x", b"BDAT 50 LAST\r\n" + b"x" * 50, b"\x17\x03\x03\x00\x10" + b"\0" * 16):
            with banner(s) as c:
                c.starttls()
                c.ehlo()
                c.mail(), c.rcpt("alice@example.org")
                c.send(b"BDAT 100 LAST\r\n" + t.encode() + b"y" * (50 - len(t)))
                try:
                    c.tls.unwrap()
                except ssl.SSLError:
                    pass
                c.raw_send(c.tls_out.read())
                time.sleep(0.05)
                try:
                    c.raw_send(tail)
                except Closed:
                    pass
                c.sock.settimeout(10)
                while True:
                    try:
                        if not c.sock.recv(4096):
                            break
                    except ConnectionResetError:
                        break
    equal(s.anywhere(t), [], "files of the torn letter")


def patched_hello(name, fake):
    """A ClientHello whose server name is replaced by other bytes of the same length."""
    i, o = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = client_context().wrap_bio(i, o, server_hostname=name)
    try:
        tls.do_handshake()
    except ssl.SSLWantReadError:
        pass
    hello = o.read()
    assert hello.count(name.encode()) == 1 and len(fake) == len(name)
    return hello.replace(name.encode(), fake)


@cases([("B24 SNI %s" % n, f) for n, f in [
    ("ending in a backslash", b"mail.example.or\\"), ("with NUL", b"mail\0example.org"),
    ("with a slash", b"../../../etc/pas"), ("with dots", b"................"),
    ("8-bit", b"\xff\xfe\xfd\xfc\xfb\xfa\xf9\xf8\xf7\xf6\xf5\xf4\xf3\xf2\xf1\xf0"),
    ("with CRLF", b"a\r\nevent=x msg=1")]])
def odd_sni(fake):
    s = shared()
    with s.stays_alive():
        with banner(s) as c:
            c.cmd("STARTTLS")
            c.raw_send(patched_hello("a" * 12 + ".org", fake.ljust(16, b"x")))
            c.sock.settimeout(5)
            try:
                got = c.sock.recv(4096)
            except ConnectionResetError:
                got = b""
            # A ServerHello with the default certificate, or an alert.
            check(got[:1] in (b"\x16", b"\x15", b""), "answer %r" % got[:20])
    check(b"event=x msg=1\n" not in s.log_bytes(), "a line of the log was forged")


@test("B24 many server names: default certificate, bounded memory")
def many_sni():
    s = shared()
    n = 300
    with s.stays_alive():
        for i in range(n):
            with banner(s) as c:
                c.starttls(sni="h%d.%s.example.com" % (i, "x" * (i % 60 + 1)))
                equal(certs.common_name(c.tls.getpeercert(True)), "mail.example.org",
                      "certificate") if i % 50 == 0 else None


def s_client(s, *args, stdin=b"", timeout=20):
    p = subprocess.Popen(["openssl", "s_client", "-connect", "%s:%d" % s.addr, "-starttls",
                          "smtp", "-crlf", *args], stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    time.sleep(0.7)
    for line in stdin.splitlines(True):
        try:
            p.stdin.write(line)
            p.stdin.flush()
        except BrokenPipeError:
            break
        time.sleep(0.3)
    try:
        p.stdin.close()
    except BrokenPipeError:
        pass
    try:
        out = p.stdout.read()
        p.wait(timeout)
    finally:
        p.kill()
        p.wait()
    return out.decode("latin-1")


@test("B25 renegotiation in TLS 1.2 is refused", limit=40)
def renegotiation():
    s = shared()
    with s.stays_alive():
        out = s_client(s, "-tls1_2", stdin=b"NOOP\nR\nNOOP\nQUIT\n")
        check("RENEGOTIATING" in out, "openssl did not ask: %s" % out[-500:])
        after = out.split("RENEGOTIATING", 1)[1]
        check("verify return" not in after and ("no renegotiation" in after or
              "closed" in after or "errno" in after or "error" in after),
              "renegotiated: %s" % after[-400:])


@test("B25 a client certificate with NUL in its name changes nothing")
def client_cert():
    s = shared()
    crt, key = certs.make(s.dir, "client", cn="alice@example.org\\x00.evil.example")
    ctx = client_context()
    ctx.load_cert_chain(crt, key)
    with banner(s) as c:
        c.starttls(ctx)
        c.ehlo()
        c.mail()
        check(c.rcpt("v@victim.example").code in (550, 551, 554), "relayed")


def hello(version, suites, record=b"\x03\x01"):
    """A plain ClientHello of TLS <= 1.2 without extensions."""
    body = version + b"R" * 32 + b"\0" + struct.pack(">H", 2 * len(suites)) + \
        b"".join(struct.pack(">H", x) for x in suites) + b"\x01\0"
    if version >= b"\x03\x03":
        # supported_groups (P-256, X25519), point formats, signature algorithms
        ext = bytes.fromhex("000a0006000400170 01d".replace(" ", "")) + \
            bytes.fromhex("000b00020100") + \
            bytes.fromhex("000d000c000a04030804040105010201")
        body += struct.pack(">H", len(ext)) + ext
    shake = b"\x01" + struct.pack(">I", len(body))[1:] + body
    return b"\x16" + record + struct.pack(">H", len(shake)) + shake


def answer(s, data):
    with banner(s) as c:
        equal(c.cmd("STARTTLS").code, 220, "STARTTLS")
        c.raw_send(data)
        c.sock.settimeout(5)
        try:
            got = c.sock.recv(4096)
        except ConnectionResetError:
            got = b""
        if got[:1] == b"\x16" and got[5:6] == b"\x02":
            return "ServerHello"
        return "refused"


WEAK = [("SSL 3.0", b"\x03\x00", [0x2f, 0x35]), ("TLS 1.0", b"\x03\x01", [0xc013, 0xc009, 0x2f]),
        ("TLS 1.1", b"\x03\x02", [0xc013, 0xc009, 0x2f]),
        ("RC4", b"\x03\x03", [4, 5, 0xc011, 0xc007]), ("3DES", b"\x03\x03", [0xa, 0xc012, 0xc008]),
        ("EXPORT", b"\x03\x03", [3, 6, 8, 0x14]), ("NULL", b"\x03\x03", [1, 2, 0x3b, 0xc010, 0xc006]),
        ("anonymous", b"\x03\x03", [0x18, 0x34, 0xa6, 0xc018]), ("DES", b"\x03\x03", [9, 0xc, 0x15]),
        ("static RSA", b"\x03\x03", [0x2f, 0x35, 0x9c, 0x9d]),
        ("DHE with a small group", b"\x03\x03", [0x33, 0x39])]


@cases([("B27 not offered: %s" % n, v, c) for n, v, c in WEAK])
def weak(version, suites):
    equal(answer(shared(), hello(version, suites)), "refused", "handshake")


@test("B27 TLS 1.2 and 1.3 with good ciphers are offered")
def strong():
    s = shared()
    equal(answer(s, hello(b"\x03\x03", [0xc02b, 0xc02c, 0xc02f, 0xc030])), "ServerHello",
          "ECDHE with AES-GCM")
    for lo, hi, want in ((V.TLSv1_2, V.TLSv1_2, "TLSv1.2"), (V.TLSv1_3, V.TLSv1_3, "TLSv1.3")):
        with banner(s) as c:
            c.starttls(client_context(lo, hi))
            equal(c.tls.version(), want, "version")
            equal(c.ehlo().code, 250, "EHLO")


@test("without a certificate the server signs its own")
def self_signed():
    s = shared()
    with banner(s) as c:
        c.starttls()
        equal(certs.common_name(c.tls.getpeercert(True)), server.HOST, "name")


def with_cert(folder, **kw):
    crt, key = certs.make(folder, "first", cn="first.example.org")
    live = os.path.join(folder, "live")
    os.makedirs(live, exist_ok=True)
    # As certbot does: links in live/ that point into archive/.
    archive = os.path.join(folder, "archive")
    os.makedirs(archive, exist_ok=True)
    put(folder, crt, key, 1)
    return os.path.join(live, "fullchain.pem"), os.path.join(live, "privkey.pem")


def put(folder, crt, key, n, crt_bytes=None, pause=0, only=None):
    """A new generation: files in archive/, links renamed over the old ones."""
    for src, name in ((crt, "fullchain"), (key, "privkey")):
        if only and name != only:
            continue
        dst = os.path.join(folder, "archive", "%s%d.pem" % (name, n))
        if src is crt and crt_bytes is not None:
            with open(dst, "wb") as f:
                f.write(crt_bytes)
        else:
            shutil.copyfile(src, dst)
        if name == "privkey":
            os.chmod(dst, 0o600)
        link = os.path.join(folder, "live", name + ".pem")
        if os.path.lexists(link + ".new"):
            os.unlink(link + ".new")
        os.symlink("../archive/%s%d.pem" % (name, n), link + ".new")
        os.rename(link + ".new", link)
        time.sleep(pause)


def cn_now(s):
    with banner(s) as c:
        c.starttls()
        return certs.common_name(c.tls.getpeercert(True))


def cert_server(**kw):
    s = server.Server(**kw)
    crt, key = with_cert(s.dir)
    s.write_conf(s.text + "tls certificate %s key %s\n" % (crt, key))
    return s.start()


@test("B28 a certificate replaced by rename is taken up under live sessions", limit=90)
def hot():
    s = cert_server()
    try:
        equal(cn_now(s), "first.example.org", "first certificate")
        live = []
        for _ in range(60):
            c = banner(s)
            c.starttls()
            c.ehlo()
            live.append(c)
        pairs = [certs.make(s.dir, "n%d" % i, cn="n%d.example.org" % i,
                            key="rsa" if i == 1 else "ec") for i in range(3)]
        n = 2
        for round in range(9):
            i = round % 3
            put(s.dir, *pairs[i], n)
            n += 1
            tap.eventually(lambda: cn_now(s) == "n%d.example.org" % i, 8 * server.SLOW, 0.1,
                           "certificate n%d" % i)
        for c in live:
            equal(c.cmd("NOOP").code, 250, "a live session")
            c.close()
    finally:
        s.end()


@test("B28 a bad pair keeps the old one and says so", limit=90)
def bad_pair():
    s = cert_server()
    try:
        equal(cn_now(s), "first.example.org", "first certificate")
        a = certs.make(s.dir, "a", cn="a.example.org")
        b = certs.make(s.dir, "b", cn="b.example.org")
        d = certs.make(s.dir, "d", cn="d.example.org")
        n = 2
        whole = open(a[0], "rb").read()
        # `first` lies there with its key; between two renames the new certificate stands
        # beside the key before: no such pair may be a good one.
        for what, crt, key, data in (
                ("half a PEM", a[0], a[1], whole[:len(whole) // 2]), ("empty", a[0], a[1], b""),
                ("the key of another", d[0], b[1], None), ("garbage", a[0], a[1], b"\0" * 5000),
                ("a key instead", a[1], a[1], None)):
            mark = len(s.log())
            put(s.dir, crt, key, n, data)
            n += 1
            tap.eventually(lambda: re.search(r"(?i)certificate|tls|key", s.log()[mark:]),
                           8 * server.SLOW, what="a line about %s: %s" % (what, s.log()[mark:]))
            equal(cn_now(s), "first.example.org", "certificate after %s" % what)
        put(s.dir, *a, n)
        tap.eventually(lambda: cn_now(s) == "a.example.org", 8 * server.SLOW, 0.1,
                       "the good pair after the bad ones")
    finally:
        s.end()


def complaints(s, mark):
    return re.findall(r"(?m)^.* certificate .* level=error.*$", s.log()[mark:])


@test("a pair that is replaced in two steps is no error; a half left alone is one", limit=60)
def two_steps():
    s = cert_server()
    try:
        equal(cn_now(s), "first.example.org", "first certificate")
        mark = len(s.log())
        new = certs.make(s.dir, "new", cn="new.example.org")
        put(s.dir, *new, 2, pause=1)
        tap.eventually(lambda: cn_now(s) == "new.example.org", 8 * server.SLOW, 0.1, "the new pair")
        time.sleep(5.5)
        equal(complaints(s, mark), [], "said while it was being replaced")
        alone = certs.make(s.dir, "alone", cn="alone.example.org")
        put(s.dir, alone[0], new[1], 3, only="fullchain")
        time.sleep(1)
        equal(complaints(s, mark), [], "said at once")
        tap.eventually(lambda: len(complaints(s, mark)) == 1, 10 * server.SLOW, what="a complaint about the half")
        equal(cn_now(s), "new.example.org", "the old pair")
    finally:
        s.end()


@test("a pair whose line is gone is neither shown nor offered")
def fewer_pairs():
    s = cert_server()
    try:
        one = open(s.conf, encoding="utf-8").read()
        s.reload(one + "tls certificate %s key %s\n" % certs.make(s.dir, "second", cn="second.example.org"))

        def named(sni):
            with banner(s) as c:
                c.starttls(sni=sni)
                return certs.common_name(c.tls.getpeercert(True))
        tap.eventually(lambda: named("second.example.org") == "second.example.org", 8 * server.SLOW, 0.1, "the second")
        check("second.example.org" in s.command("status")[1], "status")
        s.reload(one)
        tap.eventually(lambda: named("second.example.org") == "first.example.org", 8 * server.SLOW, 0.1,
                       "the second is gone")
        status = s.command("status")[1]
        check("first.example.org" in status and "second.example.org" not in status, status)
    finally:
        s.end()


@test("B28 an expired certificate is served but named in the log")
def expired():
    s = server.Server()
    try:
        crt, key = certs.make(s.dir, "old", cn="old.example.org", expired=True)
        s.write_conf(s.text + "tls certificate %s key %s\n" % (crt, key))
        s.start()
        s.log_wait(r"(?i)expire")
        with s.client() as c:
            equal(c.ehlo().code, 250, "EHLO")
    finally:
        s.end()


@test("keys dying gives a clean failure and recovers", limit=60)
def keys_dies():
    s = server.Server().start()
    s.expect_crash = True
    try:
        with banner(s) as c:
            c.starttls()
            c.ehlo()
            with banner(s) as d:
                equal(d.cmd("STARTTLS").code, 220, "STARTTLS")
                check(s.kill_role("keys") >= 1, "no keys role")
                try:
                    d.sock.settimeout(10)
                    d.handshake()
                except (Closed, ssl.SSLError):
                    pass
            t = token()
            equal(c.deliver("alice@example.org", letter(t)).code, 250,
                  "letter on the open TLS session")
            s.wait(t)

        def again():
            try:
                return cn_now(s)
            except (Closed, ssl.SSLError, tap.Fail, OSError):
                return None
        tap.eventually(again, 2 * server.SLOW, 0.05, "TLS after keys died")
    finally:
        s.end()


@test("a big letter over TLS, records of all sizes")
def big():
    s, t = shared(), token()
    body = letter(t, size=700000)
    with banner(s) as c:
        c.starttls()
        c.ehlo()
        c.mail(), c.rcpt("alice@example.org")
        equal(c.cmd("DATA").code, 354, "DATA")
        wire, at, n = stuff(body), 0, 1
        while at < len(wire):
            c.send(wire[at:at + n])
            at += n
            n = n * 3 % 16381 + 1
        equal(c.reply().code, 250, "reply")
    check(same(s.wait(t), body), "not identical")


tap.main()
