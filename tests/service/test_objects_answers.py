"""What a store may say, and what is made of it: conditions, faults, keys that change, certificates, silence."""

from __future__ import annotations

import base64
import hashlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from service.config import Objects, Settings
from service.errors import Misconfigured
from service.objects import StoreAway, objects_of
from service.objects.store import ObjectStore

sys.path.insert(0, str(Path(__file__).parent))
from certificate_authority import Authority
from object_server import SECRET, ObjectServer, Said, Scripted

NAME = "results/ab/report.dcm"
ERROR = "<Error><Code>{}</Code></Error>"
LISTED = '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"/>'


class Shelf:
    """What a store with conditions does, and the faults that a test wants first."""

    def __init__(self, *faults: Said) -> None:
        self.kept: dict[str, tuple[bytes, str]] = {}
        self.faults = list(faults)
        self.conditions: list[str | None] = []

    def __call__(self, asked: tuple[str, str, dict[str, str], bytes]) -> Said:
        method, path, headers, body = asked
        name, _, query = path.partition("?")
        if self.faults:
            return self.faults.pop(0)
        if query:
            return 200, LISTED.encode(), {}
        if method == "PUT":
            self.conditions.append(headers.get("if-none-match"))
            if headers.get("if-none-match") == "*" and name in self.kept:
                return 412, ERROR.format("PreconditionFailed").encode(), {}
            md5 = hashlib.md5(body, usedforsecurity=False)
            assert headers["content-md5"] == base64.b64encode(md5.digest()).decode()
            assert headers["x-amz-content-sha256"] == hashlib.sha256(body).hexdigest()
            self.kept[name] = (body, headers["x-amz-meta-sha256"])
            return 200, b"", {"ETag": headers["content-md5"]}
        if name not in self.kept:
            return 404, ERROR.format("NoSuchKey").encode(), {}
        raw, digest = self.kept[name]
        return 200, raw, {"x-amz-meta-sha256": digest}


@pytest.fixture
def scripted(tmp_path) -> Iterator[Callable[..., tuple[ObjectStore, Shelf]]]:
    servers = []

    def make(*faults: Said, shelf: Shelf | None = None, machine: str = "east") -> tuple[ObjectStore, Shelf]:
        shelf = shelf or Shelf(*faults)
        server = Scripted(shelf)
        servers.append(server)
        (tmp_path / machine).mkdir(exist_ok=True)
        for name in ("access", "secret"):
            (tmp_path / name).write_text(f"{name}\n")
        section = Objects(
            endpoint=server.endpoint,
            bucket="images",
            access_key_file=tmp_path / "access",
            secret_key_file=tmp_path / "secret",
            timeout_seconds=2,
        )
        return ObjectStore(tmp_path / machine, section), shelf

    yield make
    for one in servers:
        one.remove()


def made(store: ObjectStore, raw: bytes) -> None:
    path = store.folder / NAME
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(raw)


def test_who_comes_second_takes_the_bytes_of_the_first(scripted) -> None:
    """Between the look and the PUT another machine may have been there: the condition says so."""
    shelf = Shelf()
    east, west = scripted(shelf=shelf, machine="east")[0], scripted(shelf=shelf, machine="west")[0]
    made(east, b"first")
    made(west, b"second")
    looked = west._look
    west._look = lambda name: looked(name) if shelf.kept else (east.keep(NAME), None)[1]
    west.keep(NAME)
    assert shelf.conditions == ["*", "*"]
    assert (west.folder / NAME).read_bytes() == b"first"
    assert list(shelf.kept.values()) == [(b"first", hashlib.sha256(b"first").hexdigest())]


def test_a_store_without_conditions_is_written_without(scripted) -> None:
    store, shelf = scripted()
    shelf.faults = [(404, b"", {}), (501, ERROR.format("NotImplemented").encode(), {})]
    made(store, b"report")
    store.keep(NAME)
    assert shelf.conditions == [None]
    assert [raw for raw, _ in shelf.kept.values()] == [b"report"]


@pytest.mark.parametrize("status", [409, 429, 500, 503])
def test_a_store_that_is_busy_is_asked_again(scripted, status) -> None:
    store, shelf = scripted((status, ERROR.format("SlowDown").encode(), {}))
    made(store, b"report")
    store.replace(NAME)
    assert len(shelf.kept) == 1
    assert "store_failures" not in store.counters


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ((404, ERROR.format("NoSuchBucket").encode(), {}), "NoSuchBucket"),
        ((403, ERROR.format("AccessDenied").encode(), {}), "AccessDenied"),
        ((403, ERROR.format("<script>").encode(), {}), "HTTP 403"),
        ((301, b"", {"Location": "http://elsewhere.example/"}), "HTTP 301"),
        ((503, b"", {}), "HTTP 503"),
        ((200, b"short", {"Content-Length": "9999", "Connection": "close"}), "RemoteProtocolError"),
    ],
)
def test_what_is_no_answer_about_the_object_is_none(scripted, said, told, caplog) -> None:
    """Taken for «gone», a report would be held for good and an image called unreadable."""
    store, _ = scripted(*[said] * 3)
    with pytest.raises(StoreAway, match=told):
        _ = store / NAME
    assert not (store.folder / NAME).exists()
    assert list((store.folder / "spool").iterdir()) == []
    made(store, b"report")
    assert (store / NAME).read_bytes() == b"report", "what is here is here"
    assert caplog.text.count("object store is away") == 1


def test_a_page_of_a_proxy_confirms_nothing(scripted) -> None:
    """What answers everything with 200 is no store: an object that was told as put would be lost."""
    store, shelf = scripted()
    shelf.faults = [(200, b"<html>welcome</html>", {})] * 2
    for name in (NAME, "archive/ab/image.dcm"):
        with pytest.raises(StoreAway, match="without the digest"):
            _ = store / name
        assert not (store.folder / name).exists()
    made(store, b"report")
    shelf.faults = [(200, b"<html>welcome</html>", {})] * 3
    with pytest.raises(StoreAway, match="without ETag"):
        store.replace(NAME)
    with pytest.raises(StoreAway, match="else than a list"):
        store.ask()
    with pytest.raises(StoreAway, match="else than a list"):
        store.names()


def test_it_is_told_once_that_it_is_away_and_once_that_it_is_back(scripted, caplog) -> None:
    caplog.set_level("INFO")
    store, shelf = scripted(*[(503, b"", {})] * 9)
    for _ in range(3):
        with pytest.raises(StoreAway):
            store.ask()
    store.ask()
    store.ask()
    assert shelf.faults == []
    assert [one.message for one in caplog.records if one.message.startswith("object store")] == [
        "object store is away",
        "object store is back",
    ]
    assert store.counters["store_failures"] == 3


def test_keys_that_are_exchanged_are_read_anew(scripted, tmp_path) -> None:
    store, shelf = scripted()
    store.ask()
    (tmp_path / "access").write_text("another\n")
    shelf.faults = [(403, ERROR.format("InvalidAccessKeyId").encode(), {})]
    store.ask()
    assert store.bucket._keys is not None
    assert store.bucket._keys.access == "another"


def test_a_long_list_comes_in_pages(scripted) -> None:
    first = (
        '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><IsTruncated>true</IsTruncated>'
        "<NextContinuationToken>a/b+c=</NextContinuationToken>"
        "<Contents><Key>archive/ab/1.dcm</Key><Size>7</Size></Contents></ListBucketResult>"
    )
    second = "<ListBucketResult><Contents><Key>results/cd/2.dcm</Key><Size>8</Size></Contents></ListBucketResult>"
    store, _ = scripted((200, first.encode(), {}), (200, second.encode(), {}))
    assert store.names() == {"archive/ab/1.dcm": 7, "results/cd/2.dcm": 8}


@pytest.fixture(scope="module")
def authority(tmp_path_factory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


def test_with_an_authority_of_its_own(authority, tmp_path) -> None:
    made_by = authority.sign("store")
    server = ObjectServer(made_by.certificate, made_by.key)
    try:
        store = ObjectStore(tmp_path, server.section(ca_file=authority.certificate))
        assert store.probe()
        with pytest.raises(StoreAway, match="ConnectError"):
            ObjectStore(tmp_path, server.section()).ask()
    finally:
        server.remove()


def test_a_file_that_holds_no_authority_is_told(tmp_path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    section = Objects(
        endpoint="https://s3.example", bucket="images", access_key_file=tmp_path / "a", secret_key_file=tmp_path / "b"
    )
    with pytest.raises(Misconfigured, match=r"objects\.ca_file"):
        ObjectStore(tmp_path, section.model_copy(update={"ca_file": tmp_path / "ca.pem"}))


def test_silence_ends_after_the_time_that_is_set(tmp_path, caplog) -> None:
    server = ObjectServer()
    try:
        store = ObjectStore(tmp_path, server.section(timeout_seconds=1))
        store.ask()
        server.freeze()
        begun = time.monotonic()
        with pytest.raises(StoreAway, match="no answer"):
            store.ask()
        assert time.monotonic() - begun < 20
        server.freeze(False)
        store.ask()
        server.stop()
        with pytest.raises(StoreAway):
            store.ask()
        server.start()
        store.ask()
        (server.folder / "secret").write_text("CANARY-wrong\n")
        fresh = ObjectStore(tmp_path, server.section())
        with pytest.raises(StoreAway, match="SignatureDoesNotMatch") as told:
            fresh.ask()
        assert "CANARY" not in str(told.value) + caplog.text + repr(fresh.bucket._keys)
        assert SECRET not in caplog.text
    finally:
        server.remove()


def test_a_body_that_is_not_what_was_digested_is_refused_by_the_store_itself(tmp_path) -> None:
    from dataclasses import replace

    from service.objects.digests import digests

    server = ObjectServer()
    try:
        store = ObjectStore(tmp_path, server.section())
        made(store, os.urandom(1 << 20))
        of = digests(store.folder / NAME)
        other = base64.b64encode(hashlib.md5(b"other", usedforsecurity=False).digest()).decode()
        with pytest.raises(StoreAway, match="BadDigest"):
            store.bucket.put(NAME, store.folder / NAME, replace(of, md5=other), only_new=False)
        assert server.files() == []
    finally:
        server.remove()


def test_a_bucket_in_the_host_name(tmp_path) -> None:
    section = Objects(
        endpoint="https://s3.example:9000",
        bucket="images",
        path_style=False,
        access_key_file=tmp_path / "a",
        secret_key_file=tmp_path / "b",
    )
    (tmp_path / "a").write_text("a")
    (tmp_path / "b").write_text("b")
    bucket = ObjectStore(tmp_path, section).bucket
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(200, stream=httpx.ByteStream(LISTED.encode()))

    bucket._client = httpx.Client(transport=httpx.MockTransport(answer))
    bucket.ask()
    assert str(asked[0].url) == "https://images.s3.example:9000/?list-type=2&max-keys=1"
    assert asked[0].headers["host"] == "images.s3.example:9000"


@pytest.mark.parametrize("missing", ["endpoint", "bucket", "access_key_file", "secret_key_file"])
def test_half_a_section_is_none(missing) -> None:
    values = {"endpoint": "http://x", "bucket": "abc", "access_key_file": "a", "secret_key_file": "b"}
    del values[missing]
    with pytest.raises(ValueError, match="or none of them"):
        Objects.model_validate(values)


def test_without_a_section_everything_lies_in_the_data_folder(tmp_path) -> None:
    from service.config import Service

    settings = Settings(service=Service(data_folder=tmp_path))
    objects = objects_of(settings)
    assert objects is objects_of(settings)
    assert not objects.is_remote
    assert objects / "archive/ab/c.dcm" == tmp_path / "archive/ab/c.dcm"
