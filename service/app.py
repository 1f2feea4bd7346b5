"""What the service is built of, and its steps, on one page."""

from __future__ import annotations

from service.analyse.registry import Registry, registry
from service.config import Settings


def registry_of(settings: Settings) -> Registry:
    """The plugins that the settings ask for."""
    return registry(
        enabled=settings.analysis.enabled or None,
        disabled=settings.analysis.disabled,
        parameters=settings.analysis.parameters,
    )
