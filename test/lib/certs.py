"""Certificates for tests, made with the openssl command."""
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
