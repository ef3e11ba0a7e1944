#!/usr/bin/python3
"""The ring of refused letters: what is kept of them, releasing one, allowing its like; damage, floods, large letters."""
import glob
import json
import os
import re

import tap
from letters import letter, same, token
from server import SLOW, Server
from smtp import Smtp
from tap import check, equal, eventually, test


def do(s, *words):
    code, out, err = s.command(*words)
    equal(code, 0, "%s: %s" % (" ".join(words), err))
    return out


def ring(s, *words):
    return json.loads(do(s, "--json", "refused", "list", *words))


def kept(s, n=1, *words):
    """The ring, once it holds n letters."""
    eventually(lambda: len(ring(s, *words)) >= n, 10 * SLOW, 0.1, "%d letters in the ring" % n)
    return ring(s, *words)


def attempt(s, sender="a@client.example.net", to=("alice",), helo="client.example.net", source=None, text=None, params=""):
    with Smtp(s.addr, source=source) as c:
        c.ehlo(helo)
        return c.deliver([s.address(a) for a in to], text or letter(), sender=sender, params=params)


@test("a letter refused for its header is kept whole and released: it arrives as it was sent, once")
def release():
    with Server() as s:
        do(s, "block", "add", "troll@mixed.example")
        t = token()
        sent = letter(t, headers=b"Reply-To: troll@mixed.example\r\n", body=b"wanted after all\r\n.\r\n\x1b[31mred\r\n")
        r = attempt(s, sender="a@wanted.example", to=("alice", "bob"), text=sent)
        equal(r.code, 550, repr(r))
        one, = kept(s)
        equal((one["from"], one["to"], one["peer"], one["rule"], one["released"]),
              ("a@wanted.example", "alice@example.org bob@example.org", "127.0.0.1", "BLOCKED", False), "facts")
        equal(one["bytes"], len(sent), "bytes")
        check("by its author troll@mixed.example" in one["why"], one["why"])
        text = do(s, "refused", "show", one["id"][-6:])
        check(t in text and "wanted after all" in text and "\x1b" not in text, text)
        equal(s.find(t), [], "not delivered")
        s.restart()
        equal([x["id"] for x in ring(s)], [one["id"]], "after a restart")
        do(s, "refused", "release", one["id"][-6:])
        got = s.wait(t)
        check(same(got, sent), got.raw)
        equal((got.first("return-path"), got.first("envelope-to")), ("<a@wanted.example>", "alice@example.org"), "envelope")
        s.wait(t, "bob")
        check(one["id"] in got.first("received"), got.first("received"))
        equal(ring(s)[0]["released"], True, "released")
        code, _out, err = s.command("refused", "release", one["id"])
        check(code == 1 and "released before" in err, "%d %s" % (code, err))
        s.fence()
        equal(len(s.find(t)), 1, "once")
        check("released" in do(s, "why", one["id"]), "its record")


@test("what was refused at RCPT has its facts, and says that it cannot be released; unknown users are not kept")
def envelope():
    with Server() as s:
        do(s, "block", "add", "evil.example", "--reason", "sells addresses")
        equal(attempt(s, sender="a@evil.example", to=("alice",)).code, 550, "blocked")
        equal(attempt(s, to=("nobody-of-that-name",)).code, 550, "nobody")
        with s.client() as c:
            c.ehlo()
            c.mail("b@evil.example")
            for a in ("alice", "bob"):
                equal(c.rcpt(s.address(a)).code, 550, a)
            c.reset()
        rows = kept(s, 2)
        equal([(r["from"], r["to"], r["bytes"]) for r in rows],
              [("a@evil.example", "alice@example.org", 0), ("b@evil.example", "alice@example.org bob@example.org", 0)], "ring")
        check("sells addresses" in rows[0]["why"], rows)
        code, _out, err = s.command("refused", "release", rows[0]["id"])
        check(code == 1 and "before its text came" in err, err)
        check("never came" in do(s, "refused", "show", rows[0]["id"]), "show")
        equal(len(ring(s, "bob@example.org")), 1, "by a word")
        equal(s.command("refused", "show", "zzzzzzzz")[0], 1, "no such id")


@test("allow says what else it would let in, changes nothing without --yes, and then lets it in")
def allow():
    with Server() as s:
        do(s, "block", "add", "0.0.0.0/0")
        for sender in ("friend@wide.example", "other@wide.example", "x@else.example"):
            equal(attempt(s, sender=sender).code, 550, sender)
        equal(attempt(s, sender="y@else.example", source="127.9.0.7").code, 550, "another client")
        rows = {r["from"]: r for r in kept(s, 4)}
        mine = rows["friend@wide.example"]["id"]
        text = do(s, "refused", "allow", mine, "sender")
        check("nothing else" in text and "Nothing is changed" in text, text)
        text = do(s, "refused", "allow", mine, "domain")
        check("other@wide.example" in text and "else.example" not in text and mine not in text, text)
        text = do(s, "refused", "allow", mine, "client")
        check("other@wide.example" in text and "x@else.example" in text and "y@else.example" not in text, text)
        code, _out, err = s.command("refused", "allow", mine, "host")
        check(code == 1 and "leads back" in err, err)
        equal(attempt(s, sender="friend@wide.example").code, 550, "still")
        text = do(s, "refused", "allow", mine, "domain", "--yes")
        n = re.search(r"waxwing allow remove (\d+)", text).group(1)
        equal(attempt(s, sender="friend@wide.example").code, 250, "the sender")
        equal(attempt(s, sender="other@wide.example").code, 250, "and what was said")
        equal(attempt(s, sender="x@else.example").code, 550, "nobody else")
        check(mine in do(s, "allow", "list"), "its reason")
        do(s, "allow", "remove", n)
        equal(attempt(s, sender="friend@wide.example").code, 550, "undone")


@test("a large letter is kept and released octet for octet; bare newlines and what is too big leave their facts")
def large():
    with Server(inbound="max-size 2M") as s:
        do(s, "block", "add", "troll@mixed.example")
        t = token()
        sent = letter(t, headers=b"Sender: troll@mixed.example\r\n", size=1500000)
        equal(attempt(s, text=sent).code, 550, "large")
        one, = kept(s)
        equal(one["bytes"], len(sent), "bytes")
        check("bytes more" in do(s, "refused", "show", one["id"]), "show")
        equal(glob.glob(os.path.join(s.dir, "spool", "in", "*")), [], "spool")
        do(s, "refused", "release", one["id"])
        check(same(s.wait(t), sent), "octets")
        with s.client() as c:
            c.ehlo()
            equal(c.deliver(s.address("alice"), letter(body=b"bare\nnewline\r\n")).code, 550, "bare")
        rows = kept(s, 2)
        equal((rows[1]["rule"], rows[1]["bytes"]), ("BARE_NEWLINE", 0), "facts")


@test("damage on the disk costs what is damaged; a torn end and foreign files stop nobody")
def damage():
    with Server() as s:
        do(s, "block", "add", "troll@mixed.example")
        for i in range(3):
            equal(attempt(s, sender="n%d@x.example" % i, text=letter(headers=b"Sender: troll@mixed.example\r\n")).code, 550)
        kept(s, 3)
        s.stop()
        path, = glob.glob(os.path.join(s.dir, "refused", "0*"))
        with open(path, "rb") as f:
            whole = f.read()
        starts = [m.start() for m in re.finditer(b"WXRF", whole)]
        equal(len(starts), 3, "frames")
        with open(os.path.join(s.dir, "refused", "notes"), "w") as f:
            f.write("not ours")
        for text, n in ((whole[:-1], 2), (whole[:starts[2] + 30], 2), (whole[:starts[2]] + bytes(len(whole) - starts[2]), 2),
                        (whole[:starts[1] + 40] + b"\xff" + whole[starts[1] + 41:], 1), (b"WX", 0), (b"", 0)):
            with open(path, "wb") as f:
                f.write(text)
            s.start()
            equal(len(ring(s)), n, "of %d bytes" % len(text))
            equal(attempt(s).code, 250, "mail goes on")
            s.stop()
        s.start()
        equal(attempt(s, sender="new@x.example", text=letter(headers=b"Sender: troll@mixed.example\r\n")).code, 550)
        equal([r["from"] for r in kept(s)], ["new@x.example"], "after the damage")
        # a body that was changed is not released
        one, = ring(s)
        path = sorted(glob.glob(os.path.join(s.dir, "refused", "0*")))[-1]
        with open(path, "r+b") as f:
            f.seek(-20, os.SEEK_END)
            f.write(b"X")
        code, _out, err = s.command("refused", "release", one["id"])
        check(code == 1 and "damaged" in err, err)


@test("many refused letters at once do not hold up those that are wanted, and all are kept or counted", limit=120)
def flood():
    with Server(inbound="max-errors 1000") as s:
        do(s, "block", "add", "evil.example")
        for _ in range(10):
            with s.client() as c:
                c.ehlo()
                c.raw_send(b"".join(b"MAIL FROM:<f%d@evil.example>\r\nRCPT TO:<alice@example.org>\r\nRSET\r\n" % i for i in range(50)))
                equal([r.code for r in c.replies(150)], [250, 550, 250] * 50, "flood")
            equal(s.give()[1].code, 250, "a wanted one")
        rows = eventually(lambda: (lambda r: r if len(r) >= 300 else None)(ring(s)), 20 * SLOW, 0.3, "the ring")
        check(len(rows) == 500 or re.search(r"refused letters=\d+", s.log()), "%d kept, and nothing said" % len(rows))


tap.main()
