"""The ``nmus`` command. Nothing else lives here: a child process cannot import what is defined in ``__main__``."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from service.commands import main as _main


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    return _main(sys.argv[1:] if arguments is None else arguments)


if __name__ == "__main__":
    sys.exit(main())
