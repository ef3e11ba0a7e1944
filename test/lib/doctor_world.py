"""An internet in which all is right with one server and one domain, for the doctor: what the world sees, the web servers, the
block lists, and the server itself.  Each further domain has one thing wrong.

    w = DoctorWorld({"nomx.test": {"mx": None}, …})
    w.ask("right.test")         # (what --json says, exit code)
"""
import ctypes
import email.utils
import http.server
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import tempfile
import threading
import time

import certs
import dns_wire as wire
import internet
import tap
from server import SLOW, Server
from sink import Sink

OURS, OURS6, OTHER = "127.5.0.2", "fd00:25::5", "127.5.0.9"
HOST = "mx.right.test"
BIG, WEB = "127.7.0.1", "127.4.0.1"
LISTS = ("zen.spamhaus.org", "bl.spamcop.net", "b.barracudacentral.org", "dnsbl.dronebl.org", "psbl.surriel.com", "refuse.test")
POINT = "2.0.0.127"
CLONE_NEWNS = 0x00020000
# what a domain publishes; None: nothing
RIGHT = {"mx": "10 mx.right.test.", "spf": ['"v=spf1 mx ip4:127.5.0.9 -all"'], "dmarc": '"v=DMARC1; p=reject; rua=mailto:postmaster@%s"',
         "sts": "version: STSv1\nmode: enforce\nmx: mx.right.test\nmax_age: 86400\n", "dkim": None, "more": ""}


def reverse4(ip):
    return ".".join(reversed(ip.split("."))) + ".in-addr.arpa."


def reverse6(ip):
    return ".".join(reversed(socket.inet_pton(socket.AF_INET6, ip).hex())) + ".ip6.arpa."


class Certificates:
    """A root, who issues an intermediate one, who issues everything; one key for all certificates of the server."""

    def __init__(self, folder):
        self.folder = folder
        self.root = certs.authority(folder, "root")
        self.middle = self.issue("middle", self.root, "basicConstraints=critical,CA:TRUE\nkeyUsage=keyCertSign,cRLSign\n")
        self.key = os.path.join(folder, "ours.key")
        certs.run("openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", self.key)
        os.chmod(self.key, 0o600)

    def issue(self, name, by, ext, key=None, days=30):
        crt, own = os.path.join(self.folder, name + ".pem"), key or os.path.join(self.folder, name + ".key")
        new = ["-key", own] if key else ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", own]
        with open(crt + ".ext", "w") as f:
            f.write(ext)
        certs.run("openssl", "req", "-new", *new, "-out", crt + ".csr", "-subj", "/CN=" + name)
        certs.run("openssl", "x509", "-req", "-in", crt + ".csr", "-CA", by[0], "-CAkey", by[1], "-CAcreateserial", "-days",
                  str(days), "-extfile", crt + ".ext", "-out", crt)
        return crt, own

    def leaf(self, name, names, days=30, key=None):
        """The text of a certificate alone."""
        crt, _ = self.issue(name, self.middle, "subjectAltName=%s\n" % ",".join("DNS:" + n for n in names), key or self.key, days)
        return open(crt).read()

    def text(self, which):
        return open({"root": self.root, "middle": self.middle}[which][0]).read()


class DoctorWorld:
    def __init__(self, domains):
        self.net = internet.Internet()
        if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNS):
            tap.skip("no mount namespace")
        subprocess.run(["mount", "--make-rprivate", "/"], check=True)
        self.folder = tempfile.mkdtemp(prefix="wx-doctor-")
        os.chmod(self.folder, 0o755)
        self.certs = Certificates(self.folder)
        self.wrong_by, self.listed, self.n_flushed = 0, {}, 0
        self.domains = {name: dict(RIGHT, **what) for name, what in dict(domains, **{"right.test": {}}).items()}
        self.chain = self.certs.leaf("right", [HOST, "odd.right.test"]) + self.certs.text("middle")
        self.cert_file = os.path.join(self.folder, "chain.pem")
        self.put_chain(self.chain)
        self.make_zones()
        self.net.start()
        self.start_web()
        self.start_big()
        self.server = self.make_server().start()
        self.servers = [self.server]             # whose caches are emptied
        self.sign_all()

    # Names

    def make_zones(self):
        net = self.net
        net.zone("ip6.arpa", "%s PTR %s." % (reverse6(OURS6), HOST))
        for name in self.domains:
            net.zone(name, self.zone_text(name))
        net.zone("island.test", "")
        net.zone("outside.test", "")
        net.zone("agreed.test", "agree.test._report._dmarc TXT \"v=DMARC1\"")
        net.zone("gmail.com", "@ MX 10 mx\n_mta-sts TXT \"v=STSv1; id=1;\"\nmta-sts A %s" % WEB)
        net.add_host("mx.gmail.com", BIG)
        net.add_host(HOST, OURS)
        net.add_host("other.right.test", OTHER)
        net.zones["right.test"].hosts.append("%s. AAAA %s" % (HOST, OURS6))
        subprocess.run(["ip", "-6", "addr", "add", OURS6 + "/128", "dev", "lo"], check=False)
        for i, zone in enumerate(LISTS):
            net.zone(zone, "", dnssec="insecure", at="127.9.1.%d" % (i + 1))
            net.scripted("127.9.1.%d" % (i + 1), lambda q, is_tcp, zone=zone: [self.list_answer(zone, q)])

    def list_answer(self, zone, q):
        what, address = q.name.lower()[:-len(zone)].strip("."), self.net.address(self.net.zones[zone])
        if what == "ns" or not what:
            records = [wire.ns(b"\xc0\x0c", "ns." + zone)] if not what and q.type == wire.TYPES["NS"] else \
                [wire.a(b"\xc0\x0c", address)] if what and q.type == wire.TYPES["A"] else []
            return q.reply(records, [wire.soa(zone, 1)])
        code = "127.255.255.254" if zone == "refuse.test" else "127.0.0.2" if what == POINT else self.listed.get((zone, what))
        if code is None:
            return q.reply([], [wire.soa(zone, 1)], rcode=3)
        return q.reply([wire.a(b"\xc0\x0c", code, 1)] if q.type == wire.TYPES["A"] else [], [wire.soa(zone, 1)])

    def zone_text(self, name):
        d = self.domains[name]
        lines = ["@ MX " + m for m in filter(None, [d["mx"]])] + ["@ TXT " + t for t in d["spf"]]
        if d["dmarc"]:
            lines.append("_dmarc TXT " + d["dmarc"].replace("%s", name))
        if d["sts"] is not None:
            lines += ['_mta-sts TXT "v=STSv1; id=1;"', "mta-sts A " + WEB]
        if name == "right.test":
            lines.append("twin A " + OURS)
            lines.append("_25._tcp.mx " + d.get("tlsa", certs.tlsa(self.cert_file, 3, 1, 1)))
        return "\n".join(lines + [d["more"]] + (d["dkim"] if isinstance(d["dkim"], list) else []))

    def change(self, name, **what):
        """Other records of a domain, now."""
        self.domains[name].update(what)
        self.net.change(name, self.zone_text(name))
        self.flush()

    def flush(self):
        """The servers begin with an empty cache: their file of root servers has another comment."""
        self.wait_zones()
        for s in self.servers:
            tap.eventually(lambda s=s: self.is_cached(s), 20 * SLOW, what="something in the cache")
        self.n_flushed += 1
        with open(self.net.hints) as f:
            text = re.sub(r"\n; .*", "", f.read().rstrip("\n"))
        with open(self.net.hints + ".new", "w") as f:
            f.write("%s\n; %d\n" % (text, self.n_flushed))
        os.chmod(self.net.hints + ".new", 0o644)
        os.rename(self.net.hints + ".new", self.net.hints)
        for s in self.servers:
            tap.eventually(lambda s=s: not self.is_cached(s), 20 * SLOW, what="an empty cache")

    def is_cached(self, s):
        return json.loads(s.command("--json", "dns", "lookup", "SOA", "test")[1])["cached"]

    def wait_zones(self):
        """Until every nsd serves what was written."""
        for z in self.net.zones.values():
            if z.at in internet.SERVERS and z.serial != getattr(z, "seen", 1):
                tap.eventually(lambda z=z: " %d 3600 " % z.serial in self.soa(z), 20 * SLOW, what="zone " + z.name)
                z.seen = z.serial

    def soa(self, z):
        return self.net.tool("drill", "@" + internet.SERVERS[z.at], z.name, "SOA")

    # Who else lives there

    def start_web(self):
        world = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                domain = self.headers["Host"][len("mta-sts."):]
                text = world.domains.get(domain, {"sts": RIGHT["sts"]})["sts"]
                self.send_response(200 if text else 404)
                body = (text or "").encode()
                self.send_header("Content-Type", "text/plain")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def date_time_string(self, timestamp=None):
                return email.utils.formatdate(time.time() + world.wrong_by, usegmt=True)

            def log_message(self, *_):
                pass

        class Web(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                pass

        names = ["mta-sts." + d for d in list(self.domains) + ["gmail.com"]]
        leaf = self.certs.leaf("web", names, key=self.certs.root[1])
        path = os.path.join(self.folder, "web-chain.pem")
        with open(path, "w") as f:
            f.write(leaf + self.certs.text("middle"))
        web = Web((WEB, 443), Handler)
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(path, self.certs.root[1])
        web.socket = tls.wrap_socket(web.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=web.serve_forever, daemon=True).start()

    def start_big(self):
        self.big = Sink(host=BIG, port=25, name="mx.gmail.com").__enter__()

    # The server

    def make_server(self, hostname=HOST, more="", at=OURS):
        s = Server("tls certificate %s key %s\n%soutbound {\nsource %s %s\nallow-private 127.0.0.0/8 fd00::/8\n"
                   "tls-roots file %s\n}\n%s%s" % (self.cert_file, self.certs.key, self.net.conf(), at, OURS6, self.certs.root[0],
                                                 "".join("domain %s\n" % d for d in self.domains if d != "right.test"), more),
                   domain="right.test", listen=("smtp %s:25" % at, "submission %s:465 tls" % at), users=("alice", "postmaster"))
        s.text = s.text.replace("hostname mail.example.org", "hostname " + hostname)
        s.write_conf(s.text)
        return s

    def put_chain(self, text):
        with open(self.cert_file + ".new", "w") as f:
            f.write(text)
        os.rename(self.cert_file + ".new", self.cert_file)

    def sign_all(self):
        """The doctor says what to publish for DKIM, word for word."""
        for check in self.ask("--only", "dkim")[0]["checks"]:
            lines = re.findall(r"^Publish  (\S+ TXT .*)$", check["remedy"], re.M)
            tap.equal(len(lines), 2, "DKIM records to publish for %s: %s" % (check["domain"], check))
            d = self.domains[check["domain"]]
            d["dkim"] = [d["dkim"](l) for l in lines] if callable(d["dkim"]) else lines
            d["dkim"] = [l for l in d["dkim"] if l]
            self.net.change(check["domain"], self.zone_text(check["domain"]))
        self.flush()

    def ask(self, *words, server=None):
        """(what --json says, exit code)"""
        code, out, err = (server or self.server).command("--json", "doctor", *words, timeout=90)
        tap.check(out.startswith("{"), "waxwing doctor %s: %s%s" % (" ".join(words), out[-500:], err[-500:]))
        return json.loads(out), code

    def end(self):
        for s in self.servers:
            s.end()
        self.net.end()
        shutil.rmtree(self.folder, ignore_errors=True)
