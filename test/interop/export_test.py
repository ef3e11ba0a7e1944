#!/usr/bin/python3
"""What waxwing export writes, read by Dovecot, neomutt and Python; what Dovecot, neomutt and Python wrote, imported.
Each side is asked for letters, flags, keywords, dates and folders, and both answers must be the same."""
import email.utils
import imaplib
import json
import mailbox
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import tempfile
import time

import imap_target
import mail_maker
from server import SLOW
from tap import AT_END, check, equal, fail, main, skip, test

TOP = tempfile.mkdtemp(prefix="wx-export-")
AT_END.append(lambda: shutil.rmtree(TOP, ignore_errors=True))
os.chmod(TOP, 0o755)
HARD = [b"Subject: quoting\r\n\r\nFrom here\r\n>From there\r\n>>From a@b Thu Jan  1 00:00:00 1970\r\nFrom a@b Thu Jan  1 00:00:00 1970\r\n\r\n\r\n",
        b"Subject: no body\r\n\r\n", b"Subject: =?utf-8?q?=C3=BC?=\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n\xc3\xbc \xff\r\n",
        b"Subject: status\r\nStatus-Quo: yes\r\nX-Keywords-Not: a\r\n\r\nStatus: RO\r\n\r\n.\r\n..\r\n"]
FLAGS = ("", "\\Seen", "\\Flagged \\Answered", "\\Draft", "\\Deleted \\Seen", "$Label1 \\Seen", "work later")
STATE = {}


def letters():
    maker = mail_maker.Maker(7)
    return HARD + [maker.letter(i)[0] for i in range(36)]


def imap(t, user):
    m = imaplib.IMAP4(t.host, t.imap, timeout=60)
    m.login(t.login_name(user), t.password(user))
    return m


def content(t, user, folder="INBOX"):
    """[(letter, flags, seconds)] by UID."""
    m, out = imap(t, user), []
    equal(m.select('"%s"' % folder, readonly=True)[0], "OK", "%s: SELECT %s" % (t.name, folder))
    if m.untagged_responses["EXISTS"] != [b"0"]:
        for r in m.fetch("1:*", "(FLAGS INTERNALDATE BODY.PEEK[])")[1]:
            if isinstance(r, tuple):
                flags = {f.decode().lower() for f in imaplib.ParseFlags(r[0])} - {"\\recent"}
                out.append((r[1], sorted(flags), int(time.mktime(imaplib.Internaldate2tuple(r[0])))))
    m.logout()
    return out


def folders(t, user):
    m = imap(t, user)
    out = sorted(re.search(rb'"?([^" ]+)"?$', l).group(1).decode() for l in m.list()[1] if b"\\NoSelect" not in l and b"\\Noselect" not in l)
    m.logout()
    return out


def fill(t, user):
    m = imap(t, user)
    for folder in ("INBOX", "Lists.linux", "Entw&APw-rfe"):
        m.create(folder)
        for i, l in enumerate(letters()[:40 if folder == "INBOX" else 5]):
            when = '"%s"' % time.strftime("%d-%b-%Y %H:%M:%S +0000", time.gmtime(1500000000 + 7777 * i))
            r = m.append(folder, "(%s)" % FLAGS[i % len(FLAGS)], when, l)
            equal(r[0], "OK", "%s: APPEND %r" % (t.name, r))
    m.logout()


def waxwing():
    if "waxwing" not in STATE:
        STATE["waxwing"] = t = imap_target.Waxwing(users=("alice", "bob", "carol", "dave", "erin"))
        AT_END.append(t.end)
        fill(t, "alice")
    return STATE["waxwing"]


def run(t, *args, code=0):
    got, out, err = t.s.command("--json", *args, timeout=60)
    equal(got, code, "waxwing %s: %s%s" % (" ".join(args), out, err))
    return json.loads(out)


def dovecot(extra=""):
    import against_dovecot
    t = against_dovecot.Dovecot(extra=extra)
    AT_END.append(t.end)
    return t


def same(a, b, what, dates=True, flags=True):
    cut = lambda rows: sorted((l, f if flags else None, d if dates else None) for l, f, d in rows)
    equal(len(a), len(b), what + ": letters")
    for x, y in zip(cut(a), cut(b)):
        equal(x, y, what)


def exported(kind):
    """alice's mail as a Maildir or as mbox files."""
    if kind not in STATE:
        t, path = waxwing(), os.path.join(TOP, kind)
        r = run(t, "export", kind, t.login_name("alice"), path)
        equal((r["letters"], r["refused"]), (50, 0), "letters")
        STATE[kind] = path
    return STATE[kind]


@test("Dovecot opens an exported Maildir: letters, flags, keywords, dates, folders", limit=120)
def to_dovecot():
    t, path, d = waxwing(), exported("maildir"), dovecot()
    shutil.rmtree(d.maildir("alice"), ignore_errors=True)
    shutil.copytree(path, d.maildir("alice"))
    subprocess.run(["cp", "-a", path + "/.", d.maildir("alice")], check=True)
    d.own("alice")
    equal(folders(d, "alice"), folders(t, "alice"), "folders")
    for f in folders(t, "alice"):
        same(content(d, "alice", f), content(t, "alice", f), f)
    check(not d.problems(), "Dovecot's log: %s" % d.problems())


@test("Dovecot opens exported mbox files", limit=120)
def mbox_to_dovecot():
    t, path = waxwing(), exported("mbox")
    d = dovecot("mail_location = mbox:~/mail:INBOX=~/mail/INBOX\nmbox_write_locks = fcntl\n")
    shutil.copytree(path, os.path.join(d.home("alice"), "mail"))
    d.own("alice")
    for f, name in (("INBOX", "INBOX"), ("Lists.linux", "Lists.linux")):
        if not os.path.exists(os.path.join(path, name)):
            fail("no file %s" % name)
    # Dovecot leaves ">From " as it is: it knows no quoting
    unquoted = [(re.sub(rb"(?m)^>(>*From )", rb"\1", l), f, s) for l, f, s in content(d, "alice")]
    same(unquoted, content(t, "alice"), "INBOX")


def unquote(raw):
    return re.sub(rb"(?m)^>(>*From )", rb"\1", raw).replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


@test("Python reads both forms")
def to_python():
    t = waxwing()
    want = content(t, "alice")
    box = mailbox.mbox(exported("mbox") + "/INBOX")
    equal(len(box), len(want), "letters of the mbox")
    by = {"R": "\\seen", "A": "\\answered", "F": "\\flagged", "D": "\\deleted"}
    for i, (raw, flags, date) in enumerate(want):
        m = box[i]
        equal(sorted(f for f in (by.get(c) for c in m.get_flags()) if f), sorted(f for f in flags if f in by.values()), "flags %d" % i)
        equal(sorted((m["X-Keywords"] or "").lower().split()), sorted(f for f in flags if f[0] != "\\"), "keywords %d" % i)
        equal(time.strptime(m.get_from().split(None, 1)[1])[:6], time.gmtime(date)[:6], "date %d" % i)
        text = unquote(box.get_bytes(i))
        text = re.sub(rb"\A(?:(?:Status|X-Status|X-Keywords|X-IMAPbase|X-UID): [^\r]*\r\n)*", b"", text)
        check(text == raw or text == raw + b"\r\n", "letter %d: %r" % (i, text[:200]))
    md = mailbox.Maildir(exported("maildir"), create=False)
    equal(sorted(md.list_folders()), ["Entw&APw-rfe", "Lists.linux"], "folders")
    got = sorted((md.get_bytes(k).replace(b"\n", b"\r\n"), int(md.get_message(k).get_date())) for k in md.keys())
    equal(got, sorted((l, d) for l, _, d in want), "letters and dates of the Maildir")


def neomutt(box, *options, push):
    """A session in a terminal until the program ends."""
    if not shutil.which("neomutt"):
        skip("neomutt is not installed")
    home = tempfile.mkdtemp(dir=TOP)
    with open(home + "/rc", "w") as f:
        f.write("\n".join(("set wait_key = no", "set sleep_time = 0", "set confirmappend = no", "set confirmcreate = no",
                           "set delete = no", "set move = no", "set quit = yes", "set folder = %s" % home, "set collapse_all = no",
                           "set mail_check = 600") + options) + "\n")
    pid, fd = pty.fork()
    if pid == 0:
        os.environ.update(TERM="xterm", LINES="40", COLUMNS="120", HOME=home, LC_ALL="C.UTF-8")
        os.execvp("neomutt", ["neomutt", "-n", "-F", home + "/rc", "-f", box, "-e", 'push "%s"' % push])
    out, end = b"", time.monotonic() + 30 * SLOW
    try:
        while time.monotonic() < end:
            if select.select([fd], [], [], 0.2)[0]:
                got = os.read(fd, 65536)
                if not got:
                    break
                out += got
    except OSError:
        pass
    else:
        os.kill(pid, signal.SIGKILL)
        fail("neomutt does not end: %r" % out[-600:])
    os.waitpid(pid, 0)
    os.close(fd)
    return home


ALL = "<tag-pattern>~A<enter><tag-prefix><copy-message>%s<enter><quit>"


@test("neomutt reads both forms: what it copies has the letters and flags; its mbox comes in again", limit=120)
def mutt():
    t = waxwing()
    want = content(t, "alice")
    for kind, box in (("maildir", exported("maildir")), ("mbox", exported("mbox") + "/INBOX")):
        before = os.path.getsize(box) if kind == "mbox" else 0
        copy = os.path.join(TOP, "copy-" + kind)
        neomutt(box, "set mbox_type = mbox", push=ALL % copy)
        check(kind == "maildir" or os.path.getsize(box) >= before, "the mbox shrank")
        who = {"maildir": "bob", "mbox": "carol"}[kind]
        run(t, "import", "mbox", copy, t.login_name(who))
        flags = lambda rows: sorted(tuple(f for f in x[1] if f in ("\\seen", "\\flagged", "\\answered")) for x in rows)
        equal(flags(content(t, who)), flags(want), "flags from " + kind)
        # neomutt neither quotes nor takes the quotes of an mbox away
        bodies = lambda rows: sorted(l.split(b"\r\n\r\n", 1)[1].rstrip() for l, _, _ in rows)
        equal(bodies((unquote(l) if kind == "mbox" else l, f, d) for l, f, d in content(t, who)), bodies(want), "bodies from " + kind)
        run(t, "import", "mbox", copy, t.login_name(who))
        equal(len(content(t, who)), len(want), "twice")


@test("what Dovecot wrote is imported: its Maildir with dovecot-keywords, and its mbox files", limit=120)
def from_dovecot():
    t = waxwing()
    d = dovecot()
    fill(d, "alice")
    d.stop()
    r = run(t, "import", "maildir", d.maildir("alice"), t.login_name("dave"))
    equal((r["letters"], r["refused"]), (50, 0), "Maildir")
    for f in ("INBOX", "Lists.linux", "Entw&APw-rfe"):
        same(content(t, "dave", f), content(waxwing(), "alice", f), f)
    equal(run(t, "import", "maildir", d.maildir("alice"), t.login_name("dave"))["already"], 50, "twice")
    d = dovecot("mail_location = mbox:~/mail:INBOX=~/mail/INBOX\nmbox_write_locks = fcntl\n")
    fill(d, "alice")
    d.stop()
    r = run(t, "import", "mbox", os.path.join(d.home("alice"), "mail", "INBOX"), t.login_name("erin"))
    # Dovecot quotes nothing and writes Content-Length; a letter without a body gets an empty line from it
    plain = lambda rows: [x for x in rows if b"Subject: no body" not in x[0]]
    same(plain(content(t, "erin")), plain(content(t, "alice")), "mbox")


if __name__ == "__main__":
    main()
