"""What a hostile input may cost: CPU and memory of the processes that read it, and how long the
others wait meanwhile.

    with Watched(server, "a letter 10,000 deep", size):
        …

The budget is that of section F of the catalogue: a second of CPU for each MiB (and one for the rest),
three times the size and 16 MiB of memory; another session of the same mailbox process is answered
within a second all the time."""
import os
import re
import threading
import time

import imap_client
import server
import tap
from imap import Imap
from logins import USERS

MIB = 1 << 20
LETTER = b"From: Alice <a@example.org>\r\nSubject: s%d\r\nDate: Mon, 7 Feb 1994 21:52:25 -0800\r\nMessage-ID: <m%d@x>\r\n\r\nbody %d\r\n"
TICK = os.sysconf("SC_CLK_TCK")


def peak_of(pid):
    """The most a process has held since forget_peak(), in octets."""
    try:
        with open("/proc/%d/status" % pid) as f:
            return int(re.search(r"^VmHWM:\s+(\d+)", f.read(), re.M).group(1)) * 1024
    except (OSError, AttributeError):
        return 0


def forget_peak(pid):
    try:
        with open("/proc/%d/clear_refs" % pid, "w") as f:
            f.write("5")
    except OSError:
        pass


def crowd():
    """How many others want each core of this machine: they are waited for as well."""
    return max(1.0, os.getloadavg()[0] / os.cpu_count())


def cpu_of(pid):
    st = server.proc_stat(pid)
    return st[2] / TICK if st else 0.0


# -- sessions and folders ----------------------------------------------------------

def raw(s, user="alice"):
    c = Imap(("127.0.0.1", s.ports["plain"]), slow=server.SLOW, timeout=60)
    tap.equal(c.login(s.address(user), USERS[user]).status, "OK", "login")
    return c


def strict(s, user="alice", **kw):
    """A client that repairs nothing of what it reads."""
    c = imap_client.Imap(("127.0.0.1", s.ports["plain"]), timeout=60 * server.SLOW, **kw)
    c.login(s.address(user), USERS[user])
    return c


def own(s, path, user="alice"):
    owner = os.stat(s.home(user))
    if os.geteuid() == 0 and owner.st_uid:
        os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)


def fill(s, name, n, letter=LETTER, user="alice"):
    """A folder of n letters, laid there as another program would."""
    base = os.path.join(s.maildir(user), "." + name)
    for d in ("", "cur", "new", "tmp"):
        os.makedirs(os.path.join(base, d), mode=0o700, exist_ok=True)
        own(s, os.path.join(base, d), user)
    for i in range(n):
        path = "%s/cur/%d.M%dP1.host:2," % (base, 1500000000 + i, i)
        with open(path, "wb") as f:
            f.write((letter % ((i,) * letter.count(b"%d"))).replace(b"\r\n", b"\n"))
        own(s, path, user)
    return name


# -- what it costs -----------------------------------------------------------------

_at_work = {}           # sessions that neighbours have used, by server directory, user and folder


class Neighbour(threading.Thread):
    """A session of the same account that asks NOOP all the time; `worst` is its longest wait."""

    def __init__(self, s, user="alice", folder="INBOX"):
        super().__init__(daemon=True)
        key = s.dir, user, folder
        if key not in _at_work:
            c = _at_work[key] = Imap(("127.0.0.1", s.ports["plain"]), slow=server.SLOW)
            tap.equal(c.login(s.address(user), USERS[user]).status, "OK", "the neighbour's login")
            tap.equal(c.cmd("SELECT " + folder).status, "OK", "the neighbour's SELECT")
        self.key, self.c = key, _at_work[key]
        self.worst, self.n, self.trouble = 0.0, 0, None
        self.over = threading.Event()
        self.start()

    def run(self):
        try:
            while not self.over.wait(0.02):
                at = time.monotonic()
                r = self.c.cmd("NOOP")
                self.worst = max(self.worst, time.monotonic() - at)
                self.n += 1
                if r.status != "OK":
                    self.trouble = repr(r)
                    return
        except Exception as x:          # told by end()
            self.trouble = repr(x)

    def end(self, limit=1.0):
        self.over.set()
        self.join(30 * server.SLOW)
        if self.trouble or self.is_alive():
            del _at_work[self.key]
        tap.check(self.trouble is None, "another session: %s after %d answers" % (self.trouble, self.n))
        limit *= server.SLOW * crowd()
        tap.check(self.worst < limit, "another session waited %.2f s, %.2f are allowed" % (self.worst, limit))


class Watched:
    """The mailbox processes of a server while something hostile goes on."""

    def __init__(self, s, what, size=0, cpu=None, memory=None, wait=1.0, roles=("mailbox",)):
        self.s, self.what, self.wait, self.roles = s, what, wait, roles
        self.cpu = cpu if cpu is not None else 1.0 + size / MIB
        self.memory = memory if memory is not None else 3 * size + 16 * MIB

    def __enter__(self):
        self.neighbour = Neighbour(self.s)
        self.pids = [p for r in self.roles for p in self.s.roles().get(r, [])]
        for p in self.pids:
            forget_peak(p)
        self.before = {p: (cpu_of(p), peak_of(p)) for p in self.pids}
        self.started = time.monotonic()
        return self

    def __exit__(self, kind, *_):
        self.took = time.monotonic() - self.started
        cost = sum(cpu_of(p) - b[0] for p, b in self.before.items())
        more = sum(max(0, peak_of(p) - b[1]) for p, b in self.before.items())
        if kind:
            self.neighbour.over.set()
            self.neighbour.join(30 * server.SLOW)
            return False
        alive = {p for r in self.roles for p in self.s.roles().get(r, [])}
        tap.check(set(self.pids) <= alive, "%s: a process has ended" % self.what)
        tap.check(cost <= self.cpu * server.SLOW, "%s: %.2f s of CPU, %.2f are allowed" % (self.what, cost, self.cpu))
        if not server.SANITIZED:
            tap.check(more <= self.memory, "%s: %d KiB more, %d are allowed" %
                      (self.what, more >> 10, int(self.memory) >> 10))
        self.neighbour.end(self.wait)
        if os.environ.get("COSTS"):
            print("# %-60s %6.2f s CPU %7d KiB, neighbour %.3f s, %.2f s" %
                  (self.what, cost, more >> 10, self.neighbour.worst, self.took))
        return False
