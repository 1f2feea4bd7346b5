"""What a plugin gave back is checked before anything is made of it: a plugin's mistake must not become a report."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from plugins.contract import (
    Acquisition,
    Clip,
    Conclusion,
    Finding,
    FrameRef,
    Line,
    Measurement,
    NotAssessable,
    Outcome,
    Page,
    ReasonCode,
)
from service.analyse.conform import mistyped


def checked(outcomes: object, acquisition: Acquisition, *, foreign: bool = False) -> tuple[Outcome, ...]:
    """The outcomes as they are if all hold what the contract promises, else one NotAssessable that says what is wrong.

    All or nothing: when one outcome of a run is wrong, the others are not to be trusted either.

    Parameters
    ----------
    foreign:
        From a plugin of others: every field is held to its declared type as well.
    """
    wrong = _first_mistyped(outcomes) if foreign else None
    wrong = wrong or _first_wrong(outcomes, acquisition)
    if wrong is None and isinstance(outcomes, Sequence):
        return tuple(outcomes)
    return (
        NotAssessable(
            ReasonCode.PLUGIN_FAILED,
            f"the plugin's answer breaks its contract: {wrong}",
            "report this to the plugin's author; nothing of its answer was used",
        ),
    )


def checked_conclusions(said: object) -> tuple[Conclusion, ...]:
    """What a summary of others gave back.

    Raises
    ------
    TypeError
        It is no sequence of conclusions whose fields hold what they are declared to.
    """
    if not isinstance(said, list | tuple):
        raise TypeError(f"{type(said).__name__} where a sequence of conclusions belongs")
    for one in said:
        wrong = mistyped(one, Conclusion)
        if wrong:
            raise TypeError(f"Conclusion{wrong}")
    return tuple(said)


def _first_mistyped(outcomes: object) -> str | None:
    if not isinstance(outcomes, list | tuple):
        return None  # said below
    for outcome in outcomes:
        if isinstance(outcome, Finding | NotAssessable):
            wrong = mistyped(outcome, type(outcome))
            if wrong:
                return f"{type(outcome).__name__}{wrong}"
    return None


def _first_wrong(outcomes: object, acquisition: Acquisition) -> str | None:
    if not isinstance(outcomes, list | tuple):
        return f"{type(outcomes).__name__} where a sequence of findings belongs"
    if not outcomes:
        return "no outcome at all; a plugin that took an acquisition must say something of it"
    clips = {clip.sop_instance_uid: clip for clip in acquisition.clips}
    for outcome in outcomes:
        if isinstance(outcome, Finding):
            wrong = _wrong_finding(outcome, clips)
        elif isinstance(outcome, NotAssessable):
            wrong = _wrong_image(outcome.image, clips) if outcome.image else None
            wrong = wrong or _wrong_lines(outcome.lines)
        else:
            wrong = f"{type(outcome).__name__} is neither Finding nor NotAssessable"
        if wrong:
            return wrong
    return None


def _wrong_finding(finding: Finding, clips: dict[str, Clip]) -> str | None:
    wrong = _wrong_image(finding.image, clips)
    if wrong:
        return wrong
    rows, columns = clips[finding.image.sop_instance_uid].frames.shape
    return (
        _wrong_outline(finding.outline, rows, columns)
        or _wrong_measurements(finding.measurements)
        or next(filter(None, (_wrong_image(image, clips) for image in finding.averaged_over)), None)
        or _wrong_lines(finding.lines)
        or next(filter(None, (_wrong_page(page, clips) for page in finding.pages)), None)
        or (_wrong_confidence(finding.confidence))
    )


def _wrong_image(image: FrameRef, clips: dict[str, Clip]) -> str | None:
    clip = clips.get(image.sop_instance_uid)
    if clip is None:
        return f"image {image.sop_instance_uid} is not one of the acquisition"
    if not 0 <= image.frame < clip.frames.count:
        return f"frame {image.frame} of image {image.sop_instance_uid}, which has {clip.frames.count}"
    return None


def _wrong_outline(outline: Sequence[tuple[float, float]], rows: int, columns: int) -> str | None:
    if len(outline) < 4:
        return f"an outline of {len(outline)} points; a closed polygon has at least four, the last equal to the first"
    if outline[0] != outline[-1]:
        return "an outline that is not closed: its last point must equal its first"
    if not all(0 <= column <= columns and 0 <= row <= rows for column, row in outline):
        return f"an outline that leaves its picture of {columns} columns and {rows} rows"
    return None


def _wrong_measurements(measurements: Iterable[Measurement]) -> str | None:
    names: set[str] = set()
    for measurement in measurements:
        if not measurement.unit:
            return f"measurement {measurement.name} has no unit; a pure number has the unit 1"
        if measurement.name in names:
            return f"measurement {measurement.name} twice in one finding"
        if not math.isfinite(measurement.value):
            return f"measurement {measurement.name} is not a finite number"
        names.add(measurement.name)
    return None


def _wrong_lines(lines: Iterable[Line]) -> str | None:
    for line in lines:
        if not all(math.isfinite(value) for point in line.points for value in point):
            return f"a drawn line {line.label!r} with a point that is not finite"
    return None


def _wrong_page(page: Page, clips: dict[str, Clip]) -> str | None:
    wrong = (_wrong_image(panel.image, clips) for panel in page.panels if panel.image is not None)
    return next(filter(None, wrong), None)


def _wrong_confidence(confidence: float | None) -> str | None:
    if confidence is not None and not 0 <= confidence <= 1:
        return f"a confidence of {confidence}; it is a share, 0 to 1"
    return None
