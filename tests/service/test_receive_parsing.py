"""What reads a peer's bytes either understands them or refuses, whatever they are."""

from __future__ import annotations

import contextlib
import hashlib
import zlib
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import dcmread
from pynetdicom.dimse_messages import C_STORE_RQ
from pynetdicom.dimse_primitives import C_STORE

from service.errors import Refused
from service.receive.archive import Archive
from service.receive.command_set import StoreRequest, store_request, store_response
from service.receive.file_header import file_header
from service.receive.identity import identity

EXPLICIT, IMPLICIT, DEFLATED = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2", "1.2.840.10008.1.2.1.99"
SYNTAXES = st.sampled_from([EXPLICIT, IMPLICIT, DEFLATED, "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.4.50"])


@given(raw=st.binary(max_size=400), syntax=SYNTAXES)
def test_any_bytes_are_identified_or_refused(raw: bytes, syntax: str) -> None:
    with contextlib.suppress(Refused):
        identity(raw, syntax)


@given(data=st.data())
def test_a_data_set_with_any_byte_changed_is_identified_or_refused(an_encoded_image, data: st.DataObject) -> None:
    raw = bytearray(an_encoded_image)
    for _ in range(3):
        raw[data.draw(st.integers(0, 300))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(Refused):
        identity(bytes(raw), EXPLICIT)


@pytest.fixture(scope="module")
def an_encoded_image() -> bytes:
    from pydicom import Dataset

    dataset = Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.6.1", "1.2.3.4"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.Modality = "1.2.3", "1.2.3.1", "US"
    item = Dataset()
    item.ReferencedSOPInstanceUID = "1.2.3.9"
    dataset.ReferencedStudySequence = [item]
    dataset["ReferencedStudySequence"].is_undefined_length = True
    dataset.TextValue = "x" * 1000
    buffer = BytesIO()
    dataset.save_as(buffer, implicit_vr=False, little_endian=True)
    return buffer.getvalue()


def test_the_identity_is_read_behind_sequences_and_when_deflated(an_encoded_image) -> None:
    for raw, syntax in (
        (an_encoded_image, EXPLICIT),
        (zlib.compress(an_encoded_image, wbits=-15), DEFLATED),
        (an_encoded_image[:300], EXPLICIT),
    ):
        found = identity(raw, syntax)
        assert (found.sop_instance_uid, found.study_instance_uid, found.modality) == ("1.2.3.4", "1.2.3", "US")


def test_a_deflated_bomb_is_not_blown_up() -> None:
    bomb = zlib.compress(b"\x08\0\x05\0CS\x02\0XX" + bytes(300_000_000), wbits=-15)
    with pytest.raises(Refused):
        identity(bomb, DEFLATED)


@given(raw=st.binary(max_size=300))
def test_any_command_set_is_read_or_told_to_be_none(raw: bytes) -> None:
    with contextlib.suppress(ValueError):
        store_request(raw)


def test_command_sets_are_those_of_pynetdicom() -> None:
    primitive = C_STORE()
    primitive.MessageID, primitive.Priority = 17, 2
    primitive.AffectedSOPClassUID, primitive.AffectedSOPInstanceUID = "1.2.840.10008.5.1.4.1.1.6.1", "1.2.3.45"
    primitive.DataSet = BytesIO(b"\0\0")
    message = C_STORE_RQ()
    message.primitive_to_message(primitive)
    fragments = [data for part in message.encode_msg(1, 16384) for _, data in part.presentation_data_value_list]
    command = b"".join(fragment[1:] for fragment in fragments if fragment[0] & 1)
    request = store_request(command)
    assert request is not None
    assert (request.message_id, request.sop_instance_uid) == (17, "1.2.3.45")

    from pynetdicom.dimse_messages import DIMSEMessage
    from pynetdicom.pdu import P_DATA_TF

    pdu = P_DATA_TF()
    pdu.decode(store_response(request, 5, 0xA700, "disk space is below its limit"))
    answer = DIMSEMessage()
    assert answer.decode_msg(pdu.to_primitive())
    told = answer.message_to_primitive()
    assert (told.Status, told.MessageIDBeingRespondedTo, told.AffectedSOPInstanceUID) == (0xA700, 17, "1.2.3.45")
    assert told.ErrorComment == "disk space is below its limit"


def test_the_longest_comment_fits() -> None:
    response = store_response(StoreRequest(1, b"1.2", b"1.3"), 1, 0xC000, "x" * 200)
    assert response.count(b"x") == 64


@pytest.mark.parametrize("size", [0, 1, 1 << 18, (4 << 20) - 1, 4 << 20, 9 << 20])
def test_a_file_of_any_length_has_the_digest_of_its_data_set(tmp_path: Path, size: int) -> None:
    archive = Archive(tmp_path)
    raw = bytes(range(251)) * (size // 251 + 1)
    incoming = archive.incoming("1.2.840.10008.5.1.4.1.1.6.1", "1.2.3", EXPLICIT, "US1")
    for at in range(0, size, 100_003):
        incoming.write(memoryview(raw)[at : min(at + 100_003, size)])
    digest = incoming.sha256
    path = tmp_path / archive.store(incoming)
    header = file_header("1.2.840.10008.5.1.4.1.1.6.1", "1.2.3", EXPLICIT, "US1")
    assert digest == hashlib.sha256(raw[:size]).hexdigest() == path.stem
    assert path.read_bytes() == header + raw[:size]
    meta = dcmread(BytesIO(header)).file_meta
    assert (meta.MediaStorageSOPInstanceUID, meta.TransferSyntaxUID) == ("1.2.3", EXPLICIT)
    assert meta.SourceApplicationEntityTitle == "US1"


def test_a_long_file_that_is_given_up_leaves_no_thread_and_no_file(tmp_path: Path) -> None:
    import threading

    archive = Archive(tmp_path)
    incoming = archive.incoming("1.2", "1.2.3", EXPLICIT, "")
    for _ in range(8):
        incoming.write(bytes(1 << 20))
    assert any(thread.name == "digest" for thread in threading.enumerate())
    incoming.discard()
    assert not any(thread.name == "digest" for thread in threading.enumerate())
    assert list(archive.spool.iterdir()) == []
