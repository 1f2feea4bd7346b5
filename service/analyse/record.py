"""Findings as plain JSON values: the lines of ``nmus analyse --json``, and what the ledger keeps of a job.

One object for each finding or refusal, with the same keys always, so that a program can read the lines without
asking what kind each one is. Described in docs/json-lines.md. Holds no patient data.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from typing import Any

from plugins.contract import (
    Comparison,
    Conclusion,
    Event,
    Finding,
    Flag,
    Measurement,
    NotAssessable,
    Outcome,
    Refusal,
    Result,
)

Record = dict[str, Any]


def records(results: Iterable[Result], files: Mapping[str, str] | None = None) -> Iterator[Record]:
    """One record for each outcome, in the order of the results.

    Parameters
    ----------
    files:
        SOP Instance UID to the name of the file it was read from.
    """
    for result in results:
        for outcome in result.outcomes:
            yield _record(result, outcome, files or {})


def conclusion_record(conclusion: Conclusion) -> Record:
    """An exam-level statement."""
    return {
        "conclusion": conclusion.name,
        "title": conclusion.title,
        "text": conclusion.text,
        "evaluable": conclusion.evaluable,
        "measurements": [_measurement(one) for one in conclusion.measurements],
        "observations": [_observation(one.name, one.value.meaning, one.text) for one in conclusion.observations],
        "evidence": [asdict(one) for one in conclusion.evidence],
        "source": conclusion.source,
    }


def _record(result: Result, outcome: Outcome, files: Mapping[str, str]) -> Record:
    acquisition = result.acquisition
    uid = outcome.image.sop_instance_uid if outcome.image else acquisition.clips[0].sop_instance_uid
    finding = outcome if isinstance(outcome, Finding) else None
    return {
        "file": files.get(uid, ""),
        "sop_instance_uid": uid,
        "frame": outcome.image.frame if outcome.image else None,
        "plugin": result.plugin,
        "version": result.version,
        "structure": acquisition.structure,
        "side": acquisition.side.value,
        "site": acquisition.site,
        "view": acquisition.view.value,
        "scope": finding.scope.value if finding else None,
        "averaged_over": [one.sop_instance_uid for one in finding.averaged_over] if finding else [],
        "region_origin": finding.region_origin if finding else None,
        "outline": [[column, row] for column, row in finding.outline] if finding else [],
        "measurements": [_measurement(one) for one in finding.measurements] if finding else [],
        "observations": [_observation(one.name, one.value.meaning, one.text) for one in finding.observations]
        if finding
        else [],
        "events": [_event(one) for one in finding.events] if finding else [],
        "confidence": outcome.confidence,
        "flags": [_flag(one) for one in finding.flags] if finding else [],
        "declined": _declined(outcome) if isinstance(outcome, NotAssessable) else None,
    }


def _measurement(one: Measurement) -> Record:
    record: Record = {"name": one.name, "value": one.value, "unit": one.unit}
    if one.definition:
        record["definition"] = one.definition
    if one.uncertainty is not None:
        record["uncertainty"] = one.uncertainty
    if isinstance(one.comparison, Comparison):
        compared = one.comparison
        record |= {
            "z": compared.z,
            "percentile": compared.percentile,
            "lower_limit": compared.lower_limit,
            "upper_limit": compared.upper_limit,
            "outside": compared.outside,
            "reference": {
                "id": compared.reference_id,
                "version": compared.reference_version,
                "status": compared.status,
                "source": compared.source,
                "warnings": list(compared.warnings),
            },
        }
    elif isinstance(one.comparison, Refusal):
        refusal = one.comparison
        record["refused"] = {"code": refusal.code.value, "text": refusal.text, "remedy": refusal.remedy}
    return record


def _observation(name: str, value: str, text: str) -> Record:
    return {"name": name, "value": value, "text": text}


def _event(event: Event) -> Record:
    return {
        "name": event.name,
        "start_s": event.start_s,
        "duration_s": event.duration_s,
        "frame": event.frame,
        "centre": list(event.centre),
        **{name: float(value) for name, value in event.properties.items()},
        "confidence": event.confidence,
        "accepted": event.accepted,
        "rejected_as": event.rejected_as,
    }


def _flag(flag: Flag) -> Record:
    return {"name": flag.name, "action": flag.action.value, "sentence": flag.sentence}


def _declined(outcome: NotAssessable) -> Record:
    return {
        "code": outcome.code.value,
        "text": outcome.text,
        "remedy": outcome.remedy,
        "candidates": [[list(point) for point in line.points] for line in outcome.lines],
    }
