"""Certificates for tests, made with the openssl command."""
import hashlib
import os
import subprocess


def run(*argv, **kw):
    subprocess.run(argv, check=True, capture_output=True, **kw)


def make(folder, name, cn="mail.example.org", days=30, key="ec", sans=None, expired=False):
    """NAME.pem and NAME.key in folder; their paths."""
    crt, k = os.path.join(folder, name + ".pem"), os.path.join(folder, name + ".key")
    alg = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"] if key == "ec" else \
        ["-newkey", "rsa:2048"]
    if expired:
        run("openssl", "req", "-new", *alg, "-nodes", "-keyout", k, "-out", crt + ".csr",
            "-subj", "/CN=" + cn)
        # A certificate whose last day was in 2001.
        conf = os.path.join(folder, name + ".cnf")
        open(os.path.join(folder, name + ".idx"), "w").close()
        with open(os.path.join(folder, name + ".srl"), "w") as f:
            f.write("01\n")
        with open(conf, "w") as f:
            f.write("[ca]\ndefault_ca=d\n[d]\ndatabase=%s/%s.idx\nserial=%s/%s.srl\n"
                    "new_certs_dir=%s\ndefault_md=sha256\npolicy=p\n[p]\n"
                    "commonName=supplied\n" % (folder, name, folder, name, folder))
        run("openssl", "ca", "-batch", "-config", conf, "-selfsign", "-keyfile", k, "-in",
            crt + ".csr", "-out", crt, "-startdate", "20000101000000Z", "-enddate",
            "20010101000000Z", "-notext")
        return crt, k
    names = ",".join("DNS:" + n for n in (sans or [cn]))
    run("openssl", "req", "-x509", *alg, "-nodes", "-keyout", k, "-out", crt, "-days",
        str(days), "-subj", "/CN=" + cn, "-addext", "subjectAltName=" + names)
    os.chmod(k, 0o600)
    return crt, k


def common_name(der):
    out = subprocess.run(["openssl", "x509", "-inform", "DER", "-noout", "-subject"],
                         input=der, capture_output=True).stdout.decode()
    return out.strip().split("CN = ")[-1]


def authority(folder, name):
    """An authority of our own; (certificate, key) of it."""
    crt, key = os.path.join(folder, name + ".pem"), os.path.join(folder, name + ".key")
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key,
        "-out", crt, "-days", "30", "-subj", "/CN=" + name, "-addext", "basicConstraints=critical,CA:TRUE",
        "-addext", "keyUsage=critical,keyCertSign,cRLSign")
    return crt, key


def signed(folder, name, by, sans):
    """A certificate for `sans` that an authority has signed, with the authority's own behind it; (chain, key)."""
    crt, key = os.path.join(folder, name + ".pem"), os.path.join(folder, name + ".key")
    with open(crt + ".ext", "w") as f:
        f.write("subjectAltName=%s\nextendedKeyUsage=serverAuth\n" % ",".join("DNS:" + n for n in sans))
    run("openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key,
        "-out", crt + ".csr", "-subj", "/CN=" + name)
    run("openssl", "x509", "-req", "-in", crt + ".csr", "-CA", by[0], "-CAkey", by[1], "-CAcreateserial", "-days", "30",
        "-extfile", crt + ".ext", "-out", crt)
    with open(crt, "a") as out, open(by[0]) as f:
        out.write(f.read())
    return crt, key


def tlsa(crt, usage, selector, matching):
    """The TLSA record that fits a certificate (RFC 6698)."""
    form = ["-outform", "DER"] if not selector else ["-noout", "-pubkey"]
    data = subprocess.run(["openssl", "x509", "-in", crt] + form, check=True, capture_output=True).stdout
    if selector:
        data = subprocess.run(["openssl", "pkey", "-pubin", "-outform", "DER"], input=data, check=True,
                              capture_output=True).stdout
    data = [data, hashlib.sha256(data).digest(), hashlib.sha512(data).digest()][matching]
    return "TLSA %d %d %d %s" % (usage, selector, matching, data.hex())
