#!/usr/bin/python3
"""Row P7: there is no memory.

In builds for tests the n-th request for memory fails, whoever made it, for n = 1, 2, 3 … until an
action makes no more (src/base/hooks_memory.c): it is refused, or the connection or the process
ends, or it works as if nothing had been; what was answered OK has happened, what was answered NO has
not, and nothing wrong stays behind.  In every build a mailbox lives under a limit for a while."""
import os
import re
import resource
import signal
import subprocess

import imap_client
import imap_target
import letters
import server
import tap
from boxes import Boxes
from faults import soon
from letters import letter
from server import SLOW, Server
from smtp import Closed
from tap import cases, check, equal, test

IS_FOR_TESTS = subprocess.run([server.BINARY, "-c", "/nonexistent", "test", "clock"],
                              capture_output=True, text=True, check=False).returncode != 2
SOAK = bool(os.environ.get("SOAK"))
RICH = (b"From: =?utf-8?Q?J=C3=BCrgen?= (comment) <jurgen@example.net>\r\nTo: \"A, B\" <ab@example.org>\r\n"
        b"Subject: =?iso-8859-1?B?R3L8bmU=?= =?iso-8859-1?Q?_Zebras?= and =?utf-8?Q?=C3=84pfel?=\r\n"
        b"Date: Thu, 05 Nov 2026 10:00:00 +0000\r\nMessage-ID: <rich.%d@example.net>\r\nReferences: <a@b> <c@d>\r\n"
        b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n"
        b"Content-Type: text/html; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
        b"<p>Ein gr=FCnes &Uuml;bel <b>quagga</b></p>\r\n--x\r\n"
        b"Content-Type: text/plain; charset=utf-8; name*=utf-8''%%C3%%A4.txt\r\nContent-Transfer-Encoding: base64\r\n"
        b"Content-Disposition: attachment\r\n\r\n" + b"UXVhZ2dhIMO8YmVyYWxsLCB1bmQgbWVocg0K\r\n" * 40 + b"--x--\r\n")


def steps():
    """1, 2, 3 …; the far ones one by one only in the soak."""
    n = 1
    while n < 5000:
        yield n
        n += 1 if SOAK or n < 30 else 1 + n // 8


def struck(s, n, role):
    """Orders that the n-th request fails; what is returned ends the order and says if it came to it."""
    equal(s.command("test", "fault", "memory.get", "fail", "ENOMEM", "nth", str(n), "in", role)[0], 0, "order")

    def end():
        passed = int(re.search(r"memory\.get +passed (\d+)", s.command("test", "fault")[1]).group(1))
        s.command("test", "fault", "clear")
        return passed >= n
    return end


def sound(s):
    """What ended, ended by its own word: nothing has touched memory that was not there."""
    check(not re.search(r"signal=(?:11|7|4|31|SEGV|BUS|ILL|SYS)|Sanitizer|malloc\(\)|free\(\)", s.log() + s.stderr()),
          "a crash: %s" % s.log()[-1500:])
    for line in s.log().splitlines():
        check("bug:" not in line or "out of memory" in line, line)


ASKS = {
    "FETCH of what is known": b"FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODYSTRUCTURE PREVIEW)",
    "FETCH of octets": b"FETCH 1:* (BODY.PEEK[] BODY.PEEK[HEADER.FIELDS (SUBJECT)] BINARY.PEEK[2] BODY.PEEK[1]<2.9>)",
    "SEARCH in bodies": b'SEARCH OR TEXT "quagga" BODY "\xc3\xbcbel"',
    "SEARCH in headers": b'SEARCH OR SUBJECT "zebras" FROM "j\xc3\xbcrgen"',
    "SORT": b"SORT (SUBJECT DISPLAYFROM DATE) UTF-8 ALL",
    "THREAD": b"THREAD REFERENCES UTF-8 ALL",
    "LIST": b'LIST "" * RETURN (STATUS (MESSAGES UIDNEXT UNSEEN) SPECIAL-USE)',
}


def ask(b, verb):
    """What a new session is told: (status, answers)."""
    with b.session(timeout=10) as c:
        c.ok("ENABLE IMAP4rev2" if verb != "THREAD" else "NOOP")
        c.ok("EXAMINE INBOX")
        r, out = c.cmd(ASKS[verb])
        return r.status, sorted(u.raw for u in out) if r.status == b"OK" else r.raw


def kill(pids):
    for p in pids:
        try:
            os.kill(p, signal.SIGKILL)
        except ProcessLookupError:
            pass


def forget(t):
    """The next session finds a new process, and no cache."""
    kill(t.s.roles().get("mailbox", []))
    tap.eventually(lambda: not t.s.roles().get("mailbox"), 5 * SLOW, what="the end of a mailbox")
    t.drop_caches("alice")


def asks(verb, cold):
    """OK is the whole truth; afterwards too, when there is memory."""
    with imap_target.Waxwing(users=["alice"]) as t:
        b = Boxes(t, "alice")
        with b.session() as c:
            for n in range(3):
                equal(c.append("INBOX", RICH % n)[0].status, b"OK", "APPEND")
        want, seen = ask(b, verb), {}
        equal(want[0], b"OK", "without a fault")
        for n in steps():
            if cold:
                forget(t)
            end = struck(t.s, n, "mailbox")
            try:
                got = ask(b, verb)
            except (imap_client.Closed, AssertionError, OSError) as x:
                check("within" not in str(x), "no answer at the %d. request: %s" % (n, x))
                got = (b"ended", None)
            came = end()
            seen[got[0]] = seen.get(got[0], 0) + 1
            if got[0] == b"OK":
                equal([g for g in got[1] if g not in want[1]], [], "said at the %d. request" % n)
                # of STATUS the server may say nothing if it cannot be had (RFC 5819 §2)
                equal([w for w in want[1] if w not in got[1] and not w.startswith(b"* STATUS")], [],
                      "not said at the %d. request" % n)
            check(got[0] != b"BAD", "BAD at the %d. request" % n)
            with b.again():
                pass
            last = []        # a session may have joined in what failed for another
            tap.eventually(lambda: last.append(ask(b, verb)) or last[-1] == want, 3 * SLOW,
                           what=lambda: "the whole truth after the %d. request failed: %s" % (n, tap.short(last[-1])))
            if not came:
                break
        print("# %s: %d requests, %s" % (verb, n - 1, seen))
        check(n > 2, "it never came to it")
        sound(t.s)


def without(rows, *uids):
    return {u: r for u, r in rows.items() if u not in uids}


def changes(n):
    """verb: (what is said, is it done: before, now → bool)"""
    inbox, other, made = b"INBOX", b"Other", b"made-%d" % n

    def more(folder, row):
        return lambda was, now: (len(now[folder]) == len(was[folder]) + 1 and without(now[folder], max(now[folder])) == was[folder] and
                                 row(was, now[folder][max(now[folder])]))

    def first(was):
        return was[inbox][min(was[inbox])]
    yield "APPEND", lambda c: c.append("INBOX", letter("n%d" % n), "\\Answered")[0], more(
        inbox, lambda was, row: row[0] == {b"\\Answered"} and b"<n%d@" % n in row[1])
    yield "COPY", lambda c: c.cmd("COPY 1 Other")[0], more(other, lambda was, row: row == first(was))
    yield "STORE", lambda c: c.cmd("STORE 1 +FLAGS (\\Flagged)")[0], lambda was, now: first(now)[0] == first(was)[0] | {b"\\Flagged"}
    yield "STORE back", lambda c: c.cmd("STORE 1 -FLAGS (\\Flagged)")[0], lambda was, now: first(now)[0] == first(was)[0] - {b"\\Flagged"}
    yield "MOVE", lambda c: c.cmd("MOVE 1 Other")[0], lambda was, now: (
        more(other, lambda was, row: row == first(was))(was, now) and now[inbox] == without(was[inbox], min(was[inbox])))
    yield "EXPUNGE", lambda c: c.cmd("EXPUNGE")[0], lambda was, now: now[inbox] == {
        u: r for u, r in was[inbox].items() if b"\\Deleted" not in r[0]}
    yield "CREATE", lambda c: c.cmd(b"CREATE " + made)[0], lambda was, now: now.get(made) == {} and made not in was
    yield "SUBSCRIBE", lambda c: c.cmd(b"SUBSCRIBE " + made)[0], lambda was, now: made in now["subscribed"]
    yield "RENAME", lambda c: c.cmd(b"RENAME " + made + b" x" + made)[0], lambda was, now: made not in now and b"x" + made in now
    yield "UNSUBSCRIBE", lambda c: c.cmd(b"UNSUBSCRIBE " + made)[0], lambda was, now: made not in now["subscribed"]
    yield "DELETE", lambda c: c.cmd(b"DELETE x" + made)[0], lambda was, now: b"x" + made not in now
    yield "KEYWORD", lambda c: c.cmd("STORE 1 +FLAGS (k%d)" % (n % 20))[0], lambda was, now: b"k%d" % (n % 20) in first(now)[0]


def changing():
    """Every verb that changes something, again and again until none of them comes to its n-th request."""
    with imap_target.Waxwing(users=["alice"]) as t:
        b = Boxes(t, "alice")
        seen, done = {}, set()
        now = b.shown()
        for n in steps():
            with b.session() as c:
                equal(c.append("INBOX", letter("d%d" % n), "\\Deleted")[0].status, b"OK", "APPEND")
            now, left = b.shown(), False
            for verb, act, is_done in changes(n):
                if verb in done:
                    with b.session() as c:
                        c.ok("SELECT INBOX")
                        act(c)
                    now = b.shown()
                    continue
                with b.again() as c:
                    c.ok("SELECT INBOX")
                    end = struck(t.s, n, "mailbox")
                    try:
                        status = act(c).status
                    except imap_client.Closed as x:
                        check("within" not in str(x), "%s: no answer at the %d. request" % (verb, n))
                        status = b"ended"
                    came = end()
                was, now = now, b.shown()
                what = "%s at the %d. request: %s" % (verb, n, status.decode())
                seen[status] = seen.get(status, 0) + 1
                check(status != b"OK" or is_done(was, now), "%s, not done: %s, was %s" % (what, now, was))
                check(status != b"NO" or now == was, "%s, yet something happened: %s, was %s" % (what, now, was))
                check(status != b"BAD", what)
                check(status != b"ended" or now == was or is_done(was, now), "%s, half done: %s, was %s" % (what, now, was))
                if not came:
                    done.add(verb)
                left = True
                if status != b"OK" and not is_done(was, now):
                    with b.again() as c:
                        c.ok("SELECT INBOX")
                        equal(act(c).status, b"OK", "%s, the second time" % verb)
                    now = b.shown()
            if not left:
                break
        print("# %d requests at most, %s" % (n - 1, seen))
        t.s.kill_all()
        t.s.start()
        equal(b.shown(), now, "after a restart")
        sound(t.s)


def deliveries(role):
    """A letter for which 250 was said comes, and once the order is over all is as before."""
    s = Server()
    s.expect_crash = True
    given, seen = [], {}
    try:
        s.start()
        s.fence()
        for n in steps():
            if role == "mailbox":        # one that runs has all it needs
                kill(s.roles().get(role, []))
            end = struck(s, n, role)
            try:
                tok, r = s.give()
                code = r.code
            except (Closed, OSError):
                code = "ended"
            seen[code] = seen.get(code, 0) + 1
            check(code in (250, 421, 450, 451, 452, "ended"), "%s at the %d. request" % (code, n))
            if code == 250:
                given.append(tok)
            if role == "mailbox" and code == 250:
                s.wait(tok, limit=40)
            came = end()
            given.append(soon(s, 10)[0])
            if not came and code == 250:         # else one of two smtpds still waits for who was hit before
                break
        print("# %s: %d requests, %s" % (role, n - 1, seen))
        for tok in given:
            s.wait(tok, limit=40)
        equal([len(s.find(tok)) for tok in given if len(s.find(tok)) > 2], [], "copies")
        check(n > 2, "it never came to it")
        sound(s)
    finally:
        s.end()


def octets(answers):
    """Of BODY[] in the one FETCH among them."""
    return max([len(u.args[2][1]) for u in answers if u.word(1) == b"FETCH" and u.args[2][0] == b"BODY[]"] or [-1])


@test("P7 a mailbox under a limit of memory refuses what is too large, loses nothing, and goes on without it", limit=120)
def limited():
    with imap_target.Waxwing(users=["alice"]) as t:
        b = Boxes(t, "alice")
        big = letters.letter("big", size=24 << 20)
        before = b.shown()
        with b.session(timeout=60) as c:
            pid, = t.s.roles()["mailbox"]
            with open("/proc/%d/statm" % pid) as f:
                size = int(f.read().split()[0]) * os.sysconf("SC_PAGESIZE")
            was = resource.prlimit(pid, resource.RLIMIT_AS)
            resource.prlimit(pid, resource.RLIMIT_AS, (size + (8 << 20), was[1]))
            ended = False
            try:
                r = c.append("INBOX", big)[0]
                check(r.status in (b"OK", b"NO"), "APPEND: %r" % r)
                c.ok("SELECT INBOX")
                r, un = c.cmd("FETCH * (BODY.PEEK[] BINARY.PEEK[1])")
                check(r.status in (b"OK", b"NO"), "FETCH: %r" % r)
                check(r.status != b"OK" or octets(un) in (len(letter("t0")), len(big)), "octets: %r %r" % (r, un))
            except imap_client.Closed as x:
                check("within" not in str(x), "no answer")
                ended = True
        for p in t.s.roles().get("mailbox", []):
            resource.prlimit(p, resource.RLIMIT_AS, was)
        now = b.shown()
        equal({u: now[b"INBOX"][u] for u in before[b"INBOX"]}, before[b"INBOX"], "the letters before")
        with b.session(timeout=60) as c:
            equal(c.append("INBOX", big)[0].status, b"OK", "APPEND without the limit (ended: %s)" % ended)
            c.ok("SELECT INBOX")
            equal(octets(c.ok("FETCH * BODY.PEEK[]")), len(big), "octets")
        sound(t.s)


if IS_FOR_TESTS:
    cases([("%s%s" % (v, ", all anew" if cold else ""), v, cold) for v in ASKS for cold in (False, True)],
          name="P7 each request for memory fails under {0}", limit=300)(asks)
    test("P7 each request for memory fails under each verb that changes something", limit=300)(changing)
    cases([(r, r) for r in ("smtpd", "scan", "user", "queue", "mailbox")],
          name="P7 each request for memory fails in {0} while letters come", limit=300)(deliveries)

tap.main()
