#!/usr/bin/python3
"""Power cuts for real: ext4 on a loop device is shut down in mid-load without a flush of
its log; nothing that was acknowledged may be missing after the next start.  (CUTS names
another number, 20 without it.)  With CI=true it may not be skipped."""
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time

import ledger
import loopfs
import server
import tap
from server import SLOW
from tap import check, equal, test

USERS = ["p%d" % i for i in range(6)]
CUTS = int(os.environ.get("CUTS", "20"))
SEED = int(os.environ.get("SEED", str(random.SystemRandom().randrange(1 << 30))))


def cuts():
    rng = random.Random(SEED)
    base = tempfile.mkdtemp(prefix="wx-cut-")
    disk = s = None
    led = ledger.Ledger(lambda: s.addr, USERS, clients=6, seed=SEED)
    try:
        try:
            disk = loopfs.Disk(base, 1000 + 150 * CUTS)
        except loopfs.Cannot as x:
            if os.environ.get("CI") == "true":
                raise
            tap.skip(str(x))
        s = server.Server("journal {\nsegments 3\ncheckpoint %s\n}\n" %
                          os.environ.get("CHECKPOINT", "auto"), users=USERS, dir=disk.mnt)
        s.expect_crash = True
        conf = s.text
        subprocess.run(["sync", "-f", disk.mnt], check=True)
        s.start()
        led.start()
        for n in range(CUTS):
            time.sleep(rng.uniform(0.2, 1.2))
            if rng.random() < 0.3:
                s.kill_role(rng.choice(["queue", "mailbox"]))
                led.fault()
                time.sleep(rng.uniform(0, 0.3))
            led.fault()
            disk.cut()
            if rng.random() < 0.5:
                time.sleep(rng.uniform(0, 0.2))     # whatever answers now has lost its disk
            s.kill_all()
            disk.umount()
            disk.mount()
            led.fault()
            s.write_conf(conf)
            s.start(limit=30)
            check(s.alive(), "no start after cut %d" % (n + 1))
        before, end = led.acked(), time.monotonic() + 10 * SLOW
        while led.acked() < before + 10 and time.monotonic() < end:
            time.sleep(0.05)
        check(led.acked() >= before + 10, "no service after the cuts")
        led.stop()
        release = ledger.releaser(s)
        try:
            print("# seed %d: %s" % (SEED, led.check(s.maildir, s.log(), (60 + CUTS) * SLOW, s.dir, release)))
            print("# %d letters were held and released" % len(release.ids))
        except tap.Fail:
            print("# queue list: " + s.command("queue", "list")[1][-3000:].replace("\n", "\n# "))
            raise
        used = os.statvfs(disk.mnt)
        print("# the disk has room for %d MiB and %d files more; %s" % (
            used.f_bavail * used.f_frsize >> 20, used.f_ffree, sorted(os.listdir(disk.mnt + "/journal"))))
        equal(s.stop(limit=40), 0, "a clean stop")
    finally:
        led.stopping = True
        if s:
            s.end()
        if disk:
            disk.end()
        shutil.rmtree(base, ignore_errors=True)


@test("P5 %d power cuts in mid-load: nothing acknowledged is lost" % CUTS, limit=120 + CUTS * 10)
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
