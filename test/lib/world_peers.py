"""Debian's mail servers as inhabitants of a small internet (world.py), at the address of their domain.

    p = PostfixPeer(world, "pf.test")       # people u1 and u2
    p.root.run(*p.sendmail, "-f", "u1@pf.test", to, input=letter)
    p.maildir("u1")                         # a pattern of the files of their letters
    p.log()
    p.end()"""
import os
import shutil
import socket
import tempfile

import against_dovecot
import certs
import peers
import tap
from server import SLOW

EXIM = """primary_hostname = %(host)s
log_file_path = /var/log/exim4/%%slog
spool_directory = /var/spool/exim4
local_interfaces = %(ip)s
daemon_smtp_ports = 25
disable_ipv6 = true
trusted_users = root
never_users =
keep_environment =
tls_advertise_hosts = *
tls_certificate = %(crt)s
tls_privatekey = %(key)s
acl_smtp_rcpt = rcpt
begin acl
rcpt:
  accept domains = %(domain)s
         endpass
         message = unknown user
         verify = recipient
  deny message = we do not relay
begin routers
here:
  driver = accept
  domains = %(domain)s
  local_parts = u1 : u2
  transport = maildir
nobody:
  driver = redirect
  domains = %(domain)s
  allow_fail
  data = :fail: unknown user
out:
  driver = dnslookup
  self = send
  transport = out
begin transports
maildir:
  driver = appendfile
  maildir_format
  directory = %(folder)s/mail/$local_part_data
  user = Debian-exim
out:
  driver = smtp
  interface = %(ip)s
begin retry
* * F,1h,1m
"""
EXIM_USER = """grep -q ^Debian-exim: /etc/passwd || {
echo 'Debian-exim:x:2528:2528::/var/spool/exim4:/usr/sbin/nologin' >> /etc/passwd
echo 'Debian-exim:x:2528:' >> /etc/group; }
mkdir -p /var/spool/exim4 /var/log/exim4 /etc/exim4 %(folder)s/mail
chown Debian-exim:Debian-exim /var/spool/exim4 /var/log/exim4 %(folder)s/mail %(key)s
echo %(host)s > /etc/mailname
"""
# Debian's OpenSMTPD 6.8 answers no handshake of TLS 1.3 with OpenSSL 3: it takes letters in the clear
OPENSMTPD = """table users file:%(folder)s/users
listen on %(ip)s port 25 hostname %(host)s
listen on socket
action "here" maildir "%(folder)s/mail/%%{rcpt.user}" virtual <users> user vmail
action "out" relay src %(ip)s helo %(host)s
match from any for domain "%(domain)s" action "here"
match from local for any action "out"
"""
OPENSMTPD_USERS = r"""
grep -q ^opensmtpd: /etc/passwd || {
echo 'opensmtpd:x:2529:2529::/var/lib/opensmtpd/empty:/usr/sbin/nologin' >> /etc/passwd
echo 'opensmtpq:x:2530:2530::/nonexistent:/usr/sbin/nologin' >> /etc/passwd
echo 'opensmtpd:x:2529:' >> /etc/group; echo 'opensmtpq:x:2530:' >> /etc/group; }
""" + peers.USERS + r"""
mkdir -p /var/lib/opensmtpd/empty /var/spool/smtpd %(folder)s/mail
chown vmail:vmail %(folder)s/mail
chown root:root /var/lib/opensmtpd/empty
chmod 711 /var/spool/smtpd /var/lib/opensmtpd/empty
chgrp opensmtpq /usr/sbin/smtpctl; chmod 2555 /usr/sbin/smtpctl
echo %(host)s > /etc/mailname; echo %(host)s > /etc/smtpname
"""


def answers(ip, port=25):
    try:
        with socket.create_connection((ip, port), 1) as c:
            return port == 465 or c.recv(3) == b"220"
    except OSError:
        return False


class Peer:
    sendmail = ("/usr/sbin/sendmail",)

    def __init__(self, world, domain):
        self.domain, self.ip, self.host = domain, world.ips[domain], world.hosts[domain]
        self.folder = tempfile.mkdtemp(prefix="wx-peer-%s-" % domain)
        os.chmod(self.folder, 0o755)
        self.crt = self.key = self.root = self.daemon = None
        if domain in world.certs:
            self.crt, self.key = (shutil.copy(p, self.folder) for p in world.certs[domain])
        try:
            self.begin(world)
            tap.eventually(lambda: answers(self.ip), 20 * SLOW, 0.1,
                           what=lambda: "%s answers:\n%s" % (self.name, self.log()[-1500:]))
        except BaseException:
            self.end()
            raise

    def words(self):
        """For the configurations above."""
        return {w: getattr(self, w) for w in ("domain", "ip", "host", "folder", "crt", "key")}

    def maildir(self, user):
        return "%s/mail/%s/new/*" % (self.folder, user)

    def end(self):
        if self.daemon:
            self.daemon.kill()
            self.daemon.wait()
        if self.root:
            self.root.end()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()


class PostfixPeer(Peer):
    """more and master are further lines of main.cf and master.cf."""
    name = "Postfix"

    def __init__(self, world, domain, more="", master=""):
        self.pf, self.more, self.master = None, more, master
        super().__init__(world, domain)

    def begin(self, world):
        self.pf = peers.Postfix(
            self.folder, "maillog_file = /var/log/postfix.log\nmyhostname = %(host)s\nmydestination = localhost\n"
            "inet_protocols = ipv4\ninet_interfaces = loopback-only\nsmtp_bind_address = %(ip)s\n"
            "smtpd_tls_security_level = may\nsmtpd_tls_cert_file=%(crt)s\nsmtpd_tls_key_file=%(key)s\n"
            "smtp_tls_security_level = may\n" % self.words() + self.more, domain=self.domain, users=("u1", "u2"),
            master="%s:25 inet n - n - - smtpd\n%s" % (self.ip, self.master))
        self.root = self.pf.root
        with open(self.pf.spool + "/etc/resolv.conf", "w") as f:      # its smtp lives in a chroot
            f.write(world.resolv)

    def maildir(self, user):
        return "%s/%s/%s/Maildir/new/*" % (self.pf.mail, self.domain, user)

    def log(self):
        return self.pf.log() if self.pf else ""

    def end(self):
        if self.pf:
            self.pf.end()
            self.root = None
        super().end()


# Names and passwords for Postfix
DOVECOT = """protocols =
base_dir = /run/dovecot
log_path = %(folder)s/dovecot.log
ssl = no
auth_mechanisms = plain login scram-sha-256
passdb {
  driver = passwd-file
  args = username_format=%%u %(folder)s/passwords
}
userdb {
  driver = static
  args = uid=2527 gid=2527 home=/nonexistent
}
service auth {
  unix_listener %(folder)s/auth {
    mode = 0666
  }
}
"""
SMTPS = """%(ip)s:465 inet n - n - - smtpd
  -o smtpd_tls_wrappermode=yes
  -o smtpd_sasl_auth_enable=yes
  -o smtpd_relay_restrictions=permit_sasl_authenticated,reject
  -o smtpd_recipient_restrictions=permit_sasl_authenticated,reject
"""


class PostfixMain(PostfixPeer):
    """It also takes letters at 465 from who logs in; Dovecot knows the passwords."""

    def __init__(self, world, domain, passwords):
        self.passwords, self.auth = passwords, None
        super().__init__(world, domain)

    def begin(self, world):
        self.auth = peers.Root("dovecot", peers.PACKAGES["dovecot"], share=[self.folder])
        self.auth.sh(against_dovecot.USERS)
        with open(self.folder + "/passwords", "w") as f:
            f.writelines("%s:{PLAIN}%s:::::\n" % row for row in self.passwords.items())
        with open(self.folder + "/dovecot.conf", "w") as f:
            f.write(DOVECOT % self.words())
        self.daemon = self.auth.spawn("dovecot", "-F", "-c", self.folder + "/dovecot.conf")
        tap.eventually(lambda: os.path.exists(self.folder + "/auth"), 20 * SLOW, what="Dovecot's socket")
        self.more = "smtpd_sasl_type = dovecot\nsmtpd_sasl_path = %s/auth\n" % self.folder
        self.master = SMTPS % self.words()
        super().begin(world)

    def end(self):
        super().end()
        if self.auth:
            self.auth.end()


class EximPeer(Peer):
    """more are further lines of the transport that goes out; share: folders that it sees.  main: lines of the main
    part, whose own ACLs come first."""
    name = "Exim"
    main = "begin acl\n"
    sendmail = ("/usr/sbin/exim4",)

    def __init__(self, world, domain, more="", share=()):
        self.more, self.share = more, list(share)
        super().__init__(world, domain)

    def begin(self, world):
        self.root = peers.Root("exim", peers.PACKAGES["exim"], share=[self.folder] + self.share)
        self.root.write("/etc/resolv.conf", world.resolv)
        self.root.sh(EXIM_USER % self.words())
        self.root.write("/etc/exim4/exim4.conf",
                        (EXIM % self.words()).replace("driver = smtp\n", "driver = smtp\n" + self.more)
                        .replace("begin acl\n", self.main))
        self.daemon = self.root.spawn("/usr/sbin/exim4", "-bdf", "-q1m")

    def log(self):
        return self.root.sh("cat /var/log/exim4/* 2>/dev/null || true") if self.root else ""


class OpenSmtpdPeer(Peer):
    name = "OpenSMTPD"

    def begin(self, world):
        with open(self.folder + "/users", "w") as f:
            f.write("u1@%s vmail\nu2@%s vmail\n" % (self.domain, self.domain))
        self.root = peers.Root("opensmtpd", peers.PACKAGES["opensmtpd"], share=[self.folder])
        self.root.write("/etc/resolv.conf", world.resolv)
        # its resolver gives no address to a machine that has none but 127.0.0.1
        certs.run("ip", "address", "replace", self.ip + "/32", "dev", "lo")
        self.root.sh(OPENSMTPD_USERS % self.words())
        self.root.write("/etc/smtpd.conf", OPENSMTPD % self.words())
        with open(self.folder + "/log", "w") as out:
            self.daemon = self.root.spawn("/usr/sbin/smtpd", "-d", stdout=out, stderr=out)

    def log(self):
        try:
            with open(self.folder + "/log") as f:
                return f.read()
        except OSError:
            return ""
