#!/usr/bin/python3
"""Letters for servers that take 7 bits only (RFC 6152 §3).

Python's email package says what a letter is; what arrives must decode to what was sent.  In builds for tests the queue
and scan are killed at each step of the way: the letter is there afterwards, once."""
import email
import email.policy
import json
import os
import re
import subprocess

import server
import tap
from letters import letter, token
from server import SLOW, Server
from sink import Sink
from tap import cases, check, equal, test

IS_FOR_TESTS = subprocess.run([server.BINARY, "-c", "/nonexistent", "test", "clock"],
                              capture_output=True, text=True, check=False).returncode != 2
SEVEN = ("PIPELINING", "SIZE 50000000", "DSN")
TEXT = "Grüße, dies ist ein Text.\r\n.\r\nlang: %s =\r\n" % ("ä" * 300)
MIXED = b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\nContent-Transfer-Encoding: 8bit\r\n"
PARTS = (b"--b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" + TEXT.encode() +
         b"\r\n--b\r\nContent-Type: text/html; charset=iso-8859-1\r\nContent-Transfer-Encoding: 8bit\r\n\r\n<p>\xe4\xf6\xfc</p>\r\n"
         b"\r\n--b\r\nContent-Type: application/octet-stream\r\nContent-Disposition: attachment; filename=x.bin\r\n"
         b"Content-Transfer-Encoding: 8bit\r\n\r\n" + bytes(i for i in range(256) if i not in b"\0\r\n") + b"\r\n"
         b"\r\n--b\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n\r\nFrom: a@b.test\r\nSubject: within\r\n"
         b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" +
         "Ünten\r\n".encode() + b"\r\n--b\r\nContent-Type: text/plain\r\n\r\nplain\r\n--b--\r\n")
SIGNED = (b'MIME-Version: 1.0\r\nContent-Type: multipart/signed; boundary=b; protocol="application/pgp-signature"\r\n',
          b"--b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" + "Grüße\r\n".encode() +
          b"--b\r\nContent-Type: application/pgp-signature\r\n\r\nx\r\n--b--\r\n")
PLAIN = (b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n",
         "Grüße\r\n".encode())


def world(seven, eight, retry="1s 1s 1s 1s 2s give-up 1h warn 30m"):
    """old.test is the server of 7 bits, other.test takes all."""
    s = Server("users file users\noutbound {\n    retry %s\n    patience 5\n"
               "    route old.test via smtp://127.0.0.1:%d tls off\n    route * via smtp://127.0.0.1:%d tls off\n}\n"
               % (retry, seven.port, eight.port))
    with open(os.path.join(s.dir, "users"), "w") as f:
        f.write("old@example.org: x@old.test, y@old.test\nboth@example.org: alice, z@old.test, new@other.test\n")
    return s


def give(s, to, headers, body, sender="bob@example.org", params="", rcpt=""):
    tok = token()
    with s.client() as c:
        c.ehlo()
        equal(c.mail(sender, ("BODY=8BITMIME " + params).strip()).code, 250, "MAIL")
        for one in [to] if isinstance(to, str) else to:
            equal(c.rcpt(one, rcpt).code, 250, "RCPT " + one)
        sent = letter(tok, body, headers)
        r = c.data(sent)
        equal(r.code, 250, "DATA: %s" % r)
    return tok, r.queue_id, sent


def queue(s):
    code, out, err = s.command("--json", "queue", "list")
    equal((code, err), (0, ""), "queue list")
    return json.loads(out)


def arrived(sink):
    """Without those that are only the dot behind a DATA that was sent on before MAIL was refused."""
    return [l for l in sink.letters if l.strip()]


def come(sink):
    return tap.eventually(lambda: arrived(sink), 15 * SLOW, what="a letter at the other server")


def empty(s):
    tap.eventually(lambda: not queue(s), 15 * SLOW, what=lambda: "an empty queue, but %s" % queue(s))


def parts(raw):
    """(type, charset, file name, octets) of each leaf."""
    return [(p.get_content_type(), p.get_content_charset(), p.get_filename(), p.get_payload(decode=True))
            for p in email.message_from_bytes(raw, policy=email.policy.compat32).walk() if not p.is_multipart()]


def undotted(raw):
    return re.sub(rb"(?m)^\.", b"", raw)


def is_7bit(raw):
    return all(b < 128 for b in raw) and all(len(l) <= 998 for l in raw.split(b"\r\n"))


@test("every part decodes to what was sent; others get the letter as it came")
def decoded():
    """One letter in 7 bits for both recipients there, with ENVID, RET, NOTIFY and ORCPT; untouched for all others."""
    with Sink(ehlo=SEVEN) as old, Sink() as new, world(old, new) as s:
        tok, mid, sent = give(s, ["old@example.org", "both@example.org"], MIXED, PARTS, "bob@example.org",
                              "RET=HDRS ENVID=e17", "NOTIFY=FAILURE,DELAY ORCPT=rfc822;first@start.test")
        got = undotted(come(old)[0])
        s.wait(tok)
        equal(sorted(c.split()[1] for c in old.commands("RCPT")), ["TO:<x@old.test>", "TO:<y@old.test>", "TO:<z@old.test>"],
              "recipients in 7 bits")
        check(is_7bit(got), "not 7 bits: %r" % [l for l in got.split(b"\r\n") if not is_7bit(l)][:3])
        equal(parts(got), parts(sent), "decoded")
        said = [str(p["Content-Transfer-Encoding"]).lower() for p in email.message_from_bytes(got).walk()]
        equal(said, ["7bit", "quoted-printable", "quoted-printable", "base64", "7bit", "quoted-printable", "none"], "encodings")
        check(all("BODY=" not in c and "ENVID=e17" in c and "RET=HDRS" in c for c in old.commands("MAIL")), old.commands("MAIL"))
        check(all("NOTIFY=FAILURE,DELAY ORCPT=rfc822;first@start.test" in c for c in old.commands("RCPT")), old.commands("RCPT"))
        check(sent in come(new)[0], "other.test has other bytes")
        check("BODY=8BITMIME" in new.commands("MAIL")[0], new.commands("MAIL"))
        check(s.find(tok)[0].raw.endswith(sent.replace(b"\r\n", b"\n")), "the mailbox has other bytes")
        empty(s)
        s.log_wait(r" converted msg=%s .*target=\"?x@old\.test" % mid)
        copy = re.search(r" converted msg=%s .*copy=\"?([^ \"]+)" % mid, s.log()).group(1)
        for one, other in ((mid, copy), (copy, mid)):
            code, out, _ = s.command("trace", one)
            check(code == 0 and one in out and other in out and "7 bits" in out, "trace %s: %s" % (one, out))


@test("a letter of 3 MiB: through the spool, and nothing is left there")
def large():
    body = ("Übergröße %s\r\n" % ("x" * 60)).encode() * 40000
    with Sink(ehlo=SEVEN) as old, Sink() as new, world(old, new) as s:
        _, _, sent = give(s, "old@example.org", PLAIN[0], body)
        got = undotted(come(old)[0])
        check(is_7bit(got), "not 7 bits")
        equal(parts(got), parts(sent), "decoded")
        empty(s)
        tap.eventually(lambda: not os.listdir(os.path.join(s.dir, "spool", "in")), 10 * SLOW, what="an empty spool")


@cases([
    ("signed in 8 bits", SIGNED[0], SIGNED[1], "", "5.6.3", "within what is signed"),
    ("8 bits in a header", "Subject: Grüße\r\n".encode(), b"x\r\n", "", "5.6.3", "in a header"),
    ("E3 SMTPUTF8 and 8 bits", "Subject: Grüße\r\n".encode() + PLAIN[0], PLAIN[1], "SMTPUTF8", "5.6.7", "SMTPUTF8"),
], name="{0}: the sender hears why, once")
def impossible(headers, body, params, code, why):
    """What cannot be had in 7 bits is reported with its code, our words and advice; nothing of it leaves."""
    with Sink(ehlo=SEVEN) as old, Sink() as new, world(old, new) as s:
        _, mid, _ = give(s, "old@example.org", headers, body, "alice@example.org", params)
        report = s.wait("The number of your message here is " + mid).raw.decode().replace("\r\n", "\n")
        for want in ("Action: failed", "Status: " + code, why, "Final-Recipient: rfc822;x@old.test",
                     "Final-Recipient: rfc822;y@old.test"):
            check(want in report, "%s is not in the report:\n%s" % (want, report))
        check(code != "5.6.3" or "quoted-printable or base64" in re.sub(r"\s+", " ", report), "no advice:\n" + report)
        empty(s)
        equal((old.letters, old.commands("MAIL"), len(s.letters())), ([], [], 1), "what left, and the reports")
        give(s, "old@example.org", headers, body, "", params)
        empty(s)
        equal((old.letters, len(s.letters())), ([], 1), "of the null sender")


@test("a letter that waits afterwards is as old as it was, and fails as it would have")
def age():
    """Between the answer that 7 bits are wanted and the letter there the server is busy for a while."""
    with Sink(ehlo=SEVEN, EHLO=lambda n, l: None if len(old.sessions) > 2 else "451 4.3.0 not yet",
              MAIL="451 4.3.2 busy") as old, Sink() as new, world(old, new) as s:
        _, mid, _ = give(s, "old@example.org", *PLAIN)
        was = queue(s)[0]["accepted"]
        tap.eventually(lambda: old.commands("MAIL"), 20 * SLOW, what="MAIL")
        rows = queue(s)
        equal([(r["accepted"], sorted(x["target"] for x in r["recipients"])) for r in rows],
              [(was, ["x@old.test", "y@old.test"])], "the queue")
        check(rows[0]["id"] != mid, "the old letter waits still: %s" % rows)


@cases([(" ".join(row), *row) for row in (
    ("queue", "journal.write", "1"), ("queue", "journal.sync", "1"), ("queue", "ipc.send", "1"),
    ("queue", "ipc.send", "2"), ("scan", "ipc.send", "1"), ("queue", "spool.drain", "1"), ("queue", "spool.drain", "20"),
    ("queue", "spool.sync", "1"), ("queue", "spool.sync-dir", "1"))] if IS_FOR_TESTS else [],
       name="P5 killed on the way: {0}: in 7 bits once, and nowhere else", limit=120)
def dies(role, point, nth):
    """The server there hangs at EHLO until the fault is ordered, and takes the letter only when all is back."""
    may = {"hello": False, "mail": False}
    large = point.startswith("spool")
    with Sink(ehlo=SEVEN, EHLO=lambda n, l: None if may["hello"] else "451 4.3.0 not yet",
              MAIL=lambda n, l: None if may["mail"] else "451 4.3.2 not yet") as old, Sink() as new, world(old, new) as s:
        s.expect_crash = True
        _, _, sent = give(s, "old@example.org", PLAIN[0], PLAIN[1] * (60000 if large else 1))
        tap.eventually(lambda: old.sessions, 10 * SLOW, what="a session")
        code, _, err = s.command("test", "fault", point, "kill", "nth", nth, "in", role)
        equal((code, err), (0, ""), "test fault")
        may["hello"] = True
        s.log_wait(r"fault point=%s\b" % re.escape(point), 20 * SLOW)
        tap.eventually(lambda: old.commands("MAIL"), 30 * SLOW, what="MAIL")
        s.command("test", "fault", "clear")
        s.kill_all()
        s.start()
        rows = tap.eventually(lambda: queue(s), 10 * SLOW, what="a letter in the queue")
        equal([sorted(r["target"] for r in row["recipients"]) for row in rows], [["x@old.test", "y@old.test"]], "who waits")
        may["mail"] = True
        come(old)
        empty(s)
        equal(len(arrived(old)), 1, "copies")
        equal(sorted(c.split()[1] for c in old.commands("RCPT")[-2:]), ["TO:<x@old.test>", "TO:<y@old.test>"], "recipients")
        equal(parts(undotted(arrived(old)[0])), parts(sent), "decoded")


tap.main()
