"""``make sbom``: every pinned package with its version and hashes."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def test_the_bill_of_materials_lists_every_pinned_package(tmp_path) -> None:
    program = shutil.which("cyclonedx-py", path=str(Path(sys.executable).parent)) or pytest.skip(
        "cyclonedx-py is missing"
    )
    recipe = re.search(r"^sbom:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)[1]
    command = re.search(r"\$\(BIN\)/cyclonedx-py (.*?) 2>", recipe)[1].split()
    made = tmp_path / "nmus.cdx.json"
    command[command.index("-o") + 1] = str(made)
    subprocess.run([program, *command], cwd=ROOT, check=True, capture_output=True, timeout=300)
    bill = json.loads(made.read_text())
    pinned = re.findall(
        r"^([A-Za-z0-9._-]+)==([^ ;\\]+)", (ROOT / "deploy" / "requirements.txt").read_text(), re.MULTILINE
    )
    assert len(pinned) > 40
    assert {(one["name"], one["version"]) for one in bill["components"]} == set(pinned)
    assert all(one["externalReferences"][0]["hashes"] for one in bill["components"])
    assert bill["metadata"]["component"]["name"] == "nmus" and bill["specVersion"] == "1.6"
