"""What is due: phantom images every week, attestations every year, validations of what is in use."""

from __future__ import annotations

from datetime import date

from reference_store.documents import Status
from reference_store.quality import Level, QualityLog
from reference_store.store import Store

_PHANTOM_DAYS, _ATTESTATION_DAYS = 7, 365


def reminders(store: Store, today: date) -> tuple[str, ...]:
    """Sentences, one for each thing to do; none when nothing is due. Pure in ``today``."""
    references, state = store.reference_set(), store.state()
    said: list[str] = []
    log = QualityLog(store.folder)
    phantoms = log.phantoms()
    scanners = {key[:2] for key in phantoms}
    for key, rows in sorted(phantoms.items()):
        age = (today - date.fromisoformat(rows[-1].on)).days if rows else None
        if age is None or age > _PHANTOM_DAYS:
            said.append(
                f"phantom image of {' '.join(key).strip()}: last one {age if age is not None else 'many'} days ago"
            )
    said += [
        f"phantom chart of {' '.join(one.scanner).strip()}: {one.text}"
        for one in log.charts(store.reference_sds())
        if one.level in (Level.WARN, Level.BLOCK)
    ]
    for release in references.activated:
        document = references.document(release)
        if document is None or references.is_retired(document):
            continue
        device = (document.lock.manufacturer or "", document.lock.model or "")
        if document.lock.device_bound and device not in scanners:
            said.append(f"{release} is in use and no phantom of {' '.join(device)} was ever measured")
        if references.standing(document) in (Status.PROVISIONAL, Status.PUBLISHED):
            said.append(f"{release} is in use and not validated on 20 local controls")
    latest = {(a.device.model, a.device.serial_number, a.preset): a.on for a in state.attestations}
    for (model, _, preset), on in latest.items():
        if (today - date.fromisoformat(on)).days > _ATTESTATION_DAYS:
            said.append(f"attestation of preset {preset} of {model} is older than a year")
    return tuple(said)
