"""What follows from what an archive says of a result: confirmed, asked again, sent again, or given up.

An archive may index what it took only minutes later, so that an object that is lacking is asked for again before it
is sent again; and one that takes an object again and again and never has it is somebody's to look at.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

from service import logs
from service.ledger import Confirmation, Ledger
from service.proof.commitment import Standing, Told

_LOGGER = logging.getLogger(__name__)
FIRST_LOOK_S = 10.0
"""After an object was sent."""
LOOK_AGAIN_S = (30.0, 120.0, 600.0, 3600.0)
"""After the first, second, … answer that says nothing usable; then by the last."""
PATIENCE = 3
"""So many times in a row an object must be lacking before it is sent again."""
MOST_RESENT = 3
MOST_ASKED = 12
"""With the waits above about eight hours of answers that say nothing."""


def look_again_s(attempt: int) -> float:
    """How long to wait after the answer to this attempt, counted from 1."""
    return LOOK_AGAIN_S[min(max(attempt, 1), len(LOOK_AGAIN_S)) - 1]


def judge(
    ledger: Ledger, rows: Sequence[Confirmation], told: Mapping[str, Told], now: float, *, resend: bool = True
) -> int:
    """Write down what an archive said of these; how many are confirmed now.

    Parameters
    ----------
    told:
        By SOP Instance UID; an object that the answer does not name is asked for again.
    resend:
        Whether what is lacking may be sent again.
    """
    silent = Told(Standing.UNKNOWN, "the answer does not name the object")
    confirmed = 0
    for row in rows:
        what = told.get(row.sop_instance_uid, silent)
        if what.standing is Standing.PRESENT:
            confirmed += ledger.confirmed([row], now, what.reason)
        elif what.standing is Standing.NEVER:
            _give_up(ledger, row, now, f"{row.destination} will not keep it: {what.reason}")
        elif what.standing is Standing.LACKING and row.attempt >= PATIENCE:
            _lacking(ledger, row, now, what.reason, resend=resend)
        elif row.attempt >= MOST_ASKED:
            _give_up(ledger, row, now, f"asked {row.attempt} times: {what.reason}")
        else:
            ledger.ask_again([row], now + look_again_s(row.attempt), what.reason)
    return confirmed


def _lacking(ledger: Ledger, row: Confirmation, now: float, reason: str, *, resend: bool) -> None:
    if not resend:
        _give_up(ledger, row, now, f"{row.destination} took it and lacks it: {reason}")
    elif row.resent >= MOST_RESENT:
        _give_up(ledger, row, now, f"{row.destination} took it {row.resent + 1} times and lacks it: {reason}")
    elif ledger.send_again(row, now, f"taken, and lacking: {reason}"):
        _tell(logging.WARNING, "result is lacking and sent again", row, reason)


def _give_up(ledger: Ledger, row: Confirmation, now: float, reason: str) -> None:
    ledger.unconfirmed([row], now, f"{reason}; look at the destination, then 'nmus redrive'")
    _tell(logging.ERROR, "result is not confirmed", row, reason)


def _tell(level: int, name: str, row: Confirmation, reason: str) -> None:
    logs.event(
        _LOGGER,
        level,
        name,
        destination=row.destination,
        sop_instance_uid=row.sop_instance_uid,
        study_instance_uid=row.study_instance_uid,
        attempt=row.attempt,
        reason=reason,
    )
