"""No library of ours calls home: onnxruntime's telemetry would keep its device identifier in the home folder."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import plugins

SESSION = """
import sys
{first}
import onnxruntime
onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
"""


def files_left(home: Path, first: str) -> list[str]:
    home.mkdir()
    root = Path(plugins.__file__).parents[1]
    weights = root / "plugins" / "nerve_area" / "weights.onnx"
    environment = {"HOME": str(home), "PATH": "/usr/bin:/bin", "PYTHONPATH": str(root)}
    command = [sys.executable, "-c", SESSION.format(first=first), str(weights)]
    subprocess.run(command, env=environment, check=True, capture_output=True, timeout=120)
    return [str(path.relative_to(home)) for path in home.rglob("*") if path.is_file()]


def test_a_network_runs_without_a_trace_in_the_home_folder(tmp_path):
    assert files_left(tmp_path / "home", "import plugins.contract") == []
