#!/usr/bin/python3
"""Other programs work in a Maildir that sessions have open: what they add, move, flag and remove is
told within moments, and no UID changes."""
import os
import shutil
import subprocess
import time

import imap_client as imap
import imap_target
import tap
from server import SLOW
from tap import cases, check, equal, test


def letter(tok):
    return b"Subject: %s\r\nMessage-ID: <%s@x>\r\n\r\nbody\r\n" % (tok, tok)


class Live:
    """alice's INBOX with five letters; one session waits in IDLE and keeps what it is told."""

    def __init__(self):
        self.t = imap_target.Waxwing(users=["alice"])
        self.d = self.t.maildir("alice")
        self.c = self.session()
        self.c.ok("CREATE Other")
        for n in range(5):
            equal(self.c.append("INBOX", letter(b"t%d" % n))[0].status, b"OK", "APPEND")
        self.c.ok("SELECT INBOX")
        self.uids = [1, 2, 3, 4, 5]
        self.st = os.stat(self.d)

    def session(self):
        c = imap.Imap((self.t.host, self.t.imap), timeout=20)
        c.login(self.t.login_name("alice"), self.t.password("alice"))
        return c

    def path(self, tok, sub="cur"):
        for f in os.listdir("%s/%s" % (self.d, sub)):
            with open("%s/%s/%s" % (self.d, sub, f), "rb") as h:
                if b"<%s@x>" % tok in h.read():
                    return "%s/%s/%s" % (self.d, sub, f)
        tap.fail("no file of %s in %s" % (tok, sub))

    def make(self, path, tok):
        with open(path, "wb") as f:
            f.write(letter(tok).replace(b"\r\n", b"\n"))
        os.chown(path, self.st.st_uid, self.st.st_gid)

    def idle(self, act, want, limit=2.0):
        """act() while the session is in IDLE; the untagged words that come until `want` have."""
        tag = self.c.tag()
        self.c.send(tag + b" IDLE\r\n")
        while self.c.response().tag != b"+":
            pass
        act()
        start, told = time.monotonic(), []
        self.c.sock.settimeout(limit * SLOW)
        while sorted(told) != sorted(want):
            try:
                r = self.c.response()
            except imap.Closed:
                tap.fail("told within %.1f s: %s, not %s" % (limit, told, want))
            if r.word(1) != b"RECENT":
                told.append(b" ".join(x if isinstance(x, bytes) else b"(%s)" % b" ".join(
                    y if isinstance(y, bytes) else b"(%s)" % b" ".join(sorted(set(y) - {b"\\Recent"})) for y in x) for x in r.args))
        took = time.monotonic() - start
        self.c.sock.settimeout(20)
        self.c.send(b"DONE\r\n")
        self.c.until(tag)
        return took

    def all(self):
        """{token: (UID, flags)} for a new session."""
        c, out = self.session(), {}
        c.ok("SELECT INBOX")
        for u in c.ok("UID FETCH 1:* (UID FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])"):
            if u.word(1) == b"FETCH":
                d = dict(zip([bytes(k).split(b"[")[0] for k in u.args[2][::2]], u.args[2][1::2]))
                out[d[b"BODY"].split()[1]] = (int(d[b"UID"]), frozenset(d[b"FLAGS"]) - {b"\\Recent"})
        return out

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.c.close()
        self.t.end()


def comes_by_link(l):
    """As a delivery agent: tmp/, link to new/, unlink."""
    def act():
        l.make(l.d + "/tmp/1800000000.x1.h", b"new")
        os.link(l.d + "/tmp/1800000000.x1.h", l.d + "/new/1800000000.x1.h")
        os.unlink(l.d + "/tmp/1800000000.x1.h")
    return act, [b"6 EXISTS"], {b"new": (6, frozenset())}


def comes_by_rsync(l):
    """As rsync: .NAME.RANDOM in cur/, then its name, with flags."""
    def act():
        l.make(l.d + "/cur/.1800000000.x2.h:2,FS.Ab12Cd", b"new")
        os.rename(l.d + "/cur/.1800000000.x2.h:2,FS.Ab12Cd", l.d + "/cur/1800000000.x2.h:2,FS")
    return act, [b"6 EXISTS"], {b"new": (6, frozenset([b"\\Flagged", b"\\Seen"]))}


def is_flagged(l):
    """As mutt: the flags are in the name."""
    p = l.path(b"t1")
    return (lambda: os.rename(p, p[:p.index(":2,")] + ":2,FRS"),
            [b"2 FETCH (FLAGS (\\Answered \\Flagged \\Seen))"],
            {b"t1": (2, frozenset([b"\\Answered", b"\\Flagged", b"\\Seen"]))})


def is_removed(l):
    p = l.path(b"t3")
    return lambda: os.unlink(p), [b"4 EXPUNGE"], {b"t3": None, b"t4": (5, frozenset())}


def moves_away(l):
    """As mutt saves: a link in the other folder, then unlink here."""
    p = l.path(b"t0")

    def act():
        os.link(p, l.d + "/.Other/cur/" + os.path.basename(p))
        os.unlink(p)
    return act, [b"1 EXPUNGE"], {b"t0": None, b"t1": (2, frozenset())}


def goes_and_comes(l):
    """Renamed away and back in a moment: nothing has happened, or it is another letter."""
    p = l.path(b"t2")

    def act():
        os.rename(p, l.d + "/aside")
        time.sleep(0.3)
        os.rename(l.d + "/aside", p[:p.index(":2,")].replace(".M", ".N") + ":2,")
    return act, [b"3 EXPUNGE", b"5 EXISTS"], {b"t2": (6, frozenset())}


@cases([("another program adds a letter by link", comes_by_link), ("rsync adds a letter", comes_by_rsync),
        ("another program flags a letter", is_flagged), ("another program removes a letter", is_removed),
        ("another program moves a letter to another folder", moves_away),
        ("a letter comes back under another name", goes_and_comes)],
       "told in IDLE: {0}", limit=40)
def told(what):
    with Live() as l:
        act, want, after = what(l)
        took = l.idle(act, want)
        print("# told after %d ms" % (1000 * took))
        # a row None: that letter is away
        got = l.all()
        equal({k: got.get(k) for k in after}, after, "for a new session")


def mirrored(here, there):
    """rsync -a --delete-after, or what it does.  (If the old name went first, that letter would have gone
    for those who look in between, and come back as another one.)"""
    if shutil.which("rsync"):
        subprocess.run(["rsync", "-a", "--delete-after", here + "/", there + "/"], check=True)
        return
    for f in sorted(set(os.listdir(here)) - set(os.listdir(there))):
        subprocess.run(["cp", "-p", "%s/%s" % (here, f), "%s/.%s.Xy12Zz" % (there, f)], check=True)
        os.rename("%s/.%s.Xy12Zz" % (there, f), "%s/%s" % (there, f))
    for f in sorted(set(os.listdir(there)) - set(os.listdir(here))):
        os.unlink("%s/%s" % (there, f))


@test("a Maildir is mirrored back by rsync under a live session: deletions, flags and new letters arrive", limit=60)
def mirror():
    with Live() as l:
        copy = l.t.s.dir + "/copy"
        shutil.copytree(l.d + "/cur", copy)
        names = sorted(os.listdir(copy))
        os.unlink("%s/%s" % (copy, names[0]))
        os.rename("%s/%s" % (copy, names[1]), "%s/%sS" % (copy, names[1]))
        l.make(copy + "/1800000000.x3.h:2,", b"new")
        for f in os.listdir(copy):
            os.chown("%s/%s" % (copy, f), l.st.st_uid, l.st.st_gid)
        mirrored(copy, l.d + "/cur")
        got = tap.eventually(lambda: b"new" in l.all() and l.all(), 3 * SLOW)
        equal(sorted(got.values(), key=lambda v: v[0]), [
            (2, frozenset([b"\\Seen"])), (3, frozenset()), (4, frozenset()), (5, frozenset()), (6, frozenset())],
            "letters")
        l.c.ok("NOOP")
        found = [u for u in l.c.ok("UID SEARCH ALL") if u.word() == b"SEARCH"]
        equal([int(x) for x in found[0].args[1:]], [2, 3, 4, 5, 6], "for the live session")


tap.main()
