"""Many objects over many associations: memory, handles and threads of every process stay where they were.

Five hundred in the ordinary suite; ten thousand with ``NMUS_TEST_SOAK=10000 pytest -s tests/acceptance/test_soak.py``,
which prints the table of docs/performance.md.
"""

from __future__ import annotations

import os
import struct
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))
import raw_sender

pytestmark = pytest.mark.acceptance
OBJECTS = int(os.environ.get("NMUS_TEST_SOAK", "500"))
EACH = 25
"""Objects of an association; a study has forty."""
SAMPLES = 10
GROWTH_MB, MORE_HANDLES = 12.0, 3
"""Of a process, in the second half. The timers' grows with the studies that are open, and none settles here."""
PIXELS = bytes(range(256)) * 16


def _text(group: int, element: int, vr: bytes, value: bytes) -> bytes:
    value += (b"\0" if vr == b"UI" else b" ") * (len(value) % 2)
    return struct.pack("<HH2sH", group, element, vr, len(value)) + value


def still(number: int) -> tuple[bytes, list[memoryview]]:
    """A small still of its own; UID and data set."""
    uid, study = f"1.2.9.{number + 1}".encode(), f"1.2.8.{number // 40 + 1}".encode()
    raw = (
        _text(8, 0x16, b"UI", raw_sender.US_IMAGE.encode()) + _text(8, 0x18, b"UI", uid) + _text(8, 0x60, b"CS", b"US")
    )
    raw += _text(0x10, 0x10, b"PN", b"Soak^S") + _text(0x10, 0x20, b"LO", study)
    raw += _text(0x20, 0x0D, b"UI", study) + _text(0x20, 0x0E, b"UI", study + b".1")
    return uid, [memoryview(raw + struct.pack("<HH2sHI", 0x7FE0, 0x10, b"OB", 0, len(PIXELS)) + PIXELS)]


def processes(leader: int) -> dict[str, int]:
    """Role to process id, of the service's own processes."""
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            if int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1]) != leader:
                continue
            words = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"--role" in words:
            found[words[words.index(b"--role") + 1].decode()] = int(entry.name)
    return found


def taken(pid: int) -> tuple[float, int, int]:
    """Resident megabytes, open handles, threads."""
    lines = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":" in line)
    handles = len(list(Path(f"/proc/{pid}/fd").iterdir()))
    return int(lines["VmRSS"].split()[0]) * 1024 / 1e6, handles, int(lines["Threads"])


def test_many_objects_leave_every_process_as_it_was(nmus, until) -> None:
    here = nmus(more="")
    text = here.settings.read_text().replace("quiet_seconds = 0.5", "quiet_seconds = 86400")
    here.settings.write_text(text)
    here.start()
    until(here.listening, 240)
    ledger = here.ledger()
    wanted = {"listener", "timers", "worker"}  # nothing is to be sent
    until(lambda: wanted <= {one.name for one in ledger.status().processes}, 240)
    roles = processes(here._process.pid)
    assert wanted <= set(roles)
    samples: list[dict[str, tuple[float, int, int]]] = []
    kind = (raw_sender.US_IMAGE, raw_sender.EXPLICIT)
    for start in range(0, OBJECTS, EACH):
        connection, most = raw_sender.associate(here.port, [kind])
        for number in range(start, min(start + EACH, OBJECTS)):
            uid, parts = still(number)
            assert raw_sender.send(connection, most, kind[0], uid, parts, number % 60_000 + 1) == 0
        raw_sender.release(connection)
        if start // EACH * SAMPLES // (OBJECTS // EACH) >= len(samples):
            samples.append({role: taken(pid) for role, pid in roles.items()})
    until(lambda: not ledger.unidentified(), 120)
    until(lambda: taken(roles["listener"])[2] <= samples[0]["listener"][2], 30)
    samples.append({role: taken(pid) for role, pid in roles.items()})
    for role in sorted(roles):
        figures = (f"{one[role][0]:.1f} MB {one[role][1]} handles {one[role][2]} threads" for one in samples)
        sys.stdout.write(f"{role}: {'; '.join(figures)}\n")
    assert ledger.status().instances == OBJECTS
    assert processes(here._process.pid) == roles, "nothing ended and began anew"
    for role in roles:
        half, last = samples[len(samples) // 2][role], samples[-1][role]
        assert last[0] - half[0] <= GROWTH_MB, f"{role} grew from {half[0]:.1f} to {last[0]:.1f} MB"
        assert last[1] - half[1] <= MORE_HANDLES, f"{role} holds {last[1]} handles, {half[1]} before"
    ledger.close()
    assert here.terminate() == 0
