"""One TID 1410 measurement group for each finding: outline, site and side, numbers with what they are compared to.

Every group carries a plane outline: viewers were seen to fail on a whole report when one group had none.
"""

from __future__ import annotations

import hashlib
import hmac
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from highdicom import sr
from pydicom import Dataset

from plugins.codes import Z_SCORE
from plugins.contract import Comparison, Finding, Measurement, Outline, Refusal, Result, Scope, Side
from reference_store import anatomy
from reference_store.values import Code
from service.report import codes
from service.report.codes import concept
from service.report.identity import derived_uid
from service.report.source import NAME, frame_numbers
from service.report.units import unit

CONTAINS, HAS_PROPERTIES = sr.RelationshipTypeValues.CONTAINS, sr.RelationshipTypeValues.HAS_PROPERTIES
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


def group(
    result: Result, finding: Finding, number: int, subjects: Subjects, part: int = 1
) -> sr.PlanarROIMeasurementsAndQualitativeEvaluations:
    """The group of one finding.

    Parameters
    ----------
    number:
        Of the image within its acquisition, from 1; 0 for the acquisition as a whole.
    part:
        Of a finding that :func:`distinct` cut.
    """
    acquisition = result.acquisition
    kind = _kind(acquisition.structure)
    made = sr.PlanarROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=_tracking(result, finding, (number, part), subjects),
        referenced_region=_region(finding, subjects.headers),
        finding_type=concept(codes.PERIPHERAL_NERVE if kind in ("nerve", "root", "trunk") else codes.SKELETAL_MUSCLE),
        finding_category=concept(codes.ANATOMICAL_STRUCTURE),
        algorithm_id=sr.AlgorithmIdentification(
            result.plugin,
            result.version,
            parameters=list(subjects.parameters.get(result.plugin, ())) or None,
            manufacturer=NAME,
        ),
        finding_sites=_sites(acquisition.structure, acquisition.side, acquisition.site),
        measurements=_measurements(finding.measurements),
        qualitative_evaluations=[
            sr.QualitativeEvaluation(concept(one.code), concept(one.value)) for one in finding.observations
        ]
        or None,
    )
    made[0].ContentSequence.extend(_remarks(finding))
    events = _event_frames(finding, subjects.headers)
    if events is not None:
        made[0].ContentSequence.append(events)
    return made


def rounded(value: float) -> float:
    """Five significant digits: what a pixel grid can tell, and what a viewer's label has room for."""
    return float(f"{value:.5g}")


def _kind(structure: str | None) -> str:
    return anatomy.structure(structure).kind if structure else "muscle"


def _tracking(result: Result, finding: Finding, place: tuple[int, int], subjects: Subjects) -> sr.TrackingIdentifier:
    acquisition, (number, part) = result.acquisition, place
    where = [acquisition.structure or "unknown", acquisition.side.value, acquisition.site or "", acquisition.view.value]
    named = anatomy.structure(where[0]).name if acquisition.structure else "Unknown structure"
    words = [named, acquisition.side.value if acquisition.side is not Side.UNKNOWN else "side unknown"]
    words += [anatomy.site(acquisition.site).name] if acquisition.site else []
    scope = "all images" if finding.scope is Scope.ACQUISITION else f"image {number}"
    more = [f"part {part}"] if part > 1 else []
    uid = derived_uid("tracking", subjects.pseudonym, *where, result.plugin, finding.scope.value, str(number), *more)
    scope = ", ".join((scope, *more))
    return sr.TrackingIdentifier(uid, f"{' '.join(words)} / {result.plugin} / {scope}")


def _region(finding: Finding, headers: Mapping[str, Dataset]) -> sr.ImageRegion:
    source = headers[finding.image.sop_instance_uid]
    frames = frame_numbers(source, finding.image.frame)
    image = sr.SourceImageForRegion(source.SOPClassUID, source.SOPInstanceUID, frames)
    return sr.ImageRegion(sr.GraphicTypeValues.POLYLINE, np.array(dense(finding.outline)), image)


def dense(outline: Outline) -> Outline:
    """The same polygon with at least eight points: edges are halved until there are enough."""
    points = list(outline)
    while len(points) < _FEWEST_POINTS:
        halved = [points[0]]
        for before, after in itertools.pairwise(points):
            halved += [((before[0] + after[0]) / 2, (before[1] + after[1]) / 2), after]
        points = halved
    return tuple(points)


def _sites(structure: str | None, side: Side, site: str | None) -> list[sr.FindingSite] | None:
    if structure is None:
        return None
    code = anatomy.coded(structure, side)
    sided = code != anatomy.structure(structure).code
    laterality = None if sided else {Side.LEFT: codes.LEFT, Side.RIGHT: codes.RIGHT}.get(side)
    return [
        sr.FindingSite(
            concept(code),
            laterality=concept(laterality) if laterality else None,
            topographical_modifier=concept(anatomy.site(site).code) if site else None,
        )
    ]


def _measurements(measurements: Sequence[Measurement]) -> list[sr.Measurement] | None:
    made: list[sr.Measurement] = []
    for one in measurements:
        made.append(
            sr.Measurement(
                concept(one.code),
                rounded(one.value),
                unit(one.unit),
                derivation=concept(one.derivation) if one.derivation else None,
                method=concept(one.method) if one.method else None,
                properties=_properties(one),
            )
        )
        if one.unit in _COUNTED and float(one.value).is_integer():
            made[-1][0].MeasuredValueSequence[0].NumericValue = str(int(one.value))
        compared = one.comparison
        if isinstance(compared, Comparison) and compared.z is not None:
            # Viewers do not show nested properties, so the z-score also stands by itself.
            made.append(sr.Measurement(concept(Z_SCORE), rounded(compared.z), unit("1")))
    return made or None


def _properties(one: Measurement) -> sr.MeasurementProperties | None:
    compared = one.comparison
    if not isinstance(compared, Comparison):
        return None
    statistics = _numbers(
        one.unit,
        (codes.Z_SCORE_OF_MEASUREMENT, compared.z, "1"),
        (codes.PERCENTILE_OF_MEASUREMENT, compared.percentile, "%"),
        (codes.POPULATION_MEAN, compared.expected, ""),
        (codes.POPULATION_SD, compared.sd, ""),
    )
    limits = _numbers(
        one.unit,
        (codes.NORMAL_RANGE_LOWER_LIMIT, compared.lower_limit, ""),
        (codes.NORMAL_RANGE_UPPER_LIMIT, compared.upper_limit, ""),
    )
    authority = f"{compared.reference_id} {compared.reference_version} ({compared.status}, {compared.reference_hash})"
    normality = {"above": codes.ABNORMALLY_HIGH, "below": codes.ABNORMALLY_LOW}.get(compared.outside or "")
    return sr.MeasurementProperties(
        normality=concept(normality) if normality else None,
        measurement_statistical_properties=sr.MeasurementStatisticalProperties(
            statistics, description=compared.source, authority=authority
        )
        if statistics
        else None,
        normal_range_properties=sr.NormalRangeProperties(limits, description=compared.limits, authority=authority)
        if limits
        else None,
    )


def _numbers(own_unit: str, *values: tuple[Code, float | None, str]) -> list[sr.NumContentItem]:
    return [
        sr.NumContentItem(
            concept(code),
            rounded(value),
            unit(given or own_unit),
            relationship_type=HAS_PROPERTIES,
        )
        for code, value, given in values
        if value is not None
    ]


def _remarks(finding: Finding) -> list[sr.TextContentItem]:
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
    return [sr.TextContentItem(concept(code), text, relationship_type=CONTAINS) for code, text in said]


def _event_frames(finding: Finding, headers: Mapping[str, Dataset]) -> sr.ImageContentItem | None:
    """The frames of accepted events, as one IMAGE reference: event times as TCOORD are shown by no viewer."""
    source = headers[finding.image.sop_instance_uid]
    frames = sorted({event.frame + 1 for event in finding.events if event.accepted})
    if not frames or frame_numbers(source, 0) is None:
        return None
    return sr.ImageContentItem(
        concept(codes.EVENT_FRAMES),
        source.SOPClassUID,
        source.SOPInstanceUID,
        referenced_frame_numbers=frames,
        relationship_type=CONTAINS,
    )
