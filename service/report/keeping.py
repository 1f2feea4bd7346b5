"""Make result files durable under their final names: whole and on the disk, or not there."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path


def place(pairs: Sequence[tuple[Path, Path]]) -> None:
    """Flush, rename, flush the folders: for several files at once, which then share the disk's journal.

    Parameters
    ----------
    pairs:
        Where each file was written, and where it is to lie.
    """
    if not pairs:
        return
    here = [(_beside(source, final), final) for source, final in pairs]
    with ThreadPoolExecutor(len(here)) as pool:
        list(pool.map(_flush, (source for source, _ in here)))
        for source, final in here:
            source.replace(final)
        list(pool.map(_flush, {final.parent for _, final in here}))


def folder_kept(folder: Path) -> None:
    """Make a folder that is still there after a power cut: every folder above that got a new entry is flushed."""
    new = [one for one in (folder, *folder.parents) if not one.exists()]
    for one in reversed(new):
        one.mkdir(mode=0o700, exist_ok=True)
        _flush(one.parent)


def _beside(source: Path, final: Path) -> Path:
    """The file on the file system on which it is to lie, its folder there too."""
    final.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if source.stat().st_dev == final.parent.stat().st_dev:
        return source
    # scratch in memory, or the data folder on another machine; a name of its own: a worker that lost its lease may
    # still be writing the same result
    copy = final.with_suffix(f".{secrets.token_hex(8)}.part")
    try:
        return Path(shutil.copyfile(source, copy))
    except OSError:
        copy.unlink(missing_ok=True)  # a full disk is not to be filled with halves
        raise


def _flush(path: Path) -> None:
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
