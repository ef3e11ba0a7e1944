"""Domains for letters by MX: each row of a test is a domain with mail servers of its own (lib/sink.py), with TLSA
records and an MTA-STS policy if it names them."""
import http.server
import re
import socket
import ssl
import threading

import certs
from sink import EHLO, HANG, Sink

ROWS = {}
LATER, NEVER = "later", "never"
DRIP = object()
DOWN = object()         # an address, and nobody there
OWN = "127.8.0.1"       # where our waxwing takes mail
ME = "mail.example.org"


class Sts:
    """What https://mta-sts.DOMAIN/ gives; by: good, stranger (a certificate of nobody), down, silent (it accepts and says
    nothing); status HANG: nothing after the request, DRIP: an octet now and then; raw: this instead of a policy; txt: the
    records that announce it."""

    def __init__(self, mode, mx, by="good", status=200, kind="text/plain", age=86400, raw=None, txt=('"v=STSv1; id=1;"',)):
        self.mode, self.mx, self.by, self.status, self.kind, self.age = mode, mx, by, status, kind, age
        self.raw, self.txt, self.asked = raw, txt, []

    def text(self, domain):
        if self.raw is not None:
            return self.raw.replace("@", domain)
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
            out += ["_mta-sts.%s TXT %s" % (self.label, t) for t in self.sts.txt]
            out.append("mta-sts.%s A %s" % (self.label, WEB[self.sts.by]))
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


def reverse6(ip):
    return ".".join(reversed(socket.inet_pton(socket.AF_INET6, ip).hex())) + ".ip6.arpa."
