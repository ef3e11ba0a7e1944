#!/usr/bin/python3
"""A configuration comes into force in one process after the other: what is sent meanwhile goes where it should.

Only builds for tests can be told that the parent takes its time."""
import os
import subprocess
import threading

import server
import tap
from letters import letter, token
from server import SLOW, Server
from sink import Sink
from tap import check, equal, test

IS_FOR_TESTS = subprocess.run([server.BINARY, "-c", "/nonexistent", "test", "clock"],
                              capture_output=True, text=True, check=False).returncode != 2


def conf(*routes):
    return "users file users\noutbound {\nretry 1s 1s 1s 1s 1s 2s give-up 1h warn 30m\n%s\n}\n" % "\n".join(
        "route %s via smtp://127.0.0.1:%d tls off" % (d, s.port) for d, s in routes)


@test("a reload in small steps: the number of a route means the same to who says it and who hears it", limit=120)
def routes():
    """Other routes stand before that of two.test, then not, while letters for two.test go out all the time."""
    if not IS_FOR_TESTS:
        tap.skip("needs a build for tests")
    with Sink() as one, Sink() as two, Sink() as three:
        few = conf(("one.test", one), ("two.test", two))
        many = conf(("three.test", three), ("one.test", one), ("two.test", two))
        with Server(few) as s:
            with open(os.path.join(s.dir, "users"), "w") as f:
                f.write("away@example.org: x@two.test\n")
            s.log_wait(r'path="[^"]*/users" lines=1')
            base, toks, done = s.text, [], threading.Event()

            def send():
                with s.client() as c:
                    c.ehlo()
                    while not done.is_set():
                        tok = token()
                        equal(c.deliver("away@example.org", letter(tok), sender="").code, 250, "reply")
                        toks.append(tok)
                        done.wait(0.02)
            sender = threading.Thread(target=send)
            sender.start()
            try:
                code, _, err = s.command("test", "fault", "ipc.send", "delay", "100ms", "in", "parent")
                equal((code, err), (0, ""), "test fault")
                for text in many, few, many:
                    s.write_conf(base.replace(few, text))
                    code, out, err = s.command("reload", timeout=60 * SLOW)
                    equal(code, 0, out + err)
                s.command("test", "fault", "clear")
            finally:
                done.set()
                sender.join()
            tap.eventually(lambda: len(two.letters) >= len(toks), 20 * SLOW,
                           what=lambda: "%d letters, not %d" % (len(two.letters), len(toks)))
            equal((one.letters, three.letters), ([], []), "letters at others' servers")
            equal(len(two.letters), len(toks), "letters")
            check(len(toks) > 20, "only %d letters" % len(toks))
            s.log_wait(r" stale msg=")
            # a relay that starts anew knows the same
            s.expect_crash = True
            s.kill_role("relay")
            with s.client() as c:
                c.ehlo()
                toks.append(token())
                c.deliver("away@example.org", letter(toks[-1]), sender="")
            tap.eventually(lambda: any(toks[-1].encode() in l for l in two.letters), 20 * SLOW, what="the last letter")


tap.main()
