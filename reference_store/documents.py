"""Reference documents: immutable values, each saying what it measures, on which device, in whom, and by which model.

A document never changes. Its status as written stays in it; approval, activation and retirement are events beside it
(:mod:`reference_store.events`), so that an old report can always be computed again from the same content hash.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from reference_store.values import Side, View


class Status(StrEnum):
    """How far a document is to be trusted."""

    SYNTHETIC = "synthetic-test"
    """Invented numbers, for software tests and the demonstration."""
    PUBLISHED = "published-unverified"
    """Quoted from a publication, not yet verified on local controls."""
    PROVISIONAL = "site-provisional"
    """Collected here, fewer subjects than a reference interval needs, or not yet validated."""
    VALIDATED = "site-validated"
    """Collected or verified here, and signed."""
    RETIRED = "retired"
    """Kept only so that old reports can be computed again."""


class Family(StrEnum):
    """The shape of the statistical model."""

    LINEAR = "normal_linear"
    CONSTANT = "normal_constant"
    LMS = "lms"
    QUANTILE = "quantile"
    PERCENTILES = "percentile_table"
    UPPER_LIMIT = "upper_limit_only"


class Divisor(StrEnum):
    """What a difference from the expected value is divided by to give z; spelled as in the documents."""

    PREDICTION = "(y-mu)/sqrt(residual_var + x'Cov x)"
    RESIDUAL = "(y-mu)/residual_sd"
    QUANTILE = "quantile_to_normal"


class SideRule(StrEnum):
    """Which side of the body the document speaks of."""

    EITHER = "either"
    RIGHT = "right"
    LEFT = "left"
    DOMINANT = "dominant"
    NON_DOMINANT = "non-dominant"

    def admits(self, side: Side) -> bool:
        """Whether an image of this side may be compared. Handedness is not in the images, so it admits no side."""
        return self is SideRule.EITHER or self.value == side.value


@dataclass(frozen=True, slots=True)
class Term:
    """One column of the design: ``((covariate - centre) / scale) ** power``, or one natural-spline column of age."""

    name: str
    coefficient: float
    centre: float = 0.0
    scale: float = 1.0
    knots: tuple[float, ...] = ()
    basis: int = 0
    """Which of the ``len(knots) - 2`` non-linear spline columns; only for ``age_spline``."""


@dataclass(frozen=True, slots=True)
class Quantile:
    """One regression quantile: its level in percent and its terms."""

    percent: float
    terms: tuple[Term, ...]


@dataclass(frozen=True, slots=True)
class Model:
    """What the population's values are expected to be at given covariates."""

    family: Family
    terms: tuple[Term, ...] = ()
    covariance: tuple[tuple[float, ...], ...] = ()
    """Of all coefficients; empty when the source does not give it. Order: ``terms``; for LMS ``terms``, ``sd_terms``
    (or one for ln ``residual_sd``), ``boxcox_lambda``; for quantiles the terms of each, lowest level first."""
    residual_sd: float | None = None
    residual_df: int | None = None
    sd_terms: tuple[Term, ...] = ()
    """Terms of the natural logarithm of the residual SD (or of S in LMS); replaces ``residual_sd`` when present."""
    transform: str = "identity"
    """``identity``, ``log``, ``sqrt`` or ``boxcox``: applied to the value before it is compared."""
    boxcox_lambda: float | None = None
    quantiles: tuple[Quantile, ...] = ()
    percentiles: tuple[tuple[float, float], ...] = ()
    """Published percentiles (percent, value), sorted; they then make the limits."""
    upper_limit: float | None = None
    divisor: Divisor = Divisor.RESIDUAL
    flag_z: float = 2.0
    """Limits lie this many SD from the expected value unless percentiles are given."""
    tolerance_k: float | None = None
    tolerance: str = ""
    """What ``tolerance_k`` guarantees, in words."""
    measurement_error_sd: float | None = None
    """SD of repeated measurement in one session, in the document's unit."""


@dataclass(frozen=True, slots=True)
class Lock:
    """Device and settings that a value must come from. ``None`` or empty: the document does not say."""

    device_bound: bool
    manufacturer: str | None = None
    model: str | None = None
    transducer: str | None = None
    software_versions: tuple[str, ...] = ()
    preset: str | None = None
    depth_mm: float | None = None
    frequency_mhz: float | None = None
    attested: tuple[tuple[str, str], ...] = ()
    """Settings that DICOM does not carry (gain, TGC, grey map and so on), as name and value in words."""
    lossy_allowed: bool = False
    lossless_allowed: bool = True
    """False: collected from pixels compressed with loss, which are not quite those that were not."""
    photometric_interpretation: str | None = None
    roi_rule: tuple[tuple[str, str], ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class Population:
    """Whom the numbers come from."""

    n: int | None
    description: str = ""
    exclusions: str = ""
    repeated_measures: str = "unknown"


@dataclass(frozen=True, slots=True)
class Validity:
    """Where the model may be used. A range is (lowest, highest), both included."""

    age_years: tuple[float, float] | None = None
    age_assumed: bool = False
    """True when the publication does not state the range and adults are assumed."""
    height_cm: tuple[float, float] | None = None
    weight_kg: tuple[float, float] | None = None
    bmi: tuple[float, float] | None = None
    max_leverage: float | None = None
    leverage_assumed: bool = False
    """True when the document names no limit and the usual one is taken."""
    required: tuple[str, ...] = ()
    """Covariates that must be known even where no term asks for them."""
    refuses: bool = True
    """False: a violated range is a warning (a child is never compared with adults all the same)."""


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where the numbers were found and how surely."""

    citation: str
    confidence: str
    doi: str = ""
    table: str = ""
    source: str = ""
    """Short key shared by all documents of one publication or one site: sources are selected by it."""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Document:
    """One reference: what is measured, the lock, the population, the model, its validity and its origin."""

    id: str
    version: str
    status: Status
    quantity: str
    unit: str
    structure: str
    """Catalogue key, or the plain name where the document gives no key."""
    sites: tuple[str, ...]
    """Catalogue keys that name the place, the first one foremost; empty when the structure has one standard site."""
    view: View | None
    """``None``: any view."""
    side_rule: SideRule
    lock: Lock
    population: Population
    model: Model
    validity: Validity
    provenance: Provenance
    content_hash: str
    """SHA-256 of the canonical JSON, in hexadecimal."""
    text: str = field(compare=False, repr=False, default="")
    """The canonical JSON itself: what is exported and what the hash is of."""
    site_words: str = field(compare=False, default="")
    """The site in the words of the source."""

    @property
    def release(self) -> str:
        """Identity and version as one word, unique in a store."""
        return f"{self.id}@{self.version}"

    @property
    def site(self) -> str | None:
        """The foremost name of the place."""
        return self.sites[0] if self.sites else None

    def at(self, site: str | None) -> bool:
        """Whether it speaks of this place. No site means the standard site, and only that."""
        return site in self.sites if self.sites else site is None

    @property
    def source_line(self) -> str:
        """Citation and population in one line, to be printed beside every flag."""
        people = self.population.description or (f"n = {self.population.n}" if self.population.n else "n not stated")
        return f"{self.provenance.citation} ({people})"
