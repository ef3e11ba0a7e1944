"""The checks on strangers: names and addresses, greetings, senders, lists in the DNS that behave and
lists that do not."""
import glob
import json
import re
import subprocess
import time

import dns_wire as w
import internet
import letters
import tap
from server import HOST, SLOW, Server
from tap import cases, check, equal, eventually, test

NET = None
SERVER = None
A = w.TYPES["A"]
POINT, CLEAN = "2.0.0.127", "1.0.0.127"
POINT6 = "2.0.0.0.0.0.f.7.f.f.f.f" + ".0" * 20
LISTED6 = "1.0.0.0" + ".0" * 20 + ".8.b.d.0.1.0.0.2"
GOOD_POINTS = {POINT: ["127.0.0.2"], POINT6: ["127.0.0.2"]}

# zone: what is listed, or what it says of everything
LISTS = {
    "bl.test": dict(GOOD_POINTS, **{"11.0.3.127": ["127.0.0.4"], "12.0.3.127": ["127.0.0.10"], "13.0.3.127": ["127.0.0.77"],
                                    "14.0.3.127": ["127.0.0.4"], "15.0.3.127": ["127.0.0.10", "127.0.0.20"],
                                    LISTED6: ["127.0.0.4"]}),
    "four.test": {POINT: ["127.0.0.2"]},
    "wl.test": dict(GOOD_POINTS, **{"14.0.3.127": ["127.0.9.3"]}),
    "all.test": ["127.0.0.2"],
    "refuse.test": ["127.255.255.254"],
    "nothing.test": {},
    "parked.test": ["203.0.113.9"],
    "rcode.test": 5,
    "fails.test": 2,
    "silent.test": None,
    "moody.test": dict(GOOD_POINTS),
    "odd.test": dict(GOOD_POINTS, **{"16.0.3.127": ["127.255.255.252"]}),
}


def answer(q, is_tcp):
    labels = q.name.lower().split(".")
    zone, what = ".".join(labels[-2:]), ".".join(labels[:-2])
    rows = LISTS[zone]
    if rows is None:
        return []
    if not what:
        return [q.reply([w.ns(b"\xc0\x0c", "ns." + zone)] if q.type == w.TYPES["NS"] else [], [w.soa(zone, 1)])]
    if what == "ns":
        return [q.reply([w.a(b"\xc0\x0c", ADDRESS[zone])] if q.type == A else [], [w.soa(zone, 1)])]
    if isinstance(rows, int):
        return [q.reply([], rcode=rows)]
    codes = rows if isinstance(rows, list) else rows.get(what)
    if codes is None:
        # a name between others is there, without records
        return [q.reply([], [w.soa(zone, 1)], rcode=3)]
    return [q.reply([w.a(b"\xc0\x0c", c, 1) for c in codes] if q.type == A else [], [w.soa(zone, 1)])]


ADDRESS = {zone: "127.9.1.%d" % i for i, zone in enumerate(LISTS, 1)}
CHECKS = """
    check rdns fail reject "Sender validation failed" temporary defer label ip-name
    check helo fail reject
    check helo-self fail reject "Who are you?"
    check sender-domain fail reject temporary defer
    check dnsbl bl.test answer 127.0.0.2-9 hit reject label listed
    check dnsbl bl.test answer 127.0.0.10-11 hit score 6 label dynamic
    check dnsbl bl.test answer 0.0.0.20/0.0.0.255 hit score 7.5
    check dnsbl four.test hit reject
    check dnsbl all.test hit reject
    check dnsbl refuse.test hit reject
    check dnsbl nothing.test hit reject
    check dnsbl parked.test hit reject
    check dnsbl rcode.test hit reject
    check dnsbl fails.test hit reject
    check dnsbl silent.test hit reject
    check dnswl wl.test hit pass
    friends 127.3.0.200
    junk at 5
    reject at 12
"""
BROKEN = ("all.test", "refuse.test", "nothing.test", "parked.test", "rcode.test", "fails.test", "silent.test")


def world():
    net = internet.Internet()
    net.zone("good.test", "\n".join(["@ MX 10 mail", "six AAAA 2001:db8::1", "liar A 127.3.0.99", "text TXT nothing"]))
    for i in (1, 11, 12, 13, 14, 15, 16, 17):
        net.add_host("c%d.good.test" % i, "127.3.0.%d" % i)
    net.zone("null.test", "@ MX 0 .")
    net.zone("broken.test", "", dnssec="insecure", at="broken")
    net.zone("4.3.127.in-addr.arpa", "", dnssec="insecure", at="broken")
    net.zone("5.3.127.in-addr.arpa", "", dnssec="insecure", at="127.9.1.200")
    net.silent("127.9.1.200")
    net.zones[internet.REVERSE].hosts += [
        "2.0.3.127.in-addr.arpa. PTR liar.good.test.", "3.0.3.127.in-addr.arpa. PTR gone.good.test.",
        "5.0.3.127.in-addr.arpa. PTR x.broken.test.",
        "6.0.3.127.in-addr.arpa. PTR a\\013\\010b\\000\\027x.good.test."]
    for zone, ip in ADDRESS.items():
        net.zone(zone, "", dnssec="insecure", at=ip)
    net.lists = {zone: net.scripted(ip, answer) for zone, ip in ADDRESS.items()}
    return net.start()


def net():
    global NET
    if NET is None:
        NET = world()
    return NET


def server():
    global SERVER
    if SERVER is None:
        SERVER = Server(net().conf(), inbound=CHECKS, users=("alice", "bob", "postmaster")).start()
    return SERVER


def end():
    if SERVER:
        SERVER.end()
    if NET:
        NET.end()


tap.AT_END.append(end)


def ask(ip, helo="mail.client.test", sender="x@good.test", to="alice@example.org", s=None):
    """The reply to RCPT."""
    with (s or server()).client(source=ip, timeout=40) as c:
        c.cmd("EHLO " + helo)
        equal(c.mail(sender).code, 250, "MAIL")
        return c.rcpt(to)


def lists(s=None):
    status, out, err = (s or server()).command("--json", "status", "--lists")
    equal(status, 0, out + err)
    return {l["zone"]: l for l in json.loads(out)}


@cases([
    # client, greeting, sender; code, enhanced code, part of the text
    ("a good client", "127.3.0.1", "mail.client.test", "x@good.test", 250, "2.1.5", ""),
    ("a name that leads elsewhere", "127.3.0.2", "mail.client.test", "x@good.test", 550, "5.7.25", "Sender validation failed ("),
    ("a name that leads nowhere", "127.3.0.3", "mail.client.test", "x@good.test", 550, "5.7.25", "Sender validation failed ("),
    ("no name", "127.3.0.100", "mail.client.test", "x@good.test", 550, "5.7.25", "Sender validation failed ("),
    ("SERVFAIL for the name", "127.3.4.1", "mail.client.test", "x@good.test", 451, "4.7.25", "try again later ("),
    ("SERVFAIL for the address of the name", "127.3.0.5", "mail.client.test", "x@good.test", 451, "4.7.25", "try again later ("),
    ("a friend is not looked at", "127.3.0.200", "nonsense", "x@nowhere.test", 250, "2.1.5", ""),
    ("a greeting without a dot", "127.3.0.1", "client", "x@good.test", 550, "5.7.1", "not your name"),
    ("a greeting that is an address", "127.3.0.1", "127.3.0.1", "x@good.test", 550, "5.7.1", "not your name"),
    ("its own address in brackets", "127.3.0.1", "[127.3.0.1]", "x@good.test", 250, "2.1.5", ""),
    ("another's address in brackets", "127.3.0.1", "[127.3.0.2]", "x@good.test", 550, "5.7.1", "not your name"),
    ("our name", "127.3.0.1", HOST, "x@good.test", 550, "5.7.1", "Who are you? ("),
    ("our name, in capitals", "127.3.0.1", HOST.upper(), "x@good.test", 550, "5.7.1", "Who are you? ("),
    ("our domain", "127.3.0.1", "example.org", "x@good.test", 550, "5.7.1", "Who are you? ("),
    ("a sender's domain that is not there", "127.3.0.1", "mail.client.test", "x@gone.good.test", 550, "5.1.8", "("),
    ("a sender's domain with neither MX nor address", "127.3.0.1", "mail.client.test", "x@text.good.test", 550, "5.1.8", "("),
    ("a sender's domain with an address of IPv6", "127.3.0.1", "mail.client.test", "x@six.good.test", 250, "2.1.5", ""),
    ("a sender's domain with a null MX", "127.3.0.1", "mail.client.test", "x@null.test", 550, "5.7.27", "takes no mail ("),
    ("a sender's domain whose servers fail", "127.3.0.1", "mail.client.test", "x@broken.test", 451, "4.4.3", "try again later ("),
    ("a report", "127.3.0.1", "mail.client.test", "", 250, "2.1.5", ""),
    ("a sender at an address", "127.3.0.1", "mail.client.test", "x@[127.3.0.1]", 250, "2.1.5", ""),
    ("listed", "127.3.0.11", "mail.client.test", "x@good.test", 550, "5.7.1", "block list: bl.test ("),
    ("listed with a code that only scores", "127.3.0.12", "mail.client.test", "x@good.test", 250, "2.1.5", ""),
    ("listed with a code that no line names", "127.3.0.13", "mail.client.test", "x@good.test", 250, "2.1.5", ""),
    ("listed, and in the white list", "127.3.0.14", "client", "x@gone.good.test", 250, "2.1.5", ""),
    ("the refusal that is for good goes first", "127.3.4.1", "client", "x@good.test", 550, "5.7.1", "not your name"),
    ("L7 a name with line ends and control bytes", "127.3.0.6", "mail.client.test", "x@good.test", 550, "5.7.25", "("),
], name="{0}", limit=90)
def outcome(ip, helo, sender, code, enhanced, text):
    r = ask(ip, helo, sender)
    equal((r.code, r.enhanced), (code, enhanced), repr(r))
    check(text in repr(r), repr(r))
    if code >= 400:
        check(re.search(r"\([0-9a-z]{13}\)", repr(r)), "the letter's id stands in " + repr(r))


@test("a refusal is one line of the log, with the owner's label, and a why-record by the client's address", limit=90)
def said_why():
    r = ask("127.3.0.2")
    ident = re.search(r"\(([0-9a-z]{13})\)", repr(r)).group(1)
    m = server().log_wait(r"refused .*msg=%s.*" % ident)
    line = m.group(0)
    for part in ("check=ip-name", "label=ip-name", "peer=127.3.0.2", "value=liar.good.test", "from=x@good.test",
                 "rcpt=alice@example.org", "does not lead back"):
        check(part in line.replace('"', "").replace("<", "").replace(">", ""), "%s in %s" % (part, line))
    status, out, err = server().command("why", ident)
    check(status == 0 and "by the check ip-name" in out and "liar.good.test" in out, out + err)


@test("L7 what a PTR says is one line of the log", limit=90)
def sane_log():
    ask("127.3.0.6")
    server().log_wait(r'peer="127\.3\.0\.6".*value=.*good\.test')
    for line in server().log_bytes().split(b"\n"):
        check(not re.search(rb"[\x00-\x08\x0b-\x1f]", line), line)


@test("everybody may write to the postmaster (RFC 5321 4.5.1)", limit=90)
def postmaster():
    equal(ask("127.3.0.2", to="postmaster@example.org").code, 250)
    equal(ask("127.3.0.2", to="alice@example.org").code, 550)


@test("a letter whose scores reach `junk at` lies in Junk with X-Spam fields; forged ones are gone", limit=90)
def junk():
    tok = letters.token()
    forged = letters.letter(tok).replace(b"Subject:", b"X-Spam-Status: No, score=-100\r\nX-Spam-Flag: NO\r\nx-spam-score:\r\n -100\r\nSubject:", 1)
    s = server()
    with s.client(source="127.3.0.12", timeout=40) as c:
        c.cmd("EHLO mail.client.test")
        equal(c.deliver(["alice@example.org"], forged, sender="x@good.test").code, 250)
    path = eventually(lambda: [p for p in glob.glob(s.maildir() + "/.Junk/new/*") if tok.encode() in open(p, "rb").read()],
                      20 * SLOW, what="the letter in Junk")[0]
    raw = open(path, "rb").read()
    head = raw.split(b"\r\n\r\n" if b"\r\n\r\n" in raw else b"\n\n")[0].decode().replace("\r", "")
    equal(re.findall(r"(?mi)^x-spam-[a-z]*:.*", head),
          ["X-Spam-Flag: YES", "X-Spam-Score: 6", "X-Spam-Bar: ++++++", "X-Spam-Level: ******", "X-Spam-Status: Yes, score=6 required=5"])
    check("\ttests=dynamic=6" in head, head)
    check("-100" not in head, head)
    s.log_wait(r'scored .*score=600 checks="dynamic=6" folder="Junk"')


@test("a letter below `junk at` lies in the inbox and says so", limit=90)
def no_junk():
    tok = letters.token()
    s = server()
    with s.client(source="127.3.0.1", timeout=40) as c:
        c.cmd("EHLO mail.client.test")
        equal(c.deliver(["alice@example.org"], letters.letter(tok), sender="x@good.test").code, 250)
    raw = s.wait(tok).raw.decode()
    check("X-Spam-Status: No, score=0 required=5" in raw and "X-Spam-Flag" not in raw and "tests=none" in raw, raw[:800])


@test("scores are summed: `reject at` refuses the letter", limit=90)
def too_much():
    with server().client(source="127.3.0.15", timeout=40) as c:
        c.cmd("EHLO mail.client.test")
        r = c.deliver(["alice@example.org"], letters.letter(letters.token()), sender="x@good.test")
        equal((r.code, r.enhanced), (550, "5.7.1"), repr(r))
    server().log_wait("refused .*its score is 13.5, reject at 12")


@test("each signal is asked for once in a conversation, and shown once", limit=90)
def once():
    s, asked = server(), net().lists["bl.test"].asked
    name = ("17.0.3.127.bl.test", A)
    before = asked.get(name, 0)
    with s.client(source="127.3.0.17", timeout=40) as c:
        c.cmd("EHLO mail.client.test")
        for _ in range(3):
            equal(c.mail("x@good.test").code, 250)
            for to in ("alice", "bob"):
                equal(c.rcpt(to + "@example.org").code, 250)
            c.cmd("RSET")
    equal(asked.get(name, 0) - before, 1)


@test("a list that misbehaves is off with a warning, counts for nothing, and is asked about nobody", limit=120)
def off():
    ask("127.3.0.1")
    eventually(lambda: all(lists()[z]["state"] == "off" for z in BROKEN), 60 * SLOW, what=lambda: "off: %r" % lists())
    got = lists()
    for zone, word in (("all.test", "everything"), ("refuse.test", "refuses"), ("nothing.test", "nothing"),
                       ("parked.test", "no list answers"), ("rcode.test", "refuses"),
                       ("fails.test", "does not answer"), ("silent.test", "does not answer")):
        check(word in got[zone]["why_off"], "%s: %r" % (zone, got[zone]))
        check(got[zone]["off_since"] and got[zone]["last_at"], repr(got[zone]))
        server().log_wait(r"list zone=%s state=off" % re.escape(zone))
        if word.startswith("does not"):
            check(got[zone]["error"], repr(got[zone]))
        if zone in ("rcode.test", "fails.test"):
            check("got %s" % ("REFUSED" if zone == "rcode.test" else "SERVFAIL") in got[zone]["error"], repr(got[zone]))
        for (name, _), _n in list(net().lists[zone].asked.items()):
            check(".0.3.127." not in name, "%s was asked" % name)
    equal((got["bl.test"]["state"], got["bl.test"]["ipv6"]), ("on", True))
    equal((got["four.test"]["state"], got["four.test"]["ipv6"]), ("on, IPv4 only", False))


@test("hits of today are counted, once for each client", limit=90)
def hits():
    before = lists()["bl.test"]["hits_today"]
    with server().client(source="127.3.0.11", timeout=40) as c:
        c.cmd("EHLO mail.client.test")
        for _ in range(3):
            c.mail("x@good.test")
            equal(c.rcpt("alice@example.org").code, 550)
            c.cmd("RSET")
    got = lists()["bl.test"]
    equal(got["hits_today"] - before, 1)
    equal(got["last_answer"], "127.0.0.4")
    status, out, err = server().command("status", "--lists")
    check(status == 0 and "bl.test: on, " in out and "WARNING: it lists everything" in out, out + err)


REHEARSAL = [
    # client, greeting, sender, recipient; code, rule and what follows
    ("a good client", "127.3.0.1", "mail.client.test", "x@good.test", "alice@example.org", 250, None, ""),
    ("no name", "127.3.0.100", "mail.client.test", "x@good.test", "alice@example.org", 550, "rdns", "reject"),
    ("SERVFAIL", "127.3.4.1", "mail.client.test", "x@good.test", "alice@example.org", 451, "rdns", "defer"),
    ("listed", "127.3.0.11", "mail.client.test", "x@good.test", "alice@example.org", 550, "dnsbl bl.test", "reject"),
    ("scored", "127.3.0.12", "mail.client.test", "x@good.test", "alice@example.org", 250, "dnsbl bl.test", "score 6"),
    ("null MX", "127.3.0.1", "mail.client.test", "x@null.test", "alice@example.org", 550, "sender-domain", "reject"),
    ("no such user", "127.3.0.1", "mail.client.test", "x@good.test", "nobody@example.org", 550, "recipient", "reject"),
    ("not ours", "127.3.0.1", "mail.client.test", "x@good.test", "x@good.test", 550, "recipient", "reject"),
    ("a friend", "127.3.0.200", "x", "x@good.test", "alice@example.org", 250, "friends", ""),
    ("IPv6, listed", "2001:db8::1", "mail.client.test", "x@good.test", "alice@example.org", 550, "dnsbl bl.test", "reject"),
    ("the white list", "127.3.0.14", "client", "x@good.test", "alice@example.org", 250, "dnswl wl.test", "pass"),
]


@cases(REHEARSAL, name="test rcpt: {0}", limit=90)
def rehearse(ip, helo, sender, to, code, rule, follows):
    status, out, err = server().command("--json", "test", "rcpt", "--from", sender, "--to", to, "--ip", ip, "--helo", helo,
                                        timeout=60)
    got = json.loads(out)
    equal((got["code"], status), (code, 0 if code == 250 else 1), out + err)
    if rule:
        check(any(r["rule"] == rule and r["follows"] == follows for r in got["rules"]), out)
    if "." in ip and ip != "127.3.4.1" and rule not in ("recipient",):
        equal(ask(ip, helo, sender, to).code, code, "the same as in a session")


@test("test rcpt prints every rule, and is refused with a sentence when it is asked wrongly")
def rehearse_text():
    status, out, err = server().command("test", "rcpt", "--from", "x@good.test", "--to", "alice@example.org", "--ip", "127.3.0.2",
                                        timeout=60)
    equal(status, 1, err)
    for part in ("rdns: found, liar.good.test: its name does not lead back to it -> reject [ip-name]",
                 "dnsbl bl.test: nothing", "dnsbl all.test: not asked: the list is off: it lists everything",
                 "= 550 5.7.25 Sender validation failed"):
        check(part in out, "%s in\n%s" % (part, out))
    for args in (("--from", "x", "--to", "alice@example.org", "--ip", "nowhere"), ("--from", "a@b.test", "--to", "x", "--ip", "127.3.0.1"),
                 ("--whom", "x", "--to", "alice@example.org", "--ip", "127.3.0.1")):
        status, out, err = server().command("test", "rcpt", *args)
        check(status in (1, 2) and err, "%r: %d %s%s" % (args, status, out, err))


@test("a list that goes bad is switched off at its next test, and counts again when it behaves", limit=180)
def moody():
    LISTS["moody.test"] = dict(GOOD_POINTS, **{"17.0.3.127": ["127.0.0.2"]})
    line = "check dnsbl moody.test hit reject\n"
    with Server(net().conf(), inbound=line, users=("alice",)) as s:
        equal(ask("127.3.0.17", s=s).code, 550)
        equal(ask("127.3.0.1", s=s).code, 250)
        LISTS["moody.test"] = ["127.0.0.2"]
        time.sleep(2.1)                 # what the resolver keeps for a second
        s.reload()                      # lists are tested at a reload
        eventually(lambda: lists(s)["moody.test"]["state"] == "off", 30 * SLOW, what="it is off")
        equal(ask("127.3.0.17", s=s).code, 250)
        LISTS["moody.test"] = dict(GOOD_POINTS, **{"17.0.3.127": ["127.0.0.2"]})
        time.sleep(2.1)
        s.reload()
        eventually(lambda: lists(s)["moody.test"]["on"], 30 * SLOW, what="it is on")
        time.sleep(2.1)
        equal(ask("127.3.0.17", s=s).code, 550)


@test("an answer that no list gives counts for nothing, and never as clean", limit=90)
def odd():
    with Server(net().conf(), inbound="check dnsbl odd.test hit reject\n", users=("alice",)) as s:
        equal(ask("127.3.0.16", s=s).code, 250)
        status, out, _ = s.command("--json", "test", "rcpt", "--from", "", "--to", "alice@example.org", "--ip", "127.3.0.16")
        equal([r["found"] for r in json.loads(out)["rules"] if r["rule"] == "dnsbl odd.test"], ["not asked"], out)


HEADER = {"good": "From: A <a@good.test>", "reply-to": "From: a@nowhere.test\r\nReply-To: <b@good.test>",
          "none": "From: a@nowhere.test\r\nSender: b@null.test", "no address": "From: MAILER-DAEMON",
          "unsure": "From: a@x.broken.test"}


@test("an address in From, Sender or Reply-To that can be answered: refused with the piece quoted, put off, told once, released",
      limit=150)
def header_address():
    with Server(net().conf(), inbound="check header-address fail reject temporary defer label nobody-to-answer\n"
                "friends 127.3.0.200\n", users=("alice",)) as s:
        def bring(what, source="127.3.0.1"):
            tok = letters.token()
            with s.client(source=source, timeout=60) as c:
                c.ehlo("mail.client.test")
                text = (HEADER[what] + "\r\nDate: Sun, 22 Nov 2026 12:00:00 +0000\r\nSubject: %s\r\n\r\nx\r\n" % tok).encode()
                return tok, c.deliver(["alice@example.org"], text, sender="x@good.test")
        for what in ("good", "reply-to"):
            tok, r = bring(what)
            equal(r.code, 250, what)
            s.wait(tok)
        for what, piece in (("none", '"a@nowhere.test": there is no such domain'), ("no address", '"MAILER-DAEMON": it is no address')):
            tok, r = bring(what)
            check(r.code == 550 and "5.7.1" in r.text and piece in r.text, "%s: %r" % (what, r))
        letter = r.text.split("(")[-1].split(")")[0]
        log = s.log_wait(r"refused [^\n]*msg=%s[^\n]*header-address nobody-to-answer" % letter)
        check(log, "the log")
        equal(len(re.findall(r"(?m)^.* refused .*msg=%s" % letter, s.log())), 1, "lines")
        code, out, _ = s.command("refused", "list")
        check(code == 0 and letter in out and "header-address" in out, "refused list: %s" % out)
        code, out, _ = s.command("trace", letter)
        check(code == 0 and "nobody-to-answer" in out, "trace: %s" % out)
        tok, r = bring("unsure")
        check(r.code == 451, "not known now: %r" % r)
        equal(bring("none", source="127.3.0.200")[1].code, 250, "a friend")
        equal(s.command("refused", "release", letter)[0], 0, "release")
        eventually(lambda: any(b"MAILER-DAEMON" in x.raw for x in s.letters()), 20 * SLOW, what="the released letter")
    with Server(net().conf(), inbound="check header-address fail score 3.5\njunk at 3\n", users=("alice",)) as s:
        tok, r = bring("none")
        equal(r.code, 250, "scored")
        eventually(lambda: s.find(tok) or s.anywhere(tok), 10 * SLOW, what="the letter")
        check("HEADER_ADDRESS" in s.log_wait(r"scored [^\n]*").group(0), "the log")


@test("C10 letters refused for want of a host name ban a client, a letter once, not who is in a white list", limit=150)
def nameless():
    net()
    for ip in ("198.51.100.7", "198.51.100.8"):
        subprocess.run(["ip", "addr", "add", ip + "/32", "dev", "lo"], check=False, capture_output=True)
    conf = net().conf() + "\nban {\nno-host-name 4 per 10m\n}\n"
    with Server(conf, inbound="check rdns fail reject\n", users=("alice", "bob")) as s:
        for i in range(4):
            with s.client(source="198.51.100.7", timeout=60) as c:
                equal(c.banner.code, 220, "greeting %d" % i)
                c.ehlo("mail.client.test")
                c.mail("x@good.test")
                for to in ("alice", "bob"):
                    r = c.rcpt(to + "@example.org")
                    equal(r.code, 550, r)
                c.cmd("QUIT")
        check(s.log_wait(r'ban client="198\.51\.100\.7" seconds=600 [^\n]*why="4 letters refused for want of a host name'), "ban")
        with s.client(source="198.51.100.7") as c:
            check(c.banner.code == 421 and "banned" in c.banner.text, c.banner)
        with s.client(source="198.51.100.8") as c:
            equal(c.banner.code, 220, "the neighbour")


@test("without a line `check` nothing is asked", limit=90)
def nothing():
    with Server(net().conf(), users=("alice",)) as s:
        tok = letters.token()
        with s.client(source="127.3.0.18") as c:
            c.ehlo("client")
            equal(c.deliver(["alice@example.org"], letters.letter(tok), sender="x@nowhere.test").code, 250)
        check("X-Spam" not in s.wait(tok).raw.decode(), "no X-Spam field")
        asked = [name for l in net().lists.values() for name, _ in l.asked]
        equal([name for name in asked if name.startswith("18.0.3.127")], [])


@test("clients whose names hang, more than may be asked about at once, hold nobody up", limit=180)
def flood():
    s, crowd = server(), []
    try:
        for i in range(600):
            crowd.append(s.client(source="127.3.5.%d" % (i % 250 + 1), timeout=60))
        start = time.monotonic()
        equal(ask("127.3.0.1").code, 250)
        check(time.monotonic() - start < 15 * SLOW, "%.1f s" % (time.monotonic() - start))
    finally:
        for c in crowd:
            c.close()
    equal(ask("127.3.5.251").code, 451, "one of them")


@test("a client that leaves while it is looked at leaves nothing behind", limit=120)
def leaves():
    s = server()
    for _ in range(20):
        s.client(source="127.3.4.1").close()
    eventually(lambda: not re.search(r"(?m)^smtpd\.\d+ check\b", s.command("status", "--fibers")[1]), 60 * SLOW,
               what="no fiber of a check is left")
    equal(ask("127.3.0.1").code, 250)


tap.main()
