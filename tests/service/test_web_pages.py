"""The pages, the health answers and the metrics tell what the ledger holds, and nothing of a patient."""

from __future__ import annotations

import threading

import httpx
import pytest

from service.ledger import Instance, Process, open_ledger
from service.web.pages import application
from service.web.server import Place, WebServer

NOW = 1_700_000_000.0


@pytest.fixture
def ledger(tmp_path):
    return open_ledger(tmp_path / "data")


@pytest.fixture
def ask(ledger, tmp_path):
    app = application(
        ledger, tmp_path / "data", refuse_free_mb=1, processes=("listener",), clock=lambda: NOW, hosts=("localhost",)
    )
    server = WebServer(app, Place())
    server.start()
    with httpx.Client(base_url=f"http://127.0.0.1:{server.port}", headers={"Host": "localhost"}) as client:
        yield client.get
    server.stop()
    assert "web" not in {thread.name for thread in threading.enumerate()}


def instance(number=1, study="1.2.3"):
    return Instance(
        sop_instance_uid=f"{study}.{number}",
        sop_class_uid="1.2.840.10008.5.1.4.1.1.6.1",
        study_instance_uid=study,
        series_instance_uid=f"{study}.0",
        transfer_syntax_uid="1.2.840.10008.1.2.1",
        sha256=f"{number:064d}",
        path=f"archive/{number}",
        size=10,
        received_at=NOW - 5,
        source="<b>SCANNER",
    )


def test_live_and_ready(ask, ledger):
    assert ask("/health/live").json() == {"live": True}
    answer = ask("/health/ready")
    assert answer.status_code == 503
    assert {check["name"]: check["good"] for check in answer.json()["checks"]} == {
        "disk": True,
        "ledger": True,
        "listener": False,
    }
    ledger.beat(Process("listener", 1, NOW - 9, NOW - 1, {}))
    assert ask("/health/ready").status_code == 200
    ledger.beat(Process("listener", 1, NOW - 99, NOW - 40, {}))
    assert ask("/health/ready").status_code == 503


def test_metrics_follow_the_ledger(ask, ledger):
    assert "nmus_instances 0.0" in ask("/metrics").text
    ledger.keep(instance())
    ledger.beat(Process("listener", 1, NOW - 9, NOW - 1, {"associations_accepted": 3.0}))
    text = ask("/metrics").text
    assert "nmus_instances 1.0" in text
    assert "nmus_open_studies 1.0" in text
    assert 'nmus_associations_accepted_total{process="listener"} 3.0' in text
    assert "1.2.3" not in text


def test_pages_show_and_escape(ask, ledger):
    ledger.keep(instance())
    overview = ask("/")
    assert overview.status_code == 200
    assert "objects received" in overview.text
    study = ask("/study/1.2.3")
    assert "its study is still settling" in study.text
    assert "&lt;b&gt;SCANNER" in study.text
    assert "<b>SCANNER" not in study.text
    assert "default-src 'none'" in study.headers["content-security-policy"]
    assert ask("/study/9.9").status_code == 404


def test_another_host_name_is_refused(ask):
    assert ask("/", headers={"Host": "evil.example"}).status_code == 400
