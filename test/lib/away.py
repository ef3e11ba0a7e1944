"""A waxwing whose letters leave for scripted servers (lib/sink.py), and what of them waits."""
import json

import tap
from letters import letter, token
from server import SLOW, Server
from tap import equal

USERS = """away@example.org: bob@other.test
many@example.org: a@one.test, b@one.test, c@two.test
alice2@example.org: alice@example.org, copy@other.test
"""


def world(*sinks, routes=(), users=USERS, more="", retry="1s 2s 4s give-up 1h warn 30m", **kw):
    """A server whose letters leave by the routes (DOMAIN, Sink), the first of `sinks` takes the rest."""
    lines = ["route %s via smtp://127.0.0.1:%d tls off" % (d, s.port) for d, s in routes]
    lines += ["route * via smtp://127.0.0.1:%d tls off" % s.port for s in sinks[:1]]
    conf = "users file users\noutbound {\n    retry %s\n    patience 5\n    %s\n}\n%s" % (
        retry, "\n    ".join(lines), more)
    s = Server(conf, **kw)
    with open(s.dir + "/users", "w") as f:
        f.write(users)
    return s


def queue(s):
    code, out, err = s.command("--json", "queue", "list")
    equal((code, err), (0, ""), "queue list")
    return json.loads(out)


def give(s, to, sender="s@sender.test", body=None, params="", rcpt=""):
    tok = token()
    with s.client() as c:
        c.ehlo()
        equal(c.mail(sender, params).code, 250, "MAIL")
        for one in [to] if isinstance(to, str) else to:
            equal(c.rcpt(one, rcpt).code, 250, "RCPT " + one)
        r = c.data(body or letter(tok))
        equal(r.code, 250, "DATA: %s" % r)
    return tok, r.queue_id


def sent(sink, tok, n=1, limit=10):
    tap.eventually(lambda: len([l for l in sink.letters if tok.encode() in l]) >= n, limit * SLOW,
                   what=lambda: "%d letters with %s, not %d" % (n, tok, len(sink.letters)))
    return [l for l in sink.letters if tok.encode() in l]


def empty(s, limit=10):
    tap.eventually(lambda: not queue(s), limit * SLOW, what=lambda: "an empty queue, but %s" % queue(s))
