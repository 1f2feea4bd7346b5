"""Judged candidates as events of the contract, and the tables that lie beside the report."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence

from plugins.contract import Event
from plugins.fasciculation.clip import ClipMotion, Judged
from plugins.fasciculation.judge import FASCICULATION

SURE = 0.9
"""Confidence that a fasciculation needs where the picture moves, whatever the threshold; chosen by cross-validation on
the clips of training."""
FAINT_MM, FAINT = 0.1, 0.95
"""Displacement under which more confidence is needed, and how much. From 0.9 to 0.95 false alarms in stills fell from
0.12 to 0.09 a minute in cross-validation, and hardly a small twitch was lost (1,156 clips, threshold 0.8)."""
COLUMNS = (
    "event",
    "accepted",
    "rejected_as",
    "confidence",
    "start_s",
    "peak_s",
    "duration_s",
    "frame",
    "column",
    "row",
    "depth_mm",
    "peak_displacement_mm",
    "peak_speed_mm_s",
    "area_mm2",
)


def events_of(motion: ClipMotion, threshold: float) -> tuple[Event, ...]:
    """Every candidate in order of time, accepted or rejected with a name."""
    return tuple(_event(judged, motion, threshold) for judged in motion.judged)


def _event(judged: Judged, motion: ClipMotion, threshold: float) -> Event:
    each, verdict = judged.candidate, judged.verdict
    accepted = verdict.confidence >= _needed(judged, threshold) and not judged.known_as
    centre = motion.grid.centre(each.row + 0.5, each.column + 0.5)
    numbers: dict[str, float] = {"peak_s": round(each.peak_s, 4), "in_motion": float(bool(judged.in_motion))}
    spacing = motion.grid.spacing
    if spacing is not None:
        numbers |= {
            "peak_displacement_mm": round(each.height_mm, 3),
            "peak_speed_mm_s": round(each.speed_mm_s, 2),
            "depth_mm": round((centre[1] - motion.grid.box.row0) * spacing.row_mm, 1),
            "area_mm2": round(each.area_mm2, 1),
        }
    name = "" if accepted else judged.known_as or judged.in_motion or verdict.likely
    return Event(
        name=FASCICULATION if accepted else "movement",
        start_s=round(each.start_s, 4),
        duration_s=round(each.duration_s, 4),
        frame=judged.frame,
        centre=centre,
        properties=numbers,
        confidence=round(verdict.confidence, 4),
        accepted=accepted,
        rejected_as=name,
    )


def _needed(judged: Judged, threshold: float) -> float:
    """Confidence from which this one counts."""
    faint = FAINT if judged.candidate.height_mm < FAINT_MM else 0.0
    return max(threshold, SURE if judged.in_motion else 0.0, faint)


def tables_of(events: Sequence[Event], facts: Mapping[str, object]) -> dict[str, str]:
    """``events.csv`` and ``events.json``; frames count from 0, places are (column, row) of the picture."""
    rows = [_row(number, event) for number, event in enumerate(events, start=1)]
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    whole = json.dumps({**facts, "events": rows}, indent=1, sort_keys=False) + "\n"
    return {"events.csv": text.getvalue(), "events.json": whole}


def _row(number: int, event: Event) -> dict[str, object]:
    numbers = event.properties
    return {
        "event": number,
        "accepted": int(event.accepted),
        "rejected_as": event.rejected_as,
        "confidence": event.confidence,
        "start_s": event.start_s,
        "peak_s": numbers["peak_s"],
        "duration_s": event.duration_s,
        "frame": event.frame,
        "column": round(event.centre[0], 1),
        "row": round(event.centre[1], 1),
        **{name: numbers.get(name, "") for name in COLUMNS[10:]},
    }
