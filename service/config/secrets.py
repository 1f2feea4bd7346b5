"""Secrets from files: a systemd credential, a container's secret. The settings file then holds none."""

from __future__ import annotations

from pathlib import Path

from service.errors import Misconfigured


def first_line(path: Path, key: str, what: str = "password") -> str:
    """What stands in the first line of a file of a secret.

    Raises
    ------
    Misconfigured
        It cannot be read or is empty; ``key`` is where the settings name it.
    """
    try:
        found = path.read_text(encoding="utf-8").partition("\n")[0].rstrip("\r")
    except (OSError, UnicodeDecodeError) as error:
        told = error.strerror if isinstance(error, OSError) else "no UTF-8 text"
        raise Misconfigured(f"{key} = {path}: cannot be read ({told}); give a readable file") from error
    if not found:
        raise Misconfigured(f"{key} = {path}: its first line is empty; write the {what} there")
    return found
