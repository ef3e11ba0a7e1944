#!/usr/bin/python3
"""Letters between real servers in the small internet, each found by its MX: waxwing with waxwing, Postfix, Exim
and OpenSMTPD, in both directions."""
import email
import glob
import os
import re
import shutil
import socket
import tempfile

import certs
import internet
import peers
import tap
from letters import letter, on_disk, token
from server import SLOW
from submission import SubmissionServer
from tap import check, equal, eventually, test

BODY = b".\r\n..x\r\nGood day.\r\n" * 3000
IP = {"example.org": "127.5.0.1", "other.test": "127.5.0.2", "pf.test": "127.5.0.3", "exim.test": "127.5.0.4",
      "open.test": "127.5.0.5"}
HOST = dict({d: "mx." + d for d in IP}, **{"example.org": "mail.example.org"})
EXIM = """primary_hostname = mx.exim.test
log_file_path = /var/log/exim4/%%slog
spool_directory = /var/spool/exim4
local_interfaces = 127.5.0.4
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
  accept domains = exim.test
         endpass
         message = unknown user
         verify = recipient
  deny message = we do not relay
begin routers
here:
  driver = accept
  domains = exim.test
  local_parts = u1 : u2
  transport = maildir
nobody:
  driver = redirect
  domains = exim.test
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
  interface = 127.5.0.4
begin retry
* * F,1h,1m
"""
# Debian's OpenSMTPD 6.8 answers no handshake of TLS 1.3 with OpenSSL 3: it takes letters in the clear
OPENSMTPD = """table users file:%(folder)s/users
listen on 127.5.0.5 port 25 hostname mx.open.test
listen on socket
action "here" maildir "%(folder)s/mail/%%{rcpt.user}" virtual <users> user vmail
action "out" relay src 127.5.0.5 helo mx.open.test
match from any for domain "open.test" action "here"
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
echo mx.open.test > /etc/mailname; echo mx.open.test > /etc/smtpname
"""


class World:
    """One net, two waxwings; the peers come with their tests."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="wx-peers-")
        os.chmod(self.folder, 0o755)
        self.net = internet.Internet()
        self.certs = {d: certs.make(self.folder, d, cn=HOST[d]) for d in IP if d != "open.test"}
        for d, ip in IP.items():
            name = HOST[d].split(".")[0]
            tlsa = "_25._tcp.%s %s" % (name, certs.tlsa(self.certs[d][0], 3, 1, 1)) if d in self.certs else ""
            self.net.zone(d, "@ MX 10 %s\n%s" % (name, tlsa))
            self.net.add_host(HOST[d], ip)
        self.net.start()
        self.resolv = self.net.resolver()
        self.a = self.waxwing("example.org", "alice")
        self.b = self.waxwing("other.test", "bob")

    def waxwing(self, domain, user):
        s = SubmissionServer("listen smtp %s:25\ntls certificate %s key %s\n%soutbound {\nsource %s\nallow-private 127.0.0.0/8\n}\n"
                             % ((IP[domain],) + self.certs[domain] + (self.net.conf(), IP[domain])),
                             users=(user,), domain=domain, passwords={user: user + "-pw"})
        s.write_conf(s.text.replace("hostname mail.example.org", "hostname " + HOST[domain]))
        return s.start()

    def end(self):
        self.a.end()
        self.b.end()
        self.net.end()
        shutil.rmtree(self.folder, ignore_errors=True)


WORLD = []


def world():
    if not WORLD:
        WORLD.append(None)
        WORLD[0] = World()
    return WORLD[0] or tap.skip("there is no world")


tap.AT_END.append(lambda: WORLD and WORLD[0] and WORLD[0].end())


def text_of(tok, sender):
    return letter(tok, BODY).replace(b"sender@client.example.net", sender.encode())


def send(s, user, *to):
    """From a waxwing's user; (token, id)."""
    tok = token()
    with s.submission(user, password=user + "-pw") as c:
        equal(c.mail(s.address(user)).code, 250, "MAIL")
        for one in to:
            equal(c.rcpt(one).code, 250, "RCPT " + one)
        r = c.data(text_of(tok, s.address(user)))
        equal(r.code, 250, "DATA: %r" % r)
    return tok, r.queue_id


def sent(s, msg, to, want):
    """The relay's line about it."""
    pattern = r' relay msg=%s to="%s" .*' % (msg, re.escape(to))
    line = eventually(lambda: re.search(pattern, s.log()), 30 * SLOW, what=lambda: "a result:\n" + s.log()[-1500:]).group(0)
    check(re.search(want, line), "%r is not in %s" % (want, line))


def is_same(got, what):
    check(got.replace(b"\r\n", b"\n").endswith(b"\n\n" + BODY.replace(b"\r\n", b"\n")), "%s is another: %r" % (what, got[-80:]))


def in_maildir(pattern, tok, log):
    def found():
        for path in glob.glob(pattern):
            with open(path, "rb") as f:
                got = f.read()
            if tok.encode() in got:
                return got
        return None
    is_same(eventually(found, 30 * SLOW, 0.1, what=lambda: "a letter %s; the peer says:\n%s" % (pattern, log()[-1500:])), "the letter")


def to_peer(w, domain, maildir, log, unknown):
    """alice writes to two there and one whom nobody knows: she is told."""
    tok, msg = send(w.a, "alice", "u1@" + domain, "u2@" + domain, "nobody@" + domain)
    tls = r"TLSv1\.[23] .*, verified \(DANE\)" if domain in w.certs else "none"
    sent(w.a, msg, domain, r'tls="%s" sent=2 later=0 never=1' % tls)
    for u in "u1", "u2":
        in_maildir(maildir % u, tok, log)
    report = w.a.wait("The number of your message here is " + msg, "alice", limit=20).raw
    check(b"nobody@" + domain.encode() in report and re.search(unknown, report), report[:2000])


def in_seven_bits(w, maildir, log):
    """Postfix is told not to announce 8BITMIME: a letter of 8 bits comes to it in others, and decodes to the same."""
    head = (b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n")
    tok, body = token(), "Grüße, mit Umläuten und = darin\r\n".encode() * 20000
    with w.a.submission("alice", password="alice-pw") as c:
        equal(c.mail("alice@example.org", "BODY=8BITMIME").code, 250, "MAIL")
        equal(c.rcpt("u1@pf.test").code, 250, "RCPT")
        r = c.data(letter(tok, body, head).replace(b"sender@client.example.net", b"alice@example.org"))
        equal(r.code, 250, "DATA: %r" % r)

    def found():
        for path in glob.glob(maildir % "u1"):
            with open(path, "rb") as f:
                got = f.read()
            if tok.encode() in got:
                return got
        return None
    got = eventually(found, 30 * SLOW, 0.1, what=lambda: "a letter in 7 bits; the peer says:\n" + log()[-1500:])
    there = email.message_from_bytes(got)
    equal(there["Content-Transfer-Encoding"], "quoted-printable", "encoding")
    check(all(b < 128 for b in got), "it has octets beyond 127")
    equal(there.get_payload(decode=True).replace(b"\r\n", b"\n"), body.replace(b"\r\n", b"\n"), "decoded")
    sent(w.a, r.queue_id, "pf.test", "sent=0 later=0 never=0 needs-7bit=1")


def from_peer(w, root, sender, program, log):
    """A person there writes to alice, and to somebody whom we do not know."""
    tok = token()
    root.run(*program, "-i", "-f", sender, "alice@example.org", "nobody@example.org",
             input=on_disk(text_of(tok, sender)).decode())
    got = eventually(lambda: w.a.find(tok, "alice"), 30 * SLOW, 0.1, what=lambda: "a letter; the peer says:\n" + log()[-1500:])
    equal(len(got), 1, "copies")
    is_same(got[0].raw, "the letter")
    check("with ESMTPS" in got[0].first("received"), got[0].first("received"))
    check(re.search(r"\[127\.5\.0\.\d\]", got[0].first("received")), got[0].first("received"))
    eventually(lambda: re.search(r"nobody@example\.org.*\n?.*55[0-9][ -]", log()), 20 * SLOW, 0.2,
               what=lambda: "the refusal in the peer's log:\n" + log()[-1500:])


def answers(ip):
    try:
        with socket.create_connection((ip, 25), 1) as c:
            return c.recv(3) == b"220"
    except OSError:
        return False


@test("two waxwings by MX, DANE both ways", limit=120)
def two():
    w = world()
    for one, user, other, to in (w.a, "alice", w.b, "bob"), (w.b, "bob", w.a, "alice"):
        tok, msg = send(one, user, other.address(to))
        is_same(other.wait(tok, to, limit=30, domain=other.domain).raw, "the letter")
        sent(one, msg, other.domain, r", verified \(DANE\)\" sent=1")
        check("with ESMTPS" in other.find(tok, to)[0].first("received"), "no TLS")


@test("two waxwings: whom the other does not know is reported to the sender", limit=120)
def unknown_there():
    w = world()
    _, msg = send(w.b, "bob", "nobody@example.org")
    report = w.b.wait("The number of your message here is " + msg, "bob", limit=30).raw
    check(b"5.1.1" in report and b"Remote-MTA: dns;mail.example.org" in report.replace(b"; ", b";"), report[:2000])


@test("Postfix and waxwing by MX, both ways", limit=120)
def postfix():
    w = world()
    folder = tempfile.mkdtemp(prefix="wx-pf-")
    for path in w.certs["pf.test"]:
        shutil.copy(path, folder)
    crt, key = (os.path.join(folder, os.path.basename(p)) for p in w.certs["pf.test"])
    pf = peers.Postfix(folder, "maillog_file = /var/log/postfix.log\nmyhostname = mx.pf.test\nmydestination = localhost\n"
                       "inet_protocols = ipv4\ninet_interfaces = loopback-only\nsmtp_bind_address = 127.5.0.3\n"
                       "smtpd_tls_security_level = may\nsmtpd_tls_cert_file=%s\nsmtpd_tls_key_file=%s\n"
                       "smtp_tls_security_level = may\nsmtpd_discard_ehlo_keywords = 8bitmime\n" % (crt, key), domain="pf.test", users=("u1", "u2"),
                       master="127.5.0.3:25 inet n - n - - smtpd\n")
    try:
        with open(pf.spool + "/etc/resolv.conf", "w") as f:      # its smtp lives in a chroot
            f.write(w.resolv)
        eventually(lambda: answers("127.5.0.3"), 20 * SLOW, 0.1, what=lambda: "Postfix answers:\n" + pf.log()[-1500:])
        to_peer(w, "pf.test", pf.mail + "/pf.test/%s/Maildir/new/*", pf.log, rb"550 5\.1\.1")
        in_seven_bits(w, pf.mail + "/pf.test/%s/Maildir/new/*", pf.log)
        from_peer(w, pf.root, "u1@pf.test", ["/usr/sbin/sendmail"], pf.log)
    finally:
        pf.end()
        shutil.rmtree(folder, ignore_errors=True)


@test("Exim and waxwing by MX, both ways", limit=120)
def exim():
    w = world()
    folder = tempfile.mkdtemp(prefix="wx-exim-")
    os.chmod(folder, 0o755)
    daemon = None
    with peers.Root("exim", ["exim4-daemon-light"], share=[folder]) as root:
        root.write("/etc/resolv.conf", w.resolv)
        for path in w.certs["exim.test"]:
            shutil.copy(path, folder)
        crt, key = (os.path.join(folder, os.path.basename(p)) for p in w.certs["exim.test"])
        root.sh("grep -q ^Debian-exim: /etc/passwd || { echo 'Debian-exim:x:2528:2528::/var/spool/exim4:"
                "/usr/sbin/nologin' >> /etc/passwd; echo 'Debian-exim:x:2528:' >> /etc/group; }; "
                "mkdir -p /var/spool/exim4 /var/log/exim4 /etc/exim4 %s/mail; "
                "chown Debian-exim:Debian-exim /var/spool/exim4 /var/log/exim4 %s/mail %s; "
                "echo mx.exim.test > /etc/mailname" % (folder, folder, key))
        root.write("/etc/exim4/exim4.conf", EXIM % {"crt": crt, "key": key, "folder": folder})

        def log():
            return root.sh("cat /var/log/exim4/* 2>/dev/null || true")
        try:
            daemon = root.spawn("/usr/sbin/exim4", "-bdf", "-q1m")
            eventually(lambda: answers("127.5.0.4"), 20 * SLOW, 0.1, what=lambda: "Exim answers:\n" + log()[-1500:])
            to_peer(w, "exim.test", folder + "/mail/%s/new/*", log, rb"550 .*unknown user")
            from_peer(w, root, "u1@exim.test", ["/usr/sbin/exim4"], log)
        finally:
            if daemon:
                daemon.kill()
                daemon.wait()
    shutil.rmtree(folder, ignore_errors=True)


@test("OpenSMTPD and waxwing by MX, both ways", limit=120)
def opensmtpd():
    w = world()
    folder = tempfile.mkdtemp(prefix="wx-open-")
    os.chmod(folder, 0o755)
    with open(folder + "/users", "w") as f:
        f.write("u1@open.test vmail\nu2@open.test vmail\n")
    daemon = None
    with peers.Root("opensmtpd", ["opensmtpd"], share=[folder]) as root:
        root.write("/etc/resolv.conf", w.resolv)
        # its resolver gives no address to a machine that has none but 127.0.0.1
        certs.run("ip", "address", "add", "127.5.0.5/32", "dev", "lo")
        root.sh(OPENSMTPD_USERS % {"folder": folder})
        root.write("/etc/smtpd.conf", OPENSMTPD % {"folder": folder})

        def log():
            with open(folder + "/log") as f:
                return f.read()
        try:
            with open(folder + "/log", "w") as out:
                daemon = root.spawn("/usr/sbin/smtpd", "-d", stdout=out, stderr=out)
            eventually(lambda: answers("127.5.0.5"), 20 * SLOW, 0.1, what=lambda: "OpenSMTPD answers:\n" + log()[-1500:])
            to_peer(w, "open.test", folder + "/mail/%s/new/*", log, rb"524 5\.2\.4")
            from_peer(w, root, "u1@open.test", ["/usr/sbin/sendmail"], log)
        finally:
            if daemon:
                daemon.kill()
                daemon.wait()
    shutil.rmtree(folder, ignore_errors=True)


tap.main()
