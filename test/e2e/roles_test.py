#!/usr/bin/python3
"""Roles die, homes are hostile, strangers knock at the command socket: rows P6, P17."""
import os
import re
import signal
import socket
import struct
import subprocess
import time

import server
import tap
from faults import RETRY, soon
from letters import letter, token
from server import SLOW, Server
from smtp import Closed, stuff
from tap import cases, check, equal, test

RARE = ("control", "smtpd", "queue", "scan", "user", "sign", "keys", "zygote")


@cases([("P6 kill -9 %s: back within 2 s, nothing is lost" % r, r) for r in RARE + ("mailbox",)],
       limit=90)
def killed(role):
    s = Server(RETRY)
    s.expect_crash = True
    try:
        s.start()
        s.fence()
        before = s.roles()
        toks = []
        with s.client() as idle:
            idle.ehlo()
            for _ in range(3):
                t, r = s.give()
                equal(r.code, 250, "reply")
                toks.append(t)
                tap.eventually(lambda: s.kill_role(role), 2 * SLOW,
                               what="a %s among %s" % (role, sorted(before)))
                t, took = soon(s)
                toks.append(t)
            if role not in ("smtpd", "keys"):
                idle.mail()
                idle.cmd("RSET")
                equal(idle.cmd("NOOP").code, 250, "a session of another role")
        for t in toks:
            s.wait(t, limit=40)
            check(len(s.find(t)) <= 2, "copies")
        after = s.roles()
        for name, pids in before.items():
            if name not in (role, "mailbox"):
                if role == "zygote" and name == "mailbox":
                    continue
                equal(sorted(after.get(name, [])), sorted(pids), "%s was restarted too" % name)
        tap.eventually(lambda: set(s.roles()) >= set(before) - {"mailbox"}, 3 * SLOW,
                       what="every role is back")
        check(re.search(re.escape(role) if role != "mailbox" else "mailbox", s.log()), "not in the log")
        equal(s.stop(), 0, "exit status")
    finally:
        s.end()


@test("P6 kill -9 queue between DATA and 250: no 250 without the letter", limit=60)
def killed_in_data():
    s = Server()
    s.expect_crash = True
    try:
        s.start()
        acked = []
        for _ in range(8):
            t = token()
            try:
                with s.client() as c:
                    c.ehlo()
                    c.mail(), c.rcpt("alice@example.org")
                    if c.cmd("DATA").code != 354:
                        continue
                    c.send(stuff(letter(t, size=300000))[:-5])
                    s.kill_role("queue")
                    c.send(stuff(letter(t, size=300000))[-5:])
                    r = c.reply()
                    check(r.code in (250, 421, 451), "reply %r" % r)
                    if r.code == 250:
                        acked.append(t)
            except (Closed, OSError):
                pass
            soon(s, 3)
        for t in acked:
            s.wait(t)
    finally:
        s.end()


@test("P6 the parent is killed: no role stays behind, the next start has all", limit=60)
def parent_killed():
    s = Server()
    s.expect_crash = True
    try:
        s.start()
        toks = [s.give()[0] for _ in range(5)]
        kids = server.children_of(s.pid)
        os.kill(s.pid, signal.SIGKILL)
        s.proc.wait()
        tap.eventually(lambda: not any(os.path.exists("/proc/%d" % p) and
                                       (server.proc_stat(p) or (0, "Z"))[1] not in "ZX" for p in kids),
                       5 * SLOW, what="the roles end")
        s.start()
        for t in toks:
            s.wait(t)
    finally:
        s.end()


def control_socket(s):
    for d, _dirs, files in os.walk(os.path.join(s.dir, "run")):
        for f in files:
            p = os.path.join(d, f)
            # run/submit is for every program of the machine
            if f != "submit" and os.path.exists(p) and (os.stat(p).st_mode & 0o170000) == 0o140000:
                yield p


@test("P17 the command socket: garbage, floods, strangers; the server goes on", limit=60)
def control():
    s = Server()
    try:
        s.start()
        with s.stays_alive():
            socks = list(control_socket(s))
            check(socks, "no socket below run/")
            for p in socks:
                st = os.stat(p)
                check(st.st_mode & 0o007 == 0, "mode %o of %s" % (st.st_mode, p))
                for kind in (socket.SOCK_STREAM, socket.SOCK_SEQPACKET):
                    for data in (b"\0" * 64, b"\xff" * 65536, b"GET / HTTP/1.1\r\n\r\n", b"x",
                                 os.urandom(5000), struct.pack("<IIII", 0xffffffff, 1, 2, 3)):
                        try:
                            with socket.socket(socket.AF_UNIX, kind) as c:
                                c.settimeout(2)
                                c.connect(p)
                                c.send(data)
                                c.recv(100)
                        except OSError:
                            pass
                held = []
                for _ in range(300):
                    c = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
                    c.setblocking(False)
                    try:
                        c.connect(p)
                        held.append(c)
                    except OSError:
                        c.close()
                for c in held:
                    c.close()
        equal(s.command("status")[0], 0, "status")
        if os.getuid() == 0:
            p = subprocess.run(["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups",
                                s.binary, "-c", s.conf, "status"], capture_output=True, timeout=20 * SLOW)
            check(p.returncode in (3, 4), "a stranger: %d %s" % (p.returncode, p.stdout))
    finally:
        s.end()


@test("P17 signals that a local user could not send, sent by root: no role dies of them")
def signals():
    s = Server()
    try:
        s.start()
        with s.stays_alive():
            for pids in s.roles().values():
                for p in pids:
                    for sig in (signal.SIGPIPE, signal.SIGHUP, signal.SIGCONT, signal.SIGURG):
                        os.kill(p, sig)
            time.sleep(0.3)
    finally:
        s.end()


@cases([("a hostile home harms itself alone: %s" % n, fn) for n, fn in [
    ("new is a symlink to /etc", lambda d: (os.rename(d + "/new", d + "/new.old"), os.symlink("/etc", d + "/new"))),
    ("tmp is a fifo", lambda d: (os.rmdir(d + "/tmp"), os.mkfifo(d + "/tmp"))),
    ("Maildir is a file", lambda d: (os.rename(d, d + ".old"), open(d, "w").close())),
    ("Maildir is a symlink to bob", lambda d: (os.rename(d, d + ".old"),
                                               os.symlink(d.replace("/alice/", "/bob/"), d))),
    ("new has mode 0", lambda d: os.chmod(d + "/new", 0)),
    ("tmp is missing", lambda d: os.rmdir(d + "/tmp")),
    ("new is missing", lambda d: os.rename(d + "/new", d + "/gone"))]], limit=90)
def hostile(spoil):
    s = Server()
    try:
        s.start()
        s.fence("alice"), s.fence("bob")
        etc = set(os.listdir("/etc"))
        spoil(s.maildir("alice"))
        t, r = s.give(["alice", "bob"])
        check(r.code in (250, 451), "reply %r" % r)
        if r.code == 250:
            s.wait(t, "bob")
        start = time.monotonic()
        s.fence("bob")
        check(time.monotonic() - start < 2 * SLOW, "bob waits for alice")
        time.sleep(0.5)
        s.fence("bob")
        equal(len(s.find(t, "bob")) <= 1, True, "bob has alice's letter too")
        equal(set(os.listdir("/etc")) - etc, set(), "files in /etc")
    finally:
        s.end()


@test("a home that cannot be written: the letter waits and arrives after repair", limit=120)
def repaired():
    s = Server(RETRY)
    try:
        s.start()
        s.fence("alice")
        d = s.maildir("alice")
        os.rename(d + "/new", d + "/new.old")
        open(d + "/new", "w").close()
        t, r = s.give("alice")
        equal(r.code, 250, "reply")
        time.sleep(1)
        os.unlink(d + "/new")
        os.rename(d + "/new.old", d + "/new")

        def there():
                return s.find(t)
        tap.eventually(there, 60 * SLOW, 0.5, "the letter")
        equal(len(s.find(t)), 1, "copies")
    finally:
        s.end()


tap.main()
