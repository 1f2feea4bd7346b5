"""The plugins run over the acquisitions; whatever one of them does ends in a finding or a stated reason."""

from __future__ import annotations

import signal
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from plugins.builtin import BUILTIN, SUMMARIES
from plugins.contract import Finding, NoReferences, NotAssessable, ReasonCode
from service.analyse.child import Limits
from service.analyse.registry import Registry, registry
from service.analyse.run import Room, analyse, conclude_outside, ours, outside, summarise

sys.path.insert(0, str(Path(__file__).parent))
import plugin_zoo as zoo


@pytest.fixture
def room(tmp_path):
    return Room(tmp_path, Limits(time_s=60, memory_mb=8192))


def _results(room, *plugins, acquisitions=None):
    acquisitions = [zoo.acquisition()] if acquisitions is None else acquisitions
    return analyse(acquisitions, Registry(plugins, ()), NoReferences(), room)


def test_a_finding_comes_back_with_its_plugin(room):
    (result,) = _results(room, zoo.Zoo(value=81.5))
    assert (result.plugin, result.version) == ("zoo", "1.0.0")
    assert isinstance(result.outcomes[0], Finding)
    assert result.outcomes[0].measurements[0].value == 81.5


@pytest.mark.parametrize(
    ("behaviour", "code", "text"),
    [
        ("raises", ReasonCode.PLUGIN_FAILED, "ValueError"),
        ("raises in declines", ReasonCode.PLUGIN_FAILED, "RuntimeError"),
        ("dies", ReasonCode.PLUGIN_FAILED, "SIGKILL"),
        ("nothing", ReasonCode.PLUGIN_FAILED, "no outcome"),
        ("nonsense", ReasonCode.PLUGIN_FAILED, "int where a sequence"),
        ("foreign object", ReasonCode.PLUGIN_FAILED, "is not a value of the contract"),
        ("open outline", ReasonCode.PLUGIN_FAILED, "not closed"),
        ("outside", ReasonCode.PLUGIN_FAILED, "leaves its picture"),
        ("other image", ReasonCode.PLUGIN_FAILED, "not one of the acquisition"),
        ("frame 7", ReasonCode.PLUGIN_FAILED, "frame 7"),
        ("confident", ReasonCode.PLUGIN_FAILED, "confidence"),
        ("twice", ReasonCode.PLUGIN_FAILED, "twice"),
    ],
)
def test_misbehaviour_is_a_reason_and_harms_no_other_plugin(room, behaviour, code, text):
    bad, good = _results(room, zoo.Zoo(behaviour, name="bad"), zoo.Zoo())
    (reason,) = bad.outcomes
    assert isinstance(reason, NotAssessable)
    assert reason.code is code
    assert text in reason.text
    assert "DOE" not in reason.text
    assert reason.remedy
    assert isinstance(good.outcomes[0], Finding)


HARMLESS = {
    "changes its process",
    "closes everything",
    "writes to frames",
    "changes what is shared",
    "forks",
    "leaves a daemon",
    "starts threads",
    "locks its folder",
}
"""What a plugin may do to its own process without anybody noticing: its answer is taken as any other."""
SAID = {
    "ignores everything and hangs": "stopped after the limit",
    "fills its folder": "OSError",
    "huge result": "without a result",
    "huge memory": "limit of",
    "raises its limits": "limit of",
    "segfault": "SIGSEGV",
    "aborts": "SIGABRT",
    "not a number": "not a finite number",
    "infinite": "not a finite number",
    "a text for a number": "str where a number belongs",
    "a device as result": "refused",
    "a pipe as result": "refused",
    "nothing as result": "refused",
}


@pytest.mark.parametrize("behaviour", sorted(zoo.WAYS))
def test_whatever_a_plugin_does_the_next_one_is_served(tmp_path, until, behaviour):
    hangs = behaviour == "ignores everything and hangs"
    room = Room(tmp_path, Limits(time_s=3 if hangs else 60, memory_mb=8192, output_mb=64))
    note = tmp_path / "note"
    one = zoo.acquisition()
    bad, good = _results(room, zoo.Zoo(behaviour, name="bad", note=str(note)), zoo.Zoo(), acquisitions=[one])
    (outcome,) = bad.outcomes
    if behaviour in HARMLESS:
        assert isinstance(outcome, Finding), outcome.text
    elif behaviour != "kills the fork server" or not isinstance(outcome, Finding):
        assert isinstance(outcome, NotAssessable)
        assert outcome.code in {ReasonCode.PLUGIN_FAILED, ReasonCode.MEMORY_LIMIT, ReasonCode.TIME_LIMIT}
        assert SAID.get(behaviour, "") in outcome.text
        assert "DOE" not in outcome.text
    assert isinstance(good.outcomes[0], Finding)
    assert (one.structure, int(one.clips[0].frames.pixels.max())) == ("biceps_brachii", 80)
    if note.exists():
        pid = int(note.read_text())
        until(lambda: not Path(f"/proc/{pid}").exists(), 60)
        note.unlink()
    until(lambda: not list(tmp_path.iterdir()), 60)


def test_a_plugin_that_no_process_can_be_handed_is_a_reason(room):
    bad, good = _results(room, zoo.Unfit(), zoo.Zoo())
    assert bad.outcomes[0].code is ReasonCode.PLUGIN_FAILED
    assert isinstance(good.outcomes[0], Finding)


@pytest.mark.parametrize("behaviour", ["raises", "ends", "hangs", "a text", "mistyped"])
def test_a_summary_of_others_costs_no_report(tmp_path, behaviour):
    room = Room(tmp_path, Limits(time_s=3 if behaviour == "hangs" else 60))
    two = Registry((), (zoo.Sum(behaviour, name="bad"), zoo.Sum()))
    bad, good = conclude_outside((), (), two, NoReferences(), room)
    assert not bad.evaluable
    assert "DOE" not in bad.text
    assert good.text == "0 results"


def test_our_own_summaries_conclude_with_the_report():
    found = registry(outside=[_entry("sum", "plugin_zoo:Sum")])
    assert [one.name for one in outside(found)] == ["sum"]
    assert ours(found) == SUMMARIES


MODULES = {
    "raises": "raise RuntimeError",
    "exits": "import sys; sys.exit(3)",
    "ends": "import os; os._exit(0)",
    "crashes": "import ctypes; ctypes.string_at(0)",
    "interrupts": "raise KeyboardInterrupt",
    "is none": "Plugin = 5",
    "is no python": "def",
}


@pytest.mark.parametrize("kind", sorted(MODULES))
def test_a_module_that_misbehaves_when_it_is_imported_is_a_listed_fact(tmp_path, monkeypatch, kind):
    name = f"outside_{kind.replace(' ', '_')}"
    (tmp_path / f"{name}.py").write_text(MODULES[kind], encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    found = registry(outside=[_entry("bad", f"{name}:Plugin"), _entry("zoo", "plugin_zoo:Zoo")])
    assert [one.name for one in found.refused] == ["bad"]
    assert found.plugins[-1].name == "zoo"


def test_signals_are_ours_again_after_a_module_took_them(tmp_path, monkeypatch):
    text = "import signal\nfrom plugin_zoo import Zoo as Plugin\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    (tmp_path / "outside_signals.py").write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    before = signal.getsignal(signal.SIGTERM)
    assert registry(outside=[_entry("zoo", "outside_signals:Plugin")]).plugins[-1].name == "zoo"
    assert signal.getsignal(signal.SIGTERM) == before != signal.SIG_IGN


@pytest.mark.parametrize("name", ["Unfit", "Nameless"])
def test_a_plugin_that_could_not_run_is_refused_when_it_is_loaded(name):
    found = registry(outside=[_entry("bad", f"plugin_zoo:{name}")])
    assert len(found.refused) == 1
    assert len(found.plugins) == len(BUILTIN)


def test_a_hanging_plugin_meets_its_limit(tmp_path):
    (result,) = _results(Room(tmp_path, Limits(time_s=1)), zoo.Zoo("hangs"))
    assert result.outcomes[0].code is ReasonCode.TIME_LIMIT
    assert "time_limit_seconds" in result.outcomes[0].remedy


def test_what_all_decline_is_reported_once_with_the_decisive_reason(room):
    (result,) = _results(room, zoo.Zoo("declines", name="a"), zoo.Zoo("declines with a reason", name="b"))
    assert result.plugin == ""
    assert result.outcomes[0].code is ReasonCode.NO_CALIBRATION
    assert result.outcomes[0].text == "b: no calibration"


def test_an_unknown_structure_says_so(room):
    (result,) = _results(room, zoo.Zoo("declines"), acquisitions=[zoo.acquisition(None)])
    assert result.outcomes[0].code is ReasonCode.STRUCTURE_UNKNOWN


def test_without_plugins_there_is_a_reason(room):
    (result,) = _results(room)
    assert result.outcomes[0].code is ReasonCode.NOT_APPLICABLE


def test_a_failing_summary_is_said_and_the_others_speak():
    bad, good = summarise((), (), (zoo.Sum("raises", name="bad"), zoo.Sum()), NoReferences())
    assert not bad.evaluable
    assert "KeyError" in bad.text
    assert "DOE" not in bad.text
    assert good.text == "0 results"


def _entry(name, value):
    return EntryPoint(name, value, "nmus.plugins")


def test_outside_plugins_are_loaded_and_bad_ones_listed_with_a_reason():
    found = registry(
        outside=[
            _entry("zoo", "plugin_zoo:Zoo"),
            _entry("sum", "plugin_zoo:Sum"),
            _entry("gone", "no_such_module:Thing"),
            _entry("odd", "plugin_zoo:acquisition"),
            _entry("again", "plugin_zoo:Zoo"),
        ],
    )
    assert [plugin.name for plugin in found.plugins] == [*(plugin.name for plugin in BUILTIN), "zoo"]
    assert found.summaries[-1].name == "sum"
    reasons = {one.name: one.reason for one in found.refused}
    assert "ModuleNotFoundError" in reasons["gone"]
    assert "neither a plugin" in reasons["odd"]
    assert "already loaded" in reasons["zoo"]


def test_settings_choose_and_parameterise_plugins():
    entries = [_entry("zoo", "plugin_zoo:Zoo")]
    found = registry(outside=entries, parameters={"zoo": {"value": 3.0}, "none": {"x": 1}})
    assert found.plugins[-1].value == 3.0
    assert [one.name for one in found.refused] == ["none"]
    wrong = registry(outside=entries, parameters={"zoo": {"colour": "red"}})
    assert "colour" in wrong.refused[0].reason
    off = registry(outside=entries, disabled=["zoo"])
    assert ("zoo", "disabled by the settings") in [(one.name, one.reason) for one in off.refused]
    assert [plugin.name for plugin in registry(outside=entries, enabled=["zoo"]).plugins] == ["zoo"]
