#!/usr/bin/python3
"""Our letters are signed: by which keys, what of them, and what becomes of those that cannot be.

dkimpy says whether a signature is right; the keys are read from the server's own book."""
import os
import re
import subprocess

import away
import tap
from away import empty, queue, sent
from letters import token
from server import SLOW
from signatures import book, needs_dkimpy, public, published, tags, verify
from sink import Sink
from submission import SubmissionServer
from tap import check, equal, test

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
        log = s.log()
        check(re.search(r"signed .*domains=example\.org", log) or "signed" in log, "no line in the log")
        # the same keys for the next one, and after a restart
        s.restart()
        tok, _ = submit(s)
        equal(verify(out(sink, tok), records), "pass pass", "after a restart")
        equal(len(book(s)), 4, "lines in the book")


if __name__ == "__main__":
    tap.main()
