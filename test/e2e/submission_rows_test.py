#!/usr/bin/python3
"""Attacks on submission and on what leaves by it: rows A26, A27, B7, B8, B26, C10, N1, N4, P6."""
import os
import re
import socket
import ssl
import subprocess
import threading
import time

from logins import needs_net                        # first: it starts us again in a network of our own

import letters
import server
import submission
import tap
from server import SLOW
from sink import EHLO, Sink
from smtp import Closed, Smtp, client_context
from submission import USERS, SubmissionServer, b64, plain, scram, token
from tap import cases, check, equal, eventually, main, test

PIPED = tuple(e for e in EHLO if e != "CHUNKING")
DOTS, CHUNKS = Sink(ehlo=PIPED), Sink()


class Way(SubmissionServer):
    """Letters to dots.test go out behind DATA, those to chunks.test in BDAT."""

    def __init__(self, more="", **kw):
        port = server.free_port()
        more += "\nlisten smtp 127.0.0.1:%d {\nallow-bare-newline 127.0.0.0/8\n}\n" % port
        super().__init__("users file users.txt\noutbound {\nretry 1s 2s give-up 1h\npatience 5\n"
                         "route dots.test via smtp://127.0.0.1:%d tls off\nroute chunks.test via smtp://127.0.0.1:%d tls off\n}\n%s"
                         % (DOTS.port, CHUNKS.port, more), **kw)
        self.ports["bare"] = port
        with open(self.dir + "/users.txt", "w") as f:
            f.write("away@example.org: x@dots.test, x@chunks.test\n")
        os.symlink(self.binary, self.dir + "/sendmail")


for sink in (DOTS, CHUNKS):
    sink.__enter__()


def shared():
    return submission.shared("way", Way)


def head(tok):
    return b"From: <alice@example.org>\r\nTo: x\r\nSubject: %s\r\n\r\n" % tok.encode()


# A26, A27: what may end a letter

SEQUENCES = letters.ENDS + [b"\0\r\n.\0\r\n", b"\0\n.\n", b"\r\n\r.\r\n", b"\n..\n", b"\r", b"\n", b"\r\n.\r\n", b"\x0b\r\n.\x0b\r\n",
                            b"\xe2\x80\xa8.\xe2\x80\xa8"]
RCPTS = ("x@dots.test", "x@chunks.test")


def inner(tok):
    return b"MAIL FROM:<alice@example.org>\r\nRCPT TO:<x@dots.test>\r\nDATA\r\nSubject: smuggled-%s\r\n\r\nx\r\n.\r\nx" % tok.encode()


def by_data(s, whole):
    """The letter as it is, its own end behind it; was it taken?"""
    with s.submission("alice") as c:
        c.mail("alice@example.org")
        for r in RCPTS:
            c.rcpt(r)
        equal(c.cmd("DATA").code, 354, "DATA")
        c.send(whole + b"\r\n.\r\n")
        try:
            return c.reply().code == 250
        except Closed:
            return False


def by_chunks(s, whole):
    with s.submission("alice") as c:
        c.mail("alice@example.org")
        for r in RCPTS:
            c.rcpt(r)
        try:
            return c.bdat(whole[:60], whole[60:] + b"\r\n").code == 250
        except Closed:
            return False


def by_alias(s, whole, port="smtp"):
    with s.at(port) as c:
        c.ehlo()
        c.mail("s@sender.test")
        c.rcpt("away@example.org")
        try:
            return c.bdat(whole + b"\r\n").code == 250
        except Closed:
            return False


def by_mended(s, whole):
    return by_alias(s, whole, "bare")


def by_program(s, whole):
    p = subprocess.run([s.dir + "/sendmail", "-C", s.conf, "-i", "-f", "alice@example.org"] + list(RCPTS), input=whole,
                       capture_output=True, timeout=60)
    return p.returncode == 0


class Front(SubmissionServer):
    """Sends all by another waxwing, as its alice."""

    def __init__(self, smart):
        super().__init__("outbound {\nroute * via smtp://127.0.0.1:%d tls off user alice@example.org secret:secret\n}\n" % smart.ports["clear"],
                         domain="front.test")
        self.write_conf(self.text.replace("hostname mail.example.org", "hostname mail.front.test"))
        with open(self.dir + "/secret", "w") as f:
            f.write(USERS["alice"] + "\n")
        os.chmod(self.dir + "/secret", 0o600)
        self.passwords = dict(USERS)


def by_smart_host(s, whole):
    """From another server, where root sends by any address, through this one."""
    front = submission.shared("front", lambda: Front(s))
    path = front.dir + "/sendmail"
    if not os.path.exists(path):
        os.symlink(front.binary, path)
    p = subprocess.run([path, "-C", front.conf, "-i", "-f", "alice@example.org"] + list(RCPTS), input=whole, capture_output=True, timeout=60)
    return p.returncode == 0


def is_sound(raw, dotted):
    """Bytes behind DATA or BDAT: no CR or LF alone, behind DATA no line of one dot or with a dot undoubled."""
    return not re.search(rb"(?<!\r)\n|\r(?!\n)", raw) and not (dotted and re.search(rb"(?m)^\.(?!\.)", raw))


@cases([("A26 A27 no sequence ends a letter for the next server: " + n, fn) for n, fn in [
    ("submission, DATA", by_data), ("submission, BDAT", by_chunks), ("an alias that leads away", by_alias),
    ("a client whose CR and LF alone are mended", by_mended), ("sendmail", by_program), ("a smart host", by_smart_host)]],
    limit=120)
def smuggled(give):
    s, taken = shared(), []
    begun = {x: len(x.letters) for x in (DOTS, CHUNKS)}
    for q in SEQUENCES:
        if give is by_data and q == b"\r\n.\r\n":
            continue                    # that is the end
        tok = token()
        more = inner(tok) if give is not by_data else inner(tok).replace(b"\r\n.\r\n", b"\r\n..\r\n")
        if give(s, head(tok) + b"before" + q + more + q + b"behind\r\n"):
            taken.append((q, tok))
    check(len(taken) >= 2, "all but %d were refused" % len(taken))

    def came(sink, tok):
        return [l for l in sink.letters if b"\r\nSubject: " + tok.encode() + b"\r\n" in b"\r\n" + l]
    for sink in (DOTS, CHUNKS):
        for q, tok in taken:
            eventually(lambda: came(sink, tok), 20 * SLOW, what="%r at %s" % (q, sink.port))
            equal(len(came(sink, tok)), 1, "letters for %r" % q)
            raw = came(sink, tok)[0]
            check(is_sound(raw, sink is DOTS), "%r: %r" % (q, raw[:600]))
            check(b"behind" in raw, "%r: its end is missing" % q)
        equal(len(sink.letters) - begun[sink], len(taken), "letters that came")
        for x in sink.sessions:
            check(not any("smuggled" in l for l in x.lines), "a command was smuggled: %r" % x.lines)


# Bad input

@test("who may not send reads why, and what to do next")
def next_step():
    s = shared()
    for port, lines, words in (("smtp", ["MAIL FROM:<alice@example.org>", "RCPT TO:<x@elsewhere.test>"], "550 5.7.1 .*denied.*port 587"),
                               ("auth", ["MAIL FROM:<alice@example.org>", "RCPT TO:<x@elsewhere.test>"], "550 5.7.1 .*denied.*logs in first"),
                               ("submission", ["MAIL FROM:<alice@example.org>"], "530 5.7.0 .*STARTTLS"),
                               ("submission", ["AUTH PLAIN AGEAYg=="], "538 5.7.11 .*STARTTLS"),
                               ("submissions", ["MAIL FROM:<alice@example.org>"], "530 5.7.0 .*log in")):
        with s.at(port) if port != "submissions" else s.submission(port=port) as c:
            c.ehlo()
            for line in lines:
                r = c.cmd(line)
            check(re.search(words, "%d %s" % (r.code, r.text)), "%s, %s: %r" % (port, lines[-1], r))


@test("who has logged in, and friends, are asked for no name and no host name; strangers are")
def names():
    with SubmissionServer("", inbound="friends 127.0.0.4") as s:
        for source, port, ok in (("127.0.0.4", "smtp", True), ("127.0.0.5", "smtp", False), ("127.0.0.5", "submission", True)):
            with s.at(port, source=source) as c:
                code = c.cmd("EHLO my laptop_of(alice)").code
                check((code == 250) == ok, "EHLO from %s at %s: %d" % (source, port, code))


@test("the packaged sample: the lines for programs of this machine, their # taken away, are enough")
def sample():
    with open(os.path.join(server.TOP, "conf/waxwing.conf")) as f:
        block = re.search(r"(?m)^#submission \{\n(?:#.*\n)*?#\}\n", f.read()).group(0)
    with SubmissionServer(re.sub("(?m)^#", "", block) + "outbound {\nroute * via smtp://127.0.0.1:%d tls off\n}\n" % CHUNKS.port) as s:
        tok = token()
        with s.at("smtp") as c:
            c.ehlo()
            equal(c.deliver("x@elsewhere.test", head(tok) + b"x\r\n", sender="www@example.org").code, 250, "without AUTH")
        eventually(lambda: any(tok.encode() in l for l in CHUNKS.letters), 20 * SLOW, what="the letter")


# B7, B8, B26

@test("B7 B8 STARTTLS on submission: twice, inside TLS, behind MAIL; what was said in the clear is forgotten")
def starttls():
    s = shared()
    with s.at("auth") as c:
        c.ehlo()
        equal(c.mail("s@sender.test").code, 250, "MAIL")
        equal(c.cmd("STARTTLS").code, 503, "STARTTLS behind MAIL")
        equal(c.rcpt("bob@example.org").code, 250, "the state is kept")
        c.cmd("RSET")
        c.cmd("AUTH PLAIN " + plain("alice@example.org", USERS["alice"]).decode())
        equal(c.starttls(client_context()).code, 220, "STARTTLS")
        equal(c.cmd("STARTTLS").code, 503, "a second time")
        equal(c.mail("alice@example.org").code, 503, "the name in EHLO is forgotten")
        c.ehlo("another.example.net")
        check("AUTH" in c.features and "STARTTLS" not in c.features, "the list is sent again: %r" % c.features)
        equal(c.cmd("RCPT TO:<bob@example.org>").code, 503, "MAIL and RCPT are forgotten")
        equal(c.mail("alice@example.org").code, 250, "MAIL")
        equal(c.rcpt("x@dots.test").code, 550, "who it was in the clear is nobody")
        tok = token()
        c.rcpt("bob@example.org")
        equal(c.data(head(tok) + b"x\r\n").code, 250, "DATA")
    check("another.example.net" in s.wait(tok, "bob").first("received"), "the new name")
    with s.at("clear") as c:
        c.ehlo()
        equal(c.cmd(b"AUTH PLAIN " + plain("alice@example.org", USERS["alice"])).code, 235, "AUTH")
        equal(c.cmd("STARTTLS").code, 503, "behind AUTH")
        equal(c.mail("alice@example.org").code, 250, "the state is kept")
    with s.at("submission") as c:
        c.ehlo()
        c.send(b"STARTTLS\r\nEHLO evil\r\nAUTH PLAIN " + plain("alice@example.org", USERS["alice"]) + b"\r\n")
        try:
            equal(c.reply().code // 100, 5, "bytes behind STARTTLS")
        except (Closed, AssertionError):
            pass
    for port in ("submission", "submissions"):
        with s.submission("alice", port=port) as c:
            equal(c.cmd("STARTTLS").code, 503, "inside TLS, logged in")
            equal(c.mail("alice@example.org").code, 250, "the state is kept")


@cases([("B26 what one listener gave opens no other, %s" % n, v) for n, v in (
    ("TLS 1.2", ssl.TLSVersion.TLSv1_2), ("TLS 1.3", ssl.TLSVersion.TLSv1_3))])
def tickets(version):
    s = shared()
    ctx = client_context(lowest=version, highest=version)

    def talk(port, session):
        sock = socket.create_connection(("127.0.0.1", s.ports[port]), 10)
        f = sock.makefile("rb")
        if port not in ("submissions", "imaps"):
            f.readline()
            sock.sendall(b"EHLO client.example.net\r\n")
            while not f.readline().startswith(b"250 "):
                pass
            sock.sendall(b"STARTTLS\r\n")
            check(f.readline().startswith(b"220"), "STARTTLS")
        with ctx.wrap_socket(sock, session=session) as t:
            t.sendall(b"a NOOP\r\n" if port == "imaps" else b"NOOP\r\n")
            t.recv(1000)                # tickets come with the first octets
            return t.session_reused, t.session
    ports, sessions = ("submissions", "submission", "auth", "smtp", "imaps"), {}
    for port in ports:
        _, sessions[port] = talk(port, None)
        check(not (sessions[port] and sessions[port].has_ticket), "%s gives a ticket" % port)
    for port in ports:
        for giver, session in sessions.items():
            check(not talk(port, session)[0], "%s takes a session of %s" % (port, giver))


# C10

@test("C10 wrong passwords by SMTP ban an address, for all protocols, not who has logged in", limit=240)
def ban():
    needs_net()
    with SubmissionServer("ban {\nlogins 6 per 10m\ntimes 1h\n}\n", address="*") as s:
        def connect(source, port="submission"):
            return Smtp(("192.0.2.1", s.ports[port]), source=source, slow=SLOW)

        def attempt(source, user, password, mechanism="PLAIN"):
            with connect(source) as c:
                c.ehlo()
                c.starttls(client_context())
                c.ehlo()
                if mechanism == "SCRAM":
                    return scram(c, s.address(user), password)[0].code
                return c.cmd(b"AUTH PLAIN " + plain(s.address(user), password)).code
        equal(attempt("192.0.2.5", "alice", USERS["alice"]), 235, "known from here on")
        ways = ["PLAIN", "SCRAM"] * 3

        def wrong(source, user):
            for w in ways:
                equal(attempt(source, user, "wrong", w), 535, "AUTH")
        ts = [threading.Thread(target=wrong, args=a) for a in (("198.51.100.2", "bob"), ("192.0.2.5", "carol"))]
        for t in ts:
            t.start()
        for t in ts:
            t.join()
        s.log_wait(r'ban client="198\.51\.100\.2" ')
        for port in ("submission", "smtp", "auth"):
            with connect("198.51.100.2", port) as c:
                equal(c.banner.code, 421, "banned at %s" % port)
        for a in ("198.51.100.3", "192.0.2.5"):
            with connect(a) as c:
                equal(c.banner.code, 220, "%s is banned" % a)
        equal(attempt("192.0.2.5", "alice", USERS["alice"]), 235, "who had logged in")


# N1

ODD = [("controls", b"\x1b]0;x\x07\x08"), ("bidi", "\u202ex".encode()), ("formats", b"%n%s%n%99999999x"), ("no UTF-8", b"\xff\xfe\x80"),
       ("64 KiB", b"x" * 9000), ("a line", b'"\nfatal: forged=1')]


@cases([("N1 a user name of %s leaves one clean line in the log" % n, d) for n, d in ODD])
def odd_users(data):
    s = shared()
    before = len(s.log_bytes())
    with s.submission() as c:
        r = c.cmd(b"AUTH PLAIN " + b64(b"\0n1-" + data + b"@example.org\0x"))
        check(r.code in (535, 501, 500), r)
    with s.submission() as c:
        r = c.cmd(b"AUTH LOGIN " + b64(b"n1-" + data))
        if r.code == 334:
            r = c.cmd(b64("x"))
        check(r.code in (535, 501, 500), r)
    time.sleep(0.2)
    log = s.log_bytes()[before:]
    check(not re.search(rb"[\x00-\x09\x0b-\x1f\x7f]|\xe2\x80\xae", log), "controls: %r" % log[-400:])
    log.decode("utf-8")
    for line in log.splitlines():
        check(re.match(rb"\d{4}-\d\d-\d\dT\S+ [\w/:.@-]+ [\w-]+", line) and len(line) < 4500, "a line: %r" % line[:300])
        check(not line.startswith(b"fatal"), "a forged line")


# N4

def hammer(s, stop):
    while not stop.is_set():
        try:
            with Smtp(s.addr, slow=SLOW) as c:
                c.ehlo()
                c.raw_send(b"NONSENSE %s\r\n" % (b"x" * 900) * 50)
                c.rest(2)
        except (Closed, OSError, ValueError):
            pass


class Deaf(SubmissionServer):
    """Its standard error is a pipe that nobody reads."""

    def start(self, *a, **kw):
        self.reader, w = os.pipe()
        self.wrap = ["sh", "-c", 'exec "$0" "$@" 2>&%d %d>&-' % (w, w)]
        super().start(*a, pass_fds=(w,), **kw)
        os.close(w)
        return self


@test("N4 a flood of events, and nobody reads standard error: letters are taken and arrive as ever", limit=90)
def flood():
    with Deaf("", inbound="friends 127.0.0.0/8", passwords={}) as s:
        stop = threading.Event()
        ts = [threading.Thread(target=hammer, args=(s, stop)) for _ in range(4)]
        for t in ts:
            t.start()
        try:
            for _ in range(10):
                begun = time.monotonic()
                tok, r = s.give()
                equal(r.code, 250, "a letter: %r" % r)
                s.wait(tok)
                check(time.monotonic() - begun < 5 * SLOW, "it took %.1f s" % (time.monotonic() - begun))
                time.sleep(0.2)
            equal(s.command("status")[0], 0, "status")
        finally:
            stop.set()
            for t in ts:
                t.join()
        log = s.log()
        check(len(log) > 1 << 16, "%d octets of log: more than the pipe takes" % len(log))
        check("unsaid=" in log, "what was not said is counted")
        os.close(s.reader)


@test("N4 a day's log that is full takes warnings, then nothing; letters go on", limit=60)
def full_log():
    with SubmissionServer(passwords={}) as s:
        tok, _ = s.give()
        s.wait(tok)
        path = os.path.join(s.dir, "log", time.strftime("%Y-%m-%d", time.gmtime()))
        size = os.path.getsize(path)
        os.truncate(path, 1 << 30)      # holes, on the disk it is small
        s.restart()
        tok, r = s.give()
        equal(r.code, 250, "a letter")
        s.wait(tok)
        check(os.path.getsize(path) < (1 << 30) + 8192, "it grew by %d" % (os.path.getsize(path) - (1 << 30)))
        os.truncate(path, size)
        s.restart()
        tok, r = s.give()
        s.wait(tok)
        check(r.queue_id in s.log(), "room again: the letter is in the log")


# P6

@cases([("P6 kill -9 %s while letters are submitted and sent: none is lost, none doubled but at the break" % r, r)
        for r in ("queue", "relay", "parent")], limit=360)
def killed(role):
    s, acked, kills, done = Way(), [], 0, threading.Event()
    s.expect_crash = True

    def submit():
        while not done.is_set():
            tok = token()
            try:
                with Smtp(("127.0.0.1", s.ports["clear"]), slow=SLOW) as c:
                    c.ehlo()
                    if c.cmd(b"AUTH PLAIN " + plain("alice@example.org", USERS["alice"])).code != 235:
                        continue
                    for _ in range(5):
                        tok = token()
                        if c.mail("alice@example.org").code == 250 and c.rcpt("x@dots.test").code == 250 and \
                                c.data(head(tok) + b"x" * 70 + b"\r\n").code == 250:
                            acked.append(tok)
            except (Closed, OSError, ValueError):
                time.sleep(0.05)
    try:
        s.start()
        ts = [threading.Thread(target=submit) for _ in range(3)]
        for t in ts:
            t.start()
        for _ in range(3):
            n = len(acked)
            eventually(lambda: len(acked) > n + 5, 60 * SLOW, what=lambda: "letters taken\n" + s.log()[-8000:])
            if role == "parent":
                s.kill_all()
                s.start()
            else:
                s.kill_role(role)
            kills += 1
        n = len(acked)
        eventually(lambda: len(acked) > n + 5, 60 * SLOW, what=lambda: "letters taken at the end\n" + s.log()[-8000:])
        done.set()
        for t in ts:
            t.join()

        def copies(tok):
            return sum(tok.encode() in l for l in DOTS.letters)

        def missing():
            lost = [t for t in acked if not copies(t)]
            return "%d of %d letters; of the others %s: %s" % (
                len(acked) - len(lost), len(acked), lost[0], s.command("queue", "list"))
        eventually(lambda: all(copies(t) for t in acked), 40 * SLOW, what=missing)
        # at each death only what was on its way may come twice: a line has few letters at once
        doubled = [t for t in acked if copies(t) > 1]
        check(all(copies(t) <= 1 + kills for t in acked) and len(doubled) <= 20 * kills, "%d of %d doubled" % (len(doubled), len(acked)))
        print("# %s: %d letters, %d doubled" % (role, len(acked), len(doubled)))
    finally:
        done.set()
        s.end()


main()
