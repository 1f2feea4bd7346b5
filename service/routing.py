"""Which analyses a study gets and who is sent what of its results: the settings, and the workflows it came for."""

from __future__ import annotations

from dataclasses import dataclass, replace

from service.analyse.registry import Registry
from service.config import Course, Destination, Settings, course
from service.errors import Misconfigured
from service.report.values import ReportObject


@dataclass(frozen=True, slots=True)
class Route:
    """What is done with one study."""

    settings: Settings
    course: Course
    destinations: tuple[Destination, ...]
    """Who gets results of it."""

    def registry(self, whole: Registry) -> Registry:
        """The plugins that run; the summaries say what they can of what those found."""
        return replace(whole, plugins=tuple(one for one in whole.plugins if self.course.runs(one.name)))

    @property
    def sr_classes(self) -> tuple[str, ...]:
        """What any destination asks for; the site's own choice where there is none."""
        usual = self.settings.report.sr_class
        asked = {to.sr_class or usual for to in self.destinations if "sr" in to.objects}
        return tuple(sorted(asked)) or (usual,)

    def is_asked_for(self, role: str) -> bool:
        """Whether any destination is to get this kind of object: what nobody asks for is not made."""
        return any(role in to.objects for to in self.destinations)

    @property
    def wants_captures_without_loss(self) -> bool:
        """Whether a destination wants captures in a way of its own: then stills are made without loss."""
        return any("sc" in to.objects and to.captures != "as made" for to in self.destinations)

    def receivers(self, one: ReportObject) -> tuple[str, ...]:
        """Names of the destinations that get this object."""
        return tuple(to.name for to in self.destinations if self._wants(to, one))

    def _wants(self, destination: Destination, one: ReportObject) -> bool:
        if one.role not in destination.objects:
            return False
        return not one.sr_class or one.sr_class == (destination.sr_class or self.settings.report.sr_class)


def route(settings: Settings, called: tuple[str, ...]) -> Route:
    """What is done with a study that came by these ways (``Ledger.called``)."""
    chosen = course(settings.workflow, called)
    return Route(settings, chosen, tuple(one for one in settings.destination if chosen.goes_to(one.name)))


def check_workflows(settings: Settings, registry: Registry) -> None:
    """Let a workflow that asks for an analysis which is not there be wrong now.

    Raises
    ------
    Misconfigured
        Names workflow and plugin.
    """
    there = {one.name for one in registry.plugins}
    for workflow in settings.workflow:
        strange = [name for name in workflow.plugins or () if name not in there]
        if strange:
            raise Misconfigured(
                f"[[workflow]] {workflow.name!r} names the plugin {strange[0]!r}, which is not installed or is off; "
                f"there are {', '.join(sorted(there))}"
            )
