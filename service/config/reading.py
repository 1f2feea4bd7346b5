"""Reading the settings file, and telling what is wrong in it."""

from __future__ import annotations

import difflib
import tomllib
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from service.config.sections import Settings
from service.errors import Misconfigured


def load(path: Path | None = None) -> Settings:
    """Settings of a TOML file, or the embedded defaults; relative paths become absolute.

    Raises
    ------
    Misconfigured
        The file cannot be read, is no TOML, or a key or value in it is wrong; each one is named with its remedy.
    """
    if path is None:
        return Settings().placed(Path.cwd())
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise Misconfigured(f"settings file {path}: cannot be read ({error.strerror}); give a readable file") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Misconfigured(f"settings file {path}: is no valid TOML: {error}; mend that line") from error
    return validated(values, str(path)).placed(path.parent)


def validated(values: dict[str, Any], origin: str = "settings") -> Settings:
    """Settings of values already read, with relative paths as they are.

    Raises
    ------
    Misconfigured
        One text for all that is wrong, a line each.
    """
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        lines = [_told(detail) for detail in error.errors(include_url=False)]
        raise Misconfigured(f"{origin}: {len(lines)} wrong:\n  " + "\n  ".join(lines)) from None


def _told(detail: ErrorDetails) -> str:
    key = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in detail["loc"]).lstrip(".")
    if detail["type"] == "extra_forbidden":
        allowed = _keys_beside(detail["loc"])
        near = difflib.get_close_matches(str(detail["loc"][-1]), allowed, n=1)
        remedy = f"did you mean {near[0]!r}?" if near else f"known here: {', '.join(sorted(allowed))}"
        return f"{key}: there is no such setting; {remedy}"
    if detail["type"] == "missing":
        return f"{key}: is missing; it has no default, so write it"
    value = "(not shown)" if "password" in key else repr(detail["input"])
    rule = detail["msg"].removeprefix("Value error, ")
    return f"{key or 'settings'} = {value[:200]}: {rule}; write a value that fits, or leave the key out for its default"


def _keys_beside(location: tuple[int | str, ...]) -> list[str]:
    model: type[BaseModel] = Settings
    for part in location[:-1]:
        if isinstance(part, int):
            continue
        annotation: Any = model.model_fields[part].annotation if part in model.model_fields else None
        inner = [annotation, *getattr(annotation, "__args__", ())]
        model = next((kind for kind in inner if isinstance(kind, type) and issubclass(kind, BaseModel)), model)
    return list(model.model_fields)
