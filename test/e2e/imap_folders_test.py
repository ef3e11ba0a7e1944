#!/usr/bin/python3
"""Folders over IMAP: LIST and its kin, STATUS, CREATE, DELETE, RENAME, subscriptions, quota; row G6."""
import os
import re
import sqlite3

from searching import USERS, shared                                  # first: it starts the test again

from tap import cases, check, equal, eventually, main, test

TREE = ("Lists", "Lists.linux", "Lists.linux.kernel", "Lists.mail", "Deep.below.here", "Entw&APw-rfe", "Sent", "Spam")


def session(user="alice"):
    c = shared().imap()
    equal(c.login(shared().address(user), USERS[user]).status, "OK", "login")
    return c


def tree():
    """An account with these folders and no others."""
    c = session()
    names = [n for n, _ in listed(c, 'LIST "" "*"') if n != "INBOX"]
    for n in sorted(names, reverse=True):
        c.cmd('UNSUBSCRIBE "%s"' % n)
        c.cmd('DELETE "%s"' % n)
    c.cmd("UNSUBSCRIBE INBOX")
    for n in TREE:
        equal(c.cmd('CREATE "%s"' % n).status, "OK", "CREATE " + n)
    for n in ("Lists.linux", "INBOX", "Never.there"):
        equal(c.cmd('SUBSCRIBE "%s"' % n).status, "OK", "SUBSCRIBE " + n)
    return c


def listed(c, command, verb="LIST"):
    """[(name, attributes)]"""
    r = c.cmd(command)
    equal(r.status, "OK", "%s: %r" % (command, r))
    out = []
    for u in r.untagged:
        m = re.match(rb'\* %s \(([^)]*)\) "\." "?([^"]*?)"?( \(.*)?$' % verb.encode(), u)
        if m:
            out.append((m.group(2).decode(), set(m.group(1).decode().split()) | ({m.group(3).decode().strip()} if m.group(3) else set())))
    return out


def names(c, command, verb="LIST"):
    return [n for n, _ in listed(c, command, verb)]


ALL = ["INBOX", "Deep", "Deep.below", "Deep.below.here", "Entw&APw-rfe", "Lists", "Lists.linux", "Lists.linux.kernel", "Lists.mail",
       "Sent", "Spam"]


@cases([(c, c, want) for c, want in (
    ('LIST "" "*"', ALL), ('LIST "" "%"', ["INBOX", "Deep", "Entw&APw-rfe", "Lists", "Sent", "Spam"]),
    ('LIST "" inbox', ["INBOX"]), ('LIST "" "Lists.%"', ["Lists.linux", "Lists.mail"]),
    ('LIST "Lists." "%"', ["Lists.linux", "Lists.mail"]), ('LIST "Lists" "*kernel"', ["Lists.linux.kernel"]),
    ('LIST "" "lists"', []), ('LIST "" "*e*e*e*"', ["Deep.below", "Deep.below.here"]), ('LIST "" "Entw&APw-rfe"', ["Entw&APw-rfe"]),
    ('LIST "" ("INBOX" "S%")', ["INBOX", "Sent", "Spam"]), ('LIST (SUBSCRIBED) "" "*"', ["INBOX", "Lists.linux", "Never.there"]),
    ('LIST (SPECIAL-USE) "" "*"', ["Sent", "Spam"]), ('LIST "" "x*"', []), ('LIST "" "" RETURN (CHILDREN)', []))])
def patterns(command, want):
    with tree() as c:
        equal(names(c, command), want, command)


@test("an empty pattern asks for the separator")
def separator():
    with tree() as c:
        equal(c.cmd('LIST "" ""').untagged, [b'* LIST (\\Noselect) "." ""'], 'LIST "" ""')


@test("attributes: children, special use, what is not there")
def attributes():
    with tree() as c:
        got = dict(listed(c, 'LIST "" "*"'))
        equal(got["Lists"], {"\\HasChildren"}, "Lists")
        equal(got["Lists.mail"], {"\\HasNoChildren"}, "Lists.mail")
        equal(got["Deep"], {"\\Noselect", "\\HasChildren"}, "above one that exists")
        equal(got["Sent"], {"\\HasNoChildren", "\\Sent"}, "Sent")
        equal(got["Spam"], {"\\HasNoChildren", "\\Junk"}, "Spam")
        got = dict(listed(c, 'LIST "" "*" RETURN (CHILDREN SUBSCRIBED SPECIAL-USE)'))
        equal(got["Deep"], {"\\NonExistent", "\\HasChildren"}, "extended")
        equal(got["Lists.linux"], {"\\Subscribed", "\\HasChildren"}, "subscribed")
        got = dict(listed(c, 'LIST (SUBSCRIBED) "" "*"'))
        equal(got["Never.there"], {"\\NonExistent", "\\Subscribed"}, "subscribed only (RFC 5258 §3)")
        got = dict(listed(c, 'LIST (SUBSCRIBED RECURSIVEMATCH) "" "%"'))
        equal(got["Lists"], {'("CHILDINFO" ("SUBSCRIBED"))'}, "RECURSIVEMATCH")
        check(got["INBOX"] == {"\\Subscribed"} and "Sent" not in got, repr(got))


@test("LIST RETURN (STATUS …): a STATUS behind each folder that can be selected (RFC 5819)")
def list_status():
    with tree() as c:
        r = c.cmd('LIST "" (INBOX Lists Deep) RETURN (STATUS (MESSAGES UNSEEN))')
        kinds = [u.split()[1] for u in r.untagged]
        equal(kinds, [b"LIST", b"STATUS", b"LIST", b"LIST", b"STATUS"], repr(r.untagged))
        check(b"* STATUS Lists (MESSAGES 0 UNSEEN 0)" in r.untagged, repr(r.untagged))


@test("LSUB: subscribed names, and with % what stands above them (RFC 3501 §6.3.9)")
def lsub():
    with tree() as c:
        equal(names(c, 'LSUB "" "*"', "LSUB"), ["INBOX", "Lists.linux", "Never.there"], "*")
        equal(listed(c, 'LSUB "" "%"', "LSUB"), [("INBOX", set()), ("Lists", {"\\Noselect"}), ("Never", {"\\Noselect"})], "%")
        c.cmd("UNSUBSCRIBE Lists.linux")
        equal(names(c, 'LSUB "" "*"', "LSUB"), ["INBOX", "Never.there"], "after UNSUBSCRIBE")


def append(c, name, n=1, flags=""):
    l = b"Subject: x\r\n\r\n0123456789\r\n"
    for _ in range(n):
        equal(c.cmd(b"APPEND %s %s{%d+}\r\n%s" % (name.encode(), flags.encode(), len(l), l)).status, "OK", "APPEND")
    return len(l)


@test("STATUS: every item")
def status():
    with tree() as c:
        size = append(c, "Sent", 2) + append(c, "Sent", 1, "(\\Seen \\Deleted) ") * 0
        r = c.cmd("STATUS Sent (MESSAGES RECENT UIDNEXT UIDVALIDITY UNSEEN DELETED SIZE HIGHESTMODSEQ APPENDLIMIT MAILBOXID "
                  "DELETED-STORAGE)")
        equal(r.status, "OK", repr(r))
        line = next(u for u in r.untagged if u.startswith(b"* STATUS")).decode()
        words = dict(re.findall(r"([A-Z-]+) (\(\w+\)|\d+)", line[line.index("("):]))
        equal({k: words[k] for k in ("MESSAGES", "UIDNEXT", "UNSEEN", "DELETED", "SIZE", "DELETED-STORAGE")},
              {"MESSAGES": "3", "UIDNEXT": "4", "UNSEEN": "2", "DELETED": "1", "SIZE": str(3 * size), "DELETED-STORAGE": str(size)},
              line)
        check(re.fullmatch(r"\([0-9a-f]{32}\)", words["MAILBOXID"]) and int(words["HIGHESTMODSEQ"]) > 0, line)
        for bad in ("STATUS Absent (MESSAGES)", "STATUS Deep (MESSAGES)"):
            equal((c.cmd(bad).status, c.cmd(bad).code), ("NO", "NONEXISTENT"), bad)
        equal(c.cmd("STATUS Sent (NONSENSE)").status, "BAD", "NONSENSE")


@test("CREATE says MAILBOXID, and makes special uses (RFC 8474, 6154)")
def create():
    with tree() as c:
        r = c.cmd("CREATE New.one.")
        check(re.fullmatch(r"MAILBOXID \([0-9a-f]{32}\)", r.code), repr(r))
        check("New.one" in names(c, 'LIST "" "New.%"'), "made")
        equal(c.cmd("CREATE Papierkorb (USE (\\Trash))").status, "OK", "USE")
        check("\\Trash" in dict(listed(c, 'LIST "" Papierkorb'))["Papierkorb"], "its use is told")
        for bad, code in (("CREATE New.one", "ALREADYEXISTS"), ("CREATE inbox", "ALREADYEXISTS"), ("CREATE x (USE (\\Trash))", "USEATTR"),
                          ("CREATE x (USE (\\Flagged))", "USEATTR"), ("CREATE x (USE (\\Nonsense))", "USEATTR"),
                          ("CREATE a/../../b", "CANNOT"), ("CREATE ..", "CANNOT"), ("CREATE a..b", "CANNOT"), ("CREATE .x", "CANNOT"),
                          ("CREATE " + "x" * 300, "CANNOT")):
            r = c.cmd(bad)
            equal((r.status, r.code), ("NO", code), bad)
        check("x" not in names(c, 'LIST "" "*"'), "nothing was made")


@test("DELETE: what is below stays; an open one is closed; INBOX stays")
def delete():
    with tree() as c, session() as d:
        equal(d.cmd("SELECT Lists").status, "OK", "SELECT")
        equal(c.cmd("DELETE Lists").status, "OK", "DELETE")
        equal(dict(listed(c, 'LIST "" "Lists"'))["Lists"], {"\\Noselect", "\\HasChildren"}, "those below stay")
        d.cmd("NOOP")
        check(b"* BYE" in (d.rest(5) or b""), "the other session is told")
        equal(c.cmd("SELECT Lists.mail").status, "OK", "SELECT")
        r = c.cmd("DELETE Lists.mail")
        equal((r.status, [u for u in r.untagged if b"CLOSED" in u] != []), ("OK", True), repr(r.untagged))
        equal(c.cmd("FETCH 1 FLAGS").status, "BAD", "nothing is selected")
        for bad, code in (("DELETE INBOX", "CANNOT"), ("DELETE Absent", "NONEXISTENT"), ("DELETE Deep", "NONEXISTENT")):
            r = c.cmd(bad)
            equal((r.status, r.code), ("NO", code), bad)


@test("RENAME: with all below it, letters and UIDVALIDITY; INBOX gives its letters away")
def rename():
    with tree() as c:
        append(c, "Lists.linux", 2)
        was = c.cmd("STATUS Lists.linux (UIDVALIDITY UIDNEXT MESSAGES MAILBOXID)").untagged[0].split(b" ", 3)[3]
        equal(c.cmd("RENAME Lists Moved").status, "OK", "RENAME")
        equal(names(c, 'LIST "" "Moved*"'), ["Moved", "Moved.linux", "Moved.linux.kernel", "Moved.mail"], "all")
        equal(names(c, 'LIST "" "Lists*"'), [], "the old name")
        equal(c.cmd("STATUS Moved.linux (UIDVALIDITY UIDNEXT MESSAGES MAILBOXID)").untagged[0].split(b" ", 3)[3], was, "the same folder")
        append(c, "INBOX", 1)
        n = int(re.search(rb"MESSAGES (\d+)", b"".join(c.cmd("STATUS INBOX (MESSAGES)").untagged)).group(1))
        equal(c.cmd("RENAME INBOX Old").status, "OK", "RENAME INBOX")
        check(b"* STATUS Old (MESSAGES %d)" % n in c.cmd("STATUS Old (MESSAGES)").untagged, "its letters went")
        check(b"* STATUS INBOX (MESSAGES 0)" in c.cmd("STATUS INBOX (MESSAGES)").untagged, "INBOX is there, empty")
        for bad, code in (("RENAME Absent X", "NONEXISTENT"), ("RENAME Sent Spam", "ALREADYEXISTS"), ("RENAME Sent inbox", "ALREADYEXISTS"),
                          ("RENAME Moved Moved.below", "CANNOT")):
            r = c.cmd(bad)
            equal((r.status, r.code), ("NO", code), bad)


@test("names in UTF-8 once UTF8=ACCEPT or IMAP4rev2 is enabled")
def utf8():
    with tree() as c:
        equal(c.cmd("ENABLE UTF8=ACCEPT").status, "OK", "ENABLE")
        r = c.cmd('LIST "" "Entw*"')
        check('* LIST (\\HasNoChildren) "." "Entwürfe"'.encode() in r.untagged, repr(r.untagged))
        equal(c.cmd('STATUS "Entwürfe" (MESSAGES)').status, "OK", "STATUS")


@test("QUOTA: one root for all folders, limits are the administrator's")
def quota():
    with tree() as c:
        r = c.cmd("GETQUOTAROOT Sent")
        equal(r.status, "OK", repr(r))
        check(b'* QUOTAROOT Sent ""' in r.untagged and any(u.startswith(b'* QUOTA "" (') for u in r.untagged), repr(r.untagged))
        equal(c.cmd('GETQUOTA ""').status, "OK", "GETQUOTA")
        for bad, code in (('GETQUOTA "other"', "NONEXISTENT"), ("GETQUOTAROOT Absent", "NONEXISTENT"), ('SETQUOTA "" (STORAGE 10)', "NOPERM")):
            r = c.cmd(bad)
            equal((r.status, r.code), ("NO", code), bad)


@test("DELETE takes what is kept of the folder's letters along")
def kept():
    cache = shared().maildir("alice") + "/waxwing/cache.db"

    def rows(guid):
        db = sqlite3.connect("file:%s?mode=ro" % cache, uri=True)
        try:
            ids = [r[0] for r in db.execute("SELECT id FROM box WHERE guid = ?", (guid,))]
            return ids, db.execute("SELECT count(*) FROM pack").fetchone()[0]
        finally:
            db.close()
    with tree() as c:
        equal(c.cmd("CREATE Brief").status, "OK", "CREATE")
        guid = re.search(rb"MAILBOXID \((\w+)\)", b"".join(c.cmd("STATUS Brief (MAILBOXID)").untagged)).group(1).decode()
        equal(c.cmd("SELECT Sent").status, "OK", "SELECT")
        before = rows(guid)[1]
        for i in range(3):
            l = b"Subject: %d\r\n\r\nbody\r\n" % i
            equal(c.cmd(b"APPEND Brief {%d+}\r\n%s" % (len(l), l)).status, "OK", "APPEND")
        equal(c.cmd("SELECT Brief").status, "OK", "SELECT")
        equal(c.cmd("FETCH 1:* (ENVELOPE)").status, "OK", "FETCH")
        eventually(lambda: rows(guid)[1] >= before + 4, what="facts, envelopes, structures and headers are written")
        equal(len(rows(guid)[0]), 1, "rows of the folder")
        equal(c.cmd("CLOSE").status, "OK", "CLOSE")
        equal(c.cmd("DELETE Brief").status, "OK", "DELETE")
        equal(rows(guid), ([], before), "rows")


@test("G6 no name leads out of the Maildir")
def escape():
    s = shared()
    with tree() as c:
        before = sorted(os.listdir(s.home("alice")))
        for name in ("../x", "/etc", "a/b", "..", "...", "a/../b", "x/", "&AC8-", "&AC4-.&AC4-", "tmp/x", "/etc/passwd", "a/../../b", "INBOX/../..",
                     "&AC4ALg-", "&AAA-", "&AGE-", "&", "x\\y"):
            for command in ('CREATE "%s"', 'RENAME Sent "%s"', 'SUBSCRIBE "%s"', 'STATUS "%s" (MESSAGES)', 'DELETE "%s"', 'SELECT "%s"'):
                r = c.cmd(command % name.replace("\\", "\\\\"))
                if "x\\y" not in name and not (name == "x/" and command.startswith(("CREATE", "RENAME", "DELETE", "SUBSCRIBE", "STATUS", "SELECT"))):
                    check(r.status in ("NO", "BAD"), "%s: %r" % (command % name, r))
        equal(sorted(os.listdir(s.home("alice"))), before, "the home")


if __name__ == "__main__":
    main()
