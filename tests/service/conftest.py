from __future__ import annotations

from pathlib import Path

import pytest

from service.ledger import open_ledger


@pytest.fixture(scope="session")
def empty_ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """File of a migrated ledger, to be copied: migrating takes longer than most tests."""
    folder = tmp_path_factory.mktemp("ledger")
    open_ledger(folder).close()
    return folder / "ledger.sqlite"
