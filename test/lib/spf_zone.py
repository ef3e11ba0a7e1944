"""SPF over records that are given: the suite of openspf, and our answers.

suite() reads its file, which is YAML of few forms; python3-yaml is not needed.
ask() writes zones and questions to trust_answers (test/trust_answers.c)."""
import collections
import os
import re
import subprocess

import server

PROGRAM = os.path.join(os.path.dirname(os.path.abspath(server.BINARY)), "trust_answers")
Case = collections.namedtuple("Case", "scenario name ip helo sender results explanation zone")
ESCAPE = re.compile(r'\\(x[0-9a-fA-F]{2}|.)')
ESCAPES = {"0": "\0", "n": "\n", "r": "\r", "t": "\t"}


# ---- the subset of YAML --------------------------------------------------------------------------

def scalar(text):
    """A plain or quoted word, or a list in brackets."""
    text = text.strip()
    if text.startswith("["):
        inner = text[1:text.rindex("]")]
        return [scalar(m[0]) for m in re.finditer(r'"(?:\\.|[^"])*"|\'(?:\'\'|[^\'])*\'|[^,\s][^,]*', inner)]
    if text.startswith('"'):
        body = text[1:text.rindex('"')]
        return ESCAPE.sub(lambda m: chr(int(m[1][1:], 16)) if m[1][0] == "x" and len(m[1]) == 3
                          else ESCAPES.get(m[1], m[1]), body)
    if text.startswith("'"):
        return text[1:text.rindex("'")].replace("''", "'")
    return text


def key_and_rest(line):
    m = re.match(r'\s*("(?:\\.|[^"])*"|[^\s"\'][^#]*?):(?:\s+(.*))?$', line)
    return (scalar(m[1]), (m[2] or "").strip()) if m else (None, None)


def indent(line):
    return len(line) - len(line.lstrip())


def mapping(lines, at, deep):
    """Keys indented by exactly `deep`: to scalars, mappings or lists of one-key mappings."""
    out = {}
    while at < len(lines) and indent(lines[at]) == deep and not lines[at].lstrip().startswith("- "):
        key, rest = key_and_rest(lines[at])
        if key is None:
            raise ValueError("not understood: %r" % lines[at])
        at += 1
        below = at
        while below < len(lines) and indent(lines[below]) > deep:
            below += 1
        if rest[:1] in ("|", ">"):
            value = "\n".join(lines[at:below])
        elif rest:
            value = scalar(rest)        # what is folded below it is a description
        elif at < below and lines[at].lstrip().startswith("- "):
            value = [item(line) for line in lines[at:below]]
        elif at < below:
            value, _ = mapping(lines, at, indent(lines[at]))
        else:
            value = {}
        out[key] = value
        at = below
    return out, at


def item(line):
    text = line.lstrip()[2:]
    key, rest = key_and_rest(text)
    return (key, scalar(rest)) if key and key.isupper() else (scalar(text), None)


def documents(path):
    with open(path, encoding="utf-8") as f:
        text = f.read()
    for part in re.split(r"(?m)^---\n", text):
        lines = [line for line in part.splitlines() if line.strip() and not line.lstrip().startswith("#")]
        if lines:
            yield mapping(lines, 0, 0)[0]


# ---- zones ---------------------------------------------------------------------------------------

def name_text(name):
    """Octets that no host name has as \\DDD."""
    name = name.rstrip(".") or "."
    return "".join(c if c.isascii() and c.isalnum() or c in "-_.*" else "\\%03d" % ord(c) for c in name)


def quoted(s):
    pieces = [s[i:i + 255] for i in range(0, len(s), 255)] or [""]
    return " ".join('"' + "".join(c if c.isascii() and c.isalnum() or c in " -_.=:/" else "\\%03d" % ord(c) for c in p) + '"'
                    for p in pieces)


def texts(value):
    return " ".join(map(quoted, value)) if isinstance(value, list) else quoted(value)


def rows(name, records):
    """Records as the suite has them; SPF stands for TXT unless there is a TXT, too."""
    has_txt = any(kind == "TXT" for kind, _ in records)
    for kind, value in records:
        where = name_text(name)
        if kind == "TIMEOUT":
            yield where + " TEMP"
        elif kind == "TXT" or (kind == "SPF" and not has_txt):
            if value != "NONE":
                yield "%s TXT %s" % (where, texts(value))
        elif kind == "MX":
            yield "%s MX %s %s" % (where, value[0], name_text(value[1]))
        elif kind in ("A", "AAAA"):
            yield "%s %s %s" % (where, kind, value)
        elif kind in ("PTR", "CNAME"):
            yield "%s %s %s" % (where, kind, name_text(value))


def suite(path):
    for doc in documents(path):
        zone = [row for name, records in doc["zonedata"].items() for row in rows(name, records)]
        for name, t in doc["tests"].items():
            wanted = t["result"] if isinstance(t["result"], list) else [t["result"]]
            yield Case(doc["description"], name, t["host"], t["helo"], t["mailfrom"], wanted, t.get("explanation"), zone)


# ---- our answers ---------------------------------------------------------------------------------

Answer = collections.namedtuple("Answer", "result explanation asked problem")


def question(ip, helo, sender):
    local, _, domain = sender.rpartition("@")
    return "\t".join(("CHECK", ip, helo, local, domain))


def letter(ip, helo, sender, now, path):
    """The line that asks for DMARC of a letter."""
    local, _, domain = sender.rpartition("@")
    return "\t".join(("LETTER", ip, helo, local, domain, str(now), path))


def run(lines):
    """The lines that trust_answers gives."""
    done = subprocess.run([PROGRAM], input="\n".join(lines).encode("latin-1") + b"\n", capture_output=True, timeout=300,
                          check=False)
    if done.returncode:
        raise AssertionError("trust_answers: " + done.stderr.decode("latin-1"))
    return done.stdout.decode("latin-1").split("\n")[:-1]


def ask(groups):
    """groups: (zone lines, [(ip, helo, sender)…]) …; gives the answers of all in order."""
    lines, count = [], 0
    for zone, questions in groups:
        lines += ["ZONE", *zone, *(question(*q) for q in questions)]
        count += len(questions)
    answers = [Answer(*line.split("\t", 3)) for line in run(lines)]
    if len(answers) != count:
        raise AssertionError("%d answers to %d questions" % (len(answers), count))
    return answers
