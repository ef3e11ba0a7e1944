"""A random walk of POP3 commands against a reference automaton, written from RFC 1939 and
RFC 2449 and no table of ours.  The account is this walk's alone, so every number is known."""
import collections
import random
import socket

import imap_client as imap

ERRORS = 8              # BAD in a row on one session; a server may cut one that sends nonsense
BAD_LOGINS = 2          # of one worker: a server slows and bans
LETTER = (b"From: a@example.net\r\nTo: b@example.org\r\nSubject: letter %d\r\n"
          b"Message-ID: <%d@example.net>\r\n\r\nbody %d\r\n")


class Disagreement(Exception):
    pass


class Pop3Walker:
    """The states are AUTHORIZATION, TRANSACTION and UPDATE."""

    BAD = [b"XYZZY", b"LIST 0", b"LIST x", b"LIST 4000", b"RETR", b"RETR 0", b"RETR 4000", b"RETR x",
           b"DELE", b"DELE 0", b"DELE 4000", b"DELE -1", b"TOP 4000 1", b"TOP 1 x",
           b"UIDL 0", b"UIDL 4000", b"", b"LIST 99999999999999999999"]
    LATE = [b"USER a", b"PASS b", b"AUTH PLAIN", b"STLS"]

    def __init__(self, addr, imap_addr, user, password, seed, budget):
        self.addr, self.imap_addr, self.user, self.password = addr, imap_addr, user, password
        self.rng = random.Random(seed)
        self.budget, self.done, self.bad_logins = budget, 0, 0
        self.history = collections.deque(maxlen=60)

    def fill(self):
        """An INBOX of exactly 15 letters with known sizes."""
        with imap.Imap(self.imap_addr) as c:
            c.login(self.user, self.password)
            c.ok("SELECT INBOX")
            if any(r.word() == b"SEARCH" and len(r.args) > 1 for r in c.ok("SEARCH ALL")):
                c.ok("STORE 1:* +FLAGS.SILENT (\\Deleted)")
            c.ok("EXPUNGE")
            self.sizes = []
            for i in range(15):
                text = LETTER % (i, i, i) + self.rng.choice(
                    [b"", b".\r\n", b"..\r\n.x\r\n", b"line\r\n" * 40, b"\r\n\r\n"])
                r, _ = c.append("INBOX", text)
                if r.status != b"OK":
                    raise Disagreement("APPEND: %r" % r)
                self.sizes.append(len(text))
            c.ok("LOGOUT")
        self.uids = None

    def line(self):
        line = self.file.readline()
        if not line.endswith(b"\r\n"):
            raise Disagreement("closed or no CRLF: %r" % line)
        return line[:-2]

    def lines(self):
        out = []
        while True:
            l = self.line()
            if l == b".":
                return out
            out.append(l[1:] if l.startswith(b".") else l)

    def next(self):
        """(line, is refused, is multi-line, check or None)"""
        r = self.rng.random()
        alive = [i for i in range(len(self.sizes)) if i not in self.gone]
        if self.errors >= ERRORS:
            r = 0.2
        if r < 0.15:
            self.errors += 1
            return self.rng.choice(self.BAD + self.LATE), True, False, None
        if r < 0.25:
            self.errors = 0
            total = sum(self.sizes[i] for i in alive)

            def stat(first, _):
                return first.split()[1:3] == [b"%d" % len(alive), b"%d" % total] or \
                    "STAT wants %d %d" % (len(alive), total)
            return b"STAT", False, False, stat
        if r < 0.35:
            def listed(_, lines):
                want = [b"%d %d" % (i + 1, self.sizes[i]) for i in alive]
                return lines == want or "LIST wants %s" % want
            return self.rng.choice([b"LIST", b"list"]), False, True, listed
        if r < 0.42:
            def uidl(_, lines):
                got = {l.split()[0]: l.split()[1] for l in lines}
                if list(got) != [b"%d" % (i + 1) for i in alive] or len(set(got.values())) != len(got):
                    return "UIDL of %d letters" % len(alive)
                if self.uids and any(self.uids.get(k) not in (None, v) for k, v in got.items()):
                    return "UIDL changed"
                self.uids = {**(self.uids or {}), **got}
                return True
            return b"UIDL", False, True, uidl
        if r < 0.5:
            return self.rng.choice([b"NOOP", b"noop"]), False, False, None
        if r < 0.53:
            return b"CAPA", False, True, None
        if r < 0.56:
            self.gone.clear()
            return b"RSET", False, False, None
        i = self.rng.randrange(len(self.sizes)) if self.sizes else 0
        dead = i in self.gone or not self.sizes
        self.errors = self.errors + 1 if dead else 0
        if r < 0.62:
            self.gone.add(i)
            return b"DELE %d" % (i + 1), dead, False, None
        if r < 0.75:
            return b"LIST %d" % (i + 1), dead, False, lambda first, _: dead or \
                first.split()[1:3] == [b"%d" % (i + 1), b"%d" % self.sizes[i]] or "LIST n"
        if r < 0.85:
            n = self.rng.choice([0, 1, 5, 1000])
            return b"TOP %d %d" % (i + 1, n), dead, not dead, None
        if r < 0.9:
            return b"UIDL %d" % (i + 1), dead, False, None

        def retr(_, lines):
            n = sum(len(l) + 2 for l in lines)
            return dead or n == self.sizes[i] or "RETR gave %d octets of %d" % (n, self.sizes[i])
        return b"RETR %d" % (i + 1), dead, not dead, retr

    def ask(self, group):
        self.sock.sendall(b"".join(g[0] + b"\r\n" for g in group))
        for text, refused, many, check in group:
            first = self.line()
            self.done += 1
            self.history.append((text, first[:80], "-ERR" if refused else "+OK"))
            if not first.startswith(b"-ERR" if refused else b"+OK"):
                raise Disagreement("%r: %r, want %s" % (text, first, "-ERR" if refused else "+OK"))
            lines = self.lines() if many else []
            if check:
                good = check(first, lines)
                if good is not True:
                    raise Disagreement("%r: %s; got %r %r" % (text, good, first, lines[:20]))

    def connection(self):
        self.history.clear()
        self.sock = socket.create_connection(self.addr, 30)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.sock.makefile("rb")
        self.gone, self.errors = set(), 0
        try:
            if not self.line().startswith(b"+OK"):
                raise Disagreement("greeting")
            if self.rng.random() < 0.3:
                self.ask([(self.rng.choice([b"STAT", b"LIST", b"RETR 1", b"DELE 1", b"XYZZY", b"PASS x",
                                            b"UIDL", b"RSET"]), True, False, None)])
            if self.rng.random() < 0.3:
                self.ask([(b"CAPA", False, True, None)])
            if self.bad_logins < BAD_LOGINS and self.rng.random() < 0.1:
                self.bad_logins += 1
                self.ask([(b"USER " + self.user.encode(), False, False, None)])
                self.ask([(b"PASS wrong", True, False, None)])
            self.ask([(b"USER " + self.user.encode(), False, False, None)])
            self.ask([(b"PASS " + self.password.encode(), False, False, None)])
            life = self.rng.choice([5, 50, 300])
            while life > 0:
                group = [self.next() for _ in range(self.rng.choice([1, 4, 15]))]
                life -= len(group)
                self.ask_in_turn(group)
            if self.rng.random() < 0.3:
                return False            # the line is cut: nothing is deleted
            self.ask([(b"QUIT", False, False, None)])
            if self.file.read(1):
                raise Disagreement("QUIT does not close")
            return bool(self.gone)
        except OSError as x:
            raise Disagreement("%s: %s" % (type(x).__name__, x))
        finally:
            self.file.close()
            self.sock.close()

    def ask_in_turn(self, group):
        self.ask(group)

    def after_update(self):
        """Those deleted are gone, the others have their UIDL still."""
        keep = [i for i in range(len(self.sizes)) if i not in self.gone]
        if self.uids:
            self.uids = {b"%d" % (n + 1): self.uids[b"%d" % (i + 1)] for n, i in enumerate(keep)
                         if b"%d" % (i + 1) in self.uids}
        self.sizes = [self.sizes[i] for i in keep]

    def run(self):
        try:
            self.fill()
            while self.done < self.budget:
                if self.connection():
                    self.after_update()
                    if len(self.sizes) < 5:
                        self.fill()
        except (Disagreement, AssertionError, imap.Closed) as x:
            return {"error": "pop3 %s: %s\n    " % (self.user, x) + "\n    ".join(
                "%r -> %r %s" % h for h in list(self.history)[-12:]), "done": self.done}
        return {"error": None, "done": self.done}
