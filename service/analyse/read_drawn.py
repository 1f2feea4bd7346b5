"""What somebody drew on an image and stored beside it: presentation states, structured reports, segmentations.

Points of all three count from the outer corner of the first pixel, as ours do (PS3.3 C.10.5.1.2 and C.18.6).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset
from pydicom.pixels import iter_pixels
from scipy.ndimage import binary_fill_holes
from skimage.measure import approximate_polygon, find_contours

from plugins.contract import Point, Region, RegionOrigin, RegionShape
from reference_store import anatomy
from reference_store.values import Code
from service.analyse.read_facts import text

PRESENTATION = frozenset({"1.2.840.10008.5.1.4.1.1.11.1", "1.2.840.10008.5.1.4.1.1.11.2"})
REPORTS = frozenset(f"1.2.840.10008.5.1.4.1.1.88.{number}" for number in (22, 33, 34))
SEGMENTATION = "1.2.840.10008.5.1.4.1.1.66.4"
DRAWN = PRESENTATION | REPORTS | {SEGMENTATION}
_AREA = frozenset({("SCT", "42798000"), ("SRT", "G-A166"), ("SRT", "G-D7FE")})
_TO_MM2 = {"mm2": 1.0, "cm2": 100.0}
_FINDING_SITE = frozenset({("SCT", "363698007"), ("SRT", "G-C0E3")})
_TRACKING = ("DCM", "112039")
_MAXIMUM_DEPTH = 32


@dataclass(frozen=True, slots=True)
class Drawing:
    """A region and the image it lies on; ``frame`` of the region counts from 0."""

    sop_instance_uid: str
    region: Region


def drawings(dataset: Dataset, path: Path | str) -> tuple[Drawing, ...]:
    """All regions that a presentation state, report or segmentation draws on images.

    Coordinates that refer to the screen and not to the image, and shapes that are damaged, are left out.
    """
    uid = str(dataset.SOPClassUID)
    if uid in PRESENTATION:
        found = _of_presentation(dataset)
    elif uid in REPORTS:
        found = _of_content(dataset, _Context(), 0)
    elif uid == SEGMENTATION:
        found = _of_segmentation(dataset, path)
    else:
        return ()
    source = str(dataset.SOPInstanceUID)
    return tuple(replace(one, region=replace(one.region, source_uid=source)) for one in found)


def _shape(kind: str, flat: Sequence[float]) -> tuple[RegionShape, tuple[Point, ...]] | None:
    """A DICOM graphic type with its data as our shape; open lines of more than two points enclose nothing."""
    values = [float(value) for value in flat]
    if len(values) < 2 or len(values) % 2 or not all(map(math.isfinite, values)):
        return None
    points = tuple(zip(values[::2], values[1::2], strict=True))
    closed = len(points) > 3 and points[0] == points[-1]
    if kind == "POINT" and len(points) == 1:
        return RegionShape.POINT, points
    if kind in ("POLYLINE", "INTERPOLATED") and closed:
        return RegionShape.POLYGON, points
    if kind == "POLYLINE" and len(points) == 2:
        return RegionShape.CALIPER, points
    if kind == "CIRCLE" and len(points) == 2:
        (x, y), radius = points[0], math.dist(points[0], points[1])
        return RegionShape.ELLIPSE, ((x - radius, y), (x + radius, y), (x, y - radius), (x, y + radius))
    if kind == "ELLIPSE" and len(points) == 4:
        return RegionShape.ELLIPSE, points
    return None


def _named(label: str) -> str | None:
    return anatomy.recognise(label).structure


def _of_presentation(dataset: Dataset) -> Iterator[Drawing]:
    everywhere = [
        (str(image.ReferencedSOPInstanceUID), _frames(image))
        for series in dataset.get("ReferencedSeriesSequence") or ()
        for image in series.get("ReferencedImageSequence") or ()
    ]
    for annotation in dataset.get("GraphicAnnotationSequence") or ():
        images = [
            (str(image.ReferencedSOPInstanceUID), _frames(image))
            for image in annotation.get("ReferencedImageSequence") or ()
        ] or everywhere
        texts = [text(item, "UnformattedTextValue") for item in annotation.get("TextObjectSequence") or ()]
        label = " ".join(word for word in texts if word)
        for item in annotation.get("GraphicObjectSequence") or ():
            shape = _shape(str(item.get("GraphicType")), item.get("GraphicData") or ())
            if item.get("GraphicAnnotationUnits") != "PIXEL" or shape is None:
                continue
            for uid, frames in images:
                for frame in frames:
                    region = Region(*shape, RegionOrigin.PRESENTATION_STATE, frame, _named(label), label)
                    yield Drawing(uid, region)


def _frames(reference: Dataset) -> tuple[int, ...]:
    """Frames that a reference names, from 0; a reference to the whole object is its first frame."""
    numbers = reference.get("ReferencedFrameNumber")
    if numbers is None or numbers == "":
        return (0,)
    listed = [numbers] if isinstance(numbers, int | str) else list(numbers)
    return tuple(int(number) - 1 for number in listed if int(number) > 0)


@dataclass(frozen=True, slots=True)
class _Context:
    """What the containers around a content item say: label, structure and area of the drawing."""

    label: str = ""
    structure: str | None = None
    area_mm2: float | None = None


def _concept(item: Dataset, keyword: str = "ConceptNameCodeSequence") -> tuple[str, str]:
    codes = item.get(keyword) or ()
    return (str(codes[0].get("CodingSchemeDesignator")), str(codes[0].get("CodeValue"))) if codes else ("", "")


def _of_content(node: Dataset, context: _Context, depth: int) -> Iterator[Drawing]:
    children = node.get("ContentSequence") or ()
    if depth > _MAXIMUM_DEPTH:
        return
    context = _with(context, children)
    for item in children:
        if item.get("ValueType") == "SCOORD":
            yield from _of_coordinates(item, context)
        if item.get("ValueType") == "NUM":
            yield from _of_number(item, context, depth)
        else:
            yield from _of_content(item, context, depth + 1)


def _of_number(item: Dataset, context: _Context, depth: int) -> Iterator[Drawing]:
    """What one measurement was inferred from: its own coordinates carry its own area, whatever stands beside it.

    Vendors name an area in many ways; a number in mm² or cm² is one. One that names an image and no coordinates on it
    is that image's, as a statement.
    """
    area, meaning = _area(item), _meaning(item)
    if area is not None:
        context = replace(context, area_mm2=area, structure=context.structure or _named(meaning))
        context = replace(context, label=context.label or meaning)
        for child in item.get("ContentSequence") or ():
            for reference in child.get("ReferencedSOPSequence") or () if child.get("ValueType") == "IMAGE" else ():
                yield from _placed((RegionShape.STATEMENT, ()), reference, context)
    yield from _of_content(item, context, depth + 1)


def _with(context: _Context, children: Sequence[Dataset]) -> _Context:
    areas = set()
    for item in children:
        if _concept(item) == _TRACKING and item.get("TextValue"):
            label = str(item.TextValue)
            context = replace(context, label=label, structure=context.structure or _named(label))
        if _concept(item) in _FINDING_SITE and item.get("ConceptCodeSequence"):
            scheme, value = _concept(item, "ConceptCodeSequence")
            known = anatomy.by_code(Code(value[:16], scheme[:16], "site")) if value and scheme else None
            context = replace(context, structure=known[0].key if known else context.structure)
        if _concept(item) in _AREA:
            areas.add(_area(item))
    # the area of a group is that of the group's drawing; of several different ones nobody can say which
    return replace(context, area_mm2=areas.pop() if len(areas) == 1 else None) if areas else context


def _area(item: Dataset) -> float | None:
    """The value in mm² of a measurement whose unit is an area's; ``None`` for all else, and for what is no number."""
    for measured in item.get("MeasuredValueSequence") or ():
        factor = _TO_MM2.get(_concept(measured, "MeasurementUnitsCodeSequence")[1])
        if factor is not None and measured.get("NumericValue") is not None:
            value = float(measured.NumericValue) * factor
            return value if math.isfinite(value) and value > 0 else None
    return None


def _meaning(item: Dataset) -> str:
    """What a measurement calls itself."""
    codes = item.get("ConceptNameCodeSequence") or ()
    return (text(codes[0], "CodeMeaning") or "") if codes else ""


def _of_coordinates(item: Dataset, context: _Context) -> Iterator[Drawing]:
    shape = _shape(str(item.get("GraphicType")), item.get("GraphicData") or ())
    if shape is None:
        return
    for child in item.get("ContentSequence") or ():
        for reference in child.get("ReferencedSOPSequence") or ():
            yield from _placed(shape, reference, context)


def _placed(shape: tuple[RegionShape, tuple[Point, ...]], reference: Dataset, context: _Context) -> Iterator[Drawing]:
    """A region on every frame that a reference names."""
    for frame in _frames(reference):
        region = Region(*shape, RegionOrigin.STRUCTURED_REPORT, frame, context.structure, context.label)
        yield Drawing(str(reference.ReferencedSOPInstanceUID), replace(region, area_mm2=context.area_mm2))


def _of_segmentation(dataset: Dataset, path: Path | str) -> Iterator[Drawing]:
    segments = {int(item.SegmentNumber): item for item in dataset.get("SegmentSequence") or ()}
    level = int(dataset.get("MaximumFractionalValue") or 1) / 2
    groups = dataset.get("PerFrameFunctionalGroupsSequence") or ()
    for group, mask in zip(groups, iter_pixels(path), strict=False):
        number = int(_macro(dataset, group, "SegmentIdentificationSequence")[0].ReferencedSegmentNumber)
        sources = [
            source
            for derivation in _macro(dataset, group, "DerivationImageSequence")
            for source in derivation.get("SourceImageSequence") or ()
        ]
        label = text(segments.get(number, Dataset()), "SegmentLabel") or ""
        for outline in _outlines(np.asarray(mask) > level if level > 0.5 else np.asarray(mask) > 0):
            for source in sources:
                for frame in _frames(source):
                    region = Region(
                        RegionShape.POLYGON, outline, RegionOrigin.SEGMENTATION, frame, _named(label), label
                    )
                    yield Drawing(str(source.ReferencedSOPInstanceUID), region)


def _macro(dataset: Dataset, group: Dataset, keyword: str) -> Sequence[Dataset]:
    """A functional group of one frame, which stands with the frame or once for all frames."""
    shared = next(iter(dataset.get("SharedFunctionalGroupsSequence") or ()), Dataset())
    return group.get(keyword) or shared.get(keyword) or ()


def _outlines(mask: npt.NDArray[np.bool_]) -> Iterator[tuple[Point, ...]]:
    """Outer borders of a mask, half-way between pixels; holes are filled, since an outline has none."""
    for contour in find_contours(np.pad(binary_fill_holes(mask), 1).astype(float), 0.5):
        line = approximate_polygon(contour, 0.25)  # without steps below a quarter of a pixel
        yield tuple((float(column) - 0.5, float(row) - 0.5) for row, column in line)
