"""A waxwing with IMAP and POP3, in a network namespace of its own where 192.0.2.0/24, 198.51.100.2
to .9 and 2001:db8::/64 are this machine's: clients from there are strangers, which those on loopback are
not.  Importing this starts the test again inside one."""
import os
import subprocess
import sys

if os.environ.get("LOGIN_TEST_NET") is None:
    up = ("ip link set lo up && ip addr add 192.0.2.1/24 dev lo && "
          "ip addr add 2001:db8::1/64 dev lo nodad && "
          "for i in 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do "
          "ip addr add 192.0.2.$i/24 dev lo; done; "
          "for i in 2 3 4 5 6 7 8 9; do ip addr add 198.51.100.$i/24 dev lo; done; "
          "ip addr add 2001:db8:9::2/64 dev lo nodad; "
          "ip addr add 2001:db8::2/64 dev lo nodad && exec \"$@\"")
    flags = "-n" if os.geteuid() == 0 else "-rn"
    os.environ["LOGIN_TEST_NET"] = "1"
    if subprocess.run(["unshare", flags, "true"], capture_output=True).returncode:
        os.environ["LOGIN_TEST_NET"] = ""
    else:
        os.execvp("unshare", ["unshare", flags, "sh", "-c", up, "sh", sys.executable] + sys.argv)

import tap
from imap import Imap, Pop3
from server import SLOW, Server, free_port
from tap import equal

USERS = {"alice": "alice-pw", "bob": "bob \"quoted\" \\pw", "carol": "carol-pw-ü"}
FAILED = "Invalid user name or password"


class LoginServer(Server):
    """A server with IMAP and POP3, also on a stranger's side, and passwords."""

    def __init__(self, login="", conf="", ban="", passwords=True, address="0.0.0.0", **kw):
        self.ports = {n: free_port() for n in ("imap", "imaps", "pop3", "pop3s", "plain", "plainpop", "smtp", "clear")}
        p = self.ports
        listen = ["smtp *:%d" % p["smtp"], "imap *:%d starttls" % p["imap"], "imap *:%d tls" % p["imaps"],
                  "pop3 *:%d starttls" % p["pop3"], "pop3 *:%d tls" % p["pop3s"],
                  "imap 127.0.0.1:%d plaintext" % p["plain"], "pop3 127.0.0.1:%d plaintext" % p["plainpop"],
                  "submission 127.0.0.1:%d plaintext" % p["clear"]]
        if login:
            conf += "\nlogin {\n%s\n}\n" % login
        if ban:
            conf += "\nban {\n%s\n}\n" % ban
        super().__init__(conf, listen=listen, **kw)
        self.addr = ("127.0.0.1", p["smtp"])
        self.passwords = passwords

    def start(self, *a, **kw):
        super().start(*a, **kw)
        if self.passwords:
            for u, pw in USERS.items():
                self.passwd(self.address(u), pw)
            self.passwords = False
        return self

    def passwd(self, address, password, *options):
        code, out, err = self.command("user", "passwd", address, *options, stdin=password.encode() + b"\n")
        equal(code, 0, "user passwd: %s%s" % (out, err))

    def imap(self, to="127.0.0.1", tls=True, **kw):
        return Imap((to, self.ports["imaps" if tls else "imap"]), tls=tls, slow=SLOW, **kw)

    def pop3(self, to="127.0.0.1", tls=True, **kw):
        return Pop3((to, self.ports["pop3s" if tls else "pop3"]), tls=tls, slow=SLOW, **kw)

    def stranger(self, n=2, **kw):
        """A client that comes from 192.0.2.n."""
        return self.far("192.0.2.%d" % n, **kw)

    def far(self, source, **kw):
        return self.imap("192.0.2.1", source=source, **kw)


def needs_net():
    if not os.environ["LOGIN_TEST_NET"]:
        tap.skip("no network namespace")


def shared():
    """One server for all tests of a file."""
    s = _shared.get("s")
    if s is None or not s.alive():
        s = _shared["s"] = LoginServer().start()
    return s


def _at_end():
    s = _shared.pop("s", None)
    if s is not None:
        s.end()


_shared = {}
tap.AT_END.append(_at_end)


def alice(s):
    return s.address("alice")


def logged_in(r):
    equal(r.status, "OK", "login: %r" % r)


