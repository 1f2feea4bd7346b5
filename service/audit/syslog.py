"""Syslog (RFC 5424) by TLS (RFC 5425: octet-counted frames) or, where a site insists, by UDP (RFC 5426).

Syslog has no answers. What is known of a frame's arrival is that the collector's machine has acknowledged its bytes:
a message counts as delivered when nothing of the connection is left unacknowledged and the connection still stands.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import socket
import ssl
import struct
import termios
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Protocol

from service.config import Audit
from service.errors import Unreachable
from service.tls import audit_context, reason_of

_PRIORITY = 10 * 8 + 5
"""Facility authpriv, severity notice: what PS3.15 A.6 asks for is 10 and 5."""
_CONNECT_S = 5.0
_ACKNOWLEDGED_S = 20.0


def framed(body: bytes, machine: str, at: float) -> bytes:
    """A syslog message around an audit message, with the byte order mark that says UTF-8."""
    when = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    name = "".join(one for one in machine if 33 <= ord(one) <= 126)[:255] or "-"
    header = f"<{_PRIORITY}>1 {when} {name} nmus {os.getpid()} DICOM+RFC3881 - "
    return header.encode("ascii") + b"\xef\xbb\xbf" + body


class Collector(Protocol):
    """Where messages go."""

    def send(self, messages: Sequence[bytes]) -> None:
        """Deliver all of them.

        Raises
        ------
        Unreachable
            It is not known of any of them whether it has arrived.
        """
        ...

    def close(self) -> None:
        """Give the connection back."""
        ...


def collector_of(settings: Audit) -> Collector:
    """By the transport of the settings."""
    if settings.transport == "udp":
        return UdpCollector(settings.host or "", settings.port)
    return TlsCollector(settings)


class TlsCollector:
    """RFC 5425."""

    def __init__(self, settings: Audit) -> None:
        self._settings = settings
        self._context = audit_context(settings)
        self._connection: ssl.SSLSocket | None = None

    def send(self, messages: Sequence[bytes]) -> None:
        """Deliver over a connection that is kept."""
        try:
            connection = self._connected()
            connection.sendall(b"".join(b"%d %b" % (len(one), one) for one in messages))
            _await_acknowledged(connection)
        except OSError as error:
            self.close()
            where = f"{self._settings.host}:{self._settings.port}"
            raise Unreachable(f"audit collector {where}: {reason_of(error)}; messages wait in the spool") from error

    def close(self) -> None:
        """Close; harmless twice."""
        if self._connection is not None:
            with contextlib.suppress(OSError):
                self._connection.close()
            self._connection = None

    def _connected(self) -> ssl.SSLSocket:
        if self._connection is None or _has_ended(self._connection):
            self.close()
            host, port = self._settings.host or "", self._settings.port
            bare = socket.create_connection((host, port), timeout=_CONNECT_S)
            try:
                name = self._settings.tls_server_name or host
                self._connection = self._context.wrap_socket(bare, server_hostname=name)
            except OSError:
                bare.close()
                raise
            self._connection.settimeout(_ACKNOWLEDGED_S)
        return self._connection


class UdpCollector:
    """RFC 5426: no encryption, and nothing is known of arrival. For a collector on this machine."""

    def __init__(self, host: str, port: int) -> None:
        self._address = (host, port)

    def send(self, messages: Sequence[bytes]) -> None:
        """A datagram each."""
        try:
            family, kind, protocol, _, address = socket.getaddrinfo(*self._address, type=socket.SOCK_DGRAM)[0]
            with socket.socket(family, kind, protocol) as out:
                out.connect(address)
                for one in messages:
                    out.send(one)
                    time.sleep(0)
        except OSError as error:
            where = f"{self._address[0]}:{self._address[1]}"
            raise Unreachable(f"audit collector {where}: {error.strerror or type(error).__name__}") from error

    def close(self) -> None:
        """Nothing is kept."""


def _has_ended(connection: ssl.SSLSocket) -> bool:
    """Whether the collector has closed or reset: it never speaks, so anything to read is an end."""
    connection.settimeout(0)
    try:
        while select.select([connection], [], [], 0)[0]:
            with contextlib.suppress(ssl.SSLWantReadError):  # session tickets of TLS 1.3, before the end perhaps
                if connection.recv(4096) == b"":
                    return True
        return False
    except OSError:
        return True
    finally:
        connection.settimeout(_ACKNOWLEDGED_S)


def _await_acknowledged(connection: ssl.SSLSocket) -> None:
    """Wait until the other machine has acknowledged every byte.

    Raises
    ------
    OSError
        It has not in time, or the connection has ended.
    """
    deadline = time.monotonic() + _ACKNOWLEDGED_S
    while struct.unpack("i", fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, b"\0" * 4))[0]:
        if time.monotonic() > deadline:
            raise TimeoutError("not acknowledged")
        time.sleep(0.002)
    if _has_ended(connection):
        raise ConnectionResetError("closed by the collector")
