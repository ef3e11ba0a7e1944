#!/usr/bin/python3
"""POP3 behind the login: RFC 1939 command by command, what is durable, what other sessions see; row G10."""
import os
import poplib
import re
import time

from searching import USERS, shared                                  # first: it starts the test again

from server import SLOW
from smtp import Closed, client_context
from tap import cases, check, equal, eventually, main, test

LETTERS = [
    b"From: a@example.org\nSubject: one\n\nfirst\n.dot\n..two dots\n.\nend\n",
    b"From: b@example.org\r\nSubject: two\r\n\r\nCRLF at rest\r\n",
    b"From: c@example.org\nSubject: three\n\nno end of line",
]
SENT = [l.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n") for l in LETTERS]
SENT[2] += b"\r\n"


def fill(s, user="bob", n=3):
    """INBOX holds the first n of LETTERS and nothing else."""
    if not os.path.isdir(s.maildir(user)):
        s.fence(user)
    owner = os.stat(s.home(user))
    with imap(s, user) as c:
        c.cmd("SELECT INBOX")
        c.cmd("STORE 1:* +FLAGS.SILENT (\\Deleted)")
        c.cmd("EXPUNGE")
        for i, l in enumerate(LETTERS[:n]):
            path = "%s/new/%d.M%d.h" % (s.maildir(user), 1600000000 + i, time.monotonic_ns())
            with open(path, "wb") as f:
                f.write(l)
            os.chown(path, owner.st_uid, owner.st_gid)
        c.cmd("NOOP")
    return s


def imap(s, user="bob"):
    c = s.imap()
    equal(c.login(s.address(user), USERS[user]).status, "OK", "IMAP login")
    return c


def pop3(s, user="bob"):
    c = s.pop3()
    r = c.login(s.address(user), USERS[user])
    check(r.startswith(b"+OK"), repr(r))
    return c


@test("STAT, LIST, UIDL, RETR, TOP: what they say")
def reading():
    s = fill(shared())
    with pop3(s) as c:
        sizes = [len(x) for x in SENT]
        sizes[2] -= 2                                    # its last line end is not the letter's
        equal(c.cmd("STAT"), b"+OK 3 %d" % sum(sizes), "STAT")
        equal(c.multi("LIST"), [b"%d %d" % (i + 1, n) for i, n in enumerate(sizes)], "LIST")
        equal(c.cmd("LIST 2"), b"+OK 2 %d" % sizes[1], "LIST 2")
        uidl = c.multi("UIDL")
        check(all(re.fullmatch(rb"\d [0-9a-f]{16}", u) for u in uidl) and len(set(uidl)) == 3, repr(uidl))
        equal(c.cmd("UIDL 3"), b"+OK " + uidl[2], "UIDL 3")
        for i, l in enumerate(SENT):
            equal(b"".join(x + b"\r\n" for x in c.multi("RETR %d" % (i + 1))), l, "RETR %d" % (i + 1))
        head = [b"From: a@example.org", b"Subject: one", b""]
        equal(c.multi("TOP 1 0"), head, "TOP 1 0")
        equal(c.multi("TOP 1 2"), head + [b"first", b".dot"], "TOP 1 2")
        equal(c.multi("TOP 1 99"), SENT[0].split(b"\r\n")[:-1], "TOP 1 99")
        check(c.cmd("QUIT").startswith(b"+OK"), "QUIT")


@test("UIDL is UID and UIDVALIDITY as IMAP has them, and stays")
def uidl():
    s = fill(shared())
    with imap(s) as c, pop3(s) as p:
        r = c.cmd("SELECT INBOX")
        validity = int(re.search(rb"UIDVALIDITY (\d+)", b"".join(r.untagged)).group(1))
        uids = [int(x) for x in re.findall(rb"UID (\d+)", b"".join(c.cmd("FETCH 1:* (UID)").untagged))]
        want = [b"%d %08x%08x" % (i + 1, u, validity) for i, u in enumerate(uids)]
        equal(p.multi("UIDL"), want, "UIDL")
    s.restart()
    with pop3(s) as p:
        equal(p.multi("UIDL"), want, "UIDL after a restart")


@test("DELE: at QUIT and only then; RSET takes it back")
def deleting():
    s = fill(shared())
    with pop3(s) as c:
        for what in ("DELE 1", "DELE 3"):
            check(c.cmd(what).startswith(b"+OK"), what)
        equal(c.cmd("STAT").split()[1], b"1", "STAT counts those that stay")
        equal([l.split()[0] for l in c.multi("LIST")], [b"2"], "LIST has numbers as they were")
        for what in ("RETR 1", "DELE 1", "LIST 1", "UIDL 1", "TOP 1 0"):
            check(c.cmd(what).startswith(b"-ERR"), what)
        check(c.cmd("RSET").startswith(b"+OK"), "RSET")
        equal(c.cmd("STAT").split()[1], b"3", "all are back")
        c.cmd("DELE 2")
        check(len(s.paths("bob")) == 3, "files before QUIT")
        equal(c.cmd("QUIT")[:3], b"+OK", "QUIT")
        equal(len(s.paths("bob")), 2, "files behind QUIT")
    with pop3(s) as c:
        equal(c.cmd("STAT").split()[1], b"2", "the next session")
        equal([c.multi("TOP %d 0" % n)[1] for n in (1, 2)], [b"Subject: one", b"Subject: three"], "which")


@cases([("G10 DELE and no QUIT: the connection is lost", "close"), ("the client is silent and we stop", "stop"), ("mailbox is killed", "kill")])
def nothing_without_quit(how):
    s = fill(shared())
    with pop3(s) as c:
        c.cmd("DELE 1")
        if how == "stop":
            s.restart()
        elif how == "kill":
            s.kill_role("mailbox")
    if how == "close":
        time.sleep(0.2)
    with pop3(s) as c:
        equal(c.cmd("STAT").split()[1], b"3", "nothing was deleted")


@test("letters are deleted durably: after QUIT answered, killing all processes changes nothing")
def durable():
    s = fill(shared())
    with pop3(s) as c:
        c.cmd("DELE 1")
        equal(c.cmd("QUIT")[:3], b"+OK", "QUIT")
    s.kill_role("mailbox")
    with pop3(s) as c:
        equal(c.cmd("STAT").split()[1], b"2", "it stays away")


@test("a maildrop is fixed at login: new letters are the next session's, IMAP sees deletions at once")
def snapshot():
    s = fill(shared())
    with pop3(s) as c, imap(s) as i:
        i.cmd("SELECT INBOX")
        s.give("bob")
        eventually(lambda: len(s.paths("bob")) == 4, 5 * SLOW, what="the fourth letter")
        i.cmd("NOOP")
        equal(c.cmd("STAT").split()[1], b"3", "STAT")
        check(c.cmd("RETR 4").startswith(b"-ERR"), "RETR 4")
        c.cmd("DELE 2")
        c.cmd("QUIT")
        check(b"* 2 EXPUNGE" in i.cmd("NOOP").untagged, "IMAP was told")
        equal(len(s.paths("bob")), 3, "files")


@test("G10 two sessions at once; a letter that the other one deleted is -ERR, no other is touched")
def together():
    s = fill(shared())
    with pop3(s) as a, pop3(s) as b:
        a.cmd("DELE 1")
        a.cmd("QUIT")
        check(b.cmd("RETR 1").startswith(b"-ERR"), "RETR of what is gone")
        equal(b.multi("TOP 2 0")[1], b"Subject: two", "the second is still the second")
        b.cmd("DELE 1")
        b.cmd("DELE 2")
        equal(b.cmd("QUIT")[:3], b"+OK", "QUIT")
    with pop3(s) as c:
        equal(c.multi("TOP 1 0")[1], b"Subject: three", "what is left")


@test("a letter that was read is \\Seen after QUIT")
def seen():
    s = fill(shared())
    with pop3(s) as c:
        c.multi("RETR 2")
        c.multi("TOP 3 1")
        c.cmd("QUIT")
    with imap(s) as i:
        i.cmd("SELECT INBOX")
        flags = [b"\\Seen" in u for u in i.cmd("FETCH 1:* (FLAGS)").untagged if b"FETCH" in u]
        equal(flags, [False, True, False], "flags")


@test("CAPA, and PIPELINING: answers in order")
def pipelining():
    s = fill(shared())
    with pop3(s) as c:
        caps = c.multi("CAPA")
        for cap in (b"TOP", b"UIDL", b"RESP-CODES", b"PIPELINING"):
            check(cap in caps, "%r in %r" % (cap, caps))
        c.send(b"STAT\r\nNOOP\r\nLIST 1\r\nUIDL 9\r\nDELE 1\r\nRSET\r\nNOOP\r\n")
        equal([c.line()[:4] for _ in range(7)], [b"+OK ", b"+OK ", b"+OK ", b"-ERR", b"+OK ", b"+OK ", b"+OK "], "answers")


@test("G10 TOP with more lines than there are numbers")
def top_huge():
    s = fill(shared())
    with pop3(s) as c:
        for n in (b"18446744073709551615", b"18446744073709551616", b"99999999999999999999999999"):
            equal(c.multi(b"TOP 1 " + n), SENT[0].split(b"\r\n")[:-1], repr(n))


@cases([(repr(l), l) for l in (
    b"RETR", b"RETR 0", b"RETR 4", b"RETR -1", b"RETR 1x", b"RETR 99999999999999999999", b"TOP 1", b"TOP 1 -1", b"DELE", b"DELE 1 2",
    b"LIST x", b"UIDL 0", b"STAT x", b"FOO", b"", b"USER bob", b"PASS x", b"STLS", b"AUTH PLAIN", b"A" * 300, b"NOOP\rSTAT",
    b"NO\0OP")])
def wrong(line):
    s = fill(shared())
    with pop3(s) as c:
        check(c.cmd(line).startswith(b"-ERR"), repr(line))
        equal(c.cmd("STAT").split()[:2], [b"+OK", b"3"], "the session goes on, nothing changed")


@test("nonsense without end is cut off, another session never notices")
def nonsense():
    s = fill(shared())
    with pop3(s) as c, pop3(s) as other:
        try:
            for _ in range(200):
                c.cmd("FOO")
            check(False, "200 wrong commands were answered")
        except Closed:
            pass
        check(other.cmd("NOOP").startswith(b"+OK"), "the other one")


@test("Python's poplib reads and deletes a maildrop")
def library():
    s = fill(shared())
    p = poplib.POP3_SSL("127.0.0.1", s.ports["pop3s"], context=client_context())
    p.user(s.address("bob"))
    p.pass_(USERS["bob"])
    equal(p.stat()[0], 3, "stat")
    equal([b"".join(l + b"\r\n" for l in p.retr(i + 1)[1]) for i in range(3)], SENT, "retr")
    equal(len(p.uidl()[1]), 3, "uidl")
    for i in range(3):
        p.dele(i + 1)
    p.quit()
    equal(s.paths("bob"), [], "empty")


@test("a letter of 3 MB, dots at line starts, arrives whole", limit=60)
def large():
    s = fill(shared(), n=0)
    letter = b"Subject: big\n\n" + b".x" * 30 + b"\n" + (b"." + b"y" * 70 + b"\n") * 40000
    owner = os.stat(s.home("bob"))
    path = s.maildir("bob") + "/new/1600000000.big.h"
    with open(path, "wb") as f:
        f.write(letter)
    os.chown(path, owner.st_uid, owner.st_gid)
    with pop3(s) as c:
        equal(b"".join(l + b"\n" for l in c.multi("RETR 1")) == letter, True, "the same bytes")


if __name__ == "__main__":
    main()
