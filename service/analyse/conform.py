"""Whether a value of the contract holds what its fields are declared to hold.

Built-in plugins are held to their types when the project is checked; what a plugin of others gives back is held to
them here, before anything is made of it: a text where a number belongs would otherwise end the whole report.
"""

from __future__ import annotations

import math
import types
from collections.abc import Mapping
from dataclasses import is_dataclass
from enum import Enum
from functools import lru_cache
from typing import Any, Union, get_args, get_origin, get_type_hints

import numpy as np


def mistyped(value: object, hint: Any) -> str | None:  # noqa: ANN401 - what an annotation may be
    """Where a value departs from its declared type, as a path of fields; ``None`` where it holds.

    Numbers must be finite. Whole numbers count as floats, lists as tuples.
    """
    if hint in (Any, object):
        return None
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        said = [mistyped(value, one) for one in arguments]
        return None if None in said else _most_telling(said, value)
    if origin is tuple:
        return _of_tuple(value, arguments)
    if origin is np.ndarray:
        return None if isinstance(value, np.ndarray) else _unlike(value, "an array")
    if origin is not None and issubclass(origin, Mapping):
        return _of_mapping(value, arguments)
    return _of_class(value, hint)


def _of_class(value: object, hint: type) -> str | None:
    if hint is float:
        real = isinstance(value, float | int | np.floating | np.integer) and not isinstance(value, bool)
        if not real:
            return _unlike(value, "a number")
        return None if math.isfinite(value) else " is not a finite number"  # type: ignore[arg-type]
    if hint is int:
        whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
        return None if whole else _unlike(value, "a whole number")
    if hint is bool:
        return None if isinstance(value, bool | np.bool_) else _unlike(value, "true or false")
    if not isinstance(value, hint):
        return _unlike(value, hint.__name__)
    if is_dataclass(hint) and not issubclass(hint, Enum):
        return _of_fields(value)
    return None


def _of_fields(value: object) -> str | None:
    kind: Any = type(value)
    for name, hint in _hints(kind).items():
        if not hasattr(value, name):
            return f".{name} is missing"
        said = mistyped(getattr(value, name), hint)
        if said:
            return f".{name}{said}"
    return None


@lru_cache(maxsize=64)
def _hints(kind: type) -> Mapping[str, Any]:
    known = get_type_hints(kind)
    return {name: known[name] for name in kind.__dataclass_fields__}  # type: ignore[attr-defined]


def _of_tuple(value: object, arguments: tuple[Any, ...]) -> str | None:
    if not isinstance(value, tuple | list):
        return _unlike(value, "a sequence")
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        arguments = (arguments[0],) * len(value)
    if len(value) != len(arguments):
        return f" has {len(value)} values where {len(arguments)} belong"
    for number, (one, hint) in enumerate(zip(value, arguments, strict=True)):
        said = mistyped(one, hint)
        if said:
            return f"[{number}]{said}"
    return None


def _of_mapping(value: object, arguments: tuple[Any, ...]) -> str | None:
    if not isinstance(value, Mapping):
        return _unlike(value, "a mapping")
    for key, one in value.items():
        said = mistyped(key, arguments[0]) or mistyped(one, arguments[1])
        if said:
            return f"[…]{said}"
    return None


def _most_telling(said: list[str | None], value: object) -> str:
    """Of several refusals the one that got farthest into the value."""
    deep = [one for one in said if one and one.startswith((".", "[", " is not", " has"))]
    return deep[0] if deep else _unlike(value, "what is declared")


def _unlike(value: object, wanted: str) -> str:
    return f" is {type(value).__name__} where {wanted} belongs"
