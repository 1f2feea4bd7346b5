"""STOW-RS in: what is kept, what each answer says, and who is let in."""

from __future__ import annotations

import itertools
import json
import socket
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from xml.etree.ElementTree import fromstring

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import Dataset, dcmread
from starlette.applications import Starlette

from service.config import Stow, validated
from service.errors import Misconfigured
from service.ledger import Ledger
from service.receive.archive import Archive
from service.receive.intake import Intake
from service.receive.multipart import Begin, Data, End, Malformed, MultipartReader, boundary
from service.receive.stow import StowService, stow_credentials
from service.web.server import Place, WebServer

TYPE = 'multipart/related; type="application/dicom"; boundary=cut'
Start = Callable[..., "Posting"]


class Posting:
    def __init__(self, url: str, intake: Intake) -> None:
        self.url, self.intake = url, intake

    def __call__(self, *parts: bytes, study: str = "", accept: str = "", **more: object) -> httpx.Response:
        headers = {"Content-Type": TYPE, **({"Accept": accept} if accept else {}), **more.pop("headers", {})}
        url = f"{self.url}/studies{'/' + study if study else ''}"
        return httpx.post(url, content=body(*parts), headers=headers, timeout=10, **more)


def body(*parts: bytes, content_type: str = "application/dicom") -> bytes:
    head = f"--cut\r\nContent-Type: {content_type}\r\n\r\n".encode()
    return b"".join(head + part + b"\r\n" for part in parts) + b"--cut--\r\n"


def file(dataset: Dataset) -> bytes:
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    buffer = BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


@pytest.fixture
def serving(ledger: Ledger, tmp_path: Path, until: Callable[..., None]) -> Iterator[Start]:
    running: list[WebServer] = []

    def start(refuse_free_mb: float = 0, maximum: int = 10**9, **stow: object) -> Posting:
        intake = Intake(ledger, Archive(tmp_path), refuse_free_mb)
        section = Stow(enabled=True, **stow)
        service = StowService(section, intake, lambda: stow_credentials(section), maximum)
        running.append(WebServer(Starlette(routes=service.routes()), Place()))
        running[-1].start()
        until(lambda: answers(running[-1].port))
        return Posting(f"http://127.0.0.1:{running[-1].port}/dicom-web", intake)

    yield start
    for one in running:
        one.stop()


def answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def failures(answer: httpx.Response) -> dict[str, int]:
    items = answer.json().get("00081198", {}).get("Value", [])
    return {item["00081155"]["Value"][0]: item["00081197"]["Value"][0] for item in items}


def stored(answer: httpx.Response) -> list[str]:
    items = answer.json().get("00081199", {}).get("Value", [])
    return [item["00081155"]["Value"][0] for item in items]


def test_what_is_answered_as_stored_lies_in_archive_and_ledger(serving, ledger, tmp_path, an_image) -> None:
    post = serving()
    images = [an_image(size=600), an_image()]
    answer = post(*map(file, images))
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/dicom+json"
    assert stored(answer) == [one.SOPInstanceUID for one in images]
    for image in images:
        (row,) = ledger.instance(str(image.SOPInstanceUID))
        assert dcmread(tmp_path / row.path) == image
        assert (row.source, row.peer) == ("STOW-RS", "127.0.0.1")
    assert ledger.open_studies()[0].study_instance_uid == "1.2.3"


def test_pictures_that_hold_the_boundary_nearly_are_kept_whole(serving, ledger, tmp_path, an_image) -> None:
    nearly = (b"\r\n--cu" + b"\r\n--" + b"\r") * 500
    image = an_image(PixelData=nearly.ljust(64 * 64, b"\n"))
    assert serving()(file(image)).status_code == 200
    (row,) = ledger.instance(str(image.SOPInstanceUID))
    assert dcmread(tmp_path / row.path).PixelData == image.PixelData


def test_some_stored_and_some_not(serving, an_image, tmp_path) -> None:
    good, odd = an_image(), an_image(SeriesInstanceUID=None)
    answer = serving()(file(good), b"no DICOM at all", file(odd))
    assert answer.status_code == 202
    assert stored(answer) == [good.SOPInstanceUID]
    assert failures(answer) == {odd.SOPInstanceUID: 0xA900}
    (other,) = answer.json()["0008119A"]["Value"]
    assert other["00081197"]["Value"] == [0xC000]
    assert list((tmp_path / "spool").iterdir()) == []


def test_none_stored_is_a_conflict(serving, an_image) -> None:
    image = an_image()
    raw = file(image)
    answer = serving()(raw[: raw.index(b"US") - 8])
    assert answer.status_code == 409
    assert set(failures(answer)) == {image.SOPInstanceUID}


def test_an_object_of_another_study_than_the_request_names_is_refused(serving, ledger, an_image) -> None:
    mine, other = an_image(study="1.2.3"), an_image(study="1.2.4")
    answer = serving()(file(mine), file(other), study="1.2.3")
    assert failures(answer) == {other.SOPInstanceUID: 0xA900}
    assert stored(answer) == [mine.SOPInstanceUID]
    assert ledger.instance(str(other.SOPInstanceUID)) == ()


def test_header_and_data_set_must_name_the_same_object(serving, an_image) -> None:
    image = an_image()
    raw = bytearray(file(image))
    at = raw.rindex(image.SOPInstanceUID.encode())
    raw[at] = ord("9")
    assert serving()(bytes(raw)).status_code == 409


def test_again_is_answered_alike_and_is_no_second_object(serving, ledger, an_image) -> None:
    post, image = serving(), an_image()
    first, again = post(file(image)), post(file(image))
    assert (first.status_code, first.json()) == (again.status_code, again.json())
    assert len(ledger.instance(str(image.SOPInstanceUID))) == 1


def test_xml_for_who_asks_for_nothing_else(serving, an_image) -> None:
    post, image = serving(), an_image()
    answer = post(file(image), b"junk", accept="application/dicom+xml")
    assert answer.headers["content-type"] == "application/dicom+xml"
    tree = fromstring(answer.content)  # noqa: S314 - our own service
    space = "{http://dicom.nema.org/PS3.19/models/NativeDICOM}"
    values = [one.text for one in tree.iter(f"{space}Value")]
    assert image.SOPInstanceUID in values
    assert str(0xC000) in values


def test_a_file_too_long_is_refused_and_leaves_nothing(serving, an_image, tmp_path) -> None:
    long, short = an_image(size=600), an_image()
    answer = serving(maximum=100_000)(file(long), file(short))
    assert answer.status_code == 202
    assert failures(answer) == {long.SOPInstanceUID: 0xC000}
    assert list((tmp_path / "spool").iterdir()) == []


def test_a_full_disk_asks_to_come_again(serving, an_image) -> None:
    answer = serving(refuse_free_mb=10**9)(file(an_image()))
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "60"


@pytest.mark.parametrize(
    ("content_type", "content", "code"),
    [
        ("application/dicom", b"", 415),
        ('multipart/related; type="application/dicom+json"; boundary=cut', b"", 415),
        ("multipart/related; type=application/dicom", b"", 415),
        (TYPE, b"--cut--\r\n", 400),
        (TYPE, b"", 400),
        (TYPE, b"--cut\r\nContent-Type: application/dicom\r\n\r\nhalf", 400),
        (TYPE, b"--cut junk\r\n\r\nx\r\n--cut--", 400),
        (TYPE, b"--cut\r\n" + b"X: y\r\n" * 5000, 400),
    ],
)
def test_what_is_no_such_request(serving, tmp_path, content_type, content, code) -> None:
    post = serving()
    answer = httpx.post(f"{post.url}/studies", content=content, headers={"Content-Type": content_type}, timeout=10)
    assert answer.status_code == code
    assert list((tmp_path / "spool").iterdir()) == []


def test_a_part_of_another_type_is_refused_for_itself(serving) -> None:
    post = serving()
    content = body(b"{}", content_type="application/dicom+json")
    answer = httpx.post(f"{post.url}/studies", content=content, headers={"Content-Type": TYPE}, timeout=10)
    assert answer.status_code == 409


def test_a_sender_that_breaks_off_leaves_nothing(serving, an_image, tmp_path, until) -> None:
    post, raw = serving(), file(an_image(size=900))
    port = int(post.url.split(":")[2].partition("/")[0])
    with socket.create_connection(("127.0.0.1", port)) as line:
        head = (
            f"POST /dicom-web/studies HTTP/1.1\r\nHost: x\r\nContent-Type: {TYPE}\r\nContent-Length: 999999999\r\n\r\n"
        )
        line.sendall(head.encode() + body(raw)[: len(raw) // 2] * 3)
    until(lambda: post.intake.counters.get("stow_refused_408"))
    assert list((tmp_path / "spool").iterdir()) == []


def test_a_sender_that_falls_silent_is_given_up(serving, until) -> None:
    post = serving(idle_seconds=1)
    port = int(post.url.split(":")[2].partition("/")[0])
    with socket.create_connection(("127.0.0.1", port)) as line:
        head = f"POST /dicom-web/studies HTTP/1.1\r\nHost: x\r\nContent-Type: {TYPE}\r\nContent-Length: 999\r\n\r\n"
        line.sendall(head.encode() + b"--cut\r\n")
        line.settimeout(10)
        assert line.recv(100).startswith(b"HTTP/1.1 408")


def test_basic_and_bearer_let_in_and_nothing_else(serving, an_image, tmp_path) -> None:
    (tmp_path / "password").write_text("grün\n", encoding="utf-8")
    (tmp_path / "token").write_text("abc\n", encoding="utf-8")
    post = serving(username="scanner", password_file=tmp_path / "password", token_file=tmp_path / "token")
    raw = file(an_image())
    refused = post(raw)
    assert refused.status_code == 401
    assert refused.headers["www-authenticate"].startswith("Basic")
    assert post(raw, auth=httpx.BasicAuth("scanner", "wrong")).status_code == 401
    assert post(raw, headers={"Authorization": "Bearer ab"}).status_code == 401
    assert post(raw, auth=httpx.BasicAuth("scanner", "grün")).status_code == 200
    assert post(raw, headers={"Authorization": "Bearer abc"}).status_code == 200
    (tmp_path / "token").write_text("new\n", encoding="utf-8")
    assert post(raw, headers={"Authorization": "Bearer abc"}).status_code == 401
    (tmp_path / "token").unlink()
    assert post(raw, headers={"Authorization": "Bearer abc"}).status_code == 503


def test_who_authenticated_is_the_source(serving, an_image, ledger, tmp_path) -> None:
    (tmp_path / "password").write_text("p\n", encoding="utf-8")
    image = an_image()
    serving(username="scanner", password_file=tmp_path / "password")(file(image), auth=httpx.BasicAuth("scanner", "p"))
    assert ledger.instance(str(image.SOPInstanceUID))[0].source == "scanner"


def test_addresses_outside_the_networks_are_refused(serving, an_image) -> None:
    assert serving(networks=("10.0.0.0/8",))(file(an_image())).status_code == 403


def test_nothing_else_is_offered(serving) -> None:
    post = serving()
    assert httpx.get(f"{post.url}/studies", timeout=10).status_code == 405
    assert httpx.get(f"{post.url}/series", timeout=10).status_code == 404


@pytest.mark.parametrize(
    "wrong",
    [
        {"stow": {"enabled": True}, "web": {"host": "0.0.0.0"}},  # noqa: S104
        {"stow": {"username": "a"}},
        {"stow": {"path": "dicom"}},
        {"stow": {"password_file": "p"}},
    ],
)
def test_settings_that_would_be_open_or_half_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(Misconfigured):
        validated(wrong)


def _pieces(content: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({min(cut, len(content)) for cut in cuts} | {0, len(content)})
    return [content[before:after] for before, after in itertools.pairwise(places)]


@settings(deadline=None)
@given(
    parts=st.lists(st.binary(max_size=40) | st.just(b"\r\n--cu\r\n--"), min_size=1, max_size=4),
    cuts=st.lists(st.integers(min_value=0, max_value=400), max_size=12),
)
def test_a_body_is_cut_alike_however_it_comes(parts: list[bytes], cuts: list[int]) -> None:
    content = b"preamble\r\n" + body(*parts) + b"epilogue"
    if any(b"\r\n--cut" in b"\r\n" + part + b"\r\n" for part in parts):
        return
    reader, got, current = MultipartReader("cut"), [], bytearray()
    for piece in _pieces(content, cuts):
        for event in reader.feed(piece):
            match event:
                case Begin(kind):
                    assert kind == "application/dicom"
                    current = bytearray()
                case Data(more):
                    current += more
                case End():
                    got.append(bytes(current))
    assert got == parts
    assert reader.closed


@given(content=st.binary(max_size=200), cuts=st.lists(st.integers(min_value=0, max_value=200), max_size=5))
def test_no_body_breaks_the_reader(content: bytes, cuts: list[int]) -> None:
    reader = MultipartReader("cut")
    try:
        for piece in _pieces(b"--cut" + content, cuts):
            list(reader.feed(piece))
    except Malformed:
        pass


@given(header=st.text(max_size=80))
def test_no_content_type_breaks_the_boundary(header: str) -> None:
    found = boundary("multipart/related; " + header)
    assert found is None or 0 < len(found) <= 80


def test_the_answer_is_json_that_a_program_reads(serving, an_image) -> None:
    answer = json.loads(serving()(file(an_image())).content)
    assert set(answer) == {"00081190", "00081199"}
    assert answer["00081199"]["vr"] == "SQ"
