"""Grey levels of a region: the mean by ImageJ's rule, and the shape of the histogram.

All figures come from the 256 counts of the region's pixels, so they are exact. Mean and standard deviation are
those of ImageJ (ImageStatistics): every 8-bit pixel counts, black ones too. Peers that leave out pixels at 0 or 1
differ by up to 24 grey levels at low gain.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from plugins.images import Grey, Mask

Histogram = npt.NDArray[np.int64]
"""Counts of the grey levels 0 to 255."""


@dataclass(frozen=True, slots=True)
class Intensity:
    """Figures of one region's histogram, in grey levels; ``None`` where a figure is not defined."""

    pixels: int
    mean: float
    sd: float | None
    """Sample standard deviation (divisor n − 1), as ImageJ's; ``None`` for a single pixel."""
    median: float
    """Lowest grey level that at least half of the pixels do not exceed; likewise the percentiles."""
    p5: float
    p95: float
    skewness: float | None
    """Third standardised moment, population form; ``None`` when all pixels are equal."""
    kurtosis: float | None
    """Fourth standardised moment less 3 (excess), population form."""
    share_at_0: float
    """Fraction of pixels at grey level 0."""
    share_at_255: float

    @property
    def variation_percent(self) -> float | None:
        """Echo variation EV = SD / mean × 100 (Martínez-Payá 2017); ``None`` for a black region."""
        return None if self.sd is None or self.mean <= 0 else 100 * self.sd / self.mean


def histogram_of(grey: Grey, mask: Mask) -> Histogram:
    """Counts of each grey level among the pixels of the mask."""
    counts: Histogram = np.bincount(grey[mask], minlength=256).astype(np.int64)
    return counts


def intensity_of(histogram: Histogram) -> Intensity:
    """All figures of a histogram that holds at least one pixel.

    Raises
    ------
    ValueError
        For an empty histogram.
    """
    pixels = int(histogram.sum())
    if pixels == 0:
        raise ValueError("a region without pixels has no grey level")
    levels = np.arange(256, dtype=float)
    mean = float(histogram @ levels) / pixels
    central = [float(histogram @ (levels - mean) ** power) / pixels for power in (2, 3, 4)]
    variance = central[0]
    spread = variance > 0
    return Intensity(
        pixels=pixels,
        mean=mean,
        sd=float(np.sqrt(variance * pixels / (pixels - 1))) if pixels > 1 else None,
        median=percentile(histogram, 50),
        p5=percentile(histogram, 5),
        p95=percentile(histogram, 95),
        skewness=central[1] / variance**1.5 if spread else None,
        kurtosis=central[2] / variance**2 - 3 if spread else None,
        share_at_0=float(histogram[0]) / pixels,
        share_at_255=float(histogram[255]) / pixels,
    )


def percentile(histogram: Histogram, percent: int) -> float:
    """Lowest grey level that at least ``percent`` % of the pixels do not exceed (inverted distribution function)."""
    reached = np.cumsum(histogram) * 100 >= percent * histogram.sum()
    return float(np.argmax(reached))
