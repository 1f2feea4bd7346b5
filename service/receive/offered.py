"""What the listener takes: storage classes and transfer syntaxes, the preferred first."""

from __future__ import annotations

from pynetdicom import AllStoragePresentationContexts

RETIRED_ULTRASOUND = (
    "1.2.840.10008.5.1.4.1.1.6",  # Ultrasound Image Storage, retired
    "1.2.840.10008.5.1.4.1.1.3",  # Ultrasound Multi-frame Image Storage, retired
)
STORAGE_CLASSES = frozenset(str(context.abstract_syntax) for context in AllStoragePresentationContexts)
TRANSFER_SYNTAXES = tuple(
    f"1.2.840.10008.1.2{suffix}"
    for suffix in (
        # what needs no decoding, then what is decoded here, then what is kept for others; the first offered is taken
        ".1", "", ".4.50", ".5", ".4.90", ".4.91", ".4.80", ".4.81", ".4.70", ".4.57", ".4.51",
        ".4.201", ".4.202", ".4.203", ".4.102", ".4.103", ".4.104", ".4.105", ".4.106", ".4.100", ".4.101",
        ".4.107", ".4.108", ".4.92", ".4.93", ".1.98", ".1.99", ".2", ".4.102.1", ".4.103.1", ".4.104.1",
        ".4.105.1", ".4.106.1", ".4.100.1", ".4.101.1", ".4.94", ".4.95", ".4.204", ".4.205", ".4.110", ".4.111",
        ".4.112", ".8.1", ".7.1", ".7.2", ".7.3",
    )
)  # fmt: skip
