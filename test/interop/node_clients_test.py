#!/usr/bin/python3
"""Clients from npm: imapflow and node-pop3.  Part of ./dev soak, which has SOAK in its environment: they are
installed below build/node, which needs the registry."""
import json
import os
import shutil
import subprocess

os.environ.setdefault("LOGIN_TEST_NET", "")
from logins import USERS, LoginServer                                 # noqa: E402

import letters                                                        # noqa: E402
from server import SLOW, TOP                                          # noqa: E402
from tap import cases, check, equal, main, skip                       # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
NODE = os.path.join(TOP, "build", "node")
PACKAGES = ("imapflow@1.7.8", "node-pop3@0.9.1")
ALICE = {"user": "alice@example.org", "pass": USERS["alice"]}


def installed():
    if not os.environ.get("SOAK"):
        skip("only in ./dev soak")
    if not shutil.which("npm"):
        skip("no npm")
    done = os.path.join(NODE, "installed")
    if not os.path.exists(done) or open(done).read().split() != list(PACKAGES):
        os.makedirs(NODE, exist_ok=True)
        p = subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", NODE] + list(PACKAGES),
                           capture_output=True, text=True, timeout=200)
        if p.returncode:
            skip("the registry gives nothing: %s" % p.stderr.strip().splitlines()[-1:])
        with open(done, "w") as f:
            f.write("\n".join(PACKAGES))


def run(script, **args):
    env = dict(os.environ, NODE_PATH=os.path.join(NODE, "node_modules"))
    p = subprocess.run(["node", os.path.join(HERE, script), json.dumps(args)], capture_output=True, text=True,
                       timeout=150 * SLOW, env=env)
    equal(p.returncode, 0, "%s %s" % (p.stdout[-1500:], p.stderr[-1500:]))
    return p.stdout


@cases([("TLS", "imaps", {}), ("STARTTLS", "imap", {}), ("TLS, compressed", "imaps", {"compress": True}),
        ("TLS, QRESYNC", "imaps", {"qresync": True})],
       name="imapflow: {0}", limit=200)
def imapflow(port, options):
    installed()
    with LoginServer() as s:
        s.fence("alice")
        args = dict(ALICE, port=s.ports[port], secure=port == "imaps", compress=False, qresync=False)
        args.update(options)
        out = run("imapflow.js", **args)
        check("steps" in out, out)


@cases([("TLS", "pop3s", True), ("in the clear on loopback", "plainpop", False)], name="node-pop3: {0}", limit=200)
def node_pop3(port, tls):
    installed()
    with LoginServer() as s:
        for i in range(1, 21):
            tok = letters.token()
            r = s.give("alice", tok, letters.letter(tok, body=b".dot %d\r\n" % i).replace(b"Subject: a letter",
                b"Subject: letter %d" % i))[1]
            equal(r.code, 250, "SMTP")
            s.wait(tok, "alice")
        check("well" in run("node_pop3.js", port=s.ports[port], tls=tls, letters=20, **ALICE), "it failed")


if __name__ == "__main__":
    main()
