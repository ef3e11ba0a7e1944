"""`waxwing test auth` in the small internet: SPF, iprev, DKIM, ARC and DMARC over one letter, and why."""
import base64
import hashlib
import json
import os
import re
import subprocess
import time

import internet
import tap
from server import Server
from tap import check, equal, test

NET = SERVER = None
KEY = None


def world():
    global KEY
    net = internet.Internet()
    KEY = os.path.join(net.dir, "dkim.pem")
    subprocess.run(["openssl", "genrsa", "-out", KEY, "2048"], check=True, capture_output=True)
    public = subprocess.run(["openssl", "rsa", "-in", KEY, "-pubout", "-outform", "DER"], check=True, capture_output=True).stdout
    b64 = base64.b64encode(public).decode()
    net.zone("good.test", "\n".join((
        "@ MX 10 mail",
        '@ TXT "v=spf1 mx -all exp=why.good.test"',
        'why TXT "%{c} may not send for %{d}"',
        'mail TXT "v=spf1 a -all"',
        '_dmarc TXT "v=DMARC1; p=reject; pct=50"',
        'k1._domainkey TXT "v=DKIM1; k=rsa; p=" "%s" "%s"' % (b64[:200], b64[200:]))))
    net.add_host("mail.good.test", "127.2.0.1")
    net.zone("broken.test", '@ TXT "v=spf1 ip4:127.2.0 -all"\n_dmarc TXT "v=DMARC1; p=none"\n_dmarc TXT "v=DMARC1; p=reject"')
    net.zone("bogus.test", '@ TXT "v=spf1 +all x=original"\n_dmarc TXT "v=DMARC1; p=none; x=original"', dnssec="bogus")
    net.zone("plain.test", "@ A 127.2.0.4")
    net.add_host("liar.plain.test", "127.2.0.4")
    net.zones[internet.REVERSE].hosts.append("5.0.2.127.in-addr.arpa. PTR mail.good.test.")
    net.zone("silent.test", "", dnssec="insecure", at="127.3.0.9")
    net.silent("127.3.0.9")
    net.start()
    return net


def server():
    global NET, SERVER
    if SERVER is None:
        NET = world()
        SERVER = Server(NET.conf()).start()
    return SERVER


tap.ends(lambda: (SERVER, NET))


def signed(body=b"Hello.\r\n", header=b"From: Ann <ann@good.test>\r\nSubject: hello\r\n"):
    """simple/simple by openssl, in the words of RFC 6376 §3.7."""
    bh = base64.b64encode(hashlib.sha256(body).digest()).decode()
    field = "DKIM-Signature: v=1; a=rsa-sha256; c=simple/simple; d=good.test; s=k1; h=From:Subject; bh=%s; b=" % bh
    done = subprocess.run(["openssl", "dgst", "-sha256", "-sign", KEY], input=header + field.encode(), check=True,
                          capture_output=True)
    return field.encode() + base64.b64encode(done.stdout) + b"\r\n" + header + b"\r\n" + body


def ask(letter, *args):
    code, out, err = server().command("--json", "test", "auth", *args, stdin=letter, timeout=60)
    check(out, err)
    said = json.loads(out)
    check("error" not in said, said)
    return code, [(r["method"], r["result"], r["text"]) for r in said["results"]]


def results(rows):
    return [(m, r) for m, r, _ in rows]


def text_of(rows, method, result):
    found = [t for m, r, t in rows if (m, r) == (method, result)]
    check(found, "no %s=%s in %r" % (method, result, rows))
    return found[0]


FROM_GOOD = b"From: Ann <ann@good.test>\r\nSubject: hello\r\n\r\nHello.\r\n"


@test("what comes from where it should passes, and says by what")
def _():
    code, rows = ask(FROM_GOOD, "--ip", "127.2.0.1", "--helo", "mail.good.test", "--from", "ann@good.test")
    equal(results(rows), [("iprev", "pass"), ("spf", "pass"), ("spf", "pass"), ("dkim", "none"), ("arc", "none"),
                          ("dmarc", "pass")])
    equal(rows[0][2], "mail.good.test: leads back to the client")
    equal(rows[1][2], "smtp.helo=mail.good.test: by a in mail.good.test")
    equal(rows[2][2], "smtp.mailfrom=good.test: by mx in good.test")
    equal(rows[5][2], "header.from=good.test: by good.test (spf), policy reject of good.test")
    equal(code, 0)


@test("a forged letter fails, with the domain's own explanation, and the answer is negative")
def _():
    code, rows = ask(FROM_GOOD, "--ip", "127.2.0.9", "--helo", "mail.good.test", "--from", "ann@good.test")
    equal(results(rows), [("iprev", "permerror"), ("spf", "fail"), ("spf", "fail"), ("dkim", "none"), ("arc", "none"),
                          ("dmarc", "fail")])
    check("it explains: 127.2.0.9 may not send for good.test" in rows[2][2], rows[2][2])
    check("policy reject of good.test, pct=50" in rows[5][2], rows[5][2])
    equal(code, 1)


@test("K2 a HELO name that passes is not the sender's domain")
def _():
    code, rows = ask(FROM_GOOD, "--ip", "127.2.0.1", "--helo", "mail.good.test", "--from", "x@plain.test")
    equal(results(rows)[1:3] + results(rows)[5:], [("spf", "pass"), ("spf", "none"), ("dmarc", "fail")])
    equal(code, 1)
    code, rows = ask(FROM_GOOD, "--ip", "127.2.0.1", "--helo", "mail.good.test", "--from", "<>")
    equal(results(rows)[5:], [("dmarc", "pass")])       # the null path: then it is (RFC 7208 §2.4)


@test("a client whose name is somebody else's does not pass iprev")
def _():
    _, rows = ask(FROM_GOOD, "--ip", "127.2.0.5", "--helo", "mail.good.test", "--from", "<>")
    equal(rows[0], ("iprev", "fail", "mail.good.test: its name does not lead back to it"))


@test("a signature alone makes DMARC pass, in CRLF and in LF; a changed letter fails")
def _():
    letter = signed()
    for form in (letter, letter.replace(b"\r\n", b"\n")):
        code, rows = ask(form)
        equal(results(rows), [("dkim", "pass"), ("arc", "none"), ("dmarc", "pass")])
        check(re.match(r"header\.d=good\.test header\.s=k1, rsa-sha256, 2048 bit$", rows[0][2]), rows[0][2])
        equal(rows[2][2], "header.from=good.test: by good.test (dkim), policy reject of good.test")
        equal(code, 0)
    code, rows = ask(letter.replace(b"Hello.", b"Hullo."))
    equal(results(rows), [("dkim", "fail"), ("arc", "none"), ("dmarc", "fail")])
    equal(code, 1)
    code, rows = ask(letter.replace(b"ann@good.test", b"ann@plain.test"))
    equal(results(rows), [("dkim", "fail"), ("arc", "none"), ("dmarc", "none")])


@test("--hash-inputs: the canonicalised octets that signatures are about, with their SHA-256")
def _():
    letter = signed(body=b"Hello.  \r\n" + b"x\x01y\r\n" * 4000)
    code, out, err = server().command("--json", "test", "auth", "--hash-inputs", stdin=letter)
    inputs = json.loads(out)["hash_inputs"]
    equal([i["of"] for i in inputs], ["dkim header.d=good.test header.s=k1, " + w for w in ("header", "body")])
    head, body = letter.split(b"\r\n\r\n", 1)
    field, rest = head.split(b"\r\n", 1)
    # RFC 6376 §3.7: the signed fields, then the signature's own with an empty b=, without a line end
    over = rest + b"\r\n" + field[:field.rindex(b"b=") + 2]
    for got, want in zip(inputs, (over, body)):
        equal((got["octets"], got["sha256"]), (len(want), base64.b64encode(hashlib.sha256(want).digest()).decode()), got["of"])
        check(want.decode().startswith(got["begin"].replace("\\x01", "\x01")[:200]), got["begin"][:300])
    code, out, err = server().command("test", "auth", "--ip", "127.2.0.1", "--hash-inputs", "--helo", "x", stdin=letter)
    check("body: %d octets, SHA-256 " % len(body) in out and "\nHello.  \nx\\x01y\n" in out and "== and " in out, out[:3000])


@test("a signature of a letter of 20 MiB", limit=120)
def _():
    code, rows = ask(signed(body=(b"x" * 76 + b"\r\n") * (20 << 20 >> 6)))
    equal(results(rows), [("dkim", "pass"), ("arc", "none"), ("dmarc", "pass")])
    equal(code, 0)


@test("J4 several From, none, or one that is no address: no policy, and a negative answer")
def _():
    for letter, why in ((b"From: a@good.test\r\nFrom: b@plain.test\r\n\r\n", "more than one From"),
                        (b"From: a@good.test\r\nFrom\r\n : b@plain.test\r\n\r\n", "more than one From"),
                        (b"Subject: x\r\n\r\n", "has no From"),
                        (b"From: a@good.test, b@plain.test\r\n\r\n", "several domains"),
                        (b"From: <a@good.test>b@plain.test\r\n\r\n", "no address with a domain"),
                        (b"", "has no From")):
        code, rows = ask(letter)
        check(why in text_of(rows, "dmarc", "permerror"), rows)
        equal(code, 1)


@test("K6 broken records are permerror with the place shown; what the DNS cannot prove is temperror, never fail")
def _():
    args = ("--ip", "127.2.0.1", "--helo", "mail.good.test")
    code, rows = ask(b"From: a@broken.test\r\n\r\n", *args, "--from", "a@broken.test")
    check("broken.test, term 1 \"ip4:127.2.0\": not an IPv4 network" in text_of(rows, "spf", "permerror"), rows)
    check("_dmarc.broken.test has 2 DMARC records" in text_of(rows, "dmarc", "permerror"), rows)
    equal(code, 1)
    _, rows = ask(b"From: a@bogus.test\r\n\r\n", *args, "--from", "a@bogus.test")
    check("bogus.test (bogus)" in text_of(rows, "spf", "temperror"), rows)
    check("_dmarc.bogus.test (bogus)" in text_of(rows, "dmarc", "temperror"), rows)


@test("the field Authentication-Results holds all results (RFC 8601)")
def _():
    letter = signed()
    code, out, err = server().command("--json", "test", "auth", "--ip", "127.2.0.1", "--helo", "mail.good.test",
                                      "--from", "ann@good.test", stdin=letter)
    field = json.loads(out)["field"]
    print("# " + field.replace("\r\n", "\n# "))
    check(all(len(line) <= 998 for line in field.split("\r\n")), field)
    b = letter.partition(b"; b=")[2][:8].decode()
    words = re.sub(r"\s+", " ", field)
    check(re.fullmatch(r"Authentication-Results: \S+; iprev=pass policy\.iprev=127\.2\.0\.1; spf=pass smtp\.mailfrom=good\.test;"
                       r" spf=pass smtp\.helo=mail\.good\.test; dkim=pass \(2048-bit key\) header\.d=good\.test"
                       r' header\.i=@good\.test header\.s=k1 header\.b="?%s"?; arc=none;'
                       r" dmarc=pass \(p=reject dis=none\) header\.from=good\.test" % re.escape(b), words), words)
    code, out, err = server().command("test", "auth", "--ip", "127.2.0.9", "--helo", "mail.good.test", stdin=FROM_GOOD)
    check("\nAuthentication-Results: " in out and "dmarc=fail" in out and "smtp.mailfrom" not in out.partition("\n\n")[2], out)


@test("I2 name servers that say nothing: temporary errors, within a minute", limit=150)
def _():
    begin = time.monotonic()
    letter = signed().replace(b"good.test", b"silent.test")
    field = letter[:letter.index(b"\r\n") + 2]
    many = b"".join(field.replace(b"s=k1", b"s=k%d" % n) for n in range(2, 6)) + letter
    code, rows = ask(many, "--ip", "127.2.0.1", "--helo", "h.silent.test",
                     "--from", "a@silent.test")
    check(time.monotonic() - begin < 55, "%.0f s" % (time.monotonic() - begin))
    print("# %.1f s: %r" % (time.monotonic() - begin, results(rows)))
    equal(results(rows)[1:], 2 * [("spf", "temperror")] + 5 * [("dkim", "temperror")] + [("arc", "none"), ("dmarc", "temperror")])
    equal(code, 1)


@test("wrong questions are told")
def _():
    for args in (("--ip", "127.2"), ("--from", "nobody"), ("--ip",), ("--colour", "red")):
        code, out, err = server().command("test", "auth", *args, stdin=FROM_GOOD)
        check(code in (1, 2) and "waxwing: " in err, "%r: %d %r %r" % (args, code, out, err))
    _, out, _ = server().command("test", "auth", "--ip", "127.2.0.1", "--from", "ann@good.test", stdin=FROM_GOOD)
    check(re.search(r"(?m)^dmarc  pass       header\.from=good\.test", out), out)


tap.main()
