"""`waxwing doctor mail` in the small internet: what a letter proves when this server brings it to another one."""
import base64
import hashlib
import json
import os
import subprocess

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
    net.zone("example.org", "\n".join((
        '@ TXT "v=spf1 a:mail.example.org -all"',
        '_dmarc TXT "v=DMARC1; p=reject"',
        'k1._domainkey TXT "v=DKIM1; k=rsa; p=" "%s" "%s"' % (b64[:200], b64[200:]))))
    net.add_host("mail.example.org", "127.2.0.1")
    net.zone("elsewhere.test", '@ TXT "v=spf1 -all"')
    net.start()
    return net


def server():
    global NET, SERVER
    if SERVER is None:
        NET = world()
        SERVER = Server(NET.conf()).start()
    return SERVER


@tap.AT_END.append
def end():
    if SERVER:
        SERVER.end()
    if NET:
        NET.end()


def letter(sender=b"jane@example.org", is_signed=True, body=b"Hello Joe.\r\n"):
    """simple/simple by openssl, in the words of RFC 6376 §3.7."""
    header = (b"From: Jane <" + sender + b">\r\nTo: joe@example.net\r\nSubject: hello\r\nDate: Fri, 21 Nov 2025 11:59:00 +0000\r\n"
              b"Message-ID: <1@mail.example.org>\r\n")
    if not is_signed:
        return header + b"\r\n" + body
    field = "DKIM-Signature: v=1; a=rsa-sha256; c=simple/simple; d=example.org; s=k1; h=From:Subject; bh=%s; b=" % base64.b64encode(
        hashlib.sha256(body).digest()).decode()
    named = header.split(b"\r\n")[0] + b"\r\nSubject: hello\r\n" + field.encode()
    done = subprocess.run(["openssl", "dgst", "-sha256", "-sign", KEY], input=named, check=True, capture_output=True)
    return field.encode() + base64.b64encode(done.stdout) + b"\r\n" + header + b"\r\n" + body


def judge(text, *args):
    code, out, err = server().command("--json", "doctor", "mail", "-", *args, stdin=text, timeout=60)
    check(out, err)
    said = json.loads(out)
    check("error" not in said, said)
    return code, said["tenths"], sorted(f["id"] for f in said["flaws"]), said


@test("signed, sent from our own address: ten points; each thing that is wrong in turn is the one that is named")
def proofs():
    server()
    code, points, flaws, said = judge(letter())
    equal((code, points, flaws), (0, 100, []), said)
    equal((said["ip"], said["mail_from"], said["authentication"]), ("127.2.0.1", "jane@example.org", True), "as sent")
    rows = (
        (letter(is_signed=False), (), ["dkim-none"]),
        (letter().replace(b"Hello", b"Hallo"), (), ["dkim-fail"]),
        (letter(), ("--from", "x@elsewhere.test"), ["spf-fail"]),
        (letter(), ("--from", "x@nothing.test"), ["spf-none"]),
        (b"Return-Path: <x@elsewhere.test>\r\n" + letter(), (), ["spf-fail"]),
        (letter(), ("--ip", "127.2.0.77"), ["ptr", "spf-fail"]),
        (letter(is_signed=False), ("--ip", "127.2.0.77"), ["dkim-none", "dmarc-fail", "ptr", "spf-fail"]),
        (letter(b"jane@nothing.test"), (), ["dmarc-none", "spf-none"]),
        (letter(b"jane@example.org>, <joe@example.net"), (), ["no-from"]),
    )
    for text, args, wanted in rows:
        _code, _points, flaws, said = judge(text, *args)
        equal(flaws, wanted, "%r %r" % (args, said))


if __name__ == "__main__":
    tap.main()
