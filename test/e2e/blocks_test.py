#!/usr/bin/python3
"""Blocks and exceptions: by command and in live files, on everything a block is matched on, which of them holds."""
import json
import os

import tap
from letters import letter
from server import SLOW, Server
from smtp import Smtp
from tap import check, equal, eventually, test

BLOCKED = "we take no letters from this sender"


def listed(s, kind="block"):
    code, out, err = s.command("--json", kind, "list")
    equal(code, 0, err)
    return {e["what"]: e for e in json.loads(out)}


def do(s, *words):
    code, out, err = s.command(*words)
    equal(code, 0, "%s: %s" % (" ".join(words), err))
    return out


def attempt(s, sender="a@client.example.net", helo="client.example.net", source=None, head=b"", tok=None):
    with Smtp(s.addr, source=source) as c:
        c.ehlo(helo)
        return c.deliver([s.address("alice")], letter(tok, headers=head), sender=sender)


def refused(r, what=""):
    check(r.code == 550 and r.enhanced == "5.7.1" and BLOCKED in r.text, "%s: %r" % (what, r))


@test("a block is refused at RCPT, by sender, sub-domain, HELO, client and header; the list says how often")
def everywhere():
    with Server() as s:
        equal(attempt(s).code, 250, "before")
        do(s, "block", "add", "evil.example", "--reason", "sells our addresses")
        do(s, "block", "add", "troll@mixed.example", "--expires", "30d")
        do(s, "block", "add", "127.9.0.0/16")
        equal(attempt(s).code, 250, "somebody else")
        refused(attempt(s, sender="a@evil.example"), "sender")
        refused(attempt(s, sender="a@deep.in.EVIL.example"), "sub-domain")
        refused(attempt(s, helo="mx.evil.example"), "HELO")
        refused(attempt(s, source="127.9.1.2"), "client")
        equal(attempt(s, sender="a@notevil.example").code, 250, "another domain")
        for field in (b"From: x <troll@mixed.example>\r\n", b"Sender: Troll@MIXED.example\r\n",
                      b"Reply-To: ok@fine.example,\r\n troll@mixed.example\r\n"):
            refused(attempt(s, head=field), field)
        equal(attempt(s, head=b"Reply-To: other@mixed.example\r\n").code, 250, "another address")
        equal(attempt(s, head=b"X-Note: troll@mixed.example\r\n").code, 250, "another field")
        with s.client() as c:
            c.ehlo()
            c.mail("a@evil.example")
            refused(c.rcpt(s.address("alice")), "first")
            refused(c.rcpt(s.address("bob")), "second")
            equal(c.cmd("DATA").code, 554, "DATA")
            c.cmd("RSET")
            equal(c.deliver(s.address("alice"), letter()).code, 250, "the same client, another sender")
        rows = listed(s)
        equal(sorted(rows), ["127.9.0.0/16", "evil.example", "troll@mixed.example"], "list")
        equal(rows["evil.example"]["hits"], 4, "hits")
        equal(rows["troll@mixed.example"]["hits"], 3, "hits")
        equal(rows["evil.example"]["reason"], "sells our addresses", "reason")
        check(rows["evil.example"]["by"].startswith("uid ") and rows["evil.example"]["added"], rows)
        check(rows["troll@mixed.example"]["expires"] and not rows["evil.example"]["expires"], rows)
        s.log_wait(r'the block evil.example \(uid \d+\), by its HELO mx.evil.example: sells our')
        do(s, "block", "remove", "evil.example")
        equal(attempt(s, sender="a@evil.example").code, 250, "after its end")
        do(s, "block", "remove", str(rows["127.9.0.0/16"]["id"]))
        equal(attempt(s, source="127.9.1.2").code, 250, "ended by its id")
        equal(s.command("block", "remove", "evil.example")[0], 1, "twice")


@test("entries and their counts outlive the server; an end outlives it, too")
def restart():
    with Server() as s:
        do(s, "block", "add", "evil.example", "--reason", "one")
        do(s, "block", "add", "evil.example", "--reason", "two")
        do(s, "block", "add", "gone.example")
        do(s, "block", "remove", "gone.example", "--reason", "a mistake")
        do(s, "block", "add", "short.example", "--expires", "2s")
        refused(attempt(s, sender="a@evil.example"))
        s.restart()
        rows = listed(s)
        check(set(rows) <= {"evil.example", "short.example"} and "evil.example" in rows, rows)
        equal((rows["evil.example"]["reason"], rows["evil.example"]["hits"]), ("two", 1), "after the restart")
        refused(attempt(s, sender="a@evil.example"))
        equal(attempt(s, sender="a@gone.example").code, 250, "ended")
        eventually(lambda: attempt(s, sender="a@short.example").code == 250, 10 * SLOW, 0.3, "its end")
        equal(list(listed(s)), ["evil.example"], "what has expired is not shown")


@test("K5 the more specific entry holds; an exception is not matched on what anybody may claim in the header")
def specific():
    with Server() as s:
        do(s, "block", "add", "example.com")
        do(s, "allow", "add", "friend@example.com")
        refused(attempt(s, sender="a@example.com"))
        equal(attempt(s, sender="Friend@Example.COM").code, 250, "the friend")
        refused(attempt(s, sender="a@example.com", head=b"From: friend@example.com\r\n"), "From alone")
        refused(attempt(s, sender="a@example.com", head=b"Reply-To: friend@example.com\r\n"), "Reply-To alone")
        do(s, "block", "add", "127.9.0.0/16")
        do(s, "allow", "add", "127.9.1.2")
        refused(attempt(s, source="127.9.1.3"))
        equal(attempt(s, source="127.9.1.2").code, 250, "the client")
        do(s, "block", "add", "127.9.1.2")
        equal(attempt(s, source="127.9.1.2").code, 250, "of equals the exception")
        do(s, "allow", "add", "helo.example")
        refused(attempt(s, source="127.9.1.3", helo="mx.helo.example"), "HELO is no exception")
        do(s, "block", "add", "troll@lists.example")
        do(s, "allow", "add", "lists.example")
        equal(attempt(s, sender="list@lists.example").code, 250, "a list")
        refused(attempt(s, sender="list@lists.example", head=b"Reply-To: troll@lists.example\r\n"), "its author")
        rows = listed(s, "allow")
        check(rows["127.9.1.2"]["hits"] >= 2 and rows["127.9.1.2"]["last_hit"], rows)
        s.log_wait(r"exempt .*127\.9\.1\.2")


@test("live files: a line is in force when the file is written, its comment is the reason; faults are told")
def files():
    with Server(inbound="block file blocks\nallow file allows\n") as s:
        path = os.path.join(s.dir, "blocks")

        def write(text, name="blocks"):
            with open(os.path.join(s.dir, name + ".new"), "w") as f:
                f.write(text)
            os.rename(os.path.join(s.dir, name + ".new"), os.path.join(s.dir, name))

        equal(attempt(s, sender="a@evil.example").code, 250, "no file yet")
        write("# our list\n\nevil.example   # sells addresses\nnot a line\n^regex@x\n127.9.0.0/16 until 2099-12-31\n"
              "old.example until 2020-01-01 # long over\n")
        eventually(lambda: attempt(s, sender="a@evil.example").code == 550, 10 * SLOW, 0.2, "the file")
        refused(attempt(s, source="127.9.0.1"))
        equal(attempt(s, sender="a@old.example").code, 250, "what is over")
        rows = listed(s)
        equal(rows["evil.example"]["reason"], "sells addresses", "reason")
        check(rows["evil.example"]["by"].endswith("blocks:3") and rows["evil.example"]["hits"] >= 1, rows)
        s.log_wait(r"path=\S*blocks\S* line=4 why=")
        s.log_wait(r"path=\S*blocks\S* line=5 why=")
        equal(s.command("block", "remove", "evil.example")[0], 1, "a line ends in its file")
        write("good@evil.example # wanted\n", "allows")
        eventually(lambda: attempt(s, sender="good@evil.example").code == 250, 10 * SLOW, 0.2, "the other file")
        hits = listed(s)["evil.example"]["hits"]
        with open(path, "w") as f:               # in place, as some editors do
            f.write("other.example\n127.9.0.0/16\nevil.example # still\n")
        eventually(lambda: attempt(s, sender="a@other.example").code == 550, 10 * SLOW, 0.2, "the new text")
        check(listed(s)["evil.example"]["hits"] >= hits, "counts of a line outlive the change of its file")
        os.unlink(path)
        eventually(lambda: attempt(s, sender="a@evil.example").code == 250, 10 * SLOW, 0.2, "without the file")


@test("Exim's sender_local_deny_exceptions and host_local_deny_exceptions hold as they are")
def exim():
    with Server(inbound="sender-exceptions file senders\nhost-exceptions file hosts\n") as s:
        do(s, "block", "add", "0.0.0.0/0")
        with open(os.path.join(s.dir, "senders"), "w") as f:
            f.write("# friends\n!spam@friends.example\n*@friends.example\n*.wide.example # all below\n^bad.*@x.example\n")
        with open(os.path.join(s.dir, "hosts"), "w") as f:
            f.write("127.9.1.2 # the printer\n127.10.0.9/16\n")
        eventually(lambda: attempt(s, sender="a@friends.example").code == 250, 10 * SLOW, 0.2, "the list of senders")
        eventually(lambda: attempt(s, source="127.9.1.2").code == 250, 10 * SLOW, 0.2, "the list of hosts")
        refused(attempt(s, sender="spam@friends.example"), "a line with !")
        equal(attempt(s, sender="a@very.wide.example").code, 250, "*.")
        refused(attempt(s, sender="a@wide.example"), "not itself")
        refused(attempt(s, sender="bad1@x.example"), "an expression is not supported")
        equal(attempt(s, source="127.10.200.1").code, 250, "a network")
        refused(attempt(s, source="127.9.1.3"))
        s.log_wait(r"path=\S*senders\S* line=5 why=\S*regular")
        check("!spam@friends.example" in listed(s, "allow"), "list")


@test("test rcpt knows bans, blocks and exceptions, in the order of a session, and counts nothing")
def rehearsal():
    with Server(inbound="check helo fail reject\nfriends 192.0.2.44\n", conf="dns {\nresolver off\n}\n") as s:
        do(s, "ban", "add", "198.51.100.0/24", "1h", "guesses")
        do(s, "block", "add", "evil.example", "--reason", "sells our addresses")
        do(s, "allow", "add", "good@evil.example", "--reason", "my aunt")
        do(s, "allow", "add", "192.0.2.7")

        def ask(sender, ip="192.0.2.1", to=None, helo="x.example.net"):
            code, out, err = s.command("--json", "test", "rcpt", "--from", sender, "--to", to or s.address("alice"), "--ip", ip,
                                       "--helo", helo)
            got = json.loads(out)
            equal(code, 0 if got["code"] == 250 else 1, out + err)
            return got["code"], [(r["rule"], r["found"], r["follows"]) for r in got["rules"]], " ".join(r["why"] for r in got["rules"])
        clean, ours, later = ("ban", "nothing", ""), ("recipient", "nothing", ""), ("from", "not asked", "")
        for what, args, code, rules, why in (
                ("nothing", ("a@x.example",), 250, [clean, ours, ("block", "nothing", ""), ("helo", "nothing", ""), later], ""),
                ("a ban", ("a@evil.example", "198.51.100.7"), 421, [("ban", "found", "reject")], "guesses"),
                ("no such user", ("a@evil.example", "192.0.2.1", "nobody@example.org"), 550, [clean, ("recipient", "found", "reject")], ""),
                ("a block", ("a@deep.evil.example",), 550, [clean, ours, ("block", "found", "reject")], "sells our addresses"),
                ("an exception", ("good@evil.example",), 250, [clean, ours, ("allow", "found", "pass")], "my aunt"),
                ("an exception", ("a@x.example", "192.0.2.7", None, "bad"), 250, [clean, ours, ("allow", "found", "pass")], "192.0.2.7"),
                ("a check", ("a@x.example", "192.0.2.1", None, "bad"), 550, [clean, ours, ("block", "nothing", ""), ("helo", "found", "reject"), later], ""),
                ("a friend", ("a@x.example", "192.0.2.44"), 250, [clean, ours, ("block", "nothing", ""), ("friends", "found", "")], "never banned"),
                ("a friend", ("a@evil.example", "192.0.2.44"), 550, [clean, ours, ("block", "found", "reject")], "")):
            got = ask(*args)
            check(got[0] == code and got[1] == rules and why in got[2], "%s: %s" % (what, got))
        check(all(e["hits"] == 0 for k in ("block", "allow") for e in listed(s, k).values()), "nothing is counted")
        check(json.loads(do(s, "--json", "ban", "list"))[0]["hits"] == 0, "no ban is, either")


@test("what cannot be an entry is said, and who is one of ours is not blocked")
def usage():
    with Server(conf="submission {\nnetwork 127.9.0.0/16 as any\n}\n") as s:
        for what in ("", "*", "a b@x.example", "192.0.2.1/24", "x..example"):
            code, _out, err = s.command("block", "add", what)
            check(code in (1, 2) and err, "%r: %d" % (what, code))
        equal(s.command("block", "add", "x.example", "--expires", "soon")[0], 2, "--expires")
        equal(s.command("block", "add", "x.example", "--expires", "2001-01-01")[0], 1, "the past")
        do(s, "block", "add", "127.9.0.0/16")
        do(s, "block", "add", "evil.example")
        equal(attempt(s, source="127.9.0.1", sender="a@evil.example").code, 250, "by its network")
        refused(attempt(s, sender="a@evil.example"))


tap.main()
