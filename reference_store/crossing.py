"""A comparison over an accepted bridge: never silent, never turned round, and less sure than one without."""

from __future__ import annotations

import math
from statistics import NormalDist

from reference_store import validity
from reference_store.bridging import Bridge
from reference_store.comparison import Comparison, Question, Refusal, RefusalCode
from reference_store.documents import Document, Status
from reference_store.predicting import score, transform
from reference_store.terms import covariates
from reference_store.units import factor
from reference_store.values import Device


def leads(bridge: Bridge, question: Question) -> bool:
    """Whether this bridge is of the question's measure and place, and begins at its very device and settings."""
    device, source = question.device, bridge.source
    same_place = (bridge.quantity, bridge.structure, source.site, source.view, source.lossy) == (
        question.quantity,
        question.structure,
        question.site,
        question.view,
        bool(device.lossy),
    )
    return same_place and _settings(device) == (
        source.manufacturer,
        source.model,
        source.transducer,
        source.preset,
        source.software_versions,
        source.depth_mm,
        source.frequency_khz,
    )


def _settings(device: Device) -> tuple[object, ...]:
    return (
        device.manufacturer,
        device.model,
        device.transducer,
        device.preset,
        device.software_versions,
        device.depth_mm,
        device.frequency_khz,
    )


def carried(bridge: Bridge, document: Document, standing: Status, question: Question) -> Comparison | Refusal:
    """Compare over a bridge. Expected value and limits lie on the other device's scale and are therefore not given."""
    stopped = validity.violation(document, question.subject)
    if stopped:
        return stopped
    own = question.value * (factor(question.unit, document.unit) or 1.0)
    value = bridge.carry(own)
    if value is None:
        text = f"the value lies outside the {bridge.values[0]:g} to {bridge.values[1]:g} that the bridge was built on"
        return Refusal(RefusalCode.OUTSIDE_RANGE, text, "collect references on this device", document.id)
    result = score(document, value, covariates(question.subject))
    if result.z is None or result.sd is None or transform(document.model, value) is None:
        text = f"{document.release} gives no z that a bridge could carry"
        return Refusal(RefusalCode.NO_REFERENCE, text, "collect references on this device", document.id)
    # the line's own error adds to the spread of people, so z moves towards zero
    z = result.z * result.sd / math.hypot(result.sd, bridge.residual_sd)
    limit = document.model.flag_z
    return Comparison(
        reference_id=document.id,
        reference_version=document.version,
        reference_hash=document.content_hash,
        status=standing.value,
        source=f"{document.source_line}, over a bridge between devices",
        z=z,
        z_sd=math.hypot(result.z_sd or 0.0, bridge.residual_sd / result.sd),
        percentile=100 * NormalDist().cdf(z),
        limits=f"± {limit:.3g} SD over a bridge",
        outside="above" if z > limit else "below" if z < -limit else None,
        warnings=(
            f"not this device's own reference: carried over from {bridge.source.scanner} by a {bridge.method} line of "
            f"{bridge.n} subjects, residual {bridge.residual_share:.2f} SD",
        ),
    )
