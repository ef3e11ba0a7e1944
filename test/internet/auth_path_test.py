"""Strangers' letters are authenticated on their way in: the field that says so, what DMARC asks for, lists that are
believed, blocks and exceptions on DKIM's d=, what cannot be asked."""
import json
import re

import internet
import letters
import tap
from dkim_maker import Key
from server import HOST, SANITIZED, SLOW, Server
from tap import cases, check, equal, eventually, test

GOOD, FORGER, FORWARDER, FRIEND, MUTE = "127.6.0.1", "127.6.0.66", "127.6.0.9", "127.6.0.50", "127.6.1.1"
NET = KEY = SERVER = None


def world():
    global NET, KEY
    net = internet.Internet()
    KEY = Key(net.dir)
    for name, policy in (("good.test", "reject"), ("quar.test", "quarantine"), ("watch.test", "none"), ("sub.test", "none; sp=reject")):
        net.zone(name, "\n".join((
            "@ MX 10 mail", '@ TXT "v=spf1 ip4:%s -all exp=why.%s"' % (GOOD, name), 'why TXT "%{i} may not send for %{d}"',
            '_dmarc TXT "v=DMARC1; p=%s"' % policy, 'mail TXT "v=spf1 a -all"', "k1._domainkey TXT " + KEY.record)))
        net.add_host("mail." + name, GOOD)
    net.zone("list.test", "\n".join(('@ TXT "v=spf1 ip4:%s -all"' % FORWARDER, "k1._domainkey TXT " + KEY.record)))
    net.add_host("lists.list.test", FORWARDER)
    net.zone("soft.test", '@ TXT "v=spf1 ~all"')
    net.zone("wrong.test", '@ TXT "v=spf1 ip4:127.2.0 -all"')
    net.zone("plain.test", "@ A 127.6.0.4")
    net.zone("broken.test", "", dnssec="insecure", at="broken")
    NET = net.start()
    return net


def server():
    global SERVER
    if SERVER is None:
        net = world()
        SERVER = Server(net.conf(), inbound="friends %s\ntrust-arc list.test" % FRIEND,
                        users=("alice", "bob", "postmaster")).start()
    return SERVER


tap.ends(lambda: (SERVER, NET))


def letter(author, headers=b"", body=b"Good day.\r\n"):
    """Its token, and a letter of that author."""
    tok = letters.token()
    return tok, letters.letter(tok, headers=headers, body=body).replace(b"Sender <sender@client.example.net>", author.encode())


def send(text, sender, source=GOOD, helo="mail.good.test", to=("alice",), s=None):
    s = s or server()
    with s.client(source=source, timeout=60) as c:
        c.cmd("EHLO " + helo)
        return c.deliver([s.address(a) for a in to], text, sender=sender)


def arrives(tok, user="alice", folder=""):
    """Its Authentication-Results, unfolded."""
    raw = (server().wait(tok, user, limit=20) if not folder else in_junk(tok)).raw
    fields = re.findall(rb"(?mi)^authentication-results:[^\n]*\n(?:[ \t][^\n]*\n)*", raw)
    ours = [f for f in fields if HOST.encode() in f]
    equal(len(ours), 1, "fields of ours in %r" % raw[:1500])
    return re.sub(r"\s+", " ", ours[0].decode()).strip()


def in_junk(tok):
    def look():
        import glob
        return [letters.Stored(p) for p in glob.glob(server().maildir() + "/.Junk/new/*") if tok.encode() in open(p, "rb").read()]
    return eventually(look, 20 * SLOW, what="the letter in Junk")[0]


def refused(reply, code, enhanced, text=""):
    equal((reply.code, reply.enhanced), (code, enhanced), repr(reply))
    check(text in repr(reply), "%s in %r" % (text, reply))
    return re.search(r"\(([0-9a-z]{13})\)", repr(reply)).group(1)


@test("a letter as it should be: the field has every result, stands above Received, and one that claims to be ours is gone")
def field():
    forged = b"Authentication-Results: %s; dmarc=pass header.from=bank.example\r\nAuthentication-Results: other.example; spf=fail\r\n"
    server()
    tok, text = letter("Ann <ann@good.test>", headers=forged % HOST.encode())
    equal(send(KEY.sign(text, "good.test"), "ann@good.test").code, 250)
    said = arrives(tok)
    print("# " + said)
    for part in ("iprev=pass policy.iprev=" + GOOD, "spf=pass smtp.mailfrom=good.test", "spf=pass smtp.helo=mail.good.test",
                 "dkim=pass (2048-bit key) header.d=good.test", "arc=none",
                 "dmarc=pass (p=reject dis=none) header.from=good.test"):
        check("; " + part in said, "%s in %s" % (part, said))
    got = server().wait(tok)
    equal([k for k, _ in got.trace], ["return-path", "delivered-to", "envelope-to", "authentication-results", "received-spf", "received"])
    check(b"bank.example" not in got.raw and b"other.example; spf=fail" in got.raw, got.raw)
    check(re.match(r"pass identity=mailfrom; client-ip=127\.6\.0\.1; envelope-from=\"ann@good\.test\"; helo=mail\.good\.test; "
                   r"receiver=", got.first("received-spf")), got.first("received-spf"))
    line = server().log_wait(r"authenticated .*from=.?ann@good\.test.*").group(0)
    check("spf=pass" in line and "dkim=pass(good.test)" in line and "dmarc=pass(p=reject dis=none)" in line, line)


@test("a forged letter of a domain that says reject: 550 5.7.1 with the letter's id, told by why, kept in the ring")
def forged():
    tok, text = letter("Ann <ann@good.test>")
    ident = refused(send(text, "x@plain.test", FORGER, "c.plain.test"), 550, "5.7.1", "domain in its From")
    line = server().log_wait(r"refused .*msg=%s.*" % ident).group(0)
    check("check dmarc: good.test: nothing that passes is aligned; policy reject of good.test" in line, line)
    eventually(lambda: "dmarc=fail(p=reject dis=reject)" in server().command("why", ident)[1], 10 * SLOW, what="why tells the results")
    ring = json.loads(server().command("--json", "refused", "list")[1])
    check(any(r["id"] == ident and r["rule"] == "DMARC_FAILED" for r in ring), ring)
    equal(server().find(tok), [])
    # a person wants it
    equal(server().command("refused", "release", ident)[0], 0)
    check("dmarc=fail" in arrives(tok), "released")


@cases([
    # author, envelope sender, client; signed; what becomes of it
    ("DKIM alone is enough", "ann@good.test", "x@plain.test", FORGER, True, "in", "dmarc=pass"),
    ("SPF alone is enough", "ann@good.test", "ann@good.test", GOOD, False, "in", "dmarc=pass"),
    ("quarantine: it lies in Junk", "ann@quar.test", "x@plain.test", FORGER, False, "junk", "dmarc=fail (p=quarantine dis=quarantine)"),
    ("no policy: it comes in, and says so", "ann@watch.test", "x@plain.test", FORGER, False, "in", "dmarc=fail (p=none dis=none)"),
    ("sp= of a domain below", "ann@sub.sub.test", "x@plain.test", FORGER, False, "refused", ""),
    ("no record: nothing follows", "ann@plain.test", "x@plain.test", FORGER, False, "in", "dmarc=none"),
    ("SPF says fail and nobody asks", "ann@plain.test", "x@good.test", FORGER, False, "in", "spf=fail"),
    ("a broken SPF record", "ann@plain.test", "x@wrong.test", FORGER, False, "in", "spf=permerror"),
    ("a report of a domain that is not aligned", "ann@good.test", "", FORGER, False, "refused", ""),
], name="DMARC: {0}")
def outcome(author, sender, source, is_signed, what, said):
    tok, text = letter(author)
    if is_signed:
        text = KEY.sign(text, author.partition("@")[2])
    r = send(text, sender, source, "h.plain.test")
    if what == "refused":
        refused(r, 550, "5.7.1")
    else:
        equal(r.code, 250, repr(r))
        field_said = arrives(tok, folder="junk" if what == "junk" else "")
        check(said in field_said, field_said)


@cases([("none", b"", "has no From"), ("two", b"From: x@plain.test\r\n", "more than one From"),
        ("two addresses of different domains", None, "several domains")], name="J4 From: {0}: refused")
def from_fields(more, why):
    _, text = letter("ann@good.test, bob@plain.test" if more is None else "ann@good.test", headers=more or b"")
    if more == b"":
        text = text.replace(b"From:", b"X-From:")
    ident = refused(send(text, "ann@good.test"), 550, "5.6.0", "one From")
    check(why in server().log_wait(r"refused .*msg=%s.*" % ident).group(0), why)


@test("what a friend hands on has its signatures looked at, and no policy applied")
def friend():
    tok, text = letter("ann@good.test")
    equal(send(text, "ann@good.test", FRIEND).code, 250)
    said = arrives(tok)
    check(said.endswith("%s; dkim=none; arc=none" % HOST), said)
    tok, text = letter("ann@good.test")
    equal(send(KEY.sign(text, "good.test"), "ann@good.test", FRIEND).code, 250)
    check("dkim=pass" in arrives(tok) and "spf" not in arrives(tok), arrives(tok))


@test("everybody may write to the postmaster")
def postmaster():
    tok, text = letter("ann@good.test")
    equal(send(text, "x@plain.test", FORGER, to=("postmaster",)).code, 250)
    check("dmarc=fail" in arrives(tok, "postmaster"), "marked")
    refused(send(text, "x@plain.test", FORGER, to=("postmaster", "alice")), 550, "5.7.1")


def passed_on(results, domain="list.test", author="ann@good.test"):
    """Signed, changed by a list, sealed by it."""
    tok, text = letter(author)
    text = KEY.sign(text, "good.test").replace(b"Good day.\r\n", b"Good day.\r\n-- \r\nthe list\r\n")
    return tok, KEY.seal(text, domain, 1, results)


@test("a list that is believed saw it pass: its seal sets the policy aside, and that is shown")
def list_believed():
    tok, text = passed_on("dmarc=pass header.from=good.test")
    equal(send(text, "list-bounces@list.test", FORWARDER, "lists.list.test").code, 250)
    said = arrives(tok)
    check("arc=pass" in said and "dmarc=fail (p=reject dis=none arc=list.test)" in said, said)
    server().log_wait(r"authenticated .*DMARC set aside: list\.test saw it pass")


@cases([
    ("saw it fail", "dmarc=fail header.from=good.test", "list.test", False),
    ("saw another author pass", "dmarc=pass header.from=plain.test", "list.test", False),
    ("is not believed", "dmarc=pass header.from=good.test", "good.test", False),
    ("changed something behind its seal", "dmarc=pass header.from=good.test", "list.test", True),
], name="a list that {0} sets nothing aside")
def list_not_believed(results, domain, is_changed):
    _, text = passed_on(results, domain)
    if is_changed:
        text = text.replace(b"the list", b"the liar")
    refused(send(text, "list-bounces@list.test", FORWARDER, "lists.list.test"), 550, "5.7.1")


@test("blocks and exceptions match the d= of signatures that pass")
def signers():
    s = server()
    tok, text = letter("ann@good.test")
    signed = KEY.sign(text, "list.test")
    refused(send(signed, "x@plain.test", FORGER), 550, "5.7.1")
    equal(s.command("allow", "add", "list.test")[0], 0)
    eventually(lambda: send(signed, "x@plain.test", FORGER).code == 250, 10 * SLOW, what="let in for its signature")
    check("dmarc=fail" in arrives(tok), arrives(tok))
    equal(s.command("allow", "remove", "list.test")[0], 0)
    equal(s.command("block", "add", "list.test")[0], 0)
    try:
        _, text = letter("ann@plain.test")
        r = eventually(lambda: (r := send(KEY.sign(text, "list.test"), "x@plain.test", FORGER)).code == 550 and r, 10 * SLOW,
                       what="blocked for its signature")
        equal(r.enhanced, "5.7.1")
        s.log_wait(r"refused .*list\.test.*by its signature list\.test")
        broken = KEY.sign(text, "list.test").replace(b"Good day", b"Bad day")
        equal(send(broken, "x@plain.test", FORGER).code, 250, "a signature that fails is nobody's")
    finally:
        s.command("block", "remove", "list.test")


@test("an exception by the sender's address lets it in")
def exempt():
    s = server()
    equal(s.command("allow", "add", "boss@plain.test")[0], 0)
    tok, text = letter("ann@good.test")
    eventually(lambda: send(text, "boss@plain.test", FORGER).code == 250, 10 * SLOW, what="let in")
    check("dmarc=fail" in arrives(tok), "and told")
    s.command("allow", "remove", "boss@plain.test")


def memory(field):
    """Of each copy of scan, KiB."""
    out = []
    for pid in server().roles()["scan"]:
        with open("/proc/%d/status" % pid) as f:
            out.append(int(re.search(field + r":\s+(\d+) kB", f.read()).group(1)))
    return out


@test("a letter of 50 MiB is verified, and scan grows by no more than 4 MiB for it", limit=180)
def large():
    """The most that it had in memory at once, against what it had before."""
    for _ in range(6):               # each copy has seen a signed letter
        tok, text = letter("ann@good.test")
        equal(send(KEY.sign(text, "good.test"), "ann@good.test").code, 250)
    arrives(tok)
    for pid in server().roles()["scan"]:
        with open("/proc/%d/clear_refs" % pid, "w") as f:
            f.write("5")
    before = memory("VmRSS")
    tok, text = letter("ann@good.test", body=(b"x" * 76 + b"\r\n") * (50 << 20 >> 6))
    text = text[:(50 << 20) - 4096].rpartition(b"\r\n")[0] + b"\r\n"
    equal(send(KEY.sign(text, "good.test"), "x@plain.test", FORGER).code, 250)
    check("dkim=pass" in arrives(tok), "pass")
    grown = [b - a for a, b in zip(before, memory("VmHWM"))]
    print("# scan grew by %s KiB" % grown)
    check(SANITIZED or max(grown) <= 4 << 10, "scan grew by %s KiB" % grown)


@test("K6 what cannot be asked puts the letter off")
def temporary():
    _, text = letter("ann@broken.test")
    refused(send(text, "x@plain.test", FORGER), 451, "4.4.3", "could not be looked up")


LINES = """
    check from  fail score 2.5
    check spf   fail reject "not from there" softfail score 2 neutral tag none score 0.5 permerror reject label who
    check dkim  fail score 3 none score 1
    check dmarc fail score 4 none tag
    check arc   fail reject none off
    junk at 5
    reject at 12
"""


def strict():
    global STRICT
    if STRICT is None:
        server()
        STRICT = Server(NET.conf(), inbound=LINES, users=("alice",)).start()
    return STRICT


STRICT = None
tap.AT_END.insert(0, lambda: STRICT and STRICT.end())


@cases([
    # author, sender; signed by, what is changed behind it; code, enhanced code, text, X-Spam-Status
    ("SPF fail, in the owner's words", "ann@plain.test", "x@good.test", None, 550, "5.7.23", "not from there (", ""),
    ("SPF softfail counts", "ann@plain.test", "x@soft.test", None, 250, "", "", "score=3 required=5 tests=who=2,DKIM_NONE=1,DMARC_NONE=0"),
    ("a broken SPF record", "ann@plain.test", "x@wrong.test", None, 550, "5.7.24", "broken", ""),
    ("no SPF record", "ann@plain.test", "x@plain.test", "plain.test", 250, "", "", "score=3.5 required=5 tests=who=0.5,DKIM_FAIL=3,DMARC_NONE=0"),
    ("all at once: Junk", "ann@good.test", "x@soft.test", None, 250, "", "", "Yes, score=7 required=5 tests=who=2,DKIM_NONE=1,DMARC_FAIL=4"),
    ("no author", "", "x@plain.test", None, 250, "", "", "score=4 required=5 tests=FROM_FAIL=2.5,who=0.5,DKIM_NONE=1"),
    ("seals that were broken", "ann@plain.test", "x@plain.test", "ARC", 550, "5.7.29", "seals", ""),
], name="lines of the configuration: {0}")
def lines(author, sender, signed, code, enhanced, said, status):
    s = strict()
    tok, text = letter(author or "ann@plain.test")
    if not author:
        text = text.replace(b"From:", b"X-From:")
    if signed == "ARC":
        text = KEY.seal(text, "list.test", 1, "spf=pass").replace(b"Good day", b"Bad day")
    elif signed:
        text = KEY.sign(text, signed)
    r = send(text, sender, FORGER, "h.plain.test", s=s)
    equal((r.code, r.enhanced if enhanced else ""), (code, enhanced), repr(r))
    check(said in repr(r), repr(r))
    if code == 250:
        import glob
        raw = eventually(lambda: [open(p, "rb").read() for d in ("", "/.Junk") for p in glob.glob(s.maildir() + d + "/new/*")
                                  if tok.encode() in open(p, "rb").read()], 20 * SLOW, what="the letter")[0].decode()
        field = re.sub(r"\s+", " ", re.search(r"(?m)^X-Spam-Status:[^\n]*\n(?:[ \t][^\n]*\n)*", raw)[0]).replace(", ", ",")
        check(status.replace(", ", ",").replace("Yes,", "Yes,") in field, field)


@test("without a line for them, DMARC is obeyed and one From demanded; config show says so")
def defaults():
    out = server().command("config", "show")[1]
    check("check from fail reject    # default\n" in out and "check dmarc fail obey temporary defer    # default\n" in out, out)
    out = strict().command("config", "show")[1]
    equal(out.count("check dmarc"), 1, out)


@test("the domain's own explanation is passed on as its own (RFC 7208 8.4)")
def explained():
    s = strict()
    s.reload(s.text.replace('reject "not from there"', "reject"))
    _, text = letter("ann@plain.test")
    refused(send(text, "x@good.test", FORGER, s=s), 550, "5.7.23", "the domain good.test explains: %s may not send for good.test" % FORGER)


tap.main()
