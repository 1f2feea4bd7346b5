"""A disk that fills up while objects come: every answer is true, and the service goes on when there is room again."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from pydicom import dcmread

from service.demo.scanner import send

pytestmark = pytest.mark.acceptance


@pytest.fixture
def small_disk(tmp_path: Path):
    """A file system of 6 MB; needs the right to mount."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = shutil.which("mount")
    command = [mount or "mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(folder)]
    if mount is None or subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("this user may not mount a file system")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def copies(exam: list[Path], folder: Path, count: int) -> list[Path]:
    """Many objects from a few."""
    made = []
    for number in range(count):
        dataset = dcmread(exam[number % len(exam)])
        dataset.SOPInstanceUID = f"1.2.826.0.1.99.{number}"
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        made.append(folder / f"{number}.dcm")
        dataset.save_as(made[-1])
    return made


def test_what_does_not_fit_is_refused_for_now_and_nothing_acknowledged_is_missing(
    nmus, exam, small_disk, tmp_path
) -> None:
    here = nmus(more="")
    here.data.symlink_to(small_disk, target_is_directory=True)
    text = here.settings.read_text().replace("refuse_free_mb = 200", "refuse_free_mb = 0")
    here.settings.write_text(text)
    here.start_listening(role="listener")
    files = copies(exam, tmp_path, 40)
    statuses = send(files, "127.0.0.1", here.port, "NMUS")
    assert set(statuses.values()) == {0x0000, 0xA700}, "Success, or out of resources; never a crash"
    good = [path for path, status in statuses.items() if status == 0]
    ledger = here.ledger()
    for path in good:
        (row,) = ledger.instance(str(dcmread(path, stop_before_pixels=True).SOPInstanceUID))
        assert (here.data / row.path).stat().st_size == row.size
    ledger.close()
    subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
    again = send(files, "127.0.0.1", here.port, "NMUS")
    assert set(again.values()) == {0x0000}
    ledger = here.ledger()
    assert ledger.status().instances == len(files)
    ledger.close()
    assert list((here.data / "spool").iterdir()) == []
