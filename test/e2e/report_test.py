#!/usr/bin/python3
"""What a sender is told, read by another's parser (lib/dsn.py); whom nobody tells; letters in circles."""
import os
import re
import time

import certs
import tap
from away import empty, give, world
from dsn import reports
from letters import letter, token
from server import SLOW, Server, free_port
from sink import EHLO, Sink
from tap import check, equal, eventually, test

ALICE = "alice@example.org"
NO_DSN = tuple(e for e in EHLO if e != "DSN")
REFUSE = {"a@": "550 5.1.1 no such user", "b@": "554 no code of its own", "c@": "451 4.2.2 mailbox full",
          "e@": "550 5.7.1 blocked: zen.spamhaus.org", "f@": "550-5.7.25 you have no PTR\r\n550 5.7.25 really"}
USERS = "all@example.org: a@one.test, b@one.test, d@one.test, e@one.test, f@one.test\naway@example.org: bob@other.test\n" \
        "full@example.org: c@one.test\n"


def refuse(_n, line):
    return next((v for k, v in REFUSE.items() if b"<" + k.encode() in line), None)


def report(s, mid, action=None, limit=20):
    """The one report about a letter in which a recipient has this action."""
    def found():
        return [r for r in reports(s) if "The number of your message here is " + mid in r.text and
                (not action or any(x["action"] == action for x in r.rcpts))]
    return eventually(found, limit * SLOW, 0.1, what=lambda: "a report (%s) about %s" % (action, mid))[0]


@test("refused by another server: one report, each recipient with its reply; RET, ENVID, ORCPT; advice", limit=90)
def refused():
    with Sink(RCPT=refuse) as sink, world(sink, users=USERS) as s:
        for params, has_body in (("", True), ("RET=FULL", True), ("RET=HDRS ENVID=x+2B+3D1", False)):
            tok, mid = give(s, "all@example.org", ALICE, params=params, rcpt="ORCPT=rfc822;who+2Bever@there.test")
            r = report(s, mid)
            equal(sorted(x["final-recipient"] for x in r.rcpts), ["rfc822;%s@one.test" % c for c in "abef"], "recipients")
            for who, code in (("a", "5.1.1"), ("b", "5.0.0"), ("e", "5.7.1"), ("f", "5.7.25")):
                x = r.rcpt(who + "@one.test")
                equal((x["action"], x["status"]), ("failed", code), who)
                check(x["diagnostic-code"].startswith("smtp;55") and REFUSE[who + "@"][4:8] in x["diagnostic-code"], x)
                equal(x["remote-mta"], "dns;127.0.0.1", "who said so")
                equal(x["original-recipient"], "rfc822;who+ever@there.test", "ORCPT, decoded")
            equal(r.message["reporting-mta"], "dns;mail.example.org")
            equal(r.message.get("original-envelope-id"), "x+=1" if params.startswith("RET=HDRS") else None, "ENVID, decoded")
            equal(r.has_body, has_body, "the letter itself, with " + params)
            equal(str(r.original["Message-ID"]), "<%s@client.example.net>" % tok, "which letter it was")
            check(has_body == ("Good day." in r.original.as_string()), "its body")
            for words in ("block list", "a PTR record", "without TLS"):
                check(words in r.text, "%r is not said in %r" % (words, r.text))
        empty(s)


@test("large, 8 bit and odd originals: the report stays a letter that all can read", limit=90)
def originals():
    with Sink(RCPT=refuse) as sink, world(sink, users=USERS, inbound="max-size 5M") as s:
        odd = b"Subject: =?utf-8?q?x?=\r\nX-Long: " + b"y" * 900 + b"\r\nMessage-ID: <%s@x>\r\n\r\n"
        for name, body, params, whole in (
                ("8 bit", letter(token(), "Gr\u00fc\u00dfe\r\n".encode()), "BODY=8BITMIME", True), ("no body", odd % b"nobody", "", True),
                ("a boundary of ours inside", letter(token(), b"--=_waxwing\r\n--=_\r\n.\r\n"), "", True),
                ("2 MiB", letter(token(), size=2 << 20), "", False)):
            _, mid = give(s, "all@example.org", ALICE, body=body, params=params)
            r = report(s, mid)
            equal(r.has_body, whole, name)
            check(r.original["Message-ID"], name)


@test("success is told on request: delivered here, relayed to who does not report", limit=60)
def success():
    with Sink(ehlo=NO_DSN) as sink, world(sink, users=USERS) as s:
        _, mid = give(s, "bob@example.org", ALICE, rcpt="NOTIFY=SUCCESS")
        equal(report(s, mid, "delivered").rcpt("bob@example.org")["status"], "2.0.0")
        _, mid = give(s, "away@example.org", ALICE, rcpt="NOTIFY=SUCCESS", params="RET=FULL")
        r = report(s, mid, "relayed")
        check("remote-mta" in r.rcpt("bob@other.test") and not r.has_body, "only a failure brings the letter back")
        empty(s)


@test("M5 D48 no backscatter: NOTIFY=NEVER, the null sender, a report that is refused; the log says who dropped what", limit=60)
def silent():
    def no(_n, line):
        return "550 5.1.1 unknown" if b"TO:" in line else None
    with Sink(RCPT=no) as sink, world(sink, users=USERS) as s:
        for sender, rcpt in ((ALICE, "NOTIFY=NEVER"), ("", ""), ("forged@victim.test", "")):
            give(s, "away@example.org", sender, rcpt=rcpt)
        empty(s)
        # the report to the stranger was offered once, refused, and that is the end
        equal(len([c for c in sink.commands("RCPT") if "forged@victim.test" in c]), 1, "reports to the forged sender")
        s.fence()
        equal(reports(s), [], "reports to us")
        dropped = [l for l in s.log().splitlines() if 'why="550 5.1.1 unknown" text="null sender, NOTIFY, or no way back"' in l]
        equal(len(dropped), 3, "the log says of each letter that nobody is told: %s" % dropped)


@test("how the line was secured stands in the report", limit=60)
def secured():
    s = Server()
    crt = certs.make(s.dir, "mx")
    with Sink(RCPT=refuse, cert=crt) as sink:
        s.write_conf(s.text + "users file users\noutbound {\nroute * via smtp://127.0.0.1:%d\n}\n" % sink.port)
        with open(os.path.join(s.dir, "users"), "w") as f:
            f.write(USERS)
        with s:
            _, mid = give(s, "all@example.org", ALICE)
            r = report(s, mid)
            check(re.search(r"TLSv1\.3[^:]*not verified", r.text), r.text)
            check(re.search(r'tls="TLSv1\.3', s.log()), "the log")


def two(conf_a="", conf_b=""):
    """Two servers, each sends the other's domain to the other."""
    ports = free_port(), free_port()
    made = []
    for mine, other, me, you, conf in ((0, 1, "a.test", "b.test", conf_a), (1, 0, "b.test", "a.test", conf_b)):
        s = Server("users file users\n%soutbound {\nretry 1s give-up 1h\nroute %s via smtp://127.0.0.1:%d tls off\n}\n" % (conf, you, ports[other]),
                   listen=["smtp 127.0.0.1:%d" % ports[mine]], domain=me, users=("alice",))
        s.port, s.addr = ports[mine], ("127.0.0.1", ports[mine])
        s.write_conf(s.text.replace("hostname mail.example.org", "hostname mail." + me))
        with open(s.dir + "/users", "w") as f:
            f.write("loop@%s: loop@%s\n" % (me, you))
        made.append(s)
    return made


@test("M4 two servers that forward to each other: it ends, and the sender is told once", limit=120)
def circle():
    a, b = two()
    with a, b:
        tok = token()
        with a.client() as c:
            c.ehlo()
            r = c.deliver("loop@a.test", letter(tok), sender="alice@a.test")
            equal(r.code, 250, "DATA")
        eventually(lambda: a.letters(), 60 * SLOW, 0.2, what=lambda: "a report:\n" + a.log()[-1500:])
        for s in (a, b):
            eventually(lambda: s.command("queue", "list")[1] == "", 30 * SLOW, 0.2, what=lambda: s.command("queue", "list")[1])
        told = reports(a)
        equal((len(a.letters()), len(told), len(b.letters())), (1, 1, 0), "letters for both alices")
        equal([x["status"] for x in told[0].rcpts], ["5.4.6"], "why")
        check(10 <= len(told[0].original.get_all("Received")) <= 60, "%d hops" % len(told[0].original.get_all("Received")))


tap.main()
