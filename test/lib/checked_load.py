"""What the checks on strangers cost: CPU of a whole server for letters of 4 KiB that are signed, with all checks on and with
none, in a small internet whose answers are warm."""
import threading
import time

import dkim_maker
import internet
import letters
import server
from measure import Meter

CLIENT, SESSIONS = "127.6.0.1", 10
ON = """
    check rdns           fail reject temporary defer
    check helo           fail score 1
    check helo-self      fail reject
    check sender-domain  fail reject temporary defer
    check dnsbl bl.test  hit reject
    check dnswl wl.test  hit score -1
    check spf   fail score 3 softfail score 1 permerror score 1
    check dkim  fail score 0.5
    check arc   fail score 0.5
    junk at 5
    reject at 12
    replay-limit off
"""
OFF = "check from fail off\nreplay-limit off\n"
POINTS = """@ TXT list
2.0.0.127 A 127.0.0.2
2.0.0.0.0.0.f.7.f.f.f.f%s A 127.0.0.2
""" % (".0" * 20)


def world():
    net = internet.Internet()
    key = dkim_maker.Key(net.dir)
    net.zone("good.test", "\n".join((
        "@ MX 10 mail", '@ TXT "v=spf1 mx -all"', 'mail TXT "v=spf1 a -all"', '_dmarc TXT "v=DMARC1; p=reject"',
        "k1._domainkey TXT " + key.record)))
    net.add_host("mail.good.test", CLIENT)
    for name in ("bl.test", "wl.test"):
        net.zone(name, POINTS, dnssec="insecure")
    return net.start(), key


def letter(key):
    text = letters.letter(size=3500).replace(b"sender@client.example.net", b"ann@good.test")
    return key.sign(text, "good.test")


def send(s, text, n):
    """n letters in each session."""
    failed = []

    def run():
        try:
            with s.client(source=CLIENT, timeout=120) as c:
                c.cmd("EHLO mail.good.test")
                for _ in range(n):
                    r = c.deliver(["alice@example.org"], text, sender="ann@good.test")
                    if r.code != 250:
                        failed.append(repr(r))
                        return
        except OSError as e:
            failed.append(str(e))
    threads = [threading.Thread(target=run) for _ in range(SESSIONS)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    if failed:
        raise SystemExit("a letter was not taken: " + failed[0])


def one(dns, text, inbound, n):
    meter = Meter("checked")
    try:
        s = server.Server(dns, inbound=inbound)
        meter.pids = lambda: [s.pid] + server.children_of(s.pid)
        s.start(preexec_fn=meter.enter)
        try:
            send(s, text, 20)                # warm
            time.sleep(0.5)
            had, before = len(s.paths()), meter.usage()
            send(s, text, n // SESSIONS)
            end = time.monotonic() + 60
            while len(s.paths()) < had + n // SESSIONS * SESSIONS and time.monotonic() < end:
                time.sleep(0.05)
            return 1000 * (meter.usage() - before) / (n // SESSIONS * SESSIONS)
        finally:
            s.end()
    finally:
        meter.end()


def cost(n, rounds):
    """Milliseconds of CPU for a letter: [(with, without), ...]"""
    net, key = world()
    try:
        text = letter(key)
        return [(one(net.conf(), text, ON, n), one("dns {\nresolver off\n}\n", text, OFF, n)) for _ in range(rounds)]
    finally:
        net.end()
