"""Overlays as Secondary Capture: what every reading station can show, whatever it makes of a structured report.

One picture for each finding, each refusal with candidates and each page; a multi-frame one for each overlay clip.
A picture's UID derives from its own pixels, so a rerun that changes nothing about it is the same object, byte for byte.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace

import highdicom
import numpy as np
import simplejpeg
from pydicom import Dataset, dcmread
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence as DicomSequence
from pydicom.uid import ExplicitVRLittleEndian, JPEGBaseline8Bit

from plugins.contract import Clip, OverlayClip, Side
from service.report.canvas import Picture
from service.report.identity import derived_uid
from service.report.pictures import Shown, ShownClip, footer, overlay_clips, pictures
from service.report.render import overlay_frames
from service.report.source import NAME, VERSION, frame_numbers, freeze, make_ours
from service.report.values import Content, Making, ReportObject

SERIES_NUMBER, CLIP_SERIES_NUMBER = 9002, 9003
_SC = "1.2.840.10008.5.1.4.1.1.7"
_SC_TRUE_COLOUR = "1.2.840.10008.5.1.4.1.1.7.4"
_MOST_FRAMES = 900
"""Half a minute at 30 a second; a longer clip is cut, and its caption says so."""
_QUALITY = 90
_SIDES = {Side.LEFT: "L", Side.RIGHT: "R", Side.MIDLINE: "U"}
_PER_GENERATION = 1000
"""Instance numbers of one generation: what a later one adds comes after all of the earlier."""


def secondary_captures(content: Content, headers: Mapping[str, Dataset], making: Making) -> list[ReportObject]:
    """Write all overlays of a study into ``making.folder``.

    Parameters
    ----------
    headers:
        Prepared headers (:func:`service.report.source.header`) by SOP Instance UID.
        The pixels come from the acquisitions' own clips.
    """
    made: list[ReportObject] = []
    for shown in pictures(content, making):
        if shown.image.sop_instance_uid in headers:
            made.append(_still(shown, headers[shown.image.sop_instance_uid], making, len(made) + 1))
    for clip in overlay_clips(content):
        if clip.clip.sop_instance_uid in headers:
            made.append(_cine(clip, headers[clip.clip.sop_instance_uid], making, len(made) + 1))
    return made


def _still(shown: Shown, source: Dataset, making: Making, number: int) -> ReportObject:
    made = _named(shown, np.ascontiguousarray(shown.picture).data, source, making, number)
    if (kept := _unchanged(made, making)) is not None:
        return kept
    dataset = _capture(made, source, shown.picture, SERIES_NUMBER)
    _complete(dataset, source, shown, shown.image.frame, making)
    dataset.save_as(making.folder / made.file, enforce_file_format=True)
    return made


def _named(
    shown: Shown | ShownClip, pixels: bytes | memoryview, source: Dataset, making: Making, number: int
) -> ReportObject:
    """What the object is called, decided by what it shows."""
    study, root = str(source.StudyInstanceUID), making.plan.uid_root
    what = hashlib.sha256(pixels).hexdigest() + making.corrected_identity
    uid = derived_uid("sc", study, shown.key, VERSION, what, root=root)
    series = "sc-clip" if isinstance(shown, ShownClip) else "sc"
    return ReportObject(
        sop_instance_uid=uid,
        sop_class_uid=_SC,
        series_instance_uid=derived_uid("series", study, series, root=root),
        transfer_syntax_uid=ExplicitVRLittleEndian,
        role="sc",
        key=shown.key,
        instance_number=making.moment.generation * _PER_GENERATION + number,
        file=f"{uid}.dcm",
        title=shown.title,
    )


def _unchanged(made: ReportObject, making: Making) -> ReportObject | None:
    """The same picture as before is the same object: its bytes are taken over, never written anew."""
    for before in making.previous:
        if before.key == made.key and before.path.is_file():
            header = dcmread(before.path, stop_before_pixels=True)
            if header.SOPInstanceUID == made.sop_instance_uid:
                (making.folder / made.file).write_bytes(before.path.read_bytes())
                return replace(made, instance_number=int(header.InstanceNumber))
    return None


def _capture(made: ReportObject, source: Dataset, picture: Picture, series_number: int) -> Dataset:
    dataset = highdicom.sc.SCImage.from_ref_dataset(
        ref_dataset=source,
        pixel_array=picture,
        photometric_interpretation="RGB",
        bits_allocated=8,
        coordinate_system="PATIENT",
        series_instance_uid=made.series_instance_uid,
        series_number=series_number,
        sop_instance_uid=made.sop_instance_uid,
        instance_number=made.instance_number,
        manufacturer=NAME,
        patient_orientation=("L", "F"),
        transfer_syntax_uid=ExplicitVRLittleEndian,
        specific_character_set="ISO_IR 192",
    )
    dataset.PatientOrientation = None  # unknown for a hand-held probe; the library insists on one
    return dataset


def _complete(dataset: Dataset, source: Dataset, shown: Shown | ShownClip, frame: int, making: Making) -> None:
    """What a capture needs to be found and believed: source image, derivation, marks of burned-in text."""
    research = " (research)" if making.plan.content_qualification == "RESEARCH" else ""
    dataset.SeriesDescription = f"{NAME} overlays{research}"
    dataset.ImageType = ["DERIVED", "SECONDARY"]
    dataset.ConversionType = "WSD"
    dataset.BurnedInAnnotation = "YES"
    dataset.RecognizableVisualFeatures = "NO"
    dataset.DerivationDescription = "Source image with outline and caption drawn over it"
    dataset.ImageComments = shown.title[:1024]
    item = Dataset()
    item.ReferencedSOPClassUID = source.SOPClassUID
    item.ReferencedSOPInstanceUID = source.SOPInstanceUID
    if (frames := frame_numbers(source, frame)) is not None:
        item.ReferencedFrameNumber = frames
    purpose = Dataset()
    purpose.CodeValue, purpose.CodingSchemeDesignator = "121322", "DCM"
    purpose.CodeMeaning = "Source of Image Processing Operation"
    item.PurposeOfReferenceCodeSequence = DicomSequence([purpose])
    dataset.SourceImageSequence = DicomSequence([item])
    if shown.side in _SIDES:  # of the image: the series may hold both sides
        dataset.ImageLaterality = _SIDES[shown.side]
    else:
        dataset.Laterality = ""  # Type 2C, and truly unknown
    if "LossyImageCompression" not in dataset and str(source.get("LossyImageCompression", "")) == "01":
        for keyword in ("LossyImageCompression", "LossyImageCompressionRatio", "LossyImageCompressionMethod"):
            if keyword in source:
                dataset[keyword] = source[keyword]
    make_ours(dataset, source, making.plan.content_qualification)
    freeze(dataset, making.moment.time)


def _cine(shown: ShownClip, source: Dataset, making: Making, number: int) -> ReportObject:
    wanted, clip = shown.wanted, shown.clip
    stop = min(wanted.stop, clip.frames.count)
    cut = replace(wanted, stop=min(stop, wanted.start + _MOST_FRAMES))
    if cut.stop < stop:
        cut = replace(cut, caption=f"{cut.caption} · first {_MOST_FRAMES} frames")
    coded: list[bytes] = []
    for picture in overlay_frames(cut, clip, footer(None, making)):
        if not coded:
            first = picture
        coded.append(simplejpeg.encode_jpeg(np.ascontiguousarray(picture), quality=_QUALITY, colorsubsampling="422"))
    made = _named(shown, b"".join(coded), source, making, number)
    made = replace(made, sop_class_uid=_SC_TRUE_COLOUR, transfer_syntax_uid=JPEGBaseline8Bit)
    if (kept := _unchanged(made, making)) is not None:
        return kept
    dataset = _capture(made, source, first, CLIP_SERIES_NUMBER)
    _into_cine(dataset, coded, first.size, _frame_time_ms(clip, cut))
    _complete(dataset, source, shown, cut.start, making)
    dataset.SeriesDescription = dataset.SeriesDescription.replace("overlays", "overlay clips")
    dataset.save_as(making.folder / made.file, enforce_file_format=True)
    return made


def _into_cine(dataset: Dataset, coded: list[bytes], frame_size: int, frame_time_ms: float) -> None:
    """Turn a still capture into Multi-frame True Color Secondary Capture (PS3.3 A.8.5), JPEG baseline."""
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = _SC_TRUE_COLOUR
    dataset.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    dataset.PhotometricInterpretation = "YBR_FULL_422"
    dataset.NumberOfFrames = len(coded)
    dataset.FrameIncrementPointer = 0x00181063
    dataset.FrameTime = f"{frame_time_ms:.6g}"
    dataset.PixelData = encapsulate(coded)
    dataset["PixelData"].is_undefined_length = True
    dataset["PixelData"].VR = "OB"
    dataset.LossyImageCompression = "01"
    dataset.LossyImageCompressionRatio = f"{frame_size * len(coded) / sum(map(len, coded)):.4g}"
    dataset.LossyImageCompressionMethod = "ISO_10918_1"


def _frame_time_ms(clip: Clip, shown: OverlayClip) -> float:
    """Mean time between the frames shown; a clip without a time base is shown at 25 a second."""
    times = clip.frame_times_s
    if times is None or shown.stop - shown.start < 2:
        return 40.0
    return (times[shown.stop - 1] - times[shown.start]) / (shown.stop - 1 - shown.start) * 1000
