"""IMAP sessions with folders of their own, for tests of commands."""
import itertools
import re

from logins import USERS, shared                                     # first: it starts the test again

from tap import equal

_count = itertools.count(1)


def session(user="alice"):
    c = shared().imap()
    equal(c.login(shared().address(user), USERS[user]).status, "OK", "login")
    return c


def ok(c, command):
    r = c.cmd(command)
    equal(r.status, "OK", "%r: %r %r" % (command[:200], r, r.untagged[-3:]))
    return r


def refused(c, command, status, code=None):
    r = c.cmd(command)
    equal(r.status, status, "%r: %r" % (command[:200], r))
    if code is not None:
        equal(r.code, code, "%r: %r" % (command[:200], r))
    return r


def lines(r, what):
    return [u for u in r.untagged if re.search(what, u)]


def one(r, what):
    """The groups of the one untagged line that matches."""
    found = lines(r, what)
    equal(len(found), 1, "lines with %r in %r" % (what, r.untagged))
    return re.search(what, found[0]).groups()


def new_folder(c):
    name = "F%d" % next(_count)
    ok(c, "CREATE " + name)
    return name


def append(c, name, letter, args=b"", literal8=False):
    return ok(c, b"APPEND %s %s%s{%d+}\r\n%s" % (name.encode(), args + b" " if args else b"",
                                                 b"~" if literal8 else b"", len(letter), letter))


def filled(letters, select=True):
    """A session with a new folder that holds these letters, and its name."""
    c = session()
    name = new_folder(c)
    for l in letters:
        append(c, name, l)
    if select:
        ok(c, "SELECT " + name)
    return c, name
