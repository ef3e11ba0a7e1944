#!/usr/bin/python3
"""Programs that people send with: swaks, curl, neomutt, msmtp by submission; PHP's mail() and msmtp's users by sendmail."""
import os
import shutil
import ssl
import subprocess
import urllib.parse

import peers
import submission
from submission import USERS, SubmissionServer, token
from tap import cases, check, equal, main, skip, test


def shared():
    return submission.shared("programs", lambda: SubmissionServer())


def need(program, package=None):
    """How to call it: from this machine, or unpacked."""
    here = shutil.which(program)
    if here:
        return [here]
    root = peers.unpack(package or program, *peers.PACKAGES.get(package or program, [package or program]))
    libs = ":".join(root + d for d in ("/usr/lib/x86_64-linux-gnu", "/usr/lib"))
    paths = [root + d + "/" + program for d in ("/usr/bin", "/usr/sbin")]
    found = [p for p in paths if os.path.exists(p)]
    if not found:
        skip("no %s in its package" % program)
    return ["env", "LD_LIBRARY_PATH=" + libs, found[0]]


def run(argv, input="", code=0, **kw):
    p = subprocess.run(argv, input=input.encode() if isinstance(input, str) else input, capture_output=True, timeout=60, **kw)
    equal(p.returncode, code, "%s: %s%s" % (argv[0], p.stdout[-1500:].decode("utf-8", "replace"),
                                            p.stderr[-1500:].decode("utf-8", "replace")))
    return p.stdout.decode("utf-8", "replace")


def letter(tok):
    return "From: Alice <alice@example.org>\nTo: bob@example.org\nSubject: %s\n\nGood day.\n.\n" % tok


SWAKS = [("%s %s %s" % (m, how, u), m, how, u) for m in ("PLAIN", "LOGIN") for how in ("-tls", "--tls-on-connect")
         for u in ("alice", "bob")] + [("any, -tls, carol", "", "-tls", "carol")]


@cases(SWAKS, "swaks {0}")
def swaks(m, how, u):
    s, tok = shared(), token()
    port = s.ports["submission" if how == "-tls" else "submissions"]
    out = run(need("swaks") + ["--server", "127.0.0.1:%d" % port, how, "--auth", *([m] if m else []),
                               "--auth-user", s.address(u), "--auth-password", USERS[u], "--from", s.address(u),
                               "--to", "bob@example.org", "--header", "Subject: " + tok, "--body", "x"])
    check("235 " in out, out)
    s.wait(tok, "bob")


@test("swaks with a wrong password, and by another's address, fails and says why")
def swaks_wrong():
    s = shared()
    base = need("swaks") + ["--server", "127.0.0.1:%d" % s.ports["submission"], "-tls", "--auth", "PLAIN", "--to", "bob@example.org"]
    out = run(base + ["--auth-user", "alice@example.org", "--auth-password", "wrong", "--from", "alice@example.org"], code=28)
    check("535 5.7.8" in out, out)
    out = run(base + ["--auth-user", "alice@example.org", "--auth-password", USERS["alice"], "--from", "bob@example.org"], code=23)
    check("553 5.7.1" in out, out)
    out = run(need("swaks") + ["--server", "127.0.0.1:%d" % s.ports["submission"], "--to", "x@elsewhere.example",
                               "--from", "alice@example.org"], code=23)
    check("530 5.7.0" in out, out)


@cases([("curl %s %s" % (scheme, m), scheme, m) for scheme in ("smtp", "smtps") for m in ("PLAIN", "LOGIN", "*")])
def curl(scheme, m):
    s, tok = shared(), token()
    port = s.ports["submission" if scheme == "smtp" else "submissions"]
    run(need("curl") + ["-sS", "-k", "--ssl-reqd", "%s://127.0.0.1:%d" % (scheme, port), "--login-options", "AUTH=" + m,
                        "--user", "alice@example.org:" + USERS["alice"], "--mail-from", "alice@example.org",
                        "--mail-rcpt", "bob@example.org", "--mail-rcpt", "carol@example.org", "-T", "-"],
        letter(tok).replace("\n", "\r\n"))
    s.wait(tok, "bob")
    check(s.wait(tok, "carol").raw.endswith(b"Good day.\n.\n"), "the dot")


def certificate(s):
    path = os.path.join(s.dir, "peer.pem")
    with open(path, "w") as f:
        f.write(ssl.get_server_certificate(("127.0.0.1", s.ports["submissions"])))
    return path


@cases([("neomutt by %s" % x, x) for x in ("smtp", "smtps")])
def neomutt(scheme):
    s, tok = shared(), token()
    port = s.ports["submission" if scheme == "smtp" else "submissions"]
    rc = os.path.join(s.dir, "muttrc")
    with open(rc, "w") as f:
        f.write("set from=alice@example.org\nset realname=Alice\nset use_envelope_from=yes\nset ssl_verify_host=no\n"
                "set ssl_force_tls=yes\nset certificate_file=%s\nset smtp_authenticators=plain:login\nset copy=no\nset folder=%s\n"
                "set smtp_url=\"%s://%s:%s@127.0.0.1:%d/\"\n" % (
                    certificate(s), s.dir, scheme, urllib.parse.quote("alice@example.org", safe=""), USERS["alice"], port))
    run(need("neomutt") + ["-n", "-F", rc, "-s", tok, "-b", "carol@example.org", "--", "bob@example.org"], "Good day.\n",
        env=dict(os.environ, HOME=s.dir, TERM="dumb"))
    got = s.wait(tok, "bob")
    check(b"carol" not in got.raw and b"From: Alice <alice@example.org>" in got.raw, got.raw)
    s.wait(tok, "carol")


@cases([("msmtp %s by %s" % (m, port), m, port) for m in ("plain", "login", "scram-sha-256", "on")
        for port in ("submission", "submissions")])
def msmtp(m, port):
    s, tok = shared(), token()
    argv = need("msmtp")
    rc = os.path.join(s.dir, "msmtprc")
    with open(rc, "w") as f:
        f.write("account default\nhost 127.0.0.1\nport %d\ntls on\ntls_starttls %s\ntls_certcheck off\nauth %s\nuser alice@example.org\n"
                "password %s\nfrom alice@example.org\ndsn_notify failure,delay\ndsn_return headers\n"
                % (s.ports[port], "on" if port == "submission" else "off", m, USERS["alice"]))
    os.chmod(rc, 0o600)
    run(argv + ["-C", rc, "-t"], letter(tok))
    s.wait(tok, "bob")


def sendmail(s):
    path = os.path.join(s.dir, "sendmail")
    if not os.path.exists(path):
        os.symlink(s.binary, path)
    return path


@test("PHP's mail() by sendmail: header, envelope's sender by -f, a line break in To adds nobody")
def php():
    s, tok = shared(), token()
    argv = need("php8.2", "php8.2-cli")
    code = ('$ok = mail("bob@example.org", "%s", "line one\\n.\\nline two", '
            '["From" => "alice@example.org", "Bcc" => "carol@example.org"], "-f alice@example.org"); exit($ok ? 0 : 1);' % tok)
    run(argv + ["-n", "-d", "sendmail_path=%s -C %s -t -i" % (sendmail(s), s.conf), "-r", code])
    got = s.wait(tok, "bob")
    equal(got.first("return-path"), "<alice@example.org>", "the envelope")
    check(b"carol" not in got.data and b"line one\n.\nline two" in got.raw, got.raw)
    s.wait(tok, "carol")


@test("a program that opens a pipe to sendmail -t -oi, as perl's, cron's and git's do")
def pipe():
    s, tok = shared(), token()
    run(["sh", "-c", "%s -C %s -t -oi -f alice@example.org" % (sendmail(s), s.conf)], letter(tok))
    check(s.wait(tok, "bob").raw.endswith(b"Good day.\n.\n"), "the dot")
    tok = token()
    cron = "From: root (Cron Daemon)\nTo: bob@example.org\nSubject: %s\nMIME-Version: 1.0\nContent-Type: text/plain; charset=UTF-8\n" \
           "X-Cron-Env: <SHELL=/bin/sh>\n\nöutput\n" % tok
    run([sendmail(s), "-C", s.conf, "-FCronDaemon", "-i", "-B8BITMIME", "-oem", "bob@example.org"], cron)
    check("öutput".encode() in s.wait(tok, "bob").raw, "8 bit")


main()
