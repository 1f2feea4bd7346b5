"""Who may look at the pages: login, socket, token, and what nobody can make a logged-in browser do."""

from __future__ import annotations

import re
import socket
import ssl
import stat
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.config import Settings, Tls, load
from service.errors import Misconfigured
from service.ledger import Instance, open_ledger
from service.web import passwords
from service.web.guard import Access
from service.web.login import _local
from service.web.opening import access_of, host_names, pages_tls
from service.web.pages import application
from service.web.passwords import Users, hashed, matches, write_user
from service.web.server import Place, WebServer
from service.web.sessions import Guesses, Sessions
from service.web.visits import LoggedIn, Looked

sys.path.insert(0, str(Path(__file__).parent))
from certificate_authority import Authority

WORD = "four tall green trees"
STUDY = "1.2.3"
EVERYWHERE = "0.0.0.0"  # noqa: S104


class Clock:
    now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(autouse=True)
def quick_hashes(monkeypatch):
    monkeypatch.setattr(passwords, "_LOG2N", 4)


@pytest.fixture
def users_file(tmp_path) -> Path:
    path = tmp_path / "users"
    write_user(path, "ann", hashed(WORD))
    return path


@pytest.fixture
def told() -> list[object]:
    return []


@pytest.fixture
def ledger(tmp_path):
    opened = open_ledger(tmp_path / "data")
    image = ("1.2.840.10008.5.1.4.1.1.6.1", STUDY, f"{STUDY}.1", "1.2.840.10008.1.2.1", "a" * 64, "archive/a", 1, 5.0)
    opened.keep(Instance("1.2.3.4", *image, source="US1"))
    yield opened
    opened.close()


@pytest.fixture
def served(tmp_path, ledger, clock, told):
    """The pages, and a client that keeps cookies; arguments go to the place, the access and the certificate."""
    running = []

    def start(place=None, tls=None, **access):
        told_to = {"access": Access(**access), "told": told.append}
        app = application(ledger, tmp_path / "data", refuse_free_mb=1, processes=(), clock=clock, **told_to)
        running.append(WebServer(app, place or Place(), tls))
        running[-1].start()
        return running[-1]

    yield start
    for one in running:
        one.stop()


@pytest.fixture
def browser(served, users_file):
    server = served(users=Users(users_file), metrics_token="a token of length")  # noqa: S106
    with httpx.Client(base_url=f"http://127.0.0.1:{server.port}", headers={"Accept": "text/html"}) as client:
        yield client


def token_in(page: httpx.Response) -> str:
    (token,) = re.findall(r'name="token" value="([^"]+)"', page.text)
    return token


def log_in(client: httpx.Client, name: str = "ann", word: str = WORD, **more: str) -> httpx.Response:
    token = token_in(client.get("/login"))
    return client.post("/login", data={"name": name, "password": word, "token": token, **more})


# --- without a login -------------------------------------------------------------------------------------------


def test_on_loopback_without_users_the_pages_are_open_and_there_is_no_login(served):
    server = served()
    with httpx.Client(base_url=f"http://127.0.0.1:{server.port}") as client:
        assert client.get(f"/study/{STUDY}").status_code == 200
        assert client.get("/login").status_code == 404


@pytest.mark.parametrize("host", [EVERYWHERE, "::", "10.1.2.3", "nmus.example.org"])
def test_another_address_without_a_login_is_refused(tmp_path, host, users_file):
    (tmp_path / "nmus.toml").write_text(f'[web]\nhost = "{host}"\n')
    with pytest.raises(Misconfigured, match="users_file"):
        load(tmp_path / "nmus.toml")
    command = [sys.executable, "-m", "service", "check", "--settings", str(tmp_path / "nmus.toml")]
    if host == EVERYWHERE:
        assert subprocess.run(command, capture_output=True, check=False).returncode == 2
    for good in ('users_file = "users"', 'socket = "s"', "enabled = false"):
        (tmp_path / "nmus.toml").write_text(f'[web]\nhost = "{host}"\n{good}\n')
        assert load(tmp_path / "nmus.toml").web.host == host


def test_on_loopback_only_its_own_names_are_answered():
    assert "evil.example" not in host_names(Settings().web)
    assert host_names(Settings.model_validate({"web": {"host_names": ["a.example"]}}).web) == ("a.example",)


# --- the socket ------------------------------------------------------------------------------------------------


def test_a_unix_socket_has_its_mode_and_replaces_a_dead_one(served, tmp_path):
    path = tmp_path / "pages.sock"
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(str(path))
    dead.close()
    server = served(Place(socket=path, socket_mode=0o620))
    assert stat.S_IMODE(path.stat().st_mode) == 0o620
    with httpx.Client(transport=httpx.HTTPTransport(uds=str(path)), base_url="http://nmus") as client:
        assert client.get("/health/live").json() == {"live": True}
    with pytest.raises(Misconfigured, match="another program listens"):
        served(Place(socket=path))
    server.stop()
    assert not path.exists()


# --- passwords -------------------------------------------------------------------------------------------------


@given(st.text(max_size=40), st.text(max_size=40))
def test_a_hash_matches_its_password_only(word, other):
    stored = hashed(word)
    assert matches(word, stored)
    assert matches(other, stored) is (other == word)
    assert hashed(word) != stored


def test_the_shipped_cost_is_that_of_an_interactive_login(monkeypatch):
    monkeypatch.undo()
    assert (passwords._LOG2N, passwords._R, passwords._P) == (15, 8, 1)
    assert matches(WORD, hashed(WORD))


def test_the_command_writes_a_line_that_lets_in(tmp_path):
    path = tmp_path / "users"
    command = [sys.executable, "-m", "service", "password", "bob", "--file", str(path)]
    assert subprocess.run(command, input=WORD + "\n", text=True, check=True, capture_output=True).stdout == ""
    assert Users(path).accepts("bob", WORD)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert WORD not in path.read_text()
    short = subprocess.run(command, input="short\n", text=True, check=False, capture_output=True)
    assert short.returncode == 2
    assert "12 characters" in short.stderr


def test_a_file_that_is_no_users_file_is_told(tmp_path):
    (tmp_path / "users").write_text("ann:secret\n")
    with pytest.raises(Misconfigured, match="line 1"):
        Users(tmp_path / "users")
    with pytest.raises(Misconfigured, match="cannot be read"):
        Users(tmp_path / "none")


# --- login -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", f"/study/{STUDY}", "/status.json", "/nothing"])
def test_nothing_is_shown_before_the_login(browser, path):
    answer = browser.get(path)
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/login?next=/")
    assert browser.get(path, headers={"Accept": "*/*"}).status_code == 401
    assert STUDY not in answer.text


def test_health_is_open_and_names_nothing(browser):
    assert browser.get("/health/live").status_code == 200
    assert browser.get("/health/ready").status_code in {200, 503}


def test_in_and_out(browser, told):
    assert log_in(browser, next=f"/study/{STUDY}").headers["location"] == f"/study/{STUDY}"
    page = browser.get(f"/study/{STUDY}")
    assert page.status_code == 200
    assert "1.2.3.4" in page.text
    assert browser.post("/logout", data={"token": token_in(page)}).status_code == 303
    assert browser.get("/").status_code == 303
    seen = [(type(one), one.visitor.user) for one in told]
    assert seen == [(LoggedIn, "ann"), (Looked, "ann"), (LoggedIn, "ann")]


def test_the_cookie_is_for_browsers_pages_only(browser):
    cookie = next(one for one in log_in(browser).headers.get_list("set-cookie") if one.startswith("nmus="))
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert "Max-Age=28800" in cookie


def test_a_session_is_new_at_login_and_ends_in_time(browser, clock):
    browser.cookies.set("nmus", "chosen-by-an-attacker")
    log_in(browser)
    assert browser.get("/").status_code == 200
    browser.cookies.delete("nmus", domain="")  # what the attacker chose is worth nothing
    assert browser.get("/").status_code == 200
    clock.now += 8 * 3600 + 1
    assert browser.get("/").status_code == 303


def test_who_is_removed_or_gets_another_password_is_out_at_once(browser, users_file):
    log_in(browser)
    write_user(users_file, "ann", hashed("another long password"))
    assert browser.get("/").status_code == 303
    log_in(browser, word="another long password")
    assert browser.get("/").status_code == 200
    users_file.write_text("")
    assert browser.get("/").status_code == 303


def test_guesses_are_slowed_down_for_the_address_and_told(browser, clock, told):
    answers = [log_in(browser, name=f"user{n}", word="wrong") for n in range(5)]
    assert {one.status_code for one in answers} == {401}
    late = log_in(browser)
    assert late.status_code == 429
    assert int(late.headers["retry-after"]) >= 1
    assert [one.good for one in told] == [False] * 5
    clock.now += 2
    assert log_in(browser).status_code == 303


@given(st.integers(0, 60))
def test_the_wait_grows_to_five_minutes_and_no_more(count):
    clock = Clock()
    guesses = Guesses(clock)
    for _ in range(count):
        guesses.wrong("name a")
    assert guesses.wait_seconds("name a", "name b") == (0 if count < 5 else min(300, 2 ** (count - 5)))
    guesses.right("name a")
    assert guesses.wait_seconds("name a") == 0


def test_sessions_are_bounded(clock):
    sessions = Sessions(clock, 60)
    cookies = [sessions.begin("ann", "") for _ in range(1001)]
    assert sessions.of(cookies[0]) is None
    assert sessions.of(cookies[-1]) is not None


# --- what changes something ------------------------------------------------------------------------------------


def test_a_form_without_its_token_or_from_elsewhere_changes_nothing(browser):
    log_in(browser)
    token = token_in(browser.get("/"))
    assert browser.post("/logout").status_code == 403
    assert browser.post("/logout", data={"token": "x" * 43}).status_code == 403
    for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        assert browser.post("/logout", data={"token": token}, headers=headers).status_code == 403
    assert browser.post("/logout", data={"token": token, "much": "x" * 70_000}).status_code == 413
    assert browser.get("/").status_code == 200


def test_a_login_without_the_forms_token_is_refused(browser):
    assert browser.post("/login", data={"name": "ann", "password": WORD}).status_code == 403


@pytest.mark.parametrize("path", ["//evil.example", "/\\evil.example", "https://evil.example", "/a\nb", "", None])
def test_a_login_never_leads_to_another_site(path):
    assert _local(path) == "/"


# --- headers, metrics, HTTPS -----------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "/login", "/health/live", "/nothing"])
def test_every_answer_has_the_headers_that_browsers_heed(browser, path):
    headers = browser.get(path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "no-store"
    assert "default-src 'none'" in headers["content-security-policy"]


def test_metrics_are_read_with_their_token_only(browser):
    assert browser.get("/metrics").status_code == 401
    for wrong in ("Bearer wrong", "Bearer", "a token of length"):
        assert browser.get("/metrics", headers={"Authorization": wrong}).status_code == 401
    good = {"Authorization": "Bearer a token of length"}
    assert "nmus_instances" in browser.get("/metrics", headers=good).text
    assert browser.get("/", headers=good).status_code == 303, "the token opens the metrics and nothing else"


def test_a_token_guards_metrics_on_loopback_too(served):
    server = served(metrics_token="a token of length")  # noqa: S106
    with httpx.Client(base_url=f"http://127.0.0.1:{server.port}") as client:
        assert client.get("/").status_code == 200
        assert client.get("/metrics").status_code == 401


def test_files_are_read_from_the_settings(tmp_path, users_file):
    (tmp_path / "token").write_text("sixteen characters or more\n")
    text = '[web]\nusers_file = "users"\nmetrics_token_file = "token"\n'
    (tmp_path / "nmus.toml").write_text(text)
    access = access_of(load(tmp_path / "nmus.toml"))
    assert access.metrics_token == "sixteen characters or more"  # noqa: S105
    assert access.users is not None
    assert access.users.accepts("ann", WORD)
    (tmp_path / "token").write_text("short")
    with pytest.raises(Misconfigured, match="16 characters"):
        access_of(load(tmp_path / "nmus.toml"))


def test_https_with_a_certificate_and_nothing_older_than_tls_1_2(served, users_file, tmp_path):
    authority = Authority(tmp_path / "authority")
    made = authority.sign("pages")
    settings = {"certificate_file": made.certificate, "key_file": made.key}
    tls = pages_tls(Settings.model_validate({"web": settings}).web)
    assert tls == Tls(**settings, client_certificates="none")
    server = served(tls=tls, users=Users(users_file), encrypted=True)
    context = ssl.create_default_context(cafile=str(authority.certificate))
    with httpx.Client(verify=context, base_url=f"https://localhost:{server.port}") as client:
        answer = log_in(client)
        assert answer.status_code == 303
        assert any(one.startswith("__Host-nmus=") and "Secure" in one for one in answer.headers.get_list("set-cookie"))
        assert client.get("/").status_code == 200
        assert "max-age" in client.get("/").headers["strict-transport-security"]
    with pytest.warns(DeprecationWarning):
        context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    with httpx.Client(verify=context) as client, pytest.raises(httpx.ConnectError):
        client.get(f"https://localhost:{server.port}/health/live")
