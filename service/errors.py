"""Errors, sorted by who can mend them.

::

    NmusError
    ├── Refused         the sender must change the object: it becomes a DIMSE status
    ├── Unanalysable    nothing will help: the job fails and the reason is shown
    ├── Unreachable     the peer may come back: the outbox keeps the object
    └── Misconfigured   the operator must act: exit 2, the service does not start

A text says what, which, why, and what to do. It never holds patient data; UIDs it may hold.
A plugin that does not apply *declines*, and a measurement in doubt bears a *flag*: both are values, not errors.
"""

from __future__ import annotations


class NmusError(Exception):
    """Every error that nmus raises on purpose."""


class Refused(NmusError):
    """An object that was offered cannot be taken.

    Parameters
    ----------
    status:
        DIMSE status (PS3.7 annex C) to answer with.
    """

    def __init__(self, text: str, status: int) -> None:
        super().__init__(text)
        self.status = status


class Unanalysable(NmusError):
    """What lies in the file cannot be analysed, now or later. ``code`` is a ``plugins.contract.ReasonCode`` value."""

    def __init__(self, text: str, code: str = "unreadable", remedy: str = "") -> None:
        super().__init__(text)
        self.code = code
        self.remedy = remedy


class Unreachable(NmusError):
    """A peer did not answer, or answered that it cannot just now. Trying again later is right."""


class Misconfigured(NmusError):
    """A setting is wrong; the text names the key, its value and the remedy."""
