"""DNS packets for scripted name servers: just enough, and free to be wrong."""
import socket
import struct

TYPES = {"A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "PTR": 12, "MX": 15, "TXT": 16, "AAAA": 28,
         "OPT": 41, "TLSA": 52}


def name(text):
    out = b""
    for label in text.strip(".").split("."):
        if label:
            out += bytes([len(label)]) + label.encode("latin-1")
    return out + b"\0"


def read_name(packet, at):
    labels = []
    while packet[at]:
        labels.append(packet[at + 1:at + 1 + packet[at]].decode("latin-1"))
        at += 1 + packet[at]
    return ".".join(labels), at + 1


class Query:
    """What was asked; names keep the case in which they came (0x20)."""

    def __init__(self, packet):
        self.packet = packet
        self.id = struct.unpack(">H", packet[:2])[0]
        self.name, end = read_name(packet, 12)
        self.type = struct.unpack(">H", packet[end:end + 2])[0]
        self.question = packet[12:end + 4]
        self.key = (self.name.lower(), self.type)

    def reply(self, answers=(), authority=(), additional=(), rcode=0, flags=0x8400, id=None,
              question=None):
        return struct.pack(">6H", self.id if id is None else id, flags | rcode, 1, len(answers),
                           len(authority), len(additional)) + \
            (self.question if question is None else question) + \
            b"".join(answers) + b"".join(authority) + b"".join(additional)


def rr(owner, type, data, ttl=60):
    """owner: text or bytes as they stand on the wire; data: bytes."""
    return (owner if isinstance(owner, bytes) else name(owner)) + \
        struct.pack(">HHIH", TYPES.get(type, type), 1, ttl, len(data)) + data


def a(owner, ip, ttl=60):
    return rr(owner, "A", socket.inet_aton(ip), ttl)


def ns(owner, host, ttl=60):
    return rr(owner, "NS", name(host), ttl)


def cname(owner, target, ttl=60):
    return rr(owner, "CNAME", name(target), ttl)


def mx(owner, preference, host, ttl=60):
    return rr(owner, "MX", struct.pack(">H", preference) + name(host), ttl)


def soa(owner, ttl=60):
    return rr(owner, "SOA", name("ns." + owner) + name("hostmaster." + owner) +
              struct.pack(">5I", 1, 3600, 600, 86400, ttl), ttl)
