#!/usr/bin/python3
"""Logging in over IMAP and POP3: rows B2, B3, B7, C1 to C5, C9, C11."""
import base64
import concurrent.futures
import imaplib
import poplib
import re
import threading
import time

from logins import FAILED, USERS, alice, logged_in, shared          # first: it starts us again

import server
from imap import Imap, Pop3, Scram
from odd_names import STRANGE
from server import SLOW
from smtp import Closed, client_context
from tap import cases, check, equal, main, test

# Who gets in

@test("imaplib and poplib log in over TLS and STARTTLS")
def libraries():
    s = shared()
    ctx = client_context()
    for c in (imaplib.IMAP4_SSL("127.0.0.1", s.ports["imaps"], ssl_context=ctx),
              imaplib.IMAP4("127.0.0.1", s.ports["imap"])):
        if isinstance(c, imaplib.IMAP4) and not isinstance(c, imaplib.IMAP4_SSL):
            c.starttls(ctx)
        equal(c.login(alice(s), USERS["alice"])[0], "OK", "login")
        equal(c.noop()[0], "OK", "noop")
        equal(c.logout()[0], "BYE", "logout")
    c = imaplib.IMAP4_SSL("127.0.0.1", s.ports["imaps"], ssl_context=ctx)
    equal(c.authenticate("PLAIN", lambda _: b"\0" + alice(s).encode() + b"\0" + USERS["alice"].encode())[0],
          "OK", "AUTHENTICATE PLAIN")
    c.logout()
    p = poplib.POP3_SSL("127.0.0.1", s.ports["pop3s"], context=ctx)
    p.user(alice(s))
    check(p.pass_(USERS["alice"]).startswith(b"+OK"), "PASS")
    p.quit()
    p = poplib.POP3("127.0.0.1", s.ports["pop3"])
    p.stls(ctx)
    p.user(alice(s))
    check(p.pass_(USERS["alice"]).startswith(b"+OK"), "PASS behind STLS")
    p.quit()


def plain(user, password, authzid=b""):
    return authzid + b"\0" + user.encode() + b"\0" + password.encode()


@cases([("%s: %s" % (m, u), m, u) for u in USERS for m in (
    "LOGIN", "LOGIN with literals", "LOGIN with LITERAL-", "PLAIN", "PLAIN SASL-IR", "SASL LOGIN", "SCRAM", "SCRAM-PLUS")])
def mechanisms(m, u):
    s = shared()
    user, pw = s.address(u), USERS[u]
    with s.imap() as c:
        if m == "LOGIN" and not pw.isascii():
            r = c.cmd(b"LOGIN %s {%d+}\r\n%s" % (user.encode(), len(pw.encode()), pw.encode()))
        elif m == "LOGIN":
            r = c.login(user, pw)
        elif m == "LOGIN with literals":
            tag = c.tag()
            c.send(tag + b" LOGIN {%d}\r\n" % len(user))
            check(c.line().startswith(b"+ "), "go ahead")
            c.send(user.encode() + b" {%d}\r\n" % len(pw.encode()))
            check(c.line().startswith(b"+ "), "go ahead")
            c.send(pw.encode() + b"\r\n")
            r = c.answer(tag)
        elif m == "LOGIN with LITERAL-":
            r = c.cmd(b"LOGIN {%d+}\r\n%s {%d+}\r\n%s" % (len(user), user.encode(), len(pw.encode()), pw.encode()))
        elif m == "PLAIN":
            r = c.authenticate("PLAIN", plain(user, pw))
        elif m == "PLAIN SASL-IR":
            r = c.authenticate("PLAIN", initial=plain(user, pw, user.encode()))
        elif m == "SASL LOGIN":
            r = c.authenticate("LOGIN", user.encode(), pw.encode())
        else:
            r, x = c.scram(user, pw, plus=m == "SCRAM-PLUS", initial=u != "bob")
            check(x.server_ok, "the server did not prove that it knows the password")
        logged_in(r)
        check("CAPABILITY" in r.code, "no capabilities behind login: %r" % r)
        equal(c.cmd("NOOP").status, "OK", "NOOP")


@test("POP3: USER and PASS, AUTH with each mechanism")
def pop3_mechanisms():
    s = shared()
    user, pw = s.address("bob"), USERS["bob"]
    with s.pop3() as c:
        caps = [l.decode() for l in c.multi("CAPA")]
        sasl = next(l for l in caps if l.startswith("SASL")).split()[1:]
        equal(set(sasl), {"PLAIN", "LOGIN", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"}, "SASL")
        check("USER" in caps and "STLS" not in caps, "CAPA %s" % caps)
        check(c.login(user, pw).startswith(b"+OK"), "USER, PASS")
    for m, answers, initial in (("PLAIN", [plain(user, pw)], None), ("PLAIN", [], plain(user, pw)),
                                ("LOGIN", [user.encode(), pw.encode()], None)):
        with s.pop3() as c:
            check(c.authenticate(m, *answers, initial=initial).startswith(b"+OK"), m)
    with s.pop3() as c:
        x = Scram(user, pw)
        check(c.authenticate("SCRAM-SHA-256", x.final, x.check, initial=x.first()).startswith(b"+OK"), "SCRAM")
        check(x.server_ok, "server's proof")


@test("bytes pipelined behind the login reach the mailbox, in both protocols")
def pipelined():
    s = shared()
    with s.imap() as c:
        c.send('a1 LOGIN %s %s\r\na2 NOOP\r\na3 LOGOUT\r\n' % (alice(s), USERS["alice"]))
        equal([c.answer(t).status for t in (b"a1", b"a2", b"a3")], ["OK"] * 3, "three answers")
        equal(c.rest(), b"", "closed")
    with s.pop3() as c:
        c.send('USER %s\r\nPASS %s\r\nNOOP\r\nQUIT\r\n' % (alice(s), USERS["alice"]))
        for what in ("USER", "PASS", "NOOP", "QUIT"):
            check(c.line().startswith(b"+OK"), what)


@test("other ways to write the name: letter case, and no account behind it")
def names():
    s = shared()
    for user, ok in (("Alice@Example.ORG", True), ("alice", False), ("alice@other.example", False),
                     ("@example.org", False), ("alice@", False)):
        with s.imap() as c:
            equal(c.login(user, USERS["alice"]).status, "OK" if ok else "NO", user)


# Refused

@test("C9 wrong password and unknown user: same text, same time, in each way to log in", limit=120)
def enumeration():
    s = shared()

    def ways(user):
        with s.imap() as c:
            yield c.login(user, "wrong").text
            yield c.authenticate("PLAIN", initial=plain(user, "wrong")).text
            yield c.scram(user, "wrong")[0].text
        with s.pop3() as c:
            yield c.login(user, "wrong").decode()

    known = list(ways(alice(s)))
    equal(list(ways("nobody@example.org")), known, "texts")
    check(all(FAILED in t for t in known), "texts %s" % known)
    times = {alice(s): [], "nobody@example.org": [], "nobody@elsewhere.example": []}

    def measure(user):
        with s.imap() as c:
            for _ in range(3):
                start = time.monotonic()
                equal(c.login(user, "wrong").status, "NO", "login")
                times[user].append(time.monotonic() - start)

    # The quickest of each: a busy machine only ever adds to it, and then has some tries more.
    for n in range(10):
        ts = [threading.Thread(target=measure, args=(u,)) for u in times]
        for t in ts:
            t.start()
        for t in ts:
            t.join()
        least = {u: min(t) for u, t in times.items()}
        apart = max(least.values()) - min(least.values())
        if n >= 3 and apart < 0.005 * SLOW:
            break
    check(apart < 0.005 * SLOW, "the quickest answers: %s" % least)


@test("SCRAM gives an unknown user a salt that stays the same, as a real one has it")
def scram_salts():
    s = shared()

    def salt(user):
        with s.imap() as c:
            _r, x = c.scram(user, "wrong")
            return x.salt, x.iterations

    a, b, other = salt("nobody@example.org"), salt("nobody@example.org"), salt("nobody2@example.org")
    equal(a, b, "salt of the same name")
    check(a[0] != other[0], "the same salt for two names")
    real = salt(alice(s))
    equal((len(a[0]), a[1]), (len(real[0]), real[1]), "form")


@cases([("C11 no password in the clear: %s" % n, p, c) for n, p, c in [
    ("IMAP LOGIN", "imap", b"x LOGIN alice@example.org alice-pw"),
    ("IMAP AUTHENTICATE", "imap", b"x AUTHENTICATE PLAIN"),
    ("IMAP AUTHENTICATE with SASL-IR", "imap", b"x AUTHENTICATE PLAIN AGFsaWNlQGV4YW1wbGUub3JnAGFsaWNlLXB3"),
    ("POP3 USER", "pop3", b"USER alice@example.org"),
    ("POP3 AUTH", "pop3", b"AUTH PLAIN"),
    ("POP3 AUTH with a response", "pop3", b"AUTH PLAIN AGFsaWNlQGV4YW1wbGUub3JnAGFsaWNlLXB3"),
]])
def in_clear(proto, line):
    s = shared()
    mark = len(s.log())
    if proto == "imap":
        with s.imap(tls=False) as c:
            check(b"LOGINDISABLED" in c.banner and b"STARTTLS" in c.banner and b"AUTH=" not in c.banner,
                  "banner %r" % c.banner)
            caps = c.capabilities()
            check("LOGINDISABLED" in caps and "STARTTLS" in caps and not any(x.startswith("AUTH=") for x in caps),
                  "capabilities %s" % caps)
            c.send(line + b"\r\n")
            check(c.line().startswith(b"x NO [PRIVACYREQUIRED]"), "not refused")
    else:
        with s.pop3(tls=False) as c:
            caps = c.multi("CAPA")
            check(b"STLS" in caps and b"USER" not in caps and not any(x.startswith(b"SASL") for x in caps),
                  "CAPA %s" % caps)
            check(c.cmd(line).startswith(b"-ERR"), "not refused")
    check(" login result=" not in s.log()[mark:], "the role user was asked")


@test("plaintext: on its loopback listener a password is taken without TLS")
def plaintext():
    s = shared()
    with Imap(("127.0.0.1", s.ports["plain"])) as c:
        check(b"AUTH=PLAIN" in c.banner and b"LOGINDISABLED" not in c.banner, "banner %r" % c.banner)
        check(b"-PLUS" not in c.banner, "channel binding without TLS")
        logged_in(c.login(alice(s), USERS["alice"]))
    with Pop3(("127.0.0.1", s.ports["plainpop"])) as c:
        check(c.login(alice(s), USERS["alice"]).startswith(b"+OK"), "login")


@cases([("B2 pipelined behind STARTTLS: %s" % n, d) for n, d in [
    ("NOOP", b"a STARTTLS\r\nb NOOP\r\n"), ("CAPABILITY", b"a STARTTLS\r\nb CAPABILITY\r\n"),
    ("LOGIN", b"a STARTTLS\r\nb LOGIN alice@example.org alice-pw\r\n"), ("half a command", b"a STARTTLS\r\nb NO"),
    ("one byte", b"a STARTTLS\r\n\0"), ("lower case", b"a starttls\r\na starttls\r\n")]])
def injected_imap(data):
    s = shared()
    with s.imap(tls=False) as c:
        c.send(data)
        rest = c.rest()
        check(rest is not None, "not closed")
        check(not re.search(rb"^b OK|CAPABILITY", rest, re.M), "executed: %r" % rest)


@cases([("B3 pipelined behind STLS: %s" % n, d) for n, d in [
    ("CAPA", b"STLS\r\nCAPA\r\n"), ("USER", b"STLS\r\nUSER alice@example.org\r\n"),
    ("half a command", b"STLS\r\nCA"), ("lower case", b"stls\r\nnoop\r\n")]])
def injected_pop3(data):
    s = shared()
    with s.pop3(tls=False) as c:
        c.send(data)
        rest = c.rest()
        check(rest is not None, "not closed")
        check(rest.count(b"+OK") == 0, "executed: %r" % rest)


@cases([("B2 injected behind STARTTLS's OK: %s" % n, "imap", d) for n, d in [
    ("NOOP", b"b NOOP\r\n"), ("LOGIN", b"b LOGIN alice@example.org alice-pw\r\n"), ("one octet", b"\x16"),
    ("half a ClientHello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")]] +
       [("B3 injected behind STLS's +OK: %s" % n, "pop3", d) for n,
       d in [("NOOP", b"NOOP\r\n"), ("USER", b"USER alice@example.org\r\nPASS alice-pw\r\n")]])
def injected_later(proto, data):
    """In the clear, where the handshake must come: nothing of it is executed, before or behind TLS."""
    s = shared()
    with (s.imap(tls=False) if proto == "imap" else s.pop3(tls=False)) as c:
        if proto == "imap":
            equal(c.cmd("STARTTLS").status, "OK", "STARTTLS")
        else:
            check(c.cmd("STLS").startswith(b"+OK"), "STLS")
        c.send(data)
        try:
            c.handshake()
        except Closed:
            return
        check(False, "a handshake behind %r" % data)


@test("B7 what was said before STARTTLS is forgotten behind it")
def forgotten():
    s = shared()
    with s.imap(tls=False) as c:
        c.send(b"h LOGIN {5}\r\n")
        check(c.line().startswith(b"+ "), "go ahead")
        c.send(b"alice x\r\n")
        c.line()
        equal(c.starttls().status, "OK", "STARTTLS")
        caps = c.capabilities()
        check("STARTTLS" not in caps and "LOGINDISABLED" not in caps and "AUTH=PLAIN" in caps, "caps %s" % caps)
        check("AUTH=SCRAM-SHA-256-PLUS" in caps, "caps %s" % caps)
        equal(c.cmd("STARTTLS").status, "BAD", "STARTTLS inside TLS")
        logged_in(c.login(alice(s), USERS["alice"]))
    with s.pop3(tls=False) as c:
        c.cmd("USER alice@example.org")
        check(c.starttls().startswith(b"+OK"), "STLS")
        check(c.cmd("PASS alice-pw").startswith(b"-ERR"), "USER of before counts")
        check(c.cmd("STLS").startswith(b"-ERR"), "STLS inside TLS")
        check(c.login(alice(s), USERS["alice"]).startswith(b"+OK"), "login")


def encoded(n):
    return base64.b64encode(b"a" * n)[:n]


@cases([("C1 base64: %s" % n, d) for n, d in [
    ("one letter", b"a"), ("4n+1", b"AAAAA"), ("no padding", b"AGE"), ("= inside", b"AG=FAGI="), ("only ====", b"===="),
    ("a blank", b"AG EAYg=="), ("url alphabet", b"AG-_AGI="), ("8 bit", b"\xc3\xa4AGI="), ("NUL", b"AG\0EAYg=="),
    ("11,000", encoded(11000)), ("12,285", encoded(12285)), ("12,300", encoded(12300)), ("20,000", encoded(20000)),
    ("a response of 60,000 after the challenge", encoded(60000))]])
def base64_(data):
    s = shared()
    with s.imap() as c:
        tag = c.tag()
        c.send(tag + b" AUTHENTICATE PLAIN\r\n")
        check(c.line().startswith(b"+ "), "challenge")
        c.send(data + b"\r\n")
        r = c.answer(tag)
        check(r.status in ("BAD", "NO"), "%r" % r)
        equal(c.cmd("NOOP").status, "OK", "alive")
    with s.pop3() as c:
        r = c.cmd(b"AUTH PLAIN")
        check(r.startswith(b"+ "), "challenge %r" % r)
        check(c.cmd(data).startswith(b"-ERR"), "accepted")
        check(c.login(alice(s), USERS["alice"]).startswith(b"+OK"), "login behind it")


@test("C1 AUTHENTICATE with an initial response of each length to 200, and some more")
def lengths():
    s = shared()
    c = s.imap()
    for n in list(range(0, 200)) + [1000, 4095, 4096, 8000, 8200, 12288, 20000]:
        try:
            c.send(b"x AUTHENTICATE PLAIN " + b"Q" * n + b"\r\n")
            r = c.line()
            if r.startswith(b"+ "):
                c.send(b"*\r\n")
                r = c.line()
            check(r.startswith((b"x BAD", b"x NO", b"* BAD")), "%d: %r" % (n, r))
            if b"NO [AUTHENTICATIONFAILED]" in r:       # a message that could be one: it was asked about
                c.close()
                c = s.imap()
        except Closed:
            c = s.imap()
        if n % 8 == 7:
            c.close()
            c = s.imap()
    logged_in(s.imap().login(alice(s), USERS["alice"]))


@test("C2 invalid base64 on one connection while 100 others log in", limit=120)
def others():
    s = shared()
    stop = threading.Event()
    said = []

    def nonsense():
        while not stop.is_set():
            try:
                with s.imap() as c:
                    for _ in range(8):
                        c.send(b"x AUTHENTICATE PLAIN\r\n")
                        c.line()
                        c.send(b"!!!!\r\n")
                        c.line()
            except (Closed, OSError):
                pass

    def login():
        try:
            with s.imap() as c:
                said.append(c.login(alice(s), USERS["alice"]).status)
        except Exception as x:
            said.append(repr(x))

    t = threading.Thread(target=nonsense)
    t.start()
    many = [threading.Thread(target=login) for _ in range(100)]
    for m in many:
        m.start()
    for m in many:
        m.join()
    stop.set()
    t.join()
    equal(said, ["OK"] * 100, "logins")


@test("C3 C4 names that are none: variables, SQL, LDAP, paths, invalid UTF-8")
def strange_names():
    s = shared()
    accepted = []

    def attempt(what, name):
        with s.imap() as c:
            said = [c.cmd(b"LOGIN {%d+}\r\n%s x" % (len(name), name))]
        with s.imap() as c:
            said.append(c.authenticate("PLAIN", initial=b"\0" + name + b"\0" + USERS["alice"].encode()))
            said.append(c.authenticate("PLAIN", initial=b"\0" + name + b"\0x" + b"\0" + b"alice"))
        if not all(r.status in ("NO", "BAD") for r in said):
            accepted.append((what, said))

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(attempt, *row) for row in STRANGE]:
            done.result()
    equal(accepted, [], "accepted")


@test("C4 a NUL and 64 KiB in names and passwords")
def huge_names():
    s = shared()
    for data in (b"\0al\0ice\0pw", b"\0" + b"a" * 65536 + b"\0x", b"\0alice@example.org\0" + b"x" * 65536, b"\0\0", b"\0", b""):
        with s.imap() as c:
            try:
                r = c.authenticate("PLAIN", data)
                check(r.status in ("NO", "BAD"), "%r" % r)
            except Closed:
                pass
    with s.imap() as c:
        c.send(b"x LOGIN {70000}\r\n")
        check(not c.line().startswith(b"+"), "a literal of 70,000 before login")
    with s.imap() as c:
        logged_in(c.login(alice(s), USERS["alice"]))


@test("C5 SCRAM: wrong nonce, wrong proof, downgrade of the channel binding, replay")
def scram_wrong():
    s = shared()
    for tamper in ("nonce", "proof", "short"):
        with s.imap() as c:
            r, x = c.scram(alice(s), USERS["alice"], tamper=tamper)
            check(r.status in ("NO", "BAD"), "%s: %r" % (tamper, r))
            check(not x.server_ok, "%s: the server proves itself all the same" % tamper)
    with s.imap() as c:                 # a man in the middle took -PLUS out of the list
        x = Scram(alice(s), USERS["alice"], gs2=b"y,,")
        r = c.authenticate("SCRAM-SHA-256", x.final, x.check, initial=x.first())
        equal(r.status, "NO", "y although -PLUS is offered")
    with s.imap() as c:                 # bound to another connection
        x = Scram(alice(s), USERS["alice"], binding=b"\1" * 32)
        r = c.authenticate("SCRAM-SHA-256-PLUS", x.final, x.check, initial=x.first())
        equal(r.status, "NO", "a wrong binding")
    with s.imap() as c:
        r, x = c.scram(alice(s), USERS["alice"], initial=False)
        logged_in(r)
        seen = x
    with s.imap() as c:                 # the same messages again
        x = Scram(alice(s), "")
        x.nonce = seen.nonce
        r = c.authenticate("SCRAM-SHA-256", lambda _: b"c=biws,r=x,p=" + base64.b64encode(b"\0" * 32), initial=x.first())
        check(r.status in ("NO", "BAD"), "replay %r" % r)


@test("C5 the client leaves at each step of an exchange; nothing grows", limit=120)
def aborts():
    s = shared()
    x = Scram(alice(s), USERS["alice"])
    message = b"x AUTHENTICATE SCRAM-SHA-256 " + base64.b64encode(x.first()) + b"\r\n"

    def once(n):
        with s.imap() as c:
            c.send(message[:n])
            if n >= len(message):
                c.line()
                c.send(b"*\r\n" if n % 2 else b"Yw==")

    for n in range(0, len(message) + 2, 3):
        once(n)
    mine = [p for p in s.roles()["login"] + s.roles()["user"]]
    before = sum(server.pss_of(p) for p in mine)
    for i in range(300):
        once(len(message) if i % 2 else i % len(message))
    after = sum(server.pss_of(p) for p in mine)
    check(server.SANITIZED or after - before < 3000, "%d KiB before, %d behind" % (before, after))
    with s.imap() as c:
        r = c.authenticate("PLAIN", initial=b"*")
        check(r.status in ("NO", "BAD"), "%r" % r)
        c.send(b"y AUTHENTICATE PLAIN\r\n")
        c.line()
        c.send(b"*\r\n")
        check(c.line().startswith(b"y BAD"), "cancelled")
        logged_in(c.login(alice(s), USERS["alice"]))


@test("one acts for oneself only")
def acts_for():
    s = shared()
    with s.imap() as c:
        r = c.authenticate("PLAIN", initial=plain(alice(s), USERS["alice"], s.address("bob").encode()))
        equal((r.status, r.code), ("NO", "AUTHORIZATIONFAILED"), "for bob")


main()
