"""A loop of two gigabytes, really sent: ``NMUS_TEST_LONG_LOOP=1 pytest tests/acceptance/test_long_loop.py``.

Nothing of it is ever held whole: the sender repeats one megabyte, the listener streams to the disk. It needs three
gigabytes of free disk for a few seconds, so it is not part of every run.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import struct
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))
import raw_sender

pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.skipif(not os.environ.get("NMUS_TEST_LONG_LOOP"), reason="set NMUS_TEST_LONG_LOOP=1 to send 2 GB"),
]
MEGABYTE = 1 << 20
FRAMES = 7168
"""Of 640 x 480: 2.2 GB, more than a signed 32-bit length holds."""


def _text(group: int, element: int, vr: bytes, value: bytes) -> bytes:
    value += (b"\0" if vr == b"UI" else b" ") * (len(value) % 2)
    return struct.pack("<HH2sH", group, element, vr, len(value)) + value


def loop(uid: str, frames: int) -> list[memoryview]:
    """An uncompressed cine as parts that share one megabyte of pixels."""
    head = _text(8, 0x16, b"UI", raw_sender.US_CINE.encode()) + _text(8, 0x18, b"UI", uid.encode())
    head += _text(8, 0x60, b"CS", b"US") + _text(0x20, 0x0D, b"UI", b"1.2.3") + _text(0x20, 0x0E, b"UI", b"1.2.3.1")
    head += _text(0x28, 8, b"IS", str(frames).encode())
    length = 640 * 480 * frames
    head += struct.pack("<HH2sHI", 0x7FE0, 0x10, b"OB", 0, length)
    pixels = memoryview(bytes(range(256)) * (MEGABYTE // 256))
    whole, rest = divmod(length, MEGABYTE)
    return [memoryview(head), *[pixels] * whole, pixels[:rest]]


def peak_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024 / 1e6


def test_a_loop_of_two_gigabytes_takes_no_more_memory_than_one_of_twenty_megabytes(nmus, tmp_path) -> None:
    if shutil.disk_usage(tmp_path).free < 3e9:
        pytest.skip("less than 3 GB of disk are free")
    here = nmus()
    here.start_listening(role="listener")
    process = here._process
    kind = (raw_sender.US_CINE, raw_sender.EXPLICIT)
    connection, most = raw_sender.associate(here.port, [kind])
    try:
        assert raw_sender.send(connection, most, kind[0], b"1.2.3.20", loop("1.2.3.20", 65), 1) == 0
        before = peak_mb(process.pid)
        parts = loop("1.2.3.2000", FRAMES)
        assert raw_sender.send(connection, most, kind[0], b"1.2.3.2000", parts, 2) == 0
        assert peak_mb(process.pid) - before <= 5
        raw_sender.release(connection)
        digest = hashlib.sha256()
        for part in parts:
            digest.update(part)
        ledger = here.ledger()
        (row,) = ledger.instance("1.2.3.2000")
        ledger.close()
        assert row.sha256 == digest.hexdigest()
        assert row.size == (here.data / row.path).stat().st_size > 2**31
    finally:
        here.kill()
        shutil.rmtree(here.data)
