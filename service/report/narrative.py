"""What the numbers do not say: what was not assessed and why, and conclusions over the exam, with their evidence.

They stand in TID 1500's container of qualitative evaluations as texts, each inferred from the images it speaks of.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pydicom import Dataset

from plugins.contract import Conclusion, FrameRef, NotAssessable, Result, Side
from reference_store import anatomy
from reference_store.values import Code
from service.report import codes, tree
from service.report.source import frame_numbers
from service.report.tree import Item, Related
from service.report.units import unit
from service.report.values import Content, Unread


def evaluations(content: Content, headers: Mapping[str, Dataset]) -> list[Item]:
    """What stands in the container of qualitative evaluations; nothing where all was assessed and nothing concluded."""
    return [
        *(_text(codes.EXAM_CONCLUSION, _told(one), one.evidence, headers, one) for one in content.conclusions),
        *_not_assessed(content.results, headers),
        *(_unread(one, headers) for one in content.unread),
    ]


def where(result: Result) -> str:
    """What an acquisition shows, in words."""
    acquisition = result.acquisition
    if acquisition.structure is None:
        return "Structure not named"
    words = [anatomy.structure(acquisition.structure).name]
    if acquisition.side is not Side.UNKNOWN:
        words.append(acquisition.side.value)
    if acquisition.site:
        words.append(anatomy.site(acquisition.site).name.lower())
    return " ".join(words)


def _not_assessed(results: Iterable[Result], headers: Mapping[str, Dataset]) -> Iterable[Item]:
    """One text for each reason, inferred from all images that it holds for: a reader wants it once."""
    for result in results:
        reasons: dict[tuple[str, str, str], list[FrameRef]] = {}
        for outcome in result.outcomes:
            if isinstance(outcome, NotAssessable):
                every = [FrameRef(clip.sop_instance_uid) for clip in result.acquisition.clips]
                images = [outcome.image] if outcome.image else every
                reasons.setdefault((outcome.code.value, outcome.text, outcome.remedy), []).extend(images)
        by = f" ({result.plugin})" if result.plugin else ""
        for (code, said, remedy), images in reasons.items():
            many = f" in {len(images)} images" if len(images) > 1 else ""
            text = f"{where(result)}{by}: not assessed{many} ({code}): {said}. Remedy: {remedy}."
            yield _text(codes.NOT_ASSESSED, text, images, headers)


def _unread(one: Unread, headers: Mapping[str, Dataset]) -> Item:
    text = f"Received but not analysed ({one.code}): {one.text}. Remedy: {one.remedy}."
    return _text(codes.NOT_ASSESSED, text, (FrameRef(one.sop_instance_uid),), headers)


def _told(one: Conclusion) -> str:
    source = f" Source: {one.source}." if one.source else ""
    return f"{one.title}: {one.text}{source}"


def _text(
    code: Code,
    text: str,
    images: Iterable[FrameRef],
    headers: Mapping[str, Dataset],
    conclusion: Conclusion | None = None,
) -> Item:
    children = [_image(image, headers[image.sop_instance_uid]) for image in images if image.sop_instance_uid in headers]
    children += [
        tree.number(Related.INFERRED_FROM, one.code, float(one.value), unit(one.unit))
        for one in (conclusion.measurements if conclusion else ())
    ]
    return tree.text(Related.CONTAINS, code, text, children)


def _image(image: FrameRef, source: Dataset) -> Item:
    frames = frame_numbers(source, image.frame) or ()
    return tree.image(Related.INFERRED_FROM, codes.SOURCE_IMAGE, source.SOPClassUID, source.SOPInstanceUID, frames)
