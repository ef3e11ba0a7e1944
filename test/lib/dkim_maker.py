"""Signs letters and seals them, by openssl and in the words of RFC 6376 and RFC 8617: relaxed/relaxed, rsa-sha256.

    key = Key(folder)                       # RSA, 2048 bits
    key.record                              # strings of its TXT record, for a zone file
    key.path                                # PEM, for other programs
    letter = key.sign(letter, "a.test")     # selector k1; more tags: x=b"..."
    letter = key.seal(letter, "list.test", 1, "dmarc=pass header.from=a.test")

Letters are octets with CRLF; their fields are those of a plain letter."""
import base64
import hashlib
import os
import re
import subprocess

SIGNED = ("from", "to", "subject", "date", "message-id")


class Key:
    def __init__(self, folder, bits=2048):
        self.path = os.path.join(folder, "dkim-%d-%s.pem" % (bits, os.urandom(4).hex()))
        subprocess.run(["openssl", "genrsa", "-out", self.path, str(bits)], check=True, capture_output=True)
        der = subprocess.run(["openssl", "rsa", "-in", self.path, "-pubout", "-outform", "DER"], check=True,
                             capture_output=True).stdout
        text = "v=DKIM1; k=rsa; p=" + base64.b64encode(der).decode()
        self.record = " ".join('"%s"' % text[i:i + 200] for i in range(0, len(text), 200))

    def raw(self, octets):
        done = subprocess.run(["openssl", "dgst", "-sha256", "-sign", self.path], input=octets, check=True, capture_output=True)
        return base64.b64encode(done.stdout)

    def signature(self, letter, name, tags, own=b""):
        """A field whose b= is over `tags` and the fields of h=."""
        head, body = split(letter)
        names = [n for n in SIGNED if lowest(head, n)]
        tags += b"; h=%s; bh=%s; b=" % (":".join(names).encode(), body_hash(body))
        over = b"".join(relaxed(lowest(head, n)) for n in names)
        return b"%s: %s%s\r\n" % (name, tags, self.raw(over + relaxed(name + b": " + tags)[:-2]))

    def sign(self, letter, domain, selector="k1", more=b""):
        tags = b"v=1; a=rsa-sha256; c=relaxed/relaxed; d=%s; s=%s%s" % (
            as_bytes(domain), as_bytes(selector), more and b"; " + more)
        return self.signature(letter, b"DKIM-Signature", tags) + letter

    def seal(self, letter, domain, instance, results, cv=None, selector="k1"):
        who = b"d=%s; s=%s" % (as_bytes(domain), as_bytes(selector))
        aar = b"ARC-Authentication-Results: i=%d; %s; %s\r\n" % (instance, as_bytes(domain), as_bytes(results))
        ams = self.signature(letter, b"ARC-Message-Signature", b"i=%d; a=rsa-sha256; c=relaxed/relaxed; %s" % (instance, who))
        cv = cv or ("none" if instance == 1 else "pass")
        tags = b"i=%d; a=rsa-sha256; cv=%s; %s; b=" % (instance, cv.encode(), who)
        before = b"".join(relaxed(field) for i in range(1, instance) for field in sets(letter, i))
        over = before + relaxed(aar) + relaxed(ams) + relaxed(b"ARC-Seal: " + tags)[:-2]
        return b"ARC-Seal: " + tags + self.raw(over) + b"\r\n" + ams + aar + letter


def as_bytes(text):
    return text if isinstance(text, bytes) else text.encode()


def split(letter):
    head, _, body = letter.partition(b"\r\n\r\n")
    return head + b"\r\n", body


def lowest(head, name):
    found = re.findall(rb"(?mi)^%s[ \t]*:[^\n]*\n(?:[ \t][^\n]*\n)*" % name.encode(), head)
    return found[-1] if found else b""


def relaxed(field):
    name, _, value = field.partition(b":")
    value = re.sub(rb"[ \t]+", b" ", re.sub(rb"\r\n(?=[ \t])", b"", value).rstrip(b"\r\n"))
    return name.strip().lower() + b":" + value.strip() + b"\r\n"


def body_hash(body):
    lines = [re.sub(rb"[ \t]+", b" ", line).rstrip(b" ") for line in body.split(b"\r\n")]
    while lines and not lines[-1]:
        lines.pop()
    return base64.b64encode(hashlib.sha256(b"".join(line + b"\r\n" for line in lines)).digest())


def sets(letter, instance):
    """The three fields of an instance, in the order in which seals sign them."""
    head = split(letter)[0]
    for name in (b"ARC-Authentication-Results", b"ARC-Message-Signature", b"ARC-Seal"):
        found = re.findall(rb"(?mi)^%s: i=%d;[^\n]*\n(?:[ \t][^\n]*\n)*" % (name, instance), head)
        yield found[0]
