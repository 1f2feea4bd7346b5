"""Reports of a small exam, made and thrown away, so that every child starts with all of it loaded and run once.

pydicom reads its dictionaries when it first needs them, Pillow its fonts, and Python makes what has run a few times
faster: together a tenth of a second, and half of the time of a report, which the child of each study would spend anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from plugins.codes import ECHOGENICITY, MEAN
from plugins.contract import (
    Comparison,
    Finding,
    FrameRef,
    Line,
    LineRole,
    Measurement,
    Result,
)
from service.report.assemble import reports
from service.report.letters import draw_alphabet
from service.report.values import Content, Making, Moment, Plan

_OUTLINE = ((180.0, 160.0), (460.0, 160.0), (460.0, 320.0), (180.0, 320.0), (180.0, 160.0))
_POPULATION = Comparison(
    "rehearsal", "1", "0", "synthetic-test", "nobody", z=0.0, expected=1.0, sd=1.0, upper_limit=3.0
)


def rehearse(folder: Path, results: Sequence[Result]) -> Sequence[Result]:
    """Make reports and pictures of these results, and draw the letters that other reports will need."""
    practise(folder, results)
    draw_alphabet()
    return results


def practise(folder: Path, results: Sequence[Result]) -> Sequence[Result]:
    """Make reports and pictures of these results.

    Parameters
    ----------
    folder:
        Holds a file for each image, named by its SOP Instance UID.
    """
    images = {clip.sop_instance_uid: clip for result in results for clip in result.acquisition.clips}
    told = (*results, *(replace(one, outcomes=(_finding(one),)) for one in results[:1]))
    content = Content(next(iter(images)), told)
    making = Making(Plan(), Moment(datetime(2000, 1, 1, tzinfo=UTC), 1), folder)
    reports(content, {uid: folder / uid for uid in images}, making)
    return results


def _finding(result: Result) -> Finding:
    """A comparison, which an analysis without references has not."""
    image, line = FrameRef(result.acquisition.clips[0].sop_instance_uid), Line(_OUTLINE, LineRole.OUTLINE, "rehearsal")
    compared = Measurement("mean", ECHOGENICITY, 1.0, "[arb'U]", MEAN, comparison=_POPULATION)
    return Finding(image, _OUTLINE, (compared,), lines=(line,))
