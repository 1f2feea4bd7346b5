"""The title by which a sender calls us chooses which analyses a study gets, who is sent the results, and how soon."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pynetdicom import AE
from pynetdicom.presentation import build_context

from service.analyse.registry import registry
from service.config import Workflow, course, validated
from service.config.workflows import ways
from service.errors import Misconfigured
from service.ledger import Instance, Kept, Ledger
from service.receive.settle import settle
from service.report.values import ReportObject
from service.routing import check_workflows, route

TRIAL = Workflow(name="trial", called=("NMUS_TRIAL",), destinations=(), quiet_seconds=5)
NERVES = Workflow(name="nerves", called=("NMUS_NERVE", "orthanc"), plugins=("nerve_area",), destinations=("pacs",))
ALL = Workflow(name="all", called=("NMUS_ALL",), quiet_seconds=100)
PACS = {"name": "pacs", "ae_title": "PACS", "host": "127.0.0.1", "port": 104}
OTHER = {"name": "other", "ae_title": "OTHER", "host": "127.0.0.1", "port": 104, "objects": ["sr", "pdf"]}


def an_image(number: int = 1, at: float = 1000) -> Instance:
    return Instance(f"1.2.3.{number}", "1.2", "1.2.1", "1.2.2", "1.2.840.10008.1.2", "a" * 64, "x", 1, at, "US1")


def test_a_study_that_came_to_no_such_title_gets_what_the_settings_say() -> None:
    for called in ((), ("",), ("GONE",)):
        found = course((TRIAL, NERVES), called)
        assert found.names == ()
        assert found.runs("echogenicity") and found.goes_to("pacs")
        assert found.quiet_seconds(60) == 60


def test_one_title_narrows_and_several_widen() -> None:
    one = course((TRIAL, NERVES, ALL), ("NMUS_NERVE",))
    assert (one.runs("nerve_area"), one.runs("echogenicity")) == (True, False)
    assert (one.goes_to("pacs"), one.goes_to("other")) == (True, False)
    both = course((TRIAL, NERVES), ("NMUS_NERVE", "NMUS_TRIAL"))
    assert both.runs("echogenicity"), "the trial asks for all analyses"
    assert (both.goes_to("pacs"), both.goes_to("other")) == (True, False)
    assert both.quiet_seconds(60) == 60, "the nerves wait as usual"
    partly = course((TRIAL,), ("", "NMUS_TRIAL"))
    assert partly.goes_to("pacs"), "some of it came as if there were no workflows"
    assert course((TRIAL,), ("NMUS_TRIAL",)).quiet_seconds(60) == 5
    assert course((TRIAL, ALL), ("NMUS_TRIAL", "NMUS_ALL")).quiet_seconds(60) == 100


@given(called=st.sets(st.sampled_from(["", "NMUS_TRIAL", "NMUS_NERVE", "orthanc", "NMUS_ALL", "GONE"])))
def test_another_way_in_never_takes_anything_away(called: set[str]) -> None:
    flows = (TRIAL, NERVES, ALL)
    whole = course(flows, called)
    for way in called & {*ways(flows), ""}:
        part = course(flows, {way})
        for name in ("nerve_area", "echogenicity"):
            assert whole.runs(name) or not part.runs(name)
        for name in ("pacs", "other"):
            assert whole.goes_to(name) or not part.goes_to(name)


@pytest.mark.parametrize(
    ("workflows", "told"),
    [
        ([{"name": "a", "called": ["X"]}, {"name": "a", "called": ["Y"]}], "name 'a' more than once"),
        ([{"name": "a", "called": ["X"]}, {"name": "b", "called": ["X "]}], "called 'X' more than once"),
        ([{"name": "a", "called": ["X"], "destinations": ["nowhere"]}], "'nowhere', which is no"),
        ([{"name": "a", "called": []}], "called"),
    ],
)
def test_what_could_be_read_in_two_ways_is_refused(workflows: list[dict[str, object]], told: str) -> None:
    with pytest.raises(Misconfigured, match=told):
        validated({"workflow": workflows, "destination": [PACS]})


def test_a_plugin_that_is_not_there_is_told_at_the_start() -> None:
    settings = validated({"workflow": [{"name": "a", "called": ["X"], "plugins": ["nerve_area", "heart"]}]})
    with pytest.raises(Misconfigured, match="'heart'"):
        check_workflows(settings, registry(outside=()))
    with pytest.raises(Misconfigured, match="'nerve_area'"):
        check_workflows(settings, registry(outside=(), disabled=["nerve_area"]))


def test_a_route_runs_and_makes_only_what_somebody_wants() -> None:
    flows = [{"name": "n", "called": ["N"], "plugins": ["nerve_area"], "destinations": ["pacs"]},
             {"name": "s", "called": ["S"], "destinations": []}]  # fmt: skip
    settings = validated({"workflow": flows, "destination": [PACS, OTHER]})
    report = ReportObject("1.2", "1.2", "1.2", "1.2", "sr", "sr|study", 1, "sr.dcm")
    usual, nerves, silent = (route(settings, called) for called in ((), ("N",), ("S",)))
    assert usual.receivers(report) == ("pacs", "other") and usual.is_asked_for("pdf")
    assert nerves.receivers(report) == ("pacs",) and not nerves.is_asked_for("pdf")
    assert [one.name for one in nerves.registry(registry(outside=())).plugins] == ["nerve_area"]
    assert silent.receivers(report) == () and silent.sr_classes == ("comprehensive-3d",)
    assert len(silent.registry(registry(outside=())).plugins) == len(registry(outside=()).plugins)


def test_the_ledger_knows_by_which_titles_a_study_came(ledger: Ledger) -> None:
    assert ledger.keep(an_image()) is Kept.NEW
    assert ledger.called("1.2.1") == (), "there are no workflows"
    assert settle(ledger, validated({}).settle, 2000) != ()
    assert ledger.keep(an_image(at=2001)) is Kept.DUPLICATE
    assert ledger.open_studies() == ()
    assert ledger.keep(an_image(at=2002), "") is Kept.DUPLICATE
    assert ledger.keep(an_image(at=2003), "NMUS_TRIAL") is Kept.DUPLICATE
    (study,) = ledger.open_studies()
    assert study.called == ledger.called("1.2.1") == ("", "NMUS_TRIAL")
    assert ledger.settle(study, 3000) is not None
    assert ledger.keep(an_image(at=3001), "NMUS_TRIAL") is Kept.DUPLICATE
    assert ledger.open_studies() == (), "asked for once is enough"


def test_a_workflow_has_its_own_quiet_time(ledger: Ledger) -> None:
    usual = validated({}).settle
    ledger.keep(an_image(), "NMUS_TRIAL")
    assert settle(ledger, usual, 1004, (TRIAL,)) == ()
    assert len(settle(ledger, usual, 1005, (TRIAL,))) == 1


def test_the_listener_answers_to_the_titles_of_workflows_and_notes_them(listening, an_image) -> None:
    here = listening(require_called_ae_title=True)
    here.intake.ways = ways((TRIAL, NERVES))
    sent = an_image(study="1.2.9")
    for title, taken in (("NMUS", True), ("NMUS_TRIAL", True), ("ELSE", False)):
        contexts = [build_context(sent.SOPClassUID, "1.2.840.10008.1.2.1")]
        association = AE("US1").associate("127.0.0.1", here.port, contexts, title)
        assert association.is_established == taken
        if taken:
            assert association.send_c_store(sent).Status == 0
            association.release()
    assert here.ledger.called("1.2.9") == ("", "NMUS_TRIAL")
    assert len(here.ledger.instances("1.2.9")) == 1


def test_a_dropped_file_may_choose_one_too(tmp_path: Path, ledger: Ledger, an_image) -> None:
    from service.config import WatchedFolder
    from service.receive.archive import Archive
    from service.receive.folder import FolderFeed
    from service.receive.intake import Intake

    intake = Intake(ledger, Archive(tmp_path))
    intake.ways = frozenset({"drop"})
    (tmp_path / "in").mkdir()
    an_image(study="1.2.9").save_as(tmp_path / "in" / "one.dcm", enforce_file_format=True)
    feed = FolderFeed(
        WatchedFolder(name="drop", path=tmp_path / "in", stable_seconds=0), intake, maximum_object_bytes=1 << 20
    )
    while not ledger.instances("1.2.9"):
        feed.tick()
    assert ledger.called("1.2.9") == ("drop",)
