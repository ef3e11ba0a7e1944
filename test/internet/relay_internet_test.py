#!/usr/bin/python3
"""Letters by MX in the small internet: which server takes one, how well the line is secured, what becomes of it.

Each row is a domain of its own with servers of its own (lib/sink.py); one waxwing sends to all of them at once.
Expectations are RFC 5321 §5.1, 7505, 7672 and 8461.  "Deferred" means that nothing of the letter was said to a
server that may not have it: no MAIL, in the clear or otherwise."""
import collections
import http.server
import json
import re
import socket
import ssl
import threading

import certs
import tap
from letters import letter, token
from server import SLOW
from sink import CLOSE, EHLO, HANG, Sink
from submission import SubmissionServer
from tap import cases, check, equal, eventually, test
from world import World, once

ROWS = {}
LATER, NEVER = "later", "never"
DRIP = object()
DOWN = object()         # an address, and nobody there
OWN = "127.8.0.1"       # where our waxwing takes mail
ME = "mail.example.org"


class Sts:
    """What https://mta-sts.DOMAIN/ gives; by: good, stranger (a certificate of nobody), down, silent (it accepts and says
    nothing); status HANG: nothing after the request, DRIP: an octet now and then."""

    def __init__(self, mode, mx, by="good", status=200, kind="text/plain", age=86400):
        self.mode, self.mx, self.by, self.status, self.kind, self.age = mode, mx, by, status, kind, age
        self.asked = []

    def text(self, domain):
        return "version: STSv1\r\nmode: %s\r\n%smax_age: %d\r\n" % (
            self.mode, "".join("mx: %s\r\n" % m.replace("@", domain) for m in self.mx), self.age)


class Row:
    """mx: what the domain names ("@" is the domain); hosts: label -> options of a Sink, or DOWN; tlsa: label ->
    records; want: LATER, NEVER, or the label of the server that takes it and how: "a clear", "a tls", "a verified"."""

    def __init__(self, name, want, why=".", zone="secure", mx="10 a", hosts=None, tlsa=None, sts=None, more="", domain=None,
                 look=None):
        self.name, self.want, self.why, self.zone, self.look = name, want, why, zone, look
        self.mx, self.hosts, self.tlsa, self.sts, self.more = mx, hosts if hosts is not None else {"a": {}}, tlsa or {}, sts, more
        self.n = len(ROWS)
        self.label = "r%d" % self.n
        self.domain = domain or "%s.%s.test" % (self.label, zone)
        self.sinks, self.sent = {}, []
        ROWS[name] = self

    def ip(self, host):
        return "127.3.%d.%d" % (self.n, 1 + sorted(self.hosts).index(host))

    def ip6(self, host):
        return "fd00:25::%x:%x" % (self.n, 1 + sorted(self.hosts).index(host))

    def lines(self):
        out = []
        for one in filter(None, self.mx.split(", ")):
            preference, host = one.split()
            out.append("%s MX %s %s" % (self.label, preference, host if host.endswith(".") else "%s.%s" % (host, self.label)
                                        if host != "@" else self.label))
        for h, options in self.hosts.items():
            out.append("%s A %s" % (self.name_of(h), self.ip(h)))
            if options is not DOWN and "ptr" in options:
                out.append("%s AAAA %s" % (self.name_of(h), self.ip6(h)))
        for h, records in self.tlsa.items():
            owner = h if h.startswith("_") else "_25._tcp." + self.name_of(h)
            for r in [records] if isinstance(records, str) else records:
                out.append("%s %s" % (owner.replace("@", self.label), record(r)))
        if self.sts:
            out += ['_mta-sts.%s TXT "v=STSv1; id=1;"' % self.label,
                    "mta-sts.%s A %s" % (self.label, WEB[self.sts.by])]
        return "\n".join(out + [self.more.replace("@", self.label)])

    def name_of(self, h):
        return self.label if h == "@" else "%s.%s" % (h, self.label)

    def host(self, h):
        return self.domain if h == "@" else "%s.%s" % (h, self.domain)

    def begin(self):
        for h, options in self.hosts.items():
            if options is DOWN:
                continue
            options = dict(options, name=options.get("name", self.host(h)))
            cert, ptr = options.pop("cert", None), options.pop("ptr", None)
            options["cert"] = cert and CERTS[cert]
            self.sinks[h] = Sink(host=self.ip(h), port=25, **options).__enter__()
            if ptr is not None:
                self.sinks[h + "6"] = Sink(host=self.ip6(h), port=25, family=socket.AF_INET6, **options).__enter__()

    def arrived(self, tok):
        """Where the letter came to: "a clear"."""
        return ["%s %s" % (h, "tls" if x.tls else "clear") for h, s in self.sinks.items() for x in s.sessions
                for l in x.letters if tok.encode() in l]

    def result(self, msg, log):
        m = re.search(r' relay msg=%s to="%s" host="(.*?)" .*? tls="(.*?)" sent=(\d+) later=(\d+) never=(\d+) .* why="(.*)"'
                      % (msg, re.escape(self.domain)), log)
        return m and m.groups()


CERTS, AUTHORITIES = {}, {}
WEB = {"good": "127.4.0.1", "stranger": "127.4.0.2", "down": "127.4.0.3", "silent": "127.4.0.4"}


def record(spec):
    """"3 1 1 good": the record that fits this certificate; anything else as it stands."""
    words = spec.split()
    if words[-1] in CERTS or words[-1] in AUTHORITIES:
        crt = (CERTS.get(words[-1]) or AUTHORITIES[words[-1]])[0]
        return certs.tlsa(crt, *map(int, words[:3]))
    return spec


GOOD, SELF, EXPIRED, NAMELESS = {"cert": "good"}, {"cert": "stranger"}, {"cert": "expired"}, {"cert": "other"}
STRIPPED = {"cert": "good", "starttls": False}
OFFERED = {"ehlo": EHLO + ("STARTTLS",)}         # says so, and then does not know how


def mails(row, host):
    return row.sinks[host].commands("MAIL")


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

# -- TLS where nobody demands it -------------------------------------------------------------------
for zone in "secure", "plain":
    Row("no TLS, %s zone" % zone, "a clear", zone=zone)
    Row("TLS by whomever, %s zone" % zone, "a tls", zone=zone, hosts={"a": SELF})
    Row("TLS by an expired certificate of another, %s zone" % zone, "a tls", zone=zone, hosts={"a": EXPIRED})
    Row("TLS that breaks, %s zone" % zone, "a clear", zone=zone, hosts={"a": OFFERED})
    Row("STARTTLS refused, %s zone" % zone, "a clear", zone=zone, hosts={"a": {"cert": "good", "STARTTLS": "454 4.7.0 no"}})

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

ENDED = threading.Event()


def web_server(ip, chain):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            domain = self.headers["Host"][len("mta-sts."):]
            row = next(r for r in ROWS.values() if r.domain == domain)
            row.sts.asked.append(self.path)
            body = row.sts.text(domain).encode()
            if row.sts.status is HANG:
                ENDED.wait(60)
                return
            if row.sts.status is DRIP:
                for octet in b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nX: " + b"x" * 1000:
                    self.wfile.write(bytes((octet,)))
                    if ENDED.wait(0.3):
                        break
                return
            self.send_response(row.sts.status)
            if row.sts.status == 302:
                self.send_header("Location", "https://mta-sts.%s/elsewhere" % domain)
            self.send_header("Content-Type", row.sts.kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    class Web(http.server.ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_):
            pass                         # a client that does not like the certificate

    web = Web((ip, 443), Handler)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(*chain)
    web.socket = tls.wrap_socket(web.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=web.serve_forever, daemon=True).start()
    return web


def make_certificates(folder):
    names = [r.host(h) for r in ROWS.values() for h in r.hosts] + ["mta-sts." + r.domain for r in ROWS.values() if r.sts]
    AUTHORITIES.update({"known-ca": certs.authority(folder, "known-ca"), "unknown-ca": certs.authority(folder, "unknown-ca")})
    CERTS.update({"good": certs.signed(folder, "good", AUTHORITIES["known-ca"], names),
                  "other-name": certs.signed(folder, "other-name", AUTHORITIES["known-ca"], ["other.test"]),
                  "unknown": certs.signed(folder, "unknown", AUTHORITIES["unknown-ca"], names),
                  "other": certs.signed(folder, "other", AUTHORITIES["unknown-ca"], ["other.test"]),
                  "stranger": certs.make(folder, "stranger", sans=names),
                  "expired": certs.make(folder, "expired", cn="expired.test", expired=True)})


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
    net.zone("_tcp.a." + FAILS.domain, "", dnssec="insecure", at="broken")
    net.zone("_tcp.a." + FORGED.domain, "_25 TLSA 3 1 1 " + "00" * 32, dnssec="expired")
    net.zone("ip6.arpa", "\n".join("%s PTR mail.example.org." % reverse6(r.ip6(h)) for r in ROWS.values()
                                   for h, o in r.hosts.items() if o is not DOWN and o.get("ptr")))
    for r in ROWS.values():
        for h, o in r.hosts.items():
            if o is not DOWN and "ptr" in o:
                certs.run("ip", "-6", "addr", "add", r.ip6(h) + "/128", "dev", "lo", "nodad")


def reverse6(ip):
    return ".".join(reversed(socket.inet_pton(socket.AF_INET6, ip).hex())) + ".ip6.arpa."


class Domains(World):
    def __init__(self):
        super().__init__()
        make_certificates(self.folder)
        make_names(self.net)
        self.net.silent("127.9.0.1")
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


def judge(w, row, tok, want, why):
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
        check(row.domain not in w.queued(), "it waits all the same")
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


tap.main()
