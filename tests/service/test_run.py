"""The plugins run over the acquisitions; whatever one of them does ends in a finding or a stated reason."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from plugins.builtin import BUILTIN
from plugins.contract import Finding, NoReferences, NotAssessable, ReasonCode
from service.analyse.child import Limits
from service.analyse.registry import Registry, registry
from service.analyse.run import Room, analyse, summarise

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
