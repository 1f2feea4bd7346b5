"""Asking an Orthanc by its own interface, and a DICOMweb service by QIDO-RS (PS3.18 section 10.6)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx

from service.errors import Unreachable

_SOP_INSTANCE = "00080018"
_PAGE = 1000


def orthanc_digest(client: httpx.Client, url: str, name: str, sop_instance_uid: str) -> str | None:
    """MD5 of the file that an Orthanc keeps under a UID, as it says itself; ``None`` if it has none.

    Raises
    ------
    Unreachable
        It does not answer.
    """
    try:
        found = client.post(f"{url.rstrip('/')}/tools/lookup", content=sop_instance_uid)
        found.raise_for_status()
        numbers = [one["ID"] for one in found.json() if one.get("Type") == "Instance"]
        if not numbers:
            return None
        digest = client.get(f"{url.rstrip('/')}/instances/{numbers[0]}/attachments/dicom/md5")
        digest.raise_for_status()
        return digest.text.strip().lower()
    except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
        raise Unreachable(
            f"{name}: {type(error).__name__}; is it running, and are address and password right?"
        ) from error


def qido_images(
    client: httpx.Client, url: str, name: str, series: tuple[str, str], headers: Mapping[str, str]
) -> frozenset[str]:
    """SOP Instance UIDs that a DICOMweb service has in one series.

    Parameters
    ----------
    series:
        Study and series instance UID.

    Raises
    ------
    Unreachable
        It does not answer, or not in DICOM JSON.
    """
    found: set[str] = set()
    address = f"{url.rstrip('/')}/studies/{series[0]}/series/{series[1]}/instances"
    accept = {"Accept": "application/dicom+json", **headers}
    try:
        while True:
            asked = {"limit": str(_PAGE), "offset": str(len(found)), "includefield": _SOP_INSTANCE}
            response = client.get(address, params=asked, headers=accept)
            if response.status_code in {httpx.codes.NO_CONTENT, httpx.codes.NOT_FOUND}:
                return frozenset(found)
            response.raise_for_status()
            page = {uid for one in response.json() for uid in _value(one)}
            if page <= found:
                return frozenset(found)  # it knows no offset, or it was the last page
            found |= page
            if len(page) < _PAGE:
                return frozenset(found)
    except (httpx.HTTPError, ValueError, TypeError) as error:
        raise Unreachable(f"{name}: {type(error).__name__} for QIDO-RS; check address and credentials") from error


def _value(item: Any) -> list[str]:  # noqa: ANN401 - JSON
    element = item.get(_SOP_INSTANCE) if isinstance(item, dict) else None
    return [str(one) for one in (element or {}).get("Value", [])]
