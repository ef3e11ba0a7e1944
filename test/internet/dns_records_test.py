#!/usr/bin/python3
"""waxwing dns records and dns check: what is printed goes into a name server, and then all of it is published; each
record that is wrong is told, and nothing else."""
import json
import os
import re
import shutil
import subprocess

import certs
import internet
import peers
import tap
from server import SLOW
from peers import ARCH_LIB
from tap import cases, check, equal, eventually, test
from world import World, once

DOMAIN, HOST, IP = "ours.test", "mx.ours.test", "127.9.0.1"
LISTEN = ["smtp %s:25" % IP, "submission %s:465 tls" % IP, "imap %s:993 tls" % IP, "pop3 off"]


class Ours(World):
    def __init__(self):
        self.bind = peers.unpack("bind", "bind9", "bind9-dnsutils")      # before: it may have to fetch it
        super().__init__()
        self.ips[DOMAIN], self.hosts[DOMAIN] = IP, HOST
        self.certs[DOMAIN] = certs.signed(self.folder, DOMAIN, self.ca, [HOST])
        self.net.zone(DOMAIN, "")
        self.start()
        self.s = self.waxwing(DOMAIN, listen=LISTEN).start()
        self.lines = []

    def records(self, *args):
        code, out, err = self.s.command("dns", "records", DOMAIN, *args)
        equal((code, err), (0, ""), "dns records")
        return out

    def publish(self, lines):
        self.net.change(DOMAIN, "\n".join(lines))

    def stale(self, text):
        """A second name server of the zone, with other records."""
        second = ["@ NS ns2.ours.test.", "ns2 A 127.1.0.4"]
        zone = self.net.zones[DOMAIN]
        self.publish(second + [text])
        shutil.copy(self.net.file_of(zone), self.net.dir + "/second.zone")
        self.publish(second + self.lines)
        with open(self.net.dir + "/nsd-second.conf", "w") as f:
            f.write(internet.SERVER_CONF % {"dir": self.net.dir, "name": "second", "ip": "127.1.0.4"} +
                    'zone:\n    name: "%s"\n    zonefile: "%s/second.zone"\n' % (DOMAIN, self.net.dir))
        self.net.daemons["second"] = subprocess.Popen(
            [self.net.lower + "/usr/sbin/nsd", "-d", "-c", self.net.dir + "/nsd-second.conf"], env=self.net.env,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.net.wait_server("second", "127.1.0.4")
        self.s.restart()        # its resolver knows one server only

    def check(self):
        code, out, err = self.s.command("dns", "check", DOMAIN, "--json")
        equal(err, "", "dns check")
        told = json.loads(out)
        equal(code, 0 if told["ok"] else 1, "the exit code")
        return told

    def faults(self):
        return [(r["kind"], r["state"]) for r in self.check()["records"] if r["fault"]]


world = once(Ours)


def ptr(w, name):
    w.net.change(internet.REVERSE, "1.0.9 PTR %s." % name if name else "")


def all_published(w):
    w.publish(w.lines)
    ptr(w, HOST)
    eventually(lambda: not w.faults(), 20 * SLOW, 0.2, what=lambda: "all published: %s" % w.faults())


@test("the printed records are a zone fragment that nsd takes")
def fragment():
    w = world()
    text = w.records()
    w.lines = [l for l in text.splitlines() if l and not l.startswith(";")]
    path = os.path.join(w.net.dir, "fragment.zone")
    with open(path, "w") as f:
        f.write("$ORIGIN other.test.\n%s. 60 SOA ns hostmaster 1 2 3 4 5\n%s. 60 NS ns.\n%s" % (DOMAIN, DOMAIN, text))
    p = subprocess.run([w.net.lower + "/usr/sbin/nsd-checkzone", DOMAIN, path], env=w.net.env, capture_output=True, text=True)
    check("is ok" in p.stdout, p.stdout + p.stderr)
    for line in w.lines:
        check(re.match(r"[-_.0-9a-z]+\.ours\.test\. 3600 IN [A-Z]+ |ours\.test\. 3600 IN [A-Z]+ ", line), line)
    kinds = sorted({l.split()[3] for l in w.lines})
    equal(kinds, ["A", "MX", "SRV", "TLSA", "TXT"], "types")
    check("Please set the reverse DNS (PTR) of %s to %s." % (IP, HOST) in text, "the sentence for the provider")
    services = sorted(l.split(".")[0] for l in w.lines if " SRV " in l)
    equal(services, ["_imaps", "_submissions"], "only what is served")


@test("dkim keys, TLSA and SPF are those of the server")
def values():
    w = world()
    out = {(r["kind"], r["name"]): r for r in json.loads(w.records("--format", "json"))["records"]}
    equal(out[("spf", DOMAIN)]["text"], "v=spf1 ip4:%s -all" % IP, "SPF")
    equal(sorted(re.search(r"k=(\w+)", r["text"]).group(1) for (k, _), r in out.items() if k == "dkim"),
          ["ed25519", "rsa"], "a pair")
    want = certs.tlsa(w.certs[DOMAIN][0], 3, 1, 1).split()[-1].lower()
    equal(out[("tlsa", "_25._tcp." + HOST)]["text"].split()[-1], want, "TLSA")


@test("nothing is published yet, and it is said of each record")
def nothing():
    w = world()
    told = w.check()
    states = {r["kind"]: r["state"] for r in told["records"]}
    equal(set(states.values()), {"missing"}, states)
    code, out, _ = w.s.command("dns", "check", DOMAIN)
    equal(code, 1, "the exit code")
    check(re.search(r"^missing +ours\.test MX$", out, re.M) and "should be 10 mx.ours.test." in out, out)
    check(re.search(r"^optional +_mta-sts\.ours\.test TXT$", out, re.M), out)


@test("what is printed is published: all published")
def published():
    w = world()
    w.s.restart()               # its cache knows that nothing is there
    all_published(w)
    code, out, _ = w.s.command("dns", "check", DOMAIN)
    equal(code, 0, out)
    check(out.endswith("ours.test: all published\n"), out)
    check("cached" not in out, out)


def without(kind):
    return lambda lines: [l for l in lines if not re.search(kind, l)]


def instead(what, by):
    return lambda lines: [re.sub(what, by, l) for l in lines]


def besides(line):
    return lambda lines: lines + [line]


@cases([
    ("no MX", without(" MX "), ("mx", "missing")),
    ("another MX", instead("MX 10 mx", "MX 10 old"), ("mx", "differs")),
    ("no SPF", without(r"^ours\.test\. .*spf1"), ("spf", "missing")),
    ("an SPF record of others", instead(r"(^ours\.test\. .*)ip4:\S+", r"\1ip4:192.0.2.1"), ("spf", "differs")),
    ("two SPF records", besides('ours.test. 3600 IN TXT "v=spf1 mx -all"'), ("spf", "differs")),
    ("no SPF for HELO", without(r"^mx\.ours\.test\. .*spf1"), ("spf-helo", "missing")),
    ("no RSA key", without("k=rsa"), ("dkim", "missing")),
    ("another Ed25519 key", instead("(k=ed25519; p=)....", r"\1AAAA"), ("dkim", "differs")),
    ("no DMARC", without("DMARC1"), ("dmarc", "missing")),
    ("a DMARC record with an error", instead("p=none", "p=nonne"), ("dmarc", "differs")),
    ("two DMARC records", besides('_dmarc.ours.test. IN TXT "v=DMARC1; p=reject"'), ("dmarc", "differs")),
    ("no TLSRPT", without("TLSRPT"), ("tlsrpt", "missing")),
    ("a broken MTA-STS record", instead("STSv1; id=", "STSv1; no="), ("mta-sts", "differs")),
    ("no TLSA", without("TLSA"), ("tlsa", "missing")),
    ("TLSA of another key", instead("3 1 1 ....", "3 1 1 abcd"), ("tlsa", "differs")),
    ("no SRV", without("_imaps"), ("srv", "missing")),
    ("SRV to another port", instead("SRV 0 1 993", "SRV 0 1 994"), ("srv", "differs")),
    ("another address", instead(" A 127.9.0.1", " A 127.9.0.2"), ("a", "differs")),
    ("no address", without(" A "), ("a", "missing")),
], name="wrong alone: {0}")
def wrong(spoil, fault):
    w = world()
    w.publish(spoil(w.lines))
    eventually(lambda: w.faults() == [fault], 20 * SLOW, 0.2, what=lambda: "%s alone, not %s" % (fault, w.faults()))


@test("as good as ours: SPF by include, a stricter DMARC, an MX beside ours")
def as_good():
    w = world()
    lines = instead("ip4:127.9.0.1", "include:inc.ours.test")(w.lines)
    lines = instead("p=none; rua=[^\"]*", "p=reject")(lines)
    w.publish(lines + ['inc.ours.test. IN TXT "v=spf1 ip4:127.9.0.0/24 -all"', "ours.test. IN MX 5 backup.ours.test."])
    eventually(lambda: "backup" in json.dumps(w.check()) or "beside" in json.dumps(w.check()), 20 * SLOW, 0.2)
    equal(w.faults(), [], "faults")


@cases([("no PTR", "", ("ptr", "missing")), ("PTR of another name", "vps.isp.test", ("ptr", "differs"))], name="{0}")
def reverse(name, fault):
    w = world()
    w.publish(w.lines)
    ptr(w, name)
    eventually(lambda: w.faults() == [fault], 20 * SLOW, 0.2, what=lambda: "%s alone, not %s" % (fault, w.faults()))
    code, out, _ = w.s.command("dns", "check", DOMAIN)
    check("Please set the reverse DNS (PTR) of 127.9.0.1 to mx.ours.test." in out, out)


@test("a name server that was not updated is named; one that does not answer is left out")
def servers():
    w = world()
    all_published(w)
    # the second one has the zone of before: without any of it
    w.stale("")
    told = eventually(lambda: [r for r in w.check()["records"] if r["fault"] and r["server"]], 20 * SLOW, 0.2)
    equal({r["server"] for r in told}, {"ns2.ours.test"}, "who says otherwise")
    check(("mx", "missing") in [(r["kind"], r["state"]) for r in told], told)
    w.net.stop_server("second")
    equal(w.faults(), [], "with one server that does not answer")


@test("what a cache still has is said, and for how long")
def cached():
    w = world()
    all_published(w)
    w.s.restart()
    w.publish(instead("MX 10 mx", "MX 10 old")(w.lines))
    eventually(lambda: w.faults() == [("mx", "differs")], 20 * SLOW, 0.2)   # and the resolver keeps that
    w.publish(w.lines)
    eventually(lambda: not w.faults(), 20 * SLOW, 0.2)
    old = {r["kind"]: r["old_cached"] for r in w.check()["records"]}
    check(0 < old["mx"] <= 3600, old)
    equal([k for k, v in old.items() if v], ["mx"], "only that")
    code, out, _ = w.s.command("dns", "check", DOMAIN)
    equal(code, 0, out)
    check(re.search(r"^published +ours\.test MX: an old value is cached for up to \d+ s$", out, re.M), out)


@test("where no name server can be asked the resolver has the word")
def resolver_only():
    w = world()
    w.s.restart()
    w.faults()
    with w.cut("127.1.0.3/32"):
        records = w.check()["records"]
    of_zone = [r for r in records if r["kind"] != "ptr"]
    check(all(r["resolver_only"] and not r["fault"] for r in of_zone), records)


@test("nsupdate: a real server takes the updates", limit=240)
def nsupdate():
    w = world()
    w.publish([])
    lower = w.bind
    subprocess.run(["ip", "addr", "add", "127.9.0.53/32", "dev", "lo"], check=True)       # it listens where an interface is
    folder = os.path.join(w.folder, "named")
    os.makedirs(folder)
    key = 'key "k" { algorithm hmac-sha256; secret "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="; };\n'
    with open(folder + "/key", "w") as f:
        f.write(key)
    with open(folder + "/zone", "w") as f:
        f.write("$TTL 60\n@ SOA ns hostmaster 1 3600 600 86400 60\n@ NS ns\nns A 127.9.0.53\n")
    with open(folder + "/named.conf", "w") as f:
        f.write('%soptions { directory "%s"; listen-on { 127.9.0.53; }; listen-on-v6 { none; }; recursion no; '
                'pid-file "%s/pid"; session-keyfile "%s/session"; };\ncontrols { };\n'
                'zone "%s" { type primary; file "%s/zone"; allow-update { key "k"; }; };\n'
                % (key, folder, folder, folder, DOMAIN, folder))
    env = dict(os.environ, LD_LIBRARY_PATH=lower + ARCH_LIB)
    named = subprocess.Popen([lower + "/usr/sbin/named", "-g", "-n", "1", "-c", folder + "/named.conf"], env=env,
                             stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=open(folder + "/log", "w"))
    try:
        eventually(lambda: internet.answers("127.9.0.53"), 20 * SLOW, 0.1, what=lambda: open(folder + "/log").read()[-600:])
        script = "server 127.9.0.53\n" + w.records("--format", "nsupdate")
        p = subprocess.run([lower + "/usr/bin/nsupdate", "-k", folder + "/key"], input=script, env=env, capture_output=True,
                           text=True, timeout=60)
        equal((p.returncode, p.stderr), (0, ""), p.stdout)
        for line in w.lines:
            owner, _, _, kind, data = line.split(None, 4)
            out = subprocess.run([w.net.lower + "/usr/bin/drill", "@127.9.0.53", owner, kind], env=w.net.env,
                                 capture_output=True, text=True).stdout
            flat = lambda s: re.sub(r'[" ]', "", s).lower()
            check(flat(data) in flat(out), "%s\nin\n%s" % (line, out))
    finally:
        named.terminate()
        named.wait()


def zone_of(w):
    """What a server would publish whose configuration names no address."""
    s = w.waxwing(DOMAIN, listen=["smtp *:2525"])
    s.write_conf(re.sub(r"\nsource \S+", "", s.text))
    with s:
        out = s.command("dns", "records", DOMAIN)[1]
    w.living.remove(s)
    return out


@cases([
    ("all by a smarthost", "route * via smtp://smart.isp.test",
     r'^ours\.test\. 3600 IN TXT "v=spf1 a:smart\.isp\.test ~all"$', "all letters leave by smart.isp.test"),
    ("one domain by a relay", "route big.test via smtp://smart.isp.test",
     r'^ours\.test\. 3600 IN TXT "v=spf1 ip4:127\.9\.0\.1 a:smart\.isp\.test ~all"$', "some letters leave by"),
    ("a domain to its own server", "route big.test via smtp://mx.big.test",
     r'^ours\.test\. 3600 IN TXT "v=spf1 ip4:127\.9\.0\.1 -all"$', ""),
    ("a domain of others' letters", "route * from other.test via smtp://smart.isp.test",
     r'^ours\.test\. 3600 IN TXT "v=spf1 ip4:127\.9\.0\.1 -all"$', ""),
], name="SPF: {0}")
def ways_out(route, line, note):
    w = world()
    w.s.reload(w.s.text.replace("outbound {", "outbound {\n" + route))
    out = w.records()
    w.s.reload(w.s.text)
    check(re.search(line, out, re.M) and note in out, out)


@test("addresses: without a word about them the one from which the system sends; behind NAT what the DNS says")
def addresses():
    w = world()
    all_published(w)
    out = zone_of(w)
    check("mx.ours.test. 3600 IN A 127.9.0.1\n" in out and "private addresses only" in out, out)
    run = lambda *a: subprocess.run(["ip"] + list(a), check=True)
    for ip in ("11.22.33.44", "10.22.33.44"):
        run("addr", "add", ip + "/32", "dev", "lo")
    try:
        run("route", "add", "default", "dev", "lo", "src", "11.22.33.44")
        out = zone_of(w)
        check("mx.ours.test. 3600 IN A 11.22.33.44\n" in out and '"v=spf1 ip4:11.22.33.44 -all"' in out, out)
        check("127.9.0.1" not in out, out)
        run("route", "replace", "default", "dev", "lo", "src", "10.22.33.44")
        out = zone_of(w)
        check("mx.ours.test. 3600 IN A 127.9.0.1\n" in out and "private addresses only" in out, out)
    finally:
        run("route", "del", "default")


@test("names that are none, and domains that are not ours")
def usage():
    w = world()
    for args, code in ((["a b"], 2), (["localhost"], 2), (["-x"], 2), (["x" * 64 + ".test"], 2), ([DOMAIN, "--format", "xml"], 2),
                       (["other.test"], 0), ([DOMAIN + "."], 0)):
        got, out, err = w.s.command("dns", "records", *args)
        equal(got, code, "%s: %s%s" % (args, out, err))


if __name__ == "__main__":
    tap.main()
