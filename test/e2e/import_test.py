#!/usr/bin/python3
"""waxwing import and export: what other programs wrote comes in with its flags, keywords, dates and folders, once, however
often the command runs and wherever it was killed; and goes out again."""
import email.utils
import json
import mailbox
import os
import pty
import re
import shutil
import subprocess
import tempfile
import time

from searching import USERS, shared                                  # first: it starts the test again

from server import SLOW
from tap import AT_END, cases, check, equal, eventually, main, test

TOP = tempfile.mkdtemp(prefix="wx-import-")
AT_END.append(lambda: shutil.rmtree(TOP, ignore_errors=True))
BODY = b"From: a@example.org\nSubject: %s\n\n%s\n"


def run(*args, code=0, s=None, timeout=60):
    got, out, err = (s or shared()).command("--json", *args, timeout=timeout)
    equal(got, code, "waxwing %s: %s%s" % (" ".join(args), out, err))
    return json.loads(out) if out else err


def letters(folder="INBOX", user="alice"):
    """[(body in CRLF, sorted flags, date in seconds)] in order of UID."""
    s = shared()
    with s.imap() as c:
        equal(c.login(s.address(user), USERS[user]).status, "OK", "login")
        equal(c.cmd("EXAMINE %s" % folder).status, "OK", "EXAMINE " + folder)
        out = []
        for u in c.cmd("FETCH 1:* (UID FLAGS INTERNALDATE BODY.PEEK[])").untagged:
            m = re.match(rb"\* \d+ FETCH \(UID \d+ FLAGS \(([^)]*)\) INTERNALDATE \"([^\"]*)\" BODY\[\] (?:\{\d+\}\r\n(.*)|\"(.*)\")\)$",
                         u, re.S)
            if m:
                when = email.utils.parsedate_to_datetime(m.group(2).decode().strip().replace("-", " ", 2))
                out.append((m.group(3) or m.group(4), sorted(set(m.group(1).decode().split()) - {"\\Recent"}), int(when.timestamp())))
        return out


def forget(user="alice"):
    """A mailbox as new."""
    s = shared()
    s.kill_role("mailbox")
    shutil.rmtree(s.maildir(user), ignore_errors=True)
    return s.address(user)


def put(top, folder, name, text, when, new=False):
    d = os.path.join(top, folder)
    for sub in ("cur", "new", "tmp"):
        os.makedirs(os.path.join(d, sub), exist_ok=True)
    path = os.path.join(d, "new" if new else "cur", name)
    with open(path, "wb") as f:
        f.write(text)
    os.utime(path, (when, when))


def source(name):
    top = os.path.join(TOP, name)
    shutil.rmtree(top, ignore_errors=True)
    return top


def many(name, n, size=300):
    top = source(name)
    for i in range(n):
        put(top, "", "%d.%d.h:2,S" % (1500000000 + i, i), BODY % (b"n%d" % i, b"x" * size), 1500000000 + i)
    return top


@test("a Maildir++ as Dovecot leaves it: flags, keywords, dates, folders, order of arrival")
def maildir():
    who, top = forget(), source("dovecot")
    put(top, "", "1500000002.b.h,S=40,W=44:2,FRSTab", BODY % (b"b", b"two"), 1400000002)
    put(top, "", "1500000001.a.h:2,DPc", BODY % (b"a", b"one"), 1400000001)
    put(top, "", "1500000003.c.h", BODY % (b"c", b"three"), 1400000003, new=True)
    with open(top + "/dovecot-keywords", "w") as f:
        f.write("0 $Label1\n1 NonJunk\n")
    put(top, ".Entw&APw-rfe.alt", "1500000004.d.h:2,a", BODY % (b"d", b"four\r"), 1400000004)
    put(top, ".INBOX.Spam", "1500000005.e.h:2,", BODY % (b"e", b"five"), 1400000005)
    r = run("import", "maildir", top, who)
    equal(r, {"ok": True, "folders": 3, "letters": 5, "octets": r["octets"], "already": 0, "gone": 0, "keywords_left": 0,
              "refused": 0}, "summary")
    crlf = lambda s, b: (BODY % (s, b)).replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    equal(letters(), [(crlf(b"a", b"one"), ["\\Draft"], 1400000001),
                      (crlf(b"b", b"two"), sorted(["\\Flagged", "\\Answered", "\\Seen", "\\Deleted", "$Label1", "NonJunk"]), 1400000002),
                      (crlf(b"c", b"three"), [], 1400000003)], "INBOX")
    equal(letters("Entw&APw-rfe.alt")[0][1:], ([], 1400000004), "a keyword without a name is none")
    equal(len(letters("INBOX.Spam")), 1, "the folder of older set-ups")
    subscribed = [f["name"] for f in run("mailbox", "list", who) if f["subscribed"]]
    equal(sorted(subscribed), ["Entwürfe.alt", "INBOX.Spam"], "what is new is subscribed")


@test("a tree of plain Maildirs, as mbsync and offlineimap keep it; names in UTF-8 and in modified UTF-7")
def tree():
    who, top = forget(), source("tree")
    for d in ("INBOX", "Büro", "Lists/linux", "Entw&APw-rfe"):
        put(top, d, "1500000001.%d.h:2,S" % len(d), BODY % (d.encode(), b"x"), 1400000001)
    os.makedirs(top + "/nothing here")
    os.symlink("/", top + "/Lists/root")
    equal(run("import", "maildir", top, who)["letters"], 4, "letters")
    equal(sorted(f["name"] for f in run("mailbox", "list", who) if f["letters"]),
          ["Büro", "Entwürfe", "INBOX", "Lists.linux"], "folders")


@test("twice makes no doubles; nor do letters that were moved, copied or expunged since; alike ones stay apart")
def twice():
    who, top, s = forget(), many("twice", 30), shared()
    for n in ("x", "y"):
        put(top, "", "1500009999.%s.h:2," % n, BODY % (b"alike", b"alike"), 1500009999)
    equal(run("import", "maildir", top, who)["letters"], 32, "first")
    again = {"ok": True, "folders": 1, "letters": 0, "octets": 0, "already": 32, "gone": 0, "keywords_left": 0, "refused": 0}
    equal(run("import", "maildir", top, who), again, "second")
    with s.imap() as c:
        c.login(who, USERS["alice"])
        c.cmd("CREATE Elsewhere")
        c.cmd("SELECT INBOX")
        equal(c.cmd("MOVE 1:10 Elsewhere").status, "OK", "MOVE")
        equal(c.cmd("COPY 1 Elsewhere").status, "OK", "COPY")
        c.cmd("STORE 2:3 +FLAGS (\\Deleted)")
        equal(c.cmd("EXPUNGE").status, "OK", "EXPUNGE")
    equal(run("import", "maildir", top, who), dict(again, already=30, gone=2), "third")
    s.kill_role("mailbox")
    equal(run("import", "maildir", top, who), dict(again, already=30, gone=2), "in another process")
    equal(run("import", "maildir", top, who, "--folder", "Second.Copy")["letters"], 32, "another folder is another place")


@test("killed in the middle, again and again: in the end each letter is there once", limit=180)
def killed():
    who, top, s = forget(), many("killed", 1200), shared()
    want = sorted((BODY % (b"n%d" % i, b"x" * 300)).replace(b"\n", b"\r\n") for i in range(1200))
    for pause in (0.15, 0.35, 0.6):
        p = subprocess.Popen([s.binary, "-c", s.conf, "import", "maildir", top, who], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        time.sleep(pause * SLOW)
        s.kill_role("mailbox")
        out, err = p.communicate(timeout=60)
        check(p.returncode in (0, 3), "ended with %s: %s%s" % (p.returncode, out, err))
    p = subprocess.Popen([s.binary, "-c", s.conf, "import", "maildir", top, who], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    time.sleep(0.1)
    p.kill()                                                         # the tool itself
    p.communicate()
    r = run("import", "maildir", top, who)
    equal(r["letters"] + r["already"], 1200, "the last run: %r" % r)
    got = letters()
    equal(sorted(l[0] for l in got), want, "letters")
    check(all(l[1] == ["\\Seen"] for l in got), "flags")
    check("0 findings" in s.command("mailbox", "verify", who)[1], "verify")


@test("what was delivered is the same as its copy: an export comes back without doubles, also as mbox")
def delivered():
    who, s = forget("bob"), shared()
    for i in range(3):
        s.give("bob")
    eventually(lambda: len(s.paths("bob")) == 3, 10 * SLOW, what="three letters")
    equal(run("export", "maildir", who, source("out"))["letters"], 3, "export")
    equal(run("export", "mbox", who, source("out.mbox"), "--folder", "INBOX")["letters"], 3, "export")
    equal(run("import", "maildir", TOP + "/out", who)["already"], 3, "import")
    equal(run("import", "mbox", TOP + "/out.mbox", who)["already"], 3, "import of the mbox")
    equal(len(letters(user="bob")), 3, "letters")


FROM = b"From a@example.org Thu Jul 13 02:40:%02d 2017\n"


@test("mbox: Status, X-Status, X-Keywords, Thunderbird's fields, quoting, CRLF, c-client's own letter")
def mbox():
    who, path = forget("bob"), source("box")
    with open(path, "wb") as f:
        f.write(b"From MAILER-DAEMON Fri Jul  8 12:08:34 2011\nSubject: DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA\n"
                b"X-IMAP: 1 2\n\nx\n\n")
        f.write(FROM % 1 + b"Status: RO\nX-Status: AF\nX-Keywords: $Label2 work\nSubject: 1\n\n>From me\n>>From you\nFrom here\n\n\n")
        f.write(FROM % 2 + b"X-Mozilla-Status: 0001\nX-Mozilla-Keys: later\nSubject: 2\n\nbody\n\n")
        f.write((FROM % 3).replace(b"\n", b"\r\n") + b"Subject: 3\r\nStatus: O\r\n\r\nbody\r\n\r\n")
        f.write(FROM % 4 + b"Subject: 4\n\nno end of line")
    equal(run("import", "mbox", path, who)["letters"], 4, "letters")
    equal(letters(user="bob"), [
        (b"Subject: 1\r\n\r\nFrom me\r\n>From you\r\nFrom here\r\n\r\n", sorted(["\\Seen", "\\Answered", "\\Flagged", "$Label2", "work"]), 1499913601),
        (b"Subject: 2\r\n\r\nbody\r\n", ["\\Seen", "later"], 1499913602),
        (b"Subject: 3\r\n\r\nbody\r\n", [], 1499913603),
        (b"Subject: 4\r\n\r\nno end of line", [], 1499913604)], "letters")
    equal(run("import", "mbox", path, who)["already"], 4, "twice")


@test("a tree of mbox files; --folder for one of them")
def mbox_tree():
    who, top = forget("bob"), source("boxes")
    os.makedirs(top + "/Lists.sbd")
    for i, name in enumerate(("Inbox", "Sent.mbox", "Lists", "Lists.sbd/linux", "Lists.msf")):
        with open(os.path.join(top, name), "wb") as f:
            f.write(b"index" if name.endswith("msf") else FROM % i + b"Subject: %d\n\nx\n\n" % i)
    equal(run("import", "mbox", top, who)["folders"], 4, "folders")
    equal(sorted(f["name"] for f in run("mailbox", "list", who) if f["letters"]), ["INBOX", "Lists", "Lists.linux", "Sent"], "names")
    run("import", "mbox", top + "/Lists", who, "--folder", "Alt.Liste")
    equal(len(letters("Alt.Liste", "bob")), 1, "--folder")


@test("a large mbox goes through without growing anybody", limit=180)
def large():
    who, path, s = forget("bob"), source("large"), shared()
    size, line = 48 << 20, b"0123456789abcdef" * 4 + b"\n"
    with open(path, "wb") as f:
        f.write(FROM % 1 + b"Subject: huge\n\n" + line * (size // len(line)) + b"\n")
        for i in range(200):
            f.write(FROM % 2 + b"Subject: small %d\n\n" % i + line * 300 + b"\n")
    most = [0]

    def watch():
        for pid in s.roles().get("mailbox", []) + [p.pid]:
            try:
                with open("/proc/%d/status" % pid) as f:
                    most[0] = max(most[0], int(re.search(r"VmHWM:\s+(\d+)", f.read()).group(1)))
            except (OSError, AttributeError):
                pass

    p = subprocess.Popen([s.binary, "-c", s.conf, "import", "mbox", path, who], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    while p.poll() is None:
        watch()
        time.sleep(0.05)
    equal((p.returncode, p.stderr.read()), (0, b""), "import")
    check("asan" in s.binary or 0 < most[0] < 40 << 10, "the largest process had %d KiB" % most[0])
    out = source("large.out")
    equal(run("export", "mbox", who, out, "--folder", "INBOX", timeout=120)["letters"], 201, "export")
    a, b = mailbox.mbox(out), os.path.getsize(path)
    equal(len(a), 201, "Python's mailbox counts")
    check(abs(os.path.getsize(out) - b) < 200 * 100, "octets: %d, %d" % (os.path.getsize(out), b))


@test("a bar on a terminal, and nothing where there is none")
def bar():
    who, top, s = forget("bob"), many("bar", 400), shared()
    master, slave = pty.openpty()
    p = subprocess.Popen([s.binary, "-c", s.conf, "import", "maildir", top, who], stdout=subprocess.PIPE, stderr=slave)
    os.close(slave)
    seen = b""
    try:
        while True:
            seen += os.read(master, 4096)
    except OSError:
        pass
    check(re.search(rb"\r\[[#.]{40}\] +\d+%", seen), "a bar: %r" % seen[:200])
    check(p.stdout.read().startswith(b"400 letters in 1 folders"), "summary")
    equal(p.wait(), 0, "status")
    equal(s.command("import", "maildir", top, who)[2], "", "stderr without a terminal")


@test("hostile entries: links, fifos, directories, empty files; what cannot be taken is said, the rest comes in")
def hostile():
    who, top = forget("bob"), many("hostile", 3)
    os.symlink("/etc/passwd", top + "/cur/1500000100.l.h:2,")
    os.mkfifo(top + "/cur/1500000101.f.h:2,")
    os.mkdir(top + "/cur/1500000102.d.h:2,")
    put(top, "", "1500000103.e.h:2,", b"", 1500000103)
    os.symlink("/etc", top + "/.Etc")
    code, out, err = shared().command("--json", "import", "maildir", top, who)
    equal((code, json.loads(out)["letters"], json.loads(out)["refused"]), (5, 3, 4), out + err)
    check("passwd" not in "".join(str(l) for l in letters(user="bob")), "a link was followed")
    with open(top + "/cur/1500000104.g.h:2,", "wb") as f:
        f.truncate(5 << 30)
    code, out, err = shared().command("--json", "import", "maildir", top, who, timeout=60)
    check(code == 5 and "4 GiB" in err, "five GiB in one letter: %s %s" % (code, err))


@test("an export never touches what is there")
def there():
    who, top = forget("bob"), source("there")
    run("import", "maildir", many("few", 2), who)
    os.makedirs(top)
    with open(top + "/mine", "w") as f:
        f.write("mine")
    check("not empty" in run("export", "maildir", who, top, code=1), "Maildir")
    check("not empty" in run("export", "mbox", who, top, code=1), "mbox")
    run("export", "mbox", who, top + "/mine", "--folder", "INBOX", code=1)
    run("export", "maildir", who, top + "/new", "--folder", "absent", code=1)
    equal(open(top + "/mine").read(), "mine", "its content")


@cases([(" ".join(a), a, code) for a, code in (
    (("import", "maildir", "/nonexistent", "alice@example.org"), 1), (("import", "maildir", "/etc", "alice@example.org"), 1),
    (("import", "mbox", "/etc/passwd", "alice@example.org"), 1), (("import", "mbox", "/dev/null", "alice@example.org"), 1),
    (("import", "maildir", "/tmp", "nobody@example.org"), 1), (("export", "mbox", "nobody@example.org", "/tmp/x"), 1),
    (("import", "mbox", "/etc/passwd", "alice@example.org", "--folder", "a/b"), 1), (("import", "maildir", "/tmp"), 2),
    (("import", "maildir", "/tmp", "a", "b", "c"), 2), (("import", "pst", "/tmp", "a"), 2), (("export", "maildir", "a", "--folder", "b"), 2))])
def wrong(args, code):
    s = shared()
    got, out, err = s.command(*args)
    equal(got, code, out + err)
    check(err.startswith("waxwing: ") and "\0" not in err, "a sentence: %r" % err)
    check(not os.path.exists(s.home("nobody")), "a home was made for nobody")


if __name__ == "__main__":
    main()
