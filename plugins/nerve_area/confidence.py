"""How far an outline found by the network may be trusted: a logistic score of how the search went.

Fitted on nerves that the network had not been trained on, Dice 0.8 or more against less (training/calibrate.py);
the coefficients lie beside this file with the figures they reached.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import numpy as np

_COEFFICIENTS = Path(__file__).with_name("confidence.json")


def confidence(features: Mapping[str, float], mode: str) -> float:
    """Share of such outlines whose Dice is 0.8 or more; ``mode`` is ``caliper``, ``point`` or ``found``."""
    total = 0.0
    for name, (weight, mean, sd) in _models()[mode].items():
        total += weight * (features.get(name, 1.0) - mean) / sd
    return float(1 / (1 + np.exp(-np.clip(total, -30, 30))))


@lru_cache(maxsize=1)
def _models() -> dict[str, dict[str, tuple[float, float, float]]]:
    """Per mode and feature: weight, mean and SD; the feature ``constant`` is always 1."""
    models: dict[str, dict[str, tuple[float, float, float]]] = json.loads(_COEFFICIENTS.read_text(encoding="utf-8"))
    return models
