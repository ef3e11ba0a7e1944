"""An account with INBOX (UIDs 1 to 4) and Other (UID 1, an annotation), and all that a client is shown of it:
for tests in which something fails under its verbs."""
import imap_client
import tap
from letters import letter
from server import SLOW


class Boxes:
    def __init__(self, t, user):
        self.t, self.user = t, user
        t.s.expect_crash = True
        with self.session() as c:
            c.ok("CREATE Other")
            for n in range(4):
                c.append("INBOX", letter("t%d" % n), "\\Seen \\Deleted" if n == 3 else "")
            c.append("Other", letter("o0"), "old")
            c.ok('SETMETADATA Other (/private/comment "old")')

    def session(self, timeout=20):
        c = imap_client.Imap((self.t.host, self.t.imap), timeout=timeout)
        c.login(self.t.login_name(self.user), self.t.password(self.user))
        return c

    def again(self):
        """A process that ended is there again."""
        def try_it():
            try:
                return self.session()
            except (imap_client.Closed, AssertionError, OSError):
                return None
        return tap.eventually(try_it, 10 * SLOW, what="a session")

    def shown(self):
        """{folder: {UID: (flags, Message-ID)}}, what is subscribed, and the annotations."""
        out = {}
        with self.again() as c:
            for r in c.ok('LIST "" *'):
                name = bytes(r.args[-1])
                c.ok(b"SELECT " + imap_client.quoted(name))
                out[name] = rows = {}
                for u in c.ok("UID FETCH 1:* (UID FLAGS BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])"):
                    if u.word(1) == b"FETCH":
                        d = dict(zip([bytes(k).split(b"[")[0] for k in u.args[2][::2]], u.args[2][1::2]))
                        rows[int(d[b"UID"])] = (frozenset(d[b"FLAGS"]) - {b"\\Recent"}, d[b"BODY"])
            out["subscribed"] = sorted(bytes(r.args[-1]) for r in c.ok('LSUB "" *'))
            out["annotated"] = sorted(bytes(r.args[-1][1]) for f in set(out) & {b"Other", b"Another"}
                                      for r in c.ok(b"GETMETADATA %s /private/comment" % f) if r.word() == b"METADATA")
        return out
