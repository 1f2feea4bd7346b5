"""From the settings to who may open the pages, and where."""

from __future__ import annotations

from pathlib import Path

from service.config import Settings, Tls, Web
from service.config.security import is_loopback
from service.errors import Misconfigured
from service.web.guard import Access
from service.web.passwords import Users
from service.web.server import Place


def access_of(settings: Settings) -> Access:
    """Who may look at the pages.

    Raises
    ------
    Misconfigured
        The file of users or of the token cannot be read, or is empty.
    """
    web = settings.web
    return Access(
        users=None if web.users_file is None else Users(web.users_file),
        metrics_token="" if web.metrics_token_file is None else _first_line(web.metrics_token_file),
        encrypted=web.certificate_file is not None,
        session_seconds=web.session_hours * 3600,
        apart=(settings.stow.path,) if settings.stow.enabled else (),
    )


def place_of(web: Web) -> Place:
    """Where the pages are."""
    return Place(web.host, web.port, web.socket, int(web.socket_mode, 8))


def pages_tls(web: Web) -> Tls | None:
    """The files for HTTPS, if it is wanted; browsers show no certificate."""
    if web.certificate_file is None:
        return None
    return Tls(
        certificate_file=web.certificate_file,
        key_file=web.key_file,
        key_password_file=web.key_password_file,
        client_certificates="none",
    )


def host_names(web: Web) -> tuple[str, ...]:
    """Names that may be asked for: on loopback no other than its own, against a page that has its name point here."""
    if web.host_names:
        return web.host_names
    return ("localhost", "127.0.0.1", "[") if web.socket is None and is_loopback(web.host) else ("*",)


def _first_line(path: Path) -> str:
    try:
        token = path.read_text(encoding="utf-8").partition("\n")[0].strip()
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(f"web.metrics_token_file = {path}: cannot be read; give a readable file") from error
    if len(token) < 16:
        raise Misconfigured(f"web.metrics_token_file = {path}: its first line must have 16 characters or more")
    return token
