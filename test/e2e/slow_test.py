#!/usr/bin/python3
"""Clients that take their time: row P11."""
import threading
import time

import tap
from letters import letter
from server import SLOW, Server
from smtp import Closed
from tap import check, equal, test


@test("P11 slow clients: silent, drip by drip, in the handshake; others are served", limit=90)
def slowloris():
    s = Server(inbound="idle 3s\ndata-timeout 3s")
    try:
        s.start()
        s.fence()
        socks = []
        for kind in ("silent", "half", "drip", "tls", "data", "bdat", "before"):
            for _ in range(8):
                c = s.client(timeout=30)
                if kind != "before":
                    c.ehlo()
                if kind == "half":
                    c.send(b"MAIL FR")
                if kind == "tls":
                    c.cmd("STARTTLS")
                    c.raw_send(b"\x16\x03\x01\x02\x00\x01")
                if kind in ("data", "bdat"):
                    c.mail(), c.rcpt("alice@example.org")
                    if kind == "data":
                        c.cmd("DATA")
                        c.send(b"Subject: slow\r\n")
                    else:
                        c.send(b"BDAT 1000000 LAST\r\nx")
                socks.append((kind, c, time.monotonic()))
        stop = []

        def drip():
            while not stop:
                for k, c, _ in socks:
                    if k == "drip":
                        try:
                            c.raw_send(b"N")
                        except (Closed, OSError):
                            pass
                time.sleep(0.5)
        th = threading.Thread(target=drip)
        th.start()
        start = time.monotonic()
        ticks = s.cpu_ticks()
        while time.monotonic() - start < 9:
            t0 = time.monotonic()
            s.fence("bob")
            check(time.monotonic() - t0 < 1.5 * SLOW, "another client waits")
            time.sleep(0.5)
        stop.append(1)
        th.join()
        open_ = []
        for k, c, _ in socks:
            if not c.closed(4 if SLOW == 1 else 12):
                open_.append(k)
            c.close()
        equal(open_, [], "still open after three times the limit")
        check((s.cpu_ticks() - ticks) / 100 < 4 * SLOW, "CPU while they drip")
    finally:
        s.end()


@test("P11 a letter slower than data-rate is ended", limit=110)
def data_rate():
    s = Server(inbound="data-rate 100000\ndata-timeout 20s")
    try:
        s.start()
        with s.client(timeout=100) as c:
            c.ehlo()
            c.mail(), c.rcpt("alice@example.org"), c.cmd("DATA")
            start = time.monotonic()
            try:
                while time.monotonic() - start < 90:
                    c.raw_send(b"x" * 70 + b"\r\n")
                    if c.pending(0.5):
                        break
            except Closed:
                pass
            took = time.monotonic() - start
            check(took < 85, "still going after %.0f s" % took)
            rest = c.rest(5)
            check(rest is not None, "not closed")
            check(rest == b"" or rest[:1] in b"45", "said %r" % rest)
    finally:
        s.end()


tap.main()
