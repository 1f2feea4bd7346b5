"""Figures of one scene by group; each gives what can be measured and leaves out the rest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from plugins.contract import View
from plugins.echogenicity import fibres
from plugins.echogenicity.borders import (
    largest_height_mm,
    perpendicular_thickness_mm,
    slant_deg,
    subcutaneous_mm,
)
from plugins.echogenicity.depth import DepthFigures, deep_border_echo, depth_figures
from plugins.echogenicity.intensity import histogram_of, intensity_of
from plugins.echogenicity.maps import LocalMap, local_figures, local_map
from plugins.echogenicity.muscles import lacks_backstop
from plugins.echogenicity.scene import Scene
from plugins.echogenicity.texture import texture_of

DERMIS_MM = 1.5
"""Left out below the skin's surface: epidermis and dermis are bright and no fat."""
FASCIA_MM = 1.0
"""Left out above the muscle's upper border, where the fascia's echo lies."""
FEWEST_FAT_PIXELS = 200
LEAST_OVER_MUSCLE_MM = 1.5
"""Thinnest skin and subcutis over a muscle that the search may claim. The lower side of the skin was taken for a fascia
at 0.9 mm; 44 published images gave 1.1 mm at least, so a few true ones are refused: a region can be drawn there."""
THINNEST_FAT_LAYER_MM = 1.0

Values = dict[str, float]


@dataclass(frozen=True, slots=True)
class Figures:
    """All figures of one image, and the depth profile and local map that its page shows."""

    values: Values
    depth: DepthFigures | None = None
    local: LocalMap | None = None


def figures_of(scene: Scene, lossy: bool) -> Figures:
    """Everything the scene allows. Texture is left out of lossily compressed images (pitfall P21)."""
    values = grey_values(scene)
    depth = depth_figures(scene.grey, scene.mask, scene.used, scene.spacing)
    values |= _depth_values(depth)
    values |= length_values(scene)
    values |= surroundings(scene, depth, values["echo_intensity_mean"])
    if scene.spacing is not None and not lossy and not (scene.mask & scene.coloured).any():
        values |= texture_of(scene.grey, scene.mask, scene.spacing)
    values |= fibre_values(scene)
    local = None
    if scene.spacing is not None:
        local = local_map(scene.grey, scene.mask, scene.used, scene.spacing)
        values |= local_figures(local) if local is not None else {}
    return Figures({name: value for name, value in values.items() if np.isfinite(value)}, depth, local)


def grey_values(scene: Scene) -> Values:
    """Echo intensity and the figures of its histogram."""
    found = intensity_of(histogram_of(scene.grey, scene.used))
    inside = int(scene.mask.sum())
    optional = {
        "echo_intensity_sd": found.sd,
        "echo_intensity_skewness": found.skewness,
        "echo_intensity_kurtosis": found.kurtosis,
        "echo_variation": found.variation_percent,
    }
    return {
        "echo_intensity_mean": found.mean,
        "echo_intensity_median": found.median,
        "echo_intensity_p5": found.p5,
        "echo_intensity_p95": found.p95,
        "fraction_at_0": 100 * found.share_at_0,
        "fraction_at_255": 100 * found.share_at_255,
        "fraction_coloured": 100 * float((scene.mask & scene.coloured).sum()) / inside,
        **{name: value for name, value in optional.items() if value is not None},
    }


def length_values(scene: Scene) -> Values:
    """Areas, thicknesses and depth; nothing without a pixel spacing."""
    spacing = scene.spacing
    if spacing is None:
        return {}
    values = {"region_area": float(scene.mask.sum()) * spacing.area_mm2}
    depth = _region_depth_mm(scene, spacing.row_mm)
    if depth is not None:
        values["region_depth"] = depth
    if scene.borders is None or len(scene.borders.columns) < 8:
        return values
    across = scene.view is View.TRANSVERSE and not scene.chosen.superficial
    thickness = largest_height_mm(scene.borders, spacing) if across else None
    if scene.view is View.LONGITUDINAL or scene.chosen.superficial:
        thickness = perpendicular_thickness_mm(scene.borders, spacing)
    if thickness is not None:
        values["muscle_thickness"] = thickness
    if across and scene.wholly_seen and scene.chosen.muscle == scene.chosen.outline:
        values["cross_sectional_area"] = values["region_area"]
    if not across:
        columns, rows = np.asarray(scene.superficial).T
        values["fascia_slant"] = abs(slant_deg(columns, rows, spacing))
    fat = _fat_mm(scene)
    if fat is not None:
        values["subcutaneous_thickness"] = fat
    return values


def surroundings(scene: Scene, depth: DepthFigures | None, mean: float) -> Values:
    """The subcutaneous tissue above and the echo of the deep border."""
    values: Values = {}
    fat = _fat_echo(scene)
    if fat is not None and fat > 0:
        values |= {"subcutaneous_echo_intensity": fat, "muscle_to_subcutaneous_ratio": mean / fat}
    if scene.spacing is not None and scene.borders is not None and not lacks_backstop(scene.structure or ""):
        echo = deep_border_echo(scene.grey, scene.borders, scene.spacing)
        if echo is not None:
            values["deep_border_echo"] = echo
            if depth is not None:
                values["deep_border_contrast"] = echo - depth.deep_third
    return values


def fibre_values(scene: Scene) -> Values:
    """Anisotropy in any view; the fascicles' angle in a longitudinal one."""
    if scene.spacing is None:
        return {}
    band = fibres.band_of(scene.grey, scene.mask, scene.spacing)
    if band is None:
        return {}
    values: Values = {}
    coherence = fibres.anisotropy_of(band)
    if coherence is not None:
        values["anisotropy"] = coherence
    if scene.view is not View.LONGITUDINAL:
        return values
    found = fibres.fibres_of(band)
    if found is not None:
        values["fibre_angle"] = found.angle_deg
        if len(scene.deep) > 1:
            values["pennation_angle"] = fibres.pennation_deg(found, scene.deep, scene.spacing)
    return values


def _depth_values(depth: DepthFigures | None) -> Values:
    if depth is None:
        return {}
    values = {
        "echo_intensity_superficial_third": depth.superficial_third,
        "echo_intensity_middle_third": depth.middle_third,
        "echo_intensity_deep_third": depth.deep_third,
        "echo_intensity_thirds_difference": depth.superficial_third - depth.deep_third,
    }
    if depth.slope_per_cm is not None:
        values["echo_intensity_slope"] = depth.slope_per_cm
    return values


def _region_depth_mm(scene: Scene, row_mm: float) -> float | None:
    """Mean depth of the region's pixels below the skin, where the skin is known over the whole region."""
    if scene.skin is None:
        return None
    row, column = np.nonzero(scene.mask)
    depth = float((row + 0.5 - scene.skin[column]).mean() * row_mm)
    return depth if np.isfinite(depth) and depth > 0 else None


def _fat_columns(scene: Scene) -> tuple[np.ndarray, np.ndarray] | None:
    """Columns over the muscle where both skin and superficial fascia are known, and the fascia's rows there."""
    line = scene.superficial
    if scene.skin is None or scene.spacing is None or len(line) < 2 or not scene.under_skin:
        return None
    columns, rows = np.asarray(line).T
    first, last = int(np.ceil(columns.min())), int(np.floor(columns.max())) - 1
    inside = np.arange(max(first, 0), min(last, scene.grey.shape[1] - 1) + 1)
    inside = inside[np.isfinite(scene.skin[inside])]
    if inside.size < 8:
        return None
    return inside, np.interp(inside + 0.5, columns, rows)


def lies_at_skin(scene: Scene) -> bool:
    """Whether the superficial line that the search found is the skin itself: no muscle begins so high.

    Skin alone is thicker than this nearly everywhere (1 to 2 mm), and the line is sought below it. Seen on a picture
    of tendons that was named a muscle.
    """
    found = _fat_columns(scene)
    if found is None or scene.spacing is None or scene.skin is None or not scene.chosen.superficial:
        return False
    columns, fascia = found
    return bool(np.median(fascia - scene.skin[columns]) * scene.spacing.row_mm < LEAST_OVER_MUSCLE_MM)


def _fat_mm(scene: Scene) -> float | None:
    found = _fat_columns(scene)
    if found is None or scene.spacing is None or scene.skin is None:
        return None
    return subcutaneous_mm(scene.superficial, scene.skin[found[0]], found[0] + 0.5, scene.spacing)


def _fat_echo(scene: Scene) -> float | None:
    """Mean grey level of the subcutaneous tissue without dermis and fascia."""
    found = _fat_columns(scene)
    if found is None or scene.spacing is None or scene.skin is None:
        return None
    columns, fascia = found
    top = scene.skin[columns] + DERMIS_MM / scene.spacing.row_mm
    bottom = fascia - FASCIA_MM / scene.spacing.row_mm
    if np.median(bottom - top) * scene.spacing.row_mm < THINNEST_FAT_LAYER_MM:
        return None
    rows = np.arange(scene.grey.shape[0])[:, np.newaxis] + 0.5
    inside = (rows > top) & (rows < bottom) & ~scene.coloured[:, columns]
    if inside.sum() < FEWEST_FAT_PIXELS:
        return None
    return float(scene.grey[:, columns][inside].mean())
