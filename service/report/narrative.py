"""What the numbers do not say: what was not assessed and why, and conclusions over the exam, with their evidence.

They stand in TID 1500's container of qualitative evaluations as texts, each inferred from the images it speaks of.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from highdicom import sr
from pydicom import Dataset

from plugins.contract import Conclusion, FrameRef, NotAssessable, Result, Side
from reference_store import anatomy
from reference_store.values import Code
from service.report import codes
from service.report.codes import concept
from service.report.source import frame_numbers
from service.report.units import unit
from service.report.values import Content, Unread

_CONTAINS = sr.RelationshipTypeValues.CONTAINS
_INFERRED = sr.RelationshipTypeValues.INFERRED_FROM
QUALITATIVE_EVALUATIONS = Code("C0034375", "UMLS", "Qualitative Evaluations")


def evaluations(content: Content, headers: Mapping[str, Dataset]) -> sr.ContainerContentItem | None:
    """The container, or ``None`` where everything was assessed and nothing concluded."""
    items = [
        *(_text(codes.EXAM_CONCLUSION, _told(one), one.evidence, headers, one) for one in content.conclusions),
        *_not_assessed(content.results, headers),
        *(_unread(one, headers) for one in content.unread),
    ]
    if not items:
        return None
    container = sr.ContainerContentItem(concept(QUALITATIVE_EVALUATIONS), relationship_type=_CONTAINS)
    container.ContentSequence = sr.ContentSequence(items)
    return container


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


def _not_assessed(results: Iterable[Result], headers: Mapping[str, Dataset]) -> Iterable[sr.TextContentItem]:
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


def _unread(one: Unread, headers: Mapping[str, Dataset]) -> sr.TextContentItem:
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
) -> sr.TextContentItem:
    item = sr.TextContentItem(concept(code), text, relationship_type=_CONTAINS)
    children: list[Dataset] = [
        _image(image, headers[image.sop_instance_uid]) for image in images if image.sop_instance_uid in headers
    ]
    children += [
        sr.NumContentItem(concept(one.code), float(one.value), unit(one.unit), relationship_type=_INFERRED)
        for one in (conclusion.measurements if conclusion else ())
    ]
    if children:
        item.ContentSequence = sr.ContentSequence(children)
    return item


def _image(image: FrameRef, source: Dataset) -> sr.ImageContentItem:
    frames = frame_numbers(source, image.frame)
    return sr.ImageContentItem(
        concept(codes.SOURCE_IMAGE),
        source.SOPClassUID,
        source.SOPInstanceUID,
        referenced_frame_numbers=frames,
        relationship_type=_INFERRED,
    )
