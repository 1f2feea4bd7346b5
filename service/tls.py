"""TLS by the profiles of DICOM PS3.15 annex B: contexts for both directions, and when certificates end.

``bcp195`` is B.12 (BCP 195 with RFC 8996 and 9325): TLS 1.2 or 1.3, and of TLS 1.2 the four cipher suites that
RFC 9325 recommends. ``bcp195-modified`` is B.13, as far as OpenSSL has its algorithms: it has no Camellia in GCM, and
suites with DHE are left out, which B.13 asks where the length of their key cannot be set. Neither falls back to less.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from service import logs
from service.config import Audit, Destination, Tls
from service.errors import Misconfigured
from service.tls_socket import TurnsSocket

_LOGGER = logging.getLogger(__name__)

_AES_GCM = (
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
)
CIPHERS = {
    "bcp195": _AES_GCM,
    "bcp195-modified": (
        *_AES_GCM,
        "ECDHE-ECDSA-CHACHA20-POLY1305",
        "ECDHE-RSA-CHACHA20-POLY1305",
        "ECDHE-ECDSA-AES256-CCM",
        "ECDHE-ECDSA-AES128-CCM",
        "ECDHE-ECDSA-AES256-CCM8",
        "ECDHE-ECDSA-AES128-CCM8",
    ),
}
"""Of TLS 1.2, in our order; those of TLS 1.3 are OpenSSL's default, which both profiles allow."""
_VERIFY = {"required": ssl.CERT_REQUIRED, "optional": ssl.CERT_OPTIONAL, "none": ssl.CERT_NONE}


@dataclass(frozen=True, slots=True)
class Files:
    """A certificate with its key, and the authorities that are believed; the names of their settings for errors."""

    section: str
    certificate: Path | None
    key: Path | None = None
    key_password: Path | None = None
    authorities: Path | None = None

    def into(self, context: ssl.SSLContext) -> None:
        """Load all into a context.

        Raises
        ------
        Misconfigured
            A file cannot be read or is not what it should be.
        """
        if self.certificate is not None:
            with self._told("certificate_file", self.certificate, "a PEM certificate and its matching key"):
                context.load_cert_chain(self.certificate, self.key, password=self._password)
        if self.authorities is not None:
            with self._told("ca_file", self.authorities, "PEM certificates of the authorities"):
                context.load_verify_locations(self.authorities)

    def _password(self) -> str:
        # without a file an encrypted key is an error; OpenSSL would ask at the terminal
        return "" if self.key_password is None else self.key_password.read_text(encoding="utf-8").partition("\n")[0]

    @contextlib.contextmanager
    def _told(self, name: str, path: Path, remedy: str) -> Iterator[None]:
        try:
            yield
        except (OSError, UnicodeDecodeError) as error:
            told = getattr(error, "strerror", None) or type(error).__name__
            setting = f"{self.section}.{name}" if "." not in self.section else f"{self.section}_{name}"
            raise Misconfigured(f"{setting} = {path}: cannot be used ({told}); give {remedy}") from error


class Server:
    """Our side of connections that others open. Files that are replaced count from the next connection on."""

    def __init__(self, settings: Tls, section: str = "tls") -> None:
        if settings.certificate_file is None:
            raise Misconfigured(f"{section}.certificate_file is missing; give a certificate to show")
        if settings.client_certificates != "none" and settings.ca_file is None:
            raise Misconfigured(
                f'tls.client_certificates = "{settings.client_certificates}" needs tls.ca_file: the authority of the '
                'peers\' certificates; or write "none", and anybody may connect who reaches the port'
            )
        self._settings = settings
        self._files = own_files(settings, section)
        self._stamp = self._changed()
        self._context = self._made()

    def secure(self, connection: socket.socket) -> TurnsSocket:
        """Take over an accepted connection. Nothing is read yet: :meth:`TurnsSocket.shake_hands` is next."""
        secured = self._current().wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        assert isinstance(secured, TurnsSocket)  # noqa: S101 - the context's class
        return secured

    def for_pages(self) -> ssl.SSLContext:
        """The context for HTTPS, whose server makes the connections itself."""
        self._context.sslsocket_class = ssl.SSLSocket
        self._context.set_alpn_protocols(["http/1.1"])
        return self._context

    def _current(self) -> ssl.SSLContext:
        stamp = self._changed()
        if stamp != self._stamp:
            try:
                self._context = self._made()
                logs.event(_LOGGER, logging.INFO, "certificate renewed", path=self._files.certificate)
            except Misconfigured as error:
                logs.event(_LOGGER, logging.ERROR, "certificate not renewed", reason=str(error))
            self._stamp = stamp
        return self._context

    def _changed(self) -> tuple[int, ...]:
        paths = (self._files.certificate, self._files.key, self._files.key_password, self._files.authorities)
        return tuple(_time_of(path) for path in paths if path is not None)

    def _made(self) -> ssl.SSLContext:
        context = _context(ssl.PROTOCOL_TLS_SERVER, self._settings.profile)
        context.sslsocket_class = TurnsSocket
        context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE
        context.verify_mode = _VERIFY[self._settings.client_certificates]
        self._files.into(context)
        return context


class Client:
    """Our side of connections to one destination; ``trouble`` says why the last handshake failed."""

    def __init__(self, destination: Destination, settings: Tls) -> None:
        self.trouble = ""
        self.server_name = destination.tls_server_name or destination.host or ""
        own, ours = destination_files(destination), own_files(settings)
        if own.certificate is None:
            own = Files(ours.section, ours.certificate, ours.key, ours.key_password, own.authorities)
        self.context = _context(ssl.PROTOCOL_TLS_CLIENT, settings.profile)
        self.context.check_hostname = destination.tls_check_name
        if own.authorities is None and ours.authorities is not None:
            ours = Files("tls", None, authorities=ours.authorities)
            ours.into(self.context)
        elif own.authorities is None:
            self.context.load_default_certs()
        own.into(self.context)
        self.context.sslsocket_class = self._telling()

    def _telling(self) -> type[ssl.SSLSocket]:
        told = self

        class Telling(TurnsSocket):
            """Keeps the reason of a failed handshake, which pynetdicom only logs."""

            def do_handshake(self, block: bool = False) -> None:
                told.trouble = ""
                try:
                    super().do_handshake(block)
                except OSError as error:
                    told.trouble = reason_of(error)
                    raise
                self.take_turns(None)

        return Telling


def audit_context(settings: Audit) -> ssl.SSLContext:
    """For the audit collector, by the stricter profile's suites."""
    context = _context(ssl.PROTOCOL_TLS_CLIENT, "bcp195-modified")
    files = Files(
        "audit", settings.certificate_file, settings.key_file, settings.key_password_file, authorities=settings.ca_file
    )
    if settings.ca_file is None:
        context.load_default_certs()
    files.into(context)
    return context


def trusting(ca_file: Path | None, setting: str) -> ssl.SSLContext:
    """For ``https`` addresses: believes the authorities of a file, or the machine's own list without one.

    Raises
    ------
    Misconfigured
        The file, which ``setting`` names, holds no certificates.
    """
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:  # ssl.SSLError is one too
        raise Misconfigured(
            f"{setting} = {ca_file}: holds no certificates that can be read; give a PEM file"
        ) from error


def reason_of(error: OSError) -> str:
    """Why a handshake failed, in OpenSSL's words and without any of the peer's bytes."""
    if isinstance(error, TimeoutError):
        return "silent"
    return str(getattr(error, "verify_message", "") or getattr(error, "reason", None) or type(error).__name__)


def own_files(settings: Tls, section: str = "tls") -> Files:
    """Section ``[tls]``, or another that has such files."""
    return Files(
        section, settings.certificate_file, settings.key_file, settings.key_password_file, authorities=settings.ca_file
    )


def destination_files(destination: Destination) -> Files:
    """A destination's own."""
    return Files(
        f"destination.{destination.name}.tls",
        destination.tls_certificate_file,
        destination.tls_key_file,
        destination.tls_key_password_file,
        destination.tls_ca_file,
    )


def _context(protocol: ssl._SSLMethod, profile: str) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(":".join(CIPHERS[profile]) + ":@SECLEVEL=2")  # no key below 112 bits, no SHA-1
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    return context


def _time_of(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0
