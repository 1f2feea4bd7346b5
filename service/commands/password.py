"""``nmus password``: who may log in to the pages."""

from __future__ import annotations

import argparse
import getpass
import sys
from pathlib import Path
from typing import Any

from service.commands.shared import note, say
from service.errors import Misconfigured
from service.web.passwords import MINIMUM_LENGTH, NAME, hashed, write_user


def add_parser(subparsers: Any) -> None:  # noqa: ANN401
    """Add ``password``."""
    parser = subparsers.add_parser("password", help="set the password of a user of the pages")
    parser.add_argument("USER", help="name: letters, digits, . _ @ -")
    parser.add_argument("--file", type=Path, help="web.users_file: the user is added or gets a new password")


def run(args: argparse.Namespace) -> int:
    """Ask for a password, or read it from standard input; write the line into the file, or print it."""
    if not NAME.fullmatch(args.USER):
        raise Misconfigured(f"{args.USER!r} is no user name: 1 to 64 letters, digits, . _ @ or -")
    line_hash = hashed(_asked())
    if args.file is None:
        say(f"{args.USER}:{line_hash}")
        return 0
    try:
        write_user(args.file, args.USER, line_hash)
    except OSError as error:
        raise Misconfigured(f"{args.file}: cannot be written ({error.strerror})") from error
    note(f"{args.USER} may log in with the new password now")
    return 0


def _asked() -> str:
    if sys.stdin.isatty():
        password = getpass.getpass("password: ")
        if getpass.getpass("again: ") != password:
            raise Misconfigured("the two are not the same; nothing was changed")
    else:
        password = sys.stdin.readline().rstrip("\r\n")
    if len(password) < MINIMUM_LENGTH:
        raise Misconfigured(f"a password must have {MINIMUM_LENGTH} characters or more; several words are easy to keep")
    return password
