"""Prometheus metrics out of the ledger: computed at each scrape, so that they never drift from the truth.

No label holds a UID, an AE title of a peer that merely tried, or anything of a patient.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from service.audit import Spool
from service.certificates import Certificate
from service.ledger import Ledger, Status
from service.web.proof_metrics import proof_metrics

Clock = Callable[[], float]


class LedgerCollector(Collector):
    """Asks the ledger for its status at every scrape."""

    def __init__(
        self,
        ledger: Ledger,
        data_folder: Path,
        clock: Clock,
        certificates: tuple[Certificate, ...] = (),
        audit: Spool | None = None,
    ) -> None:
        self._ledger, self._folder, self._clock, self._certificates = ledger, data_folder, clock, certificates
        self._audit = audit

    def collect(self) -> Iterator[Metric]:
        """All families, each with one line of help."""
        status, now = self._ledger.status(), self._clock()
        yield _gauge("nmus_instances", "DICOM objects received and kept", status.instances)
        yield _gauge("nmus_conflicts", "Objects with a known UID and other bytes, kept beside", status.conflicts)
        yield _gauge("nmus_open_studies", "Studies still waiting for their quiet time", status.open_studies)
        yield _labelled("nmus_jobs", "Analyses by state", "state", status.jobs)
        oldest = status.oldest_queued_at
        age = 0.0 if oldest is None else max(0.0, now - oldest)
        yield _gauge("nmus_job_oldest_seconds", "Age of the oldest analysis that waits", age)
        yield from _outbox(status, now)
        yield from proof_metrics(status, now)
        disk = shutil.disk_usage(self._folder)
        yield _gauge("nmus_disk_free_bytes", "Free space where the data folder lies", disk.free)
        yield from _processes(status, now)
        ends = GaugeMetricFamily("nmus_certificate_days", "Until a certificate ends", labels=["setting"])
        for one in self._certificates:
            ends.add_metric([one.setting], one.days(now))
        yield ends
        waiting = [] if self._audit is None else self._audit.names()
        yield _gauge("nmus_audit_waiting", "Audit messages that the collector has not taken", len(waiting))
        oldest = self._audit.oldest_at() if self._audit else None
        yield _gauge("nmus_audit_oldest_seconds", "Age of the oldest of them", max(0.0, now - oldest) if oldest else 0)


def exposition(
    ledger: Ledger,
    data_folder: Path,
    clock: Clock,
    certificates: tuple[Certificate, ...] = (),
    audit: Spool | None = None,
) -> bytes:
    """The text that a Prometheus server scrapes."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(LedgerCollector(ledger, data_folder, clock, certificates, audit))
    return bytes(generate_latest(registry))


def _outbox(status: Status, now: float) -> Iterator[Metric]:
    objects = GaugeMetricFamily("nmus_outbox", "Results by destination and state", labels=["destination", "state"])
    oldest = GaugeMetricFamily("nmus_outbox_oldest_seconds", "Age of the oldest unsent result", labels=["destination"])
    for one in status.outbox:
        for state, number in (("waiting", one.waiting), ("held", one.held), ("sent", one.sent)):
            objects.add_metric([one.destination, state], number)
        age = 0.0 if one.oldest_waiting_at is None else max(0.0, now - one.oldest_waiting_at)
        oldest.add_metric([one.destination], age)
    circuit = GaugeMetricFamily("nmus_destination_down", "1 while a destination is not tried", labels=["destination"])
    for two in status.circuits:
        circuit.add_metric([two.destination], float(two.paused or two.retry_at > now))
    yield from (objects, oldest, circuit)


def _processes(status: Status, now: float) -> Iterator[Metric]:
    beat = GaugeMetricFamily("nmus_process_silent_seconds", "Since a process last said it lives", labels=["process"])
    counters: dict[str, CounterMetricFamily] = {}
    for process in status.processes:
        beat.add_metric([process.name], max(0.0, now - process.beat_at))
        for name, value in sorted(process.counters.items()):
            family = f"nmus_{name}"
            help_text = f"{name.replace('_', ' ')} since the process started"
            counters.setdefault(name, CounterMetricFamily(family, help_text, labels=["process"]))
            counters[name].add_metric([process.name], value)
    yield beat
    yield from counters.values()


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=value)


def _labelled(name: str, text: str, label: str, values: dict[str, int]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family
