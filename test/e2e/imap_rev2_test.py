#!/usr/bin/python3
"""IMAP4rev2 (RFC 9051), by the points of its Appendix E; and what stays as it was for IMAP4rev1."""
import re

from sessions import append, filled, lines, new_folder, ok, one, refused, session, shared   # first: it starts us again

from tap import cases, check, equal, main, test

LETTER = b"From: Alice <a@example.org>\r\nSubject: hi there\r\n\r\nHello\r\n"
FOLDED_IN = ("NAMESPACE", "UNSELECT", "UIDPLUS", "ESEARCH", "SEARCHRES", "ENABLE", "IDLE", "LIST-EXTENDED", "LIST-STATUS",
             "MOVE", "BINARY", "SPECIAL-USE", "STATUS=SIZE")


def rev2(letters=(), select=True):
    c, name = filled(letters, select=False)
    check(lines(ok(c, "ENABLE IMAP4rev2"), rb"^\* ENABLED IMAP4rev2$"), "ENABLED")
    return c, name, (ok(c, "SELECT " + name) if select else None)


# -- what is announced -------------------------------------------------------------


@test("both revisions are announced, before and behind the login, with all that was folded in")
def announced():
    c = shared().imap()
    check("IMAP4rev2" in c.capabilities() and "IMAP4rev1" in c.capabilities(), "before the login")
    check("LITERAL-" in c.capabilities(), "LITERAL- before the login")
    c = session()
    words = c.capabilities()
    for w in ("IMAP4rev1", "IMAP4rev2", "LITERAL+") + FOLDED_IN:
        check(w in words, "%s is not in %r" % (w, words))
    ok(c, "ENABLE IMAP4rev2")
    equal(c.capabilities(), words, "ENABLE changes no capability (6.3.1)")
    check("LITERAL-" not in words, "never both (RFC 7888 section 5)")


@test("ENABLE tells what it enabled, each once")
def enable():
    c = session()
    equal(ok(c, "ENABLE FOO IMAP4rev2 CONDSTORE").untagged, [b"* ENABLED CONDSTORE IMAP4rev2"], "two")
    equal(ok(c, "ENABLE IMAP4rev2").untagged, [b"* ENABLED"], "not again")
    refused(c, "ENABLE", "BAD")
    refused(shared().imap(), "ENABLE IMAP4rev2", "BAD")


# -- Appendix E --------------------------------------------------------------------


@test("point 1: numbers of 63 bits are understood")
def large_numbers():
    c, _, _ = rev2([LETTER])
    check(lines(ok(c, "FETCH 1 BODY.PEEK[]<9223372036854775807.9223372036854775807>"), rb'(\{0\}\r\n|"")\)'), "partial")
    equal(ok(c, "SEARCH LARGER 9223372036854775807").untagged, [b'* ESEARCH (TAG "t%d")' % c.n], "LARGER")
    check(lines(ok(c, "SEARCH SMALLER 9223372036854775807"), rb" ALL 1$"), "SMALLER")
    refused(c, "SEARCH LARGER 9223372036854775808", "BAD")


@test("point 3: STATUS SIZE and DELETED")
def status():
    c, name, _ = rev2([LETTER] * 3)
    ok(c, "STORE 2 +FLAGS (\\Deleted)")
    equal(one(ok(c, "STATUS %s (MESSAGES UNSEEN DELETED SIZE)" % name), rb"\* STATUS \w+ \((.*)\)$")[0],
          b"MESSAGES 3 UNSEEN 3 DELETED 1 SIZE %d" % (3 * len(LETTER)), "STATUS")
    check(lines(ok(c, 'LIST "" %s RETURN (STATUS (SIZE DELETED))' % name), rb"^\* STATUS .*\(DELETED 1 SIZE \d+\)$"), "LIST-STATUS")


@cases([(r[0],) + r for r in (
    ("SEARCH ALL", b" ALL 1:3"), ("UID SEARCH ALL", b" UID ALL 1:3"), ("SEARCH SUBJECT nowhere", b""),
    ("UID SEARCH SUBJECT nowhere", b" UID"), ("SEARCH 1,3", b" ALL 1,3"), ("SEARCH RETURN () 2", b" ALL 2"),
    ("SEARCH RETURN (MIN MAX COUNT) ALL", b" MIN 1 MAX 3 COUNT 3"), ("SEARCH RETURN (COUNT) DELETED", b" COUNT 0"),
    ("SEARCH RETURN (MIN MAX ALL) DELETED", b""), ("SEARCH RETURN (SAVE) 2", None), ("SEARCH $", b" ALL 2"),
    ("SEARCH RETURN (SAVE COUNT) 1:2", b" COUNT 2"), ("UID SEARCH UID $", b" UID ALL 1:2"),
    ("SEARCH CHARSET UTF-8 ALL", b" ALL 1:3"), ("SEARCH SUBJECT \"\u00e4\"", b""),
)], name="point 4: SEARCH answers with ESEARCH: {0}")
def esearch(cmd, want):
    if "c" not in _kept:
        _kept["c"] = rev2([LETTER] * 3)[0]
    c = _kept["c"]
    r = ok(c, cmd)
    equal(r.untagged, [] if want is None else [b'* ESEARCH (TAG "t%d")%s' % (c.n, want)], cmd)


_kept = {}


@test("point 4: IMAP4rev1 keeps SEARCH")
def search_as_before():
    c, _ = filled([LETTER] * 2)
    equal(ok(c, "SEARCH ALL").untagged, [b"* SEARCH 1 2"], "SEARCH")
    equal(ok(c, "SEARCH DELETED").untagged, [b"* SEARCH"], "nothing")
    refused(c, b'SEARCH SUBJECT "\xc3\xa4"', "BAD")


@test("point 5: strings are found within others, keywords are not")
def substrings():
    c, _, _ = rev2([LETTER])
    ok(c, "STORE 1 +FLAGS ($Forwarded)")
    for cmd, found in (("SUBJECT \"I THER\"", 1), ("FROM lic", 1), ("HEADER Subject \"\"", 1), ("HEADER X-None \"\"", 0),
                       ("BODY ell", 1), ("TEXT example", 1), ("KEYWORD $forwarded", 1), ("KEYWORD $Forward", 0)):
        r = ok(c, "SEARCH RETURN (COUNT) " + cmd)
        check(r.untagged[0].endswith(b"COUNT %d" % found), "%s: %r" % (cmd, r.untagged))


@test("point 6: parameters in pieces are one")
def continuations():
    c, _, _ = rev2([b"MIME-Version: 1.0\r\nContent-Type: text/plain; name*0=\"one \"; name*1=two\r\n\r\nx\r\n"])
    check(lines(ok(c, "FETCH 1 BODYSTRUCTURE"), rb'\("name" "one two"'), "joined")


@test("points 7, 8: MOVE and UID MOVE say COPYUID; a missing mailbox is not made and gets TRYCREATE")
def copyuid():
    c, _, _ = rev2([LETTER] * 3)
    other = new_folder(c)
    for cmd, u in (("MOVE 1", 1), ("UID MOVE 3", 3)):
        r = ok(c, "%s %s" % (cmd, other))
        check(re.match(rb"\* OK \[COPYUID \d+ %d \d\]" % u, r.untagged[0]), "%s: %r" % (cmd, r.untagged))
    check(ok(c, "COPY 1 " + other).code.startswith("COPYUID "), "COPY")
    for cmd in ("COPY 1", "UID COPY 2", "MOVE 1", "UID MOVE 2"):
        refused(c, cmd + " Missing.box", "NO", "TRYCREATE")
    refused(c, b"APPEND Missing.box {1+}\r\nx", "NO", "TRYCREATE")
    equal(ok(c, 'LIST "" Missing*').untagged, [], "nothing was made")


@test("points 9, 10, 11, 12: SELECT: CLOSED, LIST, neither UNSEEN nor RECENT")
def select():
    c, name, r = rev2([LETTER])
    for want in (rb"^\* FLAGS \((?!.*Recent)", rb"^\* 1 EXISTS$", rb"\[PERMANENTFLAGS \(", rb"\[UIDNEXT 2\]", rb"\[UIDVALIDITY \d+\]",
                 rb'^\* LIST \(.*\) "\." %s$' % name.encode()):
        one(r, want)
    equal(lines(r, rb"RECENT|UNSEEN|Recent"), [], "what is no more")
    r = ok(c, "EXAMINE " + name)
    check(r.untagged[0].startswith(b"* OK [CLOSED]"), "CLOSED comes first: %r" % r.untagged)
    one(r, rb'^\* LIST \(')
    append(c, name, LETTER)
    r = ok(c, "NOOP")
    equal(lines(ok(c, "FETCH 1:* FLAGS"), rb"Recent"), [], "no \\Recent")
    r = c.cmd("SELECT Missing")
    check(r.status == "NO" and r.untagged[0].startswith(b"* OK [CLOSED]"), "closed all the same: %r" % r.untagged)
    refused(c, "FETCH 1 FLAGS", "BAD")


@test("point 10: the attributes of SELECT's LIST are those of LIST; INBOX has one spelling")
def select_list():
    c, name, _ = rev2()
    ok(c, "CREATE %s.below" % name)
    ok(c, "SUBSCRIBE " + name)
    words = one(ok(c, "SELECT " + name), rb"^\* LIST \((.*)\)")[0].split()
    equal(sorted(words), [b"\\HasChildren", b"\\Subscribed"], "attributes")
    ok(c, "CREATE Junk")
    check(b"\\Junk" in one(ok(c, "SELECT Junk"), rb"^\* LIST \((.*)\)")[0], "special use")
    one(ok(c, "SELECT inbox"), rb'^\* LIST \(.*\) "\." INBOX \("OLDNAME" \(inbox\)\)$')
    one(ok(c, 'SELECT "Inbox"'), rb'^\* LIST \(.*\) "\." INBOX \("OLDNAME" \(Inbox\)\)$')
    one(ok(c, "SELECT INBOX"), rb'^\* LIST \([^"]*\) "\." INBOX$')


@test("points 11, 12: IMAP4rev1 keeps UNSEEN and RECENT, and has no LIST")
def select_as_before():
    c, name = filled([LETTER], select=False)
    r = ok(c, "SELECT " + name)
    one(r, rb"\[UNSEEN 1\]")
    one(r, rb"^\* \d RECENT$")
    equal(lines(r, rb"\* LIST"), [], "LIST")


@test("points 13, 15: the keywords that programs share can be set, and are told")
def keywords():
    c, name, _ = rev2([LETTER])
    words = (b"$MDNSent", b"$Forwarded", b"$Junk", b"$NotJunk", b"$Phishing")
    ok(c, b"STORE 1 +FLAGS (%s)" % b" ".join(words))
    got = one(ok(c, "FETCH 1 FLAGS"), rb"FLAGS \((.*)\)\)")[0].split()
    check(set(words) <= set(got), "%r" % got)
    permanent = one(ok(c, "SELECT " + name), rb"PERMANENTFLAGS \((.*)\)\]")[0].split()
    check(set(words) <= set(permanent) and b"\\*" in permanent, "%r" % permanent)
    equal(ok(c, "SEARCH KEYWORD $Phishing").untagged[0][-6:], b" ALL 1", "found")


@test("point 16: names are UTF-8 both ways, and modified UTF-7 for those who did not ask")
def names():
    c, name, _ = rev2(select=False)
    old = session()
    box = name + ".Entw\u00fcrfe \u53f0"
    ok(c, 'CREATE "%s"' % box)
    one(ok(c, 'LIST "" "%s.*"' % name), b'LIST .* "%s"$' % box.encode())
    one(ok(c, 'SELECT "%s"' % box), b'LIST .* "%s"$' % box.encode())
    one(ok(c, 'STATUS "%s" (MESSAGES)' % box), b'STATUS "%s" \\(' % box.encode())
    spelt = one(ok(old, 'LIST "" "%s.*"' % name), rb'LIST .* "\." "?([^"]*)"?$')[0]
    check(spelt.endswith(b".Entw&APw-rfe &U,A-"), "for IMAP4rev1: %r" % spelt)
    ok(old, b'SELECT "%s"' % spelt)
    refused(c, b'CREATE "%s.&APw-\xff"' % name.encode(), "BAD")
    refused(c, b"CREATE {%d+}\r\n%s.\xc3" % (len(name) + 2, name.encode()), "NO")
    ok(c, 'CREATE "%s.a&b"' % name)
    one(ok(c, 'LIST "" "%s.a*"' % name), rb'LIST .* "?%s\.a&b"?$' % name.encode())
    one(ok(old, 'LIST "" "%s.a*"' % name), rb'LIST .* "?%s\.a&-b"?$' % name.encode())
    ok(c, b"RENAME \"%s\" {%d+}\r\n%s.\xc3\xa4" % (box.encode(), len(name) + 3, name.encode()))
    one(ok(c, 'LIST "" "%s.\u00e4"' % name), b'LIST .* "%s.\xc3\xa4"$' % name.encode())


@test("point 16: a search text may be a quoted UTF-8 string")
def quoted():
    c, _, _ = rev2([b"Subject: =?utf-8?Q?gr=C3=BC=C3=9Fe?=\r\n\r\n\xc3\xa4pfel\r\n"])
    check(lines(ok(c, 'SEARCH SUBJECT "GR\u00dc\u00dfE" BODY "\u00e4PFEL"'), rb" ALL 1$"), "found")
    refused(c, b'SEARCH SUBJECT "\xff"', "BAD")


@test("points 17, 18, 19: what IMAP4rev1 clients still send is still answered")
def deprecated():
    c, name, _ = rev2([LETTER])
    ok(c, "CHECK")
    ok(c, "LSUB \"\" *")
    check(lines(ok(c, "FETCH 1 RFC822.HEADER"), rb"RFC822\.HEADER \{"), "RFC822.HEADER")
    check(lines(ok(c, "FETCH 1 RFC822"), rb"RFC822 \{"), "RFC822")


@test("points 20, 21: updates come during IDLE, each FETCH with its UID")
def updates():
    c, name, _ = rev2([LETTER] * 2)
    d = session()
    ok(d, "SELECT " + name)
    tag = c.tag()
    c.send(tag + b" IDLE\r\n")
    check(c.line().startswith(b"+ "), "go ahead")
    ok(d, "STORE 2 +FLAGS (\\Flagged)")
    check(re.match(rb"\* 2 FETCH \(UID 2 .*FLAGS \(\\Flagged", c.line()), "IDLE")
    c.send(b"DONE\r\n")
    equal(c.answer(tag).status, "OK", "DONE")
    ok(d, "STORE 1 +FLAGS (\\Answered)")
    check(lines(ok(c, "NOOP"), rb"\* 1 FETCH \(UID 1 .*Answered"), "NOOP")
    check(lines(ok(c, "STORE 1 +FLAGS (\\Draft)"), rb"\* 1 FETCH \(UID 1 .*Draft"), "STORE")
    check(lines(ok(c, "FETCH 2 BODY[TEXT]"), rb"\* 2 FETCH \(UID 2 .*Seen"), "\\Seen by FETCH")
    append(c, name, LETTER)
    ok(c, "NOOP")
    equal(lines(ok(c, "NOOP"), rb"RECENT"), [], "RECENT")


@test("LIST: a name above others that is none itself, what is subscribed and not there, and whom children make visible")
def list_attributes():
    c, name, _ = rev2(select=False)
    ok(c, "CREATE %s.a.b" % name)
    ok(c, "SUBSCRIBE %s.a.b" % name)
    ok(c, "SUBSCRIBE %s.never" % name)
    n = name.encode()
    one(ok(c, 'LIST "" %s.a' % name), rb"LIST \(\\NonExistent \\HasChildren\)|LIST \(\\HasChildren\)")
    one(ok(c, 'LIST (SUBSCRIBED) "" "%s.*"' % name), rb"LIST \(.*\\NonExistent.*\) .*%s\.never$" % n)
    one(ok(c, 'LIST (SUBSCRIBED RECURSIVEMATCH) "" "%s.%%"' % name), rb'%s\.a \("CHILDINFO" \("SUBSCRIBED"\)\)$' % n)
    ok(c, "CREATE %s.a.s (USE (\\Archive))" % name)
    one(ok(c, 'LIST (SPECIAL-USE RECURSIVEMATCH) "" "%s.%%"' % name), rb'%s\.a \("CHILDINFO" \("SPECIAL-USE"\)\)$' % n)
    ok(c, "DELETE %s.a.s" % name)


@test("response codes of RFC 5530")
def codes():
    c, name, _ = rev2([LETTER])
    for cmd, status, code in (
            ("CREATE " + name, "NO", "ALREADYEXISTS"), ("CREATE INBOX", "NO", "ALREADYEXISTS"),
            ("DELETE Missing", "NO", "NONEXISTENT"), ("RENAME Missing x", "NO", "NONEXISTENT"),
            ("RENAME %s INBOX" % name, "NO", "ALREADYEXISTS"), ("DELETE INBOX", "NO", "CANNOT"),
            ("STATUS Missing (MESSAGES)", "NO", "NONEXISTENT"),
            ("SEARCH CHARSET KOI8-R ALL", "NO", "BADCHARSET (US-ASCII UTF-8)"), ("FETCH 9 FLAGS", "BAD", "CLIENTBUG"),
            ("CREATE a/b", "NO", "CANNOT"), ("SELECT Missing", "NO", "NONEXISTENT")):
        refused(c, cmd, status, code)
    d = shared().imap()
    refused(d, "LOGIN alice@example.org wrong", "NO", "AUTHENTICATIONFAILED")


@test("with UTF8=ACCEPT alone SEARCH names no CHARSET (RFC 6855 section 3)")
def utf8_charset():
    c, _ = filled([LETTER])
    ok(c, "ENABLE UTF8=ACCEPT")
    refused(c, "SEARCH CHARSET UTF-8 ALL", "BAD")
    ok(c, "SEARCH ALL")
    ok(c, "SORT (ARRIVAL) UTF-8 ALL")


main()
