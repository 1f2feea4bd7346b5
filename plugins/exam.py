"""The service's own summary: what of the exam was not assessed, and why. It speaks for every plugin."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from plugins.contract import (
    Conclusion,
    Earlier,
    Finding,
    FrameRef,
    NotAssessable,
    References,
    Result,
)
from plugins.titles import title_of


@dataclass(frozen=True, slots=True)
class Coverage:
    """Which structures were not assessed, or not in every image, with the reason and the remedy."""

    name: str = "coverage"
    version: str = "0.1.0"

    def summarise(
        self, results: Sequence[Result], earlier: Sequence[Earlier], references: References
    ) -> Sequence[Conclusion]:
        """One conclusion: a sentence for every result that has a gap, or that there is none."""
        del earlier, references
        gaps = [(result, refused) for result in results if (refused := _refused(result))]
        if not results:
            return ()
        if not gaps:
            return (
                Conclusion(self.name, "All assessed", "Every structure that was received was assessed in every image."),
            )
        return (
            Conclusion(
                name=self.name,
                title="Not assessed, or not in every image",
                text="\n".join(_sentence(result, refused) for result, refused in gaps),
                evidence=tuple(_images(refused for _, refused in gaps)),
                source="the refusals of the analyses themselves",
            ),
        )


def _refused(result: Result) -> tuple[NotAssessable, ...]:
    return tuple(outcome for outcome in result.outcomes if isinstance(outcome, NotAssessable))


def _sentence(result: Result, refused: Sequence[NotAssessable]) -> str:
    """``Biceps brachii, left (echogenicity): not assessed: why. Remedy: what.``"""
    measured = sum(isinstance(outcome, Finding) for outcome in result.outcomes)
    by = f" ({result.plugin.replace('_', ' ')})" if result.plugin else ""
    extent = "not assessed" if measured == 0 else f"{len(refused)} of {len(result.acquisition.clips)} images left out"
    reasons = Counter((outcome.text, outcome.remedy) for outcome in refused)
    said = "; ".join(
        f"{text}{f' ({count} images)' if count > 1 else ''}{f'. Remedy: {remedy}' if remedy else ''}"
        for (text, remedy), count in reasons.items()
    )
    return f"{_title(result)}{by}: {extent}: {said}."


def _title(result: Result) -> str:
    """Structure, side, site and view, as far as known; the images' number where the structure is not."""
    acquisition = result.acquisition
    if acquisition.structure is None:
        count = len(acquisition.clips)
        return f"Structure not known ({count} image{'s' if count > 1 else ''})"
    return title_of(acquisition)


def _images(groups: Iterable[Sequence[NotAssessable]]) -> list[FrameRef]:
    """The images that were refused, each once, in order."""
    found: dict[FrameRef, None] = {}
    for group in groups:
        found.update(dict.fromkeys(outcome.image for outcome in group if outcome.image is not None))
    return list(found)
