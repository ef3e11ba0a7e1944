#!/usr/bin/python3
"""NOTIFY (RFC 5465): what happens in other folders and in the open one, told at any time; and how soon IDLE tells;
row G12."""
import fcntl
import os
import re
import socket
import statistics
import struct
import termios
import time

from searching import USERS, shared                                  # first: it starts the test again

from server import SLOW
from smtp import Closed
from tap import cases, check, equal, eventually, main, test

LETTER = b"Subject: s\r\nFrom: a@example.org\r\n\r\nbody\r\n"


def session(user="alice"):
    c = shared().imap()
    equal(c.login(shared().address(user), USERS[user]).status, "OK", "login")
    return c


def ok(c, text):
    r = c.cmd(text)
    equal(r.status, "OK", "%s: %r" % (text, r))
    return r


def append(c, folder, letter=LETTER):
    return ok(c, b"APPEND %s {%d+}\r\n%s" % (folder.encode(), len(letter), letter))


def pair(*folders):
    """Two sessions of one account; these folders are there and empty, no others."""
    c, d = session(), session()
    r = c.cmd('LIST "" "*"')
    names = [m.group(1).decode() for m in (re.match(rb'\* LIST \([^)]*\) "\." "?([^"]*?)"?$', u) for u in r.untagged) if m]
    for n in sorted(names, reverse=True):
        if n not in ("INBOX", "Search"):
            c.cmd('DELETE "%s"' % n)
            c.cmd('UNSUBSCRIBE "%s"' % n)
    ok(c, "SELECT INBOX")
    c.cmd("STORE 1:* +FLAGS.SILENT \\Deleted")
    ok(c, "EXPUNGE")
    ok(c, "UNSELECT")
    for n in folders:
        ok(c, 'CREATE "%s"' % n)
    return c, d


def heard(c, n, limit=5.0):
    """The next n untagged responses that come by themselves."""
    out, end = [], time.monotonic() + limit * SLOW
    while len(out) < n:
        c.sock.settimeout(max(0.01, end - time.monotonic()))
        try:
            out.append(c.response())
        except (socket.timeout, TimeoutError):
            break
    c.sock.settimeout(30)
    equal(len(out), n, "heard %r" % out)
    return out


def silent(c, seconds=0.4):
    """Nothing comes, and the session is alive."""
    time.sleep(seconds * SLOW)
    r = ok(c, "NOOP")
    equal(r.untagged, [], "it was told")


def status(line):
    m = re.match(rb'\* STATUS "?([^" ]*)"? \((.*)\)$', line)
    check(m, "no STATUS: %r" % line)
    w = m.group(2).decode().split()
    return m.group(1).decode(), {w[i]: int(w[i + 1]) for i in range(0, len(w), 2)}


@test("announced; the RFC's own example: STATUS of a subtree, then news of it and of the open folder")
def example():
    c, d = pair("Lists", "Lists.Lemonade", "Lists.Im2000", "misc")
    with c, d:
        check("NOTIFY" in c.capabilities(), "not announced")
        append(d, "Lists.Lemonade")
        r = ok(c, "NOTIFY SET STATUS (selected (MessageNew (uid body.peek[header.fields (from to subject)]) MessageExpunge)) "
                  "(subtree Lists (MessageNew MessageExpunge))")
        st = dict(status(u) for u in r.untagged)
        equal(set(st), {"Lists", "Lists.Lemonade", "Lists.Im2000"}, "STATUS before OK")
        equal(set(st["Lists.Im2000"]), {"MESSAGES", "UIDNEXT", "UIDVALIDITY"}, "items")
        equal((st["Lists.Lemonade"]["MESSAGES"], st["Lists.Lemonade"]["UIDNEXT"]), (1, 2), "numbers")
        ok(c, "SELECT INBOX")
        append(d, "Lists.Lemonade")
        name, now = status(heard(c, 1)[0])
        equal((name, now["MESSAGES"], now["UIDNEXT"]), ("Lists.Lemonade", 2, 3), "a new one elsewhere")
        append(d, "INBOX")
        got = heard(c, 3)
        equal(got[0], b"* 1 EXISTS", "EXISTS first")
        fetch = b" ".join(got)
        check(re.search(rb"\* 1 FETCH \(UID \d+ BODY\[HEADER.FIELDS \(from to subject\)\] \{\d+\}\r\n", fetch, re.I), "FETCH %r" % fetch)
        check(b"Subject: s" in fetch and b"body" not in fetch.split(b"FETCH")[1].lower().replace(b"body[", b""), "%r" % fetch)
        append(d, "misc")
        silent(c)
        ok(d, "SELECT INBOX")
        ok(d, "STORE 1 +FLAGS (\\Deleted)")
        silent(c)                       # no FlagChange was asked for
        ok(d, "EXPUNGE")
        equal(heard(c, 1), [b"* 1 EXPUNGE"], "EXPUNGE at once")


@test("letters in another folder: new, expunged, flags; without and with CONDSTORE")
def others():
    c, d = pair("Box")
    with c, d:
        ok(c, "NOTIFY SET STATUS (mailboxes Box (MessageNew MessageExpunge FlagChange))")
        append(d, "Box")
        append(d, "Box")
        time.sleep(0.2)
        got = [status(l)[1] for l in heard(c, 1)]
        while got[-1]["MESSAGES"] < 2:
            got.append(status(heard(c, 1)[0])[1])
        check("HIGHESTMODSEQ" not in got[-1] and got[-1]["UNSEEN"] == 2, "%r" % got)
        ok(d, "SELECT Box")
        ok(d, "STORE 1 +FLAGS (\\Flagged)")
        silent(c)                       # neither UNSEEN nor, without CONDSTORE, anything else
        ok(d, "STORE 1 +FLAGS (\\Seen)")
        equal({k: v for k, v in status(heard(c, 1)[0])[1].items() if k != "UIDVALIDITY"}, {"UNSEEN": 1}, "seen")
        ok(c, "ENABLE CONDSTORE")
        ok(d, "STORE 2 +FLAGS (\\Flagged)")
        equal(set(status(heard(c, 1)[0])[1]), {"HIGHESTMODSEQ", "UIDVALIDITY"}, "flags with CONDSTORE")
        ok(d, "STORE 1 +FLAGS.SILENT (\\Deleted)")
        heard(c, 1)
        ok(d, "EXPUNGE")
        now = status(heard(c, 1)[0])[1]
        check(now["MESSAGES"] == 1 and now["UIDNEXT"] == 3 and "HIGHESTMODSEQ" in now, "expunged %r" % now)
        ok(c, "NOTIFY SET (mailboxes Box (MessageNew MessageExpunge))")
        ok(d, "STORE 1 +FLAGS (\\Answered)")
        silent(c)                       # FlagChange was not asked for any more


@test("its own doings are not told to a session, its other session hears of them")
def own():
    c, d = pair("Box")
    with c, d:
        for x in (c, d):
            ok(x, "NOTIFY SET STATUS (personal (MessageNew MessageExpunge FlagChange MailboxName SubscriptionChange "
                  "MailboxMetadataChange ServerMetadataChange))")
        append(c, "Box")
        equal(status(heard(d, 1)[0])[0], "Box", "APPEND")
        ok(c, "CREATE New")
        equal(heard(d, 1), [b'* LIST (\\HasNoChildren) "." New'], "CREATE")
        ok(c, "SUBSCRIBE New")
        equal(heard(d, 1), [b'* LIST (\\HasNoChildren \\Subscribed) "." New'], "SUBSCRIBE")
        ok(c, "SUBSCRIBE New")
        ok(c, "UNSUBSCRIBE New")
        equal(heard(d, 1), [b'* LIST (\\HasNoChildren) "." New'], "UNSUBSCRIBE; SUBSCRIBE twice is told once")
        ok(c, "CREATE New.below")
        equal(sorted(heard(d, 2)), [b'* LIST (\\HasChildren) "." New', b'* LIST (\\HasNoChildren) "." New.below'], "a child")
        ok(c, "RENAME New Old")
        equal(heard(d, 1), [b'* LIST (\\HasChildren) "." Old ("OLDNAME" (New))'], "RENAME, not of the child")
        ok(c, "DELETE Old.below")
        equal(sorted(heard(d, 2)), [b'* LIST (\\HasNoChildren) "." Old', b'* LIST (\\NonExistent) "." Old.below'], "DELETE")
        ok(c, 'SETMETADATA Old (/private/comment "x" /shared/comment NIL)')
        equal(heard(d, 1), [b"* METADATA Old /private/comment /shared/comment"], "SETMETADATA")
        ok(c, 'SETMETADATA "" (/private/comment "x")')
        equal(heard(d, 1), [b'* METADATA "" /private/comment'], "of the account")
        silent(c)
        silent(d)


@test("other programs: a letter in a folder that nobody opened, a folder made and removed by hand")
def programs():
    c, d = pair("Box")
    home = os.path.join(shared().dir, "mail", "example.org", "alice", "Maildir")
    owner = os.stat(home)

    def put(path, data):
        with open(os.path.join(home, "tmp-of-test"), "wb") as f:
            f.write(data)
        os.chown(f.name, owner.st_uid, owner.st_gid)
        os.rename(f.name, os.path.join(home, path))
    with c, d:
        ok(c, "NOTIFY SET STATUS (personal (MessageNew MessageExpunge MailboxName SubscriptionChange))")
        put(".Box/new/1700000000.M1P1.host", LETTER)
        equal(status(heard(c, 1)[0])[1]["MESSAGES"], 1, "a letter")
        os.unlink(os.path.join(home, ".Box/new/1700000000.M1P1.host"))
        equal(status(heard(c, 1)[0])[1]["MESSAGES"], 0, "and away")
        os.mkdir(os.path.join(home, ".tmp-of-test"), 0o700)
        for n in ("", "/cur", "/new", "/tmp"):
            if n:
                os.mkdir(os.path.join(home, ".tmp-of-test" + n), 0o700)
            os.chown(os.path.join(home, ".tmp-of-test" + n), owner.st_uid, owner.st_gid)
        got = heard(c, 1)
        equal(got, [b'* LIST (\\HasNoChildren) "." tmp-of-test'], "a folder")
        put(".tmp-of-test/cur/1700000000.M2P1.host:2,S", LETTER)
        equal(status(heard(c, 1)[0])[0], "tmp-of-test", "a letter in it")
        ok(d, "DELETE tmp-of-test")
        check(b'* LIST (\\NonExistent) "." tmp-of-test' in heard(c, 1), "deleted by a session")
        code, _, err = shared().command("mailbox", "create", shared().address("alice"), "ByHand")
        equal(code, 0, err)
        equal(heard(c, 1), [b'* LIST (\\HasNoChildren) "." ByHand'], "by the administrator")


@test("which folders: mailboxes, subtree, subscribed, inboxes, personal; several groups add up; NONE adds nothing")
def filters():
    c, d = pair("A", "A.b", "Ab", "B", "INBOX.sub")
    both = "(MessageNew MessageExpunge)"
    with c, d:
        ok(d, "SUBSCRIBE B")
        for group, want in (("mailboxes A %s" % both, {"A"}), ("mailboxes (A B None.such) %s" % both, {"A", "B"}),
                            ("mailboxes \"A*\" %s" % both, set()), ("subtree A %s" % both, {"A", "A.b"}),
                            ("subtree (A B) %s" % both, {"A", "A.b", "B"}), ("subtree INBOX %s" % both, {"INBOX", "INBOX.sub"}),
                            ("subscribed %s" % both, {"B"}), ("mailboxes A %s) (subscribed %s" % (both, both), {"A", "B"}),
                            ("mailboxes A NONE) (subtree A %s" % both, {"A", "A.b"}), ("personal NONE", set()),
                            ("personal (MailboxName)", set()),
                            ("inboxes %s" % both, {"INBOX", "INBOX.sub", "A", "A.b", "Ab", "B", "Search"}),
                            ("personal %s" % both, {"INBOX", "INBOX.sub", "A", "A.b", "Ab", "B", "Search"})):
            r = ok(c, "NOTIFY SET STATUS (%s)" % group)
            equal({status(u)[0] for u in r.untagged} | ({"Search"} & want), want, group)
            for n in ("A", "A.b", "Ab", "B", "INBOX", "INBOX.sub"):
                append(d, n)
            want -= {"Search"}
            equal({status(l)[0] for l in heard(c, len(want))} if want else set(), want, "news: " + group)
            silent(c, 0.05)
        ok(c, "NOTIFY SET (subscribed %s)" % both)
        ok(d, "UNSUBSCRIBE B")
        ok(d, "SUBSCRIBE Ab")
        append(d, "B")
        append(d, "Ab")
        equal(status(heard(c, 1)[0])[0], "Ab", "the list of subscriptions changed")
        ok(c, "NOTIFY NONE")
        append(d, "Ab")
        silent(c)


@cases([(t, t, w) for t, w in (
    ("(selected (MessageNew))", "BAD"), ("(selected (MessageExpunge))", "BAD"), ("(selected (FlagChange))", "BAD"),
    ("(selected (MessageNew FlagChange))", "BAD"), ("(personal (FlagChange MailboxName))", "BAD"),
    ("(selected (MailboxName))", "BAD"), ("(selected-delayed (MessageNew MessageExpunge SubscriptionChange))", "BAD"),
    ("(selected NONE) (selected-delayed NONE)", "BAD"), ("(selected NONE) (selected NONE)", "BAD"),
    ("(personal (MessageNew (uid) MessageExpunge))", "BAD"), ("(everything (MailboxName))", "BAD"), ("", "BAD"),
    ("(personal ())", "BAD"), ("(mailboxes (MailboxName))", "BAD"), ("personal (MailboxName)", "BAD"),
    ("(personal (MailboxName)) x", "BAD"), ("(selected (MessageNew (nonsense) MessageExpunge))", "BAD"),
    ("(personal (MessageNew MessageExpunge AnnotationChange))", "NO"), ("(personal (Whatever))", "NO"),
    ("(selected (MessageNew MessageExpunge FlagChange))", "OK"), ("(SELECTED-delayed (messagenew MESSAGEEXPUNGE))", "OK"),
    ("(selected NONE)", "OK"), ("status (selected NONE)", "OK"), ("(mailboxes Nowhere (MailboxName))", "OK"))])
def grammar(text, want):
    with session() as c:
        r = c.cmd("NOTIFY SET %s" % text if text else "NOTIFY SET")
        equal(r.status, want, "%r" % r)
        if want == "NO":
            equal(set(r.code.replace("(", " ").replace(")", " ").split()) - {"BADEVENT"},
                  {"MessageNew", "MessageExpunge", "FlagChange", "MailboxName", "SubscriptionChange",
                   "MailboxMetadataChange", "ServerMetadataChange"}, "BADEVENT names all")
        equal(ok(c, "NOOP").untagged, [], "alive")


@test("selected: at once; selected-delayed: an EXPUNGE waits for a command that allows it; NONE: nothing; own letters")
def selected():
    c, d = pair("Box")
    all_ = "(MessageNew (uid flags) MessageExpunge FlagChange)"
    with c, d:
        for _ in range(5):
            append(d, "Box")
        ok(c, "SELECT Box")
        ok(d, "SELECT Box")
        ok(c, "NOTIFY SET (selected %s)" % all_)
        ok(d, "STORE 2 +FLAGS (\\Flagged)")
        l = heard(c, 1)[0]
        check(re.match(rb"\* 2 FETCH \(UID 2 FLAGS \([^)]*\\Flagged", l), "%r" % l)
        ok(d, "STORE 3 +FLAGS.SILENT (\\Deleted)")
        heard(c, 1)
        ok(d, "EXPUNGE")
        equal(heard(c, 1), [b"* 3 EXPUNGE"], "at once")
        ok(c, "NOTIFY SET (selected-delayed %s)" % all_)
        ok(d, "STORE 1 +FLAGS (\\Deleted)")
        heard(c, 1)
        ok(d, "EXPUNGE")
        time.sleep(0.3)
        equal(c.cmd("FETCH 1:* (UID)").untagged[-1:], [b"* 4 FETCH (UID 5)"], "numbers stay")
        equal(ok(c, "NOOP").untagged, [b"* 1 EXPUNGE"], "at NOOP")
        append(d, "Box")
        got = heard(c, 3)
        check(b"* 4 EXISTS" in got and any(re.match(rb"\* 4 FETCH \(UID 6 FLAGS \(", l) for l in got), "a new one %r" % got)
        r = append(c, "Box")
        check(any(re.match(rb"\* 5 EXISTS", u) for u in r.untagged), "its own: EXISTS %r" % r.untagged)
        check(not any(b"FETCH" in u for u in r.untagged), "its own: no FETCH %r" % r.untagged)
        ok(c, "NOTIFY SET (selected NONE)")
        append(d, "Box")
        ok(d, "STORE 1 +FLAGS (\\Answered)")
        silent(c)
        equal(len(c.cmd("UID FETCH 1:* (UID)").untagged), 5, "a snapshot")
        ok(c, "UID STORE 6 +FLAGS.SILENT (\\Deleted)")
        check(any(u.endswith(b" EXPUNGE") for u in ok(c, "EXPUNGE").untagged), "its own EXPUNGE it hears")
        r = ok(c, "NOTIFY SET (selected %s)" % all_)
        equal(ok(c, "NOOP").untagged, [], "what was behind came with NOTIFY SET %r" % r.untagged)
        ok(c, "NOTIFY NONE")
        append(d, "Box")
        silent(c)


@test("IDLE tells what NOTIFY asked for, of other folders too, and an EXPUNGE under selected-delayed")
def idle():
    c, d = pair("Box", "Other")
    with c, d:
        append(d, "Box")
        ok(c, "SELECT Box")
        ok(c, "NOTIFY SET (selected-delayed (MessageNew MessageExpunge)) (mailboxes Other (MessageNew MessageExpunge))")
        c.send(b"i IDLE\r\n")
        check(c.line().startswith(b"+ "), "idling")
        append(d, "Other")
        equal(status(heard(c, 1)[0])[0], "Other", "of another folder")
        ok(d, "SELECT Box")
        ok(d, "STORE 1 +FLAGS.SILENT (\\Deleted)")
        ok(d, "EXPUNGE")
        equal(heard(c, 1), [b"* 1 EXPUNGE"], "no flags, the EXPUNGE")
        c.send(b"DONE\r\n")
        equal(c.answer(b"i").status, "OK", "DONE")
        ok(c, "UNSELECT")
        c.send(b"j IDLE\r\n")
        check(c.line().startswith(b"+ "), "idling without a folder")
        append(d, "Other")
        equal(status(heard(c, 1)[0])[0], "Other", "without a folder")
        c.send(b"DONE\r\n")
        equal(c.answer(b"j").status, "OK", "DONE")


@test("160 folders: STATUS of all, news of each, few descriptors, and NOTIFY ends with its session", limit=180)
def many():
    c, d = pair()
    with d:
        with c:
            for i in range(160):
                ok(d, "CREATE M%03d" % i)
            r = ok(c, "NOTIFY SET STATUS (subtree (%s) (MessageNew MessageExpunge))" % " ".join("M%03d" % i for i in range(140)))
            equal(len(r.untagged), 140, "STATUS")
            for i in range(0, 160, 7):
                append(d, "M%03d" % i)
            want = {"M%03d" % i for i in range(0, 140, 7)}
            equal({status(l)[0] for l in heard(c, len(want), 20)}, want, "news")
            silent(c)
            pid = max(shared().roles()["mailbox"], key=lambda p: len(os.listdir("/proc/%d/fd" % p)))
            n = len(os.listdir("/proc/%d/fd" % pid))
            check(n < 700, "%d descriptors" % n)
        append(d, "M001")
        for i in range(160):
            ok(d, "DELETE M%03d" % i)


def stuck(c):
    """Waits until the server cannot send any more to who does not read."""
    def unread():
        return struct.unpack("i", fcntl.ioctl(c.sock, termios.FIONREAD, bytes(4)))[0]
    eventually(unread, 10 * SLOW, what="something to read")
    before = 0
    while unread() > before:
        before = unread()
        time.sleep(0.5)


@test("too much for a client that does not read: NOTIFICATIONOVERFLOW, then as after NOTIFY NONE", limit=120)
def overflow():
    c, d = pair("Box")
    with c, d:
        ok(c, "NOTIFY SET (personal (MailboxName SubscriptionChange))")
        c.send(b"f FETCH 1:* (BODY[])\r\n")          # not selected: BAD, and shows that it is alive
        equal(c.answer(b"f").status, "BAD", "not selected")
        # the log holds 1,024 notices: a session that is busy with one command meanwhile loses some
        append(d, "Box", b"Subject: s\r\n\r\n" + b"x" * 1000000 + b"\r\n")
        ok(c, "SELECT Box")
        burst = b"".join(b"s%d SUBSCRIBE Box\r\nu%d UNSUBSCRIBE Box\r\n" % (i, i) for i in range(600))
        c.send(b"b UID FETCH 1:* (BODY.PEEK[])\r\n" * 40)       # and nobody reads the answers
        stuck(c)
        d.send(burst)
        for i in range(600):
            equal(d.answer(b"u%d" % i).status, "OK", "UNSUBSCRIBE")
        c.send(b"z NOOP\r\n")
        seen, told = 0, 0
        while True:
            l = c.response()
            told += l.startswith(b"* LIST")
            seen += b"[NOTIFICATIONOVERFLOW]" in l
            if l.startswith(b"z "):
                break
        check(seen == 1, "overflow %d times, %d LIST" % (seen, told))
        ok(d, "SUBSCRIBE Box")
        silent(c)
        ok(c, "NOTIFY SET (personal (SubscriptionChange))")
        ok(d, "UNSUBSCRIBE Box")
        equal(len(heard(c, 1)), 1, "asked again")


@test("what one session does another hears within 50 ms, in IDLE and with NOTIFY, by the right numbers")
def soon():
    c, d = pair("Box")
    with c, d:
        for _ in range(3):
            append(d, "Box")
        ok(d, "SELECT Box")
        ok(c, "SELECT Box")
        for how in ("IDLE", "NOTIFY"):
            if how == "IDLE":
                c.send(b"i IDLE\r\n")
                c.line()
            else:
                ok(c, "NOTIFY SET (selected (MessageNew MessageExpunge FlagChange))")
            took = []
            for i in range(20):
                sign = b"+" if i % 2 == 0 else b"-"
                began = time.monotonic()
                d.send(b"s%d STORE 2 %sFLAGS.SILENT (\\Flagged)\r\n" % (i, sign))
                l = c.response()
                took.append(time.monotonic() - began)
                check(re.match(rb"\* 2 FETCH \(.*FLAGS \(", l) and (b"Flagged" in l) == (sign == b"+"), "%r" % l)
                equal(d.answer(b"s%d" % i).status, "OK", "STORE")
            print("# %s: a flag is told within %.1f ms (median), %.1f ms (most)" %
                  (how, statistics.median(took) * 1000, max(took) * 1000))
            check(statistics.median(took) < 0.05 * SLOW, "%r" % took)
            if how == "IDLE":
                append(d, "Box")
                check(b"* 4 EXISTS" in heard(c, 2), "EXISTS and RECENT")
                ok(d, "STORE 1 +FLAGS.SILENT (\\Deleted)")
                heard(c, 1)
                began = time.monotonic()
                d.send(b"e EXPUNGE\r\n")
                equal(c.response(), b"* 1 EXPUNGE", "the first")
                print("# an EXPUNGE is told within %.1f ms" % ((time.monotonic() - began) * 1000))
                d.answer(b"e")
                ok(d, "STORE 3 +FLAGS.SILENT (\\Seen)")
                check(heard(c, 1)[0].startswith(b"* 3 FETCH"), "numbers after it")
                c.send(b"DONE\r\n")
                equal(c.answer(b"i").status, "OK", "DONE")


@test("G12 60 sessions with NOTIFY and 300 changes of flags: p99 of a push below 200 ms, memory flat", limit=120)
def crowd():
    c, d = pair("Box")
    c.close()
    with d:
        for _ in range(10):
            append(d, "Box")
        ok(d, "SELECT Box")
        half = [session() for _ in range(30)]
        for x in half:
            ok(x, "SELECT Box")
            ok(x, "NOTIFY SET (selected (MessageNew MessageExpunge FlagChange))")
        others = [session() for _ in range(30)]
        for x in others:
            ok(x, "NOTIFY SET STATUS (personal (MessageNew MessageExpunge FlagChange))")
        took, before = [], shared().pss()
        for i in range(300):
            began = time.monotonic()
            sign = b"+" if i // 10 % 2 == 0 else b"-"
            d.send(b"s%d STORE %d %sFLAGS.SILENT (\\Seen)\r\n" % (i, i % 10 + 1, sign))
            for x in half:
                check(x.response().startswith(b"* %d FETCH" % (i % 10 + 1)), "number")
            took.append(time.monotonic() - began)
            equal(d.answer(b"s%d" % i).status, "OK", "STORE")
        equal(status(next(l for l in iter(others[0].response, None) if b"UNSEEN 10" in l))[0], "Box", "the others, at last")
        took.sort()
        grown = shared().pss() - before
        print("# p50 %.1f ms, p99 %.1f ms for 30 sessions; %d KiB more" % (took[150] * 1000, took[296] * 1000, grown))
        check(took[296] < 0.2 * SLOW, "p99 %.3f s" % took[296])
        check(SLOW > 1 or grown < 60 * 40, "%d KiB more" % grown)
        for x in half + others:
            x.close()


main()
