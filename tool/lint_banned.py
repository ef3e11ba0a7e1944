"""Calls this project does without.

strcpy and its kin, the shell, strtok, atoi, alloca, regcomp; getenv only in
main.c and the parent's notify.c, for systemd says what it wants in the
environment; SQL is never built from strings (values are bound).
"""
import re

import source

BANNED = re.compile(r"(?<![\w.>])(strcpy|strcat|stpcpy|sprintf|vsprintf|gets|strtok|strtok_r|atoi|atol|atoll|alloca|"
                    r"system|popen|regcomp|tmpnam|mktemp|tempnam|setjmp|longjmp|rand|srand)\s*\(")
GETENV = re.compile(r"\b(?:secure_)?getenv\s*\(")
MAY_GETENV = ("src/main.c", "src/role/parent/notify.c")
SQL_MAKERS = re.compile(r"\bsqlite3_(?:v?mprintf|v?snprintf|str_appendf)\s*\(")
SQL_TEXT = re.compile(r'"(?:[^"\\\n]|\\.)*\b(?:SELECT\b|INSERT\s+(?:OR\s+\w+\s+)?INTO\b|UPDATE\b\s+\w+\s+SET\b|DELETE\s+FROM\b|'
                      r'CREATE\s+TABLE\b|ATTACH\b|WHERE\b)(?:[^"\\\n]|\\.)*(?:%(?:\.\*)?s[^"\n]*"|"\s*STR_FMT)')


def check():
    for path in source.files(".c", ".h"):
        code, full = source.code(path), source.code(path, keep_strings=True)
        for pattern, why in ((BANNED, "is banned"), (SQL_MAKERS, "builds SQL from strings; bind values")):
            for m in pattern.finditer(code):
                yield f"{source.name(path)}:{source.line_of(code, m.start())}: {m[0].rstrip('( ')} {why}"
        for m in SQL_TEXT.finditer(full):
            yield f"{source.name(path)}:{source.line_of(full, m.start())}: SQL built from strings; bind values"
        if source.name(path) not in MAY_GETENV and not path.stem.endswith(("_test", "_fuzz")):
            for m in GETENV.finditer(code):
                yield f"{source.name(path)}:{source.line_of(code, m.start())}: getenv stands in {' and '.join(MAY_GETENV)} only"
