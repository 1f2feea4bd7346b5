"""Objects in a bucket, and copies of them on this machine's own disk.

A name is the same in the data folder, in the ledger and in the bucket. Received objects are named by the digest of
their data set and results by their UID, so a name never means two things: what is put twice is one object.
"""

from __future__ import annotations

import errno
import logging
import os
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TypeVar

from service import crash, logs
from service.config import Objects as Section
from service.objects import StoreAway
from service.objects.bucket import Bucket, There
from service.objects.cache import Cache
from service.objects.digests import Digests, digests
from service.objects.folder import PARTS

_LOGGER = logging.getLogger(__name__)
_AT_ONCE = 6
"""Objects of a study that are fetched at once: what matters for stills is the store's delay, not its speed."""
_LARGEST = 5 << 30
"""Bytes that S3 takes in one PUT, and so under one digest and one condition."""
T = TypeVar("T")


class ObjectStore:
    """A bucket."""

    is_remote = True

    def __init__(self, folder: Path, section: Section) -> None:
        self.folder = folder
        self.bucket = Bucket(section)
        self._cache = Cache(folder, section.cache_mb * 1_000_000, self._is_safe)
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._is_away = False

    def __truediv__(self, name: str, /) -> Path:
        """A copy on this machine's disk; fetched, digested and flushed where there is none."""
        path = self.folder / name
        if _is_shared(name) and not self._cache.use(name):
            self._fetch(name)
        return path

    @property
    def counters(self) -> dict[str, float]:
        """Since the start of this process."""
        with self._lock:
            return {f"store_{name}": float(count) for name, count in self._counts.items()}

    def take_in(self, spooled: Path, name: str) -> None:
        """Put a received object under the digest of its data set, which is looked at once more on the way."""
        of = digests(spooled)
        if of.size > _LARGEST:
            raise OSError(errno.EFBIG, "object is larger than the store takes at once")
        if of.data != Path(name).stem:
            raise OSError(errno.EIO, "disk gives back other bytes than were written to it")
        # the same data set with another file header (each transport writes its own) is the same object
        new = self._counted("put", lambda: self.bucket.put(name, spooled, of, only_new=True), of.size)
        if not new and not self._is_the_same(name, of):
            self._counted("put", lambda: self.bucket.put(name, spooled, of, only_new=False), of.size)
        crash.point("after_put")
        self._cache.wrote(of.size)

    def keep(self, name: str) -> None:
        """Put a result, unless one of this name is there: then that one lies here too."""
        of = digests(self.folder / name)
        there = self._look(name)
        if there is not None and (there.size, there.sha256) == (of.size, of.sha256):
            return
        crash.point("before_put")
        put = there is None and self._counted(
            "put", lambda: self.bucket.put(name, self.folder / name, of, only_new=True), of.size
        )
        crash.point("after_put")
        if put:
            self._cache.wrote(of.size)
        elif not self._fetch(name):  # another machine was first: what it made is what the ledger is to name
            self.replace(name)

    def replace(self, name: str) -> None:
        """Put what may change."""
        self.load(name, self.folder / name)

    def gather(self, folder: str) -> None:
        """Fetch what is not here."""
        for name, _ in self._counted("list", lambda: list(self.bucket.names(f"{folder}/"))):
            _ = self / name

    def data_digest(self, name: str) -> str | None:
        """Fetched now, whatever copies there are, and not kept."""
        path = self._unfinished()
        try:
            return None if self._got(name, path) is None else digests(path).data
        finally:
            path.unlink(missing_ok=True)

    def held(self, names: Iterable[str]) -> AbstractContextManager[None]:
        """Several are fetched at once; copies stay meanwhile."""
        mine = [one for one in names if _is_shared(one)]
        holding = self._cache.held(mine)
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="fetch") as pool:
            for _ in pool.map(self.__truediv__, mine):
                pass
        return holding

    def names(self) -> dict[str, int]:
        """All that all machines share."""
        return dict(self._counted("list", lambda: list(self.bucket.names())))

    def small(self, name: str, raw: bytes | None = None) -> bytes | None:
        """Read or write a small file, past the copies."""
        path = self._unfinished()
        try:
            if raw is not None:
                path.write_bytes(raw)
                of = digests(path)
                self._counted("put", lambda: self.bucket.put(name, path, of, only_new=False), of.size)
                return raw
            return path.read_bytes() if self.save(name, path) else None
        finally:
            path.unlink(missing_ok=True)

    def probe(self) -> str:
        """Write, read and delete a name of its own; and say how the bucket keeps versions."""
        name, raw = f"probe-{secrets.token_hex(8)}", secrets.token_bytes(1 << 10)
        begun = time.monotonic()
        try:
            self.small(name, raw)
            if self.small(name) != raw:
                raise StoreAway("object store gives back other bytes than were put")
        finally:
            self._counted("delete", lambda: self.bucket.delete(name))
        took = time.monotonic() - begun
        if self.bucket.look(name) is not None:
            raise StoreAway("object store still has what was deleted")
        versions = self.bucket.versioning() or "never set"
        return f"written, read and deleted in {took * 1000:.0f} ms; versions: {versions.lower()}"

    def ask(self) -> None:
        """Whether bucket and keys are good."""
        self._counted("ask", self.bucket.ask)

    def _fetch(self, name: str) -> bool:
        """Into its place, whole and on the disk; ``False`` if it is gone or damaged, and nothing is touched then."""
        target, partial = self.folder / name, self._unfinished()
        try:
            if not self.save(name, partial):
                return False
            size = partial.stat().st_size
            target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)
        self._cache.wrote(size)
        return True

    def save(self, name: str, to: Path) -> bool:
        """Fetch and digest; ``False`` if it is gone or damaged, which is told."""
        found = self._got(name, to)
        if found is None:
            to.unlink()
            return False
        of = digests(to)
        is_named = name.startswith("archive/") and of.data == Path(name).stem
        if not found.sha256 and not is_named:
            to.unlink()
            raise StoreAway(f"object store gives {name} without the digest that we put with it: was it copied without?")
        if (found.sha256 or of.sha256) != of.sha256 or (name.startswith("archive/") and not is_named):
            to.unlink()
            remedy = "restore it from a backup or an earlier version of the bucket"
            logs.event(_LOGGER, logging.ERROR, "object in the bucket is damaged", path=name, remedy=remedy)
            return False
        self._count("bytes_fetched", of.size)
        return True

    def load(self, name: str, source: Path) -> None:
        """Put a file of any place."""
        of = digests(source)
        self._counted("put", lambda: self.bucket.put(name, source, of, only_new=False), of.size)

    def _got(self, name: str, path: Path) -> There | None:
        with path.open("w+b") as file:
            os.fchmod(file.fileno(), 0o600)
            found = self._counted("get", lambda: self.bucket.get(name, file))
            file.flush()
            os.fsync(file.fileno())
        return found

    def _unfinished(self) -> Path:
        spool = self.folder / "spool"
        spool.mkdir(parents=True, exist_ok=True, mode=0o700)
        return spool / f"{secrets.token_hex(12)}.part"

    def _is_the_same(self, name: str, of: Digests) -> bool:
        there = self._look(name)
        return there is not None and there.size == of.size and there.sha256 == of.sha256

    def _is_safe(self, name: str, size: int) -> bool:
        there = self._look(name)
        return there is not None and there.size == size

    def _look(self, name: str) -> There | None:
        return self._counted("look", lambda: self.bucket.look(name))

    def _count(self, name: str, by: int = 1) -> None:
        with self._lock:
            self._counts[name] += by

    def _counted(self, what: str, call: Callable[[], T], size: int = 0) -> T:
        """Count a question; that the store is away is told once, and once that it is back."""
        try:
            answer = call()
        except StoreAway as away:
            self._count("failures")
            if not self._is_away:
                self._is_away = True
                logs.event(_LOGGER, logging.ERROR, "object store is away", reason=str(away))
            raise
        if self._is_away:
            self._is_away = False
            logs.event(_LOGGER, logging.INFO, "object store is back")
        self._count(f"{what}s")
        if size:
            self._count("bytes_put", size)
        return answer


def _is_shared(name: str) -> bool:
    return name.partition("/")[0] in PARTS and "/" in name
