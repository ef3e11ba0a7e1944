#!/usr/bin/python3
"""A letter of which processes die is held after the third time, and mail goes on: row P6."""
import collections
import contextlib
import glob
import json
import os
import platform
import re
import signal
import time

import tap
from faults import RETRY
from letters import letter, same, token
from server import SLOW, Server
from tap import check, equal, test
from tracer import detach, strace

# A delivery ends with one of these calls; the letters of these tests are so long that they get their
# names last.
NAMING = "linkat,renameat2"
NUMBERS = {"x86_64": ("265", "316"), "aarch64": ("37", "276")}.get(platform.machine())
LONG = 60000


@contextlib.contextmanager
def injected(s, *rules):
    """In mailboxes that are started from now on."""
    t = strace(s.roles()["zygote"], "trace=%s,pread64" % NAMING, *("inject=" + r for r in rules),
               out=os.path.join(s.dir, "strace.out"))
    try:
        yield t
    finally:
        detach(t)


def deadly(s):
    """They die when a letter shall get its name."""
    return injected(s, NAMING + ":signal=SIGKILL")


def hanging(s):
    """They hang there."""
    if not NUMBERS:
        tap.skip("the numbers of %s are not known here" % NAMING)
    return injected(s, NAMING + ":delay_enter=100000000")


def mailbox_of(s, user):
    """The pid of the account's process, or None."""
    code, out, err = s.command("--json", "status")
    equal(code, 0, "status: " + err)
    return next((p["pid"] for p in json.loads(out)["processes"]
                 if p["role"] == "mailbox" and user in p["name"]), None)


def is_at_it(pid):
    for f in glob.glob("/proc/%d/task/*/syscall" % pid):
        with contextlib.suppress(OSError), open(f) as h:
            if (h.read().split() or [""])[0] in NUMBERS:
                return True
    return False


def delivering(s, user):
    """In the middle of a delivery."""
    return tap.eventually(lambda: is_at_it(mailbox_of(s, user) or 0), 10 * SLOW, step=0.1,
                          what="a delivery that hangs")


def queue(s, *args):
    code, out, err = s.command("--json", "queue", *args)
    equal(code, 0, "queue %r: %s%s" % (args, out, err))
    return json.loads(out)


def held(s):
    return [l["id"] for l in queue(s, "list") if l["held"]]


def give_long(s, to="alice"):
    tok = token()
    _, r = s.give(to, tok, letter(tok, size=LONG))
    equal(r.code, 250, "reply")
    return tok, r.queue_id


def kill(pid):
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def stay_away(s, user):
    """The account has no process: the next delivery starts one."""
    def gone():
        pid = mailbox_of(s, user)
        if pid:
            kill(pid)
        return pid is None
    s.fence(user)                        # nothing is left to do for it
    tap.eventually(gone, 10 * SLOW, step=0.1, what="the mailbox is gone")


def deaths(s, mid):
    return next((l["deaths"] for l in queue(s, "list") if l["id"] == mid), None)


def hold_by_deaths(s):
    """One letter ends alice's mailbox, until it is held."""
    stay_away(s, "alice")
    with deadly(s):
        tok, mid = give_long(s)
        tap.eventually(lambda: deaths(s, mid) == 2, 10 * SLOW, step=0.1, what="it has killed two")
        equal(held(s), [], "held after two deaths")
        s.fence("bob")                   # others are not held up meanwhile
        tap.eventually(lambda: held(s) == [mid], 20 * SLOW, step=0.1, what="it is held")
        equal(s.find(tok), [], "visible before it is whole")
    return tok, mid


@test("P6 a letter that ends its mailbox three times is held, mail goes on, release delivers it once", limit=150)
def mailbox_dies():
    s = Server(RETRY)
    s.expect_crash = True
    try:
        s.start()
        s.fence("alice"), s.fence("bob")
        tok, mid = hold_by_deaths(s)
        s.fence("alice"), s.fence("bob")
        one = queue(s, "show", mid[-7:])
        equal(len(one), 1, "letters shown")
        equal((one[0]["id"], one[0]["held"], one[0]["deaths"]), (mid, True, 3), "show")
        equal([(r["address"], r["state"]) for r in one[0]["recipients"]], [("alice@example.org", "held")], "show")
        check("3 of 3" in one[0]["recipients"][0]["why"], "why: %r" % one)
        code, out, _ = s.command("status")
        check(code == 0 and "1 letters are held" in out and "waxwing queue list" in out, out)
        code, out, _ = s.command("queue", "list")
        check(code == 0 and mid in out and "held: 3 processes died of it" in out, out)
        code, out, _ = s.command("why", mid)
        check(code == 0 and "3 processes died" in out and "waxwing queue release" in out, out)
        equal(s.find(tok), [], "held, and delivered all the same")

        # It outlives everybody, in both ways to end.
        equal(s.stop(), 0, "exit status")
        s.start()
        equal(held(s), [mid], "held after a clean stop")
        s.kill_all()
        s.start()
        equal(held(s), [mid], "held after kill -9 of all")
        s.fence("alice")
        equal(s.find(tok), [], "a start delivered it")

        code, out, err = s.command("queue", "release", mid[-7:])
        check(code == 0 and mid in out, out + err)
        check(same(s.wait(tok), letter(tok, size=LONG)), "not identical")
        s.fence("alice")
        equal(len(s.find(tok)), 1, "copies")
        equal(held(s), [], "held")
        check("1 letters are held" not in s.command("status")[1], "status")
    finally:
        s.end()


@test("P6 one letter of many ends the mailbox: it alone is held, the others arrive once", limit=100)
def innocents():
    s = Server(RETRY)
    s.expect_crash = True
    try:
        s.start()
        s.fence("bob")
        # A long letter is read in ten parts; nothing else reads so often.  Short ones take their time,
        # so that some are in hand when the mailbox dies.
        with injected(s, "pread64:signal=SIGKILL:when=6", NAMING + ":delay_enter=50000"), s.client() as c:
            c.ehlo()
            toks, bad = [], []
            for i in range(40):
                toks.append(token())
                body = letter(toks[-1], size=10 * LONG if i in (3, 17) else 500)
                r = c.deliver(["alice@example.org"], body)
                equal(r.code, 250, "reply")
                if i in (3, 17):
                    toks.pop()
                    bad.append(r.queue_id)
            tap.eventually(lambda: sorted(held(s)) == sorted(bad), 40 * SLOW, step=0.2, what="two are held")
            for t in toks:
                s.wait(t, limit=20)
        s.fence("alice")
        equal([len(s.find(t)) for t in toks], [1] * len(toks), "copies")
        equal(sorted(held(s)), sorted(bad), "held")
        blamed = collections.Counter(re.findall(r"deferred msg=(\w+) .*its mailbox died", s.log()))
        equal({m: blamed.pop(m) for m in bad}, {m: 3 for m in bad}, "deaths")
        check(all(n < 3 for n in blamed.values()), "innocents: %r" % blamed)
    finally:
        s.end()


@test("P6 a letter that is in hand when queue dies three times is held; one copy after all", limit=150)
def queue_dies():
    s = Server(RETRY)
    s.expect_crash = True
    try:
        s.start()
        s.fence("bob")
        with hanging(s):
            tok, mid = give_long(s, "carol")
            delivering(s, "carol")
            for i in range(3):
                tap.eventually(lambda: deaths(s, mid) == i and [
                    r for l in queue(s, "list") for r in l["recipients"] if l["id"] == mid and r["state"] == "in hand"],
                    10 * SLOW, step=0.1, what="it is in hand again")
                old = s.roles()["queue"]
                equal(s.kill_role("queue"), 1, "processes killed")
                tap.eventually(lambda: s.roles().get("queue", old) != old and s.command("queue", "list")[0] == 0,
                               10 * SLOW, step=0.1, what="queue is back")
            equal(held(s), [mid], "held")
            s.fence("bob")
        # The mailbox goes on where it hung: what it had in hand, it still does.
        s.wait(tok, "carol", limit=20)
        equal(held(s), [mid], "held")
        equal(s.command("queue", "release", mid)[0], 0, "release")
        s.fence("carol")
        equal(len(s.find(tok, "carol")), 1, "copies")
    finally:
        s.end()


@test("P6 kill -9 of all at any moment loses neither a letter nor its hold", limit=200)
def all_die():
    s = Server(RETRY)
    s.expect_crash = True
    try:
        s.start()
        s.fence("alice"), s.fence("bob")
        toks = {}
        for moment in (0, 1, 2, 3):
            stay_away(s, "alice")
            with deadly(s):
                tok, mid = give_long(s)
                toks[tok] = mid
                tap.eventually(lambda: (deaths(s, mid) or 0) >= moment, 20 * SLOW, step=0.02,
                               what="%d deaths" % moment)
                s.kill_all()
            s.start()
            # on a busy machine its mailbox has died more often by then
            n = deaths(s, mid) or 0
            check((mid in held(s)) == (n >= 3) and (moment < 3 or n >= 3), "held: %s after %d deaths" % (held(s), n))
            if moment < 3:
                if n >= 3:
                    equal(s.command("queue", "release", mid)[0], 0, "release")
                s.wait(tok, limit=30)
        equal(s.command("queue", "release", mid)[0], 0, "release")
        for tok in toks:
            s.wait(tok, limit=30)
        s.fence("alice")
        equal([len(s.find(t)) for t in toks], [1] * len(toks), "copies")
    finally:
        s.end()


@test("queue hold and release by hand; ids that are unknown, short, shared by two", limit=60)
def by_hand():
    s = Server(RETRY)
    try:
        s.start()
        s.fence("bob")
        equal(queue(s, "list")[1:], [], "an empty queue")
        os.makedirs(s.home("alice"))
        open(s.maildir(), "w").close()
        tok = token()
        mid = s.give(["alice", "bob"], tok)[1].queue_id
        s.wait(tok, "bob")
        equal(s.command("queue", "hold", mid)[0], 0, "hold")
        for what, code in (("hold", 1), ("release", 1), ("show", 1)):
            got, out, err = s.command("queue", what, "0" * 13)
            equal(got, code, what + out)
            check("no such letter is in the queue" in err, err)
            equal(s.command("queue", what, "ab")[0], 2, "two letters of an id")
            equal(s.command("queue", what, "ilo")[0], 2, "letters that no id has")
            equal(s.command("queue", what)[0], 2, "no id")
        ends = [mid[-3:]]
        while ends[-1] not in ends[:-1]:
            ends.append(s.give("bob")[1].queue_id[-3:])
        got, out, err = s.command("queue", "hold", ends[-1])
        check(got == 1 and "more than one letter" in err, out + err)
        states = {r["address"]: r["state"] for r in queue(s, "show", mid)[0]["recipients"]}
        equal(states, {"alice@example.org": "held", "bob@example.org": "delivered"}, "states")
        os.unlink(s.maildir())
        time.sleep(6)                    # longer than the schedule waits
        equal(s.find(tok), [], "delivered although it is held")
        equal(s.command("queue", "release", mid)[0], 0, "release")
        s.wait(tok)
        s.fence("alice")
        equal((len(s.find(tok)), len(s.find(tok, "bob"))), (1, 1), "copies")
    finally:
        s.end()


@test("queue list in pages: every letter once, however many there are", limit=90)
def pages():
    s = Server(RETRY)
    try:
        s.start()
        os.makedirs(s.home("alice"))
        open(s.maildir(), "w").close()
        ids = []
        with s.client() as c:
            c.ehlo()
            for i in range(500):
                r = c.deliver(["alice@example.org"], letter(token()), sender="s%03d@%s.example" % (i, "x" * 60))
                equal(r.code, 250, "reply")
                ids.append(r.queue_id)
        letters = queue(s, "list")
        equal(sorted(l["id"] for l in letters), sorted(ids), "letters listed")
        check(all(len(l["recipients"]) == 1 for l in letters), "recipients")
        equal(len([l for l in s.command("queue", "list")[1].splitlines() if l[:1] != " "]), 500, "lines")
        os.unlink(s.maildir())
        tap.eventually(lambda: len(s.paths()) == 500, 30 * SLOW, step=0.5, what="all is delivered")
    finally:
        s.end()


tap.main()
