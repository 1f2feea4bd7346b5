"""Audit messages by DICOM PS3.15 annex A.5: written to a spool of their own first, carried to a collector later.

They name patients and users by design. So they never pass through the ordinary log, lie in files of mode 0600, and
leave this machine by TLS unless somebody decided otherwise.
"""

from __future__ import annotations

from service.audit.messages import Actor, Patient, Study, message
from service.audit.spool import Spool
from service.audit.trail import Trail, open_trail

__all__ = ["Actor", "Patient", "Spool", "Study", "Trail", "message", "open_trail"]
