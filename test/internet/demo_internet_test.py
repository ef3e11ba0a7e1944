#!/usr/bin/python3
"""./dev demo --internet: each command that it prints does what it says, and nothing is left of it."""
import contextlib
import glob
import os
import re
import shutil
import signal
import subprocess
import tempfile
import textwrap

import internet
import tap
from server import SLOW, TOP, argv_of
from tap import check, equal, eventually, test

INTERACTIVE = re.compile(r"neomutt -F \S+$")


def start(folder):
    out = open(folder + ".out", "w")
    p = subprocess.Popen(["/usr/bin/python3", TOP + "/tool/demo_internet.py", folder], stdin=subprocess.DEVNULL,
                         stdout=out, stderr=subprocess.STDOUT, start_new_session=True)
    out.close()
    return p


def output(folder):
    with open(folder + ".out") as f:
        return f.read()


def commands(text):
    """[(word, command)] of the guide."""
    guide = textwrap.dedent(text[text.index("\nSend "):text.index("\nStop ")]).replace("\\\n", " ")
    out, word = [], ""
    for line in filter(None, guide.split("\n")):
        word = line[:10].strip() or word
        out.append((word, " ".join(line[10:].split("  ")).strip()))
    return out


def net_of(pid):
    try:
        return os.readlink("/proc/%s/ns/net" % pid)
    except OSError:
        return None


def living_in(net):
    """Command lines of the processes in a network namespace."""
    return [argv_of(int(pid)) for pid in os.listdir("/proc") if pid.isdigit() and net_of(pid) == net]


def letters(pattern):
    found = []
    for path in glob.glob(pattern):
        with open(path, "rb") as f:
            found.append(f.read())
    return found


def logs(folder):
    return b"\n".join(l[-1500:] for l in letters(folder + "/*/log/*")).decode("utf-8", "replace")


def arrived(folder):
    """What was sent by the commands above lies where it was sent to."""
    for person, froms in {"other.test/bob": [b"alice@example.org"] * 2,
                          "example.org/alice": [b"bob@other.test", b"u1@pf.test", b"u1@exim.test", b"u1@open.test"]}.items():
        domain, user = person.split("/")
        pattern = "%s/%s/mail/%s/%s/Maildir/new/*" % (folder, domain, domain, user)
        want = sorted(b"Return-Path: <%s>" % a for a in froms)
        eventually(lambda: sorted(l.split(b"\n")[0].strip() for l in letters(pattern)) == want, 30 * SLOW, 0.1,
                   what=lambda: "letters for %s: %r\n%s" % (user, [l[:60] for l in letters(pattern)], logs(folder)))


@contextlib.contextmanager
def demo():
    """(folder, process)"""
    internet.enter()                 # or it is skipped
    folder = tempfile.mkdtemp(prefix="wx-demo-")
    os.chmod(folder, 0o755)
    p = start(folder)
    try:
        yield folder, p
    finally:
        if p.poll() is None:
            p.terminate()
            p.wait(60 * SLOW)
        os.unlink(folder + ".out")
        shutil.rmtree(folder, ignore_errors=True)


def ends(folder, p, sig):
    """By this signal, and nothing is left."""
    net = net_of(p.pid)
    check(net != net_of("self"), "it is in a network of its own")
    p.send_signal(sig)
    equal(p.wait(60 * SLOW), 0, "exit code, after\n" + output(folder)[-1000:])
    check(output(folder).endswith("stopped\n"), output(folder)[-1000:])
    equal(living_in(net), [], "processes that are left")
    check(not os.path.exists(folder), "%s is left" % folder)


@test("demo --internet: every printed command works, letters come, and Ctrl-C leaves nothing", limit=180)
def whole():
    with demo() as (folder, p):
        eventually(lambda: p.poll() is not None or "\nready\n" in output(folder), 60 * SLOW, 0.1,
                   what=lambda: "ready:\n" + output(folder))
        check(p.poll() is None and "is not there" not in output(folder), output(folder))
        for word, command in commands(output(folder)):
            if INTERACTIVE.match(command):
                continue
            if word == "Read":
                arrived(folder)
            done = subprocess.run([folder + "/shell", "sh", "-c", command], cwd=TOP, capture_output=True, text=True,
                                  timeout=60 * SLOW)
            equal(done.returncode, 0, "%s:\n%s%s" % (command, done.stdout[-800:], done.stderr[-800:]))
            check(word != "Read" or "Subject: " in done.stdout, done.stdout)
        ends(folder, p, signal.SIGINT)


@test("demo --internet: ended while it still starts, nothing is left either", limit=120)
def early():
    with demo() as (folder, p):
        eventually(lambda: os.path.exists(folder + "/other.test/waxwing.conf"), 60 * SLOW, what="the second server is made")
        ends(folder, p, signal.SIGTERM)


tap.main()
