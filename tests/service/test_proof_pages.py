"""The pages and metrics of proof, and one row for each association."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import httpx
import pytest

from service.config import Listener
from service.ledger import Quarantine, Reconciliation
from service.patient.keys import Keys
from service.patient.reading import identify
from service.receive.archive import Archive
from service.receive.association_log import AssociationLog
from service.receive.intake import Intake
from service.receive.listener import StorageProvider
from service.web.metrics import exposition
from service.web.pages import application
from service.web.server import Place, WebServer

sys.path.insert(0, str(Path(__file__).parent))
from proof_house import Clock, post

KEYS = Keys(b"a secret of the site")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def browser(ledger, tmp_path, clock):
    pages = application(ledger, tmp_path, refuse_free_mb=1, processes=(), clock=clock, keys=KEYS)
    server = WebServer(pages, Place())
    server.start()
    with httpx.Client(base_url=f"http://127.0.0.1:{server.port}") as client:
        yield client
    server.stop()


@pytest.fixture
def receiving(ledger, tmp_path, clock):
    archive = Archive(tmp_path)
    log = AssociationLog(ledger, clock)
    provider = StorageProvider(Listener(port=0), Intake(ledger, archive), archive.spool, log=log)
    yield provider
    provider.drain(0)


def look(browser, key: str) -> str:
    token = re.search(r'name="token" value="([^"]+)"', browser.get("/why").text)[1]
    answer = browser.post("/why", data={"token": token, "key": key})
    assert answer.status_code == 200
    return answer.text


def test_a_study_is_found_by_accession_number_in_the_page(browser, ledger, tmp_path, receiving, an_image) -> None:
    from pynetdicom import AE
    from pynetdicom.presentation import build_context

    association = AE("US1").associate(
        "127.0.0.1", receiving.port, [build_context("1.2.840.10008.5.1.4.1.1.6.1", "1.2.840.10008.1.2.1")], "NMUS"
    )
    dataset = an_image(AccessionNumber="ACC-CANARY-1")
    assert association.send_c_store(dataset).Status == 0
    association.release()
    identify(ledger, tmp_path, KEYS, ledger.unidentified())
    text = look(browser, "ACC-CANARY-1")
    assert str(dataset.SOPInstanceUID) in text
    assert "its study is still settling" in text
    assert "CANARY" not in text
    assert "Nothing of it" in look(browser, "ACC-2")
    assert browser.post("/why", data={"key": "ACC-CANARY-1"}).status_code == 403, "another site's form"
    assert browser.get("/why?key=ACC-CANARY-1").text.count("CANARY") == 0


def test_each_association_leaves_a_row_with_its_counts(ledger, receiving, an_image, until) -> None:
    from pynetdicom import AE
    from pynetdicom.presentation import build_context

    contexts = [build_context("1.2.840.10008.5.1.4.1.1.6.1", "1.2.840.10008.1.2.1")]
    for ending in ("release", "abort"):
        association = AE("US1").associate("127.0.0.1", receiving.port, contexts, "NMUS")
        for _ in range(2):
            assert association.send_c_store(an_image()).Status == 0
        assert association.send_c_store(an_image(StudyInstanceUID=None)).Status == 0xA900
        getattr(association, ending)()
        until(lambda ending=ending: len(ledger.associations()) == ("release", "abort").index(ending) + 1)
    aborted, released = ledger.associations()
    assert (released.stored, released.refused, released.ending) == (2, 1, "released")
    assert (aborted.stored, aborted.refused, aborted.ending) == (2, 1, "aborted")
    assert (released.calling_ae_title, released.called_ae_title) == ("US1", "NMUS")
    assert released.bytes > 2 * 64 * 64
    AE("US1").associate("127.0.0.1", receiving.port, contexts, "NMUS").release()
    assert len(ledger.associations()) == 2, "one that brought nothing leaves no row"


def test_the_page_and_the_metrics_tell_what_is_proved_and_what_is_not(browser, ledger, tmp_path, clock) -> None:
    (result,) = post(ledger, tmp_path, clock(), "pacs")
    (row,) = ledger.claim_outgoing("pacs", clock(), "s", 30)
    ledger.sent(row, clock(), "", "find", clock())
    ledger.reconciled(Reconciliation(clock(), "hub", "images", 5, 2, 1, "1.2.3\n1.2.4"))
    ledger.request_commitment("2.25.9", "SONO1", "127.0.0.1", (("1.2", "1.2.3"),), clock())
    page = browser.get("/proof").text
    for told in (result.sop_instance_uid, "hub", "1.2.4", "SONO1", "waiting"):
        assert told in page, told
    metrics = exposition(ledger, tmp_path, clock).decode()
    assert 'nmus_confirmations{destination="pacs",state="open"} 1.0' in metrics
    assert 'nmus_reconciliation_missing{kind="images",peer="hub"} 1.0' in metrics
    assert "nmus_quarantined_studies 0.0" in metrics
    assert "held back" in browser.get("/").text


def test_a_quarantine_is_on_the_page(browser, ledger, clock, an_image) -> None:
    from service.ledger import Instance

    ledger.keep(Instance("1.2.3.1", "1.2", "1.2.3", "1.2.3.0", "1.2", "a" * 64, "x", 1, clock(), "US"))
    (study,) = ledger.open_studies()
    ledger.settle(study, clock())
    job = ledger.claim(clock(), "w", 30)
    ledger.hold_back(job, Quarantine("1.2.3", clock(), "two names", "mend it", "f"), clock())
    assert "two names" in browser.get("/proof").text
    assert "two names" in look(browser, "1.2.3")
