"""A raw SMTP client: what is sent leaves in exactly the segments that were asked for.

TLS runs over memory BIOs, so that the bytes under it can be reached too (a clear byte
behind close_notify, a record split in two)."""
import re
import select
import socket
import ssl
import time


class Closed(Exception):
    """The server closed the connection."""


class Reply:
    def __init__(self, lines):
        self.lines = lines
        self.code = int(lines[-1][:3])
        self.text = b" ".join(l[4:] for l in lines).decode("latin-1")

    @property
    def enhanced(self):
        m = re.match(r"([245]\.\d{1,3}\.\d{1,3}) ", self.text + " ")
        return m.group(1) if m else ""

    @property
    def queue_id(self):
        """The letter's id: the last word of the 250 that ends a transaction."""
        return self.text.split()[-1]

    def __repr__(self):
        return "%r" % b" / ".join(self.lines)[:300].decode("latin-1")


class Smtp:
    def __init__(self, addr, timeout=15, source=None, banner=True, rcvbuf=None, slow=1):
        self.addr = addr
        self.buf = b""
        self.tls = None
        self.eof = False
        self.timeout = timeout * slow
        family = socket.AF_INET6 if ":" in addr[0] else socket.AF_INET
        self.sock = socket.socket(family, socket.SOCK_STREAM)
        if rcvbuf:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
        if source:
            self.sock.bind((source, 0))
        self.sock.settimeout(self.timeout)
        self.sock.connect(addr)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.banner = self.reply() if banner else None
        self.features = {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        try:
            self.sock.close()
        except OSError:
            pass

    def reset(self):
        """Ends the connection with RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                             b"\x01\x00\x00\x00\x00\x00\x00\x00")
        self.close()

    # Bytes

    def raw_send(self, data):
        try:
            self.sock.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            raise Closed("while sending")

    def send(self, data):
        """One segment (over TLS: one record)."""
        if isinstance(data, str):
            data = data.encode("utf-8")
        if self.tls:
            self.tls.write(data)
            data = self.tls_out.read()
        self.raw_send(data)

    def segments(self, parts, gap=0.05):
        for i, part in enumerate(parts):
            if i:
                time.sleep(gap)
            self.send(part)

    def fill(self, timeout=None):
        """Reads what is there into buf; False at the end of the stream."""
        if self.eof:
            return False
        self.sock.settimeout(self.timeout if timeout is None else timeout)
        try:
            data = self.sock.recv(1 << 16)
        except ConnectionResetError:
            data = b""
        if not data:
            self.eof = True
            return False
        if not self.tls:
            self.buf += data
            return True
        self.tls_in.write(data)
        while True:
            try:
                got = self.tls.read(1 << 16)
            except ssl.SSLWantReadError:
                break
            except (ssl.SSLZeroReturnError, ssl.SSLEOFError, ssl.SSLError):
                self.eof = True
                break
            if not got:
                self.eof = True
                break
            self.buf += got
        out = self.tls_out.read()
        if out:
            try:
                self.sock.sendall(out)
            except OSError:
                pass
        return True

    def pending(self, wait=0.0):
        """True when the server has said something (or closed)."""
        if self.buf or self.eof:
            return True
        return bool(select.select([self.sock], [], [], wait)[0])

    def line(self):
        while b"\n" not in self.buf:
            if not self.fill():
                if b"\n" in self.buf:
                    break
                raise Closed("after %r" % self.buf[-80:])
        line, self.buf = self.buf.split(b"\n", 1)
        if not line.endswith(b"\r"):
            raise ValueError("reply line without CR: %r" % line)
        return line[:-1]

    def reply(self):
        lines = []
        while True:
            l = self.line()
            if not re.match(rb"^[2-5][0-9][0-9]([ -]|$)", l):
                raise ValueError("not a reply: %r" % l)
            if len(l) + 2 > 512:
                raise ValueError("reply line of %d octets" % (len(l) + 2))
            if lines and l[:3] != lines[0][:3]:
                raise ValueError("code changes within a reply: %r %r" % (lines[0], l))
            lines.append(l)
            if l[3:4] != b"-":
                return Reply(lines)

    def replies(self, n):
        return [self.reply() for _ in range(n)]

    def rest(self, timeout=10):
        """Everything until the server closes; None when it does not."""
        end = time.monotonic() + timeout
        try:
            while self.fill(max(0.05, end - time.monotonic())):
                if time.monotonic() > end:
                    return None
        except (socket.timeout, TimeoutError):
            return None
        out, self.buf = self.buf, b""
        return out

    def closed(self, timeout=10):
        return self.rest(timeout) is not None

    # Commands

    def cmd(self, line):
        if isinstance(line, str):
            line = line.encode("utf-8")
        self.send(line + b"\r\n")
        return self.reply()

    def ehlo(self, name="client.example.net"):
        r = self.cmd("EHLO " + name)
        self.features = {}
        for l in r.lines[1:]:
            words = l[4:].decode("latin-1").upper().split(" ", 1)
            self.features[words[0]] = words[1] if len(words) > 1 else ""
        return r

    def mail(self, sender="sender@client.example.net", params=""):
        return self.cmd("MAIL FROM:<%s>%s" % (sender, " " + params if params else ""))

    def rcpt(self, to, params=""):
        return self.cmd("RCPT TO:<%s>%s" % (to, " " + params if params else ""))

    def data(self, letter):
        """DATA and the letter (with CRLF, not yet dot-stuffed); the final reply."""
        r = self.cmd("DATA")
        if r.code != 354:
            return r
        self.send(stuff(letter))
        return self.reply()

    def bdat(self, *chunks):
        """The chunks, the last one with LAST; the final reply."""
        for i, c in enumerate(chunks):
            last = b" LAST" if i == len(chunks) - 1 else b""
            self.send(b"BDAT %d%s\r\n" % (len(c), last) + c)
            r = self.reply()
            if r.code != 250:
                return r
        return r

    def starttls(self, ctx=None, sni=None):
        r = self.cmd("STARTTLS")
        if r.code == 220:
            self.handshake(ctx, sni)
        return r

    def handshake(self, ctx=None, sni=None):
        ctx = ctx or client_context()
        self.tls_in, self.tls_out = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = ctx.wrap_bio(self.tls_in, self.tls_out, server_hostname=sni)
        self.buf = b""
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                pass
            out = self.tls_out.read()
            if out:
                self.raw_send(out)
            try:
                got = self.sock.recv(1 << 16)
            except ConnectionResetError:
                got = b""
            if not got:
                raise Closed("in the handshake")
            self.tls_in.write(got)
        out = self.tls_out.read()
        if out:
            self.raw_send(out)
        self.tls = tls

    def quit(self):
        r = self.cmd("QUIT")
        self.close()
        return r

    def deliver(self, to, letter, sender="sender@client.example.net", params=""):
        """A whole transaction; the final reply, or the first one that refuses."""
        if isinstance(to, str):
            to = [to]
        for r in [self.mail(sender, params)] + [self.rcpt(a) for a in to]:
            if r.code != 250:
                return r
        return self.data(letter)


def stuff(letter):
    """Dot-stuffed, with the line that ends DATA."""
    if letter and not letter.endswith(b"\r\n"):
        letter += b"\r\n"
    letter = re.sub(rb"(\A|\r\n)\.", lambda m: m.group(1) + b"..", letter)
    return letter + b".\r\n"


def client_context(lowest=None, highest=None, ciphers=None):
    ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    ctx.check_hostname = False
    ctx.verify_mode = ssl.CERT_NONE
    if ciphers:
        ctx.set_ciphers(ciphers)
    if lowest:
        ctx.minimum_version = lowest
    if highest:
        ctx.maximum_version = highest
    return ctx
