"""Passwords and who has one: a file with a line for each user, hashed by scrypt (RFC 7914).

``name:scrypt$LOG2N$R$P$SALT$HASH``, salt and hash in base64. ``nmus password`` writes the lines; the file is read
again when it has changed, so a user whose line is removed is out at the next click.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import re
import secrets
import threading
from pathlib import Path

from service.errors import Misconfigured

_LOG2N, _R, _P = 15, 8, 1
"""32 MiB and about a tenth of a second a guess."""
_SALT_BYTES, _HASH_BYTES = 16, 32
NAME = re.compile(r"[A-Za-z0-9._@-]{1,64}")
MINIMUM_LENGTH = 12
_LINE = re.compile(rf"({NAME.pattern}):(scrypt\$\d{{1,2}}\$\d{{1,2}}\$\d{{1,2}}\$[A-Za-z0-9+/=]+\$[A-Za-z0-9+/=]+)")


def hashed(password: str) -> str:
    """A new hash of a password, with a salt of its own."""
    salt = secrets.token_bytes(_SALT_BYTES)
    return f"scrypt${_LOG2N}${_R}${_P}${_base64(salt)}${_base64(_scrypt(password, salt, _LOG2N, _R, _P))}"


def matches(password: str, stored: str) -> bool:
    """Whether a password is the one behind a hash."""
    _, log2n, r, p, salt, expected = stored.split("$")
    found = _scrypt(password, base64.b64decode(salt), int(log2n), int(r), int(p))
    return hmac.compare_digest(found, base64.b64decode(expected))


class Users:
    """The users of a file.

    Raises
    ------
    Misconfigured
        The file cannot be read, or a line in it is none.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._turn = threading.Lock()
        self._nobody = hashed(secrets.token_hex())
        self._stamp = (0, 0)
        self._lines: dict[str, str] = {}
        self._read()

    def hash_of(self, name: str) -> str | None:
        """The stored hash of a user, which changes with the password; ``None``: there is no such user."""
        with self._turn:
            try:
                self._read()
            except Misconfigured:
                self._lines = {}  # a file that cannot be read lets nobody in
            return self._lines.get(name)

    def accepts(self, name: str, password: str) -> bool:
        """Whether this is a user with this password. Takes as long for a name that there is not."""
        known = self.hash_of(name)
        good = matches(password, known or self._nobody)
        return good and known is not None

    def _read(self) -> None:
        try:
            status = self._path.stat()
            stamp = (status.st_mtime_ns, status.st_size)
            if stamp == self._stamp:
                return
            lines = self._path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            self._stamp = (0, 0)
            raise Misconfigured(f"web.users_file = {self._path}: cannot be read; make it with nmus password") from error
        self._lines = _users(self._path, lines)
        self._stamp = stamp


def write_user(path: Path, name: str, line_hash: str) -> None:
    """Add a user to a file or replace the password; the file is whole at every moment."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    users = {**_users(path, lines), name: line_hash}
    text = "".join(f"{user}:{stored}\n" for user, stored in users.items())
    partial = path.with_name(f".{path.name}.part")
    partial.unlink(missing_ok=True)
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    if path.exists():
        status = path.stat()
        partial.chmod(status.st_mode & 0o777)
        if os.geteuid() == 0:
            os.chown(partial, status.st_uid, status.st_gid)
    partial.replace(path)


def _users(path: Path, lines: list[str]) -> dict[str, str]:
    users = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.startswith("#"):
            continue
        found = _LINE.fullmatch(line.strip())
        if found is None:
            raise Misconfigured(f"web.users_file = {path}: line {number} is no user; nmus password writes such lines")
        users[found[1]] = found[2]
    return users


def _scrypt(password: str, salt: bytes, log2n: int, r: int, p: int) -> bytes:
    memory = 128 * r * (1 << log2n) * 2
    return hashlib.scrypt(password.encode(), salt=salt, n=1 << log2n, r=r, p=p, maxmem=memory, dklen=_HASH_BYTES)


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
