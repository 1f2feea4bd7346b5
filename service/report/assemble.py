"""All objects of a study: reports, and overlays where the plan asks for them. Runs inside a child process."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

from service.errors import Unanalysable
from service.report.secondary_capture import secondary_captures
from service.report.source import header
from service.report.structured_report import structured_reports
from service.report.values import Content, Making, ReportObject

KINDS = ("reports", "pictures")
"""What is coded, with the pictures that fit in beside it, and what else is drawn: the two take about as long."""


def reports(
    content: Content, files: Mapping[str, Path], making: Making, kinds: Sequence[str] = KINDS
) -> tuple[ReportObject, ...]:
    """Write every object of a study, or those of some kinds, into ``making.folder``.

    Parameters
    ----------
    files:
        SOP Instance UID to file, for every image of the study that could be opened, whether analysed or not.

    Raises
    ------
    Unanalysable
        There is no image that a report could be about.
    """
    if not files:
        raise Unanalysable("the study has no image that a report could refer to", remedy="send its images again")
    with warnings.catch_warnings():
        # pydicom and highdicom warn of odd values and quote them; a patient's name must not reach a log.
        warnings.simplefilter("ignore", UserWarning)
        headers = {uid: header(path) for uid, path in files.items()}
        made: list[ReportObject] = []
        if "reports" in kinds:
            made += structured_reports(content, headers, making)
            if making.plan.presentation_states:
                from service.report.presentation_states import presentation_states  # noqa: PLC0415 - brings highdicom

                made += presentation_states(content, headers, making)
        if making.plan.secondary_capture:
            made += secondary_captures(content, headers, making, kinds)
        if "pictures" in kinds and making.plan.pdf:
            from service.report.encapsulated_pdf import encapsulated_pdf  # noqa: PLC0415 - only where it is asked for

            made.append(encapsulated_pdf(content, headers, making))
        return tuple(made)
