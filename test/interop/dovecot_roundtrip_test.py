#!/usr/bin/python3
"""A house moves: a Maildir of Debian's Dovecot is taken over, used, and given back, twice.

Each server is shown by its own IMAP; UIDVALIDITY, UIDs, UIDNEXT, flags, keywords, dates, sizes
and subscriptions must be what the other one said last."""
import os
import shutil
import sys

import against_dovecot
import imap_client as imap
import imap_target
import tap
from tap import cases, check, equal

FOLDERS = ["INBOX", "Lists", "Lists.linux", "Sent", "Entw&APw-rfe", "with blank"]
FLAGS = ["", "\\Seen", "\\Seen \\Answered", "\\Flagged $Forwarded", "\\Draft Work", "\\Deleted", "Work $Forwarded"]


def letter(n, name):
    return (b"From: a@example.org\r\nSubject: %s %d\r\nDate: Mon, 1 Jun 2026 10:00:00 +0000\r\n\r\n" % (name, n) +
            b"A line.\r\n" * n)


def session(t):
    c = imap.Imap((t.host, t.imap), timeout=30)
    c.login(t.login_name("alice"), t.password("alice"))
    return c


def names(responses, word):
    return sorted(bytes(r.args[-1]).decode() for r in responses if r.word() == word
                  and b"\\NONEXISTENT" not in [bytes(a).upper() for a in r.args[1]]
                  and b"\\NOSELECT" not in [bytes(a).upper() for a in r.args[1]])


def shown(t):
    """({folder: (UIDVALIDITY, UIDNEXT, {UID: all about it})}, subscriptions)"""
    out = {}
    with session(t) as c:
        for name in names(c.ok('LIST "" *'), b"LIST"):
            codes = {}
            for u in c.ok(b"EXAMINE " + imap.quoted(name)):
                if u.code and len(u.code) > 1 and isinstance(u.code[1], bytes):
                    codes[bytes(u.code[0])] = int(u.code[1]) if u.code[1].isdigit() else u.code[1]
            rows = {}
            for u in c.ok("UID FETCH 1:* (FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[HEADER.FIELDS (SUBJECT)])"):
                if u.word(1) != b"FETCH":
                    continue
                d = dict(zip([bytes(k).upper().split(b"[")[0] for k in u.args[2][::2]], u.args[2][1::2]))
                flags = sorted(bytes(f).decode() for f in d[b"FLAGS"] if f != b"\\Recent")
                rows[int(d[b"UID"])] = (flags, d[b"INTERNALDATE"].lstrip(b" 0"), int(d[b"RFC822.SIZE"]), d[b"BODY"].strip())
            out[name] = (codes[b"UIDVALIDITY"], codes[b"UIDNEXT"], rows)
        return out, names(c.ok('LSUB "" *'), b"LSUB")


def first_life(t):
    with session(t) as c:
        for name in FOLDERS:
            c.cmd(b"CREATE " + imap.quoted(name))
            for n, flags in enumerate(FLAGS):
                r, _ = c.append(name, letter(n + 1, name.encode()), flags, "%2d-May-2026 10:00:00 +0200" % (n + 1))
                equal(r.status, b"OK", "APPEND")
        for name in FOLDERS[1:4]:
            c.ok(b"SUBSCRIBE " + imap.quoted(name))
        c.ok("SELECT INBOX")
        c.ok("UID EXPUNGE 6")           # what is marked \Deleted
        c.ok("UID STORE 2 -FLAGS (\\Seen)")
        c.ok("UID COPY 3:4 Sent")


def life(t, n):
    """What both servers do in turn, each time a little else."""
    with session(t) as c:
        mine = b"Life%d" % n
        c.ok("SELECT INBOX")
        c.ok(b"UID STORE 1:3 +FLAGS (\\Flagged %s)" % mine)
        c.ok("UID STORE 4 -FLAGS ($Forwarded)")
        c.ok(b"CREATE " + mine)
        c.ok(b"SUBSCRIBE " + mine)
        c.ok(b"UID COPY 5 " + mine)
        r, _ = c.append("INBOX", letter(9, mine), mine.decode())
        equal(r.status, b"OK", "APPEND")
        gone, _ = c.append("INBOX", letter(10, mine), "\\Deleted")
        c.ok(b"UID EXPUNGE " + gone.code[2])            # the highest UID may not be given again
        c.ok("UNSUBSCRIBE Sent" if n % 2 else "SUBSCRIBE Sent")
        c.ok("SELECT Lists.linux")
        c.ok("UID STORE 1:* FLAGS (\\Seen Work)" if n % 2 else "UID STORE 1:* FLAGS ()")
        if n == 1:
            c.ok(b"RENAME \"with blank\" \"with another blank\"")
            c.ok("DELETE Entw&APw-rfe")


def same(what, got, want):
    equal(got[1], want[1], "%s: subscriptions" % what)
    equal(sorted(got[0]), sorted(want[0]), "%s: folders" % what)
    for name, (validity, after, rows) in want[0].items():
        g = got[0][name]
        equal(g[0], validity, "%s: UIDVALIDITY of %s" % (what, name))
        equal(g[1], after, "%s: UIDNEXT of %s" % (what, name))
        equal(sorted(g[2]), sorted(rows), "%s: UIDs of %s" % (what, name))
        for uid, row in rows.items():
            equal(g[2][uid], row, "%s: %s UID %d" % (what, name, uid))


def carry(a, b, with_caches):
    """The Maildir of one becomes the other's."""
    a.stop()
    if not with_caches:
        a.drop_caches("alice")
    shutil.rmtree(b.maildir("alice"), ignore_errors=True)
    os.makedirs(b.home("alice"), exist_ok=True)
    shutil.copytree(a.maildir("alice"), b.maildir("alice"), symlinks=True)
    b.own("alice")
    b.start()


@cases([("with what each keeps beside the letters", True), ("with all caches deleted", False)],
       "a Maildir goes from Dovecot to waxwing and back, twice, {0}", limit=150)
def roundtrip(with_caches):
    w = imap_target.Waxwing(users=["alice"])
    d = None
    try:
        d = against_dovecot.Dovecot(users=("alice",))
        w.stop()
        first_life(d)
        for n in (1, 3):
            want = shown(d)
            check(sum(len(f[2]) for f in want[0].values()) > 30, "too few letters to say anything")
            carry(d, w, with_caches)
            same("Dovecot's, shown by waxwing", shown(w), want)
            life(w, n)
            want = shown(w)
            carry(w, d, with_caches)
            same("waxwing's, shown by Dovecot", shown(d), want)
            life(d, n + 1)
    finally:
        if d:
            d.end()
        w.end()


tap.main()
