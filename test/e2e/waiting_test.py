#!/usr/bin/python3
"""Thousands of letters wait for a server that is away: memory for each, list, stop, start, drop.

The clocks here only tell a step from a crawl: what is measured exactly is `./dev bench relay`."""
import json
import re
import threading
import time

import server
from server import SLOW, Server
from smtp import Smtp
from tap import check, equal, eventually, main, test

LETTERS, SESSIONS, SIZE = 5000, 20, 8 * 1024
YOUNG = 24 << 20                # those that came last are kept at hand, whatever they weigh
SLIM = 1048                     # bytes: 100 MiB for 100,000
S = Server("submission {\nnetwork 127.0.0.0/8 as any limit off\n}\n"
           "outbound {\nroute * via smtp://127.0.0.1:%d\nretry 1h give-up 4d\n}\n" % server.free_port(),
           users=())


def session(n, failed):
    body = ("Subject: waits\r\n\r\n" + "%070d\r\n" * (SIZE // 72) % ((n,) * (SIZE // 72))).encode()
    each = LETTERS // SESSIONS
    try:
        with Smtp(S.addr, timeout=60, slow=SLOW) as c:
            c.raw_send(b"EHLO client.example.net\r\n")
            c.reply()
            for i in range(each):
                c.raw_send(b"MAIL FROM:<s%d@client.example.net>\r\nRCPT TO:<r%d-%d@d%d.example.net>\r\nBDAT %d LAST\r\n"
                           % (n, n, i, i % 50, len(body)) + body)
                codes = [c.reply().code for _ in range(3)]
                if codes != [250] * 3:
                    failed.append(codes)
                    return
    except Exception as x:
        failed.append(repr(x))


def submit():
    failed = []
    threads = [threading.Thread(target=session, args=(n, failed)) for n in range(SESSIONS)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    equal(failed, [], "sessions that failed")


def command(*args, ok=True):
    start = time.monotonic()
    code, out, err = S.command(*args, timeout=120)
    check((code == 0) == ok, "%s: %d %s" % (" ".join(args), code, err))
    return out, time.monotonic() - start


def letters():
    return json.loads(command("queue", "stats", "--json")[0])["letters"]


def queue_memory():
    return 1024 * sum(server.pss_of(p) for p in S.roles()["queue"])


def listed(*which):
    """The addresses that wait, in order, and the seconds that took."""
    out, took = command("queue", "list", *which)
    return sorted(re.findall(r"^ +to <(r\d+-\d+)@", out, re.M)), took


EVERY = sorted("r%d-%d" % (n, i) for n in range(SESSIONS) for i in range(LETTERS // SESSIONS))


@test("letters that wait take little memory, and all are listed at once", limit=90)
def arrive():
    S.start()
    letters()                   # control and queue know each other
    before = queue_memory()
    submit()
    more = queue_memory() - before
    equal(letters(), LETTERS, "letters in the queue")
    got, took = listed()
    check(got == EVERY, "the list has %d of %d" % (len(set(got)), LETTERS))
    print("# %d letters: %.1f MiB more, listed in %.2f s" % (LETTERS, more / 2**20, took))
    if not server.SANITIZED:
        check(more < YOUNG + LETTERS * SLIM, "%.1f MiB for %d letters" % (more / 2**20, LETTERS))
    check(took < 5 * SLOW, "the list took %.1f s" % took)


@test("a stop does not wait for the disk, and the next start has every letter", limit=90)
def restart():
    start = time.monotonic()
    equal(S.stop(60), 0, "the stop")
    stopped = time.monotonic() - start
    S.start()
    ready = S.ready_after
    print("# stopped in %.2f s, ready in %.2f s" % (stopped, ready))
    check(stopped < 12 * SLOW, "the stop took %.1f s" % stopped)
    got, _ = listed()
    check(got == EVERY, "the list has %d of %d" % (len(set(got)), LETTERS))
    S.kill_all()
    S.start()
    got, _ = listed()
    check(got == EVERY, "after a kill the list has %d of %d" % (len(set(got)), LETTERS))


@test("one destination's letters are dropped, then all; none comes back", limit=90)
def drop():
    out, took = command("queue", "drop", "--domain", "d7.example.net", "--yes")
    each = LETTERS // 50
    check("%d letters" % each in out, out)
    equal(letters(), LETTERS - each, "letters that are left")
    got, _ = listed("--domain", "d7.example.net")
    equal(got, [], "of that destination")
    out, took = command("queue", "drop", "--all", "--yes")
    print("# %d dropped in %.2f s" % (LETTERS - each, took))
    check("%d letters" % (LETTERS - each) in out, out)
    eventually(lambda: letters() == 0, 10 * SLOW, what="an empty queue")
    check(took < 20 * SLOW, "that took %.1f s" % took)
    S.kill_all()
    S.start()
    equal(letters(), 0, "letters after a kill")


@test("what was decided about a letter is known, though all is killed right after the answer", limit=60)
def explained():
    with Smtp(S.addr, slow=SLOW) as c:
        c.raw_send(b"EHLO client.example.net\r\n")
        c.reply()
        c.raw_send(b"MAIL FROM:<last@client.example.net>\r\nRCPT TO:<one@d1.example.net>\r\n"
                   b"BDAT 17 LAST\r\nSubject: x\r\n\r\nx\r\n")
        replies = [c.reply() for _ in range(3)]
        S.kill_all()
    equal([r.code for r in replies], [250] * 3, "the replies")
    S.start()
    eventually(lambda: "last@client.example.net" in command("trace", replies[-1].queue_id)[0], 10 * SLOW,
               what="the letter's journey")
    S.end()


main()
