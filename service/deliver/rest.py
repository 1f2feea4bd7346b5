"""Into an Orthanc by its REST interface, through pyorthanc."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import httpx
from pyorthanc import Orthanc

from service import crash
from service.config import Destination
from service.deliver.answers import Answer, Fate, of_http
from service.deliver.orthanc_job import sent_on
from service.errors import Unreachable
from service.ledger import Outgoing
from service.objects import Lying

_NOT_OURS_TO_MEND = {401, 403, 404, 407}
"""The address or the credentials are wrong: nothing is the object's fault, so none is held."""


class RestPeer:
    """A destination that is an Orthanc."""

    def __init__(self, destination: Destination, lying: Lying) -> None:
        self._name = destination.name
        self._lying = lying
        self._modality, self._time_s = destination.orthanc_modality, destination.timeout_seconds
        self._orthanc = Orthanc(
            destination.orthanc or "",
            username=destination.username or None,
            password=destination.password.get_secret_value() or None,
            return_raw_response=True,  # else every error is the same exception without its code
            timeout=httpx.Timeout(destination.timeout_seconds, connect=5),
        )

    def get_ready(self) -> None:
        """Nothing is opened beforehand."""

    def rest(self, *, at_once: bool = False) -> None:
        """Nothing is kept open."""

    def send(self, objects: Sequence[Outgoing]) -> Iterator[tuple[Outgoing, Answer]]:
        """Post one file after the other over a connection that is kept."""
        for outgoing in objects:
            yield outgoing, self._post(outgoing)

    def _post(self, outgoing: Outgoing) -> Answer:
        crash.point("mid_send")
        try:
            response = self._orthanc.post_instances((self._lying / outgoing.path).read_bytes())
        except httpx.HTTPError as error:
            raise Unreachable(f"{self._name}: {type(error).__name__}; is it running and reachable?") from error
        code = response.status_code
        if code in _NOT_OURS_TO_MEND:
            raise Unreachable(f"{self._name}: HTTP {code}; check the destination's address, username and password")
        if not response.is_success:
            return of_http(code, response.reason_phrase)
        read = response.json() if "json" in response.headers.get("content-type", "") else {}
        told = read.get("Status", "")
        if told not in ("AlreadyStored", "Success"):
            return Answer(Fate.LATER, f"answered {told or 'something else'}")
        if self._modality:
            number = str(read.get("ID", ""))
            return sent_on(self._orthanc, self._orthanc.url.rstrip("/"), self._modality, number, self._time_s)
        return Answer(Fate.SENT, "was there already" if told == "AlreadyStored" else "")
