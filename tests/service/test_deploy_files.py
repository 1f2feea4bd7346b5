"""The files in deploy/ hold what they promise, as far as can be seen without a container engine or systemd running."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import socket
import subprocess
import sys
import time
import tomllib
import urllib.error
import urllib.request
from base64 import b64encode
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from pydantic import BaseModel
from ruamel.yaml import YAML
from sqlalchemy import make_url

from reference_store import anatomy
from service import config

DEPLOY = Path(__file__).parents[2] / "deploy"
SCRIPTS = Path(sys.executable).parent


def tool(name: str) -> str:
    """Of this environment (PyPI), or of the system (Debian)."""
    found = shutil.which(name, path=SCRIPTS) or shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def ran(*command: str | Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


# --- settings ------------------------------------------------------------------------------------------------


def models() -> dict[str, type[BaseModel]]:
    found = {}
    for name, field in config.Settings.model_fields.items():
        inner = [field.annotation, *getattr(field.annotation, "__args__", ())]
        found[name] = next(kind for kind in inner if isinstance(kind, type) and issubclass(kind, BaseModel))
    return found


def with_examples() -> dict[str, Any]:
    """The example with every line that shows a setting taken at its word. Prose stands behind ``# ``."""
    text = (DEPLOY / "nmus.toml").read_text(encoding="utf-8")
    return tomllib.loads(re.sub(r"^#(?=[a-z_]+ = |\[)", "", text, flags=re.MULTILINE))


def test_the_example_settings_are_read_as_they_are() -> None:
    settings = config.load(DEPLOY / "nmus.toml")
    assert settings.service.data_folder == Path("/var/lib/nmus")
    assert settings.listener.host == settings.web.host == "127.0.0.1"
    assert settings.destination == ()


def test_the_example_settings_show_every_setting_there_is() -> None:
    shown = with_examples()
    assert config.validated(shown)
    for section, model in models().items():
        entries = shown[section] if isinstance(shown[section], list) else [shown[section]]
        names = {name for entry in entries for name in entry}
        # A password in clear is possible and not recommended.
        assert names == model.model_fields.keys() - {"password"}, f"[{section}] in deploy/nmus.toml"


def test_what_the_example_shows_as_a_default_is_the_default() -> None:
    shown = with_examples()
    for section in ("service", "listener", "settle", "analysis", "report", "web", "references", "logs"):
        defaults = getattr(config.Settings(), section).model_dump(mode="json")
        for name in shown[section].keys() - {"data_folder"}:
            # Where the default is empty, an example shows what could stand there.
            assert shown[section][name] == defaults[name] or not defaults[name], f"{section}.{name}"


def test_the_example_mapping_names_what_the_catalogue_knows() -> None:
    (mapping,) = config.validated(with_examples()).mapping
    assert mapping.structure is not None
    structure = anatomy.recognise(mapping.structure).structure
    assert structure is not None
    assert mapping.site in {site.key for site in anatomy.sites(structure)}
    assert re.search(mapping.match["SeriesDescription"], "MN carpal wrist L", re.IGNORECASE)


# --- systemd -------------------------------------------------------------------------------------------------


def unit() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in (DEPLOY / "nmus.service").read_text(encoding="utf-8").splitlines():
        key, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            found.setdefault(key, []).append(value)
    return found


def test_the_unit_is_valid(tmp_path: Path) -> None:
    analyze = tool("systemd-analyze")
    text = (DEPLOY / "nmus.service").read_text(encoding="utf-8")
    installed = tmp_path / "nmus.service"
    # The verifier wants to see the program that is started; another stands in for it.
    installed.write_text(text.replace("/usr/local/lib/nmus/bin/nmus", shutil.which("true") or "/bin/true"))
    assert ran(analyze, "verify", "--man=no", installed) == ""


def test_the_unit_is_hardened() -> None:
    ran(tool("systemd-analyze"), "security", "--offline=true", "--threshold=20", DEPLOY / "nmus.service")


def test_the_unit_waits_longer_than_the_service_drains_and_does_not_restart_what_is_misconfigured() -> None:
    settings = unit()
    assert float(settings["TimeoutStopSec"][0]) >= 2 * config.Settings().listener.drain_seconds
    assert settings["KillMode"] == ["mixed"]
    assert settings["RestartPreventExitStatus"] == ["2"]
    assert config.load(DEPLOY / "nmus.toml").service.data_folder == Path("/var/lib") / settings["StateDirectory"][0]
    assert settings["SystemCallFilter"] == ["@system-service", "~@privileged"]


# --- container -----------------------------------------------------------------------------------------------


def test_the_dockerfile_is_linted() -> None:
    assert ran(tool("hadolint"), "--failure-threshold", "style", DEPLOY / "Dockerfile") == ""


def test_the_image_holds_pinned_packages_and_runs_without_root() -> None:
    text = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    build, final = text.split("\nFROM ")[1:]
    assert "--require-hashes" in build
    assert re.search(r"^USER 10001:10001$", final, re.MULTILINE)
    assert re.search(r"^HEALTHCHECK .*\\\n.*/health/ready", final, re.MULTILINE)
    assert 'ENTRYPOINT ["nmus"]' in final
    # Whatever is copied must be let through to the build.
    let_through = (DEPLOY / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    copied = re.findall(r"^COPY (?!--from)(.*) \S+$", text, re.MULTILINE)
    for source in " ".join(copied).split():
        assert f"!{source}" in let_through
        assert (DEPLOY.parent / source).exists() or importlib.util.find_spec(source)


class Health(BaseHTTPRequestHandler):
    """Answers with the status that its server was given."""

    def do_GET(self) -> None:
        self.send_response(self.server.status if self.path == "/health/ready" else 404)  # type: ignore[attr-defined]
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.mark.parametrize(("status", "healthy"), [(200, True), (503, False)])
def test_the_health_check_of_the_image_tells_ready_from_not_ready(status: int, healthy: bool) -> None:
    command = re.search(r'CMD \["python", "-c", "(.*)"\]', (DEPLOY / "Dockerfile").read_text(encoding="utf-8"))
    assert command
    with HTTPServer(("127.0.0.1", 0), Health) as server:
        server.status = status  # type: ignore[attr-defined]
        Thread(target=server.handle_request, daemon=True).start()
        script = command[1].replace(":8180/", f":{server.server_port}/")
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, timeout=30, check=False)
    assert (done.returncode == 0) is healthy


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = YAML(typ="safe").load(DEPLOY / "compose.yaml")
    return loaded


def test_the_compose_file_follows_its_specification() -> None:
    ran(tool("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", DEPLOY / "compose.yaml")


def test_every_container_is_confined(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["pids_limit"], name
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", [])), name
        assert all(volume.partition(":")[0] in compose["volumes"] or volume.endswith(":ro")
                   for volume in service["volumes"]), name  # fmt: skip


def test_what_compose_mounts_is_there_and_its_settings_fit_together(compose: dict[str, Any], tmp_path: Path) -> None:
    for service in compose["services"].values():
        for volume in service["volumes"]:
            if volume.startswith("./"):
                assert (DEPLOY / volume.partition(":")[0]).is_file()
    secret = tmp_path / "secret"
    secret.write_text("word\n")
    text = (DEPLOY / "container.toml").read_text(encoding="utf-8")
    inside = tmp_path / "nmus.toml"
    inside.write_text(
        re.sub(r"/run/secrets/(orthanc_password|web_users|database_address)", str(secret), text), encoding="utf-8"
    )
    settings = config.load(inside)
    orthanc = json.loads((DEPLOY / "orthanc.json").read_text(encoding="utf-8"))
    assert settings.service.data_folder == Path("/var/lib/nmus")
    assert settings.orthanc[0].url == f"http://orthanc:{orthanc['HttpPort']}"
    assert settings.orthanc[0].username in orthanc["RegisteredUsers"]
    assert (settings.destination[0].ae_title, settings.destination[0].port) == (
        orthanc["DicomAet"],
        orthanc["DicomPort"],
    )
    nmus = orthanc["DicomModalities"]["nmus"]
    assert (nmus["AET"], nmus["Port"]) == (settings.listener.ae_title, settings.listener.port)
    assert {f"127.0.0.1:{port}:{port}" for port in (settings.listener.port, settings.web.port)} == set(
        compose["services"]["nmus"]["ports"]
    )
    assert set(re.findall(r'/run/secrets/(\w+)"', text)) == set(compose["services"]["nmus"]["secrets"])
    assert float(compose["services"]["nmus"]["stop_grace_period"][:-1]) >= 2 * settings.listener.drain_seconds


def test_the_ledger_is_in_a_database_that_is_ready_first_and_has_its_password_from_a_file(
    compose: dict[str, Any],
) -> None:
    database, nmus = compose["services"]["database"], compose["services"]["nmus"]
    assert nmus["depends_on"]["database"] == {"condition": "service_healthy"} and database["healthcheck"]["test"]
    assert "ports" not in database, "reached by nmus only"
    assert not any("PASSWORD" in name and not name.endswith("_FILE") for name in database["environment"])
    assert set(database["secrets"]) | set(nmus["secrets"]) <= set(compose["secrets"])
    head = (DEPLOY / "compose.yaml").read_text(encoding="utf-8").partition("name: nmus")[0]
    address = re.search(r'echo "(postgresql.+?)" > database-address', head)
    assert address
    url = make_url(address[1].replace("$(cat database-password)", "word"))
    assert (url.host, url.username, url.database) == ("database", database["environment"]["POSTGRES_USER"], "nmus")
    pinned = (DEPLOY / "requirements.txt").read_text(encoding="utf-8")
    assert "\npsycopg==" in pinned, "the image can speak to it"
    image = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    assert "postgresql-client" in image and image.count("-trixie") == 2, "pg_dump of Debian 13 is of version 17"
    assert re.fullmatch(r"postgres:17(\.\d+)?-alpine", database["image"]), "pg_dump must be as new as the server"


def test_orthanc_is_new_enough_and_has_no_plugins(compose: dict[str, Any]) -> None:
    image, _, tag = compose["services"]["orthanc"]["image"].partition(":")
    assert image == "jodogne/orthanc", "the image without plugins"
    assert tuple(map(int, tag.split("."))) >= (1, 12, 11)


@pytest.mark.acceptance
def test_orthanc_starts_with_its_settings_and_asks_for_the_password(tmp_path: Path) -> None:
    orthanc = shutil.which("Orthanc") or pytest.skip("Orthanc is not installed")
    settings = json.loads((DEPLOY / "orthanc.json").read_text(encoding="utf-8"))
    settings |= {"HttpPort": free_port(), "DicomPort": free_port(), "StorageDirectory": str(tmp_path / "db"),
                 "IndexDirectory": str(tmp_path / "db")}  # fmt: skip
    (tmp_path / "orthanc.json").write_text(json.dumps(settings))
    address = f"http://127.0.0.1:{settings['HttpPort']}/system"
    login = {"Authorization": "Basic " + b64encode(b"nmus:word").decode()}
    with subprocess.Popen(
        [orthanc, str(tmp_path / "orthanc.json")],
        env={"ORTHANC_PASSWORD": "word"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            told = answered(urllib.request.Request(address, headers=login))
            assert (told["DicomAet"], told["DicomPort"]) == ("ORTHANC", settings["DicomPort"])
            with pytest.raises(urllib.error.HTTPError, match="401"):
                urllib.request.urlopen(address, timeout=5)
        finally:
            process.kill()


def answered(request: urllib.request.Request) -> dict[str, Any]:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with suppress(ConnectionError, urllib.error.URLError), urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310
            told: dict[str, Any] = json.load(answer)
            return told
        time.sleep(0.1)
    raise AssertionError("Orthanc did not answer within 20 s")
