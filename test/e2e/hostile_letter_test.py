#!/usr/bin/python3
"""Letters that broke other servers, section F of the catalogue: each comes by SMTP, or by APPEND where
SMTP refuses it, and is read in every way a client has: ENVELOPE, BODYSTRUCTURE, PREVIEW, octets,
SEARCH, SORT, THREAD and POP3.  What is allowed to it, test/lib/hostile.py says."""
import base64
import email.utils
import itertools
import os
import re
import urllib.parse

os.environ.setdefault("LOGIN_TEST_NET", "")
from logins import USERS, LoginServer, alice                          # noqa: E402

import hostile                                                        # noqa: E402
import imap_client                                                    # noqa: E402
import letters                                                        # noqa: E402
import tap                                                            # noqa: E402
from imap import Pop3                                                 # noqa: E402
from server import SLOW                                               # noqa: E402
from tap import cases, check, equal, main, test                       # noqa: E402

DEPTH_MAX = 50                          # parts around a part
ADDRESSES_MAX = 10000
PARAMS_MAX = 128
_state = {}


def shared():
    """A server that lets in what the configuration can allow at most, and one session of its owner."""
    s = _state.get("s")
    if s is None or not s.alive():
        s = _state["s"] = LoginServer(inbound="header-limit 16M\nheader-count 10000\nline-limit 32M\nmax-size 60M").start()
        s.fence("alice")
    return s


def _end():
    for name in ("s", "limited"):
        if name in _state:
            _state.pop(name).end()


tap.AT_END.append(_end)


def session(s):
    """The one that all tests share, or a new one if it broke."""
    c = _state.get(("session", s.dir))
    if c is None or not c.is_well:
        c = _state["session", s.dir] = _login(s)
    return c


class Session(imap_client.Imap):
    """Used as a context it stays open, unless the test failed."""
    is_well = True

    def __exit__(self, kind, *_):
        self.is_well = kind is None


def _login(s):
    c = Session(("127.0.0.1", s.ports["plain"]), timeout=60 * SLOW)
    c.login(alice(s), USERS["alice"])
    return c


# -- putting it there --------------------------------------------------------------

def head(tok, **kw):
    fields = {"From": "Mallory <m@client.example.net>", "To": "alice@example.org", "Subject": "hostile",
              "Date": "Thu, 05 Nov 2026 10:00:00 +0000", "MIME-Version": "1.0"}
    fields.update(kw)
    out = b"Message-ID: <%s@client.example.net>\r\n" % tok.encode()
    for k, v in fields.items():
        if v is not None:
            v = v if isinstance(v, bytes) else v.encode()
            out += k.replace("_", "-").encode() + b": " + v + b"\r\n"
    return out


_n = [0]


def put(s, c, letter, way):
    """A folder with this letter alone, selected: the Maildir file of what came by SMTP is moved there as a
    mail program would; what SMTP refuses comes by APPEND."""
    _n[0] += 1
    name = "H%d" % _n[0]
    c.ok("CREATE " + name)
    if way == "smtp":
        tok, r = s.give("alice", sent=letter, tok=_tok(letter))
        equal(r.code, 250, "SMTP: %r" % r)
        path = s.wait(tok, "alice", limit=20).path
        os.rename(path, os.path.join(s.maildir("alice"), "." + name, "new", os.path.basename(path)))
    else:
        r, _un = c.append(name, letter)
        equal(r.status, b"OK", "APPEND: %r" % r)
    un = c.ok("SELECT " + name)
    check(any(u.args[:2] == [b"1", b"EXISTS"] for u in un), "it is not there: %r" % un)
    return name


def _tok(letter):
    return re.search(rb"Message-ID: <(\S+)@", letter).group(1).decode()


class Seen:
    """What every way of reading says."""


def fetched(c, items):
    """{item: value} of letter 1."""
    un = [r for r in c.ok("FETCH 1 (%s)" % items) if len(r.args) > 2 and r.args[1] == b"FETCH"]
    equal(len(un), 1, "answers: %r" % un)
    v = un[0].args[2]
    return {bytes(v[i]).decode().split("<")[0]: v[i + 1] for i in range(0, len(v), 2)}


def read(s, c, what, size, **budget):
    """In every way; each within its budget."""
    seen = Seen()
    with hostile.Watched(s, what + ": FETCH", size, **budget):
        got = fetched(c, "ENVELOPE BODY BODYSTRUCTURE PREVIEW RFC822.SIZE BODY.PEEK[HEADER]")
    seen.envelope, seen.body, seen.structure = got["ENVELOPE"], got["BODY"], got["BODYSTRUCTURE"]
    seen.preview, seen.size, seen.header = got["PREVIEW"], int(got["RFC822.SIZE"]), got["BODY[HEADER]"]
    (seen.preview or b"").decode("utf-8")               # RFC 8970 §3.1
    with hostile.Watched(s, what + ": SEARCH", size, **budget):
        for key in ("TEXT absent-word", "SUBJECT absent-word", "FROM absent-word", "HEADER X-Absent \"\"",
                "SENTBEFORE 1-Jan-1800"):
            un = c.ok("SEARCH " + key)
            equal([r.args for r in un if r.word() == b"SEARCH"], [[b"SEARCH"]], key)
    with hostile.Watched(s, what + ": SORT", size, **budget):
        un = c.ok("SORT (SUBJECT FROM TO CC DATE) UTF-8 ALL")
        equal([r.args for r in un if r.word() == b"SORT"], [[b"SORT", b"1"]], "SORT")
        un = c.ok("THREAD REFERENCES UTF-8 ALL")
        equal([r.args for r in un if r.word() == b"THREAD"], [[b"THREAD", [b"1"]]], "THREAD")
    with hostile.Watched(s, what + ": octets", size, **budget):
        got = fetched(c, "BODY.PEEK[] BODY.PEEK[TEXT] BODY.PEEK[1] BODY.PEEK[1.MIME] BINARY.SIZE[1] BODY.PEEK[HEADER.FIELDS (SUBJECT)]")
    equal(len(got["BODY[]"]), seen.size, "RFC822.SIZE")
    equal(got["BODY[]"], seen.header + got["BODY[TEXT]"], "header and text")
    seen.octets, seen.part = got["BODY[]"], got["BODY[1]"]
    return seen


def pop_read(s, c, what, seen):
    """The same octets over POP3, TOP of the header.  IMAP has no NUL in a literal and says 0x80."""
    c.ok("COPY 1 INBOX")
    with hostile.Watched(s, what + ": POP3", seen.size, memory=4 * seen.size + (24 << 20)):
        with Pop3(("127.0.0.1", s.ports["plainpop"]), slow=SLOW, timeout=60) as p:
            check(p.login(alice(s), USERS["alice"]).startswith(b"+OK"), "login")
            n = int(p.cmd("STAT").split()[1])
            top = p.multi("TOP %d 0" % n)
            whole = p.multi("RETR %d" % n)
            p.cmd("DELE %d" % n)
            p.cmd("QUIT")
    top, whole = (b"".join(l + b"\r\n" for l in x).replace(b"\0", b"\x80") for x in (top, whole))
    equal(top.rstrip(b"\r\n"), seen.header.rstrip(b"\r\n"), what + ": TOP")
    check(whole in (seen.octets, seen.octets + b"\r\n"), what + ": RETR")


def depth(structure):
    return 1 + max([depth(x) for x in structure if isinstance(x, list)], default=0) if isinstance(structure, list) else 0


def leaf_of(structure):
    """The innermost first part of a BODY(STRUCTURE), and how many parts are around it."""
    n = 0
    while True:
        if isinstance(structure[0], list):
            structure = structure[0]
        elif structure[0].lower() == b"message" and structure[1].lower() == b"rfc822":
            structure = structure[8]
        else:
            return structure, n
        n += 1


def study(what, letter, way="smtp", pop=True, **budget):
    s = shared()
    with session(s) as c:
        put(s, c, letter, way)
        seen = read(s, c, what, len(letter), **budget)
        if pop:
            pop_read(s, c, what, seen)
        return seen


# -- F1: depth ---------------------------------------------------------------------

def nested(tok, n, kind):
    out, parts = [head(tok, Content_Type=None)], []
    for i in range(n):
        as_message = kind == "message" or kind == "both" and i % 2
        if as_message:
            parts.append(b"Content-Type: message/rfc822\r\n\r\n")
        else:
            parts.append(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (i, i))
    return b"".join(out + parts) + b"\r\nthe innermost\r\n"


@cases([("10,000 multipart/mixed within each other", "multi"), ("10,000 message/rfc822 within each other", "message"),
        ("10,000 of both in turn", "both")], name="F1 {0}", limit=120)
def deep(kind):
    seen = study("F1 " + kind, nested(letters.token(), 10000, kind))
    for which, structure in (("BODYSTRUCTURE", seen.structure), ("BODY", seen.body)):
        leaf, n = leaf_of(structure)
        equal(n, DEPTH_MAX, "%s: parts around the innermost" % which)
        equal((leaf[0].lower(), leaf[1].lower()), (b"application", b"octet-stream"), "%s: beyond the limit" % which)


@test("F1 100,000 parts beside each other: 10,000 are told", limit=120)
def wide():
    letter = head(letters.token(),
        Content_Type="multipart/mixed; boundary=b") + b"\r\n" + b"--b\r\n\r\nx\r\n" * 100000 + b"--b--\r\n"
    seen = study("F1 wide", letter, memory=64 << 20)
    parts = [p for p in seen.structure if isinstance(p, list) and p and p[0] == b"text"]
    check(9900 <= len(parts) <= 10000, "%d parts" % len(parts))


# -- F2: addresses -----------------------------------------------------------------

def many_addresses():
    return b",\r\n ".join(b"u%d@example.net" % i for i in range(500000))


def check_boxes(boxes, n=ADDRESSES_MAX):
    """The first addresses are the right ones, and there is an end."""
    check(1 <= len(boxes) <= n + 1, "%d addresses" % len(boxes))
    for i, a in enumerate(boxes[:3]):
        equal(a, [None, None, b"u%d" % i, b"example.net"], "address %d" % i)


@test("F2 500,000 addresses in To: SMTP refuses by its limit, APPEND takes it, 10,000 are told", limit=120)
def addresses():
    letter = head(letters.token(), To=many_addresses()) + b"\r\nx\r\n"
    seen = study("F2 addresses", letter, way="append", pop=False)
    check_boxes(seen.envelope[5])
    equal(seen.envelope[1], b"hostile", "the subject behind it")


@cases([("groups within groups", b"a:" * 100000, 1), ("100,000 groups", b"g: u0@example.net;, " * 20000, 3 * ADDRESSES_MAX),
        ("a comment 100,000 deep", b"(" * 100000 + b")" * 100000 + b" u0@example.net", 1),
        ("a comment that never ends", b"u0@example.net " + b"(" * 100000, 1),
        ("100,000 comments", b"(c)" * 100000 + b"u0@example.net", 1), ("commas", b"," * 300000 + b"u0@example.net", 1),
        ("quotes", b'"' * 200001, 1), ("brackets", b"<" * 200000, ADDRESSES_MAX),
        ("a route", b"<" + b"@a," * 100000 + b"@a:u0@example.net>", 1),
        ("backslashes", b"\\" * 200001, 1), ("words without end", b"a " * 200000, 1)], name="F2 To: {0}", limit=120)
def odd_addresses(value, most):
    folded = b"\r\n ".join(value[i:i + 900] for i in range(0, len(value), 900))
    seen = study("F2 odd", head(letters.token(), To=folded) + b"\r\nx\r\n")
    check(seen.envelope[5] is None or len(seen.envelope[5]) <= max(most, 1) + 2, "%d addresses" % len(seen.envelope[5] or []))
    equal(seen.envelope[1], b"hostile", "the subject behind it")
    equal(seen.envelope[2], [[b"Mallory", None, b"m", b"client.example.net"]], "From")


# -- F3: headers -------------------------------------------------------------------

def limited():
    """A server with the limits everybody has."""
    if "limited" not in _state:
        _state["limited"] = LoginServer(passwords=False).start()
    return _state["limited"]


@cases([("one of 100 MB", lambda: itertools.chain([b"Subject: "], (b"x" * (1 << 20) for _ in range(100))), (552, 550)),
        ("a million fields", lambda: (b"X-F: y\r\n" * 10000 for _ in range(100)), (550, 552)),
        ("50 MB folded", lambda: itertools.chain([b"Subject: x\r\n"],
        (b" yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n" * 18000
                                                                       for _ in range(50))), (550, 552))],
       name="F3 SMTP refuses a header: {0}", limit=120)
def huge_header(parts, why):
    """The whole is read, and refused at its end."""
    s = limited()
    with s.stays_alive(), s.client() as c:
        c.ehlo()
        c.mail()
        c.rcpt("alice@example.org")
        equal(c.cmd("DATA").code, 354, "DATA")
        for p in parts():
            c.raw_send(p)
        c.raw_send(b"\r\nx\r\n.\r\n")
        r = c.reply()
        check(r.code in why, "%r" % r)


@cases([("one field of 20 MB", lambda: b"X-Long: " + b"y" * (20 << 20) + b"\r\n"),
        ("a million fields", lambda: b"X-F: y\r\n" * 1000000),
        ("20 MB folded", lambda: b"X-Long: x\r\n" + b" yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n" * 290000),
        ("a subject of 8 MB", lambda: b"Subject: " + b"=?utf-8?q?a?= " * 600000 + b"\r\n")],
       name="F3 APPEND takes a header, and it is read: {0}", limit=200)
def long_header(make):
    tok = letters.token()
    letter = head(tok) + make() + b"\r\nthe body\r\n"
    seen = study("F3", letter, way="append", pop=False, wait=1.5)
    equal(seen.envelope[2], [[b"Mallory", None, b"m", b"client.example.net"]], "From, in front of it")
    equal(seen.part, b"the body\r\n", "the body, behind it")


# -- F4, F5: parameters ------------------------------------------------------------

def with_params(params):
    return head(letters.token(), Content_Type="multipart/mixed; boundary=b") + \
        b"\r\n--b\r\nContent-Type: application/octet-stream\r\nContent-Disposition: attachment" + params + b"\r\n\r\nMZ\r\n--b--\r\n"


def disposition(seen):
    part = next(p for p in seen.structure if isinstance(p, list))
    d = part[8]
    equal(d[0].lower(), b"attachment", "disposition")
    return {d[1][i].lower(): d[1][i + 1] for i in range(0, len(d[1] or []), 2)} if d[1] else {}, len(d[1] or []) // 2


@cases([("filename*0 to *9999", b"".join(b";\r\n filename*%d=\"p%d\"" % (i, i) for i in range(10000))),
        ("filename*0* to *9999*", b"".join(b";\r\n filename*%d*=utf-8''p%d" % (i, i) for i in range(10000))),
        ("backwards", b"".join(b";\r\n filename*%d=p%d" % (i, i) for i in range(9999, -1, -1))),
        ("10,000 of one name", b";\r\n filename=a" * 10000), ("10,000 names", b"".join(b";\r\n n%d=a" % i for i in range(10000))),
        ("gaps", b"".join(b";\r\n filename*%d=p" % i for i in range(0, 20000, 2))),
        ("numbers without end", b";\r\n filename*99999999999999999999=a" * 5000)], name="F4 parameters: {0}", limit=90)
def params(text):
    seen = study("F4", with_params(text))
    _d, n = disposition(seen)
    check(n <= PARAMS_MAX, "%d parameters" % n)


@cases([("in order", b"; filename*0=one; filename*1=two", b"onetwo"),
        ("not in order", b"; filename*1=two; filename*0=one", b"onetwo")],
       name="F4 continuations {0} are joined (RFC 2231 section 3)")
def joined(text, want):
    d, _n = disposition(study("F4", with_params(text)))
    equal(d, {b"filename": want}, "parameters")


@cases([("in two lines", b";\r\n filename*0=\"invoice.pdf \";\r\n filename*1=\".exe\"", "invoice.pdf .exe"),
        ("percent-encoded", b";\r\n filename*0*=utf-8''invoice.pdf%2E;\r\n filename*1*=%65x;\r\n filename*2=e",
        "invoice.pdf.exe"),
        ("beside a harmless one", b"; filename=\"invoice.pdf\";\r\n filename*=utf-8''evil%2Eexe", "evil.exe"),
        ("folded within the quotes", b"; filename=\"invoice.pdf\r\n .exe\"", "invoice.pdf .exe")],
       name="F5 a name that ends in .exe is told whole: {0}")
def exe(text, want):
    """What a client makes of BODYSTRUCTURE by RFC 2231 has the ending; nothing of it is hidden."""
    d, _n = disposition(study("F5", with_params(text)))
    coded = d.get(b"filename*")
    if coded is not None:
        charset, _lang, value = email.utils.decode_rfc2231(coded.decode())
        name = email.utils.unquote(value) if charset is None else \
            urllib.parse.unquote(value, charset)
    else:
        name = d[b"filename"].decode()
    equal(name, want, "%r" % d)


# -- F6: boundaries ----------------------------------------------------------------

def crossing(n, lines):
    """n multiparts in each other whose boundaries begin alike, then lines that nearly are each of them."""
    tok = letters.token()
    out = [head(tok, Content_Type="multipart/mixed; boundary=\"%s\"" % ("a" * 40)) + b"\r\n--" + b"a" * 40 + b"\r\n"]
    for i in range(1, n):
        b = b"a" * (40 + i)
        out.append(b"Content-Type: multipart/mixed; boundary=\"" + b + b"\"\r\n\r\n--" + b + b"\r\n")
    out.append(b"\r\n" + (b"--" + b"a" * 39 + b"b\r\n") * lines)
    return b"".join(out)


@test("F6 forty boundaries that begin alike, and 4 MB of lines that nearly match", limit=90)
def alike():
    letter = crossing(40, 95000)
    seen = study("F6 alike", letter)
    _leaf, n = leaf_of(seen.structure)
    equal(n, 40, "parts around the innermost")


@test("F6 the boundary of the outer one comes again within the inner ones: each ends once")
def rewinding():
    tok = letters.token()
    letter = head(tok, Content_Type="multipart/mixed; boundary=a") + b"\r\n"
    for _ in range(20000):
        letter += b"--a\r\nContent-Type: multipart/mixed; boundary=ab\r\n\r\n--ab\r\n\r\nx\r\n"
    seen = study("F6 rewinding", letter + b"--a--\r\n", memory=64 << 20)
    parts = [p for p in seen.structure if isinstance(p, list)]
    check(len(parts) <= 10000, "%d parts" % len(parts))
    for p in parts[:3]:
        equal([x[:2] for x in p if isinstance(x, list)][:1], [[b"text", b"plain"]], "a part")


@cases([("2,048 octets", 2048, True), ("2,049 octets", 2049, False), ("65,536 octets", 65536, False)],
        name="F6 a boundary of {0}")
def long_boundary(n, is_one):
    b = b"x" * n
    letter = head(letters.token(),
        Content_Type=b"multipart/mixed;\r\n boundary=\"" + b + b"\"") + b"\r\n--" + b + b"\r\n\r\nwithin\r\n--" + b + b"--\r\n"
    seen = study("F6 long", letter)
    equal(seen.part, b"within" if is_one else seen.part, "its part")
    check(is_one or seen.part is None or b"within" not in seen.part or seen.structure[0][:2] == [b"text", b"plain"],
        "%r" % seen.structure)


# -- F7: ends that are missing -----------------------------------------------------

FROMS = [
    # value of From, what ENVELOPE says of it; None: NIL
    (b"", None), (b" ", None), (b"()", None), (b"a:;", [[None, None, b"a", None], [None, None, None, None]]),
    (b"a@b (comment\\", "any"), (b"\"never ends <a@b>", "any"), (b"a@[1.2.3", "any"), (b"<a@b", "any"), (b"a@b (", "any"),
    (b"\\", "any"), (b"\"\\", "any"), (b"(\\", "any"), (b"[\\", "any"), (b"a@", "any"), (b"@", "any"), (b"<>", "any"),
    (b"a:", "any"),
    (b"a:b@c", "any"), (b";", "any"), (b",,,", None), (b"\x00", "any"), (b"a\x00@b", "any"), (b"\xff\xfe@\xfd", "any"),
    (b"=?utf-8?q?", "any"),
    (b"=?utf-8?b?====?= <a@b>", "any"), (b"x <a@b> y <c@d>", "any"), (b"a@b,", [[None, None, b"a", b"b"]]),
]


@cases([("%r" % f, f, w) for f, w in FROMS], name="F7 From: {0}")
def cut_from(value, want):
    letter = head(letters.token(), From=value, To=value,
        Content_Type=b"text/plain; charset=\"" + value.replace(b"\x00", b"")) + b"\r\nx\r\n"
    seen = study("F7", letter, way="append" if b"\0" in value else "smtp")
    for i, which in ((2, "from"), (3, "sender"), (4, "reply-to"), (5, "to")):
        got = seen.envelope[i]
        if want != "any":
            equal(got, want, which)
        # (name route mailbox host): strings or NIL, and a mailbox that is no group has a host
        for a in got or []:
            equal(len(a), 4, "%s: %r" % (which, a))
            check(all(x is None or isinstance(x, bytes) for x in a), "%s: %r" % (which, a))
    equal((seen.structure[0].lower(), seen.structure[1].lower()), (b"text", b"plain"), "type")


# -- F8: previews ------------------------------------------------------------------

HTML = [
    ("10 MB of <", b"<" * (10 << 20), None), ("10 MB of </", b"</" * (5 << 20), None),
    ("<b> 100,000 deep", b"<b>" * 100000 + b"the text", None),
    ("<b> 10,000 deep", b"<b>" * 10000 + b"the text", b"the text"), ("entities", b"&amp;" * 200000, None),
    ("entities that never end", b"&" * 200000, None), ("numbers", b"&#99999999999;&#0;&#xd800;&#x110000;the text" * 10000, None),
    ("a comment that never ends", b"<!-- " + b"x" * 100000, None),
    ("a script that never ends", b"<script>" + b"x<" * 100000, None),
    ("comments", b"<!---->" * 10000 + b"the text", None), ("quotes", b"<a b=\"" * 20000, None),
    ("NUL and 8 bit", b"<\x01\xff\xfe" * 10000 + b"the text", None),
]


@cases([(n, h, w) for n, h, w in HTML], name="F8 a preview of HTML: {0}", limit=120)
def html(text, want):
    body = base64.encodebytes(text).replace(b"\n", b"\r\n")
    letter = head(letters.token(), Content_Type="text/html; charset=utf-8", Content_Transfer_Encoding="base64") + b"\r\n" + body
    seen = study("F8", letter, pop=len(body) < 1 << 20)
    check(len((seen.preview or b"").decode()) <= 200, "%d characters" % len(seen.preview or b""))
    if want:
        equal(seen.preview, want, "preview")


# -- F9: one view ------------------------------------------------------------------

SECRET = b"the hidden treasure lies here\r\n"
B64 = base64.b64encode(SECRET)
VIEWS = [
    # what, fields of the part, its body, type, encoding that BODYSTRUCTURE says, is the text found
    ("two Content-Types", b"Content-Type: text/plain\r\nContent-Type: text/html", SECRET, (b"text", b"plain"), b"7bit", True),
    ("base64 with a comment", b"Content-Type: text/plain\r\nContent-Transfer-Encoding: base64 (really)", B64,
    (b"text", b"plain"), b"base64", True),
    ("a comment before base64", b"Content-Type: text/plain\r\nContent-Transfer-Encoding: (well) base64", B64,
    (b"text", b"plain"), b"base64", True),
    ("two encodings", b"Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\nContent-Transfer-Encoding: 7bit",
    B64, (b"text", b"plain"), b"base64", True),
    ("illegal characters in base64", b"Content-Type: text/plain\r\nContent-Transfer-Encoding: base64",
     b"!" + b"!\r\n$".join(B64[i:i + 7] for i in range(0, len(B64), 7)), (b"text", b"plain"), b"base64", True),
    ("a space before the colon", b"Content-Type : text/html\r\nContent-Transfer-Encoding : base64", B64,
    (b"text", b"html"), b"base64", True),
    ("an encoding nobody knows", b"Content-Type: text/plain\r\nContent-Transfer-Encoding: base65", B64,
    (b"text", b"plain"), b"base65", False),
    ("letter case", b"cOnTeNt-tYpE: TEXT/PLAIN\r\ncontent-transfer-ENCODING: BaSe64", B64, (b"text", b"plain"), b"base64", True),
    ("a folded type", b"Content-Type:\r\n text/\r\n plain\r\nContent-Transfer-Encoding:\r\n base64", B64,
    (b"text", b"plain"), b"base64", True),
]


@cases([(v[0],) + v[1:] for v in VIEWS], name="F9 one view for all readers: {0}")
def view(fields, body, types, encoding, found):
    letter = head(letters.token(),
        Content_Type="multipart/mixed; boundary=b; boundary=c") + b"\r\n--c\r\n\r\nnot a part\r\n--b\r\n" + \
        fields + b"\r\n\r\n" + body + b"\r\n--b--\r\n"
    s = shared()
    with session(s) as c:
        put(s, c, letter, "smtp")
        got = fetched(c, "BODYSTRUCTURE BODY.PEEK[1] BODY.PEEK[1.MIME] PREVIEW")
        structure = got["BODYSTRUCTURE"]
        parts = [p for p in structure if isinstance(p, list) and len(p) > 6]
        equal(len(parts), 1, "the first boundary counts: %r" % structure)
        part = parts[0]
        equal((part[0].lower(), part[1].lower(), part[5].lower()), types + (encoding,), "BODYSTRUCTURE")
        equal(int(part[6]), len(got["BODY[1]"]), "octets of the part")
        check(got["BODY[1.MIME]"].startswith(fields[:12]), "its header: %r" % got["BODY[1.MIME]"][:80])
        un = c.ok('SEARCH BODY "hidden treasure"')
        equal([r.args[1:] for r in un if r.word() == b"SEARCH"], [[b"1"]] if found else [[]], "SEARCH reads the same")
        if found:
            equal(fetched(c, "BINARY.PEEK[1]")["BINARY[1]"].strip(), SECRET.strip(), "BINARY decodes the same")
            equal(got["PREVIEW"], SECRET.strip(), "PREVIEW reads the same")
        else:
            r, _un = c.cmd("FETCH 1 BINARY.PEEK[1]")
            equal((r.status, r.code), (b"NO", [b"UNKNOWN-CTE"]), "BINARY")


@test("F9 a NUL in a field's name: what came is what is told, by APPEND")
def nul_name():
    letter = head(letters.token(), Content_Type=None) + b"Content-Type\0: text/html\r\n\r\n<b>x</b>\r\n"
    s = shared()
    with session(s) as c:
        c.ok("CREATE Nul")
        r, _un = c.append("Nul", letter)
        if r.status == b"OK":           # or it is refused: RFC 9051 §4.3.1 has no NUL in a literal
            c.ok("SELECT Nul")
            equal([x.lower() for x in fetched(c, "BODYSTRUCTURE")["BODYSTRUCTURE"][:2]], [b"text", b"plain"], "type")
        c.ok("NOOP")


# -- F12: charsets -----------------------------------------------------------------

@cases([("empty words", b"=?utf-8?q??= "), ("empty words without blanks", b"=?utf-8?b??="),
        ("words that never end", b"=?utf-8?q?"),
        ("question marks", b"=?"), ("shifts", b"=?iso-2022-jp?b?GyRCGyhC?= "), ("UTF-7", b"=?utf-7?q?+AGE-+?= "),
        ("GB18030", b"=?gb18030?q?=81=30=81?= "),
        ("a charset of 1,000 octets", b"=?" + b"x" * 1000 + b"?q?a?= "), ("nested", b"=?utf-8?q?=?utf-8?q?a?=?= ")],
        name="F12 Subject: 15 MB of {0}", limit=200)
def encoded_words(word):
    n = (15 << 20) // len(word)
    per = max(1, 900 // len(word))
    value = b"\r\n ".join(word * per for _ in range(n // per))
    letter = head(letters.token(), Subject=value) + b"\r\nthe body\r\n"
    seen = study("F12", letter, way="append", pop=False, wait=1.5)
    equal(seen.part, b"the body\r\n", "the body behind it")


@cases([("ISO-2022-JP shifts", "iso-2022-jp", b"\x1b$B\x1b(B" * 100000 + b"the text"),
        ("ISO-2022-KR without end", "iso-2022-kr", b"\x1b$)C\x0e" * 10000 + b"ab"),
        ("UTF-7", "utf-7", b"+AGEAYg-+//8-+" * 50000), ("invalid GB18030", "gb18030",
        b"\x81\x30\x81\xff\x80\x84\x31" * 50000), ("invalid UTF-8", "utf-8", b"\xc0\xaf\xed\xa0\x80\xf8\xff" * 50000),
        ("UTF-16 without order", "utf-16", b"\xd8\x00a\x00\xdc" * 50000),
        ("UTF-32", "utf-32", b"\xff\xff\xff\xff\0\x11\0\0" * 50000),
        ("a charset nobody knows", "x-odd", b"\x80the text" * 10000), ("EBCDIC", "ibm037", bytes(range(256)) * 100)],
        name="F12 a body in {0}", limit=90)
def body_charset(charset, text):
    letter = head(letters.token(), Content_Type="text/plain; charset=" + charset,
        Content_Transfer_Encoding="base64") + b"\r\n" + \
        base64.encodebytes(text).replace(b"\n", b"\r\n")
    seen = study("F12 body", letter)
    text = (seen.preview or b"").decode()
    check(len(text) <= 200 and not re.search("[\x00-\x1f\x7f\ud800-\udfff]", text), "preview %r" % text)


# -- F13: chosen names -------------------------------------------------------------

def colliding(n):
    """Names of one value under djb2 (h*33+c): "Ez" and "FY" are worth the same."""
    return [b"".join(p) for p in itertools.islice(itertools.product((b"Ez", b"FY"), repeat=17), n)]


@test("F13 100,000 field names that collide under djb2", limit=120)
def field_names():
    letter = head(letters.token()) + b"".join(b"%s: v\r\n" % n for n in colliding(100000)) + b"\r\nthe body\r\n"
    seen = study("F13 names", letter, way="append", pop=False)
    equal(seen.part, b"the body\r\n", "the body behind it")
    s = shared()
    with session(s) as c:
        c.ok("SELECT H%d" % _n[0])
        names = colliding(500)
        with hostile.Watched(s, "F13 HEADER.FIELDS of 500", len(letter)):
            got = c.ok(b"FETCH 1 BODY.PEEK[HEADER.FIELDS (%s)]" % b" ".join(names))[0].args[2][-1]
        check(got.count(b": v\r\n") == 500, "%d fields" % got.count(b": v\r\n"))


@test("F13 100,000 keywords that collide: 26 in a folder, the others are refused at once", limit=120)
def keywords():
    s = shared()
    with session(s) as c:
        put(s, c, head(letters.token()) + b"\r\nx\r\n", "append")
        names = colliding(100000)
        with hostile.Watched(s, "F13 keywords", 4 << 20):
            refused = 0
            for i in range(0, len(names), 60):
                r, _un = c.cmd(b"STORE 1 +FLAGS.SILENT (%s)" % b" ".join(names[i:i + 60]))
                refused += r.status != b"OK"
                check(r.status == b"OK" or r.code == [b"LIMIT"], "%r" % r)
        check(refused > 1500, "%d refused" % refused)
        flags = fetched(c, "FLAGS")["FLAGS"]
        check(len(flags) <= 27, "%d flags" % len(flags))
        r, _un = c.cmd(b"STORE 1 +FLAGS.SILENT (%s)" % b" ".join(names[:1000]))
        check(r.status in (b"NO", b"BAD") and r.code == [b"LIMIT"], "1,000 in one command: %r" % r)


@test("F13 100 letters with 1,000 references each that collide: THREAD within two seconds", limit=120)
def references():
    s = shared()
    with session(s) as c:
        c.ok("CREATE Refs")
        names = colliding(100000)
        many = []
        for i in range(100):
            refs = b"\r\n ".join(b"<%s@x>" % n for n in names[i * 1000:i * 1000 + 1000])
            many.append(b"Message-ID: <m%d@x>\r\nSubject: s%d\r\nReferences: %s\r\n\r\nx\r\n" % (i, i, refs))
        r, _un = c.append_many("Refs", many)
        equal(r.status, b"OK", "%r" % r)
        c.ok("SELECT Refs")
        with hostile.Watched(s, "F13 THREAD", 4 << 20, cpu=2.0):
            un = c.ok("THREAD REFERENCES UTF-8 ALL")
        got = [r for r in un if r.word() == b"THREAD"][0].raw
        equal(sorted(map(int, re.findall(rb"\d+", got))), list(range(1, 101)), "each once")


# -- F14: dates --------------------------------------------------------------------

DATES = [b"Thu, 01 Jan 0000 00:00:00 +0000", b"Fri, 31 Dec 9999 23:59:59 +0000", b"Mon, 1 Jan 1000000000000000000 00:00:00 +0000",
         b"Mon, 99 Foo -1 99:99:99 +9999", b"Thu, 05 Nov 2026 10:00:00 -0000", b"Thu, 05 Nov 2026 10:00:00 --1200",
         b"Thu, 05 Nov 2026 10:00:00 -9999",
         b"Sat, 31 Dec 2016 23:59:60 +0000", b"Tue, 19 Jan 2038 03:14:08 +0000", b"Sun, 7 Feb 2106 06:28:16 +0000",
         b"Thu, 1 Jan 1970 00:00:00 +1400",
         b"Wed, 31 Dec 1969 23:59:59 -0000", b"", b"(", b"Thu, 30 Feb 2026 10:00:00 +0000", b"00:00", b"1 " * 50000,
         b"Thu (" + b"(" * 1000,
         b"Thu, 05 Nov 26 10:00 EST", b"\xff\xfe", b"2026-11-05T10:00:00Z", b"99999999999999999999999999999999"]


@cases([("%r" % d[:40], d) for d in DATES], name="F14 Date: {0}")
def date(value):
    folded = b"\r\n ".join(value[i:i + 900] for i in range(0, len(value), 900))
    seen = study("F14", head(letters.token(), Date=folded) + b"\r\nx\r\n")
    got = seen.envelope[0]
    equal(b"".join((got or b"").split()), b"".join(value.split()), "the envelope says it as it came")


@test("F14 SORT (DATE) puts all of them in an order; SENTSINCE knows what is a day")
def date_order():
    s = shared()
    with session(s) as c:
        c.ok("CREATE Dates")
        for d in DATES:
            equal(c.append("Dates", head(letters.token(),
                Date=b"\r\n ".join(d[i:i + 900] for i in range(0, len(d), 900))) + b"\r\nx\r\n")[0].status, b"OK", "APPEND")
        c.ok("SELECT Dates")
        un = c.ok("SORT (DATE) UTF-8 ALL")
        order = [int(x) for r in un if r.word() == b"SORT" for x in r.args[1:]]
        equal(sorted(order), list(range(1, len(DATES) + 1)), "each once")
        at = {d: order.index(i + 1) for i, d in enumerate(DATES)}
        ordered = [b"Wed, 31 Dec 1969 23:59:59 -0000", b"Sat, 31 Dec 2016 23:59:60 +0000", b"Thu, 05 Nov 2026 10:00:00 -0000",
                   b"Tue, 19 Jan 2038 03:14:08 +0000", b"Sun, 7 Feb 2106 06:28:16 +0000"]
        equal(sorted(ordered, key=at.get), ordered, "those that are dates are in order")
        un = c.ok("SEARCH SENTON 19-Jan-2038")
        equal([r.args[1:] for r in un if r.word() == b"SEARCH"], [[b"%d" % (1 + DATES.index(ordered[3]))]], "2038")


@cases([('"%s"' % d, d, ok) for d, ok in (
    ("01-Jan-0000 00:00:00 +0000", False), ("31-Dec-9999 23:59:59 +0000", True), ("19-Jan-2038 03:14:08 +0000", True),
    (" 1-Jan-1970 00:00:00 +1400", True),
    ("31-Dec-1969 23:59:59 -0000", True), ("31-Dec-2016 23:59:60 +0000", True), ("30-Feb-2026 00:00:00 +0000", False),
    ("99-Jan-2026 00:00:00 +0000", False),
    ("01-Jan-2026 24:00:00 +0000", False), ("01-Jan-2026 00:00:00 +9999", False), ("01-Jan-10000 00:00:00 +0000", False),
    ("", False))],
    name="F14 APPEND with a date: {0}")
def append_date(when, ok):
    s = shared()
    with session(s) as c:
        c.cmd("CREATE When")
        r, _un = c.append("When", b"Subject: x\r\n\r\nx\r\n", date=when)
        if r.status == b"OK":
            c.ok("SELECT When")
            un = c.ok("FETCH * INTERNALDATE")
            check(re.search(rb'INTERNALDATE "[ 0-3]\d-[A-Z][a-z]{2}-\d{4} \d\d:\d\d:\d\d [+-]\d{4}"', un[0].raw), "%r" % un[0])
        elif ok:
            tap.fail("refused: %r" % r)
        else:
            check(r.status == b"BAD" and re.search(rb"at \d+", r.text), "%r" % r)
        c.ok("NOOP")


main()
