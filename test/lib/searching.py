"""A folder "Search" full of letters: four of our own, by whose words the rows of tests go, and those of
shared/testdata/threads.  Without the network namespace of logins.py: no stranger is needed."""
import glob
import os
import re

os.environ.setdefault("LOGIN_TEST_NET", "")
from logins import USERS, shared                                     # noqa: E402

from tap import equal                                                # noqa: E402

DATA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../../shared/testdata")
OWN = [
    b"From: \"J\xc3\xb6rg M\xc3\xbcller\" <joerg@example.org>\r\nTo: alice@example.org\r\nCc: carol@example.net\r\n"
    b"Subject: =?UTF-8?Q?Gr=C3=BC=C3=9Fe_aus_K=C3=B6ln?=\r\nDate: Mon, 7 Feb 1994 21:52:25 -0800\r\n"
    b"Message-ID: <1@x>\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n"
    b"\r\nHello caf=C3=A9, a rare word: zyxomma\r\n",
    b"From: bob@example.org\r\nTo: alice@example.org\r\nSubject: Re: =?ISO-8859-1?Q?Gr=FC=DFe?= aus =?UTF-8?B?S8O2bG4=?=\r\n"
    b"Date: Tue, 8 Feb 1994 01:00:00 +0000\r\nMessage-ID: <2@x>\r\nIn-Reply-To: <1@x>\r\n\r\nyes\r\n",
    b"From: Carol <carol@example.net>\r\nTo: bob@example.org\r\nSubject: picture\r\nMIME-Version: 1.0\r\n"
    b"Date: Wed, 9 Feb 1994 12:00:00 +0000\r\nMessage-ID: <3@x>\r\n"
    b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n"
    b"Content-Transfer-Encoding: base64\r\n\r\naGlkZGVuIHRyZWFzdXJl\r\n--b\r\nContent-Type: image/png; name=\"holiday.png\"\r\n"
    b"Content-Transfer-Encoding: base64\r\n\r\ncGl4ZWxz\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n"
    b"Subject: inner letter\r\nFrom: deep@example.org\r\n\r\nfar inside\r\n--b--\r\n",
    b"From: dave@example.org\r\nTo: alice@example.org\r\nSubject: no date, no id\r\nX-Custom: \r\n\r\nsmall\r\n",
]
state = {}


def letters():
    """The letters that the rows are about, in CRLF."""
    out = [l for l in OWN]
    for path in sorted(glob.glob(DATA + "/threads/threading/**/*", recursive=True) +
                       glob.glob(DATA + "/threads/default/**/*", recursive=True)):
        if os.path.isfile(path):
            with open(path, "rb") as f:
                out.append(f.read().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))
    return out


def fill(s, name, all_letters):
    if not os.path.isdir(s.maildir("alice")):
        s.fence("alice")
    base = os.path.join(s.maildir("alice"), "." + name)
    owner = os.stat(s.home("alice"))
    for d in ("cur", "new", "tmp"):
        os.makedirs(os.path.join(base, d), mode=0o700)
    for i, l in enumerate(all_letters):
        path = "%s/cur/%d.M%06d.h:2," % (base, 1600000000 + i, i)
        with open(path, "wb") as f:
            f.write(l)
        os.utime(path, (1600000000 + 86400 * i, 1600000000 + 86400 * i))
    if os.geteuid() == 0:
        for top, _, files in os.walk(base):
            for f in [""] + files:
                os.chown(os.path.join(top, f), owner.st_uid, owner.st_gid)


def session(name="Search"):
    s = shared()
    if state.get("server") is not s:
        state.update(server=s, letters=letters())
        fill(s, "Search", state["letters"])
    c = s.imap()
    equal(c.login(s.address("alice"), USERS["alice"]).status, "OK", "login")
    equal(c.cmd("SELECT " + name).status, "OK", "SELECT")
    return c


def wire(command):
    """Words that are not ASCII go as literals, as a client without UTF8=ACCEPT has to."""
    return re.sub(rb'"([^"]*[\x80-\xff][^"]*)"', lambda m: b"{%d+}\r\n%s" % (len(m.group(1)), m.group(1)), command.encode())


def answer(c, command):
    r = c.cmd(wire(command))
    equal(r.status, "OK", "%s: %r" % (command, r))
    got = [u for u in r.untagged if re.match(rb"\* (SEARCH|ESEARCH|SORT|THREAD)", u)]
    return got[0].decode() if got else ""
