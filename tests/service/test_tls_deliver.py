"""DICOM with TLS out: DCMTK's storescp as the PACS, and what is said when it does not work."""

from __future__ import annotations

import logging
import socket
import ssl
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread
from pynetdicom import AE

from service.config import Destination, Settings, Tls
from service.deliver.answers import Fate
from service.deliver.store import StorePeer
from service.errors import Unreachable
from service.ledger import Outgoing, OutgoingState
from service.receive.archive import file_header
from service.roles.timers import warn_of_certificates

sys.path.insert(0, str(Path(__file__).parent))
from certificate_authority import Authority, Made

STORESCP = Path("/usr/bin/storescp")
CAPTURE, EXPLICIT = "1.2.840.10008.5.1.4.1.1.7", "1.2.840.10008.1.2.1"
DAY_S = 86_400


@pytest.fixture(scope="module")
def authority(tmp_path_factory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def ours(authority) -> Made:
    return authority.sign("nmus", rsa_bits=2048)


@pytest.fixture
def outgoing(tmp_path, encode) -> Outgoing:
    dataset = Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = CAPTURE, "2.25.1"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = "1.2.1", "2.25.9"
    dataset.BitsAllocated = 8
    dataset.PixelData = b"x" * 300_000
    (tmp_path / "1.dcm").write_bytes(file_header(CAPTURE, "2.25.1", EXPLICIT, "") + encode(dataset))
    return Outgoing(1, "2.25.1", CAPTURE, EXPLICIT, "1.2.1", "1.dcm", 1, "pacs", OutgoingState.SENDING, 1, 0, 0)


@pytest.fixture(scope="module")
def storescp(tmp_path_factory, authority, until_module):
    """DCMTK with a certificate for ``localhost`` that asks for ours."""
    if not STORESCP.exists():
        pytest.skip("DCMTK's storescp is not installed")
    folder = tmp_path_factory.mktemp("storescp")
    made = authority.sign("pacs", rsa_bits=2048)
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    keys = ["+tls", made.key, made.certificate, "+cf", authority.certificate, "-rc"]
    process = subprocess.Popen([*map(str, [STORESCP, *keys, "-od", folder, port])], stderr=subprocess.DEVNULL)
    until_module(lambda: _open(port))
    yield port, folder
    process.terminate()
    process.wait(10)


@pytest.fixture(scope="module")
def until_module():
    def until(condition, seconds=10.0):
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, "waited in vain"
            time.sleep(0.02)

    return until


def _open(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def peer(port: int, folder: Path, tls: Tls, **changes) -> StorePeer:
    settings = {"name": "pacs", "ae_title": "P", "host": "localhost", "port": port, "tls": True, "timeout_seconds": 10}
    settings["keep_open_seconds"] = 0
    return StorePeer(Destination(**settings | changes), "NMUS", folder, tls)


def test_dcmtk_takes_our_results_with_both_certificates(storescp, authority, ours, outgoing, tmp_path):
    port, folder = storescp
    tls = Tls(certificate_file=ours.certificate, key_file=ours.key, ca_file=authority.certificate)
    ((_, answer),) = peer(port, tmp_path, tls).send([outgoing])
    assert answer.fate is Fate.SENT
    (stored,) = (one for one in folder.iterdir() if one.is_file())
    assert dcmread(stored, force=True).PixelData == b"x" * 300_000


def test_a_destination_may_have_its_own_certificate_and_authority(storescp, authority, ours, outgoing, tmp_path):
    port, _ = storescp
    other = Authority(tmp_path / "other", "other").sign("elsewhere")
    tls = Tls(certificate_file=other.certificate, key_file=other.key, ca_file=tmp_path / "other" / "other.pem")
    files = {"tls_certificate_file": ours.certificate, "tls_key_file": ours.key, "tls_ca_file": authority.certificate}
    ((_, answer),) = peer(port, tmp_path, tls, **files).send([outgoing])
    assert answer.fate is Fate.SENT


def test_who_cannot_be_believed_is_away_and_the_reason_is_told(storescp, authority, ours, outgoing, tmp_path):
    port, _ = storescp
    other = Authority(tmp_path / "other", "other")
    keys = {"certificate_file": ours.certificate, "key_file": ours.key}
    with pytest.raises(Unreachable, match=r"TLS handshake failed .*certificate"):
        list(peer(port, tmp_path, Tls(**keys, ca_file=other.certificate)).send([outgoing]))
    wrong_name = {"tls_server_name": "pacs.example.org"}
    tls = Tls(**keys, ca_file=authority.certificate)
    with pytest.raises(Unreachable, match=r"TLS handshake failed .*pacs\.example\.org"):
        list(peer(port, tmp_path, tls, **wrong_name).send([outgoing]))
    ((_, answer),) = peer(port, tmp_path, tls, **wrong_name, tls_check_name=False).send([outgoing])
    assert answer.fate is Fate.SENT


def test_a_peer_without_tls_gets_nothing_in_clear(outgoing, authority, tmp_path):
    ae = AE("P")
    ae.add_supported_context(CAPTURE)
    server = ae.start_server(("127.0.0.1", 0), block=False)
    port = server.socket.getsockname()[1]
    with pytest.raises(Unreachable):
        list(peer(port, tmp_path, Tls(ca_file=authority.certificate), host="127.0.0.1").send([outgoing]))
    server.shutdown()


def test_a_peer_that_is_silent_after_the_connection_does_not_hold_us(outgoing, authority, tmp_path):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        begun = time.monotonic()
        with pytest.raises(Unreachable):
            list(peer(silent.getsockname()[1], tmp_path, Tls(ca_file=authority.certificate)).send([outgoing]))
        assert time.monotonic() - begun < 15


def test_tls_1_1_is_not_spoken_to_a_destination(outgoing, authority, tmp_path):
    client = peer(1, tmp_path, Tls(ca_file=authority.certificate))._tls
    assert client is not None
    assert client.context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert client.context.verify_mode == ssl.CERT_REQUIRED


def test_a_certificate_that_ends_within_30_days_is_warned_of_once_a_look(authority, ours, caplog):
    settings = Settings(tls=Tls(certificate_file=ours.certificate, ca_file=authority.certificate))
    now = time.time()
    with caplog.at_level(logging.WARNING):
        assert warn_of_certificates(settings, now) == 2
        assert warn_of_certificates(settings, now - 40 * DAY_S) == 0
        assert warn_of_certificates(settings, now + 40 * DAY_S) == 2
    assert [one.message for one in caplog.records] == ["certificate ends soon"] * 2 + ["certificate has ended"] * 2
