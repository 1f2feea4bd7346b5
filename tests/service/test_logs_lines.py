from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from service import logs

LOGGER = logging.getLogger("service.test")


@pytest.fixture
def lines(tmp_path: Path):
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    for handler in handlers:
        root.removeHandler(handler)
    file = tmp_path / "logs" / "nmus.jsonl"
    logs.set_up("info", file)

    def read() -> list[dict[str, object]]:
        return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]

    yield read
    for handler in root.handlers[:]:
        root.removeHandler(handler)
        handler.close()
    for handler in handlers:
        root.addHandler(handler)
    root.setLevel(level)
    for name in logs.FOREIGN:
        logging.getLogger(name).setLevel(logging.NOTSET)


def test_a_line_bears_the_context_of_its_work(lines) -> None:
    with logs.bound(study_instance_uid="1.2.3"), logs.bound(job=7):
        logs.event(LOGGER, logging.INFO, "job done", seconds=1.5)
    logs.event(LOGGER, logging.INFO, "outside")
    inside, outside = lines()
    assert (inside["event"], inside["study_instance_uid"], inside["job"], inside["seconds"]) == (
        "job done", "1.2.3", 7, 1.5,
    )  # fmt: skip
    assert "job" not in outside


def test_a_field_that_is_not_listed_is_refused() -> None:
    with pytest.raises(ValueError, match="patient_name"):
        logs.event(LOGGER, logging.INFO, "x", patient_name="Doe")
    with pytest.raises(ValueError, match="patient_id"), logs.bound(patient_id="1"):
        pass


def test_no_peer_forges_a_line(lines) -> None:
    logs.event(LOGGER, logging.WARNING, "refused", calling_ae_title='X"}\n{"event": "forged"}\x1b[2J')
    assert len(lines()) == 1


def test_values_in_exceptions_and_foreign_texts_stay_out(lines) -> None:
    try:
        raise ValueError("Doe^John")
    except ValueError:
        LOGGER.exception("failed")
    logging.getLogger("pydicom.something").warning("value 'Doe^John' of (0010,0010)")
    logging.getLogger("pynetdicom.assoc").error("Doe^John")
    text = json.dumps(lines())
    assert "Doe" not in text
    assert lines()[0]["exception"] == "ValueError"
    assert len(lines()) == 2
