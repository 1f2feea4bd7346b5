"""The muscle in a still: one question, one answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from plugins.echogenicity.region.confidence import confidence
from plugins.echogenicity.region.contact import in_sight, squeezed
from plugins.echogenicity.region.decoding import Reading, readings
from plugins.echogenicity.region.field import SMALLEST_SIDE, field_mask, field_of_view
from plugins.echogenicity.region.geometry import ROWS, Layer, line_points, outline_of
from plugins.echogenicity.region.layers import working_image
from plugins.echogenicity.region.located import NEEDS_A_REGION, Located
from plugins.echogenicity.region.network import card, maps_of, unmarked_field, views_of
from plugins.echogenicity.region.priors import JUDGED, SEVERAL, UNDER_ANOTHER_MUSCLE, thickness_of
from plugins.echogenicity.region.tracing import traced
from plugins.echogenicity.region.transverse import suggestions
from plugins.images import Box, Grey, Mask, Spacing
from reference_store.values import View

SHOWN = 3
"""Alternatives shown: more than three outlines in one picture help nobody."""

USUAL_FIELD_MM = 35.0
"""Depth of field at which the usual half widths of fasciae in rows are 0.41 and 0.49 mm. Where the depth is known they
are kept in millimetres, for a fascia is no thicker in a deeper picture. An assumption: the masks have no scale."""


def locate(  # noqa: PLR0917 - the call every stage makes; each part is named by its type
    grey: Grey,
    coloured: Mask,
    view: View,
    structure: str | None,
    spacing: Spacing | None,
    region_box: Box | None,
) -> Located:
    """Find the muscle in one still.

    ``grey`` and ``coloured`` have shape (rows, columns); ``region_box`` is the calibrated tissue region and
    ``spacing`` its millimetres per pixel. Below the threshold the answer has no outline but a reason and the
    candidates. Raises ``ValueError`` when the installed weights are not those their card describes.
    """
    box = field_of_view(grey, coloured, region_box)
    mask = field_mask(grey, coloured, box)
    if min(mask.shape) < SMALLEST_SIDE:
        return _nothing("the field of view is too small")
    field = unmarked_field(grey, coloured, box)
    working = squeezed(field)
    if view is View.TRANSVERSE:
        layers = suggestions(working_image(grey, box))[:SHOWN]
        return _shown(
            [in_sight(layer, mask, working) for layer in layers],
            (0.0,) * len(layers),
            box,
            "no automatic outline of a transverse view has been validated",
            "layers",
        )
    found = readings(maps_of(views_of(grey, coloured, box)), _fascia_scale(spacing, box))
    found = tuple(replace(reading, layer=in_sight(traced(reading.layer, field), mask, working)) for reading in found)
    shares = _shares(found)
    rows = found[0].layer.thickness * (box.row1 - box.row0) / ROWS
    against = _against(shares[0], view, structure, spacing, rows)
    if against:
        return _shown([reading.layer for reading in found], shares, box, against, _method())
    best = found[0].layer
    return Located(
        outline=outline_of(best, box),
        superficial=line_points(best.superficial, best, box),
        deep=line_points(best.deep, best, box),
        alternatives=tuple(outline_of(reading.layer, box) for reading in found[1:]),
        alternative_confidences=shares[1:],
        confidence=shares[0],
        threshold=card().threshold,
        method=_method(),
        seen=(box, mask),
        caution="" if structure in JUDGED else "accuracy was judged on muscles of the calf, thigh and shin only",
    )


def _fascia_scale(spacing: Spacing | None, box: Box) -> float:
    """How many times thicker than usual a fascia is in rows of the working image."""
    return 1.0 if spacing is None else USUAL_FIELD_MM / (spacing.row_mm * (box.row1 - box.row0))


def _against(share: float, view: View, structure: str | None, spacing: Spacing | None, thickness_rows: float) -> str:
    """Why the best reading is not an answer; empty when it is."""
    if view is View.UNKNOWN:
        return "whether the view is longitudinal or transverse is not known"
    if structure in UNDER_ANOTHER_MUSCLE:
        return "the named muscle lies under another, and only the first muscle under the skin is found"
    if structure in SEVERAL:
        return "the name means several muscles, and only the first under the skin is found"
    if share < card().threshold:
        often = "fewer than 1 %" if share < 0.01 else f"{100 * share:.0f} %"
        return f"the two fasciae are not clear enough (right in {often} of such pictures)"
    if spacing is not None:
        limits = thickness_of(structure)
        found_mm = thickness_rows * spacing.row_mm
        if not limits.allows(found_mm):
            assumed = f"{limits.least_mm:g} to {limits.most_mm:g} mm"
            return f"{found_mm:.1f} mm lie between the fasciae, outside the {assumed} assumed possible for this muscle"
    return ""


def _shares(found: Sequence[Reading]) -> tuple[float, ...]:
    """The best reading's calibrated share; what it leaves is divided among the others by their own line mass."""
    best = confidence(found[0].evidence, card().coefficients)
    masses = [float(np.prod(reading.evidence.mass)) for reading in found[1:]]
    left = (1 - best) / max(sum(masses), 1.0)
    return (best, *(left * mass for mass in masses))


def _shown(layers: Sequence[Layer], shares: Sequence[float], box: Box, against: str, method: str) -> Located:
    """No answer: the candidates, and why."""
    best = shares[0] if shares else 0.0
    return Located(
        outline=None,
        superficial=(),
        deep=(),
        alternatives=tuple(outline_of(layer, box) for layer in layers),
        alternative_confidences=tuple(shares),
        confidence=best,
        threshold=card().threshold,
        method=method,
        reason=f"{NEEDS_A_REGION}: {against}",
    )


def _nothing(against: str) -> Located:
    return _shown([], (), Box(0, 0, 1, 1), against, "field of view")


def _method() -> str:
    return f"network {card().version}"
