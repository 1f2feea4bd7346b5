"""The running service feeds the reference store by the site's rules, and sees the store's changes."""

from __future__ import annotations

import pytest
from pydicom import dcmread

from reference_store.collecting import Collection
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


def test_a_volunteers_exam_adds_its_values_each_with_the_picture_to_look_at(nmus, exam, until) -> None:
    here = nmus(more='[references]\nfolder = "references"\nvolunteer_study_description = "simulated"\n')
    here.start_listening()
    send(exam, "127.0.0.1", here.port, "NMUS")
    until(lambda: "references fed" in here.log() or "references not fed" in here.log(), 180)
    kept = Collection(here.folder / "references").all()
    assert kept and {found.origin for found in kept} == {"exam, by study_description"}
    results = [dcmread(path, stop_before_pixels=True) for path in here.folder.glob("**/results/*/*.dcm")]
    captures = {one.SOPInstanceUID: one for one in results if "Rows" in one}
    assert {found.overlay for found in kept} <= captures.keys()
    assert len({found.subject_key for found in kept}) == 1
