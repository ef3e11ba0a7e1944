#!/usr/bin/python3
"""Letters between real servers in the small internet, each found by its MX: waxwing with waxwing, Postfix, Exim
and OpenSMTPD, in both directions."""
import email
import glob
import re

import tap
from letters import letter, on_disk, token
from server import SLOW
from submission import SubmissionServer
from tap import cases, check, equal, eventually, test
from world import World, once
from world_peers import EximPeer, OpenSmtpdPeer, PostfixPeer

BODY = b".\r\n..x\r\nGood day.\r\n" * 3000


class Neighbours(World):
    """Two waxwings; the peers come with their tests."""

    def __init__(self):
        super().__init__()
        self.domain("example.org", "127.5.0.1", host="mail.example.org")
        self.domain("other.test", "127.5.0.2")
        self.domain("pf.test", "127.5.0.3")
        self.domain("exim.test", "127.5.0.4")
        self.domain("open.test", "127.5.0.5", has_tls=False)
        self.start()
        self.a = self.ours("example.org", "alice")
        self.b = self.ours("other.test", "bob")

    def ours(self, domain, user):
        return self.waxwing(domain, SubmissionServer, "listen smtp %s:25\n" % self.ips[domain], users=(user,),
                            passwords={user: user + "-pw"}).start()


world = once(Neighbours)


def text_of(tok, sender):
    return letter(tok, BODY).replace(b"sender@client.example.net", sender.encode())


def send(s, user, *to):
    """From a waxwing's user; (token, id)."""
    tok = token()
    with s.submission(user, password=user + "-pw") as c:
        equal(c.mail(s.address(user)).code, 250, "MAIL")
        for one in to:
            equal(c.rcpt(one).code, 250, "RCPT " + one)
        r = c.data(text_of(tok, s.address(user)))
        equal(r.code, 250, "DATA: %r" % r)
    return tok, r.queue_id


def sent(s, msg, to, want):
    """The relay's line about it."""
    pattern = r' relay msg=%s to="%s" .*' % (msg, re.escape(to))
    line = eventually(lambda: re.search(pattern, s.log()), 30 * SLOW, what=lambda: "a result:\n" + s.log()[-1500:]).group(0)
    check(re.search(want, line), "%r is not in %s" % (want, line))


def is_same(got, what):
    check(got.replace(b"\r\n", b"\n").endswith(b"\n\n" + BODY.replace(b"\r\n", b"\n")), "%s is another: %r" % (what, got[-80:]))


def in_maildir(pattern, tok, log):
    def found():
        for path in glob.glob(pattern):
            with open(path, "rb") as f:
                got = f.read()
            if tok.encode() in got:
                return got
        return None
    is_same(eventually(found, 30 * SLOW, 0.1, what=lambda: "a letter %s; the peer says:\n%s" % (pattern, log()[-1500:])), "the letter")


def to_peer(w, p, unknown):
    """alice writes to two there and one whom nobody knows: she is told."""
    tok, msg = send(w.a, "alice", *("%s@%s" % (u, p.domain) for u in ("u1", "u2", "nobody")))
    tls = r"TLSv1\.[23] .*, verified \(DANE\)" if p.crt else "none"
    sent(w.a, msg, p.domain, r'tls="%s" sent=2 later=0 never=1' % tls)
    for u in "u1", "u2":
        in_maildir(p.maildir(u), tok, p.log)
    report = w.a.wait("The number of your message here is " + msg, "alice", limit=20).raw
    check(b"nobody@" + p.domain.encode() in report and re.search(unknown, report), report[:2000])


def in_seven_bits(w, p):
    head = (b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n")
    tok, body = token(), "Grüße, mit Umläuten und = darin\r\n".encode() * 20000
    with w.a.submission("alice", password="alice-pw") as c:
        equal(c.mail("alice@example.org", "BODY=8BITMIME").code, 250, "MAIL")
        equal(c.rcpt("u1@pf.test").code, 250, "RCPT")
        r = c.data(letter(tok, body, head).replace(b"sender@client.example.net", b"alice@example.org"))
        equal(r.code, 250, "DATA: %r" % r)

    def found():
        for path in glob.glob(p.maildir("u1")):
            with open(path, "rb") as f:
                got = f.read()
            if tok.encode() in got:
                return got
        return None
    got = eventually(found, 30 * SLOW, 0.1, what=lambda: "a letter in 7 bits; the peer says:\n" + p.log()[-1500:])
    there = email.message_from_bytes(got)
    equal(there["Content-Transfer-Encoding"], "quoted-printable", "encoding")
    check(all(b < 128 for b in got), "it has octets beyond 127")
    equal(there.get_payload(decode=True).replace(b"\r\n", b"\n"), body.replace(b"\r\n", b"\n"), "decoded")
    sent(w.a, r.queue_id, "pf.test", "sent=0 later=0 never=0 needs-7bit=1")


def from_peer(w, p):
    """A person there writes to alice, and to somebody whom we do not know."""
    tok, sender = token(), "u1@" + p.domain
    p.root.run(*p.sendmail, "-i", "-f", sender, "alice@example.org", "nobody@example.org",
               input=on_disk(text_of(tok, sender)).decode())
    got = eventually(lambda: w.a.find(tok, "alice"), 30 * SLOW, 0.1, what=lambda: "a letter; the peer says:\n" + p.log()[-1500:])
    equal(len(got), 1, "copies")
    is_same(got[0].raw, "the letter")
    check("with ESMTPS" in got[0].first("received"), got[0].first("received"))
    check("[%s]" % p.ip in got[0].first("received"), got[0].first("received"))
    eventually(lambda: re.search(r"nobody@example\.org.*\n?.*55[0-9][ -]", p.log()), 20 * SLOW, 0.2,
               what=lambda: "the refusal in the peer's log:\n" + p.log()[-1500:])


@test("two waxwings by MX, DANE both ways", limit=120)
def two():
    w = world()
    for one, user, other, to in (w.a, "alice", w.b, "bob"), (w.b, "bob", w.a, "alice"):
        tok, msg = send(one, user, other.address(to))
        is_same(other.wait(tok, to, limit=30, domain=other.domain).raw, "the letter")
        sent(one, msg, other.domain, r", verified \(DANE\)\" sent=1")
        check("with ESMTPS" in other.find(tok, to)[0].first("received"), "no TLS")


@test("two waxwings: whom the other does not know is reported to the sender", limit=120)
def unknown_there():
    w = world()
    _, msg = send(w.b, "bob", "nobody@example.org")
    report = w.b.wait("The number of your message here is " + msg, "bob", limit=30).raw
    check(b"5.1.1" in report and b"Remote-MTA: dns;mail.example.org" in report.replace(b"; ", b";"), report[:2000])


@cases([(kind.name, kind, domain, unknown) for kind, domain, unknown in (
    (PostfixPeer, "pf.test", rb"550 5\.1\.1"), (EximPeer, "exim.test", rb"550 .*unknown user"),
    (OpenSmtpdPeer, "open.test", rb"524 5\.2\.4"))], "{0} and waxwing by MX, both ways", limit=120)
def peer(kind, domain, unknown):
    w = world()
    with kind(w, domain) as p:
        to_peer(w, p, unknown)
        from_peer(w, p)


@test("Postfix that takes 7 bits only: what comes decodes to what was sent", limit=120)
def seven_bits():
    w = world()
    with PostfixPeer(w, "pf.test", more="smtpd_discard_ehlo_keywords = 8bitmime\n") as p:
        in_seven_bits(w, p)


tap.main()
