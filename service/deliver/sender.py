"""From the outbox to one destination: claim, send, record; and when to try again.

An object goes out until it is sent or refused for good, however long the destination is away. While it is away its
circuit is open: nothing is claimed, nothing is counted, and the other destinations go on. An object whose sending
ended the association waits longer than its neighbours, so that it cannot hold them up for ever.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Sequence

from service import crash, logs
from service.config import Destination, Settings
from service.deliver.answers import Answer, BrokenOff, Fate, Peer
from service.deliver.recoding import Recoding
from service.deliver.rest import RestPeer
from service.deliver.store import StorePeer
from service.deliver.stow import StowPeer
from service.errors import Unreachable
from service.ledger import Ledger, Outgoing
from service.objects import objects_of
from service.proof.judge import FIRST_LOOK_S

_LOGGER = logging.getLogger(__name__)
_BATCH = 20
_LEASE_SECONDS = 120.0
CIRCUIT_SECONDS = (10.0, 900.0)
"""First and longest wait for a destination that is away: it is back within a quarter of an hour of coming back."""
OBJECT_SECONDS = (30.0, 3600.0)
"""First and longest wait for an object that a destination could not take just now."""
_ASKED_EVERY_S = 0.02
"""Whether a study is worked on: images that come in wake the sender hundreds of times a second."""
_JITTER = 0.25
_DOUBLINGS = 12


def wait_seconds(bounds: tuple[float, float], tries: int, chance: float) -> float:
    """Doubling from the first to the longest wait, a quarter more or less by ``chance`` (0 to 1).

    The jitter keeps many objects, or many services, from coming back at the same moment.
    """
    first, longest = bounds
    wait = min(longest, first * 2.0 ** min(max(tries - 1, 0), _DOUBLINGS))
    return wait * (1 - _JITTER + 2 * _JITTER * chance)


def peer_for(destination: Destination, settings: Settings) -> Peer:
    """The way to a destination that its settings say."""
    lying = objects_of(settings)
    peer: Peer
    if destination.orthanc is not None:
        peer = RestPeer(destination, lying)
    elif destination.dicomweb is not None:
        peer = StowPeer(destination, lying)
    else:
        peer = StorePeer(destination, settings.listener.ae_title, lying, settings.tls)
    return peer if destination.captures == "as made" else Recoding(peer, destination.captures, lying)


class Sender:
    """Sends to one destination. ``clock`` gives seconds since 1970, ``chance`` numbers from 0 to 1.

    ``confirm`` is how what was sent is to be confirmed; empty for not at all.
    """

    def __init__(
        self,
        ledger: Ledger,
        destination: str,
        peer: Peer,
        owner: str,
        *,
        clock: Callable[[], float] | None = None,
        chance: Callable[[], float] = random.random,
        confirm: str = "",
        begins: Callable[[Sequence[Outgoing]], None] = lambda _batch: None,
    ) -> None:
        self._ledger = ledger
        self._confirm = confirm
        self._begins = begins
        self._destination = destination
        self._peer = peer
        self._owner = owner
        self._clock = clock or ledger.clock
        self._chance = chance
        self._asked = 0.0
        self._expected: int | None = None
        """The job whose objects the peer got ready for."""

    def step(self) -> int:
        """Send what is due; the number of objects that left the outbox. 0 also when the destination is away."""
        batch = self._ledger.claim_outgoing(self._destination, self._clock(), self._owner, _LEASE_SECONDS, _BATCH)
        if not batch:
            self._peer.rest()
            self._get_ready()
            return 0
        self._begins(batch)
        waiting = list(batch)
        renewed, gone = self._clock(), 0
        try:
            for outgoing, answer in self._peer.send(batch):
                gone += self._record(outgoing, answer)
                waiting.remove(outgoing)
                if self._clock() - renewed > _LEASE_SECONDS / 3:
                    self._ledger.renew_outgoing(tuple(waiting), self._clock(), _LEASE_SECONDS)
                    renewed = self._clock()
        except Unreachable as away:
            self._away(away, waiting)
            return gone
        except FileNotFoundError as error:
            lost = waiting.pop(0)
            self._ledger.hold(lost, self._clock(), f"file {lost.path} is gone; restore it, then re-drive")
            self._release(waiting)
            logs.event(_LOGGER, logging.ERROR, "result file is gone", path=str(error.filename))
            return gone
        if self._ledger.circuit(self._destination).failures:
            self._ledger.close_circuit(self._destination)
            logs.event(_LOGGER, logging.INFO, "destination is back", destination=self._destination)
        return gone

    def _get_ready(self) -> None:
        """Once for each study that is being worked on, if the destination took what it got last."""
        now = time.monotonic()
        if now - self._asked < _ASKED_EVERY_S:
            return
        self._asked = now
        job = self._ledger.running_job()
        if job is None or job == self._expected:
            return
        self._expected = job
        circuit = self._ledger.circuit(self._destination)
        if circuit.failures == 0 and not circuit.paused:
            self._peer.get_ready()

    def close(self) -> None:
        """End what is kept open to the destination."""
        self._peer.rest(at_once=True)

    def _record(self, outgoing: Outgoing, answer: Answer) -> int:
        now = self._clock()
        level, gone = logging.INFO, 1
        if answer.fate is Fate.SENT:
            crash.point("after_send_before_row")
            self._ledger.sent(outgoing, now, answer.note, self._confirm, now + FIRST_LOOK_S)
        elif answer.fate is Fate.HELD:
            self._ledger.hold(outgoing, now, answer.note)
            level = logging.ERROR
        else:
            due = now + wait_seconds(OBJECT_SECONDS, outgoing.attempt, self._chance())
            self._ledger.postpone(outgoing, now, due, answer.note)
            level, gone = logging.WARNING, 0
        logs.event(
            _LOGGER,
            level,
            f"object {answer.fate.value}",
            destination=self._destination,
            sop_instance_uid=outgoing.sop_instance_uid,
            study_instance_uid=outgoing.study_instance_uid,
            attempt=outgoing.attempt,
            reason=answer.note,
        )
        return gone

    def _away(self, away: Unreachable, waiting: list[Outgoing]) -> None:
        """Open the circuit. An object at which the association broke waits on its own account as well."""
        now, reason = self._clock(), str(away)
        failures = self._ledger.circuit(self._destination).failures + 1
        retry_at = now + wait_seconds(CIRCUIT_SECONDS, failures, self._chance())
        self._ledger.open_circuit(self._destination, retry_at, reason)
        if isinstance(away, BrokenOff) and waiting:
            first = waiting.pop(0)
            due = now + wait_seconds(OBJECT_SECONDS, first.attempt, self._chance())
            self._ledger.postpone(first, now, due, reason)
        self._release(waiting, reason)
        logs.event(_LOGGER, logging.WARNING, "destination is away", destination=self._destination, reason=reason)

    def _release(self, waiting: list[Outgoing], reason: str = "") -> None:
        now = self._clock()
        for outgoing in waiting:
            self._ledger.postpone(outgoing, now, now, reason)


def senders(
    ledger: Ledger,
    settings: Settings,
    owner: str,
    begins: Callable[[Sequence[Outgoing]], None] = lambda _batch: None,
) -> tuple[Sender, ...]:
    """One for each destination in the settings. ``begins`` is given each batch before it is sent."""

    def sender(one: Destination) -> Sender:
        confirm = "" if one.confirm == "none" else one.confirm
        return Sender(ledger, one.name, peer_for(one, settings), owner, confirm=confirm, begins=begins)

    return tuple(sender(one) for one in settings.destination)
