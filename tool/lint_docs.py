"""The documents follow the code: generated sections are current, links lead somewhere.
"""
import re
import subprocess

import doc_roles
import source

LINK = re.compile(r"\]\(([^)#:]+)\)")
FILE = re.compile(r"`((?:src|tool|docs|test|conf|man|rfc|debian|changes)/[\w./-]+\.\w+)`")


def visible_change_without_a_note():
    """Advice: commits since main touch what people see, and changes/ has nothing new."""
    def git(*args):
        return subprocess.run(["git", "-C", str(source.ROOT), *args], capture_output=True, text=True,
                              check=False).stdout.split()
    changed = git("diff", "--name-only", "origin/HEAD...HEAD")
    seen = [p for p in changed if p.startswith(("man/", "conf/", "src/ctl/", "src/conf/"))]
    return bool(seen) and not any(p.startswith("changes/") for p in changed)


def check():
    if doc_roles.PAGE.exists():
        _, inside, tail = doc_roles.parts()
        if not tail:
            yield "ARCHITECTURE.md: the markers of the role table are gone"
        elif inside != doc_roles.section():
            yield "ARCHITECTURE.md: the role table is old; run tool/doc_roles.py"
    pages = [*source.ROOT.glob("*.md"), *source.ROOT.glob("docs/*.md")]
    for page in pages:
        for i, line in enumerate(source.text(page).splitlines(), 1):
            named = [page.parent / m for m in LINK.findall(line)] + [source.ROOT / m for m in FILE.findall(line)]
            for target in named:
                # NAME and x stand for any name
                if not target.exists() and not re.search(r"NAME|^x\.", target.name):
                    yield f"{source.name(page)}:{i}: there is no {target.relative_to(source.ROOT)}"
    if visible_change_without_a_note():
        yield "advice: what people see has changed; does it want a file in changes/?"
