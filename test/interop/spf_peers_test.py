"""SPF beside pyspf and Mail::SPF: records made of every mechanism, modifier and macro, right and wrong.

Where they do not all agree the difference belongs to a row of JUDGED, which says what RFC 7208 has
to say; a difference without a row fails the test."""
import collections
import json
import os
import random
import subprocess

import spf_zone
import tap

HERE = os.path.dirname(os.path.abspath(__file__))
SEED = int(os.environ.get("SPF_SEED", "7208"))
COUNT = int(os.environ.get("SPF_COUNT", "2000"))

# Names that records speak of.
HOSTS = {
    "a1.example": [("A", "192.0.2.1")],
    "a2.example": [("A", "192.0.2.2"), ("A", "198.51.100.7"), ("AAAA", "2001:db8::2")],
    "six.example": [("AAAA", "2001:db8::1"), ("AAAA", "2001:db8:1::1")],
    "alias.example": [("CNAME", "a1.example")],
    "dangling.example": [("CNAME", "nowhere.example")],
    "mx1.example": [("MX", [10, "a1.example"]), ("MX", [20, "a2.example"])],
    "mx6.example": [("MX", [10, "six.example"])],
    "mxvoid.example": [("MX", [10, "void1.example"]), ("MX", [20, "a1.example"])],
    "mxmany.example": [("MX", [i, "a1.example"]) for i in range(11)],
    "empty.example": [("TXT", ["nothing to see"])],
    "slow.example": [("TIMEOUT", None)],
    "pass.example": [("TXT", ["v=spf1 +all"])],
    "fail.example": [("TXT", ["v=spf1 -all exp=why.example"])],
    "soft.example": [("TXT", ["v=spf1 ip4:192.0.2.1 ~all"])],
    "neutral.example": [("TXT", ["v=spf1 ?all"])],
    "nest.example": [("TXT", ["v=spf1 a:a1.example ", "include:soft.example -all"])],
    "loop.example": [("TXT", ["v=spf1 include:loop.example -all"])],
    "twice.example": [("TXT", ["v=spf1 -all"]), ("TXT", ["v=spf1 +all"])],
    "wrong.example": [("TXT", ["v=spf1 a:%{x}.example -all"])],
    "why.example": [("TXT", ["%{i} is not for %{d}, %{h} %{c} %{v} %{l} %{o} 100%%"])],
    "whytwo.example": [("TXT", ["one"]), ("TXT", ["two"])],
    "whybad.example": [("TXT", ["50% off"])],
    "1.2.0.192.in-addr.arpa": [("PTR", "a1.example")],
    "2.2.0.192.in-addr.arpa": [("PTR", "liar.example"), ("PTR", "host.a2.example")],
    "host.a2.example": [("A", "192.0.2.2")],
    "liar.example": [("A", "198.51.100.99")],
    "1.2.0.192.user.example": [("A", "127.0.0.2")],
    "192.0.2.2.user.example": [("A", "127.0.0.2")],
    "b.a.user.example": [("A", "127.0.0.2")],
    "a-b.user.example": [("A", "127.0.0.2")],
    "mail.user.example": [("A", "127.0.0.2")],
}
NAMES = [n for n in HOSTS if n.endswith(".example")] + ["void1.example", "void2.example", "A1.Example", "a1.example."]
RECORDS = ["pass.example", "fail.example", "soft.example", "neutral.example", "nest.example", "loop.example", "twice.example",
           "wrong.example", "empty.example", "void1.example", "slow.example"]
MACROS = ["%{i}.user.example", "%{ir}.user.example", "%{l}.user.example", "%{lr-}.user.example", "%{l1r-}.user.example",
          "%{h1}.user.example", "%{h}", "%{d2}", "%{o}", "%{d1r}.user.example", "%{v}.user.example", "%{L}.user.example",
          "a1.%{d1}", "a%{l-+}b.example", "%{s}.user.example", "%%.user.example", "%_.user.example", "%-.user.example"]
WRONG = ["a:%{y}.example", "a:%", "mx:", "include", "ip4:192.0.2", "ip4:192.0.2.1/33", "ip6:::1/129", "ip6:zz", "a/33", "a//129",
         "all:x", "al", "exists", "exists:", "a:museum", "a:a.1", "a:x.-y", "redirect:a1.example", "-redirect=a1.example", "ptr/24",
         "ip4:192.0.2.1:25", "a:%{d0}.example", "1x=y", "x=%{", "a:a1.example/024", "=x", "mx/24/64", "a:%{dr1}.example"]
IPS = ["192.0.2.1", "192.0.2.2", "198.51.100.7", "203.0.113.9", "2001:db8::1", "2001:db8::2", "2001:db8:ffff::1"]


def mechanism(r):
    kind = r.choice(["all", "ip4", "ip6", "a", "a", "mx", "ptr", "include", "exists", "a", "exists"])
    cidr = r.choice(["", "", "", "/24", "/0", "//64", "/24//64", "/32//128"])
    name = r.choice(NAMES + MACROS)
    text = {"all": "all", "ip4": "ip4:" + r.choice(["192.0.2.0/24", "192.0.2.1", "198.51.100.7/31", "0.0.0.0/0", "203.0.113.8/30"]),
            "ip6": "ip6:" + r.choice(["2001:db8::/32", "2001:db8::1", "::/0", "2001:DB8:0:0::2/127"]),
            "a": "a:" + name + cidr if r.random() < .9 else "a" + cidr,
            "mx": "mx:" + r.choice(NAMES) + cidr if r.random() < .9 else "mx" + cidr,
            "ptr": r.choice(["ptr", "ptr:a1.example", "ptr:a2.example", "ptr:example.org"]),
            "include": "include:" + r.choice(RECORDS), "exists": "exists:" + name}[kind]
    if r.random() < .05:
        text = text.upper() if "%" not in text else text
    return r.choice(["", "", "", "+", "-", "~", "?"]) + text


def record(r):
    terms = [mechanism(r) for _ in range(r.choice([1, 1, 2, 2, 3, 4, 6, 12]))]
    if r.random() < .12:
        terms.insert(r.randrange(len(terms) + 1), r.choice(WRONG))
    if r.random() < .3:
        terms.append(r.choice("+-~?") + "all")
    for modifier, share in (("redirect=" + r.choice(RECORDS), .2), ("x-%s=%%{d}" % r.choice("abc"), .05),
                            ("exp=" + r.choice(["why.example", "whytwo.example", "whybad.example", "void1.example", "%{d}.none.example"]), .3)):
        if r.random() < share:
            terms.insert(r.randrange(len(terms) + 1), modifier)
    return "v=spf1 " + r.choice([" ", "  "]).join(terms)


# ---- the three -----------------------------------------------------------------------------------

def zone_lines():
    return [line for name, records in HOSTS.items() for line in spf_zone.rows(name, records)]


def ask_pyspf(zone, questions):
    try:
        import spf
    except ImportError:
        tap.skip("no python3-spf")

    def look(name, qtype, *_, **__):
        records = zone.get(name.lower().rstrip("."), [])
        out = []
        for kind, value in records:
            if kind == qtype:
                out.append(((name, kind), [p.encode() for p in value] if kind == "TXT" else tuple(value) if kind == "MX" else value))
            elif kind == "CNAME":
                out.append(((name, "CNAME"), value))
            elif kind == "TIMEOUT":
                raise spf.TempError("DNS timeout")
        return out
    spf.DNSLookup = look
    out = []
    for ip, helo, sender in questions:
        q = spf.query(i=ip, s=sender, h=helo, receiver="receiver.example", strict=True)
        q.set_default_explanation("")
        result, _, why = q.check()
        out.append((result, why if result == "fail" else "", str(q.perm_error or "")))
    return out


def ask_mailspf(zone, questions):
    asked = json.dumps({"zone": {name: [[k, v] for k, v in records] for name, records in zone.items()}, "questions": questions})
    done = subprocess.run(["perl", os.path.join(HERE, "mail_spf.pl")], input=asked, capture_output=True, text=True, timeout=400,
                          check=False)
    if done.returncode:
        if "Can't locate Mail/SPF.pm" in done.stderr or "Can't locate Net/DNS.pm" in done.stderr:
            tap.skip("no libmail-spf-perl")
        tap.fail(done.stderr[:1000])
    return [json.loads(line) for line in done.stdout.splitlines()]


# ---- where they differ: what RFC 7208 says, and is that what it is about? ------------------------

Difference = collections.namedtuple("Difference", "peer record ip ours theirs our_why their_why")     # (result, explanation)


def voids(result, why):
    return result[0] == "permerror" and "oid " in why and "imit" in why


JUDGED = [
    ("Mail::SPF", "§5: an IPv4 client matches no ip6 mechanism; it lets ip6:::/0 match",
     lambda d: ":" not in d.ip and "ip6:::/0' matched" in d.their_why),
    ("Mail::SPF", "§4.6.4: more than ten MX are a permanent error; it looks at the first ten (RFC 4408)",
     lambda d: "more than 10 MX records" in d.our_why),
    ("Mail::SPF", "§4.6.4: a CNAME at whose end is nothing finds nothing; it takes the CNAME for an answer",
     lambda d: "questions find nothing" in d.our_why and ("dangling" in d.record.lower() or "alias" in d.record.lower())),
    ("pyspf", "§4.6.4: what finds nothing counts once; it counts it at the CNAME, too",
     lambda d: voids(d.theirs, d.their_why) and ("dangling" in d.record.lower() or "alias" in d.record.lower())),
    ("pyspf", "§12: the value of an unknown modifier is a macro-string; it takes anything",
     lambda d: '"x=%{": a malformed macro' in d.our_why),
    ("pyspf", "§7.1: %% is a percent sign; it has no explanation then",
     lambda d: d.ours[0] == d.theirs[0] == "fail" and d.ours[1].endswith("100%") and d.theirs[1] == ""),
    ("pyspf", "§12: transformers are digits, then r, and not zero (§7.1); it takes others",
     lambda d: '"a:%{d0}.example": a malformed macro' in d.our_why or '"a:%{dr1}.example": a malformed macro' in d.our_why),
    ("Mail::SPF", "§4.6: an error anywhere makes the record void; it looks at macros when it gets there",
     lambda d: "a malformed macro" in d.our_why),
    (None, "§4.6.4: what the client's owner publishes is not held against the domain; PTR and its names count there",
     lambda d: voids(d.theirs, d.their_why) and "ptr" in d.record.lower()),
]


def judge(difference):
    return next((why for peer, why, fits in JUDGED if peer in (None, difference.peer) and fits(difference)), None)


def same(a, b):
    return a[0] == b[0] and (a[0] != "fail" or a[1] == b[1])


def made():
    """Zone, questions and records."""
    r = random.Random(SEED)
    zone, questions, records = dict(HOSTS), [], []
    for n in range(COUNT):
        name, text = "d%d.test" % n, record(r)
        zone[name] = [("TXT", [text])] + r.choice([[], [("A", "192.0.2.1")], [("MX", [0, "a2.example"])]])
        records.append(text)
        questions.append((r.choice(IPS), r.choice(["mail.test", "a1.example", "void1.example"]),
                          r.choice(["a-b", "user", "a+b"]) + "@" + name))
    return zone, questions, records


@tap.test("%d made records: pyspf, Mail::SPF and we agree, or RFC 7208 says who is right" % COUNT, limit=500)
def _():
    zone, questions, records = made()
    peers = {"pyspf": ask_pyspf(zone, questions), "Mail::SPF": ask_mailspf(zone, questions)}
    common = zone_lines()
    ours = spf_zone.ask((common + list(spf_zone.rows("d%d.test" % n, zone["d%d.test" % n])), [q])
                        for n, q in enumerate(questions))
    judged, left = collections.Counter(), []
    for peer, answers in peers.items():
        differ = [Difference(peer, text, q[0], (a.result, a.explanation), tuple(b[:2]), a.problem, b[2])
                  for text, q, a, b in zip(records, questions, ours, answers) if not same((a.result, a.explanation), b)]
        print("# seed %d: %d of %d as %s" % (SEED, COUNT - len(differ), COUNT, peer))
        for d in differ:
            why = judge(d)
            judged[(peer, why)] += 1
            if not why:
                left.append(d)
    for (peer, why), n in judged.most_common():
        print("# %5d  %-9s  %s" % (n, peer, why))
    for d in left[:20]:
        print("# not judged:", d)
    print("# results: %s" % dict(collections.Counter(a.result for a in ours)))
    tap.check(not left, "%d differ without a row in JUDGED" % len(left))


tap.main()
