#!/usr/bin/python3
"""Who lives here: accounts, domains, virtual.users, aliases; changes hold for the next RCPT."""
import os
import time

import server
import tap
from letters import letter, token
from server import SLOW, Server, shared
from tap import cases, check, equal, test

VIRTUAL = """# addresses of two domains
exact@example.org      alice@example.org
Mixed.Case@example.org : bob@example.org
two@example.org        alice@example.org, bob@example.org
local@example.org      carol@localhost
fail@example.org:      :fail: moved to Mars
defer@example.org:     :defer: come back later
hole@example.org:      :blackhole:
plus@example.net       alice@example.org
*@example.net          bob@example.org
loop1@example.org      loop2@example.org
loop2@example.org      loop1@example.org
far@example.org        someone@victim.example
far2@example.org       alice@example.org, someone@victim.example
pipe@example.org       |/bin/true
file@example.org       /tmp/x
chain@example.org      two@example.org
"""
DOMAINS = "example.net\n*.sub.example.net\n"


def virtual_server(virtual=VIRTUAL, domains=DOMAINS):
    s = Server("domains file virtual.domains\nusers file virtual.users\n")
    for n, text in (("virtual.users", virtual), ("virtual.domains", domains)):
        with open(os.path.join(s.dir, n), "w") as f:
            f.write(text)
    return s.start()


_v = {}


def v():
    if "s" not in _v or not _v["s"].alive():
        _v["s"] = virtual_server()
    return _v["s"]


tap.AT_END.append(lambda: _v.get("s") and _v["s"].end())


def rcpt(s, address):
    with s.client() as c:
        c.ehlo()
        c.mail()
        return c.rcpt(address)


@cases([("virtual.users: %s" % a, a, code, who) for a, code, who in [
    ("exact@example.org", 250, ["alice"]), ("EXACT@EXAMPLE.ORG", 250, ["alice"]),
    ("exact+detail@example.org", 250, ["alice"]), ("mixed.case@example.org", 250, ["bob"]),
    ("two@example.org", 250, ["alice", "bob"]), ("local@example.org", 250, ["carol"]),
    ("fail@example.org", 550, []), ("defer@example.org", 451, []), ("hole@example.org", 250, []),
    ("plus+x@example.net", 250, ["alice"]), ("anything@example.net", 250, ["bob"]),
    ("x@a.sub.example.net", (250, 550), None), ("x@other.example.net", 550, []),
    ("loop1@example.org", (451, 550, 554), []), ("far@example.org", 250, []),
    ("far2@example.org", (250, 451), None), ("pipe@example.org", 451, []),
    ("file@example.org", 451, []), ("chain@example.org", 250, ["alice", "bob"]),
    ("alice@example.org", 250, ["alice"]), ("nobody@example.org", 550, [])]])
def virtual(address, code, who):
    s, t = v(), token()
    with s.client() as c:
        c.ehlo()
        c.mail()
        r = c.rcpt(address)
        check(r.code in (code if isinstance(code, tuple) else (code,)), "RCPT: %r" % r)
        if address.startswith("fail@"):
            check("moved to Mars" in r.text, "text: %r" % r)
        if r.code != 250:
            return
        equal(c.data(letter(t)).code, 250, "DATA")
    if who is None:
        return
    for u in who:
        equal(s.wait(t, u).first("envelope-to"), address, "Envelope-To")
    for u in ("alice", "bob", "carol"):
        s.fence(u)
        equal(len(s.find(t, u)), 1 if u in who else 0, "copies for " + u)


@test("virtual.users: a change holds for the next RCPT, also by an editor's rename")
def change():
    s = virtual_server()
    path = os.path.join(s.dir, "virtual.users")
    try:
        with s.client() as c:
            c.ehlo()
            c.mail()
            equal(c.rcpt("new@example.org").code, 550, "before")
            with open(path, "a") as f:
                f.write("new@example.org alice@example.org\n")
            tap.eventually(lambda: c.rcpt("new@example.org").code == 250, 2 * SLOW, 0.05,
                           "an added line")
            equal(c.rcpt("new2@example.org").code, 550, "before")
            with open(path + "~", "w") as f:
                f.write(VIRTUAL + "new2@example.org bob@example.org\n")
            os.rename(path + "~", path)
            tap.eventually(lambda: c.rcpt("new2@example.org").code == 250, 2 * SLOW, 0.05,
                           "a file renamed over it")
            equal(c.rcpt("new@example.org").code, 550, "a line taken away")
            os.unlink(path)
            time.sleep(0.3)
            with open(path, "w") as f:
                f.write("new3@example.org bob@example.org\n")
            tap.eventually(lambda: c.rcpt("new3@example.org").code == 250, 2 * SLOW, 0.05,
                           "deleted and written anew")
    finally:
        s.end()


@test("virtual.users: a broken line is named, the others work")
def broken():
    s = virtual_server("good@example.org alice@example.org\nnonsense without at (\n@@ x\n"
                       "good2@example.org bob@example.org\n")
    try:
        s.log_wait(r"virtual\.users.*line=2")
        s.log_wait(r"virtual\.users.*line=3")
        equal(rcpt(s, "good@example.org").code, 250, "line 1")
        equal(rcpt(s, "good2@example.org").code, 250, "line 4")
    finally:
        s.end()


@test("virtual.domains: a new domain without reload")
def new_domain():
    s = virtual_server()
    try:
        equal(rcpt(s, "x@later.example").code, 550, "before")
        with open(os.path.join(s.dir, "virtual.domains"), "a") as f:
            f.write("later.example\n")
        with open(os.path.join(s.dir, "virtual.users"), "a") as f:
            f.write("*@later.example alice@example.org\n")
        tap.eventually(lambda: rcpt(s, "x@later.example").code == 250, 2 * SLOW, 0.05, "after")
    finally:
        s.end()


@test("domain blocks: alias-domains, catch-all, users of their own")
def blocks():
    s = Server("domain example.nz {\nalias-domains example.com\ncatch-all bob@example.org\n"
               "users file nz.users\n}\nuser zoe@example.nz\n")
    with open(s.dir + "/nz.users", "w") as f:
        f.write("info@example.nz alice@example.org\n")
    try:
        s.start()
        for a, who, dom in (("zoe@example.nz", "zoe", "example.nz"), ("zoe@example.com", "zoe", "example.nz"),
                            ("whoever@example.nz", "bob", None), ("whoever@example.com", "bob", None),
                            ("info@example.nz", "alice", None)):
            t, r = s.give(a)
            equal(r.code, 250, "RCPT " + a)
            s.wait(t, who, domain=dom)
        equal(rcpt(s, "info@example.org").code, 550, "the users of another domain")
    finally:
        s.end()


@test("aliases: several targets, loops, root goes to the contact")
def aliases():
    s = Server("aliases file aliases\n")
    with open(s.dir + "/aliases", "w") as f:
        f.write("# system aliases\nstaff: alice,\n  bob@example.org\nWebmaster: alice\n"
                "a: b\nb: a\nroot2: root\n")
    try:
        s.start()
        t, r = s.give("staff@example.org")
        equal(r.code, 250, "staff: %r" % r)
        s.wait(t), s.wait(t, "bob")
        t, r = s.give("webmaster@example.org")
        equal(r.code, 250, "webmaster: %r" % r)
        s.wait(t)
        check(rcpt(s, "a@example.org").code in (451, 550, 554), "a loop")
        with open(s.dir + "/aliases", "a") as f:
            f.write("later: bob\n")
        tap.eventually(lambda: rcpt(s, "later@example.org").code == 250, 2 * SLOW, 0.05, "added")
    finally:
        s.end()


@test("user add, list, passwd, disable, remove: each effective for the next RCPT")
def accounts():
    s = Server(users=("alice",))
    try:
        code, out, err = s.command("user", "add", "early@example.org", stdin=b"secret-word-1\n")
        equal(code, 0, "user add before serve: " + out + err)
        s.start()
        equal(rcpt(s, "early@example.org").code, 250, "added before the start")
        equal(rcpt(s, "late@example.org").code, 550, "before")
        code, out, err = s.command("user", "add", "late@example.org", stdin=b"secret-word-2\n")
        equal(code, 0, "user add: " + out + err)
        equal(rcpt(s, "late@example.org").code, 250, "after")
        t, r = s.give("late@example.org")
        equal(r.code, 250, "letter")
        s.wait(t, "late")
        code, out, err = s.command("user", "list")
        check("late@example.org" in out and "alice@example.org" in out, out)
        equal(s.command("user", "add", "late@example.org", stdin=b"x-y-z-12345\n")[0], 1, "twice")
        equal(s.command("user", "passwd", "late@example.org", stdin=b"other-word-3\n")[0], 0, "passwd")
        equal(s.command("user", "disable", "late@example.org")[0], 0, "disable")
        check(rcpt(s, "late@example.org").code in (250, 450, 550, 525), "disabled")
        equal(s.command("user", "remove", "late@example.org")[0], 0, "remove")
        equal(rcpt(s, "late@example.org").code, 550, "removed")
        for d, _dirs, files in os.walk(s.dir + "/db"):
            for f in files:
                with open(os.path.join(d, f), "rb") as h:
                    check(b"secret-word" not in h.read(), "a password in clear in " + f)
        check("secret-word" not in s.log(), "a password in the log")
    finally:
        s.end()


@test("test address shows every step and names what is not there yet")
def test_address():
    s = v()
    code, out, err = s.command("test", "address", "chain@example.org")
    equal(code, 0, err)
    for w in ("two@example.org", "alice@example.org", "bob@example.org"):
        check(w in out, "no %s in:\n%s" % (w, out))
    code, out, err = s.command("test", "address", "nobody@example.org")
    equal(code, 1, "exit status for nobody: " + out)
    code, out, err = s.command("test", "address", "far@example.org")
    check("victim.example" in out, out)


@test("a Linux account: its letter lies in ~/Maildir with its owner")
def linux_account():
    if os.getuid() != 0:
        tap.skip("needs root")
    import pwd
    import subprocess
    name = "wxe2e%d" % (os.getpid() % 100000)
    if subprocess.run(["useradd", "-m", name], capture_output=True).returncode:
        tap.skip("cannot add a Linux account here")
    s = Server("auth {\nbackend pam waxwing\n}\n", users=("alice",))
    try:
        s.start()
        pw = pwd.getpwnam(name)
        t, r = s.give(name + "@example.org")
        equal(r.code, 250, "reply %r" % r)
        md = os.path.join(pw.pw_dir, "Maildir", "new")
        tap.eventually(lambda: os.path.isdir(md) and os.listdir(md), 10 * SLOW, what="the letter")
        p = os.path.join(md, os.listdir(md)[0])
        equal((os.stat(p).st_uid, os.stat(md).st_uid), (pw.pw_uid, pw.pw_uid), "owner")
        equal(os.stat(p).st_mode & 0o077, 0, "mode")
    finally:
        s.end()
        subprocess.run(["userdel", "-r", name], capture_output=True)


tap.main()
