#!/usr/bin/python3
"""What a login may cost and what it may not: passwords, limits, bans (rows C7, C10), roles that die."""
import json
import os
import re
import signal
import socket
import subprocess
import threading
import time

from logins import FAILED, USERS, LoginServer, alice, logged_in, needs_net, shared          # first: it starts us again

import server
import tap
from imap import Imap, Pop3
from server import SLOW
from smtp import Closed
from tap import check, equal, eventually, test

# Limits

@test("a disabled account, a new password, an app password; SCRAM with each")
def passwords():
    with LoginServer() as s:
        with s.imap() as c:
            logged_in(c.login(alice(s), USERS["alice"]))
        s.passwd(alice(s), "another")
        with s.imap() as c:
            equal(c.login(alice(s), USERS["alice"]).status, "NO", "the old one")
            logged_in(c.login(alice(s), "another"))
        code, out, err = s.command("user", "app-password", "add", alice(s), "phone")
        equal(code, 0, "app-password add: %s" % err)
        app = out.strip()
        check(re.fullmatch(r"([a-z]{4}-){3}[a-z]{4}", app), "app password %r" % app)
        with s.imap() as c:
            logged_in(c.login(alice(s), app))
        with s.imap() as c:
            logged_in(c.scram(alice(s), app)[0])
        with s.imap() as c:
            logged_in(c.scram(alice(s), "another")[0])
        s.passwd(alice(s), "third")
        with s.imap() as c:
            logged_in(c.scram(alice(s), app)[0])
        code, out, err = s.command("user", "app-password", "list", alice(s))
        check("phone" in out and "last used" in out and app not in out, "list %s" % out)
        equal(s.command("user", "app-password", "add", alice(s), "phone")[0], 1, "twice")
        equal(s.command("user", "app-password", "remove", alice(s), "phone")[0], 0, "remove")
        with s.imap() as c:
            equal(c.login(alice(s), app).status, "NO", "a removed one")
            logged_in(c.login(alice(s), "third"))
        equal(s.command("user", "disable", alice(s))[0], 0, "disable")
        with s.imap() as c:
            r = c.login(alice(s), "third")
            check(r.status == "NO" and "disabled" in r.text, "%r" % r)
            equal(c.login(alice(s), "wrong").text, "[AUTHENTICATIONFAILED] " + FAILED, "a wrong one")
        check("third" not in s.log() and app not in s.log(), "a password stands in the log")
        s.restart()
        equal(s.command("user", "enable", alice(s))[0], 0, "enable")
        with s.imap() as c:
            logged_in(c.login(alice(s), "third"))


@test("a hash of another server; SCRAM is not offered while a user could not use it")
def hashes():
    with LoginServer() as s:
        with s.imap() as c:
            check("AUTH=SCRAM-SHA-256" in c.capabilities(), "no SCRAM")
        h = subprocess.run(["openssl", "passwd", "-6", "-salt", "abcdefgh", "imported"], capture_output=True,
                           check=True).stdout.decode().strip()
        s.passwd(alice(s), h, "--hash")
        with s.imap() as c:
            caps = c.capabilities()
            check("AUTH=PLAIN" in caps and "AUTH=SCRAM-SHA-256" not in caps, "caps %s" % caps)
            logged_in(c.login(alice(s), "imported"))
        with s.imap() as c:
            equal(c.login(alice(s), h).status, "NO", "the hash itself")
            equal(c.authenticate("SCRAM-SHA-256", initial=b"n,,n=x,r=y").status, "NO", "SCRAM")
        code, _out, err = s.command("user", "passwd", alice(s), "--hash", stdin=b"no hash at all\n")
        check(code == 1 and "crypt" in err, "%d %s" % (code, err))
        s.passwd(alice(s), "mine")
        with s.imap() as c:
            check("AUTH=SCRAM-SHA-256" in c.capabilities(), "no SCRAM again")


@test("C7 authentication cache: a right password is quicker, a changed one is not right")
def cache():
    with LoginServer(login="auth-cache 100") as s:
        def login(pw):
            with s.imap() as c:
                start = time.monotonic()
                r = c.login(alice(s), pw)
                return r.status, time.monotonic() - start
        equal(login(USERS["alice"])[0], "OK", "first")
        fast = min(login(USERS["alice"])[1] for _ in range(5))
        check(fast < 0.03 * SLOW, "%.3f s with the cache" % fast)
        with s.imap() as c:
            equal(c.login(s.address("bob"), USERS["alice"]).status, "NO", "as bob")
        s.passwd(alice(s), "other")
        equal(login(USERS["alice"])[0], "NO", "the old one")
        equal(login("other")[0], "OK", "the new one")


@test("sessions of one account: one too many hears why, and gets in when one ends")
def session_limit():
    with LoginServer(login="connections 5") as s:
        open_ = [s.imap() for _ in range(6)]
        for c in open_[:5]:
            logged_in(c.login(alice(s), USERS["alice"]))
        r = open_[5].login(alice(s), USERS["alice"])
        check(r.status == "NO" and r.code == "LIMIT" and "Too many" in r.text, "%r" % r)
        s.log_wait('result="limit"')
        with s.pop3() as c:
            check(c.login(alice(s), USERS["alice"]).startswith(b"-ERR"), "POP3")
        with s.imap() as c:
            logged_in(c.login(s.address("bob"), USERS["bob"]))
        open_[0].close()

        def again():
            with s.imap() as c:
                return c.login(alice(s), USERS["alice"]).status == "OK"
        eventually(again, 5 * SLOW, 0.2, "a place")


@test("100 sessions of one account by default, in one mailbox process", limit=120)
def hundred():
    s = shared()
    cs = [s.imap() for _ in range(100)]
    for c in cs:
        logged_in(c.login(alice(s), USERS["alice"]))
    equal([c.cmd("NOOP").status for c in cs], ["OK"] * 100, "NOOP")
    mine = [p for p in s.roles().get("mailbox", [])]
    check(len(mine) <= len(USERS), "mailboxes %s" % mine)
    for c in cs:
        c.close()


@test("who does not log in in time, or talks nonsense, is cut off")
def patience():
    with LoginServer(login="patience 2s", passwords=False) as s:
        with s.imap() as c:
            start = time.monotonic()
            r = c.rest(10 * SLOW)
            check(r is not None and b"BYE" in r, "%r" % r)
            check(1.5 < time.monotonic() - start < 6 * SLOW, "after %.1f s" % (time.monotonic() - start))
        with s.pop3() as c:
            r = c.rest(10 * SLOW)
            check(r is not None and b"-ERR" in r, "%r" % r)
        c = socket.create_connection(("127.0.0.1", s.ports["imaps"]))
        c.settimeout(20 * SLOW)
        equal(c.recv(10), b"", "a client that never shakes hands")
    s = shared()
    for make in (s.imap, s.pop3):
        with make() as c:
            c.send(b"nonsense\r\n" * 200)
            r = c.rest(10 * SLOW)
            check(r is not None and r.count(b"\r\n") < 50, "%r" % (r and r[-200:]))
    with s.imap() as c:
        c.send(b"x" * 100000)
        check(c.rest(5) is None or True, "")


@test("Linux accounts by PAM: bare name and address; SCRAM is not offered; unknown names look alike", limit=120)
def linux_accounts():
    if os.getuid() != 0:
        tap.skip("needs root")
    name = "wxe2e%d" % (os.getpid() % 100000)
    if subprocess.run(["useradd", "-m", name], capture_output=True).returncode:
        tap.skip("cannot add a Linux account here")
    try:
        subprocess.run(["chpasswd"], input=("%s:linux-pw\n" % name).encode(), check=True)
        with LoginServer(conf="auth {\nbackend internal\nbackend pam other\n}\n") as s:
            with s.imap() as c:
                caps = c.capabilities()
                check("AUTH=PLAIN" in caps and not any("SCRAM" in x for x in caps), "caps %s" % caps)
            for user in (name, "%s@example.org" % name):
                with s.imap() as c:
                    logged_in(c.login(user, "linux-pw"))
            with s.imap() as c:
                logged_in(c.login(alice(s), USERS["alice"]))
            texts, took = set(), []
            for user in (name, "no" + name, "%s@example.org" % name, "nobody@example.org", "no such name!", alice(s)):
                with s.imap() as c:
                    start = time.monotonic()
                    texts.add(c.login(user, "wrong").text)
                    took.append(time.monotonic() - start)
            equal(len(texts), 1, "texts %s" % texts)
            check(max(took) - min(took) < 0.1 * SLOW, "times %s" % took)
            code, out, err = s.command("user", "app-password", "add", name, "phone")
            equal(code, 0, "app-password add: %s" % err)
            with s.imap() as c:
                logged_in(c.login(name, out.strip()))
            with s.imap() as c:
                equal(c.login("root", "x").status, "NO", "root")
            code, out, _ = s.command("test", "login", name, stdin=b"linux-pw\n")
            check(code == 0 and "Linux account" in out, "test login: %s" % out)
            code, out, _ = s.command("test", "login", alice(s), stdin=b"wrong\n")
            check(code == 1 and "wrong" in out, "test login: %s" % out)
    finally:
        subprocess.run(["userdel", "-r", name], capture_output=True)


# Strangers

BAD = "198.51.100.2"


@test("C10 failures ban an address, not its neighbour, not a network that has logged in; in all protocols", limit=240)
def ban():
    needs_net()
    with LoginServer(ban="logins 6 per 10m\ntimes 1h") as s:
        def fail(source, times, user="alice"):
            done = 0
            while done < times:
                with s.far(source) as c:
                    for _ in range(min(3, times - done)):
                        equal(c.login(s.address(user), "wrong").status, "NO", "login")
                        done += 1
        with s.stranger(5) as c:        # known from here on
            logged_in(c.login(alice(s), USERS["alice"]))
        ts = [threading.Thread(target=fail, args=(a, 6, u))
              for a, u in ((BAD, "bob"), ("192.0.2.5", "carol"), ("192.0.2.6", "nobody"))]
        for t in ts:
            t.start()
        for t in ts:
            t.join()
        log = s.log_wait(r'ban client="198\.51\.100\.2" ')
        check(log, "ban")

        def closed(source):
            try:
                with s.far(source, tls=False) as c:
                    return c.banner.startswith(b"* BYE") and b"banned" in c.banner
            except Closed:
                return False
        check(closed(BAD), "not banned")
        # its neighbour; who has logged in; the next address of who has logged in
        for a in ("198.51.100.3", "192.0.2.5", "192.0.2.6"):
            check(not closed(a), "%s is banned" % a)
        with Pop3(("192.0.2.1", s.ports["pop3"]), source=BAD) as c:
            check(c.banner.startswith(b"-ERR") and b"banned" in c.banner, "POP3 %r" % c.banner)
        with s.client(addr=("192.0.2.1", s.ports["smtp"]), source=BAD, banner=False) as c:
            check(c.reply().code == 421, "SMTP")
        try:
            with s.far(BAD):
                tap.fail("TLS")
        except Closed:
            pass
        code, out, _ = s.command("ban", "list")
        check(code == 0 and BAD + " " in out and "192.0.2.5" not in out, "list %s" % out)
        s.restart()                     # it is kept
        check(closed(BAD), "not banned after a restart")
        with s.stranger(5) as c:
            logged_in(c.login(alice(s), USERS["alice"]))
        equal(s.command("ban", "remove", BAD)[0], 0, "remove")
        check(not closed(BAD), "still banned")
        equal(s.command("ban", "remove", BAD)[0], 1, "remove twice")


@test("C10 loopback is slowed per account, and never banned", limit=120)
def loopback():
    with LoginServer(ban="logins 3 per 10m") as s:
        for _ in range(2):
            with s.imap() as c:
                for _ in range(4):
                    equal(c.login(s.address("bob"), "wrong").status, "NO", "login")
        with s.imap() as c:
            logged_in(c.login(alice(s), USERS["alice"]))


@test("bans by hand: an address, a network, an IPv6 /64; what must not be banned")
def by_hand():
    needs_net()
    with LoginServer(passwords=False) as s:
        def closed(to, source):
            with Imap((to, s.ports["imap"]), source=source) as c:
                return b"banned" in c.banner
        equal(s.command("ban", "add", "192.0.2.8/29", "1h", "a test")[0], 0, "add")
        check(closed("192.0.2.1", "192.0.2.9") and closed("192.0.2.1", "192.0.2.15"), "the network")
        check(not closed("192.0.2.1", "192.0.2.7"), "its neighbour")
        equal(s.command("ban", "add", "2001:db8::/64")[0], 0, "add IPv6")
        check(closed("2001:db8::1", "2001:db8::2"), "the /64")
        out = s.command("ban", "list", "--json")[1]
        rows = json.loads(out)
        equal([(r["what"], r["reason"]) for r in rows], [("192.0.2.8/29", "a test"), ("2001:db8::/64", "by hand")], "list")
        check(rows[0]["hits"] == 2 and rows[0]["expires"] and not rows[1]["expires"], "%s" % rows)
        for bad in ("127.0.0.1", "::1", "0.0.0.0/0", "::/0", "127.0.0.0/8", "no address", "192.0.2.1/99"):
            check(s.command("ban", "add", bad)[0] == 1, bad)
        check(s.command("ban", "add", "192.0.2.7", "soon")[0] == 2, "a strange duration")
        equal(s.command("ban", "remove", str(rows[0]["id"]))[0], 0, "remove by id")
        check(not closed("192.0.2.1", "192.0.2.9"), "still banned")


@test("C10 one account guessed from many addresses: its owner, known there, still gets in at once", limit=200)
def spray():
    needs_net()
    with LoginServer() as s:
        with s.stranger(20) as c:
            logged_in(c.login(alice(s), USERS["alice"]))
        stop = threading.Event()
        tries = []

        def guess(n):
            while not stop.is_set():
                try:
                    with s.stranger(n) as c:
                        while not stop.is_set():
                            tries.append(c.login(alice(s), "wrong").status)
                except (Closed, OSError):
                    time.sleep(0.05)

        ts = [threading.Thread(target=guess, args=(n,)) for n in range(2, 18) for _ in range(2)]
        for t in ts:
            t.start()
        time.sleep(4)
        took = []
        for _ in range(3):
            with s.stranger(20) as c:
                start = time.monotonic()
                logged_in(c.login(alice(s), USERS["alice"]))
                took.append(time.monotonic() - start)
        with s.imap() as c:             # and others are not held up
            start = time.monotonic()
            logged_in(c.login(s.address("bob"), USERS["bob"]))
            took.append(time.monotonic() - start)
        stop.set()
        for t in ts:
            t.join()
        check(max(took) < 2 * SLOW, "logins took %s s" % took)
        check("OK" not in tries, "guessed")


@test("per-client: a stranger has so many connections, and no more")
def per_client():
    needs_net()
    with LoginServer(login="per-client 4 connections", passwords=False) as s:
        cs = [s.stranger(2, tls=False) for _ in range(4)]
        with s.stranger(2, tls=False) as c:
            check(c.banner.startswith(b"* BYE") and b"too many connections" in c.banner, "%r" % c.banner)
        with s.stranger(3, tls=False) as c:
            check(c.banner.startswith(b"* OK"), "another client %r" % c.banner)
        cs[0].close()
        eventually(lambda: s.stranger(2, tls=False).banner.startswith(b"* OK"), 5 * SLOW, 0.2, "a place")


# Roles that die

@test("user, keys, mailbox, login killed: a clear answer, and logins again at once", limit=120)
def killed():
    with LoginServer() as s:
        s.expect_crash = True
        held = s.imap()
        logged_in(held.login(alice(s), USERS["alice"]))
        for role in ("user", "keys"):
            s.kill_role(role)

            def works():
                try:
                    with s.imap() as c:
                        return c.login(alice(s), USERS["alice"]).status == "OK"
                except (Closed, OSError):
                    return False
            eventually(works, 10 * SLOW, 0.1, "a login after %s was killed" % role)
            equal(held.cmd("NOOP").status, "OK", "a session that was there, %s killed" % role)
        s.kill_role("mailbox")
        equal(held.rest(), b"", "its session ends")
        with s.imap() as c:
            logged_in(c.login(alice(s), USERS["alice"]))
            s.kill_role("login")
            check(c.rest() is not None, "not closed")
        eventually(works, 10 * SLOW, 0.1, "a login after login was killed")


@test("a mailbox that cannot be started: NO [UNAVAILABLE], -ERR [SYS/TEMP]")
def no_mailbox():
    with LoginServer() as s:
        home = s.home("bob")
        os.makedirs(os.path.dirname(home), exist_ok=True)
        with open(home, "w") as f:      # where its folder should be
            f.write("x")
        with s.imap() as c:
            r = c.login(s.address("bob"), USERS["bob"])
            equal((r.status, r.code), ("NO", "UNAVAILABLE"), "IMAP")
        with s.pop3() as c:
            r = c.login(s.address("bob"), USERS["bob"])
            check(r.startswith(b"-ERR [SYS/TEMP]"), "POP3 %r" % r)
        os.unlink(home)
        with s.imap() as c:
            logged_in(c.login(s.address("bob"), USERS["bob"]))


@test("a stop says BYE to those who are in and to those who are not")
def stop():
    with LoginServer() as s:
        inside, outside = s.imap(), s.imap()
        pop = s.pop3()
        logged_in(inside.login(alice(s), USERS["alice"]))
        start = time.monotonic()
        os.kill(s.pid, signal.SIGTERM)
        for c, what in ((inside, b"* BYE"), (outside, b"* BYE"), (pop, b"-ERR")):
            r = c.rest(10 * SLOW)
            check(r is not None and what in r, "%r" % r)
        s.proc.wait(20 * SLOW)
        check(time.monotonic() - start < 8 * SLOW, "took %.1f s" % (time.monotonic() - start))


@test("a mebibyte each way at once, and a client that does not read, hold no memory")
def volume():
    s = shared()
    pids = s.roles()["login"]
    with s.imap() as c:
        logged_in(c.login(alice(s), USERS["alice"]))
        before = sum(server.pss_of(p) for p in pids)
        done = []

        def send():
            for i in range(40000):
                c.send(b"n%05d NOOP\r\n" % i)
            done.append(True)
        t = threading.Thread(target=send)
        t.start()
        time.sleep(1)
        during = sum(server.pss_of(p) for p in pids)
        for i in range(40000):
            r = c.line()
            check(r.startswith(b"n%05d OK" % i), "answer %d: %r" % (i, r))
        t.join()
        check(server.SANITIZED or during - before < 2000, "%d KiB more" % (during - before))


@test("memory of idle TLS sessions, all processes counted", limit=120)
def memory():
    if SLOW > 1:
        tap.skip("sanitizers")
    with LoginServer() as s:
        with s.imap() as c:
            logged_in(c.login(alice(s), USERS["alice"]))
            before = s.pss()
            cs = [s.imap() for _ in range(100)]
            for x in cs:
                logged_in(x.login(alice(s), USERS["alice"]))
            time.sleep(4)               # stacks are given back
            each = (s.pss() - before) / 100
            print("# %.1f KiB for each session" % each)
            check(each < 45, "%.1f KiB" % each)
            for x in cs:
                x.close()


tap.main()
