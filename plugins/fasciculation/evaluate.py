"""How good the counting is on a site's own clips: annotated fasciculations against found ones.

The annotation table is CSV with a header: ``clip`` (the name the site uses for the file) and ``peak_s``; or ``start_s``
and ``end_s`` in place of ``peak_s``. A clip without fasciculations has one row with these columns empty.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.special import betaincinv

MATCH_S = 0.15


@dataclass(frozen=True, slots=True)
class Annotated:
    """Fasciculations of one clip as a person saw them."""

    clip: str
    peaks_s: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """What the analysis said of one clip."""

    clip: str
    peaks_s: tuple[float, ...]
    observed_s: float
    assessable: bool = True
    reason: str = ""
    """Why it was not assessable."""


@dataclass(frozen=True, slots=True)
class Share:
    """A proportion with its exact 95 % interval (Clopper and Pearson 1934)."""

    hits: int
    of: int

    @property
    def value(self) -> float | None:
        """The proportion; ``None`` of nothing."""
        return self.hits / self.of if self.of else None

    @property
    def interval(self) -> tuple[float, float]:
        """Lower and upper limit."""
        low = float(betaincinv(self.hits, self.of - self.hits + 1, 0.025)) if self.hits else 0.0
        high = float(betaincinv(self.hits + 1, self.of - self.hits, 0.975)) if self.hits < self.of else 1.0
        return low, high

    def __str__(self) -> str:
        """For people."""
        if not self.of:
            return "no events"
        low, high = self.interval
        return f"{self.hits / self.of:.3f} ({self.hits} of {self.of}; 95 % {low:.3f} to {high:.3f})"


@dataclass(frozen=True, slots=True)
class ClipScore:
    """One clip's figures."""

    clip: str
    annotated: int
    found: int
    matched: int
    assessable: bool
    reason: str = ""
    """Why it was not assessable."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Figures over all clips."""

    precision: Share
    recall: Share
    false_per_minute: float
    timing_bias_s: float | None
    """Mean of found minus annotated peak."""
    timing_spread_s: float | None
    """Median absolute difference."""
    clips: tuple[ClipScore, ...]
    not_assessable: tuple[str, ...]

    def __str__(self) -> str:
        """A short report."""
        lines = [
            f"{'clip':<32} annotated  found  matched",
            *(f"{each.clip:<32} {each.annotated:>9} {each.found:>6} {each.matched:>8}" for each in self.clips),
            f"precision {self.precision}",
            f"recall    {self.recall}",
            f"false alarms {self.false_per_minute:.2f} per minute",
        ]
        if self.timing_bias_s is not None:
            lines.append(f"timing: mean {self.timing_bias_s:+.3f} s, median absolute {self.timing_spread_s:.3f} s")
        lines += [
            f"not assessable, left out of these figures: {each.clip}{f': {each.reason}' if each.reason else ''}"
            for each in self.clips
            if not each.assessable
        ]
        return "\n".join(lines)


def annotated_in(text: str) -> tuple[Annotated, ...]:
    """Read an annotation table, also as spreadsheets write it: a mark of order first, semicolons, decimal commas.

    Raises
    ------
    ValueError
        When a column is missing or a time is no number; the text names the line.
    """
    lines = text.removeprefix("\ufeff").splitlines()
    separator = next((each for each in (";", "\t") if lines and each in lines[0]), ",")
    reader = csv.DictReader(lines, delimiter=separator)
    fields = set(reader.fieldnames or ())
    if "clip" not in fields or not ("peak_s" in fields or {"start_s", "end_s"} <= fields):
        raise ValueError(f"the table needs 'clip' and 'peak_s', or 'start_s' and 'end_s'; it has {sorted(fields)}")
    columns = ("peak_s",) if "peak_s" in fields else ("start_s", "end_s")
    peaks: dict[str, list[float]] = {}
    for number, row in enumerate(reader, start=2):
        times = peaks.setdefault((row["clip"] or "").strip(), [])
        words = [(row.get(name) or "").strip() for name in columns]
        if separator != ",":
            words = [word.replace(",", ".") for word in words]
        if not any(words):
            continue
        try:
            times.append(float(np.mean([float(word) for word in words])))
        except ValueError:
            raise ValueError(f"line {number}: {words} is not a time in seconds") from None
    return tuple(Annotated(clip, tuple(sorted(times))) for clip, times in peaks.items())


def evaluate(annotated: Sequence[Annotated], found: Sequence[Found], tolerance_s: float = MATCH_S) -> Evaluation:
    """Match one to one within the tolerance and count.

    Clips that were not assessable count for neither precision nor recall; they are listed.

    Raises
    ------
    ValueError
        When an annotated clip was not analysed.
    """
    by_clip: Mapping[str, Found] = {each.clip: each for each in found}
    lost = [each.clip for each in annotated if each.clip not in by_clip]
    if lost:
        raise ValueError(f"annotated but not analysed: {', '.join(lost)}")
    scores, gaps, minutes = [], [], 0.0
    for each in annotated:
        seen = by_clip[each.clip]
        pairs = matches(each.peaks_s, seen.peaks_s, tolerance_s) if seen.assessable else []
        scores.append(
            ClipScore(each.clip, len(each.peaks_s), len(seen.peaks_s), len(pairs), seen.assessable, seen.reason)
        )
        gaps += [seen.peaks_s[b] - each.peaks_s[a] for a, b in pairs]
        minutes += seen.observed_s / 60 if seen.assessable else 0.0
    judged = [score for score in scores if score.assessable]
    matched = sum(score.matched for score in judged)
    wrong = sum(score.found - score.matched for score in judged)
    return Evaluation(
        precision=Share(matched, matched + wrong),
        recall=Share(matched, sum(score.annotated for score in judged)),
        false_per_minute=wrong / minutes if minutes else 0.0,
        timing_bias_s=float(np.mean(gaps)) if gaps else None,
        timing_spread_s=float(np.median(np.abs(gaps))) if gaps else None,
        clips=tuple(scores),
        not_assessable=tuple(score.clip for score in scores if not score.assessable),
    )


def matches(one: Sequence[float], other: Sequence[float], tolerance_s: float) -> list[tuple[int, int]]:
    """The one-to-one pairing within the tolerance that has most pairs, then least difference (Hungarian method)."""
    if not one or not other:
        return []
    gap = np.abs(np.subtract.outer(np.asarray(one, float), np.asarray(other, float)))
    cost = np.where(gap <= tolerance_s, gap, 1e3)
    rows, columns = linear_sum_assignment(cost)
    return [(int(a), int(b)) for a, b in zip(rows, columns, strict=True) if gap[a, b] <= tolerance_s]
