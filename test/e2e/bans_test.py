#!/usr/bin/python3
"""Clients that misbehave again and again are banned for growing times: for what, for how long, who
never, and what is said about it.  Row C10 and P11.  The clock is moved by hand in build/hooks."""
import json
import re
from datetime import datetime

from logins import USERS, LoginServer, alice, logged_in, needs_net          # first: it starts us again

import tap
from server import SLOW
from smtp import Smtp
from tap import cases, check, equal, eventually, main, test

BAD, OTHER = "198.51.100.2", "198.51.100.3"
RULES = "errors 6 per 10m\nunknown-recipients 6 per 1h\n"


def connect(s, source, to="192.0.2.1"):
    return Smtp((to, s.ports["smtp"]), source=source, slow=SLOW)


def is_banned(s, source, to="192.0.2.1"):
    with connect(s, source, to) as c:
        check(c.banner.code in (220, 421), c.banner)
        return c.banner.code == 421 and "banned" in c.banner.text


def babble(s, source, times=3, to="192.0.2.1"):
    """A session with so many commands that nobody understands."""
    with connect(s, source, to) as c:
        equal(c.banner.code, 220, "greeting of %s" % source)
        for _ in range(times):
            equal(c.cmd("WHAT is this").code, 500, "an unknown command")
        c.cmd("QUIT")


def strangers(s, source, times=3, letter=False):
    """A session that asks for people who are not here."""
    with connect(s, source) as c:
        equal(c.banner.code, 220, "greeting of %s" % source)
        c.ehlo()
        c.mail("x@example.net")
        for i in range(times):
            equal(c.rcpt("nobody-%d@example.org" % i).code, 550, "RCPT")
        if letter:
            c.rcpt("alice@example.org")
            equal(c.data(b"From: x@example.net\r\nSubject: x\r\n\r\nx\r\n").code, 250, "DATA")
        c.cmd("QUIT")


def bans(s):
    code, out, err = s.command("--json", "ban", "list")
    equal(code, 0, err)
    return {b["what"]: b for b in json.loads(out)}


def banned_soon(s, what):
    return eventually(lambda: bans(s).get(what), 10 * SLOW, 0.1, "the ban of %s; %s" % (what, bans(s)))


@cases([("wrong commands", babble, r"[67] wrong commands within 1 minute"),
        ("unknown recipients", strangers, r"6 unknown recipients within 1 minute")],
       name="C10 {0} ban a client before the greeting, not its neighbour; it is kept, and told once", limit=120)
def conduct(do, reason):
    needs_net()
    with LoginServer(ban=RULES, passwords=False) as s:
        do(s, BAD)
        check(not is_banned(s, BAD), "after half of it")
        do(s, BAD)
        b = banned_soon(s, BAD)
        check(re.fullmatch(reason, b["reason"]) and b["by"] == "server", "%s" % b)
        check(s.log_wait(r'ban client="198\.51\.100\.2" seconds=600 peer="198\.51\.100\.2" why="%s"' % reason), "the log")
        for _ in range(3):
            check(is_banned(s, BAD), "not banned")
        check(not is_banned(s, OTHER), "the neighbour")
        check(s.log_wait(r'refused peer="198\.51\.100\.2" why="your address is banned'), "the refusal")
        equal(s.log().count("your address is banned"), 1, "lines about refusals")
        code, out, _ = s.command("why", BAD)
        check(code == 0 and "is banned for 600 s, after" in out, "why %s" % out)
        s.restart()
        check(is_banned(s, BAD), "after a restart")
        check(bans(s)[BAD]["hits"] >= 4, "hits %s" % bans(s))
        equal(s.command("ban", "remove", BAD)[0], 0, "remove")
        check(not is_banned(s, BAD), "after its end")
        s.restart()
        check(not is_banned(s, BAD) and not bans(s), "after its end and a restart")


@test("C10 an IPv6 client is its /64", limit=90)
def six():
    needs_net()
    with LoginServer(ban=RULES, passwords=False) as s:
        for _ in range(2):
            babble(s, "2001:db8:9::2", to="2001:db8::1")
        banned_soon(s, "2001:db8:9::/64")
        check(is_banned(s, "2001:db8:9::2", to="2001:db8::1"), "not banned")
        check(not is_banned(s, "2001:db8::2", to="2001:db8::1"), "another /64")


@test("C10 never banned: friends, this machine by any of its addresses, a network that logged in, who also brings letters",
      limit=120)
def spared():
    needs_net()
    with LoginServer(ban=RULES, inbound="friends 198.51.100.4") as s:
        with s.far("198.51.100.7") as c:
            logged_in(c.login(alice(s), USERS["alice"]))
        for source, to in (("198.51.100.4", "192.0.2.1"), ("192.0.2.1", "192.0.2.1"), ("127.0.0.1", "127.0.0.1"),
                           (OTHER, "192.0.2.1")):
            for _ in range(4):
                babble(s, source, to=to)
            check(not is_banned(s, source, to), source)
        for _ in range(4):
            strangers(s, "192.0.2.9", letter=True)
        check(not is_banned(s, "192.0.2.9"), "who brings letters")
        equal(bans(s), {}, "bans")


@test("C10 the times of bans grow, and begin again after a quiet time", limit=200)
def growing():
    needs_net()
    with LoginServer(ban=RULES + "times 10m 1h 6h 1d 7d\nforget 30d\n", passwords=False) as s:
        if s.command("test", "clock")[0]:
            tap.skip("this build has no clock by hand")

        def ban():
            for _ in range(2):
                babble(s, BAD)
            b = banned_soon(s, BAD)
            check(is_banned(s, BAD), "not banned")
            return b

        for n, (seconds, move) in enumerate(((600, "+11m"), (3600, "+61m"), (21600, "+361m"), (86400, "+25h"),
                                             (604800, "+8d"), (604800, "+38d"), (600, "+11m"))):
            b = ban()
            length = datetime.fromisoformat(b["expires"]) - datetime.fromisoformat(b["added"])
            equal(length.total_seconds(), seconds, "ban %d: %s" % (n, b))
            if 0 < n < 6:
                check(b["reason"].endswith("banned %d time%s before" % (n, "s" if n > 1 else "")), b["reason"])
            equal(s.command("test", "clock", move)[0], 0, "clock")
            check(not is_banned(s, BAD), "after %s" % move)
        # ended by a person: it was a mistake
        ban()
        equal(s.command("ban", "remove", BAD)[0], 0, "remove")
        check(not ban()["reason"].endswith("before"), "it counts as the first")


main()
