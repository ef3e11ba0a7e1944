#!/usr/bin/env python3
"""Write src/wire/charset_tables.c from a folder with the index files of the WHATWG Encoding Standard.

	tool/charset_tables.py FOLDER >src/wire/charset_tables.c

FOLDER holds encodings.json and indexes.json as https://encoding.spec.whatwg.org/ publishes them.  Charsets
without a single-byte index go to iconv under the names below."""
import json
import os
import sys

ICONV = {"GBK": "GB18030", "gb18030": "GB18030", "Big5": "BIG5-HKSCS", "EUC-JP": "EUC-JP-MS",
         "ISO-2022-JP": "ISO-2022-JP-2", "Shift_JIS": "CP932", "EUC-KR": "UHC"}
KINDS = {"UTF-8": "UTF8", "UTF-16BE": "UTF16BE", "UTF-16LE": "UTF16LE", "UTF-7": "UTF7", "US-ASCII": "GUESS"}
# Mail has two charsets that browsers do not: UTF-7 (RFC 2152), and US-ASCII, which is what a
# letter without a charset says, and in which 8-bit bytes may mean anything.
EXTRA = {"US-ASCII": ["us-ascii", "ascii", "ansi_x3.4-1968"], "UTF-7": ["utf-7", "unicode-1-1-utf-7"]}
SAME = {"ISO-8859-8-I": "ISO-8859-8"}
LEFT_OUT = ("replacement", "x-user-defined")


def main(folder):
    with open(os.path.join(folder, "indexes.json"), encoding="utf-8") as f:
        index = json.load(f)
    with open(os.path.join(folder, "encodings.json"), encoding="utf-8") as f:
        rows = {e["name"]: e["labels"] for g in json.load(f) for e in g["encodings"]}
    rows = {n: l for n, l in rows.items() if n not in LEFT_OUT}
    rows.update(EXTRA)
    out = ["/* charset_tables.c — labels and single-byte charsets of the WHATWG Encoding Standard.",
           " *", " * The data is WHATWG's (CC BY 4.0; in source code, BSD 3-Clause).  Written by",
           " * tool/charset_tables.py; not to be changed by hand. */",
           '#include "wire/charset_tables.h"', ""]
    names, labels = [], {}
    for name in rows:
        table = index.get(SAME.get(name, name).lower())
        if name not in ICONV and name not in KINDS and name not in SAME:
            out.append(f"static const uint16_t {ident(name)}[128] = {{")
            for i in range(0, 128, 8):
                out.append("\t" + " ".join(f"0x{c or 0:04x}," for c in table[i:i + 8]))
            out.append("};\n")
    out.append("const struct charset charsets[] = {")
    for name, own in rows.items():
        what = f".kind = CHARSET_{KINDS[name]}" if name in KINDS else \
            f'.kind = CHARSET_ICONV, .iconv_name = "{ICONV[name]}"' if name in ICONV else \
            f".kind = CHARSET_SINGLE, .high = {ident(SAME.get(name, name))}"
        out.append(f'\t{{ .name = S("{name}"), {what} }},')
        for label in own:
            labels[label] = name if name in EXTRA else labels.get(label, name)
        names.append(name)
    out += ["};", "", "const size_t charsets_n = ARRAY_LEN(charsets);", "",
            "/* in the order of str_cmp() */", "const struct charset_label charset_labels[] = {"]
    for label in sorted(labels, key=str.encode):
        out.append(f'\t{{ S("{label}"), {names.index(labels[label])} }},')
    out += ["};", "", "const size_t charset_labels_n = ARRAY_LEN(charset_labels);"]
    print("\n".join(out))


def ident(name):
    return name.lower().replace("-", "_")


if __name__ == "__main__":
    main(sys.argv[1])
