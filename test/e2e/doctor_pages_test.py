#!/usr/bin/python3
"""Each check of the doctor has its page, each page its check, and each page says the four things one wants to know."""
import os
import re

import tap
from server import TOP
from tap import check, equal, test

FIX = os.path.join(TOP, "docs/fix")
PARTS = ["What it means", "Why it matters", "How to mend it", "How to see that it is mended"]


def ids():
    with open(os.path.join(TOP, "src/role/control/doctor.def")) as f:
        return re.findall(r'^CHECK\(\w+, "([\w-]+)"', f.read(), re.M)


def text(ident):
    with open(os.path.join(FIX, ident + ".md")) as f:
        return f.read()


@test("every check has a page, and every page a check")
def pages():
    check(len(ids()) >= 20, ids())
    equal(sorted(n[:-3] for n in os.listdir(FIX)), sorted(ids()), "docs/fix")


@test("a page says what it means, why it matters, how to mend it and how to see that")
def parts():
    for i in ids():
        t = text(i)
        check(t.startswith("# ") and "(`%s`)" % i in t.split("\n")[0], "the title of %s.md" % i)
        equal(re.findall(r"^## (.*)$", t, re.M), PARTS, i)
        check("--only %s\n" % i in t.rpartition("## ")[2], "how to look again, in %s.md" % i)
        for part in re.split(r"^## .*$", t, flags=re.M)[1:]:
            check(len(part.strip()) > 40, "%s.md says too little" % i)


@test("pages lead to pages that are there, and the overview to all of them")
def links():
    for i in ids():
        for to in re.findall(r"\]\(([^)]+\.md)\)", text(i)):
            check(os.path.exists(os.path.normpath(os.path.join(FIX, to))), "%s.md: %s" % (i, to))
    with open(os.path.join(TOP, "docs/doctor.md")) as f:
        equal(sorted(set(re.findall(r"\(fix/([\w-]+)\.md\)", f.read()))), sorted(ids()), "docs/doctor.md")


@test("the manual names every check")
def manual():
    with open(os.path.join(TOP, "man/waxwing.8")) as f:
        words = re.findall(r"[\w-]+", f.read())
    equal([i for i in ids() if i not in words], [], "missing in waxwing.8")


if __name__ == "__main__":
    tap.main()
