#!/usr/bin/python3
"""./dev demo: the whole server on loopback with throw-away data, until Ctrl-C.

Writes build/demo/waxwing.conf, starts build/release/waxwing in the foreground,
makes the accounts alice and bob, says how to try it, and prints the line
`ready` when every listener answers.  A port that is taken is named with the
process that holds it.  To give a protocol to the demo, add its row to LISTENERS.
"""
import fcntl
import os
import pathlib
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
BINARY = ROOT / "build/release/waxwing"
DEMO = ROOT / "build/demo"
CONF = DEMO / "waxwing.conf"
START_LIMIT = 30  # seconds until every listener must answer
STOP_LIMIT = 20   # seconds that letters in flight get at the end

# protocol, port, words after the address, how its greeting begins (None: only TLS answers)
LISTENERS = [
    ("smtp", 2525, "", b"220 "),
    ("submission", 2587, "starttls", b"220 "),
    ("submission", 2465, "tls", None),
    ("imap", 2143, "starttls", b"* OK "),
    ("imap", 2993, "tls", None),
    ("pop3", 2110, "starttls", b"+OK "),
    ("pop3", 2995, "tls", None),
]
ACCOUNTS = [("alice@example.test", "alice-demo"), ("bob@example.test", "bob-demo")]


def die(text, status=1):
    print(f"demo: {text}", file=sys.stderr)
    sys.exit(status)


def holder(port):
    """Who listens on 127.0.0.1:port or *:port, as "name (pid)"; None if nobody."""
    inodes = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            rows = pathlib.Path(table).read_text().splitlines()[1:]
        except OSError:
            continue
        for row in (r.split() for r in rows):
            if int(row[1].rsplit(":", 1)[1], 16) == port and row[3] == "0A":
                inodes.add(f"socket:[{row[9]}]")
    if not inodes:
        return None
    for fd in pathlib.Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if os.readlink(fd) in inodes:
                pid = fd.parts[2]
                return f"{pathlib.Path('/proc', pid, 'comm').read_text().strip()} (process {pid})"
        except OSError:
            continue
    return "a process of another user"


def ports():
    shift = os.environ.get("WAXWING_DEMO_PORTS", "+0")
    try:
        n = int(shift)
    except ValueError:
        die(f"WAXWING_DEMO_PORTS is +N, not {shift!r}", 2)
    if not all(0 < port + n < 65536 for _, port, _, _ in LISTENERS):
        die(f"WAXWING_DEMO_PORTS={shift}: there are no such ports", 2)
    return [(name, port + n, words, hello) for name, port, words, hello in LISTENERS]


def start_folder():
    """An empty build/demo, unless a demo runs there."""
    lock = DEMO / "lock"
    if lock.exists():
        with open(lock, "rb") as f:
            try:
                fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                die(f"another demo runs in {DEMO}")
        shutil.rmtree(DEMO)
    DEMO.mkdir(parents=True, exist_ok=True)


def configuration(listeners):
    lines = ["# Made by ./dev demo, anew at each start.",
             "hostname  mail.example.test", "contact   postmaster@example.test", "domain    example.test",
             "storage   .", "run       run",
             "dns {", "    resolver off    # the demo asks nobody", "}"]
    lines += [f"listen {name} 127.0.0.1:{port} {words}".rstrip() for name, port, words, _ in listeners]
    return "\n".join(lines) + "\n"


def answers(port, hello):
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as s:
            if hello:
                return s.recv(512).startswith(hello)
            tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
            with tls.wrap_socket(s):
                return True
    except OSError:
        return False


def wait_for_all(server, listeners):
    until = time.monotonic() + START_LIMIT
    left = list(listeners)
    while left:
        if server.poll() is not None:
            die(f"the server ended with status {server.returncode}")
        if time.monotonic() > until:
            raise TimeoutError("no greeting on port " + ", ".join(str(p) for _, p, _, _ in left))
        left = [row for row in left if not answers(row[1], row[3])]
        time.sleep(0.05 if left else 0)


def add_accounts():
    for name, password in ACCOUNTS:
        done = subprocess.run([BINARY, "-c", CONF, "user", "add", name], input=password + "\n", text=True,
                              cwd=DEMO, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        if done.returncode:
            raise RuntimeError(f"waxwing user add {name}: {done.stdout.strip()}")


def say_how(listeners):
    smtp = next(port for name, port, _, _ in listeners if name == "smtp")
    imap = next(port for name, port, words, _ in listeners if name == "imap" and words == "tls")
    submission = next(port for name, port, words, _ in listeners if name == "submission" and words == "starttls")
    here = os.path.relpath(DEMO)
    print(f"""
Accounts  {', '.join(f'{name} (password {password})' for name, password in ACCOUNTS)}
Send      python3 -c 'import smtplib; smtplib.SMTP("127.0.0.1", {smtp}).sendmail(
              "me@example.org", "alice@example.test", "Subject: hello\\n\\nfirst letter\\n")'
     or   swaks --server 127.0.0.1:{smtp} --tls-optional --from me@example.org --to alice@example.test
Log in    swaks --server 127.0.0.1:{submission} -tls --auth PLAIN --auth-user alice@example.test --auth-password alice-demo \\
              --from alice@example.test --to bob@example.test
Read      curl -k --user alice@example.test:alice-demo imaps://127.0.0.1:{imap}
     or   ls {here}/mail/example.test/alice/Maildir/new
Ask       build/release/waxwing -c {here}/waxwing.conf status
Stop      Ctrl-C
""")


def stop(server):
    if server.poll() is None:
        server.send_signal(signal.SIGTERM)
        try:
            server.wait(STOP_LIMIT)
        except subprocess.TimeoutExpired:
            print("demo: the server does not stop, killing it", file=sys.stderr)
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()
    return server.returncode


def main():
    listeners = ports()
    taken = [f"port {port} ({name}) is held by {who}" for name, port, _, _ in listeners
             if (who := holder(port))]
    if taken:
        die("; ".join(taken) + "; WAXWING_DEMO_PORTS=+N shifts all ports")
    start_folder()
    CONF.write_text(configuration(listeners))
    asked_to_stop = []

    def on_signal(number, _):
        asked_to_stop.append(number)
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)  # a shell starts background jobs with it ignored
    # a group of its own: Ctrl-C reaches us, and we stop the server in good order
    # the server's own `ready` comes before the accounts are there: ours is the one that counts
    server = subprocess.Popen([BINARY, "-c", CONF, "serve"], cwd=DEMO, start_new_session=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        wait_for_all(server, listeners)
        add_accounts()
        say_how(listeners)
        print("ready", flush=True)
        server.wait()
        print(f"demo: the server ended with status {server.returncode}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        status = stop(server)
        print("stopped", flush=True)
        return 1 if status else 0
    except (TimeoutError, RuntimeError) as e:
        stop(server)
        die(str(e))
    finally:
        stop(server)


sys.exit(main())
