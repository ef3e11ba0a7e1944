"""A waxwing with submission, IMAP and passwords; a client that logs in by SMTP."""
import base64

import letters
import tap
from imap import Imap, Scram
from server import SLOW, Server, free_port
from smtp import Smtp, client_context

USERS = {"alice": "alice-pw", "bob": "bob \"quoted\" \\pw", "carol": "carol-pw-ü"}


def b64(x):
    return base64.b64encode(x if isinstance(x, bytes) else x.encode())


def plain(user, password, authzid=""):
    return b64(authzid + "\0" + user + "\0" + password)


class SubmissionServer(Server):
    """Listeners: smtp (25's), auth (smtp with auth), submission (STARTTLS), submissions (TLS), clear
    (submission, plaintext), imaps."""

    def __init__(self, conf="", passwords=None, address="127.0.0.1", **kw):
        self.ports = {n: free_port() for n in ("smtp", "auth", "submission", "submissions", "clear", "imaps")}
        p = self.ports
        listen = ["smtp %s:%d" % (address, p["smtp"]), "smtp %s:%d auth" % (address, p["auth"]),
                  "submission %s:%d starttls" % (address, p["submission"]),
                  "submission %s:%d tls" % (address, p["submissions"]),
                  "submission 127.0.0.1:%d plaintext" % p["clear"], "imap %s:%d tls" % (address, p["imaps"])]
        super().__init__(conf, listen=listen, **kw)
        self.addr = ("127.0.0.1", p["smtp"])
        self.passwords = USERS if passwords is None else passwords

    def start(self, *a, **kw):
        super().start(*a, **kw)
        for u, pw in self.passwords.items():
            code, out, err = self.command("user", "passwd", self.address(u), stdin=pw.encode() + b"\n")
            tap.equal(code, 0, "user passwd: %s%s" % (out, err))
        self.passwords = {}
        return self

    def at(self, port, **kw):
        return Smtp(("127.0.0.1", self.ports[port]), slow=SLOW, **kw)

    def submission(self, user=None, port="submission", password=None, **kw):
        """A connection that has TLS and, with a user, has logged in."""
        c = self.at(port, banner=port != "submissions", **kw)
        if port == "submissions":
            c.handshake(client_context())
            c.banner = c.reply()
        c.ehlo()
        if port in ("submission", "auth"):
            c.starttls(client_context())
            c.ehlo()
        if user:
            r = c.cmd(b"AUTH PLAIN " + plain(self.address(user), password or USERS[user]))
            tap.equal(r.code, 235, "AUTH %s: %r" % (user, r))
        return c

    def send(self, user, to, letter, sender=None, params="", rcpt_params="", port="submission"):
        """One letter; the reply that decided."""
        with self.submission(user, port=port) as c:
            r = c.mail(sender if sender is not None else self.address(user), params)
            if r.code != 250:
                return r
            for a in [to] if isinstance(to, str) else to:
                r = c.rcpt(self.address(a), rcpt_params)
                if r.code != 250:
                    return r
            return c.data(letter)

    def imap(self, user, password=None):
        c = Imap(("127.0.0.1", self.ports["imaps"]), tls=True, slow=SLOW)
        tap.equal(c.login(self.address(user), password or USERS[user]).status, "OK", "IMAP login")
        return c

    def steps(self, tok):
        """What `waxwing queue list --json` says of the letter with that id."""
        code, out, err = self.command("queue", "show", tok)
        tap.equal(code, 0, "queue show: %s%s" % (out, err))
        return out


def scram(c, user, password, plus=False, tamper=None):
    """AUTH SCRAM-SHA-256; the last reply."""
    binding = None
    if plus:
        import hashlib
        binding = hashlib.sha256(c.tls.getpeercert(True)).digest()
    x = Scram(user, password, binding=binding)
    x.tamper = tamper
    r = c.cmd(b"AUTH SCRAM-SHA-256%s %s" % (b"-PLUS" if plus else b"", b64(x.first())))
    if r.code != 334:
        return r, x
    r = c.cmd(b64(x.final(base64.b64decode(r.text))))
    if r.code == 334:
        x.check(base64.b64decode(r.text))
        r = c.cmd(b"")
    return r, x


_shared = {}


def shared(key="", make=lambda: SubmissionServer()):
    s = _shared.get(key)
    if s is None or not s.alive():
        s = _shared[key] = make().start()
    return s


def _at_end():
    while _shared:
        _shared.popitem()[1].end()


tap.AT_END.append(_at_end)
token = letters.token
