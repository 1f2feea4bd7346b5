"""docs/settings.md names every setting with the values it takes and its default, and nothing else."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from service.analyse.naming import TEXTS
from service.config import Settings

sys.path.insert(0, str(Path(__file__).parent))
import markdown_page

SCHEMA = Settings.model_json_schema()
PATTERNS = {
    "^https?://": "http address",
    "^https?://[^/?#]+/?$": "http address",
    "^[0-9.]{3,64}$": "UID",
    "^([0-9.]{3,30})?$": "UID",
    "^0?[0-7]{3}$": "octal mode",
}


def bounds(schema: dict[str, Any]) -> str:
    low = schema.get("minimum", schema.get("exclusiveMinimum"))
    high = schema.get("maximum")
    if low is None:
        return ""
    if "minimum" in schema and high is not None:
        return f" {low} to {high}"
    sign = "above" if "exclusiveMinimum" in schema else "from"
    return f" {sign} {low}" + (f" to {high}" if high is not None else "")


def takes(schema: dict[str, Any]) -> str:
    """What a value must be, in the words of the page."""
    if "$ref" in schema:
        return takes(SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]])
    if "anyOf" in schema:
        return takes(next(one for one in schema["anyOf"] if one != {"type": "null"}))
    if "enum" in schema:
        return ", ".join(f"`{one}`" for one in schema["enum"])
    match schema["type"]:
        case "boolean":
            return "true, false"
        case "integer" | "number":
            return {"integer": "whole number", "number": "number"}[schema["type"]] + bounds(schema)
        case "array":
            return f"list: {takes(schema['items'])}"
        case "object":
            inner = schema["additionalProperties"]
            return f"table: {takes(inner) if 'type' in inner else 'any'}" if inner is not True else "table: any"
    if schema.get("format") == "path":
        return "path"
    if schema.get("maxLength"):
        return f"text of {schema['minLength']} to {schema['maxLength']} characters"
    return PATTERNS.get(schema.get("pattern", ""), "text")


def written(value: object) -> str:
    """A default as TOML writes it."""
    match value:
        case None:
            return "none"
        case bool():
            return str(value).lower()
        case tuple() | list():
            return "[" + ", ".join(map(written, value)) + "]"
        case dict():
            return "{}" if not value else str(value)
        case int() | float():
            return f"{value}"
    return f'"{getattr(value, "get_secret_value", lambda: value)()}"'


def default(model: type[BaseModel], name: str) -> str:
    field = model.model_fields[name]
    return "required" if field.is_required() else f"`{written(field.get_default(call_default_factory=True))}`"


def sections() -> dict[str, type[BaseModel]]:
    found: dict[str, type[BaseModel]] = {}
    for name, field in Settings.model_fields.items():
        inner = [field.annotation, *getattr(field.annotation, "__args__", ())]
        model = next(kind for kind in inner if isinstance(kind, type) and issubclass(kind, BaseModel))
        found[f"`[[{name}]]`" if isinstance(field.default, tuple) else f"`[{name}]`"] = model
    return found


def expected() -> list[tuple[str, str, str, str]]:
    return [
        (section, f"`{name}`", takes(SCHEMA["$defs"][model.__name__]["properties"][name]), default(model, name))
        for section, model in sections().items()
        for name in model.model_fields
    ]


def test_the_page_lists_every_setting_with_what_it_takes_and_its_default() -> None:
    rows = list(markdown_page.rows(markdown_page.page("settings.md")))
    told = [(row.headings[-1], row.cells["setting"], row.cells["takes"], row.cells["default"]) for row in rows]
    assert told == expected()
    assert [row.cells["setting"] for row in rows if len(row.cells["meaning"]) < 10] == []


def test_the_attributes_that_a_mapping_may_look_into_are_listed() -> None:
    (row,) = [row for row in markdown_page.rows(markdown_page.page("settings.md")) if row.cells["setting"] == "`match`"]
    assert tuple(re.findall(r"`([A-Z]\w+)`", row.cells["meaning"])) == TEXTS
