"""What has changed since an earlier exam, and whether it can be told from measurement error."""

from __future__ import annotations

from plugins.change.summary import SinceLast

__all__ = ["SinceLast"]
