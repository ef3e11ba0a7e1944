#!/usr/bin/env python3
"""Writes src/wire/fold_tables.c: how text is folded for comparison, i;unicode-casemap (RFC 5051).

Each character becomes its titlecase form and is then decomposed, canonically and by compatibility.
The data are those of this Python's unicodedata; Hangul is computed and has no rows."""
import unicodedata

HEAD = """/* fold_tables.c — what characters become when text is compared (RFC 5051).
 *
 * Data of Unicode %s.  Written by tool/fold_tables.py; not to be changed by hand. */
#include "wire/fold_tables.h"
"""


def title(c):
    t = c.title()                        # full mapping; RFC 5051 wants the simple one
    return t if len(t) == 1 else c.upper() if len(c.upper()) == 1 else c


def folded(cp):
    t = title(chr(cp))
    return t if 0xAC00 <= ord(t) <= 0xD7A3 else unicodedata.normalize("NFKD", t)


def wrapped(items, width=96):
    line = "\t"
    for item in items:
        if len(line) + len(item) + 2 > width:
            yield line.rstrip()
            line = "\t"
        line += item + ", "
    yield line.rstrip()


def main():
    pool, places, rows = b"", {}, []
    for cp in range(0x80, 0x110000):
        if 0xD800 <= cp <= 0xDFFF or folded(cp) == chr(cp):
            continue
        text = folded(cp).encode()
        at = pool.find(text)
        if at < 0:
            at = len(pool)
            pool += text
        rows.append((cp, at, len(text)))
    out = [HEAD % unicodedata.unidata_version]
    out.append("const struct fold_row fold_rows[] = {")
    out += wrapped("{ 0x%x, %d, %d }" % r for r in rows)
    out.append("};\n\nconst size_t fold_rows_n = sizeof(fold_rows) / sizeof(fold_rows[0]);\n")
    out.append("const unsigned char fold_pool[] = {")
    out += wrapped("%d" % b for b in pool)
    out.append("};\n")
    pages = bytearray(0x1100 // 8)
    for cp, _, _ in rows:
        pages[cp >> 11] |= 1 << (cp >> 8 & 7)
    out.append("const unsigned char fold_pages[0x1100 / 8] = {")
    out += wrapped("0x%02x" % b for b in pages)
    out.append("};")
    with open("src/wire/fold_tables.c", "w", encoding="utf-8") as f:
        f.write("\n".join(out) + "\n")
    print(len(rows), "rows,", len(pool), "octets")


main()
