"""One TID 1410 measurement group for each finding: outline, site and side, numbers with what they are compared to.

Every group carries a plane outline: viewers were seen to fail on a whole report when one group had none.
"""

from __future__ import annotations

import hashlib
import hmac
import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from pydicom import Dataset

from plugins.codes import Z_SCORE
from plugins.contract import Comparison, Finding, Measurement, Outline, Refusal, Result, Scope, Side
from reference_store import anatomy
from reference_store.values import Code
from service.report import codes, tree
from service.report.identity import derived_uid
from service.report.source import NAME, frame_numbers
from service.report.tree import Item, Related
from service.report.units import unit

_COUNTED = {"{counts}", "{events}", "{pixels}"}
_FEWEST_POINTS = 8
"""A closed outline of four or five points is taken by one viewer for an editable rectangle, with areas of its own."""


@dataclass(frozen=True, slots=True)
class Subjects:
    """What the groups of one report share."""

    headers: Mapping[str, Dataset]
    """Source headers by SOP Instance UID."""
    parameters: Mapping[str, Sequence[str]]
    pseudonym: str


def pseudonym(source: Dataset, secret: bytes) -> str:
    """What stands for the patient in tracking UIDs: the same in every exam here, and not to be guessed back."""
    who = f"{source.get('IssuerOfPatientID', '')}|{source.get('PatientID', '')}"
    return hmac.new(secret or source.StudyInstanceUID.encode(), who.encode(), hashlib.sha256).hexdigest()


def distinct(finding: Finding) -> list[Finding]:
    """A finding cut so that no part names a concept twice: viewers show names alone, not what modifies them.

    A z-score is one more concept, so that two compared values stand in two parts. What is said besides the numbers
    stands in the first part.
    """
    parts: list[list[Measurement]] = [[]]
    for one in finding.measurements:
        free = next((part for part in parts if not _concepts(one) & set().union(*map(_concepts, part))), None)
        if free is None:
            parts.append([one])
        else:
            free.append(one)
    first = replace(finding, measurements=tuple(parts[0]))
    bare = replace(finding, observations=(), events=(), flags=())
    return [first, *(replace(bare, measurements=tuple(part)) for part in parts[1:])]


def _concepts(one: Measurement) -> set[Code]:
    compared = isinstance(one.comparison, Comparison) and one.comparison.z is not None
    return {one.code, Z_SCORE} if compared else {one.code}


def group(result: Result, finding: Finding, number: int, subjects: Subjects, part: int = 1) -> Item:
    """The group of one finding.

    Parameters
    ----------
    number:
        Of the image within its acquisition, from 1; 0 for the acquisition as a whole.
    part:
        Of a finding that :func:`distinct` cut.
    """
    acquisition = result.acquisition
    nerve = _kind(acquisition.structure) in ("nerve", "root", "trunk")
    items = [
        *_tracking(result, finding, (number, part), subjects),
        tree.coded(Related.CONTAINS, codes.FINDING_CATEGORY, codes.ANATOMICAL_STRUCTURE),
        tree.coded(Related.CONTAINS, codes.FINDING, codes.PERIPHERAL_NERVE if nerve else codes.SKELETAL_MUSCLE),
        *_sites(acquisition.structure, acquisition.side, acquisition.site),
        *_algorithm(result, subjects),
        *_measurements(finding.measurements),
        *(tree.coded(Related.CONTAINS, one.code, one.value) for one in finding.observations),
        _region(finding, subjects.headers),
        *_remarks(finding),
        *_event_frames(finding, subjects.headers),
    ]
    return tree.container(Related.CONTAINS, codes.MEASUREMENT_GROUP, items, template="1410")


def rounded(value: float) -> float:
    """Five significant digits: what a pixel grid can tell, and what a viewer's label has room for."""
    return float(f"{value:.5g}")


def _kind(structure: str | None) -> str:
    return anatomy.structure(structure).kind if structure else "muscle"


def _tracking(result: Result, finding: Finding, place: tuple[int, int], subjects: Subjects) -> tuple[Item, Item]:
    acquisition, (number, part) = result.acquisition, place
    where = [acquisition.structure or "unknown", acquisition.side.value, acquisition.site or "", acquisition.view.value]
    named = anatomy.structure(where[0]).name if acquisition.structure else "Unknown structure"
    words = [named, acquisition.side.value if acquisition.side is not Side.UNKNOWN else "side unknown"]
    words += [anatomy.site(acquisition.site).name] if acquisition.site else []
    scope = "all images" if finding.scope is Scope.ACQUISITION else f"image {number}"
    more = [f"part {part}"] if part > 1 else []
    uid = derived_uid("tracking", subjects.pseudonym, *where, result.plugin, finding.scope.value, str(number), *more)
    name = f"{' '.join(words)} / {result.plugin} / {', '.join((scope, *more))}"
    return (
        tree.text(Related.HAS_OBS_CONTEXT, codes.TRACKING_IDENTIFIER, name),
        tree.uid(Related.HAS_OBS_CONTEXT, codes.TRACKING_UNIQUE_IDENTIFIER, uid),
    )


def _algorithm(result: Result, subjects: Subjects) -> Iterator[Item]:
    """Algorithm identification (TID 4019)."""
    told = [
        (codes.ALGORITHM_NAME, result.plugin),
        (codes.ALGORITHM_VERSION, result.version),
        (codes.ALGORITHM_MANUFACTURER, NAME),
        *((codes.ALGORITHM_PARAMETERS, one) for one in subjects.parameters.get(result.plugin, ())),
    ]
    return (tree.text(Related.HAS_CONCEPT_MOD, name, value) for name, value in told)


def _region(finding: Finding, headers: Mapping[str, Dataset]) -> Item:
    source = headers[finding.image.sop_instance_uid]
    frames = frame_numbers(source, finding.image.frame) or ()
    image = tree.image(Related.SELECTED_FROM, codes.SOURCE, source.SOPClassUID, source.SOPInstanceUID, frames)
    return tree.polyline(Related.CONTAINS, codes.IMAGE_REGION, dense(finding.outline), image)


def dense(outline: Outline) -> Outline:
    """The same polygon with at least eight points, for which edges are halved, and no more than an element can hold."""
    points = list(outline)
    if len(points) > tree.MOST_POINTS:
        points = [*points[: -1 : math.ceil(len(points) / (tree.MOST_POINTS - 1))], points[-1]]
    while len(points) < _FEWEST_POINTS:
        halved = [points[0]]
        for before, after in itertools.pairwise(points):
            halved += [((before[0] + after[0]) / 2, (before[1] + after[1]) / 2), after]
        points = halved
    return tuple(points)


def _sites(structure: str | None, side: Side, site: str | None) -> Iterator[Item]:
    if structure is None:
        return
    code = anatomy.coded(structure, side)
    sided = code != anatomy.structure(structure).code
    laterality = None if sided else {Side.LEFT: codes.LEFT, Side.RIGHT: codes.RIGHT}.get(side)
    more = [(codes.LATERALITY, laterality), (codes.TOPOGRAPHICAL_MODIFIER, anatomy.site(site).code if site else None)]
    modifiers = [tree.coded(Related.HAS_CONCEPT_MOD, name, value) for name, value in more if value is not None]
    yield tree.coded(Related.HAS_CONCEPT_MOD, codes.FINDING_SITE, code, modifiers)


def _measurements(measurements: Sequence[Measurement]) -> Iterator[Item]:
    for one in measurements:
        more = [(codes.MEASUREMENT_METHOD, one.method), (codes.DERIVATION, one.derivation)]
        children = [tree.coded(Related.HAS_CONCEPT_MOD, name, value) for name, value in more if value is not None]
        if one.definition:  # equation or table (TID 315)
            children.append(tree.text(Related.INFERRED_FROM, codes.EQUATION, one.definition))
        counted = one.unit in _COUNTED and float(one.value).is_integer()
        value = int(one.value) if counted else rounded(one.value)
        yield tree.number(Related.CONTAINS, one.code, value, unit(one.unit), [*children, *_properties(one)])
        compared = one.comparison
        if isinstance(compared, Comparison) and compared.z is not None:
            # Viewers do not show nested properties, so the z-score also stands by itself.
            yield tree.number(Related.CONTAINS, Z_SCORE, rounded(compared.z), unit("1"))


def _properties(one: Measurement) -> Iterator[Item]:
    """Measurement properties (TID 310 to 312): against whom, where in that population, and its normal range."""
    compared = one.comparison
    if not isinstance(compared, Comparison):
        return
    normality = {"above": codes.ABNORMALLY_HIGH, "below": codes.ABNORMALLY_LOW}.get(compared.outside or "")
    if normality is not None:
        yield tree.coded(Related.HAS_PROPERTIES, codes.NORMALITY, normality)
    authority = f"{compared.reference_id} {compared.reference_version} ({compared.status}, {compared.reference_hash})"
    statistics = _numbers(
        one.unit,
        (codes.Z_SCORE_OF_MEASUREMENT, compared.z, "1"),
        (codes.PERCENTILE_OF_MEASUREMENT, compared.percentile, "%"),
        (codes.POPULATION_MEAN, compared.expected, ""),
        (codes.POPULATION_SD, compared.sd, ""),
    )
    yield from _told(statistics, codes.POPULATION_DESCRIPTION, compared.source, codes.REFERENCE_AUTHORITY, authority)
    limits = _numbers(
        one.unit,
        (codes.NORMAL_RANGE_LOWER_LIMIT, compared.lower_limit, ""),
        (codes.NORMAL_RANGE_UPPER_LIMIT, compared.upper_limit, ""),
    )
    yield from _told(limits, codes.NORMAL_RANGE_DESCRIPTION, compared.limits, codes.NORMAL_RANGE_AUTHORITY, authority)


def _numbers(own_unit: str, *values: tuple[Code, float | None, str]) -> list[Item]:
    return [
        tree.number(Related.HAS_PROPERTIES, code, rounded(value), unit(given or own_unit))
        for code, value, given in values
        if value is not None
    ]


def _told(numbers: list[Item], description: Code, described: str, authority: Code, by: str) -> Iterator[Item]:
    """Numbers of a population with what and whose they are; nothing where there are none."""
    if numbers:
        yield from numbers
        yield tree.text(Related.HAS_PROPERTIES, description, described)
        yield tree.text(Related.HAS_PROPERTIES, authority, by)


def _remarks(finding: Finding) -> Iterator[Item]:
    """What a reader must know beside the numbers: origin of the region, flags, comparisons not made."""
    said: list[tuple[Code, str]] = []
    if finding.region_origin:
        said.append((codes.REGION_ORIGIN, finding.region_origin))
    said += [(codes.QUALITY_FLAG, f"{flag.name}: {flag.sentence}") for flag in finding.flags]
    for one in finding.measurements:
        if isinstance(one.comparison, Refusal):
            refused = one.comparison
            said.append((codes.COMPARISON_NOT_MADE, f"{one.name}: {refused.text} Remedy: {refused.remedy}"))
        elif isinstance(one.comparison, Comparison):
            compared = one.comparison
            source = f"{one.name}: {compared.source}"
            said.append((codes.REFERENCE_SOURCE, "; ".join((source, *compared.warnings))))
        if one.uncertainty is not None:
            said.append((codes.REPEATABILITY, f"{one.name}: {one.uncertainty:.3g} {one.unit}"))
    said += [(codes.COMMENT, one.text) for one in finding.observations if one.text]
    return (tree.text(Related.CONTAINS, code, text) for code, text in said)


def _event_frames(finding: Finding, headers: Mapping[str, Dataset]) -> Iterator[Item]:
    """The frames of accepted events, as one IMAGE reference: event times as TCOORD are shown by no viewer."""
    source = headers[finding.image.sop_instance_uid]
    frames = sorted({event.frame + 1 for event in finding.events if event.accepted})
    if frames and frame_numbers(source, 0) is not None:
        yield tree.image(Related.CONTAINS, codes.EVENT_FRAMES, source.SOPClassUID, source.SOPInstanceUID, frames)
