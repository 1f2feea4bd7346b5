"""Left and right of a muscle side by side in one picture."""

from __future__ import annotations

from collections.abc import Sequence

from plugins.contract import Box, Finding, Line, LineRole, Page, Panel

ACROSS = 3
"""Images shown of each side; a page holds six panels."""


Shown = tuple[Finding, Box | None]
"""A finding and the part of its picture to show."""


def contact_sheet(title: str, left: Sequence[Shown], right: Sequence[Shown], text: Sequence[str]) -> Page:
    """Up to three images of each side, left above right, each with its outline and mean grey level.

    Both sides get the same number of panels, so that they lie in rows under each other.
    """
    count = min(ACROSS, len(left), len(right))
    panels = [*_row("left", left[:count]), *_row("right", right[:count])]
    return Page(title=title, panels=tuple(panels), footer=tuple(text))


def _row(side: str, shown: Sequence[Shown]) -> list[Panel]:
    return [
        Panel(title=f"{side} {number}: {_echo(finding)}", image=finding.image, crop=crop, lines=(_outline(finding),))
        for number, (finding, crop) in enumerate(shown, start=1)
    ]


def _outline(finding: Finding) -> Line:
    return Line(finding.outline, LineRole.OUTLINE)


def _echo(finding: Finding) -> str:
    value = next((m.value for m in finding.measurements if m.name == "echo_intensity_mean"), None)
    return "" if value is None else f"echo intensity {value:.1f}"
