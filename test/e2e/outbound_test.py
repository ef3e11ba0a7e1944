#!/usr/bin/python3
"""What other servers may answer, at every step, and what follows for the letter.

Each row is a server of its own (lib/sink.py) for a domain of its own; one waxwing sends to
all of them at once.  Expectations are RFC 5321 §4.2, §4.5.3.2 and the RFCs of the extensions."""
import os
import re
import subprocess
import time

import server
import tap
from letters import letter, on_disk, split_trace, token
from server import SLOW
from sink import CLOSE, EHLO, HANG, RESET, Drip, Sink
from tap import cases, check, equal, eventually, test

D = os.path.join(server.TOP, "build")
DOMAINS, USERS, ROUTES, ROWS, SINKS = [], [], [], {}, {}
MEGABYTE = b"553-" + b"x" * 96 + b"\r\n"


def certificates(folder):
    """A certificate for 127.0.0.1 that our roots hold, one for another name, one that nobody knows."""
    def make(name, san):
        crt, key = os.path.join(folder, name + ".pem"), os.path.join(folder, name + ".key")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-keyout", key, "-out", crt, "-days", "30", "-subj", "/CN=" + name, "-addext",
                        "subjectAltName=" + san], check=True, capture_output=True)
        return crt, key
    good, other, stranger = make("good", "IP:127.0.0.1"), make("other", "DNS:other.test"), make("stranger", "IP:127.0.0.1")
    with open(os.path.join(folder, "roots.pem"), "w") as out:
        for crt in (good[0], other[0]):
            with open(crt) as f:
                out.write(f.read())
    return good, other, stranger


FOLDER = server.tempfile.mkdtemp(prefix="wx-out-")
os.chmod(FOLDER, 0o755)
GOOD, OTHER, STRANGER = certificates(FOLDER)
with open(os.path.join(FOLDER, "password"), "w") as f:
    f.write("right secret\n")
os.chmod(os.path.join(FOLDER, "password"), 0o600)
SECRET = "user carl secret:%s/password" % FOLDER


class Row:
    def __init__(self, name, want, why=".", route="", proto="smtp", rcpts=1, eight=False, utf8=False, body=b"Good day.\r\n",
                 look=None, sender="sender@client.example.net", mail="", **sink):
        self.name, self.want, self.why, self.rcpts, self.eight, self.utf8 = name, want, why, rcpts, eight, utf8
        self.body, self.look, self.sender, self.mail = body, look, sender, mail
        self.domain = "r%d.test" % len(ROWS)
        self.sink = Sink(name="mx." + self.domain, **sink)
        ROWS[name] = self
        ROUTES.append("route %s via %s://127.0.0.1:%d %s" % (self.domain, proto, self.sink.port, route))
        USERS.append("%s@example.org: %s" % (self.user, ", ".join("u%d@%s" % (i, self.domain) for i in range(rcpts))))

    @property
    def user(self):
        return self.domain.split(".")[0]

    def send(self, s):
        self.token = token()
        params = self.mail + (" BODY=8BITMIME" if self.eight else "") + (" SMTPUTF8" if self.utf8 else "")
        body = b"Gr\xc3\xbc\xc3\x9fe\r\n" if self.eight else self.body
        head = "Subject: Grüße\r\n".encode() if self.utf8 else b""
        self.sent = letter(self.token, body=body, headers=head)
        with s.client() as c:
            c.ehlo()
            r = c.deliver("%s@example.org" % self.user, self.sent, sender=self.sender, params=params.strip())
            equal(r.code, 250, self.name)

    def result(self, log):
        """(sent, later, never, needs-7bit) and the why of its first attempt."""
        m = re.search(r' relay msg=\S+ to="%s" .*? tls="(.*?)" sent=(\d+) later=(\d+) never=(\d+) needs-7bit=(\d+) why="(.*)"'
                      % re.escape(self.domain), log)
        return m and (tuple(int(n) for n in m.groups()[1:5]), m.group(6), m.group(1))


def no(verb, n=1):
    return lambda s: not s.commands(verb) if n == 0 else len(s.commands(verb)) == n


L, N, S1 = (0, 1, 0, 0), (0, 0, 1, 0), (1, 0, 0, 0)
PLAIN = tuple(e for e in EHLO if e not in ("CHUNKING", "PIPELINING"))
PIPED = tuple(e for e in EHLO if e != "CHUNKING")

# -- who takes it -----------------------------------------------------------------------
Row("BDAT and all extensions", S1, "taken")
Row("DATA, pipelined", S1, ehlo=PIPED)
Row("DATA, in turn", S1, ehlo=PLAIN)
Row("no ESMTP at all", S1, ehlo=(), EHLO="502 5.5.1 what?", look=lambda s: s.commands("HELO"))
Row("an empty EHLO", S1, ehlo=())
Row("RCPT 251", S1, RCPT="251 will forward", ehlo=PLAIN)
Row("replies of many lines", S1, MAIL="250-a\r\n250-b\r\n250 c", ehlo=PLAIN)
Row("replies end in LF", S1, CONNECT=b"220 mx ESMTP\n", MAIL=b"250 ok\n")
Row("A26 dots are doubled", S1, body=b".\r\n..\r\n.x\r\na.\r\n.\r\n", ehlo=PIPED,
    look=lambda s: s.letters[0].endswith(b"\r\n\r\n..\r\n...\r\n..x\r\na.\r\n..\r\n"))
Row("A26 dots, in chunks, are not", S1, body=b".\r\n..\r\n.x\r\n", look=lambda s: s.letters[0].endswith(b"\r\n\r\n.\r\n..\r\n.x\r\n"))
Row("a letter of 3 MiB, dotted", S1, body=b".line\r\n" * 440000, ehlo=PIPED,
    look=lambda s: s.letters[0].count(b"\r\n..line") == 440000)
Row("a letter of 3 MiB, in chunks", S1, body=b".line\r\n" * 440000,
    look=lambda s: len(s.commands("BDAT")) == 3 and s.letters[0].count(b"\r\n.line") == 440000)
Row("an empty body", S1, body=b"")
Row("100 recipients", (100, 0, 0, 0), rcpts=100, look=no("MAIL", 1))
Row("452 too many recipients", (10, 0, 0, 0), rcpts=10, RCPT=lambda n, l: "452 4.5.3 too many" if 3 < n < 8 else None,
    ehlo=PIPED, look=no("MAIL", 2))
Row("552 of old servers means the same", (6, 0, 0, 0), rcpts=6, RCPT=lambda n, l: "552 too many" if n == 4 else None,
    ehlo=PLAIN, look=no("MAIL", 2))

# -- who refuses --------------------------------------------------------------------------
for verb in ("MAIL", "RCPT", "DATA", "END", "BDAT"):
    ehlo = PIPED if verb in ("DATA", "END") else EHLO
    body = b"x" * 70 + b"\r\n"
    body = body * 30000 if verb == "BDAT" else body
    Row("%s 4xx" % verb, L, "450 4.2.1 later", ehlo=ehlo, body=body, **{verb: "450 4.2.1 later"})
    Row("%s 5xx" % verb, N, "550 5.7.1 never", ehlo=ehlo, body=body, **{verb: "550 5.7.1 never"})
    Row("%s 421" % verb, L, "421 4.3.2 shutting down", ehlo=ehlo, body=body, **{verb: "421 4.3.2 shutting down"})
    Row("%s is nonsense" % verb, L, ehlo=ehlo, body=body, **{verb: b"whatever\r\n"})
    Row("%s hangs" % verb, L, "no answer", ehlo=ehlo, body=body, **{verb: HANG})
    Row("%s closes" % verb, L, "4.4.[12]", ehlo=ehlo, body=body, **{verb: CLOSE})
    Row("%s resets" % verb, L, "4.4.[12]", ehlo=ehlo, body=body, **{verb: RESET})
    Row("E3 %s: a megabyte of lines" % verb, L, ehlo=ehlo, body=body, **{verb: MEGABYTE * 10000})
    Row("E3 %s: a line of a megabyte" % verb, L, ehlo=ehlo, body=body, **{verb: b"553 " + b"x" * (1 << 20) + b"\r\n"})
    Row("E3 %s: a reply without its last line" % verb, L, ehlo=ehlo, body=body,
        **{verb: lambda n, l: b"553-5.1.1 a\r\n553-5.1.1 b\r\n"})
    Row("P11 %s: a reply that never comes to its end, octet by octet" % verb, L, "no answer", ehlo=ehlo, body=body,
        **{verb: Drip(b"250-" + b"x" * 200, 0.2)})
for verb, said, want, why in (("END", "452 4.3.1 full", L, "452 4.3.1 full"), ("END", "554 5.6.0 never", N, "554 5.6.0 never"), ("END", CLOSE, L, "twice"),
                              ("END", RESET, L, "twice"), ("END", HANG, L, "no answer"), ("END", b"whatever\r\n", L, "."),
                              ("BDAT", "503 5.5.1 no", N, "503 5.5.1 no"), ("RSET", CLOSE, S1, "."), ("QUIT", HANG, S1, "."), ("QUIT", CLOSE, S1, "."),
                              ("QUIT", MEGABYTE * 100, S1, ".")):
    name = said if isinstance(said, str) else {HANG: "hangs", CLOSE: "closes", RESET: "resets"}.get(said, "is nonsense")
    Row("chunks, %s: %s" % (verb, name), want, why, body=(b"y" * 78 + b"\r\n") * (30000 if verb == "BDAT" else 1), **{verb: said})
for verb in ("CONNECT", "EHLO"):
    Row("%s 4xx" % verb, L, "451 4.4.1 .*452 later", **{verb: "452 later"})
    Row("%s 421" % verb, L, "421 busy", **{verb: "421 busy"})
    Row("%s is nonsense" % verb, L, "no SMTP", **{verb: b"HTTP/1.1 400 Bad Request\r\n\r\n"})
    Row("%s hangs" % verb, L, "no answer", **{verb: HANG})
    Row("%s closes" % verb, L, "closed", **{verb: CLOSE})
    Row("%s resets" % verb, L, ".", **{verb: RESET})
    Row("E3 %s: a megabyte of lines" % verb, L, "no end", **{verb: MEGABYTE * 10000})
    Row("P11 %s: a reply that never comes to its end, octet by octet" % verb, L, "no answer", **{verb: Drip(b"220-" + b"x" * 200, 0.2)})
Row("P9 all replies come octet by octet", S1, CONNECT=Drip(b"220 mx\r\n"), MAIL=Drip(b"250-a\r\n250 ok\r\n"), RCPT=Drip(b"250 2.1.5 ok\r\n"),
    DATA=Drip(b"354 go\r\n"), END=Drip(b"250 2.0.0 taken\r\n"), ehlo=PIPED)
Row("CONNECT 554: no server of it takes mail", N, "554 5.7.1 no SMTP here", CONNECT="554 5.7.1 no SMTP here")
Row("CONNECT 521 (RFC 7504)", N, "521", CONNECT="521 never")
Row("DATA 250 instead of 354", L, ehlo=PIPED, DATA="250 yes")
Row("MAIL 354", L, MAIL="354 what")
Row("it closes in the middle of DATA", L, "4.4.2", body=b"x" * 70 + b"\r\n" + (b"y" * 78 + b"\r\n") * 20000, ehlo=PIPED, BODY=CLOSE)
Row("it resets in the middle of BDAT", L, "4.4.2", body=(b"y" * 78 + b"\r\n") * 60000, BDAT=RESET)
Row("it refuses in the middle of DATA", N, "552 5.3.4 enough", body=(b"y" * 78 + b"\r\n") * 60000, ehlo=PIPED,
    BODY=lambda n, l: CLOSE, body_after=0, DATA="552 5.3.4 enough")
Row("closed behind the dot: perhaps twice", L, "4.4.2 .*twice", ehlo=PIPED, END=CLOSE)
Row("some recipients, not others", (2, 1, 1, 0), rcpts=4,
    RCPT=lambda n, l: {2: "450 4.2.1 busy", 3: "550 5.1.1 unknown"}.get(n))
Row("no recipient, DATA pipelined all the same", N, "550 5.1.1", ehlo=PIPED, RCPT="550 5.1.1 unknown", DATA="354 go",
    look=lambda s: s.letters == [b"\r\n"] or s.letters == [b""])
Row("N1 a reply of controls", N, r"^550 5\.1\.1 \?\[2J\?\?x \?\?$", RCPT=b"550 5.1.1 \x1b[2J\x07\x00x \xe2\x80\xae\xff\r\n")

# -- what it cannot take ----------------------------------------------------------------------
Row("SIZE is too small", N, "552 5.3.4", ehlo=("SIZE 100",), look=no("MAIL", 0))
Row("SIZE is told", S1, look=lambda s: re.search(r" SIZE=\d+", s.commands("MAIL")[0]))
Row("8BITMIME is not offered", (0, 0, 0, 1), eight=True, ehlo=("PIPELINING",), look=lambda s: "BODY" not in "".join(s.commands("MAIL")))
Row("8BITMIME", S1, eight=True, look=lambda s: "BODY=8BITMIME" in s.commands("MAIL")[0])
Row("SMTPUTF8 is not offered", N, "550 5.6.7", utf8=True, ehlo=("PIPELINING", "8BITMIME"), look=no("MAIL", 0))
Row("SMTPUTF8", S1, utf8=True, look=lambda s: "SMTPUTF8" in s.commands("MAIL")[0])

# -- TLS ------------------------------------------------------------------------------------
Row("STARTTLS, whoever it is", S1, cert=STRANGER, look=lambda s: s.sessions[0].tls)
Row("STARTTLS is refused: in the clear", S1, cert=GOOD, STARTTLS="454 4.7.0 not now", look=lambda s: not s.sessions[0].tls)
Row("the handshake breaks: in the clear, in another conversation", S1, ehlo=EHLO + ("STARTTLS",),
    look=lambda s: len(s.sessions) == 2 and not s.sessions[1].tls)
Row("STARTTLS hangs: in the clear, in another conversation", S1, cert=GOOD, STARTTLS=HANG,
    look=lambda s: len(s.sessions) == 2 and not s.sessions[1].tls)
Row("the handshake hangs: in the clear, in another conversation", S1, cert=GOOD, TLS=HANG,
    look=lambda s: len(s.sessions) == 2 and not s.sessions[1].tls)
Row("the handshake is reset: in the clear, in another conversation", S1, cert=GOOD, TLS=RESET,
    look=lambda s: len(s.sessions) == 2 and not s.sessions[1].tls)
for name, steps in (("STARTTLS hangs", {"STARTTLS": HANG}), ("the handshake hangs", {"TLS": HANG}), ("the handshake is nonsense", {"TLS": b"\0" * 100}),
                    ("the handshake drips", {"TLS": Drip(b"\x16\x03\x03\x40\0" + b"\0" * 200, 0.2)})):
    Row("TLS is demanded, and %s" % name, L, "4.7.5", route="tls encrypt", cert=GOOD, look=no("MAIL", 0), **steps)
Row("B9 bytes behind STARTTLS: in the clear, nothing of it is believed", S1, cert=GOOD,
    STARTTLS=b"220 go\r\n250-mx\r\n250 SIZE 1\r\n", look=lambda s: len(s.sessions) == 2 and s.letters)
Row("B9 bytes behind STARTTLS where TLS is demanded", L, "4.7.5", route="tls encrypt", cert=GOOD,
    STARTTLS=b"220 go\r\n250-mx\r\n250 SIZE 1\r\n", look=no("MAIL", 0))
Row("TLS is demanded and not offered", L, "4.4.1 .*TLS is demanded", route="tls encrypt", look=no("MAIL", 0))
Row("TLS is demanded and refused", L, "454", route="tls encrypt", cert=GOOD, STARTTLS="454 4.7.0 not now", look=no("MAIL", 0))
Row("B13 TLS is demanded, EHLO refused: no HELO", L, "502", route="tls encrypt", cert=GOOD, EHLO="502 what", look=no("HELO", 0))
# A server, or who sits before it, says things before it is asked, or other things in the clear than behind TLS.
for name, said in (("answers to what was not asked yet", {"CONNECT": b"220 mx\r\n250-mx\r\n250-AUTH PLAIN\r\n250 STARTTLS\r\n"}),
                   ("answers up to the 220 of STARTTLS", {"CONNECT": b"220 mx\r\n250-mx\r\n250 STARTTLS\r\n220 go\r\n"}),
                   ("a whole session said at once", {"CONNECT": b"220 mx\r\n250 mx\r\n235 in\r\n250 ok\r\n250 ok\r\n354 go\r\n250 ok\r\n"})):
    Row("B11 B12 %s: nothing goes in the clear" % name, L, route="tls encrypt", cert=GOOD, look=no("MAIL", 0), **said)
for name, said in (("250 for 220", "250 go"), ("two codes in one reply", b"220-go\r\n250 go\r\n"), ("a 5xx", "554 no"), ("closed", CLOSE),
                   ("reset", RESET), ("nonsense", b"\xff\xfe\0\r\n"), ("a handshake at once", b"\x16\x03\x03\0\x05hello\r\n"),
                   ("220 and clear replies for a handshake", b"220 go\r\n250 ok\r\n250 ok\r\n354 go\r\n250 ok\r\n")):
    Row("B13 STARTTLS, %s: no letter, no password" % name, L, route=SECRET + " tls encrypt", cert=GOOD, auth="PLAIN LOGIN",
        auth_clear=True, passwords={"carl": "right secret"}, STARTTLS=said, look=lambda s: no("MAIL", 0)(s) and no("AUTH", 0)(s))
Row("B13 STARTTLS left out: no letter, no password", L, route=SECRET + " tls encrypt", auth="PLAIN LOGIN", auth_clear=True,
    passwords={"carl": "right secret"}, look=lambda s: no("MAIL", 0)(s) and no("AUTH", 0)(s))
Row("B10 AUTH offered in the clear alone is not there behind TLS", L, "no way to log in", route=SECRET + " tls verify", cert=GOOD,
    EHLO=lambda n, l: "250-mx\r\n250-AUTH PLAIN\r\n250 STARTTLS" if n == 1 else None,
    look=lambda s: s.sessions[0].tls and no("AUTH", 0)(s))
Row("B10 CHUNKING, 8BITMIME offered in the clear alone are not there behind TLS", S1, cert=GOOD, ehlo=("SIZE 50000000",),
    EHLO=lambda n, l: "250-mx\r\n250-CHUNKING\r\n250-8BITMIME\r\n250 STARTTLS" if n == 1 else None,
    look=lambda s: s.sessions[0].tls and no("BDAT", 0)(s) and s.letters)
Row("require-tls, a right certificate", S1, route="require-tls", cert=GOOD, look=lambda s: s.sessions[0].tls)
Row("require-tls, nobody's certificate", L, "4.7.5 .*not believed", route="require-tls", cert=STRANGER, look=no("MAIL", 0))
Row("require-tls, another's certificate", L, "4.7.5 .*not believed", route="require-tls", cert=OTHER, look=no("MAIL", 0))
Row("tls off", S1, route="tls off", cert=GOOD, look=no("STARTTLS", 0))
Row("smtps", S1, proto="smtps", route="tls verify", cert=GOOD, wrapped=True, look=lambda s: s.sessions[0].tls)
Row("smtps, nobody's certificate", L, "4.7.5", proto="smtps", route="tls verify", cert=STRANGER, wrapped=True, look=no("MAIL", 0))
Row("smtps where TLS is not spoken", L, "4.7.5", proto="smtps", route="tls encrypt")
Row("B7 what was said before TLS is forgotten", S1, cert=GOOD, ehlo=PIPED,
    EHLO=lambda n, l: "250-mx\r\n250-SIZE 1\r\n250 STARTTLS" if n == 1 else None, look=lambda s: s.sessions[0].tls)

# -- AUTH -------------------------------------------------------------------------------------
AUTH = {"passwords": {"carl": "right secret"}}
Row("AUTH PLAIN over TLS", S1, proto="smtps", route=SECRET + " tls verify", cert=GOOD, wrapped=True, auth="PLAIN", **AUTH)
Row("AUTH LOGIN over STARTTLS", S1, route=SECRET + " tls verify", cert=GOOD, auth="LOGIN", **AUTH)
Row("AUTH in the clear on the loopback", S1, route=SECRET, auth="PLAIN LOGIN", auth_clear=True, **AUTH)
Row("AUTH fails", L, "535 5.7.8", route=SECRET, auth="PLAIN", auth_clear=True, passwords={"carl": "other"}, look=no("MAIL", 0))
for name, said, why in (("454", "454 4.7.0 later", "454 4.7.0 later"), ("hangs", HANG, "no answer"), ("closes", CLOSE, "closed"), ("resets", RESET, "."),
                        ("is nonsense", b"what\r\n", "no SMTP"), ("a megabyte of lines", MEGABYTE * 10000, "no end"), ("drips", Drip(b"235-" * 99, 0.2), "no answer"),
                        ("334 without end", "334 ", "."), ("250 for 235", "250 fine", "250 fine")):
    Row("AUTH: %s" % name, L, why, route=SECRET, auth="PLAIN", auth_clear=True, passwords={"carl": "right secret"}, AUTH=said, look=no("MAIL", 0))
Row("N3 AUTH: a server that says the password back", L, "535", route=SECRET, auth="PLAIN", auth_clear=True, passwords={"carl": "other"},
    AUTH="535 5.7.8 no: AGNhcmwAcmlnaHQgc2VjcmV0 right secret")
Row("AUTH is not offered", L, "no way to log in", route=SECRET, look=no("MAIL", 0))
Row("N3 AUTH, another's certificate: no password", L, "4.7.5", route=SECRET + " tls verify", cert=OTHER, auth="PLAIN",
    look=no("AUTH", 0), **AUTH)

for row in ROWS.values():
    row.sink.__enter__()
with open(os.path.join(FOLDER, "users"), "w") as f:
    f.write("\n".join(USERS) + "\n")
server.share(conf="users file %s/users\noutbound {\npatience 1\ntls-roots file %s/roots.pem\nretry 1h give-up 4d\n%s\n}\n"
             % (FOLDER, FOLDER, "\n".join(ROUTES)), users=("alice",), inbound="max-size 50M")
STARTED = []


def start():
    s = server.shared()
    if not STARTED:
        for row in ROWS.values():
            row.send(s)
        STARTED.append(time.monotonic())
    return s


@cases([(n, n) for n in ROWS], "{0}", limit=120)
def outcome(name):
    row, s = ROWS[name], start()
    eventually(lambda: row.result(s.log()), 60 * SLOW, what="a result for " + row.domain)
    counts, why, _ = row.result(s.log())
    equal(counts, row.want, why)
    check(re.search(row.why, why), "%r is not said in %r" % (row.why, why))
    if row.look:
        check(row.look(row.sink), "the server saw %r" % [x.lines[:12] for x in row.sink.sessions])
    if row.want == S1 and not row.look:
        tail = row.sent.split(b"\r\n\r\n", 1)[1]
        check(row.sink.letters[0].endswith(tail), "the letter is another")


@test("N3 no password in the log, in the queue, in what a person is told")
def no_secret():
    s = start()
    domain = ROWS["N3 AUTH: a server that says the password back"].domain
    for text in (s.log(), s.stderr(), s.command("queue", "list")[1], s.command("--json", "queue", "list")[1], s.command("trace", "sender@client.example.net")[1],
                 s.command("test", "address", "x@" + domain)[1], s.command("config", "show")[1]):
        for secret in ("right secret", "cmlnaHQgc2VjcmV0", "AGNhcmwA"):
            check(secret not in text, "%s stands in %s" % (secret, [l for l in text.splitlines() if secret in l][:2]))


@test("nobody died")
def alive():
    check(not re.search(r"died who=relay|strange-call", start().log()), "a relay died, or called what its sandbox forbids")


tap.main()
