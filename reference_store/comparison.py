"""What is asked of the reference store, and its two kinds of answer: a comparison, or a refusal with its remedy."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from reference_store.values import Device, Side, Subject, View
from reference_store.wording import measured


class RefusalCode(StrEnum):
    """Why no comparison was made. The list is closed: a report may show every member with its remedy."""

    NO_REFERENCE = "no-reference"
    SETTINGS_DIFFER = "settings-differ"
    COVARIATE_MISSING = "covariate-missing"
    OUTSIDE_RANGE = "outside-range"
    LEVERAGE = "leverage"
    NOT_APPROVED = "not-approved"
    SUSPENDED = "suspended"
    BLOCKED = "blocked"
    """A quality flag of the measurement itself forbids the comparison."""


@dataclass(frozen=True, slots=True)
class Question:
    """One measured value and all that decides which reference applies to it."""

    quantity: str
    """As in a reference document: ``muscle_echo_intensity``, ``nerve_csa``, ``muscle_thickness`` and so on."""
    value: float
    unit: str
    """UCUM, as in the measurement: ``[arb'U]`` for grey levels, ``mm``, ``mm2``."""
    structure: str
    """Key in the catalogue of ``reference_store.anatomy``."""
    site: str | None = None
    side: Side = Side.UNKNOWN
    view: View = View.UNKNOWN
    subject: Subject = Subject()
    device: Device = Device()


@dataclass(frozen=True, slots=True)
class Comparison:
    """A value against one named reference. Numbers that the reference cannot give are ``None``."""

    reference_id: str
    reference_version: str
    reference_hash: str
    status: str
    """Status of the reference document, for example ``published-unverified``."""
    source: str
    """Citation and population in one line, to be printed beside every flag."""
    z: float | None = None
    z_sd: float | None = None
    """Standard uncertainty of ``z``: the reference's own estimation error, and where it is stated the measurement's."""
    percentile: float | None = None
    """0 to 100."""
    expected: float | None = None
    """Population mean (or median) at this subject's covariates, in the unit of the question."""
    sd: float | None = None
    """SD of a new observation at these covariates: residual and coefficient covariance together."""
    lower_limit: float | None = None
    upper_limit: float | None = None
    limits: str = ""
    """What the limits are: ``mean ± 2 SD``, ``2.5th and 97.5th percentile``, ``upper limit of normal``."""
    outside: str | None = None
    """``above`` or ``below`` when the value lies outside a limit, else ``None``."""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a value was not compared, and what would have to change."""

    code: RefusalCode
    text: str
    remedy: str
    reference_id: str | None = None


class References(Protocol):
    """What the plugins are given: answers questions from documents alone, without network, database or clock."""

    def compare(self, question: Question) -> Comparison | Refusal:
        """Compare one value, or refuse with a reason. Never raises for a question that is well formed."""
        ...


@dataclass(frozen=True, slots=True)
class NoReferences:
    """The answer of a site without references: always a refusal."""

    def compare(self, question: Question) -> Comparison | Refusal:
        """Refuse: there is no reference."""
        return Refusal(
            RefusalCode.NO_REFERENCE,
            f"no reference for {measured(question.quantity, question.structure)} on this device",
            "collect reference values on this device with 'nmus references collect'",
        )
