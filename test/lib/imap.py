"""Raw IMAP and POP3 clients: what is sent leaves in exactly the segments that were asked for.

    with Imap(addr, tls=True) as c:
        c.login("alice@example.org", "secret")
        r = c.cmd("SELECT INBOX")        # r.status, r.text, r.untagged

Scram does RFC 5802 by itself: nothing here is shared with the server."""
import base64
import hashlib
import hmac
import os
import re
import socket
import ssl
import time

from smtp import Closed, client_context


class Answer:
    """A tagged reply and what came before it."""

    def __init__(self, status, text, untagged):
        self.status = status
        self.text = text
        self.untagged = untagged

    @property
    def code(self):
        m = re.match(r"\[([^\]]*)\]", self.text)
        return m.group(1) if m else ""

    def __repr__(self):
        return "%s %s (%d untagged)" % (self.status, self.text, len(self.untagged))


class Stream:
    """A line-oriented connection, in the clear or not."""

    def __init__(self, addr, tls=False, source=None, timeout=20, ctx=None, slow=1):
        family = socket.AF_INET6 if ":" in addr[0] else socket.AF_INET
        self.sock = socket.socket(family, socket.SOCK_STREAM)
        self.sock.settimeout(timeout * slow)
        if source:
            self.sock.bind((source, 0))
        self.sock.connect(addr)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buf = b""
        self.eof = False
        self.is_tls = False
        if tls:
            self.handshake(ctx)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        try:
            self.sock.close()
        except OSError:
            pass

    def handshake(self, ctx=None):
        try:
            self.sock = (ctx or client_context()).wrap_socket(self.sock, suppress_ragged_eofs=True)
        except (ssl.SSLError, ConnectionError, OSError) as x:
            raise Closed("in the handshake: %s" % x)
        self.is_tls = True

    def end_point(self):
        """tls-server-end-point of a certificate that is signed with SHA-256, SHA-1 or without a digest."""
        return hashlib.sha256(self.sock.getpeercert(True)).digest()

    def send(self, data):
        if isinstance(data, str):
            data = data.encode("utf-8")
        try:
            self.sock.sendall(data)
        except (BrokenPipeError, ConnectionResetError, ssl.SSLError):
            raise Closed("while sending")

    def fill(self):
        if self.eof:
            return False
        try:
            data = self.sock.recv(1 << 16)
        except (ConnectionResetError, ssl.SSLError):
            data = b""
        self.buf += data
        self.eof = not data
        return bool(data)

    def line(self):
        while b"\r\n" not in self.buf:
            if not self.fill():
                raise Closed("after %r" % self.buf[-80:])
        line, self.buf = self.buf.split(b"\r\n", 1)
        return line

    def exactly(self, n):
        while len(self.buf) < n:
            if not self.fill():
                raise Closed("after %r" % self.buf[-80:])
        data, self.buf = self.buf[:n], self.buf[n:]
        return data

    def rest(self, timeout=10):
        """Everything until the server closes; None when it does not."""
        end = time.monotonic() + timeout
        try:
            while time.monotonic() < end:
                self.sock.settimeout(max(0.05, end - time.monotonic()))
                if not self.fill():
                    out, self.buf = self.buf, b""
                    return out
        except (socket.timeout, TimeoutError):
            pass
        return None

    def challenge(self, line):
        """Sends a line of base64; what follows "+ ", decoded, or None."""
        self.send(line + b"\r\n")
        r = self.line()
        return base64.b64decode(r[2:]) if r.startswith(b"+ ") else self.unread(r)

    def unread(self, line):
        self.buf = line + b"\r\n" + self.buf
        return None


class Imap(Stream):
    def __init__(self, addr, banner=True, **kw):
        super().__init__(addr, **kw)
        self.n = 0
        self.banner = self.response() if banner else None

    def response(self):
        """One response, its literals in their places."""
        out = self.line()
        while re.search(rb"\{\d+\}$", out):
            n = int(out[out.rindex(b"{") + 1:-1])
            out += b"\r\n" + self.exactly(n) + self.line()
        return out

    def tag(self):
        self.n += 1
        return b"t%d" % self.n

    def answer(self, tag):
        untagged = []
        while True:
            r = self.response()
            if r.startswith(tag + b" "):
                status, _, text = r[len(tag) + 1:].decode("utf-8", "replace").partition(" ")
                return Answer(status, text, untagged)
            untagged.append(r)

    def cmd(self, text):
        """A command without synchronising literals."""
        tag = self.tag()
        self.send(tag + b" " + (text.encode("utf-8") if isinstance(text, str) else text) + b"\r\n")
        return self.answer(tag)

    def capabilities(self):
        r = self.cmd("CAPABILITY")
        return next(u for u in r.untagged if u.startswith(b"* CAPABILITY ")).decode().split()[2:]

    def starttls(self, ctx=None):
        r = self.cmd("STARTTLS")
        if r.status == "OK":
            self.handshake(ctx)
        return r

    def login(self, user, password):
        return self.cmd('LOGIN %s %s' % (quoted(user), quoted(password)))

    def authenticate(self, mechanism, *answers, initial=None):
        """Each answer is bytes, or a function of the challenge that gives some."""
        tag = self.tag()
        ir = b"" if initial is None else b" " + (base64.b64encode(initial) or b"=")
        self.send(tag + b" AUTHENTICATE " + mechanism.encode() + ir + b"\r\n")
        for a in answers:
            r = self.line()
            if not r.startswith(b"+ "):
                self.unread(r)
                break
            a = a(base64.b64decode(r[2:])) if callable(a) else a
            self.send(base64.b64encode(a) + b"\r\n")
        return self.answer(tag)

    def scram(self, user, password, plus=False, initial=True, tamper=None):
        x = Scram(user, password, self.end_point() if plus else None)
        x.tamper = tamper
        mechanism = "SCRAM-SHA-256-PLUS" if plus else "SCRAM-SHA-256"
        if initial:
            r = self.authenticate(mechanism, x.final, x.check, initial=x.first())
        else:
            r = self.authenticate(mechanism, lambda _: x.first(), x.final, x.check)
        return r, x


class Pop3(Stream):
    def __init__(self, addr, banner=True, **kw):
        super().__init__(addr, **kw)
        self.banner = self.line() if banner else None

    def cmd(self, text):
        self.send((text.encode("utf-8") if isinstance(text, str) else text) + b"\r\n")
        return self.line()

    def multi(self, text):
        """The lines behind +OK."""
        r = self.cmd(text)
        if not r.startswith(b"+OK"):
            return [r]
        out = []
        while (l := self.line()) != b".":
            out.append(l[1:] if l.startswith(b".") else l)
        return out

    def starttls(self, ctx=None):
        r = self.cmd("STLS")
        if r.startswith(b"+OK"):
            self.handshake(ctx)
        return r

    def login(self, user, password):
        r = self.cmd("USER " + user)
        return self.cmd("PASS " + password) if r.startswith(b"+OK") else r

    def authenticate(self, mechanism, *answers, initial=None):
        ir = b"" if initial is None else b" " + (base64.b64encode(initial) or b"=")
        r = self.cmd(b"AUTH " + mechanism.encode() + ir)
        for a in answers:
            if not r.startswith(b"+ "):
                break
            a = a(base64.b64decode(r[2:])) if callable(a) else a
            r = self.cmd(base64.b64encode(a))
        return r


def quoted(s):
    return '"%s"' % s.replace("\\", "\\\\").replace('"', '\\"')


class Scram:
    """SCRAM-SHA-256 as the client; with `binding` the -PLUS form over tls-server-end-point."""

    def __init__(self, user, password, binding=None, gs2=None):
        self.user, self.password = user, password
        self.binding = binding
        self.gs2 = gs2 or (b"p=tls-server-end-point,," if binding is not None else b"n,,")
        self.nonce = base64.b64encode(os.urandom(18))
        self.server_ok = False
        self.tamper = None

    def first(self):
        name = self.user.replace("=", "=3D").replace(",", "=2C").encode()
        self.bare = b"n=" + name + b",r=" + self.nonce
        return self.gs2 + self.bare

    def final(self, server_first):
        self.server_first = server_first
        parts = dict(p.split(b"=", 1) for p in server_first.split(b","))
        self.salt, self.iterations = base64.b64decode(parts[b"s"]), int(parts[b"i"])
        assert parts[b"r"].startswith(self.nonce) and len(parts[b"r"]) > len(self.nonce), server_first
        nonce = parts[b"r"] + (b"x" if self.tamper == "nonce" else b"")
        channel = base64.b64encode(self.gs2 + (self.binding or b""))
        without = b"c=" + channel + b",r=" + nonce
        salted = hashlib.pbkdf2_hmac("sha256", self.password.encode(), self.salt, self.iterations)
        client = hmac.digest(salted, b"Client Key", "sha256")
        stored = hashlib.sha256(client).digest()
        message = b",".join([self.bare, server_first, without])
        proof = bytes(a ^ b for a, b in zip(client, hmac.digest(stored, message, "sha256")))
        if self.tamper == "proof":
            proof = bytes([proof[0] ^ 1]) + proof[1:]
        if self.tamper == "short":
            proof = proof[:31]
        self.signature = hmac.digest(hmac.digest(salted, b"Server Key", "sha256"), message, "sha256")
        return without + b",p=" + base64.b64encode(proof)

    def check(self, server_final):
        self.server_ok = server_final == b"v=" + base64.b64encode(self.signature)
        return b""
