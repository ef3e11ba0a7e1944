#!/usr/bin/python3
"""Other people's mail programs against our IMAP and POP3, unattended: mbsync, offlineimap,
neomutt, curl, fetchmail, Python's imaplib and poplib.  TARGET=dovecot runs them against
Dovecot."""
import email
import glob
import imaplib
import os
import poplib
import pty
import random
import re
import select
import shutil
import signal
import subprocess
import tempfile
import time

import imap_client as imap
import imap_target
import mail_maker
import server
import tap
from tap import cases, check, equal, test

SLOW = server.SLOW
USERS = ("mbsync", "offline", "mutt", "curl", "fetch", "fetchpop", "imaplib", "poplib", "pop3")
LETTERS = 2000


def target():
    return imap_target.shared(users=USERS)


def account(user):
    t = target()
    return t, t.login_name(user), t.password(user)


def client(t, user):
    c = imap.Imap((t.host, t.imap), timeout=60)
    c.login(t.login_name(user), t.password(user))
    return c


def give(t, user, letters, mailbox=b"INBOX"):
    """All in one MULTIAPPEND."""
    with client(t, user) as c:
        if mailbox != b"INBOX":
            c.cmd(b"CREATE " + imap.quoted(mailbox))
        r, _ = c.append_many(mailbox, letters)
        equal(r.status, b"OK", "MULTIAPPEND %r" % r)


def some(n, seed=1):
    maker = mail_maker.Maker(seed)
    return [maker.letter(i)[0] for i in range(n)]


def content(t, user, mailbox=b"INBOX"):
    """{Message-ID: (flags, letter)} as the server has it."""
    out = {}
    with client(t, user) as c:
        c.ok(b"EXAMINE " + imap.quoted(mailbox))
        for r in c.ok(b"UID FETCH 1:* (FLAGS BODY.PEEK[])"):
            if r.word(1) == b"FETCH":
                got = dict(zip([bytes(k).upper() for k in r.args[2][::2]], r.args[2][1::2]))
                if b"BODY[]" not in got:         # another session's change, told by the way
                    continue
                flags = {bytes(f).lower() for f in got[b"FLAGS"]} - {b"\\recent"}
                out[message_id(got[b"BODY[]"])] = (flags, got[b"BODY[]"])
    return out


def message_id(raw):
    return re.search(rb"^Message-ID: *(\S+)", raw, re.M | re.I).group(1)


def need(*programs):
    for p in programs:
        if not shutil.which(p):
            tap.skip("%s is not installed" % p)


def run(*argv, limit=60, env=None, ok=(0,), input=None):
    p = subprocess.run(argv, capture_output=True, timeout=limit * SLOW, input=input,
                       env=dict(os.environ, LC_ALL="C.UTF-8", **(env or {})))
    out = (p.stdout + p.stderr).decode("utf-8", "replace")
    check(p.returncode in ok, lambda: "%s: %d\n%s" % (argv[0], p.returncode, out[-2000:]))
    return out


def maildir_content(folder):
    """{Message-ID: (flags, path)}"""
    out = {}
    for p in glob.glob(folder + "/cur/*") + glob.glob(folder + "/new/*"):
        with open(p, "rb") as f:
            raw = f.read()
        flags = p.rpartition(":2,")[2] if ":2," in p else ""
        out[message_id(raw)] = (flags, p, raw)
    return out


MBSYNC = """
FSync no
IMAPStore far
Host {host}
Port {port}
User {user}
Pass {password}
SSLType None
Timeout 60

MaildirStore near
Path {dir}/
Inbox {dir}/INBOX
SubFolders Verbatim

Channel all
Far :far:
Near :near:
Patterns *
Create Both
Remove Both
Expunge Both
SyncState {dir}/state-
"""


def same(t, user, folder, mailbox, flags=True):
    far, near = content(t, user, mailbox), maildir_content(folder)
    equal(len(near), len(far), "letters in %s" % folder)
    for mid, (f, path, raw) in near.items():
        check(mid in far, "%s is not on the server" % mid)
        equal("S" in f, b"\\seen" in far[mid][0], "%s Seen of %s" % (f, mid))
        equal("F" in f, b"\\flagged" in far[mid][0], "%s Flagged of %s" % (f, mid))
        # mbsync adds X-TUID to what it puts on the server, and removes it from what it gets
        text = re.sub(rb"X-TUID: .*\r?\n", b"", far[mid][1].replace(b"\r\n", b"\n"))
        equal(re.sub(rb"X-TUID: .*\n", b"", raw), text, "text of %s" % mid)


@test("mbsync: two ways with thousands of letters, then nothing to do", limit=180)
def mbsync():
    need("mbsync")
    t, user, password = account("mbsync")
    d = tempfile.mkdtemp(prefix="wx-mbsync-")
    try:
        give(t, "mbsync", some(LETTERS))
        give(t, "mbsync", some(30, 2), b"Work")
        give(t, "mbsync", some(3, 3), b"R&AOk-sum&AOk-")
        rc = os.path.join(d, "rc")
        with open(rc, "w") as f:
            f.write(MBSYNC.format(host=t.host, port=t.imap, user=user, password=password, dir=d))
        run("mbsync", "-c", rc, "-a", limit=120)
        for box, folder in ((b"INBOX", "INBOX"), (b"Work", "Work"), (b"R&AOk-sum&AOk-", "R&AOk-sum&AOk-")):
            same(t, "mbsync", os.path.join(d, folder), box)
        change_both(t, d)
        run("mbsync", "-c", rc, "-a", limit=120)
        same(t, "mbsync", d + "/INBOX", b"INBOX")
        equal(len(content(t, "mbsync")), LETTERS + 20 + 5 - 10 - 10, "letters after both sides changed")
        out = run("mbsync", "-c", rc, "-V", "-a")
        moved = re.findall(r"([1-9]\d*) (?:new|changed|deleted)|\bPropagating\b.*", out)
        check(not re.search(r"[+*#][1-9]", out) and not moved, "not nothing to do:\n" + out[-1500:])
        same(t, "mbsync", d + "/INBOX", b"INBOX")
    finally:
        shutil.rmtree(d, ignore_errors=True)


def change_both(t, d):
    """Near: 20 new, 30 flagged, 10 deleted.  Far: 5 new, 30 flagged, 10 expunged."""
    rng = random.Random(5)
    near = sorted(maildir_content(d + "/INBOX").values(), key=lambda v: v[1])
    rng.shuffle(near)
    for flags, path, _raw in near[:30]:
        base = path.rpartition(":2,")[0] or path
        new = os.path.join(os.path.dirname(os.path.dirname(path)), "cur", os.path.basename(base))
        os.rename(path, new + ":2," + "".join(sorted(set(flags) | {"F", "S"})))
    for _flags, path, _raw in near[30:40]:
        os.unlink(path)
    for i, l in enumerate(some(20, 6)):
        with open("%s/INBOX/cur/%d.near%d.host:2,S" % (d, time.time(), i), "wb") as f:
            f.write(l.replace(b"\r\n", b"\n"))
    ids = [message_id(v[2]) for v in near[40:80]]
    with client(t, "mbsync") as c:
        c.ok("SELECT INBOX")
        uid = {}
        for r in c.ok("UID FETCH 1:* (BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])"):
            if r.word(1) == b"FETCH":
                got = dict(zip([bytes(k).upper() for k in r.args[2][::2]], r.args[2][1::2]))
                text = [v for k, v in got.items() if k.startswith(b"BODY[")][0]
                uid[message_id(text)] = got[b"UID"]
        c.ok(b"UID STORE %s +FLAGS (\\Flagged)" % b",".join(uid[m] for m in ids[:30]))
        c.ok(b"UID STORE %s +FLAGS (\\Deleted)" % b",".join(uid[m] for m in ids[30:]))
        c.ok("EXPUNGE")
    give(t, "mbsync", some(5, 7))


OFFLINE = """
[general]
accounts = a
metadata = {dir}/meta
maxsyncaccounts = 1
[Account a]
localrepository = l
remoterepository = r
[Repository l]
type = Maildir
localfolders = {dir}/mail
[Repository r]
type = IMAP
remotehost = {host}
remoteport = {port}
remoteuser = {user}
remotepass = {password}
ssl = no
starttls = no
auth_mechanisms = PLAIN, LOGIN
"""


@test("offlineimap: two ways, then nothing to do", limit=120)
def offlineimap():
    need("offlineimap")
    t, user, password = account("offline")
    d = tempfile.mkdtemp(prefix="wx-offline-")
    try:
        give(t, "offline", some(200, 11))
        give(t, "offline", some(5, 12), b"Archive")
        rc = os.path.join(d, "rc")
        with open(rc, "w") as f:
            f.write(OFFLINE.format(host=t.host, port=t.imap, user=user, password=password, dir=d))

        def sync():
            return run("offlineimap", "-o", "-c", rc, "-u", "basic", env={"HOME": d}, limit=100)
        sync()
        equal(len(maildir_content(d + "/mail/INBOX")), 200, "letters in INBOX")
        equal(len(maildir_content(d + "/mail/Archive")), 5, "letters in Archive")
        near = sorted(maildir_content(d + "/mail/INBOX").values(), key=lambda v: v[1])
        for _f, path, _r in near[:7]:
            os.unlink(path)
        with open(d + "/mail/INBOX/cur/%d.1.host:2,S" % time.time(), "wb") as f:
            f.write(some(1, 13)[0].replace(b"\r\n", b"\n"))
        give(t, "offline", some(3, 14))
        sync()
        far, near = content(t, "offline"), maildir_content(d + "/mail/INBOX")
        equal((len(far), set(far) == set(near)), (200 - 7 + 1 + 3, True), "both sides")
        out = sync()
        check(not re.search(r"Copy message|Deleting|Adding flag", out), "not nothing to do:\n" + out[-1500:])
    finally:
        shutil.rmtree(d, ignore_errors=True)


MUTT = """
set folder="imap://{host}:{port}/" spoolfile="imap://{host}:{port}/INBOX"
set imap_user="{user}" imap_pass="{password}" ssl_starttls=no ssl_force_tls=no
set header_cache="" message_cachedir="" sleep_time=0 quit=yes help=no delete=yes confirmappend=no
set index_format="%C|%s|%i" sort=mailbox-order record="" wait_key=no mail_check=5 timeout=5
"""


class Screen:
    """A program on a terminal of its own."""

    def __init__(self, argv, env):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ.update(env)
            os.execvp(argv[0], argv)
        self.out = b""

    def until(self, *words, limit=20):
        end, start = time.monotonic() + limit * SLOW, len(self.out)
        while not all(w in self.out[start:] for w in words):
            if time.monotonic() > end:
                tap.fail("does not show %s: %r" % (words, self.out[-800:]))
            if select.select([self.fd], [], [], 0.2)[0]:
                try:
                    self.out += os.read(self.fd, 65536)
                except OSError:
                    break

    def keys(self, text):
        os.write(self.fd, text)

    def end(self):
        try:
            os.kill(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        os.waitpid(self.pid, 0)
        os.close(self.fd)


@test("neomutt: lists, reads, deletes and saves a letter", limit=60)
def neomutt():
    need("neomutt")
    t, user, password = account("mutt")
    letters = [b"From: a@example.net\r\nTo: b@example.org\r\nSubject: subject-%d\r\nMessage-ID: <m%d@x>\r\n"
               b"Date: Sun, 22 Nov 2020 10:00:0%d +0000\r\n\r\nbody-%d\r\n" % (i, i, i, i) for i in range(5)]
    give(t, "mutt", letters)
    with client(t, "mutt") as c:
        c.ok("CREATE Kept")
    d = tempfile.mkdtemp(prefix="wx-mutt-")
    screen = None
    try:
        rc = os.path.join(d, "rc")
        with open(rc, "w") as f:
            f.write(MUTT.format(host=t.host, port=t.imap, user=user, password=password))
        screen = Screen(["neomutt", "-n", "-F", rc], {
            "TERM": "xterm", "LINES": "40", "COLUMNS": "160", "HOME": d, "LC_ALL": "C.UTF-8"})
        screen.until(*[b"subject-%d" % i for i in range(5)])
        screen.keys(b"1\n\n")           # the first letter, open
        screen.until(b"body-0")
        screen.keys(b"q3\ns=Kept\n")    # the third is saved elsewhere, which deletes it here
        screen.until(b"Kept")
        screen.keys(b"5\nd$")
        tap.eventually(lambda: set(content(t, "mutt")) == {b"<m0@x>", b"<m1@x>", b"<m3@x>"}, 15 * SLOW, 0.3,
                       lambda: "INBOX %s; %r" % (sorted(content(t, "mutt")), screen.out[-500:]))
        equal(set(content(t, "mutt", b"Kept")), {b"<m2@x>"}, "Kept")
        check(b"\\seen" in content(t, "mutt")[b"<m0@x>"][0], "what was read is not seen")
    finally:
        screen and screen.end()
        shutil.rmtree(d, ignore_errors=True)


@cases([("%s" % s, s) for s in ("imap", "imaps", "imap with STARTTLS")], name="curl: {0}", limit=60)
def curl_imap(scheme):
    need("curl")
    t, user, password = account("curl")
    port = t.imaps if scheme == "imaps" else t.imap
    url = "%s://%s:%d" % (scheme.split()[0], t.host, port)
    base = ["curl", "-sS", "-k", "--user", "%s:%s" % (user, password), "--max-time", "20"]
    if "STARTTLS" in scheme:
        base += ["--ssl-reqd"]
    box = "Curl" + scheme[-1]
    run(*base, url, "-X", "CREATE " + box)
    letter = b"From: a@example.net\r\nSubject: sent by curl\r\nMessage-ID: <curl@x>\r\n\r\nhello curl\r\n"
    with tempfile.NamedTemporaryFile() as f:
        f.write(letter)
        f.flush()
        run(*base, url + "/" + box, "-T", f.name)
    got = run(*base, url + "/%s;UID=1" % box)
    equal(got.encode().replace(b"\r\n", b"\n"), letter.replace(b"\r\n", b"\n"), "letter by UID")
    check("hello curl" in run(*base, url + "/%s;MAILINDEX=1;SECTION=TEXT" % box), "section")
    check(re.search(r"SEARCH 1\b", run(*base, url + "/%s?SUBJECT%%20curl" % box)), "search")
    check(box in run(*base, url + "/"), "list")
    out = run(*base, url + "/%s" % box, "-X", "FETCH 1 (ENVELOPE BODYSTRUCTURE)", "-v")
    check("sent by curl" in out, "ENVELOPE: " + out[-500:])
    for mech in ("PLAIN", "LOGIN"):
        check("EXAMINE" in run(*base, "--login-options", "AUTH=" + mech, url + "/", "-X", "EXAMINE " + box, "-v"),
              "AUTH " + mech)
    run("curl", "-sS", "-k", "--user", user + ":wrong", url + "/", "--max-time", "30", ok=(67,))


@cases([("%s" % s, s) for s in ("pop3", "pop3s", "pop3 with STLS")], name="curl: {0}", limit=60)
def curl_pop3(scheme):
    need("curl")
    t, user, password = account("pop3")
    if t.name == "waxwing" and not imap_target.serves("pop3"):
        tap.skip("this waxwing has no `listen pop3` yet")
    url = "%s://%s:%d" % (scheme.split()[0], t.host, t.pop3s if scheme == "pop3s" else t.pop3)
    base = ["curl", "-sS", "-k", "--user", "%s:%s" % (user, password), "--max-time", "20"]
    if "STLS" in scheme:
        base += ["--ssl-reqd"]
    letter = b"From: a@example.net\r\nSubject: %s\r\nMessage-ID: <p@x>\r\n\r\n.dot\r\nend\r\n" % scheme.encode()
    give(t, "pop3", [letter])
    n = len(re.findall(r"^\d+ \d+", run(*base, url + "/"), re.M))
    check(n >= 1, "list")
    got = run(*base, url + "/%d" % n).encode()
    check(scheme.encode() in got and b"\n.dot" in got, "letter: %r" % got)
    check(re.search(r"^%d \S+" % n, run(*base, url + "/", "-X", "UIDL"), re.M), "UIDL")
    run(*base, "-I", url + "/%d" % n, "-X", "DELE")
    equal(len(re.findall(r"^\d+ \d+", run(*base, url + "/"), re.M)), n - 1, "letters after DELE")


FETCHMAIL = """
set no syslog
set no bouncemail
poll {host} port {port} protocol {protocol} timeout 30 {server}
  user "{user}" password "{password}" is "root" here
  {options}
  mda "/bin/sh -c 'cat >> {dir}/got; echo END >> {dir}/got'"
"""


@cases([("IMAP, all fetched and removed", "imap", "fetch", "fetchall no keep sslproto \"\""),
        ("IMAP over TLS, kept", "imap", "fetch", "ssl no sslcertck keep fetchall"),
        ("POP3, all fetched and removed", "pop3", "fetchpop", "fetchall no keep sslproto \"\""),
        ("POP3, kept, UIDL", "pop3", "fetchpop", "keep sslproto \"\"", "uidl")],
       name="fetchmail: {0}", limit=90)
def fetchmail(protocol, who, options, name=""):
    need("fetchmail")
    t, user, password = account(who)
    if protocol == "pop3" and t.name == "waxwing" and not imap_target.serves("pop3"):
        tap.skip("this waxwing has no `listen pop3` yet")
    d = tempfile.mkdtemp(prefix="wx-fetch-")
    try:
        tls = options.startswith("ssl ")
        port = {"imap": t.imaps if tls else t.imap, "pop3": t.pop3}[protocol]
        rc = os.path.join(d, "rc")
        with open(rc, "w") as f:
            f.write(FETCHMAIL.format(host=t.host, port=port, protocol=protocol, user=user,
                                     password=password, options=options, dir=d,
                                     server="uidl" if name == "uidl" else ""))
        os.chmod(rc, 0o600)
        give(t, who, some(40, len(options)))
        want = len(content(t, who))

        def fetch(ok):
            return run("fetchmail", "-f", rc, "--nodetach", "--invisible", env={
                "FETCHMAILHOME": d, "HOME": d}, ok=ok, limit=60)
        fetch((0,))
        with open(d + "/got") as f:
            got = f.read()
        equal(got.count("\nEND\n"), want, "letters fetched")
        equal(len(content(t, who)), want if " keep" in " " + options and "no keep" not in options else 0,
              "letters left")
        if name == "uidl":
            fetch((1,))         # 1: nothing new
    finally:
        shutil.rmtree(d, ignore_errors=True)


@test("imaplib: a session with STARTTLS, from login to logout", limit=60)
def python_imap():
    t, user, password = account("imaplib")
    m = imaplib.IMAP4(t.host, t.imap)
    ctx = imap.tls_context()
    equal(m.starttls(ctx)[0], "OK", "STARTTLS")
    equal(m.authenticate("PLAIN", lambda _: b"\0" + user.encode() + b"\0" + password.encode())[0], "OK", "AUTHENTICATE")
    equal(m.create("Kasten")[0], "OK", "CREATE")
    letter = b"From: a@example.net\r\nSubject: one\r\nMessage-ID: <i1@x>\r\n\r\nhello\r\n"
    date = imaplib.Time2Internaldate(1600000000)
    equal(m.append("Kasten", "(\\Seen key)", date, letter)[0], "OK", "APPEND")
    equal(m.select("Kasten"), ("OK", [b"1"]), "SELECT")
    typ, data = m.fetch("1", "(FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[])")
    equal(data[0][1], letter, "the letter")
    flags = {f.lower() for f in imaplib.ParseFlags(data[0][0])}
    check({b"\\seen", b"key"} <= flags, "flags %s" % flags)
    equal(time.mktime(imaplib.Internaldate2tuple(data[0][0])), 1600000000.0, "INTERNALDATE")
    equal(m.search(None, "SUBJECT", '"one"'), ("OK", [b"1"]), "SEARCH")
    equal(m.uid("STORE", "1:*", "+FLAGS", "(\\Flagged)")[0], "OK", "UID STORE")
    equal(m.copy("1", "INBOX")[0], "OK", "COPY")
    equal(m.status("INBOX", "(MESSAGES)")[1][0].split()[-1], b"1)", "STATUS")
    check(any(b"Kasten" in x for x in m.list()[1]), "LIST")
    equal(m.subscribe("Kasten")[0], "OK", "SUBSCRIBE")
    check(any(b"Kasten" in x for x in m.lsub()[1]), "LSUB")
    equal(m.namespace()[0], "OK", "NAMESPACE")
    equal(m.sort("(DATE)", "UTF-8", "ALL"), ("OK", [b"1"]), "SORT")
    equal(m.thread("REFERENCES", "UTF-8", "ALL"), ("OK", [b"(1)"]), "THREAD")
    equal(m.rename("Kasten", "Kiste")[0], "OK", "RENAME")
    equal(m.select("Kiste")[0], "OK", "SELECT")
    equal(m.store("1", "+FLAGS", "(\\Deleted)")[0], "OK", "STORE")
    equal(m.expunge(), ("OK", [b"1"]), "EXPUNGE")
    equal(m.close()[0], "OK", "CLOSE")
    equal(m.delete("Kiste")[0], "OK", "DELETE")
    equal(m.logout()[0], "BYE", "LOGOUT")
    bad = imaplib.IMAP4_SSL(t.host, t.imaps, ssl_context=ctx)
    try:
        bad.login(user, "wrong")
        tap.fail("a wrong password is good")
    except imaplib.IMAP4.error:
        pass
    bad.shutdown()


@test("poplib: a session with STLS, deletions at QUIT only", limit=60)
def python_pop():
    t, user, password = account("poplib")
    if t.name == "waxwing" and not imap_target.serves("pop3"):
        tap.skip("this waxwing has no `listen pop3` yet")
    letters = some(6, 21)
    give(t, "poplib", letters)
    ctx = imap.tls_context()

    def session():
        p = poplib.POP3(t.host, t.pop3, timeout=30)
        p.stls(ctx)
        p.user(user)
        p.pass_(password)
        return p
    p = session()
    check("UIDL" in p.capa() and "TOP" in p.capa(), "CAPA %s" % p.capa())
    equal(p.stat(), (6, sum(map(len, letters))), "STAT")
    ids = p.uidl()[1]
    equal(len({i.split()[1] for i in ids}), 6, "UIDL")
    for i, l in enumerate(letters):
        equal(b"\r\n".join(p.retr(i + 1)[1]) + b"\r\n", l, "RETR %d" % (i + 1))
    head = p.top(2, 1)[1]
    equal(len(head), len(email.message_from_bytes(letters[1]).as_bytes().split(b"\n\n")[0].split(b"\n")) + 2, "TOP")
    p.dele(1)
    p.dele(2)
    p.rset()
    p.dele(3)
    p._tls_established and p.close()        # the line is cut
    p = session()
    equal(p.stat()[0], 6, "letters after the line was cut")
    p.dele(3)
    p.quit()
    p = poplib.POP3_SSL(t.host, t.pop3s, context=ctx, timeout=30)
    p.user(user)
    p.pass_(password)
    equal([i.split()[1] for i in p.uidl()[1]], [i.split()[1] for n, i in enumerate(ids) if n != 2], "UIDL after QUIT")
    p.quit()


tap.main()
