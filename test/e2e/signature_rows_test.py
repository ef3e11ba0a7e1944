"""Rows J: signatures that are valid and must not be believed, and signatures that want to cost.

They are made here with openssl and judged by the rules that `scan` uses."""
import base64
import hashlib
import os
import subprocess
import tempfile
import time

import server
import tap

TOOL = os.path.join(os.path.dirname(os.path.abspath(server.BINARY)), "auth_tool")
NOW = 1795000000
HEADER = [("From", "a@example.net"), ("To", "b@example.org"), ("Subject", "x")]
BODY = "Hello\r\nworld\r\n"


class World:
    def __init__(self, scratch):
        self.scratch, self.records, self.keys = scratch, [], {}

    def path(self, name):
        return os.path.join(self.scratch, name)

    def openssl(self, *args):
        return subprocess.run(("openssl",) + args, check=True, capture_output=True, timeout=60).stdout

    def key(self, name, *how):
        """A key, published under its name."""
        self.openssl("genpkey", "-out", self.path(name), "-algorithm", *how)
        der = self.openssl("pkey", "-in", self.path(name), "-pubout", "-outform", "DER")
        txt = "v=DKIM1; k=rsa; p=" + base64.b64encode(der).decode()
        self.publish("%s._domainkey.example.net" % name, txt)

    def publish(self, name, txt):
        self.records.append("%s TXT %s\n" % (name, " ".join('"%s"' % txt[i:i + 200] for i in range(0, len(txt), 200))))

    def sign(self, key, tags="", body=BODY, digest="sha256", selector=None, domain="example.net"):
        """A letter with one signature, relaxed; `body` is what bh= is of."""
        h = ":".join(n for n, _ in HEADER)
        bh = base64.b64encode(hashlib.new(digest, body.encode()).digest()).decode()
        field = "v=1; a=rsa-%s; c=relaxed/relaxed; d=%s; s=%s; h=%s; bh=%s;%s b=" % (
            digest, domain, selector or key, h, bh, tags)
        what = "".join("%s:%s\r\n" % (n.lower(), v) for n, v in HEADER) + "dkim-signature:" + field
        with open(self.path("hash"), "wb") as f:
            f.write(hashlib.new(digest, what.encode("latin-1")).digest())
        b = self.openssl("pkeyutl", "-sign", "-inkey", self.path(key), "-in", self.path("hash"), "-pkeyopt", "digest:" + digest)
        return "DKIM-Signature: " + field + base64.b64encode(b).decode() + "\r\n" + "".join("%s: %s\r\n" % p for p in HEADER)

    def judge(self, header, body=BODY):
        """[(result, reason)] of the signatures, and the seconds it took."""
        with open(self.path("letter"), "w", encoding="latin-1", newline="") as f:
            f.write(header + "\r\n" + body)
        with open(self.path("dns"), "w") as f:
            f.write("".join(self.records))
        begin = time.monotonic()
        p = subprocess.run([TOOL, "verify", self.path("dns")], input="%s\t%d\texample.net\n" % (self.path("letter"), NOW),
                           capture_output=True, text=True, errors="replace", timeout=60)
        tap.equal(p.returncode, 0, p.stderr)
        rows = [line.split("\t") for line in p.stdout.splitlines()]
        return [(r[3], r[5]) for r in rows if r[1] == "dkim"], time.monotonic() - begin


def world(fn):
    def run():
        with tempfile.TemporaryDirectory(prefix="rows.") as scratch:
            fn(World(scratch))
    return run


@tap.test("J1 short keys, rsa-sha1 and keys that are no keys do not pass, however right the signature is")
@world
def keys(w):
    for bits in ("512", "768", "1016", "1024", "3072"):
        w.key("k" + bits, "rsa", "-pkeyopt", "rsa_keygen_bits:" + bits)
        got = w.judge(w.sign("k" + bits))[0]
        tap.equal(got[0][0], "pass" if int(bits) >= 1024 else "policy", bits + " bit")
    tap.equal(w.judge(w.sign("k1024", digest="sha1"))[0][0], ("permerror", "rsa-sha1 is not believed"), "sha1")
    for name, txt in (("none", "v=DKIM1; p="), ("odd", "v=DKIM1; k=rsa; p=MAMCAQE="), ("ed", "v=DKIM1; k=ed25519; p=AAAA")):
        w.publish(name + "._domainkey.example.net", txt)
        tap.equal(w.judge(w.sign("k1024", selector=name))[0][0][0], "permerror", txt)


@tap.test("J2 what was added behind l= makes a signature worth nothing")
@world
def lengths(w):
    w.key("k", "rsa", "-pkeyopt", "rsa_keygen_bits:1024")
    letter = w.sign("k", tags=" l=%d;" % len(BODY))
    tap.equal(w.judge(letter)[0], [("pass", "")], "all of it is signed")
    html = BODY + "--new\r\nContent-Type: text/html\r\n\r\n<h1>pay here</h1>\r\n--new--\r\n"
    result, reason = w.judge(letter, html)[0][0]
    tap.equal(result, "policy", reason)
    tap.check(reason.startswith("l= leaves"), reason)
    tap.equal(w.judge(w.sign("k", tags=" l=0;", body=""))[0][0][0], "policy", "nothing of it is signed")


@tap.test("J6 a domain or selector that is no name is not asked for")
@world
def names(w):
    w.key("k", "rsa", "-pkeyopt", "rsa_keygen_bits:1024")
    tap.equal(w.judge(w.sign("k"))[0], [("pass", "")], "as it should be")
    # the name as it would be asked for if what stands behind NUL or a quote were cut off
    for selector, domain in (("k._domainkey.example.net.\0.any", "legit.example"), ("k", "example.net'a.attack.example"),
                             ("k", "example.net\0"), ("k.", "example.net"), ("k", ".example.net"), ("k", "[192.0.2.1]"),
                             ("k", "example.net/x"), ("k\\.x", "example.net"), ("k k", "example.net")):
        got = w.judge(w.sign("k", selector=selector, domain=domain))[0]
        tap.check(got[0][0] in ("permerror", "neutral"), "s=%r d=%r: %s" % (selector, domain, got))


@tap.test("J7 200 signatures, 10,000 names, 1 MiB of b=: few are looked at, the author's first, and it takes no time")
@world
def volume(w):
    w.key("k", "rsa", "-pkeyopt", "rsa_keygen_bits:1024")
    good = w.sign("k")
    other = "".join("DKIM-Signature: v=1; a=rsa-sha256; d=other%d.example; s=x; h=From; l=%d; bh=AAAA; b=AAAA\r\n" % (i, i)
                    for i in range(200))
    few = "".join(line + "\r\n" for line in other.split("\r\n")[:49])
    for letter, first in ((few + good, "pass"), (good + other, "pass"), (other + good, "permerror")):
        got, took = w.judge(letter)
        tap.equal((got[0][0], len(got)), (first, 5), "five of the topmost fifty, those of the author's domain first")
        tap.check(took < 5, "it took %.1f s" % took)
    for field in ("h=From" + ":x" * 10000 + "; b=AAAA", "h=From; b=" + "AAAA" * (1 << 18), "h=From; b=" + "AAAA\r\n " * 10000):
        got, took = w.judge("DKIM-Signature: v=1; a=rsa-sha256; d=example.net; s=k; bh=AAAA; %s\r\n" % field + good)
        tap.check(got[0][0] in ("permerror", "neutral") and got[1] == ("pass", ""), got)
        tap.check(took < 5, "it took %.1f s" % took)


if __name__ == "__main__":
    tap.main()
