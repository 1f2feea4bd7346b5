"""Where received objects and results lie: a folder that every machine mounts, or a bucket that speaks S3.

Whoever reads needs one thing of it: ``objects / row.path`` is a file of this machine. A folder gives it as it lies
(``pathlib.Path`` itself does), a bucket fetches it first. Whoever writes says :meth:`Objects.take_in` of a received
object before its row, and :meth:`Objects.keep` of a result: only what has been confirmed may be named by the ledger.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from functools import lru_cache
from pathlib import Path
from typing import Protocol

from service.config import Objects as Section
from service.config import Settings
from service.errors import Unreachable


class StoreAway(Unreachable):
    """The object store does not answer, or refuses: nothing of it can be said to be there or not."""


class Lying(Protocol):
    """Where objects can be read from."""

    def __truediv__(self, name: str, /) -> Path:
        """The file of this name. One that is gone is a path at which nothing lies.

        Raises
        ------
        StoreAway
            Try again later.
        """


class Objects(Lying, Protocol):
    """Where objects lie. Every method may be called twice."""

    @property
    def folder(self) -> Path:
        """This machine's own: spool, quarantine, and with a bucket what has been fetched."""

    @property
    def is_remote(self) -> bool:
        """Whether it is a bucket."""

    @property
    def counters(self) -> dict[str, float]:
        """What has been asked of it since the start, for the metrics."""

    def take_in(self, spooled: Path, name: str) -> None:
        """Have a flushed file of a received object where all machines find it; it stays where it is.

        Raises
        ------
        StoreAway
            Not confirmed: no row, no Success.
        OSError
            What lies on the disk is not what came.
        """

    def keep(self, name: str) -> None:
        """Have a flushed result, which lies at ``folder / name``, where all machines find it.

        One that is there already stays, and its bytes are the ones that lie here afterwards.
        """

    def replace(self, name: str) -> None:
        """The same for what may change, such as a table."""

    def gather(self, folder: str) -> None:
        """Have all files of a folder at hand, where names are not known."""

    def data_digest(self, name: str) -> str | None:
        """SHA-256 of an object's data set, read again where all machines find it; ``None`` if it is gone."""

    def held(self, names: Iterable[str]) -> AbstractContextManager[None]:
        """Files are at hand from now on, until this ends."""

    def names(self) -> dict[str, int]:
        """Of everything that lies there, with its size in bytes."""

    def save(self, name: str, to: Path) -> bool:
        """Copy out into a new file, flushed; ``False`` if it is gone or damaged."""

    def load(self, name: str, source: Path) -> None:
        """Copy in, as a restore does, whatever is there."""

    def small(self, name: str, raw: bytes | None = None) -> bytes | None:
        """Read, or write, a small file; ``None`` if there is none."""

    def probe(self) -> str:
        """Write, read and delete; what is worth knowing, in words.

        Raises
        ------
        StoreAway
            With the reason.
        """

    def ask(self) -> None:
        """A short question whether it is there. Raises :class:`StoreAway`."""


def objects_of(settings: Settings) -> Objects:
    """Where the settings say; one of each in a process, as connections and counts are shared."""
    return _objects(settings.service.data_folder, settings.objects)


@lru_cache(maxsize=8)
def _objects(folder: Path, section: Section) -> Objects:
    from service.objects.folder import SharedFolder  # noqa: PLC0415 - they know this module

    if not section.in_use:
        return SharedFolder(folder)
    from service.objects.store import ObjectStore  # noqa: PLC0415 - brings an HTTP client

    return ObjectStore(folder, section)
