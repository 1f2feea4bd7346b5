"""What the report says besides its findings: the device settings, and each value beside that of an earlier exam.

The settings are written so that a later exam can tell whether it may be compared with this one. A comparison is a NUM
(the change) inferred from the earlier value, the image of today and the earlier report, which the report's Pertinent
Other Evidence names too.
"""

from __future__ import annotations

from collections.abc import Mapping

from pydicom import Dataset

from plugins.contract import Change, Device, FrameRef, PriorReport, Side
from reference_store import anatomy
from reference_store.values import Code
from service.report import codes, tree
from service.report.measurement_groups import rounded
from service.report.source import frame_numbers
from service.report.tree import Item, Related
from service.report.units import unit
from service.report.values import Content


def settings_text(device: Device) -> str:
    """Device and settings as ``name: value`` parts; what the image does not say is left out."""
    parts = {
        "manufacturer": device.manufacturer,
        "model": device.model,
        "serial number": device.serial_number,
        "transducer": device.transducer,
        "preset": device.preset,
        "depth": None if device.depth_mm is None else f"{device.depth_mm:g} mm",
        "lossy compression": None if device.lossy is None else ("yes" if device.lossy else "no"),
    }
    return "; ".join(f"{name}: {value.replace(';', ',')}" for name, value in parts.items() if value)


def comparisons(content: Content, headers: Mapping[str, Dataset]) -> list[Item]:
    """Settings and comparisons, for the container of qualitative evaluations."""
    changes = [change for one in content.conclusions for change in one.changes]
    known = [change for change in changes if change.image.sop_instance_uid in headers]
    return [*_settings(content, headers), *(_comparison(change, headers) for change in known)]


def earlier_reports(content: Content) -> list[PriorReport]:
    """The reports that are compared with, which the document names as evidence."""
    return [change.report for one in content.conclusions for change in one.changes if change.report is not None]


def _settings(content: Content, headers: Mapping[str, Dataset]) -> list[Item]:
    """One text for each combination of settings, inferred from the images that have it."""
    images: dict[str, dict[str, None]] = {}
    for result in content.results:
        for clip in result.acquisition.clips:
            if clip.sop_instance_uid in headers and (text := settings_text(clip.device)):
                images.setdefault(text, {})[clip.sop_instance_uid] = None
    return [
        tree.text(
            Related.CONTAINS,
            codes.DEVICE_SETTINGS,
            text,
            [_image(FrameRef(uid), headers[uid]) for uid in sorted(uids)],
        )
        for text, uids in sorted(images.items())
    ]


def _comparison(change: Change, headers: Mapping[str, Dataset]) -> Item:
    days = tree.number(Related.HAS_PROPERTIES, codes.TIME_SINCE, rounded(change.days), Code("d", "UCUM", "day"))
    children = [
        tree.coded(Related.HAS_CONCEPT_MOD, codes.MEASUREMENT_COMPARED, change.code),
        _site(change),
        _number(Related.INFERRED_FROM, change.code, change.before, change.unit, [days]),
        _image(change.image, headers[change.image.sop_instance_uid]),
    ]
    if change.detectable is not None:
        children.append(_number(Related.HAS_PROPERTIES, codes.SMALLEST_DETECTABLE, change.detectable, change.unit))
        children.append(tree.text(Related.HAS_PROPERTIES, codes.REFERENCE_SOURCE, change.source))
    if change.report is not None:
        named = change.report.sop_class_uid, change.report.sop_instance_uid
        children.append(tree.composite(Related.INFERRED_FROM, codes.PRIOR_REPORT, *named))
    return _number(Related.CONTAINS, codes.CHANGE, change.difference, change.unit, children)


def _site(change: Change) -> Item:
    coded = anatomy.coded(change.structure, change.side)
    more: list[Item] = []
    laterality = {Side.LEFT: codes.LEFT, Side.RIGHT: codes.RIGHT}.get(change.side)
    if laterality is not None and coded == anatomy.structure(change.structure).code:
        more.append(tree.coded(Related.HAS_CONCEPT_MOD, codes.LATERALITY, laterality))
    if change.site:
        place = anatomy.site(change.site).code
        more.append(tree.coded(Related.HAS_CONCEPT_MOD, codes.TOPOGRAPHICAL_MODIFIER, place))
    return tree.coded(Related.HAS_CONCEPT_MOD, codes.FINDING_SITE, coded, more)


def _number(related: Related, code: Code, value: float, ucum: str, children: list[Item] | None = None) -> Item:
    return tree.number(related, code, rounded(value), unit(ucum), children or [])


def _image(image: FrameRef, source: Dataset) -> Item:
    frames = frame_numbers(source, image.frame) or ()
    names = str(source.SOPClassUID), str(source.SOPInstanceUID)
    return tree.image(Related.INFERRED_FROM, codes.SOURCE_IMAGE, *names, frames)
