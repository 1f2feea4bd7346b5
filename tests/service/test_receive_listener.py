from __future__ import annotations

import hashlib
import socket
import struct
import threading
import time
from pathlib import Path

import pytest
from pydicom.uid import UID
from pynetdicom import AE, evt
from pynetdicom.presentation import build_context
from pynetdicom.sop_class import Verification

from service.config import Listener
from service.errors import Misconfigured
from service.ledger import LedgerUnavailable
from service.receive import listener as listener_module
from service.receive import pynetdicom_guards
from service.receive.listener import StorageProvider

EXPLICIT = "1.2.840.10008.1.2.1"
JPEG = "1.2.840.10008.1.2.4.50"
US_IMAGE = "1.2.840.10008.5.1.4.1.1.6.1"
RETIRED_MULTIFRAME = "1.2.840.10008.5.1.4.1.1.3"
PRIVATE = "1.2.840.113543.6.6.1.3.10002"


@pytest.fixture(params=["own data phase", "pynetdicom's own"])
def both(request, listening, monkeypatch):
    """The data path that is used, and the one for versions of pynetdicom not known."""
    if request.param != "own data phase":
        monkeypatch.setattr(pynetdicom_guards, "KNOWN_VERSIONS", ())
    yield listening
    listener_module._config.UNRESTRICTED_STORAGE_SERVICE = False
    listener_module._config.STORE_RECV_CHUNKED_DATASET = False


def test_an_object_is_kept_as_it_was_sent_and_then_answered(both, an_image, encode) -> None:
    here = both()
    dataset = an_image(size=300)
    association = here.associate()
    assert association.send_c_store(dataset).Status == 0x0000
    association.release()
    (row,) = here.ledger.instance(dataset.SOPInstanceUID)
    assert (row.study_instance_uid, row.source, row.peer, row.modality) == ("1.2.3", "US1", "127.0.0.1", "US")
    assert row.transfer_syntax_uid == EXPLICIT
    assert row.sha256 == hashlib.sha256(encode(dataset)).hexdigest() == here.digest_of(dataset.SOPInstanceUID)
    assert [study.study_instance_uid for study in here.ledger.open_studies()] == ["1.2.3"]
    assert list(here.archive.spool.iterdir()) == []


def test_many_objects_and_echoes_share_one_association(both, an_image) -> None:
    here = both()
    association = here.associate(US_IMAGE, Verification)
    for _ in range(5):
        assert association.send_c_echo().Status == 0x0000
        assert association.send_c_store(an_image()).Status == 0x0000
    association.release()
    assert association.is_released
    assert here.ledger.status().instances == 5


def test_any_transfer_syntax_is_taken_and_noted(both, an_image) -> None:
    here = both()
    dataset = an_image(PixelData=None)  # without pixels the bytes are the same in both; only the label matters here
    dataset.file_meta.TransferSyntaxUID = UID(JPEG)
    association = here.associate(syntaxes=(JPEG,))
    assert association.send_c_store(dataset).Status == 0x0000
    association.release()
    assert here.ledger.instance(dataset.SOPInstanceUID)[0].transfer_syntax_uid == JPEG


def test_retired_and_configured_private_classes_are_taken(listening, an_image) -> None:
    here = listening(private_sop_classes=(PRIVATE,))
    association = here.associate(RETIRED_MULTIFRAME, PRIVATE, "1.2.3.4.5.6")
    accepted = {str(context.abstract_syntax) for context in association.accepted_contexts}
    assert accepted == {RETIRED_MULTIFRAME, PRIVATE}
    assert association.send_c_store(an_image(SOPClassUID=PRIVATE)).Status == 0x0000
    association.release()


def test_the_same_object_twice_in_one_association_or_in_two_is_one_object(both, an_image) -> None:
    here = both()
    dataset = an_image()
    for _ in range(2):
        association = here.associate()
        assert [association.send_c_store(dataset).Status for _ in range(2)] == [0, 0]
        association.release()
    assert here.ledger.status().instances == 1
    assert here.intake.counters["objects_duplicate"] == 3
    assert len(list(here.archive.folder.rglob("*.dcm"))) == 1


def test_other_bytes_under_the_same_uid_are_kept_beside(listening, an_image) -> None:
    here = listening()
    dataset = an_image()
    association = here.associate()
    association.send_c_store(dataset)
    dataset.SeriesInstanceUID = "1.2.3.99"
    assert association.send_c_store(dataset).Status == 0x0000
    association.release()
    assert here.ledger.status().conflicts == 1
    assert len(list(here.archive.folder.rglob("*.dcm"))) == 2
    assert len(here.ledger.instances("1.2.3")) == 1


@pytest.mark.parametrize(
    ("uid", "status"),
    [
        ("../../x", 0xA900),
        ("/etc/passwd", 0xA900),
        ("1." + "1" * 63, 0xA900),
        ("1.2.\x003", 0xA900),
        ("1.2..3", 0xA900),
        ("1.2.3.04", 0x0000),
    ],
)
def test_a_uid_that_is_none_touches_nothing(listening, an_image, encode, uid: str, status: int) -> None:
    here = listening()
    data = here.archive.data_folder

    def around() -> set[Path]:
        """The data folder without the archive, and what lies beside it; not what other tests left deeper there."""
        return {path for path in data.rglob("*") if "archive" not in path.parts} | set(data.parent.glob("*"))

    dataset = an_image(SOPInstanceUID="1.2.3")
    padded = uid.encode() + b"\0" * (len(uid) % 2)
    raw = encode(dataset).replace(b"UI\x06\x001.2.3\x00", b"UI" + struct.pack("<H", len(padded)) + padded, 1)
    before = around()
    assert _store_raw(here.port, uid, raw) == status
    assert around() == before
    assert here.ledger.status().instances == (1 if status == 0 else 0)


@pytest.mark.parametrize("missing", ["StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID"])
def test_a_data_set_without_its_uids_is_refused(listening, an_image, encode, missing: str) -> None:
    here = listening()
    raw = encode(an_image(**{"SOPInstanceUID": "1.2.3.4", missing: None}))
    assert _store_raw(here.port, "1.2.3.4", raw) == 0xA900
    assert here.ledger.status().instances == 0
    assert list(here.archive.spool.iterdir()) == []


def test_a_data_set_that_names_another_object_than_its_message_is_refused(listening, an_image, encode) -> None:
    here = listening()
    assert _store_raw(here.port, "1.2.3.5", encode(an_image(SOPInstanceUID="1.2.3.4"))) == 0xA900


@pytest.mark.parametrize(
    "raw", [b"", b"\0", b"hello world, this is no data set", bytes(range(256)) * 8, b"\xff" * 4096]
)
def test_what_is_no_data_set_is_refused_and_set_aside(listening, raw: bytes) -> None:
    here = listening()
    assert _store_raw(here.port, "1.2.3.4", raw) in {0xC000, 0xA900}
    assert here.ledger.status().instances == 0
    assert list(here.archive.spool.iterdir()) == []


def test_unknown_bytes_are_kept_with_their_reason(listening) -> None:
    here = listening()
    assert _store_raw(here.port, "1.2.3.4", b"\x08\0\x05\0ZZ\xff\xff\xff\xff\xff\xff") == 0xC000
    assert sorted(path.suffix for path in here.archive.quarantine.iterdir()) == [".dcm", ".txt"]


def _pdu(kind: int, body: bytes) -> bytes:
    return struct.pack(">BBI", kind, 0, len(body)) + body


def _pdv(control: int, data: bytes, context: int = 1) -> bytes:
    return struct.pack(">IBB", len(data) + 2, context, control) + data


def _element(element: int, raw: bytes) -> bytes:
    raw += b"\0" * (len(raw) % 2)
    return struct.pack("<HHI", 0, element, len(raw)) + raw


def _command(uid: str) -> bytes:
    elements = (
        _element(0x0002, US_IMAGE.encode())
        + _element(0x0100, struct.pack("<H", 1))
        + _element(0x0110, struct.pack("<H", 7))
        + _element(0x0700, struct.pack("<H", 0))
        + _element(0x0800, struct.pack("<H", 1))
        + _element(0x1000, uid.encode("latin-1"))
    )
    return _element(0x0000, struct.pack("<I", len(elements))) + elements


def _associated(port: int, title: bytes = b"US1") -> socket.socket:
    """A connection with one accepted context, made by hand: for what no decent SCU would send."""

    def item(kind: int, data: bytes) -> bytes:
        return struct.pack(">BBH", kind, 0, len(data)) + data

    context = item(0x20, b"\x01\0\0\0" + item(0x30, US_IMAGE.encode()) + item(0x40, EXPLICIT.encode()))
    user = item(0x50, item(0x51, struct.pack(">I", 16384)) + item(0x52, b"1.2.3"))
    body = struct.pack(">HH", 1, 0) + b"NMUS".ljust(16) + title.ljust(16) + bytes(32)
    connection = socket.create_connection(("127.0.0.1", port), timeout=10)
    connection.sendall(_pdu(1, body + item(0x10, b"1.2.840.10008.3.1.1.1") + context + user))
    kind, _, length = struct.unpack(">BBI", _exactly(connection, 6))
    _exactly(connection, length)
    assert kind == 2
    return connection


def _exactly(connection: socket.socket, count: int) -> bytes:
    got = b""
    while len(got) < count:
        part = connection.recv(count - len(got))
        if not part:
            raise ConnectionError
        got += part
    return got


def _status(connection: socket.socket) -> int:
    _kind, _, length = struct.unpack(">BBI", _exactly(connection, 6))
    body = _exactly(connection, length)
    at = body.index(struct.pack("<HHI", 0, 0x0900, 2)) + 8
    return struct.unpack_from("<H", body, at)[0]


def _store_raw(port: int, uid: str, raw: bytes) -> int:
    with _associated(port) as connection:
        connection.sendall(_pdu(4, _pdv(3, _command(uid))) + _pdu(4, _pdv(2, raw)))
        status = _status(connection)
        connection.sendall(_pdu(5, bytes(4)))
        assert _exactly(connection, 10)[0] == 6, "released in order"
    return status


def test_fragments_of_any_size_make_the_same_object(listening, an_image, encode) -> None:
    here = listening()
    for size in (1, 7, 1000):
        dataset = an_image(size=20)
        raw = encode(dataset)
        command = _command(dataset.SOPInstanceUID)
        parts = [_pdv(1, command[:5]), _pdv(1, command[5:20]), _pdv(3, command[20:])]
        parts += [_pdv(0, raw[at : at + size]) for at in range(0, len(raw), size)] + [_pdv(2, b"")]
        stream = b"".join(_pdu(4, b"".join(parts[at : at + 3])) for at in range(0, len(parts), 3))
        with _associated(here.port) as connection:
            for at in range(0, len(stream), 501):
                connection.sendall(stream[at : at + 501])
            assert _status(connection) == 0
            connection.sendall(_pdu(5, bytes(4)))
            _exactly(connection, 10)
        assert here.digest_of(dataset.SOPInstanceUID) == hashlib.sha256(raw).hexdigest()


@pytest.mark.parametrize(
    "stream",
    [
        _pdu(4, _pdv(2, b"data before any command")),
        _pdu(4, struct.pack(">IBB", 1, 1, 3)),
        _pdu(4, struct.pack(">IBB", 5000, 1, 3) + b"x" * 10),
        _pdu(4, _pdv(3, b"no command set")),
        _pdu(4, _pdv(3, _command("1.2.3"), context=77)),
        _pdu(4, _pdv(3, _command("1.2.3"))) * 2,
        struct.pack(">BBI", 4, 0, 1 << 30),
        struct.pack(">BBI", 99, 0, 4) + b"abcd",
        b"GET / HTTP/1.1\r\n\r\n",
        _pdu(7, bytes(4)),
    ],
)
def test_a_peer_that_breaks_the_protocol_ends_its_own_association_only(listening, an_image, until, stream) -> None:
    here = listening()
    with _associated(here.port) as connection:
        connection.sendall(stream)
        with pytest.raises(ConnectionError):
            while True:
                _exactly(connection, 1)
    until(lambda: here.provider.associations == 0)
    assert list(here.archive.spool.iterdir()) == []
    association = here.associate()
    assert association.send_c_store(an_image()).Status == 0
    association.release()


def test_a_connection_that_breaks_in_an_object_leaves_nothing(listening, until) -> None:
    here = listening()
    with _associated(here.port) as connection:
        connection.sendall(_pdu(4, _pdv(3, _command("1.2.3"))) + _pdu(4, _pdv(0, bytes(10_000))))
        until(lambda: list(here.archive.spool.iterdir()))
    until(lambda: here.provider.associations == 0)
    assert list(here.archive.spool.iterdir()) == []
    assert here.ledger.status().instances == 0


def test_a_length_that_no_pdu_has_is_not_read(listening, until) -> None:
    """pynetdicom alone reads hundreds of megabytes of an A-ASSOCIATE-RQ into memory before it looks at it."""
    here = listening(acse_timeout_seconds=1)
    with socket.create_connection(("127.0.0.1", here.port), timeout=5) as connection:
        connection.sendall(struct.pack(">BBI", 1, 0, 300_000_000))
        with pytest.raises(ConnectionError):
            for _ in range(300):
                connection.sendall(bytes(1_000_000))
            _exactly(connection, 1)
    until(lambda: here.provider.associations == 0)


def test_peers_that_say_nothing_or_drip_are_dropped(listening, until) -> None:
    here = listening(acse_timeout_seconds=4)  # long enough for both to be seen on a slow machine
    silent = socket.create_connection(("127.0.0.1", here.port), timeout=5)
    dripping = socket.create_connection(("127.0.0.1", here.port), timeout=5)
    dripping.sendall(struct.pack(">BBI", 1, 0, 200))
    until(lambda: here.provider.associations == 2)

    def drip() -> bool:
        try:
            dripping.sendall(b"x")
        except OSError:
            return True
        time.sleep(0.05)
        return here.provider.associations == 0

    until(drip)
    until(lambda: here.provider.associations == 0)
    silent.close()
    dripping.close()


def test_strangers_of_one_address_are_counted(listening, until) -> None:
    here = listening(maximum_unestablished_per_address=3, acse_timeout_seconds=5)
    connections = [socket.create_connection(("127.0.0.1", here.port), timeout=5) for _ in range(8)]
    until(lambda: here.provider.rejections["unestablished"] == 5)
    assert here.provider.associations <= 3
    for connection in connections:
        connection.close()
    until(lambda: here.provider.associations == 0)
    association = here.associate(Verification)
    assert association.send_c_echo().Status == 0
    association.release()


def test_allow_lists_are_told_at_association(listening) -> None:
    here = listening(calling_ae_titles=("US1", "US2"), require_called_ae_title=True)
    good = here.associate(title="US2")
    assert good.is_established
    good.release()
    refused = here.associate(title="OTHER")
    assert refused.is_rejected
    assert refused.acceptor.primitive.diagnostic == 0x03
    ae = AE(ae_title="US1")
    wrong = ae.associate("127.0.0.1", here.port, contexts=[build_context(US_IMAGE)], ae_title="ELSE")
    assert wrong.is_rejected
    assert wrong.acceptor.primitive.diagnostic == 0x07
    assert here.provider.rejections == {"calling_ae_title": 1, "called_ae_title": 1}


def test_an_address_that_is_not_listed_meets_a_closed_connection(listening) -> None:
    here = listening(networks=("10.0.0.0/8",))
    with socket.create_connection(("127.0.0.1", here.port), timeout=5) as connection, pytest.raises(ConnectionError):
        _exactly(connection, 1)
    assert here.provider.rejections["address"] == 1
    open_to_us = listening(networks=("10.0.0.0/8", "127.0.0.0/8"))
    association = open_to_us.associate(Verification)
    assert association.is_established
    association.release()


def test_more_associations_than_allowed_are_told_to_come_back(listening) -> None:
    here = listening(maximum_associations=2)
    held = [here.associate() for _ in range(2)]
    third = here.associate()
    assert third.is_rejected
    primitive = third.acceptor.primitive
    assert (primitive.result, primitive.result_source, primitive.diagnostic) == (2, 3, 2)
    for association in held:
        association.release()


def test_sixty_associations_at_once_lose_nothing(listening, an_image, until) -> None:
    here = listening(maximum_associations=64)
    stored: list[int] = []

    def send() -> None:
        association = here.associate()
        stored.append(association.send_c_store(an_image()).Status)
        association.release()

    threads = [threading.Thread(target=send) for _ in range(60)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert stored == [0] * 60
    assert here.ledger.status().instances == 60


def test_a_full_disk_is_told_as_such_and_for_now(listening, an_image, monkeypatch) -> None:
    here = listening(refuse_free_mb=1)
    association = here.associate()
    assert association.send_c_store(an_image()).Status == 0x0000
    monkeypatch.setattr(type(here.archive), "free_mb", lambda self: 0.5)
    here.intake._free = (-10.0, 0.0)
    assert association.send_c_store(an_image()).Status == 0xA700
    refused = here.associate()
    assert refused.is_rejected
    primitive = refused.acceptor.primitive
    assert (primitive.result, primitive.result_source, primitive.diagnostic) == (2, 3, 1)
    monkeypatch.undo()
    here.intake._free = (-10.0, 0.0)
    assert association.send_c_store(an_image()).Status == 0x0000
    association.release()


def test_a_ledger_that_is_away_is_told_as_such(listening, an_image, monkeypatch) -> None:
    here = listening()

    def away(*_arguments):
        raise LedgerUnavailable("ledger: locked; wait")

    monkeypatch.setattr(here.ledger, "keep", away)
    association = here.associate()
    dataset = an_image()
    status = association.send_c_store(dataset)
    assert status.Status == 0xA700
    assert "ledger" in status.ErrorComment
    monkeypatch.undo()
    assert association.send_c_store(dataset).Status == 0x0000
    association.release()
    assert here.ledger.status().instances == 1


def test_silence_ends_an_association(listening, until) -> None:
    here = listening(network_timeout_seconds=5)
    server = here.provider
    server._ae.network_timeout = 0.3
    association = here.associate()
    until(lambda: association.is_aborted)
    until(lambda: server.associations == 0)


def test_draining_lets_a_sender_finish_and_takes_nobody_new(listening, an_image, until) -> None:
    here = listening()
    association = here.associate()
    left: list[int] = []
    drain = threading.Thread(target=lambda: left.append(here.provider.drain(10)))
    drain.start()
    until(lambda: not here.provider._plain.socket or here.provider._plain.socket.fileno() == -1)
    for _ in range(3):
        assert association.send_c_store(an_image()).Status == 0
    association.release()
    drain.join()
    assert left == [0]
    assert here.ledger.status().instances == 3


def test_draining_ends_who_does_not_finish(listening, until) -> None:
    here = listening()
    association = here.associate()
    assert here.provider.drain(0.2) == 1
    until(lambda: association.is_aborted)


def test_idle_associations_cost_nothing(listening) -> None:
    here = listening()
    connections = [_associated(here.port) for _ in range(8)]
    used = time.process_time()
    time.sleep(0.5)
    used = time.process_time() - used
    for connection in connections:
        connection.close()
    assert used < 0.1, "pynetdicom alone takes about 0.14 s for these"


def test_an_address_that_cannot_be_had_is_told(listening) -> None:
    here = listening()
    with pytest.raises(Misconfigured, match=r"listener\.port = 127\.0\.0\.1:\d+: cannot listen"):
        StorageProvider(Listener(port=here.port), here.intake, here.archive.spool)


def test_an_orphan_of_a_broken_process_is_swept(listening) -> None:
    here = listening()
    (here.archive.spool / "999-1.part").write_bytes(b"half")
    assert here.archive.sweep(older_than_seconds=3600) == 0
    assert here.archive.sweep(older_than_seconds=0) == 1
    assert list(here.archive.spool.iterdir()) == []


def test_the_version_whose_private_names_are_used_is_the_one_installed() -> None:
    """When this fails: read the new version's dul, association and transport modules, then list it or adapt."""
    assert pynetdicom_guards.is_known_version()


def test_everything_pynetdicom_knows_is_offered() -> None:
    from pynetdicom import ALL_TRANSFER_SYNTAXES

    assert set(ALL_TRANSFER_SYNTAXES) <= set(listener_module.TRANSFER_SYNTAXES)
    assert evt.EVT_C_STORE is not None
