#!/usr/bin/python3
"""waxwing why ADDRESS|IP|DATE: each login leaves a record; no secret is in one."""
import glob
import json
import os
import time

from logins import FAILED, USERS, LoginServer, alice, logged_in, needs_net          # first: it starts us again

from server import SLOW
from tap import check, equal, eventually, main, test


def why(s, *words):
    code, out, err = s.command("why", *words, "--json")
    return json.loads(out) if code == 0 else []


def logins(s, *words):
    return [(r["what"], r["account"], r["result"]) for r in why(s, *words) if r["what"].startswith("login_")]


@test("good and failed logins, over IMAP and POP3, by account and by client")
def each():
    needs_net()
    with LoginServer() as s:
        with s.imap() as c:
            c.login(alice(s), "wrong-secret-1")
            c.login("nobody@example.org", "wrong-secret-2")
            logged_in(c.scram(alice(s), USERS["alice"])[0])
        with s.pop3(to="192.0.2.1", source="192.0.2.9") as c:
            check(c.login(alice(s), USERS["alice"]).startswith(b"+OK"), "POP3")
        rows = eventually(lambda: (lambda r: r if len(r) >= 3 else None)(why(s, alice(s))), 5 * SLOW, 0.3, "records")
        equal([(r["what"], r["why"] if r["what"] == "login_refused" else r["mech"], r["protocol"]) for r in rows],
              [("login_refused", "wrong password", "imap"), ("login_accepted", "SCRAM-SHA-256", "imap"),
               ("login_accepted", rows[-1]["mech"], "pop3")], "of alice")
        check(all(r["tls"].startswith("TLS") and r["msg"] == "" for r in rows), "TLS %r" % rows)
        equal([r["why"] for r in why(s, "nobody@example.org")], ["no such account"], "of nobody")
        equal(logins(s, "192.0.2.9"), [("login_accepted", alice(s), "ok")], "of the client")
        equal(logins(s, "ALICE@Example.Org"), logins(s, alice(s)), "letter case")
        day = time.strftime("%Y-%m-%d", time.gmtime())
        equal(len(logins(s, day)), 4, "of the day")
        equal(len(logins(s, alice(s), day)), 3, "of alice on that day")
        equal(logins(s, alice(s), "2001-01-01"), [], "of alice on another day")
        code, out, _ = s.command("why", alice(s))
        check(code == 0 and "could not log in from 127.0.0.1 (imap, LOGIN): wrong password" in out, out)
        files = b"".join(open(f, "rb").read() for f in glob.glob(os.path.join(s.dir, "why", "*")))
        for secret in ("wrong-secret-1", "wrong-secret-2", USERS["alice"]):
            check(secret not in s.log() and secret.encode() not in files, "a password was written down")
        check(alice(s).encode() in files, "the files were not found")


@test("the client hears the same of a known and an unknown name, the administrator does not")
def same():
    with LoginServer() as s:
        with s.imap() as c:
            texts = {c.login(n, "wrong").text for n in (alice(s), "nobody@example.org", "x@elsewhere.example")}
        equal(len(texts), 1, "texts")
        check(FAILED in texts.pop(), "text")
        eventually(lambda: len(why(s, "127.0.0.1")) >= 3, 5 * SLOW, 0.2, "records")
        equal([r["why"] for r in why(s, "127.0.0.1")], ["wrong password", "no such account", "no such account"], "why")


@test("refused for limits: a disabled account, too many sessions, too many tries, a ban")
def limits():
    needs_net()
    with LoginServer(login="connections 2", ban="logins 5 per 10m") as s:
        equal(s.command("user", "disable", s.address("bob"))[0], 0, "disable")
        with s.imap() as c:
            equal(c.login(s.address("bob"), USERS["bob"]).status, "NO", "disabled")
        held = [s.imap() for _ in range(3)]
        for c in held:
            c.login(alice(s), USERS["alice"])
        for _ in range(8):
            try:
                with s.imap(to="192.0.2.1", source="192.0.2.2") as c:
                    c.login(s.address("carol"), "wrong")
            except OSError:
                break
            except Exception as x:
                if "Closed" not in type(x).__name__:
                    raise
                break
        rows = eventually(lambda: (lambda r: r if any(x["what"] == "connection_refused" for x in r) else None)(
            why(s, "192.0.2.2")), 20 * SLOW, 0.5, "the ban")
        kinds = [r["what"] for r in rows]
        equal(kinds.count("login_refused"), 5, "failed %s" % kinds)
        check("login_slowed" in kinds, "slowed %s" % kinds)
        equal(kinds.count("client_banned"), 1, "banned")
        check(any("banned until" in r["why"] for r in rows if r["what"] == "connection_refused"), "why it is refused")
        equal([r["result"] for r in why(s, s.address("bob"))], ["disabled"], "bob")
        equal([r["result"] for r in why(s, alice(s))], ["ok", "ok", "limit"], "alice")
        check("2 sessions" in why(s, alice(s))[-1]["why"], "how many")
        for c in held:
            c.close()


@test("what is not known, and what cannot be asked")
def unknown():
    with LoginServer() as s:
        for words in (["why", "x@example.org"], ["why", "192.0.2.77"], ["why", "2001:db8::77"], ["why", "somebody"],
                      ["why", "ab"]):
            equal(s.command(*words)[0], 1, " ".join(words))
        for words in (["why"], ["why", ""], ["why", "a@b", "yesterday"], ["why", "2026-01-01", "2026-01-01"],
                      ["why", "a" * 400], ["why", "a", "b", "c"]):
            equal(s.command(*words)[0], 2, " ".join(words)[:40])


main()
