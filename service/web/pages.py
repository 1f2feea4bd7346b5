"""Pages over the ledger: what waits, what failed and why. Read only, and without patient data."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from jinja2 import Environment, PackageLoader
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from service.audit import Spool
from service.certificates import Certificate
from service.ledger import Ledger
from service.objects import Objects
from service.objects.folder import SharedFolder
from service.patient.keys import Keys
from service.web.guard import Access, Guard
from service.web.health import readiness
from service.web.login import Login
from service.web.metrics import exposition
from service.web.proof import ProofPages
from service.web.sessions import Guesses, Sessions
from service.web.study import Picture, StudyPages
from service.web.visits import Told

_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)


def _untold(_event: object) -> None:
    """Nobody keeps an audit trail."""


def application(
    ledger: Ledger,
    data_folder: Path,
    *,
    refuse_free_mb: int,
    processes: tuple[str, ...],
    clock: Callable[[], float],
    steady: Callable[[], float] | None = None,
    hosts: tuple[str, ...] = ("*",),
    more: Sequence[BaseRoute] = (),
    watched: Callable[[], tuple[Certificate, ...]] = tuple,
    access: Access = Access(),  # noqa: B008 - frozen: no login
    told: Told = _untold,
    keys: Keys | None = None,
    audit: Spool | None = None,
    picture: Picture | None = None,
    objects: Objects | None = None,
) -> Starlette:
    """The web application: ``/``, ``/proof``, ``/why``, ``/study/UID``, ``/status.json``, ``/health``, ``/metrics``.

    Parameters
    ----------
    hosts:
        Host names that may be asked for; others are refused, against name rebinding in a browser.
    more:
        Routes besides, which see to their own access.
    watched:
        Gives the certificates whose ends are shown.
    access:
        Who may look.
    told:
        Is given what the audit trail wants to know.
    keys:
        For ``/why``, which finds studies by accession number; without them there is no such page.
    audit:
        Where audit messages wait, to be counted.
    picture:
        Turns a capture into a picture for a study's page.
    objects:
        Where captures lie, if not in the data folder.
    """
    sessions = Sessions(steady or clock, access.session_seconds)
    templates = Environment(loader=PackageLoader("service.web"), autoescape=True)
    templates.filters["when"] = _when

    def page(name: str, request: Request, **values: object) -> Response:
        session = request.scope.get("state", {}).get("session")
        body = templates.get_template(name).render(
            now=clock(), session=session, path=request.url.path, asks=keys is not None, **values
        )
        return HTMLResponse(body, headers={"Content-Security-Policy": _POLICY, "Cache-Control": "no-store"})

    def overview(request: Request) -> Response:
        checks = readiness(ledger, data_folder, refuse_free_mb, processes, clock(), objects=objects)
        return page(
            "overview.html",
            request,
            status=ledger.status(),
            checks=checks,
            jobs=ledger.jobs(limit=50),
            certificates=watched(),
            circuits=[one for one in ledger.status().circuits if one.paused or one.retry_at > clock()],
        )

    def ready(_request: Request) -> Response:
        checks = readiness(ledger, data_folder, refuse_free_mb, processes, clock(), objects=objects)
        good = all(check.good for check in checks)
        return JSONResponse({"ready": good, "checks": [asdict(one) for one in checks]}, 200 if good else 503)

    def metrics(_request: Request) -> Response:
        return PlainTextResponse(exposition(ledger, data_folder, clock, watched(), audit))

    login = Login(access, sessions, Guesses(steady or clock), page, told)
    return Starlette(
        routes=[
            *(login.routes() if access.users is not None else ()),
            Route("/", overview),
            *ProofPages(ledger, keys, page, told).routes(),
            *StudyPages(ledger, objects or SharedFolder(data_folder), page, told, picture).routes(),
            Route("/status.json", lambda _request: Response(status_json(ledger), media_type="application/json")),
            Route("/health/live", lambda _request: JSONResponse({"live": True})),
            Route("/health/ready", ready),
            Route("/metrics", metrics),
            *more,
        ],
        middleware=[
            Middleware(Guard, access=access, sessions=sessions),
            Middleware(TrustedHostMiddleware, allowed_hosts=list(hosts)),
        ],
    )


def status_json(ledger: Ledger) -> str:
    """The ledger's status as JSON, the same as ``nmus status --json``."""
    return json.dumps(asdict(ledger.status()), default=str)


def _when(seconds: float | None) -> str:
    return "–" if not seconds else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")
