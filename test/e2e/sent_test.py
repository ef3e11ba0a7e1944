#!/usr/bin/python3
"""The copy of what was sent: in the Sent folder of whom the envelope's sender is, once, whoever files it too."""
import glob
import os
import re
import time

import server
import submission
from submission import SubmissionServer, token
from tap import check, equal, eventually, main, test

CONF = """
user quiet@example.org {
    sent-copy off
}
user branch@example.org {
    kind relay
    may-send-as any
}
user helper@example.org {
    may-send-as own *@example.org
}
users file users.txt
submission {
    network 127.0.0.3 as any
}
"""
PASSWORDS = dict(submission.USERS, quiet="quiet-pw", branch="branch-pw", helper="helper-pw")


class Office(SubmissionServer):
    def __init__(self):
        super().__init__(CONF, passwords=dict(PASSWORDS))
        with open(self.dir + "/users.txt", "w") as f:
            f.write("sales@example.org: alice, bob\nboss@example.org: bob\n")


submission.USERS.update(PASSWORDS)


def shared():
    return submission.shared("office", Office)


def filed(s, user, tok, folder="Sent"):
    """Files in a folder of that user that hold the token."""
    found = []
    for p in glob.glob(s.maildir(user) + "/." + folder + "/[cn]*/*"):
        with open(p, "rb") as f:
            if tok.encode() in f.read():
                found.append(p)
    return found


def wait_filed(s, user, tok, folder="Sent"):
    return eventually(lambda: filed(s, user, tok, folder), 5, what="a copy for %s" % user)[0]


def settle(s):
    """What was accepted before has been carried out."""
    s.fence("carol")
    time.sleep(0.3)


def mine(tok, user="alice", extra=b""):
    return (b"From: <%s@example.org>\r\nTo: carol@example.org\r\nBcc: secret@elsewhere.example\r\n"
            b"Date: Thu, 05 Nov 2026 10:00:00 +0000\r\nMessage-ID: <%s@here>\r\n%s\r\nhello\r\n\r\nbye\r\n"
            % (user.encode(), tok.encode(), extra))


@test("a copy lies in Sent within a second: read, with its Bcc, which the others do not get; Sent is made and subscribed")
def copy():
    s, tok = shared(), token()
    r = s.send("alice", ["carol", "x@elsewhere.example"], mine(tok))
    begun = time.monotonic()
    equal(r.code, 250, r)
    p = wait_filed(s, "alice", tok)
    check(time.monotonic() - begun < 1.0, "late")
    check(p.endswith(":2,S") and "/cur/" in p, p)
    with open(p, "rb") as f:
        text = f.read()
    check(b"\nBcc: secret@elsewhere.example\n" in text, text)
    check(b"Return-Path" not in text and b"Delivered-To" not in text, "it was not delivered to anybody: %r" % text)
    check(b"secret" not in s.wait(tok, "carol").raw, "Bcc reached a recipient")
    with s.imap("alice") as c:
        r = c.cmd(b"LIST (SUBSCRIBED) \"\" * RETURN (SPECIAL-USE)")
        check(any(b"\\Sent" in u and b"Sent" in u for u in map(bytes, map(_bytes, r.untagged))), r.untagged)


def _bytes(u):
    return u if isinstance(u, bytes) else repr(u).encode()


def uids(c, folder, tok):
    equal(c.cmd(b"SELECT " + folder).status, "OK", "SELECT")
    r = c.cmd(b"UID SEARCH HEADER Message-ID " + tok.encode())
    equal(r.status, "OK", r)
    text = b" ".join(map(_bytes, r.untagged)).decode("latin-1")
    m = re.search(r"SEARCH((?: \d+)*)", text)
    return [int(x) for x in m.group(1).split()]


def append(c, folder, data, flags=b"(\\Seen)"):
    r = c.cmd(b"APPEND %s %s {%d+}\r\n%s" % (folder, flags, len(data), data))
    equal(r.status, "OK", r)
    return int(re.search(r"APPENDUID \d+ (\d+)", repr(r)).group(1))


@test("the client's own APPEND gets the UID of what is there, with other fields and line ends at the end too")
def appended_behind():
    s, tok = shared(), token()
    data = mine(tok)
    equal(s.send("alice", "carol", data).code, 250, "sent")
    wait_filed(s, "alice", tok)
    with s.imap("alice") as c:
        one = append(c, b"Sent", data)
        two = append(c, b"Sent", data.replace(b"Bcc:", b"X-Mailer: y\r\nBcc:") + b"\r\n\r\n")
        equal(uids(c, b"Sent", tok), [one], "one letter")
        equal(two, one, "UIDs")
        equal(len(filed(s, "alice", tok)), 1, "files")
        other = append(c, b"Sent", data.replace(b"hello", b"hallo"))
        check(other != one, "another body is another letter")
        elsewhere = append(c, b"INBOX", data)
        check(elsewhere and uids(c, b"INBOX", tok) == [elsewhere], "in another folder it is kept")
        bare = data.replace(b"Message-ID", b"X-ID")
        check(append(c, b"Sent", bare) != append(c, b"Sent", bare), "without a Message-ID nothing is the same")


@test("the other way round: what the client has filed first is not filed again")
def appended_first():
    s, tok = shared(), token()
    data = mine(tok, "bob")
    with s.imap("bob") as c:
        c.cmd(b"CREATE Sent")
        first = append(c, b"Sent", data)
        equal(s.send("bob", "carol", data).code, 250, "sent")
        s.wait(tok, "carol")
        settle(s)
        equal(uids(c, b"Sent", tok), [first], "one letter")
    equal(len(filed(s, "bob", tok)), 1, "files")


@test("both at the same moment: one letter")
def at_once():
    import threading
    s = shared()
    for _ in range(5):
        tok = token()
        data = mine(tok)
        with s.imap("alice") as c:
            t = threading.Thread(target=lambda: s.send("alice", "carol", data))
            t.start()
            append(c, b"Sent", data)
            t.join()
            settle(s)
            equal(len(uids(c, b"Sent", tok)), 1, "letters")


@test("it goes where the folder for it is, by attribute or name; a mailbox that has ended does not forget")
def special_use():
    s, tok = shared(), token()
    with s.imap("helper") as c:
        equal(c.cmd(b"CREATE Gesendet (USE (\\Sent))").status, "OK", "CREATE")
    equal(s.send("helper", "carol", mine(tok, "helper")).code, 250, "sent")
    wait_filed(s, "helper", tok, "Gesendet")
    s.kill_role("mailbox")
    with s.imap("helper") as c:
        append(c, b"Gesendet", mine(tok, "helper"))
        equal(len(uids(c, b"Gesendet", tok)), 1, "letters, in a new process")


@test("the copy belongs to whose the sender's address is: boss's goes to bob, sales' to who sent it; nobody's to nobody")
def owner():
    s = shared()
    for user, sender, owners in (("helper", "boss", ["bob"]), ("alice", "sales", ["alice"]), ("bob", "sales", ["bob"]),
                                 ("helper", "sales", []), ("alice", "", []), ("helper", "nobody-here", [])):
        tok = token()
        sender = sender and sender + "@example.org"
        equal(s.send(user, "carol", mine(tok, user), sender=sender).code, 250, "sent by <%s>" % sender)
        s.wait(tok, "carol")
        settle(s)
        have = [u for u in ("alice", "bob", "helper") for f in ("Sent", "Gesendet") for _ in filed(s, u, tok, f)]
        equal(have, owners, "copies of a letter that %s sent by <%s>" % (user, sender))


@test("none for sent-copy off, for another server's letters, for strangers; one for a network's")
def none():
    s = shared()
    for user, sender in (("quiet", "quiet@example.org"), ("branch", "alice@example.org")):
        tok = token()
        equal(s.send(user, "carol", mine(tok, user), sender=sender).code, 250, "sent")
        s.wait(tok, "carol")
        settle(s)
        equal([u for u in ("alice", "quiet") if filed(s, u, tok)], [], "copies of %s's" % user)
    for source, copies in (("127.0.0.1", 0), ("127.0.0.3", 1)):
        tok = token()
        with s.at("smtp", source=source) as c:
            c.ehlo()
            equal(c.deliver("carol@example.org", mine(tok), sender="alice@example.org").code, 250, "sent")
        s.wait(tok, "carol")
        settle(s)
        equal(len(filed(s, "alice", tok)), copies, "copies from %s" % source)


def ten_minutes():
    s = shared()
    for minutes, letters in ((9, 1), (11, 2)):
        tok = token()
        equal(s.send("alice", "carol", mine(tok)).code, 250, "sent")
        wait_filed(s, "alice", tok)
        equal(s.command("test", "clock", "+%dm" % minutes)[0], 0, "the clock")
        with s.imap("alice") as c:
            append(c, b"Sent", mine(tok))
            equal(len(uids(c, b"Sent", tok)), letters, "letters, appended %d minutes later" % minutes)


if server.is_for_tests():
    test("the client's own copy within ten minutes is known; one that comes later is another letter")(ten_minutes)


@test("a large letter is filed and known too; the letter is accepted when its copy cannot be filed")
def large():
    s, tok = shared(), token()
    data = mine(tok) + b"0123456789abcdef" * 63 + b"\r\n"
    data += (b"x" * 70 + b"\r\n") * 20000
    equal(s.send("alice", "carol", data).code, 250, "sent")
    eventually(lambda: filed(s, "alice", tok), 15, what="a copy")
    with s.imap("alice") as c:
        append(c, b"Sent", data)
        equal(len(uids(c, b"Sent", tok)), 1, "letters")


main()
