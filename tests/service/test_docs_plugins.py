"""The example in docs/plugins.md is a package that installs, passes its own test, and runs in the service."""

from __future__ import annotations

import importlib
import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path

import pytest

import plugins
from plugins.contract import Finding, Refusal
from service.analyse.registry import GROUP, registry
from service.analyse.validate import checked

sys.path.insert(0, str(Path(__file__).parent))
import markdown_page

TEXT = markdown_page.page("plugins.md")


def test_the_members_of_the_contract_are_those_of_the_page() -> None:
    rows = [row for row in markdown_page.rows(TEXT) if row.headings[-1] == "The contract"]
    members = {markdown_page.plain(row.cells["member"]).partition("(")[0] for row in rows}
    assert members == {"name", "version", "declines", "analyse"}


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder into which pip installed the example, with its test beside it."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("site")
    for block in markdown_page.blocks(TEXT, "toml") + markdown_page.blocks(TEXT, "python"):
        title, _, _ = block.partition("\n")
        if title.startswith("# ") and "." in title:
            (source / title[2:]).write_text(block, encoding="utf-8")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-index"]
    options = ["--no-deps", "--no-build-isolation", "--target", str(target), str(source)]
    done = subprocess.run([*command, *options], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    for name in ("test_bright_fraction.py", "as_the_service.py"):
        (source / name).rename(target / name)
    return target


def test_its_own_test_passes(installed: Path) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(installed)]
    root = Path(plugins.__file__).parents[1]
    done = subprocess.run(
        [*command, str(installed / "test_bright_fraction.py")],
        cwd=installed,
        env={"PYTHONPATH": f"{installed}:{root}", "PATH": ""},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 passed" in done.stdout


def test_the_service_finds_it_by_its_entry_point_and_runs_it(
    installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(installed))
    (entry,) = [one for each in distributions(path=[str(installed)]) for one in each.entry_points if one.group == GROUP]
    alone = registry(enabled=["bright_fraction"], outside=[entry])
    assert [plugin.name for plugin in alone.plugins] == ["bright_fraction"]
    service = importlib.import_module("as_the_service")
    (finding,) = service.outcomes(tmp_path)
    assert isinstance(finding, Finding)
    assert finding.measurements[0].value == 50.0
    assert finding.measurements[0].definition.startswith("grey pixels above 100")
    assert isinstance(finding.measurements[0].comparison, Refusal)
    acquisition = importlib.import_module("test_bright_fraction").biceps()
    assert checked([finding], acquisition) == (finding,)


def test_a_parameter_that_does_not_fit_is_a_stated_refusal(installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(installed))
    parameters = {"bright_fraction": {"level": 300}}
    refused = registry(enabled=["bright_fraction"], parameters=parameters).refused
    assert any("level is 300" in one.reason for one in refused if one.name == "bright_fraction")
