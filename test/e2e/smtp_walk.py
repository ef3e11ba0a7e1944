#!/usr/bin/python3
"""A random walk of SMTP commands against a reference automaton (row B29).

The automaton is written from RFC 5321 (§4.1.1, §4.1.4, §4.3.2), RFC 3030 §2, RFC 3207 §4
and RFC 2920 §3.1, not from any verb table.  Commands go out in pipelined groups; every
answer must lie in the set the automaton allows.  Where an RFC leaves the state open, the
walk sends RSET before anything else.  At the end each letter that got 250 must lie exactly
once with exactly the recipients of its own transaction, under its own sender, and no other
letter anywhere: nothing of an earlier, refused transaction may live on.

smtp_walk.py [--commands N] [--workers N] [--seed N] [--port P --mail DIR]"""
import argparse
import collections
import json
import multiprocessing
import os
import random
import re
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import letters
import server
import smtp
import tap

USERS = ["w%d" % i for i in range(6)]
MAX_SIZE = 65536
MAX_ERRORS = 1000
JUNK = 80               # NOOP, RSET, VRFY, HELP on one connection; a server may limit them
SYNTAX_MAIL = [b"MAIL", b"MAIL FROM", b"MAIL FROM:", b"MAIL FROM:<a@b.example", b"MAIL TO:<a@b.example>",
               b"MAIL FROM:<a@b.example> SIZE=x", b"MAIL FROM:<a@@b.example>", b"MAIL FROM:<a@b.example>x"]
SYNTAX_RCPT = [b"RCPT", b"RCPT TO", b"RCPT TO:", b"RCPT TO:<", b"RCPT TO:<>", b"RCPT FROM:<w0@example.org>",
               b"RCPT TO:<@>", b"RCPT TO:<a..b@example.org>", b"RCPT TO:<w0@example.org>x"]
UNKNOWN = [b"XYZZY", b"MAILFROM:<a@b.example>", b"", b"DATAX", b"BDATA 5", b"FOO " + b"x" * 500,
           b"EHLOO x", b"QUITE"]


class Disagreement(Exception):
    pass


Step = collections.namedtuple("Step", "send expect sync note")


class Automaton:
    """What a server knows about a session, and what it may answer."""

    def __init__(self, rng, name):
        self.rng, self.name = rng, name
        self.n = 0
        self.accepted = {}      # Message-ID -> (sender, recipients)
        self.refused = set()
        self.begin()

    def begin(self):
        self.hello = None       # None, "HELO", "EHLO"
        self.tls = False
        self.drop()
        self.unsure = False     # an RFC leaves the state open: RSET comes next
        self.errors = self.junk = 0

    def drop(self):
        """RFC 5321 §4.1.1.5: the buffers are cleared."""
        self.sender, self.rcpts, self.chunks = None, [], None
        self.unsure = False

    @property
    def in_mail(self):
        return self.sender is not None

    def count(self, codes, junk=False):
        if min(codes) >= 400:
            self.errors += 1
        self.junk += junk

    def step(self, line, expect, sync=False, note=None, junk=False):
        expect = set(expect)
        self.count(expect, junk)
        return Step(line, expect, sync, note)

    # One method for each verb; each gives one step and moves the state.

    def do_hello(self):
        verb = self.rng.choice([b"EHLO", b"EHLO", b"HELO"])
        if self.rng.random() < 0.2:
            # A hello that is refused leaves the state as it was (§4.1.4).
            return self.step(verb + b"\r\n", [501], sync=True)
        name = self.rng.choice([b"client.example.net", b"[127.0.0.1]", b"a.b.c", b"[IPv6:::1]"])
        self.hello = verb.decode()
        self.drop()
        return self.step(verb + b" " + name + b"\r\n", [250], sync=True, junk=True)

    def do_mail(self):
        r = self.rng.random()
        order = self.hello is None or self.in_mail
        if r < 0.15:
            line = self.rng.choice(SYNTAX_MAIL)
            # 553: "mailbox name not allowed (e.g., mailbox syntax incorrect)", §4.2.2
            return self.step(line + b"\r\n", [501, 553, 503] if order else [501, 553])
        if r < 0.22 and self.hello == "EHLO":
            return self.step(b"MAIL FROM:<a@b.example> SIZE=%d\r\n" % (MAX_SIZE * 3),
                             [503] if order else [552])
        self.n += 1
        sender = "%s-%d@client.example.net" % (self.name, self.n)
        params = b""
        if self.hello == "EHLO":
            params = self.rng.choice([b"", b"", b" SIZE=100", b" BODY=8BITMIME", b" BODY=7BIT",
                                      b" SMTPUTF8", b" SIZE=1 BODY=8BITMIME"])
        if not order:
            self.drop()
            self.sender = sender
        return self.step(b"MAIL FROM:<" + sender.encode() + b">" + params + b"\r\n",
                         [503] if order else [250])

    def do_rcpt(self):
        r = self.rng.random()
        order = not self.in_mail or self.chunks is not None
        if r < 0.12:
            return self.step(self.rng.choice(SYNTAX_RCPT) + b"\r\n",
                             [501, 553, 503] if order else [501, 553])
        if r < 0.25:
            who = self.rng.choice([b"nobody@example.org", b"v@victim.example", b"x@[192.0.2.1]"])
            return self.step(b"RCPT TO:<" + who + b">\r\n", [503] if order else [550, 551, 554])
        user = self.rng.choice(USERS)
        if not order:
            self.rcpts.append(user)
        return self.step(b"RCPT TO:<%s@example.org>\r\n" % user.encode(), [503] if order else [250])

    def letter(self, size=0, bad=False):
        self.n += 1
        tok = "%s-m%d" % (self.name, self.n)
        body = b"text\r\n" if not bad else self.rng.choice([b"a\nb\r\n", b"a\rb\r\n", b"a\0b\r\n"])
        if size:
            body += (b"z" * 70 + b"\r\n") * (size // 72 + 1)
        return tok, letters.letter(tok, body)

    def keep(self, tok):
        self.accepted[tok] = (self.sender, sorted(self.rcpts))
        self.drop()

    def lose(self, tok):
        self.refused.add(tok)
        self.drop()

    def do_data(self):
        if self.rng.random() < 0.08:
            return self.step(b"DATA now\r\n",
                             [501] if self.rcpts and self.chunks is None else [501, 503, 554], sync=True)
        if self.chunks is not None:
            # RFC 3030 §2: 503, and the state is open until RSET.
            self.unsure = True
            return self.step(b"DATA\r\n", [503], sync=True)
        if not self.in_mail:
            return self.step(b"DATA\r\n", [503], sync=True)
        if not self.rcpts:
            return self.step(b"DATA\r\n", [503, 554], sync=True)
        return self.step(b"DATA\r\n", [354], sync=True, note="content")

    def content(self):
        r = self.rng.random()
        tok, text = self.letter(size=MAX_SIZE * 2 if r < 0.06 else 0, bad=0.06 <= r < 0.2)
        if r < 0.06:
            codes = [552]
        elif r < 0.2:
            codes = [550]
        else:
            codes = [250]
        (self.keep if codes == [250] else self.lose)(tok)
        return self.step(smtp.stuff(text), codes)

    def do_bdat(self):
        r = self.rng.random()
        last = self.rng.random() < 0.6
        end = b" LAST\r\n" if last else b"\r\n"
        if not self.in_mail:
            tok, text = self.letter()
            self.refused.add(tok)
            return self.step(b"BDAT %d" % len(text) + end + text, [503])
        if not self.rcpts:
            # §2: the chunk is read and answered 503; some drop the transaction, some keep it.
            self.unsure = True
            tok, text = self.letter()
            self.refused.add(tok)
            return self.step(b"BDAT %d" % len(text) + end + text, [503, 554])
        if r < 0.08:
            tok, text = self.letter(size=MAX_SIZE * 2)
            self.lose(tok)
            self.unsure = not last
            return self.step(b"BDAT %d" % len(text) + end + text, [552])
        if r < 0.2:
            tok, text = self.letter(bad=True)
            self.refused.add(tok)
            if last:
                self.drop()
                return self.step(b"BDAT %d" % len(text) + end + text, [550])
            self.unsure = True
            return self.step(b"BDAT %d" % len(text) + end + text, [250, 550])
        if self.chunks is None:
            tok, text = self.letter()
            self.chunks = tok
        else:
            tok, text = self.chunks, self.rng.choice([b"", b"more\r\n", b".\r\n", b"\r\n.\r\n"])
        if last:
            self.keep(tok)
        return self.step(b"BDAT %d" % len(text) + end + text, [250], junk=not last)

    def do_rset(self):
        if self.rng.random() < 0.1 and not self.unsure:
            return self.step(b"RSET now\r\n", [501])
        if self.chunks is not None:
            self.refused.add(self.chunks)
        self.drop()
        return self.step(b"RSET\r\n", [250], junk=True)

    def do_idle(self):
        line, codes = self.rng.choice([
            (b"NOOP", [250]), (b"NOOP word", [250]), (b"VRFY w0", [252]), (b"HELP", [214]),
            (b"VRFY", [501]), (b"EXPN list", [500, 502, 550, 252]), (b"TURN", [500, 502, 503]),
            (b"noop", [250]), (b"NoOp", [250])])
        return self.step(line + b"\r\n", codes, junk=codes[0] < 400)

    def do_unknown(self):
        if self.rng.random() < 0.1:
            return self.step(b"NOOP " + b"y" * 5000 + b"\r\n", [500])
        return self.step(self.rng.choice(UNKNOWN) + b"\r\n", [500, 501, 502])

    def do_starttls(self):
        if self.rng.random() < 0.15:
            return self.step(b"STARTTLS now\r\n", [501, 503], sync=True)
        if self.tls or self.in_mail:
            return self.step(b"STARTTLS\r\n", [503], sync=True)
        if self.hello != "EHLO":
            # Offered in EHLO; whether it may come without one is nowhere said.
            return self.do_hello()
        self.tls, self.hello = True, None
        self.drop()
        return self.step(b"STARTTLS\r\n", [220], sync=True, note="handshake")

    VERBS = [("do_hello", 6), ("do_mail", 22), ("do_rcpt", 30), ("do_data", 11), ("do_bdat", 11),
             ("do_rset", 4), ("do_idle", 4), ("do_unknown", 4), ("do_starttls", 2)]

    def next(self):
        if self.unsure:
            return self.do_rset()
        if self.hello is None and self.rng.random() < 0.6:
            return self.do_hello()
        verbs, weights = zip(*self.VERBS)
        verb = self.rng.choices(verbs, weights)[0]
        if verb == "do_bdat" and self.hello == "HELO":
            verb = "do_data"
        return getattr(self, verb)()


class Walker:
    def __init__(self, addr, seed, budget, name):
        self.addr, self.rng = addr, random.Random(seed)
        self.model = Automaton(self.rng, name)
        self.budget, self.done = budget, 0
        self.history = collections.deque(maxlen=60)

    def connection(self):
        m = self.model
        m.begin()
        self.history.clear()
        c = smtp.Smtp(self.addr, timeout=60)
        life = self.rng.choice([5, 20, 80, 200, 400])
        try:
            if c.banner.code != 220:
                raise Disagreement("greeting %r" % c.banner)
            content = None
            while life > 0 and m.errors < MAX_ERRORS * 0.6 and m.junk < JUNK:
                group, room = [], self.rng.choice([1, 1, 3, 10, 40])
                cut = self.rng.random() < 0.01
                before = (set(m.accepted), set(m.refused)) if cut else None
                if content:
                    group.append(m.content())
                    content = None
                while len(group) < room and not (group and group[-1].sync):
                    group.append(m.next())
                life -= len(group)
                if cut:
                    return self.disconnect(c, group, before)
                c.send(b"".join(s.send for s in group))
                for s in group:
                    r = c.reply()
                    self.done += 1
                    self.history.append((s.send[:60], r.code, sorted(s.expect)))
                    if r.code not in s.expect:
                        raise Disagreement("answer %r, the RFCs allow %s" % (r, sorted(s.expect)))
                    if r.code != 354 and r.code // 100 in (4, 5) and r.enhanced[:1] != str(r.code)[0]:
                        raise Disagreement("enhanced code of %r" % r)
                if group[-1].note == "handshake":
                    c.handshake()
                content = group[-1].note == "content"
            if content:
                if self.rng.random() < 0.5:
                    return self.abandon(c)
                s = m.content()
                c.send(s.send)
                self.done += 1
                r = c.reply()
                if r.code not in s.expect:
                    raise Disagreement("answer %r, the RFCs allow %s" % (r, sorted(s.expect)))
            r = c.cmd(b"QUIT")
            self.done += 1
            if r.code != 221 or not c.closed(10):
                raise Disagreement("QUIT: %r" % r)
        except (smtp.Closed, OSError, ValueError) as x:
            raise Disagreement("%s: %s" % (type(x).__name__, x))
        finally:
            c.close()

    def abandon(self, c):
        """In the midst of DATA the line is cut."""
        tok, text = self.model.letter()
        self.model.refused.add(tok)
        c.send(text[:self.rng.randrange(len(text))])
        c.close() if self.rng.random() < 0.5 else c.reset()

    def disconnect(self, c, group, before):
        """The group is sent, or a part of it, and the line is cut: what it would have done
        is not known, so its letters are neither accepted nor refused."""
        data = b"".join(s.send for s in group)
        m = self.model
        for t in set(m.accepted) - before[0]:
            m.accepted.pop(t)
        m.refused &= before[1]
        try:
            c.send(data[:self.rng.randrange(len(data) + 1)])
        except smtp.Closed:
            pass
        c.close() if self.rng.random() < 0.5 else c.reset()

    def run(self):
        while self.done < self.budget:
            try:
                self.connection()
            except Disagreement as x:
                return {"error": "%s\n    " % x + "\n    ".join(
                    "%r -> %d %s" % h for h in list(self.history)[-14:]), "done": self.done,
                    "accepted": {}, "refused": []}
        return {"error": None, "done": self.done, "accepted": self.model.accepted,
                "refused": sorted(self.model.refused)}


def work(args):
    addr, seed, budget, name = args
    return Walker(addr, seed, budget, name).run()


def check_mail(results, maildir_of, limit=60):
    """Every acknowledged letter with its own sender and recipients, once each."""
    want = {}
    refused = set()
    for r in results:
        want.update(r["accepted"])
        refused.update(r["refused"])
    end = time.monotonic() + limit
    while True:
        have = collections.defaultdict(lambda: collections.defaultdict(list))
        for u in USERS:
            for sub in ("new", "cur"):
                d = os.path.join(maildir_of(u), sub)
                for f in os.listdir(d) if os.path.isdir(d) else []:
                    with open(os.path.join(d, f), "rb") as h:
                        raw = h.read(4096)
                    m = re.search(rb"^Return-Path: <([^>]*)>", raw, re.M)
                    have[letters.message_id(raw)][u].append(m.group(1).decode() if m else None)
        missing = [t for t in want if t not in have or sorted(have[t]) != sorted(set(want[t][1]))]
        if not missing or time.monotonic() > end:
            break
        time.sleep(0.5)
    problems = []
    for t in missing[:5]:
        problems.append("%s: with %s, want %s" % (t, sorted(have.get(t, {})), want[t][1]))
    for t, users in have.items():
        if t in refused:
            problems.append("%s was refused and lies with %s" % (t, sorted(users)))
        if t in want:
            for u, senders in users.items():
                if set(senders) != {want[t][0]} or len(senders) > want[t][1].count(u):
                    problems.append("%s for %s: senders %s, want %s, named %d times" %
                                    (t, u, senders, want[t][0], want[t][1].count(u)))
    return len(want), problems[:10]


def walk(commands, workers=4, seed=None, addr=None, maildir_of=None):
    seed = seed if seed is not None else random.SystemRandom().randrange(1 << 32)
    own = None
    if addr is None:
        own = server.Server(users=USERS, inbound="max-errors %d\nmax-size %d\nheader-limit 32K\n"
                            "max-connections 5000" %
                            (MAX_ERRORS, MAX_SIZE)).start()
        addr, maildir_of = own.addr, own.maildir
    start = time.monotonic()
    try:
        jobs = [(addr, seed + i, commands // workers, "s%x-%d" % (seed, i)) for i in range(workers)]
        with multiprocessing.Pool(workers) as pool:
            results = pool.map(work, jobs, 1)
        done = sum(r["done"] for r in results)
        took = time.monotonic() - start
        for r in results:
            if r["error"]:
                tap.fail("seed %d: %s" % (seed, r["error"]))
        n, problems = check_mail(results, maildir_of)
        tap.check(not problems, lambda: "seed %d: %s" % (seed, "\n    ".join(problems)))
        return "%d commands in %.0f s, %d letters, seed %d" % (done, took, n, seed)
    finally:
        if own:
            own.end()


if __name__ == "__main__":
    ap = argparse.ArgumentParser()
    ap.add_argument("--commands", type=int, default=200000)
    ap.add_argument("--workers", type=int, default=4)
    ap.add_argument("--seed", type=int)
    ap.add_argument("--port", type=int)
    ap.add_argument("--mail")
    o = ap.parse_args()
    try:
        print(walk(o.commands, o.workers, o.seed, ("127.0.0.1", o.port) if o.port else None,
                   (lambda u: os.path.join(o.mail, u, "Maildir")) if o.mail else None))
    except tap.Fail as x:
        print("DISAGREEMENT", x)
        sys.exit(1)
