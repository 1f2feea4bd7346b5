"""Observations as a CSV table: one file that a spreadsheet can write, read all or nothing."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable

from reference_store.observations import Observation, ObservationError, checked
from reference_store.values import Device, Side, Subject, View

_NEEDED = ("subject", "quantity", "value", "unit", "structure", "date", "manufacturer", "model")
COLUMNS = (
    "subject", "quantity", "value", "unit", "structure", "site", "side", "view",
    "age_years", "sex", "height_cm", "weight_kg", "date",
    "manufacturer", "model", "serial_number", "software_versions", "transducer", "preset", "depth_mm",
    "frequency_khz", "lossy", "spacing_mm", "flags", "overlay",
)  # fmt: skip
"""Several software versions or flags are separated by ``|``; spacing is ``row|column`` in millimetres."""
_NUMBERS = ("value", "age_years", "height_cm", "weight_kg", "depth_mm", "frequency_khz")


def write(observations: Iterable[Observation]) -> str:
    """The table, with a header."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for found in observations:
        writer.writerow({name: "" if value is None else value for name, value in _row(found).items()})
    return stream.getvalue()


def _row(found: Observation) -> dict[str, object]:
    person, device = found.subject, found.device
    return {
        "subject": found.subject_key,
        "quantity": found.quantity,
        "value": repr(found.value),
        "unit": found.unit,
        "structure": found.structure,
        "site": found.site,
        "side": found.side.value,
        "view": found.view.value,
        "age_years": person.age_years,
        "sex": person.sex,
        "height_cm": person.height_cm,
        "weight_kg": person.weight_kg,
        "date": found.on,
        "manufacturer": device.manufacturer,
        "model": device.model,
        "serial_number": device.serial_number,
        "software_versions": "|".join(device.software_versions),
        "transducer": device.transducer,
        "preset": device.preset,
        "depth_mm": device.depth_mm,
        "frequency_khz": device.frequency_khz,
        "lossy": device.lossy,
        "spacing_mm": "|".join(repr(number) for number in device.spacing_mm or ()),
        "flags": "|".join(found.flags),
        "overlay": found.overlay,
    }


def read(text: str, file: str) -> tuple[Observation, ...]:
    """Read the whole table, or nothing.

    A spreadsheet's ways are understood: semicolons or tabs between the cells, then with decimal commas if it writes
    them; a first line ``sep=;``; empty rows and empty columns at the ends; any kind of line end.

    Raises
    ------
    ObservationError
        For the first thing that is wrong, naming row (as a spreadsheet counts them) and field.
    """
    lines = _lines(text)
    separator = _separator(lines)
    records = csv.reader(io.StringIO(lines), strict=True, delimiter=separator)
    table = ((number, [cell.strip() for cell in record]) for number, record in enumerate(records, start=1))
    try:
        filled = ((number, cells) for number, cells in table if any(cells))
        first, names = next(filled, (1, []))
        header = _header(names, file, first)
        found = tuple(
            _observation(_cells(header, cells, file, f"row {number}", separator), file, f"row {number}")
            for number, cells in filled
        )
    except csv.Error as error:
        raise ObservationError(file, f"row {records.line_num}", f"not CSV: {error}") from error
    if not found:
        raise ObservationError(file, "row 2", "there is a header, and no row below it")
    return found


def _lines(text: str) -> str:
    """The text with one kind of line end, and without the line by which a spreadsheet tells its separator."""
    lines = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    first, rest, others = lines.partition("\n")
    return rest + others if first.lower().startswith("sep=") else lines


def _separator(text: str) -> str:
    head = next((line for line in text.split("\n") if line.strip()), "")
    return max(",;\t", key=head.count)


def _header(names: list[str], file: str, row: int) -> list[str]:
    while names and not names[-1]:
        names = names[:-1]
    header = [name.lower() for name in names]
    for name in _NEEDED:
        if name not in header:
            raise ObservationError(file, f"row {row}, field {name}", "the column is missing")
    for name in header:
        if name not in COLUMNS:
            problem = f"there is no such column; there are {', '.join(COLUMNS)}"
            raise ObservationError(file, f"row {row}, field {name or '(empty)'}", problem)
        if header.count(name) > 1:
            raise ObservationError(file, f"row {row}, field {name}", "the column stands twice")
    return header


def _cells(header: list[str], cells: list[str], file: str, place: str, separator: str) -> dict[str, str]:
    """A row under its column names, with decimal points."""
    if len(cells) < len(header) or any(cells[len(header) :]):
        raise ObservationError(file, place, "has not as many cells as the header")
    row = dict(zip(header, cells, strict=False))
    if separator != ",":
        for name in _NUMBERS:
            if row.get(name, "").count(",") == 1 and "." not in row[name]:
                row[name] = row[name].replace(",", ".")
        row["spacing_mm"] = row.get("spacing_mm", "").replace(",", ".")
    return row


def _observation(cells: dict[str, str], file: str, place: str) -> Observation:
    for name in _NEEDED:
        if not cells[name]:
            raise ObservationError(file, f"{place}, field {name}", "is missing")

    def number(name: str) -> float | None:
        text = cells.get(name, "")
        try:
            return float(text) if text else None
        except ValueError as error:
            problem = f"{text!r} is not a number; write a decimal point, and nothing between thousands"
            raise ObservationError(file, f"{place}, field {name}", problem) from error

    def one_of(name: str, kind: type[Side] | type[View]) -> str:
        text = cells.get(name, "").lower() or "unknown"
        if text not in {member.value for member in kind}:
            problem = f"{text!r} is none of {', '.join(member.value for member in kind)}"
            raise ObservationError(file, f"{place}, field {name}", problem)
        return text

    person = Subject(
        number("age_years"), cells.get("sex", "").upper() or None, number("height_cm"), number("weight_kg")
    )
    return checked(
        Observation(
            subject_key=cells["subject"],
            quantity=cells["quantity"],
            value=number("value") or 0.0,
            unit=cells["unit"],
            structure=cells["structure"],
            site=cells.get("site") or None,
            side=Side(one_of("side", Side)),
            view=View(one_of("view", View)),
            subject=person,
            device=_device(cells, number("depth_mm"), number("frequency_khz"), file, place),
            on=cells["date"],
            flags=_words(cells.get("flags", "")),
            overlay=cells.get("overlay", ""),
            origin=file,
        ),
        file,
        place,
    )


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split("|") if word.strip())


def _device(cells: dict[str, str], depth: float | None, frequency: float | None, file: str, place: str) -> Device:
    lossy = {"": None, "true": True, "false": False}.get(cells.get("lossy", "").lower(), "?")
    if lossy == "?":
        raise ObservationError(file, f"{place}, field lossy", "write true or false, or leave it empty")
    spacing = _words(cells.get("spacing_mm", ""))
    try:
        pair = (float(spacing[0]), float(spacing[1])) if len(spacing) == 2 else None
    except ValueError:
        pair = None
    if spacing and pair is None:
        raise ObservationError(file, f"{place}, field spacing_mm", "write row|column in millimetres, such as 0.1|0.1")
    return Device(
        manufacturer=cells["manufacturer"],
        model=cells["model"],
        serial_number=cells.get("serial_number") or None,
        software_versions=_words(cells.get("software_versions", "")),
        transducer=cells.get("transducer") or None,
        preset=cells.get("preset") or None,
        depth_mm=depth,
        frequency_khz=frequency,
        lossy=None if lossy is None else bool(lossy),
        spacing_mm=pair,
    )
