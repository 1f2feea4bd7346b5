"""SIGHUP: a good file takes effect and drops no association; with a bad one the service goes on as it was."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest
from pydicom import dcmread
from pynetdicom import AE
from pynetdicom.presentation import build_context

from service.app import ROLES, Orders
from service.config import Listener, Settings, Settle, Web
from service.config.changes import taken_over

pytestmark = pytest.mark.acceptance
US_IMAGE = "1.2.840.10008.5.1.4.1.1.6.1"


def associate(here, title: str):
    ae = AE(ae_title=title)
    return ae.associate("127.0.0.1", here.port, contexts=[build_context(US_IMAGE)], ae_title="NMUS")


def may_come(here, title: str) -> bool:
    association = associate(here, title)
    if association.is_established:
        association.release()
        return True
    assert association.is_rejected
    return False


def events(here) -> list[dict[str, object]]:
    return [json.loads(line) for line in here.log().splitlines() if line.startswith("{")]


def told(here, name: str) -> list[dict[str, object]]:
    return [event for event in events(here) if event["event"] == name]


def running(here, role: str) -> int:
    """Number of the process that was last started for a role."""
    return [int(str(event["pid"])) for event in told(here, "process started") if event["process"] == role][-1]


def with_titles(good: str, *titles: str) -> str:
    return good.replace("[listener]", f"[listener]\ncalling_ae_titles = {json.dumps(titles)}")


def test_settings_are_taken_over_while_a_scanner_is_sending_and_bad_ones_are_not(nmus, exam, until) -> None:
    here = nmus()
    good = here.settings.read_text()
    here.settings.write_text(with_titles(good, "US1"))
    here.start_listening()
    supervisor = here._process.pid
    scanner = associate(here, "US1")
    images = [dcmread(path) for path in exam[:3]]
    assert scanner.send_c_store(images[0]).Status == 0
    assert not may_come(here, "US2")
    until(lambda: told(here, "process started"))

    here.settings.write_text(with_titles(good, "US2") + "\n[report]\nsr_clas = 3\n")
    os.kill(supervisor, signal.SIGHUP)
    until(lambda: told(here, "settings not taken over"), 60)
    (complaint,) = told(here, "settings not taken over")
    assert "sr_clas" in str(complaint["reason"])
    assert complaint["level"] == "error"
    assert scanner.send_c_store(images[1]).Status == 0
    assert may_come(here, "US1")
    assert not may_come(here, "US2")
    before = running(here, "timers")
    os.kill(before, signal.SIGKILL)
    until(lambda: running(here, "timers") != before, 60)
    assert here._process.poll() is None, "what dies meanwhile is started with the settings that hold, not the bad file"

    nowhere = '[[destination]]\nname = "pacs"\nae_title = "X"\nhost = "127.0.0.1"\nport = 1\n'
    elsewhere = good.replace(f"port = {here.port}", "port = 1")
    here.settings.write_text(with_titles(elsewhere, "US2") + nowhere)
    os.kill(supervisor, signal.SIGHUP)
    until(lambda: any(event.get("role") == "listener" for event in told(here, "settings taken over")), 60)
    assert [event["setting"] for event in told(here, "setting waits for a restart")] == ["listener.port"]
    assert may_come(here, "US2")
    assert not may_come(here, "US1")
    assert scanner.send_c_store(images[2]).Status == 0, "who was connected stays so"
    until(lambda: running(here, "sender"))
    scanner.release()
    ledger = here.ledger()
    assert ledger.status().instances == 3
    ledger.close()
    assert here.terminate() == 0


def test_a_lone_process_reads_its_file_again_too(nmus, until) -> None:
    here = nmus()
    good = here.settings.read_text()
    here.start_listening(role="listener")
    assert may_come(here, "US2")
    here.settings.write_text(with_titles(good, "US1"))
    os.kill(here._process.pid, signal.SIGHUP)
    until(lambda: told(here, "settings taken over"), 60)
    assert not may_come(here, "US2")
    assert may_come(here, "US1")
    assert here.terminate() == 0


def test_what_cannot_change_while_it_runs_is_named_and_kept(tmp_path: Path) -> None:
    current = Settings().placed(tmp_path)
    fresh = Settings(listener=Listener(port=104, ae_title="NEW")).placed(tmp_path / "elsewhere")
    merged, kept = taken_over(fresh, current)
    assert kept == ("service.data_folder", "listener.port")
    assert (merged.service, merged.listener.port) == (current.service, 11112)
    assert merged.listener.ae_title == "NEW"


def test_every_section_is_some_process_s_or_waits_for_a_restart() -> None:
    used = {section for role in ROLES.values() for section in role.sections}
    assert used | {"tls", "objects"} == set(Settings.model_fields)


def test_only_the_processes_that_a_change_concerns_begin_anew() -> None:
    orders = Orders(Settings(), ("settle",))
    orders.give(Settings(web=Web(port=1)))
    assert not orders.turn.is_set()
    assert orders.take() is None
    changed = Settings(settle=Settle(quiet_seconds=1))
    orders.give(changed)
    assert orders.turn.is_set()
    assert not orders.is_set()
    assert orders.take() == changed
    orders.set()
    assert orders.is_set()
