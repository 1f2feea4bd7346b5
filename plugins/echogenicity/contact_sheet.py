"""Left and right of a muscle side by side in one picture."""

from __future__ import annotations

from collections.abc import Sequence

from plugins.contract import Box, Finding, Line, LineRole, Page, Panel

OF_A_SIDE = 3
"""Images shown of each side; a page holds six panels."""


Shown = tuple[Finding, Box | None]
"""A finding and the part of its picture to show."""


def contact_sheet(title: str, left: Sequence[Shown], right: Sequence[Shown], text: Sequence[str]) -> Page:
    """Up to three images of each side, left beside right, each with its outline and mean grey level.

    Both sides get the same number of panels, so that every left image has a right one at its side.
    """
    count = min(OF_A_SIDE, len(left), len(right))
    pairs = zip(_panels("left", left[:count]), _panels("right", right[:count]), strict=True)
    return Page(title=title, panels=tuple(panel for pair in pairs for panel in pair), footer=tuple(text), columns=2)


def _panels(side: str, shown: Sequence[Shown]) -> list[Panel]:
    return [
        Panel(title=f"{side} {number}: {_echo(finding)}", image=finding.image, crop=crop, lines=(_outline(finding),))
        for number, (finding, crop) in enumerate(shown, start=1)
    ]


def _outline(finding: Finding) -> Line:
    return Line(finding.outline, LineRole.OUTLINE)


def _echo(finding: Finding) -> str:
    value = next((m.value for m in finding.measurements if m.name == "echo_intensity_mean"), None)
    return "" if value is None else f"echo intensity {value:.1f}"
