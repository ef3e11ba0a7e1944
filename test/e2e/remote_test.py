#!/usr/bin/python3
"""Letters for other servers: aliases that lead away, destinations that hang or fail, reports, what a person
may do with what waits."""
import json
import re
import time

import tap
from away import USERS, empty, give, queue, sent, world
from letters import letter, token
from server import SLOW, Server
from sink import EHLO, HANG, Sink
from tap import check, equal, test


@test("an alias that leads away: the sender is rewritten, and leads back")
def alias_leads_away():
    """The stranger's sender is rewritten, and what comes back to it goes to the stranger."""
    with Sink() as sink, world(sink) as s:
        tok, _ = give(s, "away@example.org", "s@sender.test")
        got = sent(sink, tok)[0]
        check(re.match(rb"(Authentication-Results:[^\n]*\n(?:[ \t][^\n]*\n)*)?Received:", got), got[:200])
        check(b"Return-Path" not in got and b"Delivered-To" not in got, got[:400])
        mail = sink.commands("MAIL")[0]
        srs = re.match(r"MAIL FROM:<(SRS0=[^@>]+@example\.org)>", mail)
        check(srs, mail)
        equal(sink.commands("RCPT")[0].split()[1], "TO:<bob@other.test>", "RCPT")
        empty(s)
        # the bounce of the next server
        tok, _ = give(s, srs.group(1).lower().replace("example.org", "EXAMPLE.org"), "")
        sent(sink, tok)
        equal(sink.commands("MAIL")[1].split()[1], "FROM:<>", "MAIL of the report")
        equal(sink.commands("RCPT")[1].split()[1].lower(), "to:<s@sender.test>", "RCPT of the report")
        # nobody else makes such an address
        with s.client() as c:
            c.ehlo()
            c.mail("")
            forged = srs.group(1).replace("sender.test", "victim.test")
            equal(c.rcpt(forged).code, 550, "a forged one")
            equal(c.rcpt("victim@victim.test").code, 550, "relaying")


@test("senders of ours, and the null sender, stay as they are")
def local_senders_stay():
    """A sender of our own domain is not rewritten, nor is the null sender."""
    with Sink() as sink, world(sink) as s:
        for sender in "alice@example.org", "":
            tok, _ = give(s, "away@example.org", sender)
            sent(sink, tok)
        equal([c.split()[1] for c in sink.commands("MAIL")], ["FROM:<alice@example.org>", "FROM:<>"], "senders")


@test("recipients of one destination share a transaction")
def together():
    """Recipients of one destination share a transaction; a mailbox here gets its own."""
    with Sink() as one, Sink() as two, world(two, routes=[("one.test", one)]) as s:
        tok, _ = give(s, ["many@example.org", "alice2@example.org"])
        sent(one, tok)
        sent(two, tok)
        s.wait(tok)
        equal(sorted(c.split()[1] for c in one.commands("RCPT")), ["TO:<a@one.test>", "TO:<b@one.test>"], "one.test")
        equal(len(one.letters), 1, "transactions with one.test")
        empty(s)


@test("E3 M4 refusals become one report with the server's words and advice; none for the null sender")
def refused_for_good():
    """One report about both recipients, with the server's words, our advice, and nothing for the null sender."""
    def rcpt(_n, line):
        return "550 5.1.1 user unknown" if b"a@" in line else "554 5.7.1 blocked using zen.spamhaus.org\x07" \
            if b"b@" in line else None
    with Sink(RCPT=rcpt) as sink, world(sink) as s:
        tok, mid = give(s, "many@example.org", "alice@example.org")
        report = s.wait("The number of your message here is " + mid)
        text = report.raw.decode().replace("\r\n", "\n")
        for want in ("Auto-Submitted: auto-replied", "report-type=delivery-status", "Final-Recipient: rfc822;a@one.test",
                     "Final-Recipient: rfc822;b@one.test", "Status: 5.1.1", "Status: 5.7.1",
                     "Remote-MTA: dns;", "Diagnostic-Code: smtp;550 5.1.1 user unknown", "typing error", "block list",
                     "<many@example.org>"):
            check(want in text or want in " ".join(text.split()), "%r is not in\n%s" % (want, text))
        check("\x07" not in text and "c@two.test" not in text, text)
        sent(sink, tok)
        empty(s)
        with s.client() as c:
            c.ehlo()
            equal(c.deliver("many@example.org", letter(token()), sender="").code, 250, "null sender")
        empty(s)
        code, out, _ = s.command("trace", mid)
        for want in ("was accepted", "refused for good", "sent for", "is told with", "this is our report about"):
            check(code == 0 and want in out, "%r is not in the trace:\n%s" % (want, out))


FORGED = b"550-5.1.1 a\r\n550-\r\n550-Final-Recipient: rfc822;forged@x.test\r\n550 5.1.1 x\n\r\nX-Evil: 1\r\n.\r\n--=_\r\n"
HOSTILE = [
    ("lines that look like fields", FORGED),
    ("controls and bidi", b"550 5.1.1 \x1b[2J\x00\x07\r\xe2\x80\xae\xff gone\r\n"),
    ("40 lines", b"550-5.1.1 no\r\n" * 40 + b"550 5.1.1 no\r\n"),
    ("a long line", b"550 5.1.1 " + b"y" * 480 + b"\r\n"),
    ("formats", b"550 5.1.1 %s%n%x {} $(id) <script>\r\n"),
]


@test("E3 N1 what a refusing server says forges nothing in the report: fields, parts, lines", limit=90)
def forged_reports():
    users = "".join("e%d@example.org: x@e%d.test\n" % (i, i) for i in range(len(HOSTILE)))
    sinks = [Sink(RCPT=said) for _, said in HOSTILE]
    for x in sinks:
        x.__enter__()
    with world(routes=[("e%d.test" % i, x) for i, x in enumerate(sinks)], users=users) as s:
        for i, (name, _) in enumerate(HOSTILE):
            _, mid = give(s, "e%d@example.org" % i, "alice@example.org")
            raw = s.wait("The number of your message here is " + mid, limit=20 * SLOW).raw
            lines = raw.split(b"\n")
            equal([l for l in lines if l.startswith((b"Final-Recipient:", b"X-Evil"))], [b"Final-Recipient: rfc822;x@e%d.test" % i], name)
            equal(len([l for l in lines if l.startswith(b"--=_")]), 4, name + ": parts")
            check(max(map(len, lines)) <= 998, name + ": a long line")
            check(not re.search(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\r(?!\n)|\xe2\x80\xae", raw), "%s: controls in %r" % (name, raw))
            raw.decode("utf-8")
        empty(s)
    for x in sinks:
        x.__exit__()


@test("NOTIFY=SUCCESS: delivered, relayed, or left to a server that reports")
def success():
    """NOTIFY=SUCCESS: delivered here; relayed to a server without DSN; left to one with it."""
    plain = [e for e in ("PIPELINING", "SIZE 1000000", "8BITMIME")]
    with Sink(ehlo=plain) as without, Sink() as with_dsn, \
            world(with_dsn, routes=[("one.test", without)]) as s:
        with s.client() as c:
            check("DSN" in c.ehlo().text, "EHLO does not say DSN")
        give(s, "bob@example.org", "alice@example.org", rcpt="NOTIFY=SUCCESS ORCPT=rfc822;Bob@example.org")
        tap.eventually(lambda: [l for l in s.letters() if b"Action: delivered" in l.raw], 10 * SLOW, what="a report")
        _, mid = give(s, "many@example.org", "alice@example.org", rcpt="NOTIFY=SUCCESS,FAILURE", params="RET=HDRS ENVID=QQ314")
        tap.eventually(lambda: [l for l in s.letters() if b"Action: relayed" in l.raw], 10 * SLOW, what="a report")
        empty(s)
        relayed = [l.raw for l in s.letters() if b"Action: relayed" in l.raw]
        equal(len([l for l in s.letters() if mid.encode() in l.raw]), len(relayed), "reports")
        check(all(b"Original-Envelope-Id: QQ314" in l for l in relayed), relayed[0])
        rcpt = [c for c in with_dsn.commands("RCPT") if "c@two.test" in c][0]
        check("NOTIFY=SUCCESS,FAILURE" in rcpt and "ORCPT=rfc822;many@example.org" in rcpt, rcpt)
        check("RET=HDRS" in with_dsn.commands("MAIL")[0] and "ENVID=QQ314" in with_dsn.commands("MAIL")[0],
              with_dsn.commands("MAIL")[0])


@test("ORCPT beyond ASCII: as it is to who takes SMTPUTF8, spelled out to others and in reports (RFC 6533)")
def orcpt_utf8():
    plain = [e for e in EHLO if e != "SMTPUTF8"]
    refused = "550 5.1.1 nobody"
    with Sink(ehlo=plain) as ascii_only, Sink() as both, Sink(RCPT=refused) as refusing, \
            world(both, routes=[("one.test", ascii_only), ("no.test", refusing)],
                  users=USERS + "one@example.org: x@one.test\ntwo@example.org: x@two.test\nno@example.org: x@no.test\n") as s:
        spelled, raw = "ORCPT=utf-8;j\\x{FC}rg\\x{2B}x@example.org", "ORCPT=utf-8;jürg\\x{2B}x@example.org"
        for sink, to in (ascii_only, "one"), (both, "two"):
            tok, _ = give(s, to + "@example.org", rcpt=spelled)
            sent(sink, tok)
            equal([w for w in sink.commands("RCPT")[-1].split() if "ORCPT" in w], [spelled], "without SMTPUTF8")
        tok, _ = give(s, "two@example.org", params="SMTPUTF8", rcpt=raw)
        sent(both, tok)
        equal([w for w in both.commands("RCPT")[-1].split() if "ORCPT" in w], [raw], "with SMTPUTF8")
        _, mid = give(s, "no@example.org", "alice@example.org", rcpt=spelled)
        report = s.wait("The number of your message here is " + mid, limit=20).raw
        check(b"\nOriginal-Recipient: utf-8;j\\x{FC}rg\\x{2B}x@example.org\n" in report, report)
        with s.client() as c:
            c.ehlo()
            c.mail()
            for bad in (raw, "ORCPT=utf-8;\\x{0D}\\x{0A}x@y", "ORCPT=utf-8;\\x{41}@y", "ORCPT=utf-8;a+2Bb@y"):
                equal(c.rcpt("one@example.org", bad).code, 501, bad)


@test("fifty destinations that hang hold up nobody else")
def hanging_holds_only_its_own():
    """Fifty destinations hang; letters for another one leave at once."""
    users = "".join("h%d@example.org: x@hang%d.test\n" % (i, i) for i in range(50)) + USERS
    with Sink(CONNECT=HANG) as hang, Sink() as good, \
            world(good, routes=[("hang%d.test" % i, hang) for i in range(50)], users=users) as s:
        for i in range(50):
            give(s, "h%d@example.org" % i)
        tap.eventually(lambda: len(hang.sessions) >= 40, 20 * SLOW, what=lambda: "%d hang" % len(hang.sessions))
        begin = time.monotonic()
        for _ in range(20):
            tok, _ = give(s, "away@example.org")
            sent(good, tok)
        check(time.monotonic() - begin < 10 * SLOW, "twenty letters took %.1f s" % (time.monotonic() - begin))
        code, out, _ = s.command("queue", "stats")
        check(code == 0 and "50 letters" in out, out)


@test("a destination that is away sleeps with its letters, also over a restart", limit=200)
def comes_back():
    """Nobody there: the destination sleeps, all its letters wait, and leave when it is there again."""
    port = Sink()
    down = port.port
    port.listener.close()
    more = ["route down.test via smtp://127.0.0.1:%d tls off" % down]
    with Sink() as good:
        with world(good, users=USERS + "down@example.org: x@down.test\n") as s:
            s.reload(s.text.replace("outbound {\n", "outbound {\n    %s\n" % more[0]))
            toks = [give(s, "down@example.org")[0] for _ in range(5)]
            tap.eventually(lambda: any(r["why"] for l in queue(s) for r in l["recipients"]), 15 * SLOW,
                           what=lambda: "a reason, but %s" % queue(s))
            equal(len(queue(s)), 5, "letters that wait")
            s.restart()
            equal(len(queue(s)), 5, "letters that wait after a restart")
            with Sink(port=down) as back:
                # who was tried between the start and now sleeps for a minute
                for tok in toks:
                    sent(back, tok, limit=90)
                empty(s)
                equal(len(back.letters), 5, "letters")


@test("queue list, hold, release, retry, drop, redirect, bounce by selection")
def person():
    """hold, release, retry, bounce, drop, redirect by selection; what cannot be undone wants --yes."""
    with Sink(RCPT=lambda n, l: "450 4.2.0 later" if b"bob@" in l or b"@one" in l else None) as sink, \
            world(sink, retry="1h give-up 4d") as s:
        ids = {}
        for name in "away", "many":
            ids[name] = [give(s, name + "@example.org", "alice@example.org")[1] for _ in range(3)]
        tap.eventually(lambda: all(r["tries"] for l in queue(s) for r in l["recipients"]), 10 * SLOW, what="tries")
        equal(len(queue(s)), 6, "letters")
        code, out, _ = s.command("--json", "queue", "list", "--domain", "one.test")
        equal(len(json.loads(out)), 3, "for one.test")
        code, out, _ = s.command("queue", "hold", "--to", "bob@other.test")
        check(code == 0 and "3 letters" in out, out)
        equal(len(json.loads(s.command("--json", "queue", "list", "--held")[1])), 3, "held")
        equal(s.command("queue", "list", "--older", "1h")[1], "", "older than an hour")
        equal(s.command("queue", "release", "--held")[0], 0, "release")
        # they are tried at once
        tap.eventually(lambda: all(r["tries"] > 1 for l in queue(s) for r in l["recipients"] if r["address"].startswith("away")) and
                       all(r["state"] == "waiting" for l in queue(s) for r in l["recipients"]), 10 * SLOW,
                       what=lambda: "a second try, but %s" % queue(s))
        code, out, err = s.command("queue", "drop", "--to", "@other.test")
        check(code == 2 and "3 letters, 3 recipients" in out and "--yes" in err, (code, out, err))
        equal(s.command("queue", "drop")[0], 2, "drop of nothing said")
        equal(s.command("queue", "drop", "--from", "nobody@example.org", "--yes")[0], 1, "drop of nothing found")
        code, out, err = s.command("queue", "drop", "--yes", ids["away"][0])
        check(code == 0 and ids["away"][0] in out, (code, out, err))
        code, out, err = s.command("queue", "redirect", "carol@example.org", ids["away"][1], "--yes")
        check(code == 0, (code, out, err))
        tap.eventually(lambda: s.letters("carol"), 10 * SLOW, what="the letter for carol")
        check(b"Delivered-To: carol@example.org" in s.letters("carol")[0].raw, s.letters("carol")[0].raw[:300])
        code, out, _ = s.command("trace", ids["away"][1])
        check("as uid" in out and "this is the letter" in out, out)
        code, out, err = s.command("queue", "bounce", "--domain", "one.test", "--yes")
        check(code == 0 and "3 letters, 6 recipients" in out, (code, out, err))
        tap.eventually(lambda: len(s.letters()) == 3, 10 * SLOW, what=lambda: "3 reports, not %d" % len(s.letters()))
        check(all(b"administrator" in l.raw for l in s.letters()), "the reports say why")
        tap.eventually(lambda: len(queue(s)) == 1, 5 * SLOW, what=lambda: queue(s))
        sink.steps.clear()
        code, out, err = s.command("queue", "retry", "--all")
        check(code == 0, (code, out, err))
        empty(s)
        check("away@example.org" in s.command("trace", "away@example.org")[1], "trace by address")


@test("others: local people here, everybody else at the main server")
def others():
    """Local people here, everybody else at the main server, by the same domain."""
    with Sink() as main, Server("domain example.org {\n    others via smtp://127.0.0.1:%d tls off\n}\n" % main.port,
                                default_domain=False) as s:
        tok, _ = give(s, ["alice@example.org", "elsewhere@example.org"])
        s.wait(tok)
        sent(main, tok)
        equal([c.split()[1] for c in main.commands("RCPT")], ["TO:<elsewhere@example.org>"], "RCPT")
        equal(s.command("test", "address", "elsewhere@example.org")[0], 0, "test address")
        empty(s)


tap.main()
