"""What settings are made of: the frozen section, and the kinds of value that several sections take."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

UID_PATTERN = re.compile(r"(?=.{1,64}\Z)[0-9]+(\.[0-9]+)+")
"""PS3.5 section 9.1, always matched whole; leading zeros in a component, which scanners do write, are let pass.
A UID never becomes part of a path."""


def _network(text: str) -> str:
    return str(ipaddress.ip_network(text, strict=False))


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"is no regular expression: {error}") from error
    return text


AETitle = Annotated[str, Field(min_length=1, max_length=16, pattern=r"^[ -\[\]-~]*[!-\[\]-~][ -\[\]-~]*$")]
"""PS3.5 table 6.2-1: up to 16 printable characters, no backslash, not only spaces."""
Network = Annotated[str, AfterValidator(_network)]
Pattern = Annotated[str, AfterValidator(_pattern)]
Uid = Annotated[str, Field(pattern=r"^[0-9.]{3,64}$")]
Port = Annotated[int, Field(ge=0, le=65535)]
PeerPort = Annotated[int, Field(ge=1, le=65535)]
SrClass = Literal["comprehensive-3d", "comprehensive"]


class Section(BaseModel):
    """One table of the settings file: frozen, no unknown keys, defaults held to their own rules."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    def placed(self, root: Path) -> Self:
        """The same with every relative path taken from ``root``."""
        paths = {
            name: root / value for name in type(self).model_fields if isinstance(value := getattr(self, name), Path)
        }
        return self.model_copy(update=paths)
