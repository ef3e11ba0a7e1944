"""A mail server that does as it is told: obedient, broken or hostile, step by step.

    with Sink() as s:                       takes everything
    with Sink(MAIL="451 4.3.0 later") …     answers MAIL so
    with Sink(RCPT=lambda n, line: …)       n counts the calls of this verb in the conversation

A reply is text (lines by CRLF are the caller's), bytes (sent as they are), a Drip, or one of
HANG, CLOSE, RESET.  s.sessions lists what happened: .lines (commands), .letters
(bytes as they stood behind DATA, dots and all), .bdat, .tls, .resumed, .sni, .peer.  Names of steps are
CONNECT, EHLO, HELO, STARTTLS, TLS (before the handshake), AUTH, MAIL, RCPT, DATA, END (behind the
dot), BODY (in the middle), BDAT, RSET, QUIT."""
import base64
import socket
import ssl
import struct
import threading

HANG, CLOSE, RESET = object(), object(), object()
EHLO = ("PIPELINING", "SIZE 50000000", "8BITMIME", "DSN", "SMTPUTF8", "CHUNKING", "ENHANCEDSTATUSCODES")


class Drip:
    """Bytes that come one by one, so many seconds apart."""

    def __init__(self, data, gap=0.0):
        self.data, self.gap = data, gap


class Session:
    def __init__(self, sock, sink):
        self.sock, self.sink, self.buf, self.peer = sock, sink, b"", sock.getpeername()[0]
        self.lines, self.letters, self.bdat, self.tls = [], [], [], None
        self.count, self.done, self.over, self.sni = {}, False, threading.Event(), None
        self.resumed = False

    def fill(self):
        got = self.sock.recv(65536)
        if not got:
            raise ConnectionError("end")
        self.buf += got

    def line(self):
        while b"\n" not in self.buf:
            self.fill()
        line, _, self.buf = self.buf.partition(b"\n")
        return line.rstrip(b"\r")

    def take(self, n):
        while len(self.buf) < n:
            self.fill()
        got, self.buf = self.buf[:n], self.buf[n:]
        return got

    def act(self, step, default, line=b""):
        n = self.count[step] = self.count.get(step, 0) + 1
        what = self.sink.steps.get(step, default)
        if callable(what):
            what = what(n, line)
            what = default if what is None else what
        if what is HANG:
            self.sink.stop.wait(60)
            raise ConnectionError("hung")
        if what is CLOSE:
            raise ConnectionError("closed")
        if what is RESET:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            raise ConnectionError("reset")
        if isinstance(what, str):
            what = what.encode() + b"\r\n"
        if isinstance(what, Drip):
            for i in range(len(what.data)):
                self.sock.sendall(what.data[i:i + 1])
                self.sink.stop.wait(what.gap)
            return what.data
        self.sock.sendall(what)
        return what

    def hello(self, verb, line):
        lines = list(self.sink.ehlo)
        if self.sink.tls and not self.tls and not self.sink.wrapped and self.sink.starttls:
            lines.append("STARTTLS")
        if self.sink.auth and (self.tls or self.sink.auth_clear):
            lines.append("AUTH " + self.sink.auth)
        lines = [self.sink.name] + lines if verb == "EHLO" else [self.sink.name]
        text = "".join("250%s%s\r\n" % (" " if i == len(lines) - 1 else "-", l) for i, l in enumerate(lines))
        self.act(verb, text.encode(), line)

    def start_tls(self):
        self.act("TLS", b"")
        if not self.sink.tls:
            raise ConnectionError("no certificate")
        def named(_sock, name, _ctx):
            self.sni = name
        self.sink.tls.sni_callback = named
        self.sock = self.sink.tls.wrap_socket(self.sock, server_side=True)
        self.tls, self.resumed = self.sock.version(), self.sock.session_reused
        self.buf = b""

    def data(self):
        if not self.act("DATA", "354 go").startswith(b"354"):
            return
        if "BODY" in self.sink.steps:
            while len(self.buf) < self.sink.body_after:
                self.fill()
            self.act("BODY", "")
        while b"\r\n.\r\n" not in b"\r\n" + self.buf:
            self.fill()
        whole, _, self.buf = (b"\r\n" + self.buf).partition(b"\r\n.\r\n")
        self.letters.append(whole[2:] + b"\r\n")
        self.act("END", "250 2.0.0 taken")

    def chunk(self, line):
        words = line.split()
        self.bdat.append(self.take(int(words[1])))
        if len(words) > 2:
            self.letters.append(b"".join(self.bdat))
            self.bdat = []
            self.act("END", "250 2.0.0 taken")
        else:
            self.act("BDAT", "250 2.0.0 more")

    def challenge(self, text):
        self.sock.sendall(b"334 " + base64.b64encode(text) + b"\r\n")
        return base64.b64decode(self.line())

    def login(self, line):
        words = line.split()
        mech = words[1].upper()
        if mech == b"PLAIN":
            _, user, password = base64.b64decode(words[2]).split(b"\0")
        else:
            user, password = self.challenge(b"Username:"), self.challenge(b"Password:")
        good = self.sink.passwords.get(user.decode()) == password.decode()
        self.act("AUTH", "235 2.7.0 welcome" if good else "535 5.7.8 no", line)

    def converse(self):
        if self.sink.wrapped:
            self.start_tls()
        self.act("CONNECT", "220 %s ESMTP" % self.sink.name)
        while True:
            line = self.line()
            self.lines.append(line.decode("utf-8", "replace"))
            verb = line.split(b" ")[0].split(b":")[0].upper().decode("latin-1")
            if verb in ("EHLO", "HELO"):
                self.hello(verb, line)
            elif verb == "STARTTLS":
                if self.act("STARTTLS", "220 go").startswith(b"220"):
                    self.start_tls()
            elif verb == "AUTH":
                self.login(line)
            elif verb == "DATA":
                self.data()
            elif verb == "BDAT":
                self.chunk(line)
            elif verb == "QUIT":
                self.act("QUIT", "221 bye")
                return
            else:
                self.act(verb, "250 2.1.0 fine", line)

    def run(self):
        try:
            self.converse()
        except (OSError, ValueError, ssl.SSLError):
            pass
        finally:
            self.done = True
            self.over.set()
            self.sock.close()


class Sink:
    def __init__(self, host="127.0.0.1", port=0, name="mx.other.test", ehlo=EHLO, cert=None, wrapped=False,
                 starttls=True, auth="", auth_clear=False, passwords=None, body_after=1000, family=socket.AF_INET,
                 **steps):
        self.name, self.ehlo, self.steps, self.wrapped, self.starttls = name, ehlo, steps, wrapped, starttls
        self.auth, self.auth_clear, self.passwords = auth, auth_clear, passwords or {}
        self.body_after = body_after
        self.tls = None
        if cert:
            self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.tls.load_cert_chain(*cert)
        self.sessions, self.stop = [], threading.Event()
        self.listener = socket.socket(family)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind((host, port))
        self.listener.listen(100)
        self.port = self.listener.getsockname()[1]

    def accept(self):
        while not self.stop.is_set():
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            s = Session(sock, self)
            self.sessions.append(s)
            threading.Thread(target=s.run, daemon=True).start()

    def __enter__(self):
        threading.Thread(target=self.accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for s in self.sessions:
            try:
                s.sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    @property
    def letters(self):
        return [l for s in self.sessions for l in s.letters]

    def commands(self, verb):
        return [l for s in self.sessions for l in s.lines if l.upper().startswith(verb)]
