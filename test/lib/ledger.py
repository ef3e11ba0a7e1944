"""The ledger: clients note every attempt and every 250; afterwards an independent reader
of the Maildirs compares.

    acknowledged  is in  present  is in  attempted
    copies <= 1 + faults between the first MAIL and the noted delivery

A client whose connection dies repeats the letter under the same Message-ID, as a real
server does."""
import collections
import json
import os
import re
import threading
import time

import letters
import server
import smtp
import tap


class Entry:
    def __init__(self, tok, users, body):
        self.tok, self.users, self.body = tok, users, body
        self.first = None           # time of the first MAIL
        self.acks = []              # (time, queue id)
        self.tries = 0


class Client(threading.Thread):
    def __init__(self, ledger, n, seed):
        super().__init__(daemon=True)
        import random
        self.ledger, self.n, self.rng = ledger, n, random.Random(seed * 1000 + n)
        self.error = None

    def run(self):
        try:
            while not self.ledger.stopping:
                self.session()
        except Exception as x:
            import traceback
            self.error = traceback.format_exc()

    def session(self):
        led = self.ledger
        try:
            c = smtp.Smtp(led.addr(), timeout=20)
        except (OSError, smtp.Closed, ValueError):
            time.sleep(0.03)
            return
        with c:
            try:
                if c.banner.code != 220 or c.ehlo().code != 250:
                    time.sleep(0.05)
                    return
                if self.rng.random() < 0.1 and "STARTTLS" in c.features:
                    c.starttls(led.tls)
                    c.ehlo()
                for _ in range(self.rng.choice([1, 3, 20])):
                    if led.stopping:
                        return
                    if not self.one(c):
                        return
            except (smtp.Closed, OSError, ValueError):
                time.sleep(0.02)

    def one(self, c):
        led = self.ledger
        e = led.again(self.n) or led.new(self.n, self.rng)
        e.tries += 1
        e.first = e.first or time.time()
        led.pending[self.n] = e
        if c.mail("ledger@client.example.net").code != 250:
            c.cmd("RSET")
            time.sleep(0.05)
            return True
        for u in e.users:
            if c.rcpt("%s@example.org" % u).code != 250:
                c.cmd("RSET")
                time.sleep(0.05)
                return True
        r = c.data(e.body) if self.rng.random() < 0.7 else c.bdat(e.body)
        if r.code == 250:
            e.acks.append((time.time(), r.queue_id))
            led.pending.pop(self.n)
            return True
        tap.check(r.code in (421, 451, 452), "reply %r" % r)
        time.sleep(0.02)
        return r.code != 421


class Ledger:
    def __init__(self, addr, users, clients=8, seed=1, big=0.05):
        self.addr, self.users, self.big = addr, users, big
        self.tls = smtp.client_context()
        self.entries, self.pending = [], {}
        self.faults = []            # times
        self.stopping = False
        self.clients = [Client(self, i, seed) for i in range(clients)]

    def again(self, n):
        e = self.pending.get(n)
        return e if e is not None and not e.acks else None

    def new(self, n, rng):
        size = rng.choice([0, 4096, 20000])
        if rng.random() < self.big:
            size = 400000
        users = rng.sample(self.users, rng.choice([1, 1, 1, 2, 3]))
        tok = letters.token() + "-c%d" % n
        e = Entry(tok, users, letters.letter(tok, size=size))
        self.entries.append(e)
        return e

    def start(self):
        for c in self.clients:
            c.start()
        return self

    def fault(self):
        self.faults.append(time.time())

    def acked(self):
        return sum(1 for e in self.entries if e.acks)

    def stop(self):
        self.stopping = True
        for c in self.clients:
            c.join(30)
        for c in self.clients:
            tap.check(c.error is None, c.error)

    def read(self, maildir_of):
        """{token: {user: [paths]}}"""
        have = collections.defaultdict(lambda: collections.defaultdict(list))
        for u in self.users:
            for sub in ("new", "cur"):
                d = os.path.join(maildir_of(u), sub)
                for f in os.listdir(d) if os.path.isdir(d) else []:
                    try:
                        with open(os.path.join(d, f), "rb") as h:
                            have[letters.message_id(h.read(2048))][u].append(os.path.join(d, f))
                    except OSError:
                        pass
        return have

    def check(self, maildir_of, log="", limit=60, where=None, release=lambda: None):
        """Waits until every acknowledged letter is there, then checks all of it.  release() is called
        meanwhile: who kills so often makes letters suspect that are innocent."""
        end = time.monotonic() + limit
        while True:
            release()
            have = self.read(maildir_of)
            missing = [(e.tok, u, e.acks) for e in self.entries if e.acks for u in e.users
                       if not have.get(e.tok, {}).get(u)]
            if not missing or time.monotonic() > end:
                break
            time.sleep(0.3)
        tap.check(not missing, lambda: "LOST: %d acknowledged letters, first %s\n%s" %
                  (len(missing), [(t, u, [q for _, q in a]) for t, u, a in missing[:4]],
                   traces(where, log, missing[:3])))
        known = {e.tok: e for e in self.entries}
        strange = [t for t in have if t not in known]
        tap.check(not strange, "letters that nobody sent: %s" % strange[:3])
        noted = delivered_times(log)
        copies = 0
        for t, users in have.items():
            e = known[t]
            for u, paths in users.items():
                tap.check(u in e.users, "%s lies with %s, who was no recipient" % (t, u))
                copies += len(paths)
                done = max([noted.get(q, 0) for _, q in e.acks] + [0]) or \
                    (e.acks[-1][0] + 30 if e.acks else time.time())
                faults = sum(1 for f in self.faults if e.first - 0.5 <= f <= done + 1.0)
                tap.check(len(paths) <= 1 + faults, lambda: "%s: %d copies for %s, %d faults, %d tries" %
                          (t, len(paths), u, faults, e.tries))
                for p in paths:
                    stored = letters.Stored(p)
                    tap.check(letters.same(stored, e.body), lambda: "%s is damaged in %s: %s" %
                              (t, p, difference(stored.data, letters.on_disk(e.body))))
        return "%d attempted, %d acknowledged, %d faults, %d letters lie in the Maildirs" % (
            len(self.entries), self.acked(), len(self.faults), copies)


def releaser(s):
    """Lets go what is held after three deaths, as a person would, and what waits for minutes because
    its disk was away at each try; the ids of the held ones so far are in .ids."""
    def release():
        code, out, _ = s.command("queue", "list", "--json")
        for l in (json.loads(out) if code == 0 else [])[:200]:
            if l["held"]:
                release.ids.add(l["id"])
            s.command("queue", "release", l["id"])
    release.ids = set()
    return release


def traces(where, log, missing):
    """What is left of lost letters: files that hold the token, log lines with the id."""
    import subprocess
    out = []
    for t, _u, acks in missing:
        if where:
            p = subprocess.run(["grep", "-rlaF", t, where], capture_output=True, text=True)
            out += ["%s in %s" % (t, f) for f in p.stdout.split()]
        for _, q in acks:
            out += [l for l in log.splitlines() if q in l][-6:]
    return "\n".join(out)


def difference(got, want):
    n = next((i for i, (a, b) in enumerate(zip(got, want)) if a != b), min(len(got), len(want)))
    return "%d octets for %d, from %d on %r for %r" % (len(got), len(want), n, got[n:n + 40],
                                                       want[n:n + 40])


def delivered_times(log):
    """{queue id: time of the last log line about it}: its delivery is noted by then."""
    import calendar
    out = {}
    for m in re.finditer(r"^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)\.(\d{3})\S* .*\bmsg=([0-9a-z]{13})\b", log, re.M):
        g = [int(x) for x in m.groups()[:7]]
        out[m.group(8)] = calendar.timegm((g[0], g[1], g[2], g[3], g[4], g[5])) + g[6] / 1000
    return out
