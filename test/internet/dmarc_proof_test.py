"""A DMARC report is believed as far as its letter proves who sent it; addresses get their names, and ours are known."""
import base64
import gzip
import json
import time

import internet
import tap
from letters import token
from server import SLOW, Server
from tap import equal, eventually, test

REPORTER, FORGER, OURS = "127.2.0.5", "127.2.0.66", "127.2.0.1"
NET = SERVER = None


def server():
    global NET, SERVER
    if SERVER is None:
        NET = internet.Internet()
        NET.zone("example.org", '@ TXT "v=spf1 a:mail.example.org -all"')
        NET.add_host("mail.example.org", OURS)
        NET.zone("reporter.test", '@ TXT "v=spf1 ip4:%s -all"\n_dmarc TXT "v=DMARC1; p=none"' % REPORTER)
        NET.add_host("out.reporter.test", REPORTER)
        SERVER = Server(NET.start().conf()).start()
    return SERVER


tap.ends(lambda: (SERVER, NET))


def report(ip, number):
    now = int(time.time())
    return gzip.compress((
        "<feedback><report_metadata><org_name>Reporter</org_name><report_id>%s</report_id><date_range><begin>%d</begin><end>%d</end>"
        "</date_range></report_metadata><policy_published><domain>example.org</domain><p>none</p></policy_published><record><row>"
        "<source_ip>%s</source_ip><count>2</count><policy_evaluated><disposition>none</disposition><dkim>fail</dkim><spf>pass</spf>"
        "</policy_evaluated></row><identifiers><header_from>example.org</header_from></identifiers><auth_results><dkim>"
        "<domain>example.org</domain><selector>s9</selector><result>permerror</result></dkim><spf><domain>example.org</domain>"
        "<result>pass</result></spf></auth_results></record></feedback>" % (number, now - 86400, now, ip)).encode())


def send(source, data):
    text = (b"From: d@reporter.test\r\nTo: dmarc-reports@example.org\r\nSubject: Report\r\nDate: Fri, 21 Nov 2025 11:59:00 +0000\r\n"
            b"Message-ID: <" + token().encode() + b"@reporter.test>\r\nMIME-Version: 1.0\r\nContent-Type: application/gzip\r\n"
            b"Content-Transfer-Encoding: base64\r\n\r\n" + base64.encodebytes(data).replace(b"\n", b"\r\n"))
    with server().client(source=source, timeout=60) as c:
        c.cmd("EHLO out.reporter.test")
        r = c.deliver(["dmarc-reports@example.org"], text, sender="d@reporter.test")
        equal(r.code, 250, repr(r))


def told():
    code, out, err = server().command("--json", "report", "dmarc", timeout=60)
    equal(code in (0, 1), True, err)
    return [(d["reports"], d["proven"], [(x["ip"], x["name"], x["ours"], x["meaning"]) for x in d["sources"]])
            for d in json.loads(out)["domains"]]


@test("a forged report gives way to the one that its sender proves, and does not replace it; names and our address are told")
def proof():
    send(FORGER, report("192.0.2.1", "1"))
    eventually(lambda: told() == [(1, 0, [("192.0.2.1", "", False, "key-not-published")])], 30 * SLOW, 0.2, "the forged one")
    send(REPORTER, report(OURS, "1"))
    mine = [(1, 1, [(OURS, "mail.example.org", True, "key-not-published")])]
    eventually(lambda: told() == mine, 30 * SLOW, 0.2, "the real one")
    send(FORGER, report("192.0.2.1", "1"))
    server().fence()
    equal(told(), mine, "afterwards")
    send(FORGER, report("192.0.2.1", "2"))
    eventually(lambda: told()[0][:2] == (2, 1), 30 * SLOW, 0.2, "another one")
    _code, out, _err = server().command("report", "dmarc", timeout=60)
    equal("1 of these reports came in letters that do not prove who sent them." in out, True, out)
    equal("(mail.example.org): 2 letters" in out and "s9._domainkey.example.org is not published" in out, True, out)


if __name__ == "__main__":
    tap.main()
