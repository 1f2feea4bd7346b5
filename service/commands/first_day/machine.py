"""The machine and our own service: disk, ledger, plugins, references, certificates, secrets, processes."""

from __future__ import annotations

import shutil
import stat
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from service.app import ROLES, App, references_of, registry_of
from service.certificates import certificates
from service.commands.first_day.rows import Row, State
from service.config import Settings
from service.errors import Misconfigured
from service.ledger import Ledger, LedgerUnavailable, open_ledger
from service.objects import StoreAway, objects_of

_SILENT_S = 30.0
_PLACE = "machine"


def examine(settings: Settings) -> Iterator[Row]:
    """What can be seen without a peer."""
    yield _disk(settings)
    yield from _objects(settings)
    yield from _service(settings)
    yield from _plugins(settings)
    try:
        references_of(settings)
        yield Row(
            _PLACE, "references", State.GOOD, "sound" if settings.references.folder else "the published ones only"
        )
    except Misconfigured as error:
        yield Row(_PLACE, "references", State.BAD, str(error), "nmus references check")
    now = time.time()
    for one in certificates(settings):
        days = one.days(now)
        state = State.BAD if days <= 0 else State.WARN if days < settings.tls.warn_days else State.GOOD
        yield Row(_PLACE, one.setting, state, f"ends in {days:.0f} days", "have a new one signed and put it there")
    yield from _secrets(settings)


def _disk(settings: Settings) -> Row:
    folder = settings.service.data_folder
    while not folder.exists():
        folder = folder.parent
    free, listener = shutil.disk_usage(folder).free / 1e6, settings.listener
    found = f"{free:.0f} MB free at {settings.service.data_folder}"
    if free < listener.refuse_free_mb:
        return Row(
            _PLACE, "disk", State.BAD, found, f"below listener.refuse_free_mb = {listener.refuse_free_mb}: free some"
        )
    state = State.WARN if free < listener.warn_free_mb else State.GOOD
    return Row(_PLACE, "disk", state, found, f"below listener.warn_free_mb = {listener.warn_free_mb}")


def _objects(settings: Settings) -> Iterator[Row]:
    """The bucket: whether what is written can be read and deleted again, and what it does with versions."""
    section = settings.objects
    if not section.in_use:
        return
    place, remedy = "object store", "check address, bucket, keys (and their rights to put, get, list, delete), ca_file"
    try:
        told = objects_of(settings).probe()
    except (StoreAway, Misconfigured) as error:
        yield Row(_PLACE, place, State.BAD, str(error), remedy)
        return
    yield Row(_PLACE, place, State.GOOD, f"bucket {section.bucket}: {told}")
    if str(section.endpoint).startswith("http://"):
        yield Row(_PLACE, place, State.WARN, "images go there in clear", "give it a certificate and say https://")
    if "versions: enabled" not in told:
        yield Row(_PLACE, place, State.TOLD, "keeps no versions", "enable them: what is deleted by mistake stays")


def _service(settings: Settings) -> Iterator[Row]:
    if not settings.service.database and not (settings.service.data_folder / "ledger.sqlite").exists():
        yield Row(_PLACE, "ledger", State.WARN, "no service has run with these settings", "nmus serve")
        return
    try:
        ledger = open_ledger(settings.service.data_folder, settings.service.database)
    except (LedgerUnavailable, Misconfigured, OSError) as error:
        yield Row(_PLACE, "ledger", State.BAD, str(error), "bring the database back, or correct service.database")
        return
    try:
        wanted = [App(settings).process_name(name) for name, role in ROLES.items() if role.here(settings)]
        yield from _standing(ledger, wanted)
    finally:
        ledger.close()


def _standing(ledger: Ledger, wanted: Sequence[str]) -> Iterator[Row]:
    status, now = ledger.status(), ledger.clock()
    yield Row(_PLACE, "ledger", State.GOOD, f"answers; {status.instances} objects received")
    alive = {one.name for one in status.processes if now - one.beat_at <= _SILENT_S}
    silent = [name for name in wanted if not any(one == name or one.startswith(f"{name}-") for one in alive)]
    if not alive:
        yield Row(_PLACE, "service", State.BAD, "is not running", "nmus serve, or systemctl start nmus")
    elif silent:
        yield Row(_PLACE, "service", State.WARN, f"not heard for 30 s: {', '.join(silent)}", "see the log")
    else:
        yield Row(_PLACE, "service", State.GOOD, f"{', '.join(sorted(alive))} are alive")
    trouble = status.jobs["failed"] + status.jobs["dead"] + sum(one.held for one in status.outbox) + status.conflicts
    if trouble:
        yield Row(_PLACE, "work", State.WARN, f"{trouble} things need a person", "nmus status")


def _plugins(settings: Settings) -> Iterator[Row]:
    registry = registry_of(settings)
    names = ", ".join(f"{one.name} {one.version}" for one in registry.plugins)
    yield Row(_PLACE, "plugins", State.GOOD if registry.plugins else State.BAD, names or "none", "see analysis.enabled")
    for refused in registry.refused:
        yield Row(_PLACE, f"plugin {refused.name}", State.WARN, refused.reason, "mend it, or leave it out")


def _secrets(settings: Settings) -> Iterator[Row]:
    """Files of passwords and keys that everybody on this machine could read."""
    for name, path in sorted(secret_files(settings).items()):
        try:
            mode = path.stat().st_mode
        except OSError as error:
            yield Row(_PLACE, name, State.WARN, f"{path}: {error.strerror}", "run this as the service's user")
            continue
        if mode & (stat.S_IROTH | stat.S_IWOTH):
            yield Row(_PLACE, name, State.WARN, f"{path} can be read by everybody here", f"chmod o= {path}")


def secret_files(settings: Settings) -> dict[str, Path]:
    """Every file that holds a secret, by where the settings name it."""
    found: dict[str, Path] = {}

    def look(value: object, key: str) -> None:
        fields = getattr(type(value), "model_fields", None)
        if fields is not None:
            for name in fields:
                look(getattr(value, name), f"{key}.{name}" if key else name)
        elif isinstance(value, tuple):
            for number, one in enumerate(value):
                look(one, f"{key}[{number}]")
        elif isinstance(value, Path) and key.endswith(("password_file", "token_file", "key_file", "database_file")):
            found[key] = value

    look(settings, "")
    return found
