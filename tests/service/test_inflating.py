"""What is deflated is inflated to a bound by the service's own processes, whatever they want of the object."""

from __future__ import annotations

import tracemalloc
import zlib
from pathlib import Path

import pytest

from service.analyse.rejections import rejection
from service.audit.following import patient_of
from service.inflating import InflatesTooFar, document, head, opened
from service.patient.reading import clear_values
from service.patient.versions import only_identity_differs
from service.receive.file_header import file_header

DEFLATED = "1.2.840.10008.1.2.1.99"
KO = "1.2.840.10008.5.1.4.1.1.88.59"


@pytest.fixture
def bomb(tmp_path: Path, an_image, encode) -> Path:
    """An object of 400 kB that holds 400 MB behind whom it names."""
    raw = encode(an_image(PixelData=None, PatientID="CANARY-17"))
    swollen = raw + b"\xe0\x7f\x10\x00OB\0\0" + (400_000_000).to_bytes(4, "little")
    packer = zlib.compressobj(9, wbits=-15)
    packed = packer.compress(swollen) + b"".join(packer.compress(bytes(1 << 20)) for _ in range(400)) + packer.flush()
    path = tmp_path / "bomb.dcm"
    path.write_bytes(file_header(KO, "1.2.3.4", DEFLATED, "") + packed)
    return path


@pytest.mark.parametrize(
    "look",
    [clear_values, patient_of, rejection, lambda path: head(path, ["PatientID"])],
)
def test_no_process_swells_by_looking_at_it(bomb: Path, look) -> None:
    assert bomb.stat().st_size < 2_000_000
    tracemalloc.start()
    try:
        look(bomb)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 64_000_000


def test_whom_it_names_is_read_all_the_same(bomb: Path) -> None:
    assert clear_values(bomb)["patient_id"] == "CANARY-17"
    assert patient_of(bomb)[0].patient_id == "CANARY-17"


def test_a_copy_that_swells_counts_as_another_image(bomb: Path, monkeypatch) -> None:
    monkeypatch.setattr("service.patient.versions._INFLATED_BYTES", 1 << 20)
    assert not only_identity_differs(bomb, bomb)


def test_beyond_the_bound_it_is_refused_or_cut(bomb: Path) -> None:
    with pytest.raises(InflatesTooFar):
        opened(bomb, 1 << 20)
    with pytest.raises(InflatesTooFar):
        document(bomb, 1 << 20)
    with opened(bomb, 1 << 20, cut=True) as file:
        assert (1 << 20) < len(file.read()) < (3 << 20)


def test_a_name_of_gigabytes_is_no_name(tmp_path: Path) -> None:
    """In Implicit VR a length has four bytes: what claims so much is skipped and not read."""
    element = b"\x10\x00\x20\x00" + (200_000_000).to_bytes(4, "little")
    path = tmp_path / "long.dcm"
    with path.open("wb") as file:
        file.write(file_header("1.2.840.10008.5.1.4.1.1.6.1", "1.2.3.4", "1.2.840.10008.1.2", "") + element)
        file.truncate(file.tell() + 200_000_000)
    tracemalloc.start()
    try:
        assert clear_values(path)["patient_id"] == ""
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 64_000_000
