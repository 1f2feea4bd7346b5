"""``nmus backup`` and ``nmus restore``: whole, proven, never over anything, and back again after a kill."""

from __future__ import annotations

import argparse
import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from service import app, config
from service.commands import backup, backup_files, restore
from service.commands.backup_files import BadBackup
from service.errors import Misconfigured
from service.ledger import open_ledger
from service.receive.archive import Archive
from service.receive.intake import Intake


def settings_file(folder: Path, more: str = "") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "nmus.toml"
    path.write_text(f'[service]\ndata_folder = "data"\n{more}\n[references]\nfolder = "refs"\n', encoding="utf-8")
    return path


def nmus(command, *words: object) -> int:
    parser = argparse.ArgumentParser()
    command.add_parser(parser.add_subparsers(dest="command"))
    return command.run(parser.parse_args([command.__name__.rpartition(".")[2], *map(str, words)]))


@pytest.fixture
def site(tmp_path, an_image, encode) -> Path:
    """A service's folder with three received objects, a reference decision and the key; the settings file's path."""
    settings = settings_file(tmp_path / "site")
    data = tmp_path / "site" / "data"
    ledger = open_ledger(data)
    intake = Intake(ledger, Archive(data))
    for number in (1, 2, 3):
        keep(intake, an_image(study=f"1.2.{number}"), encode)
    app.secret_of(data)
    (data / "spool" / "7-1.part").write_bytes(b"unfinished")
    refs = tmp_path / "site" / "refs"
    refs.mkdir()
    (refs / "events.jsonl").write_text('{"kind": "activate"}\n')
    ledger.close()
    return settings


def keep(intake: Intake, dataset, encode) -> None:
    incoming = intake.begin(str(dataset.SOPClassUID), str(dataset.SOPInstanceUID), "1.2.840.10008.1.2.1", "US1")
    incoming.write(encode(dataset))
    intake.take(incoming, "US1", "127.0.0.1", (str(dataset.SOPClassUID), str(dataset.SOPInstanceUID)))


def rows(data: Path, address: str = "") -> list[tuple[str, str, str]]:
    ledger = open_ledger(data, address)
    try:
        return sorted((o.sop_instance_uid, o.sha256, o.path) for n in (1, 2, 3) for o in ledger.instances(f"1.2.{n}"))
    finally:
        ledger.close()


def test_a_round_trip_brings_everything_back_and_nothing_unfinished(site, tmp_path, capsys) -> None:
    copy = tmp_path / "backup"
    assert nmus(backup, copy, "--settings", site) == 0
    subprocess.run(["sha256sum", "--check", "--strict", "--quiet", backup_files.MANIFEST], cwd=copy, check=True)
    assert nmus(restore, copy, "--check", "--json") == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["restored_to"] is None
    there = settings_file(tmp_path / "elsewhere")
    assert nmus(restore, copy, "--settings", there) == 0
    old, new = site.parent, there.parent
    assert rows(new / "data") == rows(old / "data") != []
    for path in sorted((old / "data" / "archive").rglob("*.dcm")):
        assert (new / path.relative_to(old)).read_bytes() == path.read_bytes()
    assert (new / "data" / "pseudonyms.key").read_bytes() == (old / "data" / "pseudonyms.key").read_bytes()
    assert (new / "refs" / "events.jsonl").read_text() == (old / "refs" / "events.jsonl").read_text()
    assert list(new.rglob("*.part")) == [] and not (new / "data" / app.RESTORING).exists()
    app.check(config.load(there))
    assert all(path.stat().st_mode & 0o077 == 0 for path in (new / "data").rglob("*") if path.is_file())


def test_nothing_is_ever_overwritten(site, tmp_path) -> None:
    copy = tmp_path / "backup"
    nmus(backup, copy, "--settings", site)
    before = {
        path: path.read_bytes() for path in site.parent.rglob("*") if path.is_file() and path.suffix != ".sqlite-shm"
    }
    with pytest.raises(BadBackup, match="not empty"):
        nmus(backup, copy, "--settings", site)
    with pytest.raises(BadBackup, match=r"data_folder .* is not empty"):
        nmus(restore, copy, "--settings", site)
    there = settings_file(tmp_path / "elsewhere")
    (there.parent / "refs").mkdir()
    (there.parent / "refs" / "mine.json").write_text("{}")
    with pytest.raises(BadBackup, match=r"references\.folder"):
        nmus(restore, copy, "--settings", there)
    assert not (there.parent / "data").exists()
    assert {path: path.read_bytes() for path in before} == before


@pytest.mark.parametrize("harm", ["cut", "gone", "manifest", "unfinished", "outside"])
def test_a_backup_that_is_not_whole_is_refused_and_leaves_nothing(site, tmp_path, harm) -> None:
    copy = tmp_path / "backup"
    nmus(backup, copy, "--settings", site)
    image = next((copy / "data" / "archive").rglob("*.dcm"))
    head = copy / backup_files.HEAD
    if harm == "cut":
        image.write_bytes(image.read_bytes()[:-1])
    elif harm == "gone":
        image.unlink()
    elif harm == "manifest":
        (copy / backup_files.MANIFEST).write_text("")
    elif harm == "unfinished":
        head.unlink()
    else:
        text = (copy / backup_files.MANIFEST).read_text().replace("  data/pseudonyms.key", "  ../pseudonyms.key")
        (copy / backup_files.MANIFEST).write_text(text)
        raw = json.loads(head.read_text())
        head.write_text(json.dumps(raw | {"manifest_sha256": backup_files.digest_of(copy / backup_files.MANIFEST)}))
    there = settings_file(tmp_path / "elsewhere")
    with pytest.raises(BadBackup):
        nmus(restore, copy, "--settings", there)
    assert not (there.parent / "data").exists()


def test_what_an_earlier_backup_has_is_linked_and_still_proven(site, tmp_path, an_image, encode) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    nmus(backup, first, "--settings", site)
    data = site.parent / "data"
    ledger = open_ledger(data)
    keep(Intake(ledger, Archive(data)), an_image(study="1.2.1"), encode)
    ledger.close()
    nmus(backup, second, "--base", first, "--settings", site)
    images = sorted((second / "data" / "archive").rglob("*.dcm"))
    assert [path.stat().st_nlink for path in images].count(2) == 3 and len(images) == 4
    shutil.rmtree(first)
    there = settings_file(tmp_path / "elsewhere")
    assert nmus(restore, second, "--settings", there) == 0
    assert len(rows(there.parent / "data")) == 4


def test_a_file_that_the_ledger_names_and_that_is_gone_is_said(site, tmp_path, capsys) -> None:
    next((site.parent / "data" / "archive").rglob("*.dcm")).unlink()
    assert nmus(backup, tmp_path / "backup", "--settings", site, "--json") == 1
    assert len(json.loads(capsys.readouterr().out)["missing"]) == 1


def test_a_ledger_of_a_later_version_is_refused(site, tmp_path) -> None:
    copy = tmp_path / "backup"
    nmus(backup, copy, "--settings", site)
    raw = json.loads((copy / backup_files.HEAD).read_text())
    (copy / backup_files.HEAD).write_text(json.dumps(raw | {"revision": "9999"}))
    there = settings_file(tmp_path / "elsewhere")
    with pytest.raises(BadBackup, match="later version"):
        nmus(restore, copy, "--settings", there)
    assert not (there.parent / "data").exists()


def test_a_restore_killed_on_the_way_is_no_service_and_is_taken_up_again(site, tmp_path, until) -> None:
    """A real kill -9, while files arrive."""
    data = site.parent / "data"
    for number in range(300):  # so many that the kill comes in the middle
        (data / "quarantine" / f"{number}.txt").write_text("x" * 1000)
    copy = tmp_path / "backup"
    nmus(backup, copy, "--settings", site)
    there = settings_file(tmp_path / "elsewhere")
    new = there.parent / "data"
    command = [sys.executable, "-P", "-m", "service", "restore", str(copy), "--settings", str(there)]
    process = subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not list(new.glob("*/*")) and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.001)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if not (new / app.RESTORING).exists():
        pytest.fail("the restore was over before it was killed; give it more to do")
    assert not (new / "ledger.sqlite").exists(), "the ledger comes last"
    with pytest.raises(Misconfigured, match="restore"):
        app.check(config.load(there))
    assert nmus(restore, copy, "--settings", there) == 0
    assert rows(new) == rows(data)
    app.check(config.load(there))


def test_the_copy_is_one_moment_while_the_listener_writes(site, tmp_path, an_image, encode) -> None:
    """Objects keep coming in during the backup: whatever its ledger names, it holds."""
    data = site.parent / "data"
    script = (
        "import sys; from pathlib import Path; sys.path.insert(0, sys.argv[2]);"
        "import conftest as c; from service.ledger import open_ledger; from service.receive.archive import Archive;"
        "from service.receive.intake import Intake\n"
        "data = Path(sys.argv[1]); intake = Intake(open_ledger(data), Archive(data))\n"
        "while True:\n"
        "    d = c.image(study='1.2.1'); u = (str(d.SOPClassUID), str(d.SOPInstanceUID))\n"
        "    i = intake.begin(*u, '1.2.840.10008.1.2.1', 'US1'); i.write(c.encoded(d))\n"
        "    intake.take(i, 'US1', '::1', u)\n"
    )
    writer = subprocess.Popen([sys.executable, "-c", script, str(data), str(Path(__file__).parent)])
    try:
        deadline = time.monotonic() + 60
        while len(rows(data)) < 8 and time.monotonic() < deadline:
            assert writer.poll() is None, "the writer died"
            time.sleep(0.05)
        assert nmus(backup, tmp_path / "backup", "--settings", site) == 0
    finally:
        writer.kill()
        writer.wait()
    there = settings_file(tmp_path / "elsewhere")
    assert nmus(restore, tmp_path / "backup", "--settings", there) == 0
    got = rows(there.parent / "data")
    assert len(got) >= 8 and all((there.parent / "data" / path).is_file() for _, _, path in got)


def postgresql_programs() -> Path | None:
    """The folder of the newest server that is installed, or whose ``initdb`` is on the path."""
    found = shutil.which("initdb")
    if found and shutil.which("pg_restore"):
        return Path(found).resolve().parent
    return max((path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")), default=None)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """Address, without a database's name, of a PostgreSQL of our own; it listens on a socket in its folder only."""
    pytest.importorskip("psycopg")
    programs = postgresql_programs() or pytest.skip("PostgreSQL is not installed")
    # the server refuses to run as root; its folder must be reachable by the other user
    user = pwd.getpwnam("postgres" if "postgres" in {one.pw_name for one in pwd.getpwall()} else "nobody")
    other = {"user": user.pw_uid, "group": user.pw_gid} if os.geteuid() == 0 else {}
    with tempfile.TemporaryDirectory(prefix="nmus-pg-", dir="/tmp") as name:
        folder = Path(name)
        if other:
            os.chown(folder, user.pw_uid, user.pw_gid)
        common = {"cwd": folder, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, **other}
        initdb = [
            programs / "initdb",
            "-D",
            folder / "db",
            "-U",
            "nmus",
            "--auth=trust",
            "-N",
            "-E",
            "UTF8",
            "--locale=C",
        ]
        subprocess.run(initdb, check=True, **common)
        start = [programs / "postgres", "-D", folder / "db", "-k", folder, "-c", "listen_addresses=", "-c", "fsync=off"]
        process = subprocess.Popen(start, **common)
        try:
            ready = [programs / "pg_isready", "-q", "-h", folder]
            deadline = time.monotonic() + 30
            while subprocess.run(ready, check=False).returncode:
                assert time.monotonic() < deadline and process.poll() is None
                time.sleep(0.05)
            yield f"postgresql+psycopg://nmus@/{{}}?host={folder}"
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(30)


def database(server: str, name: str) -> str:
    import psycopg

    with psycopg.connect(server.format("postgres").replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")  # type: ignore[arg-type]
    return server.format(name)


def test_a_postgresql_ledger_comes_back_too(server, tmp_path, an_image, encode, monkeypatch) -> None:
    monkeypatch.setenv("PATH", f"{postgresql_programs()}:{os.environ['PATH']}")
    old, new = database(server, "old"), database(server, "new")
    site = settings_file(tmp_path / "site", f'database = "{old}"')
    data = tmp_path / "site" / "data"
    ledger = open_ledger(data, old)
    for number in (1, 2):
        keep(Intake(ledger, Archive(data)), an_image(study=f"1.2.{number}"), encode)
    ledger.close()
    copy = tmp_path / "backup"
    assert nmus(backup, copy, "--settings", site) == 0
    there = settings_file(tmp_path / "elsewhere", f'database = "{new}"')
    assert nmus(restore, copy, "--settings", there) == 0
    assert rows(there.parent / "data", new) == rows(data, old) != []
    again = settings_file(tmp_path / "again", f'database = "{new}"')
    with pytest.raises(BadBackup, match="holds a ledger already"):
        nmus(restore, copy, "--settings", again)
    assert not (again.parent / "data" / "archive").exists()


def test_the_ledgers_must_be_of_one_kind(site, tmp_path) -> None:
    copy = tmp_path / "backup"
    nmus(backup, copy, "--settings", site)
    there = settings_file(tmp_path / "elsewhere", 'database = "postgresql+psycopg://nmus@127.0.0.1:1/nmus"')
    with pytest.raises(BadBackup, match="must be alike"):
        nmus(restore, copy, "--settings", there)


def test_a_password_stands_in_no_command_line() -> None:
    url, environment = backup.libpq("postgresql+psycopg://nmus:geheim@db.example.org:5433/nmus?sslmode=require")
    assert url == "postgresql://nmus@db.example.org:5433/nmus?sslmode=require"
    assert environment["PGPASSWORD"] == "geheim"
