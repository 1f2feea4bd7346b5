"""The sheets of ``nmus doctor`` say what the settings say; nothing is asked of anybody here."""

from __future__ import annotations

import json

from service import config
from service.commands.first_day import machine, peers, sheets
from service.commands.first_day.rows import Row, State, table, worst
from service.config import Settings
from service.receive.offered import TRANSFER_SYNTAXES


def settings(**more: object) -> Settings:
    listener = {"host": "10.20.0.9", "networks": ["10.20.0.0/16"], "calling_ae_titles": ["SONO1"], "port": 104}
    pacs = {"name": "pacs", "ae_title": "PACS", "host": "pacs.example.org", "port": 11113, "sr_class": "comprehensive"}
    return config.validated({"listener": listener, "destination": [pacs | {"confirm": "commitment"}], **more})


def test_the_firewall_list_has_every_way_in_and_out() -> None:
    hub = {"name": "hub", "url": "https://hub.example.org"}
    scanner = {"ae_title": "SONO1", "host": "10.20.0.7", "port": 11115}
    address = "postgresql+psycopg://nmus:geheim@db.example.org/nmus"
    found = sheets.flows(settings(orthanc=[hub], scanner=[scanner], service={"database": address}))
    assert {(flow.target, flow.port, flow.incoming) for flow in found} == {
        ("10.20.0.9", 104, True),
        ("pacs.example.org", 11113, False),
        ("hub.example.org", 443, False),
        ("10.20.0.7", 11115, False),
        ("db.example.org", 5432, False),
    }
    text = sheets.firewall(settings(service={"database": address}))
    assert "ip saddr { 10.20.0.0/16 } tcp dport { 104 } accept" in text and "geheim" not in text


def test_each_partner_is_told_what_concerns_it() -> None:
    site = settings()
    made = sheets.all_of(site, {"destination pacs": {"1.2.840.10008.5.1.4.1.1.6.1": TRANSFER_SYNTAXES}})
    entered = json.loads(made["orthanc.json"])["DicomModalities"]["nmus"]
    assert (entered["AET"], entered["Host"], entered["Port"]) == ("NMUS", "10.20.0.9", 104)
    assert "Comprehensive SR Storage" in made["pacs.md"] and "storage commitment" in made["pacs.md"]
    assert "SONO1" in made["scanner.md"] and "10.20.0.9" in made["scanner.md"]
    assert f"all {len(TRANSFER_SYNTAXES)}" in made["conformance.md"]
    lines = [line for text in made.values() for line in text.splitlines() if line.startswith("|")]
    assert all(line.endswith("|") for line in lines)


def test_the_conformance_statement_names_what_these_settings_ask_and_answer_besides() -> None:
    plain = sheets.conformance(settings(), {})
    assert "| SCU besides | Storage Commitment Push Model |" in plain and "| DICOMweb | none |" in plain
    archive = {"name": "arch", "ae_title": "ARCH", "host": "x", "port": 1, "worklist": True, "fetch": True}
    web = {"name": "web", "dicomweb": "https://x/dicom-web", "confirm": "qido"}
    flow = {"name": "trial", "called": ["TRIAL"], "destinations": []}
    site = config.validated(
        {
            "archive": [archive],
            "destination": [web],
            "priors": {"ask": ["arch"]},
            "workflow": [flow],
            "stow": {"enabled": True},
        }
    )
    text = sheets.conformance(site, {})
    for told in (
        "C-GET, for earlier reports",
        "C-MOVE, for what is lacking",
        "Modality Worklist C-FIND",
        "trial: called TRIAL",
        "origin server of STOW-RS, user agent of STOW-RS, user agent of QIDO-RS",
    ):
        assert told in text, told
    assert "Commitment" not in text.split("SCP besides")[0]
    assert "| AE title for trial | TRIAL |" in sheets.scanner(site)


def test_what_a_destination_is_sent_follows_its_settings() -> None:
    site = settings()
    assert set(peers.wanted(site.destination[0], site)) == {"1.2.840.10008.5.1.4.1.1.88.33", *peers.CAPTURES}
    where = {"name": "x", "ae_title": "X", "host": "x", "port": 1}
    for objects, last in ((["sr"], ".88.34"), (["pdf"], ".104.1"), (["gsps"], ".11.2")):
        only = config.validated({"destination": [where | {"objects": objects}]})
        assert list(peers.wanted(only.destination[0], only))[-1] == f"1.2.840.10008.5.1.4.1.1{last}"


def test_a_secret_that_everybody_can_read_is_told(tmp_path) -> None:
    word = tmp_path / "word"
    word.write_text("geheim\n")
    word.chmod(0o644)
    (tmp_path / "nmus.toml").write_text(
        '[[orthanc]]\nname = "hub"\nurl = "http://hub"\nusername = "nmus"\npassword_file = "word"\n'
    )
    site = config.load(tmp_path / "nmus.toml")
    assert machine.secret_files(site) == {"orthanc[0].password_file": word}
    (row,) = [row for row in machine.examine(site) if row.what.startswith("orthanc")]
    assert row.state is State.WARN and "chmod" in row.remedy and "geheim" not in row.found
    word.chmod(0o600)
    assert not [row for row in machine.examine(site) if row.what.startswith("orthanc")]


def test_the_table_shows_remedies_only_where_one_is_needed() -> None:
    rows = [Row("a", "b", State.GOOD, "fine", "not shown"), Row("place", "what", State.BAD, "broken", "mend it")]
    lines = table(rows)
    assert len(lines) == 3 and "mend it" in lines[2] and worst(rows) == 1 and worst(rows[:1]) == 0
