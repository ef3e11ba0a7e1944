"""strace on running roles: system calls are seen, failed or made slow."""
import signal
import shutil
import subprocess

import tap


def strace(pids, *rules, out="/dev/null"):
    """Attaches; the rules are what strace's -e takes."""
    if not shutil.which("strace"):
        tap.skip("no strace")
    args = ["strace", "-f", "-qq", "-o", out]
    for r in rules:
        args += ["-e", r]
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
        t.wait(2)
    except subprocess.TimeoutExpired:
        t.kill()
        t.wait()
