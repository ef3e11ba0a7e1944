#!/usr/bin/python3
"""Row P10: mailboxes on NFS.  A library between the server and the C library behaves as NFS does (test/lib/nfs_lies.c),
for a kernel that serves NFS is not at hand in a test: it has no RENAME_NOREPLACE, no unnamed files, not all locks, says of what
was done that it failed, loses its handles, and finds the disk full when a file is closed."""
import os
import subprocess
import tempfile

import imap_client
import imap_target
import server
import tap
from boxes import Boxes
from letters import letter
from server import Server
from smtp import Closed
from tap import cases, check, equal, test

IS_FOR_TESTS = subprocess.run([server.BINARY, "-c", "/nonexistent", "test", "clock"],
                              capture_output=True, text=True, check=False).returncode != 2
LIB = os.path.join(server.TOP, "build", "nfs_lies.so")
SOURCE = os.path.join(server.TOP, "test", "lib", "nfs_lies.c")


def lies(which):
    """The environment of a server that is told these; only a build for tests hands it on to its roles."""
    if not IS_FOR_TESTS:
        tap.skip("not a build for tests")
    if server.SANITIZED:
        tap.skip("a sanitizer must come first in the list of libraries")
    if not os.path.exists(LIB) or os.path.getmtime(LIB) < os.path.getmtime(SOURCE):
        os.makedirs(os.path.dirname(LIB), exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=os.path.dirname(LIB), delete=False) as f:
            subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-o", f.name, SOURCE], check=True)
        os.chmod(f.name, 0o755)
        os.rename(f.name, LIB)
    return dict(LD_PRELOAD=LIB, LIES=which)


class Target(imap_target.Waxwing):
    """Its environment is taken over from ours."""

    def __init__(self, which):
        os.environ.update(lies(which))
        try:
            super().__init__(users=["alice"])
        finally:
            del os.environ["LD_PRELOAD"], os.environ["LIES"]


@test("P10 a storage on NFS is refused, with a sentence")
def refused():
    s = Server(env=lies("magic"))
    try:
        s.start(wait=False)
        s.log_wait("storage lies on NFS, where a journal is not safe")
        try:
            r = s.give()[1]
            check(r.code != 250, "a letter was taken: %r" % r)
        except (Closed, OSError):
            pass
    finally:
        s.end()


@cases([("nothing that only a local disk has", "plain"), ("requests whose answer is lost", "plain repeat")],
       name="P10 a Maildir on NFS: {0}", limit=120)
def works(which):
    """All verbs do what they say, at once."""
    with Target(which) as t:
        b = Boxes(t, "alice")
        given = [t.s.give() for _ in range(8)]
        for tok, r in given:
            equal(r.code, 250, "reply")
            t.s.wait(tok)
            equal(len(t.s.find(tok)), 1, "copies")
        with b.session() as c:
            c.ok("SELECT INBOX")
            have = len(b.shown()[b"INBOX"])
            equal(have, 12, "letters")
            for n in range(3):
                equal(c.append("INBOX", letter("a%d" % n))[0].status, b"OK", "APPEND")
                c.ok("COPY 1:3 Other")
                c.ok("MOVE 1 Other")
                c.ok("STORE 1:4 +FLAGS (\\Flagged word%d)" % n)
                c.ok("STORE 2 +FLAGS (\\Deleted)")
                c.ok("EXPUNGE")
                c.ok("CREATE Made%d" % n)
                c.ok("SUBSCRIBE Made%d" % n)
                c.ok("CREATE Made%d.Below" % n)
                c.ok("RENAME Made%d Moved%d" % (n, n))
                c.ok("DELETE Moved%d.Below" % n)
        shown = b.shown()
        equal((len(shown[b"INBOX"]), len(shown[b"Other"])), (have - 3 - 1, 1 + 9 + 3), "letters in INBOX, Other")
        equal(sorted(k for k in shown if k[:1] == b"M"), [b"Moved0", b"Moved1", b"Moved2"], "folders")
        t.s.kill_all()
        t.s.start()
        equal(b.shown(), shown, "after a restart")


@test("P10 a Maildir on NFS whose handles go stale: NO or all of it, and then it works", limit=120)
def stale():
    with Target("plain stale") as t:
        given = [t.s.give() for _ in range(6)]
        equal({r.code for _, r in given}, {250}, "replies")
        for tok, _ in given:
            t.s.wait(tok, limit=60)
        said = {}
        for n in range(40):
            try:
                with imap_client.Imap((t.host, t.imap), timeout=20) as c:
                    c.login(t.login_name("alice"), t.password("alice"))
                    c.ok("SELECT INBOX")
                    r, un = c.cmd("FETCH 1:* BODY.PEEK[]")
                    bodies = [u.args[2][1] for u in un if u.word(1) == b"FETCH"]
                    check(all(b.endswith(b"Good day.\r\n") for b in bodies), "octets")
                    check(r.status == b"NO" or (r.status == b"OK" and len(bodies) >= 6), "%r, %d letters" % (r, len(bodies)))
                    said[r.status] = said.get(r.status, 0) + 1
            except AssertionError as x:
                check(" NO " in str(x), str(x))
        check(said.get(b"OK"), "never OK: %s" % said)
        print("# %s" % said)
        equal([len(t.s.find(tok)) for tok, _ in given], [1] * 6, "copies")


@test("P10 a disk on NFS that is full only at close(): the letter is not taken for delivered", limit=120)
def full():
    with Target("plain full") as t:
        b = Boxes(t, "alice")
        tok, r = t.s.give()
        equal(r.code, 250, "the journal has room")
        t.s.log_wait("close.*[Nn]o space")
        equal([l.raw for l in t.s.letters() if tok.encode() not in l.raw and not l.raw], [], "empty letters")
        t.s.wait(tok, limit=60)
        equal(len(t.s.find(tok)), 1, "copies")
        equal(len(b.shown()[b"INBOX"]), 5, "letters")


tap.main()
