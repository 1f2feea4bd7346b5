"""What one image says of itself: structure, side, site and view, from codes and from the texts that people typed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from pydicom.dataset import Dataset
from pydicom.sr._snomed_dict import mapping as _SNOMED  # noqa: N812 - the table from retired SRT to SCT values

from plugins.contract import Side, View
from reference_store import anatomy
from reference_store.values import Code
from service.analyse.read_facts import text

_SIDES = {"7771000": Side.LEFT, "24028007": Side.RIGHT}
_VIEWS = {
    "62824007": View.TRANSVERSE,
    "103340004": View.TRANSVERSE,
    "38717003": View.LONGITUDINAL,
    "103339001": View.LONGITUDINAL,
}
TEXTS = (
    "ViewName",
    "StageName",
    "ImageComments",
    "AcquisitionDescription",
    "ProtocolName",
    "SeriesDescription",
    "PerformedProcedureStepDescription",
    "RequestedProcedureDescription",
)
"""Attributes that a site's rules and the catalogue's own reading look into, from the image's to the exam's."""
_LIMBS = {
    "arm": "ARM UPPERARM FOREARM ELBOW WRIST HAND SHOULDER FINGER THUMB AXILLA HUMERUS RADIUS ULNA EXTREMITYUPPER",
    "leg": "LEG THIGH KNEE LOWERLEG CALF ANKLE FOOT TOE HIP POPLITEALFOSSA FEMUR TIBIA FIBULA EXTREMITYLOWER",
}
_LIMB_OF = {word: limb for limb, words in _LIMBS.items() for word in words.split()}


@dataclass(frozen=True, slots=True)
class Naming:
    """What the attributes of one image say, sorted by how far it can be trusted."""

    structures: frozenset[str] = frozenset()
    """Keys that coded attributes name."""
    sides: frozenset[Side] = frozenset()
    """Sides that coded attributes and Laterality name; more than one contradict each other."""
    site: str | None = None
    view: View = View.UNKNOWN
    limb: str | None = None
    """``arm`` or ``leg`` by Body Part Examined: too coarse to name a structure, enough to contradict one."""
    texts: Mapping[str, str] = field(default_factory=dict)
    """Texts by attribute keyword, those that are empty left out."""


def naming(dataset: Dataset) -> Naming:
    """Collect what an image says of itself, without deciding anything."""
    coded = list(_coded(dataset))
    regions = list(_codes(dataset, "AnatomicRegionSequence"))
    sites = {site.key for code in regions if (site := anatomy.site_by_code(code))}
    return Naming(
        structures=frozenset(structure for structure, _ in coded),
        sides=frozenset({side for _, side in coded if side is not Side.UNKNOWN} | set(_sides(dataset))),
        site=sites.pop() if len(sites) == 1 else None,
        view=_view(dataset),
        limb=_LIMB_OF.get((text(dataset, "BodyPartExamined") or "").upper().replace(" ", "")),
        texts={keyword: value for keyword in TEXTS if (value := _text(dataset, keyword))},
    )


def _text(dataset: Dataset, keyword: str) -> str | None:
    value = text(dataset, keyword)
    if value is None and keyword == "RequestedProcedureDescription":
        for item in dataset.get("RequestAttributesSequence") or ():
            value = value or text(item, keyword) or text(item, "ScheduledProcedureStepDescription")
    return value


def _code(item: Dataset) -> Code | None:
    """One coded concept, with retired SNOMED RT identifiers turned into SNOMED CT's."""
    value, scheme = text(item, "CodeValue"), text(item, "CodingSchemeDesignator")
    if not value or not scheme or len(value) > 16 or len(scheme) > 16:
        return None
    if scheme in ("SRT", "SNM3", "99SDM") and value in _SNOMED["SRT"]:
        value, scheme = _SNOMED["SRT"][value], "SCT"
    return Code(value, scheme, (text(item, "CodeMeaning") or value)[:64])


def _codes(dataset: Dataset, keyword: str) -> Iterator[Code]:
    for item in dataset.get(keyword) or ():
        if code := _code(item):
            yield code


def _coded(dataset: Dataset) -> Iterator[tuple[str, Side]]:
    for keyword in ("PrimaryAnatomicStructureSequence", "AnatomicRegionSequence"):
        for code in _codes(dataset, keyword):
            if known := anatomy.by_code(code):
                yield known[0].key, known[1]


def _sides(dataset: Dataset) -> Iterator[Side]:
    pairs = (
        ("PrimaryAnatomicStructureSequence", "PrimaryAnatomicStructureModifierSequence"),
        ("AnatomicRegionSequence", "AnatomicRegionModifierSequence"),
    )
    for outer, inner in pairs:
        for item in dataset.get(outer) or ():
            yield from (_SIDES[code.value] for code in _codes(item, inner) if code.value in _SIDES)
    for keyword in ("ImageLaterality", "Laterality"):
        if (letter := text(dataset, keyword)) in ("L", "R"):
            yield Side.LEFT if letter == "L" else Side.RIGHT


def _view(dataset: Dataset) -> View:
    said = {_VIEWS[code.value] for code in _codes(dataset, "ViewCodeSequence") if code.value in _VIEWS}
    return said.pop() if len(said) == 1 else View.UNKNOWN
