"""An ext4 of its own on a loop device, in a private mount namespace.

Call private() first: it runs the program again inside `unshare -m`, so that nothing of
this outlives the test or is pinned by other namespaces."""
import fcntl
import os
import struct
import subprocess
import sys
import time

FS_IOC_SHUTDOWN = 0x8004587D
NOLOGFLUSH = 2


class Cannot(Exception):
    pass


def private():
    if os.environ.get("WX_PRIVATE") == "1":
        return
    if os.getuid() != 0:
        raise Cannot("loop devices need root")
    if not os.path.exists("/dev/loop-control"):
        raise Cannot("no loop devices here")
    env = dict(os.environ, WX_PRIVATE="1")
    os.execvpe("unshare", ["unshare", "-m", "--propagation", "private", sys.executable] + sys.argv, env)


def run(*argv):
    p = subprocess.run(argv, capture_output=True, text=True)
    if p.returncode:
        raise Cannot("%s: %s" % (" ".join(argv), p.stderr.strip()))
    return p.stdout.strip()


class Disk:
    """mnt is the mounted file system; image is made anew."""

    def __init__(self, base, mib=1024, options="", mkfs=()):
        os.makedirs(base, exist_ok=True)
        self.image, self.mnt = os.path.join(base, "disk.img"), os.path.join(base, "mnt")
        self.options = options
        os.makedirs(self.mnt, exist_ok=True)
        if os.path.exists(self.image):
            os.unlink(self.image)
        with open(self.image, "wb") as f:
            f.truncate(mib << 20)
        run("mkfs.ext4", "-q", "-E", "lazy_itable_init=0,lazy_journal_init=0", *mkfs, self.image)
        try:
            self.dev = run("losetup", "--direct-io=on", "-f", "--show", self.image)
        except Cannot:
            self.dev = run("losetup", "-f", "--show", self.image)
        self.mounted = False
        self.mount()

    def mount(self):
        run("mount", "-t", "ext4", *(["-o", self.options] if self.options else []), self.dev,
            self.mnt)
        self.mounted = True
        for _ in range(100):
            try:
                os.chmod(self.mnt, 0o755)
                return
            except OSError:
                # Another namespace that is just ending still holds it, shut down as it is.
                self.umount()
                time.sleep(0.05)
                run("mount", "-t", "ext4", *(["-o", self.options] if self.options else []),
                    self.dev, self.mnt)
                self.mounted = True
        raise Cannot("%s stays shut down" % self.mnt)

    def umount(self, limit=10):
        end = time.monotonic() + limit
        while self.mounted:
            try:
                run("umount", self.mnt)
                self.mounted = False
            except Cannot:
                if time.monotonic() > end:
                    raise
                time.sleep(0.02)

    def cut(self):
        """What a power cut does to the disk: nothing more is written, not even the log."""
        fd = os.open(self.mnt, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.ioctl(fd, FS_IOC_SHUTDOWN, struct.pack("I", NOLOGFLUSH))
        finally:
            os.close(fd)

    def end(self):
        try:
            if self.mounted:
                self.umount()
        finally:
            subprocess.run(["losetup", "-d", self.dev], capture_output=True)
            os.unlink(self.image)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()
