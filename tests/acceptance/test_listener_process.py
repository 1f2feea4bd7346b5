"""The listener as a process: what it holds, and what it holds not."""

from __future__ import annotations

from pathlib import Path

import pytest

from service.demo.scanner import send

pytestmark = pytest.mark.acceptance


def test_no_decoder_is_in_the_process_that_strangers_can_reach_and_it_stays_small(nmus, exam) -> None:
    here = nmus()
    here.start_listening(role="listener")
    assert set(send(exam[:2], "127.0.0.1", here.port, "NMUS").values()) == {0}
    maps = Path(f"/proc/{here._process.pid}/maps").read_text()
    assert "pydantic_core" in maps, "libraries are seen here"
    for library in ("numpy", "gdcm", "PIL", "openjpeg", "libjpeg", "cv2", "onnxruntime"):
        assert f"/{library}" not in maps, library
    status = Path(f"/proc/{here._process.pid}/status").read_text()
    peak_mb = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) * 1024 / 1e6
    assert peak_mb < 110
