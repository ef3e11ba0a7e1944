#!/usr/bin/python3
"""Our letters are signed: by which keys, what of them, and what becomes of those that cannot be.

dkimpy says whether a signature is right; the keys are read from the server's own book."""
import json
import os
import re
import subprocess
import threading

import away
import tap
from away import empty, queue, sent
from letters import token
from server import SLOW
from signatures import book, needs_dkimpy, public, published, tags, verify
from sink import Sink
from smtp import Closed
from submission import SubmissionServer
from tap import Fail, cases, check, equal, test

OUTBOUND = """users file users
outbound {
    retry 1s 1s 2s give-up 1h warn 30m
    patience 5
    route * via smtp://127.0.0.1:%d tls off
}
"""


def world(sink, conf="", users="", **kw):
    s = SubmissionServer(OUTBOUND % sink.port + conf, **kw)
    with open(s.dir + "/users", "w") as f:
        f.write(users or away.USERS)
    return s


def mine(tok, author="alice@example.org", headers=b"", body=b"hello \t world\r\n\r\n\r\n"):
    return (b"From: %s\r\nTo: x@other.test\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n  folded\r\n"
            b"Date: Thu, 05 Nov 2026 10:00:00 +0000\r\nMessage-ID: <%s@here>\r\n%s\r\n%s" %
            (author.encode(), tok.encode(), headers, body))


def undotted(raw):
    return re.sub(rb"(?m)^\.(?=[^\r])", b"", raw)


def submit(s, author="alice@example.org", to="x@other.test", user="alice", **kw):
    tok = token()
    r = s.send(user, to, mine(tok, author, **kw), port="clear")
    equal(r.code, 250, "submission: %r" % r)
    return tok, r.queue_id


def out(sink, tok, n=1):
    return undotted(sent(sink, tok, n)[0])


@test("a letter of ours has two signatures of its author's domain, which dkimpy verifies")
def two_signatures():
    """RSA and Ed25519, dated selectors, relaxed, over-signed, with x=; the copies in mailboxes are the same."""
    needs_dkimpy()
    with Sink() as sink, world(sink) as s:
        tok, _ = submit(s, to=["x@other.test", "bob@example.org"])
        got = out(sink, tok)
        t = tags(got)
        equal([x["a"] for x in t], ["rsa-sha256", "ed25519-sha256"], "algorithms")
        check(all(re.fullmatch(r"20\d{6}[re]", x["s"]) for x in t), t)
        for x in t:
            equal((x["d"], x["c"]), ("example.org", "relaxed/relaxed"), "d= and c=")
            equal(int(x["x"]) - int(x["t"]), 14 * 86400, "x=")
            h = x["h"].lower().split(":")
            for name in "from", "to", "subject", "date", "message-id":
                equal(h.count(name), 2, "%s in h=" % name)
            for name in "cc", "reply-to", "mime-version", "content-type", "content-transfer-encoding":
                equal(h.count(name), 1, "%s in h=" % name)
            check("bcc" not in h and "received" not in h, h)
        records = published(s)
        equal(len(records), 2, "keys")
        equal(verify(got, records), "pass pass", "dkimpy")
        stored = s.wait(tok, "bob").raw
        equal(verify(re.sub(rb"(?<!\r)\n", b"\r\n", stored), records), "pass pass", "dkimpy, delivered here")
        # what is added is noticed
        for line in b"Subject: other\r\n", b"Reply-To: evil@evil.test\r\n", b"Content-Type: text/html\r\n":
            equal(verify(line + got, records), "fail fail", "with %r added" % line)
        check(re.search(r" signed .*domains=\"?example\.org", s.log()), "no line in the log")
        # the same keys for the next one, and after a restart
        s.restart()
        tok, _ = submit(s)
        equal(verify(out(sink, tok), records), "pass pass", "after a restart")
        equal(len(book(s)), 4, "lines in the book")


def openssl_key(path, kind="rsa", bits=2048):
    """A private key in that file, as Exim's documentation makes one; what is published for it."""
    args = ["genpkey", "-algorithm", "ed25519"] if kind == "ed25519" else ["genrsa", "-traditional", str(bits)]
    pem = subprocess.run(["openssl", *args], check=True, capture_output=True).stdout
    with open(path + ".new", "wb") as f:
        f.write(pem)
    os.chmod(path + ".new", 0o600)
    os.rename(path + ".new", path)
    return public(pem)


@test("keys of an Exim are taken over: 1024 bit, one file a domain, its selector")
def taken_over():
    """The alias domain has its own file; a file that is replaced is taken up; no pair of ours is made meanwhile."""
    needs_dkimpy()
    with Sink() as sink:
        s = world(sink, "dkim keys %d.pem selector x2019 t=y\n")
        s.write_conf(s.text.replace("domain example.org", "domain example.org {\nalias-domains example.net\n}"))
        records = {"x2019._domainkey.example.%s" % d: openssl_key("%s/example.%s.pem" % (s.dir, d), bits=1024)
                   for d in ("org", "net")}
        with s:
            for d in "org", "net":
                tok, _ = submit(s, "alice@example." + d, user="alice")
                got = out(sink, tok)
                equal([(t["a"], t["d"], t["s"]) for t in tags(got)], [("rsa-sha256", "example." + d, "x2019")], "signatures")
                equal(verify(got, records), "pass", "dkimpy")
            records["x2019._domainkey.example.org"] = openssl_key(s.dir + "/example.org.pem", bits=2048)
            tap.eventually(lambda: "bits=2048" in s.log(), 10 * SLOW, what="the new key taken up")
            tok, _ = submit(s)
            equal(verify(out(sink, tok), records), "pass", "dkimpy, with the new key")
            equal({w[2] for w in book(s)}, {"taken"}, "events")


@test("one key that signs for all, beside the pair of the author's domain")
def fixed():
    needs_dkimpy()
    with Sink() as sink:
        s = world(sink, "dkim keys one.pem selector k domain fixed.test\nuser branch@example.org {\nmay-send-as any\n}\n")
        record = {"k._domainkey.fixed.test": openssl_key(s.dir + "/one.pem")}
        s.passwords = dict(s.passwords, branch="branch-pw")
        with s:
            tok, _ = submit(s)
            got = out(sink, tok)
            equal(sorted(t["d"] for t in tags(got)), ["example.org", "example.org", "fixed.test"], "d=")
            equal(verify(got, dict(published(s), **record)), "pass pass pass", "dkimpy")
            tok = token()
            with s.submission("branch", port="clear", password="branch-pw") as c:
                c.mail("someone@foreign.test")
                c.rcpt("x@other.test")
                equal(c.data(mine(tok, "someone@foreign.test")).code, 250, "a foreign author")
            equal([t["d"] for t in tags(out(sink, tok))], ["fixed.test"], "d= of a foreign author")


@test("authors of several domains, or of none of ours: what is ours is signed for, the rest is said")
def authors():
    needs_dkimpy()
    with Sink() as sink:
        s = world(sink, "user branch@example.org {\nmay-send-as any\n}\n")
        s.passwords = dict(s.passwords, branch="branch-pw")
        with s:
            def send(author):
                tok = token()
                with s.submission("branch", port="clear", password="branch-pw") as c:
                    c.mail("branch@example.org")
                    c.rcpt("x@other.test")
                    r = c.data(mine(tok, author))
                equal(r.code, 250, r)
                return out(sink, tok), r.queue_id
            got, _ = send("a@foreign.test, b@sub.example.org, c@Example.ORG")
            equal({t["d"] for t in tags(got)}, {"example.org"}, "d=")
            equal(verify(got, published(s)), "pass pass", "dkimpy")
            got, msg = send("a@foreign.test")
            equal(tags(got), [], "no signature")
            code, said, _ = s.command("trace", msg)
            check("was not signed" in said and "domain of ours" in said, said)


@test("a key that cannot be read: the letter is accepted, waits with the reason, and goes when the key is there")
def waits():
    """Nothing of it is delivered before; trace, queue list and status say why; a restart changes nothing."""
    needs_dkimpy()
    with Sink() as sink:
        s = world(sink, "dkim keys %d.pem selector k\n")
        with s:
            tok, msg = submit(s, to=["x@other.test", "bob@example.org"])
            tap.eventually(lambda: [r for q in queue(s) for r in q["recipients"] if "waits for its signature" in r["why"]][2:],
                           20 * SLOW, what=lambda: "three steps that wait, but %s" % queue(s))
            check("example.org.pem" in json.dumps(queue(s)), queue(s))
            code, said, _ = s.command("trace", msg)
            check("waits for its signature" in said, said)
            code, said, _ = s.command("status")
            check("k._domainkey.example.org" in said, said)
            equal((len(sink.letters), s.letters("bob")), (0, []), "nothing has left")
            s.restart()
            equal((len(sink.letters), s.letters("bob")), (0, []), "nothing has left after a restart")
            records = {"k._domainkey.example.org": openssl_key(s.dir + "/example.org.pem")}
            equal(verify(out(sink, tok), records), "pass", "dkimpy")
            equal(len(re.findall(rb"(?m)^DKIM-Signature:", s.wait(tok, "bob").raw)), 1, "signatures of the copy here")
            empty(s)
            equal(len([l for l in sink.letters if tok.encode() in l]), 1, "letters that left")


@test("J8 a signature that fails tells nothing of its key, and % in a letter's fields is only text")
def failing():
    needs_dkimpy()
    with Sink() as sink:
        s = world(sink, "dkim keys %d.pem selector k\n")
        path = s.dir + "/example.org.pem"
        record = openssl_key(path)
        with open(path, "rb+") as f:
            pem = f.read()
            f.truncate(len(pem) * 2 // 3)
        with s:
            tok, msg = submit(s, author='"%n%s%99999x" <alice@example.org>', headers=b"X-%n%s: %n%s%p\r\n")
            tap.eventually(lambda: "waits for its signature" in json.dumps(queue(s)), 20 * SLOW, what=lambda: queue(s))
            told = s.log() + "".join("".join(s.command(*c)[1:]) for c in (
                ("trace", msg), ("status",), ("queue", "list"), ("queue", "show", msg), ("--json", "status")))
            for line in pem.decode().split("\n")[1:-2]:
                check(line[:20] not in told, "a piece of the key is told: %s" % line)
            check("example.org.pem" in told, told)
            with open(path + ".new", "wb") as f:
                f.write(pem)
            os.chmod(path + ".new", 0o600)
            os.rename(path + ".new", path)
            got = out(sink, tok)
            check(b'From: "%n%s%99999x" <alice@example.org>' in got and b"X-%n%s: %n%s%p" in got, got)
            equal(verify(got, {"k._domainkey.example.org": record}), "pass", "dkimpy")


@cases([("kill -9 of %s while letters are submitted: none is lost, none goes unsigned" % r, r) for r in ("keys", "sign", "queue")],
       limit=120)
def killed(role):
    needs_dkimpy()
    with Sink() as sink, world(sink) as s:
        s.expect_crash = True
        toks = [submit(s)[0]]
        stop = threading.Event()

        def kill():
            while not stop.wait(0.2 * SLOW):
                s.kill_role(role)
        killer = threading.Thread(target=kill)
        killer.start()
        try:
            for i in range(60):
                if i >= 12 and len(toks) > 2:
                    break
                tok = token()
                try:
                    r = s.send("alice", "x@other.test", mine(tok), port="clear")
                    if r.code == 250:
                        toks.append(tok)
                except (Closed, OSError, AssertionError, Fail):
                    pass
        finally:
            stop.set()
            killer.join()
        check(len(toks) > 2, toks)
        tap.eventually(lambda: all(any(t.encode() in l for l in sink.letters) for t in toks), 60 * SLOW,
                       what=lambda: "letters at the other server, but %s" % queue(s))
        records = published(s)
        for l in sink.letters:
            if l.strip():
                equal(verify(undotted(l), records), "pass pass", "dkimpy")


@test("a letter in 7 bits is signed anew, a report is signed when it leaves")
def anew():
    needs_dkimpy()
    with Sink(ehlo=("PIPELINING", "SIZE 50000000", "DSN")) as sink, world(sink) as s:
        tok = token()
        with s.submission("alice", port="clear") as c:
            c.mail("alice@example.org", "BODY=8BITMIME")
            c.rcpt("x@other.test")
            r = c.data(mine(tok, headers=b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
                            b"Content-Transfer-Encoding: 8bit\r\n", body="Grüße\r\n".encode()))
            equal(r.code, 250, r)
        got = out(sink, tok)
        check(all(b < 128 for b in got), "7 bits")
        equal(verify(got, published(s)), "pass pass", "dkimpy")
    with Sink(RCPT=lambda n, line: "550 5.1.1 no such user" if b"bob@" in line else None) as sink, world(sink) as s:
        away.give(s, "away@example.org", "s@sender.test")
        got = tap.eventually(lambda: [l for l in sink.letters if b"MAILER-DAEMON" in l], 20 * SLOW, what="a report")[0]
        equal({t["d"] for t in tags(got)}, {"example.org"}, "d= of the report")
        equal(verify(undotted(got), published(s)), "pass pass", "dkimpy")


if __name__ == "__main__":
    tap.main()
