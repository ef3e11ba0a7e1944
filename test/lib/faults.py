"""What several fault tests share."""
import signal
import subprocess
import time

import tap
from server import SLOW
from smtp import Closed

# A short schedule: what a full or broken disk holds up is tried again soon.
RETRY = "outbound {\nretry 2s 2s 5s give-up 1h\n}\n"


def soon(s, limit=2.0, user="alice"):
    """A letter is taken again within `limit`; connections may fail meanwhile."""
    start, why = time.monotonic(), None
    while time.monotonic() - start < limit * SLOW:
        try:
            tok, r = s.give(user)
            if r.code == 250:
                return tok, time.monotonic() - start
            why = repr(r)
        except (Closed, OSError) as x:
            why = repr(x)
        time.sleep(0.02)
    tap.fail("no service %.1f s after: %s" % (limit, why))
