#!/usr/bin/python3
"""SEARCH, SORT and THREAD: the same answers as Dovecot on the same letters."""
import re

from searching import answer, letters, session, wire                # first: it starts the test again

from dovecot_imap import Dovecot
from tap import equal, main, test

SAME = [
    'SEARCH SUBJECT "notmuch"', 'SEARCH FROM "carl"', 'SEARCH TO "notmuch@notmuchmail.org"', 'SEARCH BODY "the"',
    'SEARCH BODY "patch"', 'SEARCH BODY "zyxomma"', 'SEARCH TEXT "Mailman"', 'SEARCH NOT BODY "e"',
    'SEARCH HEADER "X-Mailer" ""', 'SEARCH HEADER "References" "@"', 'SEARCH SENTSINCE 18-Nov-2009',
    'SEARCH SENTON 18-Nov-2009', 'SEARCH SENTBEFORE 18-Nov-2009', 'SEARCH OR SUBJECT "patch" BODY "git"',
    'SEARCH LARGER 4000', 'SEARCH SMALLER 1500', 'SEARCH CC "a"', 'SEARCH BODY "ö"', 'SEARCH TEXT "é"',
    'SORT (SIZE) UTF-8 ALL', 'SORT (REVERSE SIZE) UTF-8 ALL', 'SORT (DATE) UTF-8 SENTSINCE 1-Jan-1990',
    'SORT (REVERSE DATE) UTF-8 SENTSINCE 1-Jan-1990', 'SORT (SUBJECT) UTF-8 ALL', 'SORT (REVERSE SUBJECT DATE) UTF-8 ALL',
    'SORT (FROM SIZE) UTF-8 ALL', 'SORT (TO SUBJECT) UTF-8 ALL', 'SORT (CC SIZE) UTF-8 ALL',
    'THREAD REFERENCES UTF-8 SENTSINCE 1-Jan-1990', 'THREAD REFS UTF-8 SENTSINCE 1-Jan-1990',
    'THREAD REFS UTF-8 SUBJECT "re:"', 'SORT (DISPLAYFROM) UTF-8 ALL', 'SORT (REVERSE DISPLAYTO DISPLAYFROM DATE) UTF-8 ALL',
    'THREAD ORDEREDSUBJECT UTF-8 SENTSINCE 1-Jan-1990',
    'THREAD REFERENCES UTF-8 SUBJECT "re:"', 'UID SORT (SUBJECT) UTF-8 BODY "patch"']


# Command: the letters that one of the two does not find, or puts elsewhere.
JUDGED = {
    # the file name "….patch" of an attachment stands in the body (RFC 9051 §6.4.4); Dovecot looks only into text parts
    'SEARCH BODY "patch"': "18", 'UID SORT (SUBJECT) UTF-8 BODY "patch"': "18",
    # without a Date field there is no date that could be earlier; Dovecot takes INTERNALDATE
    "SEARCH SENTBEFORE 18-Nov-2009": "4",
    # a name that begins with a blank (" via RT"): people find it under V
    "SORT (DISPLAYFROM) UTF-8 ALL": "59 60", "SORT (REVERSE DISPLAYTO DISPLAYFROM DATE) UTF-8 ALL": "59 60",
}


def without(line, numbers):
    return " ".join(w for w in line.split() if w not in (numbers or "").split())


def any_order(line):
    """THREAD=REFS orders threads by the INTERNALDATE of their latest letter (draft-ietf-morg-inthread section 4);
    Dovecot takes the date it was sent.  Which letters make a thread, and how, is the same."""
    threads, depth, at = [], 0, line.index("(")
    for i in range(at, len(line)):
        depth += {"(": 1, ")": -1}.get(line[i], 0)
        if depth == 0:
            threads.append(line[at:i + 1])
            at = i + 1
    return sorted(threads)


@test("the same answers as Dovecot", limit=120)
def dovecot():
    all_letters = letters()
    with Dovecot(all_letters) as d, session() as c:
        out = d.talk(*(wire(l).decode() for l in SAME)).decode("utf-8", "replace")
        for command in SAME:
            mine = answer(c, command)
            want = [l for l in out.split("\r\n") if re.match(r"\* (SEARCH|SORT|THREAD)", l)][SAME.index(command)]
            if " REFS " in command:
                equal(any_order(mine), any_order(want), command)
                continue
            equal(without(mine, JUDGED.get(command)), without(want, JUDGED.get(command)), command)


if __name__ == "__main__":
    main()
