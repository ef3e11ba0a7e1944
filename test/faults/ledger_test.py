#!/usr/bin/python3
"""Every 250 is kept while roles are killed (KILLS names another number, 60 without it)."""
import os
import random
import signal
import time

import ledger
import server
import tap
from server import SLOW
from tap import check, equal, test

USERS = ["l%d" % i for i in range(8)]
KILLS = int(os.environ.get("KILLS", "60"))
SEED = int(os.environ.get("SEED", str(random.SystemRandom().randrange(1 << 30))))


@test("P5 P6 ledger: %d times kill -9 of a random role or of all, nothing acknowledged is lost" % KILLS,
      limit=150 + KILLS * 3)
def kills():
    rng = random.Random(SEED)
    print("# seed %d" % SEED)
    s = server.Server(users=USERS)
    s.expect_crash = True
    led = ledger.Ledger(lambda: s.addr, USERS, seed=SEED)
    try:
        s.start()
        led.start()
        last = 0
        for n in range(KILLS):
            time.sleep(rng.uniform(0.1, 0.9))
            roles = s.roles()
            what = rng.choice(sorted(roles) + ["queue", "mailbox", "all", "all"])
            led.fault()
            if what == "all":
                s.kill_all()
                s.start(limit=30)
            else:
                pids = roles.get(what, [])
                for p in pids if rng.random() < 0.5 else pids[:1]:
                    try:
                        os.kill(p, signal.SIGKILL)
                    except ProcessLookupError:
                        pass
            check(s.alive(), "the server ended after the kill of %s" % what)
            if n % 10 == 9:
                before, end = led.acked(), time.monotonic() + 5 * SLOW
                while led.acked() == before and time.monotonic() < end:
                    time.sleep(0.02)
                check(led.acked() > before, "no service after %d kills, the last of %s" % (n + 1, what))
        time.sleep(1)
        led.stop()
        release = ledger.releaser(s)
        print("# " + led.check(s.maildir, s.log(), 90 * SLOW, s.dir, release))
        print("# %d letters were held and released" % len(release.ids))
        equal(s.stop(limit=40), 0, "a clean stop")
        s.start()
        s.fence(USERS[0])
        for u in USERS:
            check(not os.listdir(s.maildir(u) + "/tmp"), "files in tmp of " + u) if \
                os.path.isdir(s.maildir(u) + "/tmp") else None
    finally:
        led.stopping = True
        s.end()


tap.main()
