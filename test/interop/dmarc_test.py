"""DMARC and SPF over rspamd's letters and records (../shared/testdata/auth-rspamd), every row by name."""
import csv
import os

import spf_zone
import tap

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
DATA = os.path.join(os.path.dirname(TOP), "shared", "testdata", "auth-rspamd")
NOW = 1795000000        # November 2026
SPF = {"pass": "ALLOW", "fail": "FAIL", "softfail": "SOFTFAIL", "neutral": "NEUTRAL", "permerror": "PERMFAIL", "none": "NA",
       "temperror": "DNSFAIL"}
DMARC = {("pass", "none"): "POLICY_ALLOW", ("fail", "none"): "POLICY_SOFTFAIL", ("fail", "quarantine"): "POLICY_QUARANTINE",
         ("fail", "reject"): "POLICY_REJECT", ("none", "none"): "NA", ("permerror", "none"): "BAD_POLICY",
         ("temperror", "none"): "DNSFAIL"}

# Where our answer is another one, and what the RFC says.
JUDGED = {
    "SPF FAIL UNRESOLVEABLE INCLUDE": "an include without a record is a permanent error (RFC 7208 §5.2)",
    "SPF ALLOW DNS REQUESTS AT LIMIT": "ten terms may ask the DNS (RFC 7208 §4.6.4); thirty is rspamd's own limit",
}


def read(name):
    path = os.path.join(DATA, name)
    if not os.path.exists(path):
        tap.skip("no ../shared/testdata/auth-rspamd")
    with open(path, encoding="latin-1") as f:
        return list(csv.DictReader(f, delimiter="\t", quoting=csv.QUOTE_NONE))


def zone():
    """RCODE:norec and nxdomain are no records; any other means that nobody answers."""
    out = []
    for r in read("dns.tsv"):
        kind, value, name = r["type"].upper(), r["value"], r["name"]
        if value.startswith("RCODE:"):
            if value not in ("RCODE:norec", "RCODE:nxdomain"):
                out.append("%s TEMP %s" % (spf_zone.name_text(name), kind))
        elif kind == "MX":
            preference, host = value.split()
            out += spf_zone.rows(name, [("MX", [preference, host])])
        else:
            out += spf_zone.rows(name, [(kind, value)])
    return out


def rows(prefix):
    """Without those of rspamd's own rules: its symbols of one word are none of ours."""
    return [r for r in read("expected.tsv") if r["symbol"].lstrip("!").startswith(prefix)]


def compare(title, found):
    """found: (row, the symbol that our answer is, more)."""
    wrong, judged = [], 0
    for r, symbol, more in found:
        wanted, absent = r["symbol"].lstrip("!"), r["symbol"].startswith("!")
        ok = (symbol == wanted) != absent
        print("# %-48s %-24s %s" % (r["test"], symbol, "" if ok else "instead of %s (%s)" % (r["symbol"], more)))
        if not ok and r["test"] in JUDGED:
            judged += 1
            print("#     judged: " + JUDGED[r["test"]])
        elif not ok:
            wrong.append(r["test"])
    print("# %s: %d rows passed, %d judged, %d wrong" % (title, len(found) - judged - len(wrong), judged, len(wrong)))
    tap.check(not wrong, "; ".join(wrong))


@tap.test("I4 SPF of rspamd's rows")
def _():
    found = rows("R_SPF_")
    answers = spf_zone.ask([(zone(), [(r["ip"], r["helo"] or "helo.example", r["mailfrom"]) for r in found])])
    compare("auth-rspamd, SPF", [(r, "R_SPF_PLUSALL" if r["symbol"] == "R_SPF_PLUSALL" and a.result == "pass"
                                  else "R_SPF_" + SPF[a.result], a.problem) for r, a in zip(found, answers)])
    tap.check(len(found) >= 25, "%d rows" % len(found))


@tap.test("K6 DMARC of rspamd's letters")
def _():
    found = rows("DMARC_")
    asked = [spf_zone.letter(r["ip"], r["helo"], r["mailfrom"] if "@" in r["mailfrom"] else "", NOW,
                             os.path.join(DATA, "messages", r["message"])) for r in found]
    answers = [line.split("\t") for line in spf_zone.run(["ZONE"] + zone() + asked)]
    tap.equal(len(answers), len(found), "answers")
    compare("auth-rspamd, DMARC", [(r, "DMARC_" + DMARC[(a[0], a[1])], a[2:]) for r, a in zip(found, answers)])
    tap.check(len(found) >= 12, "%d rows" % len(found))


tap.main()
