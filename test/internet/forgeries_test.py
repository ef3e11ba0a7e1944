"""Letters that are not from whom they seem to be: the kinds that the public list of espoofer names (and the paper it
belongs to: Chen, Paxson, Jiang, "Composition Kills", 2020), from a domain that is protected and from one that only looks on.

The forger owns forger.test, with whatever SPF, DKIM keys and names below it he likes; the other domain has SPF and DMARC."""
import base64
import re
import socket

import internet
import letters
import tap
from dkim_maker import Key
from server import HOST, SLOW, Server
from tap import cases, check, equal, test

FORGER, OWNER = "127.7.0.66", "127.7.0.1"
NET = KEY = SERVER = None


def server():
    global NET, KEY, SERVER
    if SERVER:
        return SERVER
    NET = internet.Internet()
    KEY = Key(NET.dir)
    for name, policy in (("legit.test", "reject"), ("looks.test", "none")):
        NET.zone(name, '@ TXT "v=spf1 ip4:%s -all"\n_dmarc TXT "v=DMARC1; p=%s"\nk1._domainkey TXT %s' % (
            OWNER, policy, Key(NET.dir).record))
    # names that end in his domain and begin as if in the other's
    odd = ["legit.test\\039a", "looks.test\\039a", "legit.test(a", "looks.test(a", "legit.test\\\"=(a", "looks.test\\\"=(a"]
    odd = [n.replace("(", "\\040") for n in odd]
    NET.zone("forger.test", "\n".join(
        ['@ TXT "v=spf1 +all"', '*.forger.test. TXT "v=spf1 +all"', "@ A " + FORGER, "k1._domainkey TXT " + KEY.record,
         '_dmarc TXT "v=DMARC1; p=none"'] +
        ['%s TXT "v=spf1 +all"\nk1._domainkey.%s TXT %s' % (n, n, KEY.record) for n in odd]), dnssec="insecure")
    NET.add_host("mail.forger.test", FORGER)
    NET.zone("any.test", '@ TXT "v=spf1 +all"')
    NET.start()
    SERVER = Server(NET.conf(), users=("victim", "postmaster")).start()
    return SERVER


tap.ends(lambda: (SERVER, NET))


def encoded(text):
    return b"=?utf-8?B?" + base64.b64encode(text) + b"?="


# id, what it is; HELO, MAIL FROM, fields of the author; d= and s= of a signature of his, the fields that it says were
# signed; L is the other's domain, A the forger's
FROM_L = b"From: <admin@L>\r\n"
SENDER = b"Sender: <s@sender.L>\r\n"
PLAIN = "<any@A>"
LIST = [
    ("A1: a sender below the domain that does not exist", "helo.A", "<any@mailfrom.notexist.L>", FROM_L, None),
    ("A2: a sender that looks empty", "A", "<(any@L>", FROM_L, None),
    ("A3: NUL in the selector", "33.A", "<any@33.A>", FROM_L, (b"L", b"k1._domainkey.A.\0.any")),
    ("A4: a quote in d=", "A", PLAIN, FROM_L, (b"L'a.A", b"k1")),
    ("A4: a parenthesis in d=", "A", PLAIN, FROM_L, (b"L(a.A", b"k1")),
    ("A4: a double quote in d=", "A", PLAIN, FROM_L, (b"L\"=(a.A", b"k1")),
    ("A5: a parenthesis in the sender", "A", "<any@L(a.A>", FROM_L, None),
    ("A6: a quote and two @ in the sender", "A", "<any@L'@any.A>", FROM_L, None),
    ("A7: a route in the sender", "A", "<@L,@any.test:'any@A>", FROM_L, None),
    ("A8: two From, his first", "A", PLAIN, b"From: <first@A>\r\n" + FROM_L, None),
    ("A8: two From, his last", "A", PLAIN, FROM_L + b"From: <first@A>\r\n", None),
    ("A9: two From, a blank in front of the first", "A", PLAIN, b" From: <first@A>\r\n" + FROM_L, None),
    ("A10: two From, a blank behind the second", "A", PLAIN, b"From: <first@A>\r\nFrom : <admin@L>\r\n", None),
    ("A11: two From, the first one folded before its colon", "A", PLAIN, b"From\r\n : <first@A>\r\n" + FROM_L, None),
    ("A12: a From folded before its colon, and a Sender", "A", PLAIN, b"From\r\n : <first@A>\r\nSender: <admin@L>\r\n", None),
    ("A13: a From folded before its colon, and a Resent-From", "A", PLAIN, b"From\r\n : <first@A>\r\nResent-From: <admin@L>\r\n", None),
    ("A14: two addresses in From", "A", PLAIN, b"From: <first@A>, <admin@L>\r\n" + SENDER, None),
    ("A15: an address as an encoded word", "A", PLAIN, b"From:ENCODED,<second@A>\r\n" + SENDER, None),
    ("A16: a route in From", "A", PLAIN, b"From: <@A,@any.test:admin@L>\r\n" + SENDER, None),
    ("A17: a quoted comma", "A", PLAIN, b"From: <admin@L>\\,<second@A>\r\n" + SENDER, None),
    ("A18: an address without brackets in front of one with them", "A", PLAIN, b"From: admin@L,<second@A>\r\n" + SENDER, None),
    ("A19: an address behind an address", "A", PLAIN, b"From: <any@A>admin@L\r\n" + SENDER, None),
    # and what the paper and the attack list have besides
    ("B1: the other's name as a greeting, and no sender", "L", "<>", FROM_L, None),
    ("B2: his signature and no other", "A", PLAIN, FROM_L, (b"A", b"k1")),
    ("B3: his signature says that it speaks for the other", "A", PLAIN, FROM_L, (b"A", b"k1; i=admin@L")),
    ("B4: the other's d= and his own key's place as selector", "A", PLAIN, FROM_L, (b"L", b"k1._domainkey.A")),
    ("B5: an author in a domain whose name ends like the other's", "A", PLAIN, b"From: \"admin@L\" <x@A>, <y@A.L>\r\n", None),
    ("B6: a tab behind From", "A", PLAIN, b"From: <first@A>\r\nFrom\t: <admin@L>\r\n", None),
    ("B7: letters that look alike: From in other case, twice", "A", PLAIN, b"fRoM: <first@A>\r\nFROM: <admin@L>\r\n", None),
    ("B8: a group", "A", PLAIN, b"From: people: <admin@L>, <x@A>;\r\n", None),
    ("B9: an address in a comment", "A", PLAIN, b"From: (<x@A>) <admin@L>\r\n", None),
    ("B10: a quoted local part with @", "A", PLAIN, b"From: \"x@A,\"@L\r\n", None),
]


def fill(template, domain):
    if isinstance(template, str):
        return fill(template.encode(), domain).decode("latin-1")
    template = template.replace(b"ENCODED", encoded(b"<admin@" + domain.encode() + b">"))
    return re.sub(rb"\bA\b(?=[^:]|$)", b"forger.test", re.sub(rb"\bL\b", domain.encode(), template))


def forged(domain, fields, sign):
    tok = letters.token()
    text = (fill(fields, domain) + b"To: <victim@example.org>\r\nSubject: hello\r\nDate: Sun, 22 Nov 2026 10:00:00 +0000\r\n"
            b"Message-ID: <" + tok.encode() + b"@client.example.net>\r\n\r\nHi, this is a test message!\r\n")
    if sign:
        d, s = (fill(x, domain) if x != b"k1" else x for x in sign)
        own, body = text.split(b"\r\n\r\n", 1)
        text = KEY.sign(text, d, s)
        # behind From, where the public list has it
        field, rest = text[:text.index(b"\r\n") + 2], text[text.index(b"\r\n") + 2:]
        first = rest.index(b"\r\n") + 2
        text = rest[:first] + field + rest[first:]
    return tok, text


def attempt(helo, sender, text):
    """(where it was refused, the reply), or the last reply."""
    with server().client(source=FORGER, timeout=60) as c:
        c.cmd("EHLO " + helo)
        for line in ("MAIL FROM:" + sender, "RCPT TO:<victim@example.org>"):
            r = c.cmd(line)
            if r.code != 250:
                return r
        return c.data(text)


def results(tok):
    raw = server().wait(tok, "victim", limit=20).raw
    ours = [f for f in re.findall(rb"(?mi)^authentication-results:[^\n]*\n(?:[ \t][^\n]*\n)*", raw) if HOST.encode() in f]
    equal(len(ours), 1, raw[:800])
    return re.sub(r"\s+", " ", ours[0].decode()).strip()


# The rows of the catalogue that they belong to.
ROWS = [("I5", ("A1", "A2", "A5", "A6", "A7")), ("J6", ("A3", "A4", "B4")), ("J4", ("A8", "A9", "A10", "A11", "A12", "A13", "B6", "B7")),
        ("K1 J5", ("A14", "A15", "A17", "A18", "B5", "B8")), ("J5", ("A16", "A19", "B9", "B10")), ("K2", ("B1",)), ("J4", ("B2", "B3"))]
LIST = [("%s espoofer %s" % (next(row for row, ids in ROWS if case[0].partition(":")[0] in ids), case[0]),) + case[1:] for case in LIST]


@cases(LIST, name="{0}: refused")
def is_refused(helo, sender, fields, sign):
    tok, text = forged("legit.test", fields, sign)
    r = attempt(fill(helo, "legit.test"), fill(sender, "legit.test"), text)
    print("# %r" % r)
    check(500 <= r.code < 600, repr(r))


@cases(LIST, name="{0}: refused or marked, if the domain only looks on")
def is_marked(helo, sender, fields, sign):
    tok, text = forged("looks.test", fields, sign)
    r = attempt(fill(helo, "looks.test"), fill(sender, "looks.test"), text)
    if r.code >= 500:
        return
    equal(r.code, 250, repr(r))
    said = results(tok)
    print("# " + said)
    check("dmarc=fail" in said and "header.from=looks.test" in said, said)
    for one in said.split(";")[1:]:
        # what passes is his own name, with nothing in it that a reader could take for the other's
        check("=pass" not in one or not re.search(r"[=@]looks\.test\b", one), one)


@test("the same letters from where they should come are let in")
def control():
    tok, text = forged("legit.test", FROM_L, None)
    with server().client(source=OWNER, timeout=60) as c:
        c.cmd("EHLO mail.legit.test")
        equal(c.deliver(["victim@example.org"], text, sender="any@legit.test").code, 250)
    check("dmarc=pass" in results(tok), results(tok))


tap.main()
