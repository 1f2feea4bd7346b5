"""Doubts about a nerve's values, declared as data."""

from __future__ import annotations

from collections.abc import Sequence

from plugins.contract import Action, Flag

VIEW_UNKNOWN = Flag(
    "view_unknown", Action.WARN, "The image does not say that it is transverse: an oblique cut enlarges the area."
)
SITE_NOT_STATED = Flag(
    "site_not_stated",
    Action.BLOCK_Z,
    "The image does not say at which site the nerve was measured: the area is not compared.",
    source="reference areas differ by a factor of two between the sites of one nerve (Bae 2021)",
)
TWO_PARTS = Flag(
    "two_parts",
    Action.BLOCK_Z,
    "The nerve was drawn in separate parts: the area is their sum, and no reference holds for it.",
    source="Kuga 2021",
)
LOW_CONFIDENCE = Flag(
    "low_confidence",
    Action.BLOCK_NORMAL,
    "The outline was found with low confidence: check it before the area is used.",
)
DIFFERS_FROM_DRAWING = Flag(
    "differs_from_drawing",
    Action.WARN,
    "The outline found from the drawing differs from it by more than 20 % in area; the drawing was measured.",
)
STATED_DIFFERS = Flag(
    "stated_area_differs",
    Action.WARN,
    "The area stated by the drawing's source differs by more than 10 % from that of the drawing as measured here.",
)
PERHAPS_VESSEL = Flag(
    "perhaps_vessel", Action.BLOCK_NORMAL, "What was outlined looks like a vessel: check with colour Doppler."
)
COLOUR_INSIDE = Flag(
    "colour_inside", Action.WARN, "Coloured pixels lie inside the outline; they were left out of the grey levels."
)
UNDER_COLOUR = Flag(
    "under_colour",
    Action.WARN,
    "The nerve lies under colour Doppler: its area is given, its grey levels are not.",
)
SMALL_IN_PIXELS = Flag(
    "small_in_pixels",
    Action.WARN,
    "The nerve covers fewer than 300 pixels: a border moved by one pixel changes the area by a fifth or more.",
)
DEEP = Flag(
    "deep", Action.WARN, "The nerve lies deeper than 30 mm: borders are less certain there.", source="Wijntjes 2021"
)
CHILD = Flag(
    "child",
    Action.WARN,
    "Nerves reach adult size at about 15 years: adult limits do not hold for a child.",
    source="Tübingen series of 117 children",
)
FRAME_OF_CINE = Flag(
    "frame_of_cine", Action.WARN, "The value was read from one frame of a clip, the one that was marked."
)


def blocking(flags: Sequence[Flag]) -> Flag | None:
    """The first flag that forbids a comparison."""
    return next((flag for flag in flags if flag.action is Action.BLOCK_Z), None)
