"""Rows K3 and K4 on a letter's way in: fields that claim to be ours in every dress, and seals of ARC that are not a chain."""
import re

import internet
import letters
import tap
from dkim_maker import Key, split
from server import HOST, Server
from tap import cases, check, equal, test

FORWARDER, FORGER = "127.8.0.9", "127.8.0.66"
NET = KEY = SERVER = None


def server():
    global NET, KEY, SERVER
    if SERVER is None:
        NET = internet.Internet()
        KEY = Key(NET.dir)
        NET.zone("bank.test", '@ TXT "v=spf1 -all"\n_dmarc TXT "v=DMARC1; p=reject"\nk1._domainkey TXT ' + KEY.record)
        NET.zone("list.test", '@ TXT "v=spf1 ip4:%s -all"\nk1._domainkey TXT %s' % (FORWARDER, KEY.record))
        NET.zone("forger.test", '@ TXT "v=spf1 +all"\n@ A %s\nk1._domainkey TXT %s' % (FORGER, KEY.record))
        NET.add_host("lists.list.test", FORWARDER)
        NET.start()
        SERVER = Server(NET.conf(), inbound="trust-arc list.test", users=("alice",)).start()
    return SERVER


tap.ends(lambda: (SERVER, NET))


def letter(author, headers=b""):
    tok = letters.token()
    return tok, letters.letter(tok, headers=headers, body=b"Good day.\r\n").replace(
        b"Sender <sender@client.example.net>", author.encode())


def bring(text, sender, source):
    with server().client(source=source, timeout=60) as c:
        c.cmd("EHLO x.forger.test")
        return c.deliver([server().address("alice")], text, sender=sender)


# K3: {H} is our name; each claims that a forged letter passed
CLAIMS = [
    ("as we write it", "Authentication-Results: {H}; dmarc=pass header.from=bank.test"),
    ("folded behind the colon", "Authentication-Results:\r\n\t{H};\r\n dkim=pass header.d=bank.test"),
    ("a comment in front of the name", "Authentication-Results: (one (of two)) {H} (and more); dmarc=pass"),
    ("in capitals", "AUTHENTICATION-RESULTS: {U}; dmarc=pass"),
    ("with a version", "Authentication-Results: {H} 1; dmarc=pass"),
    ("a version behind a slash", "Authentication-Results: {H}/1; dmarc=pass"),
    ("quoted", "Authentication-Results: \"{H}\"; dmarc=pass"),
    ("a blank in front of the colon", "Authentication-Results : {H}; dmarc=pass"),
    ("a final dot", "Authentication-Results: {H}.; dmarc=pass"),
    ("an encoded word", "Authentication-Results: =?utf-8?Q?{H}?=; dmarc=pass"),
    ("nothing else", "Authentication-Results: {H}"),
    ("no results", "Authentication-Results: {H}; none"),
    ("a comment inside the name", "Authentication-Results: {H}(x); dmarc=pass"),
]


def fields(raw):
    head = raw.split(b"\r\n\r\n" if b"\r\n\r\n" in raw else b"\n\n")[0] + b"\n"
    return [re.sub(rb"\s+", b" ", f).strip().decode("latin-1")
            for f in re.findall(rb"(?mi)^authentication-results[ \t]*:[^\n]*\n(?:[ \t][^\n]*\n)*", head)]


def dressed(claim):
    return claim.replace("{H}", HOST).replace("{U}", HOST.upper()).encode() + b"\r\n"


@cases(CLAIMS, name="K3 a forged field of ours, {0}, is gone, and the true one is on top")
def claimed(claim):
    server()
    tok, text = letter("ann@forger.test", dressed(claim))
    equal(bring(text, "ann@forger.test", FORGER).code, 250)
    found = fields(server().wait(tok, limit=20).raw)
    print("# %r" % found[1:])
    check(found and "spf=pass smtp.mailfrom=forger.test" in found[0] and found[0].startswith("Authentication-Results: " + HOST + ";"), found)
    check(not any("dmarc=pass" in f or "dkim=pass" in f for f in found), found)


@test("K3 a hundred forged ones at once are gone; those of others stay")
def hundred():
    server()
    others = [b"Authentication-Results: other.example; dkim=fail\r\n", b"Authentication-Results: %s.forger.test; spf=none\r\n" % HOST.encode(),
              b"X-Authentication-Results: kept\r\n"]
    tok, text = letter("ann@forger.test", b"".join(dressed(CLAIMS[i % 9][1]) for i in range(100)) + b"".join(others))
    equal(bring(text, "ann@forger.test", FORGER).code, 250)
    raw = server().wait(tok, limit=20).raw
    equal(len(fields(raw)), 3, fields(raw))
    for o in others:
        check(o.strip() in raw.replace(b"\r\n", b"\n"), o)


def changed_by_list():
    tok, text = letter("ann@bank.test")
    return tok, KEY.sign(text, "bank.test").replace(b"Good day.\r\n", b"Good day.\r\n-- \r\nthe list\r\n")


PASS = "dmarc=pass header.from=bank.test"


def gap(text):
    for i in (1, 2, 3):
        text = KEY.seal(text, "list.test", i, PASS)
    return re.sub(rb"(?m)^ARC-[A-Za-z-]+: i=2;[^\n]*\n(?:[ \t][^\n]*\n)*", b"", text)


def twice(text):
    return KEY.seal(KEY.seal(text, "list.test", 1, PASS), "list.test", 1, PASS)


def failed_before(text):
    text = KEY.seal(KEY.seal(text, "list.test", 1, PASS), "list.test", 2, PASS, cv="fail")
    return KEY.seal(text, "list.test", 3, PASS)


def by_forger_first(text):
    """The forger seals what never passed; the list only passes it on."""
    return KEY.seal(KEY.seal(text, "forger.test", 1, PASS), "list.test", 2, "dmarc=fail header.from=bank.test")


def without(name):
    def make(text):
        head, body = split(KEY.seal(text, "list.test", 1, PASS))
        head = re.sub(rb"(?mi)^%s:[^\n]*\n(?:[ \t][^\n]*\n)*" % name, b"", head)
        return head + b"\r\n" + body
    return make


def fifty_one(text):
    for i in range(1, 52):
        text = KEY.seal(text, "list.test", i, PASS)
    return text


@cases([
    ("an instance of zero", lambda t: KEY.seal(t, "list.test", 0, PASS, cv="none")),
    ("fifty-one sets", fifty_one),
    ("a gap", gap),
    ("an instance twice", twice),
    ("a chain that failed once and passes again", failed_before),
    ("a first set that says pass", lambda t: KEY.seal(t, "list.test", 1, PASS, cv="pass")),
    ("no results in a set", without(b"arc-authentication-results")),
    ("no signature in a set", without(b"arc-message-signature")),
    ("no seal in a set", without(b"arc-seal")),
    ("a forger's own seal, passed on by a list that is believed", by_forger_first),
    ("a forger's own seal", lambda t: KEY.seal(t, "forger.test", 1, PASS)),
], name="K4 {0}: it sets no policy aside", limit=120)
def seals(make):
    server()
    _, text = changed_by_list()
    r = bring(make(text), "list-bounces@list.test", FORWARDER)
    equal((r.code, r.enhanced), (550, "5.7.1"), repr(r))


@test("K4 a chain as it should be, of somebody who is believed, does")
def chain():
    server()
    tok, text = changed_by_list()
    text = KEY.seal(KEY.seal(text, "list.test", 1, PASS), "list.test", 2, PASS)
    equal(bring(text, "list-bounces@list.test", FORWARDER).code, 250)
    check("arc=pass" in fields(server().wait(tok, limit=20).raw)[0], "arc=pass")


tap.main()
