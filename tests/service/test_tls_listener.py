"""DICOM with TLS into the listener: DCMTK as the scanner, silent clients beside it, and who is refused."""

from __future__ import annotations

import contextlib
import hashlib
import socket
import ssl
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom import AE

from service.certificates import certificates, check_certificates
from service.config import Listener, Settings, Tls, load
from service.errors import Misconfigured
from service.receive.archive import Archive
from service.receive.intake import Intake
from service.receive.listener import StorageProvider
from service.tls import CIPHERS, Server

sys.path.insert(0, str(Path(__file__).parent))
from certificate_authority import Authority

STORESCU = Path("/usr/bin/storescu")
NOW = 1_700_000_000.0


@pytest.fixture(scope="module")
def authority(tmp_path_factory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def ours(authority):
    return authority.sign("nmus")


@pytest.fixture(scope="module")
def scanner(authority):
    return authority.sign("scanner", rsa_bits=2048)


@pytest.fixture
def secured(tmp_path, ledger, authority, ours):
    started = []

    def start(listener=None, **changes):
        tls = Tls(
            **{"certificate_file": ours.certificate, "key_file": ours.key, "ca_file": authority.certificate} | changes
        )
        archive = Archive(tmp_path)
        settings = Listener(port=0, tls_port=0, **(listener or {}))
        started.append(StorageProvider(settings, Intake(ledger, archive), archive.spool, tls=tls))
        return started[-1]

    yield start
    for one in started:
        one.drain(0)


def context_of(authority, made=None, **changes) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(authority.certificate))
    if made is not None:
        context.load_cert_chain(made.certificate, made.key)
    for name, value in changes.items():
        setattr(context, name, value)
    return context


def shaken(port: int, context: ssl.SSLContext) -> ssl.SSLSocket:
    """A connection whose peer accepts us: with TLS 1.3 it is the first answer that tells."""
    bare = socket.create_connection(("127.0.0.1", port), timeout=10)
    secured = context.wrap_socket(bare, server_hostname="localhost")
    secured.sendall(b"\x05\x00\x00\x00\x00\x04\x00\x00\x00\x00")  # A-RELEASE-RQ out of turn: answered by A-ABORT
    return secured


def answered(port: int, context: ssl.SSLContext) -> bool:
    try:
        with contextlib.closing(shaken(port, context)) as one:
            return one.recv(1) == b"\x07"
    except OSError:
        return False


def storescu(port: int, files: list[Path], authority, made, *more: str) -> subprocess.CompletedProcess[str]:
    if not STORESCU.exists():
        pytest.skip("DCMTK's storescu is not installed")
    keys = ["+tls", str(made.key), str(made.certificate), "+cf", str(authority.certificate)]
    return subprocess.run(
        [str(STORESCU), *keys, *more, "-aec", "NMUS", "127.0.0.1", str(port), *map(str, files)],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


def written(folder: Path, images) -> list[Path]:
    files = []
    for number, one in enumerate(images):
        one.file_meta.MediaStorageSOPClassUID, one.file_meta.MediaStorageSOPInstanceUID = (
            one.SOPClassUID,
            one.SOPInstanceUID,
        )
        one.save_as(folder / f"{number}.dcm", enforce_file_format=True)
        files.append(folder / f"{number}.dcm")
    return files


@pytest.mark.parametrize("profile", ["bcp195", "bcp195-modified"])
def test_dcmtk_stores_with_tls_while_silent_clients_wait(
    *, secured, authority, scanner, ledger, an_image, tmp_path, profile
):
    provider = secured({"maximum_unestablished_per_address": 20}, profile=profile)
    silent = [socket.create_connection(("127.0.0.1", provider.tls_port)) for _ in range(8)]
    half = ssl.MemoryBIO()
    talk = context_of(authority).wrap_bio(ssl.MemoryBIO(), half, server_hostname="localhost")
    with contextlib.suppress(ssl.SSLWantReadError):
        talk.do_handshake()
    hello = half.read()
    for one in silent[4:]:
        one.sendall(hello[: len(hello) // 2])  # half a ClientHello
    files = written(tmp_path, [an_image(size=64), an_image(size=1500), an_image(size=64)])
    done = storescu(provider.tls_port, files, authority, scanner)
    assert done.returncode == 0, done.stderr
    assert ledger.status().instances == 3
    for one in silent:
        one.close()


def test_a_silent_client_is_dropped_at_the_deadline_and_counted(secured, until):
    provider = secured({"acse_timeout_seconds": 1})
    with socket.create_connection(("127.0.0.1", provider.tls_port), timeout=10) as silent:
        assert silent.recv(1) == b""
    until(lambda: provider.counters.get("rejected_tls") == 1)


def test_silent_clients_count_as_strangers(secured, until):
    provider = secured({"maximum_unestablished_per_address": 2})
    held = [socket.create_connection(("127.0.0.1", provider.tls_port), timeout=10) for _ in range(3)]
    until(lambda: provider.counters.get("rejected_unestablished") == 1)
    for one in held:
        one.close()


def test_many_objects_over_one_encrypted_association_come_byte_for_byte(
    *, secured, authority, scanner, ledger, an_image, encode
):
    provider = secured()
    images = [an_image(size=size) for size in (16, 700, 64, 2000, 16)]
    ae = AE("US1")
    ae.add_requested_context(images[0].SOPClassUID, ExplicitVRLittleEndian)
    one = ae.associate(
        "127.0.0.1", provider.tls_port, ae_title="NMUS", tls_args=(context_of(authority, scanner), "localhost")
    )
    assert one.is_established
    assert [one.send_c_store(image).Status for image in images] == [0] * len(images)
    one.release()
    sent = {str(image.SOPInstanceUID): hashlib.sha256(encode(image)).hexdigest() for image in images}
    assert {row.sop_instance_uid: row.sha256 for row in ledger.instances("1.2.3")} == sent
    assert [row.peer for row in ledger.instances("1.2.3")] == ["127.0.0.1"] * len(images)


def test_the_plain_port_goes_on_beside_and_may_be_closed(secured, an_image):
    both = secured()
    ae = AE("US1")
    ae.add_requested_context("1.2.840.10008.1.1")
    one = ae.associate("127.0.0.1", both.port)
    assert one.is_established
    one.release()
    assert secured({"plain": False}).port == 0


def test_who_shows_no_certificate_or_another_authoritys_is_refused(secured, authority, scanner, tmp_path, until):
    provider = secured()
    stranger = Authority(tmp_path / "other", "other").sign("scanner2")
    assert answered(provider.tls_port, context_of(authority, scanner))
    assert not answered(provider.tls_port, context_of(authority))
    assert not answered(provider.tls_port, context_of(authority, stranger))
    assert not answered(provider.tls_port, context_of(authority, authority.sign_ended("ended")))
    until(lambda: provider.counters.get("rejected_tls") == 3)


def test_certificates_may_be_optional_but_a_wrong_one_is_refused_still(secured, authority, tmp_path):
    provider = secured(client_certificates="optional")
    stranger = Authority(tmp_path / "other", "other").sign("scanner2")
    assert answered(provider.tls_port, context_of(authority))
    assert not answered(provider.tls_port, context_of(authority, stranger))
    assert answered(secured(client_certificates="none", ca_file=None).tls_port, context_of(authority, stranger))


def test_old_tls_and_weak_suites_are_refused(secured, authority, scanner):
    port = secured().tls_port
    old = context_of(authority, scanner)
    with pytest.warns(DeprecationWarning):
        old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_1
    old.set_ciphers("ALL:@SECLEVEL=0")
    assert not answered(port, old)
    for suite, good in (("ECDHE-ECDSA-AES128-GCM-SHA256", True), ("ECDHE-ECDSA-AES128-SHA256", False)):
        context = context_of(authority, scanner, maximum_version=ssl.TLSVersion.TLSv1_2)
        context.set_ciphers(suite)
        assert answered(port, context) is good


def test_the_suites_of_a_profile_are_those_that_openssl_offers(authority, ours):
    for profile, suites in CIPHERS.items():
        context = Server(
            Tls(certificate_file=ours.certificate, key_file=ours.key, ca_file=authority.certificate, profile=profile)
        )._context
        offered = {one["name"] for one in context.get_ciphers() if one["protocol"] == "TLSv1.2"}
        assert offered == set(suites)
        assert context.minimum_version == ssl.TLSVersion.TLSv1_2


def test_plain_dicom_on_the_encrypted_port_is_refused(secured, until):
    provider = secured()
    ae = AE("US1")
    ae.acse_timeout = 5
    ae.add_requested_context("1.2.840.10008.1.1")
    assert not ae.associate("127.0.0.1", provider.tls_port).is_established
    until(lambda: provider.counters.get("rejected_tls") == 1)


def test_a_renewed_certificate_counts_without_a_restart_and_a_broken_one_does_not(
    secured, authority, scanner, tmp_path
):
    mine = authority.sign("renewed")
    provider = secured(certificate_file=mine.certificate, key_file=mine.key)

    def serial() -> str:
        with contextlib.closing(shaken(provider.tls_port, context_of(authority, scanner))) as one:
            return str(one.getpeercert()["serialNumber"])

    first = serial()
    authority.sign("renewed")
    assert (second := serial()) != first
    mine.certificate.write_text("broken")
    assert serial() == second


def test_an_abort_in_mid_object_harms_nobody_else(*, secured, authority, scanner, ledger, an_image, until):
    """Draining aborts from another thread while the association's own reads."""
    provider = secured()
    context = context_of(authority, scanner)
    ae = AE("US1")
    ae.add_requested_context("1.2.840.10008.5.1.4.1.1.6.1", ExplicitVRLittleEndian)
    one = ae.associate("127.0.0.1", provider.tls_port, tls_args=(context, "localhost"))
    assert one.send_c_store(an_image()).Status == 0
    one.dul.socket.socket.sendall(b"\x04\x00\x00\x00\x40\x00" + b"\x00\x00\x10")  # the start of a PDU, then nothing
    ended = threading.Thread(target=provider.drain, args=(0,))
    ended.start()
    ended.join(20)
    assert not ended.is_alive()
    until(lambda: not one.is_alive())
    assert ledger.status().instances == 1


# --- settings ------------------------------------------------------------------------------------------------


def settings_of(folder: Path, text: str) -> Settings:
    (folder / "nmus.toml").write_text(text)
    return load(folder / "nmus.toml")


def test_what_is_missing_or_wrong_is_told(authority, ours, tmp_path):
    for text, said in (
        ("[listener]\ntls_port = 0", "tls.certificate_file"),
        ("[listener]\nplain = false", "listener.plain = false needs listener.tls_port"),
    ):
        with pytest.raises(Misconfigured, match=said):
            settings_of(tmp_path, text)
    with pytest.raises(Misconfigured, match=r"needs tls\.ca_file"):
        Server(Tls(certificate_file=ours.certificate, key_file=ours.key))
    with pytest.raises(Misconfigured, match=r"tls\.certificate_file = .*cannot be used"):
        Server(Tls(certificate_file=tmp_path / "none.pem", client_certificates="none"))
    with pytest.raises(Misconfigured, match=r"tls\.certificate_file = .*cannot be used"):
        Server(Tls(certificate_file=ours.certificate, key_file=authority.key, client_certificates="none"))
    with pytest.raises(Misconfigured, match=r"tls\.ca_file = .*cannot be used"):
        Server(Tls(certificate_file=ours.certificate, key_file=ours.key, ca_file=ours.key))


def test_a_locked_key_opens_with_its_password_file_only(authority, tmp_path):
    locked = authority.sign("locked", locked_with="open sesame")
    word = tmp_path / "word"
    word.write_text("open sesame\nsecond line\n")
    files = {"certificate_file": locked.certificate, "key_file": locked.key, "client_certificates": "none"}
    Server(Tls(**files, key_password_file=word))
    word.write_text("wrong\n")
    for wrong in ({"key_password_file": word}, {}):
        with pytest.raises(Misconfigured, match="cannot be used"):
            Server(Tls(**files, **wrong))


def test_ends_of_certificates_are_watched(authority, ours, tmp_path):
    text = (
        f'[tls]\ncertificate_file = "{ours.certificate}"\nca_file = "{authority.certificate}"\n'
        '[[destination]]\nname = "pacs"\nae_title = "P"\nhost = "h"\nport = 1\ntls = true\ntls_ca_file = "gone.pem"\n'
    )
    settings = settings_of(tmp_path, text)
    watched = {one.setting: one for one in certificates(settings)}
    assert set(watched) == {"tls.certificate_file", "tls.ca_file"}
    ended = authority.sign_ended("old")
    old = settings_of(tmp_path, f'[tls]\ncertificate_file = "{ended.certificate}"\nkey_file = "{ended.key}"')
    (one,) = certificates(old)
    assert one.days(one.ends_at + 86_400) == -1
    with pytest.raises(Misconfigured, match="has ended"):
        check_certificates(old, NOW)
    check_certificates(settings, NOW)
