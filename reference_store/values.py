"""The words that every part of nmus shares: coded concepts, sides and views, the subject and the device."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Code:
    """One coded concept as DICOM writes it (PS3.3 section 8): value, coding scheme designator, meaning.

    Two codes are equal when value and scheme are: the meaning is for people, and may be in any language.
    """

    value: str
    scheme: str
    meaning: str = field(compare=False)

    def __post_init__(self) -> None:
        """Refuse what DICOM could not hold: SH takes 16 characters, LO takes 64."""
        if not 0 < len(self.value) <= 16 or not 0 < len(self.scheme) <= 16:
            raise ValueError(f"code {self.value!r} of scheme {self.scheme!r}: value and scheme take 1 to 16 characters")
        if not 0 < len(self.meaning) <= 64:
            raise ValueError(f"code {self.value!r}: the meaning {self.meaning!r} must have 1 to 64 characters")


class Side(StrEnum):
    """Laterality of what is seen. ``UNKNOWN`` is a value, never a guess."""

    LEFT = "left"
    RIGHT = "right"
    MIDLINE = "midline"
    UNKNOWN = "unknown"


class View(StrEnum):
    """How the image plane lies to the muscle's or nerve's own axis."""

    TRANSVERSE = "transverse"
    LONGITUDINAL = "longitudinal"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Subject:
    """What a reference model may ask of the person examined; ``None`` where the images do not say.

    Never holds a name, an identifier or a date.
    """

    age_years: float | None = None
    sex: str | None = None
    """``M`` or ``F``, as DICOM's Patient's Sex; anything else is ``None``."""
    height_cm: float | None = None
    weight_kg: float | None = None

    @property
    def bmi(self) -> float | None:
        """Body mass index in kg/m², from unrounded height and weight; ``None`` below 20 cm, which is no height."""
        if self.height_cm is None or not self.weight_kg or self.height_cm < 20:
            return None
        return self.weight_kg / (self.height_cm / 100) ** 2


@dataclass(frozen=True, slots=True)
class Device:
    """The scanner and what DICOM carries of its settings; ``None`` or empty where the image does not say.

    Gain, time-gain compensation and grey map are not DICOM attributes: a site attests them as a locked preset.
    Sources: PS3.3 C.7.5.1 General Equipment, C.8.5.6 US Image, C.8.5.5 US Region Calibration.
    """

    manufacturer: str | None = None
    model: str | None = None
    serial_number: str | None = None
    software_versions: tuple[str, ...] = ()
    station_name: str | None = None
    transducer: str | None = None
    """Transducer Data (0018,5010), first value, or the label of the Transducer Identification Sequence."""
    transducer_type: str | None = None
    preset: str | None = None
    """Processing Function (0018,5020), what scanners write as the name of the preset."""
    depth_mm: float | None = None
    """Depth of Scan Field (0018,5050)."""
    frequency_khz: float | None = None
    """Transducer Frequency (0018,6030) of the tissue region."""
    lossy: bool | None = None
    """True when the pixels were ever compressed with loss."""
    transfer_syntax_uid: str | None = None
    photometric_interpretation: str | None = None
    rows: int | None = None
    columns: int | None = None
    spacing_mm: tuple[float, float] | None = None
    """Millimetres per pixel (row, column) of the tissue region."""
