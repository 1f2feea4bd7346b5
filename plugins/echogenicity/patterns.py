"""Patterns of muscle echogenicity as rules over measured features, reported as "features consistent with".

The literature describes the patterns in pictures and words (Wijntjes 2021; Meiling 2025); every number here is a
proposal of nmus to be validated. A rule speaks only when every feature it needs was measured and is met; the text
names each feature with its value. None of it is a diagnosis.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from plugins.contract import Acquisition, Observation
from plugins.echogenicity import codes, pitfalls
from plugins.echogenicity.limits import Limits

SOURCE = "Wijntjes 2021 for the description; all limits are proposals of nmus"
EVEN_PERCENT = 12.0
"""Local variation (SD of local means over their mean) below which a muscle is evenly grey."""
UNEVEN_PERCENT = 40.0
"""And above which it is patchy."""
EVEN_IDM = 0.60
"""Inverse difference moment above which texture is even (95th percentile of 52 published healthy images)."""
FOCAL_SHARE = (10.0, 50.0)
"""Per cent of the region that bright areas cover in the focal pattern (52 published healthy images: 0 to 7.5)."""
FEWEST_ISLANDS = 2
GENTLE_SLOPE = -8.0
"""Grey levels per centimetre; a see-through muscle darkens less than this with depth."""
THIN_Z = -1.5


@dataclass(frozen=True, slots=True)
class Evidence:
    """Averaged values of one muscle with the z-scores that could be had."""

    values: Mapping[str, float]
    z_echo: float | None
    z_thickness: float | None
    fascicles_lost: bool | None
    limits: Limits

    def bright(self, z_limit: float) -> str | None:
        """Words for raised brightness; ``None`` when it is not raised, or no z-score tells."""
        return f"z {self.z_echo:.1f}" if self.z_echo is not None and self.z_echo > z_limit else None

    def above(self, name: str, limit: float, words: str) -> str | None:
        """Words with the value when it was measured and exceeds the limit."""
        value = self.values.get(name)
        return f"{words} {value:.3g}" if value is not None and value > limit else None

    def below(self, name: str, limit: float, words: str) -> str | None:
        """Words with the value when it was measured and is under the limit."""
        value = self.values.get(name)
        return f"{words} {value:.3g}" if value is not None and value < limit else None


def patterns_of(
    acquisition: Acquisition,
    values: Mapping[str, float],
    z_echo: float | None,
    z_thickness: float | None,
    limits: Limits,
) -> tuple[Observation, ...]:
    """Every pattern whose features are all met, in a fixed order."""
    lost = pitfalls.low_anisotropy(acquisition.view, values, limits)
    evidence = Evidence(values, z_echo, z_thickness, lost, limits)
    found = []
    for name, rule in RULES.items():
        met = rule(evidence)
        if all(met):
            code = codes.PATTERNS[name]
            text = f"{code.meaning} ({'; '.join(each for each in met if each)})"
            found.append(Observation(f"pattern_{name}", codes.PATTERN, code, text, SOURCE))
    return tuple(found)


def _ground_glass(e: Evidence) -> tuple[str | None, ...]:
    return (
        e.bright(2.0),
        e.below("local_variation", EVEN_PERCENT, "local variation %"),
        e.above("glcm_inverse_difference_moment", EVEN_IDM, "inverse difference moment"),
        "fascicles hardly visible" if e.fascicles_lost else None,
    )


def _attenuation(e: Evidence) -> tuple[str | None, ...]:
    return (
        e.below("echo_intensity_slope", e.limits.steep_slope, "slope per cm"),
        e.above("echo_intensity_thirds_difference", e.limits.thirds_difference, "superficial less deep third"),
        e.below("deep_border_contrast", e.limits.faint_border, "contrast of the deep border"),
    )


def _focal(e: Evidence) -> tuple[str | None, ...]:
    return (
        e.above("bright_area_share", FOCAL_SHARE[0], "bright areas %"),
        e.below("bright_area_share", FOCAL_SHARE[1], "of the region"),
        f"the whole not bright, z {e.z_echo:.1f}" if e.z_echo is not None and e.z_echo <= 2.0 else None,
    )


def _see_through(e: Evidence) -> tuple[str | None, ...]:
    return (
        e.bright(1.5),
        e.above("echo_intensity_slope", GENTLE_SLOPE, "slope per cm"),
        e.above("deep_border_contrast", e.limits.distinct_border, "contrast of the deep border"),
    )


def _patchy(e: Evidence) -> tuple[str | None, ...]:
    thin = e.z_thickness is not None and e.z_thickness < THIN_Z
    return (
        e.bright(2.0),
        e.above("local_variation", UNEVEN_PERCENT, "local variation %"),
        f"thickness z {e.z_thickness:.1f}" if thin else None,
    )


def _moth_eaten(e: Evidence) -> tuple[str | None, ...]:
    return (e.bright(1.5), e.above("dark_island_count", FEWEST_ISLANDS - 0.5, "round dark islands"))


def _calcification(e: Evidence) -> tuple[str | None, ...]:
    return (e.above("shadowing_spot_count", 0.0, "bright spots with shadow"),)


RULES = {
    "ground_glass": _ground_glass,
    "attenuation": _attenuation,
    "focal": _focal,
    "see_through": _see_through,
    "patchy": _patchy,
    "moth_eaten": _moth_eaten,
    "calcification": _calcification,
}
