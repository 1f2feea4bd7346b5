"""What pynetdicom 3.0.4 lacks towards a hostile or a busy network, as subclasses of its own classes.

1. A PDU's length is capped before it is read: without that an unauthenticated peer streams hundreds of megabytes
   into memory inside one A-ASSOCIATE-RQ (pynetdicom issue 1086).
2. A PDU must arrive whole within a deadline: a peer that drips bytes otherwise blocks its thread for ever.
3. Addresses are checked when a connection is accepted, and connections that have not yet said who they are are
   counted per address: the limit on associations does not apply to those.
4. ``recv`` reads as much as there is instead of 4096 bytes at a time.
5. The acceptor's contexts are not copied for each association: that alone costs 65 ms of CPU with all classes.
6. TCP_NODELAY on accepted connections: two small writes and a delayed acknowledgement cost 40 ms.
7. The TLS handshake happens in the connection's own thread within a deadline: pynetdicom makes it where it accepts,
   so that one silent client keeps everybody else out.
8. While objects come in, one thread reads and answers them (:mod:`service.receive.data_phase`), and nothing polls:
   32 idle associations otherwise take more than a whole core.

Everything else, negotiation, release, abort, C-ECHO, is pynetdicom's own. Private names of it are used, so the
version is checked: another one gets guards 3, 6 and 7 and pynetdicom's own data path by documented settings only.
"""

from __future__ import annotations

import contextlib
import gc
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from ipaddress import ip_address, ip_network
from typing import Any

import pynetdicom
from pynetdicom import evt
from pynetdicom.association import MODE_ACCEPTOR, Association
from pynetdicom.dul import DULServiceProvider
from pynetdicom.fsm import InvalidEventError
from pynetdicom.pdu import P_DATA_TF
from pynetdicom.pdu_primitives import P_DATA
from pynetdicom.transport import AssociationSocket, RequestHandler, ThreadedAssociationServer

from service.tls import Server, reason_of
from service.tls_socket import TurnsSocket

KNOWN_VERSIONS = ("3.0.4",)
"""Versions whose private names were read and tested."""
MAXIMUM_PDU_BYTES = 1 << 20
"""A real A-ASSOCIATE-RQ with 128 contexts of 45 syntaxes has about 200 kB; no P-DATA-TF may exceed what we offer."""


def is_known_version() -> bool:
    """Whether the guards that use private names apply."""
    return pynetdicom.__version__ in KNOWN_VERSIONS


class GuardedSocket(AssociationSocket):  # type: ignore[misc]
    """Guards 1, 2 and 4, and bytes that were read ahead given back."""

    def __init__(self, assoc: Association, client_socket: socket.socket, deadline_seconds: float) -> None:
        super().__init__(assoc, client_socket=client_socket)
        self.deadline_seconds = deadline_seconds
        self._ahead = bytearray()

    def give_back(self, unread: bytes) -> None:
        """The next ``recv`` starts with these bytes."""
        self._ahead[:0] = unread

    @property
    def ready(self) -> bool:
        """Whether something can be read."""
        return bool(self._ahead and self.socket is not None) or bool(super().ready)

    def recv(self, nr_bytes: int) -> bytearray:
        """Read exactly so many bytes, or fewer if the connection ends.

        Raises
        ------
        OSError
            Longer than any PDU that we take; pynetdicom then closes the connection.
        TimeoutError
            It did not come within the deadline.
        """
        if nr_bytes > MAXIMUM_PDU_BYTES:
            self._shutdown_socket()
            raise OSError(f"PDU of {nr_bytes} bytes is longer than the {MAXIMUM_PDU_BYTES} that are taken")
        whole = self._ahead[:nr_bytes]
        del self._ahead[: len(whole)]
        if len(whole) < nr_bytes:
            whole += self._received(nr_bytes - len(whole))
        return whole

    def _received(self, missing: int) -> memoryview:
        connection = self.socket
        if connection is None:
            raise OSError("connection is closed")
        buffer = memoryview(bytearray(missing))
        deadline = time.monotonic() + self.deadline_seconds
        got = 0
        while got < missing:
            connection.settimeout(max(deadline - time.monotonic(), 0.001))
            count = connection.recv_into(buffer[got:])
            if count == 0:
                break
            got += count
        connection.settimeout(None)
        return buffer[:got]


class ParkedDUL(DULServiceProvider):  # type: ignore[misc]
    """Guard 8: once an association is established its thread stands still until it is needed again."""

    def __init__(self, assoc: Association) -> None:
        super().__init__(assoc)
        self._parked = threading.Event()
        self._handed_back = threading.Event()
        self._bell, self.bell = socket.socketpair()

    def wait_until_parked(self, seconds: float) -> bool:
        """Whether the reading of the connection is ours now; ``False`` at once where the association has ended."""
        deadline = time.monotonic() + seconds
        while not self._parked.wait(0.05):
            if not self.is_alive() or time.monotonic() > deadline:
                return False
            if self.state_machine.current_state in {"Sta1", "Sta13"}:
                return False
        return True

    def hand_back(self) -> None:
        """Let pynetdicom's own loop go on; harmless twice."""
        self._handed_back.set()

    def ring(self) -> None:
        """Wake whoever waits on ``bell``."""
        with contextlib.suppress(OSError):  # closed: nobody waits any more
            self._bell.send(b"!")

    def _is_transport_event(self) -> bool:
        if self.state_machine.current_state == "Sta13" and self.socket is not None:
            self.socket.close()  # the peer was told; reading on would wait for one that breaks the protocol
            return True
        if self.state_machine.current_state == "Sta6" and not self._handed_back.is_set():
            self._parked.set()
            self._handed_back.wait()
            return False
        return bool(super()._is_transport_event())

    def send_pdu(self, primitive: Any) -> None:  # noqa: ANN401 - pynetdicom's union of all primitives
        """Send: at once when the association's own thread answers while we are parked, else by pynetdicom's loop."""
        if self._parked.is_set() and not self._handed_back.is_set():
            if isinstance(primitive, P_DATA) and threading.current_thread() is self.assoc:
                self._send(P_DATA_TF(primitive))
                return
            super().send_pdu(primitive)
            self.hand_back()
            self.ring()
            return
        super().send_pdu(primitive)

    def run_reactor(self) -> None:
        """Run pynetdicom's loop, and close the bell when it ends.

        A peer that sends data before it was accepted has its association ended while our acceptance is on its way:
        an event for which the standard's table (PS3.8 section 9.2.3) has no line, and pynetdicom's thread no handler.
        """
        try:
            super().run_reactor()
        except InvalidEventError:
            if self.socket is not None:
                self.socket.close()
        finally:
            self._handed_back.set()
            self._bell.close()
            self.bell.close()


class GuardedServer(ThreadedAssociationServer):  # type: ignore[misc]
    """Guards 3 and 7. The class attributes are set on a subclass for each server."""

    daemon_threads = True
    networks: tuple[str, ...] = ()
    maximum_unestablished = 8
    refusals: Counter[str]
    tls: Server | None = None
    handshake_seconds = 15.0
    told: Callable[[str, str], None]
    """Is given the reason and the address of who was turned away before it could say who it is."""

    def __init__(self, *arguments: Any, **named: Any) -> None:  # noqa: ANN401 - pynetdicom's
        self._strangers: dict[str, list[socket.socket]] = {}
        self._strangers_turn = threading.Lock()
        self._collected_at = time.monotonic()
        super().__init__(*arguments, **named)

    def introduced(self, association: Association) -> None:
        """Somebody has said who it is and may stay: no stranger any more."""
        address = association.requestor.address
        known = association.dul.socket.socket
        with self._strangers_turn:
            left = [one for one in self._strangers.pop(address, ()) if one is not known]
            if left:
                self._strangers[address] = left

    def service_actions(self) -> None:
        """Collect ended associations, which refer to themselves, twice a minute; pynetdicom counts its polls."""
        if time.monotonic() - self._collected_at > 30:
            gc.collect()
            self._collected_at = time.monotonic()

    def verify_request(self, request: Any, client_address: Any) -> bool:  # noqa: ANN401 - socketserver's
        """Whether a connection may go on; pynetdicom sees nothing of one that may not."""
        address = ip_address(client_address[0].partition("%")[0])
        mapped = getattr(address, "ipv4_mapped", None)
        address = mapped or address
        if self.networks and not any(address in ip_network(network) for network in self.networks):
            self.refusals["address"] += 1
            self.told("address not allowed", client_address[0])
            return False
        with self._strangers_turn:
            strangers = [one for one in self._strangers.get(client_address[0], ()) if one.fileno() != -1]
            if len(strangers) >= self.maximum_unestablished:
                self.refusals["unestablished"] += 1
                return False
            self._strangers[client_address[0]] = [*strangers, request]
        request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return True

    def process_request_thread(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - socketserver's
        """Shake hands where TLS is spoken, then go on as pynetdicom does."""
        if self.tls is not None:
            secured = self._swapped(request, client_address[0])
            try:
                secured.shake_hands(self.handshake_seconds)
            except OSError as error:
                self.refusals["tls"] += 1
                self.told(f"TLS handshake: {reason_of(error)}", client_address[0])
                secured.close()
                return
            request = secured
        super().process_request_thread(request, client_address)

    def _swapped(self, request: socket.socket, address: str) -> TurnsSocket:
        """The encrypted connection in the place of the bare one, which still counts as a stranger."""
        assert self.tls is not None  # noqa: S101 - asked before
        with self._strangers_turn:
            secured = self.tls.secure(request)
            others = [one for one in self._strangers.get(address, ()) if one is not request]
            self._strangers[address] = [*others, secured]
        return secured

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - socketserver's
        """Count; socketserver would print a trace with addresses to standard error."""
        self.refusals["error"] += 1


class GuardedRequestHandler(RequestHandler):  # type: ignore[misc]
    """Guard 5, and associations of our own class."""

    association_class: type[Association]

    def _create_association(self) -> Association:
        association = self.association_class(self.ae, MODE_ACCEPTOR)
        association._server = self.server
        association.name = f"AcceptorThread@{id(association):x}"
        association.set_socket(GuardedSocket(association, self.request, self.ae.acse_timeout or 30))
        acceptor = association.acceptor
        acceptor.maximum_length = self.ae.maximum_pdu_size
        acceptor.ae_title = self.server.ae_title
        acceptor.address_info = self.local
        acceptor.implementation_class_uid = self.ae.implementation_class_uid
        acceptor.implementation_version_name = self.ae.implementation_version_name
        association.requestor.address_info = self.remote
        for event, bound in self.server._handlers.items():
            if not bound:
                continue
            if event.is_intervention:
                association.bind(event, *bound)
            else:
                for handler, arguments in bound:
                    association.bind(event, handler, arguments)
        return association


def bind_no_delay(event: evt.Event) -> None:
    """Handler of EVT_CONN_OPEN for our own requests (guard 6)."""
    event.assoc.dul.socket.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
