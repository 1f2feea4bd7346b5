"""``fit``, ``validate`` and ``compare``: from observations to a reference, and whether it is right."""

from __future__ import annotations

import argparse
import dataclasses
import importlib.util
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from reference_store import journal, observations_csv
from reference_store.collecting import Collection
from reference_store.events import Kind, event
from reference_store.files import read_text
from reference_store.observations import Group, Observation
from reference_store.store import Store, load
from reference_store.values import Device, View
from service.commands.reference_commands.printing import (
    command,
    folder_of,
    found_in,
    signature,
    signed_by,
    store_of,
    table,
    tell,
)
from service.errors import Misconfigured


def add_parsers(subparsers: Any) -> None:  # noqa: ANN401
    """Add ``fit``, ``validate`` and ``compare``."""
    parser = command(subparsers, "fit", "fit a reference to what was collected, with a report to look at", _fit)
    parser.add_argument("--quantity", required=True, metavar="NAME")
    parser.add_argument("--structure", required=True, metavar="KEY")
    parser.add_argument("--site", metavar="KEY")
    parser.add_argument("--device-model", metavar="NAME", help="when several scanners were used")
    parser.add_argument("--view", choices=[view.value for view in View], help="when several views were measured")
    parser.add_argument("--family", choices=("linear", "lms", "quantile"), default="linear")
    parser.add_argument("--id", required=True, metavar="ID", help="id of the new document")
    parser.add_argument("--document-version", default="1.0.0", metavar="X.Y.Z")
    parser.add_argument("--source", default="site", metavar="KEY", help="short name of your site")
    parser.add_argument("--report", type=Path, metavar="FILE", help="HTML report")
    parser.add_argument("--dry-run", action="store_true", help="fit and report, store nothing")
    parser = command(subparsers, "validate", "check a reference on at least 20 controls who were not fitted", _validate)
    parser.add_argument("id", metavar="ID")
    parser.add_argument("--controls", type=Path, required=True, metavar="FILE", help="CSV as of 'collect export'")
    signature(parser)
    parser = command(subparsers, "compare", "two references side by side, by age and sex", _compare)
    parser.add_argument("first", metavar="ID")
    parser.add_argument("second", metavar="ID")


def need_statistics() -> None:
    """Raise ``Misconfigured`` when the optional libraries of fitting are not installed."""
    if importlib.util.find_spec("statsmodels") is None:
        raise Misconfigured("fitting needs statsmodels: install the extra, nmus[fit]")


def _fit(args: argparse.Namespace) -> int:
    need_statistics()
    from reference_store.fitting import cohort as cohorts  # noqa: PLC0415 - optional libraries
    from reference_store.fitting import linear, making, report, sensitivity, wide  # noqa: PLC0415

    store = store_of(args)
    collection = Collection(store.folder)
    current = collection.current()
    cohort = cohorts.gather(current, _group(args, current))
    fits: dict[str, Any] = {"linear": linear.fit, "lms": wide.lms, "quantile": wide.quantiles}
    fit: Any = fits[args.family](cohort)
    document, why = None, ""
    try:
        attested = _attested(store, current, cohort.group)
        document = making.document(
            fit, args.id, args.document_version, source=args.source, code_version=_own_version(), attested=attested
        )
    except ValueError as error:
        why = str(error)
    if args.report:
        page = report.page(fit, document, collection.exclusions().values(), why)
        journal.replace(args.report, page.encode())
    if document and not args.dry_run:
        store.add([(f"{document.id}.json", document.text)])
    facts = {
        "subjects": len(cohort),
        "document": document.release if document else None,
        "reason": why,
        "shape": fit.shape.words,
        "dropped": [list(pair) for pair in cohort.dropped],
        "lacking": list(sensitivity.lacking(cohort)),
        "report": str(args.report) if args.report else None,
        "stored": bool(document and not args.dry_run),
    }
    lines = [f"{len(cohort)} subjects, model {fit.shape.words}"]
    lines += [f"{document.release} made; look at the report, validate, then activate" if document else why]
    tell(args, facts, [*lines, *(f"lacking: {gap}" for gap in sensitivity.lacking(cohort))])
    return 0 if document else 1


def _group(args: argparse.Namespace, current: tuple[Observation, ...]) -> Group:
    groups = {
        found.group
        for found in current
        if (found.quantity, found.structure, found.site) == (args.quantity, args.structure, args.site)
        and args.device_model in (None, found.device.model)
        and args.view in (None, found.view.value)
    }
    if len(groups) == 1:
        return groups.pop()
    if not groups:
        raise LookupError(f"no observations of {args.quantity} of {args.structure}; see 'collect progress'")
    scanners = "; ".join(sorted(f"{group.scanner} ({group.view} view)" for group in groups))
    raise LookupError(
        f"{len(groups)} scanners, settings or views, never fitted together: {scanners}; name --device-model or --view"
    )


def _attested(store: Store, current: tuple[Observation, ...], group: Group) -> tuple[tuple[str, str], ...]:
    """The settings that were attested for the scanner the values come from; the document locks them too."""
    devices: set[Device] = {found.device for found in current if found.group == group}
    for attestation in reversed(store.state().attestations):
        if any(attestation.covers(device) and attestation.suspended_by(device) is None for device in devices):
            return attestation.settings
    return ()


def _own_version() -> str:
    try:
        return version("nmus")
    except PackageNotFoundError:
        return "source tree"


def _validate(args: argparse.Namespace) -> int:
    from reference_store.validating import validate  # noqa: PLC0415 - scipy.stats takes a second to import

    store = store_of(args)
    references = load(store.folder)
    document = found_in(references, args.id)
    controls = observations_csv.read(read_text(args.controls), args.controls.name)
    fitted = {found.subject_key for found in Collection(store.folder).all()}
    own = document.provenance.confidence == "site-collected"
    twice = sorted({found.subject_key for found in controls} & fitted) if own else []
    if twice:
        raise ValueError(f"{len(twice)} controls are among the collected subjects; validate on people not fitted")
    result = validate(document, controls, signed_by(references, document))
    facts = dataclasses.asdict(result)
    row = {name: facts[name] for name in ("release", "n", "outside", "accepted", "mean_z", "sd_z")}
    if result.n:
        store.record([event(Kind.VALIDATE, args.by, args.on, content_hash=document.content_hash, **row)])
    lines = [f"{'accepted' if result.accepted else 'NOT accepted'}: {result.text}", result.power]
    if result.mean_z is not None and result.sd_z is not None:
        lines.append(f"z of the controls: mean {result.mean_z:+.2f}, SD {result.sd_z:.2f} (0 and 1 if all is right)")
    tell(args, facts, [*lines, *(f"not compared: {key}: {why}" for key, why in result.refused)])
    return 0 if result.accepted else 1


def _compare(args: argparse.Namespace) -> int:
    from reference_store.validating import contrasts  # noqa: PLC0415 - scipy.stats takes a second to import

    references = load(folder_of(args))
    rows = contrasts(found_in(references, args.first), found_in(references, args.second))
    facts = [dataclasses.asdict(row) for row in rows]
    head = ("age", "sex", "shift [SD]", "SD ratio", "upper limit shift [SD]")

    def cell(value: float | None) -> str:
        return "-" if value is None else f"{value:+.2f}"

    cells = [(f"{r.age:g}", r.sex, cell(r.shift), cell(r.spread), cell(r.upper_shift)) for r in rows]
    tell(args, facts, table([head, *cells]))
    return 0
