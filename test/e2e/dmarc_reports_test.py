#!/usr/bin/python3
"""Received DMARC reports: letters in each form are read, kept once and told; what is hostile is refused, and stays a letter."""
import base64
import gzip
import io
import json
import random
import time
import zipfile

import tap
from letters import token
from server import SLOW, Server
from smtp import Closed, Smtp
from tap import check, equal, eventually, test

QUIET = "dns {\n  resolver off\n}\n"
BLOCK = QUIET + "domain example.org {\n  dmarc-reports alice@example.org\n}\n"


def row(ip, count, dkim="pass", spf="pass", done="none", auth="", extra=""):
    return ("<record><row><source_ip>%s</source_ip><count>%s</count><policy_evaluated><disposition>%s</disposition><dkim>%s</dkim>"
            "<spf>%s</spf>%s</policy_evaluated></row><identifiers><header_from>example.org</header_from></identifiers><auth_results>%s"
            "</auth_results></record>" % (ip, count, done, dkim, spf, extra, auth))


def signed(domain, result, selector="s1"):
    return "<dkim><domain>%s</domain><selector>%s</selector><result>%s</result></dkim>" % (domain, selector, result)


def spf(domain, result):
    return "<spf><domain>%s</domain><scope>mfrom</scope><result>%s</result></spf>" % (domain, result)


def report(rows, number="1", org="Receiver Inc.", domain="example.org", days_ago=1, head='<?xml version="1.0" encoding="UTF-8"?>'):
    end = int(time.time()) - days_ago * 86400
    return (head + "<feedback><report_metadata><org_name>%s</org_name><email>d@receiver.example</email><report_id>%s</report_id>"
            "<date_range><begin>%d</begin><end>%d</end></date_range></report_metadata><policy_published><domain>%s</domain>"
            "<adkim>r</adkim><aspf>r</aspf><p>quarantine</p><pct>100</pct></policy_published>%s</feedback>"
            % (org, number, end - 86399, end, domain, "".join(rows))).encode()


def zipped(data, name="../../r.xml"):
    b = io.BytesIO()
    with zipfile.ZipFile(b, "w", zipfile.ZIP_DEFLATED) as z:
        z.writestr(name, data)
    return b.getvalue()


def letter(data, kind="application/octet-stream", tok=""):
    lines = base64.encodebytes(data).replace(b"\n", b"\r\n")
    return (b"From: reports@receiver.example\r\nTo: x@example.org\r\nSubject: Report Domain: example.org " + tok.encode() +
            b"\r\nMessage-ID: <" + token().encode() + b"@receiver.example>\r\nMIME-Version: 1.0\r\n"
            b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nThis is a report.\r\n--b\r\n"
            b"Content-Type: " + kind.encode() + b"; name=r\r\nContent-Transfer-Encoding: base64\r\n\r\n" + lines + b"--b--\r\n")


def send(s, text, to="dmarc-reports@example.org"):
    with Smtp(s.addr) as c:
        c.ehlo("mx.receiver.example")
        r = c.deliver([to], text, sender="reports@receiver.example")
    equal(r.code, 250, repr(r))


def told(s, *words):
    code, out, err = s.command("--json", "report", "dmarc", *words)
    check(code in (0, 1), err)
    return json.loads(out)


def sources(s, n, *words):
    """The rows of all domains, once there are n."""
    def rows():
        return [x for d in told(s, *words)["domains"] for x in d["sources"]]
    eventually(lambda: len(rows()) >= n, 20 * SLOW, 0.1, "%d rows" % n)
    equal(len(rows()), n, "rows")
    return rows()


def unread(s, n):
    eventually(lambda: len(told(s)["unread"]) >= n, 20 * SLOW, 0.1, "%d letters that were not read" % n)
    return told(s)["unread"]


@test("a report in each of the three forms is told in plain sentences, once, also after a restart")
def forms():
    rows = [row("192.0.2.10", 3, "pass", "fail", "none", signed("example.org", "pass") + spf("srs.example.net", "pass")),
            row("2001:db8::66", 40, "fail", "fail", "reject", spf("example.org", "fail"))]
    with Server(QUIET) as s:
        code, out, _err = s.command("report", "dmarc")
        check(code == 1 and "No report" in out, out)
        send(s, letter(zipped(report(rows, "zip")), "application/zip"))
        send(s, letter(gzip.compress(report(rows[:1], "gzip", org="Other & Co".replace("&", "&amp;"))), "application/gzip"),
             "DMARC-Reports+x@EXAMPLE.org")
        send(s, letter(report(rows[:1], "plain"), "text/xml"))
        send(s, letter(report(rows[:1], "plain"), "text/xml"))           # the same again
        eventually(lambda: sum(d["reports"] for d in told(s)["domains"]) == 3, 20 * SLOW, 0.1, "three reports")
        s.fence()
        for _ in range(2):
            got = sources(s, 2)
            equal([(x["ip"], x["letters"], x["disposition"], x["meaning"]) for x in got],
                  [("2001:db8::66", 40, "reject", "forged"), ("192.0.2.10", 9, "none", "forwarded")], "rows")
            one, = told(s)["domains"]
            equal((one["domain"], one["reports"], one["letters"], one["reporters"], one["policy"]),
                  ("example.org", 3, 49, "Other & Co, Receiver Inc.", "quarantine"), "domain")
            s.restart()
        _code, out, _err = s.command("report", "dmarc", "Example.ORG", "--since", "30d")
        for words in ("example.org: 49 letters in 3 reports of Other & Co, Receiver Inc.", "2001:db8::66: 40 letters, DKIM failed, SPF failed "
                      "(example.org fail), refused", "probably a forger", "192.0.2.10: 9 letters, DKIM passed", "Forwarded: your signature"):
            check(words in out, out)
        equal(s.command("report", "dmarc", "example.com")[0], 1, "another domain")
        equal(s.command("report", "dmarc", "--since", "1h")[0], 1, "another time")
        equal(s.command("report", "dmarc", "--since")[0], 2, "usage")
        equal(s.find("Report Domain"), [], "nobody's inbox")


@test("an address with a mailbox gets the letter too; the default address is then nobody's; a person's letter is told as unread")
def configured():
    with Server(BLOCK, default_domain=False) as s:
        t = token()
        send(s, letter(zipped(report([row("192.0.2.1", 1)])), "application/zip", t), "alice@example.org")
        sources(s, 1)
        s.wait(t)
        with Smtp(s.addr) as c:
            c.ehlo("x.example")
            c.mail("a@client.example.net")
            equal(c.rcpt("dmarc-reports@example.org").code, 550, "the default address")
        t = token()
        send(s, b"From: p@person.example\r\nSubject: " + t.encode() + b"\r\n\r\nHello\r\n", "alice@example.org")
        s.wait(t)
        one, = unread(s, 1)
        equal((one["from"], one["why"]), ("person.example", "there is no report in it"), "told")
        _code, out, _err = s.command("report", "dmarc")
        check("person.example: there is no report in it" in out, out)


@test("K7 bombs, entities, too many rows, nesting, nonsense are refused with a word, and the letter is still a letter")
def hostile():
    laughs = ('<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "lol">' +
              "".join('<!ENTITY %s "%s">' % (chr(98 + i), ("&%s;" % chr(97 + i)) * 10) for i in range(9)) + "]>")
    blank = b"<feedback>"
    noise = random.Random(7)
    many = report([row("10.%d.%d.%d" % tuple(noise.randbytes(3)), noise.randrange(10**8)) for _ in range(30000)])
    good = report([row("192.0.2.1", 1)], "good")
    rows = [
        (gzip.compress(blank + b" " * (60 << 20)), "a bomb"), (zipped(blank + b" " * (20 << 20)), "a bomb"),
        (zipped(blank + b" " * (30 << 20)), "25 MiB"),
        (gzip.compress(many, 1), "4000 records"),
        (report(["<x>&j;</x>"], head=laughs), "DOCTYPE"),
        (report([], head='<?xml version="1.0"?><!DOCTYPE f [<!ENTITY x SYSTEM "file:///etc/passwd">]>'), "DOCTYPE"),
        (zipped(zipped(good)), "no XML"), (gzip.compress(good)[:-30], "cut off"), (zipped(good)[:200], "cut off"),
        (report([row("nowhere", 1)]), "no IP address"), (report([row("192.0.2.1", "x")]), "no number"),
        (b"<?xml version='1.0'?>" + b"<a>" * 100000, "DMARC report"), (b"<?xml version='1.0'?><feedback>" + b"<a>" * 100000, "nested"),
        (report([row("192.0.2.1", 1)])[:-100], "no XML"), (b"<?xml version='1.0'?><feedback>\xff\xfe", "no XML"),
        (report([row("192.0.2.1", 1)], domain="victim.example"), "not ours"),
    ]
    with Server(BLOCK, default_domain=False) as s:
        tokens = []
        for data, _word in rows:
            tokens.append(token())
            send(s, letter(data, "application/xml" if data[:1] == b"<" else "application/gzip", tokens[-1]), "alice@example.org")
        for t in tokens:
            s.wait(t)
        got = sorted(x["why"] for x in unread(s, len(rows)))
        equal(len(got), len(rows), "each once")
        for _data, word in rows:
            check(any(word in x for x in got), "%s: %r" % (word, got))
        equal(told(s)["domains"], [], "nothing of it is believed")
        t = token()
        send(s, letter(good, "text/xml", t), "alice@example.org")
        sources(s, 1)


def is_back(s):
    try:
        return s.give()[1].code == 250
    except (OSError, Closed):
        return False


@test("a report waits while scan or user is away, and a kill of the server loses none")
def away():
    with Server(QUIET) as s:
        for i, role in enumerate(("scan", "user", "queue")):
            send(s, letter(gzip.compress(report([row("192.0.2.%d" % i, 1)], role)), "application/gzip"))
            s.kill_role(role)
            eventually(lambda: is_back(s), 20 * SLOW, 0.1, "the next letter")
        sources(s, 3)
        send(s, letter(gzip.compress(report([row("192.0.2.77", 1)], "last")), "application/gzip"))
        s.kill_all()
        s.start()
        sources(s, 4)
        code, out, _err = s.command("test", "address", "dmarc-reports@example.org")
        check(code == 0 and "the DMARC reports in it are read" in out, out)


if __name__ == "__main__":
    tap.main()
