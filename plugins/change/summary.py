"""The summary: each value to report beside the same of the latest exam that it may be compared with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from plugins.change.sameness import objection
from plugins.contract import (
    Change,
    Chart,
    Conclusion,
    Earlier,
    Finding,
    Measurement,
    Page,
    Panel,
    References,
    Result,
    Scope,
    Series,
    Side,
    View,
)
from reference_store import anatomy

_FOLLOWED = frozenset(
    {
        "echo_intensity_mean",
        "muscle_thickness",
        "subcutaneous_thickness",
        "cross_sectional_area",
        "area",
        "fasciculation_rate",
    }
)
"""Besides every measurement that references know: what clinicians follow over time."""
_MOST_CHARTS = 6
Detectable = tuple[str, str, float, str, str]
"""Measurement, structure (``*`` for any), smallest detectable change, unit, source."""


@dataclass(frozen=True, slots=True)
class SinceLast:
    """Change since the last exam.

    Smallest detectable change (SDC, 1.96 · √2 · standard error of measurement) is a property of a site's scanner,
    examiners and protocol: none is built in. A site gives its own, or a published one with its source, by
    ``detectable``; where there is none the conclusion says that error and change cannot be told apart.
    """

    detectable: Sequence[Sequence[object]] = ()
    name: str = "change"
    version: str = "0.1.0"

    def __post_init__(self) -> None:
        """Refuse rows that are none."""
        for row in self.detectable:
            if len(row) != 5 or not isinstance(row[2], int | float) or not str(row[4]).strip():
                raise ValueError(f"detectable: {row!r} is not [measurement, structure, value, unit, source]")

    def summarise(
        self, results: Sequence[Result], earlier: Sequence[Earlier], references: References
    ) -> Sequence[Conclusion]:
        """At most two conclusions: what changed, and what was found but not compared."""
        del references
        compared: list[Change] = []
        said: list[str] = []
        refused: dict[str, None] = {}
        charts: list[Panel] = []
        for result, finding, one in _to_follow(results):
            candidates = sorted((each for each in earlier if _same(each, result, one)), key=lambda each: each.days_ago)
            wrong = [objection(each, result.acquisition.device, result.plugin, result.version) for each in candidates]
            fit = [each for each, why in zip(candidates, wrong, strict=True) if why is None]
            if fit:
                change = self._change(result, finding, one, fit[0])
                compared.append(change)
                said.append(_sentence(change))
                charts.append(_panel(result, one, fit))
            elif candidates:
                refused[_refusal(result, one, candidates[0], wrong[0] or "")] = None
        return [*_conclusions(compared, said, charts), *_refusals(list(refused))]

    def _change(self, result: Result, finding: Finding, one: Measurement, before: Earlier) -> Change:
        acquisition = result.acquisition
        found = next(
            (
                row
                for row in self.detectable
                if row[0] == one.name and row[1] in ("*", acquisition.structure) and row[3] == one.unit
            ),
            None,
        )
        return Change(
            code=one.code,
            unit=one.unit,
            value=one.value,
            before=before.value,
            days=before.days_ago,
            structure=acquisition.structure or "",
            side=acquisition.side,
            site=acquisition.site,
            image=finding.image,
            report=before.report,
            detectable=float(str(found[2])) if found else None,
            source=str(found[4]) if found else "",
        )


def _to_follow(results: Sequence[Result]) -> Iterator[tuple[Result, Finding, Measurement]]:
    """The values to report: of an acquisition where it has any, else of its only image."""
    for result in results:
        findings = [one for one in result.outcomes if isinstance(one, Finding)]
        whole = [one for one in findings if one.scope is Scope.ACQUISITION] or (findings if len(findings) == 1 else [])
        if result.acquisition.structure is None or result.acquisition.side is Side.UNKNOWN:
            continue
        for finding in whole:
            for one in finding.measurements:
                if one.name in _FOLLOWED or one.comparison is not None:
                    yield result, finding, one


def _same(each: Earlier, result: Result, one: Measurement) -> bool:
    """The same quantity of the same place; a view that one report does not tell is no contradiction."""
    here = result.acquisition
    if (each.structure, each.side, each.site) != (here.structure, here.side, here.site):
        return False
    if View.UNKNOWN not in (each.view, here.view) and each.view is not here.view:
        return False
    derivations = (each.derivation, one.derivation)
    return each.code == one.code and each.unit == one.unit and derivations[0] == derivations[1]


def _place(structure: str, side: Side, site: str | None) -> str:
    words = [anatomy.structure(structure).name, side.value]
    return " ".join(words) + (f", {anatomy.site(site).name.lower()}" if site else "")


def _sentence(change: Change) -> str:
    unit = {"mm2": " mm²", "1": "", "[arb'U]": ""}.get(change.unit, f" {change.unit}")
    told = (
        f"{_place(change.structure, change.side, change.site)}: {change.code.meaning} {change.value:.4g}{unit}, "
        f"{change.days:.0f} days ago {change.before:.4g}{unit}: {change.difference:+.3g}{unit}"
    )
    if change.detectable is None:
        return f"{told}. Smallest detectable change not available: it cannot be told from measurement error."
    more = abs(change.difference) > change.detectable
    word = "more" if more else "not more"
    return f"{told}: {word} than the smallest detectable change of {change.detectable:g}{unit} ({change.source})."


def _refusal(result: Result, one: Measurement, each: Earlier, why: str) -> str:
    place = _place(result.acquisition.structure or "", result.acquisition.side, result.acquisition.site)
    return f"{place}: {one.code.meaning} of {each.days_ago:.0f} days ago not compared: {why}."


def _conclusions(compared: list[Change], said: list[str], charts: list[Panel]) -> Iterator[Conclusion]:
    if not compared:
        return
    sources = dict.fromkeys(change.source for change in compared if change.source)
    yield Conclusion(
        "change",
        "Change since the last exam",
        "\n".join(said),
        evidence=tuple(dict.fromkeys(change.image for change in compared)),
        source="; ".join(sources),
        changes=tuple(compared),
        pages=(
            Page(
                "Change since the last exam",
                tuple(charts[:_MOST_CHARTS]),
                ("Same device and settings, same program. A line between two exams is no trend.",),
            ),
        ),
    )


def _refusals(refused: list[str]) -> Iterator[Conclusion]:
    if refused:
        remedy = "Remedy: examine with the same scanner, probe, preset and depth; analyse the earlier study again."
        yield Conclusion(
            "change_refused", "Earlier values not compared", "\n".join([*refused, remedy]), evaluable=False
        )


def _panel(result: Result, one: Measurement, fit: Sequence[Earlier]) -> Panel:
    points = [(-each.days_ago, each.value) for each in reversed(fit)] + [(0.0, one.value)]
    days, values = tuple(day for day, _ in points), tuple(value for _, value in points)
    title = _place(result.acquisition.structure or "", result.acquisition.side, result.acquisition.site)
    unit = f" ({one.unit})" if one.unit not in ("1", "[arb'U]") else ""
    series = (Series("line", days, values), Series("points", days, values))
    return Panel(title, chart=Chart(title, "days before this exam", f"{one.code.meaning}{unit}", series))
