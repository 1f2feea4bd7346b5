"""The section about earlier exams."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from service.config.fields import AETitle, PeerPort, Section


class Priors(Section):
    """``[priors]``: earlier reports of a patient, to tell what has changed."""

    ask: tuple[str, ...] = ()
    """Names of an archive, an Orthanc or a destination to ask. None by default: a question about a patient goes only
    where the site says."""
    time_limit_seconds: float = Field(default=20, gt=0, le=600)
    """For all of them together; a report waits no longer, and says that it did not."""
    timeout_seconds: float = Field(default=10, gt=0)
    """For one answer."""
    retrieve: Literal["get", "move"] = "get"
    """C-GET needs no way back to us; some archives only do C-MOVE."""
    ae_title: AETitle = "NMUS_PRIORS"
    """Where C-MOVE sends to: a port of its own, open only meanwhile, so that no earlier report is taken for an exam."""
    host: str = "127.0.0.1"
    port: PeerPort = 11113

    def check(self, known: set[str]) -> None:
        """Refuse a name that stands nowhere.

        Raises
        ------
        ValueError
            Names it.
        """
        strange = [name for name in self.ask if name not in known]
        if strange:
            raise ValueError(
                f"[priors] ask names {strange[0]!r}, which is no [[archive]], [[orthanc]] or [[destination]]"
            )
