#!/usr/bin/python3
"""Runs ImapTest's scripted tests (../shared/testdata/imap/imaptest; the format is described in
docs/scripted_test.md of that project).

imaptest_runner.py --port P --user U --password W [--host H] [--user2 U W] [--verbose] [NAME…]

A script: header lines, an empty line, then commands, each with the untagged replies that must
(`*`) or must not (`!`) come.  Where the description is silent: {{{ … }}} is a literal without
its last newline and with CRLF line ends (~{{{: bytes as they are); `append` without a letter
sends the next one of the mbox; replies in the same window of a command may come in any
order; the arguments of a reply must match wholly; one FETCH may answer several lines."""
import argparse
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import imap_client as imap
from imap_client import Atom

HERE = os.path.dirname(os.path.abspath(__file__))
SCRIPTS = os.path.join(HERE, "../../../shared/testdata/imap/imaptest")
NAME = rb"[A-Za-z0-9_]+"
VARIABLE = re.compile(rb"\$\$|\$\{(" + NAME + rb")\}|\$(" + NAME + rb")|\$")
WORDS = ("ok", "no", "bad", '""')
MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()


class Mismatch(Exception):
    pass


class Skipped(Exception):
    pass


# ---- scripts -------------------------------------------------------------------------------------

def literals(text):
    """{{{ … }}} becomes {n}CRLF…; a list of (bytes, literal or None, is_binary)."""
    out = []
    while True:
        m = re.search(rb"(~?)\{\{\{\r?\n", text)
        if not m:
            return out + [(text, None, False)]
        end = text.index(b"}}}", m.end())
        body = text[m.end():end]
        body = body[:-1] if body.endswith(b"\n") else body
        if not m.group(1):
            body = re.sub(rb"(?<!\r)\n", b"\r\n", body)
        out.append((text[:m.start()], body, bool(m.group(1))))
        text = text[end + 3:]


def inline(text):
    return b"".join(a if b is None else a + b"{%d}\r\n" % len(b) + b for a, b, _ in literals(text))


class Step:
    def __init__(self, conn, tag, command, status, line):
        self.conn, self.tag, self.command, self.status, self.line = conn, tag, command, status, line
        self.want, self.ban = [], []
        self.prefix = b""


class Script:
    """groups: lists of steps; those with a tag of their own are pipelined."""

    def __init__(self, path):
        self.name = os.path.basename(path)
        with open(path, "rb") as f:
            data = f.read()
        self.header = {}
        lines = data.split(b"\n")
        i = 0
        while i < len(lines) and lines[i].strip():
            if not lines[i].startswith(b"#"):
                k, v = lines[i].decode().split(":", 1)
                self.header[k.strip()] = v.strip()
            i += 1
        self.connections = int(self.header.get("connections", "1"))
        self.groups = []
        self.read(self.logical(lines, i))

    @staticmethod
    def logical(lines, i):
        while i < len(lines):
            start, text = i + 1, lines[i]
            i += 1
            while text.count(b"{{{") > text.count(b"}}}") and i < len(lines):
                text += b"\n" + lines[i]
                i += 1
            if text.strip() and not text.startswith(b"#"):
                yield start, text

    def read(self, logical):
        waits = None        # a command of method 2 whose status is still to come
        tags = {}           # open commands of method 3
        for n, text in logical:
            if text[:2] in (b"* ", b"! "):
                step = self.groups[-1][-1]
                (step.want if text[:1] == b"*" else step.ban).append(
                    (imap.parse(inline(text[2:]))[0], text))
                continue
            conn = 0
            m = re.match(rb"([1-9]) ", text)
            if self.connections > 1 and m:
                conn, text = int(m.group(1)) - 1, text[2:]
            word, _, rest = text.partition(b" ")
            w = word.decode("latin-1").lower()
            if waits and w in WORDS:
                waits.status, waits.prefix, waits = w, rest, None
            elif w in WORDS:
                self.groups.append([Step(conn, None, rest, w, n)])
            elif re.match(r"tag\d*$", w):
                first = rest.split(b" ", 1)[0].decode("latin-1").lower()
                if first in WORDS and w in tags:
                    tags[w].status, tags[w].prefix = first, rest.partition(b" ")[2]
                    del tags[w]
                else:
                    step = Step(conn, w, rest, None, n)
                    if tags:
                        self.groups[-1].append(step)
                    else:
                        self.groups.append([step])
                    tags[w] = step
            else:
                waits = Step(conn, None, text, None, n)
                self.groups.append([waits])


def letters_of(path):
    """(date of the From line as INTERNALDATE, letter with CRLF) of an mbox."""
    with open(path, "rb") as f:
        data = f.read()
    out = []
    for part in re.split(rb"(?:\A|(?<=\n))From (?=\S+ )", data)[1:]:
        line, _, body = part.partition(b"\n")
        m = re.search(rb"(\w{3}) +(\d+) (\d\d:\d\d:\d\d) (\d{4})", line)
        date = "%2d-%s-%s %s +0000" % (int(m.group(2)), m.group(1).decode(), m.group(4).decode(),
                                      m.group(3).decode())
        out.append((date, re.sub(rb"\r?\n", b"\r\n", body)))
    return out


# ---- matching ------------------------------------------------------------------------------------

class Matcher:
    """Compares a pattern with a reply; what it binds stays in vars only if all of it matched.
    order is the sequence numbers of the connection at the start of the command."""

    def __init__(self, vars, order):
        self.vars, self.order = vars, order

    def atom(self, p, v):
        if p == b"$":
            return True
        if isinstance(v, list):
            return False
        v = b"NIL" if v is None else bytes(v)
        if b"$" not in p:
            # Its authors compare strings that end at NUL, and one script relies on it.
            return p.lower() == v.lower() or \
                b"\0" in p and p.split(b"\0")[0].lower() == v.split(b"\0")[0].lower()
        m = re.fullmatch(rb"\$(\d+)", p)
        if m:
            n = int(v) if v.isdigit() else 0
            return 1 <= n <= len(self.order) and self.order[n - 1] == int(m.group(1))
        regex, names, at = b"", [], 0
        for m in VARIABLE.finditer(p):
            regex += re.escape(p[at:m.start()])
            at = m.end()
            name = m.group(1) or m.group(2)
            if m.group(0) == b"$$":
                regex += rb"\$"
            elif name in self.vars:
                regex += re.escape(self.vars[name])
            elif name is None:
                regex += b".*?"
            else:
                names.append(name)
                regex += b"(.*?)"
        regex += re.escape(p[at:])
        m = re.fullmatch(regex, v, re.I | re.S)
        if m:
            self.vars.update(zip(names, m.groups()))
        return bool(m)

    def value(self, p, v, how=None):
        if isinstance(p, list):
            return isinstance(v, list) and self.list(p, v, how)
        if p is None:
            return v is None or (isinstance(v, bytes) and v.upper() == b"NIL")
        return self.atom(p, v)

    def list(self, p, v, how=None):
        how = dict(how or {})
        words = [x for x in p if isinstance(x, bytes) and x.startswith(b"$!")]
        if words:
            how = {}
            p = [x for x in p if x not in words]
            for w in words:
                k, _, arg = w[2:].decode().partition("=")
                if k == "unordered":
                    how["chain"] = int(arg or 1)
                elif k in ("noextra", "extra"):
                    how["noextra"] = k == "noextra"
                elif k in ("ignore", "ban"):
                    how.setdefault(k, []).append(arg.lower().encode())
        chain = how.get("chain")
        if not chain:
            return len(p) == len(v) and all(self.value(a, b) for a, b in zip(p, v))
        left = [v[i:i + chain] for i in range(0, len(v), chain)]
        for i in range(0, len(p), chain):
            want = p[i:i + chain]
            for j, got in enumerate(left):
                if len(got) == len(want) and all(
                        self.value(a, b, self.inner(want)) for a, b in zip(want, got)):
                    del left[j]
                    break
            else:
                return False
        low = [g[0].lower() if isinstance(g[0], bytes) else b"" for g in left]
        if any(g in how.get("ban", []) for g in low):
            return False
        return not how.get("noextra") or all(g in how.get("ignore", []) for g in low)

    @staticmethod
    def inner(want):
        """Defaults for the flags within a FETCH reply."""
        if len(want) == 2 and isinstance(want[0], bytes) and want[0].lower() == b"flags":
            return {"chain": 1, "noextra": True, "ignore": [b"\\recent"]}
        return None

    def reply(self, p, r):
        status = isinstance(p[0], bytes) and p[0].upper() in imap.STATUS
        if status:
            if r.status != p[0].upper():
                return False
            if len(p) == 1:
                return True
            text = p[1]
            if isinstance(text, bytes) and text.startswith(b"["):
                # "[uidnext $x]" was read as atoms
                code = imap.parse(b" ".join(x for x in p[1:] if isinstance(x, bytes))[1:], 0, b"]")[0]
                return r.code is not None and self.list(code, r.code)
            return True
        v = r.args
        if r.status or len(v) != len(p):
            return False
        for i, (a, b) in enumerate(zip(p, v)):
            how = None
            if isinstance(a, list):
                first = p[0].lower() if isinstance(p[0], bytes) else b""
                second = p[1].lower() if len(p) > 1 and isinstance(p[1], bytes) else b""
                if second == b"fetch" and i == 2:
                    how = {"chain": 2}
                elif first in (b"list", b"lsub") and i == 1:
                    how = {"chain": 1}
                elif first == b"status" and i == 2:
                    how = {"chain": 2}
            if not self.value(a, b, how):
                return False
        return True


# ---- running -------------------------------------------------------------------------------------

class Connection:
    def __init__(self, addr, greet=True):
        self.c = imap.Imap(addr, timeout=10)
        self.exists = 0

    def note(self, r):
        if r.word(1) == b"EXISTS":
            self.exists = int(r.args[0])
        elif r.word(1) == b"EXPUNGE":
            self.exists -= 1


class Runner:
    def __init__(self, addr, users, box="imaptest", folder=SCRIPTS):
        self.addr, self.users, self.box, self.folder = addr, users, box.encode(), folder

    def names(self):
        return sorted(n for n in os.listdir(self.folder)
                      if "." not in n and os.path.isfile(os.path.join(self.folder, n)))

    def run(self, name):
        """Raises Mismatch or Skipped."""
        self.script = Script(os.path.join(self.folder, name))
        own = os.path.join(self.folder, name + ".mbox")
        self.mbox = letters_of(own if os.path.exists(own) else
                               os.path.join(self.folder, "default.mbox"))
        self.next = 0
        user = self.users[0]
        self.vars = {b"mailbox": self.box, b"mailbox_url": self.box, b"password": user[1].encode()}
        for i, (name, _pw) in enumerate(self.users):
            tail = b"" if i == 0 else b"%d" % (i + 1)
            local, _, domain = name.partition("@")
            self.vars.update({b"user" + tail: name.encode(), b"username" + tail: local.encode(),
                              b"domain" + tail: domain.encode()})
        self.conns = []
        try:
            self.prepare()
            for group in self.script.groups:
                self.group(group)
        finally:
            for k in self.conns:
                k.c.close()

    def prepare(self):
        state = self.script.header.get("state", "selected")
        for i in range(self.script.connections):
            k = Connection(self.addr)
            self.conns.append(k)
            who = self.users[0]
            if "user %d" % (i + 1) in self.script.header:
                if len(self.users) < 2:
                    raise Skipped("needs a second user")
                who = self.users[1]
            if state != "nonauth":
                k.c.login(*who)
        c = self.conns[0].c
        need = self.script.header.get("capabilities", "").upper().encode().split()
        have = c.capabilities()
        missing = [w.decode() for w in need if w not in have]
        if missing:
            raise Skipped("no " + " ".join(missing))
        if state == "nonauth":
            return
        for r in c.ok(b'LIST "" ' + self.box + b"*"):
            if r.word() == b"LIST" and not any(
                    isinstance(f, bytes) and f.lower() in (b"\\noselect", b"\\nonexistent")
                    for f in r.args[1]):
                c.ok(b"DELETE " + imap.quoted(r.args[3]))
        if state == "auth":
            return
        c.ok(b"CREATE " + self.box)
        if state == "created":
            return
        count = self.script.header.get("messages", "all")
        for _ in range(len(self.mbox) if count == "all" else int(count)):
            date, text = self.letter()
            r, _un = c.append(self.box, text, date=date)
            if r.status != b"OK":
                raise Mismatch("append: %r" % r)
        if state == "appended":
            return
        for k in self.conns:
            for r in k.c.ok(b"SELECT " + self.box):
                k.note(r)

    def letter(self):
        got = self.mbox[self.next % len(self.mbox)]
        self.next += 1
        return got

    def expand(self, text):
        def put(m):
            if m.group(0) == b"$$":
                return b"$"
            name = m.group(1) or m.group(2)
            if name not in self.vars:
                raise Mismatch("variable $%s has no value" % (name or b"").decode())
            return self.vars[name]
        return VARIABLE.sub(put, text)

    def send(self, k, step, tag):
        """Sends a command; what came before its end (continuations) is returned."""
        text = step.command
        words = text.split()
        if words[0].lower() == b"append" and b"{{{" not in text and b"catenate" not in words:
            if len(words) == 1:
                text += b" $mailbox"
            date, letter = self.letter()
            parts = [(self.expand(text) + b" " + imap.quoted(date) + b" ", letter, False),
                     (b"", None, False)]
        else:
            parts = [(self.expand(a), b, c) for a, b, c in literals(text)]
        early = []
        k.c.send(tag + b" " + parts[0][0])
        for i, (_a, lit, binary) in enumerate(parts[:-1]):
            k.c.send((b"~" if binary else b"") + b"{%d}\r\n" % len(lit))
            while True:
                r = k.c.response()
                if r.tag == b"+":
                    break
                early.append(r)
                if r.tag == tag:
                    return early
            k.c.send(lit + parts[i + 1][0])
        k.c.send(b"\r\n")
        return early

    def group(self, steps):
        k = self.conns[steps[0].conn]
        order = list(range(1, k.exists + 1))
        names, early = {}, []
        for n, step in enumerate(steps):
            tag = b"s%d.%d" % (step.line, n)
            names[tag] = step
            self.vars[b"tag"] = tag
            early += self.send(k, step, tag)
        wants = [[p, text, False, s] for s in steps for p, text in s.want]
        bans = [(p, text, s) for s in steps for p, text in s.ban]
        seen = []
        while names:
            r = early.pop(0) if early else k.c.response()
            if r.tag in names:
                step = names.pop(r.tag)
                if step.status != '""' and r.status != (step.status or "").upper().encode():
                    raise Mismatch("line %d: %r, want %s" % (step.line, r, step.status))
                prefix = self.expand(step.prefix) if step.prefix else b""
                if prefix and not r.rest[len(r.status):].strip().lower().startswith(prefix.lower()):
                    raise Mismatch("line %d: %r, want %r" % (step.line, r, prefix))
                continue
            if r.tag == b"+":
                continue
            seen.append(r)
            for p, text, step in bans:
                if Matcher(dict(self.vars), order).reply(p, r):
                    raise Mismatch("line %d: %r must not come" % (step.line, r))
            for w in wants:
                if not w[2]:
                    bound = dict(self.vars)
                    if Matcher(bound, order).reply(w[0], r):
                        self.vars.update(bound)
                        w[2] = True
                        if r.word(1) != b"FETCH":
                            break
            k.note(r)
            if r.word(1) == b"EXPUNGE" and 1 <= int(r.args[0]) <= len(order):
                order.pop(int(r.args[0]) - 1)
            elif r.word(1) == b"EXISTS":
                order += [0] * (int(r.args[0]) - len(order))
        for p, text, done, step in wants:
            if not done:
                raise Mismatch("line %d: no reply like %s; came %s" %
                               (step.line, text.decode("latin-1")[:300], seen[-12:]))


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--host", default="127.0.0.1")
    ap.add_argument("--port", type=int, required=True)
    ap.add_argument("--user", required=True)
    ap.add_argument("--password", required=True)
    ap.add_argument("--user2", nargs=2)
    ap.add_argument("names", nargs="*")
    o = ap.parse_args()
    users = [(o.user, o.password)] + ([tuple(o.user2)] if o.user2 else [])
    runner = Runner((o.host, o.port), users)
    bad = 0
    for name in o.names or runner.names():
        try:
            runner.run(name)
            print("ok", name)
        except Skipped as x:
            print("skip %s: %s" % (name, x))
        except (Mismatch, AssertionError, imap.Closed, imap.Malformed) as x:
            bad += 1
            print("FAILED %s: %s: %s" % (name, type(x).__name__, x))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
