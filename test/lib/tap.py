"""Tests that print TAP.

A test file holds functions marked with @test("A1 what must hold") and ends with
tap.main().  The ids of the attack rows a test proves stand at the start of its name.
A test fails by an exception (check, equal, fail), is skipped by skip(why), and may
not run longer than its limit.  After each test the server it used is asked for
sanitizer reports (see after_each)."""
import os
import re
import signal
import sys
import time
import traceback

TESTS = []
AFTER_EACH = []         # functions () -> None, run after each test, may raise
AT_END = []             # functions () -> None, run once
ROW = re.compile(r"^[A-R]\d+$")


class Skip(Exception):
    pass


class Fail(AssertionError):
    pass


class Late(Fail):
    pass


def test(name, limit=60):
    def mark(fn):
        TESTS.append((name, fn, limit))
        return fn
    return mark


def cases(rows, name="{0}", limit=60):
    """One test for each row of a table: rows are tuples, the first member is the name."""
    def mark(fn):
        for row in rows:
            def run(row=row):
                fn(*row[1:])
            TESTS.append((name.format(row[0]), run, limit))
        return fn
    return mark


def fail(what):
    raise Fail(what)


def skip(why):
    raise Skip(why)


def check(cond, what):
    if not cond:
        raise Fail(what() if callable(what) else what)


def equal(got, want, what=""):
    if got != want:
        raise Fail("%s: got %s, want %s" % (what, short(got), short(want)))


def short(v, n=400):
    s = repr(v)
    return s if len(s) <= n else s[:n // 2] + " … " + s[-n // 2:]


def rows_of(name):
    out = []
    for word in name.split():
        if not ROW.match(word):
            break
        out.append(word)
    return out


def ends(get):
    """What get() then gives is ended with the tests, in that order; None is passed over."""
    AT_END.append(lambda: [x.end() for x in get() if x])


def eventually(fn, limit=5.0, step=0.02, what="condition"):
    """Waits until fn() is true and returns its value."""
    end = time.monotonic() + limit
    while True:
        v = fn()
        if v:
            return v
        if time.monotonic() > end:
            raise Fail("not within %.1f s: %s" % (limit, what() if callable(what) else what))
        time.sleep(step)


def _alarm(_sig, _frame):
    raise Late("took longer than its limit")


def run_one(fn, limit):
    """Returns (word, text) with word one of ok, fail, skip."""
    signal.signal(signal.SIGALRM, _alarm)
    signal.alarm(int(limit))
    try:
        try:
            fn()
        finally:
            signal.alarm(0)
            for hook in AFTER_EACH:
                hook()
        return "ok", ""
    except Skip as s:
        return "skip", str(s)
    except Exception as x:
        lines = traceback.format_exc().splitlines()
        where = [l.strip() for l in lines if l.lstrip().startswith("File ")]
        where = [w for w in where if "/test/" in w and "lib/tap.py" not in w][-3:]
        text = "%s: %s" % (type(x).__name__, x)
        first = x.__context__
        while first is not None:
            if isinstance(first, Fail):
                text = "Fail: %s\nand then %s" % (first, text)
            first = first.__context__
        return "fail", "\n".join([text] + where)


def main():
    args = [a for a in sys.argv[1:] if not a.startswith("-")]
    if "--list" in sys.argv:
        for name, _fn, _limit in TESTS:
            print(name)
        return
    n = bad = 0
    for name, fn, limit in TESTS:
        if args and not any(a == name or a in name.split() or
                            (len(a) > 3 and a in name) for a in args):
            continue
        n += 1
        start = time.monotonic()
        word, text = run_one(fn, limit * float(os.environ.get("SLOW", "1")))
        took = int(1000 * (time.monotonic() - start))
        if word == "skip":
            print("ok %d - %s # SKIP %s" % (n, name, text.replace("\n", " ")))
        else:
            print("%s %d - %s # %d ms" % ("ok" if word == "ok" else "not ok", n, name, took))
            for line in text.splitlines():
                print("#   " + line)
        bad += word == "fail"
        sys.stdout.flush()
    for hook in AT_END:
        try:
            hook()
        except Exception as x:
            n += 1
            bad += 1
            print("not ok %d - %s at the end\n#   %s: %s" %
                  (n, os.path.basename(sys.argv[0]), type(x).__name__, x))
    print("1..%d" % n)
    sys.exit(1 if bad else 0)
