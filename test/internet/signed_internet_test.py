"""Letters that we sign arrive at Exim, and at Postfix with opendkim and opendmarc, with every result a pass; what is
passed on twice arrives with two seals, which dkimpy verifies."""
import glob
import os
import re
import socket

import peers
import tap
from letters import letter, token
from server import SLOW
from signatures import needs_dkimpy, published, verify
from submission import SubmissionServer
from tap import check, eventually, test
from world import World, once
from world_peers import EximPeer, PostfixPeer

ZONE = """
@ TXT "v=spf1 mx -all"
mail TXT "v=spf1 a -all"
_dmarc TXT "v=DMARC1; p=reject; adkim=s; aspf=s"
"""
OPENDKIM = """Socket inet:8891@%(ip)s
Mode v
Syslog no
UserID root
AlwaysAddARHeader yes
AuthservID %(host)s
Nameservers %(resolver)s
"""
OPENDMARC = """Socket inet:8893@%(ip)s
AuthservID %(host)s
TrustedAuthservIDs %(host)s
SPFSelfValidate true
SPFIgnoreResults true
Syslog false
UserID root
PublicSuffixList %(folder)s/psl
"""
SUFFIXES = "test\norg\n"
# what Exim says about a letter in its own words; that of Debian knows neither SPF nor DMARC
EXIM_MAIN = """acl_smtp_data = data
begin acl
data:
  warn add_header = :at_start:${authresults {$primary_hostname}}
  accept
"""


class Signed(World):
    def __init__(self):
        super().__init__()
        self.domain("example.org", "127.5.0.1", host="mail.example.org")
        self.domain("second.test", "127.5.0.6", host="mail.second.test")
        for name, ip in (("exim.test", "127.5.0.4"), ("pf.test", "127.5.0.3")):
            self.domain(name, ip)
        self.net.start()
        self.a, self.b = self.house("example.org", "fwd@example.org: fwd@second.test\n"), self.house("second.test", "fwd@second.test: u1@exim.test\n")
        with open(self.folder + "/psl", "w") as f:
            f.write(SUFFIXES)
        os.chmod(self.folder + "/psl", 0o644)
        for s in self.a, self.b:
            self.publish(s)
        self.resolv = self.net.resolver()        # what the peers ask: it knows the zones as they are now

    def house(self, domain, users):
        self.net.zones[domain].text += ZONE
        s = self.waxwing(domain, SubmissionServer, users=("alice",), passwords={"alice": "alice-pw"},
                         conf="listen smtp %s:25\nusers file users\n" % self.ips[domain])
        with open(s.dir + "/users", "w") as f:
            f.write(users)
        return s

    def publish(self, s):
        """The first pair is made by the first letter."""
        s.start()
        send(s, "alice@" + s.domain)
        text = self.net.zones[s.domain].text
        for name, record in published(s).items():
            parts = " ".join('"%s"' % record[i:i + 200] for i in range(0, len(record), 200))
            text += "\n%s TXT %s" % (name[:-len(s.domain) - 1], parts)
        self.net.change(s.domain, text)


world = once(Signed)


def send(s, to, tok=None):
    tok = tok or token()
    r = s.send("alice", to, (
        b"From: Alice <alice@%s>\r\nTo: %s\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n\tfolded  here\r\n"
        b"Date: Thu, 05 Nov 2026 10:00:00 +0000\r\nMessage-ID: <%s@example.org>\r\nMIME-Version: 1.0\r\n"
        b"Content-Type: text/plain; charset=utf-8\r\n\r\nGood day. \t\r\n\r\n.\r\n  two  blanks\r\n\r\n\r\n")
        % (s.domain.encode(), to.encode(), tok.encode()), port="clear")
    check(r.code == 250, r)
    return tok


def arrived(w, p, tok):
    def found():
        got = [open(f, "rb").read() for f in glob.glob(p.maildir("u1"))]
        return [g for g in got if tok.encode() in g]
    return eventually(found, 60 * SLOW, 0.1, what=lambda: "the letter:\n" + p.log()[-1500:] + w.a.log()[-1500:])[0]


def results(w, p, tok):
    """All Authentication-Results of the letter, on one line."""
    raw = arrived(w, p, tok).decode()
    said = " ".join(re.sub(r"\s+", " ", f) for f in
                    re.findall(r"(?m)^Authentication-Results:(?:[^\n]*\n)(?:[ \t][^\n]*\n)*", raw))
    print("# " + said)
    return said


def listens(ip, port):
    try:
        socket.create_connection((ip, port), 1).close()
        return True
    except OSError:
        return False


class Milters:
    """opendkim and opendmarc beside a peer, at its address."""

    def __init__(self, w, p):
        words = dict(p.words(), folder=w.folder, resolver=re.search(r"nameserver\s+(\S+)", w.resolv)[1])
        self.roots, self.daemons = [], []
        for name, text, port in (("opendkim", OPENDKIM, 8891), ("opendmarc", OPENDMARC, 8893)):
            root = peers.Root(name, peers.PACKAGES[name], share=[p.folder, w.folder])
            self.roots.append(root)
            root.write("/etc/resolv.conf", w.resolv)
            path = "%s/%s.conf" % (p.folder, name)
            with open(path, "w") as f:
                f.write(text % words)
            self.daemons.append(root.spawn("/usr/sbin/" + name, "-f", *(["-x"] if name == "opendkim" else ["-c"]), path))
            eventually(lambda: listens(p.ip, port), 20 * SLOW, 0.1, what=name + " answers")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for d in self.daemons:
            d.kill()
            d.wait()
        for r in self.roots:
            r.end()


@test("Postfix with opendkim and opendmarc: dkim, spf and dmarc pass", limit=240)
def postfix():
    w = world()
    ip = w.ips["pf.test"]
    milters = "smtpd_milters = inet:%s:8891, inet:%s:8893\nmilter_default_action = tempfail\n" % (ip, ip)
    with PostfixPeer(w, "pf.test", milters) as p, Milters(w, p):
        said = results(w, p, send(w.a, "u1@pf.test"))
        check("dkim=pass (2048-bit key" in said and "header.d=example.org" in said, said)
        check("spf=pass" in said, said)
        check("dmarc=pass (p=reject dis=none) header.from=example.org" in said, said)


@test("Exim: both signatures pass", limit=240)
def exim():
    w = world()

    class Telling(EximPeer):
        main = EXIM_MAIN

    with Telling(w, "exim.test") as p:
        said = results(w, p, send(w.a, "u1@exim.test"))
        check(said.count("dkim=pass") == 2 and "header.d=example.org" in said, said)


@test("what is passed on twice has two seals, and both hold; one that was changed has none that does", limit=240)
def sealed():
    needs_dkimpy()
    w = world()
    records = dict(published(w.a), **published(w.b))
    with EximPeer(w, "exim.test") as p:
        tok = token()
        with w.a.client() as c:
            c.ehlo()
            c.mail("s@pf.test")
            c.rcpt("fwd@example.org")
            r = c.data(letter(tok))
            check(r.code == 250, r)
        got = re.sub(rb"(?<!\r)\n", b"\r\n", arrived(w, p, tok))
        print("# " + " ".join(l.decode() for l in got.split(b"\r\n") if l.startswith(b"ARC-Seal")))
        check(verify(got, records, "arc") == "pass 2", got.decode() + verify(got, records, "arc"))
        check(verify(got.replace(b"Good day", b"Bad day"), records, "arc").startswith("fail"), "changed")


tap.main()
