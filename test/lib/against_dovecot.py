"""Debian's Dovecot as a peer: IMAP and POP3 over Maildirs of our choice.

    with Dovecot(users=("alice",)) as d:
        imaplib.IMAP4(d.host, d.imap).login("alice", d.password("alice"))

It runs in a private root (peers.py), on loopback ports of its own, over homes below
`folder` (home(user)/Maildir, owned by uid 2527).  Words in `variant`:

  fast       one login process serves many clients (Dovecot's high-performance mode)
  reuse      an imap process serves 256 sessions, one after the other
  sha512     passwords are kept as SHA-512-crypt, not in clear
  cache      an authentication cache
  hibernate  idle sessions move to imap-hibernate after 2 seconds
  quota      a quota of 20 MB

What it shares with a waxwing under test (imap_target.py): host, imap, imaps, pop3, pop3s,
users, password(), home(), maildir(), pids(), drop_caches(), end()."""
import os
import shutil
import socket
import subprocess
import tempfile

import certs
import peers
import server
import tap

VMAIL = 2527

USERS = r"""
for u in dovecot:2531 dovenull:2532 vmail:2527; do
  n=${u%:*} i=${u#*:}
  grep -q "^$n:" /etc/passwd || echo "$n:x:$i:$i::/nonexistent:/usr/sbin/nologin" >> /etc/passwd
  grep -q "^$n:" /etc/group || echo "$n:x:$i:" >> /etc/group
done
mkdir -p /run/dovecot /var/lib/dovecot
"""

CONF = """
protocols = imap pop3
listen = 127.0.0.1
base_dir = /run/dovecot
log_path = %(folder)s/dovecot.log
login_greeting = ready
ssl = yes
ssl_cert = <%(crt)s
ssl_key = <%(key)s
disable_plaintext_auth = no
auth_mechanisms = plain login %(scram)s
auth_failure_delay = 0
first_valid_uid = 500
mail_location = maildir:~/Maildir
mail_max_userip_connections = 6000
default_client_limit = 12000
default_process_limit = 6000
default_vsz_limit = 1G
passdb {
  driver = passwd-file
  args = username_format=%%u %(folder)s/users
}
userdb {
  driver = passwd-file
  args = username_format=%%u %(folder)s/users
}
namespace inbox {
  inbox = yes
  separator = .
  mailbox Drafts {
    special_use = \\Drafts
  }
  mailbox Sent {
    special_use = \\Sent
  }
  mailbox Trash {
    special_use = \\Trash
  }
}
%(extra)s
protocol imap {
  mail_plugins = $mail_plugins %(imap_plugins)s
}
service imap-login {
  inet_listener imap {
    port = %(imap)d
  }
  inet_listener imaps {
    port = %(imaps)d
    ssl = yes
  }
  %(login)s
}
service auth {
  client_limit = 20000
}
service anvil {
  client_limit = 20000
}
service imap {
  process_limit = 6000
}
service pop3-login {
  process_limit = 200
  inet_listener pop3 {
    port = %(pop3)d
  }
  inet_listener pop3s {
    port = %(pop3s)d
    ssl = yes
  }
}
"""

WORDS = {
    "fast": ("login", "service_count = 0\n  process_min_avail = 2\n  client_limit = 6000"),
    "reuse": ("extra", "service imap {\n  service_count = 256\n  process_min_avail = 20\n}\n"),
    "cache": ("extra", "auth_cache_size = 10M\nauth_cache_ttl = 1 hour\n"),
    "hibernate": ("extra", "imap_hibernate_timeout = 2s\n"
                  "service imap {\n  unix_listener imap-master {\n    user = $default_internal_user\n  }\n"
                  "  extra_groups = $default_internal_group\n}\n"
                  "service imap-hibernate {\n  unix_listener imap-hibernate {\n    mode = 0660\n"
                  "    group = $default_internal_group\n  }\n}\n"),
    "quota": ("extra", "plugin {\n  quota = maildir:User quota\n  quota_rule = *:storage=20M\n}\n"
              "mail_plugins = $mail_plugins quota\n"),
}


def crypt_sha512(word):
    return subprocess.run(["openssl", "passwd", "-6", word], check=True, capture_output=True,
                          text=True).stdout.strip()


class Dovecot:
    name = "dovecot"
    host = "127.0.0.1"

    def __init__(self, folder=None, users=("alice", "bob", "carol"), variant="", extra="",
                 preexec=None):
        self.own_dir = folder is None
        self.folder = folder or tempfile.mkdtemp(prefix="wx-dc-")
        os.chmod(self.folder, 0o755)
        self.preexec = preexec
        self.root = self.proc = None
        self.imap, self.imaps, self.pop3, self.pop3s = (server.free_port() for _ in range(4))
        words = variant.split()
        self.hashed = "sha512" in words
        have = {"login": "", "extra": extra, "imap_plugins": ""}
        for w in words:
            if w in WORDS:
                key, text = WORDS[w]
                have[key] += "\n" + text
        if "quota" in words:
            have["imap_plugins"] = "imap_quota"
        crt, key = certs.make(self.folder, "dovecot")
        self.crt = crt
        # A hash of SHA-512 cannot serve SCRAM: it must not be offered then.
        have.update(folder=self.folder, crt=crt, key=key, imap=self.imap, imaps=self.imaps,
                    pop3=self.pop3, pop3s=self.pop3s, scram="" if self.hashed else "scram-sha-256")
        self.conf = os.path.join(self.folder, "dovecot.conf")
        with open(self.conf, "w") as f:
            f.write(CONF % have)
        self.users = []
        self.add_users(users)
        try:
            self.root = peers.Root("dovecot", peers.PACKAGES["dovecot"], share=[self.folder])
            self.root.sh(USERS)
            self.start()
        except BaseException:
            self.end()
            raise

    def password(self, user):
        return "secret-" + user.split("@")[0]

    def login_name(self, user):
        return user

    def home(self, user):
        return os.path.join(self.folder, "home", user)

    def maildir(self, user):
        return os.path.join(self.home(user), "Maildir")

    def add_users(self, users):
        hashed = crypt_sha512("secret") if self.hashed else None
        with open(os.path.join(self.folder, "users"), "a") as f:
            for u in users:
                if hashed and len(users) > 50:
                    # openssl takes some milliseconds each: a crowd shares one salt and word.
                    word = "{SHA512-CRYPT}" + hashed
                elif hashed:
                    word = "{SHA512-CRYPT}" + crypt_sha512(self.password(u))
                else:
                    word = "{PLAIN}" + self.password(u)
                f.write("%s:%s:%d:%d::%s::\n" % (u, word, VMAIL, VMAIL, self.home(u)))
                os.makedirs(self.home(u), exist_ok=True)
                os.chown(self.home(u), VMAIL, VMAIL)
                self.users.append(u)
        if hashed and len(users) > 50:
            self.password = lambda user: "secret"
        os.chown(os.path.join(self.folder, "home"), VMAIL, VMAIL)

    def own(self, user):
        """A Maildir that was put there by others belongs to the account."""
        subprocess.run(["chown", "-R", "%d:%d" % (VMAIL, VMAIL), self.home(user)], check=True)

    def start(self):
        self.proc = self.root.spawn("dovecot", "-F", "-c", self.conf, stdout=subprocess.DEVNULL,
                                    stderr=subprocess.PIPE, preexec_fn=self.preexec)

        def up():
            if self.proc.poll() is not None:
                tap.fail("dovecot ended: %s\n%s" % (self.proc.stderr.read().decode()[-500:],
                                                    self.log()[-1500:]))
            try:
                for p in (self.imap, self.imaps, self.pop3, self.pop3s):
                    socket.create_connection((self.host, p), 1).close()
                return True
            except OSError:
                return False
        tap.eventually(up, 20, what="Dovecot answers")
        return self

    def stop(self):
        """doveadm stop, then whatever is left in the private root but its first process."""
        self.root.run("doveadm", "-c", self.conf, "stop", check=False)
        try:
            self.proc.wait(10)
        except subprocess.TimeoutExpired:
            self.proc.kill()
            self.proc.wait()
        self.proc.stderr.close()

    def restart(self):
        self.stop()
        return self.start()

    def drop_caches(self, user):
        """Everything that can be made again from the letters."""
        for d, _dirs, files in os.walk(self.maildir(user)):
            for f in files:
                if f.startswith("dovecot.index"):
                    os.unlink(os.path.join(d, f))

    def index_bytes(self, user):
        n = 0
        for d, _dirs, files in os.walk(self.maildir(user)):
            n += sum(os.lstat(os.path.join(d, f)).st_blocks * 512 for f in files
                     if f.startswith("dovecot"))
        return n

    def log(self):
        try:
            with open(os.path.join(self.folder, "dovecot.log"), errors="replace") as f:
                return f.read()
        except OSError:
            return ""

    def problems(self):
        """Lines of the log that speak of a defect of its own."""
        return [l for l in self.log().splitlines()
                if "Panic:" in l or "Fatal:" in l or "assertion" in l]

    def pids(self):
        return server.children_of(self.proc.pid)

    def cpu_ticks(self):
        return sum(sum((server.proc_stat(p) or (0, 0, 0, 0))[2:]) for p in self.pids())

    def end(self):
        if self.root:
            self.root.end()
        if self.proc:
            self.proc.wait()
            self.proc.stderr.close()
        self.root = self.proc = None
        if self.own_dir:
            shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()


def main():
    """Stays until Ctrl-C: against_dovecot.py [VARIANT]"""
    import sys
    import time
    with Dovecot(variant=" ".join(sys.argv[1:])) as d:
        print("imap %d imaps %d pop3 %d pop3s %d folder %s; %s / %s" % (
            d.imap, d.imaps, d.pop3, d.pop3s, d.folder, d.users[0], d.password(d.users[0])))
        try:
            while True:
                time.sleep(3600)
        except KeyboardInterrupt:
            pass


if __name__ == "__main__":
    try:
        main()
    except tap.Skip as s:
        print("skipped:", s)
