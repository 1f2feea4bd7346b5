"""An Orthanc as source: what it stores is pulled over ``/changes`` and kept like anything that was sent to us.

The sequence number lies in the ledger and moves on only after everything before it was kept, so a kill at any point
repeats a page and loses nothing. ``StableSeries`` is not used: Orthanc holds it in memory and forgets it in a
restart. What a cleared change log or a new database would hide is found again by a reconciliation at start. Results
of our own that come back this way are known by their UID and left where they are.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
from pyorthanc import Orthanc

from service import logs
from service.config import OrthancSource
from service.errors import Refused, Unreachable
from service.ledger import Kept, Ledger
from service.receive.archive import Incoming
from service.receive.identity import OUT_OF_RESOURCES
from service.receive.intake import Intake
from service.receive.orthanc_numbers import names_another
from service.receive.part10 import ArrivingFile

_LOGGER = logging.getLogger(__name__)
_PAGE = 100
_MARGIN_SECONDS = 600
"""How much earlier than the last poll a reconciliation looks, for clocks that differ; LastUpdate is in UTC."""


class OrthancFeed:
    """Pulls new instances of one Orthanc. Not for several threads at once.

    Parameters
    ----------
    maximum_object_bytes:
        A longer file is refused.
    clock:
        Seconds since 1970.
    """

    def __init__(
        self,
        source: OrthancSource,
        intake: Intake,
        ledger: Ledger,
        *,
        maximum_object_bytes: int = 8_192_000_000,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self._source = source
        self._intake = intake
        self._ledger = ledger
        self._maximum_object_bytes = maximum_object_bytes
        self._clock = clock or ledger.clock
        self._cursor = f"orthanc:{source.name}"
        self._polled = f"polled:{source.name}"
        self._client = Orthanc(
            source.url.rstrip("/"),
            username=source.username or None,
            password=source.password.get_secret_value() or None,
            timeout=httpx.Timeout(source.timeout_seconds, connect=5),
        )

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def reconcile(self) -> int:
        """Find what the change log cannot tell (any more); the number of new objects. Call it once, at start.

        At the first contact the feed begins with what comes from now on, or with everything if ``history`` is set.

        Raises
        ------
        Unreachable
            Orthanc does not answer; call it again later.
        """
        last = int(self._told(lambda: self._client.get_changes({"last": ""})).get("Last", 0))
        polled = self._ledger.cursor(self._polled)
        if polled == 0 and not self._source.history:
            logs.event(_LOGGER, logging.INFO, "orthanc from now on", source=self._source.name, count=last)
            self._advance(last)
            return 0
        if last < self._ledger.cursor(self._cursor):
            logs.event(_LOGGER, logging.WARNING, "orthanc has a new database", source=self._source.name)
            self._ledger.advance(self._cursor, 0)
        new = sum(self._pull(number) for number in self._changed_since(polled - _MARGIN_SECONDS))
        self._advance(self._ledger.cursor(self._cursor))
        return new

    def poll(self) -> int:
        """Take everything that is new; the number of new objects.

        Raises
        ------
        Unreachable
            Orthanc does not answer, or our disk is full; what was not kept comes again with the next call.
        """
        if self._ledger.cursor(self._polled) == 0:
            return self.reconcile()
        new = 0
        while True:
            since = self._ledger.cursor(self._cursor)
            page = self._told(lambda since=since: self._client.get_changes({"since": since, "limit": _PAGE}))  # type: ignore[misc]
            for change in page.get("Changes", []):
                if change.get("ChangeType") == "NewInstance":
                    new += self._pull(str(change["ID"]))
            if page.get("Changes"):
                self._advance(int(page["Last"]))
            elif self._clock() - self._ledger.cursor(self._polled) > 60:
                self._advance(since)
            if page.get("Done", True):
                return new

    @property
    def name(self) -> str:
        """As the settings call it."""
        return self._source.name

    def compare(self, since: float, *, fetch: bool) -> tuple[int, list[str], int]:
        """What it has taken in since a moment and we lack: how many looked at, their UIDs, how many fetched.

        Only ultrasound: nobody expects the rest of a hospital here.

        Raises
        ------
        Unreachable
            Orthanc does not answer.
        """
        looked, fetched, lacking = 0, 0, []
        for number in self._changed_since(since):
            asked = self._told(lambda number=number: self._client.get_instances_id_simplified_tags(number))  # type: ignore[misc]
            if asked.get("Modality") != "US":
                continue
            looked += 1
            uid = str(asked.get("SOPInstanceUID", "")).strip("\0 ")
            if not self._ledger.has_instance(uid):
                lacking.append(uid)
                fetched += self._pull(number) if fetch else 0
        return looked, lacking, fetched

    def _advance(self, sequence: int) -> None:
        self._ledger.advance(self._cursor, sequence)
        self._ledger.advance(self._polled, max(1, int(self._clock())))

    def _told(self, ask: Callable[[], Any]) -> Any:  # noqa: ANN401 - JSON
        try:
            return ask()
        except httpx.HTTPError as error:
            text = (
                f"orthanc {self._source.name}: {type(error).__name__}; is it running, and are url and password right?"
            )
            raise Unreachable(text) from error

    def _changed_since(self, moment: float) -> Iterator[str]:
        """Orthanc's numbers of all instances in series that changed after a moment."""
        after = datetime.fromtimestamp(max(moment, 0), UTC).strftime("%Y%m%dT%H%M%S")
        offset = 0
        while True:
            asked = {"expand": "", "since": offset, "limit": _PAGE}
            series = self._told(lambda asked=asked: self._client.get_series(asked))  # type: ignore[misc]
            for one in series:
                if one.get("LastUpdate", "9") >= after:
                    yield from one.get("Instances", [])
            if len(series) < _PAGE:
                return
            offset += len(series)

    def _pull(self, number: str) -> int:
        """Keep one instance; 1 if it was new. One that is known, gone or refused is not asked for again."""
        try:
            tags = self._client.get_instances_id(number)["MainDicomTags"]
        except httpx.ConnectError as error:
            raise Unreachable(f"orthanc {self._source.name}: ConnectError; is it running?") from error
        except httpx.HTTPError:
            logs.event(_LOGGER, logging.INFO, "instance is gone from orthanc", source=self._source.name)
            return 0
        uid = str(tags.get("SOPInstanceUID", "")).strip("\0 ")
        if self._ledger.has_instance(uid) and not names_another(self._intake.objects, self._ledger, uid, number):
            return 0
        incoming: Incoming | None = None
        try:
            incoming = self._download(number)
            if incoming is None:
                return 0
            kept = self._intake.take(incoming, self._source.name, self._source.url, called=self._source.name)
        except Refused as refusal:
            self._intake.refused(refusal)
            if refusal.status == OUT_OF_RESOURCES:
                raise Unreachable(f"orthanc {self._source.name}: {refusal}") from refusal
            return 0
        return int(kept is Kept.NEW)

    def _download(self, number: str) -> Incoming | None:
        """Stream a file into the spool, never whole in memory; ``None`` if it is gone."""
        arriving = ArrivingFile(self._intake, self._source.name, self._maximum_object_bytes)
        try:
            with self._client.stream("GET", f"{self._client.url}/instances/{number}/file") as response:
                if response.status_code == httpx.codes.NOT_FOUND:
                    return None
                response.raise_for_status()
                for part in response.iter_bytes(1 << 18):
                    arriving.write(part)
        except httpx.HTTPError as error:
            arriving.discard()
            raise Unreachable(f"orthanc {self._source.name}: {type(error).__name__} in a download") from error
        return arriving.end()
