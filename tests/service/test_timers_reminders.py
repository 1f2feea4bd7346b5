"""What a site's references ask for is said once a day in the log, not only when somebody asks."""

from __future__ import annotations

import json
import logging
from datetime import date

from reference_store.store import Store
from reference_store.synthetic import ATTESTATION, raw_document
from service.roles.timers import remind


def test_what_is_due_is_logged(tmp_path, caplog):
    store = Store(tmp_path)
    store.add([("m.json", json.dumps(raw_document()))])
    with caplog.at_level(logging.WARNING):
        assert remind(tmp_path, date(2026, 1, 10)) == 0
        assert caplog.records == []
        store.activate("synthetic.biceps_brachii", by="A", on="2026-01-05")
        store.attest(ATTESTATION)
        assert remind(tmp_path, date(2026, 1, 10)) >= 1
    assert any("no phantom" in record.nmus["reason"] for record in caplog.records)


def test_without_a_folder_nothing_is_asked(tmp_path):
    assert remind(None, date(2026, 1, 10)) == 0
    assert remind(tmp_path / "none", date(2026, 1, 10)) == 0
