#!/usr/bin/python3
"""ImapTest's scripted tests, against waxwing or with TARGET=dovecot against Dovecot (which passes
all that it has the capabilities for)."""
import os

import imap_client as imap
import imap_target
import imaptest_runner
import tap

# Capabilities that a waxwing must have by now: a script that needs one of these does not skip.
NEED = {"ESEARCH", "ESORT", "BINARY", "CATENATE", "CONDSTORE", "ID", "MOVE", "MULTIAPPEND", "SORT",
        "THREAD=REFERENCES", "THREAD=ORDEREDSUBJECT", "NOTIFY", "QRESYNC"}

# Where waxwing ends otherwise: (how the mismatch begins, why, whether that is right).
JUDGED = {
    "id": ("line 4:", "32 KB in one command before anybody is known is over a limit of ours", True),
}


def script(name):
    t = imap_target.shared(users=("alice", "bob", "carol"))
    users = [(t.login_name(u), t.password(u)) for u in ("alice", "bob")]
    runner = imaptest_runner.Runner((t.host, t.imap), users)
    try:
        runner.run(name)
        tap.check(t.name != "waxwing" or name not in JUDGED, "no mismatch any more: take it out of JUDGED")
    except imaptest_runner.Mismatch as x:
        begin, why, is_right = JUDGED.get(name, ("", "", False)) if t.name == "waxwing" else ("", "", False)
        if not why or not str(x).startswith(begin):
            raise
        if not is_right:
            tap.skip("later: " + why)
        print("# %s: %s" % (name, why))
    except imaptest_runner.Skipped as x:
        missing = set(str(x).split()[1:])
        tap.check(not missing & NEED, "the server does not announce %s" % missing)
        tap.skip(str(x))
    except imap.Malformed as x:
        tap.fail("malformed: %s" % x)
    tap.equal(t.problems(), [], "problems in the log")


@tap.cases([
    ("flags in any order", rb"1 fetch (flags (\seen \draft))", rb"1 FETCH (UID 7 FLAGS (\Draft \Seen))", True),
    ("a flag too many", rb"1 fetch (flags (\seen))", rb"1 FETCH (FLAGS (\Draft \Seen))", False),
    ("a flag too few", rb"1 fetch (flags (\seen \draft))", rb"1 FETCH (FLAGS (\Seen))", False),
    ("\\Recent does not count", rb"1 fetch (flags ())", rb"1 FETCH (FLAGS (\Recent))", True),
    ("a search result too many", rb"search 1 2", rb"SEARCH 1 2 3", False),
    ("an empty search", rb"search", rb"SEARCH 1", False),
    ("a bound variable", rb"1 fetch (uid $uid)", rb"1 FETCH (UID 9)", False),
    ("numbers of the command's start", rb"$3 expunge", rb"2 EXPUNGE", True),
    ("the wrong number", rb"$2 expunge", rb"2 EXPUNGE", False),
    ("case in strings", rb'list () "." Box', rb'LIST () "." "BOX"', True),
    ("another literal", b"1 fetch (body[] {2}\r\nab)", b"1 FETCH (BODY[] {2}\r\nac)", False),
    ("a code", rb"ok [uidnext 4]", rb"OK [UIDNEXT 4] next", True),
    ("another code", rb"ok [uidnext 4]", rb"OK [UIDNEXT 5] next", False),
    ("a thread", rb"thread (3 2)(1)", rb"THREAD (3 2)(1)", True),
    ("another thread", rb"thread (3 2)(1)", rb"THREAD (3)(2)(1)", False),
], name="imaptest's matching: {0}")
def matching(pattern, reply, want):
    """Before the command there were letters 1 2 3, the first has since gone; uid is 8."""
    m = imaptest_runner.Matcher({b"uid": b"8"}, [2, 3])
    tap.equal(m.reply(imap.parse(pattern)[0], imap.Response(b"* " + reply + b"\r\n")), want, "match")


if os.path.isdir(imaptest_runner.SCRIPTS):
    for n in imaptest_runner.Runner(None, [("", "")]).names():
        tap.cases([("imaptest script %s" % n, n)])(script)
else:
    @tap.test("imaptest scripts")
    def absent():
        tap.skip("no %s" % imaptest_runner.SCRIPTS)

tap.main()
