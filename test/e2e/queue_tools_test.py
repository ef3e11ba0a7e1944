#!/usr/bin/python3
"""The queue by hand: which letters are meant, asking before what cannot be undone, JSON of every command, the journey
of a letter, another server's dialogue step by step."""
import json
import os
import pty
import re
import select
import subprocess
import time

import certs
import tap
from away import empty, give, queue, world
from server import SLOW, free_port
from sink import CLOSE, Sink
from tap import cases, check, equal, eventually, test

USERS = "away@example.org: bob@other.test\nmany@example.org: a@one.test, c@two.test\n"
STARTED, IDS = [], {}


def later(_n, line):
    return "450 4.2.0 later"


def office():
    """Four letters wait: OLD and BOB to other.test by alice and bob, MANY by a stranger, NONE by the null sender."""
    if not STARTED:
        sink = Sink(RCPT=later).__enter__()
        s = world(sink, users=USERS, retry="1h give-up 4d")
        tap.AT_END.append(lambda: (s.end(), sink.__exit__()))
        s.start()
        for name, to, sender in (("OLD", "away", "alice@example.org"), ("BOB", "away", "bob@example.org"),
                                 ("MANY", "many", "s@sender.test"), ("NONE", "many", "")):
            IDS[name] = give(s, to + "@example.org", sender)[1]
            if name == "OLD":
                time.sleep(2.1)
        eventually(lambda: all(r["tries"] for l in queue(s) for r in l["recipients"]), 10 * SLOW, what="a try of each")
        STARTED.append(s)
    return STARTED[0]


def listed(s, *which):
    code, out, err = s.command("--json", "queue", "list", *which)
    equal((code, err), (0, ""), "queue list %s" % (which,))
    return sorted(next(n for n, i in IDS.items() if i == l["id"]) for l in json.loads(out))


ALL = ["BOB", "MANY", "NONE", "OLD"]


@cases([(" ".join(w), w, want) for w, want in (
    ((), ALL), (("--from", "alice@example.org"), ["OLD"]), (("--from", "ALICE@example.org"), ["OLD"]), (("--from", "@example.org"), ["BOB", "OLD"]),
    (("--from", "<>"), ["NONE"]), (("--from", "s@sender.test"), ["MANY"]), (("--from", "nobody@x.test"), []),
    (("--to", "away@example.org"), ["BOB", "OLD"]), (("--to", "bob@other.test"), ["BOB", "OLD"]), (("--to", "@two.test"), ["MANY", "NONE"]),
    (("--domain", "one.test"), ["MANY", "NONE"]), (("--domain", "example.org"), ALL), (("--domain", "ne.test"), []),
    (("--older", "2s"), ["OLD"]), (("--newer", "1h"), ALL), (("--newer", "1h", "--older", "2s"), ["OLD"]), (("--older", "1d"), []),
    (("--from", "@example.org", "--newer", "2s"), []), (("--held",), []), (("OLD",), ["OLD"]), (("OLD", "MANY"), ["MANY", "OLD"]),
    (("OLD", "--from", "bob@example.org"), []))], "selection: queue list {0}")
def selection(which, want):
    s = office()
    if "2s" in which and "--newer" in which:
        time.sleep(2.1)
    if "--older" in which and "2s" in which:
        # by now all may be older than two seconds: what is meant is the age of the youngest but one
        age = min(l["age"] for l in queue(s) if l["id"] == IDS["OLD"])
        others = max(l["age"] for l in queue(s) if l["id"] != IDS["OLD"])
        which = tuple("%ds" % max(others + 1, 1) if w == "2s" else w for w in which)
        check(age > others, "ages")
    equal(listed(s, *(IDS.get(w, w) for w in which)), want, "queue list %s" % (which,))


@cases([(" ".join(w), w) for w in (("--older",), ("--older", "2"), ("--older", "2x"), ("--older", "99999999d"), ("--from",), ("--nonsense", "x"),
                                   ("--from", ""), ("not-an-id!",))], "wrong words: queue list {0}")
def wrong(words):
    code, out, err = office().command("queue", "list", *words)
    equal((code, out), (2, ""), "queue list %s" % (words,))
    check("--older" in err, "what there is: %r" % err)


@test("an id's last letters are enough, and must mean one letter")
def endings():
    s = office()
    for name, i in IDS.items():
        for n in range(3, len(i) + 1):
            if sum(x.endswith(i[-n:]) for x in IDS.values()) == 1:
                equal(listed(s, i[-n:]), [name], i[-n:])
    equal(s.command("queue", "show", "zzzzzzzzzzzzz")[0] in (1, 2), True, "an id of nobody's")


def ask(s, answer, *words):
    """The command at a terminal, where a person answers; (code, what it shows)."""
    pid, fd = pty.fork()
    if pid == 0:
        os.execv(s.binary, ["waxwing", "-c", s.conf] + list(words))
    out, end, answered = b"", time.monotonic() + 20 * SLOW, False
    while time.monotonic() < end:
        if select.select([fd], [], [], 0.2)[0]:
            try:
                got = os.read(fd, 4096)
            except OSError:
                break
            if not got:
                break
            out += got
        if b"[y/N]" in out and not answered:
            os.write(fd, answer)
            answered = True
    _, status = os.waitpid(pid, 0)
    os.close(fd)
    return os.waitstatus_to_exitcode(status), out.decode()


@cases([(v, [v] + more) for v, more in (("drop", []), ("bounce", []), ("redirect", ["carol@example.org"]))],
       "queue {0}: says how much it is and asks; anything but y leaves all as it is")
def asks(words):
    s = office()
    for answer in (b"n\n", b"\n", b"maybe\n"):
        code, out = ask(s, answer, "queue", *words, "--from", "@example.org")
        check(code != 0 and "2 letters, 2 recipients" in out and words[0] in out, (code, out))
    code, out, err = s.command("queue", *words, "--from", "@example.org")
    check(code == 2 and "2 letters" in out and "--yes" in err, (code, out, err))
    equal(listed(s), ALL, "still there")


@test("the same, answered with y; and JSON of every deed")
def deeds():
    with Sink(RCPT=later) as sink, world(sink, users=USERS, retry="1h give-up 4d") as s:
        ids = [give(s, "away@example.org", "alice@example.org")[1] for _ in range(5)]
        eventually(lambda: all(r["tries"] for l in queue(s) for r in l["recipients"]), 10 * SLOW, what="a try of each")
        for verb in ("hold", "release", "retry"):
            code, out, _ = s.command("--json", "queue", verb, "--all")
            r = json.loads(out)
            check(code in (0, 5) and r["ok"] and r["letters"] + r["in_hand"] >= 5, (verb, code, out))
            eventually(lambda: all(r["state"] == ("held" if verb == "hold" else "waiting") for l in queue(s) for r in l["recipients"]),
                       10 * SLOW, what=lambda: queue(s))
        one = json.loads(s.command("--json", "queue", "show", ids[0])[1])
        equal((one[0]["id"], one[0]["from"], one[0]["held"]), (ids[0], "alice@example.org", False), "queue show")
        r = one[0]["recipients"][0]
        check(set(r) >= {"address", "target", "state", "tries", "next", "why"} and "4.2.0" in r["why"], r)
        stats = json.loads(s.command("--json", "queue", "stats")[1])
        equal((stats["letters"], stats["held"]), (5, 0), "queue stats")
        check(stats["destinations"] and stats["destinations"][0]["waiting"] == 5, stats)
        code, out = ask(s, b"y\n", "queue", "drop", ids[0])
        check(code == 0 and "dropped" in out, (code, out))
        r = json.loads(s.command("--json", "queue", "bounce", ids[1], "--yes")[1])
        equal((r["ok"], r["letters"], r["recipients"]), (True, 1, 1), "bounce")
        eventually(lambda: len(s.letters()) == 1, 10 * SLOW, what="a report")
        check("dropped" in s.command("trace", ids[0])[1], "the trace says that it was dropped")
        check(re.search(r'(?m)^.*msg=%s.*drop.*$|^.*drop.*msg=%s.*by=' % (ids[0], ids[0]), s.log()), "the log says who dropped it")
        trace = json.loads(s.command("--json", "trace", ids[1])[1])
        times = [t["when"] for t in trace]
        equal(times, sorted(times), "in order of time")
        everything = s.command("trace", "alice@example.org")[1]
        for i in ids:
            check(i in everything, "trace of an address has %s" % i)
        equal(s.command("trace", "nobody@nowhere.test")[0], 1, "trace of nobody")
        s.command("queue", "drop", "--all", "--yes")
        empty(s)


# Another server, step by step

def smtp(s, *args):
    code, out, err = s.command("test", "smtp", *args)
    return code, out + err


@test("test smtp HOST: the dialogue, TLS, the certificate, whether it is believed; nothing of it is a letter")
def dialogue():
    s = office()
    crt = certs.make(s.dir, "shown", cn="shown.test")
    with Sink(cert=crt, auth="PLAIN") as x:
        code, out = smtp(s, "127.0.0.1", "--port", str(x.port))
        equal(code, 0, out)
        for words in ("connect", "220 mx.other.test", "EHLO mail.example.org", "STARTTLS", "TLSv1.3", "shown", "not verified", "QUIT"):
            check(words in out, "%r is not in\n%s" % (words, out))
        code, out = smtp(s, "127.0.0.1", "--port", str(x.port), "--tls", "verify")
        check(code == 1 and re.search(r"(?m)^! ", out) and "QUIT" not in [l for l in x.sessions[1].lines], out)
        code, out = smtp(s, "127.0.0.1", "--port", str(x.port), "--tls", "off")
        check(code == 0 and "TLSv1" not in out, out)
        r = json.loads(s.command("--json", "test", "smtp", "127.0.0.1", "--port", str(x.port))[1])
        check(r["ok"] and {"what", "good", "text"} <= set(r["steps"][0]), r)
        eventually(lambda: all(y.done for y in x.sessions), 10 * SLOW, what="all have ended")
        check(not x.commands("MAIL") and not x.commands("AUTH"), "a letter or a password was offered")
    with Sink(cert=crt, wrapped=True) as x:
        code, out = smtp(s, "127.0.0.1", "--port", str(x.port), "--tls", "wrapped")
        check(code == 0 and "TLSv1.3" in out, out)


@cases([("refuses", {"CONNECT": "554 no"}), ("closes", {"CONNECT": CLOSE}), ("talks nonsense", {"CONNECT": b"HTTP/1.1 400 no\r\n"}),
        ("says \\x1b[2J", {"CONNECT": b"220 \x1b[2J\x07\xe2\x80\xae\r\n"}, True), ("says no to EHLO and HELO", {"EHLO": "502 no", "HELO": "502 no"})],
       "test smtp with a server that {0}")
def odd(steps, is_fine=False):
    s = office()
    with Sink(**steps) as x:
        code, out = smtp(s, "127.0.0.1", "--port", str(x.port))
        equal(code, 0 if is_fine else 1, out)
        check(not re.search(r"[\x00-\x09\x0b-\x1f\x7f\u202e]", out), repr(out))


@test("N1 test smtp with a certificate whose names are controls and bidi: none of it reaches the terminal")
def odd_certificate():
    s = office()
    with Sink(cert=certs.make(s.dir, "odd", cn="a\x1b]0;x\x07b\u202ec")) as x:
        code, out = smtp(s, "127.0.0.1", "--port", str(x.port))
        check(code == 0 and "certificate" in out, out)
        check(not re.search(r"[\x00-\x09\x0b-\x1f\x7f\u202e]", out), repr(out))
    check(not re.search(r"[\x00-\x09\x0b-\x1f\x7f\u202e]", s.log()), "the log")


@test("test smtp where nobody listens, and with wrong words")
def nobody():
    s = office()
    code, out = smtp(s, "127.0.0.1", "--port", str(free_port()))
    check(code == 1 and "refused" in out.lower(), out)
    for words in (("127.0.0.1", "--port", "0"), ("127.0.0.1", "--port", "65536"), ("127.0.0.1", "--tls", "maybe"), ("127.0.0.1", "--port")):
        equal(smtp(s, *words)[0], 2, words)


@test("test address remote@x: by which route, to which server")
def routed():
    s = office()
    code, out, err = s.command("test", "address", "away@example.org")
    check(code == 0 and "bob@other.test" in out, out + err)
    code, out, err = s.command("test", "address", "someone@elsewhere.test")
    check("127.0.0.1" in out and "route" in out, out + err)
    r = json.loads(s.command("--json", "test", "address", "someone@elsewhere.test")[1].splitlines()[-1])
    check(r["ok"] and r["address"] == "someone@elsewhere.test" and r["steps"], r)


tap.main()
