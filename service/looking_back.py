"""Earlier exams of the patient, looked for while the plugins run; a report waits for them by a limit and no longer."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from plugins.contract import Conclusion, Earlier
from service.analyse.child import ChildFailed, Limits, call
from service.config import Settings
from service.errors import NmusError
from service.logs import event
from service.priors.looking import look

_LOG = logging.getLogger(__name__)
_MEMORY_MB, _OUTPUT_MB = 2048, 64


class LookingBack:
    """One search, begun when this is made. Everything foreign happens in a child process, killed at the limit."""

    def __init__(self, paths: Sequence[str], settings: Settings, scratch: Path, wanted: Callable[[], bool]) -> None:
        self._settings = settings
        self._values: tuple[Earlier, ...] = ()
        self._said: tuple[str, ...] = ()
        self._failed = ""
        self._thread: threading.Thread | None = None
        if settings.priors.ask:
            self._thread = threading.Thread(target=self._look, args=(paths, scratch, wanted), name="priors")
            self._thread.start()

    def found(self) -> tuple[tuple[Earlier, ...], tuple[Conclusion, ...]]:
        """The earlier values, and what the report is to say of the search; nothing where nobody is to be asked."""
        if self._thread is None:
            return (), ()
        self._thread.join()
        reports = len({one.report_uid for one in self._values})
        event(
            _LOG, logging.INFO, "earlier exams looked for", count=reports, reason=self._failed or " ".join(self._said)
        )
        return self._values, (self._told(reports),)

    def _look(self, paths: Sequence[str], scratch: Path, wanted: Callable[[], bool]) -> None:
        limits = Limits(self._settings.priors.time_limit_seconds, _MEMORY_MB, _OUTPUT_MB)
        try:
            self._values, self._said = call(look, paths, self._settings, limits=limits, scratch=scratch, wanted=wanted)
        except ChildFailed as failure:
            limit = f"no answer within {limits.time_s:g} s"
            self._failed = limit if failure.kind == "time-limit" else failure.kind
        except (NmusError, OSError) as error:
            self._failed = type(error).__name__

    def _told(self, reports: int) -> Conclusion:
        asked = ", ".join(self._settings.priors.ask)
        if self._failed:
            text = f"Not looked at: {self._failed} from {asked}. Nothing is said of change."
            return Conclusion("earlier_exams", "Earlier exams", text, evaluable=False)
        count = f"{reports} earlier report{'s' if reports != 1 else ''}" if reports else "No earlier report"
        text = "\n".join((f"{count} with readable measurements from {asked}.", *self._said))
        return Conclusion("earlier_exams", "Earlier exams", text, evaluable=not self._said)
