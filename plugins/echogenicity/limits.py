"""Limits that raise flags and words. Where no source gives a number it is a proposal, to be set by the site."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace


@dataclass(frozen=True, slots=True)
class Limits:
    """One set of limits; a site changes them in its settings, and every result records them."""

    images: int = 3
    """Images to average; three are usual (Marzola 2025)."""
    spread_percent: float = 8.0
    """Coefficient of variation of echo intensity over repeats, above which the probe was held unevenly (proposal)."""
    slant_deg: float = 5.0
    """Slant of the fascia, above which the beam did not meet it squarely (proposal)."""
    faint_border: float = 20.0
    """Contrast of the deep border in grey levels, below which its echo is faint (proposal)."""
    distinct_border: float = 40.0
    """Contrast of the deep border from which its echo is distinct (proposal)."""
    deep_mm: float = 30.0
    """Depth of the region's middle, beyond which brightness is lost on the way (proposal)."""
    fat_mm: float = 20.0
    """Subcutaneous thickness, beyond which it darkens the muscle (proposal)."""
    thirds_difference: float = 25.0
    """Superficial less deep third, above which the mean hides a bright surface (95th percentile of 52 published
    healthy images; a proposal: gain and depth compensation of each site move it)."""
    steep_slope: float = -35.0
    """Grey levels per centimetre, below which depth darkens the muscle markedly (5th percentile of the same)."""
    least_area_mm2: float = 50.0
    """Smaller regions vary more from one to the next (Caresio 2015 for the effect; the number is a proposal)."""
    least_pixels: int = 1000
    """The same where no spacing is known."""
    edge_px: float = 2.0
    """Nearer than this to a fascia a drawn region takes in its echo (proposal)."""
    share_at_0_percent: float = 10.0
    share_at_255_percent: float = 2.0
    """Shares of pixels at the ends of the scale, above which gain or dynamic range cut values off (proposal)."""
    fat_likeness_percent: float = 10.0
    """A muscle as bright as subcutaneous fat to within this may be fat altogether (Wijntjes 2021; proposal)."""
    low_anisotropy_transverse: float = 0.15
    low_anisotropy_longitudinal: float = 0.35
    """Structure tensor coherence under which fascicles are hardly visible (proposal)."""
    young_years: float = 3.0
    old_years: float = 80.0
    """Ages outside of which the method is known to mislead (Wijntjes 2021)."""
    bmi: tuple[float, float] = (18.5, 30.0)
    """Body mass index that reference groups usually span (proposal)."""


def limits_from(given: object) -> Limits:
    """Limits as they are, or from a mapping of names to numbers, the rest at their defaults.

    Raises
    ------
    TypeError
        When it is neither.
    ValueError
        For a name that is no limit, or a value that is no number (two numbers for ``bmi``).
    """
    if isinstance(given, Limits):
        return given
    if not isinstance(given, Mapping):
        raise TypeError(f"limits must be a table of names and numbers, not {given!r}")
    known = {each.name for each in fields(Limits)}
    changed: dict[str, float | tuple[float, ...]] = {}
    for name, value in given.items():
        if name not in known:
            raise ValueError(f"limits: no limit is called {name!r}; there are {', '.join(sorted(known))}")
        if name == "bmi" and isinstance(value, list | tuple) and len(value) == 2 and all(map(_number, value)):
            changed[name] = (float(value[0]), float(value[1]))
        elif name != "bmi" and _number(value):
            changed[name] = value
        else:
            raise ValueError(f"limits: {name} = {value!r} is not a number")
    return replace(Limits(), **changed)  # type: ignore[arg-type]


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
