"""The sections about ways in, other than the listener and Orthanc: a watched folder, STOW-RS."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from service.config.fields import Network, Section


class WatchedFolder(Section):
    """``[[folder]]``: DICOM files that somebody drops there are taken."""

    name: str = Field(min_length=1, max_length=64)
    path: Path
    """Relative to the folder of the settings file. What is taken moves to ``done`` in it, what is refused to
    ``refused`` beside a text that says why."""
    poll_seconds: float = Field(default=2, ge=0.1)
    """A look at the folder; inotify is not used, since it tells nothing on network shares."""
    stable_seconds: float = Field(default=3, ge=0)
    """A file whose length and time have not changed for so long is whole: copying programs pause for less."""
    delete: bool = False
    """On: what was taken is removed instead of moved to ``done``; it lies in the archive."""


class Stow(Section):
    """``[stow]``: STOW-RS, on the port of the pages."""

    enabled: bool = False
    """Off: a way in that nobody asked for is only a way in for others."""
    path: str = Field(default="/dicom-web", pattern=r"^(/[A-Za-z0-9._-]+)+$")
    """Objects are posted to its ``/studies``."""
    username: str = ""
    """HTTP basic authentication, with ``password_file``."""
    password_file: Path | None = None
    token_file: Path | None = None
    """Its first line is a bearer token that lets in; instead of the two or besides them."""
    networks: tuple[Network, ...] = ()
    """Addresses (CIDR) that may post; empty lets in whoever reaches ``web.host``."""
    maximum_requests: int = Field(default=8, ge=1, le=100)
    """At once; beyond it the answer is 503, so that senders try again."""
    idle_seconds: float = Field(default=30, ge=1)
    """A request whose body pauses longer is given up."""

    def check(self, web_host: str) -> None:
        """Refuse to be open to a network without asking who posts.

        Raises
        ------
        ValueError
            What is missing.
        """
        if bool(self.username) != (self.password_file is not None):
            raise ValueError("[stow] has one of username and password_file: give both")
        open_to_all = not self.username and self.token_file is None
        if self.enabled and open_to_all and web_host not in ("127.0.0.1", "::1", "localhost"):
            raise ValueError(
                f"[stow] would take objects from anybody who reaches web.host = {web_host!r}: "
                "give username and password_file, or token_file"
            )

    def placed(self, root: Path) -> Stow:
        """The same with absolute paths."""
        files = {"password_file": self.password_file, "token_file": self.token_file}
        return self.model_copy(update={name: root / path for name, path in files.items() if path is not None})
