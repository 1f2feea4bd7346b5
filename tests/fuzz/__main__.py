"""Fuzz one target for as long as you like: ``python tests/fuzz dataset -max_total_time=600``.

Needs Atheris (``pip install atheris``), which guides the changes by what they reach. New inputs that reach something
new go into a folder of their own beside the system's temporary files; an input that finds a fault is written to the
folder it is run in as ``crash-…`` (or ``timeout-…``, ``oom-…``): mend the fault, then put it into ``corpus/TARGET``.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parents[1])]

_TABLES = {
    *(f"pydicom.{name}" for name in ("_dicom_dict", "_private_dict", "_uid_dict", "_storage_sopclass_uids", "uid")),
    *(f"pydicom.sr.{name}" for name in ("_concepts_dict", "_snomed_dict", "_cid_dict")),
    *(f"pynetdicom.{name}" for name in ("_globals", "sop_class", "status", "_config")),
}
"""Dictionaries: to instrument them takes minutes and tells nothing."""


def main() -> None:
    """Run libFuzzer on one target; further arguments are its own."""
    import atheris

    with atheris.instrument_imports(include=["service", "pydicom", "pynetdicom"], exclude=_TABLES):
        import targets
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    if name not in targets.TARGETS:
        raise SystemExit(f"usage: python tests/fuzz {{{','.join(targets.TARGETS)}}} [libFuzzer's options]")
    found = Path(tempfile.gettempdir()) / f"nmus-fuzz-{name}"
    found.mkdir(exist_ok=True)
    options = ["-timeout=20", "-rss_limit_mb=3000", "-max_len=65536", *sys.argv[2:]]
    atheris.Setup([sys.argv[0], *options, str(found), str(HERE / "corpus" / name)], targets.TARGETS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
