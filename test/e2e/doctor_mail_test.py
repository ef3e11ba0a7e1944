#!/usr/bin/python3
"""waxwing doctor mail: a score for a letter, from a file and from standard input; without the DNS only what stands in it."""
import json
import os

import tap
from server import Server
from tap import check, equal, test

QUIET = "dns {\n  resolver off\n}\n"
GOOD = (b"From: Jane <jane@example.org>\nTo: joe@example.net\nSubject: The minutes\nDate: Fri, 21 Nov 2025 11:59:00 +0000\n"
        b"Message-ID: <1@mail.example.org>\nDKIM-Signature: v=1; a=rsa-sha256; d=example.org; s=s; h=From; bh=AAAA; b=AAAA\n\nHello Joe.\n")


def judge(s, letter, *args):
    code, out, err = s.command("--json", "doctor", "mail", "-", *args, stdin=letter, timeout=60)
    check(code in (0, 1), err)
    said = json.loads(out)
    check("error" not in said, said)
    equal(said["tenths"], max(0, 100 - sum(f["tenths"] for f in said["flaws"])), "the sum")
    equal(code, 0 if said["tenths"] >= 80 else 1, "exit code")
    return said["tenths"], {f["id"]: f for f in said["flaws"]}, said


@test("a good letter has ten points, a bad one loses them row by row, with a remedy each")
def scores():
    with Server(QUIET) as s:
        points, flaws, said = judge(s, GOOD)
        equal((points, flaws, said["authentication"]), (100, {}, False), "good")
        bad = GOOD.replace(b"Subject: The minutes\n", b"").replace(b"Date:", b"X-Date:").replace(b"Hello", b"http://192.0.2.1/ \xfc")
        points, flaws, _said = judge(s, bad)
        equal(sorted(flaws), ["ip-link", "no-date", "no-mime", "no-subject"], "bad")
        equal(points, 65, "points")
        equal(flaws["ip-link"]["detail"], "192.0.2.1", "detail")
        check(all(f["remedy"] and f["text"] for f in flaws.values()), flaws)
        path = os.path.join(s.dir, "letter")
        with open(path, "wb") as f:
            f.write(bad.replace(b"\n", b"\r\n"))
        code, out, _err = s.command("doctor", "mail", path, timeout=60)
        check(code == 1 and out.startswith("6.5 of 10\n") and "no-date: there is no Date" in out and "could not be asked" in out, out)
        raw = GOOD.replace(b"DKIM-Signature", b"X-Signature")
        _points, flaws, said = judge(s, raw)
        check("dkim-none" not in flaws and said["signs"], said)
        check("gets those of our keys" in s.command("doctor", "mail", "-", stdin=raw, timeout=60)[1], "signed when it leaves")
        _points, flaws, said = judge(s, raw.replace(b"jane@example.org", b"jane@example.com"))
        check("dkim-none" in flaws and not said["signs"], flaws)


@test("what is no letter, no file, or hostile is judged or refused with a word")
def hostile():
    with Server(QUIET) as s:
        for letter in (b"", b"\n", b"\0" * 1000, b"From: " * 100000, b"<" * 500000, b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--b\n\n" * 50000,
                       b"\x1b[31m: x\n\n"):
            points, flaws, _said = judge(s, letter)
            check(points < 80 and flaws, letter[:40])
        code, _out, err = s.command("doctor", "mail", "/nonexistent/letter")
        check(code == 1 and "/nonexistent/letter" in err, err)
        code, _out, err = s.command("doctor", "mail", "-", "--ip", stdin=GOOD)
        equal(code, 2, err)
        code, _out, err = s.command("doctor", "mail")
        equal(code, 2, err)
        code, out, _err = s.command("doctor", "mail", "-", stdin=b"\x1b[31m\n\n")
        check("\x1b" not in out, out)
        s.fence()


if __name__ == "__main__":
    tap.main()
