#!/usr/bin/python3
"""A letter that waits for what the DNS does not say: put off for a day, then let in (build/hooks, where the clock is moved
by hand).  The resolver answers SERVFAIL to everything."""
import re
import socket
import threading

import dns_wire as w
import tap
from letters import letter, token
from server import HOST, Server, free_port
from tap import check, equal, test


class Resolver:
    def __init__(self):
        self.port = free_port()
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", self.port))
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            packet, who = self.socket.recvfrom(4096)
            self.socket.sendto(w.Query(packet).reply(rcode=2, flags=0x8180), who)

    def conf(self):
        return "dns {\nresolver forward 127.0.0.1:%d\n}\n" % self.port


def send(s, domain, sender, source="127.0.0.2"):
    tok = token()
    text = letter(tok).replace(b"sender@client.example.net", b"ann@" + domain.encode())
    with s.client(source=source, timeout=60) as c:
        c.ehlo("client.other.test")
        return tok, c.deliver(["alice@example.org"], text, sender=sender)


def clock(s, move):
    equal(s.command("test", "clock", move)[0], 0, "test clock " + move)


def results(s, tok):
    raw = s.wait(tok).raw.decode()
    return re.sub(r"\s+", " ", raw[raw.index("Authentication-Results: " + HOST):raw.index("Received-SPF")])


@test("K6 what cannot be asked puts one sender and client off for a day and no longer", limit=120)
def a_day():
    dns = Resolver()
    with Server(dns.conf()) as s:
        if s.command("test", "clock")[0]:
            tap.skip("this build has no clock by hand")
        tok, r = send(s, "broken.test", "ann@other.test")
        equal((r.code, r.enhanced), (451, "4.4.3"), repr(r))
        s.log_wait(r'refused .*check dmarc: broken\.test: the DNS says nothing useful about _dmarc\.broken\.test')
        clock(s, "+20h")
        equal(send(s, "broken.test", "ann@other.test")[1].code, 451, "after 20 hours")
        clock(s, "+3h")
        equal(send(s, "broken.test", "ann@third.test")[1].code, 451, "another sender, for the first time")
        clock(s, "+2h")
        tok, r = send(s, "broken.test", "ann@other.test", "127.0.0.77")
        equal(r.code, 250, "after 25 hours, from the same network: " + repr(r))
        check("dmarc=temperror" in results(s, tok), results(s, tok))
        equal(send(s, "broken.test", "ann@third.test")[1].code, 451, "the other sender, after 2 hours")
        equal(send(s, "broken.test", "ann@other.test", "127.0.9.2")[1].code, 451, "a client of another network")
        clock(s, "+2d")
        equal(send(s, "broken.test", "ann@other.test")[1].code, 250, "it never stopped")
        clock(s, "+4d")
        equal(send(s, "broken.test", "ann@other.test")[1].code, 451, "forgotten after three days of rest")


tap.main()
