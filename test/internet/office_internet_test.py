#!/usr/bin/python3
"""A server in an office: its people are here, everybody else of the domain is at the main server (`others via`).
With uplink and DNS cut the people here have mail, and what waited for others goes when they are back."""
import json
import os
import re
import time

import tap
from letters import letter, token
from server import SLOW
from submission import SubmissionServer
from tap import check, equal, eventually, test
from world import World, once

DOMAIN, MAIN, HERE = "office.test", "127.7.0.1", "127.7.0.2"
UPLINK = (MAIN + "/32", "127.7.0.3/32", "127.1.0.0/24")
NAMES = ("root", "tld", "hosts", "resolver")


class Office(World):
    def __init__(self):
        super().__init__()
        self.domain(DOMAIN, MAIN, host="mail." + DOMAIN)
        self.domain("lan.test", HERE, host="gate.lan.test")
        self.domain("other.test", "127.7.0.3")
        self.start()
        self.main = self.waxwing(DOMAIN, SubmissionServer, "listen smtp %s:25\nlisten submission %s:465 tls\nuser gate@%s {\n"
                                 "    kind relay\n    may-send-as *@%s\n}\n" % (MAIN, MAIN, DOMAIN, DOMAIN), users=("carol",),
                                 passwords={"gate": "gate secret", "carol": "carol-pw"}).start()
        self.other = self.waxwing("other.test", SubmissionServer, "listen smtp 127.7.0.3:25\n", users=("dave",),
                                  passwords={}).start()
        self.here = self.office()

    def office(self):
        secret = self.folder + "/secret"
        with open(secret, "w") as f:
            f.write("gate secret\n")
        os.chmod(secret, 0o600)
        s = self.waxwing(DOMAIN, SubmissionServer, "domain %s {\n    others via smtps://mail.%s user gate@%s secret:%s\n}\n"
                         % (DOMAIN, DOMAIN, DOMAIN, secret), outbound="retry 2s give-up 4d\npatience 5\n", at="lan.test",
                         users=("alice", "bob"), passwords={"alice": "alice-pw", "bob": "bob-pw"}, default_domain=False)
        return s.start()


world = once(Office)


def send(s, user, *to):
    """(token, id, how long it took)"""
    tok, start = token(), time.monotonic()
    with s.submission(user, password=user + "-pw") as c:
        equal(c.mail(s.address(user)).code, 250, "MAIL")
        for one in to:
            equal(c.rcpt(one).code, 250, "RCPT " + one)
        r = c.data(letter(tok).replace(b"sender@client.example.net", s.address(user).encode()))
        equal(r.code, 250, "DATA: %r" % r)
    return tok, r.queue_id, time.monotonic() - start


def waiting(s):
    """{recipient: why}"""
    code, out, err = s.command("--json", "queue", "list")
    equal((code, err), (0, ""), "queue list")
    return {r["address"]: r["why"] for one in json.loads(out) for r in one["recipients"]}


def only_here(w, tok, user):
    w.here.wait(tok, user, limit=20)
    equal(w.main.anywhere(tok), [], "at the main server")


@test("people of the office get their letters here, the others of the domain theirs at the main server", limit=120)
def both():
    w = world()
    tok, msg, _ = send(w.here, "alice", "bob@office.test", "carol@office.test", "dave@other.test")
    w.here.wait(tok, "bob")
    got = w.main.wait(tok, "carol", limit=30)
    equal(got.first("return-path"), "<alice@office.test>", "the envelope")
    w.other.wait(tok, "dave", limit=30, domain="other.test")
    line = eventually(lambda: re.search(r' relay msg=%s .*127\.7\.0\.1:465 .*' % msg, w.here.log()), 20 * SLOW,
                      what="the relay's line").group(0)
    check(re.search(r'tls="TLSv1.3 .*, verified.*" sent=1', line), line)
    equal(w.main.find(tok, "bob"), [], "letters of bob at the main server")


@test("whom neither knows: the sender is told what the main server said", limit=120)
def unknown():
    w = world()
    _, msg, _ = send(w.here, "alice", "nobody@office.test")
    report = w.here.wait("The number of your message here is " + msg, "alice", limit=30).raw
    check(b"550 5.1.1" in report and b"mail.office.test" in report, report[:2000])


@test("with uplink and DNS cut the people here have mail, over a restart, and afterwards goes what waited", limit=240)
def alone():
    w = world()
    s = w.here
    told = len(s.find("The number of your message", "alice"))
    with w.cut(*UPLINK):
        for name in NAMES:
            w.net.stop_server(name)
        toks = []
        for turn in range(2):
            tok, _, took = send(s, "alice", "bob@office.test", "carol@office.test", "erin%d@other.test" % turn, "dave@other.test")
            check(took < 5 * SLOW, "sending took %.1f s" % took)
            only_here(w, tok, "bob")
            toks.append(tok)
            with s.imap("bob", "bob-pw") as c:
                equal(c.cmd(b"SELECT INBOX").status, "OK", "IMAP")
            # an uplink that is gone, and after the restart a resolver that knows nothing any more: both are for later
            for who in "carol@office.test", "erin%d@other.test" % turn:
                eventually(lambda: re.match(r"451 4\.4\.[134] ", waiting(s).get(who, "")), 60 * SLOW, 0.2,
                           what=lambda: "a reason for %s: %s\n%s" % (who, waiting(s), s.log()[-1500:]))
            if turn == 0:
                s.restart()
                check(s.ready_after < 10 * SLOW, "ready after %.1f s" % s.ready_after)
        tok, _, _ = send(s, "bob", "alice@office.test")
        only_here(w, tok, "alice")
        equal(len(s.find("The number of your message", "alice")), told, "reports of failures")
    for name in NAMES[:3]:
        w.net.start_zones_of(name)
    for tok in toks:
        w.main.wait(tok, "carol", limit=90)
        w.other.wait(tok, "dave", limit=90, domain="other.test")
    eventually(lambda: not waiting(s), 60 * SLOW, 0.2, what=lambda: "nothing waits: %s" % waiting(s))
    for tok in toks:
        equal(len(w.main.find(tok, "carol")), 1, "copies for carol")
        equal(len(w.other.find(tok, "dave", "other.test")), 1, "copies for dave")
    report = [l for l in s.letters("alice") if b"erin1@other.test" in l.raw and b"The number of your message" in l.raw]
    equal(len(report), 1, "reports about whom nobody knows")


tap.main()
