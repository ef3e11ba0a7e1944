"""SPF: every row of the openspf suite for RFC 7208, by name; and what hostile domains publish."""
import os
import time

import spf_zone
import tap

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SUITE = os.path.join(os.path.dirname(TOP), "shared", "testdata", "spf", "rfc7208-tests.yml")

# Where our answer is another one, and what the RFC says.
JUDGED = {
    "v-macro-ip6": "the nibbles of %{i} are in lower case, as in the example of RFC 7208 §7.4",
}


def differs(case, got):
    """What is wrong with an answer, or None."""
    if got.result not in case.results:
        return "%s instead of %s (%s)" % (got.result, " or ".join(case.results), got.problem)
    wanted = "" if case.explanation in (None, "DEFAULT") else case.explanation
    if case.explanation is not None and got.explanation != wanted:
        return "explains %r instead of %r" % (got.explanation, wanted)
    return None


@tap.test("I4 the openspf suite for RFC 7208, by name", limit=120)
def _():
    if not os.path.exists(SUITE):
        tap.skip("no ../shared/testdata/spf")
    cases = list(spf_zone.suite(SUITE))
    answers = spf_zone.ask((c.zone, [(c.ip, c.helo, c.sender)]) for c in cases)
    wrong, judged = [], 0
    for case, got in zip(cases, answers):
        why = differs(case, got)
        preferred = "" if got.result == case.results[0] else ", allowed"
        print("# %-35s %-28s %s%s" % (case.scenario[:35], case.name, got.result if not why else why, preferred))
        if why and case.name in JUDGED:
            judged += 1
            print("#     judged: " + JUDGED[case.name])
        elif why:
            wrong.append("%s: %s" % (case.name, why))
    print("# %d rows passed, %d judged, %d wrong" % (len(cases) - judged - len(wrong), judged, len(wrong)))
    tap.equal(len(cases), 203, "rows of the suite")
    tap.check(not wrong, "; ".join(wrong))


# ---- what hostile domains publish ----------------------------------------------------------------

QUESTIONS_MAX = 111     # the first record, and ten terms with a question and ten names each


def txt(name, text):
    return "%s TXT %s" % (name, spf_zone.quoted(text))


def ask(zone, sender="x@evil.test", ip="192.0.2.1", helo="h.test"):
    begin = time.monotonic()
    got = spf_zone.ask([(zone, [(ip, helo, sender)])])[0]
    tap.check(time.monotonic() - begin < 20, "it takes longer than 20 s")
    tap.check(int(got.asked) <= QUESTIONS_MAX, "%s questions for %s" % (got.asked, sender))
    return got


MACROS = ["%{d99999999999}", "%{", "%{d", "%{d0}", "%{d-1}", "%{x}", "%", "%%%", "%{h1r-+,/_=}", "%{dR}", "%{d2147483648r}",
          "%%{s}" * 2000, "%{s}" * 2000, "%{l" + "." * 3000 + "}", "%{d" + "9" * 4000 + "}", "%{d1r" + "/" * 4000]


@tap.test("I1 macros beyond all measure are a permanent error, or a name that is not there")
def _():
    for macro in MACROS:
        for zone in ([txt("evil.test", "v=spf1 exists:%s.ok.test -all" % macro)],
                     [txt("evil.test", "v=spf1 -all exp=%s.ok.test" % macro)],
                     [txt("evil.test", "v=spf1 -all exp=why.test"), txt("why.test", macro + " " + macro)]):
            got = ask(zone, sender="%s@evil.test" % ("a.b-c" * 12))
            tap.check(got.result in ("permerror", "fail"), (macro[:40], got))
            tap.check(len(got.explanation) <= 480, "an explanation of %d octets" % len(got.explanation))


@tap.test("I2 includes and redirects in circles and trees, many hosts, nothing found: a permanent error within the limits")
def _():
    tree = [txt("evil.test", "v=spf1 include:t1.test include:t2.test include:t3.test -all")] + \
           [txt("t%d.test" % n, "v=spf1 include:u%d.test a:h.test mx:h.test -exists:h.test ?all" % n) for n in (1, 2, 3)] + \
           [txt("u%d.test" % n, "v=spf1 ?all") for n in (1, 2, 3)] + ["h.test A 192.0.2.9", "h.test MX 1 h.test"]
    for zone in (tree,
                 [txt("evil.test", "v=spf1 include:evil.test -all")],
                 [txt("evil.test", "v=spf1 redirect=evil.test")],
                 [txt("evil.test", "v=spf1 redirect=b.test"), txt("b.test", "v=spf1 include:evil.test")],
                 [txt("evil.test", "v=spf1 mx -all")] + ["evil.test MX %d h.test" % n for n in range(11)],
                 [txt("evil.test", "v=spf1 a:v1.test a:v2.test a:v3.test -all")]):
        tap.equal(ask(zone).result, "permerror", zone[0])
    names = ["1.2.0.192.in-addr.arpa PTR p%d.evil.test" % n for n in range(50)]
    tap.equal(ask([txt("evil.test", "v=spf1 ptr -all")] + names).result, "fail")
    chain = [txt("evil.test", "v=spf1 -all exp=why.test"), "why.test CNAME w1.test"] + \
            ["w%d.test CNAME w%d.test" % (n, n + 1) for n in range(1, 30)]
    tap.equal(ask(chain).result, "fail")


@tap.test("I3 ten MX lists of ten names each, with macros aimed at somebody: 111 questions at most")
def _():
    hosts = ["%s.victim.test MX %d %s%d.victim.test" % (m, n, m, n) for m in "abcdefghij" for n in range(10)] + \
            ["%s%d.victim.test A 192.0.2.9" % (m, n) for m in "abcdefghij" for n in range(10)]
    names = ["1.2.0.192.in-addr.arpa PTR p%d.victim.test" % n for n in range(50)]
    mechanisms = " ".join("mx:%s.victim.test" % m for m in "abcdefghij")
    for zone in ([txt("evil.test", "v=spf1 %s -all exp=%%{p}.why.test" % mechanisms)] + hosts + names,
                 [txt("evil.test", "v=spf1 %s %s -all" % (mechanisms, mechanisms))] + hosts,
                 [txt("evil.test", "v=spf1 " + " ".join("include:n%d.test" % n for n in range(10)))] +
                 [txt("n%d.test" % n, "v=spf1 %s ?all" % mechanisms) for n in range(10)] + hosts,
                 [txt("evil.test", "v=spf1 " + "exists:%{l}.%{o}.victim.test " * 10 + "-all"), "x.evil.test.victim.test AAAA ::1"]):
        tap.check(ask(zone).result in ("fail", "permerror"), zone[0])


@tap.test("I4 NUL, no strings, 65,000 octets, mixed case, two records; TEMP is not NXDOMAIN")
def _():
    for zone, wanted in (([txt("evil.test", "v=spf1 a:x\0.test -all")], "permerror"),
                         (["evil.test TXT"], "none"),
                         (["evil.test TXT", txt("evil.test", "v=spf1 -all")], "fail"),
                         ([txt("evil.test", "v=spf1 " + "ip4:198.51.100.1 " * 3800 + "-all")], "permerror"),
                         ([txt("evil.test", "v=spf1 " + "ip4:198.51.100.1 " * 900 + "-all")], "fail"),
                         ([txt("evil.test", "V=SPF1 -ALL")], "fail"),
                         ([txt("evil.test", "v=spf1 -all"), txt("evil.test", "v=spf1 +all")], "permerror"),
                         (["evil.test TEMP"], "temperror"),
                         (["evil.test BOGUS"], "temperror"),
                         (["other.test A 192.0.2.1"], "none"),
                         ([txt("evil.test", "v=spf1 include:slow.test -all"), "slow.test TEMP"], "temperror"),
                         ([txt("evil.test", "v=spf1 include:gone.test -all")], "permerror"),
                         ([txt("evil.test", "v=spf1 a:slow.test -all"), "slow.test TEMP"], "temperror")):
        tap.equal(ask(zone).result, wanted, zone[0][:60])


@tap.test("I5 senders that hide another domain have no record, and nobody is asked")
def _():
    zone = [txt("legit.test", "v=spf1 -all"), txt("attack.test", "v=spf1 +all"), txt("*.attack.test", "v=spf1 +all")]
    for sender in ("x@legit.test(a.attack.test", "x@legit.test)a.attack.test", "x@legit.test'a.attack.test",
                   'x@legit.test"a.attack.test', "x@legit.test,a.attack.test", "x@legit.test\0.attack.test",
                   "x@legit.test\\.attack.test", "x@.legit.test", "x@legit..test", "x@[192.0.2.1]", "x@<legit.test>", "x@legit.test "):
        got = ask(zone, sender=sender)
        tap.equal((got.result, got.asked), ("none", "0"), sender)
    tap.equal(ask(zone, sender="x@nosuch.legit.test").result, "none")


tap.main()
