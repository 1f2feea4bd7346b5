"""What several commands need: the settings option, the ledger, and printing."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from service.config import Settings, load
from service.errors import Misconfigured
from service.ledger import Ledger, open_ledger


def add_settings(parser: argparse.ArgumentParser) -> None:
    """The option that every command has which works on a service's own data."""
    parser.add_argument(
        "--settings", type=Path, metavar="FILE", help="TOML settings file; without it the embedded defaults hold"
    )


def add_json(parser: argparse.ArgumentParser) -> None:
    """Machine-readable output."""
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")


def settings_of(args: argparse.Namespace) -> Settings:
    """The settings that the command line names.

    Raises
    ------
    Misconfigured
        The file is wrong.
    """
    return load(args.settings)


def ledger_of(settings: Settings) -> Ledger:
    """The ledger of a service that has run before.

    Raises
    ------
    Misconfigured
        There is none: a mistyped data folder must not silently become a new, empty ledger.
    """
    folder = settings.service.data_folder
    if not settings.service.database and not folder.exists():
        raise Misconfigured(
            f"service.data_folder = {folder}: no service has run with this folder; "
            "name the settings file that the service runs with (--settings)"
        )
    return open_ledger(folder, settings.service.database)


_UNITS = {"1": "", "mm2": "mm²", "cm2": "cm²", "deg": "°", "{counts}": "", "{events}": ""}


def quantity(value: float, unit: str) -> str:
    """A value and its UCUM unit as a person writes them: ``9.61 mm²``, ``0.82``, ``78.4 grey levels``."""
    words = _UNITS.get(unit, unit.replace("[arb'U]", "grey levels"))
    return f"{value:.4g} {words}".strip()


def say(text: str = "") -> None:
    """One line for a person."""
    print(text, flush=True)  # noqa: T201 - the command line speaks here


def note(text: str) -> None:
    """A remark for a person, on standard error, so that standard output stays what a program reads."""
    print(text, file=sys.stderr, flush=True)  # noqa: T201


def say_json(value: object) -> None:
    """One JSON document a line, for programs."""
    json.dump(value, sys.stdout, default=str)
    say()
