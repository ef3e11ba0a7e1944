#!/usr/bin/python3
"""No descriptors, full disks, errors from the disk, interrupted calls: rows P1–P3, P9."""
import os
import re
import signal
import socket
import subprocess
import time

import letters
import server
import tap
from faults import RETRY, soon
from letters import letter, same, token
from server import SLOW, Server
from smtp import Closed, stuff
from tap import cases, check, equal, test
from tracer import detach, strace


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


def honest(s):
    """A filter of system calls sees a call that strace skips; it must not put an answer of
    its own in place of the fault."""
    check("Function not implemented" not in s.log(), "the fault arrived as ENOSYS")


@cases([("P3 EIO from %s of %s" % (call, role), role, call) for role, call in [
    ("queue", "fdatasync"), ("queue", "pwritev"), ("queue", "write"), ("mailbox", "write"),
    ("mailbox", "linkat"), ("mailbox", "openat")]],
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
        honest(s)
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


@cases([("G7 a kernel that answers %s to the naming of a file without a name" % sys, sys)
        for sys in ("ENOENT", "EOPNOTSUPP", "EPERM")], limit=60)
def unnamed(sys):
    s = Server(RETRY)
    t = None
    try:
        s.start()
        s.fence()
        log = os.path.join(s.dir, "strace.out")
        t = strace(s.roles()["mailbox"], "trace=linkat,renameat2", "inject=linkat:error=%s" % sys, out=log)
        for a in [s.give()[0] for _ in range(3)]:
            s.wait(a, limit=10)
            equal(len(s.find(a)), 1, "copies")
        calls = open(log).read()
        equal(calls.count("INJECTED"), 1, "tried once only")
        equal(calls.count("renameat2("), 3, "renames")
    finally:
        if t:
            detach(t)
        s.end()


@cases([("P3 EIO from %s of %s while the journal is emptied" % (call, role), role, call, how)
        for role, call, how in [("mailbox", "fsync", "fsync"), ("queue", "syncfs", "syncfs"),
                                ("queue", "fdatasync", "fsync")]], limit=100)
def eio_checkpoint(role, call, how):
    """The files of delivered letters cannot be synced: the journal must keep them, and the
    next start must do without a loss."""
    s = Server(RETRY + "journal {\nsegments 2\ncheckpoint %s\n}\n" % how)
    s.expect_crash = True
    t = None
    try:
        s.start()
        acked = [s.give()[0] for _ in range(5)]
        for a in acked:
            s.wait(a)
        log = os.path.join(s.dir, "strace.out")
        t = strace(s.roles()[role], "trace=" + call, "inject=%s:error=EIO:when=1" % call, out=log)
        os.kill(s.pid, signal.SIGTERM)
        try:
            s.proc.wait(30 * SLOW)
        except subprocess.TimeoutExpired:
            tap.fail("did not end:\n" + s.stderr()[-1000:])
        hit = "INJECTED" in open(log).read()
        honest(s)
        detach(t)
        if hit and call in ("fsync", "syncfs"):
            check(os.listdir(s.dir + "/journal"), "the journal let go what was not synced")
        s.start()
        s.fence()
        for a in acked:
            equal(len(s.find(a)), 1, "copies")
        if not hit:
            tap.skip("%s does not call %s then" % (role, call))
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
        honest(s)
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
        honest(s)
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


import sys
if "--small" in sys.argv:
    small_main(*sys.argv[sys.argv.index("--small") + 1:])
else:
    tap.main()
