from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.config import Settle
from service.ledger import Instance, OpenStudy, open_ledger
from service.receive.settle import Verdict, quiet_seconds, settle, verdict

SETTINGS = Settle(quiet_seconds=60, sources={"SLOW": 300, "QUICK": 5})
times = st.floats(min_value=0, max_value=1e10)


@pytest.mark.parametrize(
    ("sources", "seconds"),
    [((), 60), (("QUICK",), 5), (("QUICK", "OTHER"), 60), (("QUICK", "SLOW"), 300), (("OTHER",), 60)],
)
def test_the_longest_quiet_time_among_the_senders_counts(sources: tuple[str, ...], seconds: float) -> None:
    assert quiet_seconds(SETTINGS, sources) == seconds


@given(last=times, now=times)
def test_a_study_settles_after_its_quiet_time_and_never_waits_for_a_clock_that_was_set_back(
    last: float, now: float
) -> None:
    said = verdict(OpenStudy("1.2", 0, last, ("US",)), SETTINGS, now)
    if now - last >= 60:
        assert said is Verdict.SETTLE
    elif now < last - 1:
        assert said is Verdict.RESTART
    else:
        assert said is Verdict.WAIT


def test_the_wait_survives_a_restart_and_a_clock_set_back_only_starts_it_anew(
    tmp_path: Path, empty_ledger: Path
) -> None:
    shutil.copy(empty_ledger, tmp_path / "ledger.sqlite")
    ledger = open_ledger(tmp_path)
    ledger.keep(
        Instance("1.2.3", "1.2", "1.2.1", "1.2.2", "1.2.840.10008.1.2", "a" * 64, "archive/a", 1, 10_000, "US1")
    )
    assert settle(ledger, SETTINGS, 10_059) == ()
    ledger.close()
    again = open_ledger(tmp_path)
    assert settle(again, SETTINGS, 5_000) == (), "the clock jumped back by more than an hour"
    assert settle(again, SETTINGS, 5_059) == ()
    assert len(settle(again, SETTINGS, 5_061)) == 1
    assert settle(again, SETTINGS, 9_999) == ()
    again.close()
