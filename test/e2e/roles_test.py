#!/usr/bin/python3
"""Roles die, files are hostile, disks are full: rows P1–P3, P6, P9, P11, P17."""
import json
import os
import re
import select
import signal
import socket
import struct
import subprocess
import threading
import time

import letters
import server
import tap
from letters import letter, same, token
from server import SLOW, Server
from smtp import Closed, Smtp, stuff
from tap import cases, check, equal, test

# A short schedule: what a full or broken disk holds up is tried again soon.
RETRY = "outbound {\nretry 2s 2s 5s give-up 1h\n}\n"
RARE = ("control", "smtpd", "queue", "scan", "user", "keys", "zygote")


def soon(s, limit=2.0, user="alice"):
    """A letter is taken again within `limit`; connections may fail meanwhile."""
    start, why = time.monotonic(), None
    while time.monotonic() - start < limit * SLOW:
        try:
            tok, r = s.give(user)
            if r.code == 250:
                return tok, time.monotonic() - start
            why = repr(r)
        except (Closed, OSError) as x:
            why = repr(x)
        time.sleep(0.02)
    tap.fail("no service %.1f s after: %s" % (limit, why))


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


def soft_limit(pid):
    with open("/proc/%d/limits" % pid) as f:
        return int(re.search(r"Max open files\s+(\d+)", f.read()).group(1))


def nofile(pids, n):
    for p in pids:
        subprocess.run(["prlimit", "--pid", str(p), "--nofile=%d:" % n], check=True,
                       capture_output=True)


@test("P1 no descriptors left in smtpd: accept waits, CPU stays low, recovery within 1 s", limit=60)
def emfile():
    s = Server()
    try:
        s.start()
        s.fence()
        pids = s.roles()["smtpd"]
        for p in pids:
            nofile([p], len(os.listdir("/proc/%d/fd" % p)) + 4)
        conns = []
        for _ in range(40):
            c = socket.create_connection(s.addr)
            conns.append(c)
        time.sleep(0.5)
        ticks, start = s.cpu_ticks(), time.monotonic()
        time.sleep(3)
        used = (s.cpu_ticks() - ticks) / 100 / (time.monotonic() - start)
        check(used < 0.05 * SLOW, "CPU %.0f %% while out of descriptors" % (100 * used))
        for c in conns:
            c.close()
        soon(s, 1.5)
        equal(s.roles()["smtpd"], pids, "smtpd")
    finally:
        s.end()


@test("P1 no descriptors left in queue, user, mailbox: 4xx, nothing lost, recovery", limit=60)
def emfile_inside():
    for role in ("queue", "user", "zygote"):
        s = Server(RETRY)
        s.expect_crash = True
        try:
            s.start()
            s.fence()
            pids = s.roles()[role]
            old = {p: soft_limit(p) for p in pids}
            for p in pids:
                nofile([p], len(os.listdir("/proc/%d/fd" % p)))
            acked = []
            for user in ("alice", "bob", "carol"):
                try:
                    t, r = s.give(user, sent=None)
                    check(r.code == 250 or 400 <= r.code < 500, "%s: reply %r" % (role, r))
                    if r.code == 250:
                        acked.append((t, user))
                except (Closed, OSError):
                    pass
            for p in pids:
                if os.path.exists("/proc/%d" % p):
                    nofile([p], old[p])
            soon(s, 3)
            for t, user in acked:
                s.wait(t, user, limit=45)
        finally:
            s.end()


def small_disk(mib, script):
    """Runs this file again with storage on a tmpfs of that size, in its own namespace."""
    if os.getuid() != 0:
        tap.skip("needs root")
    env = dict(os.environ, WX_SMALL="1")
    p = subprocess.run(["unshare", "-m", "--propagation", "private", "/usr/bin/python3",
                        os.path.abspath(__file__), "--small", str(mib), script], env=env,
                       capture_output=True, text=True, timeout=150 * SLOW)
    out = p.stdout + p.stderr
    m = re.search(r"^SKIP (.*)", out, re.M)
    if m:
        tap.skip(m.group(1))
    check(p.returncode == 0, out[-2500:])


def fill(path, leave=0):
    """Fills the file system until `leave` octets are left."""
    with open(path, "ab") as f:
        n = 1 << 20
        while n >= 512:
            st = os.statvfs(os.path.dirname(path))
            if st.f_bavail * st.f_frsize <= leave:
                break
            try:
                f.write(b"\0" * n)
                f.flush()
            except OSError:
                n //= 2


def small_enospc(s, mnt):
    s.fence()
    filler = os.path.join(mnt, "filler")
    fill(filler)
    acked, refused = [], 0
    for i in range(40):
        user = ("alice", "bob", "carol")[i % 3]
        for size in (None, 400000):
            try:
                t = token()
                _, r = s.give(user, t, letter(t, size=size))
            except (Closed, OSError):
                continue
            check(r.code in (250, 451, 452), "full: reply %r" % r)
            if r.code == 250:
                acked.append((t, user))
            else:
                refused += 1
                equal(r.enhanced[:3], "4.3", "enhanced code of %r" % r)
    for d, _dirs, files in os.walk(os.path.join(s.dir, "mail")):
        if os.path.basename(d) == "new":
            for f in files:
                got = letters.Stored(os.path.join(d, f))
                m = re.search(r",S=(\d+)", f)
                equal(len(got.raw), int(m.group(1)), "a partial letter is visible: " + f)
    ticks = s.cpu_ticks()
    time.sleep(2)
    check(s.cpu_ticks() - ticks < 60 * SLOW, "busy while the disk is full")
    os.unlink(filler)
    soon(s, 5)
    print("# full disk: %d taken, %d refused" % (len(acked), refused))
    missing = acked
    end = time.monotonic() + 60 * SLOW
    while missing and time.monotonic() < end:
        missing = [(t, u) for t, u in missing if not s.find(t, u)]
        time.sleep(0.5)
    equal(missing, [], "acknowledged letters missing after the disk has room")


def small_inodes(s, mnt):
    s.fence()
    d = os.path.join(mnt, "many")
    os.mkdir(d)
    n = 0
    try:
        while True:
            open(os.path.join(d, str(n)), "w").close()
            n += 1
    except OSError:
        pass
    acked = []
    for i in range(10):
        user = ("alice", "bob", "carol")[i % 3]
        try:
            t, r = s.give(user)
        except (Closed, OSError):
            continue
        check(r.code in (250, 451, 452), "no inodes: reply %r" % r)
        if r.code == 250:
            acked.append((t, user))
    for i in range(n):
        os.unlink(os.path.join(d, str(i)))
    soon(s, 5)
    end = time.monotonic() + 60 * SLOW
    while time.monotonic() < end and [1 for t, u in acked if not s.find(t, u)]:
        time.sleep(0.5)
    equal([t for t, u in acked if not s.find(t, u)], [], "acknowledged letters missing")


@test("P2 disk full: 452 or 250, nothing lost, no partial letter, recovers alone", limit=170)
def enospc():
    small_disk(140, "small_enospc")


@test("P2 no inodes left: nothing acknowledged is lost", limit=170)
def no_inodes():
    small_disk(140, "small_inodes")


def small_main(mib, script):
    mnt = "/tmp/wx-small-%d" % os.getpid()
    os.mkdir(mnt)
    extra = ",nr_inodes=600" if script == "small_inodes" else ""
    p = subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755,size=%sm%s" % (mib, extra), "none", mnt],
                       capture_output=True, text=True)
    if p.returncode:
        print("SKIP no tmpfs: " + p.stderr)
        return
    d = os.path.join(mnt, "wx")
    os.mkdir(d)
    s = Server(RETRY, dir=d)
    s.expect_crash = True
    try:
        s.start()
        globals()[script](s, mnt)
        s.scan_log()
    finally:
        s.end()
        subprocess.run(["umount", "-l", mnt])
        os.rmdir(mnt)


def strace(pids, *inject, out="/dev/null"):
    args = ["strace", "-f", "-qq", "-o", out]
    for i in inject:
        args += ["-e", i]
    for p in pids:
        args += ["-p", str(p)]
    t = subprocess.Popen(args, stderr=subprocess.PIPE)

    def attached():
        if t.poll() is not None:
            tap.skip("strace cannot attach: " + t.stderr.read().decode()[-200:])
        return all("TracerPid:\t%d\n" % t.pid in open("/proc/%d/status" % p).read() for p in pids)
    tap.eventually(attached, 10, what="strace is attached")
    return t


def detach(t):
    if t.poll() is None:
        t.send_signal(signal.SIGINT)
    try:
        t.wait(10)
    except subprocess.TimeoutExpired:
        t.kill()
        t.wait()


@cases([("P3 EIO from %s of %s" % (call, role), role, call) for role, call in [
    ("queue", "fdatasync"), ("queue", "pwritev"), ("queue", "pwrite64"), ("queue", "write"),
    ("mailbox", "fsync"), ("mailbox", "fdatasync"), ("mailbox", "write"), ("mailbox", "syncfs"),
    ("mailbox", "rename"), ("mailbox", "renameat2"), ("mailbox", "openat"), ("queue", "syncfs")]],
    limit=100)
def eio(role, call):
    s = Server(RETRY)
    s.expect_crash = True
    t = None
    try:
        s.start()
        s.fence()
        pids = s.roles().get(role, [])
        check(pids, "no %s" % role)
        log = os.path.join(s.dir, "strace.out")
        # One failure; the calls after it succeed, as they do after a real lost write.
        t = strace(pids, "trace=" + call, "inject=%s:error=EIO:when=1" % call, out=log)
        acked = []
        for i in range(6):
            try:
                tok, r = s.give()
                check(r.code in (250, 451, 452, 421), "reply %r" % r)
                if r.code == 250:
                    acked.append(tok)
            except (Closed, OSError):
                pass
            time.sleep(0.1)
        hit = "INJECTED" in open(log).read()
        detach(t)
        tok, _ = soon(s, 5)
        acked.append(tok)
        for a in acked:
            s.wait(a, limit=45)
            check(len(s.find(a)) <= 2, "copies")
        equal(s.stop(limit=30), 0, "a clean stop")
        if not hit:
            tap.skip("%s does not call %s" % (role, call))
    finally:
        if t:
            detach(t)
        s.end()


@test("P3 fdatasync fails once, the second would succeed: no 250 for what the first held", limit=60)
def fsyncgate():
    s = Server()
    s.expect_crash = True
    t = None
    try:
        s.start()
        s.fence()
        before = s.roles()["queue"]
        t = strace(before, "trace=fdatasync,fsync", "inject=fdatasync,fsync:error=EIO:when=1",
                   out=os.path.join(s.dir, "strace.out"))
        try:
            tok, r = s.give()
            code = r.code
        except (Closed, OSError):
            code = 0
        check(code != 250, "250 although the sync failed")
        detach(t)
        soon(s, 5)
        check(s.roles()["queue"] != before, "queue went on with a segment that failed")
    finally:
        if t:
            detach(t)
        s.end()


@test("P9 EINTR and short transfers on every socket call of smtpd: byte-exact", limit=90)
def eintr():
    s = Server("smtpd-copies 1\n")
    t = None
    try:
        s.start()
        s.fence()
        calls = "read,recvfrom,recvmsg,write,writev,sendto,sendmsg,accept4,epoll_wait,epoll_pwait"
        t = strace(s.roles()["smtpd"], "trace=" + calls,
                   "inject=%s:error=EINTR:when=2+5" % calls, out=os.path.join(s.dir, "strace.out"))
        for size in (0, 60000, 900000):
            tok = token()
            body = letter(tok, size=size)
            with s.client(rcvbuf=1, timeout=40) as c:
                c.ehlo()
                equal(c.deliver("alice@example.org", body).code, 250, "reply")
            check(same(s.wait(tok, limit=20), body), "not identical")
    finally:
        if t:
            detach(t)
        s.end()


@test("P9 EINTR on every file call of queue and mailbox: byte-exact", limit=90)
def eintr_files():
    s = Server()
    t = None
    try:
        s.start()
        s.fence()
        roles = s.roles()
        calls = "read,write,pwrite64,pread64,pwritev,writev,recvmsg,sendmsg"
        t = strace(roles["queue"] + roles.get("mailbox", []), "trace=" + calls,
                   "inject=%s:error=EINTR:when=2+4" % calls, out=os.path.join(s.dir, "strace.out"))
        for size in (0, 300000):
            tok = token()
            body = letter(tok, size=size)
            equal(s.give(tok=tok, sent=body)[1].code, 250, "reply")
            check(same(s.wait(tok, limit=20), body), "not identical")
    finally:
        if t:
            detach(t)
        s.end()


@test("P9 a client with one-byte segments both ways", limit=60)
def one_byte():
    s = server.shared()
    tok = token()
    with s.client(rcvbuf=1) as c:
        for part in (b"EHLO a\r\n", b"MAIL FROM:<a@client.example.net>\r\n",
                     b"RCPT TO:<alice@example.org>\r\n", b"DATA\r\n", stuff(letter(tok))):
            for i in range(len(part)):
                c.send(part[i:i + 1])
            c.reply()
    check(same(s.wait(tok), letter(tok)), "not identical")


@test("P11 slow clients: silent, drip by drip, in the handshake; others are served", limit=90)
def slowloris():
    s = Server(inbound="idle 3s\ndata-timeout 3s")
    try:
        s.start()
        s.fence()
        socks = []
        for kind in ("silent", "half", "drip", "tls", "data", "bdat", "before"):
            for _ in range(8):
                c = s.client(timeout=30)
                if kind != "before":
                    c.ehlo()
                if kind == "half":
                    c.send(b"MAIL FR")
                if kind == "tls":
                    c.cmd("STARTTLS")
                    c.raw_send(b"\x16\x03\x01\x02\x00\x01")
                if kind in ("data", "bdat"):
                    c.mail(), c.rcpt("alice@example.org")
                    if kind == "data":
                        c.cmd("DATA")
                        c.send(b"Subject: slow\r\n")
                    else:
                        c.send(b"BDAT 1000000 LAST\r\nx")
                socks.append((kind, c, time.monotonic()))
        stop = []

        def drip():
            while not stop:
                for k, c, _ in socks:
                    if k == "drip":
                        try:
                            c.raw_send(b"N")
                        except (Closed, OSError):
                            pass
                time.sleep(0.5)
        th = threading.Thread(target=drip)
        th.start()
        start = time.monotonic()
        ticks = s.cpu_ticks()
        while time.monotonic() - start < 9:
            t0 = time.monotonic()
            s.fence("bob")
            check(time.monotonic() - t0 < 1.5 * SLOW, "another client waits")
            time.sleep(0.5)
        stop.append(1)
        th.join()
        open_ = []
        for k, c, _ in socks:
            if not c.closed(4 if SLOW == 1 else 12):
                open_.append(k)
            c.close()
        equal(open_, [], "still open after three times the limit")
        check((s.cpu_ticks() - ticks) / 100 < 4 * SLOW, "CPU while they drip")
    finally:
        s.end()


@test("P11 a letter slower than data-rate is ended", limit=110)
def data_rate():
    s = Server(inbound="data-rate 100000\ndata-timeout 20s")
    try:
        s.start()
        with s.client(timeout=100) as c:
            c.ehlo()
            c.mail(), c.rcpt("alice@example.org"), c.cmd("DATA")
            start = time.monotonic()
            try:
                while time.monotonic() - start < 90:
                    c.raw_send(b"x" * 70 + b"\r\n")
                    if c.pending(0.5):
                        break
            except Closed:
                pass
            took = time.monotonic() - start
            check(took < 85, "still going after %.0f s" % took)
            rest = c.rest(5)
            check(rest is not None, "not closed")
            check(rest == b"" or rest[:1] in b"45", "said %r" % rest)
    finally:
        s.end()


def control_socket(s):
    for d, _dirs, files in os.walk(os.path.join(s.dir, "run")):
        for f in files:
            p = os.path.join(d, f)
            if os.path.exists(p) and (os.stat(p).st_mode & 0o170000) == 0o140000:
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


import sys
if "--small" in sys.argv:
    small_main(*sys.argv[sys.argv.index("--small") + 1:])
else:
    tap.main()
