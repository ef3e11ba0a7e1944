#!/usr/bin/python3
"""waxwing mailbox list, status, create, delete, verify, gone: what the administrator sees and changes."""
import json
import os
import re

from searching import USERS, shared                                  # first: it starts the test again

from tap import cases, check, equal, main, test


def imap(s, user="alice"):
    c = s.imap()
    equal(c.login(s.address(user), USERS[user]).status, "OK", "login")
    return c


def append(c, folder, n=1):
    l = b"Subject: x\r\n\r\nbody\r\n"
    for _ in range(n):
        equal(c.cmd(b"APPEND %s {%d+}\r\n%s" % (folder.encode(), len(l), l)).status, "OK", "APPEND")


def run(s, *args, code=0):
    got, out, err = s.command(*args)
    equal(got, code, "waxwing %s: %s%s" % (" ".join(args), out, err))
    return out if code == 0 else err


def folders(s, who="alice@example.org"):
    return {f["name"]: f for f in json.loads(run(s, "--json", "mailbox", "list", who))}


@test("list and status agree with IMAP's STATUS")
def listing():
    s = shared()
    with imap(s) as c:
        c.cmd("CREATE Sent")
        c.cmd("SUBSCRIBE Sent")
        c.cmd("CREATE Entw&APw-rfe")
        append(c, "Sent", 3)
        c.cmd("SELECT Sent")
        c.cmd("STORE 1 +FLAGS (\\Seen)")
        size = int(re.search(rb"SIZE (\d+)", b"".join(c.cmd("STATUS Sent (SIZE)").untagged)).group(1))
    f = folders(s)
    equal(f["Sent"], {"name": "Sent", "use": "\\Sent", "exists": True, "subscribed": True, "letters": 3, "unseen": 2,
                      "octets": size}, "Sent")
    check("Entwürfe" in f and "INBOX" in f, "names: %r" % list(f))
    out = run(s, "mailbox", "list", "alice@example.org")
    check("Sent  3 letters, 2 unseen, %d octets  Sent  subscribed" % size in out, out)
    u = json.loads(run(s, "--json", "mailbox", "status", "alice@example.org"))
    equal(u["letters"] >= 3, True, "status: %r" % u)


@test("create and delete; an open session sees it; the letters rest in gone and come back")
def changing():
    s = shared()
    run(s, "mailbox", "create", "alice@example.org", "Büro.neu")
    check("Büro.neu" in folders(s), "created")
    check("exists" in run(s, "mailbox", "create", "alice@example.org", "Büro.neu", code=1), "twice")
    with imap(s) as c:
        append(c, "B&APw-ro.neu", 2)
        run(s, "mailbox", "delete", "alice@example.org", "Büro.neu")
        equal(c.cmd("SELECT B&APw-ro.neu").code, "NONEXISTENT", "SELECT")
        check("Büro.neu" not in folders(s), "deleted")
        gone = [g for g in json.loads(run(s, "--json", "mailbox", "gone", "list", "alice@example.org"))
                if g["folder"] == "Büro.neu"]
        equal(len(gone), 2, "in gone")
        check(gone[0]["letter"] in run(s, "mailbox", "gone", "list", "alice@example.org"), "as text")
        run(s, "mailbox", "gone", "restore", "alice@example.org", gone[0]["letter"])
        equal(folders(s)["Büro.neu"]["letters"], 1, "one is back where it was")
        run(s, "mailbox", "gone", "restore", "alice@example.org", gone[1]["letter"], "INBOX")
        run(s, "mailbox", "gone", "restore", "alice@example.org", gone[1]["letter"], "INBOX", code=1)


@test("verify finds what another program broke, --repair puts it right")
def verify():
    s = shared()
    with imap(s) as c:
        c.cmd("CREATE Broken")
        append(c, "Broken", 3)
    check("0 findings" in run(s, "mailbox", "verify", "alice@example.org"), "clean")
    with open(os.path.join(s.maildir("alice"), ".Broken", "dovecot-uidlist"), "a") as f:
        f.write("this is no line of a uidlist\n")
    got, out, _ = s.command("--json", "mailbox", "verify", "alice@example.org")
    equal((got, json.loads(out)["findings"] > 0), (1, True), out)
    run(s, "mailbox", "verify", "alice@example.org", "--repair")
    check("0 findings" in run(s, "mailbox", "verify", "alice@example.org"), "clean again")


@cases([(" ".join(a), a, code) for a, code in (
    (("list", "nobody@example.org"), 1), (("list", "alice@elsewhere.example"), 1), (("status", "no-such-linux-user"), 1),
    (("create", "alice@example.org", "INBOX"), 1), (("create", "alice@example.org", "a/b"), 1),
    (("delete", "alice@example.org", "INBOX"), 1), (("delete", "alice@example.org", "absent"), 1),
    (("gone", "restore", "alice@example.org", "../../x"), 1), (("gone", "what", "alice@example.org"), 2),
    (("verify", "alice@example.org", "--please"), 2), (("list",), 2))])
def wrong(args, code):
    s = shared()
    run(s, "mailbox", *args, code=code)
    check(not os.path.exists(s.home("nobody")), "a home was made for nobody")


if __name__ == "__main__":
    main()
