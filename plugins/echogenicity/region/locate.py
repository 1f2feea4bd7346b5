"""The muscle in a still: one question, one answer."""

from __future__ import annotations

from dataclasses import replace

from plugins.echogenicity.region.field import field_mask, field_of_view
from plugins.echogenicity.region.geometry import Layer, outline_of
from plugins.echogenicity.region.layers import columns_seen, layers_between, ridges, working_image
from plugins.echogenicity.region.located import NEEDS_A_REGION, Located
from plugins.images import Box, Grey, Mask, Spacing
from reference_store.values import View

SHOWN = 3
"""Alternatives shown: more than three outlines in one picture help nobody."""
RIDGE_PRECISION = 0.6
"""Ridges alone choose the right pair in about this share of pictures at the best of scores."""
THRESHOLD = 0.9


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
    candidates.
    """
    box = field_of_view(grey, coloured, region_box)
    mask = field_mask(grey, coloured, box)
    pairs = layers_between(ridges(working_image(grey, box)))[:SHOWN]
    outlines = tuple(outline_of(_seen(layer, mask), box) for layer, _ in pairs)
    scores = tuple(RIDGE_PRECISION * score for _, score in pairs)
    return Located(
        outline=None,
        superficial=(),
        deep=(),
        alternatives=outlines,
        alternative_confidences=scores,
        confidence=scores[0] if scores else 0.0,
        threshold=THRESHOLD,
        method="ridges",
        reason=f"{NEEDS_A_REGION}: bright lines alone do not tell which two bound the muscle",
    )


def _seen(layer: Layer, mask: Mask) -> Layer:
    first, stop = columns_seen(mask, layer.superficial, layer.deep)
    return replace(layer, first=first, stop=stop)
