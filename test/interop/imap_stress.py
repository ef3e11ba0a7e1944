#!/usr/bin/python3
"""Many sessions on one mailbox, each checking everything it is told.

A session keeps the view that RFC 9051 and RFC 7162 let it have (which UID has which number,
flags, MODSEQ) and stops at the first response that cannot be: EXPUNGE where none may come,
EXISTS that shrinks, UIDs out of order, a keyword that only this session sets and that is
not as it set it, MODSEQ that falls, VANISHED of what is not there.  What all sessions
know together (World) is checked too: a UID is one letter for ever, a letter at one MODSEQ
has one set of flags, HIGHESTMODSEQ is not below what anybody was told before, only letters
that somebody marked \\Deleted or moved go away.  At the end all sessions must see the same.

imap_stress.py --port P --user U --password W [--host H] [--sessions N] [--seconds S] [--seed N]
  [--lie KIND]: one session's responses are falsified, which must be found (LIES)"""
import argparse
import os
import random
import re
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import imap_client as imap

BOX = b"stress"
OTHER = b"stress2"
ROOM = 60
TRACE = int(os.environ.get("TRACE", "14"))
SYSTEM = ["\\Seen", "\\Flagged", "\\Answered", "\\Draft"]
MODES = ["plain", "condstore", "qresync"]


class Disagreement(Exception):
    pass


def wrong(text, *args):
    raise Disagreement(text % args if args else text)


def uid_set(text):
    """{UIDs} of a sequence set without "*"."""
    out = set()
    for part in bytes(text).split(b","):
        a, _, b = part.partition(b":")
        a, b = int(a), int(b or a)
        out.update(range(min(a, b), max(a, b) + 1))
    return out


class World:
    """What is true for all sessions; every method is called under the lock."""

    def __init__(self):
        self.lock = threading.RLock()
        self.stop = threading.Event()
        self.error = None
        self.validity = None
        self.token = {}         # UID -> the letter's token
        self.doomed = set()     # UIDs somebody marked \Deleted, or moved
        self.modseq = 0         # the highest anybody was told
        self.flags = {}         # (UID, MODSEQ) -> flags
        self.appended = set()
        self.highest_uid = 0
        self.made = 0

    def fail(self, text):
        with self.lock:
            self.error = self.error or text
        self.stop.set()

    def saw_token(self, uid, token):
        with self.lock:
            if self.token.setdefault(uid, token) != token:
                wrong("UID %d was %s and is now %s", uid, self.token[uid], token)

    def saw_flags(self, uid, modseq, flags):
        with self.lock:
            self.modseq = max(self.modseq, modseq)
            if self.flags.setdefault((uid, modseq), flags) != flags:
                wrong("UID %d at MODSEQ %d had %s and now has %s", uid, modseq,
                      sorted(self.flags[(uid, modseq)]), sorted(flags))

    def saw_new(self, uid, above):
        with self.lock:
            if uid in self.appended or uid <= above:
                wrong("APPENDUID %d is not new (%d was there before)", uid, above)
            self.appended.add(uid)
            self.highest_uid = max(self.highest_uid, uid)


class Letter:
    """One row of a session's view."""
    __slots__ = ("uid", "flags", "modseq", "mine")

    def __init__(self):
        self.uid = self.flags = None
        self.modseq = 0
        self.mine = False       # whether this session's own keyword is set


class Session:
    def __init__(self, world, addr, user, password, number, seed, lie=None):
        self.world, self.addr, self.user, self.password = world, addr, user, password
        self.number, self.rng = number, random.Random(seed)
        self.keyword = b"own%d" % number
        self.mine = set()       # UIDs that have this session's keyword, also across connections
        self.unsure = set()     # UIDs whose STORE was not answered
        self.lie = lie
        self.c = None
        self.commands = 0
        self.trace = []
        self.state = None       # (UIDVALIDITY, MODSEQ, {UID: flags}) for QRESYNC

    # ---- responses

    def note(self, r):
        self.trace.append(r.raw[:160])
        del self.trace[:-TRACE]

    def untagged(self, r):
        self.note(r)
        if r.status == b"BYE" and not self.leaving:
            wrong("BYE: %r", r)
        if r.status:
            if r.code and len(r.code) > 1 and isinstance(r.code[0], bytes):
                self.code(r.code)
            return
        word = r.word(1)
        if word == b"EXISTS":
            n = int(r.args[0])
            if n < len(self.rows):
                wrong("EXISTS %d where there are %d", n, len(self.rows))
            self.rows += [Letter() for _ in range(n - len(self.rows))]
        elif word == b"RECENT":
            pass
        elif word == b"EXPUNGE":
            self.expunge(int(r.args[0]))
        elif word == b"FETCH":
            self.fetch(int(r.args[0]), r.args[2])
        elif r.word() == b"VANISHED":
            self.vanished(r)
        elif r.word() in (b"SEARCH", b"ESEARCH"):
            self.found = r.args[1:]
        elif r.word() == b"CAPABILITY":
            self.words = {bytes(w).upper() for w in r.args[1:]}

    def code(self, code):
        word = code[0].upper()
        if word == b"HIGHESTMODSEQ":
            # While EXPUNGEs are held back a tagged OK may name less (RFC 7162 §3.2.10).
            n = int(code[1])
            if n < self.highest or n < self.floor and self.command.startswith(b"SELECT"):
                wrong("HIGHESTMODSEQ %d, %d was told before this command began", n,
                      max(self.floor, self.highest))
            self.highest = max(self.highest, n)
            with self.world.lock:
                self.world.modseq = max(self.world.modseq, n)
        elif word == b"UIDVALIDITY":
            with self.world.lock:
                if self.world.validity not in (None, int(code[1])):
                    wrong("UIDVALIDITY %s was %s", code[1], self.world.validity)
                self.world.validity = int(code[1])
        elif word == b"APPENDUID":
            self.new_uid = int(code[2])
        elif word == b"UIDNEXT":
            if int(code[1]) <= self.uid_floor:
                wrong("UIDNEXT %s, UID %d was told before this command began", code[1], self.uid_floor)

    def gone(self, row):
        if row.uid is not None:
            with self.world.lock:
                if row.uid not in self.world.doomed:
                    wrong("UID %d goes away, nobody marked it \\Deleted", row.uid)
            self.past.add(row.uid)

    def expunge(self, n):
        if not self.may_expunge:
            wrong("EXPUNGE during %s", self.command)
        if self.mode == "qresync":
            wrong("EXPUNGE after ENABLE QRESYNC")
        if not 1 <= n <= len(self.rows):
            wrong("EXPUNGE %d of %d", n, len(self.rows))
        self.gone(self.rows.pop(n - 1))

    def vanished(self, r):
        if self.mode != "qresync":
            wrong("VANISHED without QRESYNC")
        if isinstance(r.args[1], list):
            if not self.earlier_asked:
                wrong("VANISHED (EARLIER) in %s", self.command)
            self.earlier |= uid_set(r.args[2])
            return
        if not self.may_expunge:
            wrong("VANISHED during %s", self.command)
        uids = uid_set(r.args[1])
        for uid in sorted(uids):
            row = next((x for x in self.rows if x.uid == uid), None) or self.nameless(uid)
            if not row:
                wrong("VANISHED %d, which is not in this mailbox", uid)
            row.uid = uid
            self.gone(row)
            self.rows.remove(row)

    def nameless(self, uid):
        """A letter whose UID was not told yet and may be this one."""
        low = 0
        for i, x in enumerate(self.rows):
            if x.uid is None and low < uid < next((y.uid for y in self.rows[i:] if y.uid), 1 << 32):
                return x
            low = x.uid or low
        return None

    def fetch(self, n, items):
        if not 1 <= n <= len(self.rows):
            wrong("FETCH %d of %d", n, len(self.rows))
        row = self.rows[n - 1]
        got = dict(zip([bytes(k).upper() for k in items[::2]], items[1::2]))
        uid = int(got[b"UID"]) if b"UID" in got else row.uid
        if row.uid not in (None, uid):
            wrong("number %d is UID %d, was %d", n, uid, row.uid)
        if row.uid is None and uid is not None:
            self.place(n, uid)
            row.uid = uid
        if self.mode == "qresync" and b"UID" not in got and not self.asks_fetch():
            wrong("FETCH without UID after ENABLE QRESYNC")
        if b"FLAGS" in got:
            self.fetched.add(uid)
            self.saw_flags(row, got)
        for k, v in got.items():
            if k.startswith(b"BODY[HEADER.FIELDS") and uid is not None:
                if v is None and uid in self.world.doomed:
                    continue        # expunged meanwhile (RFC 2180 §4.1.3)
                m = re.search(rb"X-Token: (\S+)", v or b"")
                if not m:
                    wrong("UID %d without its header: %r", uid, v)
                self.world.saw_token(uid, m.group(1))

    def asks_fetch(self):
        return self.command.startswith((b"FETCH", b"UID FETCH"))

    def place(self, n, uid):
        if uid in self.past:
            wrong("UID %d comes again", uid)
        before = [x.uid for x in self.rows[:n - 1] if x.uid is not None]
        behind = [x.uid for x in self.rows[n:] if x.uid is not None]
        if before and before[-1] >= uid or behind and behind[0] <= uid:
            wrong("UID %d at %d between %s and %s", uid, n, before[-1:], behind[:1])

    def saw_flags(self, row, got):
        flags = frozenset(bytes(f).lower() for f in got[b"FLAGS"] if bytes(f).lower() != b"\\recent")
        # RFC 7162 §3.1: in all that is not the answer to a FETCH
        if self.mode != "plain" and b"MODSEQ" not in got and not self.asks_fetch():
            wrong("FETCH FLAGS without MODSEQ after CONDSTORE was enabled")
        if row.uid is None:
            return
        if row.uid not in self.unsure and (self.keyword in flags) != (row.uid in self.mine) and \
                row.uid not in self.storing:
            wrong("UID %d: %s is %s", row.uid, self.keyword.decode(),
                  "missing" if row.uid in self.mine else "set")
        if b"MODSEQ" in got:
            modseq = int(got[b"MODSEQ"][0])
            if modseq < row.modseq or modseq == row.modseq and row.flags not in (None, flags):
                wrong("UID %d: MODSEQ %d %s after %d %s", row.uid, modseq, sorted(flags), row.modseq,
                      sorted(row.flags or ()))
            row.modseq = modseq
            self.world.saw_flags(row.uid, modseq, flags)
        row.flags = flags

    # ---- commands

    def ask(self, text, may_expunge=True, expect=(b"OK",)):
        """Sends a command and reads to its end; the tagged response."""
        self.command, self.may_expunge = text if isinstance(text, bytes) else text[0], may_expunge
        self.fetched, self.found = set(), None
        with self.world.lock:
            self.floor, self.uid_floor = self.world.modseq, self.world.highest_uid
        self.commands += 1
        self.trace.append(b"> " + (text if isinstance(text, bytes) else text[0])[:160])
        tag = self.c.tag()
        if isinstance(text, bytes):
            self.c.send(tag + b" " + text + b"\r\n")
        else:
            self.c.send(tag + b" " + text[0] + b"{%d+}\r\n" % len(text[1]) + text[1] + b"\r\n")
        while True:
            r = self.c.response()
            if r.tag == tag:
                break
            self.untagged(r)
        self.note(r)
        if r.code and len(r.code) > 1 and isinstance(r.code[0], bytes) and r.status == b"OK":
            self.code(r.code)
        if r.status not in expect:
            wrong("%r: %r", text, r)
        return r

    def connect(self):
        self.leaving, self.mode, self.rows, self.past = False, "plain", [], set()
        self.storing, self.earlier, self.earlier_asked = set(), set(), False
        self.highest = 0
        self.has_notify = False         # then a FETCH may have been under way before the command came
        self.c = (Liar if self.lie else imap.Imap)(self.addr, timeout=30)
        if self.lie:
            self.c.setup(self.lie, self.rng)
        self.c.login(self.user, self.password)
        self.ask(b"CAPABILITY")
        mode = self.rng.choice(MODES)
        if self.lie:
            mode = LIES[self.lie][0]
        if mode == "qresync":
            self.ask(b"ENABLE QRESYNC")
        elif mode == "condstore" and self.rng.random() < 0.5:
            self.ask(b"ENABLE CONDSTORE")
        self.mode = mode
        if mode == "qresync" and self.state:
            return self.resync()
        self.ask(b"SELECT " + BOX + (b" (CONDSTORE)" if mode == "condstore" else b""))
        self.learn()

    def learn(self):
        """Every UID and all flags."""
        if self.rows:
            self.ask(b"UID FETCH 1:* (UID FLAGS%s)" % (b"" if self.mode == "plain" else b" MODSEQ"))
            missing = [i for i, x in enumerate(self.rows) if x.uid is None]
            if missing and missing[0] < len(self.rows) - 20:
                wrong("UID FETCH 1:* leaves out number %d", missing[0] + 1)

    def resync(self):
        """SELECT with QRESYNC: what was known, less VANISHED, with the FETCHed, is what is there."""
        validity, modseq, flags = self.state
        self.earlier_asked = True
        self.ask(b"SELECT %s (QRESYNC (%d %d%s))" % (BOX, validity, modseq, self.sample(sorted(flags))))
        self.earlier_asked = False
        told = {x.uid: x.flags for x in self.rows if x.uid is not None}
        expected = {u: f for u, f in flags.items() if u not in self.earlier}
        expected.update(told)
        bad = [u for u in told if u in self.earlier]
        if bad:
            wrong("UIDs %s are FETCHed and VANISHED", bad)
        told_up_to = self.highest
        self.learn()
        now = {x.uid: x for x in self.rows if x.uid is not None}
        for uid, f in expected.items():
            if uid not in now:
                if uid not in self.past:
                    wrong("QRESYNC said nothing of UID %d, and it is gone", uid)
            elif now[uid].flags != f and now[uid].modseq <= told_up_to:
                wrong("UID %d: QRESYNC said nothing new, had %s, has %s at MODSEQ %d (%d asked)", uid,
                      sorted(f or ()), sorted(now[uid].flags or ()), now[uid].modseq, modseq)

    def sample(self, uids):
        """Some numbers and their UIDs (RFC 7162 §3.2.5.2)."""
        if not uids or self.rng.random() < 0.3:
            return b""
        at = sorted(self.rng.sample(range(len(uids)), min(len(uids), self.rng.randint(1, 5))))
        return b" (%s %s)" % (b",".join(b"%d" % (i + 1) for i in at), b",".join(b"%d" % uids[i] for i in at))

    def pick(self):
        known = [i for i, x in enumerate(self.rows) if x.uid is not None]
        if not known:
            return None
        i = self.rng.choice(known)
        return i, self.rows[i]

    def new_letter(self):
        """(its token, its text, the highest UID there was before)"""
        with self.world.lock:
            self.world.made += 1
            token, above = b"t%d" % self.world.made, self.world.highest_uid
        return token, b"Subject: stress\r\nX-Token: " + token + b"\r\n\r\nbody " + token + b"\r\n", above

    def do_append(self):
        if len(self.rows) > ROOM:
            return self.do_delete()
        token, text, above = self.new_letter()
        r = self.ask((b"APPEND " + BOX + b" " + self.rng.choice([b"", b"(\\Seen) "]), text))
        if r.code and r.code[0].upper() == b"APPENDUID":
            uid = int(r.code[2])
            self.world.saw_new(uid, above)
            self.world.saw_token(uid, token)
        else:
            wrong("no APPENDUID: %r", r)

    def do_replace(self):
        """A new letter in the place of one; if that went meanwhile, nothing comes."""
        got = self.pick()
        if not got or b"REPLACE" not in self.words:
            return self.do_append()
        i, row = got
        uid, by_uid = row.uid, self.rng.random() < 0.5
        with self.world.lock:
            self.world.doomed.add(uid)
        token, text, above = self.new_letter()
        self.new_uid = None
        r = self.ask((b"%sREPLACE %d %s " % (b"UID " if by_uid else b"", uid if by_uid else i + 1, BOX), text),
                     expect=(b"OK", b"NO"))
        if r.status == b"NO":
            if self.new_uid:
                wrong("APPENDUID and NO: %r", r)
            return
        if not self.new_uid:
            wrong("no APPENDUID: %r", r)
        self.world.saw_new(self.new_uid, above)
        self.world.saw_token(self.new_uid, token)
        if any(x.uid == uid for x in self.rows):
            wrong("UID %d is there after REPLACE", uid)

    def do_fetch(self):
        got = self.pick()
        if not got:
            return self.do_noop()
        i, row = got
        what = self.rng.choice([b"FLAGS", b"(UID FLAGS)", b"(UID BODY.PEEK[HEADER.FIELDS (X-Token)])",
                                b"(FLAGS BODY.PEEK[HEADER.FIELDS (X-Token)] UID)"])
        if self.rng.random() < 0.5:
            self.ask(b"FETCH %d %s" % (i + 1, what), may_expunge=False, expect=(b"OK", b"NO"))
        else:
            self.ask(b"UID FETCH %d %s" % (row.uid, what), expect=(b"OK", b"NO"))

    def do_all(self):
        if self.rows:
            n = len(self.rows)
            self.ask(b"FETCH 1:%d (UID FLAGS)" % n, may_expunge=False, expect=(b"OK", b"NO"))

    def do_store(self):
        """Changes a system flag or this session's own keyword."""
        got = self.pick()
        if not got:
            return self.do_noop()
        i, row = got
        own = self.rng.random() < 0.6
        flag = self.keyword if own else self.rng.choice(SYSTEM).encode()
        plus = self.rng.random() < 0.6
        cond = b""
        if self.mode != "plain" and self.rng.random() < 0.3 and row.modseq:
            cond = b"(UNCHANGEDSINCE %d) " % row.modseq
        silent = b".SILENT" if self.rng.random() < 0.3 else b""
        by_uid = self.rng.random() < 0.5
        uid = row.uid
        self.storing = {uid} if own else set()
        r = self.ask(b"%s%d %s%sFLAGS%s (%s)" % (
            b"UID STORE " if by_uid else b"STORE ", uid if by_uid else i + 1, cond,
            b"+" if plus else b"-", silent, flag), may_expunge=by_uid, expect=(b"OK", b"NO"))
        refused = r.status != b"OK" or (r.code and r.code[0].upper() == b"MODIFIED")
        if own and not refused:
            (self.mine.add if plus else self.mine.discard)(uid)
        self.storing = set()
        now = next((x for x in self.rows if x.uid == uid), None)
        if own and now and now.flags is not None and uid in self.fetched and uid not in self.unsure and \
                not (silent and self.has_notify) and (self.keyword in now.flags) != (uid in self.mine):
            wrong("UID %d after STORE: %s", uid, sorted(now.flags))

    def do_delete(self):
        got = self.pick()
        if not got:
            return
        row = got[1]
        with self.world.lock:
            self.world.doomed.add(row.uid)
        self.ask(b"UID STORE %d +FLAGS (\\Deleted)" % row.uid, expect=(b"OK", b"NO"))
        if self.rng.random() < 0.5:
            if self.rng.random() < 0.5:
                self.ask(b"UID EXPUNGE %d" % row.uid)
                if any(x.uid == row.uid for x in self.rows):
                    wrong("UID %d is there after UID EXPUNGE", row.uid)
            else:
                self.ask(b"EXPUNGE")

    def do_move(self):
        got = self.pick()
        if not got or self.rng.random() < 0.5:
            return
        row = got[1]
        with self.world.lock:
            self.world.doomed.add(row.uid)
        self.ask(b"UID MOVE %d %s" % (row.uid, OTHER), expect=(b"OK", b"NO"))

    def do_copy(self):
        """To elsewhere: a copy beside it would have other sessions' keywords."""
        got = self.pick()
        if not got:
            return self.do_noop()
        self.ask(b"UID COPY %d %s" % (got[1].uid, OTHER), expect=(b"OK", b"NO"))

    def do_search(self):
        r = self.rng.random()
        if r < 0.5:
            at = {x.uid for x in self.rows if x.uid is not None}
            self.ask(b"UID SEARCH KEYWORD " + self.keyword)
            found = {int(x) for x in self.found or [] if isinstance(x, bytes) and x.isdigit()}
            want = (self.mine & at) - self.unsure
            extra = (found & at) - self.mine - self.unsure
            if extra:
                wrong("UID SEARCH KEYWORD gives %s", sorted(extra))
            self.suspects = want - found
            if self.suspects:
                # They must be gone then.
                self.ask(b"NOOP")
                left = self.suspects & {x.uid for x in self.rows}
                if left:
                    wrong("UID SEARCH KEYWORD does not give %s", sorted(left))
        else:
            n = len(self.rows)
            self.ask(b"SEARCH ALL", may_expunge=False)
            found = [int(x) for x in self.found or []]
            if found != sorted(set(found)) or found and found[-1] > max(n, len(self.rows)):
                wrong("SEARCH ALL gives %s of %d", found[-5:], n)

    def do_noop(self):
        self.ask(self.rng.choice([b"NOOP", b"NOOP", b"CHECK"]))
        if any(x.uid is None for x in self.rows):
            self.learn()

    def do_status(self):
        self.ask(b"STATUS %s (MESSAGES UIDNEXT)" % OTHER)

    def do_notify(self):
        """From here on news come between commands, too; an EXPUNGE waits for a command that allows it."""
        if os.environ.get("TARGET", "waxwing") != "waxwing":
            return self.do_noop()       # what Dovecot says between commands was not looked at
        self.has_notify = True
        new = b"UID FLAGS" + (b"" if self.mode == "plain" else b" MODSEQ")
        self.ask(b"NOTIFY SET (selected-delayed (MessageNew (%s) MessageExpunge FlagChange)) "
                 b"(personal (MessageNew MessageExpunge FlagChange MailboxName))" % new)

    def do_idle(self):
        self.command, self.may_expunge = b"IDLE", True
        tag = self.c.tag()
        self.c.send(tag + b" IDLE\r\n")
        with self.world.lock:
            self.floor, self.uid_floor = self.world.modseq, self.world.highest_uid
        while True:
            r = self.c.response()
            if r.tag == b"+":
                break
            self.untagged(r)
        time.sleep(self.rng.random() * 0.2)
        self.c.send(b"DONE\r\n")
        while True:
            r = self.c.response()
            if r.tag == tag:
                return
            self.untagged(r)

    def do_again(self):
        """Leaves, in one way or another, and comes back."""
        if self.mode == "qresync" and all(x.uid and x.flags is not None for x in self.rows):
            self.state = self.known()
        if self.rng.random() < 0.5:
            self.leaving = True
            self.ask(b"LOGOUT")
        self.c.close()
        self.connect()

    def known(self):
        """(UIDVALIDITY, the MODSEQ up to which all is known, {UID: flags}): by a FETCH of all
        that is asked for after HIGHESTMODSEQ was told."""
        self.c.close()
        self.connect_for_state()
        return (self.world.validity, self.highest, {x.uid: x.flags for x in self.rows if x.uid})

    def connect_for_state(self):
        state, self.state = self.state, None
        self.rows, self.past = [], set()
        self.highest = 0
        self.c = imap.Imap(self.addr, timeout=30)
        self.c.login(self.user, self.password)
        self.mode = "qresync"
        self.ask(b"ENABLE QRESYNC")
        self.ask(b"SELECT " + BOX)
        # Changes after HIGHESTMODSEQ may be known already; then QRESYNC repeats them.
        self.learn()

    VERBS = [("do_fetch", 20), ("do_store", 30), ("do_append", 10), ("do_delete", 6), ("do_copy", 3),
             ("do_move", 1), ("do_replace", 4), ("do_search", 8), ("do_noop", 10), ("do_all", 4), ("do_idle", 3),
             ("do_status", 1), ("do_again", 1), ("do_notify", 1)]

    def run(self):
        verbs, weights = zip(*self.VERBS)
        try:
            self.connect()
            while not self.world.stop.is_set():
                getattr(self, self.rng.choices(verbs, weights)[0])()
        except (Disagreement, imap.Closed, imap.Malformed, AssertionError, OSError, ValueError,
                KeyError, IndexError) as x:
            self.world.fail("session %d (%s): %s: %s\n    %s" % (
                self.number, getattr(self, "mode", "?"), type(x).__name__, x,
                "\n    ".join(repr(t) for t in self.trace[-TRACE:])))

    def final(self):
        """{UID: flags} as this session sees it when all is quiet."""
        self.ask(b"NOOP")
        self.learn()
        self.ask(b"NOOP")
        return {x.uid: x.flags for x in self.rows}


# ---- lies: each must be found --------------------------------------------------------------------

def change(pattern, by):
    def lie(raw, _rng):
        return re.sub(pattern, by, raw, count=1)
    return lie


def number(pattern, shift):
    """The first group as a number, shifted."""
    def lie(raw, _rng):
        m = re.search(pattern, raw)
        if not m:
            return raw
        return raw[:m.start(1)] + b"%d" % max(0, int(m.group(1)) + shift) + raw[m.end(1):]
    return lie


LIES = {     # kind: (mode, function)
    "exists-shrinks": ("plain", number(rb"^\* (\d+) EXISTS", -2)),
    "expunge-lost": ("plain", change(rb"^\* \d+ EXPUNGE\r\n", b"* OK nothing\r\n")),
    "expunge-wrong": ("plain", number(rb"^\* (\d+) EXPUNGE", 1)),
    "expunge-in-fetch": ("plain", lambda raw, rng: b"* 1 EXPUNGE\r\n" if b"FETCH (FLAGS" in raw else raw),
    "uid-wrong": ("plain", number(rb"^\* \d+ FETCH \(UID (\d+)", -1)),
    "keyword-lost": ("plain", change(rb" ?own\d+", b"")),
    "modseq-falls": ("condstore", number(rb"MODSEQ \((\d+)\)", -10 ** 8)),
    "flags-differ": ("condstore", change(rb"FLAGS \(", rb"FLAGS (\\Draft $Lie ")),
    "highestmodseq-falls": ("condstore", number(rb"HIGHESTMODSEQ (\d+)", -10 ** 8)),
    "vanished-wrong": ("qresync", number(rb"^\* VANISHED (\d+)", -1)),
    "vanished-as-expunge": ("qresync", change(rb"^\* VANISHED \d+.*\r\n", b"* 1 EXPUNGE\r\n")),
    "token-differs": ("plain", change(rb"X-Token: t\d", b"X-Token: u1")),
    "uidnext-old": ("plain", number(rb"UIDNEXT (\d+)", -1)),
}


class Liar(imap.Imap):
    """A client whose line falsifies one response in a few."""

    def setup(self, kind, rng):
        self.lie, self.rng2, self.armed = LIES[kind][1], rng, False

    def raw(self):
        raw = super().raw()
        if hasattr(self, "lie") and self.rng2.random() < 0.3:
            raw = self.lie(raw, self.rng2)
        return raw


# ---- the whole -----------------------------------------------------------------------------------

def prepare(addr, user, password):
    with imap.Imap(addr) as c:
        c.login(user, password)
        for box in (BOX, OTHER):
            c.cmd(b"DELETE " + box)
            c.ok(b"CREATE " + box)


def stress(addr, user, password, sessions=8, seconds=10, seed=None, lie=None):
    """(text, error or None)"""
    seed = seed if seed is not None else random.SystemRandom().randrange(1 << 32)
    prepare(addr, user, password)
    world = World()
    all = [Session(world, addr, user, password, i, seed + i, lie if i == 0 else None)
           for i in range(sessions)]
    threads = [threading.Thread(target=s.run, daemon=True) for s in all]
    for t in threads:
        t.start()
    world.stop.wait(seconds)
    world.stop.set()
    for t in threads:
        t.join(60)
        if t.is_alive():
            world.fail("a session hangs")
    text = "%d commands, %d letters, seed %d" % (sum(s.commands for s in all), world.made, seed)
    if not world.error:
        try:
            world.error = same_end(all, world)
        except (Disagreement, imap.Closed, imap.Malformed, AssertionError) as x:
            world.error = "at the end: %s: %s" % (type(x).__name__, x)
    for s in all:
        s.c and s.c.close()
    return text, world.error and "seed %d: %s" % (seed, world.error)


def same_end(all, world):
    views = [s.final() for s in all]
    for s, v in zip(all, views):
        if v != views[0]:
            diff = [(u, v.get(u), views[0].get(u)) for u in sorted(set(v) ^ set(views[0]) or
                                                                  set(v) & set(views[0]))
                    if v.get(u) != views[0].get(u)]
            return "session %d (%s) and 0 (%s) differ: %s" % (s.number, s.mode, all[0].mode, diff[:5])
    lost = world.appended - set(views[0]) - world.doomed
    if lost:
        return "letters with UIDs %s are gone and nobody removed them" % sorted(lost)[:10]
    return None


if __name__ == "__main__":
    ap = argparse.ArgumentParser()
    ap.add_argument("--host", default="127.0.0.1")
    ap.add_argument("--port", type=int, required=True)
    ap.add_argument("--user", required=True)
    ap.add_argument("--password", required=True)
    ap.add_argument("--sessions", type=int, default=8)
    ap.add_argument("--seconds", type=float, default=60)
    ap.add_argument("--seed", type=int)
    ap.add_argument("--lie", choices=sorted(LIES))
    o = ap.parse_args()
    text, error = stress((o.host, o.port), o.user, o.password, o.sessions, o.seconds, o.seed, o.lie)
    print(text)
    if error:
        print("DISAGREEMENT", error)
    sys.exit(1 if error else 0)
