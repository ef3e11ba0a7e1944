"""The manual pages are clean (mandoc -T lint), and each file has its head.
"""
import subprocess

import source


def check():
    pages = sorted([*source.ROOT.glob("man/*.[1-9]"), *source.RELEASE.glob("**/*.[58]")])
    if not pages:
        yield "skip: there is no manual page"
        return
    done = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", *map(str, pages)],
                          capture_output=True, text=True, check=False)
    for line in done.stdout.splitlines() + done.stderr.splitlines():
        yield line.removeprefix("mandoc: ").replace(f"{source.ROOT}/", "")
