"""Named places at which a test can have a process die as if the power went.

Does nothing unless the environment variable ``NMUS_CRASH_AT`` names the place. Random kills miss the narrow windows
(between sending and recording, between rename and commit); a named point meets them each time.
"""

from __future__ import annotations

import os
import signal

POINTS = (
    "before_put",
    "after_put",
    "after_rename",
    "before_row",
    "mid_plugin",
    "handed_over",
    "mid_send",
    "after_send_before_row",
)
"""``before_put``, ``after_put``: a bucket has it not yet, or has it, and no row says so. ``after_rename``: file in its
place, folder not yet flushed. ``before_row``: file durable, not in the ledger.
``mid_plugin``: in a plugin's process. ``handed_over``: some of a job's objects may go out, others are not made yet.
``mid_send``: object half sent. ``after_send_before_row``: peer has it."""

_AT = os.environ.get("NMUS_CRASH_AT", "")


def point(name: str) -> None:
    """Die here, without any cleaning up, if this is the place that was named."""
    if name == _AT:
        os.kill(os.getpid(), signal.SIGKILL)
