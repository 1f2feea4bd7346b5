"""From files to values: one DICOM file becomes an image, a set of drawings, or a stated reason why neither.

The parts: ``read_layout`` (where the pixels lie), ``read_frames`` and ``read_video`` (decoding on demand),
``read_regions`` (calibration), ``read_facts`` (time, device, subject), ``read_drawn`` (what people drew),
``read_picture`` (files that are no DICOM). What the images show is told apart by ``acquisitions``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from pydicom.dataset import Dataset

from plugins.contract import Clip, Frames, ReasonCode, Subject
from service.analyse.naming import Naming, naming
from service.analyse.read_drawn import DRAWN, Drawing, drawings
from service.analyse.read_facts import cine_rate, device, frame_times, question, subject, text
from service.analyse.read_frames import DicomFrames
from service.analyse.read_layout import DEFAULT_LIMITS, VIDEO, Limits, layout_of, read_header
from service.analyse.read_regions import tissue_regions
from service.analyse.read_video import dicom_video
from service.errors import Unanalysable
from service.inflating import DAMAGED

PRODUCT = "nmus"
"""Manufacturer of our own results: what we drew ourselves is no reader's drawing."""
ULTRASOUND = frozenset(f"1.2.840.10008.5.1.4.1.1.{number}" for number in ("3", "3.1", "6", "6.1"))
"""Ultrasound (multi-frame) image storage, and the two retired ones."""


@dataclass(frozen=True, slots=True)
class Image:
    """One readable image or cine, before it is known what belongs together."""

    path: str
    study_instance_uid: str
    clip: Clip
    naming: Naming
    subject: Subject = Subject()
    remarks: tuple[str, ...] = ()
    """What was doubted on reading: a calibration not taken, a time base that is missing."""
    question: str = field(default="", repr=False)
    """Why the exam was asked for; raises warnings, and is never written out."""


@dataclass(frozen=True, slots=True)
class Unread:
    """One object that cannot be analysed, with its reason: reported, never swallowed."""

    path: str
    code: ReasonCode
    text: str
    remedy: str
    study_instance_uid: str = ""
    series_instance_uid: str = ""
    sop_instance_uid: str = ""
    sop_class_uid: str = ""
    is_image: bool = False
    """Whether it is an ultrasound image: then its reason belongs in the report."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """What one presentation state, report or segmentation draws."""

    path: str
    study_instance_uid: str
    drawings: tuple[Drawing, ...]


Read = Image | Drawn | Unread


def read_file(path: Path | str, limits: Limits = DEFAULT_LIMITS) -> Read:
    """Read one DICOM file. Never raises for what a file may hold; decodes no pixels."""
    try:
        dataset, position = read_header(path, limits)
    except Unanalysable as error:
        return Unread(str(path), ReasonCode(error.code), str(error), error.remedy)
    except DAMAGED as broken:
        return _unread(Dataset(), path, _damaged(broken), is_image=False)
    is_image = False
    try:
        is_image = _is_ultrasound(dataset)
        if str(dataset.SOPClassUID) in DRAWN:
            return _drawn(dataset, path)
        if not is_image:
            raise Unanalysable(
                f"the object ({dataset.SOPClassUID.name}, modality {dataset.get('Modality')!s}) is no ultrasound image",
                ReasonCode.NOT_ULTRASOUND.value,
                "nothing: only ultrasound images are analysed",
            )
        return _image(dataset, path, position, limits)
    except Unanalysable as error:
        return _unread(dataset, path, error, is_image=is_image)
    except DAMAGED as broken:
        return _unread(dataset, path, _damaged(broken), is_image=is_image)


def _damaged(broken: BaseException) -> Unanalysable:
    """Names the kind of failure alone: the text would quote the value, which may be the patient's."""
    return Unanalysable(f"an attribute is damaged ({type(broken).__name__})", remedy="send the image again")


def read_files(paths: Iterable[Path | str], limits: Limits = DEFAULT_LIMITS) -> tuple[Read, ...]:
    """Read many files; regions that one file draws are put onto the images of the others."""
    read = [read_file(path, limits) for path in paths]
    regions: dict[str, list[Drawing]] = {}
    for one in read:
        for drawing in one.drawings if isinstance(one, Drawn) else ():
            regions.setdefault(drawing.sop_instance_uid, []).append(drawing)
    return tuple(_with_regions(one, regions) if isinstance(one, Image) else one for one in read)


def _with_regions(image: Image, regions: dict[str, list[Drawing]]) -> Image:
    clip = image.clip
    found = [drawing.region for drawing in regions.get(clip.sop_instance_uid, ())]
    rows, columns = clip.frames.shape
    kept = tuple(
        region
        for region in found
        if region.frame < clip.frames.count and all(0 <= x <= columns and 0 <= y <= rows for x, y in region.points)
    )
    remarks = image.remarks if len(kept) == len(found) else (*image.remarks, "a drawing outside the image was left out")
    return replace(image, clip=replace(clip, drawn=clip.drawn + kept), remarks=remarks)


def _is_ultrasound(dataset: Dataset) -> bool:
    return str(dataset.SOPClassUID) in ULTRASOUND or (
        dataset.get("Modality") == "US" and str(dataset.SOPClassUID) not in DRAWN and "Rows" in dataset
    )


def _image(dataset: Dataset, path: Path | str, position: int, limits: Limits) -> Image:
    layout = layout_of(dataset, path, position, limits)
    frames: Frames = DicomFrames(str(Path(path).absolute()), layout)  # decoded in a child, whose folder is its own
    if layout.transfer_syntax in VIDEO:
        frames = dicom_video(path, layout)
    regions, remarks = tissue_regions(dataset)
    times, duration_s, doubts = frame_times(dataset, layout.frames)
    uid = str(dataset.SOPInstanceUID)
    clip = Clip(
        sop_instance_uid=uid,
        series_instance_uid=_uid(dataset, "SeriesInstanceUID"),
        frames=frames,
        regions=regions,
        frame_times_s=times,
        duration_s=duration_s,
        cine_rate_hz=cine_rate(dataset),
        device=device(dataset, layout, regions),
        acquired=text(dataset, "AcquisitionTime") or text(dataset, "ContentTime"),
        name=f"…{uid[-12:]}",
    )
    study = str(dataset.get("StudyInstanceUID") or "")
    return Image(str(path), study, clip, naming(dataset), subject(dataset), remarks + doubts, question(dataset))


def _drawn(dataset: Dataset, path: Path | str) -> Drawn:
    ours = text(dataset, "Manufacturer") == PRODUCT
    found = () if ours else drawings(dataset, path)
    return Drawn(str(path), str(dataset.get("StudyInstanceUID") or ""), found)


def _unread(dataset: Dataset, path: Path | str, error: Unanalysable, *, is_image: bool) -> Unread:
    return Unread(
        path=str(path),
        code=ReasonCode(error.code),
        text=str(error),
        remedy=error.remedy,
        study_instance_uid=_uid(dataset, "StudyInstanceUID"),
        series_instance_uid=_uid(dataset, "SeriesInstanceUID"),
        sop_instance_uid=_uid(dataset, "SOPInstanceUID"),
        sop_class_uid=_uid(dataset, "SOPClassUID"),
        is_image=is_image,
    )


def _uid(dataset: Dataset, keyword: str) -> str:
    try:
        return str(dataset.get(keyword) or "")
    except DAMAGED:
        return ""
