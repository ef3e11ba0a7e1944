"""Letters to send, and letters as they lie in a Maildir."""
import itertools
import os
import re
import time

_count = itertools.count(1)


def token():
    """A word that occurs nowhere else, for a Message-ID."""
    return "t%d-%d-%d" % (os.getpid(), next(_count), time.time_ns() // 1000 % 10**12)


def letter(tok=None, body=b"Good day.\r\n", headers=b"", size=None):
    """A plain letter with CRLF; `size` fills the body up to that many octets."""
    tok = tok or token()
    head = (b"From: Sender <sender@client.example.net>\r\nTo: alice@example.org\r\n"
            b"Subject: a letter\r\nDate: Thu, 05 Nov 2026 10:00:00 +0000\r\n"
            b"Message-ID: <" + tok.encode() + b"@client.example.net>\r\n" + headers + b"\r\n")
    if size:
        line = b"abcdefghijklmnopqrstuvwxyz0123456789 ABCDEFGHIJKLMNOPQRSTUVWXYZ\r\n"
        lines, rest = divmod(max(0, size - len(head) - len(body)), len(line))
        body += line * lines + (b"x" * (rest - 2) + b"\r\n" if rest >= 2 else b"")
    return head + body


def message_id(data):
    m = re.search(rb"(?im)^message-id:[ \t]*<([^@>]+)@", data)
    return m.group(1).decode("latin-1") if m else None


# What could be taken for the end of a letter by others: rows A1 to A20.
LEFT = [b"\n", b"\r", b"\r\n", b"\r\r\n", b"\r\n\0"]
RIGHT = [b"\n", b"\r", b"\r\n", b"\r\r\n"]
BOUNDARIES = [(l, r) for l in LEFT for r in RIGHT if (l, r) != (b"\r\n", b"\r\n")]
ENDS = [l + b"." + r for l, r in BOUNDARIES] + [b"\r\n." + t + b"\r\n" for t in (b"\0", b" ", b"\t", b"\x85", b"\xc2\x85", b"\xe2\x80\xa8")]

TRACE = (b"return-path", b"delivered-to", b"envelope-to", b"x-original-to", b"dkim-signature", b"authentication-results",
         b"received-spf", b"received")


class Stored:
    """A letter in a Maildir: `trace` is what the server put in front (name, value),
    `data` is the rest exactly as it lies on disk (LF)."""

    def __init__(self, path):
        self.path = path
        self.name = os.path.basename(path)
        with open(path, "rb") as f:
            self.raw = f.read()
        self.trace, self.data = split_trace(self.raw)

    def first(self, name):
        for k, v in self.trace:
            if k == name.lower():
                return v
        return None

    def all(self, name):
        return [v for k, v in self.trace if k == name.lower()]


def split_trace(raw):
    """Cuts off the fields that our server adds: the leading block up to and with the
    first Received (it writes its own Received last of all)."""
    pos, out = 0, []
    while True:
        m = re.compile(rb"([!-9;-~]+):((?:[^\n]*\n)(?:[ \t][^\n]*\n)*)").match(raw, pos)
        if not m or m.group(1).lower() not in TRACE:
            return out, raw[pos:]
        value = re.sub(rb"\n[ \t]+", b" ", m.group(2)).strip().decode("latin-1")
        out.append((m.group(1).lower().decode(), value))
        pos = m.end()
        if m.group(1).lower() == b"received":
            return out, raw[pos:]


def on_disk(sent):
    """What must lie in the Maildir for a letter that was sent with CRLF."""
    return sent.replace(b"\r\n", b"\n")


def no_return_path(data):
    """Without the Return-Path fields of the header: RFC 5321 §4.4 lets only one stand, the
    one that final delivery writes."""
    head, sep, body = data.partition(b"\n\n")
    return re.sub(rb"(?im)^return-path:[^\n]*\n(?:[ \t][^\n]*\n)*", b"", head + b"\n") + sep[1:] + body


def same(stored, sent):
    """Identical but for trace headers, CRLF and a final newline."""
    if sent[:1] in (b" ", b"\t"):
        sent = b"\r\n" + sent  # no continuation of our last field
    return no_return_path(stored.data).rstrip(b"\n") == no_return_path(on_disk(sent)).rstrip(b"\n")
