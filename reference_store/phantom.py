"""What one image of a tissue phantom says of a scanner: brightness at three depths, noise, speckle size, decay.

Regions are fixed fractions of the tissue region, so that the same preset always measures the same places. Methods:
mean grey level and SD as in any QUS quality programme; speckle size as full width at half maximum of the normalised
autocovariance (Wagner 1983); slope by least squares over depth.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_DEPTHS = (0.25, 0.5, 0.75)
"""Centres of the three regions, as fractions of the depth shown."""
_HEIGHT, _WIDTH = 0.12, 0.5
"""Size of a region as fractions of the tissue region; narrow in depth, since brightness changes with it."""


@dataclass(frozen=True, slots=True)
class PhantomRule:
    """Regular expressions that make an exam a phantom's; one match is enough, none configured means never."""

    study_description: str | None = None
    protocol_name: str | None = None
    patient_id: str | None = None

    def matched(self, facts: Mapping[str, str | None]) -> str | None:
        """Which of the rules matched, by name, or ``None``."""
        for name in ("study_description", "protocol_name", "patient_id"):
            pattern, text = getattr(self, name), facts.get(name)
            if pattern and text and re.search(pattern, text, re.IGNORECASE):
                return name
        return None


@dataclass(frozen=True, slots=True)
class PhantomValues:
    """One image's numbers."""

    mean: float
    """Mean grey level of the three regions."""
    levels: tuple[float, float, float]
    """Mean grey level at a quarter, half and three quarters of the depth."""
    sd: float
    """SD of the grey levels inside a region, averaged over the three."""
    speckle_mm: tuple[float, float]
    """Speckle size (axial, lateral) in the middle region."""
    slope_per_cm: float
    """Change of grey level per centimetre of depth."""
    saturated: float
    """Share of pixels at 0 or 255: with many, brightness no longer follows gain."""


def measure(grey: NDArray[Any], spacing_mm: tuple[float, float]) -> PhantomValues:
    """Measure the tissue region of one phantom image.

    Parameters
    ----------
    grey:
        Grey levels 0 to 255, shape (rows, columns), cut to the tissue region.
    spacing_mm:
        Millimetres per pixel (row, column).

    Raises
    ------
    ValueError
        When the image is too small for three regions, or has colour.
    """
    if grey.ndim != 2 or min(grey.shape) < 40:
        raise ValueError(f"a phantom image must be grey and at least 40 × 40 pixels, not {grey.shape}")
    rows, columns = grey.shape
    half_height, half_width = int(rows * _HEIGHT / 2), int(columns * _WIDTH / 2)
    middle = columns // 2
    regions = [
        grey[
            int(rows * depth) - half_height : int(rows * depth) + half_height, middle - half_width : middle + half_width
        ]
        for depth in _DEPTHS
    ]
    levels = [float(region.mean()) for region in regions]
    depths_cm = [rows * depth * spacing_mm[0] / 10 for depth in _DEPTHS]
    everything = np.concatenate([region.ravel() for region in regions])
    return PhantomValues(
        mean=float(np.mean(levels)),
        levels=(levels[0], levels[1], levels[2]),
        sd=float(np.mean([region.std() for region in regions])),
        speckle_mm=(_width(regions[1], 0) * spacing_mm[0], _width(regions[1], 1) * spacing_mm[1]),
        slope_per_cm=float(np.polyfit(depths_cm, levels, 1)[0]),
        saturated=float(np.mean((everything <= 0) | (everything >= 255))),
    )


def _width(region: NDArray[Any], axis: int) -> float:
    """Full width at half maximum of the autocovariance along an axis, in pixels, by linear interpolation."""
    centred = region - region.mean()
    power = np.abs(np.fft.rfft(centred, n=2 * region.shape[axis], axis=axis)) ** 2
    covariance = np.fft.irfft(power.sum(axis=1 - axis))[: region.shape[axis]]
    # fewer pairs overlap at larger shifts
    covariance = covariance / (region.shape[axis] - np.arange(region.shape[axis]))
    if covariance[0] <= 0:
        return 0.0
    below = np.flatnonzero(covariance < covariance[0] / 2)
    if not len(below):
        return float(2 * region.shape[axis])
    index = int(below[0])
    before, after = covariance[index - 1], covariance[index]
    return float(2 * (index - 1 + (before - covariance[0] / 2) / (before - after)))
