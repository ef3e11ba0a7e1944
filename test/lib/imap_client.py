"""A client that speaks IMAP bytes: what it sends is what the test wrote, what it reads is
parsed to the letter and nothing is repaired.

Response.args of `* 2 FETCH (FLAGS (\\Seen) BODY[TEXT] {3}…)` is [Atom 2, Atom FETCH,
[Atom FLAGS, [Atom \\Seen], Atom BODY[TEXT], b"…"]]; NIL is None.  For OK, NO, BAD, BYE and
PREAUTH, code is the parsed list in brackets and text what follows it."""
import re
import socket
import ssl

LITERAL = re.compile(rb"~?\{(\d+)\}\r\n\Z")
PROSE = re.compile(rb"\+ |\S+ (?:OK|NO|BAD|BYE|PREAUTH) ", re.I)      # ends in text for people
STATUS = (b"OK", b"NO", b"BAD", b"BYE", b"PREAUTH")
ATOM_END = re.compile(rb'[ ()\r\n]')
BRACKET = re.compile(rb"(?:BODY|BINARY)(?:\.[A-Z]+)?\[", re.I)


class Closed(Exception):
    pass


class Malformed(Exception):
    pass


class Atom(bytes):
    pass


def parse(raw, i=0, end=None):
    """The values of raw from i on, up to end (b")" or b"]") or CRLF; (values, next i)."""
    out = []
    n = len(raw)
    while i < n:
        c = raw[i:i + 1]
        if end and c == end:
            return out, i + 1
        if c in (b" ", b"\r", b"\n"):
            i += 1
        elif c == b"(":
            v, i = parse(raw, i + 1, b")")
            out.append(v)
        elif c == b")":
            raise Malformed("a parenthesis too many: %r" % raw[:300])
        elif c == b'"':
            m = re.compile(rb'"((?:[^"\\\r\n]|\\["\\])*)"').match(raw, i)
            if not m:
                raise Malformed("quoted string: %r" % raw[i:i + 200])
            out.append(re.sub(rb"\\(.)", rb"\1", m.group(1)))
            i = m.end()
        else:
            m = re.compile(rb"~?\{(\d+)\+?\}\r\n").match(raw, i)
            if m:
                size = int(m.group(1))
                out.append(raw[m.end():m.end() + size])
                i = m.end() + size
                continue
            m = BRACKET.match(raw, i)
            if m:
                j = raw.index(b"]", m.end()) + 1
                e = ATOM_END.search(raw, j)
                j = e.start() if e else n
                out.append(Atom(raw[i:j]))
                i = j
                continue
            e = ATOM_END.search(raw, i)
            j = e.start() if e else n
            if end == b"]":
                k = raw.find(b"]", i, j)
                j = k if k >= 0 else j
            word = raw[i:j]
            out.append(None if word.upper() == b"NIL" else Atom(word))
            i = j
    if end:
        raise Malformed("ends early: %r" % raw[:300])
    return out, i


class Response:
    def __init__(self, raw):
        self.raw = raw
        cut = raw.find(b" ")
        self.tag = raw[:cut] if cut > 0 else raw.rstrip(b"\r\n")
        self.code, self.text, self._args = None, b"", None
        rest = raw[cut + 1:] if cut > 0 else b""
        word = rest.split(b" ", 1)[0].rstrip(b"\r\n").upper()
        self.status = word if word in STATUS and self.tag != b"+" else None
        self.rest = rest
        if self.status:
            text = rest[len(word):].lstrip(b" ")
            if text[:1] == b"[":
                self.code, i = parse(text, 1, b"]")
                text = text[i:]
            self.text = text.strip()

    @property
    def args(self):
        if self._args is None:
            if self.status:
                self._args = [Atom(self.status)] + ([self.code] if self.code is not None else [])
            else:
                self._args = parse(self.rest)[0] if self.tag != b"+" else []
        return self._args

    def word(self, i=0):
        a = self.args
        return a[i].upper() if len(a) > i and isinstance(a[i], bytes) else b""

    def __repr__(self):
        r = self.raw
        return repr(r if len(r) < 300 else r[:200] + b" ... " + r[-60:])


def tls_context():
    ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    ctx.check_hostname, ctx.verify_mode = False, ssl.CERT_NONE
    return ctx


def quoted(b):
    b = b.encode() if isinstance(b, str) else b
    return b'"' + b.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'


class Imap:
    def __init__(self, addr, tls=False, timeout=30, greet=True):
        self.sock = socket.create_connection(addr, timeout)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls:
            self.sock = tls_context().wrap_socket(self.sock)
        self.buf, self.at = b"", 0
        self.n = 0
        self.have = None        # capabilities, once asked for
        self.greeting = self.response() if greet else None

    # Bytes

    def send(self, data):
        try:
            self.sock.sendall(data)
        except OSError as x:
            raise Closed(str(x))

    def fill(self):
        try:
            got = self.sock.recv(262144)
        except socket.timeout:
            raise Closed("no answer within %s s" % self.sock.gettimeout())
        except OSError as x:
            raise Closed(str(x))
        if not got:
            raise Closed("closed by the server")
        self.buf = self.buf[self.at:] + got
        self.at = 0

    def line(self):
        start = 0
        while True:
            j = self.buf.find(b"\n", self.at + start)
            if j >= 0:
                out = self.buf[self.at:j + 1]
                self.at = j + 1
                return out
            start = len(self.buf) - self.at
            self.fill()

    def take(self, n):
        while len(self.buf) - self.at < n:
            self.fill()
        out = self.buf[self.at:self.at + n]
        self.at += n
        return out

    def raw(self):
        """One response as it came, literals included."""
        line = self.line()
        if not line.endswith(b"\r\n"):
            raise Malformed("a line without CRLF: %r" % line[-100:])
        if line[-3:-2] != b"}" or PROSE.match(line):
            return line
        parts = [line]
        while True:
            m = LITERAL.search(parts[-1])
            if not m:
                return b"".join(parts)
            parts.append(self.take(int(m.group(1))))
            parts.append(self.line())

    def response(self):
        return Response(self.raw())

    # Commands

    def tag(self):
        self.n += 1
        return b"t%d" % self.n

    def until(self, tag):
        """Reads up to the tagged response; (it, the untagged ones before it)."""
        out = []
        while True:
            r = self.response()
            if r.tag == tag:
                return r, out
            out.append(r)

    def cmd(self, text):
        """A command without tag and CRLF: (tagged response, untagged responses).  A tuple or
        list is sent piece by piece, each after the first being a synchronizing literal."""
        tag = self.tag()
        text = text.encode() if isinstance(text, str) else text
        if isinstance(text, bytes):
            self.send(tag + b" " + text + b"\r\n")
            return self.until(tag)
        out = []
        self.send(tag + b" " + text[0])
        for lit, tail in text[1:]:
            mark = b"~" if isinstance(lit, bytearray) else b""
            self.send(mark + b"{%d}\r\n" % len(lit))
            while True:
                r = self.response()
                if r.tag == b"+":
                    break
                if r.tag == tag:
                    return r, out
                out.append(r)
            self.send(bytes(lit) + tail)
        self.send(b"\r\n")
        r, more = self.until(tag)
        return r, out + more

    def ok(self, text):
        r, un = self.cmd(text)
        if r.status != b"OK":
            raise AssertionError("%r: %r" % (text if isinstance(text, (bytes, str)) else text[0], r))
        return un

    def login(self, user, password):
        return self.ok(b"LOGIN " + quoted(user) + b" " + quoted(password))

    def append_many(self, mailbox, letters, flags=b""):
        """MULTIAPPEND of all; (tagged response, untagged ones).  Literals do not wait where the
        server has LITERAL+, or LITERAL- and they are short (RFC 7888)."""
        self.have = self.have or self.capabilities()
        have, out = self.have, []
        tag = self.tag()
        text = [tag + b" APPEND " + quoted(mailbox)]
        for l in letters:
            wait = b"LITERAL+" not in have and (len(l) > 4096 or b"LITERAL-" not in have)
            text.append(b" " + flags + b"{%d%s}\r\n" % (len(l), b"" if wait else b"+"))
            if wait:
                self.send(b"".join(text))
                text = []
                while True:
                    r = self.response()
                    if r.tag == tag:
                        return r, out
                    if r.tag == b"+":
                        break
                    out.append(r)
            text.append(l)
        self.send(b"".join(text) + b"\r\n")
        r, more = self.until(tag)
        return r, out + more

    def append(self, mailbox, letter, flags="", date=""):
        head = b"APPEND " + quoted(mailbox) + b" "
        if flags:
            head += b"(" + flags.encode() + b") "
        if date:
            head += quoted(date) + b" "
        return self.cmd((head, (letter, b"")))

    def capabilities(self):
        for r in self.ok("CAPABILITY"):
            if r.word() == b"CAPABILITY":
                return {a.upper() for a in r.args[1:]}
        return set()

    def closed(self, limit=5):
        """The server ends the connection within so many seconds."""
        self.sock.settimeout(limit)
        try:
            while True:
                self.fill()
        except Closed as x:
            return "within" not in str(x)

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
