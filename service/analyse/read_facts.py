"""Facts of one image besides its pixels: time base, scanner and settings, the person examined. No identity."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from datetime import date

from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

from plugins.contract import Device, Subject, TissueRegion
from service.analyse.read_layout import Layout

_PER_YEAR = {"D": 365.25, "W": 365.25 / 7, "M": 12.0, "Y": 1.0}
_HEIGHT_CM, _WEIGHT_KG = (30.0, 260.0), (0.5, 400.0)
"""What a person can measure; beyond it the unit was mistaken, and a wrong covariate is worse than none."""


def number(dataset: Dataset, keyword: str) -> float | None:
    """A finite number of the data set, or ``None``; a list counts by its first value."""
    value = dataset.get(keyword)
    if isinstance(value, MultiValue | list | tuple):
        value = value[0] if value else None
    try:
        found = float(value) if value is not None and value != "" else math.nan
    except (TypeError, ValueError):
        return None
    return found if math.isfinite(found) else None


def text(dataset: Dataset, keyword: str) -> str | None:
    """A text of the data set without blanks around it, its first value when it has several; ``None`` when empty."""
    value = dataset.get(keyword)
    if isinstance(value, MultiValue | list | tuple):
        value = value[0] if value else None
    found = str(value).strip() if value is not None else ""
    return found or None


def frame_times(dataset: Dataset, frames: int) -> tuple[tuple[float, ...] | None, float | None, tuple[str, ...]]:
    """Start of every frame in seconds from the first, the duration that the file states, and remarks.

    Frame Time Vector before Frame Time before Effective Duration shared evenly. Cine Rate is how fast to show the
    clip, not how fast it was acquired, so it is not taken.
    """
    duration_s = number(dataset, "EffectiveDuration")
    duration_s = duration_s if duration_s and duration_s > 0 else None
    if frames < 2:
        return None, duration_s, ()
    times = _from_vector(dataset, frames) or _evenly(number(dataset, "FrameTime"), frames)
    if times is None and duration_s is not None:
        return _evenly(duration_s * 1000 / frames, frames), duration_s, ("frame times from Effective Duration",)
    if times is None:
        shown = text(dataset, "CineRate") or text(dataset, "RecommendedDisplayFrameRate")
        hint = "; the rate at which to show it is none" if shown else ""
        return None, duration_s, (f"the clip has no time base{hint}",)
    return times, duration_s, ()


def cine_rate(dataset: Dataset) -> float | None:
    """Frames a second at which the file says it is to be shown, where it says so."""
    rate = number(dataset, "CineRate")
    return rate if rate and rate > 0 else None


def _from_vector(dataset: Dataset, frames: int) -> tuple[float, ...] | None:
    vector = dataset.get("FrameTimeVector")
    if vector is None or isinstance(vector, str | float | int) or len(vector) != frames:
        return None
    steps = [float(step) / 1000 for step in vector]
    if any(not math.isfinite(step) or step <= 0 for step in steps[1:]):
        return None
    times = [0.0]
    for step in steps[1:]:
        times.append(times[-1] + step)
    return tuple(times)


def _evenly(step_ms: float | None, frames: int) -> tuple[float, ...] | None:
    return tuple(index * step_ms / 1000 for index in range(frames)) if step_ms and step_ms > 0 else None


def device(dataset: Dataset, layout: Layout, regions: tuple[TissueRegion, ...]) -> Device:
    """Scanner and settings, as far as DICOM carries them."""
    spacing = regions[0].spacing if len(regions) == 1 else None
    stated = text(dataset, "LossyImageCompression")
    return Device(
        manufacturer=text(dataset, "Manufacturer"),
        model=text(dataset, "ManufacturerModelName"),
        serial_number=text(dataset, "DeviceSerialNumber"),
        software_versions=_all(dataset.get("SoftwareVersions")),
        station_name=text(dataset, "StationName"),
        transducer=_transducer(dataset),
        transducer_type=text(dataset, "TransducerType"),
        preset=text(dataset, "ProcessingFunction"),
        depth_mm=number(dataset, "DepthOfScanField"),
        frequency_khz=_frequency(dataset),
        lossy=True if layout.lossy else False if stated == "00" else None,
        transfer_syntax_uid=layout.transfer_syntax,
        photometric_interpretation=layout.photometric,
        rows=layout.rows,
        columns=layout.columns,
        spacing_mm=(spacing.row_mm, spacing.column_mm) if spacing else None,
    )


def _all(value: object) -> tuple[str, ...]:
    values: Iterable[object] = value if isinstance(value, MultiValue | list | tuple) else (value,)
    return tuple(str(one).strip() for one in values if one is not None and str(one).strip())


def _transducer(dataset: Dataset) -> str | None:
    for item in dataset.get("TransducerIdentificationSequence") or ():
        for keyword in ("DeviceLabel", "LongDeviceDescription", "ManufacturerModelName"):
            if label := text(item, keyword):
                return label
    return text(dataset, "TransducerData")


def _frequency(dataset: Dataset) -> float | None:
    for item in dataset.get("SequenceOfUltrasoundRegions") or ():
        if item.get("RegionSpatialFormat") == 1 and (frequency := number(item, "TransducerFrequency")):
            return frequency
    return None


def subject(dataset: Dataset) -> Subject:
    """What references may ask of the person: age, sex, height, weight. Nothing that says who it is."""
    size, weight = number(dataset, "PatientSize"), number(dataset, "PatientWeight")
    sex = text(dataset, "PatientSex")
    return Subject(
        age_years=_age(dataset),
        sex=sex if sex in ("M", "F") else None,
        height_cm=_within(size * 100 if size else None, _HEIGHT_CM),
        weight_kg=_within(weight, _WEIGHT_KG),
    )


_REASONS = (
    "ReasonForTheRequestedProcedure",
    "ReasonForStudy",
    "RequestedProcedureDescription",
    "AdmittingDiagnosesDescription",
)


def question(dataset: Dataset) -> str:
    """Why the exam was asked for, as far as the image carries it; plugins raise warnings from it and write none of it.

    PS3.4 Modality Worklist passes the reason into the Request Attributes Sequence; older devices write it at the top.
    """
    places = (dataset, *(dataset.get("RequestAttributesSequence") or ()))
    said = (text(place, keyword) for place in places for keyword in _REASONS)
    return "; ".join(dict.fromkeys(words for words in said if words))


def _within(value: float | None, bounds: tuple[float, float]) -> float | None:
    return value if value is not None and bounds[0] <= value <= bounds[1] else None


def _age(dataset: Dataset) -> float | None:
    """Age at the study: from birth date, which is exact, else Patient's Age, which is cut to whole units."""
    born, studied = _date(text(dataset, "PatientBirthDate")), _date(text(dataset, "StudyDate"))
    if born and studied and born <= studied:
        return round((studied - born).days / 365.25, 2)
    stated = re.fullmatch(r"(\d{3})([DWMY])", text(dataset, "PatientAge") or "")
    return int(stated[1]) / _PER_YEAR[stated[2]] if stated else None


def _date(value: str | None) -> date | None:
    try:
        return date(int(value[:4]), int(value[4:6]), int(value[6:8])) if value and len(value) == 8 else None
    except ValueError:
        return None
