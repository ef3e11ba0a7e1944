#!/usr/bin/python3
"""waxwing doctor: where all is right all is green; where one thing is wrong that check alone says so, with its remedy."""
import contextlib
import json
import os
import pty
import re
import shutil
import socket
import subprocess

import doctor_world
import internet
import tap
from doctor_world import HOST, OTHER, OURS, OURS6, WEB, DoctorWorld
from server import SLOW, TOP
from tap import cases, check, equal, test
from world import Cut, once

INCLUDES = "\n".join('i%d TXT "v=spf1 %s ?all"' % (i, "include:i%d.%%s" % (i + 1) if i < 11 else "mx") for i in range(12))


def other_key(line):
    """The record of a key that is nobody's."""
    return line if "k=rsa" in line else re.sub(r"p=[^;\"]+", "p=" + "A" * 43 + "=", line)


# domain: (what is wrong, the check that must say so, its result, evidence, remedy)
DOMAINS = {
    "nomx.test": ({"mx": None, "sts": None, "spf": ['"v=spf1 ip4:127.5.0.0/24 ip6:fd00:25::5 -all"']}, "mx", "fail", "no MX record",
                  r"Publish  nomx\.test\. MX 10 mx\.right\.test\."),
    "elsewhere.test": ({"mx": "10 mx.gmail.com.", "sts": None, "spf": ['"v=spf1 ip4:127.5.0.0/24 ip6:fd00:25::5 -all"']}, "mx", "fail",
                       "lead to others (mx.gmail.com)", r"Publish  elsewhere\.test\. MX"),
    "nospf.test": ({"spf": []}, "spf", "fail", "no SPF record",
                   r'Publish  nospf\.test\. TXT "v=spf1 ip4:127\.5\.0\.2 ip6:fd00:25::5 -all"'),
    "twospf.test": ({"spf": ['"v=spf1 mx -all"', '"v=spf1 a -all"']}, "spf", "fail", "2 SPF records", "Make one record"),
    "brokenspf.test": ({"spf": ['"v=spf1 ip4:127.5.0 -all"']}, "spf", "fail", "broken", "Correct it"),
    "manyspf.test": ({"spf": ['"v=spf1 include:i0.manyspf.test -all"'], "more": INCLUDES % (("manyspf.test",) * 11)}, "spf", "fail",
                     "the record is broken", "At most 10 mechanisms"),
    "narrowspf.test": ({"spf": ['"v=spf1 ip4:127.5.0.77 -all"']}, "spf", "fail", "may not send", r"Add  ip4:127\.5\.0\.2 "),
    "openspf.test": ({"spf": ['"v=spf1 +all"']}, "spf", "fail", "everybody", "end the record with -all"),
    "nodkim.test": ({"dkim": lambda line: None if "k=rsa" in line else line}, "dkim", "fail", "there is no record",
                    r"Publish  \d+r\._domainkey\.nodkim\.test\. TXT \"v=DKIM1"),
    "otherkey.test": ({"dkim": other_key}, "dkim", "fail", "is not that of our key", r"Publish  \d+e\._domainkey\.otherkey\.test\."),
    "nodmarc.test": ({"dmarc": None}, "dmarc", "fail", "no DMARC record", r"Publish  _dmarc\.nodmarc\.test\. TXT \"v=DMARC1; p=none"),
    "oddmarc.test": ({"dmarc": '"v=DMARC1; p=perhaps"'}, "dmarc", "fail", "cannot be used", r"Publish  _dmarc\.oddmarc\.test\."),
    "foreign.test": ({"dmarc": '"v=DMARC1; p=none; rua=mailto:d@outside.test"'}, "dmarc", "fail", "has not said that it wants",
                     r"publishes  foreign\.test\._report\._dmarc\.outside\.test\. TXT \"v=DMARC1\""),
    "quiet.test": ({"dmarc": '"v=DMARC1; p=none"'}, "dmarc", "warn", "asks for no reports", "rua=mailto:dmarc-reports@quiet.test"),
    "nosts.test": ({"sts": ""}, "mta-sts", "fail", "cannot be had", r"Serve it at https://mta-sts\.nosts\.test/"),
    "narrowsts.test": ({"sts": "version: STSv1\nmode: enforce\nmx: mail.narrowsts.test\nmax_age: 86400\n"}, "mta-sts", "fail",
                       "does not name the MX mx.right.test", "mx: mx.right.test"),
    "agree.test": ({"dmarc": '"v=DMARC1; p=none; rua=mailto:d@agreed.test"'}, None, "ok", "", ""),
}
world = once(lambda: DoctorWorld({name: row[0] for name, row in DOMAINS.items()}))


def results(said):
    return {c["id"]: c for c in said["checks"]}


def sums(checks):
    return "\n".join("%s: %s %s -> %s" % (i, c["result"], "; ".join(e["text"] for e in c["evidence"]), c["remedy"])
                     for i, c in checks.items() if c["result"] not in ("ok", "skipped"))


def all_right(domain="right.test", server=None):
    said, code = world().ask(domain, server=server)
    checks = results(said)
    equal({i: c["result"] for i, c in checks.items() if c["result"] != "ok"}, {}, sums(checks))
    equal((code, said["ok"]), (0, True), "exit code")
    return checks


def only(ident, result, evidence, remedy, domain="right.test", server=None):
    """Exactly that check does not say that all is well."""
    said, code = world().ask(domain, server=server)
    checks = results(said)
    equal([i for i, c in checks.items() if c["result"] in ("warn", "fail")], [ident] if ident else [], sums(checks))
    equal(code, 1 if result == "fail" else 0, "exit code")
    if ident:
        c = checks[ident]
        equal(c["result"], result, sums(checks))
        check(evidence in "\n".join(e["text"] for e in c["evidence"]), "%s: %s" % (evidence, sums(checks)))
        check(re.search(remedy, c["remedy"]), "%s: %s" % (remedy, sums(checks)))
        check(os.path.exists(os.path.join(TOP, c["page"])), c["page"])
    return checks


@test("where all is right all is green", limit=120)
def green():
    checks = all_right()
    with open(os.path.join(TOP, "src/role/control/doctor.def")) as f:
        equal(sorted(checks), sorted(re.findall(r'^CHECK\(\w+, "([\w-]+)"', f.read(), re.M)), "all checks of the table")


@cases([(name, row) for name, row in DOMAINS.items()], name="a domain with one thing wrong: {0}", limit=60)
def domain(row):
    _what, ident, result, evidence, remedy = row
    name = next(n for n, r in DOMAINS.items() if r is row)
    only(ident, result, evidence, remedy, name)


# The server, one thing at a time; each is a with-block.

@contextlib.contextmanager
def records(zone, change):
    """Other lines in a zone."""
    z = world().net.zones[zone]
    was = z.hosts[:]
    z.hosts[:] = change(was)
    world().net.change(zone, z.text)
    world().flush()
    try:
        yield
    finally:
        z.hosts[:] = was
        world().net.change(zone, z.text)
        world().flush()


@contextlib.contextmanager
def zone_text(change):
    z = world().net.zones["ip6.arpa"]
    was = z.text
    world().net.change("ip6.arpa", change(was))
    world().flush()
    try:
        yield
    finally:
        world().net.change("ip6.arpa", was)
        world().flush()


@contextlib.contextmanager
def published(**what):
    was = dict(world().domains["right.test"])
    world().change("right.test", **what)
    try:
        yield
    finally:
        world().domains["right.test"] = was
        world().change("right.test")


@contextlib.contextmanager
def configured(change):
    s = world().server
    s.reload(change(s.text))
    try:
        yield
    finally:
        s.reload(s.text)


def replaced(old, new):
    check(old in world().server.text, old)
    return configured(lambda text: text.replace(old, new))


@contextlib.contextmanager
def chain(make):
    """Another certificate file."""
    w = world()

    def swap(text):
        before = shown()
        w.put_chain(text)
        tap.eventually(lambda: shown() != before, 10 * SLOW, what="the new certificate")

    def shown():
        return len(re.findall(r"certificate number=0", w.server.stderr() + log_of(w.server)))
    swap(make(w.certs))
    try:
        yield
    finally:
        swap(w.chain)


def log_of(s):
    return s.log_bytes().decode("utf-8", "replace")


@contextlib.contextmanager
def listed():
    world().listed[("dnsbl.dronebl.org", "2.0.5.127")] = "127.0.0.3"
    world().flush()
    try:
        yield
    finally:
        world().listed.clear()
        world().flush()


@contextlib.contextmanager
def clock_off(seconds):
    world().wrong_by = seconds
    try:
        yield
    finally:
        world().wrong_by = 0


@contextlib.contextmanager
def small_disk():
    at = os.path.join(world().server.dir, "mail")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "none", at], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", at], check=True)


@contextlib.contextmanager
def readable_key():
    os.chmod(world().certs.key, 0o644)
    try:
        yield
    finally:
        os.chmod(world().certs.key, 0o600)


@contextlib.contextmanager
def open_folder():
    at = os.path.join(world().server.dir, "keys")
    os.chmod(at, 0o755)
    try:
        yield
    finally:
        os.chmod(at, 0o700)


@contextlib.contextmanager
def forwarder():
    """Somebody who resolves for us."""
    w = world()

    def answer(q, is_tcp):
        name = q.name.lower().rstrip(".") or "."
        # a DS is the parent's
        start = (name.partition(".")[2] or ".") if q.type == 43 and name != "." else name
        z = w.net.zone_of(start)
        reply = ask_server(w.net.address(z), q.packet)
        return [reply[:2] + bytes([reply[2] & ~4 | 1, reply[3] | 0x80]) + reply[4:]] if reply else []

    w.net.scripted("127.9.2.1", answer)
    with replaced("dns {\n", "dns {\n  resolver forward 127.9.2.1\n"):
        yield


def ask_server(ip, packet):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(3)
        s.connect((ip, 53))
        s.send(packet)
        try:
            return s.recv(8192)
        except OSError:
            return None


@contextlib.contextmanager
def island():
    """A trust anchor that is not the root's."""
    net = world().net
    path = os.path.join(world().folder, "island.key")
    with open(os.path.join(net.dir, net.zones["island.test"].key + ".ds")) as f, open(path, "w") as out:
        out.write(f.read())
    os.chmod(path, 0o644)
    with replaced("trust-anchor file " + net.anchor, "trust-anchor file " + path):
        yield


SERVER = [
    # what is wrong, how, the check, its result, evidence, remedy
    ("no PTR", lambda: records(internet.REVERSE, lambda h: [l for l in h if not l.startswith(doctor_world.reverse4(OURS))]),
     "ptr", "fail", "no PTR record", "PTR record of 127.5.0.2 set to mx.right.test"),
    ("a PTR that does not lead back", lambda: records(internet.REVERSE, lambda h: [l.replace("PTR mx.right.test.", "PTR mx.gmail.com.")
                                                                                 if l.startswith(doctor_world.reverse4(OURS)) else l for l in h]),
     "ptr", "fail", "does not lead back", "PTR record of 127.5.0.2 set to mx.right.test"),
    ("another name", lambda: records(internet.REVERSE, lambda h: [l.replace("PTR mx.right.test.", "PTR twin.right.test.")
                                                                  if l.startswith(doctor_world.reverse4(OURS)) else l for l in h]),
     "helo", "warn", "whose name is twin.right.test", "the PTR record of 127.5.0.2 to mx.right.test"),
    ("another address", lambda: replaced("source " + OURS, "source " + OTHER), "helo", "fail", "does not lead there", r"Publish  mx\.right\.test\. A 127\.5\.0\.9"),
    ("IPv6 without a name", lambda: zone_text(lambda t: ""), "ipv6", "warn", "no PTR record", "ipv6 off"),
    ("port 25 is closed", lambda: Cut([doctor_world.BIG]), "port25-out", "fail", "could be reached on port 25", "Open outgoing TCP port 25"),
    ("somebody else resolves", forwarder, "resolver", "warn", "all questions go to 127.9.2.1", "Remove `resolver forward`"),
    ("no validation", island, "dnssec", "fail", "not validated", "trust-anchor file"),
    ("a list that refuses us", lambda: configured(lambda t: t.replace("inbound {", "inbound {\ncheck dnsbl refuse.test hit tag")),
     "list-access", "fail", "refuse.test: it refuses to answer us", "resolver of your own"),
    ("we are listed", listed, "block-lists", "fail", "127.5.0.2 is in dnsbl.dronebl.org (127.0.0.3)", "https://dronebl.org/lookup"),
    ("no intermediate certificate", lambda: chain(lambda c: c.leaf("alone", [HOST])), "certificate", "fail", "local issuer",
     'The chain is incomplete. Add the certificate of "/CN=middle"'),
    ("the root in the chain", lambda: chain(lambda c: world().chain + c.text("root")), "certificate", "warn", "contains the root",
     "Take the last certificate out"),
    ("certificates in the wrong order", lambda: chain(lambda c: c.text("middle") + c.leaf("turned", [HOST])), "certificate", "warn",
     "wrong order", "own certificate first"),
    ("a certificate for another name", lambda: chain(lambda c: c.leaf("other", ["www.right.test"]) + c.text("middle")), "certificate", "fail",
     "no certificate is for our host name mx.right.test", "certbot certonly -d mx.right.test"),
    ("a certificate that ends soon", lambda: chain(lambda c: c.leaf("soon", [HOST], days=2) + c.text("middle")), "certificate", "fail",
     "is good for 1 days", "Renew it"),
    ("a certificate that ends in ten days", lambda: chain(lambda c: c.leaf("later", [HOST], days=11) + c.text("middle")), "certificate", "warn",
     "is good for 10 days", "Renew it"),
    ("TLSA of another key", lambda: published(tlsa="TLSA 3 1 1 " + "ab" * 32), "tlsa", "fail", "no TLSA record",
     r"Publish  _25\._tcp\.mx\.right\.test\. TLSA 3 1 1 [0-9a-f]{64}\n"),
    ("everybody is a friend", lambda: configured(lambda t: t + "submission {\nnetwork 0.0.0.0/0 as *@right.test\n}\n"), "open-relay", "fail",
     "has strangers in it", "only addresses of your own machines"),
    ("the clock is behind", lambda: clock_off(3600), "clock", "fail", "s behind", "chrony"),
    ("the clock is ahead", lambda: clock_off(-3600), "clock", "fail", "s ahead of", "chrony"),
    ("the disk is full", small_disk, "disk", "fail", "/mail:", "Make room"),
    ("a key for all to read", readable_key, "permissions", "fail", "others may read it", "chmod 640"),
    ("a folder of secrets for all to enter", open_folder, "permissions", "fail", "others may read it", "chmod 700"),
]


@cases(SERVER, name="a server with one thing wrong: {0}", limit=90)
def server(how, ident, result, evidence, remedy):
    with how():
        only(ident, result, evidence, remedy)


@test("a server with one thing wrong: a host name that leads nowhere", limit=90)
def nameless():
    w = world()
    s = w.make_server(hostname="odd.right.test", at=OTHER)
    # it signs with the same keys
    os.mkdir(os.path.join(s.dir, "keys"), 0o700)
    shutil.copy2(os.path.join(w.server.dir, "keys/dkim.book"), os.path.join(s.dir, "keys/dkim.book"))
    with s:
        w.servers.append(s)
        try:
            only("host-name", "fail", "odd.right.test has no address", r"Publish  odd\.right\.test\. A 127\.5\.0\.9", server=s)
        finally:
            w.servers.remove(s)


@test("--only looks at that alone; wrong words are told", limit=30)
def selected():
    said, code = world().ask("nomx.test", "--only", "mx", "--only", "ptr")
    equal([(c["id"], c["result"]) for c in said["checks"]], [("ptr", "ok"), ("mx", "fail")], "checks")
    equal(code, 1, "exit code")
    for words in (("--only", "nonsense"), ("--only",), ("a.test", "b.test"), ("--interval", "soon"), ("[127.0.0.1]",)):
        code, out, err = world().server.command("doctor", *words)
        equal((code, out), (2, ""), " ".join(words))
        check("IDs: host-name ptr" in err, err)


@test("without a domain it looks at all; the text names the remedy and its page", limit=60)
def told():
    code, out, err = world().server.command("doctor", timeout=60)
    equal(code, 1, out + err)
    for line in ("ok      mx right.test: The MX records lead to us", "FAIL    mx nomx.test: The MX records lead to us",
                 "          ! nomx.test has no MX record", "        remedy: Publish  nomx.test. MX 10 mx.right.test.",
                 "        remedy: Publish  _dmarc.nodmarc.test. TXT \"v=DMARC1;", "        more: docs/fix/mx.md"):
        check(line in out, "%s in %s" % (line, out[:3000]))
    check(re.search(r"^\d+ ok, 1 warnings, \d+ failed, \d+ skipped$", out, re.M), out[-200:])
    equal(err, "", "nobody watches the progress")


@test("on a terminal it says how far it is", limit=60)
def progress():
    ours, theirs = pty.openpty()
    p = subprocess.Popen([world().server.binary, "-c", world().server.conf, "doctor", "right.test"], stdout=subprocess.PIPE, stderr=theirs)
    out, _ = p.communicate(timeout=60)
    os.close(theirs)
    said = os.read(ours, 65536).decode()
    os.close(ours)
    check(re.search(r"\r\x1b\[K\d+ of 20 checks, waiting for [\w-]+", said), repr(said))
    check(said.endswith("\r\x1b[K"), "and wipes it away: " + repr(said[-40:]))
    check(b"20 ok, 0 warnings, 0 failed, 0 skipped" in out, out[-200:])


@test("--watch prints what has changed, and ends with its reader", limit=90)
def watched():
    w = world()
    p = subprocess.Popen([w.server.binary, "-c", w.server.conf, "--json", "doctor", "right.test", "--watch", "--interval", "5s", "--only",
                          "clock", "--only", "mx"], stdout=subprocess.PIPE, text=True)
    first = [json.loads(p.stdout.readline()) for _ in range(2)]
    equal([(c["id"], c["result"]) for c in first], [("clock", "ok"), ("mx", "ok")], "the first look")
    with clock_off(3600):
        c = json.loads(p.stdout.readline())
        equal((c["id"], c["result"]), ("clock", "fail"), "what has changed")
    c = json.loads(p.stdout.readline())
    equal((c["id"], c["result"]), ("clock", "ok"), "and again")
    p.kill()
    p.wait()
    p.stdout.close()
    tap.eventually(lambda: "control_command" not in w.server.command("status", "--fibers")[1].replace("control_command", "", 1), 30 * SLOW,
                   what="the server looks no more")


@test("every check fails in some row", limit=10)
def complete():
    failed = {row[1] for row in DOMAINS.values()} | {row[2] for row in SERVER} | {"host-name"}
    with open(os.path.join(TOP, "src/role/control/doctor.def")) as f:
        equal(sorted(set(re.findall(r'^CHECK\(\w+, "([\w-]+)"', f.read(), re.M)) - failed), [], "checks without a row")


@test("afterwards all is green again", limit=60)
def green_again():
    all_right()


if __name__ == "__main__":
    tap.main()
