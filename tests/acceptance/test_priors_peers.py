"""Earlier reports out of a real Orthanc, in each way that it knows."""

from __future__ import annotations

import importlib.util
import sys
from datetime import date
from pathlib import Path

import httpx
import pytest
from pydicom import dcmread

from plugins.codes import AREA
from service.config import Archive, Destination, OrthancSource, Priors, Settings
from service.priors.looking import look

pytestmark = pytest.mark.acceptance
PLUGINS = Path("/usr/share/orthanc/plugins")


def maker():
    """The report maker of the reading tests."""
    path = Path(__file__).parents[1] / "service" / "reporting" / "test_priors_reading.py"
    spec = importlib.util.spec_from_file_location("priors_reading_makers", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def free_port() -> int:
    import socket

    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@pytest.mark.parametrize("way", ["get", "move", "web", "orthanc"])
def test_an_earlier_report_is_found_fetched_and_read(orthanc, tmp_path, way) -> None:
    port = free_port()
    more: dict[str, object] = {"DicomModalities": {"nmus": ["NMUS_PRIORS", "127.0.0.1", port]}}
    if way == "web":
        found = sorted(PLUGINS.glob("libOrthancDicomWeb.so*"))
        if not found:
            pytest.skip("orthanc-dicomweb is not installed")
        more |= {"Plugins": [str(found[0])], "DicomWeb": {"Enable": True, "Root": "/dicom-web/"}}
    hub = orthanc(DicomAlwaysAllowFind=True, DicomAlwaysAllowGet=True, DicomAlwaysAllowMove=True, **more)
    make = maker()
    reports = [
        make.write(tmp_path, "1.2.826.7", "20250705", (make.result("1.2.826.7", area=10.3),)),
        make.write(tmp_path, "1.2.826.6", "20250105", (make.result("1.2.826.6", area=9.9),), PatientID="SOMEBODY"),
    ]
    for path in reports:
        assert httpx.post(f"{hub.url}/instances", content=path.read_bytes(), timeout=20).is_success
    now = make.source(tmp_path, "1.2.826.8", "20260101")
    peers: dict[str, dict[str, object]] = {
        "get": {"archive": (Archive(name="hub", ae_title="ORTHANC", host="127.0.0.1", port=hub.dicom_port),)},
        "web": {"destination": (Destination(name="hub", dicomweb=f"{hub.url}/dicom-web"),)},
        "orthanc": {"orthanc": (OrthancSource(name="hub", url=hub.url),)},
    }
    priors = Priors(ask=("hub",), retrieve="move" if way == "move" else "get", port=port)
    settings = Settings(priors=priors, **peers["get" if way == "move" else way])
    values, said = look([str(now)], settings)
    assert said == ()
    assert {one.value for one in values if one.code == AREA} == {10.3}
    assert {one.report_uid for one in values} == {str(dcmread(reports[0]).SOPInstanceUID)}
    assert {one.days_ago for one in values} == {float((date(2026, 1, 1) - date(2025, 7, 5)).days)}


def test_an_archive_that_does_not_know_where_to_send_is_told(orthanc, tmp_path) -> None:
    hub = orthanc(DicomAlwaysAllowFind=True, DicomAlwaysAllowMove=True)
    make = maker()
    path = make.write(tmp_path, "1.2.826.7", "20250705", (make.result("1.2.826.7"),))
    assert httpx.post(f"{hub.url}/instances", content=path.read_bytes(), timeout=20).is_success
    archive = Archive(name="hub", ae_title="ORTHANC", host="127.0.0.1", port=hub.dicom_port)
    priors = Priors(ask=("hub",), retrieve="move", port=free_port())
    now = make.source(tmp_path, "1.2.826.8", "20260101")
    values, (said,) = look([str(now)], Settings(archive=(archive,), priors=priors))
    assert values == ()
    assert "C-MOVE failed" in said
