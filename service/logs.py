"""JSON lines for machines, one event a line, without patient data.

A field is written only if it stands on the list of fields below; UIDs may, names and identifiers of persons may not.
What belongs to the unit of work (association, study, job) is bound once with :func:`bound` and appears in every
line inside. Control characters are escaped by JSON, so no peer can forge a line. pynetdicom and pydicom log
identifiers when they debug: their loggers are capped at warning, and their texts are not written at all.
"""

from __future__ import annotations

import contextlib
import json
import logging
import sys
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType

FIELDS = frozenset(
    {
        "association", "peer", "calling_ae_title", "called_ae_title", "source", "destination", "study_instance_uid",
        "series_instance_uid", "sop_instance_uid", "sop_class_uid", "transfer_syntax_uid", "job", "generation",
        "attempt", "plugin", "version", "state", "status", "reason", "remedy", "count", "bytes", "seconds", "path",
        "port", "host", "process", "pid", "signal", "setting", "sha256", "key", "free_mb", "error", "url", "role",
        "rejected", "revision", "exit_code", "file",
    }
)  # fmt: skip
"""Everything a line may carry besides time, level, logger and event. A new field is added here after a thought."""
FOREIGN = (
    "pynetdicom", "pydicom", "highdicom", "httpx", "httpcore", "apscheduler", "alembic", "sqlalchemy", "uvicorn",
)  # fmt: skip

_CONTEXT: ContextVar[Mapping[str, object]] = ContextVar("nmus_log_context", default=MappingProxyType({}))


@contextlib.contextmanager
def bound(**fields: object) -> Iterator[None]:
    """Every line logged inside bears these fields.

    Raises
    ------
    ValueError
        A field is not on the list: it could hold patient data.
    """
    _check(fields)
    token = _CONTEXT.set({**_CONTEXT.get(), **fields})
    try:
        yield
    finally:
        _CONTEXT.reset(token)


def event(logger: logging.Logger, level: int, name: str, /, **fields: object) -> None:
    """Log one event: a constant name and fields from the list.

    Raises
    ------
    ValueError
        A field is not on the list.
    """
    _check(fields)
    logger.log(level, name, extra={"nmus": {**_CONTEXT.get(), **fields}})


def _check(fields: dict[str, object]) -> None:
    unknown = fields.keys() - FIELDS
    if unknown:
        raise ValueError(f"log field {sorted(unknown)[0]!r} is not on the list in service.logs.FIELDS")


class JsonLines(logging.Formatter):
    """One JSON object a line; non-ASCII and control characters come out as escapes."""

    def format(self, record: logging.LogRecord) -> str:
        """Render; the message of a foreign logger is replaced by its place in the code."""
        ours = record.name == "service" or record.name.startswith("service.")
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage() if ours else f"{record.module}:{record.lineno}",
        }
        line.update(getattr(record, "nmus", None) or _CONTEXT.get())
        if record.exc_info and record.exc_info[0] is not None:
            line["exception"] = record.exc_info[0].__name__
            line["at"] = _places(record)
        return json.dumps(line, default=str)


def _places(record: logging.LogRecord) -> list[str]:
    """Where an exception passed, innermost last: file and line, never values, which may be a patient's."""
    places: list[str] = []
    trace = record.exc_info[2] if record.exc_info else None
    while trace is not None:
        places.append(f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}")
        trace = trace.tb_next
    return places[-12:]


def set_up(level: str = "info", file: Path | None = None) -> None:
    """Send every log of this process to standard error or to a file, as JSON lines. Calling again replaces it."""
    handler: logging.Handler
    if file is None:
        handler = logging.StreamHandler(sys.stderr)
    else:
        file.parent.mkdir(parents=True, exist_ok=True)
        handler = logging.FileHandler(file, encoding="utf-8")
    handler.setFormatter(JsonLines())
    # on a full disk lines are lost; Python would else write the foreign texts that we leave out to standard error
    logging.raiseExceptions = False
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
        old.close()
    root.addHandler(handler)
    root.setLevel(level.upper())
    for name in FOREIGN:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("pynetdicom").setLevel(logging.CRITICAL)
