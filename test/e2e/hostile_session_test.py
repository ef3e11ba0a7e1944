#!/usr/bin/python3
"""Sessions that want too much: literals that never come, sets, patterns, names and programs without end, bombs,
clients that do not read; rows G2 to G6, G8 to G10, G12, G13, P11 and P16.  Another session is answered all the time
(test/lib/hostile.py), and the processes stay small."""
import os
import random
import re
import resource
import socket
import statistics
import threading
import time
import unicodedata
import zlib

os.environ.setdefault("LOGIN_TEST_NET", "")
from logins import USERS, LoginServer, alice                          # noqa: E402

import hostile                                                        # noqa: E402
from hostile import LETTER, fill, own, raw, strict                    # noqa: E402
import imap_client                                                    # noqa: E402
import server                                                         # noqa: E402
import tap                                                            # noqa: E402
from imap import Imap, Pop3                                           # noqa: E402
from server import SLOW                                               # noqa: E402
from smtp import Closed                                               # noqa: E402
from tap import cases, check, equal, main, test                       # noqa: E402

MIB = 1 << 20
_state = {}


def shared():
    s = _state.get("s")
    if s is None or not s.alive():
        s = _state["s"] = LoginServer().start()
        s.fence("alice")
    return s


def _end():
    if "s" in _state:
        _state.pop("s").end()


tap.AT_END.append(_end)


# -- literals ----------------------------------------------------------------------

@test("G2 60 sessions that announce a literal and never send it hold no memory", limit=90)
def announced():
    s = shared()
    with hostile.Watched(s, "announced", memory=60 * 48 * 1024, roles=("mailbox", "login")):
        cs = [raw(s) for _ in range(60)]
        for i, c in enumerate(cs):
            c.send(b"x SEARCH SUBJECT {65536}\r\n" if i % 2 else b"x APPEND INBOX {268435456}\r\n")
        for i, c in enumerate(cs):
            check(c.line().startswith(b"+"), "session %d" % i)
        time.sleep(0.5)
    for c in cs:
        c.close()


@cases([("1,000 in one command", b"x SEARCH " + b"SUBJECT {1+}\r\na " * 999 + b"ALL", True),
        ("1,001", b"x SEARCH " + b"SUBJECT {1+}\r\na " * 1001 + b"ALL", False),
        ("100,000", b"x SEARCH " + b"SUBJECT {1+}\r\na " * 100000 + b"ALL", False),
        ("1,000 of 2 KiB", b"x SEARCH " + (b"SUBJECT {2048+}\r\n" + b"a" * 2048 + b" ") * 1000 + b"ALL", False),
        ("100,000 of nothing", b"x SEARCH " + b"SUBJECT {0+}\r\n " * 100000 + b"ALL", False)], name="G2 literals in SEARCH: {0}")
def many_literals(text, ok):
    s = shared()
    with raw(s) as c:
        c.cmd("SELECT INBOX")
        with hostile.Watched(s, "literals", memory=16 * MIB):
            try:
                c.send(text + b"\r\nn NOOP\r\n")
                r = c.response()
                while r.startswith(b"* ") and not r.startswith(b"* BYE"):
                    r = c.response()
            except Closed:
                r = b"* BYE"
        if ok:
            check(r.startswith(b"x OK"), "%r" % r[:100])
        else:
            check(re.match(rb"x BAD \[(LIMIT|TOOBIG)\]|\* BYE", r), "%r" % r[:100])
        if not r.startswith(b"* BYE"):
            check(c.response().startswith(b"n OK"), "the next command")


@cases([("{8193+}", b"a LOGIN {8193+}\r\n" + b"x" * 8193 + b" y\r\n"),
        ("4 GiB", b"a LOGIN {4294967296+}\r\n" + b"x" * 100000), ("2^64-1", b"a LOGIN {18446744073709551615}\r\n"),
        ("2^64", b"a LOGIN {18446744073709551616+}\r\n"),
        ("1,000 small ones", b"a ID (" + b"{9+}\r\n123456789 " * 1000 + b")\r\n"),
        ("NUL in one", b"a LOGIN {3+}\r\na\0b {1+}\r\nx\r\n"),
        ("NUL in quotes", b'a LOGIN "u\0\\"x" y\r\n'), ("a million parentheses", b"a NOOP " + b"(" * 1000000 + b"\r\n"),
        ("a million )", b"a NOOP " + b")" * 1000000 + b"\r\n"),
        ("a million braces", b"a NOOP " + b"{" * 1000000 + b"\r\n"),
        ("a line without end", b"a NOOP " + b"x" * (20 << 20))], name="G1 G2 G3 before login: {0}")
def before_login(data):
    s = shared()
    with hostile.Watched(s, "before login", memory=2 * MIB, roles=("login", "mailbox")):
        with Imap(("127.0.0.1", s.ports["plain"]), slow=SLOW) as c:
            try:
                c.send(data)
                r = c.response()
                check(re.match(rb"(a|\*) BAD|\* BYE", r), "%r" % r[:100])
                c.send(b"\r\nb CAPABILITY\r\n")
                c.rest(0.2)
            except Closed:
                pass


@cases([("a million parentheses", b"a NOOP " + b"(" * 1000000 + b"\r\n"),
        ("a million )", b"a NOOP " + b")" * 1000000 + b"\r\n"), ("a million braces", b"a NOOP " + b"{" * 1000000 + b"\r\n"),
        ("FETCH with a million parentheses", b"a FETCH 1 " + b"(" * 1000000 + b"\r\n"),
        ("SEARCH with 10,000 parentheses", b"a SEARCH " + b"(" * 10000 + b"ALL" + b")" * 10000 + b"\r\n"),
        ("LIST with parentheses", b"a LIST (((((((((((((((((((((((((((((((((((((((((((((((((((((((((\r\n"),
        ("STORE with parentheses", b"a STORE 1 FLAGS " + b"(" * 200000 + b"\r\n"),
        ("ID with 10,000 pairs", b"a ID (" + b'"a" "b" ' * 10000 + b")\r\n"),
        ("STATUS with 10,000 items", b"a STATUS INBOX (" + b"UIDNEXT " * 10000 + b")\r\n"),
        ("a line without end", b"a NOOP " + b"x" * (20 << 20))], name="G3 after login: {0}")
def after_login(data):
    s = shared()
    with raw(s) as c:
        c.cmd("SELECT INBOX")
        with hostile.Watched(s, "after login", memory=4 * MIB):
            try:
                c.send(data)
                r = c.response()
                check(re.match(rb"a BAD|\* BYE", r), "%r" % r[:100])
                if r.startswith(b"a BAD") and data.endswith(b"\r\n"):
                    equal(c.cmd("NOOP").status, "OK", "the next command")
            except Closed:
                check(len(data) > 10 << 20, "it hung up")


@cases([("one more, waiting", b"{268435457}\r\n"), ("one more, not waiting", b"{268435457+}\r\n" + b"x" * 100000),
        ("2^63", b"{9223372036854775808}\r\n"), ("as BINARY", b"~{268435457}\r\n")],
       name="G2 APPEND beyond the limit: {0}")
def too_big(lit):
    s = shared()
    with raw(s) as c:
        with hostile.Watched(s, "too big", memory=2 * MIB):
            c.send(b"x APPEND INBOX " + lit)
            r = c.response()
        check(re.match(rb"x NO \[TOOBIG\]|x BAD|\* BYE \[TOOBIG\]", r), "%r" % r)
    check(not any(os.path.getsize(os.path.join(s.maildir("alice"), "tmp",
        f)) for f in os.listdir(os.path.join(s.maildir("alice"), "tmp"))), "tmp/ is clean")


# -- sets and programs -------------------------------------------------------------

def folder_of_many():
    s = shared()
    if "many" not in _state or _state["many"] != s.dir:
        fill(s, "Many", 3000)
        _state["many"] = s.dir
        with raw(s) as c:
            equal(c.cmd("SELECT Many").status, "OK", "SELECT")
            equal(c.cmd("FETCH 1:* ENVELOPE").status, "OK", "FETCH")
    return s


def many(cmd, status, **kw):
    s = folder_of_many()
    with raw(s) as c:
        equal(c.cmd("SELECT Many").status, "OK", "SELECT")
        with hostile.Watched(s, cmd[:50], wait=1.0, **kw):
            r = c.cmd(cmd)
        check(r.status in status, "%s: %r" % (cmd[:60], r))
        check(r.status != "BAD" or r.code in ("LIMIT", "TOOBIG", "CLIENTBUG") or " at " in r.text, "%r" % r)
        equal(c.cmd("NOOP").status, "OK", "the next command")
        return r


@cases([("1,1,1 … 100,000 times", "FETCH " + ",".join(["1"] * 100000) + " UID", ("OK", "BAD")),
        ("1,3,5 … 3,000", "FETCH " + ",".join(map(str, range(1, 3000, 2))) + " UID", ("OK",)),
        ("100,000 numbers", "FETCH " + ",".join(map(str, range(1, 100001))) + " UID", ("BAD",)),
        ("backwards", "FETCH " + ",".join(map(str, range(3000, 0, -1))) + " UID", ("OK",)),
        ("*:4294967295", "FETCH *:4294967295 UID", ("OK", "BAD")), ("1:*,*:1", "FETCH 1:*,*:1 UID", ("OK",)),
        ("UID 1:4294967295 5,000 times", "UID FETCH " + ",".join(["1:4294967295"] * 5000) + " FLAGS", ("OK",)),
        ("4294967296", "FETCH 4294967296 UID", ("BAD",)), ("2^64", "FETCH 18446744073709551617 UID", ("BAD",)),
        ("UID 4294967295:1,…", "UID FETCH " + ",".join("%d:%d" % (4294967295 - i, i + 1) for i in range(3000)) + " UID",
        ("OK",))],
       name="G4 a set: {0}")
def sets(cmd, status):
    r = many(cmd, status)
    if r.status == "OK":
        ns = [int(u.split()[1]) for u in r.untagged if b"FETCH" in u]
        equal(len(ns), len(set(ns)), "each letter once")


@cases([("10,000 keys", "SEARCH " + "SUBJECT x " * 10000 + "ALL", ("BAD",)),
        ("4,000 keys", "SEARCH " + "SUBJECT s1 " * 4000 + "ALL", ("OK",)),
        ("OR nested 10,000 deep", "SEARCH " + "OR ALL " * 10000 + "ALL", ("BAD",)),
        ("NOT nested 49 deep", "SEARCH " + "NOT " * 49 + "ALL", ("OK",)),
        ("parentheses 10,000 deep", "SEARCH " + "(" * 10000 + "ALL" + ")" * 10000, ("BAD",)),
        ("50 needles in all bodies", "SEARCH " + " ".join('NOT BODY "absent%d"' % i for i in range(50)), ("OK",)),
        ("a needle of 60 KB", 'SEARCH BODY "%s"' % ("a" * 60000), ("OK", "BAD", "NO")),
        ("needles that nearly match", 'SEARCH TEXT "%s"' % ("e" * 500), ("OK",))], name="G4 SEARCH with {0}", limit=90)
def programs(cmd, status):
    many(cmd, status, cpu=10)


@cases([("10,000 items", "FETCH 1 (" + "FLAGS " * 10000 + "UID)", ("OK", "BAD")),
        ("100 sections", "FETCH 1:* (" + " ".join("BODY.PEEK[%d]" % i for i in range(1, 101)) + ")", ("BAD",)),
        ("64 sections of all", "FETCH 1:500 (" + " ".join("BODY.PEEK[]<%d.1>" % i for i in range(64)) + ")", ("OK",)),
        ("10,000 names of fields", "FETCH 1 BODY.PEEK[HEADER.FIELDS (" + " ".join("N%d" % i for i in range(10000)) + ")]",
        ("OK", "BAD")),
        ("parts of parts", "FETCH 1 BODY.PEEK[" + "1." * 5000 + "1]", ("BAD",)), ("20 sort keys", None, None)],
        name="G4 FETCH of {0}", limit=90)
def items(cmd, status):
    if cmd:
        many(cmd, status, cpu=5)
    else:
        many("SORT (" + " ".join(["REVERSE SUBJECT"] * 21) + ") UTF-8 ALL", ("BAD",))
        many("SORT (" + " ".join(["REVERSE SUBJECT DATE"] * 5) + ") UTF-8 ALL", ("OK",))


@cases([("SORT", "SORT (SUBJECT FROM REVERSE DATE) UTF-8 ALL"), ("THREAD", "THREAD REFERENCES UTF-8 ALL"),
        ("ORDEREDSUBJECT", "THREAD ORDEREDSUBJECT UTF-8 ALL"),
        ("ESEARCH", "SEARCH RETURN (MIN MAX COUNT ALL) TEXT absent"), ("STORE", "STORE 1:* +FLAGS (\\Answered)"),
        ("FETCH", "FETCH 1:* (FLAGS ENVELOPE BODYSTRUCTURE)")], name="G5 {0} of 3,000 letters while another session works")
def together(cmd):
    many(cmd, ("OK",), cpu=2.0)


# -- patterns ----------------------------------------------------------------------

@cases([("%*%*…", b"%*" * 500), ("*a*a…b", b"*a" * 500 + b"b"), ("%a%a…b", b"%a" * 500 + b"b"), ("*…", b"*" * 1000),
        ("%…", b"%" * 1000), ("a…", b"a" * 1000), ("60,000 octets", b"*a" * 30000)],
       name="G4 LIST of 300 folders: {0}", limit=90)
def patterns(p):
    s = shared()
    base = s.maildir("bob")
    s.fence("bob")
    if not os.path.isdir(base + "/." + "a" * 150 + "000"):
        for i in range(300):
            for d in ("", "/cur", "/new", "/tmp"):
                os.mkdir("%s/.%s%03d%s" % (base, "a" * 150, i, d), 0o700)
                own(s, "%s/.%s%03d%s" % (base, "a" * 150, i, d), "bob")
    with raw(s, "bob") as c:
        c.cmd("NOOP")
        n = hostile.Neighbour(s, "bob")
        at = time.monotonic()
        for text in (b"LIST \"\" {%d+}\r\n%s" % (len(p), p), b"LSUB \"\" {%d+}\r\n%s" % (len(p), p),
                b"LIST () \"\" (%s)" % b" ".join([b"{%d+}\r\n%s" % (len(p), p)] * 15)):
            r = c.cmd(text)
            check(r.status == "OK" or len(p) > 1024 and r.status in ("NO", "BAD") and r.code, "%r" % r)
        took = time.monotonic() - at
        n.end(1.0)
        check(took < 4 * SLOW, "it took %.1f s" % took)


# -- names -------------------------------------------------------------------------

NAMES = [b"../x", b"..", b".", b"...", b"/", b"/etc/passwd", b"~root", b"~", b"~/x", b"a/../../b", b"INBOX/../..",
         b"INBOX.", b".INBOX", b"&AC8-", b"&AC4ALg-", b"&AAA-", b"&AAo-", b"&", b"&-", b"&&", b"&AGE-", b"&2AA-",
         b"&3AA-", b"&" + b"AAAA" * 500 + b"-", b"a.b", b"a:2,S", b"cur", b"new", b"tmp", b".Trash", b"x" * 4096,
         b".".join([b"a"] * 255), b".".join([b"a"] * 60), b"a\\b", b"%", b"*", b"a*b", b" ", b"a ", b" a", b"-oX",
         b"a|b", b"$(id)", b"`id`", b"dovecot-uidlist", b"maildirsize", b"subscriptions", b"waxwing", b"inbox", b"InBoX",
         b"INBOX.x", b"caf&AOk-", b"cafe&AwE-", b"\xc3\xa9", b"\xff", b"con", b"a..b", b"a.", b"#news", b"{3}", b"a{3}",
         b")", b"a(b)",
         b"\"", b"a\"b", b"NIL", b"nil"]


def mutf7(name):
    """As a client writes it: quoted, or a literal where that cannot be."""
    if re.search(rb"[\x00-\x1f\x7f-\xff]", name) or len(name) > 1000:
        return b"{%d+}\r\n%s" % (len(name), name)
    return b'"' + name.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'


@test("G6 names of folders: what is made is listed as it was written, lies in the Maildir, and goes again", limit=90)
def names():
    s = shared()
    home = s.home("bob")
    s.fence("bob")
    outside = sorted(os.listdir(home))
    made = []
    with strict(s, "bob") as c:
        c.ok("CREATE Source")
        for name in NAMES:
            n = mutf7(name)
            for cmd in (b"CREATE %s", b"SUBSCRIBE %s", b"STATUS %s (MESSAGES)", b"SELECT %s", b"EXAMINE %s",
                    b"GETQUOTAROOT %s", b"UNSUBSCRIBE %s", b"COPY 1 %s", b"APPEND %s {1+}\r\nx", b"RENAME Source %s"):
                r, un = c.cmd(cmd % n)
                check(r.status in (b"OK", b"NO", b"BAD"), "%r: %r" % (cmd % name[:60], r))
                check(r.status != b"NO" or r.code, "no code: %r: %r" % (cmd % name[:60], r))
                if r.status == b"OK" and cmd.startswith(b"CREATE"):
                    made.append(name)
                if r.status == b"OK" and cmd.startswith(b"RENAME"):
                    c.cmd(b"RENAME %s Source" % n)
        c.cmd("UNSELECT")
        listed = [r.args[3] for r in c.ok('LIST "" "*"') if r.word() == b"LIST"]
        check(all(isinstance(n, bytes) and not re.search(rb"[\x00-\x1f\x7f-\xff]", n) for n in listed), "%r" % listed)
        equal(len(listed), len(set(listed)), "each once")
        for name in made:
            want = name.rstrip(b".") if name != b"." else name
            want = b"INBOX" + want[5:] if want.upper().startswith(b"INBOX.") else want
            check(want in listed, "%r was made, and is not listed: %r" % (name, listed))
        for entry in os.listdir(s.maildir("bob")):
            check(entry in ("cur", "new", "tmp") or entry.startswith(("dovecot", "waxwing", "subscriptions",
                "maildirfolder", "maildirsize")) or
                  re.match(r"\.[^/\x00-\x1f]+$", entry) and entry not in (".", ".."), "in the Maildir: %r" % entry)
        for name in sorted(made, reverse=True):
            c.cmd(b"DELETE " + mutf7(name))
        c.cmd("DELETE Source")
    equal([e for e in sorted(os.listdir(home)) if e not in outside], [], "beside the Maildir")
    check(not os.path.exists("/etc/passwd/cur") and not os.path.exists(os.path.join(s.dir, "x")), "outside")


@test("G6 twins: NFC and NFD, letter case of INBOX")
def twins():
    s = shared()
    with strict(s, "bob") as c:
        for form in ("NFC", "NFD"):
            r, _un = c.cmd(b"CREATE " + utf7(unicodedata.normalize(form, "Größe")))
            check(r.status == b"OK" or r.code, "%r" % r)
        listed = [r.args[3] for r in c.ok('LIST "" "*"') if r.word() == b"LIST"]
        equal(len(listed), len(set(listed)), "each once: %r" % listed)
        for twin in ("inbox", "Inbox", "iNBOX"):
            equal(c.cmd("CREATE " + twin)[0].status, b"NO", twin)
            equal(c.cmd("SELECT " + twin)[0].status, b"OK", twin)
            equal(c.cmd("DELETE " + twin)[0].status, b"NO", twin)
        equal([n for n in (r.args[3] for r in c.ok('LIST "" "*"') if r.word() == b"LIST") if n.upper() == b"INBOX"],
            [b"INBOX"], "one INBOX")


def utf7(text):
    import base64
    return b'"' + re.sub(r"[^\x20-\x7e]+",
        lambda m: "&" + base64.b64encode(m.group(0).encode("utf-16-be")).decode().rstrip("=").replace("/", ",") + "-",
        text.replace("&", "&-")).encode() + b'"'


# -- other people's ----------------------------------------------------------------

@test("G9 another user's mailbox is nobody's: the same answer whether it exists or not")
def others():
    s = shared()
    s.fence("bob")
    forms = ("user.%s", "~%s", "#user.%s", "%s", "%s.INBOX", "user/%s", "/%s/INBOX", "../%s/Maildir", "shared.%s.INBOX",
        "%s@example.org", "%s@example.org/INBOX", "Other Users.%s", "\"#shared.%s\"")
    commands = ("SELECT %s", "EXAMINE %s", "STATUS %s (MESSAGES UIDNEXT)", "LIST \"\" %s", "LSUB \"\" %s", "SUBSCRIBE %s",
        "UNSUBSCRIBE %s", "DELETE %s", "RENAME %s Xyzzy", "COPY 1 %s", "MOVE 1 %s", "GETQUOTA %s", "GETQUOTAROOT %s",
                "APPEND %s {1+}\r\nx", "GETMETADATA %s (/private/comment)", "SETMETADATA %s (/private/comment NIL)",
                "LISTRIGHTS %s bob", "GETACL %s", "MYRIGHTS %s", "SETACL %s alice lrs")
    with raw(s) as c:
        c.cmd("SELECT INBOX")
        for form in forms:
            for cmd in commands:
                said = []
                for who in ("bob", "bub"):              # one letter that a place in the line does not tell apart
                    name = form % who if form.startswith('"') else '"%s"' % (form % who)
                    c.cmd("SELECT INBOX")
                    r = c.cmd(cmd % name)
                    said.append((r.status, r.text.replace(who, "WHO"),
                        [u.replace(who.encode(), b"WHO") for u in r.untagged if not re.match(rb"\* \d+ ", u)]))
                    if cmd.startswith("SUBSCRIBE") and r.status == "OK":
                        c.cmd("UNSUBSCRIBE " + name)
                equal(said[0], said[1], "%s of %s" % (cmd, form))


# -- bombs -------------------------------------------------------------------------

def compress(c):
    equal(c.cmd("COMPRESS DEFLATE").status, "OK", "COMPRESS")


def packed_many(line, n):
    z = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = line * (65536 // len(line))
    return b"".join(z.compress(block) for _ in range(n * len(line) // len(block))) + z.flush(zlib.Z_SYNC_FLUSH)


@cases([("one command without end", lambda: b"a NOOP ", b"x" * 64, 256 * MIB // 64),
        ("empty lines", lambda: b"", b"\r\n", 64 * MIB // 2), ("wrong commands", lambda: b"", b"a BOGUS\r\n", 32 * MIB // 9),
        ("a literal that is refused", lambda: b"a SEARCH {99999999+}\r\n", b"x" * 64, 96 * MIB // 64)],
        name="G8 a bomb of {0}: held by the limits of a command", limit=60)
def bomb(first, line, n):
    s = shared()
    with raw(s) as c:
        compress(c)
        z = zlib.compressobj(9, zlib.DEFLATED, -15)
        block = line * (65536 // len(line))
        data = z.compress(first()) + b"".join(z.compress(block) for _ in range(n * len(line) // len(block)))
        data += z.flush(zlib.Z_SYNC_FLUSH)
        with hostile.Watched(s, "bomb of %d KiB" % (len(data) >> 10), memory=4 * MIB, cpu=3):
            try:
                c.send(data)
                check(c.rest(20 * SLOW) is not None, "it must hang up")
            except Closed:
                pass


@test("G8 a bomb of right commands, whose answers are read: the others are served meanwhile", limit=90)
def right_commands():
    s = shared()
    with raw(s) as c:
        compress(c)
        n = 300000
        data = packed_many(b"a NOOP\r\n", n)
        with hostile.Watched(s, "NOOPs in %d KiB" % (len(data) >> 10), memory=4 * MIB, cpu=20, wait=0.5):
            c.send(data)
            u = zlib.decompressobj(-15)
            got = 0
            while got < n // 8192 * 8192 - 8192:
                got += u.decompress(c.sock.recv(65536)).count(b"\n")


@test("G8 commands in one piece, not packed: the others are served meanwhile", limit=60)
def in_one_piece():
    s = shared()
    with raw(s) as c:
        n = 100000
        with hostile.Watched(s, "pipelined", memory=4 * MIB, cpu=10, wait=0.5):
            t = threading.Thread(target=lambda: c.send(b"a NOOP\r\n" * n))
            t.start()
            got = 0
            while got < n:
                got += c.sock.recv(65536).count(b"\n")
            t.join()


@cases([("compressed bytes that are none", b"\xff" * 1000),
        ("a stream that ends", zlib.compressobj(9, zlib.DEFLATED, -15).flush()), ("never flushed", b"\x00")], name="G8 {0}")
def not_packed(data):
    s = shared()
    with raw(s) as c:
        compress(c)
        with hostile.Watched(s, "not packed", memory=2 * MIB):
            c.send(data)
            rest = c.rest(1)
        check(rest is not None or data == b"\x00", "what is no deflate ends it")


# -- who does not read, who does not write -----------------------------------------

@test("P11 ten clients ask for all bodies, 60 MB each, and never read", limit=120)
def never_reads():
    s = shared()
    fill(s, "Big", 300, LETTER + b"x" * 70 * 1000 + b"\n" + (b"y" * 76 + b"\n") * 1700)
    cs = []
    with hostile.Watched(s, "never reads", memory=12 * MIB, cpu=10, roles=("mailbox", "login")):
        for i in range(10):
            c = strict(s)
            c.ok("SELECT Big")
            c.send(b"f FETCH 1:* (BODY.PEEK[])\r\n" if i % 2 else b"f FETCH 1:* (BODYSTRUCTURE BODY.PEEK[] BINARY.PEEK[1])\r\n")
            cs.append(c)
        time.sleep(3)
    r, un = cs[1].until(b"f")           # and when it reads after all, nothing is missing
    equal((r.status, len(un)), (b"OK", 300), "%r" % r)
    for i, x in enumerate(un):
        check(len(x.args[2][1]) > 190000 and b"Subject: s%d\r\n" % i in x.args[2][1][:200], "letter %d" % i)
    for c in cs:
        c.close()
    with raw(s) as c:
        equal(c.cmd("NOOP").status, "OK", "afterwards")


@test("P11 a client that sends one octet at a time is served, and holds nobody up")
def drips():
    s = shared()
    with raw(s) as c:
        with hostile.Watched(s, "drips", memory=1 * MIB):
            for b in b"d SEARCH SUBJECT {3+}\r\nabc\r\n":
                c.send(bytes([b]))
                time.sleep(0.01)
            r = c.response()
            check(r.startswith(b"d "), "%r" % r)


# -- many who listen ---------------------------------------------------------------

@test("G12 80 sessions in IDLE and 300 changes of flags: each is told, p99 below 200 ms, memory flat", limit=120)
def idlers():
    s = shared()
    fill(s, "Idle", 300)
    cs = [raw(s) for _ in range(80)]
    for c in cs:
        equal(c.cmd("SELECT Idle").status, "OK", "SELECT")
        c.send(b"i IDLE\r\n")
        while not c.line().startswith(b"+"):
            pass
    took, at, trouble = [], {}, []

    def listen(c):
        try:
            seen = set()
            while len(seen) < 300:
                m = re.match(rb"\* (\d+) FETCH ", c.line())
                if m and int(m.group(1)) not in seen:
                    seen.add(int(m.group(1)))
                    took.append(time.monotonic() - at[int(m.group(1))])
        except Exception as x:
            trouble.append("%r after %d" % (x, len(seen)))
    with raw(s) as d:
        equal(d.cmd("SELECT Idle").status, "OK", "SELECT")
        with hostile.Watched(s, "idlers", memory=8 * MIB, cpu=10):
            ts = [threading.Thread(target=listen, args=(c,), daemon=True) for c in cs]
            for t in ts:
                t.start()
            for i in range(300):
                at[i + 1] = time.monotonic()
                equal(d.cmd("STORE %d +FLAGS.SILENT (\\Flagged)" % (i + 1)).status, "OK", "STORE")
                time.sleep(0.003)
            for t in ts:
                t.join(20 * SLOW)
    equal(trouble, [], "sessions")
    took.sort()
    equal(len(took), 80 * 300, "how many were told")
    print("# told after %.1f ms (median), %.1f ms (p99)" % (1e3 * statistics.median(took), 1e3 * took[len(took) * 99 // 100]))
    check(took[len(took) * 99 // 100] < 0.2 * SLOW, "p99 %.3f s" % took[len(took) * 99 // 100])
    for c in cs:
        c.close()


# -- what other programs left on the disk ------------------------------------------

HOSTILE_WORDS = (b"a)b", b"{3}", b"a b", b'"', b"\\Seen", b"(", b"*", b"%", b"x\rOK", b"\xff\xfe", b"$ok", b"]", b"NIL")


@test("G13 keywords, folders, subscriptions and names on the disk that are no words of IMAP: every answer is well formed")
def on_disk():
    s = shared()
    fill(s, "Disk", 3)
    base = os.path.join(s.maildir("alice"), ".Disk")
    with open(base + "/dovecot-keywords", "wb") as f:
        f.write(b"".join(b"%d %s\n" % (i, w) for i, w in enumerate(HOSTILE_WORDS)))
    own(s, base + "/dovecot-keywords")
    for i, flags in enumerate(("Sabc", "Sdefg", "hijklm")):
        os.rename("%s/cur/%d.M%dP1.host:2," % (base, 1500000000 + i, i),
            "%s/cur/%d.M%dP1.host:2,%s" % (base, 1500000000 + i, i, flags))
    for name in (b".a\"b", b".a\\b", b".{5}", b".x y", b".a\nb", b".a\r\n* BYE", b".\xff\xfe", b".(", b".NIL", b".%",
            b".&", b".&AAA-", b"..", b".a..b", b".\x7f", b"." + b"n" * 250):
        d = os.path.join(s.maildir("alice").encode(), name)
        if not os.path.isdir(d):
            for x in (b"", b"/cur", b"/new", b"/tmp"):
                os.mkdir(d + x, 0o700)
                own(s, d + x)
    with open(s.maildir("alice") + "/subscriptions", "ab") as f:
        f.write(b"a)b\n{3}\nx\ry\n\xff\xfe\n" + b"s" * 5000 + b"\n\n..\n../../etc\nNIL\n\"\n")
    own(s, s.maildir("alice") + "/subscriptions")
    with strict(s) as c:
        for cmd in ('LIST "" "*"', 'LSUB "" "*"',
                'LIST (SUBSCRIBED RECURSIVEMATCH) "" "*" RETURN (CHILDREN SPECIAL-USE STATUS (MESSAGES SIZE))',
                'LIST "" ("*" "%") RETURN (SUBSCRIBED)', "SELECT Disk", "FETCH 1:* (FLAGS UID EMAILID)",
                    "FETCH 1:* (ENVELOPE BODYSTRUCTURE PREVIEW)", "STATUS Disk (MESSAGES UNSEEN)", "SEARCH KEYWORD $ok",
                    "STORE 1:* +FLAGS (new)", "SEARCH UNKEYWORD new"):
            r, un = c.cmd(cmd)
            check(r.status in (b"OK", b"NO"), "%s: %r" % (cmd, r))
            for u in un:
                u.args                          # parses to the letter, or Malformed
                check(u.tag == b"*" and u.word() != b"BYE", "%s: %r" % (cmd, u))
                if u.word() == b"LIST" or u.word() == b"LSUB":
                    check(len(u.args) >= 4 and isinstance(u.args[3], bytes) and not re.search(rb"[\r\n\0]", u.args[3]), "%r" % u)
                if len(u.args) > 2 and u.args[1] == b"FETCH" and b"FLAGS" in u.args[2]:
                    flags = u.args[2][u.args[2].index(b"FLAGS") + 1]
                    check(all(f is None or re.match(rb"\\?[^\x00-\x20\x7f-\xff(){%*\"\\\]]+$", f) for f in flags),
                        "flags: %r" % flags)
    with strict(s) as c:
        c.ok("SELECT Disk")                     # again, from what was written back


@test("G10 POP3: 10,000 UIDL in one go, LIST and TOP beyond all numbers, the connection dropped in the middle")
def pop3():
    s = folder_of_many()
    with hostile.Watched(s, "POP3", memory=8 * MIB, cpu=8, wait=0.5):
        with Pop3(("127.0.0.1", s.ports["plainpop"]), slow=SLOW) as p:
            check(p.login(alice(s), USERS["alice"]).startswith(b"+OK"), "login")
            n = int(p.cmd("STAT").split()[1])
            t = threading.Thread(target=lambda: p.send(b"UIDL\r\n" * 10000))
            t.start()
            for i in range(10000):
                check(p.line().startswith(b"+OK"), "UIDL %d" % i)
                for _ in range(n):
                    p.line()
                equal(p.line(), b".", "its end")
            t.join()
            for bad in (b"LIST 18446744073709551615", b"TOP 18446744073709551615 1", b"UIDL 4294967296",
                    b"DELE 99999999999999999999"):
                check(p.cmd(bad).startswith(b"-ERR"), repr(bad))
            p.send(b"RETR 1\r\n" * 100 + b"DELE 1\r\nTOP 1 1844")
        with Pop3(("127.0.0.1", s.ports["plainpop"]), slow=SLOW) as p:
            p.login(alice(s), USERS["alice"])
            equal(int(p.cmd("STAT").split()[1]), n, "nothing was deleted")


# -- descriptors -------------------------------------------------------------------

def few_descriptors(pids, more):
    """Leaves each of them so many; what they had."""
    had = {}
    for p in pids:
        had[p] = resource.prlimit(p, resource.RLIMIT_NOFILE)
        resource.prlimit(p, resource.RLIMIT_NOFILE, (len(os.listdir("/proc/%d/fd" % p)) + more, had[p][1]))
    return had


def cpu_share(s, seconds=2.0):
    ticks, start = s.cpu_ticks(), time.monotonic()
    time.sleep(seconds)
    return (s.cpu_ticks() - ticks) / 100 / (time.monotonic() - start)


@test("P1 no descriptors left in login: accept waits, CPU stays low, who is in goes on, recovery within a second", limit=90)
def login_emfile():
    with LoginServer() as s:
        s.fence("alice")
        with raw(s) as c:
            few_descriptors(s.roles()["login"], 6)
            waiting = [socket.create_connection(("127.0.0.1", s.ports["plain"])) for _ in range(60)]
            time.sleep(0.5)
            used = cpu_share(s)
            check(used < 0.05 * SLOW * hostile.crowd(), "CPU %.0f %% while out of descriptors" % (100 * used))
            equal(c.cmd("SELECT INBOX").status, "OK", "who is in")
            for w in waiting:
                w.close()
            at = time.monotonic()
            with raw(s) as d:
                equal(d.cmd("NOOP").status, "OK", "a new one")
            check(time.monotonic() - at < 1.5 * SLOW * hostile.crowd(), "%.1f s" % (time.monotonic() - at))


@test("P1 no descriptors left in mailbox: NO with a code, nothing lost, all is well once there are some", limit=90)
def mailbox_emfile():
    with LoginServer() as s:
        s.fence("alice")
        fill(s, "Few", 5)
        with raw(s) as c:
            equal(c.cmd("SELECT Few").status, "OK", "SELECT")
            pids = s.roles()["mailbox"]
            had = few_descriptors(pids, 0)
            said = []
            for cmd in (b"FETCH 1 BODY.PEEK[]", b"APPEND Few {%d+}\r\n%s" % (len(b"Subject: y\r\n\r\ny\r\n"),
                    b"Subject: y\r\n\r\ny\r\n"), b"STATUS INBOX (MESSAGES)", b"CREATE Fewer", b"COPY 1 INBOX",
                    b"STORE 1 +FLAGS (\\Seen)",
                        b"SEARCH BODY absent", b"LIST \"\" *", b"SELECT INBOX", b"SELECT Few"):
                r = c.cmd(cmd)
                said.append(r.status)
                check(r.status == "OK" or r.status == "NO" and r.code, "%r: %r" % (cmd[:30], r))
            check("NO" in said, "nothing needs a descriptor: %r" % said)
            for p in pids:
                resource.prlimit(p, resource.RLIMIT_NOFILE, had[p])
            equal(c.cmd("SELECT Few").status, "OK", "SELECT")
            n = 5 + (said[1] == "OK")
            r = c.cmd("FETCH 1:* (UID BODY.PEEK[])")
            equal(sum(b"FETCH (" in u for u in r.untagged), n, "letters: %r" % said)
            equal(c.cmd("APPEND Few {1+}\r\nx").status, "OK", "APPEND")


# -- caches ------------------------------------------------------------------------

def caches(s, user="alice"):
    out = []
    for d, _dirs, files in os.walk(s.home(user)):
        out += [os.path.join(d, f) for f in files if re.search(r"\.(db|sqlite3?)(-wal|-shm)?$", f) or f.startswith("cache")]
    return out


def told(c, folder):
    un = c.ok("SELECT " + folder)
    got = c.ok("FETCH 1:* (UID FLAGS RFC822.SIZE ENVELOPE)") if any(u.args[:2] != [b"0", b"EXISTS"] for u in un) else []
    v = re.search(rb"UIDVALIDITY (\d+)", b"".join(u.raw for u in un)).group(1)
    rows = [u.args[2] for u in got if len(u.args) > 2 and u.args[1] == b"FETCH"]
    return v, [r[:2] + [sorted(f for f in r[3] if f != b"\\Recent")] + r[4:] for r in rows]


def damage(path, how, rng):
    size = os.path.getsize(path)
    with open(path, "r+b") as f:
        if how == "truncated":
            f.truncate(size // 2 + 1)
        elif how == "empty":
            f.truncate(0)
        elif how == "no database":
            f.write(b"no database " * 1000)
        elif how == "of another version":
            f.seek(60)
            f.write(b"\x7f\xff\xff\xff")        # user_version
        else:
            for _ in range(max(20, size // 2000)):
                f.seek(rng.randrange(size))
                f.write(bytes([rng.randrange(256)]))


@cases([(h, h, live) for live in (False, True) for h in ("flipped bits", "truncated", "empty", "no database",
        "of another version", "removed")], name="P16 the cache is damaged: {0}", limit=90)
def damaged(how, live):
    if live and server.SANITIZED and how in ("truncated", "empty"):
        tap.skip("it is mapped: the process ends by SIGBUS, which the sanitizer reports, and is started again")
    rng = random.Random(how)
    with LoginServer() as s:
        s.fence("alice")
        fill(s, "Kept", 200)
        with strict(s) as c:
            c.ok("SELECT Kept")
            c.ok("STORE 3,7 +FLAGS (\\Flagged kw)")
            before = told(c, "Kept")
            c.ok("SEARCH TEXT absent")
            if not live:
                s.stop()
            paths = caches(s)
            check(paths, "no cache in %r" % os.listdir(s.home("alice")))
            for p in paths:
                os.unlink(p) if how == "removed" else damage(p, how, rng)
            if live:
                # an open session gets what is right, or a clear word
                for cmd in ("FETCH 1:* (UID FLAGS ENVELOPE)", "STORE 9 +FLAGS (\\Seen)", "STORE 9 -FLAGS (\\Seen)",
                        "SEARCH SUBJECT s1", "SORT (DATE) UTF-8 ALL"):
                    try:
                        r, _un = c.cmd(cmd)
                    except imap_client.Closed:
                        break
                    check(r.status == b"OK" or r.code, "%s: %r" % (cmd, r))
                s.stop()
        s.start()
        with strict(s) as c:
            after = told(c, "Kept")
            equal(after[0], before[0], "UIDVALIDITY")
            equal(len(after[1]), 200, "letters")
            for a, b in zip(after[1], before[1]):
                equal(a, b, "a letter")


if __name__ == "__main__":
    main()
