#!/usr/bin/python3
"""Blocks and exceptions by the name of a host: PTR, and for an exception one that leads back (L7 too)."""
import internet
import tap
from letters import letter
from server import Server
from smtp import Smtp
from tap import check, equal, test

NET = None
SERVER = None
FORGED = "127.2.7.4"


def server():
    """Hosts: mx.evil.test, mx.good.test; 127.2.7.4 says it is forged.good.test, which leads elsewhere."""
    global NET, SERVER
    if not SERVER:
        NET = internet.Internet()
        NET.zone("evil.test", "")
        NET.zone("good.test", "forged A 127.2.7.9")
        NET.add_host("mx.evil.test", "127.2.7.1")
        NET.add_host("mx.good.test", "127.2.7.2")
        NET.zones[internet.REVERSE].hosts.append("4.7.2.127.in-addr.arpa. PTR forged.good.test.")
        NET.start()
        SERVER = Server(NET.conf()).start()
    return SERVER


def attempt(source, helo="client.example.net"):
    s = server()
    with Smtp(s.addr, source=source) as c:
        c.ehlo(helo)
        return c.deliver([s.address("alice")], letter())


def do(*words):
    code, _out, err = server().command(*words)
    equal(code, 0, "%s: %s" % (" ".join(words), err))


@test("a block by host name is matched on PTR and its domain, an exception on one that leads back only")
def host_names():
    equal(attempt("127.2.7.1").code, 250, "before")
    do("block", "add", "host:evil.test")
    equal(attempt("127.2.7.1").code, 550, "PTR below it")
    equal(attempt("127.2.7.2").code, 250, "another")
    do("block", "add", "127.2.0.0/16")
    equal(attempt("127.2.7.2").code, 550, "its network")
    do("allow", "add", "good.test")
    equal(attempt("127.2.7.2").code, 250, "a name that leads back")
    equal(attempt(FORGED).code, 550, "a name that does not lead back")
    equal(attempt("127.2.7.3", helo="mx.good.test").code, 550, "no name, and the right HELO")
    server().log_wait("the block 127.2.0.0/16")
    check("host name mx.evil.test" in server().log(), "the record names what matched")


tap.main()
