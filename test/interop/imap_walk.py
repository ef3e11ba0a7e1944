#!/usr/bin/python3
"""A random walk of IMAP and POP3 commands against reference automata (row B29).

The automaton for IMAP is written from RFC 9051 (§3 states, §6 commands; RFC 3501 where it
differs), RFC 7888, 6851, 4315, 3691, 5161 and 2177, not from any table of ours; the one for
POP3 is in pop3_walk.py.  Each worker has an account to itself, so the number of letters in each of its mailboxes and which
of them are \\Deleted is known after every command; commands go out in pipelined groups,
each answer must have an allowed status, and SELECT, STATUS, SEARCH, FETCH, EXPUNGE, STAT
and LIST must count right.

imap_walk.py --port P --users U:W,U:W,… [--host H] [--pop3 P] [--commands N] [--seed N] [--dovecot]"""
import argparse
import base64
import collections
import multiprocessing
import os
import random
import re
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import imap_client as imap
import pop3_walk
from pop3_walk import BAD_LOGINS, ERRORS, LETTER, Disagreement

NAMES = ["INBOX", "One", "Two", "Three four", "F&APw-nf", "Six]x"]
ROOM = 25               # letters in a mailbox
EARLY_ERRORS = 2        # the same before login, on one connection
REFUSED = {"BAD", "NO"}

# By what they lack; every one of them is BAD where the verb may be used.
BAD_ANYWHERE = ["XYZZY", "NOOP2", "CAPABILITIES", "FETCHX 1 FLAGS", "(", "\"NOOP\""]
BAD_AUTH = ["SELECT", "SELECT \"One", "EXAMINE", "CREATE", "DELETE", "RENAME One", "SUBSCRIBE",
            "LIST", "LIST \"\"", "STATUS INBOX", "STATUS INBOX (BOGUS)", "STATUS INBOX MESSAGES", "APPEND",
            "APPEND INBOX",
            "APPEND INBOX (\\Seen", "ENABLE"]
BAD_SELECTED = ["FETCH", "FETCH 1", "FETCH x FLAGS", "FETCH 1 (FLAGS", "FETCH 1 BOGUS",
                "FETCH 0 FLAGS", "FETCH 1:0 FLAGS", "FETCH 1,,2 FLAGS", "FETCH 1 BODY[",
                "FETCH 1 BODY[TEXT]<1", "FETCH 1 BODY[0.1.]", "STORE 1", "STORE 1 FLAGS",
                "STORE 1 XFLAGS (\\Seen)", "STORE 1 FLAGS (\\Seen", "STORE x FLAGS (\\Seen)",
                "SEARCH", "SEARCH BOGUS", "SEARCH SUBJECT", "SEARCH OR ALL", "SEARCH NOT",
                "SEARCH (ALL", "SEARCH SINCE 99-Foo-2020", "SEARCH LARGER x", "COPY 1", "COPY",
                "MOVE 1", "UID", "UID BOGUS 1", "UID FETCH 1", "UID STORE 1 FLAGS",
                "UID EXPUNGE", "UID COPY 1"]
# It accepts the first three, and answers the last one twice.
DOVECOT_ODD = {"STORE 1 FLAGS", "UID STORE 1 FLAGS", "ENABLE", "APPEND INBOX (\\Seen"}
SELECTED_ONLY = ["CHECK", "CLOSE", "UNSELECT", "EXPUNGE", "FETCH 1 FLAGS", "SEARCH ALL",
                 "STORE 1 FLAGS ()", "COPY 1 One", "MOVE 1 One", "UID FETCH 1 FLAGS",
                 "UID SEARCH ALL", "UID COPY 1 One", "UID EXPUNGE 1"]
AUTH_ONLY = ["SELECT INBOX", "EXAMINE INBOX", "CREATE One", "DELETE One", "RENAME One Two",
             "SUBSCRIBE One", "LIST \"\" *", "STATUS INBOX (MESSAGES)", "NAMESPACE", "IDLE",
             "APPEND One {3+}\r\nabc"]


class Ended(Exception):
    pass


# parts: bytes, then (literal, what follows) each after a continuation.  check(untagged) -> None or
# a complaint.  last: nothing may be pipelined behind it.  then: "idle", "tls", "gone", "sasl".
Step = collections.namedtuple("Step", "parts expect check last then")


def numbers(un):
    for r in un:
        if r.word() in (b"SEARCH", b"ESEARCH"):
            return [int(x) for x in r.args[1:]]
    return None


def count(un, word):
    return sum(1 for r in un if r.word(1) == word)


class Model:
    """One account as its only client knows it."""

    def __init__(self, rng, user, password):
        self.rng, self.user, self.password = rng, user, password
        self.boxes = {"INBOX": []}      # name -> [is \Deleted]
        self.bad_logins = 0
        self.made = 0
        self.begin()

    def begin(self):
        self.auth, self.tls = False, False
        self.box, self.known, self.ro = None, 0, False
        self.errors = 0

    def step(self, text, expect, check=None, last=False, then=None):
        expect = {expect} if isinstance(expect, str) else set(expect)
        self.errors = self.errors + 1 if "BAD" in expect else 0 if self.auth else self.errors
        if isinstance(text, str):
            text = text.encode()
        parts = [text] if isinstance(text, bytes) else list(text)
        return Step(parts, expect, check, last or len(parts) > 1, then)

    def put(self, before, value, after=b""):
        """A command with an astring in one of its four forms."""
        v, r = value.encode(), self.rng.random()
        if r < 0.5 and re.fullmatch(rb"[A-Za-z0-9&@.+-]+", v):
            return [before + v + after]
        if r < 0.9:
            return [before + imap.quoted(v) + after]
        if r < 0.97:
            return [before + b"{%d+}\r\n" % len(v) + v + after]
        return [before, (v, after)]

    def name(self, there):
        have = [n for n in NAMES if (n in self.boxes) == there]
        return self.rng.choice(have) if have else None

    # Not authenticated

    def plain(self, word):
        return base64.b64encode(b"\0" + self.user.encode() + b"\0" + word.encode())

    def do_login(self):
        r = self.rng.random()
        good = r >= 0.03 or self.bad_logins >= BAD_LOGINS
        if good:
            self.auth = True
        else:
            self.bad_logins += 1
        word, expect = (self.password, "OK") if good else ("wrong", "NO")
        way = self.rng.randrange(4)
        self.errors = 0
        if way == 0:
            return self.step(b"AUTHENTICATE PLAIN " + self.plain(word), expect, last=True)
        if way == 1:
            return self.step(b"AUTHENTICATE PLAIN", expect, last=True, then=("sasl", self.plain(word)))
        if way == 2:
            return self.step(self.put(b"LOGIN " + imap.quoted(self.user) + b" ", word), expect, last=True)
        return self.step(self.put(b"LOGIN ", self.user, b" " + imap.quoted(word)), expect, last=True)

    def do_early(self):
        if self.errors >= EARLY_ERRORS:
            return self.do_login()
        r = self.rng.random()
        if r < 0.3:
            return self.step(self.rng.choice(AUTH_ONLY + SELECTED_ONLY), REFUSED, last=True)
        if r < 0.5:
            return self.step(self.rng.choice(BAD_ANYWHERE + ["LOGIN", "LOGIN a", "AUTHENTICATE"]), "BAD",
                             last=True)
        if r < 0.6:
            self.errors += 1
            return self.step("AUTHENTICATE X-NONE", REFUSED, last=True)
        if r < 0.7:
            self.errors += 1
            return self.step("AUTHENTICATE PLAIN", "BAD", last=True, then=("sasl", b"*"))
        if r < 0.78:
            self.errors += 1
            return self.step("AUTHENTICATE PLAIN", REFUSED, last=True, then=("sasl", b"!!!"))
        if r < 0.85 and not self.tls:
            self.tls = True
            return self.step("STARTTLS", "OK", last=True, then=("tls",))
        return self.do_any()

    # In any state

    def do_any(self):
        r = self.rng.random()
        if r < 0.8:
            grown = self.box and self.known != len(self.boxes[self.box])
            if self.box:
                self.known = len(self.boxes[self.box])
            return self.step(self.rng.choice(["NOOP", "noop", "NoOp"]), "OK",
                             last=bool(grown and self.dovecot))
        if r < 0.9:
            return self.step("CAPABILITY", "OK", lambda un: None if any(
                r.word() == b"CAPABILITY" for r in un) else "no CAPABILITY")
        return self.step('ID ("name" "walk")' if self.rng.random() < 0.5 else "ID NIL", "OK")

    # Authenticated

    def bad(self, lines, without):
        return self.rng.choice([l for l in lines if l.split()[0] not in without.split() and
                                not (self.dovecot and l in DOVECOT_ODD)])

    def do_refused(self):
        if self.errors >= ERRORS:
            return self.do_any()
        r = self.rng.random()
        if r < 0.1:
            return self.step(self.rng.choice(BAD_ANYWHERE), "BAD")
        if r < 0.35:
            # Whether SELECT without a name has left the mailbox is nowhere said.
            return self.step(self.bad(BAD_AUTH, "SELECT EXAMINE" if self.box else ""), "BAD")
        if r < 0.4:
            return self.step(self.rng.choice(["LOGIN a b", "AUTHENTICATE PLAIN", "STARTTLS"]), REFUSED,
                             last=True)
        if r < 0.43:
            return self.step([b"SELECT ", None], REFUSED, last=True)    # a literal of 100 MB
        if self.box:
            return self.step(self.bad(BAD_SELECTED, "STORE" if self.ro and self.dovecot else ""), "BAD")
        return self.step(self.rng.choice(SELECTED_ONLY), REFUSED)

    def do_select(self):
        verb = self.rng.choice([b"SELECT ", b"SELECT ", b"SELECT ", b"EXAMINE "])
        if self.rng.random() < 0.12 and self.name(False):
            # "No mailbox is selected" (RFC 9051 §6.3.2).
            step = self.step(self.put(verb, self.name(False)), "NO")
            self.box = None
            return step
        name = self.name(True)
        self.box, self.ro, self.known = name, verb == b"EXAMINE ", len(self.boxes[name])

        def check(un, n=self.known):
            got = [int(r.args[0]) for r in un if r.word(1) == b"EXISTS"]
            return None if got[-1:] == [n] else "EXISTS %s, want %d" % (got, n)
        return self.step(self.put(verb, name), "OK", check)

    def do_create(self):
        r = self.rng.random()
        if r < 0.3:
            return self.step(self.put(b"CREATE ", self.name(True)), "NO")
        name = self.name(False)
        if not name:
            return self.do_delete()
        self.boxes[name] = []
        return self.step(self.put(b"CREATE ", name), "OK")

    def free(self):
        """A mailbox that may be deleted or renamed: not INBOX, not the selected one."""
        have = [n for n in self.boxes if n not in ("INBOX", self.box)]
        return self.rng.choice(have) if have else None

    def do_delete(self):
        r = self.rng.random()
        if r < 0.15:
            return self.step("DELETE INBOX", "NO")
        if r < 0.3 and self.name(False):
            return self.step(self.put(b"DELETE ", self.name(False)), "NO")
        name = self.free()
        if not name:
            return self.do_any()
        del self.boxes[name]
        return self.step(self.put(b"DELETE ", name), "OK")

    def do_rename(self):
        old, new = self.free(), self.name(False)
        if not old:
            return self.do_any()
        if self.rng.random() < 0.2 or not new:
            return self.step(self.put(b"RENAME " + imap.quoted(old) + b" ", self.name(True)), "NO")
        if self.rng.random() < 0.2:
            return self.step(self.put(b"RENAME \"nowhere\" ", new), "NO")
        self.boxes[new] = self.boxes.pop(old)
        return self.step(self.put(b"RENAME ", old, b" " + imap.quoted(new)), "OK")

    def do_list(self):
        r = self.rng.random()
        if r < 0.5:
            def check(un, have=set(self.boxes)):
                got = {r.args[3].decode() for r in un if r.word() == b"LIST"}
                return None if got & set(NAMES) == have else "LIST %s, want %s" % (got, have)
            return self.step(self.rng.choice(['LIST "" *', 'LIST "" %', 'LIST "" "*"']), "OK", check)
        if r < 0.7:
            return self.step(self.put(self.rng.choice([b"SUBSCRIBE ", b"UNSUBSCRIBE "]),
                                      self.name(True)), {"OK", "NO"})
        return self.step(self.rng.choice(['LSUB "" *', 'LIST "" ""', "NAMESPACE"]), "OK")

    def do_status(self):
        name = self.name(True) if self.rng.random() < 0.85 else self.name(False)
        if name not in self.boxes:
            return self.step(self.put(b"STATUS ", name, b" (MESSAGES)"), "NO") if name else self.do_any()

        def check(un, n=len(self.boxes[name])):
            got = [r.args[2] for r in un if r.word() == b"STATUS"]
            if not got:
                return "no STATUS"
            got = dict(zip(got[0][::2], got[0][1::2]))
            return None if int(got[b"MESSAGES"]) == n else "STATUS %s, want %d" % (got, n)
        what = self.rng.choice([b" (MESSAGES)", b" (MESSAGES UIDNEXT UIDVALIDITY UNSEEN)"])
        return self.step(self.put(b"STATUS ", name, what), "OK", check)

    def do_append(self):
        self.made += 1
        text = LETTER % (self.made, self.made, self.made)
        there = self.rng.random() > 0.2
        name = self.name(there) or "nowhere"
        if there and len(self.boxes[name]) >= ROOM:
            return self.do_status()
        head = b"APPEND " + imap.quoted(name) + self.rng.choice(
            [b" ", b" (\\Seen) ", b" (\\Flagged key) \"01-Jan-2020 00:00:00 +0000\" "])
        if there:
            self.boxes[name].append(False)
        parts = [head, (text, b"")] if self.rng.random() < 0.3 else \
            [head + b"{%d+}\r\n" % len(text) + text]
        return self.step(parts, "OK" if there else "NO")

    def do_idle(self):
        bad = self.rng.random() < 0.1 and self.errors < ERRORS
        if self.box:
            self.known = len(self.boxes[self.box])
        return self.step("IDLE", "BAD" if bad else "OK", last=True,
                         then=("idle", b"XYZZY" if bad else b"DONE"))

    # Selected

    def seq(self):
        n = self.rng.randint(1, self.known)
        return n, self.rng.choice(["%d" % n, "%d:%d" % (n, n), "%d,%d" % (n, n)])

    def do_fetch(self):
        uid = self.rng.choice(["", "", "UID "])
        if not self.known:
            # What 1:* means in an empty mailbox is nowhere said.
            return self.step(uid + "FETCH 1:* FLAGS", {"OK", "BAD", "NO"} if not uid else "OK")
        r = self.rng.random()
        if r < 0.08 and not uid:
            return self.step("FETCH 4000 FLAGS", REFUSED | {"OK"})
        if r < 0.15 and uid:
            return self.step("UID FETCH 400000 FLAGS", "OK")
        what = self.rng.choice([
            "FLAGS", "(FLAGS UID)", "FAST", "ALL", "FULL", "ENVELOPE", "BODYSTRUCTURE", "BODY",
            "RFC822.SIZE", "INTERNALDATE", "BODY.PEEK[]", "BODY.PEEK[HEADER]", "BODY[TEXT]",
            "BODY.PEEK[HEADER.FIELDS (SUBJECT DATE)]", "(UID BODY.PEEK[]<0.20>)", "BODY.PEEK[1]",
            "BODY.PEEK[HEADER.FIELDS.NOT (SUBJECT)]", "RFC822.HEADER", "(MODSEQ)"])
        low, high = self.known, len(self.boxes[self.box])
        if r < 0.6:
            def check(un):
                got = {int(r.args[0]) for r in un if r.word(1) == b"FETCH"}
                return None if low <= len(got) <= high else "%d FETCH, want %d" % (len(got), low)
            return self.step("%sFETCH %s %s" % (uid, self.rng.choice(["1:*", "*:1"]), what), "OK", check)
        if uid:
            return self.step("UID FETCH 1:5 " + what, "OK")
        n, text = self.seq()

        def check(un):
            got = {int(r.args[0]) for r in un if r.word(1) == b"FETCH"}
            return None if n in got else "FETCH of %s, want %d" % (got, n)
        return self.step("FETCH %s %s" % (text, what), "OK", check)

    def do_search(self):
        low, high = self.known, len(self.boxes[self.box])
        r = self.rng.random()
        if r < 0.4:
            def check(un):
                got = numbers(un)
                return None if got is not None and got == list(range(1, len(got) + 1)) and \
                    low <= len(got) <= high else "SEARCH %s, want %d to %d" % (got, low, high)
            return self.step(self.rng.choice(["SEARCH ALL", "SEARCH 1:*" if low else "SEARCH ALL",
                                              "SEARCH CHARSET UTF-8 ALL", "SEARCH OR SEEN UNSEEN",
                                              "SEARCH NOT SUBJECT absent"]), "OK", check)
        if r < 0.6:
            gone = [i + 1 for i, d in enumerate(self.boxes[self.box]) if d]

            def check(un):
                got = numbers(un)
                return None if got == gone else "SEARCH DELETED %s, want %s" % (got, gone)
            return self.step("SEARCH DELETED", "OK", check)
        if r < 0.65:
            return self.step("SEARCH CHARSET X-NONE SUBJECT a", REFUSED)
        return self.step(self.rng.choice([
            "UID SEARCH ALL", "SEARCH SUBJECT letter", "SEARCH TEXT body", "SEARCH SINCE 1-Jan-2000",
            "SEARCH FROM a LARGER 10", "SEARCH HEADER Message-ID \"\"", "SEARCH (SEEN) FLAGGED",
            "SORT (DATE) UTF-8 ALL", "SORT (REVERSE SUBJECT) UTF-8 ALL",
            "THREAD REFERENCES UTF-8 ALL", "SEARCH RETURN (COUNT) ALL",
            "UID SEARCH RETURN (MIN MAX) ALL"]), "OK")

    def do_store(self):
        if not self.known:
            return self.do_any()
        n, text = self.seq()
        sign = self.rng.choice(["+", "-", ""])
        flags = self.rng.choice(["(\\Deleted)", "(\\Seen)", "(\\Deleted \\Flagged)", "\\Seen key",
                                 "()", "(key1 key2)"])
        line = "STORE %s %sFLAGS%s %s" % (text, sign, self.rng.choice(["", ".SILENT"]), flags)
        if self.ro:
            return self.step(line, {"OK"} if self.dovecot else REFUSED)
        has = "Deleted" in flags
        if has or not sign:
            self.boxes[self.box][n - 1] = has and sign != "-"
        return self.step(line, "OK")

    def do_copy(self):
        alive = [i for i in range(self.known) if not self.boxes[self.box][i]]
        if not alive:
            return self.do_any()
        i = self.rng.choice(alive)
        move = self.rng.random() < 0.3
        if self.rng.random() < 0.2:
            # Reading is enough to copy, not to move.
            return self.step(b"%s %d nowhere" % (b"MOVE" if move else b"COPY", i + 1), "NO")
        name = self.name(True)
        if len(self.boxes[name]) >= ROOM:
            return self.do_status()
        if move and self.ro:
            # Whether it then copies is left open: not tried with a mailbox that exists.
            return self.do_any()
        if move and name == self.box:
            return self.do_any()
        self.boxes[name].append(False)
        line = self.put(b"%s %d " % (b"MOVE" if move else b"COPY", i + 1), name)
        if not move:
            return self.step(line, "OK")
        del self.boxes[self.box][i]
        self.known = self.known - 1
        return self.step(line, "OK", lambda un: None if count(un, b"EXPUNGE") == 1 else "not one EXPUNGE")

    def do_expunge(self):
        box = self.boxes[self.box]
        gone = sum(box)
        r = self.rng.random()
        if self.ro and r < 0.5:
            return self.step("EXPUNGE", REFUSED | {"OK"},
                             lambda un: "EXPUNGE in a read-only mailbox" if count(un, b"EXPUNGE") else None)
        if not self.ro and r < 0.5:
            self.boxes[self.box] = [d for d in box if not d]
            self.known = len(self.boxes[self.box])
            return self.step("EXPUNGE", "OK", lambda un: None if count(un, b"EXPUNGE") == gone else
                             "%d EXPUNGE, want %d" % (count(un, b"EXPUNGE"), gone))
        if r < 0.75:
            self.box = None
            return self.step("UNSELECT", "OK")
        if not self.ro:
            self.boxes[self.box] = [d for d in box if not d]
        self.box = None
        # CLOSE removes, and says nothing of it (§6.4.1).
        return self.step("CLOSE", "OK", lambda un: "EXPUNGE in CLOSE" if count(un, b"EXPUNGE") else None)

    AUTH = [("do_select", 40), ("do_refused", 16), ("do_any", 6), ("do_list", 8), ("do_status", 10),
            ("do_append", 4), ("do_create", 3), ("do_delete", 2), ("do_rename", 1), ("do_idle", 1)]
    SELECTED = [("do_fetch", 60), ("do_search", 40), ("do_refused", 40), ("do_any", 12), ("do_store", 14),
                ("do_copy", 4), ("do_expunge", 7), ("do_select", 6), ("do_list", 6), ("do_status", 8),
                ("do_append", 3), ("do_create", 1), ("do_delete", 1), ("do_rename", 1), ("do_idle", 1)]
    MOVING = ("do_store", "do_copy", "do_expunge")
    HARMLESS = ("do_fetch", "do_search", "do_status", "do_list")

    def next(self, harmless=False):
        if not self.auth:
            return self.do_early() if self.rng.random() < 0.5 else self.do_login()
        table = self.SELECTED if self.box else self.AUTH
        if harmless:
            table = [t for t in table if t[0] in self.HARMLESS]
        verbs, weights = zip(*table)
        verb = self.rng.choices(verbs, weights)[0]
        step = getattr(self, verb)()
        # Dovecot reads the numbers in what follows before it has done these.
        return step._replace(last=True) if self.dovecot and verb in self.MOVING else step


class ImapWalker:
    def __init__(self, addr, user, password, seed, budget, dovecot):
        self.addr, self.rng = addr, random.Random(seed)
        self.model = Model(self.rng, user, password)
        # Dovecot sends data of one command before the end of another, and ignores STORE in a
        # mailbox that is open for reading only.
        self.dovecot = self.model.dovecot = dovecot
        self.budget, self.done, self.mixed = budget, 0, 0
        self.history = collections.deque(maxlen=60)

    def clean(self):
        """The account as the model begins: an empty INBOX and nothing else of ours."""
        with imap.Imap(self.addr) as c:
            c.login(self.model.user, self.model.password)
            for r in c.ok('LIST "" *'):
                if r.word() == b"LIST" and r.args[3].decode() in NAMES[1:]:
                    c.ok(b"DELETE " + imap.quoted(r.args[3]))
            c.ok("SELECT INBOX")
            if any(r.word() == b"SEARCH" and len(r.args) > 1 for r in c.ok("SEARCH ALL")):
                c.ok("STORE 1:* +FLAGS.SILENT (\\Deleted)")
            c.ok("EXPUNGE")

    def answers(self, c, steps):
        """Reads the tagged answer of each step ({tag: step}) and judges it.  They may come in
        another order (RFC 9051 §5.5); then nobody can tell whose data came, and the rest of
        the group is judged by its status alone.  A line without a usable tag gets an untagged
        BAD."""
        un, mixed, many = [], False, len(steps) > 1
        while steps:
            r = c.response()
            if r.tag == b"+" or (r.tag == b"*" and r.status not in (b"BYE", b"BAD")):
                un.append(r)
                continue
            if r.status == b"BYE":
                raise Disagreement("BYE: %r" % r)
            tag = r.tag if r.tag != b"*" else next(iter(steps))
            if tag not in steps:
                raise Disagreement("no such command: %r" % r)
            self.mixed += tag != next(iter(steps))
            mixed = mixed or tag != next(iter(steps)) or self.dovecot and many
            self.judge(steps.pop(tag), r, None if mixed else un)
            un = []

    def judge(self, step, r, un):
        self.done += 1
        self.history.append((step.parts[0][:80], r.raw[:100], sorted(step.expect)))
        if r.status is None or r.status.decode() not in step.expect:
            raise Disagreement("answer %r, the RFCs allow %s" % (r, sorted(step.expect)))
        if step.check and r.status == b"OK" and un is not None:
            wrong = step.check(un)
            if wrong:
                raise Disagreement(wrong + "; came %s" % un[-6:])

    def wait_plus(self, c, tag, un):
        """A continuation, or the tagged refusal."""
        while True:
            r = c.response()
            if r.tag in (b"+", tag) or r.status == b"BYE":
                return r
            un.append(r)

    def alone(self, c, step):
        """A step behind which nothing is pipelined."""
        tag, un = c.tag(), []
        c.send(tag + b" " + step.parts[0])
        for part in step.parts[1:]:
            lit, tail = part or (None, b"")
            c.send(b"{%d}\r\n" % (100000000 if lit is None else len(lit)))
            r = self.wait_plus(c, tag, un)
            if lit is None and r.status == b"BYE":
                raise Ended         # it is free to have nothing to do with such a client
            if r.tag == tag:
                self.judge(step, r, un)
                return
            if lit is None:
                raise Disagreement("asks for a literal of 100 MB as a mailbox name")
            c.send(lit + tail)
        c.send(b"\r\n")
        what = step.then[0] if step.then else None
        if what in ("idle", "sasl"):
            r = self.wait_plus(c, tag, un)
            if r.tag == tag:
                raise Disagreement("no continuation: %r" % r)
            c.send(step.then[1] + b"\r\n")
        self.answers(c, {tag: step})
        if what == "tls":
            c.sock = imap.tls_context().wrap_socket(c.sock)

    def connection(self):
        m = self.model
        m.begin()
        self.history.clear()
        c = imap.Imap(self.addr, timeout=60)
        life = self.rng.choice([3, 20, 100, 400, 1000])
        try:
            if c.greeting.status != b"OK":
                raise Disagreement("greeting %r" % c.greeting)
            while life > 0:
                cut = m.auth and self.rng.random() < 0.004
                room = self.rng.choice([1, 3, 10, 40]) if m.auth else 1
                group = []
                while len(group) < room and not (group and group[-1].last):
                    group.append(m.next(harmless=cut))
                life -= len(group)
                if cut:
                    data = b"".join(b"x " + s.parts[0] + b"\r\n" for s in group)
                    c.send(data[:self.rng.randrange(len(data) + 1)])
                    return
                tail = group.pop() if group[-1].last else None
                tags = [c.tag() for _ in group]
                if group:
                    c.send(b"".join(t + b" " + s.parts[0] + b"\r\n" for t, s in zip(tags, group)))
                self.answers(c, dict(zip(tags, group)))
                if tail:
                    self.alone(c, tail)
            self.leave(c)
        except Ended:
            pass
        except (imap.Closed, imap.Malformed, OSError, ValueError) as x:
            raise Disagreement("%s: %s" % (type(x).__name__, x))
        finally:
            c.close()

    def leave(self, c):
        if self.model.auth and self.rng.random() < 0.05:
            # Longer than any line may be: BAD or the end, not silence.
            try:
                c.send(b"z STATUS " + b"x" * 400000 + b" (MESSAGES)\r\n")
                r = c.response()
                if r.status not in (b"BAD", b"NO", b"BYE"):
                    raise Disagreement("a line of 400,000 octets: %r" % r)
            except imap.Closed as x:
                if "within" in str(x):
                    raise
            return
        tag = c.tag()
        c.send(tag + b" LOGOUT\r\n")
        r, un = c.until(tag)
        self.done += 1
        if r.status != b"OK" or not any(u.status == b"BYE" for u in un):
            raise Disagreement("LOGOUT: %r %r" % (un, r))
        if not c.closed(10):
            raise Disagreement("LOGOUT does not close")

    def run(self):
        try:
            self.clean()
            while self.done < self.budget:
                self.connection()
        except (Disagreement, AssertionError) as x:
            return {"error": "%s: %s\n    " % (self.model.user, x) + "\n    ".join(
                "%r -> %r %s" % h for h in list(self.history)[-12:]), "done": self.done}
        return {"error": None, "done": self.done, "mixed": self.mixed}


# ---- the whole -----------------------------------------------------------------------------------

def work(job):
    kind, args = job
    return (ImapWalker if kind == "imap" else pop3_walk.Pop3Walker)(*args).run()


def walk(host, port, pop3, users, commands, seed=None, dovecot=False):
    """users: (name, password) each; two for IMAP, one for POP3, and so on.  (text, errors)"""
    seed = seed if seed is not None else random.SystemRandom().randrange(1 << 32)
    start = time.monotonic()
    talk = [u for i, u in enumerate(users) if not pop3 or i % 3 < 2]
    drop = [u for u in users if u not in talk]
    share = commands // len(users)
    jobs = [("imap", ((host, port), n, w, seed + i, share, dovecot)) for i, (n, w) in enumerate(talk)]
    jobs += [("pop3", ((host, pop3), (host, port), n, w, seed + 100 + i, share))
             for i, (n, w) in enumerate(drop)]
    with multiprocessing.Pool(len(jobs)) as pool:
        results = pool.map(work, jobs, 1)
    errors = ["seed %d: %s" % (seed, r["error"]) for r in results if r["error"]]
    return "%d commands in %.0f s, %d of them answered out of order, seed %d" % (
        sum(r["done"] for r in results), time.monotonic() - start,
        sum(r.get("mixed", 0) for r in results), seed), errors


if __name__ == "__main__":
    ap = argparse.ArgumentParser()
    ap.add_argument("--host", default="127.0.0.1")
    ap.add_argument("--port", type=int, required=True)
    ap.add_argument("--pop3", type=int)
    ap.add_argument("--users", required=True)
    ap.add_argument("--commands", type=int, default=200000)
    ap.add_argument("--seed", type=int)
    ap.add_argument("--dovecot", action="store_true", help="allow what Dovecot does otherwise")
    o = ap.parse_args()
    text, errors = walk(o.host, o.port, o.pop3, [tuple(u.split(":", 1)) for u in o.users.split(",")],
                        o.commands, o.seed, o.dovecot)
    print(text)
    for e in errors:
        print("DISAGREEMENT", e)
    sys.exit(1 if errors else 0)
