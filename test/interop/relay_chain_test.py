#!/usr/bin/python3
"""Letters that leave: submitted to one waxwing, carried to another, by a smart host, and to Postfix."""
import glob
import os
import shutil
import subprocess
import tempfile

import certs
import peers
import tap
from letters import letter, token
from server import SLOW, free_port
from submission import SubmissionServer
from tap import check, eventually, test

FOLDER = tempfile.mkdtemp(prefix="wx-chain-")
os.chmod(FOLDER, 0o755)


def certificate(name):
    crt, key = os.path.join(FOLDER, name + ".pem"), os.path.join(FOLDER, name + ".key")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
                    key, "-out", crt, "-days", "30", "-subj", "/CN=" + name, "-addext", "subjectAltName=IP:127.0.0.1"],
                   check=True, capture_output=True)
    return crt, key


def the_other():
    """Another waxwing: mx.other.test, with bob, who may log in and send by any address."""
    b = SubmissionServer("tls certificate %s key %s\nuser relay@other.test {\n    kind relay\n    may-send-as any\n}\n" % certificate("b"),
                         users=("bob",), domain="other.test", passwords={"bob": "bob-pw", "relay": "right secret"})
    b.text = b.text.replace("hostname mail.example.org", "hostname mx.other.test")
    b.write_conf(b.text)
    return b


def ours(routes):
    with open(FOLDER + "/password", "w") as f:
        f.write("right secret\n")
    os.chmod(FOLDER + "/password", 0o600)
    return SubmissionServer("outbound {\ntls-roots file %s/b.pem\n%s\n}\n" % (FOLDER, routes), users=("alice",),
                            passwords={"alice": "alice-pw"})


def mine(tok, **kw):
    return letter(tok, **kw).replace(b"sender@client.example.net", b"alice@example.org")


def relayed(s, tok, what):
    eventually(lambda: what in s.log(), 20 * SLOW, what="%s in the log:\n%s" % (what, s.log()[-1500:]))


@test("submitted here, delivered at another waxwing, by TLS that is verified", limit=120)
def two():
    with the_other() as b, ours("route other.test via smtp://127.0.0.1:%d require-tls" % b.ports["smtp"]) as a:
        tok = token()
        with a.submission("alice") as c:
            check(c.mail("alice@example.org").code == 250, "MAIL")
            check(c.rcpt("bob@other.test").code == 250, "RCPT")
            check(c.data(mine(tok, body=b".dot\r\nGood day.\r\n")).code == 250, "DATA")
        b.wait(tok, "bob", limit=30 * SLOW, domain="other.test")
        relayed(a, tok, ", verified")
        raw = open(b.paths("bob", domain="other.test")[0], "rb").read()
        check(b"with ESMTPS" in raw and b"\n.dot\nGood day.\n" in raw.replace(b"\r\n", b"\n"), raw.decode("latin-1"))


@test("everything by a smart host: smtps, its certificate verified, SCRAM-SHA-256", limit=120)
def smart_host():
    with the_other() as b, ours("route * via smtps://127.0.0.1:%d user relay@other.test secret:%s/password"
                                % (b.ports["submissions"], FOLDER)) as a:
        tok = token()
        with a.submission("alice") as c:
            check(c.mail("alice@example.org").code == 250, "MAIL")
            check(c.rcpt("bob@other.test").code == 250, "RCPT")
            check(c.data(mine(tok)).code == 250, "DATA")
        b.wait(tok, "bob", limit=30 * SLOW, domain="other.test")
        relayed(b, tok, "SCRAM-SHA-256")
        check("right secret" not in a.log() + b.log(), "the password is in a log")


@test("Postfix takes letters: STARTTLS, several recipients, one unknown", limit=120)
def postfix():
    folder, port = tempfile.mkdtemp(prefix="wx-pf-"), free_port()
    crt, key = certs.make(folder, "pf")
    pf = peers.Postfix(folder, "maillog_file = /var/log/postfix.log\nmyhostname = mx.pf.test\nmydestination = localhost\n"
                       "smtpd_tls_security_level = may\nsmtpd_tls_cert_file=%s\nsmtpd_tls_key_file=%s\n" % (crt, key),
                       port, domain="pf.test", users=("u1", "u2"))
    try:
        with ours("route pf.test via smtp://127.0.0.1:%d" % port) as a:
            tok = token()
            with a.submission("alice") as c:
                check(c.mail("alice@example.org").code == 250, "MAIL")
                for to in ("u1", "u2", "nobody"):
                    check(c.rcpt(to + "@pf.test").code == 250, "RCPT")
                check(c.data(mine(tok, body=b".\r\n..x\r\n" * 50000)).code == 250, "DATA")
            relayed(a, tok, "sent=2 later=0 never=1")
            check('tls="TLSv1.3' in a.log(), "no TLS")
            check("550 5.1.1" in a.log(), a.log()[-1500:])
            eventually(lambda: len(glob.glob(pf.mail + "/pf.test/*/Maildir/new/*")) == 2, 20 * SLOW, what="two letters")
            for path in glob.glob(pf.mail + "/pf.test/*/Maildir/new/*"):
                with open(path, "rb") as f:
                    got = f.read()
                check(got.endswith(b"\n\n" + b".\n..x\n" * 50000), "the letter is another: %r" % got[:40])
    finally:
        pf.end()
        shutil.rmtree(folder, ignore_errors=True)


tap.main()
