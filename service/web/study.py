"""A study's page: what was measured, against what, why not, what it looks like, and where the results are."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route

from service.errors import Unreachable
from service.kept_tables import KeptTable, kept_tables, tables_folder
from service.ledger import Job, JobState, Ledger, Result
from service.objects import Objects
from service.proof.account import account
from service.web.guard import visitor
from service.web.reading import reading
from service.web.visits import Looked, Told

Page = Callable[..., Response]
Picture = Callable[[Path, int | None], bytes]
"""A capture's file as PNG, or as a small JPEG of that width in pixels."""
SMALL = 720
_TOLD_S = 300.0
_MOST_TOLD = 1000


class StudyPages:
    """``/study/UID`` and the pictures on it. Without ``picture`` there are none."""

    def __init__(self, ledger: Ledger, objects: Objects, page: Page, told: Told, picture: Picture | None) -> None:
        self._ledger, self._objects, self._page, self._picture = ledger, objects, page, picture
        self._told = _Once(told)

    def routes(self) -> list[Route]:
        """What the application adds."""
        pictures = [Route("/study/{uid}/picture/{sop}", self._show)] if self._picture is not None else []
        return [Route("/study/{uid}", self._study), Route("/study/{uid}/table/{name}", self._table), *pictures]

    def _study(self, request: Request) -> Response:
        uid, ledger = request.path_params["uid"], self._ledger
        whole = account(ledger, uid)
        if not whole.objects:
            return PlainTextResponse("no object of this study has been received", status_code=404)
        self._told(Looked(visitor(request), uid))
        done = _latest(whole.jobs)
        return self._page(
            "study.html",
            request,
            uid=uid,
            account=whole,
            done=done,
            withdrawn=next((one.withdrawn for one in whole.results if one.result.role == "sr"), ""),
            read=reading(
                ledger.findings(done.id) if done else "",
                self._captures(uid) if self._picture else (),
                self._tables(uid, done),
            ),
            called=_titles(ledger.called(uid)),
            events=ledger.events(uid),
        )

    def _tables(self, study: str, done: Job | None) -> tuple[KeptTable, ...]:
        """Tables of the analysis whose values are shown."""
        findings = self._ledger.findings(done.id) if done else ""
        if not done or not findings:
            return ()
        with contextlib.suppress(Unreachable):  # the page shows what else there is
            self._objects.gather(str(tables_folder(Path(), study, done.id)))
        return kept_tables(self._objects.folder, study, done.id, json.loads(findings))

    def _table(self, request: Request) -> Response:
        study, name = request.path_params["uid"], request.path_params["name"]
        tables = self._tables(study, _latest(account(self._ledger, study).jobs))
        found = next((one for one in tables if one.path.name == name), None)
        if found is None:
            return PlainTextResponse("there is no such table", status_code=404)
        self._told(Looked(visitor(request), study))
        kind = "text/csv" if found.kind == "CSV" else "application/json"
        return FileResponse(found.path, media_type=kind, filename=name, headers={"Cache-Control": "no-store"})

    def _captures(self, study: str) -> tuple[Result, ...]:
        """The newest capture about each thing that has not been taken back, in the order of the report."""
        withdrawn = {one.sop_instance_uid for one in self._ledger.withdrawals(study)}
        newest: dict[str, Result] = {}
        for one in self._ledger.previous_reports(study):
            if one.role == "sc":
                newest.setdefault(one.key, one)
        return tuple(one for one in newest.values() if one.sop_instance_uid not in withdrawn)

    def _show(self, request: Request) -> Response:
        study, sop = request.path_params["uid"], request.path_params["sop"]
        small = request.query_params.get("size") == "small"
        found = next((one for one in self._captures(study) if one.sop_instance_uid == sop), None)
        if found is None or self._picture is None:
            return PlainTextResponse("there is no such picture", status_code=404)
        self._told(Looked(visitor(request), study))
        try:
            body = self._picture(self._objects / found.path, SMALL if small else None)
        except (OSError, ValueError):
            return PlainTextResponse("the picture's file cannot be read", status_code=404)
        except Unreachable as away:
            return PlainTextResponse(str(away), status_code=503)
        return Response(body, media_type="image/jpeg" if small else "image/png")


class _Once:
    """Tells of the same visitor at the same study once in five minutes: a page and its pictures are one look."""

    def __init__(self, told: Told) -> None:
        self._told, self._lock = told, threading.Lock()
        self._seen: OrderedDict[Looked, float] = OrderedDict()

    def __call__(self, looked: Looked) -> None:
        now = time.monotonic()
        with self._lock:
            last = self._seen.pop(looked, None)
            fresh = last is not None and now - last < _TOLD_S
            self._seen[looked] = last if fresh and last is not None else now
            while len(self._seen) > _MOST_TOLD:
                self._seen.popitem(last=False)
        if not fresh:
            self._told(looked)


def _titles(called: tuple[str, ...]) -> list[str]:
    """The titles that chose workflows; where there are any, also that something came by another."""
    return [one or "any other title" for one in called] if any(called) else []


def _latest(jobs: tuple[Job, ...]) -> Job | None:
    """The newest analysis that came to its end; a later one that failed or is held back stands beside it."""
    return next((one for one in jobs if one.state is JobState.DONE), None)
