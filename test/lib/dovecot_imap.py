"""Dovecot's imap program alone, already logged in, on a Maildir of its own in a private root.

Dovecot(letters) puts the letters (bytes) into INBOX in this order: UID n is letters[n - 1].
fetch("(ENVELOPE)") gives for each letter what came: a dict of parsed items.  parse() reads
IMAP's parenthesised values: lists, bytes, None for NIL."""
import os
import shutil
import subprocess
import tempfile
import threading

import peers
import tap

CONF = """protocols = imap
ssl = no
mail_location = maildir:~/Maildir
first_valid_uid = 100
namespace inbox {
  inbox = yes
}
log_path = /dev/null
"""
NOBODY = 65534


def parse(s, at=0):
    """The value that begins at s[at], and where it ends."""
    if s[at:at + 2] == b"~{":
        at += 1
    c = s[at:at + 1]
    if c == b"(":
        out, at = [], at + 1
        while s[at:at + 1] != b")":
            if s[at:at + 1] == b" ":
                at += 1
                continue
            v, at = parse(s, at)
            out.append(v)
        return out, at + 1
    if c == b'"':
        out, at = bytearray(), at + 1
        while s[at] != 0x22:
            at += s[at] == 0x5c
            out.append(s[at])
            at += 1
        return bytes(out), at + 1
    if c == b"{":
        end = s.index(b"}\r\n", at)
        n = int(s[at + 1:end])
        return s[end + 3:end + 3 + n], end + 3 + n
    end = at
    while end < len(s) and s[end:end + 1] not in (b" ", b")", b"\r"):
        if s[end:end + 1] == b"[":
            end = s.index(b"]", end)
        end += 1
    if end == at:
        raise ValueError("no value at %d: %r" % (at, s[at:at + 40]))
    return None if s[at:end] == b"NIL" else s[at:end], end


def items(values):
    return {values[i].decode("latin-1"): values[i + 1] for i in range(0, len(values), 2)}


class Dovecot:
    def __init__(self, letters):
        self.n = len(letters)
        self.dir = tempfile.mkdtemp(prefix="wx-dovecot-")
        os.chmod(self.dir, 0o755)
        box = os.path.join(self.dir, "home", "Maildir")
        for d in ("cur", "new", "tmp"):
            os.makedirs(os.path.join(box, d))
        for i, letter in enumerate(letters):
            with open("%s/cur/%d.M%06d.h:2," % (box, 1600000000 + i, i), "wb") as f:
                f.write(letter)
        for top, dirs, files in os.walk(os.path.join(self.dir, "home")):
            for name in [""] + files:
                os.chown(os.path.join(top, name), NOBODY, NOBODY)
        try:
            self.root = peers.Root("dovecot", peers.PACKAGES["dovecot"], share=[self.dir])
        except BaseException:
            shutil.rmtree(self.dir, ignore_errors=True)
            raise
        self.root.write("/etc/dovecot/dovecot.conf", CONF)

    def talk(self, *lines):
        home = os.path.join(self.dir, "home")
        argv = self.root.argv("setpriv", "--reuid=%d" % NOBODY, "--regid=%d" % NOBODY, "--clear-groups", "env",
                              "USER=nobody", "HOME=" + home, "/usr/lib/dovecot/imap")
        script = "".join("t%d %s\r\n" % (i, s) for i, s in enumerate(("SELECT INBOX",) + lines + ("LOGOUT",)))
        # its input stays open: at its end Dovecot would leave, whatever it still has to say
        with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as p:
            # a thread, since both could fill their pipe
            threading.Thread(target=lambda: (p.stdin.write(script.encode()), p.stdin.flush()), daemon=True).start()
            return p.stdout.read()

    def fetch(self, what):
        got = self.answers("FETCH 1:* " + what)
        tap.equal(sorted(got), list(range(1, self.n + 1)), "numbers that Dovecot answered")
        return [got[i] for i in range(1, self.n + 1)]

    def fetch_each(self, whats):
        """Other items for each letter: those that Dovecot knows, one command each."""
        lines = ["FETCH %d %s" % (i + 1, w) for i, what in enumerate(whats) for w in what]
        got = self.answers(*lines)
        return [got.get(i, {}) for i in range(1, self.n + 1)]

    def answers(self, *lines):
        """What came untagged, by number, all answers to a letter as one."""
        out, got, at = self.talk(*lines), {}, 0
        while True:
            at = out.find(b"\r\n* ", at)
            if at < 0:
                break
            number, _, rest = out[at + 4:at + 40].partition(b" ")
            if not rest.startswith(b"FETCH "):
                at += 4
                continue
            value, at = parse(out, at + 4 + len(number) + 1 + 6)
            got.setdefault(int(number), {}).update(items(value))
        return got

    def end(self):
        self.root.end()
        shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()
