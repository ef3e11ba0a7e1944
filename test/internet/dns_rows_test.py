#!/usr/bin/python3
"""Rows L3, L5, L6, L7 in full: every way to fail for every type, and what else name servers can send that costs or
confuses.  Each kind of failure has a zone and a server of its own, for who is silent is asked no more."""
import json
import os
import re
import struct
import subprocess
import time

import dns_wire as w
import internet
import tap
from server import SLOW, Server, proc_stat
from tap import cases, check, equal, eventually, test

OWN = b"\xc0\x0c"
TYPES = ("A", "AAAA", "MX", "TXT", "TLSA")
BUILD = os.path.dirname(os.path.abspath(os.environ.get("WAXWING", os.path.join(internet.peers.TOP, "build/release/waxwing"))))
WORLD = {}


def infra(q):
    """What a resolver asks about the zone itself."""
    zone = ".".join(q.name.lower().split(".")[-2:])
    if q.name.lower() == zone:
        return [q.reply([w.ns(OWN, "ns." + zone)] if q.type == w.TYPES["NS"] else [], [w.soa(zone)])]
    return None


def zone_of(q):
    return ".".join(q.name.lower().split(".")[-2:])


FAIL = {
    # kind: (what comes back to any question about a name below the zone, how it must end)
    "nx": (lambda q, t: [q.reply([], [w.soa(zone_of(q))], rcode=3)], "no such name"),
    "nodata": (lambda q, t: [q.reply([], [w.soa(zone_of(q))])], "none"),
    "servfail": (lambda q, t: [q.reply([], rcode=2)], "temporary"),
    "refused": (lambda q, t: [q.reply([], rcode=5)], "temporary"),
    "notimp": (lambda q, t: [q.reply([], rcode=4)], "temporary"),
    "formerr": (lambda q, t: [q.reply([], rcode=1)], "temporary"),
    "notauth": (lambda q, t: [q.reply([], rcode=9)], "temporary"),
    "timeout": (lambda q, t: [], "temporary"),
    "truncated": (lambda q, t: [q.reply([], flags=0x8600)] if not t else [], "temporary"),
    "tcloop": (lambda q, t: [q.reply([], flags=0x8600)], "temporary"),
    "wrongname": (lambda q, t: [q.reply([], [w.soa(zone_of(q))], rcode=3, question=w.name("x.other.test") + q.question[-4:])], "temporary"),
    "emptywrong": (lambda q, t: [q.reply([], question=w.name("other.test") + q.question[-4:])], "temporary"),
    "lame": (lambda q, t: [q.reply([], [w.ns("test", "ns.test")], flags=0x8000)], "temporary"),
    "noquestion": (lambda q, t: [struct.pack(">6H", q.id, 0x8400, 0, 0, 0, 0)], "temporary"),
}


def failing(kind):
    return lambda q, t: infra(q) or FAIL[kind][0](q, t)


def long_name():
    """256 octets on the wire: one more than a name may have."""
    return b"".join(bytes([63]) + b"a" * 63 for _ in range(3)) + bytes([61]) + b"b" * 61 + b"\1c\0"


ODD = {
    # kind: (answer to A, how it may end)
    "longname": (lambda q, t: [q.reply([w.rr(OWN, "CNAME", long_name())])], ("temporary",)),
    "longlabel": (lambda q, t: [q.reply([w.rr(OWN, "CNAME", b"\x40" + b"a" * 64 + b"\0")])], ("temporary",)),
    "pointers": (lambda q, t: [q.reply([w.rr(OWN, "CNAME", b"\xc0\x0c" * 2)])], ("temporary", "bogus")),
    # lookup shows them as what they are; who needs an address has none, and not for good (relay_internet)
    "shortdata": (lambda q, t: [q.reply([w.rr(OWN, "A", b"\x7f\2")])], ("temporary", "found")),
    "longdata": (lambda q, t: [q.reply([w.rr(OWN, "A", b"\x7f\2\0\x09" * 10)])], ("temporary", "found")),
    "liesize": (lambda q, t: [q.reply([w.rr(OWN, "A", b"\x7f\2\0\x09")])[:-6] + b"\xff\xff\x7f\2\0\x09"], ("temporary",)),
    "class": (lambda q, t: [q.reply([OWN + struct.pack(">HHIH", 1, 3, 60, 4) + b"\x7f\2\0\x09"])], ("temporary", "none")),
    "optanswer": (lambda q, t: [q.reply([b"\0" + struct.pack(">HHIH", 41, 1232, 0, 0), w.a(OWN, "127.2.0.9")])], ("temporary", "found")),
    "optname": (lambda q, t: [q.reply([w.a(OWN, "127.2.0.9")], additional=[w.name("x.test") + struct.pack(">HHIH", 41, 1232, 0, 0)])], ("temporary", "found")),
    "optlies": (lambda q, t: [q.reply([w.a(OWN, "127.2.0.9")], additional=[b"\0" + struct.pack(">HHIH", 41, 1232, 0, 9) + b"\0\3\xff\xff\1"])],
                ("temporary", "found")),
    "options": (lambda q, t: [q.reply([w.a(OWN, "127.2.0.9")], additional=[b"\0" + struct.pack(">HHIH", 41, 65535, 0, 40000) + b"\xff\xf0\0\0" * 10000])]
                if t else [q.reply([], flags=0x8600)], ("temporary", "found")),
    "selfns": (lambda q, t: [q.reply([], [w.ns(q.name, q.name)], flags=0x8000)], ("temporary",)),
    "upward": (lambda q, t: [q.reply([], [w.ns("", "ns.nic")], flags=0x8000)], ("temporary",)),
    "dname": (lambda q, t: [q.reply([w.rr(zone_of(q), 39, w.name("a." * 100 + zone_of(q)))])], ("temporary", "none", "no such name")),
    "cnames": (lambda q, t: [q.reply([w.cname(OWN, "x1." + zone_of(q)), w.cname(OWN, "x2." + zone_of(q)), w.a("x1." + zone_of(q), "127.2.0.9")])],
               ("temporary", "found")),
    "responses": (lambda q, t: [q.reply([w.a(OWN, "127.66.6.6")], id=q.id ^ i) for i in range(1, 60)] + [q.reply([w.a(OWN, "127.2.0.9")])],
                  ("temporary", "found")),
    "ttl": (lambda q, t: [q.reply([w.a(OWN, "127.2.0.9", 0xFFFFFFFF)])], ("temporary", "found")),
}


def chain(q, is_tcp):
    """Each zone's servers lie in the next zone, which nobody has seen yet (iDNS, CVE-2014-8601)."""
    zone = ".".join(q.name.lower().split(".")[-3:])
    if q.type != w.TYPES["A"] or zone.count(".") < 2 or not zone.startswith("z"):
        return [q.reply([], [w.soa("chain.test")])]
    n = int(zone.split(".")[0][1:])
    return [q.reply([], [w.ns(zone, "ns%d.z%d.chain.test" % (i, n + i)) for i in (1, 2)], flags=0x8000)]


LONG_PTR = ".".join(["x" * 63] * 3 + ["y" * 57]) + "."


def world():
    if not WORLD:
        net = internet.Internet()
        net.zone("good.test", "mail A 127.2.0.1")
        at = {}
        for i, kind in enumerate(list(FAIL) + ["odd%d" % j for j in range(len(ODD))] + ["chain"]):
            at[kind] = "127.9.%d.1" % i
            name = kind + ".test"
            net.zone(name, "", dnssec="insecure", at=at[kind])
        hosts = net.zones[internet.REVERSE].hosts
        hosts += ["1.7.7.127.in-addr.arpa. PTR %s" % LONG_PTR, "2.7.7.127.in-addr.arpa. PTR a\\000b\\255\\.c.test.",
                  "3.7.7.127.in-addr.arpa. PTR \\027[2Jx\\013\\010fatal:.forged.test.", "4.7.7.127.in-addr.arpa. PTR one.test.",
                  "4.7.7.127.in-addr.arpa. PTR two.test."]
        WORLD["scripted"] = {k: net.scripted(ip, failing(k) if k in FAIL else chain if k == "chain" else
                                             odd(list(ODD)[int(k[3:])])) for k, ip in at.items()}
        WORLD["net"] = net.start()
        WORLD["server"] = Server(net.conf(), users=()).start()
        tap.AT_END.append(lambda: (WORLD["server"].end(), WORLD["net"].end()))
        WORLD["asked"] = {(t, "x.%s.test" % k): ask(t, "x.%s.test" % k) for k in FAIL for t in TYPES}
        WORLD["asked"].update({("A", odd_name(k)): ask("A", odd_name(k)) for k in ODD})
    return WORLD


def odd(kind):
    def answer(q, is_tcp):
        if q.type != w.TYPES["A"]:
            return infra(q) or [q.reply([], [w.soa(zone_of(q))])]
        if q.name.lower().startswith("fine"):
            return [q.reply([w.a(OWN, "127.2.0.9")])]
        return infra(q) or ODD[kind][0](q, is_tcp)
    return answer


def odd_name(kind):
    return "x.odd%d.test" % list(ODD).index(kind)


def ask(kind, name):
    s = WORLD["server"]
    return subprocess.Popen([s.binary, "-c", s.conf, "--json", "dns", "lookup", kind, name], stdout=subprocess.PIPE, text=True)


def answer(kind, name):
    """All are asked at once, for many wait until the resolver gives up."""
    asked = world()["asked"]
    p = asked[kind, name]
    if not isinstance(p, dict):
        asked[kind, name] = p = json.loads(p.communicate(timeout=60 * SLOW)[0])
    return p


def good():
    r = json.loads(ask("A", "mail.good.test").communicate(timeout=40 * SLOW)[0])
    equal((r["outcome"], r["records"]), ("found", ["127.2.0.1"]), "a good question")


@cases([("L6 %s: %s is %s" % (t, k, FAIL[k][1]), t, k) for k in FAIL for t in TYPES], limit=90)
def fails(kind, how):
    r = answer(kind, "x.%s.test" % how)
    equal((r["outcome"], r["records"], r["secure"]), (FAIL[how][1], [], False), json.dumps(r))
    check(r["outcome"] != "temporary" or r["why"], "why it is")


@cases([("L5 " + k, k) for k in ODD], limit=90)
def odd_answer(kind):
    r = answer("A", odd_name(kind))
    check(r["outcome"] in ODD[kind][1], json.dumps(r))
    check(r["outcome"] != "found" or r["records"] == ["127.2.0.9"] or kind in ("shortdata", "longdata") and r["records"][0].startswith("\\# "),
          json.dumps(r))
    check(r["ttl"] <= 7 * 86400, "kept for %d s" % r["ttl"])
    good()


@test("L3 servers in zones whose servers lie in the next zone, without end: few questions, soon over", limit=90)
def endless():
    at = world()["scripted"]["chain"]
    before, pid = at.total, WORLD["server"].roles()["dns"][0]
    ticks, begun = proc_stat(pid)[2], time.monotonic()
    r = json.loads(ask("A", "www.z1.chain.test").communicate(timeout=60 * SLOW)[0])
    took = time.monotonic() - begun
    print("# %d questions, %.1f s, %d ticks" % (at.total - before, took, proc_stat(pid)[2] - ticks))
    equal(r["outcome"], "temporary", json.dumps(r))
    check(at.total - before <= 100, "%d questions" % (at.total - before))
    check(took <= 20 * SLOW, "%.1f s" % took)
    check(proc_stat(pid)[2] - ticks < 100 * SLOW, "CPU")
    good()


@test("L3 while a thousand questions hang, another is answered at once", limit=120)
def beside():
    s = world()["server"]
    good()
    p = subprocess.Popen([BUILD + "/dns_load", BUILD + "/waxwing", s.conf, "q#.timeout.test", "A", "1000", "1000", "4"],
                         stdout=subprocess.PIPE, text=True)
    time.sleep(1)
    n = 0
    while p.poll() is None and n < 10:
        begun = time.monotonic()
        # not in the cache: it needs a question of its own
        r = json.loads(ask("A", "fine%d.odd0.test" % n).communicate(timeout=40 * SLOW)[0])
        equal((r["outcome"], r["records"]), ("found", ["127.2.0.9"]), json.dumps(r))
        check(time.monotonic() - begun < 2 * SLOW, "it took %.1f s" % (time.monotonic() - begun))
        n += 1
        time.sleep(0.2)
    check(n >= 3, "only %d questions beside" % n)
    r = json.loads(p.communicate(timeout=60 * SLOW)[0])
    equal((r["temporary"], r["faults"]), (1000, 0), "the thousand")


def octets(text):
    """A name as RFC 1035 §5.1 writes it, its escapes undone but that of the dot."""
    return re.sub(r"\\(\d{3})", lambda m: chr(int(m.group(1))) if m.group(1) != "046" else "\\.", text).lower()


@cases([("L7 PTR: " + n, ip, want) for n, ip, want in (
    ("255 octets", "127.7.7.1", [LONG_PTR]), ("NUL and others that are no letters", "127.7.7.2", ["a\0b\xff\\.c.test."]),
    ("an escape and a line break", "127.7.7.3", ["\x1b[2jx\r\nfatal:.forged.test."]), ("two names", "127.7.7.4", ["one.test.", "two.test."]))])
def ptr(ip, want):
    s = world()["server"]
    r = json.loads(ask("PTR", ip).communicate(timeout=40 * SLOW)[0])
    equal((r["outcome"], sorted(map(octets, r["records"]))), ("found", want), json.dumps(r))
    out = s.command("dns", "lookup", "PTR", ip)[1]
    check(all(c == "\n" or " " <= c < "\x7f" for c in out), repr(out))


@test("the same process, and its log is clean")
def alive():
    s = world()["server"]
    eventually(lambda: all(isinstance(p, dict) or p.poll() is not None for p in WORLD["asked"].values()), 60 * SLOW, what="all answers")
    good()
    log = s.log()
    check("died who=dns" not in log and "strange-call" not in s.stderr(), "the role died")
    check(all(c == "\n" or " " <= c for c in log), "controls in the log")


tap.main()
