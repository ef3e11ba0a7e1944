#!/usr/bin/python3
"""No OK of IMAP is taken back: sessions append, move, copy, flag, expunge, make and remove
folders while roles are killed, and while ext4 on a loop device loses what was not synced.

KILLS and CUTS name other numbers (20 and 5 without them, 600 and 120 in ./dev soak)."""
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import imap_ledger
import imap_target
import loopfs
import tap
from server import SLOW
from tap import check, equal, test

USERS = ["k0", "k1"]
SOAK = bool(os.environ.get("SOAK"))
KILLS = int(os.environ.get("KILLS", "600" if SOAK else "20"))
CUTS = int(os.environ.get("CUTS", "120" if SOAK else "5"))
SEED = int(os.environ.get("SEED", str(random.SystemRandom().randrange(1 << 30))))


def service(led, what):
    before, end = led.acked(), time.monotonic() + 10 * SLOW
    while led.acked() < before + 5 and time.monotonic() < end and not led.failed:
        time.sleep(0.02)
    led.settle()
    check(led.acked() >= before + 5, "no service after " + what)


def kill_some(s, rng):
    roles = s.roles()
    what = rng.choice(["mailbox", "mailbox", "mailbox", "mailbox", "queue", "all", rng.choice(sorted(roles))])
    if what == "all":
        s.kill_all()
        s.start(limit=30)
        return what
    pids = roles.get(what, [])
    for p in pids if rng.random() < 0.5 else pids[:1]:
        try:
            os.kill(p, signal.SIGKILL)
        except ProcessLookupError:
            pass
    return what


@test("P5 P6 IMAP ledger: %d times kill -9, no OK is taken back" % KILLS, limit=60 + KILLS * 3)
def kills():
    rng = random.Random(SEED)
    print("# seed %d" % SEED)
    t = imap_target.Waxwing(users=USERS)
    t.s.expect_crash = True
    led = imap_ledger.Ledger(t, USERS, seed=SEED)
    try:
        led.start()
        for n in range(KILLS):
            time.sleep(rng.uniform(0.05, 0.5))
            what = kill_some(t.s, rng)
            check(t.s.alive(), "the server ended after the kill of %s" % what)
            if n % 10 == 9:
                service(led, "%d kills, the last of %s" % (n + 1, what))
            if n % 10 == 4:
                for u in USERS:
                    t.drop_caches(u)
        service(led, "the last kill")
        led.stop()
        print("# " + led.finish(30 * SLOW))
        equal(t.s.stop(limit=40), 0, "a clean stop")
    finally:
        led.stopping = True
        t.end()


def cut(t, disk, led, rng):
    if rng.random() < 0.3:
        t.s.kill_role(rng.choice(["queue", "mailbox"]))
        time.sleep(rng.uniform(0, 0.3))
    led.cut()
    disk.cut()
    if rng.random() < 0.5:
        time.sleep(rng.uniform(0, 0.2))         # whatever answers now has lost its disk
    t.s.kill_all()
    disk.umount()
    disk.mount()
    t.s.write_conf(t.s.text)
    t.s.start(limit=30)


def cuts():
    rng = random.Random(SEED)
    print("# seed %d" % SEED)
    base = tempfile.mkdtemp(prefix="wx-imap-cut-")
    disk = t = led = None
    try:
        try:
            disk = loopfs.Disk(base, 800 + 20 * CUTS)
        except loopfs.Cannot as x:
            if os.environ.get("CI") == "true":
                raise
            tap.skip(str(x))
        t = imap_target.Waxwing(users=USERS, dir=disk.mnt)
        t.s.expect_crash = True
        subprocess.run(["sync", "-f", disk.mnt], check=True)
        led = imap_ledger.Ledger(t, USERS, seed=SEED)
        led.loses_disk = True
        led.start()
        for n in range(CUTS):
            time.sleep(rng.uniform(0.3, 1.5))
            cut(t, disk, led, rng)
            service(led, "cut %d" % (n + 1))
        led.stop()
        print("# " + led.finish(30 * SLOW))
        equal(t.s.stop(limit=40), 0, "a clean stop")
    finally:
        if led:
            led.stopping = True
        if t:
            t.end()
        if disk:
            disk.end()
        shutil.rmtree(base, ignore_errors=True)


@test("P5 IMAP ledger: %d power cuts, no OK is taken back" % CUTS, limit=60 + CUTS * 10)
def powercut():
    if os.environ.get("WX_CANNOT"):
        if os.environ.get("CI") == "true":
            tap.fail("may not be skipped in CI: " + os.environ["WX_CANNOT"])
        tap.skip(os.environ["WX_CANNOT"])
    cuts()


if "--list" not in sys.argv:
    try:
        loopfs.private()
    except loopfs.Cannot as x:
        os.environ["WX_CANNOT"] = str(x)
tap.main()
