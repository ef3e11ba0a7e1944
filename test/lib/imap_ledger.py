"""The ledger of IMAP: sessions note what they ask and what was answered OK; after a fault
each compares its folders with its ledger.

    UID, UIDVALIDITY    of a letter never change, no UID is given twice
    OK                  of APPEND, COPY, MOVE, EXPUNGE, CREATE, RENAME, DELETE, SETMETADATA is kept
    flags               are kept; a power cut may take back those of the last 5 seconds
    HIGHESTMODSEQ       never falls
    moved, expunged     never comes back, also not out of the journal

What was not answered, or with NO, may have happened or not: what is found is taken, if it
is one of the two.  A worker has folders of its own; the first of each account also has
INBOX, into which a Sender delivers by SMTP."""
import random
import re
import threading
import time

import imap_client as imap
import smtp
import tap

FLAGS = [b"\\Seen", b"\\Flagged", b"\\Answered", b"\\Draft", b"work", b"$Forwarded"]
FLAGS_WITHIN = 5
GIVE_UP = 3                     # seconds without any answer, when nobody is meant to be there
TOKEN = re.compile(rb"<([^@>]+)@")
_made = [0]
_lock = threading.Lock()


def token(prefix):
    with _lock:
        _made[0] += 1
        return b"%s-%d" % (prefix, _made[0])


def letter(tok, size=0):
    return b"From: a@example.net\r\nSubject: %s\r\nMessage-ID: <%s@ledger>\r\n\r\n%s\r\n" % (
        tok, tok, b"0123456789abcde\r\n" * (size // 17))


def uids(text):
    out = []
    for part in bytes(text).split(b","):
        a, _, b = part.partition(b":")
        out += range(int(a), int(b or a) + 1)
    return out


class Wrong(Exception):
    pass


def must(cond, text, *args):
    if not cond:
        raise Wrong(text % args)


class Row:
    def __init__(self, tok, flags):
        self.tok = tok
        self.said = [(0, frozenset(flags))]     # (when, flags), the last one holds

    flags = property(lambda self: self.said[-1][1])

    def say(self, flags):
        self.said.append((time.time(), frozenset(flags)))

    def may_be(self, cuts):
        """What may be found: the last, and what a cut may have brought back."""
        out = {self.flags}
        for cut in cuts:
            before = [f for t, f in self.said if t < cut - FLAGS_WITHIN]
            out.update(f for t, f in self.said if t >= cut - FLAGS_WITHIN)
            out.update(before[-1:])
        return out


class Folder:
    def __init__(self, name):
        self.name = name
        self.validity = None
        self.modseq = 0
        self.next = 1           # no UID below it may be given any more
        self.ever = {}          # UID: token
        self.rows = {}          # UID: Row
        self.note = self.maybe_note = None      # its annotation, and the one that was not answered
        self.open = False       # a CREATE, RENAME or DELETE of it was not answered
        self.gone = False


class Worker(threading.Thread):
    def __init__(self, led, number, user, inbox, seed):
        super().__init__(daemon=True)
        self.led, self.user, self.rng = led, user, random.Random(seed * 1000 + number)
        self.prefix = b"w%d" % number
        self.box = [Folder(b"%s%s" % (self.prefix, s)) for s in (b"a", b"b")]
        self.inbox = Folder(b"INBOX") if inbox else None
        self.extra = []         # folders that come and go
        self.lost = set()       # tokens that are known to be away for good
        self.seen = set()       # tokens that were ever found in INBOX
        self.unsure = []        # (folders, [(token, flags)]) of verbs without an answer
        self.checked = 0
        self.answered = self.refused = 0
        self.error = None
        self.begun = None
        self.c = None
        self.last = []

    def run(self):
        try:
            while not self.led.stopping:
                self.session()
        except Exception:
            import traceback
            self.error = "%s\n%s" % ("\n".join(self.last), traceback.format_exc())
            self.led.failed = True

    def connect(self):
        c = imap.Imap(self.led.addr, timeout=20)
        r, _ = c.cmd(b"LOGIN " + imap.quoted(self.led.login(self.user)) + b" " +
                     imap.quoted(self.led.password(self.user)))
        if r.status != b"OK":
            c.close()
            raise imap.Closed("login: %r" % r)
        return c

    def session(self):
        self.c = None
        try:
            self.c = self.connect()
            self.c.ok("ENABLE CONDSTORE")
            self.check_all()
            n = self.rng.choice([5, 50, 500])
            for _ in range(n):
                if self.led.stopping:
                    return
                self.act()
        except (imap.Closed, OSError, AssertionError) as x:
            if isinstance(x, AssertionError) and self.led.strict:
                raise
            self.note("-- " + str(x)[:150])
            # what was not answered may be done still, by a mailbox that outlives its login
            time.sleep(0.05 if self.led.loses_disk else 0.5)
        finally:
            if self.c:
                self.c.close()

    def note(self, text):
        self.last.append("%.3f %s" % (time.time() % 1000, text))
        del self.last[:-40]

    # ---- what is asked

    def cmd(self, text, *lits):
        shown = text if isinstance(text, bytes) else text[0]
        self.note("C: " + repr(shown[:100]))
        r, un = self.c.cmd(text)
        self.note("S: %s" % repr(r)[:120])
        must(r.status in (b"OK", b"NO"), "%r to %r", r, shown)
        if r.status == b"NO":
            if not self.led.loses_disk:         # then NO means: it has not happened
                self.unsure = [u for u in self.unsure if u is not self.begun]
            self.refused += 1
            raise imap.Closed("NO: %r" % r)     # look at everything
        return r, un

    def choose(self, f, most=3):
        n = self.rng.choice([1, 1, 1, most])
        return sorted(self.rng.sample(sorted(f.rows), min(n, len(f.rows))))

    def act(self):
        verbs = ["append", "append", "store", "store", "store", "move", "copy", "expunge", "folder", "annotate"]
        if self.inbox and self.rng.random() < 0.5:
            return self.from_inbox()
        f, to = self.rng.sample(self.box, 2)
        verb = self.rng.choice(verbs) if f.rows else self.rng.choice(["append", "append", "annotate"])
        getattr(self, verb)(f, to)

    def from_inbox(self):
        """Letters are moved on as soon as they are there."""
        f = self.inbox
        r = self.select(f)
        if r is None:
            return
        self.look(f, new=True)
        if f.rows:
            self.rng.choice([self.move, self.move, self.store, self.expunge])(f, self.rng.choice(self.box), False)

    def select(self, f):
        r, un = self.cmd(b"SELECT " + imap.quoted(f.name))
        if r.status != b"OK":
            return None
        for u in un:
            if u.code and u.code[0] == b"UIDVALIDITY":
                must(f.validity in (None, int(u.code[1])), "%r: UIDVALIDITY %s was %s", f.name, u.code[1], f.validity)
                f.validity = int(u.code[1])
            if u.code and u.code[0] == b"UIDNEXT":
                must(int(u.code[1]) >= f.next, "%r: UIDNEXT %s after %d", f.name, u.code[1], f.next)
            if u.code and u.code[0] == b"HIGHESTMODSEQ":
                must(int(u.code[1]) >= f.modseq, "%r: HIGHESTMODSEQ %s after %d", f.name, u.code[1], f.modseq)
                f.modseq = int(u.code[1])
        return r

    def append(self, f, _to):
        many = self.rng.choice([1, 1, 1, 4])
        toks = [token(self.prefix) for _ in range(many)]
        flags = self.rng.sample(FLAGS, self.rng.randrange(3))
        size = self.rng.choice([0, 0, 3000, 20000])
        lits = [(letter(t, size), b" (%s) " % b" ".join(flags) if i + 1 < many else b"") for i, t in enumerate(toks)]
        self.begin([f], [(t, frozenset(flags)) for t in toks])
        r, _ = self.cmd((b"APPEND %s (%s) " % (imap.quoted(f.name), b" ".join(flags)), *lits))
        if r.status == b"OK":
            must(r.code and r.code[0] == b"APPENDUID" and int(r.code[1]) == f.validity, "%r", r)
            self.came(f, uids(r.code[2]), toks, [flags] * many)
            self.end()

    def came(self, f, got, toks, flags):
        must(len(got) == len(toks), "%r: UIDs %s for %d letters", f.name, got, len(toks))
        for u, t, fl in zip(got, toks, flags):
            must(u >= f.next and u not in f.ever, "%r: UID %d is not new, next was %d", f.name, u, f.next)
            f.next = u + 1
            f.ever[u] = t
            f.rows[u] = Row(t, fl)

    def store(self, f, _to, select=True):
        if select and self.select(f) is None:
            return
        which, how = self.choose(f, 20), self.rng.choice([b"", b"+", b"-"])
        flags = self.rng.sample(FLAGS, self.rng.randrange(1, 4))
        new = {u: {b"": frozenset(flags), b"+": f.rows[u].flags | set(flags),
                   b"-": f.rows[u].flags - set(flags)}[how] for u in which}
        for u in which:                 # until it is answered both may hold
            f.rows[u].maybe = new[u]
        r, un = self.cmd(b"UID STORE %s %sFLAGS (%s)" % (
            b",".join(b"%d" % u for u in which), how, b" ".join(flags)))
        for u in which if r.status == b"OK" else ():
            f.rows[u].say(new[u])
            del f.rows[u].maybe
        self.answered += r.status == b"OK"
        for x in un:
            if x.word(1) == b"FETCH":
                self.modseq_of(f, x.args[2])

    def modseq_of(self, f, items):
        at = [bytes(i).upper() for i in items[::2]]
        if b"MODSEQ" in at:
            f.modseq = max(f.modseq, int(items[2 * at.index(b"MODSEQ") + 1][0]))

    def move(self, f, to, select=True, verb=b"MOVE"):
        if select and self.select(f) is None:
            return
        which = self.choose(f, 10)
        self.begin([f, to], [(f.rows[u].tok, f.rows[u].flags) for u in which])
        r, un = self.cmd(b"UID %s %s %s" % (verb, b",".join(b"%d" % u for u in which), imap.quoted(to.name)))
        if r.status != b"OK":
            return
        code = next(x.code for x in un + [r] if x.code and x.code[0] == b"COPYUID")
        must(int(code[1]) == to.validity and uids(code[2]) == which, "%r", code)
        self.came(to, uids(code[3]), [f.rows[u].tok for u in which], [f.rows[u].flags for u in which])
        if verb == b"MOVE":
            for u in which:
                del f.rows[u]
        self.end()

    def copy(self, f, to, select=True):
        self.move(f, to, select, b"COPY")

    def expunge(self, f, _to, select=True):
        if select and self.select(f) is None:
            return
        which = self.choose(f)
        text = b",".join(b"%d" % u for u in which)
        new = {u: f.rows[u].flags | {b"\\Deleted"} for u in which}
        for u in which:
            f.rows[u].maybe = new[u]
        r, _ = self.cmd(b"UID STORE %s +FLAGS.SILENT (\\Deleted)" % text)
        if r.status != b"OK":
            return
        for u in which:
            f.rows[u].say(new[u])
            del f.rows[u].maybe
        self.begin([f], [(f.rows[u].tok, f.rows[u].flags) for u in which])
        r, _ = self.cmd(b"UID EXPUNGE " + text)
        if r.status == b"OK":
            for u in which:
                del f.rows[u]
            self.end()

    def folder(self, _f, _to):
        """CREATE, then RENAME, then DELETE."""
        if len(self.extra) < 2:
            f = Folder(b"%sx.%s" % (self.prefix, token(b"f")))
            f.open = True
            self.extra.append(f)
            r, _ = self.cmd(b"CREATE " + imap.quoted(f.name))
            if r.status == b"OK":
                f.open = False
                if self.select(f) is not None:
                    self.append(f, None)
            return
        f = self.extra[0]
        if f.open:
            self.check_extra(f)
            return
        f.open = True
        if self.rng.random() < 0.5:
            to = b"%sx.%s" % (self.prefix, token(b"r"))
            f.other = to
            r, _ = self.cmd(b"RENAME %s %s" % (imap.quoted(f.name), imap.quoted(to)))
            if r.status == b"OK":
                f.name, f.other, f.open = to, None, False
                self.answered += 1
        else:
            f.deleting = True
            r, _ = self.cmd(b"DELETE " + imap.quoted(f.name))
            if r.status == b"OK":
                f.gone, f.open = True, False
                self.answered += 1

    def annotate(self, f, _to):
        f.maybe_note = token(self.prefix) + b"x" * self.rng.choice([0, 0, 5000])
        try:
            self.cmd((b"SETMETADATA %s (/private/comment " % imap.quoted(f.name), (f.maybe_note, b")")))
        except imap.Closed as x:
            if str(x).startswith("NO") and not self.led.loses_disk:
                f.maybe_note = None
            raise
        f.note, f.maybe_note = f.maybe_note, None
        self.answered += 1

    def begin(self, folders, toks):
        self.begun = (folders, toks)
        self.unsure.append(self.begun)

    def end(self):
        self.unsure.remove(self.begun)
        self.begun = None
        self.answered += 1

    # ---- what is found

    def look(self, f, new=False):
        """{UID: (token, flags)} of the selected folder; with new what came goes into the ledger."""
        got = {}
        r, un = self.cmd(b"UID FETCH 1:* (UID FLAGS MODSEQ BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])")
        if r.status != b"OK":
            raise imap.Closed("FETCH: %r" % r)
        for x in un:
            if x.word(1) != b"FETCH":
                continue
            items = x.args[2]
            keys = [bytes(i).upper().split(b"[")[0] for i in items[::2]]
            if b"BODY" not in keys:
                continue
            d = dict(zip(keys, items[1::2]))
            m = TOKEN.search(d[b"BODY"] or b"")
            must(m, "%r: a letter without its header: %r", f.name, x)
            got[int(d[b"UID"])] = (m.group(1), frozenset(bytes(i) for i in d[b"FLAGS"]) - {b"\\Recent"})
            self.modseq_of(f, items)
        if new:
            self.inbox_new(f, got)
        return got

    def inbox_new(self, f, got):
        for u in sorted(set(got) - set(f.rows)):
            t = got[u][0]
            must(u >= f.next, "INBOX: UID %d is not new", u)
            must(t not in self.seen, "INBOX: %s came back as UID %d", t, u)
            self.seen.add(t)
            f.next, f.ever[u], f.rows[u] = u + 1, t, Row(t, got[u][1])

    def check_all(self):
        cuts = self.led.cuts
        found = {}
        for f in self.box + ([self.inbox] if self.inbox else []):
            if f.validity is None:
                self.c.cmd(b"CREATE " + imap.quoted(f.name))        # perhaps for the second time
            if self.select(f) is None:
                raise imap.Closed("SELECT of %r" % f.name)
            found[f] = self.look(f)
            if f is not self.inbox:
                self.check_note(f)
        for f in list(self.extra):
            self.check_extra(f)
            if f.gone:
                self.extra.remove(f)
            elif not f.open:
                found[f] = self.look(f)
        self.unsure_settle(found)
        for f, got in found.items():
            self.compare(f, got, cuts)
        self.unsure = []
        self.checked += 1

    def check_note(self, f):
        r, un = self.cmd(b"GETMETADATA %s /private/comment" % imap.quoted(f.name))
        got = [x.args[-1][1] for x in un if x.word(1) == b"METADATA" or x.word() == b"METADATA"]
        must(got and got[0] in (f.note, f.maybe_note), "%r: annotated with %.60r, was %.60r or %.60r", f.name, got, f.note,
             f.maybe_note)
        f.note, f.maybe_note = got[0], None

    def check_extra(self, f):
        """It is there under its name, or an unanswered verb has changed that."""
        names = [f.name] + ([f.other] if getattr(f, "other", None) else [])
        there = []
        for name in names:
            r, un = self.cmd(b"LIST \"\" " + imap.quoted(name))
            if any(x.word() == b"LIST" and b"\\NONEXISTENT" not in [bytes(a).upper() for a in x.args[1]] for x in un):
                there.append(name)
        must(len(there) <= 1, "%r: there are %s", f.name, there)
        if f.gone:
            must(not there, "%r is there again", f.name)
            return
        must(there == [f.name] or f.open, "%r is away", f.name)
        if not there:
            must(f.validity is None or getattr(f, "deleting", False), "%r is away, and was not to be deleted", names)
            f.gone = True
            return
        f.name, f.other, was_deleting = there[0], None, getattr(f, "deleting", False)
        f.open = f.deleting = False
        if self.select(f) is None:
            raise imap.Closed("SELECT of %r" % f.name)
        if was_deleting:        # its letters go first
            self.unsure.append(([f], [(r.tok, r.flags) for r in f.rows.values()]))

    def unsure_settle(self, found):
        """Verbs without an answer: what is found becomes what is known."""
        for folders, toks in self.unsure:
            for t in dict.fromkeys(tok for tok, _ in toks):
                may = [flags for tok, flags in toks if tok == t]        # of copies there are several
                where = [(f, u) for f in folders if f in found for u, (tok, _) in found[f].items()
                         if tok == t]
                was = [(f, u) for f in folders for u, r in f.rows.items() if r.tok == t]
                may_be_two = len(set(folders)) == 2     # COPY
                must(len(where) <= len(was) + len(may) and (may_be_two or len(where) <= 1 or len(was) > 1),
                     "%s is in %s", t, [(f.name, u) for f, u in where])
                for f, u in was:
                    if (f, u) not in where and f in found:
                        del f.rows[u]
                for f, u in where:
                    if (f, u) not in was:
                        must(u >= f.next and u not in f.ever, "%r: UID %d of %s is not new", f.name, u, t)
                        got = found[f][u][1]
                        must(got in may, "%r: UID %d of %s has %s, may have %s", f.name, u, t, sorted(got),
                             [sorted(x) for x in may])
                        f.ever[u], f.rows[u] = t, Row(t, got)
        for f in found:
            f.next = max([f.next] + [u + 1 for u in found[f]] if f is not self.inbox else [f.next])
        for folders, toks in self.unsure:
            for t, _ in toks:
                moved = [f for f in folders if any(r.tok == t for r in f.rows.values())]
                if len(folders) == 2 and folders[0] in found and folders[1] in found:
                    must(moved, "LOST: %s, moved or copied from %r to %r", t, folders[0].name, folders[1].name)

    def compare(self, f, got, cuts):
        if f is self.inbox:
            self.inbox_new(f, got)
        for u, r in f.rows.items():
            must(u in got, "LOST: %r UID %d %s", f.name, u, r.tok)
            must(got[u][0] == r.tok, "%r: UID %d is %s, was %s", f.name, u, got[u][0], r.tok)
            may = r.may_be(cuts)
            if hasattr(r, "maybe"):
                may = may | {r.maybe}
                del r.maybe
            must(got[u][1] in may, "%r: UID %d has %s, may have %s", f.name, u, sorted(got[u][1]),
                 [sorted(x) for x in may])
            if got[u][1] != r.flags:
                r.say(got[u][1])
        for u in got:
            must(u in f.rows, "BACK: %r UID %d %s (%s)", f.name, u, got[u][0],
                 "was there before" if u in f.ever else "is new")


class Sender(threading.Thread):
    """Letters by SMTP; each try has a token of its own, so none may be there twice."""

    def __init__(self, led, users):
        super().__init__(daemon=True)
        self.led, self.users = led, users
        self.acked = {}         # token: user
        self.error = None

    def run(self):
        n = 0
        while not self.led.stopping:
            try:
                with smtp.Smtp(self.led.smtp, timeout=20) as c:
                    if c.banner.code != 220 or c.ehlo().code != 250:
                        time.sleep(0.05)
                        continue
                    for _ in range(20):
                        n += 1
                        tok, user = token(b"s"), self.users[n % len(self.users)]
                        r = c.deliver("%s@example.org" % user, letter(tok, 500), sender="a@example.net")
                        if r.code == 250:
                            self.acked[tok] = user
                        time.sleep(0.03)
                        if self.led.stopping:
                            return
            except (OSError, smtp.Closed, ValueError):
                time.sleep(0.05)


class Ledger:
    def __init__(self, target, users, workers=3, seed=1):
        self.addr, self.smtp = (target.host, target.imap), target.s.addr
        self.login, self.password = target.login_name, target.password
        self.stopping = self.failed = self.strict = self.loses_disk = False
        self.cuts = []
        self.workers = [Worker(self, i, users[i % len(users)], i < len(users), seed)
                        for i in range(workers * len(users))]
        self.sender = Sender(self, users)

    def start(self):
        for t in self.workers + [self.sender]:
            t.start()
        return self

    def acked(self):
        return sum(w.answered for w in self.workers)

    def cut(self):
        self.cuts.append(time.time())

    def settle(self):
        """For what comes next a cut in the past means nothing."""
        for w in self.workers:
            tap.check(w.error is None, w.error)

    def stop(self):
        self.stopping = True
        for t in self.workers + [self.sender]:
            t.join(40)
        self.settle()

    def finish(self, limit=30):
        """All compare once more, without faults; every letter that SMTP took is somewhere, once."""
        self.strict = True
        end = time.monotonic() + limit
        for w in self.workers:
            while True:
                try:
                    w.c = w.connect()
                    w.check_all()
                    w.c.close()
                    break
                except (imap.Closed, OSError) as x:
                    tap.check(time.monotonic() < end, "no service at the end: %s\n%s" % (x, "\n".join(w.last[-6:])))
                    time.sleep(0.2)
        while True:
            seen = set().union(*(w.seen for w in self.workers))
            missing = [t for t in self.sender.acked if t not in seen]
            if not missing or time.monotonic() > end:
                break
            for w in self.workers:
                if w.inbox:
                    w.c = w.connect()
                    w.check_all()
                    w.c.close()
            time.sleep(0.3)
        tap.check(not missing, "LOST: %d letters of %d that SMTP took: %s" % (
            len(missing), len(self.sender.acked), missing[:5]))
        return "%d verbs answered OK, %d letters by SMTP, %d comparisons" % (
            self.acked(), len(self.sender.acked), sum(w.checked for w in self.workers))
