"""Named multi-muscle protocols: which muscles, which rule, how good it was in the publication. None is a default."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from reference_store.values import Side


@dataclass(frozen=True, slots=True)
class Slot:
    """One muscle that a protocol asks for."""

    structure: str
    side: Side | None
    """``None`` where either side will do."""

    def __str__(self) -> str:
        """As messages name it."""
        name = self.structure.replace("_", " ")
        return name if self.side is None else f"{name} {self.side}"


@dataclass(frozen=True, slots=True)
class Protocol:
    """A published rule over several muscles."""

    key: str
    title: str
    count: float
    """What must be reached: muscles, events or a ratio, as ``rule`` says."""
    of: int
    rule: str
    """``muscles``, ``muscles and echogenicity``, ``total`` or ``ratio``."""
    slots: tuple[Slot, ...]
    """Empty where the publication read does not list its muscles: a site has to."""
    sensitivity: float
    specificity: float
    auc: float | None
    sample: str
    citation: str
    note: str

    @property
    def source(self) -> str:
        """Citation and figures in one line, to stand beside every answer."""
        area = f", AUC {self.auc:g}" if self.auc else ""
        return (
            f"{self.citation}: sensitivity {self.sensitivity:g} %, specificity {self.specificity:g} %{area}"
            f" ({self.sample}); {self.note}"
        )


@cache
def protocols() -> dict[str, Protocol]:
    """All protocols by key, in the order of the table."""
    text = files("plugins.fasciculation").joinpath("protocols.csv").read_text("utf-8")
    return {row["key"]: _protocol(row) for row in csv.DictReader(text.splitlines())}


def slots_of(text: str) -> tuple[Slot, ...]:
    """Muscles as ``structure`` or ``structure:side``, parted by semicolons."""
    made = []
    for word in filter(None, (part.strip() for part in text.split(";"))):
        structure, _, side = word.partition(":")
        made.append(Slot(structure, Side(side) if side else None))
    return tuple(made)


def _protocol(row: dict[str, str]) -> Protocol:
    return Protocol(
        key=row["key"],
        title=row["title"],
        count=float(row["count"]),
        of=int(row["of"]),
        rule=row["rule"],
        slots=slots_of(row["muscles"]),
        sensitivity=float(row["sensitivity"]),
        specificity=float(row["specificity"]),
        auc=float(row["auc"]) if row["auc"] else None,
        sample=row["sample"],
        citation=row["source"],
        note=row["note"],
    )
