"""The running service feeds the reference store by the site's rules, and sees the store's changes."""

from __future__ import annotations

import pytest

from reference_store.quality import QualityLog
from service.demo.scanner import send

pytestmark = pytest.mark.acceptance


def test_an_exam_of_the_phantom_reaches_the_scanners_chart(nmus, exam, until) -> None:
    here = nmus(more='[references]\nfolder = "references"\nphantom_study_description = "simulated"\n')
    here.start_listening()
    send(exam, "127.0.0.1", here.port, "NMUS")
    until(lambda: "phantom measured" in here.log() or "references not fed" in here.log(), 120)
    charts = QualityLog(here.folder / "references").charts()
    assert len(charts) == 1 and len(charts[0].points) == len(exam)
    assert all(0 < point.value < 255 for point in charts[0].points)
    assert not (here.folder / "references" / "observations.jsonl").exists()
