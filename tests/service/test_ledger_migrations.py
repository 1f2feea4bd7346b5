"""Forward from every schema that there has been: with rows in it, none is lost and the ledger works."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import sqlalchemy
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import MetaData, Table, create_engine, insert, inspect, select

from service.ledger import REVISION, migrate, open_ledger

FOLDER = Path(migrate.__file__).parent / "migrations"
WORDS = {
    ("study", "state"): "open",
    ("job", "state"): "queued",
    ("outbox", "state"): "waiting",
    ("process", "counters"): "{}",
    ("confirmation", "state"): "waiting",
    ("commitment_request", "state"): "asked",
}


def scripts() -> tuple[Config, ScriptDirectory]:
    configuration = Config()
    configuration.set_main_option("script_location", str(FOLDER))
    return configuration, ScriptDirectory.from_config(configuration)


REVISIONS = [script.revision for script in scripts()[1].walk_revisions()][::-1]


def value_of(table: Table, column: sqlalchemy.Column[Any]) -> object:
    if (table.name, column.name) in WORDS:
        return WORDS[table.name, column.name]
    if isinstance(column.type, sqlalchemy.Boolean):
        return False
    kind = column.type.python_type
    return "1.2.3" if kind is str else kind(1)


def filled(file: Path, revision: str) -> dict[str, dict[str, Any]]:
    """A ledger as that revision made it, with a row in every table; the rows."""
    engine = create_engine(f"sqlite:///{file}")
    configuration, _ = scripts()
    with engine.connect() as connection, connection.begin():
        configuration.attributes["connection"] = connection
        command.upgrade(configuration, revision)
    found = MetaData()
    found.reflect(engine)
    rows = {}
    with engine.begin() as connection:
        for table in found.sorted_tables:
            if table.name != "alembic_version":
                rows[table.name] = {column.name: value_of(table, column) for column in table.columns}
                connection.execute(insert(table).values(rows[table.name]))
    engine.dispose()
    return rows


@pytest.mark.parametrize("revision", REVISIONS)
def test_every_row_of_every_earlier_schema_survives(tmp_path: Path, revision: str) -> None:
    rows = filled(tmp_path / "ledger.sqlite", revision)
    assert {"instance", "study", "job", "result", "outbox", "event"} <= rows.keys()
    ledger = open_ledger(tmp_path)
    assert ledger.revision() == REVISION
    assert ledger.status().instances == 1 and ledger.status().open_studies == 1
    now = MetaData()
    now.reflect(ledger.engine)
    with ledger.reading() as connection:
        for name, row in rows.items():
            kept = connection.execute(select(now.tables[name])).mappings().one()
            assert {column: kept[column] for column in row} == row, name
    ledger.close()
    copy = tmp_path / f"ledger.sqlite.before-{revision}"
    assert copy.exists() == (revision != REVISION), "the ledger as it was lies beside it"
    if copy.exists():
        before = create_engine(f"sqlite:///{copy}")
        assert set(inspect(before).get_table_names()) == {*rows, "alembic_version"}
        before.dispose()
