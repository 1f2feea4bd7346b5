"""A real Orthanc keeps, vouches for, loses and asks; the service runs as its processes."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import httpx
import pytest
from pydicom import dcmread

from service.ledger import ConfirmState, RequestState

sys.path.insert(0, str(Path(__file__).parents[1] / "service"))
from proof_house import post

pytestmark = pytest.mark.acceptance


def test_orthanc_confirms_what_it_keeps_and_tells_what_it_lost(nmus, orthanc, until) -> None:
    """By storage commitment: Orthanc answers on an association that it opens to our listener."""
    here = nmus()
    hub = orthanc(DicomModalities={"nmus": {"AET": "NMUS", "Host": "127.0.0.1", "Port": here.port}})
    with here.settings.open("a", encoding="utf-8") as file:
        file.write(
            f'[[destination]]\nname = "pacs"\nae_title = "ORTHANC"\nhost = "127.0.0.1"\nport = {hub.dicom_port}\n'
            'confirm = "commitment"\n'
        )
    ledger = here.ledger()
    post(ledger, here.data, time.time(), "pacs", count=2)
    here.start_listening()
    until(lambda: (rows := ledger.confirmations()) and {one.state for one in rows} == {ConfirmState.CONFIRMED}, 120)
    # lost, and asked for anew
    lost = ledger.confirmations()[0].sop_instance_uid
    (number,) = [
        one["ID"]
        for one in httpx.post(f"{hub.url}/tools/lookup", content=lost, timeout=10).json()
        if one["Type"] == "Instance"
    ]
    httpx.delete(f"{hub.url}/instances/{number}", timeout=10).raise_for_status()
    ledger.reconfirm({"pacs": "commitment"}, 0, 0.0)
    until(lambda: "no such object" in next(o for o in ledger.confirmations() if o.sop_instance_uid == lost).reason, 60)
    ledger.close()


def test_orthanc_by_rest_is_believed_by_its_digest(nmus, orthanc, until) -> None:
    hub = orthanc()
    here = nmus(destinations=f'[[destination]]\nname = "pacs"\northanc = "{hub.url}"\nconfirm = "find"\n')
    ledger = here.ledger()
    post(ledger, here.data, time.time(), "pacs", count=2)
    here.start_listening()
    until(lambda: (rows := ledger.confirmations()) and {one.state for one in rows} == {ConfirmState.CONFIRMED}, 120)
    assert {one.reason for one in ledger.confirmations()} == {"same digest there"}
    ledger.close()


def test_orthanc_asks_for_commitment_as_a_scanner_does(nmus, exam, orthanc, until) -> None:
    here = nmus()
    hub = orthanc(DicomModalities={"nmus": {"AET": "NMUS", "Host": "127.0.0.1", "Port": here.port}})
    with here.settings.open("a", encoding="utf-8") as file:
        file.write(f'[[scanner]]\nae_title = "ORTHANC"\nhost = "127.0.0.1"\nport = {hub.dicom_port}\n')
    here.start_listening()
    for path in exam[:2]:
        httpx.post(f"{hub.url}/instances", content=path.read_bytes(), timeout=20).raise_for_status()
    headers = [dcmread(path, stop_before_pixels=True) for path in exam[:3]]
    stored = list(hub.get("/instances").json())
    assert httpx.post(f"{hub.url}/modalities/nmus/store", json=stored, timeout=60).is_success
    asked = [[str(one.SOPClassUID), str(one.SOPInstanceUID)] for one in headers]
    reply = httpx.post(f"{hub.url}/modalities/nmus/storage-commitment", json={"DicomInstances": asked}, timeout=20)
    assert reply.is_success, reply.text
    number = reply.json()["ID"]
    until(lambda: hub.get(f"/storage-commitment/{number}").json()["Status"] != "Pending", 60)
    told = hub.get(f"/storage-commitment/{number}").json()
    assert told["Status"] == "Failure"
    assert {one["SOPInstanceUID"] for one in told["Success"]} == {uid for _, uid in asked[:2]}
    assert [one["SOPInstanceUID"] for one in told["Failures"]] == [asked[2][1]]
    ledger = here.ledger()
    until(lambda: ledger.requests()[0].state is RequestState.ANSWERED)
    assert ledger.requests()[0].lacking == 1
    ledger.close()
