"""From a clip to a finding, or to the reason why there is none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from plugins.contract import (
    Acquisition,
    Clip,
    Finding,
    Flag,
    FrameRef,
    NotAssessable,
    Observation,
    ReasonCode,
    Scope,
)
from plugins.fasciculation import flags
from plugins.fasciculation.clip import ClipMotion, motion_of
from plugins.fasciculation.events import events_of, tables_of
from plugins.fasciculation.field_of_view import FieldOfView, field_of_view
from plugins.fasciculation.measures import Observed, fine_motion_of, measurements_of, presence_of
from plugins.fasciculation.motion import UNSEEN
from plugins.fasciculation.page import overlay_of, page_of, representative
from plugins.fasciculation.timebase import TimeBase, time_base
from plugins.titles import title_of
from reference_store import anatomy

SHORT_S = 30.0
"""Judged time under which a result is called short."""
SLACK_S = 0.5
"""A clip of 30 s is not short for a frame that was lost."""
FOLLOWED = 0.75
"""Share of the field's blocks that must be followed for no doubt: a choice, as what is not followed is not seen."""
STILL_ENOUGH = 0.5
"""Share of a clip that must be judged for any answer."""


class Settings(Protocol):
    """What of the plugin's parameters is asked here."""

    @property
    def threshold(self) -> float:
        """Confidence from which an event counts."""
        ...

    @property
    def minimum_s(self) -> float:
        """Least judged time for a negative."""
        ...

    @property
    def fine_motion(self) -> bool:
        """Whether to describe fine motion."""
        ...

    @property
    def minimum_rate_hz(self) -> float:
        """Least distinct frames per second."""
        ...


@dataclass(frozen=True, slots=True)
class ClipResult:
    """One clip, judged."""

    clip: Clip
    motion: ClipMotion
    seen: Observed
    view: FieldOfView
    fine: Observation | None
    flags: tuple[Flag, ...]
    times_s: npt.NDArray[np.float64]


def assess(clip: Clip, acquisition: Acquisition, settings: Settings) -> ClipResult | NotAssessable:
    """Judge one clip; every reason not to answer comes with its remedy."""
    view = field_of_view(clip, acquisition)
    if isinstance(view, NotAssessable):
        return view
    base = time_base(clip)
    if isinstance(base, NotAssessable):
        return base
    motion = motion_of(clip, base.times_s, view.inside)
    events = events_of(motion, settings.threshold)
    seen = Observed(events, motion.observed_s, motion.span_s, _share(motion, events, view))
    reason = _reason(clip, motion, seen, settings)
    if reason is not None:
        return reason
    field = motion.valid if view.inside is None else motion.valid & view.inside
    fine = fine_motion_of(motion.usual_mm, field) if settings.fine_motion else None
    doubts = _flags(motion, seen, view, base, clip)
    return ClipResult(clip, motion, seen, view, fine, doubts, np.asarray(base.times_s))


def finding_of(result: ClipResult, acquisition: Acquisition) -> Finding:
    """One clip's finding."""
    clip, motion, seen = result.clip, result.motion, result.seen
    presence = presence_of(seen)
    frame = representative(seen.events, clip.frames.count)
    text = (
        f"{presence.text[:1].upper()}{presence.text[1:]}.",
        f"Criterion: {presence.source}.",
        *(flag.sentence for flag in result.flags),
    )
    return Finding(
        image=FrameRef(clip.sop_instance_uid, frame),
        outline=result.view.outline,
        measurements=measurements_of(seen),
        region_origin=result.view.origin,
        observations=(presence,) if result.fine is None else (presence, result.fine),
        events=seen.events,
        flags=(*result.flags, *_muscle_flags(acquisition)),
        pages=(page_of(clip, motion, seen.events, result.view.outline, muscle=title_of(acquisition), text=text),),
        overlay_clip=overlay_of(clip, motion, seen.events, result.view.outline, result.times_s),
        tables=tables_of(seen.events, _facts(result)),
    )


def together(results: Sequence[ClipResult], acquisition: Acquisition) -> Finding:
    """All clips of one muscle: counts and times add up, intervals do not cross clips."""
    seen = Observed(
        tuple(event for result in results for event in result.seen.events),
        sum(result.seen.observed_s for result in results),
        sum(result.seen.span_s for result in results),
        max((result.seen.share or 0.0 for result in results), default=0.0),
    )
    first = max(results, key=lambda result: len(result.seen.accepted))
    frame = representative(first.seen.events, first.clip.frames.count)
    doubts = {flag.name: flag for result in results for flag in result.flags}
    if seen.observed_s >= SHORT_S - SLACK_S:
        doubts.pop(flags.SHORT.name, None)
    measured = [each for each in measurements_of(seen) if each.name != "interval_median"]
    return Finding(
        image=FrameRef(first.clip.sop_instance_uid, frame),
        outline=first.view.outline,
        measurements=tuple(measured),
        scope=Scope.ACQUISITION,
        averaged_over=tuple(
            FrameRef(result.clip.sop_instance_uid, representative(result.seen.events, result.clip.frames.count))
            for result in results
        ),
        region_origin=first.view.origin,
        observations=(presence_of(seen),),
        flags=(*doubts.values(), *_muscle_flags(acquisition)),
    )


def _reason(clip: Clip, motion: ClipMotion, seen: Observed, settings: Settings) -> NotAssessable | None:
    """Why this clip gives no answer; ``None`` when it does."""
    image = FrameRef(clip.sop_instance_uid, clip.frames.count // 2)
    if motion.span_s < 1.0 or motion.frames < 10:
        text = f"{motion.frames} different frames in {motion.span_s:.1f} s are too few to tell a twitch from anything"
        return NotAssessable(ReasonCode.TOO_SHORT, text, "record 30 to 60 s", image)
    if motion.rate_hz < settings.minimum_rate_hz:
        text = f"{motion.rate_hz:.1f} different frames per second; twitches of 0.1 s need {settings.minimum_rate_hz:g}"
        return NotAssessable(ReasonCode.IMAGE_QUALITY, text, "narrow the sector, reduce depth or persistence", image)
    if motion.valid.mean() < 0.1:
        text = "hardly any of the picture has texture that could be followed"
        return NotAssessable(ReasonCode.IMAGE_QUALITY, text, "raise the gain, use more gel, check probe contact", image)
    if motion.observed_s < STILL_ENOUGH * motion.span_s:
        if motion.unseen_s > motion.moving_s:
            text = f"no picture of the tissue, or a frozen one, for {_share_of(motion.unseen_s, motion)}"
            remedy = "keep the probe in contact, and export the clip unfrozen and with every frame"
            return NotAssessable(ReasonCode.IMAGE_QUALITY, text, remedy, image)
        names = sorted({stretch.name for stretch in motion.stretches if stretch.name not in UNSEEN})
        text = (
            f"movement over {_share_of(motion.moving_s, motion)} ({', '.join(names)}):"
            " fasciculations in it would not be seen"
        )
        return NotAssessable(
            ReasonCode.MOTION, text, "repeat with the limb supported and at rest, the probe held still", image
        )
    if motion.observed_s < settings.minimum_s and not seen.accepted:
        text = f"no event in only {motion.observed_s:.1f} s that could be judged: this says nothing"
        return NotAssessable(ReasonCode.TOO_SHORT, text, "record 30 to 60 s", image)
    return None


def _share_of(length_s: float, motion: ClipMotion) -> str:
    return f"{100 * length_s / motion.span_s:.0f} % of the clip"


def _flags(motion: ClipMotion, seen: Observed, view: FieldOfView, base: TimeBase, clip: Clip) -> tuple[Flag, ...]:
    """Doubts about one clip."""
    made = [flags.NOT_VALIDATED]
    if motion.observed_s < SHORT_S - SLACK_S:
        made.append(flags.with_number(flags.SHORT, f"Here: {motion.observed_s:.1f} s."))
    if motion.rate_hz < 20:
        made.append(flags.with_number(flags.LOW_FRAME_RATE, f"Here: {motion.rate_hz:.1f}."))
    if motion.grid.spacing is None:
        made.append(flags.NO_CALIBRATION)
    if motion.moving_s > 0.02 * motion.span_s:
        made.append(flags.with_number(flags.MOTION, _moved(motion, seen)))
    if motion.unseen_s > 0:
        made.append(flags.with_number(flags.UNSEEN, f"Here: {motion.unseen_s:.1f} s."))
    followed = _followed(motion, view)
    if followed < FOLLOWED:
        made.append(flags.with_number(flags.DARK_FIELD, f"Here: {100 * (1 - followed):.0f} %."))
    if base.contradiction:
        made.append(flags.with_number(flags.TIME_BASE, base.contradiction))
    if base.cine_rate:
        made.append(flags.with_number(flags.CINE_RATE, base.cine_rate))
    shown = round(clip.frames.count * (1 - motion.frozen_s / motion.span_s))
    if motion.frames < 0.85 * shown:
        made.append(flags.with_number(flags.REPEATED_FRAMES, f"Here: {shown - motion.frames}."))
    if not view.drawn:
        made.append(flags.WHOLE_FIELD)
    if any(0.4 <= (event.confidence or 0) < 0.9 and not event.properties["in_motion"] for event in seen.events):
        made.append(flags.DOUBTFUL)
    return tuple(made)


def _followed(motion: ClipMotion, view: FieldOfView) -> float:
    """Share of the field's blocks that could be followed; those at the border, which never are, left out."""
    field = np.zeros(motion.grid.blocks, bool)
    field[1:-1, 1:-1] = True
    if view.inside is not None:
        field &= view.inside
    return float(motion.valid[field].mean()) if field.any() else 1.0


def _moved(motion: ClipMotion, seen: Observed) -> str:
    """How long, and why count and rate do not fit each other where events were sure enough all the same."""
    text = f"Here: {motion.moving_s:.1f} s"
    inside = sum(1 for event in seen.accepted if event.properties["in_motion"])
    if not inside:
        return f"{text}."
    return f"{text}; {inside} of {len(seen.accepted)} events lie in it: counted, being sure, but left out of the rate."


def _muscle_flags(acquisition: Acquisition) -> tuple[Flag, ...]:
    """What is known of this muscle in the healthy."""
    try:
        traits = anatomy.structure(acquisition.structure or "").traits
    except KeyError:
        return ()
    return tuple(
        flag for trait, flag in (("foot_intrinsic", flags.FOOT), ("cranial", flags.CRANIAL)) if trait in traits
    )


def _share(motion: ClipMotion, events: Sequence[object], view: FieldOfView) -> float | None:
    """Part of the judged blocks that took part in any fasciculation."""
    field = motion.valid if view.inside is None else motion.valid & view.inside
    if not field.any():
        return None
    took = np.zeros(motion.grid.blocks, bool)
    for judged, event in zip(motion.judged, events, strict=True):
        if getattr(event, "accepted", False):
            took |= judged.candidate.extent
    return float((took & field).sum() / field.sum())


def _facts(result: ClipResult) -> dict[str, object]:
    """What the JSON table says of the clip."""
    motion = result.motion
    spacing = motion.grid.spacing
    return {
        "sop_instance_uid": result.clip.sop_instance_uid,
        "clip_s": round(motion.span_s, 3),
        "observed_s": round(motion.observed_s, 3),
        "distinct_frames": motion.frames,
        "distinct_frames_per_s": round(motion.rate_hz, 3),
        "spacing_mm": [spacing.row_mm, spacing.column_mm] if spacing else None,
        "not_judged": [
            {"start_s": round(each.start_s, 3), "end_s": round(each.end_s, 3), "name": each.name}
            for each in motion.stretches
        ],
    }
