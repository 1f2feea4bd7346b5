"""A value with the code, unit and definition that belong to its name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from plugins.contract import Comparison, Measurement, Refusal
from plugins.echogenicity.definitions import DEFINITIONS, Measure

MEASURES: Mapping[str, Measure] = {measure.name: measure for measure in DEFINITIONS}


def measured(
    name: str,
    value: float,
    uncertainty: float | None = None,
    comparison: Comparison | Refusal | None = None,
) -> Measurement:
    """The measurement of that name.

    Raises
    ------
    KeyError
        For a name that is not declared here.
    """
    measure = MEASURES[name]
    return Measurement(
        name=measure.name,
        code=measure.code,
        value=float(value),
        unit=measure.unit,
        derivation=measure.derivation,
        method=measure.method,
        definition=measure.definition,
        uncertainty=uncertainty,
        comparison=comparison,
    )


def compared(measurement: Measurement, comparison: Comparison | Refusal) -> Measurement:
    """The same measurement with what the reference store said of it."""
    return replace(measurement, comparison=comparison)
