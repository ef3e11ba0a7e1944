"""`scanner spamd`: what becomes of letters when the scanner answers, is away, hangs, or talks nonsense.  The scanner here
is a script; Debian's spamd is in test/interop/spamd_test.py."""
import json
import os
import re
import signal
import socket
import threading

import letters
import tap
from server import SLOW, Server, argv_of, children_of, free_port
from tap import cases, check, equal, eventually, test

HAM = b"X-Spam-Status: No, score=2.5 required=5.0 tests=A_RULE,\r\n\tANOTHER version=4.0.1\r\nX-Spam-Checker-Version: Fake 1\r\n"


def answer(header=HAM, verdict=b"False ; 2.5 / 5.0", length=None):
    header += b"Subject: x\r\n\r\n"
    return (b"SPAMD/1.1 0 EX_OK\r\nContent-length: %d\r\nSpam: %s\r\n\r\n"
            % (len(header) if length is None else length, verdict)) + header


class Spamd:
    """Listens, takes questions, and answers as `says` does: bytes, or a function of (socket, question)."""

    def __init__(self, says=answer(), path=None):
        self.says, self.questions, self.connections, self.kept = says, [], 0, []
        self.path = path
        if path:
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.bind(path)
            os.chmod(path, 0o666)
        else:
            self.port = free_port()
            self.open()
        self.start()

    def open(self):
        self.sock = socket.socket()
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.sock.bind(("127.0.0.1", self.port))

    def start(self):
        self.sock.listen(64)
        threading.Thread(target=self.serve, args=(self.sock,), daemon=True).start()

    @property
    def address(self):
        return self.path or "127.0.0.1:%d" % self.port

    def serve(self, sock):
        while True:
            try:
                c, _ = sock.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self.converse, args=(c,), daemon=True).start()

    def converse(self, c):
        try:
            q = b""
            while b"\r\n\r\n" not in q:
                q += c.recv(65536) or b"\r\n\r\n"
            head, body = q.split(b"\r\n\r\n", 1)
            n = int(re.search(rb"Content-length: (\d+)", head).group(1))
            while len(body) < n:
                body += c.recv(65536)
            self.questions.append((head, body))
            if callable(self.says):
                self.says(c, self)
            else:
                c.sendall(self.says)
                c.close()
        except (OSError, AttributeError):
            c.close()

    def end(self):
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.sock.close()
        for c in self.kept:
            c.close()


def hang(c, spamd):
    spamd.kept.append(c)


def reset(c, _spamd):
    c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    c.close()


def endless(c, _spamd):
    c.sendall(b"SPAMD/1.1 0 EX_OK\r\nContent-length: 999999999\r\nSpam: False ; 1 / 5\r\n\r\n")
    while True:
        c.sendall(b"X-Spam-A: " + b"a" * 60000 + b"\r\n")


SPAMD = None
SERVER = None


def pair():
    """One server and one scanner for the tests that bend nothing lasting."""
    global SPAMD, SERVER
    if SERVER is None:
        SPAMD = Spamd()
        SERVER = serve(SPAMD).start()
    SPAMD.says = answer()
    return SERVER, SPAMD


def serve(spamd, more="", inbound="junk at 5\nreject at 12", **kw):
    return Server("scanner spamd %s %s" % (spamd.address, more), inbound=inbound, **kw)


def end():
    for x in (SERVER, SPAMD):
        if x:
            x.end()


tap.AT_END.append(end)


def give(s, **kw):
    """The reply to a letter, and its token."""
    tok = letters.token()
    with s.client(timeout=60 * SLOW) as c:
        c.ehlo()
        return c.deliver(["alice@example.org"], letters.letter(tok, **kw)), tok


def head_of(s, tok, folder=""):
    raw = s.wait(tok, limit=20 * SLOW).raw if not folder else \
        eventually(lambda: junk(s, tok), 20 * SLOW, what="the letter in Junk")
    return raw.split(b"\r\n\r\n" if b"\r\n\r\n" in raw else b"\n\n")[0].decode().replace("\r", "")


def junk(s, tok):
    folder = s.maildir() + "/.Junk/new"
    for name in os.listdir(folder) if os.path.isdir(folder) else []:
        with open(os.path.join(folder, name), "rb") as f:
            raw = f.read()
        if tok.encode() in raw:
            return raw
    return None


def status(s):
    code, out, err = s.command("--json", "status")
    equal(code, 0, out + err)
    return json.loads(out)["scanner"]


@test("a stranger's letter carries the scanner's fields, forged ones are gone, and the scanner saw what the recipient sees")
def ham():
    s, spamd = pair()
    tok = letters.token()
    forged = letters.letter(tok).replace(b"Subject:", b"X-Spam-Status: No, score=-100\r\nX-Spam-Mine: 1\r\nSubject:", 1)
    with s.client() as c:
        c.ehlo()
        equal(c.deliver(["alice@example.org"], forged).code, 250)
    head = head_of(s, tok)
    equal(re.findall(r"(?mi)^x-spam-.*(?:\n[ \t].*)*", head),
          ["X-Spam-Score: 2.5", "X-Spam-Bar: ++", "X-Spam-Level: **",
           "X-Spam-Status: No, score=2.5 required=5\n\ttests=A_RULE,ANOTHER version=4.0.1", "X-Spam-Checker-Version: Fake 1"])
    asked, shown = spamd.questions[-1]
    check(asked.startswith(b"HEADERS SPAMC/1.5\r\n") and b"User:" not in asked, asked)
    check(shown.startswith(b"Return-Path: <sender@client.example.net>\r\nReceived: from client.example.net"), shown[:300])
    check(b"X-Spam" not in shown and tok.encode() in shown and shown.endswith(b"Good day.\r\n"), shown)
    s.log_wait(r'scanned .*score=250 rules="A_RULE,ANOTHER"')


@cases([
    ("4.9", 4.9, 250, "INBOX"), ("5", 5, 250, "Junk"), ("11.99", 11.99, 250, "Junk"), ("12", 12, 550, None), ("-3", -3, 250, "INBOX"),
], name="a score of {0}: `junk at 5`, `reject at 12` act on it")
def thresholds(score, code, folder):
    s, spamd = pair()
    spamd.says = answer(verdict=b"False ; %s / 5" % str(score).encode())
    r, tok = give(s)
    equal(r.code, code, repr(r))
    if folder:
        head_of(s, tok, folder if folder == "Junk" else "")
    else:
        s.log_wait(r"refused .*its score is 12, reject at 12; spamd says 12 \(A_RULE,ANOTHER\)")


@test("header injection: nothing but printable X-Spam fields comes over from the scanner")
def injection():
    s, spamd = pair()
    spamd.says = answer(b"Bcc: evil@example.org\r\nX-Spam-A: b\rBcc: evil@example.org\r\nX-Spam-B: c\r\n\x00evil\r\n"
                        b"X-Spam-C\x01: evil\r\nX-Spam-D : \x1b[2J\xff\r\nX-Evil: 1\r\n\r\nX-Spam-Body: evil\r\n")
    r, tok = give(s)
    equal(r.code, 250)
    head = head_of(s, tok)
    check(not re.search(r"(?mi)^(bcc|x-evil|x-spam-body|x-spam-c)", head), head)
    check("X-Spam-A: b?Bcc: evil@example.org\n" in head and "X-Spam-D: ?[2J?\n" in head, head)
    check("\x00" not in head and "\x1b" not in head, head)


BENT = [
    ("resets", reset, "reset|shorter|ends"),
    ("closes at once", lambda c, _s: c.close(), "ends in its head"),
    ("answers garbage", b"\x00\xff" * 4000, "no spamd"),
    ("is another program", b"220 mail.example.net ESMTP\r\n", "no spamd"),
    ("ends in the head", b"SPAMD/1.1 0 EX_OK\r\nSpam: Fal", "ends in its head"),
    ("has an endless head", b"SPAMD/1.1 0 EX_OK\r\n" + b"A: b\r\n" * 10000, "too long"),
    ("says less than it promised", answer(length=5000), "shorter"),
    ("says more than it promised", answer(length=10), "longer"),
    ("says more than anybody wants", endless, "too long"),
    ("gives no number", answer(verdict=b"False ; nan / 5"), "malformed"),
    ("gives a number without end", answer(verdict=b"False ; " + b"9" * 400 + b" / 5"), "malformed"),
    ("fails", b"SPAMD/1.1 79 EX_TIMEOUT\r\n", "79 EX_TIMEOUT"),
]


@cases(BENT, name="a scanner that {0}: the letter goes on without its fields, and the log says so")
def bent(says, why):
    s, spamd = pair()
    give(s)                                      # an answer between two failures: it is not away
    spamd.says = says
    r, tok = give(s)
    equal(r.code, 250, repr(r))
    check("X-Spam" not in head_of(s, tok), head_of(s, tok))
    s.log_wait(r'unscanned .*why="[^"]*(?:%s)[^"]*" level=warn' % why)
    check(re.search(why, status(s)["error"]), status(s))
    spamd.says = answer()
    eventually(lambda: give(s) and not status(s)["away"], 90 * SLOW, 1, "the scanner to be back")


@test("a scanner that hangs: letters wait `within`, and after three in a row no longer", limit=120)
def hangs():
    spamd = Spamd(hang)
    with serve(spamd, "within 1s") as s:
        for _ in range(3):
            r, tok = give(s)
            equal(r.code, 250, repr(r))
            check("X-Spam" not in head_of(s, tok), "no field")
        s.log_wait("unscanned .*no answer within 1 s")
        s.log_wait("scanner address=.* state=away")
        n = spamd.connections
        equal(give(s)[0].code, 250)
        check(status(s)["away"], status(s))
        check(spamd.connections <= n + 1, "asked while it is away")
        check("WARNING: it is away" in s.command("status")[1], s.command("status")[1])
        spamd.says = answer()
        eventually(lambda: give(s) and not status(s)["away"], 90 * SLOW, 1, "the scanner to be back")
        s.log_wait("scanner address=.* state=back")
    spamd.end()


@test("a scanner that is down costs a connect now and then, and is found again", limit=120)
def down():
    spamd = Spamd()
    spamd.end()
    with serve(spamd) as s:
        for _ in range(5):
            r, tok = give(s)
            equal(r.code, 250, repr(r))
            check("X-Spam" not in head_of(s, tok), "no field")
        s.log_wait("unscanned .*why=\"connect: Connection refused\"")
        s.log_wait("unscanned .*why=\"it is away: connect: Connection refused\"")
        equal(len(re.findall("state=away", s.log())), 1, "said once")
        spamd.open()
        spamd.start()
        eventually(lambda: give(s) and not status(s)["away"], 90 * SLOW, 1, "the scanner to be back")
        check("X-Spam-Score: 2.5" in head_of(s, give(s)[1]), "asked again")
        code, out, err = s.command("why", "2000-01-01")
        check(code in (0, 1), out + err)
    spamd.end()


@test("a letter over max-size is tagged as not scanned, and not shown")
def too_large():
    spamd = Spamd()
    with serve(spamd, "max-size 300K") as s:
        r, tok = give(s, size=310 * 1024)
        equal(r.code, 250, repr(r))
        head = head_of(s, tok)
        check("X-Spam-Status: No, score=0 required=5\n\ttests=SCANNER_TOO_LARGE=0" in head, head)
        equal(spamd.connections, 0)
        s.log_wait("unscanned .*larger than max-size")
        r, tok = give(s, size=290 * 1024)        # over 256 KiB it is a file of the spool
        check("X-Spam-Score: 2.5" in head_of(s, tok), "shown")
        equal(len(letters.message_id(spamd.questions[-1][1]) or ""), len(tok))
        r, tok = give(s, size=100 * 1024)        # a memfd
        check("X-Spam-Score: 2.5" in head_of(s, tok), "shown")
        check(len(spamd.questions[-1][1]) > 100 * 1024 - 10, len(spamd.questions[-1][1]))
    spamd.end()


@test("friends, exceptions and what a person releases are not shown; forged fields of an exception's letter are cut")
def exempt():
    spamd = Spamd(answer(verdict=b"True ; 50 / 5"))
    with serve(spamd, inbound="reject at 12\nfriends 127.0.0.9") as s:
        with s.client(source="127.0.0.9") as c:
            c.ehlo()
            equal(c.deliver(["alice@example.org"], letters.letter()).code, 250)
        equal(s.command("allow", "add", "sender@client.example.net", "--reason", "wanted")[0], 0)
        r, tok = give(s, headers=b"X-Spam-Flag: YES\r\n")
        equal(r.code, 250, repr(r))
        check("X-Spam-Flag" not in head_of(s, tok), "forged")
        equal(spamd.connections, 0)
        equal(s.command("allow", "remove", "sender@client.example.net", "--reason", "no more")[0], 0)
        r, tok = give(s)
        equal(r.code, 550, repr(r))
        id = re.search(r"refused msg=(\S+) .*its score is 50", eventually(lambda: s.log() if "its score is 50" in s.log() else None,
                                                                       10 * SLOW, what="the refusal")).group(1)
        equal(s.command("refused", "release", id)[0], 0)
        head_of(s, tok)
        equal(spamd.connections, 1)
    spamd.end()


@test("letters are shown a few at a time, and those in line get their turn", limit=90)
def at_once():
    lock, now, most = threading.Lock(), [0], [0]
    done = threading.Event()

    def slow(c, _spamd):
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        done.wait(0.2)
        with lock:
            now[0] -= 1
        c.sendall(answer())
        c.close()

    spamd = Spamd(slow)
    with serve(spamd, "at-once 2 user debian-spamd within 1m") as s:
        results = []
        fibers = [threading.Thread(target=lambda: results.append(give(s))) for _ in range(8)]
        for t in fibers:
            t.start()
        for t in fibers:
            t.join()
        equal([r.code for r, _ in results], [250] * 8)
        for _, tok in results:
            check("X-Spam-Score: 2.5" in head_of(s, tok), "scanned")
        check(most[0] <= 2, "%d at once" % most[0])
        check(b"\r\nUser: debian-spamd" in spamd.questions[0][0], spamd.questions[0][0])
    spamd.end()


@test("a reload adds, moves and removes the scanner; a unix socket will do; its process dies and comes back", limit=120)
def reloads():
    with Server() as s:
        path = s.dir + "/spamd.sock"
        one, two = Spamd(), Spamd(answer(verdict=b"False ; 3.5 / 5"), path)
        plain = s.text

        def until(what, want):
            """Letters until one has the field, or none."""
            def look():
                r, tok = give(s)
                equal(r.code, 250, repr(r))
                head = head_of(s, tok)
                return want in head if want else "X-Spam" not in head
            eventually(look, 60 * SLOW, 0.2, what)

        until("nobody asks", None)
        equal(s.command("status")[1].count("scanner:"), 0)
        for spamd, score in ((one, "2.5"), (two, "3.5")):
            s.reload(plain + "scanner spamd %s\n" % spamd.address)
            until(spamd.address, "X-Spam-Score: " + score)
            equal(status(s)["address"], spamd.address)
        s.expect_crash = True
        os.kill(next(p for p in children_of(s.pid) if argv_of(p)[1:4] == ["role", "relay", "1001"]), signal.SIGKILL)
        until("after a crash", "X-Spam-Score: 3.5")
        s.reload(plain)
        until("nobody asks any more", None)
        eventually(lambda: "relay.1001" not in s.command("status")[1], 20 * SLOW, 0.1, "the end of its process")
        one.end()
        two.end()


@test("test rcpt names the scanner")
def rehearsed():
    s, spamd = pair()
    code, out, err = s.command("test", "rcpt", "--from", "x@example.net", "--to", "alice@example.org", "--ip", "192.0.2.1")
    equal(code, 0, out + err)
    check("scanner: not asked: the letter would be shown to spamd at %s" % spamd.address in out, out)
    code, out, err = s.command("test", "rcpt", "--from", "x@example.net", "--to", "nobody@example.org", "--ip", "192.0.2.1")
    check("scanner" not in out, out)


tap.main()
