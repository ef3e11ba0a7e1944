#!/usr/bin/python3
"""AUTH of SMTP under attack: rows C1 to C6, C9, on every listener that offers it."""
import base64
import concurrent.futures
import random
import threading

import server
import submission
from imap import Scram
from odd_names import STRANGE
from smtp import Closed
from submission import USERS, SubmissionServer, b64, plain, scram
from tap import cases, check, equal, main, test

PORTS = ("submission", "submissions", "auth", "clear")
ALICE = "alice@example.org"


def shared():
    return submission.shared("auth-rows", SubmissionServer)


def refused(r):
    check(r.code in (500, 501, 504, 535), "%r" % r)


def many(jobs):
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(*j) for j in jobs]:
            done.result()


def good(s, port="submission"):
    s.submission("alice", port=port).close()


class Fresh:
    """A connection for each few attempts: after that many failures the server hangs up."""

    def __init__(self, s, port):
        self.s, self.port, self.c, self.left = s, port, None, 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.c:
            self.c.close()

    def cmd(self, line):
        if self.left == 0:
            self.__exit__()
            self.c, self.left = self.s.submission(port=self.port), 3
        self.left -= 1
        return self.c.cmd(line)


def lengths(s, port, sizes):
    with Fresh(s, port) as c:
        for n in sizes:
            r = c.cmd(b"AUTH PLAIN " + b"A" * n if n else b"AUTH PLAIN =")
            if n + len(b"AUTH PLAIN \r\n") > 12288:
                equal(r.code, 500, "%d letters: %r" % (n, r))
            else:
                check(r.code in (501, 535), "%d letters: %r" % (n, r))
            if r.code == 500:
                c.left = 0


@test("C1 an initial response of every length to 400, around each limit, and beyond", limit=120)
def every_length():
    s = shared()
    rng = random.Random(12)
    odd = [510, 511, 512, 1000, 4095, 4096, 4097, 8191, 8192, 12274, 12275, 12276, 12277, 12288, 12289, 20000] + rng.sample(range(400, 12275), 30)
    # NULs are no message: there is no name in them
    many([(lengths, s, p, range(i, 400, 4)) for i, p in enumerate(PORTS)] + [(lengths, s, p, odd) for p in PORTS])
    good(s)


ODD = [("4n+1", b"AAAAA"), ("4n+2, unfilled", b"AGE"), ("4n+3, unfilled", b"AGFiAGI"), ("= inside", b"AG=FAGI="), ("====", b"===="),
       ("url alphabet", b"AG-_AGI="), ("a blank", b"AG EAYg=="), ("8 bit", b"\xc3\xa4AGI="), ("a NUL", b"AG\0EAYg=="), ("bits left over", b"AGFiAGJ="),
       ("10,000 good ones", b"QUFB" * 2500), ("12,300", b"Q" * 12300), ("60,000", b"Q" * 60000)]


@cases([("C1 base64: " + n, d) for n, d in ODD])
def not_base64(data):
    s = shared()

    def one(port):
        for mechanism in (b"PLAIN", b"LOGIN", b"SCRAM-SHA-256"):
            with s.submission(port=port) as c:
                r = c.cmd(b"AUTH " + mechanism)
                for _ in range(2):                  # LOGIN asks twice
                    equal(r.code, 334, "%s: a challenge" % mechanism)
                    r = c.cmd(data)
                    if r.code != 334:
                        break
                refused(r)
    many([(one, p) for p in PORTS])
    good(s)


@test("C2 invalid base64 on one connection while 100 others log in", limit=120)
def others():
    s, stop, said = shared(), threading.Event(), []

    def nonsense():
        while not stop.is_set():
            try:
                with s.submission(port="clear") as c:
                    while True:
                        c.cmd("AUTH PLAIN !!!!")
            except (Closed, OSError):
                pass

    def login(port):
        with s.submission(port=port) as c:
            said.append(c.cmd(b"AUTH PLAIN " + plain(ALICE, USERS["alice"])).code)
    hostile = [threading.Thread(target=nonsense) for _ in range(2)]
    for t in hostile:
        t.start()
    try:
        many([(login, PORTS[i % 4]) for i in range(100)])
    finally:
        stop.set()
        for t in hostile:
            t.join()
    equal(said, [235] * 100, "logins")


@test("C3 C4 names that are nobody's: variables, SQL, LDAP, paths, invalid and overlong UTF-8, NUL, 64 KiB", limit=120)
def strange_names():
    s, taken = shared(), []

    def attempt(what, name):
        pw = USERS["alice"].encode()
        for line in (b"AUTH PLAIN " + b64(b"\0" + name + b"\0" + pw), b"AUTH PLAIN " + b64(b"\0" + name + b"\0x\0alice"),
                     b"AUTH SCRAM-SHA-256 " + b64(b"n,,n=" + name + b",r=abcdefghijklmnop")):
            with s.submission(port="clear") as c:
                try:
                    r = c.cmd(line)
                    if r.code == 334:
                        r = c.cmd(b64(b"c=biws,r=x,p=" + base64.b64encode(b"\0" * 32)))
                    if r.code not in (500, 501, 535):
                        taken.append((what, r))
                except Closed:
                    pass
        with s.submission(port="clear") as c:
            r = c.cmd(b"AUTH LOGIN " + b64(name))
            for _ in range(2):                      # an empty name is asked for
                r = c.cmd(b64(pw)) if r.code == 334 else r
            if r.code not in (500, 501, 535):
                taken.append((what, r))
    many([(attempt,) + row for row in STRANGE + [("64 KiB", b"a" * 65536), ("a NUL", b"al\0ice@example.org")]])
    equal(taken, [], "taken")
    good(s)


@test("C5 the client leaves behind every byte of PLAIN and of SCRAM; nothing grows", limit=120)
def leaves():
    s = shared()
    x = Scram(ALICE, USERS["alice"])
    lines = [b"AUTH PLAIN " + plain(ALICE, USERS["alice"]) + b"\r\n", b"AUTH SCRAM-SHA-256 " + b64(x.first()) + b"\r\n"]

    def once(line, n, hard):
        c = s.at("clear")
        c.ehlo()
        c.send(line[:n])
        if n == len(line) and line is lines[1]:
            c.reply()
            c.send(b"Yz1ia")
        c.reset() if hard else c.close()
    for line in lines:
        for n in range(len(line) + 1):
            once(line, n, n % 2)
    pids = s.roles()["smtpd"] + s.roles()["user"]
    before = sum(server.pss_of(p) for p in pids)
    for i in range(500):
        once(lines[i % 2], i * 7 % (len(lines[i % 2]) + 1), i % 3)
    good(s)
    after = sum(server.pss_of(p) for p in pids)
    print("# %d KiB before, %d behind 500 more" % (before, after))
    check(server.SANITIZED or after - before < 3000, "%d KiB before, %d behind" % (before, after))
    equal(s.roles()["smtpd"] + s.roles()["user"], pids, "the same processes")


@test("C5 C6 SCRAM: wrong nonce and proof, the channel binding stripped or another's, the messages of another session")
def tampered():
    s = shared()
    for tamper in ("nonce", "proof", "short"):
        for plus in (False, True):
            with s.submission() as c:
                r, x = scram(c, ALICE, USERS["alice"], plus=plus, tamper=tamper)
                refused(r)
                check(not x.server_ok, "%s: the server proves itself all the same" % tamper)
    for what, mechanism, x in (("y although -PLUS is offered", b"SCRAM-SHA-256", Scram(ALICE, USERS["alice"], gs2=b"y,,")),
                               ("bound to another connection", b"SCRAM-SHA-256-PLUS", Scram(ALICE, USERS["alice"], binding=b"\1" * 32)),
                               ("-PLUS without a binding", b"SCRAM-SHA-256-PLUS", Scram(ALICE, USERS["alice"])),
                               ("a binding without -PLUS", b"SCRAM-SHA-256", Scram(ALICE, USERS["alice"], binding=b"\1" * 32))):
        with s.submission() as c:
            r = c.cmd(b"AUTH %s %s" % (mechanism, b64(x.first())))
            if r.code == 334:
                r = c.cmd(b64(x.final(base64.b64decode(r.text))))
            check(r.code in (501, 535), "%s: %r" % (what, r))
    said = []
    for _ in range(2):                  # word by word what was right the first time
        with s.submission() as c:
            x = x if said else Scram(ALICE, USERS["alice"])
            if not said:
                said = [b64(x.first())]
            r = c.cmd(b"AUTH SCRAM-SHA-256 " + said[0])
            equal(r.code, 334, "server-first")
            if len(said) == 1:
                said.append(b64(x.final(base64.b64decode(r.text))))
                equal(c.cmd(said[1]).code, 334, "right")
                equal(c.cmd(b"").code, 235, "logged in")
            else:
                equal(c.cmd(said[1]).code, 535, "said again")
                equal(c.mail(ALICE).code, 530, "and it is nobody")


@test("D43 a failed AUTH lets nobody send elsewhere, on any listener")
def failed():
    s = shared()
    for port in PORTS:
        with s.submission(port=port) as c:
            equal(c.cmd(b"AUTH PLAIN " + plain(ALICE, "wrong")).code, 535, port)
            r = c.mail(ALICE)
            equal(r.code, 250 if port == "auth" else 530, port)
            check(c.rcpt("x@victim.example").code in (503, 550), port)


main()
