"""A small internet: this process moves into a network namespace of its own, where all of
127.0.0.0/8 is here and every port is free; there is a signed root and what hangs below it.

    net = Internet()                        # from here on nothing outside can be reached
    net.zone("good.test", "@ MX 10 mail")
    net.add_host("mail.good.test", "127.2.0.1")
    net.start()
    with Server(net.conf()) as s: ...       # a waxwing that believes in this root
    net.end()

Names: `zone()` states a domain; what it delegates and signs follows from the names of the
zones.  dnssec is one of
    "secure"    signed, with a DS at the parent
    "insecure"  not signed, and the parent says so
    "bogus"     signed, then changed
    "expired"   signed, but the signatures are of last year
    "nsec3 N"   signed, with NSEC3 of N iterations
    "stripped"  the parent has a DS, the zone no signatures
A zone lives on one of three nsd (root, tld, hosts), on `at=ADDRESS` (a name server of the
test's own: silent(), scripted()), or on none: at="lame" refuses it, at="broken" fails it.
Hosts with a name get a PTR in 127.in-addr.arpa.  A test adds mail servers by starting them on
the address of their host: every process it starts lives in the same namespace."""
import atexit
import ctypes
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

import dns_wire
import peers
import tap

CLONE_NEWNET = 0x40000000
SERVERS = {"root": "127.1.0.1", "tld": "127.1.0.2", "hosts": "127.1.0.3"}
REVERSE = "127.in-addr.arpa"
SERVER_CONF = """server:
    server-count: 1
    ip-address: %(ip)s
    username: ""
    chroot: ""
    zonesdir: "%(dir)s"
    pidfile: "%(dir)s/nsd-%(name)s.pid"
    logfile: "%(dir)s/nsd-%(name)s.log"
    database: ""
    zonelistfile: "%(dir)s/nsd-%(name)s.list"
    xfrdfile: "%(dir)s/nsd-%(name)s.xfrd"
    xfrdir: "%(dir)s"
    minimal-responses: no
remote-control:
    control-enable: no
"""


def enter():
    """Into a network namespace of our own; once."""
    if os.environ.get("WX_INTERNET") == str(os.getpid()):
        return
    if os.getuid() != 0:
        tap.skip("a network namespace needs root")
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNET):
        tap.skip("no network namespace: " + os.strerror(ctypes.get_errno()))
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    os.environ["WX_INTERNET"] = str(os.getpid())


class Zone:
    def __init__(self, name, text, dnssec, at, spoil):
        self.name, self.text, self.dnssec, self.at, self.spoil = name, text, dnssec, at, spoil
        self.hosts, self.kids = [], []
        self.serial = 1
        self.key = None         # the base name of its key's files


class Internet:
    def __init__(self):
        self.lower = peers.unpack("dns", "nsd", "ldnsutils")     # before: it may have to fetch them
        enter()
        self.env = dict(os.environ, LD_LIBRARY_PATH=self.lower + peers.ARCH_LIB)
        self.dir = tempfile.mkdtemp(prefix="wx-internet-")
        os.chmod(self.dir, 0o755)
        self.zones, self.daemons, self.closers = {}, {}, []
        self.hints = os.path.join(self.dir, "root.hints")
        self.anchor = os.path.join(self.dir, "root.key")
        self.zone(".", "")
        self.zone("test", "")
        self.zone(REVERSE, "")
        atexit.register(self.end)

    # What there is

    def zone(self, name, text, dnssec="secure", at=None, spoil=None):
        """text: lines of a zone file; SOA, NS and the delegation are added.  spoil(text) changes the
        file once it is signed."""
        if at is None:
            at = "root" if name == "." else "hosts" if "." in name and name != REVERSE else "tld"
        self.zones[name] = Zone(name, text, dnssec, at, spoil)

    def add_host(self, name, ip):
        """An address record, and the way back; an IPv6 address is added to lo."""
        kind = "AAAA" if ":" in ip else "A"
        if kind == "AAAA":
            subprocess.run(["ip", "-6", "addr", "add", ip + "/128", "dev", "lo"], check=False,
                           stderr=subprocess.DEVNULL)
        self.zone_of(name).hosts.append("%s. %s %s" % (name, kind, ip))
        if ip.startswith("127."):
            self.zones[REVERSE].hosts.append(
                "%s.in-addr.arpa. PTR %s." % (".".join(reversed(ip.split("."))), name))

    def zone_of(self, name):
        """The zone in which a name lies."""
        while name not in self.zones:
            name = name.partition(".")[2] or "."
        return self.zones[name]

    # Its files

    def tool(self, *cmd):
        p = subprocess.run([self.lower + "/usr/bin/" + cmd[0]] + list(cmd[1:]), cwd=self.dir, env=self.env,
                           capture_output=True, text=True)
        if p.returncode:
            tap.fail("%s: %s%s" % (" ".join(cmd), p.stdout[-400:], p.stderr[-400:]))
        return p.stdout.strip()

    def address(self, z):
        return {"lame": SERVERS["hosts"], "broken": SERVERS["hosts"]}.get(z.at) or SERVERS.get(z.at, z.at)

    def ns_name(self, z):
        return "ns.nic." if z.name == "." else "ns.%s." % z.name

    def file_of(self, z):
        return os.path.join(self.dir, (z.name.strip(".") or "root") + ".zone")

    def write(self, z):
        """The zone's file, signed if it is to be."""
        ns = self.ns_name(z)
        out = ["$ORIGIN %s" % (z.name.rstrip(".") + "."), "$TTL 300",
               "@ SOA %s hostmaster %d 3600 600 86400 60" % (ns, z.serial), "@ NS " + ns,
               "%s A %s" % (ns, self.address(z)), z.text] + z.hosts
        for kid in z.kids:
            out += ["%s. NS %s" % (kid.name, self.ns_name(kid)),
                    "%s A %s" % (self.ns_name(kid), self.address(kid))]
            if kid.dnssec != "insecure":
                out.append(open(os.path.join(self.dir, kid.key + ".ds")).read())
        path = self.file_of(z)
        with open(path, "w") as f:
            f.write("\n".join(out) + "\n")
        if z.dnssec in ("insecure", "stripped"):
            return
        when = ["-i", "20250101000000", "-e", "20250201000000"] if z.dnssec == "expired" else []
        if z.dnssec.startswith("nsec3"):
            when = ["-n", "-t", z.dnssec.split()[1]]
        self.tool("ldns-signzone", *when, "-f", path + ".signed", path, z.key)
        with open(path + ".signed") as f:
            text = f.read()
        if z.dnssec == "bogus":
            # a record that its signature does not fit
            text = text.replace("original", "forged")
        if z.spoil:
            text = z.spoil(text)
        with open(path + ".new", "w") as f:
            f.write(text)
        os.rename(path + ".new", path)

    def make_zones(self):
        for z in self.zones.values():
            z.kids = []
            if z.dnssec != "insecure" and z.key is None:
                z.key = self.tool("ldns-keygen", "-r", "/dev/urandom", "-k", "-a", "ECDSAP256SHA256",
                                  z.name)
        for z in self.zones.values():
            if z.name != ".":
                self.zone_of(z.name.partition(".")[2] or ".").kids.append(z)
        for z in self.zones.values():
            if z.at in SERVERS:
                self.write(z)
        root = self.zones["."]
        with open(self.hints, "w") as f:
            f.write(". 3600 NS %s\n%s 3600 A %s\n" % (self.ns_name(root), self.ns_name(root),
                                                     self.address(root)))
        shutil.copy(os.path.join(self.dir, root.key + ".ds"), self.anchor)
        for path in (self.hints, self.anchor):
            os.chmod(path, 0o644)

    def change(self, name, text):
        """Other records in a zone, from now on (caches keep what they have)."""
        z = self.zones[name]
        z.text, z.serial = text, z.serial + 1
        self.write(z)
        self.daemons[z.at].send_signal(signal.SIGHUP)

    # Its servers

    def start(self):
        self.make_zones()
        for name in SERVERS:
            self.start_zones_of(name)
        for name, ip in SERVERS.items():
            self.wait_server(name, ip)
        return self

    def start_zones_of(self, name):
        """One of the three."""
        self.start_server(name, SERVERS[name], lambda z: z.at == name or (z.at == "broken" and name == "hosts"))

    def start_server(self, name, ip, has):
        """An nsd with all zones of which has(zone) is true."""
        conf = SERVER_CONF % {"dir": self.dir, "name": name, "ip": ip}
        for z in filter(has, self.zones.values()):
            conf += 'zone:\n    name: "%s"\n    zonefile: "%s"\n' % (z.name, self.file_of(z))
        path = os.path.join(self.dir, "nsd-%s.conf" % name)
        with open(path, "w") as f:
            f.write(conf)
        self.daemons[name] = subprocess.Popen(
            [self.lower + "/usr/sbin/nsd", "-d", "-c", path], env=self.env, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def wait_server(self, name, ip):
        tap.eventually(lambda: answers(ip), 10, what=lambda: "nsd %s answers: %s" % (name, self.log(name)[-600:]))
        if re.search(r"error: .*(syntax|read with)", self.log(name)):
            tap.fail("nsd %s: %s" % (name, self.log(name)[-600:]))

    def resolver(self):
        """For those who cannot resolve by themselves: the line of a resolv.conf; one nsd that has every zone."""
        ip = "127.1.0.53"
        self.start_server("resolver", ip, lambda z: z.at in SERVERS)
        self.wait_server("resolver", ip)
        return "nameserver %s\n" % ip

    def stop_server(self, name):
        d = self.daemons.pop(name, None)
        if d:
            d.terminate()
            d.wait()

    def log(self, name):
        try:
            return open(os.path.join(self.dir, "nsd-%s.log" % name)).read()
        except OSError:
            return ""

    def silent(self, ip):
        """A name server that takes questions and never answers."""
        return self.scripted(ip, lambda q, is_tcp: ())

    def scripted(self, ip, answer):
        """answer(Query, is_tcp) gives the packets that go back; over TCP each with its length, a bytearray
        one octet a second."""
        s = Scripted(ip, answer)
        self.closers.append(s)
        return s

    # For those who live in it

    def conf(self, more=""):
        return "dns {\n  root-hints file %s\n  trust-anchor file %s\n%s\n}\n" % (self.hints, self.anchor, more)

    def end(self):
        for s in self.closers:
            s.close()
        self.closers = []
        for name in list(self.daemons):
            self.stop_server(name)
        shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()


def answers(ip):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(0.3)
        try:
            s.connect((ip, 53))
            s.send(b"\0\1\0\0\0\1\0\0\0\0\0\0\0\0\6\0\1")
            return len(s.recv(4096)) > 0
        except OSError:
            return False


class Scripted:
    """A name server that says what a test wants; `asked` counts by (name, type)."""

    def __init__(self, ip, answer):
        self.answer, self.asked, self.total = answer, {}, 0
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self.udp.bind((ip, 53))
        self.tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.tcp.bind((ip, 53))
        self.tcp.listen(64)
        for fn in (self.run_udp, self.run_tcp):
            threading.Thread(target=fn, daemon=True).start()

    def count(self, q):
        self.total += 1
        self.asked[q.key] = self.asked.get(q.key, 0) + 1

    def run_udp(self):
        while True:
            try:
                packet, who = self.udp.recvfrom(4096)
                if not packet:
                    return                      # closed
                q = dns_wire.Query(packet)
                q.peer = who
                self.count(q)
                for reply in self.answer(q, False):
                    self.udp.sendto(reply, who)
            except OSError as e:
                if self.udp.fileno() < 0 or e.errno == 9:
                    return

    def run_tcp(self):
        while True:
            try:
                c, _ = self.tcp.accept()
            except OSError:
                return
            threading.Thread(target=self.serve_tcp, args=(c,), daemon=True).start()

    def serve_tcp(self, c):
        try:
            with c, c.makefile("rb") as f:
                while True:
                    n = f.read(2)
                    if len(n) < 2:
                        return
                    q = dns_wire.Query(f.read(int.from_bytes(n, "big")))
                    self.count(q)
                    replies = list(self.answer(q, True))
                    for reply in replies:
                        if len(reply) > 65535:          # it cannot be said over TCP
                            continue
                        whole = len(reply).to_bytes(2, "big") + reply
                        step = 1 if isinstance(reply, bytearray) else len(whole)
                        for i in range(0, len(whole), step):
                            c.sendall(whole[i:i + step])
                            time.sleep(0 if step > 1 else 1)
                    if not replies:
                        time.sleep(30)
        except OSError:
            pass

    def close(self):
        for s in (self.udp, self.tcp):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            s.close()
