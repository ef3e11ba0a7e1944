"""Names to log in with that are nobody's: rows C3, C4."""

STRANGE = [
    ("a variable", b"%{variable}@example.org"), ("%u", b"%u"), ("SQL", b"' OR 1=1--"), ("SQL in the domain", b"a@b' OR '1'='1"),
    ("LDAP", b"*)(uid=*"), ("a backslash", b"\\"), ("a path", b"../../etc/passwd"), ("a path as a domain", b"alice@../alice"),
    ("empty", b""), ("root", b"root"), ("two @", b"alice@example.org@example.org"), ("a blank behind", b"alice@example.org "),
    ("a folder", b"alice@example.org/../bob"), ("a star", b"*@example.org"), ("a quoted one", b"\"alice\"@example.org x"),
    ("invalid UTF-8", b"\xff\xfe@example.org"), ("overlong", b"\xc0\xaf@example.org"), ("CESU", b"\xed\xa0\x80@example.org"),
    ("300 bytes", b"a" * 300 + b"@example.org"), ("8000 bytes", b"a" * 8000)]
