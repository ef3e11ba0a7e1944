"""What we make of letters, and what Dovecot makes of the same Maildir: ENVELOPE, BODY, BODYSTRUCTURE.

Every letter of the test data is asked for, and answers made here of broken boundaries.  Where both
differ, the difference must belong to a row of JUDGED, which says what the RFC has to say."""
import collections
import glob
import os
import re
import subprocess

import dovecot_imap
import server
import tap

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
DATA = os.path.join(os.path.dirname(TOP), "shared", "testdata")
DUMP = os.path.join(os.path.dirname(os.path.abspath(server.BINARY)), "mime_dump")
NO_LETTERS = (".xml", ".json", ".out", ".ref", ".bin", ".txt", ".md", ".tsv")
FIELDS = ("date", "subject", "from", "sender", "reply-to", "to", "cc", "bcc", "in-reply-to", "message-id")


def is_text(*values):
    return all(isinstance(v, bytes) for v in values)


def squeezed(s):
    return b" ".join(s.split())


def holds(value, *what):
    """Is one of these strings anywhere in it?"""
    if isinstance(value, list):
        return any(holds(v, *what) for v in value)
    return value in what


def no_domain(a, _, d):
    return d.field in FIELDS[2:8] and holds(d.their_field, b"MISSING_DOMAIN", b"MISSING_MAILBOX", b"SYNTAX_ERROR")


def phrase(a, b, d):
    return d.field in FIELDS[2:8] and is_text(a, b) and re.sub(rb"\s", b"", a) == re.sub(rb"\s", b"", b)


def at_in_name(a, b, d):
    """One of the names has an "@": where Dovecot sees the address itself."""
    return d.field in FIELDS[2:8] and isinstance(d.our_field, list) and \
        any(b"@" in (m[0] or b"") or b"[" in (m[0] or b"") for m in d.our_field)


def cut_short(a, b, d):
    """Dovecot stopped reading in the middle of a field."""
    if d.field not in FIELDS[2:8] or not isinstance(b, list) or not b or not isinstance(a, list):
        return False
    n = len(b) - 1
    return len(a) > n and a[:n] == b[:n] and (a[n][2] or b"").startswith(b[n][2] or b"")


def boundaries(v):
    for i, x in enumerate(v):
        if isinstance(x, list):
            yield from boundaries(x)
        elif x == b"boundary" and i + 1 < len(v):
            yield v[i + 1]


def boundary_cut(a, b, d):
    """Somewhere a boundary of theirs is only the beginning of ours."""
    ours, theirs = (list(boundaries([v])) for v in (a, b))
    return isinstance(a, list) and any(o not in theirs and any(o.startswith(t) or b"?" in o for t in theirs)
                                       for o in ours)


def long_boundary(a, b, d):
    return isinstance(a, list) and any(len(s) > 70 for s in boundaries([a]))


def no_type(a, b, d):
    """Theirs has an empty type or subtype."""
    if is_text(a, b):
        return b == b"" and a in (b"plain", b"text")
    return isinstance(b, list) and b[:1] in ([b""], [b"text"]) and b"" in b[:2]


def end_of_inner(a, b, d):
    return is_text(a, b) and a.isdigit() and b.isdigit() and int(b) - int(a) == (2 if d.path[-1] == 6 else 1)


ODD_PARAMETERS = ("2231", "2231b", "brokenct3", "quoted")       # seeds of ours

# name, what it is and who is right, test(ours, theirs, difference)
JUDGED = (
    ("case", "Dovecot writes message/rfc822 in its own letters; MIME words have no case (RFC 2045 §5.1)",
     lambda a, b, d: is_text(a, b) and a.lower() == b.lower()),
    ("blanks", "blanks at a value's ends and where it was folded (RFC 5322 §2.2.3; RFC 9051 is silent)",
     lambda a, b, d: is_text(a, b) and squeezed(a) == squeezed(b)),
    ("no address", "what is no address by RFC 5322: Dovecot invents MISSING_MAILBOX, MISSING_DOMAIN and "
     "SYNTAX_ERROR, and drops what follows; we give what is there, and \"\"", no_domain),
    ("cut address", "the same, where Dovecot has found nothing to invent, but dropped what follows", cut_short),
    ("no name", "\"\" <a@b>: NIL, as if there were no display name (RFC 9051 §7.5.2)",
     lambda a, b, d: d.field in FIELDS[2:8] and a is None and b == b""),
    ("quoted words", "words of a name without white space between: RFC 5322 §3.2.5 says nothing", phrase),
    ("@ in a name", "not quoted, against RFC 5322 §3.2.3: the address stands in <>", at_in_name),
    ("no subtype", "text/plain is what RFC 2045 §5.2 recommends for a Content-Type that cannot be read", no_type),
    ("no encoding", "a Content-Transfer-Encoding with \";\" behind is what it says",
     lambda a, b, d: is_text(a, b) and d.path[-1] in (5,) and b == b"7bit" and a.lower() in
     (b"quoted-printable", b"8bit", b"base64", b"7bit", b"binary")),
    ("no disposition", "an empty one is none: body-fld-dsp is NIL then (RFC 9051 §9)",
     lambda a, b, d: a is None and b == [b"", None]),
    ("bare =", "a boundary with \"=\" or \"?\" needs quotes (RFC 2045 §5.1); without them all of it is meant",
     boundary_cut),
    ("long boundary", "70 octets at most (RFC 2046 §5.1.1): Dovecot looks at the first 80, we at all of them",
     long_boundary),
    ("inner end", "a line end before a boundary belongs to it (RFC 2046 §5.1.1), also behind an inner last boundary",
     end_of_inner),
    ("message/global", "has an envelope and a body like message/rfc822 (RFC 9051 §7.5.2)",
     lambda a, b, d: isinstance(a, list) and isinstance(b, list) and a[:2] == b[:2] == [b"message", b"global"]),
    ("odd parameters", "pieces that are doubled, missing or of no number, values without a name or a closing "
     "quote: RFC 2231 and 2045 give them no meaning; Dovecot drops or renames some",
     lambda a, b, d: d.name in ODD_PARAMETERS and d.path[:1] == (2,)),
    ("two semicolons", "\"multipart/x;; boundary=y\": the empty parameter is stepped over",
     lambda a, b, d: isinstance(b, list) and len(b) > 2 and b[-4:] == [None] * 4 and is_text(b[-5])),
)


class Difference:
    def __init__(self, item, path, ours, theirs):
        self.item, self.path, self.ours, self.theirs = item, path, ours, theirs
        self.field = FIELDS[path[0]] if item == "ENVELOPE" and path else ""

    def judge(self):
        for name, _, test in JUDGED:
            if test(self.ours, self.theirs, self):
                return name
        return None


def differences(item, ours, theirs, path=()):
    if isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for i, (a, b) in enumerate(zip(ours, theirs)):
            yield from differences(item, a, b, path + (i,))
    elif ours != theirs:
        yield Difference(item, path, ours, theirs)


def envelopes(value):
    """Envelopes within a structure are lists of ten whose third to eighth are lists or NIL."""
    return isinstance(value, list) and len(value) == 10 and \
        all(v is None or isinstance(v, list) and all(isinstance(m, list) and len(m) == 4 for m in v)
            for v in value[2:8]) and all(v is None or isinstance(v, bytes) for v in value[:2] + value[8:])


def all_differences(item, ours, theirs, path=()):
    """The same, with the fields of an envelope known, wherever it stands."""
    if envelopes(ours) and envelopes(theirs):
        for i, (a, b) in enumerate(zip(ours, theirs)):
            for d in differences("ENVELOPE", a, b, (i,)):
                d.our_field, d.their_field = a, b
                yield d
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for i, (a, b) in enumerate(zip(ours, theirs)):
            yield from all_differences(item, a, b, path + (i,))
    elif ours != theirs:
        yield Difference(item, path, ours, theirs)


def dump(files, *options):
    out = subprocess.run([DUMP] + list(options) + files, capture_output=True, check=True).stdout
    at = 0
    for name in files:
        end = out.index(b"\n", at)
        n = int(out[at:end].rsplit(b" ", 1)[1])
        value, stop = dovecot_imap.parse(out[end + 1:end + 1 + n])
        tap.equal(stop, n, "octets of our answer that parse, " + name)
        at = end + n + 2
        yield value if options else dovecot_imap.items(value)


def compare(files):
    if not os.path.exists(DUMP):
        tap.skip("no mime_dump beside " + server.BINARY)
    letters = []
    for name in files:
        with open(name, "rb") as f:
            letters.append(f.read())
    with dovecot_imap.Dovecot(letters) as d:
        theirs = d.fetch("(ENVELOPE BODY BODYSTRUCTURE)")
    equal, rows, unjudged = 0, collections.Counter(), []
    for name, ours, their in zip(files, dump(files), theirs):
        found = set()
        for item in ("ENVELOPE", "BODYSTRUCTURE", "BODY"):
            for d in all_differences(item, ours[item], their[item]):
                d.name = os.path.basename(name)
                row = d.judge()
                # BODY has no parameters to judge by: it is BODYSTRUCTURE with less in it
                if not row and item == "BODY" and found - {None}:
                    continue
                found.add(row)
                if not row:
                    unjudged.append("%s %s %s: ours %s, theirs %s" % (os.path.relpath(name, DATA), item, d.path,
                                                                     tap.short(d.ours), tap.short(d.theirs)))
        equal += not found
        rows.update(found)
    print("# %d letters, %d equal; letters with %s" % (len(files), equal, ", ".join(
        "%s: %d" % (k, v) for k, v in rows.most_common())))
    for line in unjudged if os.environ.get("ALL") else ():
        print("#", line)
    tap.check(not unjudged, lambda: "%d differences in no row, the first: %s" % (len(unjudged), unjudged[0]))


def letters_below(folder):
    found = sorted(f for f in glob.glob(os.path.join(DATA, folder, "**", "*"), recursive=True)
                   if os.path.isfile(f) and not f.endswith(NO_LETTERS))
    if not found:
        tap.skip("no " + folder)
    return found


@tap.test("F9 hard and broken MIME: every difference from Dovecot is judged", limit=120)
def mime():
    compare(letters_below("mime"))


@tap.test("real letters: every difference from Dovecot is judged", limit=300)
def corpus():
    compare(letters_below("corpus"))


@tap.test("our own seeds: every difference from Dovecot is judged", limit=60)
def seeds():
    compare(sorted(glob.glob(os.path.join(TOP, "test", "corpus", "mime", "*"))))


def bare_sections(value):
    return {value[i].decode(): value[i + 1] for i in range(0, len(value), 2)}


@tap.test("F9 BODY[section] and BINARY[section] are the same octets as Dovecot's", limit=120)
def sections():
    """Every section of every part of the letters on whose structure both agree."""
    files = letters_below("mime") + sorted(glob.glob(os.path.join(TOP, "test", "corpus", "mime", "*")))
    letters, asked, headers, inner, differ = [], 0, 0, 0, []
    for name in files:
        with open(name, "rb") as f:
            letters.append(f.read())
    ours = [bare_sections(v) for v in dump(files, "-s")]
    with dovecot_imap.Dovecot(letters) as d:
        same = [o["BODY"] == t["BODY"] for o, t in zip(dump(files), d.fetch("(BODY)"))]
        theirs = d.fetch_each([[k.replace("[", ".PEEK[") for k in o] if s else [] for o, s in zip(ours, same)])
    for name, our, their in zip(files, ours, theirs):
        for section, value in our.items():
            if section not in their:
                continue
            asked += 1
            # what is not there is NIL or empty, as servers like it
            mine, yours = value or b"", their[section] or b""
            # a header keeps its empty line (RFC 9051 §6.4.5), also where a boundary follows at once
            if mine == yours + b"\r\n" and section.endswith(("MIME]", "HEADER]", ")]")):
                headers += 1
            elif mine + b"\r\n" == yours and mine.endswith(b"--"):
                inner += 1       # "inner end" of JUDGED
            elif os.path.basename(name) == "dupct":
                pass             # Dovecot's BODYSTRUCTURE says the first encoding, its BINARY decodes the last
            elif mine != yours and mine != yours.replace(b"\x80", b"\xef\xbf\xbd"):
                differ.append("%s %s: ours %s, theirs %s" % (os.path.relpath(name, DATA), section, tap.short(value),
                                                            tap.short(their[section])))
    print("# %d sections, %d headers cut by Dovecot, %d inner ends, %d differ" % (asked, headers, inner, len(differ)))
    for line in differ if os.environ.get("ALL") else ():
        print("#", line)
    tap.check(asked > 1000 and not differ, lambda: "%d of %d differ, the first: %s" % (len(differ), asked, differ[:1]))


@tap.test("THREAD=ORDEREDSUBJECT and SORT (DATE): letters belong together as Dovecot says", limit=120)
def subjects():
    files = letters_below("corpus")
    letters = []
    for name in files:
        with open(name, "rb") as f:
            letters.append(f.read())
    with dovecot_imap.Dovecot(letters) as d:
        out = d.talk("THREAD ORDEREDSUBJECT UTF-8 ALL", "SORT (DATE) UTF-8 ALL")
    threads, _ = dovecot_imap.parse(b"(" + re.search(rb"\* THREAD (.*)\r\n", out).group(1) + b")")
    order = [int(n) for n in re.search(rb"\* SORT ([0-9 ]*)\r\n", out).group(1).split()]
    facts = list(dump(files, "-b"))

    def members(thread):
        return [int(v) for v in thread if isinstance(v, bytes)] + [n for v in thread if isinstance(v, list) for n in members(v)]
    mixed, of = [], collections.Counter()
    for thread in threads:
        bases = {facts[n - 1][0].decode().upper() for n in members(thread)}
        of.update(bases)
        if len(bases) > 1:
            mixed.append(bases)
    tap.equal(mixed, [], "threads of Dovecot in which we see several base subjects")
    # RFC 5256 §2.1 (1): blanks count as one, also where two stood before they were folded
    apart = [b for b, n in of.items() if n > 1]
    dates = [int(facts[n - 1][1]) for n in order if facts[n - 1][1]]
    late = sum(a > b for a, b in zip(dates, dates[1:]))
    # zones such as "+-0500", "+05-30" and "-1900", years such as "0102" and AM and PM are read as they were meant
    print("# %d threads, %d of one subject apart, %d dates without, %d out of order" %
          (len(threads), len(apart), len(files) - len(dates), late))
    tap.check(len(apart) <= 5 and late <= 30, "%d apart, %d out of order" % (len(apart), late))


def visible(text):
    """What both should agree on: no blanks, nothing that is not seen, nothing that could not be read."""
    return re.sub("[\\s\u00a0\u00ad\u034f\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff\ufffd\u0080-\u009f]", "", text)[:100]


@tap.test("PREVIEW is what Dovecot shows, titles of HTML aside", limit=300)
def preview():
    """RFC 8970 §2 leaves the text to the server; both leave out quotations and prefer plain text.  So no
    difference is wrong in itself, but text that only Dovecot finds would be."""
    files = letters_below("corpus") + letters_below("mime")
    letters = []
    for name in files:
        with open(name, "rb") as f:
            letters.append(f.read())
    with dovecot_imap.Dovecot(letters) as d:
        theirs = [v["PREVIEW"] or b"" for v in d.fetch("(PREVIEW)")]
    equal, missed = 0, []
    for name, ours, their in zip(files, dump(files, "-p"), theirs):
        a, b = ours.decode(), their.decode("utf-8", "replace")
        tap.check(len(a) <= 200 and a == " ".join(a.split(" ")), "a preview is short: " + name)
        equal += visible(a) == visible(b)
        if visible(b) and not a:
            missed.append(os.path.relpath(name, DATA))
    print("# %d letters, %d equal, %d in which only Dovecot sees text" % (len(files), equal, len(missed)))
    # five of advertising, pictures with words in titles and comments; one whose boundary is over our limit
    tap.check(len(missed) <= 6, "only Dovecot sees text in " + " ".join(missed))
    tap.check(equal > 0.88 * len(files), "%d of %d previews are equal" % (equal, len(files)))


if __name__ == "__main__":
    tap.main()
