"""Certificates for 127.0.0.1 of a CA of the run, in the names that each program looks for."""
import os
import shutil

from lib.devices import command, fresh_folder

_EXTENSIONS = "subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth\n"


def make(folder):
    """tls.crt, tls.key, ca.crt; and ca-cert.pem, {server,client}-{cert,key}.pem for GnuTLS programs."""
    fresh_folder(folder)
    at = lambda name: os.path.join(folder, name)
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-batch")
    command("openssl", "req", "-x509", *curve, "-days", "2", "-subj", "/CN=bench CA", "-keyout", at("ca.key"), "-out", at("ca.crt"))
    command("openssl", "req", *curve, "-subj", "/CN=127.0.0.1", "-keyout", at("tls.key"), "-out", at("tls.csr"))
    with open(at("extensions"), "w", encoding="ascii") as file:
        file.write(_EXTENSIONS)
    command("openssl", "x509", "-req", "-in", at("tls.csr"), "-CA", at("ca.crt"), "-CAkey", at("ca.key"), "-CAcreateserial",
            "-days", "2", "-extfile", at("extensions"), "-out", at("tls.crt"))
    shutil.copy(at("ca.crt"), at("ca-cert.pem"))
    for side in ("server", "client"):
        shutil.copy(at("tls.crt"), at(f"{side}-cert.pem"))
        shutil.copy(at("tls.key"), at(f"{side}-key.pem"))
    return folder
