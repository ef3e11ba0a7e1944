#!/usr/bin/python3
"""What a 250 waits for, and what must be synced before the journal lets a letter go,
seen from the kernel's side (strace)."""
import os
import re
import shutil
import signal
import time

import server
import tap
from letters import letter, token
from server import SLOW, Server
from tap import cases, check, equal, test
from tracer import detach, strace

DELAY = 1.5


@cases([("P5 a 250 waits for %s of the journal" % call, call) for call in ("pwritev", "fdatasync")], limit=60)
def waits(call):
    """The call is made to take long: a 250 that comes sooner has not waited for it."""
    s = Server()
    t = None
    try:
        s.start()
        s.fence()
        with s.client() as c:
            c.ehlo()
            c.mail(), c.rcpt("alice@example.org")
            equal(c.cmd("DATA").code, 354, "DATA")
            t = strace(s.roles()["queue"], "trace=" + call,
                       "inject=%s:delay_enter=%d" % (call, DELAY * 1e6), out=os.path.join(s.dir, "strace.out"))
            start = time.monotonic()
            c.send(letter(token()) + b".\r\n")
            equal(c.reply().code, 250, "reply")
            took = time.monotonic() - start
        detach(t)
        check(took > 0.9 * DELAY, "250 after %.2f s, though %s takes %.1f s" % (took, call, DELAY))
    finally:
        if t:
            detach(t)
        s.end()


def synced(trace):
    """The paths that were synced with success."""
    return re.findall(r"f(?:data)?sync\(\d+<([^>]*)>\)\s+= 0", trace)


@test("P5 the files and directories of a letter are synced before the journal lets it go", limit=60)
def checkpoint():
    s = Server("journal {\nsegments 2\ncheckpoint fsync\n}")
    t = None
    try:
        s.start()
        toks = [s.give()[0] for _ in range(3)]
        for tok in toks:
            s.wait(tok)
        log = os.path.join(s.dir, "strace.out")
        t = strace(s.roles()["mailbox"], "trace=fsync,fdatasync", "decode-fds=path", out=log)
        os.kill(s.pid, signal.SIGTERM)
        equal(s.proc.wait(20 * SLOW), 0, "exit status")
        detach(t)
        with open(log) as f:
            done = synced(f.read())
        d = os.path.realpath(s.maildir())
        for path in s.paths():
            check(os.path.realpath(path) in done, "not synced: %s" % path)
        # The names: of the letter, of new/ and cur/, of the Maildir.
        for path in (d + "/new", d, os.path.dirname(d)):
            check(path in done, "directory not synced: %s (only %s)" % (path, sorted(set(done))))
    finally:
        if t:
            detach(t)
        s.end()


@test("P5 a new segment of the journal has its bytes and its name synced before it is used", limit=60)
def segment():
    if not shutil.which("strace"):
        tap.skip("no strace")
    log = "/tmp/wx-synced-%d" % os.getpid()
    s = Server(wrap=["strace", "-f", "-qq", "-y", "-o", log, "-e", "trace=fsync,fdatasync,renameat2", "-e",
                     "signal=none"])
    try:
        s.start(limit=40)
        s.fence()
        s.stop(limit=40)
        with open(log) as f:
            trace = f.read()
        d = os.path.realpath(s.dir) + "/journal"
        made = list(re.finditer(r'renameat2\(\d+<%s>, "([^"]*)", .*"([^"]*)", RENAME_NOREPLACE\)\s+= 0'
                                % re.escape(d), trace))
        check(made, "no segment was made")
        for m in made:
            check("%s/%s" % (d, m.group(1)) in synced(trace[:m.start()]), "%s was not synced" % m.group(1))
        check(d in synced(trace[made[-1].end():]), "the directory was not synced behind the last one")
    finally:
        s.end()
        if os.path.exists(log):
            os.unlink(log)


tap.main()
