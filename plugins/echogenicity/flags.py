"""Doubts about a muscle's values, declared as data: what each does, and the sentence it puts into the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from plugins.contract import Action, Clip, Flag
from plugins.echogenicity.scene import Scene

NO_SPACING = Flag(
    "no_spacing",
    Action.WARN,
    "The image states no pixel spacing here: lengths and areas are not given.",
    source="DICOM Physical Delta X and Y (0018,602C), (0018,602E)",
)
FEWER_THAN_THREE_IMAGES = Flag(
    "fewer_than_three_images",
    Action.WARN,
    "Fewer than three images were averaged: the value carries the spread of single images.",
    source="Marzola 2025; three images per muscle are usual",
)
SETTINGS_DIFFER = Flag(
    "settings_differ_between_images",
    Action.BLOCK_Z,
    "The repeated images were not taken with the same device and settings: their average is not compared.",
    source="Wijntjes 2021: echo intensity is bound to device and preset",
)
SATURATED = Flag(
    "saturated",
    Action.WARN,
    "Many pixels are at the lowest or highest grey level: gain or dynamic range cuts the values off.",
    source="proposal: more than 10 % at 0 or more than 2 % at 255",
)
COLOUR_LEFT_OUT = Flag(
    "colour_left_out",
    Action.WARN,
    "Coloured pixels (marks or text) lie in the region; they were left out.",
)
LOSSY = Flag(
    "lossy_compression",
    Action.WARN,
    "The image was compressed with loss: grey levels are close to, not exactly, the scanner's.",
    source="DICOM Lossy Image Compression (0028,2110)",
)
FRAME_OF_CINE = Flag(
    "frame_of_cine",
    Action.WARN,
    "The value was read from the calmest frame of a clip, not from a still image.",
)


def of_image(clip: Clip, scene: Scene, values: Mapping[str, float]) -> tuple[Flag, ...]:
    """The flags of one image."""
    raised = {
        NO_SPACING: scene.spacing is None,
        SATURATED: values["fraction_at_0"] > 10 or values["fraction_at_255"] > 2,
        COLOUR_LEFT_OUT: values["fraction_coloured"] > 0,
        LOSSY: bool(clip.device.lossy),
        FRAME_OF_CINE: clip.frames.count > 1,
    }
    return tuple(flag for flag, true in raised.items() if true)


def blocking(flags: Sequence[Flag]) -> Flag | None:
    """The first flag that forbids a comparison."""
    return next((flag for flag in flags if flag.action is Action.BLOCK_Z), None)
