"""Row J3: a letter that is signed once and sent to everybody is put off, by its signature."""
import re

import internet
import letters
import tap
from dkim_maker import Key
from server import SLOW, Server
from tap import check, equal, eventually, test

SENDER, REPLAYER, FRIEND = "127.7.3.1", "127.7.3.66", "127.7.3.50"
USERS = ("alice", "bob", "carol")
NET = KEY = OWN = SERVER = None


def server():
    global NET, KEY, OWN, SERVER
    if SERVER is None:
        NET = internet.Internet()
        KEY, OWN = Key(NET.dir), Key(NET.dir)
        for name, key in (("good.test", KEY), ("news.test", KEY), ("replay.test", OWN)):
            NET.zone(name, '@ TXT "v=spf1 ip4:%s -all"\n_dmarc TXT "v=DMARC1; p=reject"\nk1._domainkey TXT %s' % (SENDER, key.record))
        NET.zone("plain.test", "@ A 127.7.3.4")
        NET.start()
        SERVER = Server(NET.conf(), inbound="friends %s\nreplay-limit 3 per 1h" % FRIEND, users=USERS).start()
    return SERVER


tap.ends(lambda: (SERVER, NET))


def letter(domain="good.test"):
    return letters.letter(letters.token(), body=b"Good day.\r\n").replace(
        b"Sender <sender@client.example.net>", b"Ann <ann@%s>" % domain.encode())


def bring(text, to="alice", sender="x@plain.test", source=REPLAYER):
    s = server()
    with s.client(source=source, timeout=60) as c:
        c.cmd("EHLO h.plain.test")
        return c.deliver([s.address(a) for a in to.split()], text, sender=sender)


def put_off(reply):
    equal((reply.code, reply.enhanced), (451, "4.7.28"), repr(reply))


def refold(text):
    """The same signature with other white space in b=, which signs nothing."""
    head, b, rest = text.partition(b"; b=")
    return head + b + rest[:40] + b"\r\n\t" + rest[40:]


@test("J3 one signature again and again, by other senders to other recipients: three come in, and then 451 4.7.28")
def replayed():
    server()
    signed = KEY.sign(letter(), "good.test")
    for i, user in enumerate(USERS):
        equal(bring(signed, user, "x%d@plain.test" % i).code, 250)
    put_off(bring(signed, "bob", "another@plain.test"))
    line = server().log_wait(r"refused .*4\.7\.28.*").group(0)
    check("replay-limit: letters with this signature of good.test came to 3 recipients" in line, line)
    ident = re.search(r"msg=([0-9a-z]{13})", line).group(1)
    eventually(lambda: "replay-limit" in server().command("why", ident)[1], 10 * SLOW, what="why tells it")
    # dressed up
    put_off(bring(refold(signed)))
    put_off(bring(b"X-Other: field\r\n" + signed, source=SENDER, sender="ann@good.test"))
    put_off(bring(OWN.sign(signed, "replay.test")))
    # of the same domain, and as they should be
    equal(bring(KEY.sign(letter(), "good.test")).code, 250, "another signature")
    equal(bring(letter(), source=SENDER, sender="ann@good.test").code, 250, "no signature")
    equal(bring(signed, source=FRIEND).code, 250, "a friend")


@test("J3 recipients are counted, and the letter that reaches the limit comes in whole")
def recipients():
    signed = KEY.sign(letter(), "good.test")
    equal(bring(signed, "alice bob").code, 250)
    equal(bring(signed, "alice bob carol").code, 250)
    put_off(bring(signed))


@test("J3 a signature that fails counts for nobody")
def failing():
    signed = KEY.sign(letter("plain.test"), "good.test")
    broken = signed.replace(b"Good day", b"Bad day")
    for _ in range(5):
        equal(bring(broken).code, 250)
    equal(bring(signed).code, 250)


@test("J3 an exception lets its signer in, and off everybody")
def exceptions():
    s = server()
    signed = KEY.sign(letter("news.test"), "news.test")
    equal(bring(signed, "alice bob carol").code, 250)
    put_off(bring(signed))
    equal(s.command("allow", "add", "news.test")[0], 0)
    eventually(lambda: bring(signed).code == 250, 10 * SLOW, what="let in for its signer")
    equal(s.command("allow", "remove", "news.test")[0], 0)
    eventually(lambda: bring(signed).code == 451, 10 * SLOW, what="put off again")
    s.reload(s.text.replace("replay-limit 3 per 1h", "replay-limit off"))
    eventually(lambda: bring(signed).code == 250, 10 * SLOW, what="no limit")


tap.main()
