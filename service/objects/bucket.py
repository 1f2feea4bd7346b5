"""One bucket over HTTP: put, get, look, list, delete. Bodies are streamed from and to files."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, TypedDict, Unpack
from xml.etree import ElementTree

import httpx

from service.config import Objects
from service.config.secrets import first_line
from service.errors import Misconfigured
from service.objects import StoreAway
from service.objects.digests import Digests
from service.objects.signing import EMPTY, Keys, authorisation, query_of, quoted
from service.tls import trusting

META = "x-amz-meta-sha256"
"""What we say of an object when it is put: SHA-256 of all its bytes."""
_CHUNK = 1 << 18
_ANSWER_BYTES = 4 << 20
_PAUSES_S = (0.1, 0.5)
"""Before the second and the third try: a kept connection that the store has closed, a store that is busy."""
_ASK_S = 3.0
"""For a page or a probe that merely wants to know whether the store is there."""
_BUSY = frozenset({409, 429, 500, 502, 503, 504})
"""409: two conditional requests about one name at once; the second try is answered by what the first did."""
_CONNECTIONS = httpx.Limits(max_connections=64, max_keepalive_connections=16)


class _More(TypedDict, total=False):
    """What a request has besides."""

    headers: Mapping[str, str]
    body: Callable[[], Iterator[bytes]]
    """Begun anew for each try."""
    size: int
    into: BinaryIO
    """Where the answer's body goes."""
    timeout_s: float


@dataclass(frozen=True, slots=True)
class Answer:
    """What the store said; ``raw`` is empty where the body went into a file."""

    status_code: int
    headers: Mapping[str, str]
    raw: bytes


@dataclass(frozen=True, slots=True)
class There:
    """An object in the bucket."""

    size: int
    sha256: str
    """As we said when we put it; empty if somebody else did."""


class Bucket:
    """A client, for all threads of a process."""

    def __init__(self, section: Objects) -> None:
        self._section = section
        endpoint = httpx.URL(section.endpoint or "")
        host = endpoint.netloc.decode()
        if section.path_style:
            self._host, self._root = host, f"/{section.bucket}"
        else:
            self._host, self._root = f"{section.bucket}.{host}", ""
        self._address = f"{endpoint.scheme}://{self._host}"
        self._keys: Keys | None = None
        self._conditions = True
        self._client = httpx.Client(
            verify=trusting(section.ca_file, "objects.ca_file"),
            timeout=httpx.Timeout(section.timeout_seconds, connect=min(5.0, section.timeout_seconds)),
            limits=_CONNECTIONS,
            follow_redirects=False,
            trust_env=False,
        )

    def put(self, name: str, path: Path, of: Digests, *, only_new: bool) -> bool:
        """Put a file; ``False`` if one of this name is there and ``only_new`` was asked for.

        The store itself compares the body with both of its digests before it answers.
        """
        headers = {"content-md5": of.md5, META: of.sha256, "x-amz-content-sha256": of.sha256}
        conditional = only_new and self._conditions
        if conditional:
            headers["if-none-match"] = "*"
        answer = self._call("PUT", name, headers=headers, body=lambda: _parts(path), size=of.size)
        if answer.status_code == 501 and conditional:  # a store without conditions: the same name is the same object
            self._conditions = False
            return self.put(name, path, of, only_new=False)
        if answer.status_code == 412 and conditional:
            return False
        self._expect(answer, 200)
        if "etag" not in answer.headers:  # whoever answered is no store: nothing has been confirmed
            raise self._away("answers a PUT without ETag")
        return True

    def get(self, name: str, into: BinaryIO) -> There | None:
        """Write an object into a file; ``None`` if there is none."""
        answer = self._call("GET", name, into=into)
        if answer.status_code == 404 and _code(answer) == "NoSuchKey":
            return None
        self._expect(answer, 200)
        return _there(answer)

    def look(self, name: str) -> There | None:
        """Whether an object is there; a bucket that is not there has none, which the next PUT then says."""
        answer = self._call("HEAD", name)
        if answer.status_code == 404:
            return None
        self._expect(answer, 200)
        return _there(answer)

    def delete(self, name: str) -> None:
        """Delete an object; harmless twice."""
        self._expect(self._call("DELETE", name), 204, 200, 404)

    def ask(self) -> None:
        """Whether the bucket is there and is open to us. Raises :class:`StoreAway`."""
        self._listed({"list-type": "2", "max-keys": "1"}, timeout_s=_ASK_S)

    def names(self, prefix: str = "") -> Iterator[tuple[str, int]]:
        """Names and sizes, behind the section's own prefix."""
        own, token = self._section.prefix, ""
        while True:
            query = {"list-type": "2", "prefix": own + prefix, **({"continuation-token": token} if token else {})}
            told = self._listed(query)
            for one in told.iter(f"{_space(told)}Contents"):
                yield _text(one, "Key").removeprefix(own), int(_text(one, "Size"))
            token = _text(told, "NextContinuationToken")
            if _text(told, "IsTruncated") != "true" or not token:
                return

    def _listed(self, query: Mapping[str, str], **more: Unpack[_More]) -> ElementTree.Element:
        answer = self._call("GET", "", query, **more)
        self._expect(answer, 200)
        told = _document(answer)
        if not told.tag.endswith("ListBucketResult"):
            raise self._away("answers something else than a list")
        return told

    def versioning(self) -> str:
        """``Enabled``, ``Suspended``, empty for never, or ``unknown`` where the store does not say."""
        answer = self._call("GET", "", {"versioning": ""})
        return _text(_document(answer), "Status") if answer.status_code == 200 else "unknown"

    def close(self) -> None:
        """Give the connections back."""
        self._client.close()

    def _call(self, method: str, name: str, query: Mapping[str, str] | None = None, **more: Unpack[_More]) -> Answer:
        """One request, tried again where that is harmless; all of ours are, as they may be done twice."""
        told, renewed = "", False
        for pause in (*_PAUSES_S, None):
            try:
                answer = self._once(method, name, query or {}, more)
            except (httpx.ConnectTimeout, httpx.ReadTimeout, httpx.WriteTimeout) as error:
                raise self._away(f"no answer ({type(error).__name__})") from error
            except httpx.HTTPError as error:
                told = type(error).__name__
            else:
                told = f"HTTP {answer.status_code} {_code(answer)}".strip()
                if answer.status_code in (401, 403) and not renewed:
                    renewed, self._keys = True, None  # they may have been exchanged
                    continue
                if answer.status_code not in _BUSY:
                    return answer
            if pause is not None:
                time.sleep(pause)
        raise self._away(told)

    def _once(self, method: str, name: str, query: Mapping[str, str], more: _More) -> Answer:
        at = datetime.now(UTC)
        path = quoted(f"{self._root}/{self._section.prefix}{name}" if name else f"{self._root}/")
        text = query_of(query)
        signed = {"host": self._host, "x-amz-date": f"{at:%Y%m%dT%H%M%SZ}", "x-amz-content-sha256": EMPTY}
        signed |= more.get("headers", {})
        keys = self._keys or self._read_keys()
        own = authorisation(method, path, text, signed, keys=keys, region=self._section.region, at=at)
        headers = {**signed, "authorization": own, "accept-encoding": "identity"}
        body, into = more.get("body"), more.get("into")
        if body is not None:
            headers |= {"content-length": str(more.get("size", 0)), "content-type": "application/octet-stream"}
        url = f"{self._address}{path}{'?' if text else ''}{text}"
        silence = min(more.get("timeout_s", self._section.timeout_seconds), self._section.timeout_seconds)
        patience = httpx.Timeout(silence, connect=min(5.0, silence))
        content = None if body is None else body()
        request = self._client.build_request(method, url, headers=headers, content=content, timeout=patience)
        answer = self._client.send(request, stream=True)
        try:
            return Answer(answer.status_code, answer.headers, _taken(answer, into))
        finally:
            answer.close()

    def _read_keys(self) -> Keys:
        section = self._section
        if section.access_key_file is None or section.secret_key_file is None:
            raise self._away("no keys")
        try:
            self._keys = Keys(
                first_line(section.access_key_file, "objects.access_key_file", "access key"),
                first_line(section.secret_key_file, "objects.secret_key_file", "secret key"),
            )
        except Misconfigured as error:
            raise StoreAway(str(error)) from error
        return self._keys

    def _expect(self, answer: Answer, *codes: int) -> None:
        if answer.status_code not in codes:
            raise self._away(f"HTTP {answer.status_code} {_code(answer)}".strip())

    def _away(self, reason: str) -> StoreAway:
        there = f"object store {self._section.endpoint}, bucket {self._section.bucket}"
        return StoreAway(f"{there}: {reason}; 'nmus doctor' looks at address, bucket, keys and certificate")


def _parts(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while part := file.read(_CHUNK):
            yield part


def _taken(answer: httpx.Response, into: BinaryIO | None) -> bytes:
    """An object's body into its file; of anything else as much as a sensible answer has."""
    raw = bytearray()
    if into is not None and answer.status_code == 200:
        into.seek(0)
        into.truncate()
        for part in answer.iter_raw(_CHUNK):
            into.write(part)
        return b""
    for part in answer.iter_raw(_CHUNK):
        raw += part
        if len(raw) > _ANSWER_BYTES:
            return b""
    return bytes(raw)


def _there(answer: Answer) -> There:
    return There(int(answer.headers.get("content-length", 0)), answer.headers.get(META, ""))


def _document(answer: Answer) -> ElementTree.Element:
    try:
        return ElementTree.fromstring(answer.raw)  # noqa: S314 - bounded, and of the store that we trust with images
    except ElementTree.ParseError:
        return ElementTree.Element("nothing")


def _code(answer: Answer) -> str:
    """The store's own word for what is wrong, such as ``NoSuchBucket``."""
    word = _text(_document(answer), "Code")
    return word if word.isalnum() else ""


def _space(element: ElementTree.Element) -> str:
    return element.tag[: element.tag.index("}") + 1] if element.tag.startswith("{") else ""


def _text(element: ElementTree.Element, name: str) -> str:
    return element.findtext(f"{_space(element)}{name}", "") or ""
