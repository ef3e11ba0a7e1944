#!/usr/bin/python3
"""./dev demo --internet: a small internet of its own for a person to play with, until Ctrl-C.

demo_internet.py [FOLDER]: two waxwings, Postfix, Exim and OpenSMTPD, each at an address and
a domain of its own, with a signed root and one authority (test/lib/world.py), all of it in
network and mount namespaces that nothing leaves.  Prints how to get in and what to try, then
the line `ready`.  FOLDER (build/internet) is made anew, and gone at the end.  Needs root, as
the tests that use the same do."""
import ctypes
import fcntl
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "test/lib"))
import peers
import tap
from server import BINARY, Server
from world import World
from world_peers import EximPeer, OpenSmtpdPeer, PostfixPeer

CLONE_NEWNS = 0x20000
# domain, address, name of its server, who is there (None: a waxwing)
HOSTS = [("example.org", "127.5.0.1", "mail.example.org", None), ("other.test", "127.5.0.2", "mx.other.test", None),
         ("pf.test", "127.5.0.3", "mx.pf.test", PostfixPeer), ("exim.test", "127.5.0.4", "mx.exim.test", EximPeer),
         ("open.test", "127.5.0.5", "mx.open.test", OpenSmtpdPeer)]
PEOPLE = {"example.org": "alice", "other.test": "bob"}
GUIDE = """
Shell     {shell}
          (inside that internet; {shell} COMMAND… runs one command there)
Accounts  alice@example.org (password alice-demo), bob@other.test (password bob-demo): waxwings
          {peers}
In that shell each domain is a command: of the waxwing there, or run by the other server.

Send      swaks --server mail.example.org:587 -tls --auth-user alice@example.org --auth-password alice-demo \\
              --from alice@example.org --to bob@other.test{swaks}
          printf 'Subject: by curl\\n\\nhello\\n' | curl --url smtps://mx.other.test --user bob@other.test:bob-demo \\
              --mail-from bob@other.test --mail-rcpt alice@example.org --crlf --upload-file -
          echo hello | neomutt -F {folder}/alice.muttrc -s 'by neomutt' bob@other.test
{sendmail}Read      curl -s --user bob@other.test:bob-demo 'imaps://mx.other.test/INBOX;MAILINDEX=1'
          neomutt -F {folder}/alice.muttrc
Ask       example.org queue list
          example.org trace bob@other.test
          example.org test smtp other.test
          example.org test address bob@other.test
          example.org dns lookup MX other.test
          other.test status
Stop      Ctrl-C
"""
MUTTRC = """set real_name=Alice from=alice@example.org use_from=yes folder=imaps://mail.example.org spool_file=+INBOX record=''
set imap_user=alice@example.org imap_pass=alice-demo imap_check_subscribed=no
set smtp_url=smtps://alice%40example.org@mail.example.org:465 smtp_pass=alice-demo smtp_authenticators=plain
set ssl_ca_certificates_file={ca} header_cache='' message_cachedir=''
"""


def die(text):
    print(f"demo: {text}", file=sys.stderr)
    sys.exit(1)


def enter_mounts():
    """Here other names lead elsewhere than on the machine, and nobody else sees it."""
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNS):
        raise OSError(ctypes.get_errno(), "no mount namespace")
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)


class Small(World):
    def __init__(self, folder):
        enter_mounts()
        super().__init__(str(folder))
        self.peers = []
        self.lock = open(folder / "lock", "wb")
        fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        for domain, ip, host, _ in HOSTS:
            self.domain(domain, ip, host, has_tls=domain != "open.test")
        self.start()
        (folder / "resolv.conf").write_text(self.resolv)
        subprocess.run(["mount", "--bind", folder / "resolv.conf", "/etc/resolv.conf"], check=True)

    def fill(self):
        for domain, ip, _, kind in HOSTS:
            if kind:
                self.move_in(kind, domain)
            else:
                self.serve(domain, ip, PEOPLE[domain])

    def serve(self, domain, ip, user):
        folder = os.path.join(self.folder, domain)
        os.mkdir(folder)
        s = self.waxwing(domain, Server, outbound="retry 20s 1m 5m give-up 1d\n", users=[user], dir=folder, listen=[
            f"smtp {ip}:25", f"submission {ip}:587 starttls", f"submission {ip}:465 tls", f"imap {ip}:993 tls"])
        s.start()
        code, _, why = s.command("user", "passwd", s.address(user), stdin=f"{user}-demo\n".encode())
        if code:
            raise RuntimeError(f"waxwing user passwd {s.address(user)}: {why}")

    def move_in(self, kind, domain):
        try:
            self.peers.append(self.lives(kind(self, domain)))
        except (tap.Skip, tap.Fail, OSError) as e:
            print(f"demo: {kind.name} is not there: {e}", file=sys.stderr)

    def scripts(self):
        """What one types: a shell, and a command for each domain."""
        me, here = os.getpid(), pathlib.Path(self.folder)
        (here / "bin").mkdir()
        script(here / "shell", f'export SSL_CERT_FILE={self.ca[0]} CURL_CA_BUNDLE={self.ca[0]} PATH="{here}/bin:$PATH"\n'
               '[ $# -gt 0 ] || set -- "${SHELL:-/bin/sh}"\n'
               f'exec nsenter -t {me} -n -m -r sh -c \'cd "$0" && exec "$@"\' "$PWD" "$@"\n')
        for domain in PEOPLE:
            script(here / "bin" / domain, f'exec {BINARY} -c {here}/{domain}/waxwing.conf "$@"\n')
        for p in self.peers:
            script(here / "bin" / p.domain, f'exec nsenter -t {p.root.init} -n -m -p -r -w "$@"\n')
        (here / "alice.muttrc").write_text(MUTTRC.format(ca=self.ca[0]))

    def guide(self):
        def short(path):
            return os.path.relpath(path) if os.path.abspath(path).startswith(os.getcwd() + "/") else path
        return GUIDE.format(
            shell=short(self.folder + "/shell"), folder=short(self.folder),
            peers="; ".join(f"u1 and u2 at {p.domain}: {p.name}" for p in self.peers) or "(no other servers are there)",
            swaks="".join(",u1@" + p.domain for p in self.peers),
            sendmail="".join(f"          echo hello | {p.domain} {p.sendmail[0]} -f u1@{p.domain} alice@example.org\n"
                             for p in self.peers))


def script(path, text):
    path.write_text("#!/bin/sh\n" + text)
    path.chmod(0o755)


def start_folder(folder):
    """An empty one, unless a demo runs there."""
    if (folder / "lock").exists():
        with open(folder / "lock", "rb") as f:
            try:
                fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                die(f"another demo runs in {folder}")
        shutil.rmtree(folder)
    elif folder.exists() and any(folder.iterdir()):
        die(f"{folder} is not of a demo")
    folder.mkdir(parents=True, exist_ok=True)


def until_one_ends(world):
    servers = [s for s in world.living if isinstance(s, Server)]
    while all(s.alive() for s in servers):
        time.sleep(0.5)
    return "a server has ended: " + next(s for s in servers if not s.alive()).stderr()[-1000:]


def on_signal(*_):
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)       # the end is not interrupted
    raise KeyboardInterrupt


def main():
    folder = pathlib.Path(os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else ROOT / "build/internet"))
    if os.getuid():
        die("network namespaces need root: sudo ./dev demo --internet")
    start_folder(folder)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, on_signal)
    world, why = None, None
    try:
        world = Small(folder)
        world.fill()
        world.scripts()
        print(world.guide())
        print("ready", flush=True)
        why = until_one_ends(world)
    except KeyboardInterrupt:
        pass
    except (tap.Skip, tap.Fail, OSError, RuntimeError, subprocess.SubprocessError) as e:
        why = str(e)
    finally:
        if world:
            world.end()
        subprocess.run(["umount", "/etc/resolv.conf"], check=False, stderr=subprocess.DEVNULL)
        shutil.rmtree(folder, ignore_errors=True)
    if why:
        die(why)
    print("stopped", flush=True)


main()
