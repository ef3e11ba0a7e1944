"""The server under the IMAP and POP3 tests: waxwing, or Debian's Dovecot with
TARGET=dovecot.  Both have host, imap, imaps, pop3, pop3s, login_name(), password(),
maildir(), pids(), end(); see against_dovecot.py.

A waxwing that cannot listen for IMAP yet is a reason to skip, with a word."""
import glob
import hashlib
import hmac
import os
import sqlite3
import subprocess
import tempfile

import server
import tap

TARGET = os.environ.get("TARGET", "waxwing")
_here = {}


def serves(protocol):
    """Whether this waxwing accepts `listen PROTOCOL ADDRESS plaintext`."""
    if protocol not in _here:
        with tempfile.NamedTemporaryFile("w", suffix=".conf") as f:
            f.write("hostname mail.example.org\ncontact postmaster@example.org\n"
                    "domain example.org\naliases off\nstorage /tmp\nrun /tmp\n"
                    "listen %s 127.0.0.1:1143 plaintext\n" % protocol)
            f.flush()
            p = subprocess.run([server.BINARY, "-c", f.name, "config", "check"],
                               capture_output=True, text=True)
        out = p.stdout + p.stderr
        _here[protocol] = "listen %s" % protocol not in out and '"plaintext"' not in out
    return _here[protocol]


def secrets_of(word, rounds):
    """(hash, salt, iterations, stored key, server key)"""
    crypt = subprocess.run(["openssl", "passwd", "-6", "-salt", "rounds=%d$waxwingtest" % rounds, word],
                           check=True, capture_output=True).stdout.strip()
    salt, times = os.urandom(16), 4096
    salted = hashlib.pbkdf2_hmac("sha256", word.encode(), salt, times)
    key = hmac.digest(salted, b"Client Key", "sha256")
    return crypt, salt, times, hashlib.sha256(key).digest(), hmac.digest(salted, b"Server Key", "sha256")


class Waxwing:
    name = "waxwing"
    host = "127.0.0.1"

    def __init__(self, users=("alice", "bob", "carol"), variant="", extra="", dir=None,
                 preexec=None):
        if not serves("imap"):
            tap.skip("this waxwing has no `listen imap` yet")
        self.imap, self.imaps, self.pop3, self.pop3s = (server.free_port() for _ in range(4))
        port = server.free_port()
        listen = ["smtp 127.0.0.1:%d" % port,
                  "imap 127.0.0.1:%d plaintext" % self.imap, "imap 127.0.0.1:%d tls" % self.imaps]
        if serves("pop3"):
            listen += ["pop3 127.0.0.1:%d plaintext" % self.pop3,
                       "pop3 127.0.0.1:%d tls" % self.pop3s]
        if "cache" in variant.split():
            extra += "login {\n auth-cache 10000\n}\n"
        self.s = server.Server(extra, users=users, listen=listen, dir=dir)
        self.s.port, self.s.addr = port, (self.host, port)
        self.preexec = preexec
        self.users = list(users)
        self.crowd = len(users) > 50
        self.s.start(preexec_fn=preexec)
        try:
            self.set_passwords(variant)
        except BaseException:
            self.s.end()
            raise

    def set_passwords(self, variant):
        """`waxwing user passwd` makes a yescrypt hash, which takes 90 ms of each login.  The
        first account gets its row so; then all have a hash of SHA-512 instead, with few
        rounds unless the test is about that (variant sha512), and SCRAM keys (RFC 5802 §3)."""
        first = self.users[0]
        code, out, err = self.s.command("user", "passwd", self.login_name(first),
                                        stdin=self.password(first).encode() + b"\n")
        tap.equal(code, 0, "user passwd: %s%s" % (out, err))
        self.s.stop(60)
        path = glob.glob(os.path.join(self.s.dir, "**", "accounts.db"), recursive=True)[0]
        db = sqlite3.connect(path)
        made = {}
        for u in self.users:
            word = self.password(u)
            made[word] = made.get(word) or secrets_of(word, 5000 if "sha512" in variant else 1000)
            db.execute("INSERT INTO account (local, domain, kind, hash, scram_salt, scram_iterations,"
                       " scram_stored_key, scram_server_key, disabled, created, made_by)"
                       " SELECT ?, domain, kind, hash, scram_salt, scram_iterations, scram_stored_key,"
                       " scram_server_key, disabled, created, made_by FROM account WHERE local = ?"
                       " ON CONFLICT DO NOTHING", (u.encode(), first.encode()))
            db.execute("UPDATE account SET hash = ?, scram_salt = ?, scram_iterations = ?,"
                       " scram_stored_key = ?, scram_server_key = ? WHERE local = ?",
                       made[word] + (u.encode(),))
        db.commit()
        db.close()
        self.s.start(preexec_fn=self.preexec)

    folder = property(lambda self: self.s.dir)

    def password(self, user):
        return "secret" if self.crowd else "secret-" + user.split("@")[0]

    def login_name(self, user):
        return "%s@%s" % (user, self.s.domain)

    def home(self, user):
        return self.s.home(user)

    def maildir(self, user):
        return self.s.maildir(user)

    def own(self, user):
        """A Maildir that was put there by others belongs to the account."""
        home = self.home(user)
        st = os.stat(home if os.path.exists(home) else os.path.dirname(home))
        subprocess.run(["chown", "-R", "%d:%d" % (st.st_uid, st.st_gid), home], check=True)

    def stop(self):
        self.s.stop(120)

    def start(self):
        self.s.start(preexec_fn=self.preexec)
        return self

    def restart(self):
        self.stop()
        return self.start()

    def ours(self, user):
        """Files beside the letters: our own, and those in Dovecot's formats."""
        for d, dirs, files in os.walk(self.maildir(user)):
            dirs[:] = [x for x in dirs if x not in ("cur", "new", "tmp", "gone")]
            for f in files:
                yield os.path.join(d, f)

    def drop_caches(self, user):
        """Everything that can be made again from the letters: Maildir/waxwing/*.db and theirs, and
        each folder's waxwing-search."""
        for p in list(self.ours(user)):
            if os.path.basename(p) == "waxwing-search" or (
                    ".db" in os.path.basename(p) and os.path.basename(os.path.dirname(p)) == "waxwing"):
                os.unlink(p)

    def index_bytes(self, user):
        return sum(os.lstat(p).st_blocks * 512 for p in self.ours(user))

    def problems(self):
        self.s.scan_log()
        return []

    def pids(self):
        return [self.s.pid] + server.children_of(self.s.pid)

    def cpu_ticks(self):
        return self.s.cpu_ticks()

    def log(self):
        return self.s.log() + self.s.stderr()

    def end(self):
        self.s.end()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()


def start(name=None, **kw):
    if (name or TARGET) == "dovecot":
        import against_dovecot
        return against_dovecot.Dovecot(**kw)
    return Waxwing(**kw)


_shared = {}


def shared(**kw):
    """One target for the tests of a file; it ends with it."""
    if "why" in _shared:
        tap.skip(_shared["why"])
    if "t" not in _shared:
        try:
            _shared["t"] = start(**kw)
        except tap.Skip as s:
            _shared["why"] = str(s)
            raise
        tap.AT_END.append(lambda: _shared.pop("t").end() if "t" in _shared else None)
    return _shared["t"]
