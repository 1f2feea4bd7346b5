"""Captures in another transfer syntax: the same pixels, the same object, and nothing left behind."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import simplejpeg
from pydicom import Dataset, dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import ExplicitVRLittleEndian, JPEGBaseline8Bit

from service.config import validated
from service.deliver import recoding
from service.deliver.answers import Answer, Fate
from service.deliver.recoding import CLIP, STILL, SYNTAXES, Recoding
from service.errors import Misconfigured, Unreachable
from service.ledger import Outgoing, OutgoingState

SR = "1.2.840.10008.5.1.4.1.1.88.34"
ROWS, COLUMNS = 49, 33  # odd, so that lengths need padding


class Taking:
    """A way that reads what it is given before it answers."""

    def __init__(self, folder: Path, away: bool = False) -> None:
        self.folder, self.away, self.taken = folder, away, []

    def send(self, objects: Sequence[Outgoing]) -> Iterator[tuple[Outgoing, Answer]]:
        for one in objects:
            if self.away:
                raise Unreachable("away")
            self.taken.append((one, dcmread(self.folder / one.path)))
            yield one, Answer(Fate.SENT)


def made(folder: Path, number: int, sop_class: str, syntax: str, frames: int = 1) -> Outgoing:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.SOPClassUID, dataset.SOPInstanceUID = sop_class, f"2.25.{number}"
    dataset.file_meta.MediaStorageSOPClassUID, dataset.file_meta.MediaStorageSOPInstanceUID = (
        sop_class,
        f"2.25.{number}",
    )
    if sop_class != SR:
        pixels = np.random.default_rng(number).integers(0, 255, (frames, ROWS, COLUMNS, 3), np.uint8)
        dataset.Rows, dataset.Columns, dataset.SamplesPerPixel, dataset.PlanarConfiguration = ROWS, COLUMNS, 3, 0
        dataset.PhotometricInterpretation = "RGB" if syntax == ExplicitVRLittleEndian else "YBR_FULL_422"
        dataset.BitsAllocated = dataset.BitsStored = 8
        dataset.HighBit, dataset.PixelRepresentation = 7, 0
        if frames > 1:
            dataset.NumberOfFrames = frames
        if syntax == ExplicitVRLittleEndian:
            dataset.PixelData = pixels.tobytes() + b"\0"
        else:
            coded = [simplejpeg.encode_jpeg(one, quality=90, colorsubsampling="422") for one in pixels]
            dataset.PixelData = encapsulate(coded)
            dataset["PixelData"].is_undefined_length = True
            dataset["PixelData"].VR = "OB"
    path = folder / f"{number}.dcm"
    dataset.save_as(path, enforce_file_format=True)
    return Outgoing(number, f"2.25.{number}", sop_class, syntax, "1.2", path.name, path.stat().st_size, "pacs",
                    OutgoingState.SENDING, 1, 0.0, 0.0)  # fmt: skip


@pytest.mark.parametrize("captures", sorted(SYNTAXES))
def test_a_still_comes_back_the_same_from_each_syntax(tmp_path, captures) -> None:
    still, report = made(tmp_path, 1, STILL, ExplicitVRLittleEndian), made(tmp_path, 2, SR, ExplicitVRLittleEndian)
    clip = made(tmp_path, 3, CLIP, JPEGBaseline8Bit, frames=3)
    taking = Taking(tmp_path)
    answered = [one for one, _ in Recoding(taking, captures, tmp_path).send([still, report, clip])]
    assert answered == [still, report, clip]
    (first, dataset), *others = taking.taken
    assert first.transfer_syntax_uid == dataset.file_meta.TransferSyntaxUID == SYNTAXES[captures]
    assert (dataset.pixel_array == dcmread(tmp_path / still.path).pixel_array).all()
    assert dataset.SOPInstanceUID == still.sop_instance_uid
    assert [one for one, _ in others] == [report, clip], "what is no still goes as it lies"
    assert list((tmp_path / "scratch").iterdir()) == []


def test_a_clip_without_compression_has_the_frames_that_its_jpeg_shows(tmp_path) -> None:
    clip, still = made(tmp_path, 1, CLIP, JPEGBaseline8Bit, frames=3), made(tmp_path, 2, STILL, ExplicitVRLittleEndian)
    taking = Taking(tmp_path)
    assert len(list(Recoding(taking, "uncompressed", tmp_path).send([clip, still]))) == 2
    (sent, dataset), (untouched, _) = taking.taken
    assert untouched == still
    assert sent.transfer_syntax_uid == ExplicitVRLittleEndian
    assert dataset.pixel_array.shape == (3, ROWS, COLUMNS, 3)
    shown = dcmread(tmp_path / clip.path).pixel_array
    assert np.abs(dataset.pixel_array.astype(int) - shown).mean() < 3, "two JPEG decoders differ by their rounding only"


def test_a_clip_too_long_is_held_with_the_remedy_and_holds_up_nobody(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(recoding, "_LONGEST_BYTES", 1000)
    clip, report = made(tmp_path, 1, CLIP, JPEGBaseline8Bit, frames=3), made(tmp_path, 2, SR, ExplicitVRLittleEndian)
    answers = dict(Recoding(Taking(tmp_path), "uncompressed", tmp_path).send([clip, report]))
    assert answers[clip].fate is Fate.HELD
    assert "as made" in answers[clip].note
    assert answers[report].fate is Fate.SENT


def test_a_peer_that_is_away_leaves_nothing_behind(tmp_path) -> None:
    still = made(tmp_path, 1, STILL, ExplicitVRLittleEndian)
    with pytest.raises(Unreachable):
        list(Recoding(Taking(tmp_path, away=True), "rle", tmp_path).send([still]))
    assert list((tmp_path / "scratch").iterdir()) == []


def test_a_comparison_of_bytes_and_other_bytes_exclude_each_other() -> None:
    wrong = {"name": "a", "orthanc": "http://a", "confirm": "find", "captures": "rle"}
    with pytest.raises(Misconfigured, match="byte for byte"):
        validated({"destination": [wrong]})
