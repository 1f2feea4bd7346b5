"""What a finished exam adds to the reference store: a volunteer's values, a phantom's numbers, a patient's z.

Only where the site has a reference folder, and volunteers and phantoms only by rules the site has written. What leads
back to a person stays here: the store gets a keyed hash.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from plugins.contract import Acquisition, Finding, Result, Scope
from reference_store.collecting import Collection, VolunteerRule
from reference_store.comparison import Comparison, Refusal, RefusalCode
from reference_store.observations import Observation, ObservationError, checked
from reference_store.patient_watch import PatientValue
from reference_store.phantom import PhantomRule, PhantomValues, measure
from reference_store.quality import QualityLog, scanner_of
from reference_store.values import Device
from service.analyse.read_facts import text
from service.analyse.read_layout import DEFAULT_LIMITS, read_header
from service.config import Settings
from service.errors import Unanalysable

_QUANTITIES = {
    "echo_intensity_mean": "muscle_echo_intensity",
    "muscle_thickness": "muscle_thickness",
    "cross_sectional_area": "muscle_csa",
    "area": "nerve_csa",
}
"""Measurements that references are made of, by the name plugins give them."""


@dataclass(frozen=True, slots=True)
class ExamFacts:
    """What rules look at. Never logged, never reported; it stays between reading and hashing."""

    study_description: str | None = None
    protocol_name: str | None = None
    patient_id: str | None = None
    issuer: str = ""
    studied: str | None = None
    """Study date, ISO 8601."""

    @property
    def looked_at(self) -> dict[str, str | None]:
        """Under the names that rules use."""
        return {
            "study_description": self.study_description,
            "protocol_name": self.protocol_name,
            "patient_id": self.patient_id,
        }


@dataclass(frozen=True, slots=True)
class Phantom:
    """One measured phantom image."""

    sop_instance_uid: str
    device: Device
    values: PhantomValues


@dataclass(frozen=True, slots=True)
class FeedRules:
    """The site's rules."""

    volunteer: VolunteerRule = VolunteerRule()
    phantom: PhantomRule = PhantomRule()


def feed_rules(settings: Settings) -> FeedRules:
    """The site's rules by which an exam is a volunteer's or a phantom's."""
    own = settings.references
    return FeedRules(
        VolunteerRule(
            own.volunteer_study_description,
            own.volunteer_protocol_name,
            own.volunteer_ae_title,
            own.volunteer_patient_id,
        ),
        PhantomRule(own.phantom_study_description, own.phantom_protocol_name, own.phantom_patient_id),
    )


def exam_facts(paths: Sequence[str]) -> ExamFacts:
    """Facts of the first file that can be read. Reads headers of foreign files: to be called in a child process."""
    for path in paths:
        try:
            dataset, _ = read_header(path, DEFAULT_LIMITS)
        except Unanalysable:
            continue
        day = text(dataset, "StudyDate") or ""
        return ExamFacts(
            text(dataset, "StudyDescription"),
            text(dataset, "ProtocolName"),
            text(dataset, "PatientID"),
            text(dataset, "IssuerOfPatientID") or "",
            f"{day[:4]}-{day[4:6]}-{day[6:8]}" if len(day) == 8 and day.isdigit() else None,
        )
    return ExamFacts()


def phantoms(acquisitions: Sequence[Acquisition]) -> tuple[Phantom, ...]:
    """Measure every calibrated image of a phantom exam. Decodes foreign pixels: to be called in a child process."""
    found = []
    for acquisition in acquisitions:
        for clip in acquisition.clips:
            region = clip.tissue
            if region is None or region.spacing is None or region.colour:
                continue
            box, spacing = region.box, (region.spacing.row_mm, region.spacing.column_mm)
            grey = clip.frames.grey(0)[box.row0 : box.row1, box.column0 : box.column1]
            if min(grey.shape) >= 40:
                found.append(Phantom(clip.sop_instance_uid, clip.device, measure(grey, spacing)))
    return tuple(found)


def feed(
    folder: Path,
    rules: FeedRules,
    facts: ExamFacts,
    results: Sequence[Result],
    *,
    ae_title: str,
    day: str,
    overlays: Mapping[tuple[int, str], str] = MappingProxyType({}),
) -> tuple[str, int]:
    """Keep what an exam gives: (``volunteer`` or ``patient``, how many values). Twice is as once.

    Parameters
    ----------
    day:
        ISO date that stands in where the exam has no study date.
    overlays:
        UIDs of the pictures with the outline, by number of the result and UID of the image it rests on.
    """
    on = facts.studied or day
    collection = Collection(folder)
    rule = rules.volunteer.matched({**facts.looked_at, "ae_title": ae_title})
    if rule is None:
        values = tuple(_patients(results, collection, on))
        QualityLog(folder).add_patients(values)
        return "patient", len(values)
    if not facts.patient_id:
        return "volunteer", 0  # without an id the sides of one person could not be told from two persons
    key = collection.pseudonym(facts.patient_id, facts.issuer)
    return "volunteer", collection.add(tuple(_observations(results, key, on, rule, overlays)))


def keep_phantoms(folder: Path, found: Iterable[Phantom], on: str) -> int:
    """Put phantom images onto their scanners' charts; how many were new. An image that names no scanner has none."""
    log = QualityLog(folder)
    named = [one for one in found if one.device.manufacturer and one.device.model]
    return sum(log.add_phantom(one.device, on, one.values, one.sop_instance_uid) for one in named)


def _findings(results: Sequence[Result]) -> Iterator[tuple[int, Acquisition, Finding]]:
    for number, result in enumerate(results):
        for outcome in result.outcomes:
            if isinstance(outcome, Finding) and outcome.scope is Scope.ACQUISITION:
                yield number, result.acquisition, outcome


def _observations(
    results: Sequence[Result], key: str, on: str, rule: str, overlays: Mapping[tuple[int, str], str]
) -> Iterator[Observation]:
    for number, acquisition, finding in _findings(results):
        image = finding.image.sop_instance_uid
        for measurement in finding.measurements:
            quantity, answer = _QUANTITIES.get(measurement.name), measurement.comparison
            blocked = isinstance(answer, Refusal) and answer.code is RefusalCode.BLOCKED
            if quantity is None or answer is None or blocked or acquisition.structure is None:
                continue
            made = Observation(
                subject_key=key,
                quantity=quantity,
                value=measurement.value,
                unit=measurement.unit,
                structure=acquisition.structure,
                site=acquisition.site,
                side=acquisition.side,
                view=acquisition.view,
                subject=acquisition.subject,
                device=acquisition.device,
                on=on,
                flags=tuple(flag.name for flag in finding.flags),
                overlay=overlays.get((number, image), image),
                origin=f"exam, by {rule}",
            )
            try:
                yield checked(made, "exam", quantity)
            except ObservationError:
                continue  # an implausible age or size: the value is in the report, and no reference is made of it


def _patients(results: Sequence[Result], collection: Collection, on: str) -> Iterator[PatientValue]:
    for _, acquisition, finding in _findings(results):
        for measurement in finding.measurements:
            answer = measurement.comparison
            if measurement.name != "echo_intensity_mean" or not isinstance(answer, Comparison) or answer.z is None:
                continue
            yield PatientValue(
                key=collection.pseudonym(f"{finding.image.sop_instance_uid} {acquisition.structure}"),
                scanner=scanner_of(acquisition.device),
                on=on,
                structure=acquisition.structure or "",
                z=answer.z,
                normal=answer.outside is None,
            )
