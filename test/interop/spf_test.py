"""SPF: every row of the openspf suite for RFC 7208, by name."""
import os

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


@tap.test("the openspf suite for RFC 7208, by name", limit=120)
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


tap.main()
