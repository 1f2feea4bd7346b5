"""What is worth a message, in the words of the service: each method writes one, durable when it returns."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from service import logs
from service.audit import messages as m
from service.audit.messages import Actor, Event, Patient, Study, message
from service.audit.spool import Spool
from service.config import Settings

_LOGGER = logging.getLogger(__name__)
_QUIET_S = 60.0
"""The same alert about the same address is written once in so long, with how often it happened."""
_MOST_ALERTS_A_SECOND = 20.0
_MOST_ADDRESSES = 10_000


@dataclass(frozen=True, slots=True)
class Moved:
    """Objects of one study that came from somewhere, or went somewhere, together."""

    study: Study
    patient: Patient
    peer: str
    """AE title or name of who sent, or who got them."""
    address: str
    at: float


@dataclass
class Trail:
    """Writes messages. Without a spool, audit is off and nothing is written."""

    spool: Spool | None
    source_id: str = "nmus"
    site: str = ""
    titles: str = ""
    """Our AE title."""
    address: str = ""
    clock: Callable[[], float] = time.time
    _alerts: OrderedDict[tuple[str, str], float] = field(default_factory=OrderedDict)
    _unsaid: Counter[tuple[str, str]] = field(default_factory=Counter)
    _allowance: float = _MOST_ALERTS_A_SECOND
    _allowed_at: float = 0.0
    _turn: threading.Lock = field(default_factory=threading.Lock)

    @property
    def is_on(self) -> bool:
        """Whether anything is written."""
        return self.spool is not None

    def started(self, process: str) -> None:
        """The service, or one of its processes, has started (A.5.3.1)."""
        self._activity(process, m.START)

    def stopped(self, process: str) -> None:
        """It ends in order."""
        self._activity(process, m.STOP)

    def received(self, moved: Moved) -> bool:
        """Objects came in and are kept (A.5.3.6); whether that is on record."""
        actors = [
            Actor(moved.peer or "unknown", m.SOURCE, requestor=True, address=moved.address),
            self._ourselves(m.DESTINATION, requestor=False),
        ]
        return self._write(Event(m.INSTANCES_TRANSFERRED, "C", moved.at), actors, (moved.study, moved.patient))

    def begins(self, moved: Moved) -> None:
        """Results are about to be sent (A.5.3.3)."""
        self._write(Event(m.BEGIN_TRANSFERRING, "E", moved.at), self._outward(moved), (moved.study, moved.patient))

    def sent(self, moved: Moved) -> bool:
        """Results were taken by a destination (A.5.3.6); whether that is on record."""
        return self._write(
            Event(m.INSTANCES_TRANSFERRED, "R", moved.at), self._outward(moved), (moved.study, moved.patient)
        )

    def looked(self, user: str, address: str, study: Study, patient: Patient) -> None:
        """Somebody looked at a study on the pages (A.5.3.4)."""
        actors = [Actor(user or "local", requestor=True, address=_network(address)), self._ourselves(None)]
        self._write(Event(m.INSTANCES_ACCESSED, "R", self.clock()), actors, (study, patient))

    def exported(self, user: str, folder: str, moved: Sequence[Study | Patient], *, good: bool = True) -> None:
        """A study was written to a folder (A.5.3.9)."""
        actors = [
            Actor(user, m.SOURCE, requestor=True, address=self.address),
            Actor(folder, m.DESTINATION_MEDIA),
        ]
        self._write(Event(m.EXPORT, "R", self.clock(), outcome=m.SUCCESS if good else m.SERIOUS), actors, moved)

    def authenticated(self, user: str, address: str, *, good: bool, out: bool = False) -> None:
        """Somebody gave a password, or logged out (A.5.3.14)."""
        event = Event(
            m.USER_AUTHENTICATION,
            "E",
            self.clock(),
            (m.LOGOUT if out else m.LOGIN,),
            m.SUCCESS if good else m.MINOR,
            "" if good else "name or password is wrong, or no such user",
        )
        actors = [Actor(user, requestor=True, address=_network(address)), self._ourselves(m.APPLICATION)]
        self._write(event, actors)

    def alert(self, reason: str, address: str, peer: str = "") -> None:
        """A peer was turned away (A.5.3.11). Repetitions are counted and told with the next."""
        if self.spool is None or not (times := self._due(reason, address)):
            return
        text = f"refused: {reason}" + (f" ({times} times)" if times > 1 else "")
        event = Event(m.SECURITY_ALERT, "E", self.clock(), (m.NODE_AUTHENTICATION,), m.MINOR, text)
        actors = [self._ourselves(m.APPLICATION), Actor(peer or "unknown", requestor=True, address=address)]
        self._write(event, actors, node=address)

    def _due(self, reason: str, address: str) -> int:
        """How often this happened since it was last told; 0: not now."""
        key, now = (reason, address), time.monotonic()
        with self._turn:
            self._unsaid[key] += 1
            self._allowance = min(
                _MOST_ALERTS_A_SECOND, self._allowance + (now - self._allowed_at) * _MOST_ALERTS_A_SECOND
            )
            self._allowed_at = now
            if now - self._alerts.get(key, -_QUIET_S) < _QUIET_S or self._allowance < 1:
                return 0
            self._allowance -= 1
            self._alerts[key] = now
            self._alerts.move_to_end(key)
            while len(self._alerts) > _MOST_ADDRESSES:
                gone, _ = self._alerts.popitem(last=False)
                self._unsaid.pop(gone, None)
            if len(self._unsaid) > 2 * _MOST_ADDRESSES:
                self._unsaid = Counter({key: self._unsaid[key]})
            return self._unsaid.pop(key)

    def _activity(self, process: str, kind: m.Coded) -> None:
        self._write(
            Event(m.APPLICATION_ACTIVITY, "E", self.clock(), (kind,)), [self._ourselves(m.APPLICATION, process)]
        )

    def _outward(self, moved: Moved) -> list[Actor]:
        return [self._ourselves(m.SOURCE, requestor=True), Actor(moved.peer, m.DESTINATION, address=moved.address)]

    def _ourselves(self, role: m.Coded | None, process: str = "", *, requestor: bool = False) -> Actor:
        name = f"{self.source_id} {process}".strip()
        return Actor(name, role, requestor, self.address, f"AETITLES={self.titles}" if self.titles else "")

    def _write(
        self, event: Event, actors: Sequence[Actor], objects: Iterable[Study | Patient] = (), node: str = ""
    ) -> bool:
        if self.spool is None:
            return True
        try:
            self.spool.put(message(event, actors, self.source_id, site=self.site, objects=objects, node=node))
        except OSError as error:
            # the event has happened; that it is not on record must be seen, without a word of whom it is about
            logs.event(_LOGGER, logging.ERROR, "audit message not kept", reason=error.strerror, status=event.kind.value)
            return False
        return True


def open_trail(settings: Settings, machine: str) -> Trail:
    """The trail that the settings ask for; one that writes nothing if they do not."""
    audit = settings.audit
    if not audit.enabled:
        return Trail(None)
    spool = Spool(spool_folder(settings))
    return Trail(spool, audit.source_id or machine, audit.site_id, settings.listener.ae_title, machine)


def spool_folder(settings: Settings) -> Path:
    """On this machine's own disk, if the data folder is shared."""
    return (settings.service.local_folder or settings.service.data_folder) / "audit"


def _network(address: str) -> str:
    """An address as one takes part in a network; a Unix socket is none."""
    return "" if address == "socket" else address
