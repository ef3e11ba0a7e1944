#!/usr/bin/python3
"""SEARCH BODY and TEXT with the index and without it: the same answers, whatever happens to the
letters, the index and the process meanwhile."""
import os
import random
import time

from searching import OWN, answer, fill, session, shared, wire      # first: it starts the test again

import mail_maker
from logins import USERS
from tap import check, equal, main, test

LETTERS = 1100
rng = random.Random(7)
here = {}


def own_mail():
    """Letters as mail_maker's, among them OWN in several sizes."""
    maker, out = mail_maker.Maker(3), []
    for i in range(LETTERS):
        out.append(OWN[i // 40 % 4] + b"%d zanzibar\r\n" % i if i % 40 == 3 else maker.letter(i)[0])
    here["words"] = maker.words[:300]
    return out


def opened(name="Many"):
    c = session()
    s = shared()
    if here.get("server") is not s:
        here.update(server=s)
        fill(s, "Many", own_mail())
    equal(c.cmd("SELECT " + name).status, "OK", "SELECT")
    return c


def path(name="Many"):
    return os.path.join(shared().maildir("alice"), "." + name, "waxwing-search")


def size(name="Many"):
    try:
        return os.path.getsize(path(name))
    except FileNotFoundError:
        return 0


def wait_for_index(least=1, limit=40):
    """Until it has grown and grows no more."""
    end, last = time.monotonic() + limit, -1
    while time.monotonic() < end:
        now = size()
        if now == last and now >= least:
            return
        last = now
        time.sleep(1)
    check(False, "no index: %d octets" % size())


def some_text():
    def w():
        return rng.choice(here["words"])

    kind = rng.randrange(9)
    if kind == 0:
        return "%s %s" % (w(), w())
    if kind == 1:
        return w()[:2]
    if kind == 2:
        return w()[1:5].upper()
    if kind == 3:
        return rng.choice(("Größe", "GRÖSSE", "größ", "ÖSS", "Köln", "café", "ö"))
    if kind == 4:
        return rng.choice(("hidden TREASURE", "holiday.png", "far inside", "zyxomma", "zanzibar", "zyzzyvas"))
    if kind == 5:
        return rng.choice(("From: ", "@list.example", "=?UTF-8", "Subject: Re: ", "boundary", "multipart/mixed", "esmtps id"))
    return w()


def queries(n):
    for _ in range(n):
        key = "%s \"%s\"" % (rng.choice(("BODY", "TEXT")), some_text())
        kind = rng.randrange(6)
        if kind == 0:
            key = "NOT " + key
        elif kind == 1:
            key = "OR %s TEXT \"%s\"" % (key, some_text())
        elif kind == 2:
            key = "%d:* %s" % (rng.randrange(1, LETTERS), key)
        elif kind == 3:
            key = "HEADER %s \"%s\"" % (rng.choice(("List-Id", "user-agent", "X-Nope", "Dkim-Signature", "To", "subject")),
                                       rng.choice(("", "lists", "example", "a=rsa", "/3.", some_text())))
        yield "SEARCH " + key


def same(c, n=25):
    """Answers with the index, then without: it is taken away under the session."""
    asked = list(queries(n))
    have = [answer(c, q) for q in asked]
    try:
        os.rename(path(), path() + ".away")
    except FileNotFoundError:
        pass
    for q, was in zip(asked, have):
        equal(was, answer(c, q), q)
    if os.path.exists(path() + ".away"):
        os.rename(path() + ".away", path())


@test("made by itself; the same answers with it and without; it leaves out what cannot match", limit=120)
def made():
    with opened() as c:
        same(c, 10)
        wait_for_index()
        check(size() < LETTERS * 1024, "%d octets" % size())
        same(c, 40)
        begin = time.monotonic()
        equal(answer(c, "SEARCH TEXT \"zyzzyvas\""), "* SEARCH", "absent")
        with_it = time.monotonic() - begin
        os.unlink(path())
        begin = time.monotonic()
        equal(answer(c, "SEARCH TEXT \"zyzzyvas\""), "* SEARCH", "absent")
        check(with_it < (time.monotonic() - begin), "not quicker: %.4f s" % with_it)
        wait_for_index()        # a search has seen that it was gone
        same(c)


@test("letters come, go, move and change their flags", limit=120)
def change():
    with opened() as c:
        wait_for_index()
        c.cmd("STORE 1:200 +FLAGS.SILENT (\\Seen)")
        c.cmd("STORE 100:500 +FLAGS.SILENT (\\Deleted)")
        equal(c.cmd("EXPUNGE").status, "OK", "EXPUNGE")
        same(c, 15)
        c.cmd("CREATE Other")
        equal(c.cmd("MOVE 1:150 Other").status, "OK", "MOVE")
        for i in range(5):
            l = OWN[i % 4] + b"tamarind %d\r\n" % i
            equal(c.cmd(b"APPEND Many {%d+}\r\n%s" % (len(l), l)).status, "OK", "APPEND")
        equal(len(answer(c, "SEARCH BODY tamarind").split()) - 2, 4, "all but the one behind the last boundary")
        same(c, 15)
        equal(c.cmd("MOVE 1:* Other").status, "OK", "MOVE")
        equal(answer(c, "SEARCH TEXT zanzibar"), "* SEARCH", "all have gone")


@test("another program puts letters there; mailbox is killed while the index is made", limit=180)
def killed():
    s = shared()
    with opened() as c:
        base = os.path.dirname(path())
        owner = os.stat(base)
        maker = mail_maker.Maker(5)
        for i in range(LETTERS):
            name = "%d.F%d.h" % (1700000000 + i, i)
            with open(os.path.join(base, "tmp", name), "wb") as f:
                f.write(maker.letter(i)[0])
            os.chown(os.path.join(base, "tmp", name), owner.st_uid, owner.st_gid)
            os.rename(os.path.join(base, "tmp", name), os.path.join(base, "new", name))
        equal(c.cmd("NOOP").status, "OK", "NOOP")
        same(c, 10)
    for i in range(4):
        try:
            os.unlink(path())
        except FileNotFoundError:
            pass
        c = s.imap()
        equal(c.login(s.address("alice"), USERS["alice"]).status, "OK", "login")
        c.cmd("SELECT Many")
        time.sleep(0.8 + 0.15 * i)
        s.kill_role("mailbox")
        c.close()
        with opened() as c:
            same(c, 8)
    with opened() as c:
        wait_for_index()
        same(c)


@test("damage is seen, and put right", limit=120)
def damaged():
    s = shared()
    with opened() as c:
        wait_for_index()
        with open(path(), "r+b") as f:
            whole = f.read()
            for at in range(0, len(whole), 2048):
                f.seek(at)
                f.write(bytes([whole[at] ^ 16]))
        same(c, 8)
        with open(path(), "r+b") as f:
            f.truncate(300000)
        same(c, 8)
        code, out, err = s.command("mailbox", "verify", s.address("alice"), "--repair")
        equal((code, "damaged blocks" in out), (0, True), out + err)
        end = time.monotonic() + 40
        while time.monotonic() < end and "damaged" in out:
            time.sleep(1)
            out = s.command("mailbox", "verify", s.address("alice"))[1]
        check("damaged" not in out and " 0 of them in" not in out, out)
        same(c)


if __name__ == "__main__":
    main()
