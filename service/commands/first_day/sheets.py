"""What others need to be told: conformance statement, firewall rules, and the settings of scanner, Orthanc and PACS.

Everything in them is taken from the settings, from the code, and from what the peers accepted just now.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

import pynetdicom
import sqlalchemy
from pydicom.uid import UID

from service import __version__
from service.commands.first_day.negotiating import ULTRASOUND, Accepted, named
from service.commands.first_day.peers import wanted
from service.config import Archive, Destination, Scanner, Settings
from service.receive.offered import RETIRED_ULTRASOUND, STORAGE_CLASSES, TRANSFER_SYNTAXES

_ANYWHERE = ("0.0.0.0", "::", "")  # noqa: S104 - compared, not bound
_UNCOMPRESSED = "Explicit VR Little Endian, Implicit VR Little Endian"


@dataclass(frozen=True, slots=True)
class Flow:
    """One connection that firewalls must let through."""

    source: str
    target: str
    port: int
    what: str
    incoming: bool = False


def address_of(settings: Settings) -> str:
    """Under which address peers reach this machine."""
    if settings.listener.host not in _ANYWHERE:
        return settings.listener.host
    peers: list[Destination | Archive | Scanner] = [*settings.destination, *settings.archive, *settings.scanner]
    hosts = [one.host for one in peers if one.host]
    for host in hosts:
        try:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
                probe.connect((host, 9))  # sends nothing: asks the routing table which card faces the peer
                return str(probe.getsockname()[0])
        except OSError:
            continue
    return socket.gethostname()


def flows(settings: Settings) -> list[Flow]:
    """Every connection by the settings, incoming ones first."""
    here, listener = address_of(settings), settings.listener
    senders = ", ".join(map(str, listener.networks)) or "scanners"
    found = []
    if listener.enabled and listener.plain:
        found.append(Flow(senders, here, listener.port, "DICOM from scanners", True))
    if listener.enabled and listener.tls_port is not None:
        found.append(Flow(senders, here, listener.tls_port, "DICOM over TLS from scanners", True))
    if settings.web.enabled and settings.web.host not in ("127.0.0.1", "::1", "localhost"):
        who = "administrators, monitoring"
        found.append(Flow(who, settings.web.host, settings.web.port, "pages and metrics", True))
    parts: dict[str, Sequence[Destination | Archive | Scanner]] = {
        "results to": settings.destination,
        "queries to": settings.archive,
        "storage commitment to": settings.scanner,
    }
    for kind, entries in parts.items():
        for one in entries:
            name = str(getattr(one, "name", one.ae_title))
            if one.host and one.port:
                found.append(Flow(here, one.host, one.port, f"{kind} {name}"))
            urls = [getattr(one, key, None) for key in ("orthanc", "dicomweb", "qido")]
            found += [_http(here, url, f"{kind} {name}") for url in urls if url]
            if getattr(one, "confirm", "") == "commitment":
                found.append(Flow(one.host or "", here, listener.port, f"storage commitment from {name}", True))
    found += [_http(here, one.url, f"images from {one.name}") for one in settings.orthanc]
    if settings.service.database:
        url = sqlalchemy.make_url(settings.service.database)
        if url.host:
            found.append(Flow(here, url.host, url.port or 5432, "ledger"))
    return list(dict.fromkeys(found))


def _http(here: str, url: str, what: str) -> Flow:
    parts = urlsplit(url)
    return Flow(here, parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80), what)


def firewall(settings: Settings) -> str:
    """The list for whoever runs the firewalls, and the same for this machine's own."""
    rows = [("from", "to", "TCP port", "what"), *((f.source, f.target, str(f.port), f.what) for f in flows(settings))]
    ports = sorted({flow.port for flow in flows(settings) if flow.incoming})
    networks = ", ".join(map(str, settings.listener.networks))
    only = f"ip saddr {{ {networks} }} " if networks else ""
    rule = f"nft add rule inet filter input {only}tcp dport {{ {', '.join(map(str, ports))} }} accept"
    return f"# Firewall\n\n{_markdown(rows)}\n\nOn this machine:\n\n    {rule}\n"


def scanner(settings: Settings) -> str:
    """What is entered at the scanner."""
    listener = settings.listener
    port = listener.port if listener.plain else listener.tls_port
    rows = [
        ("setting at the scanner", "value"),
        ("AE title of the destination", listener.ae_title),
        ("address", address_of(settings)),
        ("port", str(port)),
    ]
    if listener.plain and listener.tls_port is not None:
        rows.append(("port with TLS", str(listener.tls_port)))
    titles = ", ".join(listener.calling_ae_titles) or "any; better one that you name in listener.calling_ae_titles"
    rows += [
        ("own AE title", titles),
        ("transfer syntax", "whatever it stores natively; all are taken"),
        ("SOP classes", ", ".join(ULTRASOUND.values())),
        ("when to send", f"during or after the exam; {settings.settle.quiet_seconds:g} s of silence end a study"),
        ("send", "original images with region calibration, not screen captures; presets locked"),
        ("storage commitment", "to the same title and port, if it asks; name it in [[scanner]]"),
        *((f"AE title for {one.name}", " or ".join(one.called)) for one in settings.workflow),
    ]
    return f"# Scanner\n\n{_markdown(rows)}\n"


def orthanc(settings: Settings) -> str:
    """A part of Orthanc's configuration: who nmus is."""
    us = {"AET": settings.listener.ae_title, "Host": address_of(settings), "Port": settings.listener.port,
          "AllowEcho": True, "AllowStore": True, "AllowFind": True, "AllowMove": False}  # fmt: skip
    raw = {
        "DicomModalities": {"nmus": us},
        "RegisteredUsers": {"nmus": "the word in password_file"},
        "AuthenticationEnabled": True,
        "DicomCheckCalledAet": True,
    }
    return json.dumps(raw, indent=1) + "\n"


def pacs(settings: Settings) -> str:
    """What the PACS's administrator enters, one part a destination."""
    parts = ["# PACS"]
    for target in settings.destination:
        url = target.orthanc or target.dicomweb
        if url is not None:
            user = target.username or ("a bearer token" if target.token_file else "none")
            told = [("setting", "value"), ("results are posted to", url), ("by", address_of(settings)), ("user", user)]
            parts.append(f"## {target.name}\n\n{_markdown(told)}")
            continue
        calling = target.calling_ae_title or settings.listener.ae_title
        rows = [("setting at the PACS", "value"), ("calling AE title", calling), ("address", address_of(settings))]
        if target.confirm == "commitment":
            rows.append(("storage commitment answers to", f"{calling}, port {settings.listener.port}"))
        rows += [
            (f"SOP class for {why}", f"{UID(sop_class).name} ({sop_class}), {_UNCOMPRESSED}")
            for sop_class, why in wanted(target, settings).items()
        ]
        rows.append(("allowed", "C-ECHO, C-STORE" + (", C-FIND (Study Root)" if target.confirm == "find" else "")))
        parts.append(f"## {target.name}\n\n{_markdown(rows)}")
    if not settings.destination:
        parts.append("No destination is set.")
    return "\n\n".join(parts) + "\n"


def conformance(settings: Settings, accepted: Mapping[str, Accepted]) -> str:
    """This installation's conformance statement, in short; docs/conformance.md is the whole of it."""
    listener = settings.listener
    rows = [
        ("item", "value"), ("product", f"nmus {__version__}"), ("AE title", listener.ae_title),
        ("address", f"{address_of(settings)}:{listener.port}"),
        ("TLS", f"port {listener.tls_port}, {settings.tls.profile}" if listener.tls_port is not None else "no"),
        ("calling titles", ", ".join(listener.calling_ae_titles) or "all"),
        ("networks", ", ".join(map(str, listener.networks)) or "all that reach the address"),
        ("associations at once", str(listener.maximum_associations)),
        ("maximum PDU", f"{listener.maximum_pdu_bytes} bytes"),
        ("implementation class UID", str(pynetdicom.PYNETDICOM_IMPLEMENTATION_UID)),
        ("implementation version", pynetdicom.PYNETDICOM_IMPLEMENTATION_VERSION),
        ("SCP of", f"Verification; Storage, {len(STORAGE_CLASSES | set(RETIRED_ULTRASOUND))} classes"
                   f"{_private(settings)}"),
        ("transfer syntaxes", f"{len(TRANSFER_SYNTAXES)}, kept as sent"),
        ("SCU of", ", ".join(sorted({named(one) for t in settings.destination for one in wanted(t, settings)}))
                   or "nothing: no destination is set"),
        ("workflows", "; ".join(f"{one.name}: called {', '.join(one.called)}" for one in settings.workflow) or "none"),
        *_services(settings),
    ]  # fmt: skip
    parts = [f"# DICOM conformance of this installation\n\n{_markdown(rows)}"]
    for place, classes in accepted.items():
        lines = [("SOP class", "UID", "transfer syntaxes accepted")]
        lines += [(named(one), one, _listed(syntaxes)) for one, syntaxes in classes.items()]
        parts.append(f"## Negotiated with {place}\n\n{_markdown(lines)}")
    return "\n\n".join(parts) + "\n"


def _services(settings: Settings) -> list[tuple[str, str]]:
    """What is asked of others and answered besides storage, by these settings."""
    confirmed = {one.confirm for one in settings.destination if one.orthanc is None}
    archives = settings.archive
    by_dicom = {one.name for one in archives} | {one.name for one in settings.destination if one.ae_title}
    asked = by_dicom & set(settings.priors.ask)
    finds = bool(asked) or "find" in confirmed or any(one.identity or one.reconcile for one in archives)
    retrieve = {"get": "C-GET", "move": "C-MOVE"}[settings.priors.retrieve]
    scu = [
        ("Storage Commitment Push Model", "commitment" in confirmed),
        ("Study Root Query/Retrieve C-FIND", finds),
        (f"Study Root Query/Retrieve {retrieve}, for earlier reports", bool(asked)),
        ("Study Root Query/Retrieve C-MOVE, for what is lacking", any(one.fetch for one in archives)),
        ("Modality Worklist C-FIND", any(one.worklist for one in archives)),
    ]
    web = [
        ("origin server of STOW-RS", settings.stow.enabled),
        ("user agent of STOW-RS", any(one.dicomweb for one in settings.destination)),
        ("user agent of QIDO-RS", "qido" in confirmed),
    ]
    return [
        ("SCU besides", ", ".join(name for name, on in scu if on) or "none"),
        ("SCP besides", "Storage Commitment Push Model" if settings.listener.enabled else "none"),
        ("DICOMweb", ", ".join(name for name, on in web if on) or "none"),
    ]


def _private(settings: Settings) -> str:
    return "".join(f", {one}" for one in settings.listener.private_sop_classes)


def _listed(syntaxes: Sequence[str]) -> str:
    if len(syntaxes) == len(TRANSFER_SYNTAXES):
        return f"all {len(syntaxes)}"
    return "; ".join(UID(one).name for one in syntaxes) or "none"


def _markdown(rows: Sequence[Sequence[str]]) -> str:
    head, *rest = [f"| {' | '.join(cell.replace('|', '/') for cell in row)} |" for row in rows]
    return "\n".join([head, "|" + "---|" * len(rows[0]), *rest])


def all_of(settings: Settings, accepted: Mapping[str, Accepted]) -> dict[str, str]:
    """Every sheet by its file's name."""
    return {
        "conformance.md": conformance(settings, accepted),
        "firewall.md": firewall(settings),
        "scanner.md": scanner(settings),
        "orthanc.json": orthanc(settings),
        "pacs.md": pacs(settings),
    }
