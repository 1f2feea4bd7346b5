"""What a document says about one value."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Score:
    """One value against one document, all in the document's unit. Numbers that it cannot give are ``None``."""

    z: float | None = None
    z_sd: float | None = None
    percentile: float | None = None
    expected: float | None = None
    sd: float | None = None
    lower: float | None = None
    upper: float | None = None
    limits: str = ""
    warnings: tuple[str, ...] = ()

    @property
    def says_nothing(self) -> bool:
        """Neither z nor a limit: no comparison can be made of it."""
        return self.z is None and self.lower is None and self.upper is None

    @property
    def finite(self) -> bool:
        """Whether every number is one."""
        numbers = (self.z, self.z_sd, self.percentile, self.expected, self.sd, self.lower, self.upper)
        return all(number is None or math.isfinite(number) for number in numbers)

    def outside(self, value: float) -> str | None:
        """``above`` or ``below`` the limits, else ``None``."""
        if self.upper is not None and value > self.upper:
            return "above"
        if self.lower is not None and value < self.lower:
            return "below"
        return None
