"""The role dns against the small internet: how each question ends, DNSSEC, hostile servers."""
import base64
import json
import os
import re
import socket
import struct
import subprocess
import time

import dns_wire as w
import internet
import tap
from server import SLOW, Server, proc_stat
from tap import cases, check, equal, eventually, test

BUILD = os.path.dirname(os.path.abspath(os.environ.get("WAXWING", os.path.join(internet.peers.TOP, "build/release/waxwing"))))
NET = None
SERVER = None


def hostile(q, is_tcp):
    """Zones hostile.test and steady.test: the first label says what is wrong with the answer."""
    zone = ".".join(q.name.lower().split(".")[-2:])
    kind = q.name.lower().split(".")[0]
    own = b"\xc0\x0c"
    good = w.a(own, "127.2.0.9")
    if q.type != w.TYPES["A"]:
        return [q.reply([w.ns(own, "ns." + zone)] if q.type == w.TYPES["NS"] and q.name.lower() == zone else [], [w.soa(zone)])]
    if kind.startswith("fine"):
        return [q.reply([good])]
    if kind == "wrongid":
        return [q.reply([good], id=q.id ^ 1)]
    if kind == "wrongname":
        return [q.reply([good], question=w.name("other.hostile.test") + q.question[-4:])]
    if kind == "wrongtype":
        return [q.reply([good], question=q.question[:-4] + b"\0\x0f\0\1")]
    if kind == "truncated":
        return [q.reply([], flags=0x8600)] if not is_tcp else []
    if kind == "bytcp":
        return [q.reply([good])] if is_tcp else [q.reply([], flags=0x8600)]
    if kind == "loop1":
        return [q.reply([w.cname(own, "loop2.hostile.test")])]
    if kind == "loop2":
        return [q.reply([w.cname(own, "loop1.hostile.test")])]
    if kind == "self":
        return [q.reply([w.cname(own, q.name)])]
    if kind.startswith("chain"):
        return [q.reply([w.cname(own, "chain%d.hostile.test" % (int(kind[5:]) + 1))])]
    if kind == "pointer":
        at = 12 + len(q.question)
        return [q.reply([w.rr(struct.pack(">H", 0xC000 | at), "A", b"\x7f\2\0\x09")])]
    if kind == "forward":
        return [q.reply([w.rr(b"\xc0\xff", "A", b"\x7f\2\0\x09")])]
    if kind == "label":
        return [q.reply([w.rr(b"\x7f" + b"a" * 127 + b"\0", "A", b"\x7f\2\0\x09")])]
    if kind == "short":
        return [q.reply([good])[:-3]]
    if kind == "counts":
        return [q.reply([good])[:6] + b"\xff\xff" + q.reply([good])[8:]]
    if kind == "junk":
        return [q.reply([good]) + b"\0" * 500]
    if kind == "empty":
        return [b"", b"x"]
    if kind == "question":
        return [q.reply([good], flags=0x0100)]
    if kind == "twoopt":
        opt = b"\0" + struct.pack(">HHIH", 41, 1232, 0, 0)
        return [q.reply([good], additional=[opt, opt])]
    if kind == "options":
        many = b"\xff\xf0\0\0" * 250
        return [q.reply([good], additional=[b"\0" + struct.pack(">HHIH", 41, 1232, 0, len(many)) + many])]
    if kind == "huge":
        return [q.reply([w.a(own, "127.2.%d.%d" % (i >> 8, i & 255)) for i in range(3900)])] if is_tcp else [q.reply([], flags=0x8600)]
    if kind == "drip":
        return [bytearray(q.reply([good] * 4000))] if is_tcp else [q.reply([], flags=0x8600)]
    if kind == "poison":
        # what nobody asked for, and is not this zone's to say
        return [q.reply([good, w.a("mail.good.test", "127.66.6.6")], [w.ns("good.test", "ns.steady.test")],
                        [w.a("ns.good.test", "127.66.6.6"), w.a("fresh.plain.test", "127.66.6.6")])]
    if kind == "foreign":
        return [q.reply([w.cname(own, "fresh.plain.test"), w.a("fresh.plain.test", "127.66.6.6")])]
    if kind == "refused":
        return [q.reply([], rcode=5)]
    if kind == "notimp":
        return [q.reply([], rcode=4)]
    if kind == "formerr":
        return [q.reply([], rcode=1)]
    if kind == "nodata":
        return [q.reply([], [w.soa(zone)])]
    if kind == "nonsense":
        return [b"\xff" * 200]
    return []


def nxns(q, is_tcp):
    """A referral to very many name servers that are not there (NXNS, CVE-2020-12662; a thousand and a half:
    CVE-2022-3204), or two zones whose servers lie in each other (TsuNAME)."""
    label = q.name.lower()
    if label == "nxns.test" or q.type != w.TYPES["A"]:
        return [q.reply([], [w.soa("nxns.test")])]
    zone = ".".join(label.split(".")[-3:])
    kind = zone.split(".")[0]
    if kind in ("circle1", "circle2"):
        return [q.reply([], [w.ns(zone, "ns.circle%d.nxns.test" % (3 - int(kind[-1])))], flags=0x8000)]
    n = 1500 if kind == "very-many" else 60
    if n > 60 and not is_tcp:
        return [q.reply([], flags=0x8200)]
    return [q.reply([], [w.ns(zone, "ns%d.victim.test" % i) for i in range(n)], flags=0x8000)]


def victim(q, is_tcp):
    return [q.reply([], [w.soa("victim.test")], rcode=3)]


TRAP_TAG, TRAPS, TRAP_NAMES = 4711, 60, 8


def trap_key():
    """An RSA key of the tag that all have; its exponent is as long as its modulus, so that a check costs much."""
    number = bytearray(b"\0\1\0" + os.urandom(255) + b"\1" + b"\x80" + os.urandom(254) + b"\1")
    number[100:102] = b"\0\0"
    data = b"\1\0\3\x08" + number
    plain = sum(b << 8 if i % 2 == 0 else b for i, b in enumerate(data))
    for x in range(1 << 16):
        if (plain + x + (plain + x >> 16)) & 0xFFFF == TRAP_TAG:
            number[100:102] = struct.pack(">H", x)
            return base64.b64encode(number).decode()
    return trap_key()


def set_trap(text):
    """Each address of the zone has sixty signatures, and each may be by any of sixty keys (CVE-2023-50387)."""
    def many(m):
        return "\n".join("%s 8 %s %d %s %s" % (m.group(1), m.group(2), TRAP_TAG, m.group(3), base64.b64encode(
            b"\x7f" + os.urandom(255)).decode()) for _ in range(TRAPS))
    changed, n = re.subn(r"(?m)^(x\d+\.trap\.test\.\s.*RRSIG\s+A) 13 (\d+ \d+ \d+ \d+) \d+ (\S+) \S+$", many, text)
    equal(n, TRAP_NAMES, "signatures of addresses")
    return changed


def world():
    net = internet.Internet()
    tlsa = "_25._tcp.mail TLSA 3 1 1 " + "ab" * 32
    net.zone("good.test", "\n".join([
        "@ MX 20 mail2", "@ MX 10 mail", "@ TXT \"v=spf1 \" \"-all\"", tlsa, "alias CNAME alias2", "alias2 CNAME mail",
        "dead CNAME gone.good.test.", "away CNAME mail.plain.test.", "*.wild TXT \"wild\"", "_mta-sts TXT \"v=STSv1; id=1\"",
        "_dmarc TXT \"v=DMARC1; p=none\"", "mxalias MX 5 alias", "mxip MX 5 127.2.0.1.", "mxsome MX 5 gone\nmxsome MX 10 mail",
        "text TXT \"" + "x" * 255 + "\" \"" + "y" * 255 + "\""]))
    net.add_host("mail.good.test", "127.2.0.1")
    net.add_host("mail.good.test", "fd00:77::1")
    net.add_host("mail2.good.test", "127.2.0.2")
    net.zone("plain.test", "@ MX 10 mail\nmail A 127.2.0.3\nfresh A 127.2.0.4\n" + tlsa, dnssec="insecure")
    net.zone("null.test", "@ MX 0 .")
    net.zone("bogus.test", "@ TXT original\n@ MX 10 original\n@ A 127.2.0.5\n_25._tcp TLSA 3 1 1 00\noriginal A 127.2.0.6", dnssec="bogus")
    net.zone("expired.test", "@ TXT a\n@ MX 10 mail\nmail A 127.2.0.5\n_25._tcp.mail TLSA 3 1 1 00", dnssec="expired")
    net.zone("stripped.test", "@ TXT a\n@ MX 10 mail\nmail A 127.2.0.5", dnssec="stripped")
    net.zone("trap.test", "\n".join(["@ DNSKEY 256 3 8 " + trap_key() for _ in range(TRAPS)] +
                                     ["x%d A 127.2.0.5" % i for i in range(TRAP_NAMES)]), spoil=set_trap)
    net.zone("steps.test", "@ A 127.2.0.5", dnssec="nsec3 2500")
    net.zone("few.test", "@ A 127.2.0.5", dnssec="nsec3 1")
    net.zone("lame.test", "", dnssec="insecure", at="lame")
    net.zone("broken.test", "", dnssec="insecure", at="broken")
    net.zone("silent.test", "", dnssec="insecure", at="127.9.0.1")
    net.zone("hostile.test", "", dnssec="insecure", at="127.9.0.2")
    # servers that are never silent: who is, is asked no more for a while, whatever the question
    net.zone("steady.test", "", dnssec="insecure", at="127.9.0.5")
    net.zone("nxns.test", "", dnssec="insecure", at="127.9.0.3")
    net.zone("victim.test", "", dnssec="insecure", at="127.9.0.4")
    net.zone("many.test", "\n".join("@ A 127.2.1.%d" % i for i in range(1, 200)))
    net.zones[internet.REVERSE].hosts.append("7.7.7.127.in-addr.arpa. PTR a\\013\\010b\\000\\027x.test.")
    net.servers = {ip: net.scripted(ip, fn) for ip, fn in
                   (("127.9.0.1", lambda q, t: ()), ("127.9.0.2", hostile), ("127.9.0.5", hostile), ("127.9.0.3", nxns), ("127.9.0.4", victim))}
    return net.start()


def net():
    global NET
    if NET is None:
        NET = world()
    return NET


def server():
    global SERVER
    if SERVER is None:
        SERVER = Server(net().conf(), users=()).start()
    return SERVER


def end():
    if SERVER:
        SERVER.end()
    if NET:
        NET.end()


tap.AT_END.append(end)


def look(kind, name, s=None, timeout=40):
    status, out, err = (s or server()).command("--json", "dns", "lookup", kind, name, timeout=timeout)
    check(out.startswith("{"), "%s %s: %d %s%s" % (kind, name, status, out, err))
    r = json.loads(out)
    equal(status, 0 if r["outcome"] == "found" else 1, "exit code")
    return r


def load(name, kind, n, at_once, channels, *more):
    p = subprocess.run([BUILD + "/dns_load", BUILD + "/waxwing", server().conf, name, kind, str(n), str(at_once),
                        str(channels)] + [str(m) for m in more], capture_output=True, text=True, timeout=100 * SLOW)
    check(p.returncode == 0, lambda: "dns_load: " + p.stderr[-500:])
    return json.loads(p.stdout)


HOSTILE = [
    # what stands in the first label, what may come out, and with which address
    ("L4 another id", "wrongid", ("temporary",)), ("L4 another name", "wrongname", ("temporary",)),
    ("L4 another type", "wrongtype", ("temporary",)), ("L4 a question for an answer", "question", ("temporary",)),
    ("L5 truncated, and TCP hangs", "truncated", ("temporary",)), 
    ("L5 a circle of CNAMEs", "loop1", ("temporary", "none")), ("L5 a CNAME to itself", "self", ("temporary", "none")),
    ("L3 CNAMEs without end", "chain0", ("temporary",)),
    ("L5 a name that points to itself", "pointer", ("temporary",)), ("L5 a pointer past the end", "forward", ("temporary",)),
    ("L5 a label of 127 octets", "label", ("temporary",)), ("L5 an answer cut short", "short", ("temporary",)),
    ("L5 65,535 records said, one there", "counts", ("temporary",)), ("L5 junk behind", "junk", ("found", "temporary")),
    ("L5 empty packets", "empty", ("temporary",)), ("L5 nonsense", "nonsense", ("temporary",)),
    ("L5 two OPT", "twoopt", ("found", "temporary")), ("L5 250 EDNS options", "options", ("found", "temporary")),
    ("L5 3,900 addresses", "huge", ("temporary",)),
    ("L6 REFUSED", "refused", ("temporary",)), ("L6 NOTIMP", "notimp", ("temporary",)), ("L6 FORMERR", "formerr", ("temporary",)),
]
SLOW_ONES = [("A", row[1] + ".hostile.test") for row in HOSTILE] + \
    [(t, "silent.test") for t in ("A", "AAAA", "MX", "TXT", "TLSA")]
AHEAD = {}


def look_ahead(kind, name):
    """The answer to a question of SLOW_ONES: they wait for servers that do not answer, so all are asked at once."""
    if not AHEAD:
        for k in SLOW_ONES:
            AHEAD[k] = subprocess.Popen([server().binary, "-c", server().conf, "--json", "dns", "lookup", *k],
                                        stdout=subprocess.PIPE, text=True)
    p = AHEAD[kind, name]
    if not isinstance(p, dict):
        AHEAD[kind, name] = p = json.loads(p.communicate(timeout=60 * SLOW)[0])
    return p


HEX32 = "ab" * 32


@cases([
    # type, name, outcome, secure, records, canonical name
    ("L6 A", "A", "mail.good.test", "found", True, ["127.2.0.1"], None),
    ("L6 AAAA", "AAAA", "mail.good.test", "found", True, ["fd00:77::1"], None),
    ("L6 MX, sorted by who connects", "MX", "good.test", "found", True, ["10 mail.good.test.", "20 mail2.good.test."], None),
    ("L6 TXT of two strings", "TXT", "good.test", "found", True, ['"v=spf1 " "-all"'], None),
    ("L6 TLSA", "TLSA", "_25._tcp.mail.good.test", "found", True, ["3 1 1 " + HEX32], None),
    ("L6 TLSA of an insecure zone", "TLSA", "_25._tcp.mail.plain.test", "found", False, ["3 1 1 " + HEX32], None),
    ("L6 PTR of an address", "PTR", "127.2.0.1", "found", True, ["mail.good.test."], "1.0.2.127.in-addr.arpa"),
    ("L6 a type by its number", "TYPE15", "good.test", "found", True, ["10 mail.good.test.", "20 mail2.good.test."], None),
    ("L6 two CNAMEs", "A", "alias.good.test", "found", True, ["127.2.0.1"], "mail.good.test"),
    ("L6 a CNAME into an insecure zone", "A", "away.good.test", "found", False, ["127.2.0.3"], "mail.plain.test"),
    ("L6 a CNAME to nowhere", "A", "dead.good.test", "no such name", True, [], "gone.good.test"),
    ("L6 MX to a CNAME", "MX", "mxalias.good.test", "found", True, ["5 alias.good.test."], None),
    ("L6 MX to an address", "MX", "mxip.good.test", "found", True, ["5 127.2.0.1."], None),
    ("L6 one MX of two is not there", "A", "gone.good.test", "no such name", True, [], None),
    ("L6 null MX", "MX", "null.test", "found", True, ["0 ."], None),
    ("L6 wildcard", "TXT", "x.wild.good.test", "found", True, ['"wild"'], None),
    ("L6 MTA-STS", "TXT", "_mta-sts.good.test", "found", True, ['"v=STSv1; id=1"'], None),
    ("L6 insecure zone", "MX", "plain.test", "found", False, ["10 mail.plain.test."], None),
    ("L6 none of this type, secure", "MX", "mail.good.test", "none", True, [], None),
    ("L6 none of this type, insecure", "MX", "mail.plain.test", "none", False, [], None),
    ("L6 no such name, secure", "MX", "no.good.test", "no such name", True, [], None),
    ("L6 no such name, insecure", "A", "no.plain.test", "no such name", False, [], None),
    ("L6 no such top level", "A", "mail.nowhere", "no such name", True, [], None),
    ("L6 a final dot", "A", "mail.good.test.", "found", True, ["127.2.0.1"], "mail.good.test"),
    ("L5 199 addresses, by TCP", "A", "many.test", "found", True, ["127.2.1.%d" % i for i in range(1, 200)], None),
    ("L2 NSEC3 of one step", "A", "gone.few.test", "no such name", True, [], None),
    ("L2 NSEC3 of 2,500 steps is not followed", "A", "gone.steps.test", "no such name", False, [], None),
    ("L5 truncated, then by TCP", "A", "bytcp.steady.test", "found", False, ["127.2.0.9"], None),
    ("L6 NOERROR without an answer", "A", "nodata.steady.test", "none", False, [], None),
    ("L6 any case", "A", "MAIL.Good.Test", "found", True, ["127.2.0.1"], "mail.good.test"),
])
def outcome(kind, name, want, secure, records, canonical):
    r = look(kind, name)
    equal((r["outcome"], r["secure"], sorted(r["records"])), (want, secure, sorted(records)), json.dumps(r))
    if canonical:
        equal(r["canonical"], canonical)
    equal(r["why"], "")
    check(r["ttl"] <= 300, "ttl %d" % r["ttl"])
    equal(r["rcode"], "NXDOMAIN" if want == "no such name" else "NOERROR")


@cases([
    ("L6 %s of bogus.test" % t, t, "bogus.test") for t in ("MX", "TXT")     # only what was changed is forged
] + [
    ("L6 %s of expired.test" % t, t, n) for t, n in
    (("A", "mail.expired.test"), ("MX", "expired.test"), ("TXT", "expired.test"), ("TLSA", "_25._tcp.mail.expired.test"),
     ("AAAA", "mail.expired.test"), ("A", "gone.expired.test"))
] + [
    ("L6 %s of a zone without its signatures" % t, t, n) for t, n in
    (("A", "mail.stripped.test"), ("MX", "stripped.test"), ("A", "gone.stripped.test"))
])
def bogus(kind, name):
    for _ in range(2):                  # also from the cache
        r = look(kind, name)
        equal((r["outcome"], r["secure"], r["records"]), ("bogus", False, []), json.dumps(r))
        check(r["why"].startswith("validation failure"), r["why"])
        equal(r["ttl"], 0)


@cases([
    ("L6 %s, %s" % (t, why), t, n, why) for t in ("A", "AAAA", "MX", "TXT", "TLSA")
    for n, why in (("lame.test", "REFUSED"), ("broken.test", "SERVFAIL"))
])
def temporary(kind, name, why):
    r = look(kind, name)
    equal((r["outcome"], r["records"], r["ttl"]), ("temporary", [], 0), json.dumps(r))
    check(why in r["why"] or "usefully" in r["why"], r["why"])


@test("L6 silence is temporary, for each type, within its deadline", limit=120)
def silence():
    start = time.monotonic()
    for t in ("A", "AAAA", "MX", "TXT", "TLSA"):
        r = look_ahead(t, "silent.test")
        equal(r["outcome"], "temporary")
        check(r["why"], "why it is")
    check(time.monotonic() - start < 25 * SLOW, "%.1f s" % (time.monotonic() - start))


@test("L6 a null MX and a name that is no name")
def no_names():
    for name in ("a..b", "x" * 64 + ".test", "b\u00fccher.test", "a b.test", "." * 5, "a.b" * 100):
        r = look("MX", name)
        equal((r["outcome"], r["records"]), ("no such name", []), name)
    status, _, err = server().command("dns", "lookup", "NOTYPE", "good.test")
    equal(status, 2)
    check("no type" in err, err)


@test("L7 a PTR of control characters does no harm as text")
def odd_ptr():
    r = look("PTR", "127.7.7.7")
    equal(r["records"], ["a\\013\\010b\\000\\027x.test."])
    status, out, _ = server().command("dns", "lookup", "PTR", "127.7.7.7")
    equal(status, 0)
    check(all(c == "\n" or " " <= c < "\x7f" for c in out), repr(out))


@test("an answer is kept, and says so")
def cached():
    first, second = look("TXT", "text.good.test"), look("TXT", "text.good.test")
    equal((first["cached"], second["cached"]), (False, True))
    check(0 < second["ttl"] <= first["ttl"], "ttl")
    equal(len(first["records"][0]), 2 * 255 + 5)


@test("as text for a person")
def as_text():
    status, out, _ = server().command("dns", "lookup", "MX", "good.test")
    equal(status, 0)
    check(out.startswith("MX good.test: found, secure, NOERROR, kept for ") and "\n    10 mail.good.test.\n" in out, out)
    status, out, _ = server().command("dns", "lookup", "TXT", "bogus.test")
    equal(status, 1)
    check(out.startswith("TXT bogus.test: bogus: validation failure"), out)


@cases(HOSTILE, limit=60)
def hostile_answer(kind, may):
    r = look_ahead("A", kind + ".hostile.test")
    check(r["outcome"] in may, json.dumps(r))
    if r["outcome"] == "found":
        equal(r["records"], ["127.2.0.9"])
    equal(look("A", "mail.good.test")["records"], ["127.2.0.1"])


@test("L4 what a server says about other zones is not believed")
def bailiwick():
    equal(look("A", "poison.steady.test")["records"], ["127.2.0.9"])
    equal(look("A", "foreign.steady.test")["records"], ["127.2.0.4"], "the CNAME's target is asked of its own zone")
    for name, ip in (("fresh.plain.test", "127.2.0.4"), ("mail.good.test", "127.2.0.1")):
        equal(look("A", name)["records"], [ip], name)


@test("L4 questions have random ids, ports and letter case")
def randomness():
    seen, cases_seen = [], set()
    inner = net().servers["127.9.0.5"]
    was = inner.answer
    inner.answer = lambda q, t: (seen.append((q.id, q.peer[1])) if not t else None, cases_seen.add(q.name), was(q, t))[-1]
    try:
        for i in range(24):
            look("A", "fine%d.steady.test" % i)
    finally:
        inner.answer = was
    check(len(seen) >= 24, "%d questions" % len(seen))
    for what, numbers in (("ids", [x[0] for x in seen]), ("ports", [x[1] for x in seen])):
        # 24 of 65,536 (ports: above 1,023): two equal ones happen, neighbours in a row and narrow ranges do not
        check(len(set(numbers)) >= len(numbers) - 2, "%s: %s" % (what, numbers))
        check(max(numbers) - min(numbers) > 20000, "%s lie in a narrow range: %s" % (what, numbers))
        steps = [b - a for a, b in zip(numbers, numbers[1:])]
        check(len(set(steps)) >= len(steps) - 3, "%s in even steps: %s" % (what, numbers))
        check(sum(x > 0 for x in steps) not in (0, len(steps)), "%s only rise or fall: %s" % (what, numbers))
    check(any(n != n.lower() for n in cases_seen), "0x20: %s" % cases_seen)


@test("L1 sixty keys of one tag, sixty signatures by it: few are tried, and others wait for nothing", limit=90)
def keytrap():
    s = server()
    look("A", "mail.good.test")
    pid = s.roles()["dns"][0]
    before = proc_stat(pid)[2]
    asked = [subprocess.Popen([s.binary, "-c", s.conf, "--json", "dns", "lookup", "A", "x%d.trap.test" % i],
                              stdout=subprocess.PIPE, text=True) for i in range(TRAP_NAMES)]
    beside = load("mail.good.test", "A", 300, 1, 1)
    for p in asked:
        r = json.loads(p.communicate(timeout=40 * SLOW)[0])
        check(r["outcome"] in ("bogus", "temporary") and not r["records"], json.dumps(r))
    spent = proc_stat(pid)[2] - before
    print("# %d ticks for %d traps; the slowest other answer took %.3f s" % (spent, TRAP_NAMES, beside["longest"]))
    equal(beside["found"], 300, "answers beside")
    # were each signature tried with each key: 28,800 checks of some milliseconds each
    check(spent < 3 * os.sysconf("SC_CLK_TCK") * SLOW, "%d ticks of CPU" % spent)
    check(beside["longest"] < 0.5 * SLOW, "another answer took %.3f s" % beside["longest"])
    equal(s.roles()["dns"][0], pid, "the same process")


@test("L3 a referral to sixty servers that are not there costs few questions", limit=60)
def nxns_test():
    before = net().servers["127.9.0.4"].total
    r = look("A", "a.b.nxns.test")
    equal(r["outcome"], "temporary")
    asked = net().servers["127.9.0.4"].total - before
    check(asked <= 64, "%d questions to the victim" % asked)


@cases([("L3 a referral to 1,500 servers", "a.very-many.nxns.test"), ("L3 two zones whose servers lie in each other", "a.circle1.nxns.test"),
        ("L5 an answer of one octet a second", "drip.steady.test")],
       name="{0} ends as temporary, with few questions and little work", limit=90)
def bounded(name):
    s = server()
    look("A", "mail.good.test")
    pid = s.roles()["dns"][0]
    ticks, at = proc_stat(pid)[2], [net().servers[ip] for ip in ("127.9.0.3", "127.9.0.4", "127.9.0.5")]
    before = sum(x.total for x in at)
    begun = time.monotonic()
    r = look("A", name, timeout=60)
    equal((r["outcome"], r["records"]), ("temporary", []), json.dumps(r))
    check(time.monotonic() - begun < 30 * SLOW, "%.1f s" % (time.monotonic() - begun))
    asked, spent = sum(x.total for x in at) - before, proc_stat(pid)[2] - ticks
    print("# %s: %d questions, %d ticks" % (name, asked, spent))
    check(asked <= 100, "%d questions" % asked)
    check(spent < 2 * os.sysconf("SC_CLK_TCK") * SLOW, "%d ticks of CPU" % spent)
    equal(look("A", "mail.good.test")["records"], ["127.2.0.1"])


@test("L3 1,000 questions that hang stop nobody else", limit=150)
def flood():
    r = load("q#.silent.test", "MX", 1000, 1000, 4)
    equal((r["temporary"], r["most_outstanding"], r["faults"]), (1000, 1000, 0))
    check(r["longest"] < 25 * SLOW, "%.1f s" % r["longest"])
    check(r["role_cpu"] < 5 * SLOW, "%.1f s of CPU" % r["role_cpu"])


@test("many questions by many channels, all answered")
def many():
    # one after the other first: a name server of a test is no match for a flood
    r = load("n#.wild.good.test", "TXT", 4000, 50, 6, 100)
    equal((r["faults"], r["bogus"], r["none"], r["no such name"]), (0, 0, 0, 0))
    check(r["found"] + r["temporary"] == 4000 and r["found"] > 3900, r)


@test("a killed role is away for a moment: temporary, then as before")
def killed():
    s = server()
    look("A", "mail.good.test")
    check(s.kill_role("dns") == 1, "one process")
    status, out, err = s.command("--json", "dns", "lookup", "A", "mail.good.test")
    r = json.loads(out)
    check(r["outcome"] in ("found", "temporary"), r)
    eventually(lambda: look("A", "mail.good.test")["outcome"] == "found", 10 * SLOW, what="an answer again")
    s.expect_crash = True
    p = subprocess.Popen([s.binary, "-c", s.conf, "--json", "dns", "lookup", "MX", "x.silent.test"], stdout=subprocess.PIPE, text=True)
    time.sleep(1)
    s.kill_role("dns")
    r = json.loads(p.communicate(timeout=30 * SLOW)[0])
    equal(r["outcome"], "temporary")
    check("dns" in r["why"], r["why"])
    eventually(lambda: look("A", "mail.good.test")["outcome"] == "found", 10 * SLOW, what="an answer again")


@test("nothing is asked before the first question; the role has no file and no strange call")
def lazy():
    with Server(net().conf(), users=()) as s:
        pid = s.roles()["dns"][0]
        asleep = [os.readlink("/proc/%d/fd/%s" % (pid, f)) for f in os.listdir("/proc/%d/fd" % pid)]
        check(not any(f.startswith("/") and not f.startswith("/dev/null") for f in asleep), asleep)
        equal(look("A", "mail.good.test", s)["outcome"], "found")
        equal(look("A", "huge.steady.test", s)["outcome"], "temporary")
        check("strange-call" not in s.stderr(), s.stderr()[-500:])


def forwarder(q, is_tcp):
    """What a resolver would find out: the server that knows is asked, and its answer handed on."""
    name = q.name.lower().rstrip(".") or "."
    if name == "inside.lan":
        return [q.reply([w.a(b"\xc0\x0c", "127.2.0.8")], flags=0x8180)]
    z = net().zone_of(name)
    if q.type == 43 and z.name == name and name != ".":         # DS: the parent's
        z = net().zone_of(name.partition(".")[2] or ".")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(2)
        s.connect((net().address(z), 53))
        s.send(q.packet)
        reply = bytearray(s.recv(65535))
    reply[3] |= 0x80                                            # recursion available
    return [bytes(reply)]


@test("a forwarder is asked for all, and DNSSEC is still checked", limit=90)
def forward():
    f = net().scripted("127.9.0.7", forwarder)
    before = net().servers["127.9.0.2"].total
    with Server(net().conf("  resolver forward 127.9.0.7"), users=()) as s:
        for kind, name, outcome, secure in (
                ("A", "mail.good.test", "found", True), ("MX", "no.good.test", "no such name", True),
                ("MX", "plain.test", "found", False), ("TXT", "bogus.test", "bogus", False),
                ("A", "inside.lan", "bogus", False)):   # no proof that "lan" is not signed
            r = look(kind, name, s)
            equal((r["outcome"], r["secure"]), (outcome, secure), json.dumps(r))
    check(f.total > 5, "%d questions at the forwarder" % f.total)
    equal(net().servers["127.9.0.2"].total, before, "questions at others")
    f.close()


@test("a forwarder that is not there: temporary")
def forward_away():
    with Server(net().conf("  resolver forward 127.9.0.8:5353"), users=()) as s:
        equal(look("A", "mail.good.test", s)["outcome"], "temporary")


@test("off: nobody is asked")
def off():
    before = net().servers["127.9.0.2"].total
    with Server("dns {\n  resolver off\n}\n", users=()) as s:
        r = look("A", "fine.hostile.test", s)
        equal((r["outcome"], r["why"]), ("temporary", "the resolver is off (dns { resolver off })"))
    equal(net().servers["127.9.0.2"].total, before)


@test("a reload takes up another resolver; an unchanged one keeps what it knows")
def reload():
    with Server(net().conf(), users=()) as s:
        look("A", "mail.good.test", s)
        s.reload()
        equal(look("A", "mail.good.test", s)["cached"], True, "the same configuration")
        s.reload(s.text.replace("dns {", "dns {\n  resolver off"))
        eventually(lambda: look("A", "mail.good.test", s)["outcome"] == "temporary", 5 * SLOW, what="off")
        s.reload(s.text)
        eventually(lambda: look("A", "mail.good.test", s)["outcome"] == "found", 5 * SLOW, what="on again")


@test("a new trust anchor is taken up when its file is replaced")
def new_anchor():
    n = net()
    wrong = ". IN DS 12345 13 2 " + "00" * 32 + "\n"
    path = os.path.join(n.dir, "other.key")
    with open(path, "w") as f:
        f.write(wrong)
    conf = n.conf().replace(n.anchor, path)
    with Server(conf, users=()) as s:
        equal(look("A", "mail.good.test", s)["outcome"], "bogus", "an anchor that fits nothing")
        with open(path + ".new", "w") as f:
            f.write("; ours\n" + open(n.anchor).read())
        os.rename(path + ".new", path)
        eventually(lambda: look("A", "mail.good.test", s)["outcome"] == "found", 5 * SLOW, what="the right anchor")
        equal(look("A", "mail.good.test", s)["secure"], True)


@test("files that hold no key and no address")
def bad_files():
    n = net()
    path = os.path.join(n.dir, "bad")
    with open(path, "w") as f:
        f.write("; nothing\n<html>\n")
    for text in (n.conf().replace(n.anchor, path), n.conf().replace(n.hints, path), n.conf().replace(n.hints, path + ".gone")):
        with Server(text, users=()) as s:
            r = look("A", "mail.good.test", s)
            equal(r["outcome"], "temporary")
            check("trust-anchor" in r["why"] or "root-hints" in r["why"], r["why"])


tap.main()
