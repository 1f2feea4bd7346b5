"""C-STORE straight from the file: the same bytes for every peer, an end for every peer that does not take them."""

from __future__ import annotations

import hashlib
import socket
import struct
import time
from types import SimpleNamespace

import pytest
from pydicom.uid import JPEGBaseline8Bit, generate_uid
from pynetdicom import AE, evt
from pynetdicom.pdu import P_DATA_TF
from pynetdicom.presentation import build_context

from service.config import Destination
from service.deliver import streaming
from service.deliver.answers import BrokenOff, Fate
from service.deliver.store import StorePeer
from service.ledger import Outgoing, OutgoingState
from service.report.encoding import fragments, texts, write

CAPTURE = "1.2.840.10008.5.1.4.1.1.7"


def an_object(folder, size):
    """A file with so many bytes in its pixels, as the outbox names it."""
    uid = str(generate_uid())
    elements = texts({0x00080016: ("UI", CAPTURE), 0x00080018: ("UI", uid), 0x0020000D: ("UI", "1.2.3")})
    write(
        folder / f"{uid}.dcm", elements, JPEGBaseline8Bit, fragments([b"\xff\xd8" + bytes(range(256)) * (size // 256)])
    )
    return Outgoing(
        id=1, sop_instance_uid=uid, destination="pacs", state=OutgoingState.SENDING, attempt=1, due=0, created_at=0,
        sop_class_uid=CAPTURE, transfer_syntax_uid=str(JPEGBaseline8Bit), study_instance_uid="1.2.3",
        path=f"{uid}.dcm", size=size,
    )  # fmt: skip


@pytest.fixture
def pacs():
    """Starts a PACS with a maximum length of a PDU, what it got, and handlers of its own; returns its port."""
    servers = []

    def start(got, maximum_pdu_size=16382, handlers=()):
        ae = AE(ae_title="PACS")
        ae.maximum_pdu_size = maximum_pdu_size

        def store(event):
            got.append(hashlib.sha256(event.encoded_dataset(include_meta=False)).digest())
            return 0

        servers.append(
            ae.start_server(
                ("127.0.0.1", 0),
                block=False,
                contexts=[build_context(CAPTURE, JPEGBaseline8Bit)],
                evt_handlers=[(evt.EVT_C_STORE, store), *handlers],
            )
        )
        return servers[-1].socket.getsockname()[1]

    yield start
    for one in servers:
        one.shutdown()


def peer(port, folder, seconds=20):
    there = Destination(
        name="pacs", host="127.0.0.1", port=port, ae_title="PACS", timeout_seconds=seconds, keep_open_seconds=0
    )
    return StorePeer(there, "NMUS", folder)


def in_file(folder, one):
    """Digest of a file's data set."""
    raw = (folder / one.path).read_bytes()
    return hashlib.sha256(raw[144 + struct.unpack("<L", raw[140:144])[0] :]).digest()


@pytest.mark.parametrize("maximum", [0, 4096, 16382, 131072])
def test_every_byte_arrives_whatever_the_peer_takes_at_a_time(pacs, tmp_path, maximum):
    got = []
    port = pacs(got, maximum)
    objects = [an_object(tmp_path, size) for size in (0, 256, 4096 * 3, 300_000, 1_500_000)]
    answers = [answer.fate for _, answer in peer(port, tmp_path).send(objects)]
    assert answers == [Fate.SENT] * len(objects)
    assert got == [in_file(tmp_path, one) for one in objects]


def test_with_another_pynetdicom_all_goes_its_own_way(pacs, tmp_path, monkeypatch):
    monkeypatch.setattr(streaming, "KNOWN_VERSION", "0")
    monkeypatch.setattr(streaming, "_stream", None)
    got = []
    port = pacs(got)
    one = an_object(tmp_path, 300_000)
    assert [answer.fate for _, answer in peer(port, tmp_path).send([one])] == [Fate.SENT]
    assert got == [in_file(tmp_path, one)]


def test_the_version_that_it_was_tried_with_is_the_one_that_is_installed():
    assert streaming.pynetdicom.__version__ == streaming.KNOWN_VERSION


def test_a_peer_that_ends_in_the_midst_is_told_from_one_that_answers(pacs, tmp_path):
    def end(event):
        if isinstance(event.pdu, P_DATA_TF):
            event.assoc.dul.socket.socket.close()

    port = pacs([], handlers=[(evt.EVT_PDU_RECV, end)])
    begun = time.monotonic()
    with pytest.raises(BrokenOff):
        list(peer(port, tmp_path).send([an_object(tmp_path, 8_000_000)]))
    assert time.monotonic() - begun < 15


def test_a_file_that_shrinks_ends_the_association_and_not_the_service(pacs, tmp_path, monkeypatch):
    got = []
    port = pacs(got)
    one = an_object(tmp_path, 1_000_000)
    put = streaming._put

    def cut(connection, data, association):
        if len(data) > 2000:  # no command
            with (tmp_path / one.path).open("r+b") as file:
                file.truncate(2000)
        put(connection, data, association)

    monkeypatch.setattr(streaming, "_put", cut)
    with pytest.raises(BrokenOff):
        list(peer(port, tmp_path).send([one]))
    assert got == []


def test_a_peer_that_takes_nothing_any_more_is_given_up():
    here, there = socket.socketpair()
    with here, there, pytest.raises(TimeoutError):
        streaming._put(here, bytes(50_000_000), SimpleNamespace(network_timeout=0.2))
