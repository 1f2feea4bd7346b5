"""Presentation states out: the lines that a measurement rests on stay, every word in them goes.

Clean Graphics Option (PS3.15 section E.3.3). Graphic layers and labels are names that somebody chose (CS), so they
become numbers; texts of any kind go whole. What somebody wrote by hand as a line is a line and stays: the manifest says
which objects are drawings.
"""

from __future__ import annotations

from pydicom import Dataset

_CLASSES = "1.2.840.10008.5.1.4.1.1.11."
"""All softcopy presentation states (PS3.4 section B.5)."""
METHOD = ("113103", "Clean Graphics Option")
_LABEL = "DRAWING"


def is_drawing(dataset: Dataset) -> bool:
    """Whether this is a presentation state."""
    return str(dataset.get("SOPClassUID", "")).startswith(_CLASSES)


def without_words(dataset: Dataset) -> None:
    """Take texts and chosen names out, in place; the rest is the header's matter."""
    layers: dict[str, str] = {}
    _walk(dataset, layers)
    dataset.ContentLabel = _LABEL


def _walk(dataset: Dataset, layers: dict[str, str]) -> None:
    for keyword in ("TextObjectSequence", "CompoundGraphicSequence"):
        if keyword in dataset:
            delattr(dataset, keyword)
    if "GraphicLayer" in dataset:
        dataset.GraphicLayer = layers.setdefault(str(dataset.GraphicLayer), f"LAYER{len(layers) + 1}")
    for element in dataset:
        if element.VR == "SQ":
            for item in element.value:
                _walk(item, layers)
