"""Which files a command line means: DICOM with or without an ending, folders, DICOMDIR trees, pictures, videos."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from service.analyse.read_picture import PICTURES, VIDEOS
from service.errors import Misconfigured

_PREAMBLE = 128


def gathered(paths: Iterable[Path]) -> list[Path]:
    """Every file to look at, each once, in a stable order.

    A file that is named is always looked at. Of a folder, or of the folder that a DICOMDIR lies in, those files are
    taken that are DICOM by their content, or pictures or videos by their ending; the DICOMDIR itself is an index.

    Raises
    ------
    Misconfigured
        A path does not exist.
    """
    found: dict[Path, None] = {}
    for path in paths:
        if not path.exists():
            raise Misconfigured(f"{path}: there is no such file or folder")
        if path.name == "DICOMDIR":
            found |= dict.fromkeys(_inside(path.parent))
        elif path.is_dir():
            found |= dict.fromkeys(_inside(path))
        else:
            found[path] = None
    return list(found)


def is_picture(path: Path) -> bool:
    """Whether a file is read as a picture or video rather than as DICOM."""
    return path.suffix.lower() in PICTURES | VIDEOS and not _is_dicom(path)


def _inside(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name != "DICOMDIR" and (_is_dicom(path) or path.suffix.lower() in PICTURES | VIDEOS):
            yield path


def _is_dicom(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            file.seek(_PREAMBLE)
            return file.read(4) == b"DICM"
    except OSError:
        return False
