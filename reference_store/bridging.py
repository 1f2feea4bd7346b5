"""From one scanner's grey levels to another's, or the proof that it cannot be done.

Pairs are the same side of the same subject, scanned on both devices on one day. The line is Deming's (1943; both
values have error) or Passing and Bablok's (1983; resistant to outliers). Every subject is predicted by the line of all
the others. Accepted only when the residual SD is at most 0.3 and the bias, overall and in each third of the range, at
most 0.25 SD of the target reference, of at least 40 subjects: residuals of 0.3 SD raise false positives from 2.5 % to
3.0 %, a bias of 0.25 SD to 4.4 %. A line is never turned round: predicting back needs its own fit, since the inverse of
a line with error is another line.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reference_store.applying import Signed, in_its_unit, of_its_device, of_its_place, unsigned
from reference_store.documents import Document
from reference_store.observations import Group, Observation
from reference_store.predicting import score
from reference_store.terms import covariates
from reference_store.values import View

FEWEST, MAX_RESIDUAL, MAX_BIAS = 40, 0.3, 0.25
_Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Pair:
    """One subject on both devices, sides averaged."""

    subject_key: str
    source: float
    target: float
    target_sd: float
    """SD of the target reference at this subject's covariates."""


@dataclass(frozen=True, slots=True)
class Bridge:
    """A line from one device's values to those of the device that a reference was collected on."""

    release: str
    """The reference it leads to."""
    quantity: str
    structure: str
    site: str | None
    source: Group
    """The device and settings it comes from."""
    method: str
    intercept: float
    slope: float
    residual_sd: float
    """Of left-out subjects, in units of the target values."""
    n: int
    values: tuple[float, float]
    """Range of the source values that were paired; nothing is bridged outside it."""
    residual_share: float
    """Residual SD in SD of the reference."""
    biases: tuple[float, ...]
    """Mean residual overall and in the lower, middle and upper third, in SD of the reference."""
    accepted: bool
    text: str

    def carry(self, value: float) -> float | None:
        """The value as the target device would show it, or ``None`` outside the range of the pairs."""
        low, high = self.values
        return self.intercept + self.slope * value if low <= value <= high else None

    @property
    def content_hash(self) -> str:
        """SHA-256 of all of it."""
        return hashlib.sha256(json.dumps(to_json(self), sort_keys=True).encode()).hexdigest()


def to_json(bridge: Bridge) -> dict[str, Any]:
    """As it stands in the store's events."""
    return asdict(bridge)


def from_json(raw: dict[str, Any]) -> Bridge:
    """Back from the store's events. Raises ``KeyError`` or ``TypeError``."""
    fields = dict(raw)
    source = dict(fields.pop("source"))
    source["software_versions"] = tuple(source["software_versions"])
    source["view"] = View(source.get("view", View.UNKNOWN))
    low, high = fields.pop("values")
    return Bridge(**{**fields, "biases": tuple(fields["biases"])}, source=Group(**source), values=(low, high))


def pair(
    observations: Sequence[Observation], document: Document, signed: Signed = unsigned
) -> tuple[Group, tuple[Pair, ...]]:
    """Find the same-day pairs that lead to a reference, all in its unit.

    Raises
    ------
    ValueError
        When the values come from no other device, or from several.
    """
    mine = [found for found in observations if of_its_place(document, found)]
    there = [found for found in mine if of_its_device(document, found, signed) is None]
    groups = {found.group for found in mine} - {found.group for found in there}
    if len(groups) != 1 or not document.lock.device_bound:
        names = "; ".join(sorted(group.scanner for group in groups)) or "none"
        raise ValueError(f"a bridge leads from one other device to that of {document.release}; in the file: {names}")
    source = groups.pop()
    targets = {_same(found): found for found in there}
    people: dict[str, list[tuple[float, float, float]]] = {}
    for found in mine:
        twin = targets.get(_same(found))
        if found.group != source or twin is None:
            continue
        target = in_its_unit(document, twin)
        sd = score(document, target, covariates(twin.subject)).sd if _known(document, twin) else None
        if sd:
            people.setdefault(found.subject_key, []).append((in_its_unit(document, found), target, sd))
    pairs = tuple(Pair(key, *(float(x) for x in np.mean(rows, axis=0))) for key, rows in sorted(people.items()))
    return source, pairs


def _known(document: Document, found: Observation) -> bool:
    try:
        score(document, in_its_unit(document, found), covariates(found.subject))
    except KeyError:
        return False
    return True


def _same(found: Observation) -> tuple[object, ...]:
    return (found.subject_key, found.side, found.view, found.on)


def deming(x: _Floats, y: _Floats, ratio: float = 1.0) -> tuple[float, float]:
    """Intercept and slope with error in both; ``ratio`` is the error variance of y over that of x."""
    mean_x, mean_y = float(x.mean()), float(y.mean())
    sxx, syy = float(((x - mean_x) ** 2).mean()), float(((y - mean_y) ** 2).mean())
    sxy = float(((x - mean_x) * (y - mean_y)).mean())
    if sxy == 0:
        raise ValueError("the two devices' values have nothing to do with each other")
    difference = syy - ratio * sxx
    slope = (difference + math.sqrt(difference**2 + 4 * ratio * sxy**2)) / (2 * sxy)
    return mean_y - slope * mean_x, slope


def passing_bablok(x: _Floats, y: _Floats) -> tuple[float, float]:
    """Intercept and slope as the shifted median of all pairwise slopes (Passing & Bablok 1983)."""
    i, j = np.triu_indices(len(x), 1)
    across, up = x[i] - x[j], y[i] - y[j]
    kept = (across != 0) | (up != 0)
    with np.errstate(divide="ignore"):
        slopes = np.where(across[kept] != 0, up[kept] / across[kept], np.sign(up[kept]) * np.inf)
    slopes = np.sort(slopes[slopes != -1])
    shift = int((slopes < -1).sum())
    count = len(slopes)
    if count % 2:
        slope = float(slopes[(count - 1) // 2 + shift])
    else:
        slope = float(slopes[count // 2 - 1 + shift] + slopes[count // 2 + shift]) / 2
    return float(np.median(y - slope * x)), slope


_METHODS = {"deming": deming, "passing-bablok": passing_bablok}


def fit(document: Document, source: Group, pairs: Sequence[Pair], method: str = "deming") -> Bridge:
    """Fit and judge. Raises ``ValueError`` for fewer than ten pairs, which nothing can be said of."""
    if len(pairs) < 10:
        raise ValueError(f"{len(pairs)} same-day pairs; {FEWEST} subjects are needed, spread over the whole range")
    x, y = np.array([one.source for one in pairs]), np.array([one.target for one in pairs])
    sds = np.array([one.target_sd for one in pairs])
    line = _METHODS[method]
    everyone = np.arange(len(x))
    lines = [line(x[everyone != index], y[everyone != index]) for index in everyone]
    residuals = y - np.array([a + b * value for (a, b), value in zip(lines, x, strict=True)])
    share = residuals / sds
    thirds = np.array_split(np.argsort(x), 3)
    biases = (float(share.mean()), *(float(share[third].mean()) for third in thirds))
    residual_share = float(np.sqrt(np.mean(share**2) - share.mean() ** 2))
    intercept, slope = line(x, y)
    problems = _problems(len(x), residual_share, biases)
    if slope <= 0:
        problems.append("the line does not rise: brighter on one scanner would be darker on the other")
    numbers = f"residual {residual_share:.2f} SD, bias {' / '.join(f'{bias:+.2f}' for bias in biases)} SD, n = {len(x)}"
    return Bridge(
        release=document.release,
        quantity=document.quantity,
        structure=document.structure,
        site=document.site,
        source=source,
        method=method,
        intercept=intercept,
        slope=slope,
        residual_sd=float(residuals.std(ddof=1)),
        n=len(x),
        values=(float(x.min()), float(x.max())),
        residual_share=residual_share,
        biases=biases,
        accepted=not problems,
        text=f"{'refused: ' + '; '.join(problems) if problems else 'accepted'} ({numbers})",
    )


def _problems(n: int, residual: float, biases: tuple[float, ...]) -> list[str]:
    found = []
    if n < FEWEST:
        found.append(f"fewer than {FEWEST} subjects")
    if residual > MAX_RESIDUAL:
        found.append(f"residual above {MAX_RESIDUAL} SD")
    if max(abs(bias) for bias in biases) > MAX_BIAS:
        found.append(f"bias above {MAX_BIAS} SD")
    return found
