"""Letters like those people have, of about 4 KiB, the same for the same seed.

fill(maildir, n) writes n of them to maildir/cur under names as Dovecot gives them.  About
half are plain text, a third multipart/alternative, the rest multipart/mixed with a small
attachment; some are quoted-printable, some 8-bit; six in ten answer an earlier one.
Words follow Zipf's law.  QUERIES are the words a search is tried with."""
import base64
import bisect
import email.utils
import itertools
import os
import quopri
import random

START = 1500000000
COMMON, RARE, ABSENT, SHORT, FOREIGN = "meeting", "quixotry", "zyzzyvas", "ku", "Größe"
QUERIES = (("absent", ABSENT), ("rare", RARE), ("common", COMMON), ("two letters", SHORT),
           ("non-ASCII", FOREIGN))
SYLLABLES = ("an ba be bi bo ca ce co da de di do el en er fa fe fi ga ge go ha he in is ka ke la "
             "le li lo ma me mi mo na ne ni no or pa pe po ra re ri ro sa se si so ta te ti to un "
             "va ve vi wa we").split()
PEOPLE = 400


class Maker:
    def __init__(self, seed=1):
        self.rng = rng = random.Random(seed)
        words = set()
        while len(words) < 30000:
            words.add("".join(rng.choices(SYLLABLES, k=rng.choice((1, 2, 2, 3, 3, 4)))))
        self.words = sorted(words)
        rng.shuffle(self.words)
        self.words[60] = COMMON
        self.weights = list(itertools.accumulate(1 / (i + 2.7) for i in range(len(self.words))))
        self.names = ["%s %s" % (self.word().title(), self.word().title()) for _ in range(PEOPLE)]
        # Lines are made once: a letter takes 40 of 60,000.
        self.lines = [self.line() for _ in range(60000)]
        self.short = [l for l in self.lines if len(l) < 60]
        self.ids = []

    def word(self):
        return self.words[bisect.bisect(self.weights, self.rng.random() * self.weights[-1])]

    def line(self):
        out, room = [], self.rng.choice((40, 60, 68, 70, 72, 72))
        while sum(map(len, out)) + len(out) < room:
            out.append(self.word())
        text = " ".join(out)
        return text.capitalize() + "." if self.rng.random() < 0.2 else text

    def address(self):
        i = self.rng.randrange(PEOPLE)
        return '"%s" <%s@%s.example>' % (self.names[i], self.names[i].split()[0].lower(),
                                         self.words[i % 40])

    def letter(self, i):
        """(bytes with CRLF, time)"""
        rng = self.rng
        when = START + i * 1800 + rng.randrange(1700)
        date = email.utils.formatdate(when)
        mid = "<%d.%x@%s.example>" % (when, rng.getrandbits(48), self.words[i % 97])
        subject = rng.choice(self.short)[:rng.randrange(15, 60)]
        head = ["Return-Path: <%s@list.example>" % self.word(),
                "Delivered-To: alice@example.org",
                "Received: from mx%d.%s.example (mx%d.%s.example [192.0.2.%d])\r\n\tby mail.example.org "
                "with ESMTPS id %012X\r\n\tfor <alice@example.org>; %s" %
                (i % 9, self.words[i % 40], i % 9, self.words[i % 40], i % 250, rng.getrandbits(48), date),
                "Received: by mx%d.example with SMTP id %x;\r\n\t%s" % (i % 9, rng.getrandbits(60), date),
                "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=%s.example; s=s1;\r\n\t"
                "h=from:to:subject:date; bh=%s;\r\n\tb=%s" %
                (self.words[i % 40], base64.b64encode(rng.randbytes(32)).decode(),
                 base64.b64encode(rng.randbytes(96)).decode()),
                "Date: " + date, "From: " + self.address(), "To: " + self.address()]
        if rng.random() < 0.3:
            head.append("Cc: %s,\r\n\t%s" % (self.address(), self.address()))
        if self.ids and rng.random() < 0.6:
            # An answer: mostly to something recent
            parent, chain, about = self.ids[-1 - min(int(rng.expovariate(0.02)), len(self.ids) - 1)]
            chain = (chain + [parent])[-8:]
            subject = "Re: " + about
            head += ["In-Reply-To: " + parent, "References: " + "\r\n\t".join(chain)]
            self.ids.append((mid, chain, about))
        else:
            self.ids.append((mid, [], subject))
        if rng.random() < 0.05:
            word = base64.b64encode((subject + " " + FOREIGN).encode()).decode()
            head.append("Subject: =?UTF-8?B?%s?=" % word)
        else:
            head.append("Subject: " + subject)
        head += ["Message-ID: " + mid, "MIME-Version: 1.0",
                 "User-Agent: %s/%d.%d" % (self.names[i % 7].split()[0], i % 12, i % 10)]
        if rng.random() < 0.3:
            head.append("List-Id: <%s.lists.example>" % self.words[i % 30])
        lines = rng.choices(self.lines, k=rng.randrange(30, 48))
        if i % 50 == 7:
            lines[3] += " " + FOREIGN
        if i % 20000 == 777:
            lines[5] += " " + RARE
        return self.body(i, head, lines), when

    def body(self, i, head, lines):
        kind = self.rng.random()
        text = "\r\n".join(lines) + "\r\n"
        if kind < 0.5:
            if i % 50 != 7:
                return ("\r\n".join(head + ["Content-Type: text/plain; charset=us-ascii", "", text])).encode()
            if i % 100 == 7:
                body = quopri.encodestring(text.replace("\r\n", "\n").encode("latin-1")).replace(b"\n", b"\r\n")
                return "\r\n".join(head + ["Content-Type: text/plain; charset=iso-8859-1",
                                           "Content-Transfer-Encoding: quoted-printable", "", ""]).encode() + body
            return "\r\n".join(head + ["Content-Type: text/plain; charset=utf-8",
                                       "Content-Transfer-Encoding: 8bit", "", text]).encode()
        mark = "=_%x" % self.rng.getrandbits(80)
        if kind < 0.85:
            half = "\r\n".join(lines[:len(lines) // 2]) + "\r\n"
            html = "<html><body>" + "".join("<p>%s</p>\r\n" % l for l in lines[:len(lines) // 2]) + "</body></html>\r\n"
            parts = [("text/plain; charset=utf-8", "8bit", half), ("text/html; charset=utf-8", "8bit", html)]
            kind = "alternative"
        else:
            blob = base64.encodebytes(self.rng.randbytes(900)).decode().replace("\n", "\r\n")
            half = "\r\n".join(lines[:len(lines) // 2]) + "\r\n"
            parts = [("text/plain; charset=utf-8", "8bit", half),
                     ('application/pdf; name="%s.pdf"' % self.words[i % 500], "base64", blob)]
            kind = "mixed"
        out = head + ['Content-Type: multipart/%s; boundary="%s"' % (kind, mark), "", "This is MIME."]
        for what, how, text in parts:
            out += ["--" + mark, "Content-Type: " + what, "Content-Transfer-Encoding: " + how]
            if "name=" in what:
                out.append("Content-Disposition: attachment")
            out += ["", text]
        return ("\r\n".join(out + ["--" + mark + "--", ""])).encode()


def fill(maildir, n, seed=1):
    """Bytes of all letters, as they lie there (LF)."""
    for d in ("cur", "new", "tmp"):
        os.makedirs(os.path.join(maildir, d), exist_ok=True)
    maker, total = Maker(seed), 0
    for i in range(n):
        text, when = maker.letter(i)
        disk = text.replace(b"\r\n", b"\n")
        name = "%d.M%06dP77.mail,S=%d,W=%d:2,%s" % (when, i % 1000000, len(disk), len(text),
                                                   "" if i % 10 > 6 else "RS" if i % 7 == 0 else "S")
        path = os.path.join(maildir, "cur", name)
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        os.write(fd, disk)
        os.close(fd)
        os.utime(path, (when, when))
        total += len(disk)
    return total
