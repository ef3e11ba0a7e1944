"""What STR_ARG is given may be evaluated twice.

The macro makes two arguments of one slice, so that whatever its argument calls is called twice; a call that moves
something forward, as str_word() does, gives the length of one and the bytes of another.  Only calls without effect
may stand in it; of others the value is kept in a variable first.
"""
import re

import source

ARG = re.compile(r"\bSTR_ARG\(")
CALL = re.compile(r"\b([A-Za-z_]\w*)\s*\(")
EFFECT = re.compile(r"\+\+|--|(?<![=!<>])=(?!=)")
# they look, and change nothing
PURE = {"S", "buf_str", "conf_now", "sizeof", "str_from", "str_from_z", "str_head", "str_of", "world_now"}


def argument(code, at):
    """What stands between the parenthesis before `at` and the one that closes it."""
    depth, end = 1, at
    while depth:
        depth += {"(": 1, ")": -1}.get(code[end], 0)
        end += 1
    return code[at:end - 1]


def check():
    for path in source.files(".c", ".h"):
        code = source.code(path)
        for m in ARG.finditer(code):
            arg = argument(code, m.end())
            calls = sorted(set(CALL.findall(arg)) - PURE)
            if code[:m.start()].endswith("#define "):
                continue
            if calls or EFFECT.search(arg):
                yield f"{source.name(path)}:{source.line_of(code, m.start())}: STR_ARG evaluates " \
                      f"{calls[0] + '()' if calls else arg} twice"
