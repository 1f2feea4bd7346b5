"""Letting an Orthanc send on what it got, by a job of its own: sent is only what that job has ended well with."""

from __future__ import annotations

import time
from typing import Any

import httpx

from service.deliver.answers import Answer, Fate
from service.errors import Unreachable

_LOOK_S = 0.2
"""Between two looks at a job; a store takes tens of milliseconds, or seconds when the PACS archives meanwhile."""
_ENDED = {"Success": Fate.SENT, "Failure": Fate.LATER}


def sent_on(client: httpx.Client, url: str, modality: str, number: str, time_s: float) -> Answer:
    """Start the job and wait for its end.

    Parameters
    ----------
    number:
        Orthanc's own number of the object.
    time_s:
        A job that takes longer is left to itself; the object is tried again later, and is the same then.

    Raises
    ------
    Unreachable
        Orthanc does not answer, or does not know the modality.
    """
    told = _asked(client, "POST", f"{url}/modalities/{modality}/store", {"Resources": [number], "Synchronous": False})
    job = str(told.get("ID", ""))
    deadline = time.monotonic() + time_s
    while True:
        state = _asked(client, "GET", f"{url}/jobs/{job}")
        fate = _ENDED.get(str(state.get("State")))
        if fate is Fate.SENT:
            return Answer(Fate.SENT, f"sent on to {modality}")
        if fate is not None:
            return Answer(fate, f"not sent on to {modality}: {str(state.get('ErrorDescription', ''))[:200]}")
        if time.monotonic() >= deadline:
            return Answer(Fate.LATER, f"not sent on to {modality} within {time_s:g} s")
        time.sleep(_LOOK_S)


def _asked(client: httpx.Client, method: str, url: str, body: object = None) -> dict[str, Any]:
    try:
        response = client.request(method, url, json=body)
    except httpx.HTTPError as error:
        raise Unreachable(f"orthanc: {type(error).__name__} when it was to send on") from error
    if not response.is_success:
        raise Unreachable(f"orthanc: HTTP {response.status_code} when it was to send on; does it know that modality?")
    read = response.json()
    return read if isinstance(read, dict) else {}
