#!/usr/bin/python3
"""Other people's senders: Postfix and Exim as servers, swaks, Python's smtplib."""
import os
import re
import shutil
import smtplib
import subprocess
import time

import letters
import peers
import server
import tap
from letters import letter, on_disk, token
from server import SLOW, Server, shared
from tap import cases, check, equal, test


def sent_through_sendmail(root, s, users, bodies):
    """Hands letters to the peer's sendmail; {token: body}."""
    want = {}
    for i, body in enumerate(bodies):
        t = token()
        text = on_disk(letter(t, body))
        to = users[i % len(users)]
        root.run("/usr/sbin/sendmail", "-i", "-f", "sender@client.example.net",
                 "%s@example.org" % to, input=text.decode("utf-8", "surrogateescape"))
        want[t] = (to, text)
    return want


BODIES = [b"plain\r\n", b".\r\n..\r\n.leading dots\r\n", "Grüße, 8 bit\r\n".encode(),
          b"x" * 990 + b"\r\n", b"line\r\n" * 20000, b"\r\n\r\nempty lines\r\n\r\n\r\n",
          b"From the start\r\n>From quoted\r\n"]


def arrived(s, want, log):
    for t, (user, text) in want.items():
        got = tap.eventually(lambda: s.find(t, user), 30 * SLOW, 0.2,
                             lambda: "letter for %s; the peer says:\n%s" % (user, log()[-1500:]))
        equal(len(got), 1, "copies")
        body = got[0].raw.split(b"\n\n", 1)[1]
        equal(body.rstrip(b"\n"), text.split(b"\n\n", 1)[1].rstrip(b"\n"), "body")


@cases([("Postfix sends: %s" % n, conf, tls) for n, conf, tls in [
    ("STARTTLS, PIPELINING, CHUNKING", "smtp_tls_security_level = encrypt\n", True),
    ("in clear, a connection kept", "smtp_tls_security_level = none\n"
     "smtp_connection_cache_on_demand = yes\nsmtp_connection_cache_destinations = example.org\n",
     False)]], limit=120)
def postfix(conf, tls):
    s = shared()
    folder = os.path.join("/tmp", "wx-pfs-%d" % os.getpid())
    os.makedirs(folder, exist_ok=True)
    pf = None
    try:
        pf = peers.Postfix(folder, conf + "maillog_file = /var/log/postfix.log\n"
                           "myhostname = client.example.net\nmydestination =\n"
                           "relayhost = [127.0.0.1]:%d\ninet_protocols = ipv4\n"
                           "inet_interfaces = loopback-only\nsmtp_tls_loglevel = 1\n"
                           "debug_peer_list = 127.0.0.1\ndebug_peer_level = 2\n"
                           "smtp_dns_support_level = disabled\nsmtp_host_lookup = native\n" % s.port)
        want = sent_through_sendmail(pf.root, s, ["alice", "bob"], BODIES)
        # One letter, several recipients, one of them unknown: the bounce stays with Postfix.
        t = token()
        pf.root.run("/usr/sbin/sendmail", "-i", "-f", "sender@client.example.net", "carol@example.org",
                    "nobody@example.org", input=on_disk(letter(t)).decode())
        want[t] = ("carol", on_disk(letter(t)))
        arrived(s, want, pf.log)
        tap.eventually(lambda: re.search(r"to=<nobody@example\.org>.*(status=bounced|550)", pf.log()),
                       20, 0.3, lambda: "the refusal in Postfix's log:\n" + pf.log()[-1500:])
        for l in s.find(t, "carol"):
            check(("ESMTPS" in l.first("received")) == tls, l.first("received"))
        if tls:
            check("TLS connection established" in pf.log(), "no TLS")
    finally:
        if pf:
            pf.end()
        shutil.rmtree(folder, ignore_errors=True)


EXIM = """
primary_hostname = client.example.net
log_file_path = /var/log/exim4/%%slog
spool_directory = /var/spool/exim4
host_lookup =
local_interfaces = 127.0.0.1
trusted_users = root
never_users =
keep_environment =
hosts_try_fsync =
begin acl
begin routers
all:
  driver = manualroute
  route_list = * 127.0.0.1 byname
  self = send
  transport = out
begin transports
out:
  driver = smtp
  port = %(port)d
  hosts_try_chunking = %(chunking)s
  %(tls)s
begin retry
* * F,1h,1m
"""


@cases([("Exim sends: %s" % n, chunk, tls) for n, chunk, tls in [
    ("STARTTLS and CHUNKING", "*", True), ("in clear with DATA", "", False)]], limit=120)
def exim(chunking, tls):
    s = shared()
    with peers.Root("exim", ["exim4-daemon-light"]) as root:
        root.sh("grep -q ^Debian-exim: /etc/passwd || { echo 'Debian-exim:x:2528:2528::/var/spool/exim4:"
                "/usr/sbin/nologin' >> /etc/passwd; echo 'Debian-exim:x:2528:' >> /etc/group; }; "
                "mkdir -p /var/spool/exim4 /var/log/exim4 /etc/exim4; "
                "chown Debian-exim:Debian-exim /var/spool/exim4 /var/log/exim4; "
                "echo client.example.net > /etc/mailname")
        conf = EXIM % {"port": s.port, "chunking": chunking,
                       "tls": "hosts_require_tls = *\n  tls_verify_certificates =\n  tls_try_verify_hosts ="
                       if tls else "hosts_avoid_tls = *"}
        root.write("/etc/exim4/wx.conf", conf.replace("hosts_try_fsync =\n", ""))
        root.sh("chown root:root /etc/exim4/wx.conf; mkdir -p /etc/exim4; "
                "cp /etc/exim4/wx.conf /etc/exim4/exim4.conf")
        want = {}
        for i, body in enumerate(BODIES):
            t = token()
            text = on_disk(letter(t, body))
            to = ("alice", "bob")[i % 2]
            root.run("/usr/sbin/exim4", "-odf", "-i", "-f", "sender@client.example.net",
                     "%s@example.org" % to, input=text.decode("utf-8", "surrogateescape"))
            want[t] = (to, text)

        def log():
            return root.sh("cat /var/log/exim4/* 2>/dev/null || true")
        arrived(s, want, log)
        text = log()
        if tls:
            check("X=TLS1" in text, "no TLS: " + text[-800:])
        check((" K " in text) == (chunking == "*"), "CHUNKING: " + text[-800:])


@cases([("swaks: %s" % n, args, ok) for n, args, ok in [
    ("plain", [], True), ("STARTTLS", ["--tls"], True), ("pipelining", ["--pipeline"], True),
    ("HELO", ["--protocol", "SMTP"], True), ("unknown recipient", ["--to", "nobody@example.org"], False),
    ("attachment", ["--attach", "@" + os.path.abspath(__file__)], True)]])
def swaks(args, ok):
    if not shutil.which("swaks"):
        tap.skip("swaks is not installed")
    s, t = shared(), token()
    p = subprocess.run(["swaks", "--server", "127.0.0.1", "--port", str(s.port), "--from",
                        "s@client.example.net", "--helo", "client.example.net", "--header",
                        "Message-ID: <%s@x>" % t] + ([] if "--to" in args else ["--to", "alice@example.org"]) +
                       args, capture_output=True, text=True, timeout=60 * SLOW)
    equal(p.returncode == 0, ok, "swaks: %s%s" % (p.stdout[-600:], p.stderr[-600:]))
    if ok:
        s.wait(t)


@test("smtplib: a letter, STARTTLS, SMTPUTF8, several recipients")
def python_smtplib():
    s = shared()
    for tls in (False, True):
        t = token()
        with smtplib.SMTP("127.0.0.1", s.port, local_hostname="client.example.net") as c:
            c.ehlo()
            if tls:
                from smtp import client_context
                c.starttls(context=client_context())
            refused = c.sendmail("s@client.example.net", ["alice@example.org", "nobody@example.org"],
                                 letter(t))
            equal(list(refused), ["nobody@example.org"], "refused")
        s.wait(t)
    t = token()
    with smtplib.SMTP("127.0.0.1", s.port, local_hostname="client.example.net") as c:
        c.sendmail("ü@client.example.net", ["alice@example.org"], letter(t), mail_options=["SMTPUTF8"])
    s.wait(t)


@test("smtp-source: 300 letters over 10 connections")
def source():
    s = Server(users=["src"])
    try:
        s.start()
        p = subprocess.run(peers.smtp_source() + ["-s", "10", "-m", "300", "-l", "2000", "-f",
                           "s@client.example.net", "-t", "src@example.org", "127.0.0.1:%d" % s.port],
                           capture_output=True, text=True, timeout=60 * SLOW)
        equal(p.returncode, 0, p.stderr)
        tap.eventually(lambda: len(s.paths("src")) == 300, 20 * SLOW, what="300 letters")
    finally:
        s.end()


NEOMUTTRC = """
set folder="{d}" mbox_type=Maildir spoolfile="{d}" header_cache="" sleep_time=0
set quit=yes index_format="%C|%s|%i" sort=mailbox-order help=no
"""


@test("neomutt lists the mailbox", limit=60)
def neomutt():
    if not shutil.which("neomutt"):
        tap.skip("neomutt is not installed")
    import pty
    import select
    s = Server(users=["alice"])
    try:
        s.start()
        subjects = ["subject-%s" % token() for _ in range(5)]
        for x in subjects:
            t = token()
            r = s.give(tok=t, sent=letter(t).replace(b"Subject: a letter", b"Subject: " + x.encode()))[1]
            equal(r.code, 250, "reply")
            s.wait(t)
        rc = os.path.join(s.dir, "neomuttrc")
        with open(rc, "w") as f:
            f.write(NEOMUTTRC.format(d=s.maildir()))
        pid, fd = pty.fork()
        if pid == 0:
            os.environ.update(TERM="xterm", LINES="40", COLUMNS="160", HOME=s.dir, LC_ALL="C.UTF-8")
            os.execvp("neomutt", ["neomutt", "-n", "-F", rc, "-R"])
        import fcntl
        import struct
        import termios
        fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 160, 0, 0))
        out, end = b"", time.monotonic() + 20 * SLOW
        while time.monotonic() < end and not all(x.encode() in out for x in subjects):
            if select.select([fd], [], [], 0.2)[0]:
                try:
                    out += os.read(fd, 65536)
                except OSError:
                    break
        try:
            os.write(fd, b"q")
            time.sleep(0.3)
        except OSError:
            pass
        os.kill(pid, 9)
        os.waitpid(pid, 0)
        os.close(fd)
        for x in subjects:
            check(x.encode() in out, "neomutt does not show %s: %r" % (x, out[-600:]))
    finally:
        s.end()


tap.main()
