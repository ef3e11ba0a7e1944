"""Reports about letters, read by Python's email as any program would read them, and held against RFC 3464 §2,
RFC 3462 §1, RFC 3834 and RFC 5322 §3.6."""
import email
import email.policy
import email.utils
import re

from tap import check, equal

PER_MESSAGE = {"original-envelope-id", "reporting-mta", "dsn-gateway", "received-from-mta", "arrival-date"}
PER_RECIPIENT = {"original-recipient", "final-recipient", "action", "status", "remote-mta", "diagnostic-code",
                 "last-attempt-date", "final-log-id", "will-retry-until"}
CLASSES = {"failed": "45", "delayed": "4", "delivered": "2", "relayed": "2", "expanded": "2"}
TYPED = re.compile(r"[a-z0-9-]+;\s*\S[\x20-\x7e]*$", re.I)


class Report:
    """text: for people; message, rcpts: fields of the second part as {lower name: value}; original: the third part
    (whole, or its header alone: has_body)."""

    def __init__(self, raw):
        self.raw = raw.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
        self.m = m = email.message_from_bytes(self.raw, policy=email.policy.SMTP)
        equal([d for p in m.walk() for d in p.defects], [], "defects that email finds")
        equal(m.get_content_type(), "multipart/report", "the type")
        equal(m.get_param("report-type"), "delivery-status", "report-type")
        parts = m.get_payload()
        equal(len(parts), 3, "parts")
        equal([p.get_content_type() for p in parts[:2]], ["text/plain", "message/delivery-status"], "types")
        self.text = " ".join(parts[0].get_content().split())
        blocks = [b for b in parts[1].get_payload() if b.keys()]
        self.message, self.rcpts = self.fields(blocks[0], PER_MESSAGE), [self.fields(b, PER_RECIPIENT) for b in blocks[1:]]
        self.has_body = parts[2].get_content_type() == "message/rfc822"
        if self.has_body:
            self.original = parts[2].get_payload()[0]
        else:
            equal(parts[2].get_content_type(), "text/rfc822-headers", "the third part")
            self.original = email.message_from_string(parts[2].get_content(), policy=email.policy.SMTP)
        self.check_letter()
        self.check_message()
        for r in self.rcpts:
            self.check_rcpt(r)
        check(self.rcpts, "no recipient")

    @staticmethod
    def fields(block, known):
        names = [k.lower() for k in block.keys()]
        equal(sorted(set(names) - known), [], "fields that RFC 3464 does not know")
        equal(len(names), len(set(names)), "each field once: %s" % names)
        return {k.lower(): str(v) for k, v in block.items()}

    def check_letter(self):
        m = self.m
        for name in ("From", "To", "Date", "Message-ID", "Subject", "MIME-Version", "Auto-Submitted"):
            equal(len(m.get_all(name, [])), 1, name)
        equal(m["Auto-Submitted"], "auto-replied", "RFC 3834 §5")
        check(email.utils.parsedate_to_datetime(m["Date"]), "Date")
        check(re.fullmatch(r"<[^\s<>@]+@[^\s<>@]+>", m["Message-ID"]), m["Message-ID"])
        check(max(map(len, self.raw.split(b"\r\n"))) <= 998, "a line that is too long")
        check(not re.search(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]", self.raw), "control characters")

    def check_message(self):
        check(TYPED.match(self.message["reporting-mta"]), self.message)
        check(email.utils.parsedate_to_datetime(self.message["arrival-date"]), self.message)

    def check_rcpt(self, r):
        for name in ("final-recipient", "action", "status"):
            check(name in r, "%s is missing in %s" % (name, r))
        for name in ("final-recipient", "original-recipient", "remote-mta", "diagnostic-code"):
            check(name not in r or TYPED.match(r[name]), "%s: %r" % (name, r.get(name)))
        check(re.fullmatch(r"[245]\.\d{1,3}\.\d{1,3}", r["status"]), r)
        check(r["status"][0] in CLASSES[r["action"]], "status and action: %s" % r)
        check(("will-retry-until" in r) <= (r["action"] == "delayed"), r)
        for name in ("will-retry-until", "last-attempt-date"):
            check(name not in r or email.utils.parsedate_to_datetime(r[name]), r)

    def rcpt(self, address):
        found = [r for r in self.rcpts if r["final-recipient"].partition(";")[2].strip() == address]
        equal(len(found), 1, "blocks for %s in %s" % (address, self.rcpts))
        return found[0]


def reports(s, user="alice"):
    """All that a user has got."""
    return [Report(l.raw) for l in s.letters(user) if b"multipart/report" in l.raw]
