"""The corpus of the fuzzer, replayed: every kept input, and damaged copies of each that are the same in every run."""

from __future__ import annotations

import logging
import random
import sys
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import seeds
import targets

CORPUS = Path(__file__).parent / "corpus"
COPIES = {"head": 60, "dataset": 6, "names": 10, "report": 20, "stored": 6, "body": 10, "association": 2}
"""Damaged copies of each input: as many as take a few seconds in all."""


@pytest.fixture(autouse=True)
def _loggers_as_they_were() -> Iterator[None]:
    """What is silent while inputs are tried is not to be so in the next test."""
    hook = threading.excepthook
    loggers = [(one, one.propagate, one.handlers[:]) for one in map(logging.getLogger, targets.SILENT)]
    targets.silence("service")  # the taker does so once only
    yield
    targets.stop()
    threading.excepthook = hook
    for logger, propagates, handlers in loggers:
        logger.propagate, logger.handlers[:] = propagates, handlers


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", sorted(targets.TARGETS))
def test_no_input_of_the_corpus_and_no_damaged_copy_finds_a_fault(name: str) -> None:
    target = targets.TARGETS[name]
    inputs = sorted((CORPUS / name).iterdir())
    assert inputs
    for path in inputs:
        raw = path.read_bytes()
        target(raw)
        chance = random.Random(zlib.crc32(path.name.encode()))
        for changed in targets.changed(raw, chance, COPIES[name]):
            target(changed)


def test_the_corpus_is_small_and_holds_every_seed() -> None:
    assert sum(path.stat().st_size for path in CORPUS.rglob("*") if path.is_file()) < 200_000
    assert set(seeds.SEEDS) == set(targets.TARGETS) == set(COPIES)
    for name, made in seeds.SEEDS.items():
        kept = {path.name for path in (CORPUS / name).iterdir()}
        assert {one for one, _ in made()} & set(seeds.ONLY.get(name, kept)) <= kept


def test_a_fault_would_be_found(monkeypatch) -> None:
    """The targets let through nothing but what the code promises."""
    monkeypatch.setattr(targets, "identity", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        targets.head((CORPUS / "head" / "still").read_bytes())
