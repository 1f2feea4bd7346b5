"""The plugins and summaries that come with nmus. A new one is a folder and a line here."""

from __future__ import annotations

from plugins.change import SinceLast
from plugins.contract import Plugin, Summary
from plugins.echogenicity import Echogenicity
from plugins.echogenicity.summary import MuscleExam
from plugins.exam import Coverage
from plugins.fasciculation import Fasciculation, FasciculationExam
from plugins.nerve_area import NerveArea, NerveSummary

BUILTIN: tuple[Plugin, ...] = (Echogenicity(), NerveArea(), Fasciculation())
SUMMARIES: tuple[Summary, ...] = (MuscleExam(), NerveSummary(), FasciculationExam(), SinceLast(), Coverage())
