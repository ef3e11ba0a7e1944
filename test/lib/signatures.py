"""Signatures of a waxwing, verified by dkimpy with the keys that the server has made or was given."""
import base64
import os
import subprocess

import tap

# dkimpy is a module of Debian's Python
PYTHON = "/usr/bin/python3"
VERIFY = """
import sys, dkim
table = dict(l.rstrip("\\n").split("\\t", 1) for l in open(sys.argv[1]) if "\\t" in l)
letter = sys.stdin.buffer.read()
def txt(name, timeout=5):
    name = name.decode() if isinstance(name, bytes) else name
    return table.get(name.rstrip(".").lower(), "").encode() or None
if sys.argv[2] == "arc":
    cv, results, reason = dkim.arc_verify(letter, dnsfunc=txt)
    print(cv.decode(), len(results))
else:
    d = dkim.DKIM(letter)
    n = sum(1 for name, _ in d.headers if name.lower() == b"dkim-signature")
    print(" ".join("pass" if d.verify(idx=i, dnsfunc=txt) else "fail" for i in range(n)))
"""


def needs_dkimpy():
    if subprocess.run([PYTHON, "-c", "import dkim, nacl"], capture_output=True, check=False).returncode:
        tap.skip("python3-dkim and python3-nacl are not here")


def public(pem):
    """What stands in the DNS for a private key: PEM or DER."""
    form = [] if pem.startswith(b"-----") else ["-inform", "DER"]
    der = subprocess.run(["openssl", "pkey", *form, "-pubout", "-outform", "DER"], input=pem, capture_output=True, check=True).stdout
    if len(der) < 60:
        return "v=DKIM1; k=ed25519; p=" + base64.b64encode(der[-32:]).decode()
    return "v=DKIM1; k=rsa; p=" + base64.b64encode(der).decode()


def book(server):
    """The lines of keys/dkim.book, each as a list of words."""
    with open(os.path.join(server.dir, "keys/dkim.book")) as f:
        lines = f.read().split("\n")
    tap.equal(lines[0], "waxwing-dkim-keys 1", "its head")
    return [l.split(" ") for l in lines[1:] if l]


def published(server):
    """{name: record} of all keys the server has made."""
    return {"%s._domainkey.%s" % (w[4], w[3]): public(base64.b64decode(w[7])) for w in book(server) if w[2] == "made"}


def verify(letter, records, what="dkim"):
    """dkimpy's verdict: a word for each signature, or of the chain of seals with their number."""
    import tempfile
    with tempfile.NamedTemporaryFile("w", suffix=".records") as f:
        f.write("".join("%s\t%s\n" % r for r in records.items()))
        f.flush()
        r = subprocess.run([PYTHON, "-c", VERIFY, f.name, what], input=letter, capture_output=True, check=False)
    return r.stdout.decode().strip() or r.stderr.decode()[-500:]


def tags(letter):
    """The tags of each DKIM-Signature, from the top."""
    head = letter.split(b"\r\n\r\n")[0].replace(b"\r\n\t", b"").replace(b"\r\n ", b"")
    fields = [l.split(b":", 1)[1].decode() for l in head.split(b"\r\n") if l.lower().startswith(b"dkim-signature:")]
    return [dict((t.split("=", 1)[0].strip(), t.split("=", 1)[1].strip()) for t in f.split(";") if "=" in t) for f in fields]
