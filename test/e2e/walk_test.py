#!/usr/bin/python3
"""Row B29 for SMTP: the random walk, short (WALK names another number of commands)."""
import os

import smtp_walk
import tap
from tap import test


@test("B29 a random walk of SMTP commands agrees with the RFCs", limit=900)
def walk():
    print("# " + smtp_walk.walk(int(os.environ.get("WALK", "200000"))))


tap.main()
