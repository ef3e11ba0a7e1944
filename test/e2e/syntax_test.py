#!/usr/bin/python3
"""What is no command: each verb of IMAP and POP3 with arguments that are missing, too many, of a wrong kind,
too long, with NUL and bare line ends, as literals of all kinds, and in a wrong state.

A syntax error is BAD and says where; what cannot be done is NO and says why in a code; the session goes on, is
cut off after too many, and another one never notices."""
import os
import re

os.environ.setdefault("LOGIN_TEST_NET", "")
from logins import USERS, alice, shared                               # noqa: E402

import hostile                                                        # noqa: E402
from imap import Imap, Pop3                                           # noqa: E402
from server import SLOW, TOP                                          # noqa: E402
from smtp import Closed                                               # noqa: E402
from tap import cases, check, equal, main, test                       # noqa: E402

LETTER = b"From: a@example.org\r\nSubject: x\r\n\r\nx\r\n"

# The right arguments of each verb, and how many of its words must be there.
ARGUMENTS = {
    "CAPABILITY": ("", 0), "NOOP": ("", 0), "LOGOUT": ("", 0), "STARTTLS": ("", 0), "NAMESPACE": ("", 0), "IDLE": ("", 0),
    "CLOSE": ("", 0),
    "UNSELECT": ("", 0), "CHECK": ("", 0), "EXPUNGE": ("", 0), "ID": ('("name" "x" "version" NIL)', 1),
    "AUTHENTICATE": ("PLAIN AGEAYg==", 1),
    "LOGIN": ('nobody "pass"', 2), "ENABLE": ("CONDSTORE UTF8=NONE", 1), "SELECT": ("Syntax (CONDSTORE)", 1),
    "EXAMINE": ("Syntax (CONDSTORE)", 1),
    "CREATE": ("Made (USE (\\Drafts))", 1), "DELETE": ("Nowhere", 1), "RENAME": ("Nowhere Elsewhere", 2),
    "SUBSCRIBE": ("Syntax", 1),
    "UNSUBSCRIBE": ("Syntax", 1), "LIST": ('(SUBSCRIBED) "" ("*" "%") RETURN (CHILDREN STATUS (MESSAGES))', 2),
    "LSUB": ('"" "*"', 2),
    "STATUS": ("Syntax (MESSAGES UIDNEXT)", 2), "APPEND": ("Nowhere (\\Seen) \" 1-Jan-2026 00:00:00 +0000\" {3+}\r\nabc",
    2), "COMPRESS": ("LZ4", 1),
    "GETQUOTA": ('""', 1), "GETQUOTAROOT": ("INBOX", 1), "SETQUOTA": ('"" (STORAGE 10)', 2),
    "GETMETADATA": ('(DEPTH 1) Syntax (/private/x)', 2),
    "SETMETADATA": ('Syntax (/private/x NIL)', 2), "NOTIFY": ("SET (SELECTED (MessageNew MessageExpunge))", 1),
    "SEARCH": ("RETURN (ALL) CHARSET UTF-8 OR SEEN (NOT 1:2)", 1),
    "SORT": ("(REVERSE DATE) UTF-8 ALL", 3), "THREAD": ("REFERENCES UTF-8 ALL", 3),
    "FETCH": ("1:2 (UID BODY.PEEK[HEADER.FIELDS (From)]<0.5> FLAGS)", 2),
    "STORE": ("1 (UNCHANGEDSINCE 5) +FLAGS.SILENT (\\Seen kw)", 3), "COPY": ("1 Nowhere", 2), "MOVE": ("1 Nowhere", 2),
    "REPLACE": ("1 Nowhere (\\Seen) {3+}\r\nabc", 3),
}
UID = {"FETCH", "STORE", "COPY", "MOVE", "SEARCH", "SORT", "THREAD", "EXPUNGE", "REPLACE"}
ENDS = {"LOGOUT", "IDLE"}               # said rightly they end the session or wait
WRONG_WORDS = (b"(", b")", b"()", b"((((", b'"', b'"x', b"\\", b"\x80", b"{", b"}", b"*", b"%", b"[", b"0", b"4294967296",
    b"18446744073709551616", b"-1",
               b"1:", b"NIL", b"&", b"&AAA-", b"~", b"", b"{x}", b"{-1}", b"{1", b"{99999999999999999999}", b"\x7f", b"\x01")


def verbs():
    with open(os.path.join(TOP, "src/wire/imap_verb.def")) as f:
        return {m.group(1): m.group(2) for m in re.finditer(r"^IMAP_VERB\((\w+), ([^)]*)\)", f.read(), re.M)}


VERBS = verbs()
_kept = {}


def session(user="alice"):
    s = shared()
    if not os.path.isdir(s.maildir("alice")):
        s.fence("alice")
    c = Imap(("127.0.0.1", s.ports["plain"]), slow=SLOW)
    equal(c.login(s.address(user), USERS[user]).status, "OK", "login")
    return c


def selected():
    """The session that the rows share, with a folder of two letters open; a new one if the last has ended."""
    if "c" not in _kept:
        c = _kept["c"] = session()
        c.cmd("CREATE Syntax")
        for _ in range(2):
            equal(c.cmd(b"APPEND Syntax {%d+}\r\n%s" % (len(LETTER), LETTER)).status, "OK", "APPEND")
    c = _kept["c"]
    equal(c.cmd("SELECT Syntax").status, "OK", "SELECT")
    return c


def say(c, text, more=b""):
    """Sends `x TEXT`, answers "+" with `more`, and a NOOP behind it: (status, text) of x, None if the session is over.
    What is not answered is no command: then (None, None) and only the NOOP is."""
    c.send(b"x " + text + b"\r\n" + more + b"n NOOP\r\n")
    got = None, None
    try:
        while True:
            r = c.response()
            if r.startswith(b"n "):
                check(r.startswith(b"n OK"), "behind %r: %r" % (text[:80], r))
                return got
            if r.startswith(b"x "):
                check(got[0] is None, "two answers to %r: %r" % (text[:80], r))
                _, status, rest = r.split(b" ", 2)
                got = status, rest
            elif not r.startswith((b"* ", b"+")):
                check(False, "%r is no response, behind %r" % (r[:80], text[:80]))
            elif r.startswith(b"* BAD") and got[0] is None:
                got = b"BAD", r[6:]
    except Closed:
        _kept.pop("c", None)
        return None


def place(rest):
    m = re.search(rb" at (\d+)", rest)
    return int(m.group(1)) if m else None


def judge(text, got, at=None, may_be_right=False):
    """BAD says where, or names a limit or a state; NO says why."""
    if got is None:
        check(text[2:].split(b" ")[0].upper() in (b"LOGOUT", b"IDLE"), "the session ended at %r" % text[:90])
        return
    status, rest = got
    what = "%r: %r %r" % (text[:90], status, (rest or b"")[:120])
    check(status is not None, "no answer: " + what)
    if status == b"BAD":
        here = place(rest)
        check(here is not None or re.match(rb"\[(CLIENTBUG|TOOBIG|LIMIT|PARSE)\]",
            rest) or b"unknown command" in rest.lower() or b"bare CR" in rest, "no place: " + what)
        if here is not None:
            check(here <= len(text) + 2, "the place is outside: " + what)
            if at is not None:
                equal(here, at, "the place: " + what)
    elif status == b"NO":
        check(rest.startswith(b"["), "no code: " + what)
    else:
        check(may_be_right, "obeyed: " + what)


# -- the tables are whole ----------------------------------------------------------

@test("syntax: every verb of imap_verb.def has its row here")
def whole():
    equal(sorted(ARGUMENTS), sorted(VERBS), "verbs")


# -- arguments ---------------------------------------------------------------------

def in_order(fn):
    """With a neighbour that must not notice."""
    def run(*a):
        s = shared()
        selected()
        n = hostile.Neighbour(s)
        try:
            fn(*a)
        finally:
            n.end()
    return run


@cases([(v, v) for v in sorted(ARGUMENTS)], name="syntax: {0} with arguments missing, cut off, and too many")
@in_order
def amount(verb):
    args, needed = ARGUMENTS[verb]
    text = (verb + " " + args).rstrip(" ").encode()
    if needed:                          # the verb alone, and the verb with a blank
        judge(b"x " + verb.encode(), say(selected(), verb.encode()), at=2 + len(verb))
        judge(b"x " + verb.encode() + b" ", say(selected(), verb.encode() + b" "), at=3 + len(verb))
    if verb not in ENDS and "{" not in args:
        # what stands behind the end: its place is told
        for junk in (b" )", b" x)", b"\t"):
            got = say(selected(), text + junk)
            judge(b"x " + text + junk, got)
            check(got is None or got[0] == b"BAD", "%s: %r" % (text + junk, got))
        judge(b"x " + text + b")", say(selected(), text + b")"))
        judge(b"x " + text + b" ", say(selected(), text + b" "))
    if "{" in args:
        return
    for n in range(len(verb), len(text)):
        judge(b"x " + text[:n], say(selected() if "c" not in _kept else _kept["c"], text[:n]), may_be_right=True)


@cases([(v, v) for v in sorted(ARGUMENTS)], name="syntax: {0} with words of a wrong kind")
@in_order
def kind(verb):
    args, _needed = ARGUMENTS[verb]
    if "{" in args:
        args = args[:args.index("{")].rstrip()
    words = args.encode().split(b" ") if args else []
    for i in range(len(words)):
        for wrong in WRONG_WORDS:
            text = b" ".join([verb.encode()] + words[:i] + [wrong] + words[i + 1:])
            judge(b"x " + text, say(_kept.get("c") or selected(), text), may_be_right=True)
    for wrong in WRONG_WORDS:
        text = verb.encode() + b" " + wrong
        if verb not in ENDS:
            judge(b"x " + text, say(_kept.get("c") or selected(), text), may_be_right=True)


@cases([(v, v) for v in sorted(ARGUMENTS)], name="syntax: {0} with NUL, bare CR, bare LF, and without end")
@in_order
def octets(verb):
    args, _needed = ARGUMENTS[verb]
    text = verb.encode() + b" " + args.encode().split(b"{")[0].rstrip()
    for bad in (b"\0", b"\r", b"\n", b"\r\0"):
        for at in (len(verb), (len(verb) + len(text)) // 2, len(text)):
            evil = text[:at] + bad + text[at:]
            got = say(_kept.get("c") or selected(), evil)
            check(got and got[0] == b"BAD", "%r: %r" % (evil[:60], got))
    got = say(_kept.get("c") or selected(), text + b" " + b"x" * 300000)
    check(got and got[0] == b"BAD" and got[1].startswith(b"[TOOBIG]"), "300,000 octets: %r" % (got,))
    got = say(_kept.get("c") or selected(), text + b" " + b"(" * 100000)
    check(got and got[0] == b"BAD", "100,000 parentheses: %r" % (got,))


LITERALS = (
    # behind the verb; none is left in the middle of the next command
    b" {3+}\r\nabc", b" {0+}\r\n", b" ~{3+}\r\na\0b", b" {3+}\r\na\0b", b" {-1+}", b" {3 +}", b" {+}",
    b" {3+", b" {03+}\r\nabc", b" {3++}", b" {0x3}", b" {18446744073709551616}", b" {4294967296}",
    b" {3+}\r\nabc {3+}\r\nabc", b" (" + b"{1+}\r\na " * 900 + b")", b" {70000+}\r\n" + b"a" * 70000,
    b" \"x\" {2+}\r\n\r\n", b" {5+}\r\n{3+}\r\nab", b" ~", b" {3+}\r\nabc)",
)


@cases([(v, v) for v in sorted(ARGUMENTS)], name="syntax: {0} with literals of all kinds")
@in_order
def literals(verb):
    for lit in LITERALS:
        text = verb.encode() + lit
        got = say(_kept.get("c") or selected(), text)
        judge(b"x " + text, got, may_be_right=True)
    # a synchronizing one is waited for, or refused at once
    for n in (3, 65536, 1 << 20):
        c = selected()
        c.send(b"y %s {%d}\r\n" % (verb.encode(), n))
        r = c.response()
        if r.startswith(b"+"):
            check(n <= 65536 or verb in ("APPEND", "REPLACE"), "%d octets are let in" % n)
            c.send(b"z" * n + b"\r\n")
            r = c.response()
        while r.startswith(b"* "):
            r = c.response()
        check(r.startswith((b"y BAD", b"y NO", b"y OK")), "%d: %r" % (n, r[:100]))


@cases([(v, v) for v in sorted(ARGUMENTS)], name="syntax: {0} in a wrong state, behind UID, and in small letters")
@in_order
def states(verb):
    args, _needed = ARGUMENTS[verb]
    s = shared()
    text = (verb + " " + args).rstrip(" ").encode()
    where = VERBS[verb]
    if "C" not in where.split(" | "):
        with Imap(("127.0.0.1", s.ports["plain"]), slow=SLOW) as c:
            got = say(c, text)
            check(got is None or got[0] in (b"BAD", b"NO"), "before login: %r" % (got,))
            judge(text, got)
    if "K" not in where.split(" | "):
        if "known" not in _kept:
            _kept["known"] = session()
        got = say(_kept["known"], text)
        check(got is not None and got[0] == b"BAD" and (got[1].startswith(b"[CLIENTBUG]") or b"unknown" in got[1].lower()), "with nothing open: %r" % (got,))
    if verb in ENDS:
        return
    if verb not in UID:
        got = say(selected(), b"UID " + text)
        check(got is not None and got[0] == b"BAD", "UID %s: %r" % (verb, got))
    if verb in ("CREATE", "ENABLE", "COMPRESS"):
        return                          # the second time is another question
    got = say(selected(), text)
    low = say(selected(), verb.lower().encode() + text[len(verb):])
    equal(low and low[0], got and got[0], "small letters")


# -- no command at all -------------------------------------------------------------

NOTHING = [b"", b" ", b"x", b"x ", b" x", b"x  NOOP", b"x\tNOOP", b"+ NOOP", b"x+ NOOP", b"(x NOOP", b"\"x\" NOOP",
    b"{1+}\r\nx NOOP", b"x BOGUS", b"x UID", b"x UID ", b"x UID UID",
           b"x UID BOGUS 1", b"x NOOP NOOP", b"x (NOOP)", b"x \"NOOP\"", b"x {4+}\r\nNOOP", b"x" * 200 + b" NOOP",
           b"\x80 NOOP", b"x \x80", b"* NOOP", b"x *", b"DONE", b"x XYZZY 1 2 3",
           b"\x01\x02\x03", b"%", b"]", b"x ]"]


@cases([(repr(l[:30]), l) for l in NOTHING], name="syntax: no command: {0}")
def nothing(line):
    with session() as c:
        c.send(line + b"\r\nn NOOP\r\n")
        r = c.response()
        check(b" BAD" in r[:220] or r.startswith(b"* BAD"), "%r" % r)
        check(place(r) is not None or b"unknown command" in r.lower(), "no place: %r" % r)
        check(c.response().startswith(b"n OK"), "the session goes on")


@cases([("BAD", b"x BOGUS\r\n"), ("tags only", b"x\r\n"), ("bare LF", b"x NOOP\nx\r\n"),
        ("a refused literal", b"x NOOP {9999999}\r\n"), ("empty lines", b"\r\n"),
        ("FETCH of nothing", b"x FETCH\r\n")], name="syntax: nonsense without end is cut off: {0}")
def cut_off(line):
    s = shared()
    for known in (False, True):
        n = hostile.Neighbour(s)
        c = session() if known else Imap(("127.0.0.1", s.ports["plain"]), slow=SLOW)
        said = 0
        try:
            for said in range(200):
                c.send(line)
                r = c.response()
                if r.startswith(b"* BYE"):
                    break
            else:
                check(False, "200 times")
        except Closed:
            pass
        check(3 <= said <= 40, "cut off after %d" % said)
        check(c.rest(5) is not None, "it does not close")
        n.end()


# -- what cannot be done -----------------------------------------------------------

IMPOSSIBLE = [
    ("SELECT Nowhere", "NONEXISTENT"), ("EXAMINE Nowhere", "NONEXISTENT"), ("SELECT ../x", "NONEXISTENT"),
    ("STATUS Nowhere (MESSAGES)", "NONEXISTENT"), ("CREATE INBOX", "ALREADYEXISTS"),
    ("CREATE Syntax", "ALREADYEXISTS"), ("CREATE inbox", "ALREADYEXISTS"), ("CREATE ..", "CANNOT"),
    ("CREATE %s" % ("x" * 300), "CANNOT"), ("CREATE X1 (USE (\\Bogus))", "USEATTR"),
    ("DELETE INBOX", "CANNOT"), ("DELETE Nowhere", "NONEXISTENT"), ("RENAME Nowhere X2", "NONEXISTENT"),
    ("RENAME Syntax INBOX", "ALREADYEXISTS"), ("RENAME Syntax ../x", "CANNOT"),
    ("COPY 1 Nowhere", "TRYCREATE"), ("MOVE 1 Nowhere", "TRYCREATE"), ("UID COPY 1 Nowhere", "TRYCREATE"),
    ("APPEND Nowhere {1+}\r\nx", "TRYCREATE"), ("SETQUOTA \"\" (STORAGE 10)", "NOPERM"),
    ("GETQUOTA other", "NONEXISTENT"), ("SEARCH CHARSET KLINGON SUBJECT x", "BADCHARSET (US-ASCII UTF-8)"),
    ("SORT (DATE) KLINGON ALL", "BADCHARSET (US-ASCII UTF-8)"),
    ("THREAD REFERENCES KLINGON ALL", "BADCHARSET (US-ASCII UTF-8)"), ("STORE 1 +FLAGS (%s)" % ("k" * 300), "LIMIT"),
]


@cases([("%s: %s" % (c[:40].replace("\r\n", " "), code), c, code) for c, code in IMPOSSIBLE], name="impossible: {0}")
def impossible(cmd, code):
    c = selected()
    r = c.cmd(cmd)
    check(r.status == "NO" or r.status == "BAD" and code == "LIMIT", "%r" % r)
    equal(r.code, code, "%r" % r)
    # a SELECT that fails leaves none open (RFC 9051 section 6.3.2)
    equal(c.cmd("FETCH 1 UID").status, "BAD" if cmd.startswith(("SELECT", "EXAMINE")) else "OK", "the open folder")


# -- POP3 --------------------------------------------------------------------------

# verb: right arguments of the state behind login, where known
POP = {"USER": None, "PASS": None, "APOP": None, "AUTH": None, "CAPA": "", "STLS": None, "UTF8": "", "LANG": None,
    "STAT": "", "LIST": "1", "RETR": "1", "DELE": "1", "NOOP": "",
       "RSET": "", "TOP": "1 0", "UIDL": "1", "QUIT": ""}
NUMBERS = (b"0", b"-1", b"1x", b"x", b"99999999999999999999", b"4294967297", b"+1", b" 1", b"1.0", b"\x80", b"1\x002")


def pop3_verbs():
    with open(os.path.join(TOP, "src/wire/pop3_command.h")) as f:
        text = f.read()
    names = re.findall(r"^\tPOP3_([A-Z0-9]+),", text[text.index("enum pop3_verb"):text.index("enum pop3_states")], re.M)
    return [n for n in names if n not in ("UNKNOWN", "FOREIGN")]


@test("syntax: every verb of POP3 has its row here")
def pop_whole():
    missing = set(pop3_verbs()) - set(POP)
    check(not missing, "no row: %s" % missing)


def pop_session():
    s = shared()
    if not os.path.isdir(s.maildir("alice")):
        s.fence("alice")
    c = Pop3(("127.0.0.1", s.ports["plainpop"]), slow=SLOW)
    check(c.login(alice(s), USERS["alice"]).startswith(b"+OK"), "login")
    return c


def pop_say(c, line):
    """Its first line, with NOOP behind it, so that nothing is left over."""
    r = c.cmd(line)
    if r.startswith(b"+OK") and line.split(b" ")[0].upper() in (b"RETR", b"TOP", b"CAPA"):
        while c.line() != b".":
            pass
    check(c.cmd("NOOP") .startswith(b"+OK"), "NOOP behind %r" % line[:60])
    return r


@cases([(v, v) for v in sorted(POP)], name="syntax: POP3 {0}, all that is wrong")
def pop(verb):
    s = shared()
    with pop_session() as c:
        n = hostile.Neighbour(s)
        before = c.cmd("STAT")
        v, right = verb.encode(), POP[verb]
        wrong = [v + b"\0", v + b"\rx", v + b" " + b"x" * 300, v + b"x", b" " + v, v + b"\t1", v + b" " + b"1 " * 50]
        if right is None:
            wrong += [v, v + b" x", v + b" x y"]
        elif right == "":
            wrong += [v + b" 1", v + b" x"]
        else:
            wrong += [v + b" " + x for x in NUMBERS] + [v + b" 1 2 3", v + b" 1 x", v + b" 4294967295"]
            wrong += [v] if verb in ("RETR", "DELE", "TOP") else []
            wrong += [v + b" 1 " + x for x in NUMBERS if x != b"0" and not x.isdigit()] if verb == "TOP" else []
        for line in wrong:
            r = pop_say(c, line)
            check(r.startswith(b"-ERR "), "%r: %r" % (line[:60], r))
        equal(c.cmd("STAT"), before, "nothing changed")
        n.end()
    if right is not None and verb not in ("CAPA", "QUIT", "UTF8"):
        with Pop3(("127.0.0.1", s.ports["plainpop"]), slow=SLOW) as c:
            check(c.cmd(verb + " " + right).startswith(b"-ERR"), "before login")


if __name__ == "__main__":
    main()
