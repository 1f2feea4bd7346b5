"""For all tests: how long one example of hypothesis takes says more of the machine's load than of the code."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("nmus", deadline=None)
settings.load_profile("nmus")
