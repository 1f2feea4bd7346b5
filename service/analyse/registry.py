"""Which plugins there are: the built-in ones, and those of other packages by entry point.

A bad plugin is a listed fact with a reason; the service starts without it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import EntryPoint, entry_points

from plugins.builtin import BUILTIN, SUMMARIES
from plugins.contract import Plugin, Summary

GROUP = "nmus.plugins"


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
    try:
        loaded = entry.load()
        if isinstance(loaded, type):
            loaded = loaded()
    except Exception as error:  # noqa: BLE001 - foreign code may fail in any way; the service starts all the same
        return RefusedPlugin(entry.name, f"could not be loaded from {entry.value}: {type(error).__name__}")
    if not isinstance(loaded, Plugin | Summary):
        return RefusedPlugin(
            entry.name,
            f"{entry.value} is neither a plugin (name, version, declines, analyse) "
            "nor a summary (name, version, summarise)",
        )
    return loaded


def _configured(
    one: Plugin | Summary,
    kept: Mapping[str, object],
    enabled: Iterable[str] | None,
    disabled: set[str],
    parameters: Mapping[str, object],
) -> Plugin | Summary | RefusedPlugin:
    if one.name in kept:
        return RefusedPlugin(one.name, "another plugin of this name is already loaded; rename or disable one")
    if one.name in disabled or (enabled is not None and one.name not in set(enabled)):
        return RefusedPlugin(one.name, "disabled by the settings")
    if not parameters:
        return one
    try:
        return replace(one, **parameters)  # type: ignore[type-var]
    except (TypeError, ValueError) as error:
        return RefusedPlugin(one.name, f"its settings do not fit: {error}")
