"""Certificates made by openssl for a test: an authority, and what it signs."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Made:
    """A certificate with its key, both PEM."""

    certificate: Path
    key: Path


class Authority:
    """An authority of its own in a folder."""

    def __init__(self, folder: Path, name: str = "authority") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.name = folder, name
        self.key, self.certificate = folder / f"{name}.key", folder / f"{name}.pem"
        made = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "3"]
        # RFC 5280 wants them in a CA's certificate, and Python from 3.13 on asks for what RFC 5280 wants
        usage = ["-addext", "keyUsage=critical,keyCertSign,cRLSign"]
        openssl(*made, *usage, "-subj", f"/CN={name}", "-keyout", self.key, "-out", self.certificate)

    def sign(self, name: str, days: int = 2, locked_with: str = "", rsa_bits: int = 0, host: str = "localhost") -> Made:
        key, request, certificate = (self.folder / f"{name}.{end}" for end in ("key", "csr", "pem"))
        kind = ["rsa", "-pkeyopt", f"rsa_keygen_bits:{rsa_bits}"] if rsa_bits else ["ec", *_CURVE]
        locked = ["-passout", f"pass:{locked_with}"] if locked_with else ["-nodes"]
        openssl("req", "-newkey", *kind, *locked, "-subj", f"/CN={name}", "-keyout", key, "-out", request)
        names = self.folder / f"{name}.ext"
        names.write_text(f"subjectAltName=DNS:{host},IP:127.0.0.1\nauthorityKeyIdentifier=keyid\n")
        signed = ["x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self.key, "-CAcreateserial"]
        openssl(*signed, "-days", str(days), "-extfile", names, "-out", certificate)
        return Made(certificate, key)

    def sign_ended(self, name: str) -> Made:
        """A certificate whose last day is over."""
        made = self.sign(name)
        settings, index = self.folder / "ca.cnf", self.folder / "index.txt"
        index.write_text("")
        settings.write_text(
            f"[ca]\ndefault_ca=d\n[d]\nnew_certs_dir={self.folder}\ndatabase={index}\nrand_serial=yes\n"
            "default_md=sha256\npolicy=p\nunique_subject=no\n[p]\ncommonName=supplied\n"
        )
        dates = ["-startdate", "20200101000000Z", "-enddate", "20200201000000Z"]
        ca = ["ca", "-batch", "-config", settings, "-cert", self.certificate, "-keyfile", self.key, *dates]
        openssl(*ca, "-in", made.key.with_suffix(".csr"), "-out", made.certificate, "-notext")
        return made


_CURVE = ["-pkeyopt", "ec_paramgen_curve:prime256v1"]


def openssl(*arguments: str | Path) -> None:
    done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
