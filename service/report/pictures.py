"""Which pictures a study's findings make: overlays of findings and of candidates, pages, overlay clips."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from plugins.contract import (
    Clip,
    Finding,
    FrameRef,
    Line,
    LineRole,
    NotAssessable,
    OverlayClip,
    Page,
    Result,
    Scope,
    Side,
)
from service.report.canvas import Picture
from service.report.captions import of_finding, of_refusal, place
from service.report.render import overlay, page
from service.report.source import NAME, VERSION
from service.report.values import Content, Making


@dataclass(frozen=True, slots=True)
class Shown:
    """One picture to be made into an object."""

    key: str
    title: str
    image: FrameRef
    draw: Callable[[], Picture]
    side: Side = Side.UNKNOWN

    @property
    def is_overlay(self) -> bool:
        """Of one image; else a page."""
        return "|overlay|" in self.key


def footer(result: Result | None, making: Making) -> str:
    """What made the picture and how far it may be trusted; stands under every one."""
    use = "" if making.plan.content_qualification == "PRODUCT" else "research use, "
    plugin = f" · {result.plugin} {result.version}" if result is not None and result.plugin else ""
    return f"{NAME} {VERSION}{plugin} · {use}not verified by a person"


def pictures(content: Content, making: Making) -> Iterator[Shown]:
    """All still pictures of a study, one after the other; nothing is drawn yet."""
    clips = {clip.sop_instance_uid: clip for one in content.results for clip in one.acquisition.clips}
    for result in content.results:
        yield from _of_result(result, clips, making)
    for conclusion in content.conclusions:
        for number, sheet in enumerate(conclusion.pages, 1):
            at = _anchor(sheet, conclusion.evidence) or next((FrameRef(uid) for uid in clips), None)
            if at is not None:
                draw = partial(_page, sheet, clips, footer(None, making))
                yield Shown(f"sc|conclusion|{conclusion.name}|{number}", sheet.title, at, draw)


def _of_result(result: Result, clips: Mapping[str, Clip], making: Making) -> Iterator[Shown]:
    below, about = footer(result, making), _about(result)
    for number, (outcome, whole) in enumerate(to_draw(result), 1):
        clip = clips[outcome.image.sop_instance_uid] if outcome.image else None
        if clip is None or outcome.image is None:
            continue
        if isinstance(outcome, Finding):
            lines = (Line(outcome.outline, LineRole.OUTLINE), *outcome.lines)
            caption = of_finding(result, outcome, whole, below)
        else:
            lines, caption = outcome.lines, of_refusal(result, outcome, below)
        draw = partial(overlay, clip, outcome.image.frame, lines, caption)
        yield Shown(f"sc|{about}|overlay|{number}", caption.title, outcome.image, draw, result.acquisition.side)
    sheets = [(sheet, outcome.image) for outcome in _with_pages(result) for sheet in outcome.pages]
    for number, (sheet, image) in enumerate(sheets, 1):
        at = image or _anchor(sheet, ()) or FrameRef(result.acquisition.clips[0].sop_instance_uid)
        draw = partial(_page, sheet, clips, below)
        yield Shown(f"sc|{about}|page|{number}", sheet.title, at, draw, result.acquisition.side)


def _page(sheet: Page, clips: Mapping[str, Clip], below: str) -> Picture:
    return page(sheet, lambda ref: clips.get(ref.sop_instance_uid), below)


def to_draw(result: Result) -> Iterator[tuple[Finding | NotAssessable, Finding | None]]:
    """Findings of images, each with the acquisition's own when it rests on that image; refusals with candidates."""
    findings = [one for one in result.outcomes if isinstance(one, Finding)]
    whole = {one.image: one for one in findings if one.scope is Scope.ACQUISITION}
    single = [one for one in findings if one.scope is Scope.IMAGE]
    for one in single:
        yield one, whole.get(one.image)
    yield from ((one, None) for image, one in whole.items() if image not in {other.image for other in single})
    yield from ((one, None) for one in result.outcomes if isinstance(one, NotAssessable) and one.lines)


def overlay_keys(result: Result) -> dict[str, str]:
    """Key of the overlay that shows an acquisition's own finding, by the SOP Instance UID of the image it rests on."""
    found = {}
    for number, (outcome, whole) in enumerate(to_draw(result), 1):
        shown = whole or outcome
        if isinstance(shown, Finding) and shown.scope is Scope.ACQUISITION and shown.image is not None:
            found[shown.image.sop_instance_uid] = f"sc|{_about(result)}|overlay|{number}"
    return found


def _with_pages(result: Result) -> list[Finding | NotAssessable]:
    """Whose pages are shown: the acquisition's, where it has any, for they hold its images; else those of each image.

    A page is several megabytes in the PACS; one for each repeated image beside the one for all tells nothing more.
    """
    whole = [
        one for one in result.outcomes if isinstance(one, Finding) and one.scope is Scope.ACQUISITION and one.pages
    ]
    return [one for one in result.outcomes if one in whole or not (whole and isinstance(one, Finding))]


def _about(result: Result) -> str:
    acquisition = result.acquisition
    kind = "cine" if acquisition.clips[0].frames.count > 1 else "still"
    where = (acquisition.structure or acquisition.clips[0].sop_instance_uid, acquisition.side.value)
    return "|".join((result.plugin, *where, acquisition.site or "", acquisition.view.value, kind))


def _anchor(sheet: Page, evidence: tuple[FrameRef, ...]) -> FrameRef | None:
    """The image that a page belongs to."""
    return next((panel.image for panel in sheet.panels if panel.image), evidence[0] if evidence else None)


@dataclass(frozen=True, slots=True)
class ShownClip:
    """One overlay clip to be made into an object."""

    key: str
    title: str
    clip: Clip
    wanted: OverlayClip
    side: Side = Side.UNKNOWN


def overlay_clips(content: Content) -> Iterator[ShownClip]:
    """The overlay clips that findings ask for and whose frames are there."""
    for result in content.results:
        clips = {clip.sop_instance_uid: clip for clip in result.acquisition.clips}
        found = [one.overlay_clip for one in result.outcomes if isinstance(one, Finding) and one.overlay_clip]
        for number, shown in enumerate(found, 1):
            clip = clips.get(shown.image.sop_instance_uid)
            if clip is not None and shown.start < min(shown.stop, clip.frames.count):
                yield ShownClip(
                    f"sc|{_about(result)}|clip|{number}",
                    place(result.acquisition),
                    clip,
                    shown,
                    result.acquisition.side,
                )
