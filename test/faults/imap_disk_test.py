#!/usr/bin/python3
"""What becomes of IMAP sessions whose disk is full, or whose files are taken away: a clear NO or
BYE, and all is well again when the cause is gone."""
import os
import random
import shutil
import sys
import tempfile
import time

import imap_client as imap
import imap_ledger
import imap_target
import loopfs
import tap
from server import SLOW
from tap import cases, check, equal, eventually, test

SOAK = bool(os.environ.get("SOAK"))
ROUNDS = int(os.environ.get("ROUNDS", "100" if SOAK else "5"))
SEED = int(os.environ.get("SEED", str(random.SystemRandom().randrange(1 << 30))))


def fill(path, leave):
    """All but `leave` bytes is used, also what is only for root: the mailbox is not root."""
    with open(path, "wb", 0) as f:
        room = os.statvfs(os.path.dirname(path))
        try:
            os.posix_fallocate(f.fileno(), 0, max(4096, room.f_bfree * room.f_frsize - (2 << 20)))
            f.seek(0, 2)
            while True:
                f.write(b"x" * 65536)
        except OSError:
            pass
        if leave:
            f.truncate(max(4096, os.fstat(f.fileno()).st_size - leave))
        os.fsync(f.fileno())


@test("P3 IMAP on a disk that fills up and empties: what is answered NO has not happened, what OK is kept",
      limit=90 + 8 * ROUNDS)
def full():
    if os.environ.get("WX_CANNOT"):
        tap.skip(os.environ["WX_CANNOT"])
    rng = random.Random(SEED)
    print("# seed %d" % SEED)
    base = tempfile.mkdtemp(prefix="wx-imap-full-")
    disk = t = led = None
    try:
        try:
            disk = loopfs.Disk(base, 200, mkfs=("-m", "0"))
        except loopfs.Cannot as x:
            tap.skip(str(x))
        t = imap_target.Waxwing(users=["f0"], dir=disk.mnt)
        led = imap_ledger.Ledger(t, ["f0"], workers=2, seed=SEED).start()
        for n in range(ROUNDS):
            time.sleep(0.3)
            fill(disk.mnt + "/filled", rng.choice([0, 4096, 8192, 12288, 20480, 40960, 100000]))
            time.sleep(rng.uniform(0.3, 0.8))
            if rng.random() < 0.3:
                t.s.expect_crash = True
                t.s.kill_role("mailbox")
                time.sleep(0.2)
            os.unlink(disk.mnt + "/filled")
            before = led.acked()
            eventually(lambda: led.failed or led.acked() > before + 3, 10 * SLOW,
                       what=lambda: "service after the disk was full: %s" % led.workers[0].last[-6:])
            led.settle()
        led.stop()
        print("# " + led.finish(30 * SLOW))
        print("# answered NO: %d" % sum(w.refused for w in led.workers))
        check(sum(w.refused for w in led.workers) > 0, "the disk was never full")
    finally:
        if led:
            led.stopping = True
        if t:
            t.end()
        if disk:
            disk.end()
        shutil.rmtree(base, ignore_errors=True)


def letter(n):
    return b"Subject: %d\r\nMessage-ID: <%d@x>\r\n\r\nbody\r\n" % (n, n)


class Here:
    """A target with four letters in INBOX, flagged and with keywords, and two live sessions."""

    def __init__(self):
        self.t = imap_target.Waxwing(users=["alice"])
        self.a, self.b = self.session(), self.session()
        for n in range(4):
            self.a.ok((b"APPEND INBOX (\\Flagged work%d) " % n, (letter(n), b"")))
        for c in (self.a, self.b):
            c.ok("SELECT INBOX")
        self.d = self.t.maildir("alice")

    def session(self):
        c = imap.Imap((self.t.host, self.t.imap), timeout=20)
        c.login(self.t.login_name("alice"), self.t.password("alice"))
        return c

    def select(self, c):
        c.ok("SELECT INBOX")
        return c

    def known(self, c):
        """(UIDVALIDITY, {UID: (flags, subject)})"""
        validity = next(u.code[1] for u in c.ok("SELECT INBOX") if u.code and u.code[0] == b"UIDVALIDITY")
        out = {}
        for u in c.ok("UID FETCH 1:* (UID FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])"):
            if u.word(1) == b"FETCH":
                d = dict(zip([bytes(k).split(b"[")[0] for k in u.args[2][::2]], u.args[2][1::2]))
                out[int(d[b"UID"])] = (frozenset(d[b"FLAGS"]) - {b"\\Recent"}, d[b"BODY"])
        return validity, out

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for c in (self.a, self.b):
            c.close()
        self.t.end()


def cut_uidlist(d):
    with open(d + "/dovecot-uidlist", "r+b") as f:
        f.truncate(os.fstat(f.fileno()).st_size - 7)


def garbage(path):
    st = os.stat(path)
    with open(path, "wb") as f:
        f.write(os.urandom(5000))
    os.chown(path, st.st_uid, st.st_gid)


TAKEN = [
    ("the cache", lambda d: [os.unlink(d + "/waxwing/" + f) for f in os.listdir(d + "/waxwing") if ".db" in f]),
    ("a cache of garbage", lambda d: garbage(d + "/waxwing/cache.db")),
    ("the flag log", lambda d: os.unlink(d + "/waxwing/flags")),
    ("all of waxwing/", lambda d: shutil.rmtree(d + "/waxwing")),
    ("dovecot-uidlist", lambda d: os.unlink(d + "/dovecot-uidlist")),
    ("the end of dovecot-uidlist", cut_uidlist),
]


@cases(TAKEN, "P4 taken away under live sessions: {0}", limit=40)
def taken(act):
    with Here() as h:
        before = h.known(h.a)
        act(h.d)
        # the live sessions go on
        h.a.ok("UID STORE 2 +FLAGS (\\Seen)")
        h.b.ok("NOOP")
        h.a.ok((b"APPEND INBOX (\\Flagged work9) ", (letter(9), b"")))
        h.a.ok("UID COPY 1 INBOX")
        want = dict(before[1])
        want[2] = (want[2][0] | {b"\\Seen"}, want[2][1])
        for c in (h.a, h.session()):
            validity, got = h.known(c)
            equal(validity, before[0], "UIDVALIDITY")
            equal({u: got.get(u) for u in want}, want, "letters")
            equal(sorted(got)[4:], [5, 6], "new UIDs")
        h.t.s.expect_crash = True
        h.t.s.kill_role("mailbox")
        c = eventually(lambda: again(h), 10 * SLOW)
        validity, got = h.known(c)
        equal((validity, {u: got.get(u) for u in want}), (before[0], want), "in the next process")


@cases([("nothing is left", 0), ("a page is left", 4096)],
       "P4 truncating the SQLite cache under a live session: {0}", limit=40)
def truncated(left):
    def asked(c):
        return [u.raw for what in ("ENVELOPE", "BODYSTRUCTURE", "PREVIEW")
                for u in c.ok("UID FETCH 1:* (%s)" % what) if u.word(1) == b"FETCH"]
    with Here() as h:
        h.a.ok((b"APPEND INBOX () ", (b"Subject: long\r\nTo: " + 3000 * b"somebody@example.org, " + b"a@b\r\n\r\n", b"")))
        h.a.ok("NOOP")
        before = asked(h.a)
        equal(len(before), 15, "answers")
        cache = h.d + "/waxwing/cache.db"
        # with nothing to do the mailbox closes it, and all of the log goes into the file
        eventually(lambda: os.path.getsize(cache) > 3 * 4096, 20 * SLOW, what="the cache is closed")
        c, other = h.session(), h.session()
        for x in c, other:
            x.ok("SELECT INBOX")
        c.ok("UID FETCH 1 (ENVELOPE)")
        os.truncate(cache, left)
        equal(asked(c), before, "the session that was there")
        other.ok("UID STORE 1 +FLAGS (\\Seen)")
        equal(asked(other), before, "another")
        equal(asked(h.select(h.session())), before, "a new one")


def again(h):
    try:
        return h.session()
    except (imap.Closed, AssertionError, OSError):
        return None


def answered(c, text):
    """What it says, or None when the session is ended; never silence."""
    try:
        return c.cmd(text)
    except imap.Closed as x:
        check("no answer" not in str(x), "no answer to %r" % (text,))
        return None


def refused(c, text):
    got = answered(c, text)
    check(got is None or got[0].status == b"NO", "%r to %r" % (got, text))


def bodies(c, n):
    """All of the letters, or that they are gone."""
    got = answered(c, "FETCH 1:* BODY.PEEK[]")
    if got and got[0].status == b"OK" and b"[EXPUNGEISSUED]" not in got[0].raw:
        equal(sum(u.word(1) == b"FETCH" and b"body" in u.raw for u in got[1]), n, "letters")


@test("P4 the mailbox is removed under live sessions: NO or BYE, then a new one", limit=40)
def removed():
    with Here() as h:
        before = h.known(h.a)
        shutil.rmtree(h.d)
        bodies(h.a, 4)
        for c, text in (h.a, "UID STORE 1:* +FLAGS (\\Answered)"), (h.b, "UID COPY 1 INBOX"):
            got = answered(c, text)
            check(got is None or got[0].status == b"NO" or [u.word(1) for u in got[1]] == 4 * [b"EXPUNGE"],
                  "%r to %s" % (got, text))
        c = h.session()
        validity, got = h.known(c)
        equal(got, {}, "letters")
        check(int(validity) > int(before[0]), "UIDVALIDITY %s was %s" % (validity, before[0]))
        c.ok((b"APPEND INBOX (\\Seen) ", (letter(7), b"")))
        equal(list(h.known(h.session())[1].values())[0][0], frozenset([b"\\Seen"]), "flags")


@test("P4 the mailbox is away for a while: NO or BYE, then all is as it was", limit=40)
def away():
    with Here() as h:
        before = h.known(h.a)
        os.rename(h.d, h.d + ".away")
        open(h.d, "w").close()          # nothing can be made in its place
        bodies(h.a, 4)
        refused(h.b, "SELECT INBOX")
        refused(h.b, (b"APPEND INBOX ", (letter(7), b"")))
        os.unlink(h.d)
        os.rename(h.d + ".away", h.d)
        equal(h.known(h.session()), before, "afterwards")
        h.session().ok((b"APPEND INBOX ", (letter(8), b"")))


if "--list" not in sys.argv:
    try:
        loopfs.private()
    except loopfs.Cannot as x:
        os.environ["WX_CANNOT"] = str(x)
tap.main()
