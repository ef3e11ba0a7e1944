"""Letters that other servers sign, by Exim itself and by opendkim behind Postfix, arrive with every result a pass; and one
that is changed on its way, or comes from elsewhere, does not."""
import glob
import os
import re
import socket

import peers
import tap
from dkim_maker import Key
from letters import letter, token
from server import SLOW
from tap import check, eventually, test
from world import World, once
from world_peers import EximPeer, PostfixPeer

RECORDS = """
@ TXT "v=spf1 mx -all"
mx TXT "v=spf1 a -all"
_dmarc TXT "v=DMARC1; p=reject; adkim=s; aspf=s"
k1._domainkey TXT """
OPENDKIM = """Socket inet:8891@%(ip)s
Domain %(domain)s
Selector k1
KeyFile %(pem)s
Canonicalization %(canon)s
Mode s
Syslog no
UserID root
InternalHosts 0.0.0.0/0
RequireSafeKeys no
"""


class Signers(World):
    def __init__(self):
        super().__init__()
        self.domain("example.org", "127.5.0.1", host="mail.example.org")
        self.keys = {}
        for name, ip in (("exim.test", "127.5.0.4"), ("pf.test", "127.5.0.3")):
            self.domain(name, ip)
            self.keys[name] = Key(self.folder)
            os.chmod(self.keys[name].path, 0o644)
            self.net.zones[name].text += RECORDS + self.keys[name].record
        self.start()
        self.a = self.waxwing("example.org", users=("alice",), conf="listen smtp %s:25\n" % self.ips["example.org"]).start()


world = once(Signers)


def deliver(p, tok, author=None, body=b"Good day.  \r\n\r\ntwo  blanks\t\r\n.\r\n\r\n\r\n"):
    text = letter(tok, body, b"MIME-Version: 1.0\r\nReply-To: x@y.test,\r\n\tz@y.test\r\n")
    text = text.replace(b"sender@client.example.net", (author or "u1@" + p.domain).encode())
    p.root.run(*p.sendmail, "-i", "-f", "u1@" + p.domain, "alice@example.org", input=text.replace(b"\r\n", b"\n").decode())


def arrives(w, p, tok):
    def found():
        got = [open(f, "rb").read() for f in glob.glob(w.a.maildir() + "/new/*")]
        return [g for g in got if tok.encode() in g]
    raw = eventually(found, 40 * SLOW, 0.1, what=lambda: "the letter:\n" + p.log()[-1500:] + w.a.log()[-1500:])[0].decode()
    field = re.search(r"(?m)^Authentication-Results: mail\.example\.org;(?:[^\n]*\n)(?:[ \t][^\n]*\n)*", raw)[0]
    return re.sub(r"\s+", " ", field)


def is_pass(said, domain):
    print("# " + said)
    for part in ("iprev=pass ", "spf=pass smtp.mailfrom=" + domain, "spf=pass smtp.helo=mx." + domain,
                 "dkim=pass (2048-bit key) header.d=" + domain, "dmarc=pass (p=reject dis=none) header.from=" + domain):
        check("; " + part in said, "%s in %s" % (part, said))


@test("Exim signs: dkim, spf and dmarc pass", limit=120)
def exim():
    w = world()
    for canon in ("relaxed", "simple"):
        signs = "dkim_domain = exim.test\ndkim_selector = k1\ndkim_canon = %s\ndkim_private_key = %s\n" % (canon, w.keys["exim.test"].path)
        with EximPeer(w, "exim.test", signs, share=[w.folder]) as p:
            tok = token()
            deliver(p, tok)
            is_pass(arrives(w, p, tok), "exim.test")
            deliver(p, token(), "boss@pf.test")
            w.a.log_wait("refused .*check dmarc: pf.test", limit=30)


class Opendkim:
    def __init__(self, w, p, canon):
        self.root = peers.Root("opendkim", peers.PACKAGES["opendkim"], share=[p.folder, w.folder])
        with open(p.folder + "/opendkim.conf", "w") as f:
            f.write(OPENDKIM % dict(p.words(), canon=canon, pem=w.keys[p.domain].path))
        self.daemon = self.root.spawn("/usr/sbin/opendkim", "-f", "-x", p.folder + "/opendkim.conf")
        tap.eventually(lambda: listens(p.ip, 8891), 20 * SLOW, 0.1, what="opendkim answers")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.daemon.kill()
        self.daemon.wait()
        self.root.end()


def listens(ip, port):
    try:
        socket.create_connection((ip, port), 1).close()
        return True
    except OSError:
        return False


@test("opendkim signs for Postfix: dkim, spf and dmarc pass", limit=180)
def postfix():
    w = world()
    milter = "non_smtpd_milters = inet:%s:8891\nmilter_default_action = tempfail\n" % w.ips["pf.test"]
    for canon in ("relaxed/relaxed", "simple/simple", "relaxed/simple"):
        with PostfixPeer(w, "pf.test", milter) as p, Opendkim(w, p, canon):
            tok = token()
            deliver(p, tok)
            is_pass(arrives(w, p, tok), "pf.test")


tap.main()
