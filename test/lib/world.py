"""A small internet with mail servers in it: names, certificates of one authority, waxwings.

    class Ours(World):
        def __init__(self):
            super().__init__()
            self.domain("other.test", "127.5.0.2")      # MX mx.other.test, its certificate, its TLSA
            self.start()
            self.b = self.waxwing("other.test", users=("bob",), ...)
    world = once(Ours)          # world(): made by the first test that asks, ended after the last

Postfix, Exim and OpenSMTPD move in by world_peers.py.  All lies in `folder`, one of our own without it."""
import os
import shutil
import subprocess
import tempfile

import certs
import internet
import tap
from server import Server


class World:
    def __init__(self, folder=None):
        self.net = internet.Internet()          # skips the test where there can be none
        self.own_folder = folder is None
        self.folder = folder or tempfile.mkdtemp(prefix="wx-world-")
        os.chmod(self.folder, 0o755)
        self.ca = certs.authority(self.folder, "authority")
        self.ips, self.hosts, self.certs, self.living = {}, {}, {}, []
        self.resolv = None

    def domain(self, name, ip, host=None, has_tls=True):
        """A domain whose one server is `host`, a name in it."""
        label = (host or "mx." + name)[:-len(name) - 1]
        self.ips[name], self.hosts[name] = ip, host or "mx." + name
        lines = ["@ MX 10 " + label]
        if has_tls:
            self.certs[name] = certs.signed(self.folder, name, self.ca, [self.hosts[name]])
            record = certs.tlsa(self.certs[name][0], 3, 1, 1)
            lines += ["_%d._tcp.%s %s" % (port, label, record) for port in (25, 465)]
        self.net.zone(name, "\n".join(lines))
        self.net.add_host(self.hosts[name], ip)

    def start(self):
        self.net.start()
        self.resolv = self.net.resolver()
        return self

    def roots(self):
        """For those who believe in our authority only."""
        return "tls-roots file %s\n" % self.ca[0]

    def waxwing(self, domain, kind=Server, conf="", outbound="", at=None, **kw):
        """A server (not started yet) with what it needs to live in this net, at the address and by the name of its
        domain, or of another."""
        at = at or domain
        s = kind("tls certificate %s key %s\n%soutbound {\nsource %s\nallow-private 127.0.0.0/8\n%s%s}\n%s"
                 % (self.certs[at] + (self.net.conf(), self.ips[at], self.roots(), outbound, conf)),
                 domain=domain, **kw)
        s.text = s.text.replace("hostname mail.example.org", "hostname " + self.hosts[at])
        s.write_conf(s.text)
        return self.lives(s)

    def lives(self, one):
        """It ends with this world."""
        self.living.append(one)
        return one

    def cut(self, *nets):
        """Nothing goes there any more, until the with-block ends."""
        return Cut(nets)

    def end(self):
        while self.living:
            self.living.pop().end()
        self.net.end()
        if self.own_folder:
            shutil.rmtree(self.folder, ignore_errors=True)


class Cut:
    def __init__(self, nets):
        self.nets = nets

    def route(self, word):
        for one in self.nets:
            # in the table that says what is here: it is asked first
            subprocess.run(["ip", "route", word, "unreachable", one, "table", "local"], check=True)

    def __enter__(self):
        self.route("add")
        return self

    def __exit__(self, *_):
        self.route("del")


def once(make):
    """A function that gives the one world of a test file."""
    made = []

    def world():
        if not made:
            made.append(None)
            made[0] = make()
        return made[0] or tap.skip("there is no world")
    tap.AT_END.append(lambda: made and made[0] and made[0].end())
    return world
