"""Long objects: what the conveyor brings to the disk is what came, whatever the file system can and whatever breaks."""

from __future__ import annotations

import errno
import hashlib
import os
import random
import threading
from pathlib import Path

import pytest

from service.receive import conveyor
from service.receive.archive import _LONG_FROM, Archive, Incoming
from service.receive.conveyor import _LARGE, _SMALL, ALIGNMENT, Conveyor

BLOCK = _LARGE[1]
HEADER = b"h" * 345
WAYS = ("past the cache", "no such way", "refused when it is used")


@pytest.fixture(params=WAYS)
def way(request, monkeypatch) -> str:
    """How the file system takes to direct writing."""
    if request.param == "no such way":
        monkeypatch.setattr(conveyor, "_O_DIRECT", 0)
    if request.param == "refused when it is used":
        write = os.pwrite
        set_direct = conveyor._set_direct
        now = {}

        def remembered(descriptor: int, direct: bool) -> bool:
            now[descriptor] = set_direct(descriptor, direct) or direct
            return now[descriptor]

        def refusing(descriptor: int, part: memoryview, offset: int) -> int:
            if now[descriptor]:
                raise OSError(errno.EINVAL, "Invalid argument")
            return write(descriptor, part, offset)

        monkeypatch.setattr(conveyor, "_set_direct", remembered)
        monkeypatch.setattr(conveyor.os, "pwrite", refusing)
    return str(request.param)


def incoming(folder: Path) -> Incoming:
    return Incoming(folder / "object", HEADER, "1.2.840.10008.1.2.1")


def given(one: Incoming, raw: bytes, rng: random.Random) -> None:
    """Bring bytes as the network does: pieces of any length, some of them put straight where they belong."""
    rest = memoryview(raw)
    while rest:
        room = one.room()
        size = rng.randint(1, 700_000)
        if room is None or rng.random() < 0.5:
            one.write(rest[:size])
        else:
            size = min(size, len(room), len(rest))
            room[:size] = rest[:size]
            one.took(size)
        rest = rest[size:]


@pytest.mark.parametrize(
    "length",
    [
        0,
        _LONG_FROM - len(HEADER) - 1,
        _LONG_FROM - len(HEADER),
        _LONG_FROM - len(HEADER) + 1,
        _LONG_FROM - len(HEADER) + BLOCK,
        _LONG_FROM - len(HEADER) + 4 * BLOCK + ALIGNMENT,
        _LONG_FROM + 5 * BLOCK + 12_345,
    ],
)
def test_what_lies_on_the_disk_is_what_came_and_so_is_the_digest(tmp_path, way, length: int) -> None:
    rng = random.Random(length)
    raw = rng.randbytes(length)
    one = incoming(tmp_path)
    given(one, raw, rng)
    assert one.size == len(HEADER) + length
    assert one.sha256 == hashlib.sha256(raw).hexdigest()
    one.flush()
    assert one.path.read_bytes() == HEADER + raw
    assert one.head == raw[: len(one.head)]
    assert len(one.head) >= min(length, 1 << 17)


def test_a_disk_that_fills_up_is_told_and_nothing_is_left_behind(tmp_path, monkeypatch) -> None:
    def full(_descriptor: int, _part: memoryview, _offset: int) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    one = incoming(tmp_path)
    monkeypatch.setattr(conveyor.os, "pwrite", full)
    with pytest.raises(OSError, match="No space"):
        one.write(bytes(_LONG_FROM + 5 * BLOCK))
    with pytest.raises(OSError, match="No space"):
        _ = one.sha256
    one.discard()
    one.discard()
    assert list(tmp_path.iterdir()) == []


def test_an_error_in_the_last_block_is_told_before_the_object_counts(tmp_path, monkeypatch) -> None:
    one = incoming(tmp_path)
    one.write(bytes(_LONG_FROM + 10))

    def broken(_descriptor: int, _part: memoryview, _offset: int) -> int:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(conveyor.os, "pwrite", broken)
    with pytest.raises(OSError, match="Input/output"):
        Archive(tmp_path / "data").store(one)
    one.discard()
    assert not one.path.exists()


def test_memory_is_given_back_and_many_at_once_take_little(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(conveyor, "_large", [])
    monkeypatch.setattr(conveyor, "_lent", 0)
    before = threading.active_count()
    several = []
    for number in range(6):
        (tmp_path / str(number)).mkdir()
        several.append(incoming(tmp_path / str(number)))
        several[-1].write(bytes(_LONG_FROM - len(HEADER)))
    assert [len(one.room()) for one in several] == [_LARGE[1]] * 2 + [_SMALL[1]] * 4
    raw = [random.Random(number).randbytes(3_000_000) for number in range(6)]
    for at in range(0, 3_000_000, 250_000):
        for one, bytes_ in zip(several, raw, strict=True):
            one.write(bytes_[at : at + 250_000])
    for one, bytes_ in zip(several, raw, strict=True):
        assert one.sha256 == hashlib.sha256(bytes(_LONG_FROM - len(HEADER)) + bytes_).hexdigest()
        one.discard()
    assert threading.active_count() == before
    again = incoming(tmp_path)
    again.write(bytes(_LONG_FROM - len(HEADER)))
    assert len(again.room()) == _LARGE[1]
    again.discard()


def test_a_conveyor_that_has_ended_gives_no_memory_that_is_somebody_elses(tmp_path) -> None:
    descriptor = os.open(tmp_path / "x", os.O_WRONLY | os.O_CREAT)
    one = Conveyor(descriptor, 0, hashlib.sha256())
    one.end()
    one.end()
    with pytest.raises(ValueError, match="ended"):
        one.room()
    os.close(descriptor)


@pytest.mark.parametrize("pdu", [0, 4096, 16384, 131072])
def test_a_cine_comes_whole_through_the_listener(listening, an_image, encode, way, pdu: int) -> None:
    here = listening(maximum_pdu_bytes=pdu or 131072)
    raw = random.Random(pdu).randbytes(7_654_322)
    first, second = an_image(PixelData=raw), an_image(PixelData=raw[::-1])
    association = here.associate()
    for dataset in (first, an_image(), second):
        assert association.send_c_store(dataset).Status == 0x0000
        digest = hashlib.sha256(encode(dataset)).hexdigest()
        (row,) = here.ledger.instance(dataset.SOPInstanceUID)
        assert digest == row.sha256 == here.digest_of(dataset.SOPInstanceUID)
        assert row.size == (here.archive.data_folder / row.path).stat().st_size
    association.release()
    assert association.is_released


def test_a_cine_that_cannot_be_written_is_refused_for_now_and_the_next_is_taken(
    listening, an_image, monkeypatch
) -> None:
    here = listening()
    association = here.associate()
    for length in (3_000_000, 30_000_000):  # told at the end, and while it is still coming
        with monkeypatch.context() as broken:

            def full(_descriptor: int, _part: memoryview, _offset: int) -> int:
                raise OSError(errno.ENOSPC, "No space left on device")

            broken.setattr(conveyor.os, "pwrite", full)
            assert association.send_c_store(an_image(PixelData=bytes(length))).Status == 0xA700
        assert here.ledger.status().instances == 0
        assert list(here.archive.spool.iterdir()) == []
    assert association.send_c_store(an_image(PixelData=bytes(3_000_000))).Status == 0x0000
    association.release()


def test_a_cine_whose_sender_breaks_off_leaves_nothing(listening, an_image, until) -> None:
    here = listening()
    association = here.associate()
    stop = threading.Timer(0.05, association.dul.socket.socket.close)
    stop.start()
    association.send_c_store(an_image(PixelData=bytes(200_000_000)))
    stop.join()
    until(lambda: here.provider.associations == 0)
    until(lambda: list(here.archive.spool.iterdir()) == [])
    assert here.ledger.status().instances == 0
