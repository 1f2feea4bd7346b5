from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import BaseModel, SecretStr, ValidationError

from service import config
from service.errors import Misconfigured


def written(folder: Path, text: str) -> Path:
    path = folder / "nmus.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_without_a_file_the_defaults_listen_on_loopback_only() -> None:
    settings = config.load(None)
    assert settings.listener.host == "127.0.0.1"
    assert settings.web.host == "127.0.0.1"
    assert settings.destination == ()
    assert settings.service.data_folder.is_absolute()


def test_a_full_file_is_read_and_paths_are_taken_from_its_folder(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        """
        [service]
        data_folder = "state"
        [listener]
        ae_title = "NMUS1"
        port = 0
        calling_ae_titles = ["US1", "US 2"]
        networks = ["10.1.2.3/8"]
        private_sop_classes = ["1.2.840.113543.6.6.1.3.10002"]
        [[orthanc]]
        name = "hub"
        url = "http://127.0.0.1:8042"
        password = "hushhush"
        [settle]
        quiet_seconds = 5
        sources = { US1 = 90 }
        [analysis.parameters.echogenicity]
        saturation_limit = 0.2
        [report]
        per = "series"
        [[destination]]
        name = "pacs"
        ae_title = "PACS"
        host = "127.0.0.1"
        port = 104
        sr_class = "comprehensive"
        [[destination]]
        name = "hub"
        orthanc = "http://127.0.0.1:8042"
        objects = ["sr"]
        [[mapping]]
        match = { SeriesDescription = "^bic.*r$" }
        structure = "biceps brachii"
        side = "right"
        view = "transverse"
        [references]
        folder = "own"
        """,
    )
    settings = config.load(path)
    assert settings.service.data_folder == tmp_path.resolve() / "state"
    assert settings.references.folder == tmp_path.resolve() / "own"
    assert settings.listener.networks == ("10.0.0.0/8",)
    assert settings.settle.sources == {"US1": 90}
    assert settings.destination[0].port == 104
    assert settings.mapping[0].side == "right"
    assert "hushhush" not in repr(settings)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[listener]\nprot = 11112", ["listener.prot", "did you mean 'port'"]),
        ("[listener]\nport = 99999", ["listener.port", "99999"]),
        ("[listener]\nae_title = 'A TITLE THAT IS TOO LONG'", ["listener.ae_title", "TOO LONG"]),
        ("[listener]\nnetworks = ['10.0.0.0/33']", ["listener.networks[0]", "10.0.0.0/33"]),
        ("[[destination]]\nname = 'x'\nhost = 'h'", ["destination[0]", "either ae_title, host and port"]),
        (
            "[[destination]]\nname = 'x'\nhost = 'h'\nport = 1\nae_title = 'A'\northanc = 'http://h'",
            ["destination[0]", "not both"],
        ),
        (
            "[[mapping]]\nmatch = {SeriesDescription = '('}",
            ["mapping[0].match.SeriesDescription", "regular expression"],
        ),
        ("[[mapping]]\nside = 'left'", ["mapping[0].match", "is missing"]),
        ("[analysis]\nworkers = 'many'", ["analysis.workers", "'many'"]),
        ("[nonsense]\na = 1", ["nonsense", "no such setting"]),
        ("[[orthanc]]\nname='a'\nurl='http://a'\n[[orthanc]]\nname='a'\nurl='http://b'", ["'a' more than once"]),
        ("[[orthanc]]\nname='a'\nurl='http://a'\npassword=17", ["orthanc[0].password", "(not shown)"]),
        ("= nothing", ["no valid TOML"]),
    ],
)
def test_each_mistake_is_told_with_its_key_and_value(tmp_path: Path, text: str, said: list[str]) -> None:
    with pytest.raises(Misconfigured) as error:
        config.load(written(tmp_path, text))
    for words in said:
        assert words in str(error.value)


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"2 wrong:[\s\S]*listener\.port[\s\S]*web\.port"):
        config.load(written(tmp_path, "[listener]\nport=-1\n[web]\nport=-1"))


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="cannot be read"):
        config.load(tmp_path / "none.toml")


@pytest.mark.parametrize("section", ["orthanc", "destination"])
def test_a_password_may_lie_in_a_file_beside_the_settings(tmp_path: Path, section: str) -> None:
    address = {"orthanc": "url", "destination": "orthanc"}[section]
    text = f"[[{section}]]\nname = 'a'\n{address} = 'http://a'\npassword_file = 'word'\n"
    path = written(tmp_path, text)
    with pytest.raises(Misconfigured, match=rf"{section}\[0\]\.password_file = .*word: cannot be read"):
        config.load(path)
    (tmp_path / "word").write_text("\n")
    with pytest.raises(Misconfigured, match="first line is empty"):
        config.load(path)
    (tmp_path / "word").write_text("s3cret word\nmore\n")
    (entry,) = getattr(config.load(path), section)
    assert entry.password.get_secret_value() == "s3cret word"
    with pytest.raises(Misconfigured, match="password and password_file"):
        config.load(written(tmp_path, text + "password = 'other'"))


def test_settings_are_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        config.Settings().listener.port = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    ("uid", "good"),
    [
        ("1.2.840.10008.1.1", True),
        ("2.25.0", True),
        ("1.2.3.04", True),
        ("../../x", False),
        ("1." + "1" * 63, False),
        ("1." + "1" * 62, True),
        ("1.2\n", False),
        ("1.2\0", False),
        ("", False),
        ("1", False),
        ("1..2", False),
        ("1.2.", False),
    ],
)
def test_the_uid_rule_is_that_of_the_standard_but_for_leading_zeros(uid: str, good: bool) -> None:
    assert (config.UID_PATTERN.fullmatch(uid) is not None) is good


def test_every_secret_can_lie_in_a_file() -> None:
    """Each field that holds a secret has a twin that names a file; none but these hold one."""
    held = []

    def look(model, key: str) -> None:
        for name, field in model.model_fields.items():
            inner = [field.annotation, *getattr(field.annotation, "__args__", ())]
            if SecretStr in inner:
                held.append(f"{key}{name}")
                assert f"{name}_file" in model.model_fields, f"{key}{name}"
            for kind in inner:
                if isinstance(kind, type) and issubclass(kind, BaseModel):
                    look(kind, f"{key}{name}.")

    look(config.Settings, "")
    assert held == ["orthanc.password", "destination.password"]
    assert "database_file" in config.Service.model_fields


def test_the_ledgers_address_is_read_from_a_file(tmp_path) -> None:
    (tmp_path / "address").write_text("postgresql+psycopg://nmus:word@db/nmus\n")
    (tmp_path / "nmus.toml").write_text('[service]\ndatabase_file = "address"\n')
    assert config.load(tmp_path / "nmus.toml").service.database == "postgresql+psycopg://nmus:word@db/nmus"
    with pytest.raises(Misconfigured, match="give one of them"):
        config.validated({"service": {"database": "sqlite:///x", "database_file": "address"}})
    (tmp_path / "address").write_text("\n")
    with pytest.raises(Misconfigured, match="write the address"):
        config.load(tmp_path / "nmus.toml")
