"""`waxwing doctor mail` in the small internet: what a letter proves when this server brings it to another one."""
import json

import internet
import tap
from dkim_maker import Key
from server import Server
from tap import check, equal, test

NET = SERVER = None
KEY = None


def world():
    global KEY
    net = internet.Internet()
    KEY = Key(net.dir)
    net.zone("example.org", "\n".join((
        '@ TXT "v=spf1 a:mail.example.org -all"',
        '_dmarc TXT "v=DMARC1; p=reject"',
        "k1._domainkey TXT " + KEY.record)))
    net.add_host("mail.example.org", "127.2.0.1")
    net.zone("foreign.test", '_dmarc TXT "v=DMARC1; p=none"')
    net.zone("elsewhere.test", '@ TXT "v=spf1 -all"')
    net.start()
    return net


def server():
    global NET, SERVER
    if SERVER is None:
        NET = world()
        SERVER = Server(NET.conf()).start()
    return SERVER


tap.ends(lambda: (SERVER, NET))


def letter(sender=b"jane@example.org", is_signed=True):
    text = (b"From: Jane <" + sender + b">\r\nTo: joe@example.net\r\nSubject: hello\r\nDate: Fri, 21 Nov 2025 11:59:00 +0000\r\n"
            b"Message-ID: <1@mail.example.org>\r\n\r\nHello Joe.\r\n")
    return KEY.sign(text, "example.org") if is_signed else text


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
    equal(judge(letter())[3]["signs"], "", "it is signed")
    check(judge(letter(is_signed=False))[3]["signs"], "our selectors")
    rows = (
        (letter(is_signed=False), (), []),       # it will be signed when it leaves
        (letter().replace(b"Hello", b"Hallo"), (), ["dkim-fail"]),
        (letter(), ("--from", "x@elsewhere.test"), ["spf-fail"]),
        (letter(), ("--from", "x@nothing.test"), ["spf-none"]),
        (b"Return-Path: <x@elsewhere.test>\r\n" + letter(), (), ["spf-fail"]),
        (letter(), ("--ip", "127.2.0.77"), ["ptr", "spf-fail"]),
        (letter(is_signed=False), ("--ip", "127.2.0.77"), ["ptr", "spf-fail"]),
        (letter(b"jane@foreign.test", is_signed=False), (), ["dkim-none", "dmarc-fail", "spf-none"]),
        (letter(b"jane@nothing.test"), (), ["dmarc-none", "spf-none"]),
        (letter(b"jane@example.org>, <joe@example.net"), (), ["no-from"]),
    )
    for text, args, wanted in rows:
        _code, _points, flaws, said = judge(text, *args)
        equal(flaws, wanted, "%r %r" % (args, said))


if __name__ == "__main__":
    tap.main()
