"""Outlines and values as presentation states: drawn by the viewer over the image itself, and switched off at will.

One for each image that something was drawn on: Grayscale Softcopy Presentation State for grey images, Color Softcopy
Presentation State for coloured ones (PS3.3 A.33). What it shows decides its UID, so an unchanged drawing stays the
same object.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Mapping
from functools import cache

import highdicom
import numpy as np
from highdicom import pr
from pydicom import Dataset
from pydicom.uid import ExplicitVRLittleEndian

from plugins.contract import Finding, NotAssessable, Outline, Point, Result
from service.report.captions import place, value
from service.report.identity import derived_uid, digest
from service.report.measurement_groups import rounded
from service.report.pictures import to_draw
from service.report.previous import take_over
from service.report.source import NAME, VERSION, frame_numbers, freeze, make_ours
from service.report.values import Content, Making, ReportObject

SERIES_NUMBER = 9004
GREY, COLOUR = "1.2.840.10008.5.1.4.1.1.11.1", "1.2.840.10008.5.1.4.1.1.11.2"
_STILL = "1.2.840.10008.5.1.4.1.1.6.1"
_MOST_VALUES = 3
_OUTLINES = pr.GraphicLayer("NMUS OUTLINES", 1, "Outlines that the values rest on")
_CANDIDATES = pr.GraphicLayer("NMUS CANDIDATES", 2, "Not assessed: candidates to choose from")
_LONGEST_TEXT = 1024
"""Of a Short Text (ST)."""
_Drawn = tuple[pr.GraphicLayer, int, list[Outline], str]
"""Layer, frame from 0, lines, text."""


def presentation_states(content: Content, headers: Mapping[str, Dataset], making: Making) -> list[ReportObject]:
    """Write the presentation states of a study into ``making.folder``.

    Parameters
    ----------
    headers:
        Prepared headers (:func:`service.report.source.header`) by SOP Instance UID.
    """
    made: list[ReportObject] = []
    for uid, drawn in _by_image(content).items():
        source = headers.get(uid)
        sop_class = None if source is None else _class_for(source)
        if source is not None and sop_class is not None:
            made.append(_write(source, sop_class, drawn, making, len(made) + 1))
    return made


def _by_image(content: Content) -> dict[str, list[_Drawn]]:
    found: dict[str, list[_Drawn]] = {}
    for result in content.results:
        for outcome, whole in to_draw(result):
            if outcome.image is not None:
                drawn = _of(result, outcome, whole)
                found.setdefault(outcome.image.sop_instance_uid, []).append(drawn)
    return found


def _of(result: Result, outcome: Finding | NotAssessable, whole: Finding | None) -> _Drawn:
    frame = outcome.image.frame if outcome.image else 0
    if isinstance(outcome, NotAssessable):
        lines = [line.points for line in outcome.lines]
        return _CANDIDATES, frame, lines, f"{place(result.acquisition)}\r\nnot assessed: {outcome.text}"
    values = [value(one) for one in (whole or outcome).measurements[:_MOST_VALUES]]
    text = "\r\n".join((place(result.acquisition), *values))
    return _OUTLINES, frame, [outcome.outline, *(line.points for line in outcome.lines)], text


def _class_for(source: Dataset) -> str | None:
    """Which presentation state fits an image; ``None`` for what neither kind may show."""
    if "Rows" not in source:
        return None
    if str(source.get("PhotometricInterpretation", "")).startswith("MONOCHROME"):
        return GREY
    return COLOUR if int(source.get("SamplesPerPixel") or 1) == 3 else None


def _write(source: Dataset, sop_class: str, drawn: list[_Drawn], making: Making, number: int) -> ReportObject:
    study, root, moment = str(source.StudyInstanceUID), making.plan.uid_root, making.moment
    told = [(layer.GraphicLayer, frame, _plain(lines), text) for layer, frame, lines, text in drawn]
    uid = derived_uid("gsps", study, str(source.SOPInstanceUID), VERSION, digest(told), root=root)
    made = ReportObject(
        sop_instance_uid=uid,
        sop_class_uid=sop_class,
        series_instance_uid=derived_uid("series", study, "gsps", sop_class, root=root),
        transfer_syntax_uid=ExplicitVRLittleEndian,
        role="gsps",
        key=f"gsps|{source.SOPInstanceUID}",
        instance_number=moment.generation * 1000 + number,
        file=f"{uid}.dcm",
    )
    if (kept := take_over(made, making)) is not None:
        return kept
    dataset = _state(source, made, [_annotation(source, one) for one in drawn], drawn)
    dataset.Laterality = ""  # Type 2C: the series may hold both sides
    research = " (research)" if making.plan.content_qualification == "RESEARCH" else ""
    dataset.SeriesDescription = f"{NAME} outlines{research}"
    make_ours(dataset, source, making.plan.content_qualification)
    freeze(dataset, moment.time)
    dataset.save_as(making.folder / made.file, enforce_file_format=True)
    return made


def _state(
    source: Dataset, made: ReportObject, annotations: list[pr.GraphicAnnotation], drawn: list[_Drawn]
) -> Dataset:
    layers = [layer for layer in (_OUTLINES, _CANDIDATES) if any(layer is one[0] for one in drawn)]
    shared = {
        "referenced_images": [_as_still(source)],
        "series_instance_uid": made.series_instance_uid,
        "series_number": SERIES_NUMBER,
        "sop_instance_uid": made.sop_instance_uid,
        "instance_number": made.instance_number,
        "manufacturer": NAME,
        "manufacturer_model_name": NAME,
        "software_versions": VERSION,
        "device_serial_number": VERSION,
        "content_label": "NMUS",
        "content_description": "Outlines and values",
        "graphic_annotations": annotations,
        "graphic_layers": layers,
        "specific_character_set": "ISO_IR 192",
    }
    grey = made.sop_class_uid == GREY
    state: Dataset = (
        pr.GrayscaleSoftcopyPresentationState(**shared)
        if grey
        else pr.ColorSoftcopyPresentationState(**shared, icc_profile=_srgb())
    )
    _name_the_class(state, source)
    for item, (_, frame, _, _) in zip(state.GraphicAnnotationSequence, drawn, strict=True):
        if (numbers := frame_numbers(source, frame)) is not None:
            item.ReferencedImageSequence[0].ReferencedFrameNumber = numbers[0]
    return state


def _as_still(source: Dataset) -> Dataset:
    """The header as the library takes it: it looks for functional groups, which classic clips do not have."""
    bare = Dataset()
    bare.update(source)
    bare.add_new("SOPClassUID", "UI", _STILL)  # an element of its own: the others are the source's
    bare.pop("NumberOfFrames", None)
    return bare


def _name_the_class(dataset: Dataset, source: Dataset) -> None:
    """Every reference to the image names its own class again."""
    for element in dataset:
        for item in element.value if element.VR == "SQ" else ():
            if item.get("ReferencedSOPInstanceUID") == source.SOPInstanceUID:
                item.ReferencedSOPClassUID = source.SOPClassUID
            _name_the_class(item, source)


def _annotation(source: Dataset, drawn: _Drawn) -> pr.GraphicAnnotation:
    layer, _, lines, text = drawn
    return pr.GraphicAnnotation(
        referenced_images=[_as_still(source)],
        graphic_layer=layer,
        graphic_objects=[pr.GraphicObject("POLYLINE", np.array(line), "PIXEL") for line in _plain(lines)],
        text_objects=[pr.TextObject(text[:_LONGEST_TEXT], "PIXEL", anchor_point=_top(lines))],
    )


def _plain(lines: list[Outline]) -> list[list[Point]]:
    """Lines of two points and more, to a hundredth of a pixel; presentation states hold single precision."""
    return [[(round(x, 2), round(y, 2)) for x, y in line] for line in lines if len(line) > 1]


def _top(lines: list[Outline]) -> Point:
    """Where the text points to: the highest point of what is drawn."""
    points = [point for line in _plain(lines) for point in line]
    column, row = min(points, key=lambda point: point[1], default=(0.0, 0.0))
    return rounded(column), rounded(row)


@cache
def _srgb() -> bytes:
    """A profile of class "colour space", which a presentation state asks for."""
    found = pkgutil.get_data(highdicom.__name__, "_icc_profiles/sRGB_v4_ICC_preference.icc")
    if found is None:
        raise FileNotFoundError("highdicom's sRGB profile")
    return found
