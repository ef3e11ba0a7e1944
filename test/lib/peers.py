"""Other mail servers as peers, in private roots: never installed into this machine.

unpack(name, packages) fetches Debian packages (with what they need and this machine
lacks) and unpacks them under build/peers/NAME/root, once.  Root(name) runs programs in a
mount and PID namespace whose / is that folder laid over this machine's / (the upper layer
is a tmpfs, so nothing is written); the folders in `share` are the same inside and out.
Everything in it ends with its first process."""
import fcntl
import os
import shutil
import signal
import subprocess
import tempfile
import time

import tap

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PEERS = os.path.join(TOP, "build", "peers")
ARCH_LIB = "/usr/lib/x86_64-linux-gnu"


def unpack(name, *packages):
    """The folder that holds the unpacked packages; skips the test when it cannot be had."""
    base = os.path.join(PEERS, name)
    root, stamp = os.path.join(base, "root"), os.path.join(base, "done")
    if os.path.exists(stamp):
        return root
    if os.getuid() != 0:
        tap.skip("peers need root")
    os.makedirs(PEERS, exist_ok=True)
    with open(os.path.join(PEERS, name + ".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)         # several test files want the same one
        if not os.path.exists(stamp):
            unpack_anew(base, root, packages)
            open(stamp, "w").close()
    return root


def fetched(cmd):
    try:
        return subprocess.run(cmd, capture_output=True, text=True, timeout=180)
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(cmd, 1, "", "no answer within 180 s")


def unpack_anew(base, root, packages):
    debs = os.path.join(base, "deb")
    shutil.rmtree(base, ignore_errors=True)
    os.makedirs(os.path.join(debs, "partial"))
    cmd = ["apt-get", "-qq", "-y", "--no-install-recommends", "--download-only",
           "-o", "Dir::Cache::archives=" + debs, "-o", "Debug::NoLocking=1",
           "-o", "APT::Sandbox::User=root", "-o", "Acquire::Retries=1", "-o", "Acquire::http::Timeout=20",
           "install"] + list(packages)
    p = fetched(cmd)
    if p.returncode:
        fetched(["apt-get", "-qq", "update"])
        p = fetched(cmd)
    if p.returncode:
        tap.skip("cannot fetch %s: %s" % (" ".join(packages), p.stderr.strip()[-200:]))
    os.makedirs(root)
    for d in sorted(os.listdir(debs)):
        if d.endswith(".deb"):
            subprocess.run(["dpkg-deb", "-x", os.path.join(debs, d), root], check=True)
    # /bin, /sbin and /lib are links into /usr on the machine below.
    for d in ("bin", "sbin", "lib", "lib64"):
        if os.path.isdir(os.path.join(root, d)):
            subprocess.run(["cp", "-a", os.path.join(root, d), os.path.join(root, "usr/")],
                           check=True)
            shutil.rmtree(os.path.join(root, d))


def smtp_source():
    """The command line of Postfix's load generator, run straight from its folder."""
    root = unpack("postfix", "postfix")
    conf = os.path.join(PEERS, "postfix", "source-conf")
    if not os.path.exists(conf + "/main.cf"):
        os.makedirs(conf, exist_ok=True)
        with open(conf + "/main.cf.new", "w") as f:
            f.write("compatibility_level = 3.6\nmyhostname = client.example.net\n"
                    "inet_protocols = ipv4\n")
        os.rename(conf + "/main.cf.new", conf + "/main.cf")
    return ["env", "LD_LIBRARY_PATH=%s/usr/lib/postfix:%s%s" % (root, root, ARCH_LIB),
            "MAIL_CONFIG=" + conf, root + "/usr/sbin/smtp-source"]


SETUP = r"""
set -e
mount --make-rprivate /
mount -t tmpfs -o mode=755 none "$BASE"
mkdir "$BASE/up" "$BASE/work" "$BASE/m"
cp -a "$LOWER/." "$BASE/up/"
mount -t overlay -o "lowerdir=/,upperdir=$BASE/up,workdir=$BASE/work" none "$BASE/m"
mount -t proc none "$BASE/m/proc"
mount --rbind /dev "$BASE/m/dev"
mount -t tmpfs -o mode=1777 none "$BASE/m/tmp"
for d in $SHARE; do mkdir -p "$BASE/m$d"; mount --rbind "$d" "$BASE/m$d"; done
printf '#!/bin/sh\nexit 101\n' > "$BASE/m/usr/sbin/policy-rc.d"
exec chroot "$BASE/m" /bin/sh -c 'echo up; trap "" HUP; while :; do sleep 3600 & wait $!; done'
"""


class Root:
    def __init__(self, name, packages, share=()):
        if os.getuid() != 0:
            tap.skip("peers need root")
        self.lower = unpack(name, *packages)
        self.base = tempfile.mkdtemp(prefix="wx-peer-")
        env = dict(os.environ, BASE=self.base, LOWER=self.lower, SHARE=" ".join(share))
        self.holder = subprocess.Popen(
            ["unshare", "-m", "-p", "-f", "--kill-child", "/bin/sh", "-c", SETUP], env=env,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            start_new_session=True)
        if self.holder.stdout.readline().strip() != b"up":
            why = self.holder.stderr.read().decode()
            self.end()
            tap.skip("no private root: " + why.strip()[-200:])
        kids = subprocess.run(["ps", "-o", "pid=", "--ppid", str(self.holder.pid)],
                              capture_output=True, text=True).stdout.split()
        self.init = int(kids[0])

    def argv(self, *cmd):
        # its own root: that of its mount namespace is not ours if we are in a chroot
        return ["nsenter", "-t", str(self.init), "-m", "-p", "-r", "-w"] + list(cmd)

    def run(self, *cmd, input=None, check=True, timeout=60):
        p = subprocess.run(self.argv(*cmd), input=input, capture_output=True, text=True,
                           timeout=timeout)
        if check and p.returncode:
            tap.fail("%s: %d %s%s" % (" ".join(cmd), p.returncode, p.stdout[-800:],
                                      p.stderr[-800:]))
        return p.stdout

    def sh(self, script, **kw):
        return self.run("/bin/sh", "-ec", script, **kw)

    def spawn(self, *cmd, **kw):
        return subprocess.Popen(self.argv(*cmd), stdin=subprocess.DEVNULL, **kw)

    def path(self, inside):
        """The same file seen from outside (by way of the holder's root)."""
        return "/proc/%d/root%s" % (self.init, inside)

    def write(self, inside, text, mode=0o644):
        p = self.path(inside)
        os.makedirs(os.path.dirname(p), exist_ok=True)
        with open(p, "w") as f:
            f.write(text)
        os.chmod(p, mode)

    def pids(self):
        """Every process in the private root, as seen from outside."""
        import server
        return [self.init] + server.children_of(self.init)

    def end(self):
        try:
            os.kill(self.holder.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.holder.wait()
        self.holder.stdout.close()
        self.holder.stderr.close()
        for _ in range(50):
            try:
                os.rmdir(self.base)
                break
            except OSError:
                time.sleep(0.05)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()


USERS = r"""
grep -q '^postfix:' /etc/passwd || {
echo 'postfix:x:2525:2525::/var/spool/postfix:/usr/sbin/nologin' >> /etc/passwd
echo 'postfix:x:2525:' >> /etc/group; echo 'postdrop:x:2526:' >> /etc/group; }
grep -q '^vmail:' /etc/passwd || {
echo 'vmail:x:2527:2527::/nonexistent:/usr/sbin/nologin' >> /etc/passwd
echo 'vmail:x:2527:' >> /etc/group; }
"""


class Postfix:
    """Postfix 3.7 in a private root, with Debian's own configuration and what `main` and
    `master` add.  `spool` and `mail` are folders of this machine (on the disk under
    test)."""

    def __init__(self, folder, main="", port=0, domain="example.org", users=(), master=None):
        self.folder = folder
        self.port = port
        self.mail = os.path.join(folder, "vmail")
        self.spool = os.path.join(folder, "spool")
        for d in (self.mail, self.spool):
            os.makedirs(d, exist_ok=True)
        os.chmod(folder, 0o755)
        os.chown(self.mail, 2527, 2527)
        self.root = Root("postfix", ["postfix"], share=[folder])
        r = self.root
        r.sh(USERS)
        r.sh("mkdir -p /etc/postfix /var/lib/postfix; chown postfix:postfix /var/lib/postfix; "
             "cp -r /etc/postfix /etc/postfix.deb; "
             "cp /usr/share/postfix/main.cf.debian /etc/postfix/main.cf; "
             "cp /usr/share/postfix/master.cf.dist /etc/postfix/master.cf; "
             "echo mail.example.org > /etc/mailname; touch /etc/aliases")
        conf = open(r.path("/etc/postfix/main.cf")).read() + main
        conf += "\nqueue_directory = %s\n" % self.spool
        if users:
            conf += ("virtual_mailbox_domains = %s\nvirtual_mailbox_base = %s\n"
                     "virtual_mailbox_maps = hash:/etc/postfix/vmailbox\n"
                     "virtual_uid_maps = static:2527\nvirtual_gid_maps = static:2527\n"
                     % (domain, self.mail))
            r.write("/etc/postfix/vmailbox", "".join(
                "%s@%s %s/%s/Maildir/\n" % (u, domain, domain, u) for u in users))
            r.sh("postmap hash:/etc/postfix/vmailbox")
        r.write("/etc/postfix/main.cf", conf)
        text = open(r.path("/etc/postfix/master.cf")).read()
        if port:
            text = text.replace("smtp      inet  n ", "127.0.0.1:%d inet n " % port, 1)
        else:
            text = text.replace("smtp      inet  n ", "#smtp inet  n ", 1)
        r.write("/etc/postfix/master.cf", text + (master or ""))
        r.sh("newaliases; cd /; postfix -v set-permissions >/dev/null 2>&1 || true; "
             "postfix check; /usr/lib/postfix/configure-instance.sh - || true")
        self.start()

    def start(self):
        self.root.spawn("postfix", "start", stdout=subprocess.DEVNULL,
                        stderr=subprocess.DEVNULL).wait()
        if self.port:
            import socket

            def up():
                try:
                    socket.create_connection(("127.0.0.1", self.port), 1).close()
                    return True
                except OSError:
                    return False
            tap.eventually(up, 20, what="Postfix answers")

    def queue(self):
        """Letters in the queue."""
        n = 0
        for q in ("maildrop", "incoming", "active", "deferred", "hold"):
            for _d, _dirs, files in os.walk(os.path.join(self.spool, q)):
                n += len(files)
        return n

    def log(self):
        return self.root.run("cat", "/var/log/postfix.log", check=False)

    def pids(self):
        return self.root.pids()

    def end(self):
        self.root.run("postfix", "abort", check=False)
        self.root.end()


PACKAGES = {"postfix": ["postfix"], "exim": ["exim4-daemon-light"],
            "dovecot": ["dovecot-core", "dovecot-imapd", "dovecot-pop3d"],
            "dns": ["nsd", "ldnsutils"], "msmtp": ["msmtp"], "php8.2-cli": ["php8.2-cli"],
            "opensmtpd": ["opensmtpd"], "opendkim": ["opendkim"], "opendmarc": ["opendmarc"]}


if __name__ == "__main__":
    # All of them now, so that the tests need no network later.
    for name, packages in PACKAGES.items():
        try:
            unpack(name, *packages)
        except tap.Skip as s:
            print("peers: %s" % s)
