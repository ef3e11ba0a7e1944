#!/usr/bin/python3
"""A machine that only sends: conf/satellite.conf as it is packaged, with waxwing and with Postfix (and Dovecot's SASL)
as its main server, over TLS that is verified."""
import glob
import os
import re
import subprocess

import peers
import tap
from letters import Stored, token
from server import SLOW, TOP, Server
from submission import SubmissionServer
from tap import cases, check, equal, eventually, test
from world import World, once
from world_peers import PostfixMain, answers

NAME, RIGHT, WRONG = "thishost", "right secret", "wrong secret"


class Mains(World):
    def __init__(self):
        super().__init__()
        self.domain("main.test", "127.6.0.1")
        self.domain("pf.test", "127.6.0.2")
        self.start()
        self.mains = {}

    def main(self, kind):
        if kind not in self.mains:
            self.mains[kind] = self.lives(kind(self))
        return self.mains[kind]


world = once(Mains)


class OurMain:
    domain, person = "main.test", "alice"

    def __init__(self, w):
        ip = w.ips[self.domain]
        self.s = w.waxwing(self.domain, SubmissionServer, "listen smtp %s:25\nlisten submission %s:465 tls\nuser %s@%s {\n"
                           "    kind relay\n    may-send-as any\n}\n" % (ip, ip, NAME, self.domain), users=(self.person,),
                           passwords={NAME: RIGHT, self.person: "alice-pw"})
        w.living.remove(self.s)
        self.back()

    def away(self):
        """It dies at once."""
        self.s.kill_all()

    def back(self):
        self.s.start()

    def come(self, tok):
        return self.s.find(tok, self.person)

    def log(self):
        return self.s.log()

    def end(self):
        self.s.end()


class PostfixAndDovecot:
    domain, person = "pf.test", "u1"

    def __init__(self, w):
        self.p = PostfixMain(w, self.domain, {"%s@%s" % (NAME, self.domain): RIGHT})

    def away(self):
        self.p.root.run("postfix", "abort")
        eventually(lambda: not answers(self.p.ip, 465), 20 * SLOW, 0.1, what="Postfix is gone")

    def back(self):
        self.p.pf.start()
        eventually(lambda: answers(self.p.ip, 465), 20 * SLOW, 0.1, what="Postfix is back")

    def come(self, tok):
        return [l for l in map(Stored, glob.glob(self.p.maildir(self.person))) if tok.encode() in l.raw]

    def log(self):
        return self.p.log()

    def end(self):
        self.p.end()


class Satellite(Server):
    """The packaged sample with other names; `more` stands for time and place of a test."""

    def __init__(self, w, main, retry="1h", password=RIGHT):
        super().__init__(users=(), default_domain=False)
        self.secret = self.dir + "/secret"
        self.write_secret(password)
        with open(TOP + "/conf/satellite.conf") as f:
            text = f.read().replace("/etc/waxwing/secrets/main", self.secret).replace("mail.example.org", w.hosts[main.domain])
        text = text.replace("admin@", main.person + "@").replace("example.org", main.domain)
        text = re.sub(r"(?m)^\}", w.roots() + "retry %s give-up 4d\n}" % retry, text)
        self.write_conf(text + "storage .\nrun run\naliases off\njournal {\nsegments 2\n}\n" + w.net.conf())
        os.symlink(self.binary, self.dir + "/sendmail")
        self.addr = ("127.0.0.1", 25)

    def write_secret(self, password):
        with open(self.secret, "w") as f:
            f.write(password + "\n")
        os.chmod(self.secret, 0o600)

    def sendmail(self, letter, *args):
        p = subprocess.run([self.dir + "/sendmail", "-C", self.conf, *args], input=letter.encode(), capture_output=True,
                           timeout=60 * SLOW)
        equal(p.returncode, 0, "sendmail: %s" % p.stderr)

    def queued(self):
        code, out, err = self.command("queue", "list")
        equal(code, 0, err)
        return out

    def report(self, tok):
        """What cron does."""
        self.sendmail("From: root (Cron Daemon)\nTo: root\nSubject: Cron <root@thishost> %s\nMIME-Version: 1.0\n"
                      "Content-Type: text/plain; charset=UTF-8\nContent-Transfer-Encoding: 8bit\n\nöutput\n" % tok,
                      "-FCronDaemon", "-i", "-B8BITMIME", "-oem", "root")


def arrives(s, main, tok, n=1):
    eventually(lambda: len(main.come(tok)) >= n, 60 * SLOW, 0.1, what=lambda: "%d letters %s; here:\n%s\nthere:\n%s" % (
        n, tok, s.log()[-2500:], main.log()[-1500:]))
    equal(len(main.come(tok)), n, "copies")
    return main.come(tok)[0]


MAINS = [("waxwing", OurMain), ("Postfix", PostfixAndDovecot)]


@cases(MAINS, "a satellite of {0}: what cron, PHP and a program with its own sender send arrives", limit=120)
def programs(kind):
    w = world()
    main = w.main(kind)
    with Satellite(w, main) as s:
        tok = token()
        s.report(tok)
        got = arrives(s, main, tok)
        check("öutput".encode() in got.raw and b'From: "Cron Daemon" <root@thishost.%s>' % main.domain.encode() in got.raw, got.raw)
        check(re.search(r' relay msg=.* tls="TLSv1.3 .*, verified.*" sent=1 ', s.log()), "TLS is verified:\n" + s.log()[-1500:])
        tok = token()
        s.sendmail("From: app@%s\nTo: %s@%s\nSubject: %s\n\n.\nGood day.\n" % (main.domain, main.person, main.domain, tok),
                   "-t", "-oi", "-f", "app@" + main.domain)
        got = arrives(s, main, tok)
        equal(got.first("return-path"), "<app@%s>" % main.domain, "the envelope")
        check(got.raw.endswith(b"\n\n.\nGood day.\n"), got.raw)
        tok = token()
        php = [peers.unpack("php8.2-cli", "php8.2-cli") + "/usr/bin/php8.2", "-n", "-d", "sendmail_path=%s/sendmail -C %s -t -i"
               % (s.dir, s.conf), "-r", 'exit(mail("%s@%s", "%s", "by PHP") ? 0 : 1);' % (main.person, main.domain, tok)]
        subprocess.run(php, check=True, timeout=60 * SLOW)
        check(b"by PHP" in arrives(s, main, tok).raw, "its text")
        check(RIGHT not in s.log(), "the password is in the log")
        listening = subprocess.run(["ss", "-Hltn"], capture_output=True, text=True).stdout
        check(not re.search(r"(0\.0\.0\.0|\*|\[::\]):(25|110|143|465|587|993|995)\b", listening), "others can connect:\n" + listening)


@cases(MAINS, "a satellite of {0}, which is away: letters wait, also over a death of ours, and go when it is back", limit=180)
def away(kind):
    w = world()
    main = w.main(kind)
    with Satellite(w, main, retry="2s") as s:
        toks = [token() for _ in range(5)]
        main.away()
        try:
            for tok in toks[:3]:
                s.report(tok)
            eventually(lambda: len(re.findall(r"(?i)refused|connect", s.queued())) >= 3, 30 * SLOW, 0.2, what=s.queued)
            s.kill_all()
            s.report(toks[3])       # nobody is there: it is dropped
            s.start()
            s.report(toks[4])
            eventually(lambda: w.hosts[main.domain] in s.queued(), 30 * SLOW, 0.2, what=s.queued)
        finally:
            main.back()
        for tok in toks:
            arrives(s, main, tok)
        eventually(lambda: w.hosts[main.domain] not in s.queued(), 30 * SLOW, 0.2, what=s.queued)


@cases(MAINS, "a satellite of {0} with a wrong password: letters wait, and one is told why", limit=120)
def password(kind):
    w = world()
    main = w.main(kind)
    with Satellite(w, main, password=WRONG) as s:
        tok = token()
        s.report(tok)
        why = re.escape(w.hosts[main.domain]) + r" \S+:465: AUTH SCRAM-SHA-256: 535 5\.7\.8"
        eventually(lambda: re.search(why, s.queued()), 30 * SLOW, 0.2, what=s.queued)
        check(re.search("WARNING: 1 recipients wait, via .*" + why, s.command("status")[1]), s.command("status")[1])
        line = re.search(r" relay msg=.* later=1 .*", s.log()).group(0)
        check(re.search(r'tls="TLSv1\.3 .*, verified', line), "what was used until it failed: " + line)
        equal(main.come(tok), [], "letters")
        check(WRONG not in s.log() + s.queued(), "the password is said")
        s.write_secret(RIGHT)
        equal(s.command("queue", "retry", "--all")[0], 0, "queue retry")
        arrives(s, main, tok)
        check(" secret path=" not in s.log(), "one of the processes could not read it:\n" + s.log()[-1500:])


tap.main()
