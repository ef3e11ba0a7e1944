#!/usr/bin/python3
"""Row C9: nobody can tell from text or time whether a user exists.

Wrong passwords for users who are there and for names that are not, in pairs, in each way to log in, with the
authentication cache off and on (the right password was given before, so that it is remembered).  As the catalogue
says: medians differ by less than 1 % and 200 microseconds; on a machine that does other things as well, more
than those 200 count only if a test of ranks finds them to be no accident."""
import base64
import concurrent.futures
import os
import random
import statistics
import time

os.environ.setdefault("LOGIN_TEST_NET", "")
from logins import LoginServer                                        # noqa: E402

from imap import Imap                                                 # noqa: E402
from server import SLOW                                               # noqa: E402
from smtp import Smtp                                                 # noqa: E402
from submission import scram                                          # noqa: E402
from tap import cases, check, equal, main, test                       # noqa: E402

KNOWN = ["known%02d" % i for i in range(16)]
TRIES = 3                       # of each name that nothing slows down
AT_ONCE = 5
WAYS = ("LOGIN", "PLAIN", "SCRAM", "POP3 PASS", "POP3 AUTH", "SMTP PLAIN", "SMTP LOGIN", "SMTP SCRAM")
ENOUGH = 200e-6
ACCIDENT = 4.0                  # standard deviations


def plain(name, pw):
    return b"\0" + name.encode() + b"\0" + pw.encode()


def attempt(s, way, name):
    """What is answered, and how long it took from the last octet sent."""
    if way.startswith("POP3"):
        with s.pop3() as c:
            if way == "POP3 PASS":
                user = c.cmd("USER " + name)
                at = time.monotonic()
                text = user + b" " + c.cmd("PASS wrong")
            else:
                at = time.monotonic()
                text = c.authenticate("PLAIN", initial=plain(name, "wrong"))
            return text.decode(), time.monotonic() - at
    if way.startswith("SMTP"):
        with Smtp(("127.0.0.1", s.ports["clear"]), slow=SLOW) as c:
            c.ehlo()
            at = time.monotonic()
            if way == "SMTP PLAIN":
                r = c.cmd(b"AUTH PLAIN " + base64.b64encode(plain(name, "wrong")))
            elif way == "SMTP SCRAM":
                r = scram(c, name, "wrong")[0]
            else:
                c.cmd(b"AUTH LOGIN " + base64.b64encode(name.encode()))
                r = c.cmd(base64.b64encode(b"wrong"))
            return str(r), time.monotonic() - at
    with s.imap() as c:
        at = time.monotonic()
        if way == "LOGIN":
            r = c.login(name, "wrong")
        elif way == "PLAIN":
            r = c.authenticate("PLAIN", initial=plain(name, "wrong"))
        else:
            r = c.scram(name, "wrong")[0]
        took = time.monotonic() - at
        return "%s %s" % (r.status, r.text), took


def deviations(a, b):
    """Mann and Whitney: how many standard deviations the ranks of a lie from where chance puts them."""
    ranks, both, i = {}, sorted([(x, 0) for x in a] + [(x, 1) for x in b]), 0
    for i, (x, who) in enumerate(both):
        ranks.setdefault(who, []).append(i + 1)
    n, m = len(a), len(b)
    u = sum(ranks[0]) - n * (n + 1) / 2
    return abs(u - n * m / 2) / (n * m * (n + m + 1) / 12) ** 0.5


def is_in_doubt(known, unknown):
    """Chance, or something else that was busy: more measurements tell.  What differs goes on to."""
    a, b = statistics.median(known), statistics.median(unknown)
    return abs(a - b) >= 0.01 * max(a, b) or deviations(known, unknown) >= ACCIDENT


def judge(what, known, unknown, fraction=True):
    a, b = statistics.median(known), statistics.median(unknown)
    z = deviations(known, unknown)
    print("# %s: known %.6f s, unknown %.6f s, %+.0f us, %.1f deviations, %d of each" %
          (what, a, b, (a - b) * 1e6, z, len(known)))
    if SLOW > 1:
        return
    check(not fraction or abs(a - b) < 0.01 * max(a, b), "%s: medians %.6f and %.6f s" % (what, a, b))
    check(abs(a - b) < ENOUGH or z < ACCIDENT, "%s: medians differ by %.0f us, %.1f deviations" % (what, abs(a - b) * 1e6, z))


def server(cache):
    s = LoginServer(login="auth-cache 1000\nauth-cache-time 1h" if cache else "", users=["alice", "bob", "carol"] + KNOWN).start()
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda u: s.passwd(s.address(u), "right-" + u), KNOWN))
    if cache:
        for u in KNOWN:
            with s.imap() as c:
                equal(c.login(s.address(u), "right-" + u).status, "OK", "login")
    return s


@cases([("without an authentication cache", False), ("with an authentication cache", True)],
       name="C9 wrong passwords of known and unknown users: same text, same time, {0}", limit=300)
def passwords(cache):
    s = server(cache)
    try:
        pairs = [(u, "nobody%02d-%d" % (i, t), WAYS[(i + t) % len(WAYS)]) for t in range(TRIES) for i, u in enumerate(KNOWN)]
        texts, times = {True: {}, False: {}}, {True: [], False: []}

        def pair(p):
            known, unknown, way = p
            out = []
            for name, is_known in random.sample([(known, True), (unknown, False)], 2):
                out.append((way, is_known, attempt(s, way, s.address(name))))
            return out
        for _ in range(3):
            with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
                for done in pool.map(pair, pairs):
                    for way, is_known, (text, took) in done:
                        texts[is_known].setdefault(way, set()).add(text)
                        times[is_known].append(took)
            if not is_in_doubt(times[True], times[False]):
                break
        for way in WAYS:
            equal(len(texts[True][way]), 1, "texts of %s: %s" % (way, texts[True][way]))
        equal(texts[False], texts[True], "texts")
        judge("password", times[True], times[False])
    finally:
        s.end()


@test("C9 SCRAM's first challenge to known and unknown users: same form, same time", limit=120)
def challenges():
    with LoginServer() as s:
        s.passwd(s.address("alice"), "right-alice")
        times = {"alice": [], "nobody": []}
        form = {"alice": set(), "nobody": set()}
        for _ in range(80):             # a connection is cut off after some that are given up
            with Imap(("127.0.0.1", s.ports["plain"]), slow=SLOW) as c:
                for u in random.sample(list(times) * 4, 8):
                    first = base64.b64encode(b"n,,n=" + s.address(u).encode() + b",r=" + base64.b64encode(os.urandom(18)))
                    at = time.monotonic()
                    c.send(b"x AUTHENTICATE SCRAM-SHA-256 " + first + b"\r\n")
                    r = c.line()
                    times[u].append(time.monotonic() - at)
                    parts = dict(p.split(b"=", 1) for p in base64.b64decode(r[2:]).split(b","))
                    form[u].add((len(parts[b"r"]), len(parts[b"s"]), parts[b"i"]))
                    c.send(b"*\r\n")
                    check(c.line().startswith(b"x BAD"), "cancelled")
        equal(form["alice"], form["nobody"], "form")
        judge("challenge", times["alice"], times["nobody"], fraction=False)


@test("C9 VRFY and EXPN say the same of everybody")
def verify():
    with LoginServer(passwords=False) as s:
        for verb in ("VRFY", "EXPN"):
            said = set()
            for u in ("alice", "alice@example.org", "nobody", "nobody@example.org", "root", "postmaster", "<alice@example.org>"):
                with Smtp(s.addr) as c:
                    c.ehlo()
                    said.add(str(c.cmd("%s %s" % (verb, u))))
            equal(len(said), 1, "%s: %s" % (verb, said))


if __name__ == "__main__":
    main()
