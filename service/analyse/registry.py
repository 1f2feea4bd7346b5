"""Which plugins there are: the built-in ones, and those of other packages by entry point.

A bad plugin is a listed fact with a reason; the service starts without it.
"""

from __future__ import annotations

import contextlib
import pickle
import signal
import tempfile
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from plugins.builtin import BUILTIN, SUMMARIES
from plugins.contract import Plugin, Summary, parameters
from service.analyse.child import ChildFailed, Limits, call

GROUP = "nmus.plugins"
_LONGEST_NAME = 64
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD, signal.SIGPIPE)
_TRIAL = Limits(time_s=120, memory_mb=8192, output_mb=16)
"""Of loading a plugin of others for the first time: a large library takes seconds."""


@dataclass(frozen=True, slots=True)
class RefusedPlugin:
    """A plugin that will not run, and why."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Registry:
    """The plugins of this service, in the order in which they run."""

    plugins: tuple[Plugin, ...]
    summaries: tuple[Summary, ...]
    refused: tuple[RefusedPlugin, ...] = ()


def registry(
    *,
    enabled: Iterable[str] | None = None,
    disabled: Iterable[str] = (),
    parameters: Mapping[str, Mapping[str, object]] | None = None,
    outside: Sequence[EntryPoint] | None = None,
) -> Registry:
    """Collect the plugins; never raises for one that is bad.

    Parameters
    ----------
    enabled, disabled:
        Names; with ``enabled`` nothing else runs.
    parameters:
        Plugin name to field values that replace the plugin's own defaults.
    outside:
        Entry points to load; those of group ``nmus.plugins`` by default. Each names a plugin or summary
        *instance*, or a class that can be made without arguments.
    """
    found: list[Plugin | Summary] = [*BUILTIN, *SUMMARIES]
    refused: list[RefusedPlugin] = []
    for entry in outside if outside is not None else tuple(entry_points(group=GROUP)):
        loaded = _load(entry)
        (refused if isinstance(loaded, RefusedPlugin) else found).append(loaded)  # type: ignore[arg-type]
    kept: dict[str, Plugin | Summary] = {}
    for one in found:
        verdict = _configured(one, kept, enabled, set(disabled), (parameters or {}).get(one.name, {}))
        if isinstance(verdict, RefusedPlugin):
            refused.append(verdict)
        else:
            kept[one.name] = verdict
    unknown = sorted(set(parameters or {}) - {one.name for one in found})
    refused += [RefusedPlugin(name, "settings name this plugin, but it is not installed") for name in unknown]
    return Registry(
        tuple(one for one in kept.values() if isinstance(one, Plugin)),
        tuple(one for one in kept.values() if not isinstance(one, Plugin)),
        tuple(refused),
    )


def _load(entry: EntryPoint) -> Plugin | Summary | RefusedPlugin:
    """Load it in a process of its own first: what hangs, ends or crashes there does not do so here."""
    refused = f"could not be loaded from {entry.value}"
    try:
        with tempfile.TemporaryDirectory(prefix="nmus-plugin-") as scratch:
            wrong = call(_tried, entry.name, entry.value, limits=_TRIAL, scratch=Path(scratch))
        if wrong:
            return RefusedPlugin(entry.name, wrong)
        with _signals_kept():
            return _made(entry)
    except ChildFailed as failure:
        return RefusedPlugin(entry.name, f"{refused}: {failure}")
    except (Exception, SystemExit) as error:  # noqa: BLE001 - foreign code may fail in any way; the service starts all the same
        return RefusedPlugin(entry.name, f"{refused}: {type(error).__name__}")


def _tried(name: str, value: str) -> str:
    """Why a plugin is none; empty where it is one. Runs inside a child."""
    loaded = _made(EntryPoint(name, value, GROUP))
    if not isinstance(loaded, Plugin | Summary):
        return (
            f"{value} is neither a plugin (name, version, declines, analyse) nor a summary (name, version, summarise)"
        )
    named = [loaded.name, loaded.version]
    if not all(isinstance(one, str) and 0 < len(one) <= _LONGEST_NAME for one in named):
        return f"{value}: name and version must be texts of 1 to {_LONGEST_NAME} characters"
    return _unfit(loaded)


def _unfit(one: Plugin | Summary) -> str:
    """Why it cannot be handed to a process of its own, or told in the report; empty where it can."""
    try:
        pickle.loads(pickle.dumps(one, protocol=5))  # noqa: S301 - our own bytes
        str(parameters(one))
    except Exception as error:  # noqa: BLE001 - foreign code may fail in any way
        return f"{one.name}: cannot be handed to a process of its own ({type(error).__name__}); its fields must pickle"
    return ""


def _made(entry: EntryPoint) -> Plugin | Summary:
    loaded: Plugin | Summary = entry.load()
    return loaded() if isinstance(loaded, type) else loaded


@contextlib.contextmanager
def _signals_kept() -> Iterator[None]:
    """What a module does to signals when it is imported ends with its import; only the main thread may ask."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            if handler is not None:
                signal.signal(number, handler)


def _configured(
    one: Plugin | Summary,
    kept: Mapping[str, object],
    enabled: Iterable[str] | None,
    disabled: set[str],
    given: Mapping[str, object],
) -> Plugin | Summary | RefusedPlugin:
    if one.name in kept:
        return RefusedPlugin(one.name, "another plugin of this name is already loaded; rename or disable one")
    if one.name in disabled or (enabled is not None and one.name not in set(enabled)):
        return RefusedPlugin(one.name, "disabled by the settings")
    if not given:
        return one
    try:
        made: Plugin | Summary = replace(one, **given)  # type: ignore[type-var]
    except (TypeError, ValueError) as error:
        return RefusedPlugin(one.name, f"its settings do not fit: {error}")
    wrong = _unfit(made)
    return RefusedPlugin(one.name, wrong) if wrong else made
