"""Audit messages: their schema, their spool, and that none is lost while the collector is away."""

from __future__ import annotations

import socket
import ssl
import stat
import sys
import threading
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree
from pydicom import Dataset, dcmwrite
from pynetdicom import AE

from service.app import App
from service.audit import Patient, Spool, Study, Trail
from service.audit.following import LAG_S, Carrier, Follower
from service.audit.messages import EXPORT, Actor, Event, message
from service.audit.syslog import TlsCollector, UdpCollector, framed
from service.audit.trail import Moved
from service.config import Audit, Listener, Settings
from service.errors import Misconfigured, Unreachable
from service.ledger import Outcome, Result
from service.receive.archive import Archive
from service.receive.intake import Intake
from service.receive.listener import StorageProvider
from service.roles import auditing
from service.web.visits import LoggedIn, Looked, Visitor

sys.path.insert(0, str(Path(__file__).parent))
from certificate_authority import Authority

SCHEMA = etree.RelaxNG(etree.parse(str(Path(__file__).parent / "audit_message.rng")))
NOW = 1_700_000_000.0
STUDY = "1.2.3"


def parsed(body: bytes) -> etree._Element:
    root = etree.fromstring(body)
    SCHEMA.assertValid(root)
    return root


def codes(root: etree._Element, name: str) -> list[str]:
    return [one.get("csd-code") for one in root.iter(name)]


@pytest.fixture
def trail(tmp_path) -> Trail:
    return Trail(Spool(tmp_path / "audit"), "nmus-1", "Site", "NMUS", "east", clock=lambda: NOW)


def written(trail: Trail) -> list[etree._Element]:
    return [parsed(body) for _, body in trail.spool.waiting()]


def a_move(**changes: object) -> Moved:
    study = Study(STUDY, (("1.2.840.10008.5.1.4.1.1.6.1", 3),), "A1")
    patient = Patient("CANARY-17", "Canary^Carla")
    return replace(Moved(study, patient, "US1", "192.0.2.7", NOW), **changes)


# --- messages --------------------------------------------------------------------------------------------------


def test_every_kind_of_message_fits_the_schema_and_bears_its_codes(trail) -> None:
    trail.started("listener")
    trail.stopped("listener")
    trail.received(a_move())
    trail.begins(a_move(peer="PACS"))
    trail.sent(a_move(peer="PACS"))
    trail.looked("ann", "192.0.2.9", Study(STUDY), Patient("P1"))
    trail.exported("ann", "/out", [Study(STUDY, anonymised=True), Patient("P1")])
    trail.authenticated("ann", "192.0.2.9", good=True)
    trail.authenticated("ann", "192.0.2.9", good=False)
    trail.authenticated("ann", "192.0.2.9", good=True, out=True)
    trail.alert("calling_ae_title", "192.0.2.66", "EVIL")
    told = [(codes(one, "EventID")[0], *codes(one, "EventTypeCode")) for one in written(trail)]
    assert told == [
        ("110100", "110120"), ("110100", "110121"), ("110104",), ("110102",), ("110104",), ("110103",), ("110106",),
        ("110114", "110122"), ("110114", "110122"), ("110114", "110123"), ("110113", "110126"),
    ]  # fmt: skip
    outcomes = [one.find("EventIdentification").get("EventOutcomeIndicator") for one in written(trail)]
    assert outcomes == ["0"] * 8 + ["4", "0", "4"]


def test_a_transfer_names_who_whom_what_and_how_many(trail) -> None:
    trail.received(a_move())
    (root,) = written(trail)
    source, ours = root.findall("ActiveParticipant")
    assert (source.get("UserID"), source.get("UserIsRequestor")) == ("US1", "true")
    assert (source.get("NetworkAccessPointID"), source.get("NetworkAccessPointTypeCode")) == ("192.0.2.7", "2")
    assert codes(source, "RoleIDCode") == ["110153"]
    assert ours.get("AlternativeUserID") == "AETITLES=NMUS"
    study, patient = root.findall("ParticipantObjectIdentification")
    assert study.get("ParticipantObjectID") == STUDY
    assert study.find(".//SOPClass").get("NumberOfInstances") == "3"
    assert study.find(".//Accession").get("Number") == "A1"
    assert patient.get("ParticipantObjectID") == "CANARY-17"
    assert patient.findtext("ParticipantObjectName") == "Canary^Carla"
    where = root.find("AuditSourceIdentification")
    assert (where.get("AuditSourceID"), where.get("AuditEnterpriseSiteID")) == ("nmus-1", "Site")


@given(st.text(), st.text(), st.text())
def test_whatever_a_peer_calls_itself_the_message_is_whole(name, identifier, reason) -> None:
    event = Event(EXPORT, "R", NOW, description=reason)
    parsed(message(event, [Actor(name, address=identifier)], "nmus", objects=[Patient(identifier, name)], node="n"))


def test_the_schema_refuses_what_is_wrong() -> None:
    good = message(Event(EXPORT, "R", NOW), [Actor("a")], "nmus")
    for before, after in (
        (b'"R"', b'"X"'),
        (b"EventDateTime=", b"When="),
        (b"AuditSourceIdentification", b"Wrong"),
        (b"csd-code", b"code"),
    ):
        assert not SCHEMA.validate(etree.fromstring(good.replace(before, after)))


# --- spool -----------------------------------------------------------------------------------------------------


def test_the_spool_is_for_nobody_else_and_keeps_the_order(trail) -> None:
    for _ in range(3):
        trail.received(a_move())
    names = trail.spool.names()
    assert names == sorted(names)
    assert stat.S_IMODE(trail.spool.folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE((trail.spool.folder / one).stat().st_mode) for one in names} == {0o600}


def test_audit_is_off_by_default_and_writes_nothing(tmp_path) -> None:
    app = App(Settings.model_validate({"service": {"data_folder": tmp_path}}))
    app.trail.received(a_move())
    app.trail.alert("x", "y")
    assert not (tmp_path / "audit").exists()


def test_a_spool_that_cannot_be_written_is_told_without_a_name(trail, caplog, monkeypatch) -> None:
    def full(_message: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(trail.spool, "put", full)
    trail.received(a_move())
    assert [one.message for one in caplog.records] == ["audit message not kept"]
    assert "CANARY" not in repr(caplog.records[0].__dict__)


def test_alerts_about_one_address_are_told_once_a_minute_and_a_flood_is_bounded(trail) -> None:
    for _ in range(1000):
        trail.alert("calling_ae_title", "192.0.2.66", "EVIL")
    assert len(trail.spool.names()) == 1
    for number in range(1000):
        trail.alert("address not allowed", f"192.0.2.{number}")
    assert len(trail.spool.names()) < 60


# --- following the ledger ----------------------------------------------------------------------------------------


def sent_study(ledger, folder: Path, image) -> None:
    """A study that came, was analysed and was sent."""
    archive = Archive(folder)
    intake = Intake(ledger, archive, clock=lambda: NOW)
    for size in (16, 32):
        dataset = image(study=STUDY, size=size)
        incoming = archive.incoming(dataset.SOPClassUID, dataset.SOPInstanceUID, "1.2.840.10008.1.2.1", "US1")
        buffer = BytesIO()
        dcmwrite(buffer, Dataset(dataset), implicit_vr=False, little_endian=True)
        incoming.write(buffer.getvalue())
        intake.take(incoming, "US1", "192.0.2.7")
    (study,) = ledger.open_studies()
    ledger.settle(study, NOW)
    job = ledger.claim(NOW, "w", 30)
    path = ledger.instances(STUDY)[0].path
    row = ("2.25.1", "1.2.840.10008.5.1.4.1.1.88.34", "2.25.9", "sr", path, "a" * 64, 1)
    result = Result(*row, destinations=("pacs",))
    ledger.finish(job, Outcome((result,)), NOW)
    (row,) = ledger.claim_outgoing("pacs", NOW, "s", 30)
    ledger.sent(row, NOW + 1)


def test_what_comes_and_goes_is_on_record_once(ledger, tmp_path, trail, an_image) -> None:
    clock = [NOW - 10]
    follower = Follower(ledger, trail, tmp_path, {"pacs": "192.0.2.8"}, lambda: clock[0])
    assert follower.step() == 0, "from now on"
    sent_study(ledger, tmp_path, an_image)
    clock[0] = NOW + LAG_S - 5
    assert follower.step() == 0, "too young"
    clock[0] = NOW + LAG_S + 5
    assert follower.step() == 2
    assert follower.step() == 0
    came, went = written(trail)
    assert came.find(".//SOPClass").get("NumberOfInstances") == "2"
    assert came.findall("ParticipantObjectIdentification")[1].get("ParticipantObjectID") == "CANARY-17"
    assert went.findall("ActiveParticipant")[1].get("UserID") == "pacs"


def test_the_trail_misses_nothing_when_the_clock_is_set_back(ledger, tmp_path, trail, an_image) -> None:
    """What comes after the jump bears times that the trail has passed already."""
    clock = [NOW + 86_400.0]
    follower = Follower(ledger, trail, tmp_path, {"pacs": "192.0.2.8"}, lambda: clock[0])
    follower.step()
    clock[0] = NOW - 15
    assert follower.step() == 0
    sent_study(ledger, tmp_path, an_image)
    clock[0] = NOW + LAG_S + 5
    assert follower.step() == 2
    assert follower.step() == 0


def test_a_kill_before_the_cursor_moved_writes_again_rather_than_never(
    ledger, tmp_path, trail, an_image, monkeypatch
) -> None:
    clock = [NOW - 10]
    follower = Follower(ledger, trail, tmp_path, {}, lambda: clock[0])
    follower.step()
    sent_study(ledger, tmp_path, an_image)
    clock[0] = NOW + LAG_S + 5
    with monkeypatch.context() as patched:
        patched.setattr(trail, "received", lambda _moved: (_ for _ in ()).throw(RuntimeError("killed")))
        with pytest.raises(RuntimeError):
            follower.step()
    assert follower.step() == 2


def test_pages_and_senders_tell_the_trail(ledger, tmp_path, an_image) -> None:
    sent_study(ledger, tmp_path, an_image)
    app = App(Settings.model_validate({"service": {"data_folder": tmp_path}, "audit": {"enabled": True}}))
    told = auditing.told(app)
    told(LoggedIn(Visitor("ann", "192.0.2.9"), good=False))
    told(Looked(Visitor("", "socket"), STUDY))
    auditing.begins(app)(app.ledger.outgoing())
    login, looked, begun = written(app.trail)
    assert codes(login, "EventID") == ["110114"]
    assert looked.find("ActiveParticipant").get("UserID") == "local"
    assert looked.findall("ParticipantObjectIdentification")[1].get("ParticipantObjectID") == "CANARY-17"
    assert codes(begun, "EventID") == ["110102"]
    app.ledger.close()


def test_a_refused_association_is_an_alert(listening_with_alerts) -> None:
    reception, alerts = listening_with_alerts(calling_ae_titles=("SONO1",))
    association = reception.associate(title="EVIL")
    assert association.is_rejected
    assert alerts == [("calling_ae_title", "127.0.0.1", "EVIL")]
    away, alerts = listening_with_alerts(networks=("192.0.2.0/24",))
    assert not away.associate().is_established
    assert alerts[0][:2] == ("address not allowed", "127.0.0.1")


@pytest.fixture
def listening_with_alerts(tmp_path, ledger):
    started = []

    def start(**settings):
        alerts: list[tuple[str, str, str]] = []
        archive = Archive(tmp_path)
        listener = Listener(port=0, **settings)
        intake = Intake(ledger, archive)
        provider = StorageProvider(listener, intake, archive.spool, alert=lambda *one: alerts.append(one))
        started.append(provider)

        def associate(title="US1"):
            ae = AE(title)
            ae.acse_timeout = 5
            ae.add_requested_context("1.2.840.10008.1.1")
            return ae.associate("127.0.0.1", provider.port)

        return SimpleNamespace(associate=associate), alerts

    yield start
    for one in started:
        one.drain(0)


# --- the collector -----------------------------------------------------------------------------------------------


class Repository:
    """A collector that speaks RFC 5425 and keeps what it is sent."""

    def __init__(self, authority: Authority, port: int = 0, client: bool = True) -> None:
        made = authority.sign("repository")
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(made.certificate, made.key)
        self._context.load_verify_locations(authority.certificate)
        self._context.verify_mode = ssl.CERT_REQUIRED if client else ssl.CERT_NONE
        self.frames: list[bytes] = []
        self._server = socket.create_server(("127.0.0.1", port))
        self.port = self._server.getsockname()[1]
        self._open: list[socket.socket] = []
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
                secured = self._context.wrap_socket(connection, server_side=True)
            except OSError:
                if self._server.fileno() == -1:
                    return
                continue
            self._open.append(secured)
            threading.Thread(target=self._read, args=(secured,), daemon=True).start()

    def _read(self, connection: ssl.SSLSocket) -> None:
        with connection, connection.makefile("rb") as file:
            try:
                while length := self._length(file):
                    self.frames.append(file.read(length))
            except OSError:
                return

    @staticmethod
    def _length(file) -> int:
        digits = b""
        while (one := file.read(1)).isdigit():
            digits += one
        return int(digits or b"0")

    def stop(self) -> None:
        self._server.shutdown(socket.SHUT_RDWR)  # closing alone leaves a thread waiting in accept
        self._server.close()
        for one in self._open:
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue


@pytest.fixture(scope="module")
def authority(tmp_path_factory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def settings(authority):
    mine = authority.sign("nmus")

    def make(port: int, **changes: object) -> Audit:
        files = {"certificate_file": mine.certificate, "key_file": mine.key, "ca_file": authority.certificate}
        return Audit(**{"enabled": True, "host": "localhost", "port": port} | files | changes)

    return make


def test_messages_arrive_framed_in_order_and_leave_the_spool(trail, authority, settings, until) -> None:
    repository = Repository(authority)
    carrier = Carrier(trail.spool, TlsCollector(settings(repository.port)), "east.example.org")
    for number in range(30):
        trail.received(a_move(peer=f"US{number}"))
    assert carrier.step() == 30
    until(lambda: len(repository.frames) == 30)
    assert trail.spool.names() == []
    for number, frame in enumerate(repository.frames):
        header, _, body = frame.partition(b"\xef\xbb\xbf")
        assert header.startswith(b"<85>1 20")
        assert b" east.example.org nmus " in header
        assert header.endswith(b" DICOM+RFC3881 - ")
        assert parsed(body).find("ActiveParticipant").get("UserID") == f"US{number}"
    trail.stopped("x")
    assert carrier.step() == 1, "over the same connection"
    carrier.close()
    repository.stop()


def test_while_the_collector_is_away_messages_wait_and_then_arrive(trail, authority, settings, until, caplog) -> None:
    first = Repository(authority)
    carrier = Carrier(trail.spool, TlsCollector(settings(first.port)), "east")
    trail.received(a_move())
    assert carrier.step() == 1
    until(lambda: len(first.frames) == 1)
    first.stop()
    trail.received(a_move(peer="US2"))
    trail.received(a_move(peer="US3"))
    until(lambda: carrier.step() == 0)
    assert carrier.step() == 0
    assert len(trail.spool.names()) == 2
    assert [one.message for one in caplog.records].count("audit collector is away") == 1
    second = Repository(authority, first.port)
    assert carrier.step() == 2
    until(lambda: len(second.frames) == 2)
    carrier.close()
    second.stop()


def test_a_collector_that_is_not_believed_gets_nothing(trail, authority, settings, tmp_path) -> None:
    stranger = Repository(Authority(tmp_path / "other", "other"), client=False)
    carrier = Carrier(trail.spool, TlsCollector(settings(stranger.port)), "east")
    trail.received(a_move())
    assert carrier.step() == 0
    assert stranger.frames == []
    assert len(trail.spool.names()) == 1
    stranger.stop()
    with pytest.raises(Misconfigured, match=r"audit\.ca_file"):
        TlsCollector(settings(1, ca_file=tmp_path / "none.pem"))


def test_by_udp_a_datagram_each(trail) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as here:
        here.bind(("127.0.0.1", 0))
        here.settimeout(5)
        carrier = Carrier(trail.spool, UdpCollector("127.0.0.1", here.getsockname()[1]), "east")
        trail.started("listener")
        assert carrier.step() == 1
        parsed(here.recv(65536).partition(b"\xef\xbb\xbf")[2])
    with pytest.raises(Unreachable):
        UdpCollector("no.such.host.invalid", 514).send([b"x"])


def test_a_machines_name_cannot_forge_the_header() -> None:
    assert framed(b"x", "a b\n<1>", NOW).count(b" ") == 7
    assert framed(b"x", "", NOW).split(b" ")[2] == b"-"
