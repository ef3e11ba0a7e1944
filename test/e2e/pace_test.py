#!/usr/bin/python3
"""How letters leave for one server: over conversations that are kept, as many at once as it bears, from which address;
and what a relay does that has no descriptors left: row P1."""
import resource
import threading
import time

import certs
import tap
from away import empty, give, queue, world
from server import SLOW, proc_stat
from sink import Sink
from tap import check, equal, eventually, test

USERS = "away@example.org: bob@other.test\nslow@example.org: x@slow.test\n"


def arrived(sink, n, limit=20):
    eventually(lambda: len(sink.letters) >= n, limit * SLOW, what=lambda: "%d letters, not %d" % (n, len(sink.letters)))


@test("B26 a conversation carries one letter after the other; the next one resumes its TLS session", limit=90)
def reused():
    with world(users=USERS) as s, Sink(cert=certs.make(s.dir, "mx")) as sink:
        s.reload(s.text.replace("patience 5", "patience 5\nroute * via smtp://127.0.0.1:%d" % sink.port))
        for n in range(30):
            give(s, "away@example.org")
            arrived(sink, n + 1)
        first = list(sink.sessions)
        check(len(first) <= 5, "%d conversations for 30 letters" % len(first))
        check(max(len(x.letters) for x in first) >= 5, "letters of each: %s" % [len(x.letters) for x in first])
        eventually(lambda: all(x.done for x in first), 30 * SLOW, what="all say QUIT after a while")
        check(all("QUIT" in x.lines for x in first), "some without QUIT")
        give(s, "away@example.org")
        arrived(sink, 31)
        equal([x.resumed for x in sink.sessions[len(first):]], [True], "resumed")


def busy(sink, at_once):
    return lambda n, l: "421 4.7.0 too many connections" if sum(not x.done for x in sink[0].sessions) > at_once else None


@test("a server that bears two conversations: all arrive, nobody is told, others do not wait", limit=120)
def paced():
    box = []
    slow, good = Sink(CONNECT=busy(box, 2), END=lambda n, l: time.sleep(0.05)), Sink()
    box.append(slow)
    with slow, good, world(good, routes=[("slow.test", slow)], users=USERS, retry="1s 2s 4s give-up 1h") as s:
        with s.client() as c:
            c.ehlo()
            for _ in range(60):
                equal(c.deliver("slow@example.org", b"Subject: x\r\n\r\nx\r\n", sender="alice@example.org").code, 250, "DATA")
        for n in range(5):
            begun = time.monotonic()
            give(s, "away@example.org")
            arrived(good, n + 1)
            check(time.monotonic() - begun < 2 * SLOW, "a letter for another waited %.1f s" % (time.monotonic() - begun))
        arrived(slow, 60, 60)
        empty(s)
        refused = sum(not x.letters for x in slow.sessions)
        print("# %d conversations, %d of them refused" % (len(slow.sessions), refused))
        check(refused < 60, "%d refused conversations: we do not learn" % refused)
        equal(s.letters(), [], "reports")


@test("connections come from the address that source names")
def source():
    with Sink() as sink, world(users=USERS) as s:
        s.reload(s.text.replace("patience 5", "patience 5\nsource 127.0.0.9\nroute * via smtp://127.0.0.1:%d tls off" % sink.port))
        give(s, "away@example.org")
        arrived(sink, 1)
        equal({x.peer for x in sink.sessions}, {"127.0.0.9"}, "from")


@test("P1 no descriptors left in relay: the letter waits, CPU stays low, and it leaves when there are some", limit=90)
def descriptors():
    with Sink() as sink, world(sink, users=USERS, retry="1s 1s give-up 1h") as s:
        give(s, "away@example.org")
        arrived(sink, 1)
        pids = s.roles()["relay"]
        was = {p: resource.prlimit(p, resource.RLIMIT_NOFILE) for p in pids}
        eventually(lambda: all(x.done for x in sink.sessions), 30 * SLOW, what="the kept conversation ends")
        for p in pids:
            resource.prlimit(p, resource.RLIMIT_NOFILE, (3, was[p][1]))
        ticks = sum(proc_stat(p)[2] for p in pids)
        given = [give(s, "away@example.org")[1] for _ in range(3)]
        eventually(lambda: len([r for l in queue(s) for r in l["recipients"] if r["tries"]]) == 3, 20 * SLOW, what=lambda: queue(s))
        check(all("descriptors" in r["why"] or "open files" in r["why"] or "socket" in r["why"] for l in queue(s) for r in l["recipients"]), queue(s))
        time.sleep(2)
        spent = sum(proc_stat(p)[2] for p in pids) - ticks
        check(spent < 50 * SLOW, "%d ticks of CPU" % spent)
        equal(len(sink.letters), 1, "letters meanwhile")
        for p in pids:
            resource.prlimit(p, resource.RLIMIT_NOFILE, was[p])
        arrived(sink, 1 + len(given), 90)
        empty(s)
        equal(s.roles()["relay"], pids, "the same processes")


tap.main()
