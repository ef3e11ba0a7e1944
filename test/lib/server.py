"""A waxwing of its own for a test: temporary folder, free port, start and stop, roles,
Maildirs, log.

    with Server("inbound {\\n  max-errors 3\\n}") as s:
        with s.client() as c: ...

WAXWING names the binary (build/release/waxwing without it)."""
import atexit
import collections
import fcntl
import glob
import os
import random
import re
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import letters
import tap
from smtp import Smtp

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BINARY = os.path.abspath(os.environ.get("WAXWING", os.path.join(TOP, "build/release/waxwing")))
SANITIZED = "asan" in BINARY
SLOW = 4 if SANITIZED else 1
FAULTS = re.compile(r"AddressSanitizer|LeakSanitizer|runtime error:|Assertion|stack smashing"
                    r"|double free|corrupted|Fatal glibc|signal=(?:11|6|31|SEGV|ABRT|SYS)")
ROLES = ("control", "smtpd", "login", "queue", "mailbox", "relay", "scan", "user", "sign", "keys", "zygote")
HOST = "mail.example.org"
ALL = []
CLAIMS = []


def is_for_tests():
    """Has the binary a clock and faults that can be ordered (-Dhooks=true)?"""
    return subprocess.run([BINARY, "-c", "/nonexistent", "test", "clock"], capture_output=True, check=False).returncode != 2


def free_port():
    """A port that stays ours until this process ends. It lies below the range out of which the
    kernel takes the ports of outgoing connections: a server that is killed and started again must
    find its port free, and with one of that range any client on the machine may hold it."""
    with open("/proc/sys/net/ipv4/ip_local_port_range") as f:
        below = int(f.read().split()[0])
    while True:
        port = random.randrange(min(10000, below - 1000), below)
        claim = socket.socket(socket.AF_UNIX)
        try:
            claim.bind("\0waxwing-test-port-%d" % port)
            with socket.socket() as s:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                s.bind(("127.0.0.1", port))
            # high up: a shell that passes descriptors on knows those of one digit only
            CLAIMS.append(fcntl.fcntl(claim, fcntl.F_DUPFD_CLOEXEC, 100))
            return port
        except OSError:
            continue
        finally:
            claim.close()


def proc_stat(pid):
    """(ppid, state, ticks of CPU, ticks of reaped children) or None."""
    try:
        with open("/proc/%d/stat" % pid) as f:
            w = f.read().rsplit(")", 1)[1].split()
    except (OSError, IndexError):
        return None
    return int(w[1]), w[0], int(w[11]) + int(w[12]), int(w[13]) + int(w[14])


def children_of(root):
    """All living processes below root, root left out."""
    kids = collections.defaultdict(list)
    for name in os.listdir("/proc"):
        if name.isdigit():
            st = proc_stat(int(name))
            if st and st[1] not in "ZX":
                kids[st[0]].append(int(name))
    out, todo = [], [root]
    while todo:
        for k in kids[todo.pop()]:
            out.append(k)
            todo.append(k)
    return out


def listeners_of(port):
    """The pids that hold a socket listening on this port; -1: nobody that can be seen."""
    inodes, pids = set(), []
    with open("/proc/net/tcp") as f:
        for w in map(str.split, f):
            if w[3] == "0A" and w[1].endswith(":%04X" % port):
                inodes.add("socket:[%s]" % w[9])
    for name in os.listdir("/proc") if inodes else []:
        try:
            if name.isdigit() and any(os.readlink("/proc/%s/fd/%s" % (name, fd)) in inodes
                                      for fd in os.listdir("/proc/%s/fd" % name)):
                pids.append(int(name))
        except OSError:
            pass
    return pids or ([-1] if inodes else [])


def argv_of(pid):
    try:
        with open("/proc/%d/cmdline" % pid, "rb") as f:
            return f.read().decode("latin-1").split("\0")
    except OSError:
        return []


def pss_of(pid):
    """Proportional set size in KiB."""
    try:
        with open("/proc/%d/smaps_rollup" % pid) as f:
            return int(re.search(r"^Pss:\s+(\d+)", f.read(), re.M).group(1))
    except (OSError, AttributeError):
        return 0


class Server:
    def __init__(self, conf="", users=("alice", "bob", "carol"), domain="example.org",
                 listen=None, inbound="", dir=None, binary=None, env=None, wrap=(), keep=False,
                 top="", limits=True, default_domain=True):
        self.binary = binary or BINARY
        if not os.access(self.binary, os.X_OK):
            tap.fail("no binary %s" % self.binary)
        self.own_dir = dir is None
        self.dir = dir or tempfile.mkdtemp(prefix="wx-e2e-")
        os.chmod(self.dir, 0o755)
        self.port = free_port()
        self.addr = ("127.0.0.1", self.port)
        self.domain = domain
        self.conf = os.path.join(self.dir, "waxwing.conf")
        self.env = dict(os.environ, **(env or {}))
        self.wrap = list(wrap)
        self.proc = None
        self.keep = keep or bool(os.environ.get("KEEP"))
        self.seen = 0
        self.expect_crash = False
        lines = ["hostname %s" % HOST, "contact postmaster@%s" % domain]
        if default_domain:
            lines.append("domain %s" % domain)
        lines += ["storage .", "run run", "aliases off"] if "aliases " not in conf + top else \
                 ["storage .", "run run"]
        listen = list(listen or ["smtp 127.0.0.1:%d" % self.port])
        named = {l.split()[0] for l in listen}
        # the default ports belong to nobody here
        listen += ["%s off" % p for p in ("submission", "imap", "pop3") if p not in named]
        for l in listen:
            lines.append("listen " + l)
        lines += ["user %s@%s" % (u, domain) for u in users]
        if limits:
            inbound = "unlimited 127.0.0.0/8 ::1\n" + inbound
        if inbound:
            lines += ["inbound {", inbound, "}"]
        if "dns {" not in conf + top:
            lines += ["dns {", "resolver off", "}"]     # outside an internet of ours nobody answers
        if "journal" not in conf:
            lines += ["journal {", "segments 2", "}"]
        self.text = "\n".join(lines) + "\n" + conf + "\n"
        self.write_conf(self.text)
        ALL.append(self)

    # Life

    def write_conf(self, text):
        with open(self.conf + ".new", "w") as f:
            f.write(text)
        os.rename(self.conf + ".new", self.conf)

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.end()

    def start(self, limit=20, wait=True, pass_fds=(), **kw):
        self.err = open(os.path.join(self.dir, "stderr"), "ab")
        self.started = time.monotonic()
        self.proc = subprocess.Popen(
            self.wrap + [self.binary, "-c", self.conf, "serve"], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=self.err, env=self.env, pass_fds=pass_fds,
            start_new_session=True, **kw)
        self.err.close()
        if wait:
            self.wait_ready(limit * SLOW)
        return self

    def wait_ready(self, limit):
        out, end = b"", time.monotonic() + limit
        fd = self.proc.stdout.fileno()
        while b"ready\n" not in out:
            left = end - time.monotonic()
            if left <= 0 or not select.select([fd], [], [], left)[0]:
                tap.fail("not ready within %d s:\n%s" % (limit, self.stderr()[-2000:]))
            got = os.read(fd, 4096)
            if not got:
                self.proc.wait()
                tap.fail("ended with %s before it was ready:\n%s" %
                         (self.proc.returncode, self.stderr()[-2000:]))
            out += got
        self.ready_after = time.monotonic() - self.started

    @property
    def pid(self):
        """The pid of `waxwing serve` itself, also below a wrapper."""
        if not self.wrap:
            return self.proc.pid
        for p in [self.proc.pid] + children_of(self.proc.pid):
            if "serve" in argv_of(p)[1:] and os.path.basename(argv_of(p)[0]) == "waxwing":
                return p
        return self.proc.pid

    def alive(self):
        return self.proc is not None and self.proc.poll() is None

    def stop(self, limit=15):
        """SIGTERM; the exit status."""
        if not self.alive():
            return self.proc.returncode if self.proc else None
        os.kill(self.pid, signal.SIGTERM)
        try:
            return self.proc.wait(limit * SLOW)
        except subprocess.TimeoutExpired:
            self.kill_all()
            tap.fail("still there %d s after SIGTERM:\n%s" % (limit * SLOW, self.stderr()[-1500:]))

    def kill_all(self):
        """SIGKILL to every process of this server at once."""
        if not self.proc:
            return
        pids = [self.proc.pid] + children_of(self.proc.pid)
        for p in pids:
            try:
                os.kill(p, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.proc.wait()
        self.kill_left_over()

    def kill_left_over(self):
        """Who was born between the listing and the kill; the kernel may hold the port a moment, too."""
        end = time.monotonic() + 20
        while time.monotonic() < end:
            left = listeners_of(self.port)
            if not left:
                return
            for p in left:
                print("# left over at port %d: pid %d %s %s" % (self.port, p, argv_of(p)[:4], proc_stat(p)))
                if p > 0 and argv_of(p)[:1] == ["waxwing"]:
                    os.kill(p, signal.SIGKILL)
            time.sleep(0.1)

    def end(self):
        try:
            if self.alive():
                self.stop(limit=60)     # it syncs what it has delivered: thousands, after a walk
        finally:
            self.kill_all() if self.alive() else None
            if self in ALL:
                ALL.remove(self)
            self.proc and self.proc.stdout.close()
            if not self.keep and self.own_dir:
                self.scan_log()
                shutil.rmtree(self.dir, ignore_errors=True)

    def restart(self):
        self.stop()
        return self.start()

    def reload(self, text=None):
        """Writes a new configuration, sends SIGHUP and waits for the log line."""
        if text is not None:
            self.write_conf(text)
        mark = len(self.stderr())
        os.kill(self.pid, signal.SIGHUP)
        tap.eventually(lambda: re.search(r"reload|generation", self.stderr()[mark:]), 5 * SLOW,
                       what="a log line about the reload")
        return self.stderr()[mark:]

    def command(self, *args, stdin=b"", timeout=20):
        """waxwing -c CONF ARGS; (status, stdout, stderr)."""
        p = subprocess.run([self.binary, "-c", self.conf] + list(args), input=stdin,
                           capture_output=True, timeout=timeout * SLOW, env=self.env)
        return p.returncode, p.stdout.decode("utf-8", "replace"), \
            p.stderr.decode("utf-8", "replace")

    # Roles

    def roles(self):
        """{role: [pids]}"""
        out = collections.defaultdict(list)
        for p in children_of(self.pid):
            argv = argv_of(p)
            if "role" in argv:
                i = argv.index("role")
                if i + 1 < len(argv):
                    out[argv[i + 1]].append(p)
        # A mailbox is forked by zygote and may keep its argv.
        for p in list(out.get("zygote", []))[1:]:
            if proc_stat(p) and proc_stat(p)[0] in out["zygote"]:
                out["zygote"].remove(p)
                out["mailbox"].append(p)
        return dict(out)

    def kill_role(self, name, sig=signal.SIGKILL):
        """Kills all processes of a role; how many there were."""
        pids = self.roles().get(name, [])
        for p in pids:
            try:
                os.kill(p, sig)
            except ProcessLookupError:
                pass
        return len(pids)

    def cpu_ticks(self):
        """CPU of the whole server, ended and reaped processes with it."""
        total = 0
        for p in [self.pid] + children_of(self.pid):
            st = proc_stat(p)
            if st:
                total += st[2] + st[3]
        return total

    def pss(self):
        return sum(pss_of(p) for p in [self.pid] + children_of(self.pid))

    # Mail

    def client(self, **kw):
        return Smtp(kw.pop("addr", self.addr), slow=SLOW, **kw)

    def address(self, user):
        return user if "@" in user else "%s@%s" % (user, self.domain)

    def home(self, user, domain=None):
        return os.path.join(self.dir, "mail", domain or self.domain, user)

    def maildir(self, user="alice", domain=None):
        return os.path.join(self.home(user, domain), "Maildir")

    def paths(self, user="alice", domain=None):
        d = self.maildir(user, domain)
        return sorted(glob.glob(d + "/new/*") + glob.glob(d + "/cur/*"))

    def letters(self, user="alice", domain=None):
        return [letters.Stored(p) for p in self.paths(user, domain)]

    def find(self, tok, user="alice", domain=None):
        """The stored letters that hold the token."""
        return [l for l in self.letters(user, domain) if tok.encode() in l.raw]

    def wait(self, tok, user="alice", n=1, limit=10, domain=None):
        """Waits for n letters with the token; the first."""
        return tap.eventually(lambda: len(self.find(tok, user, domain)) >= n and
                              self.find(tok, user, domain)[0],
                              limit * SLOW, what="%d letters %s for %s" % (n, tok, user))

    def give(self, to="alice", tok=None, sent=None, **kw):
        """Sends one letter on a connection of its own; (token, reply)."""
        tok = tok or letters.token()
        with self.client() as c:
            c.ehlo()
            to = [self.address(a) for a in ([to] if isinstance(to, str) else to)]
            return tok, c.deliver(to, sent or letters.letter(tok), **kw)

    def fence(self, user="alice"):
        """A letter sent now has arrived: whatever was accepted before it is there too."""
        tok, r = self.give(user)
        tap.equal(r.code, 250, "the letter behind")
        return self.wait(tok, user)

    def anywhere(self, tok):
        """Files under mail/, spool/ and drop/ that hold the token."""
        out, tok = [], tok.encode()
        for top in ("mail", "spool", "drop"):
            for d, _dirs, files in os.walk(os.path.join(self.dir, top)):
                for f in files:
                    try:
                        with open(os.path.join(d, f), "rb") as h:
                            if tok in h.read():
                                out.append(os.path.join(d, f))
                    except OSError:
                        pass
        return out

    # Log

    def stderr(self):
        try:
            with open(os.path.join(self.dir, "stderr"), "rb") as f:
                return f.read().decode("utf-8", "replace")
        except OSError:
            return ""

    def log(self):
        out = ""
        for p in sorted(glob.glob(os.path.join(self.dir, "log", "*"))):
            with open(p, "rb") as f:
                out += f.read().decode("utf-8", "replace")
        return out

    def log_bytes(self):
        out = b""
        for p in sorted(glob.glob(os.path.join(self.dir, "log", "*"))):
            with open(p, "rb") as f:
                out += f.read()
        return out

    def log_wait(self, pattern, limit=5):
        return tap.eventually(lambda: re.search(pattern, self.log()), limit * SLOW,
                              what="a log line like %s" % pattern)

    def scan_log(self):
        """Fails when a sanitizer or a crash has spoken since the last call."""
        text = self.stderr()[self.seen:]
        self.seen += len(text)
        m = FAULTS.search(text)
        if m and not (self.expect_crash and "Sanitizer" not in m.group(0)
                      and "runtime" not in m.group(0)):
            i = max(0, m.start() - 200)
            tap.fail("the server reports: %s" % text[i:i + 1500])

    def stays_alive(self, user="alice", grow=8192):
        return Alive(self, user, grow)


class Alive:
    """Around an attack: the same processes serve the next letter within a second, and
    no role has grown by more than 8 MiB."""

    def __init__(self, server, user, grow):
        self.server, self.user, self.grow = server, user, grow

    def serving(self):
        r = self.server.roles()
        return {k: sorted(v) for k, v in r.items() if k != "mailbox"}

    def __enter__(self):
        self.server.fence(self.user)
        self.before = self.serving()
        self.mem = {p: pss_of(p) for v in self.before.values() for p in v}
        return self

    def __exit__(self, kind, *_):
        if kind:
            return False
        start = time.monotonic()
        self.server.fence(self.user)
        took = time.monotonic() - start
        # others want the cores and the disk, too
        crowd = max(1.0, os.getloadavg()[0] / os.cpu_count())
        tap.check(took < 1.0 * SLOW * crowd, "the next letter took %.2f s" % took)
        tap.equal(self.serving(), self.before, "processes")
        if not SANITIZED:
            for p, kib in self.mem.items():
                tap.check(pss_of(p) - kib <= self.grow,
                          "process %d %s grew from %d to %d KiB" %
                          (p, argv_of(p)[1:3], kib, pss_of(p)))
        return False


_shared = {}


def shared(**kw):
    """The server that the tests of a file share; started at first use, and again when a
    test has ended it."""
    s = _shared.get("s")
    if s is None or not s.alive():
        s = _shared["s"] = Server(**(kw or _shared.get("kw", {})))
        s.start()
    return s


def share(**kw):
    """Sets the options of the shared server of this file."""
    _shared["kw"] = kw


def _after_each():
    for s in list(ALL):
        if s.proc is not None:
            s.scan_log()
    s = _shared.get("s")
    if s is not None and s.proc is not None and not s.alive():
        _shared.pop("s")
        tap.fail("the server has ended with %s: %s" % (s.proc.returncode, s.stderr()[-800:]))


def _at_end():
    s = _shared.pop("s", None)
    if s is not None:
        s.end()


def _kill_all():
    for s in list(ALL):
        try:
            s.kill_all()
            if not s.keep and s.own_dir:
                shutil.rmtree(s.dir, ignore_errors=True)
        except Exception:
            pass


tap.AFTER_EACH.append(_after_each)
tap.AT_END.append(_at_end)
atexit.register(_kill_all)

if os.environ.get("TARGET") == "postfix":
    import against_postfix
    Server = against_postfix.PostfixServer
