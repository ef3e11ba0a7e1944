#!/usr/bin/python3
"""Quota: limits from the configuration in IMAP (RFC 9208), SMTP (452 4.2.2), import and `mailbox status`; `maildirsize` as
the Maildir++ rules have it, so that other programs read it and write into it."""
import glob
import json
import os
import re
import time

from searching import USERS, shared                                  # first: it starts the test again

from tap import cases, check, equal, eventually, main, test

LETTER = b"Subject: x\r\n\r\n" + b"0123456789abcde\r\n" * 62                  # 1,068 octets; 1,004 at rest
QUOTA = "quota 10K for alice@example.org\nquota 1G 5 letters for bob@example.org\nquota off for carol@example.org\nquota-warn 80\n"


def start(more=""):
    """The shared server with this configuration, and a new mailbox for alice."""
    s = shared()
    s.write_conf(s.text + QUOTA + more)
    s.reload()
    return s


def session(s, user="alice"):
    c = s.imap()
    equal(c.login(s.address(user), USERS[user]).status, "OK", "login")
    return c


def append(c, folder="INBOX", text=LETTER):
    return c.cmd(b"APPEND %s {%d+}\r\n%s" % (folder.encode(), len(text), text))


def numbers(c):
    """{resource: (used, limit)}"""
    line = b"".join(c.cmd('GETQUOTA ""').untagged)
    return {m[0].decode(): (int(m[1]), int(m[2])) for m in re.findall(rb"(STORAGE|MESSAGE) (\d+) (\d+)", line)}


def clear(c):
    for folder in ("Other", "INBOX"):
        if c.cmd("SELECT %s" % folder).status == "OK":
            c.cmd("STORE 1:* +FLAGS.SILENT (\\Deleted)")
            c.cmd("EXPUNGE")


def status(s, user="alice"):
    code, out, err = s.command("--json", "mailbox", "status", s.address(user))
    equal(code, 0, err)
    return json.loads(out)


def sum_of(path):
    with open(path) as f:
        head, *lines = f.read().splitlines()
    return head, sum(int(l.split()[0]) for l in lines), sum(int(l.split()[1]) for l in lines)


def on_disk(s, user="alice"):
    files = [f for p in ("", "/.*") for d in ("new", "cur") for f in glob.glob("%s%s/%s/*" % (s.maildir(user), p, d))]
    return sum(os.path.getsize(f) for f in files), len(files)


@test("APPEND, COPY, MOVE, MULTIAPPEND; GETQUOTA has the numbers of the files")
def imap():
    s = start()
    with session(s) as c:
        clear(c)
        c.cmd("CREATE Other")
        equal(numbers(c), {"STORAGE": (0, 10)}, "empty")
        for i in range(4):
            equal(append(c).status, "OK", "APPEND %d" % i)
        equal(numbers(c), {"STORAGE": (4, 10)}, "four letters")
        c.cmd("SELECT INBOX")
        equal(c.cmd("COPY 1:4 Other").status, "OK", "COPY")
        r = c.cmd("COPY 1:4 Other")
        equal((r.status, r.code), ("NO", "OVERQUOTA"), "COPY over the limit")
        equal(c.cmd("MOVE 1:4 Other").status, "OK", "MOVE is free")
        equal(on_disk(s)[1], 8, "letters")
        one = b" {%d+}\r\n%s" % (len(LETTER), LETTER)
        r = c.cmd(b"APPEND INBOX" + one + one + one)
        equal((r.status, r.code), ("NO", "OVERQUOTA"), "three at once are too many")
        equal(c.cmd(b"APPEND INBOX" + one + one).status, "OK", "two are not")
        r = append(c)
        equal((r.status, r.code), ("NO", "OVERQUOTA"), "APPEND over the limit")
        equal(numbers(c), {"STORAGE": (-(-on_disk(s)[0] // 1024), 10)}, "the files'")
        equal(sum_of(s.maildir() + "/maildirsize"), ("10240S",) + on_disk(s), "maildirsize")
        c.cmd("SELECT Other")
        c.cmd("STORE 1 +FLAGS (\\Deleted)")
        c.cmd("EXPUNGE")
        equal(append(c).status, "OK", "there is room again")
        equal(sum_of(s.maildir() + "/maildirsize"), ("10240S",) + on_disk(s), "maildirsize")
        clear(c)


@test("a limit of letters; GETQUOTAROOT; an account without a limit")
def letters_limit():
    s = start()
    with session(s, "bob") as c:
        clear(c)
        for i in range(5):
            equal(append(c).status, "OK", "APPEND")
        equal(append(c).code, "OVERQUOTA", "the sixth")
        r = c.cmd("GETQUOTAROOT INBOX")
        check(b'* QUOTAROOT INBOX ""' in b"".join(r.untagged), "root: %r" % r)
        equal(numbers(c), {"STORAGE": (5, 1 << 20), "MESSAGE": (5, 5)}, "numbers")
        u = status(s, "bob")
        equal((u["letters"], u["letters_max"], u["octets"], u["octets_max"]), (5, 5) + (on_disk(s, "bob")[0], 1 << 30), "status")
        clear(c)
    check(not os.path.exists(s.maildir("carol") + "/maildirsize"), "a file without a limit")


@test("other programs' lines count; a damaged file and other limits make it anew; what they deleted is noticed")
def file():
    s = start()
    path = s.maildir() + "/maildirsize"
    with session(s) as c:
        clear(c)
        append(c)
        used = numbers(c)["STORAGE"][0]
        with open(path, "a") as f:
            f.write("4096 1\n")                                      # as an LDA that knows the rules
        equal(numbers(c)["STORAGE"][0], used + 4, "a line")
        for text in ("", "garbage", "10240S\n1 x\n", "99S\n1 1\n", "10240S\n-5 -1\n", "10240S\n" + "1 0\n" * 2000):
            with open(path, "w") as f:
                f.write(text)
            equal(numbers(c)["STORAGE"][0], used, "after %r" % text[:20])
            equal(sum_of(path), ("10240S",) + on_disk(s), "made anew after %r" % text[:20])
        os.unlink(path)
        equal(numbers(c)["STORAGE"][0], used, "deleted")
        os.unlink(path)
        os.symlink("/etc/passwd", path)
        equal(numbers(c)["STORAGE"][0], used, "a link")
        check(not os.path.islink(path), "the link is replaced")
        clear(c)
    s.kill_role("mailbox")
    with session(s) as c:                                            # a full file, and hardly a letter
        with open(path, "w") as f:
            f.write("10240S\n99999 9\n")
        equal(append(c).status, "OK", "counted anew before it is refused")
        clear(c)


def rcpt(s, to="alice@example.org"):
    with s.client() as m:
        m.ehlo()
        m.cmd("MAIL FROM:<a@example.net>")
        return m.cmd("RCPT TO:<%s>" % to)


def give(s):
    """The code of RCPT; an accepted letter has arrived."""
    r = rcpt(s)
    if r.code == 250:
        tok, sent = s.give("alice")
        if sent.code == 250:
            s.wait(tok)
    return r.code


@test("a letter for a full mailbox is to come later, 452 4.2.2; what was accepted may overrun; with more there is room")
def smtp():
    s = start()
    with session(s) as c:
        clear(c)
        for _ in range(9):
            equal(append(c).status, "OK", "APPEND")
        equal(rcpt(s).code, 250, "nearly full")
        answers = [give(s) for _ in range(5)]
        check(answers[0] == 250 and answers[-1] == 452, "full after a few: %r" % answers)
        check(on_disk(s)[0] < 10240 + 2000, "over by its own size at most: %d" % on_disk(s)[0])
        with s.client() as m:
            m.ehlo()
            m.cmd("MAIL FROM:<a@example.net>")
            r = m.cmd("RCPT TO:<alice@example.org>")
            equal((r.code, "4.2.2" in str(r)), (452, True), "RCPT: %s" % r)
            equal(m.cmd("RCPT TO:<bob@example.org>").code, 250, "another mailbox")
        check(on_disk(s)[0] < 10240 + 4000, "over by one letter at most: %d" % on_disk(s)[0])
        s.write_conf(s.text + QUOTA + "over-quota refuse\n")
        s.reload()
        r = rcpt(s)
        equal((r.code, "5.2.2" in str(r)), (552, True), "for good: %s" % r)
        check("over its quota" in s.command("why", time.strftime("%Y-%m-%d"))[1], "why")
        s.log_wait(r'quota account="alice@example.org" percent=\d+')
        clear(c)
    s.write_conf(s.text + QUOTA.replace("10K", "20K"))
    s.reload()

    eventually(lambda: rcpt(s).code == 250, 10, what="room")


@test("an import stops where the quota ends, and goes on when there is more")
def importing():
    s = start()
    top = os.path.join(s.dir, "quota-import")
    for d in ("cur", "new", "tmp"):
        os.makedirs(os.path.join(top, d), exist_ok=True)
    for i in range(20):
        with open("%s/cur/%d.h:2,S" % (top, 1500000000 + i), "wb") as f:
            f.write(b"Subject: %02d\n\n" % i + b"0123456789abcde\n" * 62)
    with session(s) as c:
        clear(c)
    code, out, err = s.command("--json", "import", "maildir", top, "alice@example.org")
    equal((code, json.loads(out)["letters"]), (3, 10), out + err)
    check("the mailbox is full" in err, err)
    equal(on_disk(s)[1], 10, "letters")
    s.write_conf(s.text + "quota 1M for alice@example.org\n")
    s.reload()
    code, out, err = s.command("--json", "import", "maildir", top, "alice@example.org")
    equal((code, json.loads(out)["letters"], json.loads(out)["already"]), (0, 10, 10), out + err)
    equal(sum_of(s.maildir() + "/maildirsize"), ("1048576S",) + on_disk(s), "maildirsize")


@cases([(line, line, word) for line, word in (
    ("quota 1G 5", "letters"), ("quota 1G for", "belongs more"), ("quota 0", "at least"), ("quota 1G\nquota 2G", "already"),
    ("quota 1G for a@b@c", "address"), ("over-quota never", "not one of"), ("quota-warn 101", "at most"))])
def wrong(line, word):
    s = shared()
    path = os.path.join(s.dir, "wrong.conf")
    with open(path, "w") as f:
        f.write(s.text + line + "\n")
    code, out, err = s.command("-c", path, "config", "check")
    check(code == 1 and word in out + err, out + err)


if __name__ == "__main__":
    main()
