"""The same tests against Postfix: TARGET=postfix test/e2e/run framing

It shows that the harness itself works and that its tests can fail.  Tests that speak of
roles, logs or configuration of ours are of no use here."""
import os
import shutil
import subprocess
import tempfile

import certs
import peers
import server

MAIN = """
maillog_file = /var/log/postfix.log
mydestination = localhost
myhostname = mail.example.org
mynetworks = 10.0.0.0/8
smtpd_relay_restrictions = permit_mynetworks reject_unauth_destination
recipient_delimiter = +
smtpd_tls_security_level = may
smtpd_client_connection_rate_limit = 0
smtpd_client_connection_count_limit = 0
message_size_limit = 2097152
smtpd_recipient_limit = 100
"""


class PostfixServer(server.Server):
    def __init__(self, users=("alice", "bob", "carol"), **_):
        self.dir = tempfile.mkdtemp(prefix="wx-pf-")
        self.own_dir, self.keep, self.seen, self.expect_crash = True, False, 0, True
        self.port = server.free_port()
        self.addr, self.domain, self.users = ("127.0.0.1", self.port), "example.org", users
        self.proc = None
        server.ALL.append(self)

    def start(self, **_):
        crt, key = certs.make(self.dir, "pf")
        self.pf = peers.Postfix(self.dir, MAIN + os.environ.get("POSTFIX_MAIN", "").replace(";", "\n") +
                                "\nsmtpd_tls_cert_file=%s\nsmtpd_tls_key_file=%s\n" % (crt, key),
                                self.port, users=self.users)
        self.proc = self.pf.root.holder
        return self

    pid = property(lambda self: self.pf.root.init)

    def stop(self, limit=0):
        self.pf.end()

    kill_all = stop

    def end(self):
        self.pf.end()
        server.ALL.remove(self)
        shutil.rmtree(self.dir, ignore_errors=True)

    def roles(self):
        return {}

    def home(self, user, domain=None):
        return os.path.join(self.pf.mail, domain or self.domain, user)

    def anywhere(self, tok):
        out = subprocess.run(["grep", "-rl", tok, self.pf.mail], capture_output=True, text=True)
        return out.stdout.split()

    def stderr(self):
        return ""

    def log_bytes(self):
        return self.pf.log().encode()
