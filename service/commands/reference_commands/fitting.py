"""Filled next."""

from __future__ import annotations

from typing import Any


def add_parsers(subparsers: Any) -> None:  # noqa: ANN401
    """Add nothing yet."""
