#!/usr/bin/python3
"""Letters by MX in the small internet: which server takes one, how well the line is secured, what becomes of it.

Each row is a domain of its own with servers of its own (lib/sink.py); one waxwing sends to all of them at once.
Expectations are RFC 5321 §5.1, 7505, 7672 and 8461.  "Deferred" means that nothing of the letter was said to a
server that may not have it: no MAIL, in the clear or otherwise."""
import collections
import json
import re
import socket

import certs
import dns_wire
import tap
from domains import (CERTS, DOWN, DRIP, ENDED, EXPIRED, GOOD, LATER, ME, NAMELESS, NEVER, OFFERED, OWN, ROWS, SELF, STRIPPED, WEB, Row, Sts,
                     mails, make_certificates, record, reverse6, web_server)
from letters import letter, token
from server import SLOW
from sink import CLOSE, HANG, Sink
from submission import SubmissionServer
from tap import cases, check, equal, eventually, test
from world import World, once

# -- which server --------------------------------------------------------------------------------
Row("MX: the best one", "a clear", mx="10 a, 20 b", hosts={"a": {}, "b": {}}, look=lambda r: not r.sinks["b"].sessions)
Row("MX: the next, if the best is down", "b clear", mx="10 a, 20 b", hosts={"a": DOWN, "b": {}})
Row("MX: the next, if the best is busy", "b clear", mx="10 a, 20 b", hosts={"a": {"CONNECT": "421 busy"}, "b": {}})
Row("MX: the next, if the best greets and closes", "b clear", mx="10 a, 20 b", hosts={"a": {"CONNECT": CLOSE}, "b": {}})
Row("MX: the next, if the best has no address", "b clear", mx="10 x, 20 b", hosts={"b": {}})
Row("MX: the next, if the best takes no mail at all", "b clear", mx="10 a, 20 b", hosts={"a": {"CONNECT": "554 no SMTP here"}, "b": {}})
Row("MX: all down", LATER, "4.4.1", mx="10 a, 20 b", hosts={"a": DOWN, "b": DOWN})
Row("MX: by a CNAME", "a clear", mx="10 alias", more="alias.@ CNAME a.@")
Row("MX: of a domain that is a CNAME", "a clear", zone="plain", mx="", more="@ CNAME real.@\nreal.@ MX 10 a.@")
Row("MX: implicit", "@ clear", mx="", hosts={"@": {}})
Row("an address literal", "a clear", domain="[127.3.%d.1]" % len(ROWS))
Row("an address literal of ourselves", NEVER, "554 5.4.6", domain="[%s]" % OWN, hosts={})
Row("MX: null", NEVER, "556 5.1.10", mx="0 .", hosts={"@": {}}, look=lambda r: not r.sinks["@"].sessions)
Row("MX: to names without any address", NEVER, "550 5.4.4 .*nobody", mx="10 nobody, 20 text", hosts={"@": {}}, more="text.@ TXT x",
    look=lambda r: not r.sinks["@"].sessions)
Row("MX: none, and no address either", NEVER, "550 5.4.4", mx="", hosts={}, more="@ TXT x")
Row("MX: one without an address, one that cannot be looked up", LATER, "4.4.4", mx="10 nobody, 20 mail.broken.test.", hosts={})
Row("no such domain", NEVER, "550 5.1.2", domain="nobody.nowhere.test", hosts={})
Row("no such domain, says a zone without signatures", NEVER, "550 5.1.2", domain="nobody.plain.test", hosts={})
Row("SERVFAIL", LATER, "4.4.3", domain="broken.test", hosts={})
Row("its name servers refuse", LATER, "4.4.3", domain="lame.test", hosts={})
Row("its name servers are silent", LATER, "4.4.3", domain="silent.test", hosts={})
Row("forged MX (DNSSEC)", LATER, "4.4.3 .*DNSSEC", domain="bogus.test", hosts={})
Row("signatures of last year", LATER, "4.4.3", domain="expired.test", hosts={})
Row("signatures stripped", LATER, "4.4.3", domain="stripped.test", hosts={})
Row("forged address of the server", LATER, "address", mx="10 original.bogus.test.", hosts={})
Row("forged address of the first, a good second", "b clear", mx="10 original.bogus.test., 20 b", hosts={"b": {}})
Row("loop: our own name", NEVER, "554 5.4.6", mx="10 %s." % ME, hosts={})
Row("loop: our own address", NEVER, "5.4.6", mx="10 own", more="own.@ A " + OWN, hosts={})
Row("loop: we are the best, nobody worse is asked", NEVER, "5.4.6", mx="10 %s., 20 b" % ME, hosts={"b": {}},
    look=lambda r: not r.sinks["b"].sessions)
Row("loop: we are the second, the best is down", LATER, "4.4.1", mx="10 a, 20 %s." % ME, hosts={"a": DOWN})
Row("loop: it greets with our name", NEVER, "5.4.6", hosts={"a": {"name": ME}}, look=lambda r: not mails(r, "a"))

Row("L6 MX: its IPv6 address cannot be looked up, the other can", "a clear", mx="10 half.odd.test.")
HALF = ROWS["L6 MX: its IPv6 address cannot be looked up, the other can"]
Row("L6 MX: no address of it can be looked up", LATER, "address", mx="10 servfail.odd.test.")
Row("L6 MX: an address of two octets", LATER, "address", mx="10 short.odd.test.")
Row("L6 MX: an address for a name", LATER, "4.4.4", mx="10 127.3.%d.1." % len(ROWS), look=lambda r: not r.sinks["a"].sessions)
Row("L6 MX: a malformed record", LATER, "4.4.3", domain="badmx.odd.test", hosts={})
Row("L7 N1 MX: a name of line breaks and escapes", LATER, "4.4.4", mx="10 x\\013\\010fatal:\\027[2J.@.secure.test.",
    look=lambda r: not r.sinks["a"].sessions)
LINES = ROWS["L7 N1 MX: a name of line breaks and escapes"]
LINES.mx = LINES.mx.replace("@", LINES.label)
Row("MX: equals in any order", "a clear", mx=", ".join("10 %s" % h for h in "abcdefgh"), hosts={h: DOWN if h != "a" else {} for h in "abcdefgh"})

# -- TLS where nobody demands it -------------------------------------------------------------------
for zone in "secure", "plain":
    Row("no TLS, %s zone" % zone, "a clear", zone=zone)
    Row("TLS by whomever, %s zone" % zone, "a tls", zone=zone, hosts={"a": SELF})
    Row("TLS by an expired certificate of another, %s zone" % zone, "a tls", zone=zone, hosts={"a": EXPIRED})
    Row("TLS that breaks, %s zone" % zone, "a clear", zone=zone, hosts={"a": OFFERED})
    Row("STARTTLS refused, %s zone" % zone, "a clear", zone=zone, hosts={"a": {"cert": "good", "STARTTLS": "454 4.7.0 no"}})

Row("it is asked for by its name (SNI)", "a tls", zone="plain", hosts={"a": SELF}, look=lambda r: r.sinks["a"].sessions[0].sni == r.host("a"))
Row("DANE: asked for by the name at the end of the CNAME (RFC 7672 §8.1)", "a verified", mx="10 alias", hosts={"a": SELF},
    more="alias.@ CNAME a.@", tlsa={"a": "3 1 1 stranger"}, look=lambda r: r.sinks["a"].sessions[0].sni == r.host("a"))

# -- DANE ------------------------------------------------------------------------------------------
for spec in "3 1 1", "3 0 1", "3 1 2", "3 1 0":
    Row("DANE %s fits" % spec, "a verified", hosts={"a": SELF}, tlsa={"a": spec + " stranger"})
Row("DANE 3 1 1 fits, expired and of another name (RFC 7672 §3.1.1)", "a verified", hosts={"a": EXPIRED},
    tlsa={"a": "3 1 1 expired"})
for spec in "2 0 1", "2 1 1", "2 0 0":
    Row("DANE %s fits" % spec, "a verified", hosts={"a": {"cert": "unknown"}}, tlsa={"a": spec + " unknown-ca"})
    Row("DANE %s of another authority" % spec, LATER, "4.7.5", hosts={"a": GOOD}, tlsa={"a": spec + " unknown-ca"},
        look=lambda r: not mails(r, "a"))
Row("DANE 2 0 1 fits, another's name", LATER, "4.7.5", hosts={"a": NAMELESS}, tlsa={"a": "2 0 1 unknown-ca"},
    look=lambda r: not mails(r, "a"))
Row("DANE 3 1 1 is of another key", LATER, "4.7.5", hosts={"a": GOOD}, tlsa={"a": "3 1 1 stranger"}, look=lambda r: not mails(r, "a"))
Row("DANE: one of several fits", "a verified", hosts={"a": SELF}, tlsa={"a": ["3 1 1 good", "3 1 1 stranger", "1 1 1 good"]})
Row("K9 DANE: forty records, one fits", "a verified", hosts={"a": SELF},
    tlsa={"a": ["TLSA 3 1 1 %064x" % i for i in range(39)] + ["3 1 1 stranger"]})
Row("K9 DANE: a thousand records, more than anybody checks: not in the clear, not unproven", LATER, "TLSA", hosts={"a": GOOD},
    tlsa={"a": ["TLSA 3 1 1 %064x" % i for i in range(1000)]}, look=lambda r: not mails(r, "a"))
Row("DANE: no TLS offered", LATER, "TLS is demanded .DANE", tlsa={"a": "3 1 1 good"}, look=lambda r: not mails(r, "a"))
Row("DANE: STARTTLS stripped", LATER, "TLS is demanded .DANE", hosts={"a": STRIPPED}, tlsa={"a": "3 1 1 good"},
    look=lambda r: not mails(r, "a"))
Row("DANE: STARTTLS refused", LATER, "454", hosts={"a": {"cert": "good", "STARTTLS": "454 4.7.0 no"}}, tlsa={"a": "3 1 1 good"},
    look=lambda r: not mails(r, "a"))
Row("DANE: the handshake breaks", LATER, "4.7.5", hosts={"a": OFFERED}, tlsa={"a": "3 1 1 good"}, look=lambda r: not mails(r, "a"))
Row("DANE: EHLO refused, no way back to HELO", LATER, "502", hosts={"a": {"cert": "good", "EHLO": "502 what"}},
    tlsa={"a": "3 1 1 good"}, look=lambda r: not r.sinks["a"].commands("HELO"))
Row("DANE: the best does not fit, the next does", "b verified", mx="10 a, 20 b", hosts={"a": GOOD, "b": GOOD},
    tlsa={"a": "3 1 1 stranger", "b": "3 1 1 good"}, look=lambda r: not mails(r, "a"))
Row("K9 DANE: no record of use, TLS all the same (RFC 7672 §2.2)", "a tls", hosts={"a": SELF},
    tlsa={"a": ["0 1 1 good", "1 1 1 good", "TLSA 3 9 1 00", "TLSA 3 1 9 00"]})
Row("DANE: no record of use, and no TLS", LATER, "TLS is demanded", tlsa={"a": ["1 1 1 good"]}, look=lambda r: not mails(r, "a"))
Row("DANE: at the end of a CNAME", "a verified", mx="10 alias", hosts={"a": SELF}, more="alias.@ CNAME a.@",
    tlsa={"a": "3 1 1 stranger"})
Row("DANE: at the end of a CNAME, does not fit", LATER, "4.7.5", mx="10 alias", hosts={"a": GOOD}, more="alias.@ CNAME a.@",
    tlsa={"a": "3 1 1 stranger"}, look=lambda r: not mails(r, "a"))
Row("DANE: at the name of the alias itself", LATER, "4.7.5", mx="10 alias", hosts={"a": GOOD},
    more="alias.@ CNAME a.@\n_25._tcp.alias.@ TLSA 3 1 1 " + "00" * 32, look=lambda r: not mails(r, "a"))
Row("DANE: the TLSA record is a CNAME", "a verified", hosts={"a": SELF}, more="_25._tcp.a.@ CNAME _dane.@",
    tlsa={"_dane.@": "3 1 1 stranger"})
Row("DANE: implicit MX", "@ verified", mx="", hosts={"@": SELF}, tlsa={"@": "3 1 1 stranger"})
Row("DANE: implicit MX does not fit", LATER, "4.7.5", mx="", hosts={"@": GOOD}, tlsa={"@": "3 1 1 stranger"},
    look=lambda r: not mails(r, "@"))
Row("DANE: the TLSA question fails (RFC 7672 §2.1.2)", LATER, "TLSA", hosts={"a": GOOD}, look=lambda r: not r.sinks["a"].sessions)
FAILS = ROWS["DANE: the TLSA question fails (RFC 7672 §2.1.2)"]
Row("DANE: forged TLSA", LATER, "TLSA", hosts={"a": GOOD}, look=lambda r: not r.sinks["a"].sessions)
FORGED = ROWS["DANE: forged TLSA"]
Row("DANE: TLSA in a zone without signatures is nothing", "a tls", zone="plain", hosts={"a": SELF}, tlsa={"a": "3 1 1 good"})
Row("DANE: the server in a zone without signatures", "x tls", mx="10 x.plain.test.", hosts={"x": SELF},
    look=lambda r: True)
INSECURE_HOST = ROWS["DANE: the server in a zone without signatures"]
INSECURE_HOST.mx = "10 x.r%d.plain.test." % INSECURE_HOST.n
Row("DANE: TLSA of a bad certificate, and nothing signed, no TLS", "a clear", zone="plain", tlsa={"a": "3 1 1 good"})

Row("DANE: records that hold for two seconds", "a verified", hosts={"a": SELF}, tlsa={"_25._tcp.a.@ 2": "3 1 1 stranger"})
ROLLED = ROWS["DANE: records that hold for two seconds"]

# -- MTA-STS ------------------------------------------------------------------------------------------
Row("MTA-STS enforce: a right certificate", "a verified", zone="plain", hosts={"a": GOOD}, sts=Sts("enforce", ["a.@"]))
Row("MTA-STS enforce: by a wildcard", "a verified", zone="plain", hosts={"a": GOOD}, sts=Sts("enforce", ["*.@"]))
Row("MTA-STS enforce: nobody's certificate", LATER, "4.7.5", zone="plain", hosts={"a": SELF}, sts=Sts("enforce", ["a.@"]),
    look=lambda r: not mails(r, "a"))
Row("MTA-STS enforce: an expired certificate", LATER, "4.7.5", zone="plain", hosts={"a": EXPIRED}, sts=Sts("enforce", ["a.@"]),
    look=lambda r: not mails(r, "a"))
Row("MTA-STS enforce: another's name", LATER, "4.7.5", zone="plain", hosts={"a": {"cert": "other-name"}}, sts=Sts("enforce", ["a.@"]),
    look=lambda r: not mails(r, "a"))
Row("MTA-STS enforce: STARTTLS stripped", LATER, "TLS is demanded .MTA-STS", zone="plain", hosts={"a": STRIPPED},
    sts=Sts("enforce", ["a.@"]), look=lambda r: not mails(r, "a"))
Row("MTA-STS enforce: a server that it does not name", LATER, "not named by the MTA-STS", zone="plain", hosts={"a": GOOD},
    sts=Sts("enforce", ["b.@"]), look=lambda r: not r.sinks["a"].sessions)
Row("MTA-STS enforce: the wildcard is one label", LATER, "not named", zone="plain", mx="10 a.deep", hosts={"a.deep": GOOD},
    sts=Sts("enforce", ["*.@"]), look=lambda r: not r.sinks["a.deep"].sessions)
Row("MTA-STS enforce: the next is named", "b verified", zone="plain", mx="10 a, 20 b", hosts={"a": GOOD, "b": GOOD},
    sts=Sts("enforce", ["b.@"]), look=lambda r: not r.sinks["a"].sessions)
Row("MTA-STS testing: nobody's certificate", "a tls", zone="plain", hosts={"a": SELF}, sts=Sts("testing", ["a.@"]))
Row("MTA-STS testing: no TLS", "a clear", zone="plain", sts=Sts("testing", ["a.@"]))
Row("MTA-STS testing: a server that it does not name", "a tls", zone="plain", hosts={"a": SELF}, sts=Sts("testing", ["b.@"]))
Row("MTA-STS none", "a clear", zone="plain", sts=Sts("none", []))
Row("MTA-STS: no policy there (404)", "a clear", zone="plain", sts=Sts("enforce", ["b.@"], status=404))
Row("K9 MTA-STS: redirects are not followed", "a clear", zone="plain", sts=Sts("enforce", ["b.@"], status=302),
    look=lambda r: len(r.sts.asked) == 1)
Row("MTA-STS: not text/plain", "a clear", zone="plain", sts=Sts("enforce", ["b.@"], kind="text/html"))
Row("K9 MTA-STS: its web server's certificate is nobody's", "a clear", zone="plain", sts=Sts("enforce", ["b.@"], by="stranger"))
Row("MTA-STS: its web server is down", "a clear", zone="plain", sts=Sts("enforce", ["b.@"], by="down"))
Row("K9 MTA-STS: its web server accepts and says nothing", "a clear", zone="plain", sts=Sts("enforce", ["b.@"], by="silent"))
Row("K9 MTA-STS: its web server hears the question and says nothing", "a clear", zone="plain", sts=Sts("enforce", ["b.@"], status=HANG))
Row("K9 MTA-STS: its web server says an octet now and then", "a clear", zone="plain", sts=Sts("enforce", ["b.@"], status=DRIP))
Row("K9 MTA-STS: max_age beyond all numbers", "a verified", zone="plain", hosts={"a": GOOD}, sts=Sts("enforce", ["a.@"], age=10 ** 30))
Row("MTA-STS and DANE: DANE counts", "a verified", hosts={"a": SELF}, tlsa={"a": "3 1 1 stranger"}, sts=Sts("enforce", ["a.@"]))
Row("MTA-STS good, DANE bad: DANE counts", LATER, "4.7.5", hosts={"a": GOOD}, tlsa={"a": "3 1 1 stranger"},
    sts=Sts("enforce", ["a.@"]), look=lambda r: not mails(r, "a"))
Row("MTA-STS enforce beside TLSA of no use: the policy holds (RFC 8461 §5)", LATER, "4.7.5", hosts={"a": SELF}, tlsa={"a": "1 1 1 good"},
    sts=Sts("enforce", ["a.@"]), look=lambda r: not mails(r, "a"))
GOOD_LINES = "version: STSv1\r\nmode: enforce\r\nmx: b.@\r\nmax_age: 86400\r\n"
for name, raw in (("another version", GOOD_LINES.replace("STSv1", "STSv2")), ("no version", GOOD_LINES[16:]), ("an unknown mode", GOOD_LINES.replace("enforce", "strict")),
                  ("enforce without a server", GOOD_LINES.replace("mx: b.@\r\n", "")), ("no max_age", GOOD_LINES.replace("max_age: 86400\r\n", "")),
                  ("max_age is no number", GOOD_LINES.replace("86400", "1e9")), ("max_age below nothing", GOOD_LINES.replace("86400", "-1")),
                  ("a page of a web site", "<html>\r\n<body>welcome</body>\r\n</html>\r\n"), ("nothing", ""),
                  ("a hundred thousand lines", GOOD_LINES + "x: y\r\n" * 100000), ("controls", GOOD_LINES.replace("mx: b", "mx: \x1b[2J\0b"))):
    Row("MTA-STS bad: " + name, "a clear", zone="plain", sts=Sts("enforce", ["b.@"], raw=raw))
for name, txt in (("two records", ('"v=STSv1; id=1;"', '"v=STSv1; id=2;"')), ("no id", ('"v=STSv1;"',)), ("an id of signs", ('"v=STSv1; id=a-b;"',)),
                  ("another version", ('"v=STSv2; id=1;"',)), ("version in the middle", ('"id=1; v=STSv1;"',))):
    Row("MTA-STS bad TXT: " + name, "a clear", zone="plain", sts=Sts("enforce", ["b.@"], txt=txt))
Row("MTA-STS: another TXT beside, one in pieces, fields of the future", LATER, "not named", zone="plain", hosts={"a": GOOD},
    sts=Sts("enforce", [], raw=GOOD_LINES + "future: yes\r\n", txt=('"something else"', '"v=STS" "v1; id=1; future=x;"')))
Row("MTA-STS: lines end in LF", LATER, "not named", zone="plain", hosts={"a": GOOD}, sts=Sts("enforce", [], raw=GOOD_LINES.replace("\r", "")))
Row("MTA-STS: what is too old is forgotten", LATER, "not named", zone="plain", hosts={"a": SELF}, sts=Sts("enforce", ["b.@"], age=1))
Row("MTA-STS: another policy is taken up", LATER, "not named", zone="plain", hosts={"a": GOOD}, sts=Sts("enforce", ["b.@"]))
OLD, CHANGED = ROWS["MTA-STS: what is too old is forgotten"], ROWS["MTA-STS: another policy is taken up"]
Row("MTA-STS: what is known holds", "a verified", zone="plain", hosts={"a": GOOD}, sts=Sts("enforce", ["a.@"]))
STALE = [ROWS["MTA-STS: what is known holds"]]
for what in "hangs", "drips":
    Row("MTA-STS: what is known holds, when its web server %s" % what, "a verified", zone="plain", hosts={"a": GOOD},
        sts=Sts("enforce", ["a.@"]))
    STALE.append(list(ROWS.values())[-1])
HUNG = 80               # domains whose web servers hang, and one beside them
Row("MTA-STS enforce, among others that hang", "a verified", zone="plain", hosts={"a": GOOD}, sts=Sts("enforce", ["a.@"]))
AMONG = ROWS["MTA-STS enforce, among others that hang"]

# -- IPv6 ---------------------------------------------------------------------------------------------
Row("IPv6 if our address has a name", "a6 clear", hosts={"a": {"ptr": True}}, look=lambda r: not r.sinks["a"].sessions)
Row("IPv4 if our IPv6 address has none", "a clear", hosts={"a": {"ptr": False}}, look=lambda r: not r.sinks["a6"].commands("EHLO"))


# -- the world ----------------------------------------------------------------------------------------

def odd(q, _is_tcp):
    """The zone odd.test: half.odd.test has an address of IPv4 and fails for IPv6, others fail or lie."""
    own, name = b"\xc0\x0c", q.name.lower()
    if name == "badmx.odd.test" and q.type == dns_wire.TYPES["MX"]:
        return [q.reply([dns_wire.rr(own, "MX", b"\0")])]
    if q.type == dns_wire.TYPES["A"] and name == "half.odd.test":
        return [q.reply([dns_wire.a(own, HALF.ip("a"))])]
    if q.type == dns_wire.TYPES["A"] and name == "short.odd.test":
        return [q.reply([dns_wire.rr(own, "A", b"\x7f\3")])]
    if name in ("half.odd.test", "servfail.odd.test"):
        return [q.reply([], rcode=2)]
    return [q.reply([], [dns_wire.soa("odd.test")])]


def make_names(net):
    for zone in "secure", "plain":
        net.zone(zone + ".test", "\n".join(r.lines() for r in ROWS.values() if r.domain.startswith(r.label + ".") and r.zone == zone) +
                 ("\nx.r%d A %s" % (INSECURE_HOST.n, INSECURE_HOST.ip("x")) +
                  "\n_25._tcp.x.r%d TLSA 3 1 1 %s" % (INSECURE_HOST.n, "00" * 32) if zone == "plain" else ""),
                 dnssec="secure" if zone == "secure" else "insecure")
    net.zone("hung.test", "mx A 127.3.255.2\n" + "".join(
        'd%d MX 10 mx\n_mta-sts.d%d TXT "v=STSv1; id=1;"\nmta-sts.d%d A %s\n' % (i, i, i, WEB["silent"]) for i in range(HUNG)),
        dnssec="insecure")
    net.zone("nowhere.test", "@ A 127.3.255.1")
    net.zone("bogus.test", "@ MX 10 original\noriginal A 127.3.255.1", dnssec="bogus")
    net.zone("expired.test", "@ MX 10 mail\nmail A 127.3.255.1", dnssec="expired")
    net.zone("stripped.test", "@ MX 10 mail\nmail A 127.3.255.1", dnssec="stripped")
    net.zone("broken.test", "", dnssec="insecure", at="broken")
    net.zone("lame.test", "", dnssec="insecure", at="lame")
    net.zone("silent.test", "", dnssec="insecure", at="127.9.0.1")
    net.zone("odd.test", "", dnssec="insecure", at="127.9.0.2")
    net.zone("_tcp.a." + FAILS.domain, "", dnssec="insecure", at="broken")
    net.zone("_tcp.a." + FORGED.domain, "_25 TLSA 3 1 1 " + "00" * 32, dnssec="expired")
    net.zone("ip6.arpa", "\n".join("%s PTR mail.example.org." % reverse6(r.ip6(h)) for r in ROWS.values()
                                   for h, o in r.hosts.items() if o is not DOWN and o.get("ptr")))
    for r in ROWS.values():
        for h, o in r.hosts.items():
            if o is not DOWN and "ptr" in o:
                certs.run("ip", "-6", "addr", "add", r.ip6(h) + "/128", "dev", "lo", "nodad")


class Domains(World):
    def __init__(self):
        super().__init__()
        make_certificates(self.folder)
        make_names(self.net)
        self.net.silent("127.9.0.1")
        self.net.scripted("127.9.0.2", odd)
        self.start()
        self.silence = socket.create_server((WEB["silent"], 443), backlog=HUNG + 20)
        self.among = Sink(host="127.3.255.2", port=25).__enter__()
        self.web = {by: web_server(WEB[by], CERTS[by]) for by in ("good", "stranger")}
        for r in ROWS.values():
            r.begin()
        self.server = self.lives(self.sender(OWN, 5))
        self.server.start()
        self.ids = {}
        self.send(r for r in ROWS.values() if r is not AMONG)

    def sender(self, ip, patience):
        return SubmissionServer(
            "listen smtp %s:25\n%soutbound {\npatience %d\nretry 1h give-up 4d\nallow-private 127.0.0.0/8 fd00::/8\n"
            "tls-roots file %s/known-ca.pem\n}\n" % (ip, self.net.conf(), patience, self.folder),
            users=("alice",), passwords={"alice": "alice-pw"})

    def send(self, rows):
        with self.server.submission("alice") as c:
            for r in rows:
                r.sent.append(token())
                equal(c.mail("alice@example.org").code, 250, "MAIL")
                equal(c.rcpt("bob@" + r.domain).code, 250, "RCPT of " + r.name)
                reply = c.data(letter(r.sent[-1]).replace(b"sender@client.example.net", b"alice@example.org"))
                equal(reply.code, 250, "DATA: %r" % reply)
                self.ids[r.sent[-1]] = reply.queue_id

    def queued(self):
        """{domain: [why of its recipients]} of all that waits."""
        code, out, err = self.server.command("--json", "queue", "list")
        equal((code, err), (0, ""), "queue list")
        found = collections.defaultdict(list)
        for one in json.loads(out):
            for r in one["recipients"]:
                found[r["target"].partition("@")[2] or r["address"].partition("@")[2]].append(r["why"])
        return found

    def end(self):
        super().end()
        ENDED.set()
        self.silence.close()
        self.among.__exit__()
        for r in ROWS.values():
            for s in r.sinks.values():
                s.__exit__()
        for w in self.web.values():
            w.shutdown()
            w.server_close()


world = once(Domains)


def judge(w, row, tok, want, why, waits=False):
    log = w.server.log
    host, tls, sent, later, never, said = eventually(
        lambda: row.result(w.ids[tok], log()), 60 * SLOW, what=lambda: "a result for %s:\n%s" % (row.domain, "\n".join(
            l for l in log().splitlines() if w.ids[tok] in l or row.domain in l)))
    got = (int(sent), int(later), int(never))
    if want in (LATER, NEVER):
        equal(got, (0, 1, 0) if want == LATER else (0, 0, 1), said)
        check(re.search(why, said), "%r is not said in %r" % (why, said))
        equal(row.arrived(tok), [], "where it came to")
        if want == NEVER:
            eventually(lambda: any(re.search(why, l.raw.decode("utf-8", "replace")) for l in w.server.find(tok)), 10 * SLOW,
                       what="a report with " + why)
        else:
            check(any(re.search(why, x) for x in w.queued()[row.domain]), "queue list says %r" % w.queued()[row.domain])
            check(not w.server.find(tok), "there is a report already")
    else:
        equal(got, (1, 0, 0), said)
        equal(row.arrived(tok), [want.replace("verified", "tls")], "where it came to")
        check(want.endswith("clear") == (tls == "none"), "the log says tls=%r" % tls)
        check(want.endswith("verified") == (", verified" in tls), "the log says tls=%r" % tls)
        check(waits or row.domain not in w.queued(), "it waits all the same")
    if row.look:
        check(row.look(row), "the servers saw %r" % {h: [x.lines[:8] for x in s.sessions] for h, s in row.sinks.items()})


@cases([(n, n) for n, r in ROWS.items() if r is not AMONG], "{0}", limit=120)
def outcome(name):
    row = ROWS[name]
    w = world()
    judge(w, row, row.sent[0], row.want, row.why)


@cases([("test smtp: " + n, n, ok, words) for n, ok, words in [
    ("DANE 3 1 1 fits", True, "verified"), ("DANE 2 0 1 fits", True, "verified"),
    ("DANE 3 1 1 is of another key", False, "dane|DANE"), ("DANE: STARTTLS stripped", False, "TLS is demanded .DANE"),
    ("DANE: TLSA in a zone without signatures is nothing", True, "no TLSA records that DNSSEC proves"),
    ("MTA-STS enforce: a right certificate", True, "enforce"), ("MTA-STS enforce: nobody's certificate", False, "not believed"),
    ("MTA-STS enforce: a server that it does not name", False, "does not name it"),
    ("MX: null", False, "5.1.10"), ("forged MX (DNSSEC)", False, "DNSSEC")]])
def explains(name, ok, words):
    row = ROWS[name]
    code, out, err = world().server.command("test", "smtp", row.domain)
    equal(code == 0, ok, out + err)
    check(re.search(words, out), "%r is not in\n%s" % (words, out + err))


@cases([("K9 MTA-STS: a policy that cannot be fetched anew (%s) holds, also over a restart, and defers" % what, r, status)
        for r, what, status in zip(STALE, ("500", "it hangs", "it drips"), (500, HANG, DRIP))], limit=120)
def stale(row, status):
    w = world()
    s = w.server
    row.sts.status = status
    zone = w.net.zones["plain.test"]
    w.net.change("plain.test", zone.text.replace('_mta-sts.%s TXT "v=STSv1; id=1;"' % row.label,
                                                '_mta-sts.%s TXT "v=STSv1; id=2;"' % row.label))
    asked = len(row.sts.asked)
    row.sinks["a"].tls = None
    s.restart()
    w.send([row])
    judge(w, row, row.sent[-1], LATER, "TLS is demanded .MTA-STS")
    check(len(row.sts.asked) > asked, "the new policy was not asked for")


@test("K9 MTA-STS: eighty web servers that hang: another domain's policy is fetched meanwhile, and enforced", limit=120)
def among():
    """By a waxwing that waits half a minute for each of them."""
    w = world()
    with w.sender("127.8.0.2", 50) as s:
        with s.submission("alice") as c:
            for to in ["bob@d%d.hung.test" % i for i in range(HUNG)] + ["bob@" + AMONG.domain]:
                equal(c.mail("alice@example.org").code, 250, "MAIL")
                equal(c.rcpt(to).code, 250, "RCPT " + to)
                equal(c.data(letter().replace(b"sender@client.example.net", b"alice@example.org")).code, 250, "DATA")
        got = eventually(lambda: re.search(r' relay .*to="%s" .*tls="(.*?)" sent=1' % re.escape(AMONG.domain), s.log()), 60 * SLOW,
                         what=lambda: "a letter for %s:\n%s" % (AMONG.domain, s.log()[-1500:]))
        check(", verified" in got.group(1), "tls=" + got.group(1))
        equal(w.among.letters, [], "those that wait for their own policies")


def announce(w, row, n):
    """From now on the row's domain announces policy n."""
    z = w.net.zones["plain.test"]
    w.net.change("plain.test", re.sub(r'(?m)^(_mta-sts\.%s TXT "v=STSv1; id=)\d+' % row.label, r"\g<1>%d" % n, z.text))


@test("MTA-STS: what has passed its max_age and is there no more binds nobody; a new policy does", limit=120)
def forgotten():
    w = world()
    judge(w, OLD, OLD.sent[0], LATER, "not named")
    judge(w, CHANGED, CHANGED.sent[0], LATER, "not named")
    OLD.sts.status, CHANGED.sts.mx = 404, ["a.@"]
    announce(w, CHANGED, 2)
    w.server.restart()                  # the resolver asks anew
    w.send([OLD, CHANGED])
    judge(w, OLD, OLD.sent[-1], "a tls", ".", waits=True)
    judge(w, CHANGED, CHANGED.sent[-1], "a verified", ".", waits=True)


def variant(w, conf, rows):
    """Letters for these rows by another waxwing of the same net: {name: (host, tls, sent, later, never, why)}."""
    s = SubmissionServer("%soutbound {\npatience 5\nretry 1h give-up 4d\ntls-roots file %s/known-ca.pem\n%s\n}\n" % (w.net.conf(), w.folder, conf),
                         users=("alice",), passwords={"alice": "alice-pw"})
    with s, s.submission("alice") as c:
        ids = {}
        for r in rows:
            c.mail("alice@example.org")
            c.rcpt("bob@" + r.domain)
            ids[r] = c.data(letter(token()).replace(b"sender@client.example.net", b"alice@example.org")).queue_id
        return {r.name: eventually(lambda r=r: r.result(ids[r], s.log()), 60 * SLOW, what="a result for " + r.name) for r in rows}


@test("ipv6 off and ipv6 on, whatever the PTR", limit=120)
def ipv6():
    w = world()
    rows = [ROWS["IPv6 if our address has a name"], ROWS["IPv4 if our IPv6 address has none"]]
    for word, used in (("off", "a"), ("on", "a6")):
        before = {(r, h): len(s.sessions) for r in rows for h, s in r.sinks.items()}
        got = variant(w, "allow-private 127.0.0.0/8 fd00::/8\nipv6 " + word, rows)
        equal([g[2] for g in got.values()], ["1", "1"], "sent with ipv6 %s: %s" % (word, got))
        for r in rows:
            equal([x for x, s in r.sinks.items() if len(s.sessions) > before[r, x]], [used], "ipv6 %s: %s" % (word, r.name))


@test("L6 without allow-private nothing on the loopback is reached: it is a loop", limit=120)
def private():
    w = world()
    rows = [ROWS["MX: the best one"], ROWS["MX: implicit"]]
    before = {r: sum(len(s.sessions) for s in r.sinks.values()) for r in rows}
    for name, (_, _, sent, _, never, why) in variant(w, "", rows).items():
        check((sent, never) == ("0", "1") and "5.4.6" in why, "%s: %s" % (name, why))
    equal({r: sum(len(s.sessions) for s in r.sinks.values()) for r in rows}, before, "who was called")


@cases([("test address: " + n, n, words) for n, words in [
    ("MX: the best one", ["10 a\\.", "127\\.3\\.", "opportunistic"]), ("DANE 3 1 1 fits", ["verified by DANE", "1 TLSA records of use"]),
    ("DANE 3 1 1 is of another key", ["DANE"]), ("MTA-STS enforce: a right certificate", ["enforce|MTA-STS", "verif"]),
    ("MTA-STS enforce: a server that it does not name", ["not name"]), ("MX: null", ["5\\.1\\.10"]), ("SERVFAIL", ["4\\.4\\.3"]),
    ("forged MX (DNSSEC)", ["DNSSEC"]), ("loop: our own name", ["5\\.4\\.6"]), ("an address literal", ["127\\.3\\."]),
    ("DANE: forged TLSA", ["TLSA"]), ("MTA-STS testing: no TLS", ["MTA-STS"])]])
def address(name, words):
    row = ROWS[name]
    before = sum(len(s.sessions) for s in row.sinks.values())
    code, out, err = world().server.command("test", "address", "bob@" + row.domain)
    for one in words:
        check(re.search(one, out), "%r is not in\n%s" % (one, out + err))
    check(not re.search(r"[\x00-\x09\x0b-\x1f]", out), repr(out))
    check(code == 1 or row.want not in (LATER, NEVER) or row.hosts, "%d\n%s" % (code, out))
    equal(sum(len(s.sessions) for s in row.sinks.values()), before, "conversations with its servers")
@test("DANE: an open conversation is not used on when other TLSA records are in force", limit=120)
def rolled():
    w = world()
    w.send([ROLLED])
    judge(w, ROLLED, ROLLED.sent[-1], ROLLED.want, ROLLED.why)
    mails_before = len(mails(ROLLED, "a"))
    zone, new = w.net.zones["secure.test"], record("3 1 1 good")
    w.net.change("secure.test", zone.text.replace("_25._tcp.a.%s 2 %s" % (ROLLED.label, record("3 1 1 stranger")),
                                                  "_25._tcp.a.%s 2 %s" % (ROLLED.label, new)))
    name = "_25._tcp.a." + ROLLED.domain
    eventually(lambda: new.split()[-1].lower() in w.server.command("dns", "lookup", "TLSA", name)[1].lower(), 20 * SLOW, 0.1,
               what=lambda: "the new record: %s" % (w.server.command("dns", "lookup", "TLSA", name),))
    w.send([ROLLED])
    judge(w, ROLLED, ROLLED.sent[-1], LATER, "4.7.5")
    equal(len(mails(ROLLED, "a")), mails_before, "MAIL")


@test("nobody died, nothing waits that should not")
def alive():
    w = world()
    want = {r.domain for r in ROWS.values() if r.want == LATER} | {r.domain for r in STALE} | {ROLLED.domain}
    eventually(lambda: set(w.queued()) == want, 10 * SLOW, what=lambda: "waits: %s" % (set(w.queued()) ^ want))
    check(not re.search(r"died who=|strange-call", w.server.log()), "somebody died")
    check(all(c == "\n" or " " <= c < "\x7f" or c >= "\xa0" for c in w.server.log()), "controls in the log")


tap.main()
