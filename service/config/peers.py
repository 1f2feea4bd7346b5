"""The sections of peers that are asked or answered: archives, scanners, and what is done with their answers."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from service.config.fields import AETitle, PeerPort, Section


class Archive(Section):
    """``[[archive]]``: a PACS or a worklist that can be asked (C-FIND) and fetched from (C-MOVE)."""

    name: str = Field(min_length=1, max_length=64)
    ae_title: AETitle
    host: str
    port: PeerPort
    calling_ae_title: AETitle | None = None
    """Our title towards this peer; the listener's when absent. A C-MOVE sends to this title."""
    identity: bool = False
    """Ask it whose study it is before anything is analysed (Study Root, C-FIND)."""
    worklist: bool = False
    """The same of its modality worklist, by accession number."""
    reconcile: bool = False
    """Compare its images of the studies that we know, once a day, with those we hold."""
    fetch: bool = False
    """Have it send what we lack (C-MOVE to our listener, whose title and address it must know)."""
    timeout_seconds: float = Field(default=30, gt=0)
    """For one answer; archives that look on tape are no use while a study waits."""


class Scanner(Section):
    """``[[scanner]]``: where a sender that asks for storage commitment gets its answer."""

    ae_title: AETitle
    """As it calls itself when it asks."""
    host: str
    port: PeerPort
    timeout_seconds: float = Field(default=30, gt=0)


class Identity(Section):
    """``[identity]``: what must agree before a study is analysed, and who decides."""

    compare: tuple[Literal["patient_id", "patient_name", "birth_date", "accession"], ...] = (
        "patient_id",
        "patient_name",
        "birth_date",
        "accession",
    )
    """A value that either side leaves empty is not compared."""
    among_objects: bool = True
    """Objects of one study that name different patients quarantine it, with or without an archive to ask. Off only
    where phantoms or simulators write nonsense."""
    unknown: Literal["accept", "quarantine"] = "accept"
    """What to do with a study that no archive and no worklist knows: scanners often send to us first."""


class Reconcile(Section):
    """``[reconcile]``: the daily comparison with archives, Orthancs and destinations."""

    hours: float = Field(default=24, gt=0)
    days: float = Field(default=3, gt=0)
    """How far back; longer than a weekend that a PACS was down."""
    resend: bool = True
    """Send again what a destination lacks; it took it before."""
    fetch: bool = True
    """Fetch what an Orthanc source has and we lack."""


def names_once(archives: tuple[Archive, ...], scanners: tuple[Scanner, ...]) -> None:
    """Names and titles that are looked up must be unambiguous.

    Raises
    ------
    ValueError
        Names which are not.
    """
    for section, key, names in (
        ("archive", "name", [one.name for one in archives]),
        ("scanner", "ae_title", [one.ae_title for one in scanners]),
    ):
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"[[{section}]] has the {key} {twice[0]!r} more than once: they must differ")


def confirmable(confirm: str, ways: dict[str, bool]) -> None:
    """Whether a destination can be asked in the way that its settings want.

    Parameters
    ----------
    ways:
        ``dicom``, ``orthanc`` and ``dicomweb``: by which it can be reached.

    Raises
    ------
    ValueError
        Names what is lacking.
    """
    needed = {
        "none": (True, ""),
        "commitment": (ways["dicom"], "ae_title, host and port"),
        "find": (ways["dicom"] or ways["orthanc"], "ae_title, host and port, or orthanc"),
        "qido": (ways["dicomweb"], "dicomweb or qido"),
    }
    possible, lacking = needed[confirm]
    if not possible:
        raise ValueError(f"confirm {confirm!r} needs {lacking}")
