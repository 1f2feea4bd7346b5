"""The audit trail's part in the processes: what it follows, what it is told, and how messages leave."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from service.app import App
from service.audit.following import Carrier, Follower, moved
from service.audit.messages import Study
from service.audit.syslog import collector_of
from service.ledger import Outgoing
from service.web.visits import LoggedIn, Looked

FOLLOW_S, CARRY_S = 15.0, 2.0
"""How often the ledger is followed, and how often waiting messages are carried away."""


def follower(app: App) -> Follower:
    """What follows the ledger."""
    addresses = {one.name: one.host or one.orthanc or one.dicomweb or "" for one in app.settings.destination}
    return Follower(app.ledger, app.trail, app.objects, addresses, app.ledger.clock)


def carrier(app: App) -> Carrier | None:
    """What carries messages to the collector; ``None`` if there is none."""
    if app.trail.spool is None or app.settings.audit.host is None:
        return None
    return Carrier(app.trail.spool, collector_of(app.settings.audit), app.machine)


def begins(app: App) -> Callable[[Sequence[Outgoing]], None]:
    """Told by senders before each batch."""
    if not app.trail.is_on:
        return lambda _batch: None
    return follower(app).begins


def told(app: App) -> Callable[[Looked | LoggedIn], None]:
    """Told by the pages."""

    def write(visit: Looked | LoggedIn) -> None:
        who = visit.visitor
        if isinstance(visit, LoggedIn):
            app.trail.authenticated(who.user, who.address, good=visit.good, out=visit.out)
        elif app.trail.is_on:
            (first, *_) = app.ledger.instances(visit.study_instance_uid)
            path, uid = app.objects / first.path, visit.study_instance_uid
            seen = moved((), path, uid, peer="", address="", at=0)
            study: Study = replace(seen.study, classes=())
            app.trail.looked(who.user, who.address, study, seen.patient)

    return write
