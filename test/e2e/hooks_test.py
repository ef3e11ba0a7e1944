#!/usr/bin/python3
"""Builds for tests: the clock is moved and faults are ordered (src/base/hooks.h).

Four days of retries in seconds; each fault point strikes once, as an error and as a
death, then the whole server is killed: nothing that was acknowledged is lost.  Every
other build answers that it has neither clock nor faults."""
import contextlib
import email.utils
import json
import os
import re
import subprocess
import time

import dsn
import imap_client
import imap_target
import letters
import server
import tap
from boxes import Boxes
from faults import soon
from letters import letter, token
from server import SLOW, Server
from sink import Sink
from smtp import Closed
from tap import cases, check, equal, test

MINUTE, HOUR, DAY = 60, 3600, 86400
IS_FOR_TESTS = server.is_for_tests()


def points():
    with open(os.path.join(server.TOP, "src/base/fault_points.def")) as f:
        return re.findall(r'^POINT\(\w+, "([^"]+)"', f.read(), re.M)


def order(s, *words):
    code, out, err = s.command("test", *words)
    equal((code, err), (0, ""), "waxwing test %s" % " ".join(words))
    return out


def clock(s, move):
    """Moves the clock of all roles; what it says then, in seconds since 1970."""
    return seconds(order(s, "clock", move).split()[0])


def seconds(t):
    """RFC 3339 in seconds since 1970, the fraction left out."""
    return email.utils.mktime_tz(email.utils.parsedate_tz(
        time.strftime("%a, %d %b %Y %H:%M:%S +0000", time.strptime(t[:19], "%Y-%m-%dT%H:%M:%S"))))


class Gone:
    """The Maildir of a user is out of reach."""

    def __init__(self, s, user="alice"):
        self.path = s.maildir(user)
        os.makedirs(s.home(user), exist_ok=True)
        if os.path.exists(self.path):
            os.rename(self.path, self.path + ".aside")
        open(self.path, "w").close()

    def back(self):
        os.unlink(self.path)
        if os.path.exists(self.path + ".aside"):
            os.rename(self.path + ".aside", self.path)


def waiting(s, user="alice"):
    """(tries, seconds until it is due) of the step for a user, or None."""
    for l in json.loads(s.command("queue", "list", "--json")[1]):
        for r in l["recipients"]:
            if r["address"].startswith(user + "@"):
                now = seconds(l["accepted"]) + l["age"]
                return r["tries"], round(seconds(r["next"]) - now) if "next" in r else 0
    return None


GIVEN_UP = (0, 0)


def next_try(s, tries, wait, user="alice"):
    """Waits until there were so many tries and the next one is `wait` seconds away: how many there are
    to go.  In between a report goes out, or a try is under way."""
    def there():
        at = waiting(s, user)
        return GIVEN_UP if at is None else at if at[0] == tries and wait - 2 <= at[1] <= wait + 1 else None
    return tap.eventually(there, 5 * SLOW, what=lambda: "try %d and %d s to the next one, but %s" %
                          (tries, wait, waiting(s, user)))


def moved_clock():
    """All roles follow, also those that start later; reset brings the day back."""
    with Server() as s:
        s.fence()
        now = time.time()
        check(abs(clock(s, "+3d") - now - 3 * DAY) < 5, "the clock says something else")
        tok, r = s.give("bob")
        equal(r.code, 250, "reply")
        got = s.wait(tok, "bob")
        date = email.utils.mktime_tz(email.utils.parsedate_tz(
            re.search(rb"^Received:.*?;\s*([^;\n]+)$", got.raw, re.M | re.S).group(1).decode()))
        check(abs(date - now - 3 * DAY) < 10, "Received: has another day")
        day = time.strftime("%Y-%m-%d", time.gmtime(now + 3 * DAY))
        check(tok in s.command("why", day)[1] or "bob@" in s.command("why", day)[1],
              "nothing was decided on %s" % day)
        check(abs(clock(s, "reset") - now) < 10, "reset")
        s.fence()
        equal(s.command("test", "clock", "tomorrow")[0], 2, "a move that is none")


def until_given_up(s, waits, *rcpt):
    """Every try comes when it should, and after four days there is none: how many there were."""
    passed = tries = 0
    while True:
        at = next_try(s, tries + 1, waits[tries], *rcpt)
        if at == GIVEN_UP:
            break
        tries += 1
        passed += at[1] + 1
        clock(s, "+%ds" % (at[1] + 1))
    check(4 * DAY <= passed < 4 * DAY + 4 * HOUR, "given up after %d s" % passed)
    return tries


def four_days():
    """5m 15m 1h 4h … give-up 4d warn 4h, with the quick tries of a mailbox here in front."""
    waits = [1, 5, 20, MINUTE, 5 * MINUTE, 15 * MINUTE, HOUR] + 40 * [4 * HOUR]
    with Server() as s:
        s.fence("bob")
        alice = Gone(s)
        tok = token()
        with s.client() as c:
            c.ehlo()
            equal(c.deliver("alice@example.org", letter(tok), sender="bob@example.org").code, 250, "reply")
        until_given_up(s, waits)
        reports = tap.eventually(lambda: len(s.letters("bob")) >= 3 and s.letters("bob"), 5 * SLOW,
                                 what="a warning and a bounce")
        kinds = sorted(m for l in reports for m in re.findall(rb"^Action: (\w+)", l.raw, re.M))
        equal(kinds, [b"delayed", b"failed"], "reports")
        alice.back()
        clock(s, "+4h")
        s.fence()
        equal(s.find(tok), [], "delivered after it was given up")
        equal(json.loads(s.command("queue", "list", "--json")[1]), [], "what waits still")


REMOTE = """users file users
outbound {
    route * via smtp://127.0.0.1:%d tls off
    patience 5
}
"""


def remote_server(port):
    s = Server(REMOTE % port)
    with open(os.path.join(s.dir, "users"), "w") as f:
        f.write("away@example.org: bob@other.test\n")
    return s


def give_away(s):
    tok = token()
    with s.client() as c:
        c.ehlo()
        equal(c.deliver("away@example.org", letter(tok), sender="bob@example.org").code, 250, "reply")
    return tok


def four_days_elsewhere():
    """The same for another server, which nobody can reach, then one that always says later."""
    waits = [5 * MINUTE, 15 * MINUTE, HOUR] + 40 * [4 * HOUR]
    for busy in False, True:
        with contextlib.ExitStack() as stack:
            with Sink(RCPT="450 4.2.0 come again") as sink:
                port = sink.port
            if busy:
                sink = stack.enter_context(Sink(port=port, RCPT="450 4.2.0 come again"))
            with remote_server(port) as s:
                give_away(s)
                tries = until_given_up(s, waits, "away")
                reports = tap.eventually(lambda: len(s.letters("bob")) >= 2 and s.letters("bob"), 5 * SLOW,
                                         what="a warning and a bounce")
                kinds = sorted(m for l in reports for m in re.findall(rb"^Action: (\w+)", l.raw, re.M))
                equal(kinds, [b"delayed", b"failed"], "reports")
                if busy:
                    check(all(b"450 4.2.0 come again" in l.raw for l in reports), "its words")
                    equal(len(sink.commands("RCPT")), tries + 1, "tries that the server saw, with the last one")
                equal(json.loads(s.command("queue", "list", "--json")[1]), [], "what waits still")


def back_after_a_day():
    """All that waited for a server that was away leaves at once, and nobody hears of a failure."""
    with Sink() as first:
        port = first.port
    with remote_server(port) as s:
        toks = [give_away(s) for _ in range(10)]
        tap.eventually(lambda: waiting(s, "away"), 5 * SLOW)
        for _ in range(6):
            clock(s, "+4h")
            time.sleep(0.2)
        with Sink(port=port) as sink:
            clock(s, "+4h")
            tap.eventually(lambda: len(sink.letters) >= 10, 10 * SLOW, what=lambda: "%d letters" % len(sink.letters))
            equal(sorted(t for t in toks if any(t.encode() in l for l in sink.letters)), sorted(toks), "letters")
            time.sleep(0.2)
            equal(len(sink.letters), 10, "copies")
        check(not any(b"Action: failed" in l.raw for l in s.letters("bob")), "bounced")


def as_configured():
    """retry, warn and give-up as they are written down; who asked not to hear of a delay does not."""
    with Sink(RCPT="451 4.2.2 mailbox full") as sink, remote_server(sink.port) as s:
        s.reload(s.text.replace("patience 5", "patience 5\nretry 10m 30m give-up 3h warn 1h"))
        ids = []
        for rcpt in "NOTIFY=FAILURE,DELAY", "NOTIFY=FAILURE":
            with s.client() as c:
                c.ehlo()
                c.mail("bob@example.org")
                c.rcpt("away@example.org", rcpt)
                ids.append(c.data(letter(token())).queue_id)
        for tries, wait in enumerate([10 * MINUTE] + 6 * [30 * MINUTE], 1):
            for _ in ids:
                next_try(s, tries, wait, "away")
            clock(s, "+%ds" % (wait + 3))
            tap.eventually(lambda: len(sink.commands("RCPT")) >= 2 * (tries + 1), 5 * SLOW, what="both are tried again")
        told = tap.eventually(lambda: len(s.letters("bob")) == 3 and dsn.reports(s, "bob"), 5 * SLOW, what=lambda: s.letters("bob"))
        said = [(r.rcpts[0]["action"], r.rcpts[0]["status"], [i for i in ids if i in r.text]) for r in told]
        equal(sorted(said), [("delayed", "4.2.2", ids[:1]), ("failed", "4.2.2", ids[:1]), ("failed", "4.2.2", ids[1:])], "reports")


def late():
    """Back after two days: delivered once, and no bounce."""
    with Server() as s:
        s.fence("bob")
        alice = Gone(s)
        tok = token()
        with s.client() as c:
            c.ehlo()
            c.deliver("alice@example.org", letter(tok), sender="bob@example.org")
        tap.eventually(lambda: waiting(s), 5 * SLOW)
        for _ in range(4):
            clock(s, "+12h")
            time.sleep(0.1)
        alice.back()
        clock(s, "+4h")
        s.wait(tok)
        time.sleep(0.2)
        equal(len(s.find(tok)), 1, "copies")
        check(not any(b"Action: failed" in l.raw for l in s.letters("bob")), "bounced")


# What follows an order, as (what is done, the answer to it).
def small(s):
    return [s.give()]


def large(s):
    t = token()
    return [s.give("alice", t, letter(t, size=400000))]


def left_lying(s):
    """Half a minute in the queue: the letter moves to the spool."""
    alice = Gone(s)
    given = s.give()
    tap.eventually(lambda: waiting(s), 5 * SLOW)
    for _ in range(3):
        clock(s, "+20s")
        time.sleep(0.2 * SLOW)           # the queue looks at what lies before the mailbox is back
    alice.back()
    return [given]


def lie_still(s):
    """Nobody sends for some seconds: what was delivered is made safe."""
    given = s.give()
    s.wait(given[0])
    for _ in range(9):
        clock(s, "+1s")
        time.sleep(0.02)
    return [given]


def turned_away(s):
    """A letter that is refused when all of it is there: it goes into the ring."""
    s.command("block", "add", "troll@mixed.example")
    t = token()
    given = [s.give("alice", t, letter(t, headers=b"Sender: troll@mixed.example\r\n"))]
    s.command("block", "remove", "troll@mixed.example")
    return given


SYNCFS = "journal {\nsegments 2\ncheckpoint syncfs\n}\n"
FSYNC = "journal {\nsegments 2\ncheckpoint fsync\n}\n"
NOT_TAKEN, TAKEN, EITHER = (421, 451, 452), (250,), (250, 421, 451, 452)
STRIKES = [
    ("journal.write fail EIO", small, NOT_TAKEN, ""),
    ("journal.write fail ENOSPC", small, NOT_TAKEN, ""),
    ("journal.write kill", small, NOT_TAKEN, ""),
    ("journal.sync fail EIO", small, NOT_TAKEN, ""),
    ("journal.sync kill", small, NOT_TAKEN, ""),
    ("journal.sync delay 1s", small, TAKEN, ""),
    ("spool.drain fail ENOSPC", large, NOT_TAKEN, ""),
    ("spool.sync fail EIO", large, NOT_TAKEN, ""),
    ("spool.sync kill", large, NOT_TAKEN, ""),
    ("spool.sync-dir fail EIO", large, NOT_TAKEN, ""),
    ("spool.sync-dir kill", large, NOT_TAKEN, ""),
    ("spool.write fail ENOSPC", left_lying, TAKEN, ""),
    ("spool.write kill", left_lying, TAKEN, ""),
    ("spool.sync fail EIO", left_lying, TAKEN, ""),
    ("spool.sync-dir kill", left_lying, TAKEN, ""),
    ("spool.rows fail EIO", left_lying, TAKEN, ""),
    ("spool.rows kill", left_lying, TAKEN, ""),
    ("ring.write fail ENOSPC", turned_away, (550,), ""),
    ("ring.write kill", turned_away, (550, 421, 451), ""),
    ("why.write fail ENOSPC", lie_still, TAKEN, ""),
    ("why.write kill", lie_still, TAKEN, ""),
    ("store.write fail EDQUOT", small, TAKEN, ""),
    ("store.write kill", small, TAKEN, ""),
    ("store.link fail EIO", small, TAKEN, ""),
    ("store.link kill", small, TAKEN, ""),
    ("store.sync fail EIO", lie_still, TAKEN, FSYNC),
    ("store.sync kill", lie_still, TAKEN, FSYNC),
    ("store.sync-dir fail EIO", lie_still, TAKEN, FSYNC),
    ("store.sync-dir kill", lie_still, TAKEN, FSYNC),
    ("queue.syncfs fail EIO", lie_still, TAKEN, SYNCFS),
    ("queue.syncfs kill", lie_still, TAKEN, SYNCFS),
    ("ipc.send fail EPIPE in queue", small, EITHER, ""),
    ("ipc.send fail ENOBUFS in queue", small, EITHER, ""),
    ("ipc.send kill in queue", small, EITHER, ""),
    ("ipc.send fail EPIPE in smtpd", small, EITHER, ""),
    ("ipc.send kill in mailbox", small, TAKEN, ""),     # the letter has its name, nobody knows
    ("ipc.send kill in scan", small, EITHER, ""),
    ("ipc.send kill in user", small, EITHER, ""),
]


def strike(what, act, want, conf):
    point, *rest = what.split()
    i = rest.index("in") if "in" in rest else len(rest)
    s = Server(conf)
    s.expect_crash = True
    try:
        s.start()
        kept = [s.give()]       # what was there before must not suffer
        s.wait(kept[0][0])
        order(s, "fault", point, *rest[:i], "nth", "1", *rest[i:])
        try:
            given = act(s)
        except (Closed, OSError):       # smtpd itself was hit
            given = []
            check(250 not in want or 451 in want, "the connection ended")
        for _, r in given:
            check(r.code in want, "reply %r" % r)
        s.log_wait(r"fault point=%s\b" % re.escape(point))
        kept += [g for g in given if g[1].code == 250]
        kept.append((soon(s, 5)[0], None))
        s.kill_all()
        s.start()
        for tok, _ in kept:
            tap.eventually(lambda: s.find(tok) or clock(s, "+10s") and False, 10 * SLOW, step=0.1,
                           what="a letter that was acknowledged")
        s.fence()
        equal([len(s.find(tok)) for tok, _ in kept], [1] * len(kept), "copies")
    finally:
        s.end()


# Verbs of IMAP: what they do to INBOX (UIDs 1 to 4) and Other (UID 1).
BOX_VERBS = {
    "APPEND": lambda c: c.append("INBOX", letter("t9"), "\\Seen")[0],
    "COPY": lambda c: c.cmd("UID COPY 1:2 Other")[0],
    "MOVE": lambda c: c.cmd("UID MOVE 1:2 Other")[0],
    "EXPUNGE": lambda c: c.cmd("UID EXPUNGE 4")[0],
    "STORE": lambda c: c.cmd("UID STORE 1 +FLAGS (\\Flagged)")[0],
    "KEYWORD": lambda c: c.cmd("UID STORE 1 +FLAGS (fresh)")[0],
    "CREATE": lambda c: c.cmd("CREATE Made")[0],
    "RENAME": lambda c: c.cmd("RENAME Other Another")[0],
    "DELETE": lambda c: c.cmd("DELETE Other")[0],
    "SUBSCRIBE": lambda c: c.cmd("SUBSCRIBE Other")[0],
    "SETMETADATA": lambda c: c.cmd('SETMETADATA Other (/private/comment "new")')[0],
    "REPLACE": lambda c: c.cmd((b"UID REPLACE 2 INBOX (\\Draft) ", (letter("t1"), b"")))[0],
}
BOX_STRIKES = [(point, verb) for point, verbs in (
    ("box.uids", "APPEND COPY MOVE REPLACE"), ("box.replace", "KEYWORD CREATE SUBSCRIBE SETMETADATA"),
    ("box.append", "APPEND REPLACE"), ("box.move", "COPY MOVE EXPUNGE DELETE REPLACE"),
    ("box.sync", "APPEND COPY MOVE EXPUNGE RENAME DELETE REPLACE"),
    ("flags.write", "STORE"), ("history.write", "EXPUNGE DELETE REPLACE"), ("folder.make", "CREATE"),
    ("folder.rename", "RENAME DELETE")) for verb in verbs.split()]
BACKGROUND = ("box.follow", "flags.sync")


def nth(point, verb):
    """The first file that CREATE replaces counts UIDVALIDITYs, which goes on without it."""
    return "2" if (point, verb) == ("box.replace", "CREATE") else "1"


def parts(before, after, verb):
    """What may be found when a verb was cut off: each letter moved, copied, or gone, or not."""
    if verb == "SETMETADATA":
        check(after["annotated"] in ([b"old"], [b"new"]), "annotations: %s" % after["annotated"])
    if verb in ("COPY", "MOVE", "EXPUNGE", "DELETE", "REPLACE"):
        for name, rows in before.items():
            for uid, row in rows.items() if isinstance(rows, dict) else ():
                here = after.get(name, {}).get(uid)
                moved = verb in ("MOVE", "REPLACE") and any(
                    r[1] == row[1] for r in after.get(b"Other" if verb == "MOVE" else b"INBOX", {}).values())
                gone = (verb == "EXPUNGE" and uid == 4) or (verb == "DELETE" and name == b"Other")
                check(here == row or moved or gone, "%s UID %d: %s was %s" % (name, uid, here, row))
        return
    for name in set(before) - {"subscribed", "annotated"}:
        for uid, row in before[name].items():
            there = [after.get(n, {}).get(uid) for n in ([name, b"Another"] if verb == "RENAME" else [name])]
            there = [t and (t[0] - {b"\\Flagged", b"fresh"}, t[1]) for t in there]
            check((row[0] - {b"\\Flagged", b"fresh"}, row[1]) in there, "%s UID %d: %s was %s" % (name, uid, there, row))


def box_fails():
    """NO, and nothing has happened; then it works, and is there after a death of everything."""
    users = ["u%d" % i for i in range(len(BOX_STRIKES))]
    with imap_target.Waxwing(users=users) as t:
        done = []
        for user, (point, verb) in zip(users, BOX_STRIKES):
            print("# %s under %s" % (point, verb))
            b = Boxes(t, user)
            before = b.shown()
            with b.session() as c:
                c.ok("SELECT INBOX")
                order(t.s, "fault", point, "fail", "ENOSPC", "nth", nth(point, verb))
                struck = t.s.log().count("point=%s" % point)
                r = BOX_VERBS[verb](c)
                equal(r.status, b"NO", "answer")
                # the log goes by way of the parent
                tap.eventually(lambda: t.s.log().count("point=%s" % point) > struck, 5 * SLOW, what="the strike")
                if verb == "DELETE":    # its letters may have gone first
                    parts(before, b.shown(), verb)
                else:
                    equal(b.shown(), before, "after NO")
                c.ok("NOOP")
                r = BOX_VERBS[verb](c)
                equal(r.status, b"OK", "the second time: %r" % r)
            order(t.s, "fault", "clear")
            done.append(b.shown())
            check(done[-1] != before, "nothing was done")
        t.s.kill_all()
        t.s.start()
        for user, shown in zip(users, done):
            b.user = user
            equal(b.shown(), shown, "%s after a restart" % user)


def box_dies():
    """The process dies there: done, or not, or a part of it, and everything goes on."""
    users = ["u%d" % i for i in range(len(BOX_STRIKES))]
    with imap_target.Waxwing(users=users) as t:
        for user, (point, verb) in zip(users, BOX_STRIKES):
            print("# %s under %s" % (point, verb))
            b = Boxes(t, user)
            before = b.shown()
            with b.session() as c:
                c.ok("SELECT INBOX")
                order(t.s, "fault", point, "kill", "nth", nth(point, verb))
                try:
                    tap.fail("answered %r" % BOX_VERBS[verb](c))
                except imap_client.Closed:
                    pass
            order(t.s, "fault", "clear")
            after = b.shown()
            parts(before, after, verb)
            with b.again() as c:
                c.ok("SELECT INBOX")
                r = BOX_VERBS[verb](c)
                check(r.status == b"OK" or (verb in ("CREATE", "RENAME", "DELETE") and after != before),
                      "then: %r" % r)


def box_later(point, act):
    """Flags are in force, their names and syncs come later: an error there, or a death, changes nothing."""
    with imap_target.Waxwing(users=["alice"]) as t:
        b = Boxes(t, "alice")
        before = b.shown()
        with b.session() as c:
            c.ok("SELECT INBOX")
            order(t.s, "fault", point, *act)
            equal(BOX_VERBS["STORE"](c).status, b"OK", "answer")
            t.s.log_wait(r"fault point=%s\b" % re.escape(point))
        before[b"INBOX"][1] = (before[b"INBOX"][1][0] | {b"\\Flagged"}, before[b"INBOX"][1][1])
        equal(b.shown(), before, "flags")
        order(t.s, "fault", "clear")
        tap.eventually(lambda: any(":2,F" in p for p in t.s.paths("alice")), 5 * SLOW, what="the name follows")
        t.s.kill_all()
        t.s.start()
        equal(b.shown(), before, "flags after a restart")


def accounts():
    """A change that cannot be committed is not said to be done, and is not done."""
    with Server("domain example.com {\naccounts internal\n}\n") as s:
        order(s, "fault", "user.commit", "fail", "EIO", "nth", "1")
        code, _, err = s.command("user", "add", "dora@example.com", stdin=b"a long enough password\n")
        check(code != 0 and err, "said to be done")
        check("dora" not in s.command("user", "list")[1], "done")
        equal(s.command("user", "add", "dora@example.com", stdin=b"a long enough password\n")[0], 0, "the next one")
        check("dora" in s.command("user", "list")[1], "not done")


def new_segment():
    """The journal cannot get another file: no letter is taken that has no room, and as soon as it can,
    they are again."""
    s = Server()
    s.expect_crash = True
    try:
        s.start()
        s.kill_all()
        for name in os.listdir(s.dir + "/journal")[1:]:
            os.unlink(os.path.join(s.dir, "journal", name))
        s.start()
        order(s, "fault", "journal.segment", "fail", "ENOSPC")
        clock(s, "+2s")
        s.log_wait("fault point=journal.segment")
        tok, r = s.give()
        check(r.code in (250, 452), "reply %r" % r)
        order(s, "fault", "clear")
        clock(s, "+2s")
        soon(s, 3)
        if r.code == 250:
            s.wait(tok)
    finally:
        s.end()


def words():
    """The commands themselves."""
    with Server() as s:
        listed = [l.split()[0] for l in order(s, "fault", "--list").splitlines()]
        equal(listed, points(), "waxwing test fault --list")
        for bad in ("no.such kill", "journal.sync", "journal.sync fail", "journal.sync fail EWHAT",
                    "journal.sync off nth 1", "journal.sync kill nth 0", "journal.sync kill nth",
                    "journal.sync kill in nobody", "journal.sync delay soon", "journal.sync burn"):
            equal(s.command("test", "fault", *bad.split())[0], 2, bad)
        order(s, "fault", "store.write", "fail", "EDQUOT", "nth", "3", "in", "mailbox")
        check("fail EDQUOT nth 3 in mailbox" in order(s, "fault", "--list"), "not listed")
        for n in (1, 2, 3):
            check("point=store.write" not in s.log(), "struck before the third time")
            s.give()
            tap.eventually(lambda: "store.write      passed %d" % n in order(s, "fault"), 5 * SLOW)
        s.log_wait("point=store.write")
        order(s, "fault", "clear")
        check("fail" not in order(s, "fault", "--list"), "still ordered")
        s.stop()
        equal(s.command("test", "clock")[0], 3, "without a server")


def nothing_there():
    """No other build has any of it."""
    for words_ in (["clock"], ["clock", "+4d"], ["fault", "--list"], ["fault", "journal.sync", "kill"]):
        p = subprocess.run([server.BINARY, "-c", "/nonexistent", "test"] + words_, capture_output=True,
                           text=True, check=False)
        equal(p.returncode, 2, "exit of test %s" % words_)
        check("this build has no clock or faults" in p.stderr and not p.stdout, p.stderr)
    with open(server.BINARY, "rb") as f:
        binary = f.read()
    equal([p for p in points() if p.encode() in binary], [], "names of fault points in the binary")


if IS_FOR_TESTS:
    test("hooks: the words of test clock and test fault")(words)
    test("hooks: the clock of all roles is moved and set back")(moved_clock)
    test("hooks: four days of retries, a warning, a bounce")(four_days)
    test("hooks: four days of retries elsewhere, a warning, a bounce", limit=120)(four_days_elsewhere)
    test("hooks: retry, warn and give-up as configured")(as_configured)
    test("hooks: what waited a day for another server leaves when it is back")(back_after_a_day)
    test("hooks: a mailbox that is back after two days gets its letter once")(late)
    test("hooks: an account that cannot be committed is not added")(accounts)
    test("hooks: the journal without its next file")(new_segment)
    cases([("%s while %s" % (row[0], row[1].__name__.replace("_", " ")),) + row for row in STRIKES],
          name="hooks: {0}")(strike)
    test("hooks: the store fails at each point of each verb: NO, and nothing has happened", 120)(box_fails)
    test("hooks: a mailbox dies at each point of each verb, and goes on", 120)(box_dies)
    cases([("%s %s in the background" % (p, a[0]), p, a) for p in BACKGROUND
           for a in (["fail", "EIO", "nth", "1"], ["kill", "nth", "1"])], name="hooks: {0}")(box_later)
else:
    test("a build that is not for tests has no clock and no faults to move")(nothing_there)

tap.main()
