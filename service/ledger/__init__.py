"""The only state: what was received, what is to be done, what was sent.

``Ledger`` is the whole interface::

    received                      keep · open_studies · settle · instances · called · cursor · advance
    queued → running → done       claim · renew · finish · fail · rerun · previous_reports
    waiting → sending → sent      claim_outgoing · sent · postpone · hold · redrive · open_circuit · close_circuit
    sent → asked → confirmed      claim_confirmations · asked · confirmed · ask_again · send_again · unconfirmed
    asked by scanners             request_commitment · claim_request · request_answered · associated
    whose is it                   identify · studies_of · hold_back · release_study · take_version
    no longer valid               withdraw · withdraw_images · withdrawals
    looking                       status · verdicts · events · jobs · outgoing · confirmations · reconciled · beat
    time                          clock · heed_clock

Every method is one transaction, durable when it returns. Every time is given by the caller, so that a test holds the
clock; the service gives that of :meth:`Ledger.clock`. Any process may open the ledger; the tables must be up to date
(:func:`service.ledger.migrate.migrate`).
"""

from __future__ import annotations

from pathlib import Path

from service.ledger.clock import Clock
from service.ledger.database import LedgerUnavailable, sqlite_url
from service.ledger.following import Following
from service.ledger.guard_values import Identity, Quarantine, Withdrawal
from service.ledger.guarding import Guarding
from service.ledger.jobs import Jobs, LeaseLost
from service.ledger.outgoing import Outbox
from service.ledger.overview import Overview
from service.ledger.proof_values import (
    Association,
    CommitmentRequest,
    Confirmation,
    ConfirmState,
    ConfirmStatus,
    Reconciliation,
    RequestState,
)
from service.ledger.receiving import Receiving
from service.ledger.values import (
    Circuit,
    Event,
    Instance,
    Job,
    JobState,
    Kept,
    OpenStudy,
    OutboxStatus,
    Outcome,
    Outgoing,
    OutgoingState,
    Process,
    Result,
    Status,
    Verdict,
)
from service.ledger.withdrawing import Withdrawing

REVISION = "0003"
"""The newest migration; a test holds it to be that."""

__all__ = [
    "REVISION",
    "Association",
    "Circuit",
    "CommitmentRequest",
    "ConfirmState",
    "ConfirmStatus",
    "Confirmation",
    "Event",
    "Identity",
    "Instance",
    "Job",
    "JobState",
    "Kept",
    "LeaseLost",
    "Ledger",
    "LedgerUnavailable",
    "OpenStudy",
    "OutboxStatus",
    "Outcome",
    "Outgoing",
    "OutgoingState",
    "Process",
    "Quarantine",
    "Reconciliation",
    "RequestState",
    "Result",
    "Status",
    "Verdict",
    "Withdrawal",
    "open_ledger",
]


class Ledger(Receiving, Jobs, Outbox, Guarding, Withdrawing, Following, Overview, Clock):
    """The ledger of one data folder or database."""


def open_ledger(data_folder: Path, database: str = "") -> Ledger:
    """Open the ledger of a data folder, bringing its tables up to date first.

    Raises
    ------
    Misconfigured
        The address cannot be used, or the ledger is of a later version of nmus.
    LedgerUnavailable
        The database does not answer.
    """
    data_folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    ledger = Ledger(database or sqlite_url(data_folder))
    if ledger.revision() != REVISION:
        from service.ledger.migrate import migrate  # noqa: PLC0415 - Alembic is slow to import and seldom needed

        migrate(ledger, data_folder / "ledger.lock")
    return ledger
