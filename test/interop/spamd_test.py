"""Debian's spamd 4.0.1 behind `scanner spamd`, with the rules that come in its package."""
import os
import re
import time

import letters
import peers
import tap
from server import SLOW, Server
from tap import check, equal, eventually, test

# https://spamassassin.apache.org/gtube/: every SpamAssassin gives it 1000 points
GTUBE = b"XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X\r\n"
SPAMD = None
OPTIONS = ["-x", "-L", "-u", "nobody", "--max-children", "2", "--socketmode=0666", "-s", "stderr"]


class Spamd:
    def __init__(self):
        # in front of the wait for the package: a skip leaves nothing behind
        peers.unpack("spamd", "spamassassin", "spamd")
        self.server = Server("scanner spamd $(spamd)", inbound="junk at 5\nreject at 900")
        self.path = self.server.dir + "/spamd.sock"
        self.server.write_conf("set spamd %s\n" % self.path + self.server.text)
        self.root = peers.Root("spamd", ["spamassassin", "spamd"], share=[self.server.dir])
        self.root.sh("printf 'report_safe 0\\nadd_header all Report _REPORT_\\n' >> /etc/spamassassin/local.cf")
        self.start()
        self.server.start()

    def start(self):
        if os.path.exists(self.path):
            os.unlink(self.path)
        self.proc = self.root.spawn("/usr/sbin/spamd", "--socketpath=" + self.path, "--pidfile=/tmp/spamd.pid", *OPTIONS,
                                    stderr=open(self.server.dir + "/spamd.log", "ab"))
        eventually(lambda: os.path.exists(self.path), 60 * SLOW, 0.1, "spamd")

    def stop(self):
        self.root.sh("kill $(cat /tmp/spamd.pid)")
        self.proc.wait()

    def end(self):
        self.root.end()
        self.server.end()


def spamd():
    global SPAMD
    if SPAMD is None:
        SPAMD = Spamd()
        tap.AT_END.append(SPAMD.end)
    return SPAMD


def give(**kw):
    tok = letters.token()
    kw.setdefault("headers", b"")
    letter = letters.letter(tok, **kw).replace(b"Thu, 05 Nov 2026 10:00:00", time.strftime("%a, %d %b %Y %H:%M:%S", time.gmtime()).encode())
    with spamd().server.client(timeout=60 * SLOW) as c:
        c.ehlo()
        return c.deliver(["alice@example.org"], letter), tok


def head_of(tok):
    return spamd().server.wait(tok, limit=30 * SLOW).raw.decode().replace("\r", "").split("\n\n")[0]


@test("ham: X-Spam-Status: No with SpamAssassin's score, rules and version", limit=240)
def ham():
    r, tok = give(body=b"Shall we have lunch on Tuesday?\r\n")
    equal(r.code, 250, repr(r))
    head = head_of(tok)
    m = re.search(r"X-Spam-Status: No, score=(-?[0-9.]+) required=5\n\ttests=([A-Z_0-9,\s]+) autolearn=", head)
    check(m and "ALL_TRUSTED" in m.group(2), head)
    check("X-Spam-Score: %s\n" % m.group(1) in head, head)
    check(re.search(r"X-Spam-Checker-Version: SpamAssassin 4\.0\.1 \(", head), head)
    # our Received is the one that SpamAssassin believes
    check("RCVD" not in m.group(2) and "NO_RECEIVED" not in m.group(2), m.group(2))
    check(re.search(r"X-Spam-Report:\n?.*\n?\t\* ", head), head)
    spamd().server.log_wait("scanned .*rules=\"[^\"]*ALL_TRUSTED")


@test("GTUBE is refused, and waits in the ring", limit=240)
def gtube():
    r, tok = give(body=GTUBE)
    equal((r.code, r.enhanced), (550, "5.7.1"), repr(r))
    spamd().server.log_wait(r"refused .*reject at 900; spamd says 1?\d{3}(\.\d+)? \([^)]*GTUBE")
    check("sender@client.example.net" in spamd().server.command("refused", "list")[1], "in the ring")


@test("GTUBE lies in Junk where nothing is rejected, whatever it says of itself", limit=240)
def junk():
    s = spamd().server
    s.reload("set spamd %s\n" % spamd().path + s.text.replace("reject at 900", ""))
    r, tok = give(body=GTUBE, headers=b"X-Spam-Flag: NO\r\nX-Spam-Status: No, score=-100 required=5 tests=USER_IN_WELCOMELIST\r\n")
    equal(r.code, 250, repr(r))
    folder = s.maildir() + "/.Junk/new"

    def found():
        for name in os.listdir(folder) if os.path.isdir(folder) else []:
            with open(os.path.join(folder, name), "rb") as f:
                raw = f.read().decode().replace("\r", "")
            if tok in raw:
                return raw
        return None
    raw = eventually(found, 30 * SLOW, what="the letter in Junk")
    head = raw.split("\n\n")[0]
    check("X-Spam-Flag: YES\n" in head and "X-Spam-Flag: NO" not in head and "score=-100" not in head, head)
    check(re.search(r"X-Spam-Status: Yes, score=[0-9.]+ required=5\n\ttests=[A-Z_0-9,\s]*GTUBE", head), head)
    check("X-Spam-Level: " + "*" * 50 + "\n" in head and "X-Spam-Bar: " + "+" * 50 + "\n" in head, head)
    # the text itself is as it came
    check(raw.endswith("\n\n" + GTUBE.decode().replace("\r", "")), raw[-300:])


@test("spamd is stopped: letters go on; it is started: they are scanned again", limit=240)
def restarted():
    s = spamd().server
    spamd().stop()
    r, tok = give()
    equal(r.code, 250, repr(r))
    check("X-Spam" not in head_of(tok), head_of(tok))
    check("WARNING: it is away" in s.command("status")[1], s.command("status")[1])
    spamd().start()

    def scanned():
        reply, again = give()
        equal(reply.code, 250, repr(reply))
        return "X-Spam-Status: No" in head_of(again)
    eventually(scanned, 90 * SLOW, 1, "letters to be scanned")


tap.main()
