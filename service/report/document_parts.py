"""What the written report says, part by part: who, what was measured, what it means so far, what is in doubt."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from pydicom import Dataset
from reportlab.platypus import Flowable, KeepTogether, Spacer

from plugins.contract import Comparison, Finding, Measurement, NotAssessable, Refusal, Result, Scope
from service.report.captions import figure, place, value
from service.report.document_style import (
    BODY,
    CELL,
    CELL_ALERT,
    CELL_BOLD,
    CELL_MUTED,
    HEADING,
    SMALL,
    STRONG,
    paragraph,
    ruled,
)
from service.report.narrative import where
from service.report.source import NAME, VERSION
from service.report.values import Content

_MOST_VALUES = 6
WIDTH = 523.0
"""Points between the margins of an A4 page."""
_SEXES = {"M": "male", "F": "female", "O": "other"}


class Sources:
    """The references that the tables name by number, in the order in which they are met."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def number(self, comparison: Comparison) -> int:
        """The number of a comparison's source."""
        told = f"{comparison.source} ({comparison.reference_id} {comparison.reference_version}, {comparison.status})"
        return self._numbers.setdefault(told, len(self._numbers) + 1)

    def told(self) -> list[tuple[int, str]]:
        """Each source with its number."""
        return [(number, text) for text, number in self._numbers.items()]


def who(header: Dataset) -> Flowable:
    """Patient and exam, two columns of pairs."""
    scanner = " ".join(str(header.get(name, "")) for name in ("Manufacturer", "ManufacturerModelName")).strip()
    pairs = [
        ("Patient", _person(header.get("PatientName"))),
        ("Exam", _day(header.get("StudyDate"))),
        ("Patient ID", str(header.get("PatientID", ""))),
        ("Accession number", str(header.get("AccessionNumber", ""))),
        ("Born", _born(header)),
        ("Study", str(header.get("StudyDescription", ""))),
        ("Referred by", _person(header.get("ReferringPhysicianName"))),
        ("Scanner", scanner),
    ]
    cells = [(paragraph(name, CELL_MUTED), paragraph(told or "–", CELL_BOLD)) for name, told in pairs]
    rows = [[*cells[row], *cells[row + 1]] for row in range(0, len(cells), 2)]
    return ruled(rows, [62, 200, 82, 179], heading=False)


def measured(results: Sequence[Result], sources: Sources) -> Iterator[Flowable]:
    """One table of the values to report: those of an acquisition where it has them, else of its images."""
    rows: list[list[object]] = [
        [
            paragraph(name, CELL_BOLD)
            for name in ("Structure", "Measurement", "Value", "Expected", "z, percentile", "Against")
        ]
    ]
    for result in results:
        for finding in _to_report(result):
            rows += _rows(result, finding, sources)
    yield paragraph("Measurements", HEADING)
    if len(rows) == 1:
        yield paragraph("Nothing was measured; the reasons stand below.")
        return
    yield ruled(rows, [126, 138, 72, 62, 60, 65])


def concluded(content: Content) -> Iterator[Flowable]:
    """The statements over the exam, each with its source."""
    told = [one for one in content.conclusions if one.name != "coverage"]
    if not told:
        return
    yield paragraph("Over the exam", HEADING)
    for one in told:
        parts = [paragraph(one.title, STRONG), paragraph(one.text)]
        if one.source:
            parts.append(paragraph(f"Source: {one.source}", SMALL))
        yield KeepTogether([*parts, Spacer(0, 3)])


def doubted(results: Sequence[Result]) -> Iterator[Flowable]:
    """Every flag of what is reported, each once with the structures that it was raised for."""
    flags: dict[str, dict[str, None]] = {}
    for result in results:
        for finding in _to_report(result):
            for flag in finding.flags:
                flags.setdefault(flag.sentence, {})[where(result)] = None
    refused = _not_compared(results)
    if flags or refused:
        yield paragraph("In doubt", HEADING)
    for sentence, places in flags.items():
        yield paragraph(f"{sentence} ({', '.join(places)})")
    for told, names in refused.items():
        yield paragraph(f"Not compared: {', '.join(names)}: {told}")


def missing(content: Content) -> Iterator[Flowable]:
    """What was not assessed, with the reason and the remedy, each reason once for a structure."""
    reasons: dict[tuple[str, str, str], int] = {}
    for result in content.results:
        for outcome in result.outcomes:
            if isinstance(outcome, NotAssessable):
                key = (
                    f"{where(result)} ({result.plugin})" if result.plugin else where(result),
                    outcome.text,
                    outcome.remedy,
                )
                reasons[key] = reasons.get(key, 0) + 1
    unread: dict[tuple[str, str, str], int] = {}
    for one in content.unread:
        key = ("Image not readable", one.text, one.remedy)
        unread[key] = unread.get(key, 0) + 1
    if not reasons and not unread:
        return
    yield paragraph("Not assessed", HEADING)
    rows: list[list[object]] = [[paragraph(name, CELL_BOLD) for name in ("What", "Why", "What would help")]]
    for (what, why, remedy), count in (*reasons.items(), *unread.items()):
        times = f" ({count} images)" if count > 1 else ""
        rows.append([paragraph(f"{what}{times}", CELL), paragraph(why, CELL), paragraph(remedy, CELL)])
    yield ruled(rows, [150, 200, 173])


def made_by(content: Content, sources: Sources) -> Iterator[Flowable]:
    """Where the comparisons come from and which programs made the numbers."""
    yield paragraph("Sources and methods", HEADING)
    for number, text in sources.told():
        yield paragraph(f"[{number}] {text}", SMALL)
    plugins = sorted({f"{result.plugin} {result.version}" for result in content.results if result.plugin})
    yield paragraph(f"Measured by {NAME} {VERSION} with {', '.join(plugins) or 'no analysis'}.", SMALL)


def _not_compared(results: Sequence[Result]) -> dict[str, dict[str, None]]:
    """Each reason and remedy with the values that it kept from being compared."""
    found: dict[str, dict[str, None]] = {}
    for result in results:
        for finding in _to_report(result):
            for one in finding.measurements:
                if isinstance(one.comparison, Refusal):
                    told = f"{one.comparison.text}; remedy: {one.comparison.remedy}"
                    found.setdefault(told, {})[f"{one.code.meaning} ({where(result)})"] = None
    return found


def _to_report(result: Result) -> list[Finding]:
    findings = [one for one in result.outcomes if isinstance(one, Finding)]
    whole = [one for one in findings if one.scope is Scope.ACQUISITION]
    return whole or findings


def _rows(result: Result, finding: Finding, sources: Sources) -> list[list[object]]:
    """What is compared, then the first of the others; the structured report holds them all."""
    ranked = sorted(finding.measurements, key=lambda one: one.comparison is None)
    shown = [one for number, one in enumerate(ranked) if one.comparison is not None or number < _MOST_VALUES]
    cells = [_cells(one, sources) for one in shown]
    cells += [[paragraph(one.text, CELL), "", "", "", ""] for one in finding.observations if one.text]
    if len(shown) < len(ranked):
        more = f"{len(ranked) - len(shown)} more values in the structured report"
        cells.append([paragraph(more, CELL_MUTED), "", "", "", ""])
    title = paragraph(place(result.acquisition), CELL_BOLD)
    return [[title if number == 0 else "", *row] for number, row in enumerate(cells)]


def _cells(one: Measurement, sources: Sources) -> list[object]:
    compared = one.comparison
    name = one.code.meaning
    number = value(one).removeprefix(name).strip()
    if number.startswith("("):  # how it was derived belongs to the name
        how, _, number = number.partition(")")
        name = f"{name} {how})"
    if isinstance(compared, Refusal):
        blanks = (paragraph(text, CELL_MUTED) for text in ("–", "–", "not compared"))
        return [paragraph(name, CELL), paragraph(number, CELL_BOLD), *blanks]
    if not isinstance(compared, Comparison):
        return [paragraph(name, CELL), paragraph(number, CELL_BOLD), "", "", ""]
    outside = CELL_ALERT if compared.outside else CELL
    against = f"{compared.outside} {compared.limits}" if compared.outside else compared.limits
    return [
        paragraph(name, CELL),
        paragraph(number, CELL_ALERT if compared.outside else CELL_BOLD),
        paragraph(_expected(compared), CELL),
        paragraph(_standing(compared), outside),
        paragraph(f"{against} [{sources.number(compared)}]", outside),
    ]


def _expected(compared: Comparison) -> str:
    if compared.expected is not None:
        spread = f" ± {figure(compared.sd)}" if compared.sd is not None else ""
        return f"{figure(compared.expected)}{spread}"
    limits = [figure(one) if one is not None else "" for one in (compared.lower_limit, compared.upper_limit)]
    return " to ".join(limits) if all(limits) else next((f"limit {one}" for one in limits if one), "–")


def _standing(compared: Comparison) -> str:
    parts = [f"z {compared.z:+.1f}"] if compared.z is not None else []
    parts += [f"P {compared.percentile:.0f}"] if compared.percentile is not None else []
    return ", ".join(parts) or "–"


def _person(name: object) -> str:
    """A person name as people write it: the first of its representations, family name first."""
    text = str(name or "").partition("=")[0]
    family, *others = [part.strip() for part in text.split("^")]
    given = " ".join(part for part in others if part)
    return f"{family}, {given}" if given else family


def _day(raw: object) -> str:
    text = str(raw or "")
    return f"{text[:4]}-{text[4:6]}-{text[6:8]}" if len(text) == 8 and text.isdigit() else text


def _born(header: Dataset) -> str:
    parts: Iterable[str] = (
        _day(header.get("PatientBirthDate")),
        _SEXES.get(str(header.get("PatientSex", "")), ""),
        str(header.get("PatientAge", "")).lstrip("0").replace("Y", " years"),
    )
    return " · ".join(part for part in parts if part)


__all__ = ["BODY", "WIDTH", "Sources", "concluded", "doubted", "made_by", "measured", "missing", "who"]
