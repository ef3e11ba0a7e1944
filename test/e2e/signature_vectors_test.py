"""DKIM and ARC against the vectors of others: ../shared/testdata (dkim, dkim-real, arc, auth-rspamd), RFC 6376, RFC 8463.

Every vector is a row, by name, and is printed.  JUDGED are those whose answer here is another than theirs, each with
what the RFC says about it."""
import csv
import email.utils
import json
import os
import re
import subprocess
import tempfile

import server
import tap

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
DATA = os.path.join(os.path.dirname(TOP), "shared", "testdata")
TOOL = os.path.join(os.path.dirname(os.path.abspath(server.BINARY)), "auth_tool")
NOW = 1795000000        # November 2026
SHA1 = "rsa-sha1 is never believed (RFC 8301 3.1)"
DOMAINKEYS = "DomainKey-Signature is historic (RFC 4870) and no DKIM-Signature"
DRAFT = "a draft before RFC 4871, without v= or with v=0.5; v=1 is required (RFC 6376 3.5)"

# (folder, vector): why our answer is another
JUDGED = {("dkim", name + ".txt"): why for why, names in (
    (SHA1, "bad_1878954 good_1878523 good_qp_1 good_qp_2 good_rfc4871_3 good_rfc4871_4 goodkey_1 goodkey_2 goodkey_3 goodkey_4"),
    (DOMAINKEYS, "bad_dk_1 bad_dk_5 dk_headers_2 dk_multiple_1 good_dk_2 good_dk_4 good_dk_5 good_dk_gmail"),
    (DRAFT, "bad_ietf01_1 bad_ietf01_3 good_ietf00_1 good_ietf00_2 good_ietf00_3 good_ietf00_4 good_ietf00_5 good_ietf01_2"
     " mine_ietf01_1 mine_ietf01_3 mine_ietf05_1 multiple_1 no_body_1 no_body_2 no_body_3"),
) for name in names.split()}
JUDGED.update({
    ("arc", "cv_fail_i1_as_cv_fail"): "the suite gives no answer; a seal with cv=fail ends in fail (RFC 8617 5.2, step 2)",
    ("arc", "cv_fail_i2_as1_fail"): "the suite gives no answer; only cv=none can be in set 1 (RFC 8617 5.2, step 3C)",
    ("arc", "ams_fields_c_na"): "was signed relaxed; without c= it is simple/simple (RFC 8617 4.1.2, RFC 6376 3.5)",
})


def folder(name):
    path = os.path.join(DATA, name)
    if not os.path.isdir(path):
        tap.skip("no ../shared/testdata/" + name)
    return path


def txt(value):
    octets = value.encode("latin-1")
    quoted = (b"".join(b"\\%03d" % c if c in b'"\\' or c < 32 or c > 126 else bytes([c]) for c in octets[i:i + 255])
              for i in range(0, max(len(octets), 1), 255))
    return " ".join('"%s"' % q.decode() for q in quoted)


def verify(records, letters, *piece):
    """records: (name, TXT or None for no answer).  letters: (path, seconds).  Gives {path: ([signature …], arc)}."""
    out = {}
    with tempfile.NamedTemporaryFile("w", suffix=".dns") as table:
        for name, value in records:
            table.write("%s TXT %s\n" % (name, txt(value)) if value is not None else "%s TEMP\n" % name)
        table.flush()
        lines = "".join("%s\t%d\n" % row for row in letters)
        p = subprocess.run([TOOL, "verify", table.name] + list(piece), input=lines, capture_output=True, text=True,
                           errors="replace", timeout=120)
    tap.equal((p.returncode, p.stderr), (0, ""), "auth_tool")
    for line in p.stdout.splitlines():
        path, kind, name, result, bits, reason = line.split("\t")
        signatures = out.setdefault(path, ([], []))[kind == "arc"]
        signatures.append({"name": name, "result": result, "bits": bits, "reason": reason})
    return out


class Table:
    """The rows of a folder: what they expect, what we say."""

    def __init__(self, title):
        self.title, self.passed, self.judged, self.wrong = title, 0, 0, []

    def row(self, name, want, got, reason=""):
        ok = got == want
        why = JUDGED.get((self.title, name))
        if ok:
            self.passed += 1
        elif why:
            self.judged += 1
        else:
            self.wrong.append("%s: %s instead of %s, %s" % (name, got, want, reason))
        print("# %-6s %-12s %-42s %s%s" % ("ok" if ok else "judged" if why else "WRONG", self.title, name, want,
                                           "" if ok else ", here %s: %s" % (got, why or reason)))
        if ok and why:
            self.wrong.append("%s: is judged, and needs no judgement" % name)

    def end(self, least):
        print("# %s: %d passed, %d judged, %d wrong" % (self.title, self.passed, self.judged, len(self.wrong)))
        tap.equal(self.wrong, [], self.title)
        tap.check(self.passed + self.judged >= least, "only %d rows" % (self.passed + self.judged))


def overall(signatures):
    """As Mail::DKIM sees it: the best one, errors of all kinds together."""
    results = [s["result"] for s in signatures]
    for r in ("pass", "fail"):
        if r in results:
            return r
    return "invalid" if results else "none"


@tap.test("J9 Mail::DKIM's letters: what its own test expects, or the RFC's reason why not")
def mail_dkim():
    path = folder("dkim")
    records = []
    with open(os.path.join(path, "FAKE_DNS.dat"), encoding="latin-1") as f:
        for line in f:
            m = re.match(r"(\S+)\s+(.*)", line.rstrip("\n"))
            if not m or line.startswith("#") or m[2] == "NXDOMAIN":
                continue
            records.append((m[1], None if m[2].startswith("~~") else m[2].replace('""', "")))
    with open(os.path.join(path, "expected.tsv")) as f:
        rows = [line.rstrip("\n").split("\t") for line in f]
    where = {name: os.path.join(path, "corpus", name) for name, _ in rows}
    got = verify(records, [(p, NOW) for p in where.values()])
    t = Table("dkim")
    for name, want in rows:
        signatures = got[where[name]][0]
        t.row(name, want, overall(signatures), "; ".join(s["result"] + " " + s["reason"] for s in signatures))
    t.end(50)


def date_of(path):
    with open(path, "rb") as f:
        m = re.search(rb"^Date:([^\n]*(?:\n[ \t][^\n]*)*)", f.read(), re.M | re.I)
    return int(email.utils.parsedate_to_datetime(m[1].decode("latin-1").strip()).timestamp())


@tap.test("J9 304 letters of mailing lists: passed, changed, expired, and whole ARC chains")
def real():
    path = folder("dkim-real")
    with open(os.path.join(path, "dns.tsv")) as f:
        records = [tuple(line.rstrip("\n").split("\t")[:2]) for line in f]
    with open(os.path.join(path, "expected.tsv")) as f:
        rows = [line.rstrip("\n").split("\t") for line in f]
    where = {r[0]: os.path.join(path, "msg", r[0]) for r in rows}
    now = verify(records, [(p, NOW) for p in where.values()])
    small = verify(records, [(p, NOW) for p in where.values()], "1")
    tap.equal(small, now, "the same, octet by octet")
    then = verify(records, [(p, date_of(p) + 300) for p in where.values()])
    wanted = {"pass": ("pass", ""), "fail-body": ("fail", "the body was changed"),
              "fail-signature": ("fail", "the signature is not right"), "expired": ("policy", "the signature has expired")}
    t = Table("dkim-real")
    for name, kind, key, want in rows:
        signatures, chain = now[where[name]]
        if kind == "arc":
            t.row(name, want, chain[0]["result"], chain[0]["reason"])
            continue
        of_key = [(s["result"], s["reason"]) for s in signatures if s["name"] == key]
        t.row(name + " " + want, wanted[want], wanted[want] if wanted[want] in of_key else of_key)
        if want == "expired":
            later = [s["result"] for s in then[where[name]][0] if s["name"] == key]
            tap.check(set(later) <= {"pass", "fail"} and later, "%s, at its time: %s" % (name, later))
    t.end(304)


@tap.test("K4 the ARC test suite: 123 chains")
def arc_suite():
    with open(os.path.join(folder("arc"), "validate.json")) as f:
        scenarios = json.load(f)
    t = Table("arc")
    with tempfile.TemporaryDirectory() as scratch:
        for s in scenarios:
            paths = {}
            for name, test in s["tests"].items():
                paths[name] = os.path.join(scratch, name)
                with open(paths[name], "w", encoding="utf-8", newline="") as f:
                    f.write(test["message"])
            got = verify(s["txt-records"].items(), [(p, NOW) for p in paths.values()])
            for name, test in s["tests"].items():
                chain = got[paths[name]][1][0]
                t.row(name, test["cv"].lower() or "no answer", chain["result"], chain["reason"])
    t.end(123)


@tap.test("J1 J7 rspamd's letters with DKIM and ARC")
def rspamd():
    path = folder("auth-rspamd")
    with open(os.path.join(path, "dns.tsv")) as f:
        records = [(r["name"], None if r["value"].startswith("RCODE:") else r["value"])
                   for r in csv.DictReader(f, delimiter="\t", quoting=csv.QUOTE_NONE)
                   if r["type"] == "txt" and r["value"] != "RCODE:nxdomain"]
    with open(os.path.join(path, "expected.tsv")) as f:
        rows = [r for r in csv.DictReader(f, delimiter="\t", quoting=csv.QUOTE_NONE) if re.match("!?(R_DKIM|ARC)_", r["symbol"])]
    where = {r["message"]: os.path.join(path, "messages", r["message"]) for r in rows}
    got = verify(records, [(p, NOW) for p in where.values()])
    names = {"pass": "R_DKIM_ALLOW", "fail": "R_DKIM_REJECT", "permerror": "R_DKIM_PERMFAIL", "neutral": "R_DKIM_PERMFAIL",
             "policy": "R_DKIM_PERMFAIL", "temperror": "R_DKIM_TEMPFAIL"}
    t = Table("auth-rspamd")
    for r in rows:
        signatures, chain = got[where[r["message"]]]
        symbols = {names[s["result"]] for s in signatures} or {"R_DKIM_NA"}
        symbols |= {{"none": "ARC_NA", "pass": "ARC_ALLOW", "fail": "ARC_INVALID", "temperror": "ARC_DNSFAIL"}[chain[0]["result"]]}
        symbol, absent = r["symbol"].lstrip("!"), r["symbol"].startswith("!")
        if symbol == "R_DKIM_PERMFAIL" and "R_DKIM_ALLOW" in symbols:
            symbols.discard(symbol)
        t.row(r["test"], True, (symbol in symbols) != absent, "; ".join(str(s) for s in signatures + chain))
    t.end(9)


if __name__ == "__main__":
    tap.main()
