"""Metrics of what proves that nothing was lost."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily, Metric

from service.ledger import Status


def proof_metrics(status: Status, now: float) -> Iterator[Metric]:
    """Confirmations, comparisons, quarantine, unanswered requests."""
    confirmed = GaugeMetricFamily(
        "nmus_confirmations", "Results by destination and confirmation", labels=["destination", "state"]
    )
    for one in status.confirmations:
        for state, number in (("confirmed", one.confirmed), ("open", one.open), ("unconfirmed", one.unconfirmed)):
            confirmed.add_metric([one.destination, state], number)
    missing = GaugeMetricFamily(
        "nmus_reconciliation_missing", "Missing at the last comparison, not mended", labels=["peer", "kind"]
    )
    age = GaugeMetricFamily(
        "nmus_reconciliation_age_seconds", "Since the last comparison that succeeded", labels=["peer", "kind"]
    )
    for two in status.reconciliations:
        missing.add_metric([two.peer, two.kind], max(0, two.missing - two.mended))
        if not two.error:
            age.add_metric([two.peer, two.kind], max(0.0, now - two.at))
    held = GaugeMetricFamily("nmus_quarantined_studies", "Studies held back by the guard", value=status.quarantined)
    unanswered = GaugeMetricFamily(
        "nmus_commitment_unanswered",
        "Commitment requests of scanners without an answer",
        value=status.unanswered_requests,
    )
    yield from (confirmed, missing, age, held, unanswered)
