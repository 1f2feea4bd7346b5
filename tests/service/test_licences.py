"""Nothing in the default install may bind a hospital: no GPL, no AGPL. Weak copyleft libraries are allowed."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

import pytest

PINNED = Path(__file__).parents[2] / "deploy" / "requirements.txt"
BINDING = re.compile(r"(?<!L)(A?GPL|(?<!Lesser )(Affero )?General Public License)", re.IGNORECASE)


def _names():
    return sorted(set(re.findall(r"^([a-z0-9._-]+)==", PINNED.read_text(), re.MULTILINE | re.IGNORECASE)))


def _stated(name):
    """What a package says of its own licence in one line; long texts are files of their own."""
    known = metadata(name)
    lines = [known.get("License-Expression") or "", (known.get("License") or "").split("\n")[0]]
    return [*lines, *(one for one in known.get_all("Classifier", []) if one.startswith("License"))]


def test_the_pattern_knows_what_binds():
    assert BINDING.search("GPL-3.0-only")
    assert BINDING.search("GNU Affero General Public License v3")
    assert not BINDING.search("LGPL-3.0")
    assert not BINDING.search("GNU Lesser General Public License v3")


@pytest.mark.parametrize("name", _names())
def test_licence(name):
    try:
        stated = _stated(name)
    except PackageNotFoundError:
        pytest.skip("not installed on this platform or Python version")
    assert [one for one in stated if BINDING.search(one)] == []


def test_the_pins_name_no_address():
    for path in PINNED.parent.glob("requirements*.txt"):
        assert not re.search(r"https?://|file:|--index|--find-links", path.read_text())
