"""A stand-in scanner: sends files by C-STORE as they lie, one association for an exam."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from pydicom import dcmread
from pydicom.uid import UID
from pynetdicom import AE
from pynetdicom.sop_class import Verification

from service.errors import Unreachable
from service.replies import keep_replies


def echo(host: str, port: int, called: str, calling: str = "DEMOSCANNER") -> bool:
    """Whether a verification SCP answers with Success."""
    ae = AE(calling)
    ae.add_requested_context(Verification)
    ae.connection_timeout = 5
    association = ae.associate(host, port, ae_title=called)
    if not association.is_established:
        return False
    keep_replies(association)
    try:
        return int(getattr(association.send_c_echo(), "Status", -1)) == 0
    finally:
        association.release()


def send(
    files: Iterable[Path],
    host: str,
    port: int,
    called: str,
    *,
    calling: str = "DEMOSCANNER",
    sent: Callable[[Path, int], None] = lambda _path, _status: None,
) -> dict[Path, int]:
    """Send files in their own transfer syntax.

    Returns
    -------
    dict
        Status of each file; -1 where the peer gave none.

    Raises
    ------
    Unreachable
        No association.
    """
    paths = list(files)
    ae = AE(calling)
    for sop_class, syntax in sorted({_context(path) for path in paths}):
        ae.add_requested_context(sop_class, syntax)
    ae.connection_timeout = 5
    association = ae.associate(host, port, ae_title=called)
    if not association.is_established:
        raise Unreachable(f"no association with {called} at {host}:{port}; is the listener running?")
    keep_replies(association)
    statuses: dict[Path, int] = {}
    try:
        for path in paths:
            statuses[path] = int(getattr(association.send_c_store(path), "Status", -1))
            sent(path, statuses[path])
    finally:
        association.release()
    return statuses


def _context(path: Path) -> tuple[UID, UID]:
    header = dcmread(path, stop_before_pixels=True, specific_tags=["SOPClassUID"])
    return UID(header.SOPClassUID), UID(header.file_meta.TransferSyntaxUID)
