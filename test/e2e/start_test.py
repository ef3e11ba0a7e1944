#!/usr/bin/python3
"""Start, stop, reload, service manager, configuration errors."""
import glob
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

import server
import tap
from letters import letter, token
from server import SLOW, Server
from smtp import Closed, stuff
from tap import cases, check, equal, test


@test("ready, a letter, SIGTERM, status 0; a second start goes on")
def start_stop():
    s = Server()
    try:
        s.start()
        t, r = s.give()
        equal(r.code, 250, "reply")
        equal(s.stop(), 0, "exit status")
        s.start()
        s.wait(t)
        equal(len(s.find(t)), 1, "copies")
        equal(s.give()[1].code, 250, "second start")
    finally:
        s.end()


@test("a port that is let go of a moment later is waited for at the start")
def busy_port():
    s = Server()
    try:
        s.start()
        equal(s.stop(), 0, "exit status")
        held = socket.socket()
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", s.port))
        held.listen()
        s.start(wait=False)
        check(not select.select([s.proc.stdout], [], [], 1)[0], "it neither ends nor is ready")
        held.close()
        s.wait_ready(20 * SLOW)
        equal(s.give()[1].code, 250, "a letter")
    finally:
        s.end()


@test("every role of the house runs, and nothing else")
def roles():
    with Server() as s:
        s.fence()
        names = s.roles()
        for n in server.ROLES:
            check(n in names, "no %s among %s" % (n, sorted(names)))
        for p in [p for v in names.values() for p in v]:
            st = open("/proc/%d/status" % p).read()
            check("NoNewPrivs:\t1" in st, "%s without no_new_privs" % server.argv_of(p))
            check("Seccomp:\t2" in st, "%s without seccomp" % server.argv_of(p))


@test("SIGTERM in mid-flight: letters under way are finished, the journal is empty", limit=60)
def term_in_flight():
    s = Server()
    try:
        s.start()
        t, half = token(), token()
        with s.client() as c, s.client() as d:
            for x in (c, d):
                x.ehlo()
                x.mail(), x.rcpt("alice@example.org")
                equal(x.cmd("DATA").code, 354, "DATA")
            w = stuff(letter(t, size=50000))
            c.send(w[:20000])
            d.send(stuff(letter(half))[:50])
            os.kill(s.pid, signal.SIGTERM)
            time.sleep(0.3)
            c.send(w[20000:])
            r = c.reply()
            check(r.code in (250, 421), "reply %r" % r)
            acked = r.code == 250
        check(acked, "the letter in flight was not finished")
        equal(s.proc.wait(30 * SLOW), 0, "exit status")
        equal(len(s.find(t)), 1, "copies on disk after the end")
        equal(s.find(half), [], "half a letter")
        s.start()
        s.fence()
        equal(len(s.find(t)), 1, "copies after the next start")
    finally:
        s.end()


@test("SIGTERM with an idle client does not wait for its timeout", limit=40)
def term_idle():
    s = Server()
    try:
        s.start()
        with s.client() as c:
            c.ehlo()
            start = time.monotonic()
            equal(s.stop(), 0, "exit status")
            check(time.monotonic() - start < 6 * SLOW, "took %.1f s" % (time.monotonic() - start))
            rest = c.rest(2)
            check(rest is not None, "the connection is still open")
            check(rest == b"" or rest.startswith(b"421"), "said %r" % rest)
    finally:
        s.end()


@test("reload: new settings hold for new sessions, old sessions keep theirs")
def reload():
    with Server() as s:
        with s.client() as c:
            c.ehlo()
            equal(c.features["SIZE"], str(50 << 20), "SIZE")
            s.reload(s.text.replace("inbound {", "inbound {\nmax-size 1M", 1))

            def new_size():
                with s.client() as d:
                    d.ehlo()
                    return d.features["SIZE"] == str(1 << 20)
            tap.eventually(new_size, 3 * SLOW, 0.1, "SIZE 1M for new sessions")
            c.ehlo()
            equal(c.features["SIZE"], str(50 << 20), "SIZE in the old session")
            equal(c.deliver("alice@example.org", letter()).code, 250, "letter in the old session")


@test("reload: a broken file keeps the old settings and says where it is broken")
def bad_reload():
    with Server() as s:
        said = s.reload(s.text + "\nmax-sise 5M\n")
        line = s.text.count("\n") + 2
        tap.eventually(lambda: re.search(r"waxwing\.conf:%d:\d+" % line, s.stderr()), 5 * SLOW,
                       what="file:line:column in the log: " + said[-500:])
        equal(s.give()[1].code, 250, "still serving")
        s.reload(s.text)
        equal(s.give()[1].code, 250, "still serving")


@test("reload: a new domain, account and listener; a closed listener")
def reload_listeners():
    with Server() as s:
        p = server.free_port()
        s.reload(s.text.replace("listen smtp 127.0.0.1:%d" % s.port,
                                "listen smtp 127.0.0.1:%d" % p, 1) +
                 "domain example.net\nuser zoe@example.net\n")

        def up():
            try:
                return s.client(addr=("127.0.0.1", p))
            except OSError:
                return None
        with tap.eventually(up, 5 * SLOW, 0.1, "the new port") as c:
            c.ehlo()
            t = token()
            equal(c.deliver("zoe@example.net", letter(t)).code, 250, "letter")
        s.wait(t, "zoe", domain="example.net")

        def closed():
            try:
                s.client().close()
                return False
            except (OSError, Closed):
                return True
        tap.eventually(closed, 5 * SLOW, 0.1, "the old port is closed")


@test("reload: a port that is taken keeps everything as it was")
def reload_taken():
    with Server() as s, socket.socket() as l:
        l.bind(("127.0.0.1", 0))
        l.listen()
        p = l.getsockname()[1]
        s.write_conf(s.text.replace("inbound {", "listen smtp 127.0.0.1:%d\ninbound {\nmax-size 1M" % p, 1))
        code, out, err = s.command("reload")
        equal(code, 1, "exit status of reload")
        check(":%d" % p in err, err)
        with s.client() as c:
            c.ehlo()
            equal(c.features["SIZE"], str(50 << 20), "SIZE")
            equal(c.deliver("alice@example.org", letter()).code, 250, "letter")


@test("reload: from one address to all of them on the same port, and back")
def reload_wider():
    with Server() as s:
        with s.client() as c:
            c.ehlo()
            wide = s.text.replace("smtp 127.0.0.1:%d" % s.port, "smtp *:%d" % s.port, 1)
            for text in (wide, s.text):
                s.write_conf(text)
                code, out, err = s.command("reload")
                equal(code, 0, "reload: " + out + err)
                for i in range(8):
                    equal(s.give()[1].code, 250, "letter")
            equal(c.deliver("alice@example.org", letter()).code, 250, "the old session")


@test("reloads that meet come one after the other")
def reloads():
    with Server() as s:
        text = s.text
        told = []

        def one():
            told.append(s.command("reload"))
        for round in range(4):
            s.write_conf(text + "user u%d@%s\n" % (round, s.domain))
            threads = [threading.Thread(target=one) for _ in range(6)]
            for t in threads:
                t.start()
            os.kill(s.pid, signal.SIGHUP)
            for t in threads:
                t.join()
        generations = [int(g) for _, out, _ in told for g in re.findall(r"generation (\d+) is in force", out)]
        equal(len(generations), 24, "reloads that said yes: %s" % told)
        equal(len(set(generations)), 24, "each has its own generation: %s" % sorted(generations))
        check("was not checked" not in s.log(), "a role applied what it had not checked")
        c = s.client()
        c.ehlo()
        equal(c.cmd("MAIL FROM:<>").code, 250, "MAIL")
        equal(c.cmd("RCPT TO:<u3@%s>" % s.domain).code, 250, "the last file is in force")
        c.close()


@test("NOTIFY_SOCKET: READY=1, RELOADING=1, STOPPING=1, EXTEND_TIMEOUT_USEC")
def notify():
    s = Server()
    path = os.path.join(s.dir, "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as n:
        n.bind(path)
        os.chmod(path, 0o777)
        n.settimeout(10 * SLOW)
        s.env["NOTIFY_SOCKET"] = path
        try:
            s.start()
            got = n.recv(4096).decode()
            check("READY=1" in got.splitlines(), got)
            s.reload(s.text)
            got = n.recv(4096).decode()
            if "READY=1" not in got:
                check("RELOADING=1" in got.splitlines(), got)
                got = n.recv(4096).decode()
            check("READY=1" in got, got)
            os.kill(s.pid, signal.SIGTERM)
            got = n.recv(4096).decode()
            check("STOPPING=1" in got.splitlines(), got)
            equal(s.proc.wait(15 * SLOW), 0, "status")
            n.setblocking(False)
            extended = []
            try:
                while True:
                    extended += re.findall(r"^EXTEND_TIMEOUT_USEC=(\d+)$", n.recv(4096).decode(), re.M)
            except BlockingIOError:
                pass
            # the times that stopping may take stand in the manual; no stage gets less than it needs
            check(extended and max(map(int, extended)) > 60 * 10**6, "time asked for: %s" % extended)
        finally:
            s.end()


@test("NOTIFY_SOCKET in the abstract namespace")
def notify_abstract():
    name = "wx-e2e-%d" % os.getpid()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as n:
        n.bind("\0" + name)
        n.settimeout(10 * SLOW)
        with Server(env={"NOTIFY_SOCKET": "@" + name}):
            check("READY=1" in n.recv(4096).decode(), "no READY=1")


# Puts the socket where a service manager does, and becomes the server.
AS_MANAGER = """import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1", LISTEN_FDNAMES="smtp")
os.execv(sys.argv[2], sys.argv[2:])"""


@test("LISTEN_FDS: the listener of the service manager is used")
def listen_fds():
    s = Server()
    l = socket.socket()
    l.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    l.bind(("127.0.0.1", s.port))
    l.listen(64)
    try:
        s.err = open(s.dir + "/stderr", "ab")
        s.proc = subprocess.Popen(
            [sys.executable, "-c", AS_MANAGER, str(l.fileno()), s.binary, "-c", s.conf, "serve"],
            pass_fds=(l.fileno(),),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=s.err, start_new_session=True)
        s.started = time.monotonic()
        # It already answers at the socket while the server is still starting.
        early = socket.create_connection(("127.0.0.1", s.port))
        early.close()
        s.wait_ready(20 * SLOW)
        t, r = s.give()
        equal(r.code, 250, "reply")
        s.wait(t)
        s.stop()
        socket.create_connection(("127.0.0.1", s.port)).close()     # the manager's socket lives
    finally:
        l.close()
        s.end()


@test("LISTEN_FDS with the pid of another process is ignored")
def listen_other():
    with Server(env={"LISTEN_PID": "1", "LISTEN_FDS": "3"}) as s:
        equal(s.give()[1].code, 250, "reply")


@cases([("config error: %s" % n, change, want) for n, change, want in [
    ("unknown directive", lambda t: t + "hostnme x\n", r":\d+:1: .*hostnme.*did you mean.*hostname"),
    ("no hostname", lambda t: re.sub("hostname .*\n", "", t), r"hostname"),
    ("bad address", lambda t: t.replace("user bob@example.org", "user bob@@example.org"), r":\d+:\d+:"),
    ("bad port", lambda t: t + "listen smtp 127.0.0.1:99999\n", r":\d+:\d+:"),
    ("block not closed", lambda t: t + "inbound {\nmax-errors 5\n", r":\d+"),
    ("a number too big", lambda t: t + "smtpd-copies 1000\n", r":\d+:\d+:.*"),
    ("a duration without sense", lambda t: t + "undelete 5parsecs\n", r":\d+:\d+:"),
    ("an unknown variable", lambda t: t + "user $(NOBODY)@example.org\n", r":\d+:\d+:"),
    ("twice what may be once", lambda t: t + "hostname other.example.org\n", r":\d+:\d+:"),
    ("an account in a foreign domain", lambda t: t + "user x@elsewhere.example\n", r"elsewhere\.example"),
    ("a NUL in the file", lambda t: t + "user a\0b@example.org\n", r":\d+:\d+:"),
]])
def config_error(change, want):
    s = Server()
    try:
        s.write_conf(change(s.text))
        code, out, err = s.command("config", "check")
        check(code == 1 or code == 2, "config check: %d %s%s" % (code, out, err))
        check(re.search(want, out + err, re.S), "config check says %s%s" % (out, err))
        p = subprocess.run([s.binary, "-c", s.conf, "serve"], capture_output=True, timeout=20 * SLOW)
        said = (p.stdout + p.stderr).decode("utf-8", "replace")
        check(p.returncode not in (0, 70) and p.returncode > 0, "serve: %d %s" % (p.returncode, said))
        check(b"ready" not in p.stdout, "ready")
        check(re.search(want, said, re.S), "serve says %s" % said[-600:])
        check(not os.path.exists(s.dir + "/journal"), "started half")
        try:
            s.client().close()
            tap.fail("the port is open")
        except OSError:
            pass
    finally:
        s.end()


@test("a certificate that is not there: named, and STARTTLS is not offered with it")
def no_certificate():
    s = Server("tls certificate /nonexistent/cert.pem key /nonexistent/key.pem\n")
    try:
        s.start(wait=False)
        try:
            s.wait_ready(20 * SLOW)
        except tap.Fail:
            pass
        tap.eventually(lambda: "/nonexistent/" in s.stderr(), 3 * SLOW, what="its name: " + s.stderr()[-500:])
        if s.alive():
            with s.client() as c:
                c.ehlo()
                check("STARTTLS" not in c.features, "STARTTLS is offered")
    finally:
        s.end()


@test("config check and show on a good file")
def config_good():
    s = Server()
    try:
        code, out, err = s.command("config", "check")
        equal(code, 0, "config check: " + out + err)
        code, out, err = s.command("config", "show")
        equal(code, 0, "config show")
        check("mail.example.org" in out and "max-size" in out, out[:500])
        code, out, err = s.command("config", "explain", "max-size")
        equal(code, 0, "config explain")
        check("largest letter" in out.lower(), out)
    finally:
        s.end()


@test("a port that is taken is named, and nothing starts")
def port_taken():
    s = Server()
    with socket.socket() as l:
        l.bind(("127.0.0.1", s.port))
        l.listen()
        try:
            p = subprocess.run([s.binary, "-c", s.conf, "serve"], capture_output=True,
                               timeout=20 * SLOW)
            check(p.returncode != 0 and b"ready" not in p.stdout, "started")
            check(str(s.port) in p.stderr.decode(), p.stderr.decode()[-500:])
        finally:
            s.end()


@test("two servers on one storage: the second one is refused")
def storage_lock():
    with Server() as s:
        other = s.text.replace(str(s.port), str(server.free_port()))
        with open(s.dir + "/other.conf", "w") as f:
            f.write(other)
        p = subprocess.run([s.binary, "-c", s.dir + "/other.conf", "serve"], capture_output=True,
                           timeout=20 * SLOW)
        check(p.returncode != 0 and b"ready" not in p.stdout, "started")
        equal(s.give()[1].code, 250, "the first one goes on")


@test("wrong usage has exit status 2, a command without server 3")
def usage():
    s = Server()
    try:
        for words in (["nonsense"], ["user"], ["user", "nonsense"], ["user", "add"], ["user", "list", "x"],
                      ["reload", "x"], ["why"]):
            equal(s.command(*words)[0], 2, " ".join(words))
        equal(s.command("config", "nonsense")[0], 2, "an unknown verb")
        equal(s.command("status")[0], 3, "status without a server")
        s.start()
        code, out, err = s.command("status", "--json")
        equal(code, 0, "status: " + err)
        import json
        v = json.loads(out)
        equal(v["journal"]["pending"], 0, "journal.pending")
    finally:
        s.end()


@test("after some idle seconds everything is safe and status says so", limit=40)
def idle_checkpoint():
    import json
    with Server() as s:
        t, r = s.give(["alice", "bob"])
        equal(r.code, 250, "reply")
        s.wait(t)

        def figures():
            j = json.loads(s.command("status", "--json")[1])["journal"]
            return j["pending"], j["unsafe"]
        equal(figures()[0], 1, "pending just after delivery")
        tap.eventually(lambda: figures() == (0, 0), 15 * SLOW, 0.5, "pending and unsafe 0")


@test("the whole server as an unprivileged user", limit=60)
def unprivileged():
    if os.getuid() != 0:
        tap.skip("is unprivileged already: all tests are this test")
    s = Server()
    try:
        s.binary = shutil.copy(s.binary, s.dir)      # ours may lie in a home that is closed to others
        subprocess.run(["chown", "-R", "nobody", s.dir], check=True)
        s.start(user="nobody", group="nogroup", extra_groups=[])
        t, r = s.give()
        equal(r.code, 250, "reply")
        s.wait(t)
        for p in server.children_of(s.pid):
            st = open("/proc/%d/status" % p).read()
            check("NoNewPrivs:\t1" in st and "Seccomp:\t2" in st, "%s is not confined" % server.argv_of(p))
        equal(s.stop(), 0, "status")
    finally:
        s.end()


tap.main()
