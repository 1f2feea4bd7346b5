"""What the nerve areas of an exam say together: ratios, variability, pattern, published rules, change, and pages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from plugins.contract import Conclusion, Earlier, References, Result
from plugins.nerve_area import ratios
from plugins.nerve_area.exam import Exam, exam_of
from plugins.nerve_area.nerve_map import pages
from plugins.nerve_area.patterns import pattern
from plugins.nerve_area.protocols import BY_KEY, VERIFIED, Protocol


@dataclass(frozen=True, slots=True)
class NerveSummary:
    """Conclusions from all nerve areas of an exam; see README.md beside this file."""

    name: str = "nerve_summary"
    version: str = "0.1.0"
    protocols: tuple[str, ...] = VERIFIED
    """Published rules to ask, by key; see ``protocols.PROTOCOLS``."""
    confirmed: tuple[str, ...] = ()
    """Rules with recalled numbers that this site has confirmed against the source; others of that kind stay off."""

    def __post_init__(self) -> None:
        """Refuse a rule that does not exist."""
        unknown = [key for key in (*self.protocols, *self.confirmed) if key not in BY_KEY]
        if unknown:
            raise ValueError(f"unknown protocols {unknown}; known are {sorted(BY_KEY)}")

    def summarise(
        self, results: Sequence[Result], earlier: Sequence[Earlier], references: References
    ) -> Sequence[Conclusion]:
        """Conclude from the areas alone; nothing without at least one. Change over time is another summary's."""
        del earlier
        exam = exam_of(results)
        if not exam.areas:
            return ()
        conclusions, whole = [pattern(exam)], exam.of_one_piece()
        for figures in (
            ratios.wrist_forearm,
            ratios.side_to_side,
            ratios.intranerve,
            ratios.entrapment,
            ratios.swelling,
        ):
            conclusions.extend(figures(whole))
        asked = (BY_KEY[key] for key in dict.fromkeys((*self.protocols, *self.confirmed)))
        for protocol in asked:
            if not protocol.recalled or protocol.key in self.confirmed:
                conclusions.extend(_verdict(protocol, whole))
        shown = pages(exam)
        if shown:
            conclusions.append(Conclusion("nerve_map", "Nerve map", "All areas against their limits.", pages=shown))
        return tuple(conclusions)


def _verdict(protocol: Protocol, exam: Exam) -> list[Conclusion]:
    """What a rule says, where its images are in the exam."""
    verdict = protocol.rule(exam)
    if verdict is None:
        return []
    word = "met" if verdict.met else "not met"
    return [
        Conclusion(
            f"protocol_{protocol.key}",
            protocol.title,
            f"{word}: {verdict.text}. {protocol.performance[0].upper()}{protocol.performance[1:]}. Supportive only.",
            verdict.measurements,
            evidence=tuple(dict.fromkeys(area.image for area in verdict.areas)),
            source=protocol.source,
        )
    ]
