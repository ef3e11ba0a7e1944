"""DKIM beside opendkim, dkimpy and Mail::DKIM: 2,000 generated letters, signed by us and verified by them, signed by
them and verified by us, and changed on the way and verified by all.

Letters have folded fields, white space wherever it may be, 8-bit octets, no line end at the end, fields that come twice;
they are signed with every canonicalisation, with and without l=, with names in h= that are not there.  Where two
answers differ there must be a row of JUDGED, which says what the RFC has to say."""
import collections
import os
import random
import re
import subprocess
import tempfile

import server
import tap

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
HERE = os.path.dirname(os.path.abspath(__file__))
TOOL = os.path.join(os.path.dirname(os.path.abspath(server.BINARY)), "auth_tool")
LETTERS = int(os.environ.get("LETTERS", "2000"))
NOW = 1795000000
DOMAIN = "example.net"

# dkimpy is a module of Debian's Python
DKIMPY = """
import sys, dkim
table = dict(l.rstrip("\\n").split("\\t", 1) for l in open(sys.argv[1]) if "\\t" in l)
key = open(sys.argv[2], "rb").read()
def txt(name, timeout=5):
    name = name.decode() if isinstance(name, bytes) else name
    return table.get(name.rstrip(".").lower(), "").encode() or None
for line in sys.stdin:
    what, path, *rest = line.rstrip("\\n").split("\\t")
    letter = open(path, "rb").read()
    try:
        if what == "verify":
            print("pass" if dkim.verify(letter, dnsfunc=txt) else "fail")
        elif what == "arc":
            print(dkim.arc_verify(letter, dnsfunc=txt)[0].decode())
        else:
            out, h, b, l, names = rest
            field = dkim.sign(letter, sys.argv[4].encode(), sys.argv[3].encode(), key, canonicalize=(h.encode(), b.encode()),
                              length=l == "1", include_headers=[n.encode() for n in names.split(":")])
            open(out, "wb").write(field + letter)
            print("ok")
    except Exception as e:
        print("error: %s" % str(e).replace("\\n", " "))
    sys.stdout.flush()
"""


class Peer:
    """A program that is asked line by line."""

    def __init__(self, cmd):
        self.p = subprocess.Popen(cmd, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    def ask(self, lines):
        out, _ = self.p.communicate("".join("\t".join(l) + "\n" for l in lines), timeout=280)
        out = out.splitlines()
        tap.equal(len(out), len(lines), "answers of %s" % self.p.args[0])
        return out


def has(*cmd):
    try:
        return subprocess.run(cmd, capture_output=True, timeout=30).returncode == 0
    except FileNotFoundError:
        return False


class World:
    """Keys, the table of records in both notations, and the programs there are."""

    def __init__(self, scratch):
        self.scratch = scratch
        self.lines, self.rows = [], []
        for name, args in (("rsa", ("rsa", "-pkeyopt", "rsa_keygen_bits:2048")), ("old", ("rsa", "-pkeyopt", "rsa_keygen_bits:1024")),
                           ("ed", ("ed25519",))):
            path = self.path(name + ".pem")
            subprocess.run(("openssl", "genpkey", "-out", path, "-algorithm") + args, check=True, capture_output=True)
            # opendkim reads keys of the old form alone
            if name == "old":
                subprocess.run(["openssl", "rsa", "-traditional", "-in", path, "-out", path], check=True, capture_output=True)
            der = subprocess.run(["openssl", "pkey", "-in", path, "-pubout", "-outform", "DER"], check=True,
                                 capture_output=True).stdout
            self.publish(name, der)
        self.peers = {}
        opendkim = self.path("opendkim_peer")
        if has("cc", "-O2", "-o", opendkim, os.path.join(HERE, "opendkim_peer.c"), "-lopendkim"):
            self.peers["opendkim"] = [opendkim]
        if has("/usr/bin/python3", "-c", "import dkim"):
            with open(self.path("dkimpy_peer.py"), "w") as f:
                f.write(DKIMPY)
            self.peers["dkimpy"] = ["/usr/bin/python3", f.name]
        if has("perl", "-MMail::DKIM::Verifier", "-MNet::DNS", "-e1"):
            self.peers["Mail::DKIM"] = ["perl", os.path.join(HERE, "mail_dkim_peer.pl")]
        if not self.peers:
            tap.skip("none of libopendkim-dev, python3-dkim and libmail-dkim-perl is here")

    def path(self, name):
        return os.path.join(self.scratch, name)

    def publish(self, name, der):
        import base64
        kind, octets = ("ed25519", der[-32:]) if name == "ed" else ("rsa", der)
        txt = "v=DKIM1; k=%s; p=%s" % (kind, base64.b64encode(octets).decode())
        full = "%s._domainkey.%s" % (name, DOMAIN)
        with open(self.path("table.tsv"), "a") as f:
            f.write("\n%s\t%s\n" % (full, txt))
        with open(self.path("table.dns"), "a") as f:
            f.write("%s TXT %s\n" % (full, " ".join('"%s"' % txt[i:i + 250] for i in range(0, len(txt), 250))))

    def peer(self, name):
        return Peer(self.peers[name] + [self.path("table.tsv"), self.path("old.pem"), DOMAIN, "old"])

    def ours(self, paths, now=NOW):
        p = subprocess.run([TOOL, "verify", self.path("table.dns"), "777"], input="".join("%s\t%d\n" % (q, now) for q in paths),
                           capture_output=True, text=True, errors="replace", timeout=120)
        tap.equal((p.returncode, p.stderr), (0, ""), "auth_tool verify")
        dkim, arc = {}, {}
        for line in p.stdout.splitlines():
            path, kind, _, result, _, reason = line.split("\t")
            if kind == "arc":
                arc[path] = result
            else:
                dkim.setdefault(path, (result, reason))
        return dkim, arc

    def make(self, word, key, pairs):
        p = subprocess.run([TOOL, word, self.path("table.dns"), self.path(key + ".pem"), DOMAIN, key, str(NOW)],
                           input="".join("\t".join(q) + "\n" for q in pairs), capture_output=True, text=True, timeout=280)
        tap.equal((p.returncode, p.stderr), (0, ""), "auth_tool " + word)


# ---- letters -----------------------------------------------------------------------------------------

WORDS = [w.encode() for w in "a of the letter form canonical \u00e4pfel \u65e5\u672c = =20 . .. - From: begin".split()] + [b"x" * 70, b"\xff\xfe"]


def blank(r):
    return r.choice((b" ", b" ", b" ", b"  ", b"\t", b" \t ", b"   "))


def words(r, n, folds):
    out = [r.choice(WORDS)]
    for _ in range(n):
        out += [r.choice((b"\r\n ", b"\r\n\t", b" \r\n  ")) if folds and r.random() < 0.15 else blank(r), r.choice(WORDS)]
    return b"".join(out)


def field(r, name, value):
    name = r.choice((name, name.upper(), name.lower()))
    end = r.choice((b"", b"", b" ", b"\t"))
    return name + b":" + r.choice((b" ", b"", b"  ", b"\t", b"\r\n ")) + value + end + b"\r\n"


def letter(r):
    """Header and body: what may be sent by SMTP, and tests each rule of RFC 6376 3.4."""
    fields = [field(r, b"From", b"A <a@example.net>"), field(r, b"Date", b"Sun, 22 Nov 2026 10:00:00 +0000")]
    for name in (b"To", b"Cc", b"Subject", b"Message-ID", b"MIME-Version", b"Content-Type", b"X-Thing", b"Received", b"Reply-To"):
        for _ in range(r.choice((0, 1, 1, 1, 2))):
            fields.append(field(r, name, words(r, r.randrange(6), True)))
    r.shuffle(fields)
    body = []
    for _ in range(r.choice((0, 0, 1, 3, 10, 30))):
        line = r.choice((b"", b"", blank(r), words(r, r.randrange(10), False)))
        body.append(line + r.choice((b"", b"", b" ", b"\t", b" \t")))
    text = b"\r\n".join(body)
    return b"".join(fields), text + r.choice((b"", b"\r\n", b"\r\n", b"\r\n\r\n\r\n"))


def names(r):
    """h=: From, some that are there, some that are not, some twice."""
    out = ["From"] + r.sample(["To", "Cc", "Subject", "Date", "Message-ID", "X-Thing", "Content-Type", "Reply-To", "Not-There"], 5)
    out += r.sample(out, r.choice((0, 1, 2)))
    r.shuffle(out)
    return out


def changed(r, data):
    """What servers and forgers do to a letter: one change, that may or may not matter."""
    header, _, body = data.partition(b"\r\n\r\n")
    where = r.randrange(7)
    if where == 0:
        body += r.choice((b"\r\n", b" ", b"x", b"\r\nmore\r\n", b"\r\n \r\n"))
    elif where == 1 and body:
        i = r.randrange(len(body))
        body = body[:i] + r.choice((b" ", b"y", b"\t")) + body[i:]
    elif where == 2:
        body = re.sub(rb"[ \t]+\r\n", b"\r\n", body)
    elif where == 3:
        header = re.sub(rb"\r\n[ \t]+", b"\r\n   ", header)
    elif where == 4:
        header = r.choice((b"Subject: new\r\n", b"X-Thing: new\r\n", b"From: b@example.org\r\n", b"Received: by x\r\n")) + header
    elif where == 5:
        header += b"\r\n" + r.choice((b"Subject: new", b"X-Thing: new", b"Not-There: now", b"List-Id: <x>"))
    else:
        header = header.replace(b"b=", b"b= ", 1)
    return header + b"\r\n\r\n" + body


def signature_lines(data):
    """The lines of the field on top."""
    return re.match(rb"DKIM-Signature:.*(?:\r\n[ \t].*)*", data).group(0).split(b"\r\n")


def write(path, data):
    with open(path, "wb") as f:
        f.write(data)


def read(path):
    with open(path, "rb") as f:
        return f.read()


# ---- judgements --------------------------------------------------------------------------------------

def unsigned_tail(q):
    return q.ours[0] == "policy" and q.ours[1].startswith("l=")


def no_line_end(q):
    """By SMTP no letter comes so.  One of the others must say as we do."""
    return not q.data.endswith(b"\r\n") and q.is_seconded


def two_authors(q):
    return q.name == "dkimpy" and q.ours[0] == "pass" and len(re.findall(rb"^from[ \t]*:", q.data.split(b"\r\n\r\n")[0], re.I | re.M)) > 1


def not_built(q):
    return q.name == "Mail::DKIM" and "unsupported algorithm ed25519" in q.theirs


# when another says another thing than we say: why that may be
JUDGED = [
    (unsigned_tail, "a part of the body is not signed: we do not count it (RFC 6376 8.2)"),
    (no_line_end, "the last line has no end: white space before it goes too, and it gets one (RFC 6376 3.4.4)"),
    (two_authors, "a second From does not break a signature (RFC 6376 5.4.2); such letters are refused elsewhere"),
    (not_built, "its Ed25519 needs a module that is not here"),
]
Question = collections.namedtuple("Question", "name data ours theirs is_seconded")


class Tally:
    def __init__(self):
        self.agreed, self.judged, self.wrong = collections.Counter(), collections.Counter(), []

    def compare(self, path, ours, said):
        """said: {peer: its answer}"""
        passed = ours[0] == "pass"
        same = {name: theirs.startswith("pass") == passed for name, theirs in said.items()}
        for name, theirs in said.items():
            if same[name]:
                self.agreed[name, ours[0]] += 1
                continue
            q = Question(name, read(path), ours, theirs, any(same.values()))
            why = next((why for rule, why in JUDGED if rule(q)), None)
            if why:
                self.judged[name, why] += 1
            else:
                self.wrong.append("%s: %s, we say %s %s; %s" % ((name, theirs) + ours + (os.path.basename(path),)))
                if os.environ.get("KEEP"):
                    write(os.path.join(os.environ["KEEP"], os.path.basename(path)), q.data)

    def end(self, least):
        for (name, said), n in sorted(self.agreed.items()):
            print("# %-10s %5d times as we: %s" % (name, n, said))
        for (name, why), n in sorted(self.judged.items()):
            print("# %-10s %5d times: %s" % (name, n, why))
        tap.equal(self.wrong[:8], [], "%d answers differ" % len(self.wrong))
        tap.check(sum(self.agreed.values()) >= least, "only %d answers" % sum(self.agreed.values()))


def ask_all(w, paths):
    """{peer: answer} for each letter."""
    answers = {name: w.peer(name).ask([("verify", p) for p in paths]) for name in w.peers}
    return [{name: a[i] for name, a in answers.items()} for i in range(len(paths))]


@tap.test("letters signed by us pass with opendkim, dkimpy and Mail::DKIM", limit=550)
def ours_to_them():
    r = random.Random(1)
    tally = Tally()
    with tempfile.TemporaryDirectory(prefix="dkim.") as scratch:
        w = World(scratch)
        for key, n in (("rsa", LETTERS), ("ed", LETTERS // 10)):
            pairs = []
            for i in range(n):
                plain, signed = w.path("%d.eml" % i), w.path("%s%d.signed" % (key, i))
                header, body = letter(r)
                # one of the three does not know ed25519
                write(plain, header + b"\r\n" + body + (b"\r\n" if key == "ed" else b""))
                pairs.append((plain, signed))
            w.make("sign", key, pairs)
            paths = [s for _, s in pairs]
            mine, _ = w.ours(paths)
            tap.equal({v for v in mine.values()}, {("pass", "")}, "we ourselves")
            tap.check(all(len(line) < 79 for p in paths for line in signature_lines(read(p))), "the field is folded")
            for path, said in zip(paths, ask_all(w, paths)):
                tally.compare(path, mine[path], said)
    tally.end(LETTERS)


@tap.test("letters signed by them, and changed on the way: we and they say the same", limit=550)
def theirs_to_us():
    r = random.Random(2)
    tally = Tally()
    with tempfile.TemporaryDirectory(prefix="dkim.") as scratch:
        w = World(scratch)
        share = LETTERS // len(w.peers)
        signed = []
        for name in w.peers:
            jobs = []
            for i in range(share):
                header, body = letter(r)
                plain, out = w.path("%d.eml" % i), w.path("%s%d.signed" % (name.replace(":", ""), i))
                write(plain, header + b"\r\n" + body)
                h, b, l = r.choice(("simple", "relaxed")), r.choice(("simple", "relaxed")), r.random() < 0.2
                if name == "opendkim":
                    # the length is of the canonicalised body, which has at least 3 octets if there is a word in it
                    jobs.append(("sign", plain, out, str(int(h == "relaxed")), str(int(b == "relaxed")),
                                 str(2 if l and body.strip() else -1)))
                elif name == "dkimpy":
                    jobs.append(("sign", plain, out, h, b, str(int(l)), ":".join(names(r))))
                else:
                    jobs.append(("sign", plain, out, h + "/" + b, ":".join(names(r))))
            said = w.peer(name).ask(jobs)
            # opendkim stumbles over some bodies whose last line has no end
            tap.check(all(s == "ok" or not read(j[1]).endswith(b"\r\n") for s, j in zip(said, jobs)), name + " signs")
            signed += [j[2] for s, j in zip(said, jobs) if s == "ok"]
        for i, path in enumerate(list(signed)):
            if i % 2:
                write(path + ".changed", changed(r, read(path)))
                signed.append(path + ".changed")
        # dkimpy and opendkim sign with the time it is
        mine, _ = w.ours(signed, int(os.stat(signed[0]).st_mtime))
        for path, said in zip(signed, ask_all(w, signed)):
            tally.compare(path, mine.get(path, ("none", "")), said)
    tally.end(LETTERS)


@tap.test("seals of ours pass with dkimpy, over one, two and five hops", limit=200)
def seals():
    r = random.Random(3)
    with tempfile.TemporaryDirectory(prefix="dkim.") as scratch:
        w = World(scratch)
        if "dkimpy" not in w.peers:
            tap.skip("no python3-dkim")
        paths = []
        for i in range(40):
            paths.append(w.path("%d.0" % i))
            header, body = letter(r)
            write(paths[-1], header + b"\r\n" + body + b"\r\n")
        for hop in range(1, 6):
            after = [p.rpartition(".")[0] + ".%d" % hop for p in paths]
            w.make("seal", "rsa", list(zip(paths, after)))
            paths = after
            if hop in (1, 2, 5):
                _, arc = w.ours(paths)
                tap.equal(set(arc.values()), {"pass"}, "we, %d hops" % hop)
                tap.equal(set(w.peer("dkimpy").ask([("arc", p) for p in paths])), {"pass"}, "dkimpy, %d hops" % hop)


if __name__ == "__main__":
    tap.main()
