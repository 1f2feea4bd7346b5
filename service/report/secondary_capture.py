"""Overlays as Secondary Capture: what every reading station can show, whatever it makes of a structured report.

One picture for each finding, each refusal with candidates and each page; a multi-frame one for each overlay clip.
A picture's UID derives from what it shows, so a rerun that changes nothing about it is the same object, byte for byte.

Stills are coded in JPEG baseline like the clips: a tenth of the bytes to flush, to send and to keep, with grey levels
within one of the drawn ones on average. They are there to be looked at; what was measured stands in the report. A
destination that wants captures in another way (``captures``) has them made without loss.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

import simplejpeg
from pydicom import Dataset
from pydicom.uid import ExplicitVRLittleEndian, JPEGBaseline8Bit

from plugins.contract import Clip, OverlayClip, Side
from service.report import codes, tree
from service.report.basis import basis, reference
from service.report.canvas import Picture
from service.report.encoding import Elements, element, fragments, sequence, tags_of, taken, text, texts, unsigned, write
from service.report.identity import derived_uid
from service.report.pictures import Shown, ShownClip, footer, overlay_clips, pictures
from service.report.previous import take_over
from service.report.render import overlay_frames
from service.report.source import NAME, VERSION, frame_numbers
from service.report.values import Content, Making, ReportObject

SERIES_NUMBER, CLIP_SERIES_NUMBER = 9002, 9003
_SC = "1.2.840.10008.5.1.4.1.1.7"
_SC_TRUE_COLOUR = "1.2.840.10008.5.1.4.1.1.7.4"
_MOST_FRAMES = 900
"""Half a minute at 30 a second; a longer clip is cut, and its caption says so."""
_QUALITY, _CLIP_QUALITY = 95, 90
_AHEAD = 4
"""Frames of a clip that wait to be coded, at most."""
_SAMPLING = "422"
"""Of the colour: the way of JPEG baseline that DICOM has always known, and that every viewer shows (YBR_FULL_422)."""
_SIDES = {Side.LEFT: "L", Side.RIGHT: "R", Side.MIDLINE: "U"}
_LOSS_BEFORE = tags_of("LossyImageCompression", "LossyImageCompressionRatio", "LossyImageCompressionMethod")
_PER_GENERATION = 1000
"""Instance numbers of one generation: what a later one adds comes after all of the earlier."""


def secondary_captures(
    content: Content, headers: Mapping[str, Dataset], making: Making, kinds: Sequence[str] = ("reports", "pictures")
) -> list[ReportObject]:
    """Write overlays of a study into ``making.folder``.

    Parameters
    ----------
    headers:
        Prepared headers (:func:`service.report.source.header`) by SOP Instance UID.
        The pixels come from the acquisitions' own clips.
    kinds:
        ``reports`` for what is drawn beside the reports: overlays, and pages too where there are clips; ``pictures``
        for the rest. So two children that make one each have about the same to do.
    """
    clips = [one for one in overlay_clips(content) if one.clip.sop_instance_uid in headers]
    stills = [one for one in pictures(content, making) if one.image.sop_instance_uid in headers]
    numbered = [
        (number, one)
        for number, one in enumerate(stills, 1)
        if ("reports" if one.is_overlay or clips else "pictures") in kinds
    ]
    made = _stills(numbered, headers, making)
    for number, clip in enumerate(clips if "pictures" in kinds else (), len(stills) + 1):
        made.append(_cine(clip, headers[clip.clip.sop_instance_uid], making, number))
    return made


def _stills(
    numbered: Sequence[tuple[int, Shown]], headers: Mapping[str, Dataset], making: Making
) -> list[ReportObject]:
    """Each picture is coded and written while the next one is drawn; two at most are in memory."""
    if len(numbered) == 1:  # a thread would be started for nothing
        ((number, shown),) = numbered
        return [_still(shown, shown.draw(), headers[shown.image.sop_instance_uid], making, number)]
    made: list[Future[ReportObject]] = []
    with ThreadPoolExecutor(1) as coder:
        for number, shown in numbered:
            picture = shown.draw()
            if made:
                made[-1].result()
            source = headers[shown.image.sop_instance_uid]
            made.append(coder.submit(_still, shown, picture, source, making, number))
        return [one.result() for one in made]


def _still(shown: Shown, picture: Picture, source: Dataset, making: Making, number: int) -> ReportObject:
    if making.plan.lossless_captures:
        pixels, syntax = picture.tobytes(), ExplicitVRLittleEndian
    else:
        pixels, syntax = _coded(picture, _QUALITY), JPEGBaseline8Bit
    made = _named(shown, pixels, source, making, number)
    made = replace(made, sop_class_uid=_SC, transfer_syntax_uid=str(syntax))
    if (kept := take_over(made, making)) is not None:
        return kept
    elements = _capture(made, source, shown, shown.image.frame, making)
    rows, columns, _ = picture.shape
    if syntax == JPEGBaseline8Bit:
        elements |= _lossy(source, picture.size / len(pixels)) | _pixels("YBR_FULL_422", rows, columns)
        coded = fragments([pixels])
    else:
        elements |= taken(source, _LOSS_BEFORE) if _is_lossy(source) else {}
        elements |= _pixels("RGB", rows, columns)
        coded = [element(0x7FE00010, "OB", pixels)]
    write(making.folder / made.file, elements, made.transfer_syntax_uid, coded)
    return made


def _coded(picture: Picture, quality: int) -> bytes:
    return bytes(simplejpeg.encode_jpeg(picture, quality=quality, colorsubsampling=_SAMPLING))


def _named(shown: Shown | ShownClip, pixels: bytes, source: Dataset, making: Making, number: int) -> ReportObject:
    """What the object is called, decided by what it shows."""
    study, root = str(source.StudyInstanceUID), making.plan.uid_root
    what = hashlib.sha256(pixels).hexdigest() + making.corrected_identity
    uid = derived_uid("sc", study, shown.key, VERSION, what, root=root)
    series = "sc-clip" if isinstance(shown, ShownClip) else "sc"
    return ReportObject(
        sop_instance_uid=uid,
        sop_class_uid=_SC_TRUE_COLOUR,
        series_instance_uid=derived_uid("series", study, series, root=root),
        transfer_syntax_uid=JPEGBaseline8Bit,
        role="sc",
        key=shown.key,
        instance_number=making.moment.generation * _PER_GENERATION + number,
        file=f"{uid}.dcm",
        title=shown.title,
    )


def _capture(made: ReportObject, source: Dataset, shown: Shown | ShownClip, frame: int, making: Making) -> Elements:
    """A capture without its pixels, with what it needs to be found and believed: source image, derivation, marks."""
    is_clip = isinstance(shown, ShownClip)
    number = CLIP_SERIES_NUMBER if is_clip else SERIES_NUMBER
    research = " (research)" if making.plan.content_qualification == "RESEARCH" else ""
    ours = texts(
        {
            0x00080008: ("CS", "DERIVED\\SECONDARY"),
            0x00080064: ("CS", "WSD"),
            0x0008103E: ("LO", f"{NAME} {'overlay clips' if is_clip else 'overlays'}{research}"),
            0x00082111: ("ST", "Source image with outline and caption drawn over it"),
            0x00181012: ("DA", making.moment.time.strftime("%Y%m%d")),
            0x00181014: ("TM", making.moment.time.strftime("%H%M%S")),
            0x00200020: ("CS", ""),  # orientation: unknown for a hand-held probe
            0x00204000: ("LT", shown.title[:1024]),
            0x00280301: ("CS", "YES"),  # annotation burned in
            0x00280302: ("CS", "NO"),  # recognizable features
        }
    )
    purpose = [tree.code_item(codes.SOURCE_OF_PROCESSING)]
    frames = frame_numbers(source, frame)
    image = reference(str(source.SOPInstanceUID), str(source.SOPClassUID), purpose, frames)
    ours[0x00082112] = sequence(0x00082112, [image])
    # the side belongs to the image: the series may hold both. Without one Laterality is Type 2C, and truly unknown
    tag = 0x00200062 if shown.side in _SIDES else 0x00200060
    ours[tag] = text(tag, "CS", _SIDES.get(shown.side, ""))
    return {**basis(made, source, making, modality="OT", series_number=number), **ours}


def _pixels(interpretation: str, rows: int, columns: int) -> Elements:
    """Eight bits, three samples, pixel by pixel."""
    numbers = {
        0x00280002: 3, 0x00280006: 0, 0x00280010: rows, 0x00280011: columns, 0x00280100: 8, 0x00280101: 8,
        0x00280102: 7, 0x00280103: 0,
    }  # fmt: skip
    told = {tag: unsigned(tag, number) for tag, number in numbers.items()}
    return {**told, 0x00280004: text(0x00280004, "CS", interpretation)}


def _lossy(source: Dataset, ratio: float) -> Elements:
    """Our own loss, told after what the source image lost before (PS3.3 C.7.6.1.1.5)."""
    before = [_values(source, f"LossyImageCompression{name}") for name in ("Ratio", "Method")]
    if len(before[0]) != len(before[1]):  # they go in pairs
        before = [[], []]
    return texts(
        {
            0x00282110: ("CS", "01"),
            0x00282112: ("DS", "\\".join([*before[0], f"{ratio:.4g}"])),
            0x00282114: ("CS", "\\".join([*before[1], "ISO_10918_1"])),
        }
    )


def _is_lossy(source: Dataset) -> bool:
    return str(source.get("LossyImageCompression", "")) == "01"


def _values(source: Dataset, keyword: str) -> list[str]:
    if not _is_lossy(source) or not source.get(keyword):
        return []
    value = source[keyword].value
    return [str(one) for one in (value if source[keyword].VM > 1 else [value])]


def _cine(shown: ShownClip, source: Dataset, making: Making, number: int) -> ReportObject:
    wanted, clip = shown.wanted, shown.clip
    stop = min(wanted.stop, clip.frames.count)
    cut = replace(wanted, stop=min(stop, wanted.start + _MOST_FRAMES))
    if cut.stop < stop:
        cut = replace(cut, caption=f"{cut.caption} · first {_MOST_FRAMES} frames")
    coded, shape = _coded_frames(cut, clip, footer(None, making))
    made = _named(shown, b"".join(coded), source, making, number)
    if (kept := take_over(made, making)) is not None:
        return kept
    elements = _capture(made, source, shown, cut.start, making)
    elements |= _lossy(source, shape[0] * shape[1] * 3 * len(coded) / sum(map(len, coded)))
    elements |= _pixels("YBR_FULL_422", *shape)
    elements |= texts({0x00280008: ("IS", str(len(coded))), 0x00181063: ("DS", f"{_frame_time_ms(clip, cut):.6g}")})
    elements[0x00280009] = element(0x00280009, "AT", b"\x18\x00\x63\x10")  # frames follow each other in Frame Time
    write(making.folder / made.file, elements, made.transfer_syntax_uid, fragments(coded))
    return made


def _coded_frames(cut: OverlayClip, clip: Clip, below: str) -> tuple[list[bytes], tuple[int, int]]:
    """Each frame is coded while the next ones are decoded and drawn; with their rows and columns."""
    coded: list[Future[bytes]] = []
    shape = (0, 0)
    with ThreadPoolExecutor(1) as coder:
        for picture in overlay_frames(cut, clip, below):
            shape = (picture.shape[0], picture.shape[1])
            if len(coded) >= _AHEAD:
                coded[-_AHEAD].result()
            coded.append(coder.submit(_coded, picture.copy(), _CLIP_QUALITY))
        return [one.result() for one in coded], shape


def _frame_time_ms(clip: Clip, shown: OverlayClip) -> float:
    """Mean time between the frames shown; a clip without a time base is shown at 25 a second."""
    times = clip.frame_times_s
    if times is None or shown.stop - shown.start < 2:
        return 40.0
    return (times[shown.stop - 1] - times[shown.start]) / (shown.stop - 1 - shown.start) * 1000
