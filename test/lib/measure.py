"""What benchmarks beside another mail server share: CPU of all its processes, letters from
Postfix's smtp-source, medians with their spread."""
import os
import statistics
import subprocess
import time

import peers
import server

CGROUP = "/sys/fs/cgroup/cpuacct"


class Meter:
    """CPU seconds of everything started through enter()."""

    def __init__(self, name):
        self.dir = os.path.join(CGROUP, "wx-bench-%d-%s" % (os.getpid(), name))
        try:
            os.mkdir(self.dir)
            self.usage()
        except OSError:
            self.dir = None
        self.pids = lambda: []

    def enter(self):
        if self.dir:
            with open(self.dir + "/cgroup.procs", "w") as f:
                f.write("0")

    def usage(self):
        if self.dir:
            with open(self.dir + "/cpuacct.usage") as f:
                return int(f.read()) / 1e9
        ticks = sum(sum((server.proc_stat(p) or (0, 0, 0, 0))[2:]) for p in self.pids())
        return ticks / os.sysconf("SC_CLK_TCK")

    def end(self):
        for _ in range(100):
            try:
                self.dir and os.rmdir(self.dir)
                return
            except OSError:
                time.sleep(0.05)


def load(port, letters, size, persistent, to, sessions=20):
    """As many smtp-source processes as sessions, each writing to one of the addresses; their
    seconds of CPU."""
    cmd = peers.smtp_source()
    procs, per = [], letters // sessions
    for i in range(sessions):
        procs.append(subprocess.Popen(
            cmd + ["-s", "1", "-m", str(per), "-l", str(size)] + (["-d"] if persistent else []) +
            ["-f", "s@client.example.net", "-t", to[i % len(to)],
             "127.0.0.1:%d" % port], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE))
    cpu = 0.0
    for p in procs:
        err = p.stderr.read()
        _, st, ru = os.wait4(p.pid, 0)
        p.returncode = st
        if st:
            raise SystemExit("smtp-source: %d %s" % (st, err.decode()[-300:]))
        cpu += ru.ru_utime + ru.ru_stime
    return cpu


def med(v):
    return statistics.median(v)


def span(v, form="%.2f"):
    return (form + " [" + form + "–" + form + "]") % (med(v), min(v), max(v))
