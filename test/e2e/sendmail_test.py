#!/usr/bin/python3
"""sendmail, mailq, newaliases: as programs expect them, with and without a server: rows A26, A27, E4, D26."""
import glob
import os
import stat
import subprocess
import time

import letters
import submission
from server import Server
from sink import Sink
from submission import token
from tap import cases, check, equal, eventually, main, skip, test

CONF = """
user games {
    may-send-as own *@example.org
}
user news {
    per-account 2 per 1h
}
"""
OK, USAGE, DATAERR, NOUSER, TEMPFAIL, NOPERM = 0, 64, 65, 67, 75, 77


class Host(Server):
    def __init__(self, conf=CONF, **kw):
        super().__init__(conf, **kw)
        for name in ("sendmail", "mailq", "newaliases"):
            os.symlink(self.binary, os.path.join(self.dir, name))

    def run(self, *args, input=b"", user=None, name="sendmail"):
        if user and os.getuid():
            skip("another user needs root")
        pre = ["setpriv", "--reuid", user, "--clear-groups"] if user else []
        p = subprocess.run(pre + [os.path.join(self.dir, name), "-C", self.conf] + list(args), input=input,
                           capture_output=True, timeout=60)
        return p.returncode, p.stdout.decode(), p.stderr.decode()

    def drops(self, prefix="d."):
        return sorted(glob.glob(os.path.join(self.dir, "drop", prefix + "*")))


def shared():
    return submission.shared("host", lambda: Host())


def said(r, code, words=""):
    equal(r[0], code, "exit code (%s)" % (r,))
    check(words in r[1] + r[2], "%r is not in %r" % (words, r))


# What programs do

@test("a letter to an address: its fields are added, who it is stands in From, the copy is nobody's")
def simple():
    s, tok = shared(), token()
    said(s.run("bob@example.org", input=b"Subject: %s\n\nhello\n" % tok.encode()), OK)
    got = s.wait(tok, "bob")
    equal(got.first("return-path"), "<root@mail.example.org>", "the envelope")
    check(got.first("received").startswith("from localhost by mail.example.org"), got.trace)
    check(b"\nFrom: <root@mail.example.org>\n" in got.raw and b"\nMessage-ID: <" in got.raw and b"\nDate: " in got.raw, got.raw)
    check(got.raw.endswith(b"Subject: %s\n\nhello\n" % tok.encode()), got.raw)


@test("-t takes To, Cc and Bcc, with names and folds, and no Bcc leaves; -i keeps a lone dot")
def header():
    s, tok = shared(), token()
    letter = (b"From: Root <root@mail.example.org>\nTo: \"Bob, the\" <bob@example.org>,\n  carol@example.org (Carol)\n"
              b"Bcc: alice@example.org\nSubject: %s\n\nbefore\n.\n..\nbehind\n" % tok.encode())
    said(s.run("-t", "-i", input=letter), OK)
    for user in ("alice", "bob", "carol"):
        got = s.wait(tok, user)
        check(b"alice" not in got.data and got.data.endswith(b"\n\nbefore\n.\n..\nbehind\n"), got.raw)
    said(s.run("-ti", "carol@example.org", input=b"To: bob@example.org\nSubject: %s-2\n\nx\n" % tok.encode()), OK)
    s.wait(tok + "-2", "carol")
    s.wait(tok + "-2", "bob")
    said(s.run("-t", input=b"Resent-To: carol@example.org\nTo: bob@example.org\nSubject: %s-3\n\nx\n" % tok.encode()), OK)
    s.wait(tok + "-3", "carol")
    said(s.run("-t", input=b"Subject: nobody\n\nx\n"), DATAERR, "no recipient")


@test("without -i a lone dot ends the letter; text without a header is a body")
def dot():
    s, tok = shared(), token()
    said(s.run("bob@example.org", input=b"only text %s\n.\nnot this\n" % tok.encode()), OK)
    got = s.wait(tok, "bob")
    check(got.raw.endswith(b"\n\nonly text %s\n" % tok.encode()), got.raw)


@cases([(" ".join(a), a) for a in (
    ("-oi", "-oem", "-odb", "-om"), ("-bm", "-n", "-m"), ("-G",), ("-U", "-L", "tag"), ("-h", "3"), ("-B", "8BITMIME"),
    ("-O", "DeliveryMode=b"), ("-p", "SMTP:host"), ("-X", "/nowhere/log"), ("-A", "m"), ("-Am",), ("-d0.1",), ("-ep",),
    ("-Nsuccess,delay", "-R", "hdrs", "-V", "an id+="), ("-N", "never"), ("-r", "root@mail.example.org"), ("-s",))],
    "option {0}")
def options(args):
    s, tok = shared(), token()
    said(s.run(*args, "bob@example.org", input=b"Subject: %s\n\nx\n" % tok.encode()), OK)
    s.wait(tok, "bob")
    check(not os.path.exists("/nowhere"), "a file was written")


@test("wrong options and addresses: exit codes of sysexits.h, and nothing is sent")
def wrong():
    s = shared()
    for args, code in ((("-j", "x"), USAGE), (("-bz",), USAGE), (("-N", "maybe", "bob@example.org"), USAGE),
                       (("-Rall", "bob@example.org"), USAGE), ((), USAGE), (("-f",), USAGE), (("-bd",), USAGE),
                       (("a b@@c",), USAGE), (("-q",), OK), (("-q5m",), OK), (("-bi",), OK)):
        said(s.run(*args, input=b"x\n"), code)
    said(s.run("bob@example.org", "nobody-here@example.org", input=b"Subject: some\n\nx\n"), NOUSER, "550 5.1.1")
    said(s.run("--", "-t", input=b"To: bob@example.org\n\nx\n"), NOUSER, "-t@mail.example.org")


@test("E4 an address is never an option behind --, and an option never writes a file")
def injected():
    s = shared()
    for a in ("-oQ/tmp/wx-e4", "-X/tmp/wx-e4", "-C/tmp/wx-e4", "-be", "-bv"):
        said(s.run("--", a + "@example.org", input=b"x\n"), NOUSER)
    said(s.run("-f", "root", "-oQ/tmp/wx-e4", "-X/tmp/wx-e4", "bob@example.org", input=b"x\n"), OK)
    check(not os.path.exists("/tmp/wx-e4"), "a file was written")


INJECTED = [
    ("a recipient with CRLF", ["bob@example.org\r\nRCPT TO:<x@victim.example>"], b"x\n"),
    ("a sender with CRLF", ["-f", "root@x\r\nRCPT TO:<x@victim.example>", "bob@example.org"], b"x\n"),
    ("an ENVID with CRLF", ["-V", "a\r\nRSET", "bob@example.org"], b"Subject: envid\n\nx\n"),
    ("a name with CRLF", ["-F", "a\r\nBcc: x@victim.example", "bob@example.org"], b"Subject: name\n\nx\n"),
    ("a recipient in the header with a control", ["-t"], b"To: <bob@example.org\rDATA>\n\nx\n"),
]


@cases([("A26 " + n, a, i) for n, a, i in INJECTED])
def lines(args, letter):
    s = shared()
    code, _, _ = s.run(*args, input=letter)
    check(code in (USAGE, DATAERR) or args == ["-t"], code)          # in a letter a CR alone is a line end
    out = s.command("queue", "list")[1]
    check("victim" not in out, out)


SEQUENCES = letters.ENDS + [b"\r\n.\r\n", b"\0\n.\n", b"\n..\n"]


@test("A26 A27 no sequence of CR, LF, dot and NUL ends a letter early or brings a second one")
def smuggled():
    s = shared()
    before = len(s.log())
    for i, q in enumerate(SEQUENCES):
        tok = token()
        inner = b"MAIL FROM:<root@mail.example.org>\r\nRCPT TO:<carol@example.org>\r\nDATA\r\nSubject: smuggled-%s\r\n\r\n.\r\n" % tok.encode()
        said(s.run("-i", "bob@example.org", input=b"Subject: %s\n\nbefore%s%sbehind\n" % (tok.encode(), q, inner)), OK)
        got = s.wait(tok, "bob")
        check(b"behind" in got.raw and b"\r" not in got.raw and b"\0" not in got.raw, "%d: %r" % (i, got.raw))
    s.fence("carol")
    equal(s.find("smuggled-", "carol"), [], "smuggled letters")
    check("verb=" not in s.log()[before:], "commands were smuggled")


# Who may

@test("who it is says the kernel: the user's own name, what may-send-as adds, root anything")
def rights():
    s = shared()
    for user, args, code in (("nobody", (), OK), ("nobody", ("-f", "nobody@mail.example.org"), OK),
                             ("nobody", ("-f", "nobody+x@localhost"), OK), ("nobody", ("-f", "<>"), OK),
                             ("nobody", ("-f", "alice@example.org"), NOPERM), ("nobody", ("-f", "root"), NOPERM),
                             ("games", ("-f", "alice@example.org"), OK), ("games", ("-f", "x@victim.example"), NOPERM),
                             (None, ("-f", "x@victim.example"), OK)):
        if user and os.getuid():
            skip("another user needs root")
        said(s.run(*args, "bob@example.org", input=b"Subject: rights\n\nx\n", user=user), code)
    said(s.run("bob@example.org", input=b"From: boss@victim.example\n\nx\n", user="nobody"), NOPERM, "in From")
    said(s.run("bob@example.org", input=b"From: nobody (Cron Daemon)\nSubject: cron\n\nx\n", user="nobody"), OK)
    tok = token()
    said(s.run("bob@example.org", input=b"From: nobody (Cron Daemon)\nSubject: %s\n\nx\n" % tok.encode(), user="nobody"), OK)
    check(b"From: \"Cron Daemon\" <nobody@mail.example.org>\n" in s.wait(tok, "bob").raw, "From is completed")


@test("the limit of a Linux user: over it the letter is kept and sent later")
def limit():
    s = shared()
    for _ in range(2):
        said(s.run("bob@example.org", input=b"Subject: l\n\nx\n", user="news"), OK)
    said(s.run("-v", "bob@example.org", input=b"Subject: l\n\nx\n", user="news"), OK, "450 4.7.1")
    check(any(os.stat(p).st_uid for p in s.drops()), "it was not left")


# Other names

@test("-bs speaks SMTP, -bv and -bt test addresses, mailq and newaliases are there")
def names():
    s, tok = shared(), token()
    talk = (b"EHLO x\r\nMAIL FROM:<root@mail.example.org>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\nSubject: %s\r\n\r\nx\r\n.\r\nQUIT\r\n"
            % tok.encode())
    p = subprocess.Popen([os.path.join(s.dir, "sendmail"), "-C", s.conf, "-bs"], stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE)
    check(p.stdout.readline().startswith(b"220 "), "a greeting")
    for line in talk.split(b"\r\n")[:4]:
        p.stdin.write(line + b"\r\n")
        p.stdin.flush()
        while p.stdout.readline()[3:4] == b"-":
            pass
    p.stdin.write(talk.split(b"DATA\r\n")[1])
    p.stdin.close()
    check(b"250 2.0.0" in p.stdout.read() and p.wait() == 0, "-bs")
    s.wait(tok, "bob")
    said(s.run("-bv", "bob@example.org"), OK, "bob@example.org")
    said(s.run("-bv", "nobody-here@example.org"), NOUSER)
    said(s.run("-bt", input=b"bob@example.org\n"), OK, "bob@example.org")
    said(s.run(name="newaliases"), OK)
    equal(s.run(name="mailq")[0], OK, "mailq")
    equal(s.run("-bp")[0], OK, "-bp")


@test("-F is the name in From; -oi keeps a lone dot; -v says what happens; Sent gets nothing of root's and of programs'")
def said_so():
    s, tok = shared(), token()
    said(s.run("-F", "Night Watch", "bob@example.org", input=b"Subject: %s-F\n\nx\n" % tok.encode()), OK)
    check(b'\nFrom: "Night Watch" <root@mail.example.org>\n' in s.wait(tok + "-F", "bob").raw, s.wait(tok + "-F", "bob").raw)
    said(s.run("-F", "Other", "bob@example.org", input=b"From: alice@example.org\nSubject: %s-G\n\nx\n" % tok.encode()), OK)
    check(b"Other" not in s.wait(tok + "-G", "bob").raw, "From is there")
    said(s.run("-oi", "bob@example.org", input=b"Subject: %s-oi\n\na\n.\nb\n" % tok.encode()), OK)
    check(s.wait(tok + "-oi", "bob").raw.endswith(b"a\n.\nb\n"), "the dot")
    said(s.run("-v", "bob@example.org", input=b"Subject: v\n\nx\n"), OK, "250 ")
    equal(s.run("bob@example.org", input=b"Subject: silent\n\nx\n")[1:], ("", ""), "without -v nothing is said")
    for args, user in ((("-f", "alice@example.org"), None), ((), "nobody"), ((), None)):
        said(s.run(*args, "bob@example.org", input=b"Subject: %s-copy\n\nx\n" % tok.encode(), user=user), OK)
    eventually(lambda: len(s.find(tok + "-copy", "bob")) == 3, 20, what="three letters")
    s.fence("carol")
    equal([p for u in ("alice", "bob", "carol") for p in glob.glob(s.maildir(u) + "/.Sent/[cn]*/*")], [], "copies in Sent")


@test("-N, -R, -V, -B go with the letter to the next server")
def dsn():
    with Sink() as sink, Host(CONF + "outbound {\nroute * via smtp://127.0.0.1:%d tls off\n}\n" % sink.port) as s:
        for args, mail, rcpt in ((("-N", "success,delay", "-R", "hdrs", "-V", "an-id+="), ("RET=HDRS", "ENVID=an-id+2B+3D"), "NOTIFY=SUCCESS,DELAY"),
                                 (("-Nnever",), (), "NOTIFY=NEVER"), (("-Rfull", "-Nfailure"), ("RET=FULL",), "NOTIFY=FAILURE")):
            n = len(sink.letters)
            said(s.run(*args, "x@other.test", input="Subject: x\n\ngr\u00fcn\n".encode()), OK)
            eventually(lambda: len(sink.letters) > n, 20, what="a letter with %s" % (args,))
            m, r = sink.commands("MAIL")[-1], sink.commands("RCPT")[-1]
            check(all(" " + w in m for w in mail + ("BODY=8BITMIME",)) and rcpt in r, (m, r))
            check(mail or "RET=" not in m and "ENVID=" not in m, m)


# Without a server

@test("without a server: exit codes of all names; 75 when the letter cannot be left")
def stopped():
    if os.getuid():
        skip("another user needs root")
    with Host() as s:
        s.stop()
        code, out, err = s.run("-bs", input=b"QUIT\r\n")
        check(code == TEMPFAIL and out.startswith("421 4.3.2 "), (code, out, err))
        for args, name in (((), "mailq"), (("-bp",), "sendmail")):
            code, out, err = s.run(*args, name=name)
            check(code == TEMPFAIL and not out and err, (code, out, err))
        equal(s.run(name="newaliases")[0], OK, "newaliases")
        equal(s.run("-bv", "bob@example.org")[0], OK, "-bv needs the files alone")
        equal(s.run("-bv", "nobody-here@example.org")[0], NOUSER, "-bv, nobody's")
        equal(s.run("bob@example.org", input=b"x\n", user="nobody")[0], OK, "left")
        os.rename(s.dir + "/drop", s.dir + "/drop.aside")
        said(s.run("bob@example.org", input=b"x\n", user="nobody"), TEMPFAIL, "cannot be left")
        os.mkdir(s.dir + "/drop", 0o700)
        said(s.run("bob@example.org", input=b"x\n", user="nobody"), TEMPFAIL, "cannot be left")
        os.rmdir(s.dir + "/drop")
        os.rename(s.dir + "/drop.aside", s.dir + "/drop")
        s.start()
        eventually(lambda: len(s.letters("bob")) == 1, 20, what="the one that was left")


@test("without a server the letter is left, private to its owner, and sent when the server is back", limit=90)
def dropped():
    with Host() as s:
        tok = token()
        s.stop()
        said(s.run("-v", "-Nnever", "bob@example.org", input=b"Subject: %s-1\n\n.dots\n" % tok.encode()), OK, "when it is back")
        said(s.run("bob@example.org", input=b"Subject: %s-2\n\nx\n" % tok.encode(), user="nobody"), OK)
        said(s.run("-f", "alice@example.org", "bob@example.org", input=b"Subject: %s-3\n\nx\n" % tok.encode(), user="nobody"), OK)
        said(s.run("nobody-here@example.org", input=b"Subject: %s-4\n\nx\n" % tok.encode()), OK)
        equal(stat.S_IMODE(os.stat(s.dir + "/drop").st_mode), 0o1733, "the folder")
        equal([(stat.S_IMODE(os.stat(p).st_mode)) for p in s.drops()], [0o600] * 4, "the files")
        s.start()
        got = s.wait(tok + "-1", "bob")
        check(got.raw.endswith(b"\n\n.dots\n"), got.raw)
        equal(s.wait(tok + "-2", "bob").first("return-path"), "<nobody@mail.example.org>", "whose it is")
        eventually(lambda: not s.drops(), 20, what="an empty folder")
        equal(len(s.drops("bad.")), 1, "the one that may not be sent is set aside")
        check("may not send by" in s.log() and tok not in " ".join(s.drops()), "and the log says why")
        equal(len(s.find(tok, "bob")), 2, "letters")
        code, out, _ = s.command("queue", "list")
        check("root@mail.example.org" in out or tok + "-4" in s.log() or "postmaster" in out or
              s.find("nobody-here", "alice"), "whoever cannot be reached is reported: %s" % out)


@test("what others put into drop harms nobody: links, folders, pipes, hard links, nonsense", limit=90)
def hostile_drop():
    if os.getuid():
        skip("needs root")
    with Host() as s:
        s.stop()
        d = s.dir + "/drop/"
        os.symlink("/etc/shadow", d + "d.1.1.a")
        os.mkfifo(d + "d.1.1.b")
        os.mkdir(d + "d.1.1.c")
        with open(d + "d.1.1.d", "wb") as f:
            f.write(b"waxwing-drop 1\r\nMAIL FROM:<root@x>\r\n")
        with open(d + "d.1.1.e", "wb") as f:
            f.write(os.urandom(100000))
        with open(s.dir + "/drop/d.1.1.f", "wb") as f:
            f.write(b"waxwing-drop 1\r\nMAIL FROM:<root@mail.example.org>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\nSubject: hard\r\n\r\n.\r\n")
        os.link(d + "d.1.1.f", s.dir + "/hard")
        with open(d + "d.1.1.g", "wb") as f:
            f.write(b"waxwing-drop 1\r\nMAIL FROM:<root@mail.example.org>\r\nQUIT\r\n")
        for x in "defg":
            os.chmod(d + "d.1.1." + x, 0o600)
        with open(d + "d.1.1.h", "wb") as f:
            f.write(b"waxwing-drop 1\r\n")
        os.chmod(d + "d.1.1.h", 0o666)
        s.start()
        with s.stays_alive():
            eventually(lambda: not s.drops(), 20, what="all are set aside")
        equal(len(s.drops("bad.")), 8, "set aside: %s" % s.drops("bad."))
        equal(s.find("hard", "bob"), [], "a letter with another name elsewhere")


@test("a satellite: three lines of configuration, everything waits for the main server", limit=90)
def satellite():
    s = Host("outbound {\n    route * via smtps://192.0.2.1:465 user x@example.org secret:secret\n}\n", users=(),
             default_domain=False)
    with open(s.dir + "/secret", "w") as f:
        f.write("pw\n")
    os.chmod(s.dir + "/secret", 0o600)
    with s:
        tok = token()
        said(s.run("somebody@example.org", input=b"Subject: %s\n\nx\n" % tok.encode()), OK)
        check("somebody@example.org" in s.command("queue", "list")[1], "it waits in the queue")
        said(s.run("somebody@mail.example.org", input=b"x\n"), NOUSER)


main()
