"""How much of the limits hangs on one subject, and what a cohort still lacks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reference_store.collecting import TARGETS
from reference_store.fitting.cohort import Cohort, Floats
from reference_store.fitting.linear import LinearFit
from reference_store.fitting.tolerance import prediction_z
from reference_store.fitting.wide import WideFit

_PER_CELL = 8
"""Subjects per decade and sex that 20 to 80 years need to make about 120."""


@dataclass(frozen=True, slots=True)
class Influence:
    """One subject's weight in the reference."""

    key: str
    shift: float
    """Largest change of the upper or lower limit at any subject's covariates when this one is left out, in SD."""
    residual: float | None
    """Deleted (externally studentised) residual; for LMS and quantile models z, ``None`` where there is none."""


def influences(fit: LinearFit) -> tuple[Influence, ...]:
    """Every subject left out in turn, largest shift first. Exact for given weights, by the rank-one update.

    Nobody is deleted by this: deleting whoever is influential narrows the SD and calls more patients abnormal.
    """
    weights = 1 / fit.spreads**2
    root = fit.design / fit.spreads[:, np.newaxis]
    inverse = np.linalg.inv(root.T @ root)
    residuals = (fit.averages - fit.fitted) / fit.spreads
    hats = np.einsum("ij,jk,ik->i", root, inverse, root)
    freedom = len(residuals) - root.shape[1]
    total = float(residuals @ residuals)
    scale = np.sqrt(total / freedom)
    deleted = np.sqrt(np.maximum(total - residuals**2 / (1 - hats), 0.0) / (freedom - 1))
    moved = (inverse @ fit.design.T * weights) * ((fit.averages - fit.fitted) / (1 - hats))  # terms × subjects
    means = -(fit.design @ moved) / fit.spreads[:, np.newaxis] / scale  # at subject i without subject j
    spread = prediction_z(freedom - 1) * deleted / scale - prediction_z(freedom)
    shifts = np.maximum(np.abs(means + spread).max(axis=0), np.abs(means - spread).max(axis=0))
    studentised = residuals / (deleted * np.sqrt(1 - hats))
    found = [
        Influence(key, float(shift), float(residual))
        for key, shift, residual in zip(fit.cohort.keys, shifts, studentised, strict=True)
    ]
    return tuple(sorted(found, key=lambda one: -one.shift))


def wide_influences(fit: WideFit, deviates: Sequence[float | None]) -> tuple[Influence, ...]:
    """The same of an LMS or quantile model, to first order (infinitesimal jackknife); ``deviates`` are everyone's z."""
    found = [
        Influence(key, float(shift), z) for key, shift, z in zip(fit.cohort.keys, fit.shifts, deviates, strict=True)
    ]
    return tuple(sorted(found, key=lambda one: -one.shift))


@dataclass(frozen=True, slots=True)
class Cell:
    """One decade and sex."""

    decade: str
    sex: str
    n: int
    lacking: int


def coverage(cohort: Cohort) -> tuple[Cell, ...]:
    """Subjects per decade (20 to 79, and others where there are any) and sex, with what each lacks."""
    ages: Floats = cohort.column("age_y")
    decades = sorted({*range(20, 80, 10), *(int(age // 10) * 10 for age in ages)})
    cells = []
    for first in decades:
        for sex in ("F", "M"):
            n = sum(first <= p.age_years < first + 10 and p.sex == sex for p in cohort.subjects if p.age_years)
            lacking = max(_PER_CELL - n, 0) if 20 <= first < 80 else 0
            cells.append(Cell(f"{first} to {first + 9}", sex, n, lacking))
    return tuple(cells)


def lacking(cohort: Cohort) -> tuple[str, ...]:
    """What is still missing, in sentences for a clinician."""
    n = len(cohort)
    target = next((target for target in TARGETS if n < target), None)
    said = [f"{target - n} more subjects make {target}"] if target else []
    gaps = [cell for cell in coverage(cohort) if cell.n < _PER_CELL // 2 and cell.lacking]
    words = {"F": "women", "M": "men"}
    said += [f"{words[cell.sex]} of {cell.decade} years: {f'only {cell.n}' if cell.n else 'none yet'}" for cell in gaps]
    return tuple(said)
