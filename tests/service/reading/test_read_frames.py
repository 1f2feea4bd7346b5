"""Decoding: grey levels equal what pydicom gives for the same file, frame by frame, whatever the packing."""

from __future__ import annotations

import io
import pickle
import warnings
import zlib
from pathlib import Path

import cv2
import numpy as np
import pydicom
import pytest
import simplejpeg
from pydicom.data import get_testdata_file
from pydicom.pixels import apply_color_lut
from pydicom.uid import ExplicitVRBigEndian, JPEGBaseline8Bit

from plugins.contract import ReasonCode
from service.analyse.read_frames import DicomFrames
from service.analyse.read_layout import DEFAULT_LIMITS, Limits, layout_of, read_header
from service.errors import Unanalysable

# Files that the pydicom wheel carries, and by how much the luminance channel may differ from the luminance of the
# RGB that pydicom converts to: nothing where no conversion lies between, rounding and chroma clipping where one does.
CARRIED = {
    "examples_ybr_color.dcm": 6,
    "examples_rgb_color.dcm": 0,
    "examples_palette.dcm": 0,
    "examples_jpeg2k.dcm": 0,
    "ExplVR_BigEnd.dcm": 0,
    "GDCMJ2K_TextGBR.dcm": 0,
    "JPEGLSNearLossless_08.dcm": 0,
    "SC_jpeg_no_color_transform.dcm": 0,
    "SC_jpeg_no_color_transform_2.dcm": 0,
    "SC_rgb_dcmtk_+eb+cr.dcm": 0,
    "SC_rgb_dcmtk_+eb+cy+n1.dcm": 8,
    "SC_rgb_dcmtk_+eb+cy+np.dcm": 8,
    "SC_rgb_gdcm_KY.dcm": 0,
    "SC_rgb_jls_lossy_line.dcm": 0,
    "SC_rgb_jls_lossy_sample.dcm": 0,
    "SC_rgb_jpeg_app14_dcmd.dcm": 0,
    "SC_rgb_jpeg_gdcm.dcm": 0,
    "SC_rgb_rle.dcm": 0,
    "SC_rgb_rle_2frame.dcm": 0,
    "SC_rgb_small_odd.dcm": 0,
    "SC_rgb_small_odd_big_endian.dcm": 0,
    "SC_rgb_small_odd_jpeg.dcm": 2,
    "SC_ybr_full_422_uncompressed.dcm": 2,
    "image_dfl.dcm": 0,
}


def frames_of(path: str | Path, limits: Limits = DEFAULT_LIMITS) -> DicomFrames:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset, position = read_header(path, limits)
        return DicomFrames(str(path), layout_of(dataset, path, position, limits))


def expected_grey(path: str, index: int) -> np.ndarray:
    dataset = pydicom.dcmread(path)
    pixels = dataset.pixel_array
    if int(dataset.get("NumberOfFrames", 1)) > 1:
        pixels = pixels[index]
    if dataset.PhotometricInterpretation == "PALETTE COLOR":
        pixels = (apply_color_lut(pixels, dataset) >> 8).astype(np.uint8)
    return cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY) if pixels.ndim == 3 else pixels


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", CARRIED)
def test_grey_levels_are_pydicoms(name: str) -> None:
    path = get_testdata_file(name, download=False)
    frames = pickle.loads(pickle.dumps(frames_of(path)))  # noqa: S301 - our own value
    for index in {0, frames.count - 1}:
        difference = np.abs(expected_grey(path, index).astype(int) - frames.grey(index))
        assert difference.max() <= CARRIED[name]
        assert frames.coloured(index).shape == frames.shape


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["examples_ybr_color.dcm", "SC_rgb_rle_2frame.dcm"])
def test_streaming_gives_the_same_frames_one_by_one(name: str) -> None:
    frames = frames_of(get_testdata_file(name, download=False))
    streamed = list(frames.stream())
    assert len(streamed) == frames.count
    assert all(np.array_equal(frame, frames.grey(index)) for index, frame in enumerate(streamed))
    assert all(map(np.array_equal, frames.stream(1, frames.count), streamed[1:]))


def test_a_palette_index_is_no_grey_level() -> None:
    """At most places of this real picture the stored value is not the grey level that is seen."""
    path = get_testdata_file("examples_palette.dcm", download=False)
    stored = pydicom.dcmread(path).pixel_array
    assert (frames_of(path).grey(0) != stored).mean() > 0.1


@pytest.mark.parametrize("frames", [1, 3])
def test_uncompressed_frames_are_read_where_they_lie(make_dataset, save, frames: int) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (frames, 30, 40), dtype=np.uint8)
    read = frames_of(save(make_dataset(pixels)))
    assert np.array_equal(np.stack(list(read.stream())), pixels)
    assert not read.coloured(0).any()


def test_coloured_marks_are_told_from_grey(make_dataset, save) -> None:
    pixels = np.repeat(np.random.default_rng(1).integers(0, 200, (1, 30, 40, 1), dtype=np.uint8), 3, axis=3)
    pixels[0, 10:12, 5:9] = (255, 255, 0)
    read = frames_of(save(make_dataset(pixels)))
    mask = read.coloured(0)
    assert mask.sum() == 8
    assert mask[10:12, 5:9].all()
    assert np.array_equal(read.grey(0)[~mask], pixels[0, ..., 0][~mask])


def test_monochrome1_is_turned_round(make_dataset, save) -> None:
    dataset = make_dataset(PhotometricInterpretation="MONOCHROME1")
    stored = np.frombuffer(dataset.PixelData, np.uint8).reshape(48, 64)
    assert np.array_equal(frames_of(save(dataset)).grey(0), 255 - stored)


def test_planar_rgb_is_put_together(make_dataset, save) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (2, 30, 40, 3), dtype=np.uint8)
    planar = make_dataset(pixels, PixelData=pixels.transpose(0, 3, 1, 2).tobytes())
    planar.PlanarConfiguration = 1
    assert np.array_equal(frames_of(save(planar)).grey(1), cv2.cvtColor(pixels[1], cv2.COLOR_RGB2GRAY))


def jpeg_dataset(make_dataset, pixels: np.ndarray, **values: object) -> tuple[pydicom.Dataset, list[bytes]]:
    coded = [simplejpeg.encode_jpeg(np.repeat(frame[..., None], 3, axis=2).copy(), quality=95) for frame in pixels]
    dataset = make_dataset(
        pixels,
        JPEGBaseline8Bit,
        SamplesPerPixel=3,
        PhotometricInterpretation="YBR_FULL_422",
        PlanarConfiguration=0,
        **values,
    )
    return dataset, coded


def test_a_jpeg_of_another_size_than_declared_is_refused_before_it_is_decoded(make_dataset, save) -> None:
    dataset, coded = jpeg_dataset(make_dataset, np.zeros((1, 48, 64), np.uint8))
    bomb = simplejpeg.encode_jpeg(np.zeros((4000, 4000, 3), np.uint8))
    with pytest.raises(Unanalysable, match="another size"):
        frames_of(save(dataset, frames=[bomb])).grey(0)
    assert frames_of(save(dataset, frames=coded)).grey(0).shape == (48, 64)


def test_fewer_jpeg_frames_than_declared_end_in_a_reason(make_dataset, save) -> None:
    dataset, coded = jpeg_dataset(make_dataset, np.zeros((3, 48, 64), np.uint8))
    read = frames_of(save(dataset, frames=coded[:2]))
    with pytest.raises(Unanalysable):
        list(read.stream())


def test_damaged_jpeg_ends_in_a_reason(make_dataset, save) -> None:
    dataset, coded = jpeg_dataset(make_dataset, np.zeros((1, 48, 64), np.uint8))
    with pytest.raises(Unanalysable, match="decoded"):
        frames_of(save(dataset, frames=[coded[0][:40]])).grey(0)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"Rows": 50000, "Columns": 50000}, "beyond what is taken"),
        ({"NumberOfFrames": 10_000_000}, "beyond what is taken"),
        ({"NumberOfFrames": 9}, "ends before the last frame"),
        ({"BitsAllocated": 16, "BitsStored": 12, "HighBit": 11}, "12 bits stored"),
        ({"SamplesPerPixel": 4}, "4 samples"),
        ({"PhotometricInterpretation": "CMYK"}, "CMYK"),
        ({"PixelData": None}, "no pixel data"),
        ({"Rows": None}, "Rows missing"),
        ({"PixelRepresentation": 1}, "signed"),
    ],
)
def test_what_no_grey_image_can_be_is_refused_with_its_reason(make_dataset, save, values, words) -> None:
    with pytest.raises(Unanalysable, match=words) as caught:
        frames_of(save(make_dataset(**values)))
    assert caught.value.remedy
    assert ReasonCode(caught.value.code)


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.4.111", "1.2.840.113619.5.2", "1.2.840.10008.1.2.4.201"])
def test_syntaxes_without_decoder_are_named_in_the_reason(make_dataset, save, syntax: str) -> None:
    with pytest.raises(Unanalysable, match=f"transfer syntax {syntax}"):
        frames_of(save(make_dataset(syntax=syntax), frames=[b"\xff\x0a\0\0"]))


def test_a_deflated_bomb_stops_at_the_limit(make_dataset, save, tmp_path: Path) -> None:
    plain = save(make_dataset(np.zeros((40, 480, 640), np.uint8)))
    buffer = io.BytesIO(plain.read_bytes())
    meta = pydicom.filereader.read_file_meta_info(plain)
    start = 144 + meta.FileMetaInformationGroupLength
    meta.TransferSyntaxUID = pydicom.uid.DeflatedExplicitVRLittleEndian
    out = io.BytesIO()
    out.write(b"\0" * 128 + b"DICM")
    pydicom.filewriter.write_file_meta_info(out, meta)
    deflater = zlib.compressobj(9, wbits=-15)
    out.write(deflater.compress(buffer.getvalue()[start:]) + deflater.flush())
    bomb = tmp_path / "bomb.dcm"
    bomb.write_bytes(out.getvalue())
    assert bomb.stat().st_size < 50_000
    assert frames_of(bomb).count == 40
    with pytest.raises(Unanalysable, match="inflates beyond"):
        frames_of(bomb, Limits(inflated_bytes=1 << 20))


def test_big_endian_words_are_not_swapped_twice(make_dataset, save) -> None:
    path = get_testdata_file("ExplVR_BigEnd.dcm", download=False)
    assert frames_of(path).layout.transfer_syntax == ExplicitVRBigEndian
    assert np.array_equal(frames_of(path).grey(0), expected_grey(path, 0))


@pytest.mark.parametrize(
    "content", [b"", b"hello", b"\0" * 132, b"\0" * 128 + b"DICM", b"\0" * 128 + b"DICM" + b"\xff" * 99]
)
def test_files_that_are_no_dicom_end_in_a_reason(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x"
    path.write_bytes(content)
    with pytest.raises(Unanalysable):
        frames_of(path)
