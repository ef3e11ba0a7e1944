#!/usr/bin/python3
"""DKIM keys are changed: a new pair is made, waits until it is seen in the DNS, and then signs; the old one stays
published for a week, its removal is asked for and noticed.  The clock is moved by hand (build/hooks)."""
import json
import os
import re
import subprocess

import certs
import tap
from letters import token
from server import SLOW, is_for_tests
from signatures import tags
from tap import check, equal, eventually, test
from world import World, once

DOMAIN, HOST, IP = "ours.test", "mx.ours.test", "127.9.0.1"


class Ours(World):
    def __init__(self):
        if not is_for_tests():
            tap.skip("this build has no clock by hand")
        super().__init__()
        self.ips[DOMAIN], self.hosts[DOMAIN] = IP, HOST
        self.certs[DOMAIN] = certs.signed(self.folder, DOMAIN, self.ca, [HOST])
        self.net.zone(DOMAIN, "")
        self.start()
        self.s = self.waxwing(DOMAIN, listen=["smtp %s:25" % IP]).start()
        self.first, self.second = [], []

    def run(self, *args, code=0):
        got, out, err = self.s.command(*args)
        equal(got, code, "%s: %s%s" % (" ".join(args), out, err))
        return out + err

    def keys(self):
        """{selector: (its record as a line, the note)} of what is printed for publishing."""
        told = json.loads(self.run("dns", "records", DOMAIN, "--format", "json"))["records"]
        return {r["name"].split(".")[0]: (r["remove"], r["note"], "%s. 60 IN TXT %s" % (r["name"], r["data"]))
                for r in told if r["kind"] == "dkim"}

    def publish(self, *selectors):
        keys = self.keys()
        self.net.change(DOMAIN, "\n".join(keys[s][2] for s in selectors))

    def status(self):
        return {k["selector"]: k["state"] for k in json.loads(self.run("status", "--json"))["dkim"]}

    def signers(self):
        """The selectors on a letter of ours."""
        tok, path = token(), self.s.dir + "/sendmail"
        if not os.path.exists(path):
            os.symlink(self.s.binary, path)
        subprocess.run([path, "-C", self.s.conf, "-f", "alice@" + DOMAIN, "alice@" + DOMAIN], check=True, timeout=30 * SLOW,
                       input=("From: alice@%s\nTo: alice@%s\nSubject: %s\n\nGood day.\n" % (DOMAIN, DOMAIN, tok)).encode())
        raw = self.s.wait(tok, "alice").raw
        return sorted(t["s"] for t in tags(raw.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")))

    def clock(self, move):
        self.run("test", "clock", move)

    def becomes(self, want, what):
        eventually(lambda: self.status() == want, 30 * SLOW, 0.2, what=lambda: "%s, not %s" % (what, self.status()))


world = once(Ours)


@test("the first pair signs at once; that nobody has seen it is said until it is in the DNS")
def first():
    w = world()
    w.first = sorted(w.keys())
    equal(len(w.first), 2, "a pair")
    equal(w.status(), {k: "in-use" for k in w.first}, "status")
    equal(w.signers(), w.first, "what signs")
    check("never seen in the DNS" in w.run("status"), "status says so")
    w.publish(*w.first)
    w.clock("+1h")
    w.becomes({}, "both are seen")


@test("a new pair waits as long as it is not published")
def waits():
    w = world()
    out = w.run("dns", "rotate-dkim", DOMAIN)
    lines = [l for l in out.splitlines() if not l.startswith(";")]
    equal(len(lines), 2, out)
    w.second = sorted(set(w.keys()) - set(w.first))
    equal(sorted(l.split(".")[0] for l in lines), w.second, "what is printed")
    equal(w.status(), {k: "new" for k in w.second}, "status")
    check("still waits" in w.run("dns", "rotate-dkim", DOMAIN, code=1), "one pair at a time")
    w.clock("+1h")
    w.clock("+1h")
    equal(w.status(), {k: "new" for k in w.second}, "nobody has seen it")
    equal(w.signers(), w.first, "what signs")
    check(re.search(r"no such domain", w.run("dns", "rotate-dkim", "other.test", code=1)), "another's domain")


@test("half a pair that is seen signs, the other half goes on waiting")
def half():
    w = world()
    w.publish(*w.first, w.second[0])
    w.clock("+1h")
    w.becomes({w.second[1]: "new"}, "the other half waits")
    # selectors end in e (Ed25519) or r (RSA), the second pair's in e2, r2: the half of the one gives way to that of the other
    equal(w.signers(), sorted([w.second[0]] + [k for k in w.first if k[8] != w.second[0][8]]), "what signs")


@test("what is seen signs from then on; the old pair stays published for a week")
def seen():
    w = world()
    w.publish(*w.first, *w.second)
    w.clock("+1h")
    w.becomes({}, "all are seen")
    equal(w.signers(), w.second, "what signs")
    keys = w.keys()
    equal(sorted(keys), sorted(w.first + w.second), "all are to be published")
    for k in w.first:
        check("leave it for now" in keys[k][1], keys[k])
    eventually(lambda: all(re.search(r"dkim .*selector=%s state=in-use" % k, w.s.log()) for k in w.second), 10 * SLOW)
    w.clock("+6d")
    equal(w.status(), {}, "after six days")


@test("after a week its removal is asked for, in status, log and dns check")
def removal():
    w = world()
    w.clock("+2d")
    w.becomes({k: "removable" for k in w.first}, "both are to be removed")
    check("take its record out" in w.run("status"), "status")
    w.s.log_wait(r"dkim .*selector=%s .*next=\"take the record" % w.first[0], 30)
    for line in w.run("dns", "records", DOMAIN).splitlines():
        check(not any(line.startswith(k + ".") for k in w.first), line)
    code, out, _ = w.s.command("dns", "check", DOMAIN)
    check(re.search(r"^still there +%s\._domainkey\.ours\.test TXT$" % w.first[0], out, re.M), out)


@test("that it is removed is noticed, and it is told of no more")
def removed():
    w = world()
    w.publish(*w.second)
    w.clock("+1h")
    w.becomes({}, "nothing waits")
    eventually(lambda: sorted(w.keys()) == w.second, 10 * SLOW, 0.2, what=lambda: w.keys())


@test("dkim-rotate makes a pair when the one in use is old, and one only")
def by_age():
    w = world()
    w.s.reload(w.s.text + "dkim-rotate 5d\n")
    w.clock("+1h")
    eventually(lambda: len(w.status()) == 2, 30 * SLOW, 0.2, what=lambda: w.status())
    equal(set(w.status().values()), {"new"}, "they wait")
    before = w.status()
    w.clock("+1h")
    w.clock("+1d")
    equal(w.status(), before, "one pair")
    w.s.log_wait(r"dkim-rotate", 10)


if __name__ == "__main__":
    tap.main()
