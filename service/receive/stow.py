"""STOW-RS as a way in: PS3.10 files in a multipart request, each kept like anything that was sent by C-STORE.

Every object that the answer names as stored lies in the archive and in the ledger, flushed. Nothing is held in
memory but a chunk; the disk is written by a thread of its own, so that the pages go on answering.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from hmac import compare_digest
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from service import logs
from service.config import Stow
from service.config.workflows import STOW
from service.errors import Misconfigured, Refused
from service.receive.identity import DOES_NOT_MATCH, identity
from service.receive.intake import Intake
from service.receive.multipart import Begin, Data, End, Malformed, MultipartReader, boundary
from service.receive.part10 import ArrivingFile
from service.receive.stow_response import Told

_LOGGER = logging.getLogger(__name__)
_TOGETHER = 1 << 20
"""Bytes that go to the writing thread at once."""
_TYPES = {"", "application/dicom"}
SOURCE = "STOW-RS"
"""What the ledger calls a sender that gives no user name."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """What lets a request in; empty strings are not asked for."""

    username: str = ""
    password: str = ""
    token: str = ""

    def sender(self, authorization: str) -> str | None:
        """Who it is; ``None`` for nobody who may."""
        if not self.username and not self.token:
            return SOURCE
        if self.token and compare_digest(authorization.encode(), f"Bearer {self.token}".encode()):
            return SOURCE
        basic = b64encode(f"{self.username}:{self.password}".encode())
        if self.username and compare_digest(authorization.encode(), b"Basic " + basic):
            return self.username
        return None

    @property
    def challenge(self) -> str:
        """What a 401 asks for."""
        return 'Basic realm="nmus", charset="UTF-8"' if self.username else 'Bearer realm="nmus"'


def stow_credentials(settings: Stow) -> Credentials:
    """What the settings' files say now.

    Raises
    ------
    Misconfigured
        A file cannot be read or is empty.
    """
    return Credentials(
        settings.username,
        _first_line(settings.password_file, "stow.password_file"),
        _first_line(settings.token_file, "stow.token_file"),
    )


def _first_line(path: Path | None, key: str) -> str:
    if path is None:
        return ""
    try:
        found = path.read_text(encoding="utf-8").partition("\n")[0].rstrip("\r")
    except (OSError, UnicodeDecodeError) as error:
        told = error.strerror if isinstance(error, OSError) else "no UTF-8 text"
        raise Misconfigured(f"{key} = {path}: cannot be read ({told}); give a readable file") from error
    if not found:
        raise Misconfigured(f"{key} = {path}: its first line is empty; write the secret there")
    return found


class StowService:
    """The Store transaction of the Studies Service.

    Parameters
    ----------
    credentials:
        Asked for at every request, so that a changed file counts at once.
    """

    def __init__(
        self, settings: Stow, intake: Intake, credentials: Callable[[], Credentials], maximum_object_bytes: int
    ) -> None:
        self._settings = settings
        self._intake = intake
        self._credentials = credentials
        self._maximum_object_bytes = maximum_object_bytes
        self._networks = [ipaddress.ip_network(one) for one in settings.networks]
        self._open = 0

    def routes(self) -> list[Route]:
        """``POST {path}/studies`` and ``POST {path}/studies/{study}``."""
        base = self._settings.path
        return [
            Route(f"{base}/studies", self._store, methods=["POST"]),
            Route(f"{base}/studies/{{study}}", self._store, methods=["POST"]),
        ]

    async def _store(self, request: Request) -> Response:
        try:
            credentials = self._credentials()
        except Misconfigured:
            return self._turned_away(request, 503, "credentials cannot be read just now", {"Retry-After": "60"})
        sender = credentials.sender(request.headers.get("authorization", ""))
        cut = boundary(request.headers.get("content-type", ""))
        if not self._is_near(request):
            return self._turned_away(request, 403, "address not allowed")
        if sender is None:
            return self._turned_away(request, 401, "credentials", {"WWW-Authenticate": credentials.challenge})
        if cut is None:
            return self._turned_away(request, 415, "not multipart/related of application/dicom")
        if self._open >= self._settings.maximum_requests or not self._intake.has_room():
            return self._turned_away(request, 503, "no room just now", {"Retry-After": "60"})
        self._open += 1
        try:
            return await self._received(request, _Arrivals(self, request, sender, cut))
        finally:
            self._open -= 1

    async def _received(self, request: Request, arrivals: _Arrivals) -> Response:
        try:
            await self._fed(request, arrivals)
        except (ClientDisconnect, TimeoutError):
            return self._turned_away(request, 408, "body ended early")
        except Malformed as error:
            return self._turned_away(request, 400, str(error))
        body, media_type = arrivals.told.body(request.headers.get("accept", ""))
        return Response(body, arrivals.told.code, media_type=media_type, headers={"Cache-Control": "no-store"})

    async def _fed(self, request: Request, arrivals: _Arrivals) -> None:
        """Take the whole body; a part that has not come whole is gone before anybody is told of it."""
        pieces = aiter(request.stream())
        waiting = bytearray()
        try:
            while True:
                piece = await asyncio.wait_for(anext(pieces, None), self._settings.idle_seconds)
                waiting += piece or b""
                if piece is None or len(waiting) >= _TOGETHER:
                    await run_in_threadpool(arrivals.feed, bytes(waiting))
                    waiting.clear()
                if piece is None:
                    break
            arrivals.close()
        finally:
            arrivals.discard()

    def _is_near(self, request: Request) -> bool:
        if not self._networks:
            return True
        address = ipaddress.ip_address(request.client.host) if request.client else None
        return address is not None and any(address in network for network in self._networks)

    def _turned_away(self, request: Request, code: int, reason: str, headers: dict[str, str] | None = None) -> Response:
        self._intake.count(f"stow_refused_{code}")
        peer = request.client.host if request.client else ""
        logs.event(_LOGGER, logging.WARNING, "request refused", status=f"HTTP {code}", reason=reason, peer=peer)
        return PlainTextResponse(reason, code, headers={"Connection": "close", **(headers or {})})

    def arriving(self, sender: str) -> ArrivingFile:
        """For the next part of a request."""
        return ArrivingFile(self._intake, sender, self._maximum_object_bytes)

    def take(self, arrived: ArrivingFile, sender: str, peer: str, study: str) -> None:
        """Keep a part that has come whole.

        Raises
        ------
        Refused
            As by C-STORE; also 0xA900 for an object of another study than the request's.
        """
        announced = arrived.announced
        incoming = arrived.end()
        if study:
            try:
                found = identity(incoming.head, incoming.transfer_syntax_uid)
            except Refused:
                incoming.discard()
                raise
            if found.study_instance_uid != study:
                incoming.discard()
                raise Refused("object is of another study than the request names", DOES_NOT_MATCH)
        self._intake.take(incoming, sender, peer, announced, STOW)

    def refused(self, refusal: Refused) -> None:
        """Log and count a refusal."""
        self._intake.refused(refusal)


class _Arrivals:
    """The parts of one request, one after the other."""

    def __init__(self, service: StowService, request: Request, sender: str, cut: str) -> None:
        self._service = service
        self._sender = sender
        self._peer = request.client.host if request.client else ""
        self._study = str(request.path_params.get("study", ""))
        self._reader = MultipartReader(cut)
        self._part: ArrivingFile | None = None
        self.told = Told()

    def feed(self, content: bytes) -> None:
        """Take a piece of the body."""
        for event in self._reader.feed(content):
            match event:
                case Begin(content_type):
                    self._begin(content_type)
                case Data(part):
                    self._guarded(lambda one, part=part: one.write(part))  # type: ignore[misc]
                case End():
                    self._guarded(self._end)
                    self._part = None

    def close(self) -> None:
        """The body has ended.

        Raises
        ------
        Malformed
            Without its closing boundary, or without any part.
        """
        if not self._reader.closed:
            raise Malformed("the body ended without its closing boundary; what came whole before it was kept")
        if not self.told.stored and not self.told.failed:
            raise Malformed("the body holds no part")

    def discard(self) -> None:
        """Forget the part that has not come whole."""
        if self._part is not None:
            self._part.discard()
            self._part = None

    def _begin(self, content_type: str) -> None:
        self._part = self._service.arriving(self._sender)
        if content_type not in _TYPES:
            self._failed(self._part, Refused(f"a part is not application/dicom but {content_type[:64]}", 0x0110))
            self._part = None

    def _end(self, part: ArrivingFile) -> None:
        announced = part.announced
        self._service.take(part, self._sender, self._peer, self._study)
        self.told.stored.append(announced)

    def _guarded(self, step: Callable[[ArrivingFile], None]) -> None:
        """One step of the part at hand; after its refusal the rest of it is passed over."""
        if self._part is None:
            return
        part = self._part
        try:
            step(part)
        except Refused as refusal:
            self._failed(part, refusal)
            self._part = None

    def _failed(self, part: ArrivingFile, refusal: Refused) -> None:
        part.discard()
        self._service.refused(refusal)
        self.told.failed.append((*part.announced, refusal.status))
