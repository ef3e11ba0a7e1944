#!/usr/bin/python3
"""With the system users of the package: each role is its own user, in every thread, and owns
what it writes.  The users exist only in a mount namespace of the server's own."""
import os
import re

import server
import tap
from server import Server
from smtp import Closed
from tap import check, equal, test

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FIRST_UID = 64901
SEES_USERS = 'mount --bind "$1" /etc/passwd && mount --bind "$2" /etc/group && shift 2 && exec "$@"'
ROOT = ("pam",)             # stays root: it asks PAM
KEEPS_RIGHTS = ("pam", "zygote")
OWNERS = {"journal": "queue", "spool": "queue", "refused": "queue", "why": "queue", "db/queue": "queue",
          "db/user": "user", "mail": "mail"}


def system_users():
    """{name: uid}, as conf/sysusers.d says."""
    with open(os.path.join(TOP, "conf/sysusers.d/waxwing.conf"), encoding="utf-8") as f:
        names = re.findall(r"^u\s+(\S+)", f.read(), re.M)
    return {name: FIRST_UID + i for i, name in enumerate(names)}


def files_of(folder):
    for d, folders, files in os.walk(folder):
        for name in folders + files:
            yield os.path.join(d, name)


def with_users(users):
    """A server that sees these users."""
    if os.getuid() != 0:
        tap.skip("needs root")
    s = Server("", wrap=["unshare", "-m", "--propagation", "private", "sh", "-c", SEES_USERS, "sh"])
    for name, row in (("passwd", "%s:x:%d:%d::/nonexistent:/usr/sbin/nologin\n"), ("group", "%s:x:%d:\n")):
        path = os.path.join(s.dir, name)
        with open("/etc/" + name, encoding="utf-8") as old, open(path, "w", encoding="utf-8") as new:
            new.write(old.read())
            for user, uid in users.items():
                new.write(row % ((user, uid, uid) if name == "passwd" else (user, uid)))
        s.wrap.append(path)
    return s


def threads(pid):
    for t in os.listdir("/proc/%d/task" % pid):
        with open("/proc/%d/task/%s/status" % (pid, t), encoding="utf-8") as f:
            yield dict(re.findall(r"^(\w+):[ \t]*(.*)$", f.read(), re.M))


def check_rights(s, users):
    for role, pids in s.roles().items():
        for pid in pids:
            for t in threads(pid):
                who = "%s, thread %s" % (role, t["Pid"])
                uid = 0 if role in ROOT else users["_waxwing-mail" if role == "mailbox" else "_waxwing-" + role]
                equal(t["Uid"].split(), [str(uid)] * 4, who + ": uids")
                equal(t["Gid"].split(), [str(uid)] * 4, who + ": gids")
                equal(t["NoNewPrivs"], "1", who + ": no_new_privs")
                equal(t["Seccomp"], "2", who + ": seccomp")
                if role not in KEEPS_RIGHTS:
                    equal((t["Groups"].split(), int(t["CapEff"], 16), int(t["CapPrm"], 16)), ([], 0, 0),
                          who + ": groups and capabilities")
                    if role != "mailbox":
                        equal(int(t["CapBnd"], 16), 0, who + ": bounding set")


def takes(s):
    try:
        return s.give()[1].code == 250
    except (Closed, OSError):
        return False


@test("each role is its own user in every thread, also when it starts with letters in the journal")
def rights():
    users = system_users()
    s = with_users(users)
    s.expect_crash = True
    try:
        s.start()
        s.fence()
        check({"smtpd", "queue", "user", "keys", "scan", "zygote", "mailbox"} <= set(s.roles()), "roles are missing")
        check_rights(s, users)
        s.kill_role("queue")
        s.kill_role("user")
        # every smtpd hears of them by itself
        tap.eventually(lambda: all(takes(s) for _ in range(6)), 10 * server.SLOW, what="both are back")
        s.fence()
        check_rights(s, users)
        status, out, _ = s.command("status")
        equal(status, 0, "status")
        check("WARNING" not in out, out)
    finally:
        s.end()


@test("each role owns what it writes, and nobody else can read it")
def owners():
    users = system_users()
    with with_users(users) as s:
        s.fence()
        equal(s.command("user", "passwd", "alice@" + s.domain, stdin=b"a long password\n")[0], 0, "passwd")
        for folder, owner in OWNERS.items():
            for path in files_of(os.path.join(s.dir, folder)):
                st = os.lstat(path)
                equal((st.st_uid, st.st_gid, st.st_mode & 0o077), (users["_waxwing-" + owner],) * 2 + (0,), path)


tap.main()
