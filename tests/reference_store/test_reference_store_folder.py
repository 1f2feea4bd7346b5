"""The folder of a site: documents that never change, events that add up, all or nothing."""

from __future__ import annotations

import dataclasses
import json
import multiprocessing
from pathlib import Path

import pytest

from reference_store import journal
from reference_store.comparison import Comparison, Question, Refusal, RefusalCode
from reference_store.reading import DocumentError
from reference_store.store import Store, load
from reference_store.synthetic import ATTESTATION, DEVICE, document, raw_document
from reference_store.values import Side, Subject, View

ASK = Question(
    "muscle_echo_intensity", 70.0, "[arb'U]", "biceps_brachii", None, Side.LEFT, View.TRANSVERSE,
    Subject(60.0, "F"), DEVICE,
)  # fmt: skip


def _store(folder: Path) -> Store:
    store = Store(folder)
    store.add([("mine.json", json.dumps(raw_document()))])
    return store


def _code(answer: Comparison | Refusal) -> RefusalCode | None:
    return answer.code if isinstance(answer, Refusal) else None


def test_from_import_to_comparison_by_recorded_decisions(tmp_path):
    store = _store(tmp_path)
    assert _code(load(tmp_path).compare(ASK)) is RefusalCode.NOT_APPROVED
    store.activate("synthetic.biceps_brachii", by="A. Example", on="2026-01-05")
    assert "attested" in load(tmp_path).compare(ASK).text
    store.attest(ATTESTATION)
    assert isinstance(load(tmp_path).compare(ASK), Comparison)
    store.retire("synthetic.biceps_brachii@0.1.0", by="A. Example", on="2026-02-01", reason="new transducer")
    assert _code(load(tmp_path).compare(ASK)) is RefusalCode.NOT_APPROVED
    assert [row["event"] for row in store.events()] == ["activate", "attest", "retire"]
    assert all(row["by"] and row["on"] for row in store.events())


def test_a_document_never_changes(tmp_path):
    store = _store(tmp_path)
    assert store.add([("same.json", json.dumps(raw_document()))]) == ()
    with pytest.raises(DocumentError, match="raise the version"):
        store.add([("other.json", json.dumps(raw_document(population__n=60)))])
    assert store.add([("next.json", json.dumps(raw_document(population__n=60, version="0.2.0")))])


def test_half_an_import_leaves_nothing(tmp_path):
    texts = [("good.json", json.dumps(raw_document())), ("bad.json", json.dumps(raw_document(version="1")))]
    with pytest.raises(DocumentError, match=r"bad\.json: field version"):
        Store(tmp_path).add(texts)
    assert Store(tmp_path).documents() == ()
    assert not list(tmp_path.rglob("*.json"))


def test_a_signed_document_that_was_edited_on_disk_is_noticed(tmp_path):
    store = _store(tmp_path)
    store.activate("synthetic.biceps_brachii", by="A. Example", on="2026-01-05")
    path = next((tmp_path / "documents").glob("*.json"))
    path.write_text(path.read_text().replace('"residual_sd":8.0', '"residual_sd":9.0'))
    with pytest.raises(DocumentError, match="not what was activated"):
        load(tmp_path)


def test_decisions_need_a_name_and_a_date_and_something_that_exists(tmp_path):
    store = _store(tmp_path)
    with pytest.raises(ValueError, match="name"):
        store.activate("synthetic.biceps_brachii", by=" ", on="2026-01-05")
    with pytest.raises(ValueError, match="date"):
        store.activate("synthetic.biceps_brachii", by="A", on="yesterday")
    with pytest.raises(LookupError, match="list"):
        store.activate("nothing", by="A", on="2026-01-05")
    with pytest.raises(LookupError, match="bae2021"):
        store.select("median_nerve", "nobody", by="A", on="2026-01-05")
    with pytest.raises(ValueError, match="reason"):
        store.retire("synthetic.biceps_brachii", by="A", on="2026-01-05", reason="")
    assert store.events() == []


def test_a_retired_document_is_not_activated_again_but_can_still_be_computed(tmp_path):
    store = _store(tmp_path)
    store.retire("synthetic.biceps_brachii", by="A", on="2026-01-05", reason="wrong gain")
    with pytest.raises(ValueError, match="retired"):
        store.activate("synthetic.biceps_brachii", by="A", on="2026-01-06")
    assert load(tmp_path).document(document().content_hash) == document()


def test_choosing_a_source_is_one_event_and_decides(tmp_path):
    ask = dataclasses.replace(ASK, quantity="nerve_csa", unit="mm2", structure="median_nerve", site="upper_arm")
    assert isinstance(load(tmp_path).compare(ask), Refusal)
    Store(tmp_path).select("median_nerve", "pnbmj_t2", by="A. Example", on="2026-01-05")
    answer = load(tmp_path).compare(ask)
    assert isinstance(answer, Comparison) and answer.reference_id.startswith("pnbmj_t2")


def test_a_broken_journal_names_file_and_line(tmp_path):
    (tmp_path / "events.jsonl").write_text('{"event": "activate"}\n{"half\n')
    with pytest.raises(journal.JournalError, match=r"events\.jsonl, line 2"):
        load(tmp_path)
    (tmp_path / "events.jsonl").write_text('{"event": "dance", "by": "A", "on": "2026-01-05"}\n')
    with pytest.raises(ValueError, match="row 1"):
        load(tmp_path)


def _write(path: str, number: int) -> None:
    for step in range(10):
        journal.append(Path(path), [{"number": number, "step": step}])


def test_writers_at_once_lose_nothing(tmp_path):
    path = tmp_path / "rows.jsonl"
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=_write, args=(str(path), number)) for number in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(30)
        assert writer.exitcode == 0
    found = {(row["number"], row["step"]) for row in journal.rows(path)}
    assert found == {(number, step) for number in range(3) for step in range(10)}
    assert not list(tmp_path.glob("*.new"))
