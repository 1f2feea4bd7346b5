"""Into a DICOMweb service by STOW-RS (PS3.18 section 10.5): several objects to a request, an answer for each.

A request that is refused as a whole says nothing about its objects, so that they are then sent one by one: an object
that a service cannot take must not hold up its neighbours.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx

from service import crash
from service.config import Destination
from service.deliver.answers import Answer, Fate, of_http
from service.deliver.stow_answer import answers
from service.errors import Unreachable
from service.ledger import Outgoing
from service.objects import Lying
from service.tls import trusting

_NOT_OURS_TO_MEND = {301, 302, 303, 307, 308, 401, 403, 404, 405, 407}
"""The address or the credentials are wrong: nothing is the object's fault, so none is held."""
_BATCH_BYTES = 32 << 20
"""Objects that go in one request together; a longer one goes by itself, streamed from its file."""
_ANSWER_BYTES = 4 << 20
_CHUNK = 1 << 18


class StowPeer:
    """A destination that is a DICOMweb service."""

    def __init__(self, destination: Destination, lying: Lying) -> None:
        self._destination = destination
        self._lying = lying
        self._url = f"{(destination.dicomweb or '').rstrip('/')}/studies"
        self._client = client(destination)

    def get_ready(self) -> None:
        """Nothing is opened beforehand."""

    def rest(self, *, at_once: bool = False) -> None:
        """Nothing is kept open."""

    def send(self, objects: Sequence[Outgoing]) -> Iterator[tuple[Outgoing, Answer]]:
        """Post them in order, as many together as are small."""
        for batch in _batches(objects):
            answered = self._post(batch)
            if answered is None:
                for outgoing in batch:
                    alone = self._post([outgoing])
                    yield outgoing, (alone or {})[outgoing.sop_instance_uid]
            else:
                for outgoing in batch:
                    yield outgoing, answered[outgoing.sop_instance_uid]

    def _post(self, batch: Sequence[Outgoing]) -> dict[str, Answer] | None:
        """Fate by SOP Instance UID; ``None`` when several were refused together and nothing is known of each."""
        body = Multipart([self._lying / one.path for one in batch])
        name = self._destination.name
        try:
            with self._client.stream(
                "POST", self._url, content=body.chunks(), headers={**body.headers, **bearer(self._destination)}
            ) as response:
                code, reason = response.status_code, response.reason_phrase
                raw = _read(response)
        except httpx.HTTPError as error:
            raise Unreachable(f"{name}: {type(error).__name__}; is it running and reachable?") from error
        if code in _NOT_OURS_TO_MEND:
            raise Unreachable(f"{name}: HTTP {code}; check the destination's address and credentials")
        found = answers([one.sop_instance_uid for one in batch], code, raw)
        if found is not None:
            return found
        if len(batch) > 1 and not 500 <= code < 600:
            return None
        whole = of_http(code, reason) if code >= 300 else Answer(Fate.SENT)
        return dict.fromkeys((one.sop_instance_uid for one in batch), whole)


class Multipart:
    """The body of a STOW-RS request: each file a part, streamed (PS3.18 section 8.6.1.2)."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = paths
        boundary = f"nmus-{secrets.token_hex(16)}"
        self._before = f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode()
        self._end = f"--{boundary}--\r\n".encode()
        length = sum(len(self._before) + path.stat().st_size + 2 for path in paths) + len(self._end)
        self.headers = {
            "Content-Type": f'multipart/related; type="application/dicom"; boundary={boundary}',
            "Content-Length": str(length),
            "Accept": "application/dicom+json",
        }

    def chunks(self) -> Iterator[bytes]:
        """The bytes of the body."""
        for path in self._paths:
            yield self._before
            with path.open("rb") as file:
                crash.point("mid_send")
                while part := file.read(_CHUNK):
                    yield part
            yield b"\r\n"
        yield self._end


def client(destination: Destination) -> httpx.Client:
    """A connection that is kept, with what the settings say of trust and credentials."""
    own = destination.password.get_secret_value()
    return httpx.Client(
        auth=httpx.BasicAuth(destination.username, own) if destination.username else None,
        verify=trusting(destination.ca_file, f"destination {destination.name}: ca_file"),
        timeout=httpx.Timeout(destination.timeout_seconds, connect=5),
        follow_redirects=False,
    )


def bearer(destination: Destination) -> dict[str, str]:
    """The token as it is now: whoever renews it writes the file anew.

    Raises
    ------
    Unreachable
        The file cannot be read just now.
    """
    if destination.token_file is None:
        return {}
    try:
        token = destination.token_file.read_text(encoding="ascii").partition("\n")[0].strip()
    except (OSError, UnicodeDecodeError) as error:
        raise Unreachable(f"{destination.name}: token_file cannot be read ({type(error).__name__})") from error
    return {"Authorization": f"Bearer {token}"}


def _batches(objects: Sequence[Outgoing]) -> Iterator[list[Outgoing]]:
    batch: list[Outgoing] = []
    size = 0
    for outgoing in objects:
        if batch and size + outgoing.size > _BATCH_BYTES:
            yield batch
            batch, size = [], 0
        batch.append(outgoing)
        size += outgoing.size
    if batch:
        yield batch


def _read(response: httpx.Response) -> bytes:
    """The answer's body, as much as a sensible answer has."""
    raw = bytearray()
    for part in response.iter_bytes(_CHUNK):
        raw += part
        if len(raw) > _ANSWER_BYTES:
            return b""
    return bytes(raw)
