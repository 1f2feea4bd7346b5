"""What a destination's answer means for an object in the outbox. One table, for C-STORE and for REST.

=========================================================  =====================================================
0x0000; 0xB000, 0xB006, 0xB007 (stored with warning);      sent
0x0111 (is there already)
0xA7xx, 0x0110, 0x0213; HTTP 408, 429, 5xx                 later: the same object again, for as long as it takes
no answer, abort, no connection, rejected for now;         the destination is away: nothing is tried for a while
HTTP 401, 403, 404
everything else: 0xA9xx, 0xCxxx, 0x0122, 0x0124; not       held: a dead letter with its reason, until re-driven
negotiated, rejected for good; HTTP 400, 409, …
=========================================================  =====================================================

Sources: PS3.4 table B.2-1, PS3.7 annex C. That 0x0111 counts as stored is Orthanc's own reading too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from service.errors import Unreachable
from service.ledger import Outgoing


class Fate(Enum):
    """What becomes of one outbox row."""

    SENT = "sent"
    LATER = "later"
    HELD = "held"


@dataclass(frozen=True, slots=True)
class Answer:
    """One object's fate and why."""

    fate: Fate
    note: str = ""


class BrokenOff(Unreachable):
    """The peer fell silent or ended the association in the middle of an object, which may be the reason."""


class Peer(Protocol):
    """A way to one destination."""

    def get_ready(self) -> None:
        """There will be something to send soon."""
        ...

    def rest(self, *, at_once: bool = False) -> None:
        """There is nothing to send: give back what was kept open, when it has been long enough, or now."""
        ...

    def send(self, objects: Sequence[Outgoing]) -> Iterator[tuple[Outgoing, Answer]]:
        """Send one after the other, answering each as soon as the peer has.

        Raises
        ------
        Unreachable
            The peer is away; objects not answered so far were not taken, or it is not known.
        """
        ...


_STORED = {0x0000: "", 0xB000: "with changed elements", 0xB006: "without some elements", 0xB007: "not of its class"}
_BUSY = {0x0110: "processing failure", 0x0213: "resource limitation"}


def of_status(status: int, comment: str = "") -> Answer:
    """The fate that a C-STORE status decides."""
    told = f"status 0x{status:04X}{' ' + comment if comment else ''}"
    if status in _STORED:
        return Answer(Fate.SENT, f"{told}: stored {_STORED[status]}" if status else "")
    if status == 0x0111:
        return Answer(Fate.SENT, f"{told}: was there already")
    if 0xA700 <= status <= 0xA7FF or status in _BUSY:
        return Answer(Fate.LATER, f"{told}: {_BUSY.get(status, 'out of resources')}")
    return Answer(Fate.HELD, f"{told}: refused; look at the destination's log, then re-drive")


def of_http(code: int, text: str = "") -> Answer:
    """The fate that an HTTP code other than success decides."""
    told = f"HTTP {code} {text[:200]}".rstrip()
    if code in {408, 425, 429} or code >= 500:
        return Answer(Fate.LATER, told)
    return Answer(Fate.HELD, f"{told}: refused; look at the destination's log, then re-drive")
