"""All nerve areas of one exam, as values to reckon with."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from plugins.contract import Acquisition, Comparison, Finding, FrameRef, Result, Scope, Side
from plugins.images import Outline, Spacing
from plugins.nerve_area import along, flags
from reference_store import anatomy

PLUGIN = "nerve_area"
WRIST_LABEL = re.compile(r"wrist circumference\D{0,3}(\d+(?:[.,]\d+)?)\s*(cm|mm)\b", re.IGNORECASE)
WRIST_CM = (9.0, 30.0)
"""Circumferences of a wrist that are taken for one, in cm."""


@dataclass(frozen=True, slots=True)
class Area:
    """The area of one nerve at one site and side, with what it was compared with."""

    structure: str
    side: Side
    site: str | None
    mm2: float
    comparison: Comparison | None
    image: FrameRef
    outline: Outline = field(repr=False)
    spacing: Spacing | None
    shape: tuple[int, int]
    blocked: bool = False
    """A flag forbids to call it normal."""
    in_parts: bool = False
    """The sum of separate outlines, for which no published figure holds."""
    wrist_cm: float | None = None
    """Circumference of the wrist, where a drawing's label states it."""

    @property
    def place(self) -> str:
        """Nerve, side and site in words."""
        return f"{self.nerve} {self.side}, {self.site_name}" if self.side is not Side.UNKNOWN else self.unsided

    @property
    def unsided(self) -> str:
        """Nerve and site in words."""
        return f"{self.nerve}, {self.site_name}"

    @property
    def nerve(self) -> str:
        """The nerve's name."""
        return anatomy.structure(self.structure).name

    @property
    def site_name(self) -> str:
        """The site's name."""
        return anatomy.site(self.site).name if self.site else "site not stated"

    @property
    def limit(self) -> float | None:
        """Upper limit of the reference, where it has one."""
        return None if self.comparison is None else self.comparison.upper_limit

    @property
    def enlarged(self) -> bool | None:
        """Above its reference's limit; ``None`` where nothing was compared."""
        return None if self.limit is None else self.mm2 > self.limit

    @property
    def over_twice(self) -> bool:
        """More than twice the reference's mean, or twice its limit where it gives no mean."""
        if self.comparison is None:
            return False
        normal = self.comparison.expected or self.comparison.upper_limit
        return normal is not None and self.mm2 > 2 * normal

    @property
    def entrapment(self) -> bool:
        """Measured at a site where this nerve is commonly entrapped."""
        return along.is_entrapment(self.structure, self.site)


@dataclass(frozen=True, slots=True)
class Exam:
    """The areas of an exam; one per nerve, side and site."""

    areas: tuple[Area, ...]

    def find(
        self, structures: Iterable[str], sites: Iterable[str] | None, side: Side | None = None
    ) -> tuple[Area, ...]:
        """Areas of these structures at these sites (any, for ``None``) on this side (any, for ``None``)."""
        wanted, places = frozenset(structures), None if sites is None else frozenset(sites)
        return tuple(
            area
            for area in self.areas
            if area.structure in wanted
            and (places is None or area.site in places)
            and (side is None or area.side is side)
        )

    def one(self, structure: str, sites: Iterable[str], side: Side) -> Area | None:
        """The first area of this nerve at these sites; ``None`` where the exam has none."""
        found = self.find((structure,), sites, side)
        return found[0] if found else None

    def of_one_piece(self) -> Exam:
        """Without nerves in parts: ratios and rules were published for whole ones."""
        return Exam(tuple(area for area in self.areas if not area.in_parts))

    @property
    def sides(self) -> tuple[Side, ...]:
        """Sides that occur."""
        return tuple(side for side in Side if any(area.side is side for area in self.areas))

    def nerves(self) -> tuple[tuple[str, Side, tuple[Area, ...]], ...]:
        """Per nerve and side its areas at stated sites, from distal to proximal; roots and trunks left out."""
        keys = dict.fromkeys((area.structure, area.side) for area in self.areas if area.site)
        result = []
        for structure, side in keys:
            if anatomy.structure(structure).kind == "nerve":
                found = [area for area in self.find((structure,), None, side) if area.site]
                found.sort(key=lambda area: along.ORDER.get(area.site or "", 0))
                result.append((structure, side, tuple(found)))
        return tuple(result)


def exam_of(results: Sequence[Result]) -> Exam:
    """Read the areas out of the findings; of several acquisitions of one place, the one with more images counts."""
    kept: dict[tuple[str, Side, str | None], tuple[int, Area]] = {}
    for result in results:
        if result.plugin != PLUGIN:
            continue
        for outcome in result.outcomes:
            if isinstance(outcome, Finding) and outcome.scope is Scope.ACQUISITION:
                area = _area_of(result.acquisition, outcome)
                if area is None:
                    continue
                key, images = (area.structure, area.side, area.site), len(outcome.averaged_over)
                if key not in kept or kept[key][0] < images:
                    kept[key] = (images, area)
    return Exam(tuple(area for _, area in kept.values()))


def _area_of(acquisition: Acquisition, finding: Finding) -> Area | None:
    measurement = next((m for m in finding.measurements if m.name == "area"), None)
    if measurement is None or acquisition.structure is None:
        return None
    clip = next((c for c in acquisition.clips if c.sop_instance_uid == finding.image.sop_instance_uid), None)
    if clip is None:
        return None
    tissue = clip.region_of(finding.outline)
    return Area(
        acquisition.structure,
        acquisition.side,
        acquisition.site,
        measurement.value,
        measurement.comparison if isinstance(measurement.comparison, Comparison) else None,
        finding.image,
        finding.outline,
        tissue.spacing if tissue else None,
        clip.frames.shape,
        any(flag.action == "block normal" for flag in finding.flags),
        flags.TWO_PARTS in finding.flags,
        _wrist_cm(acquisition),
    )


def _wrist_cm(acquisition: Acquisition) -> float | None:
    """The wrist's circumference from the first label that states one, as ``wrist circumference 16.5 cm``."""
    for clip in acquisition.clips:
        for region in clip.drawn:
            found = WRIST_LABEL.search(region.label)
            if found is not None:
                value = float(found[1].replace(",", ".")) / (10 if found[2].lower() == "mm" else 1)
                return value if WRIST_CM[0] <= value <= WRIST_CM[1] else None
    return None
