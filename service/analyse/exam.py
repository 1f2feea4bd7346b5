"""One study as the plugins see it: its acquisitions, and what could not be looked at. Made inside a child process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from plugins.contract import Acquisition
from service.analyse.acquisitions import MappingRule, acquisitions
from service.analyse.read import Drawn, Image, Unread, read_files


@dataclass(frozen=True, slots=True)
class Exam:
    """What one study holds."""

    acquisitions: tuple[Acquisition, ...]
    files: tuple[tuple[str, str], ...]
    """(SOP Instance UID, path) of every image that can be looked at."""
    unread: tuple[Unread, ...] = ()
    remarks: tuple[tuple[str, str], ...] = ()
    """(SOP Instance UID, what was doubted on reading it)."""
    drawn_in: tuple[str, ...] = ()
    """Paths of presentation states, reports and segmentations whose drawings were taken."""


def read_exam(paths: Sequence[str], rules: Sequence[MappingRule]) -> Exam:
    """Read the files of one study and group its images. One bad file costs no other.

    Parameters
    ----------
    paths:
        Every object of the study, images or not.
    rules:
        The site's own mapping.
    """
    read = read_files(paths)
    images = [one for one in read if isinstance(one, Image)]
    return Exam(
        acquisitions(images, rules),
        tuple((one.clip.sop_instance_uid, one.path) for one in images),
        tuple(one for one in read if isinstance(one, Unread)),
        tuple((one.clip.sop_instance_uid, remark) for one in images for remark in one.remarks),
        tuple(one.path for one in read if isinstance(one, Drawn) and one.drawings),
    )
