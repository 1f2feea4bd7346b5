"""``zscore``: one value against one document, computed from the document alone."""

from __future__ import annotations

import argparse
import dataclasses
import math
from pathlib import Path
from typing import Any

from reference_store import refusals, validity
from reference_store.comparison import Comparison, Refusal
from reference_store.documents import Document, Status
from reference_store.files import read_text
from reference_store.predicting import score
from reference_store.reading import parse
from reference_store.reference_set import comparison
from reference_store.store import load
from reference_store.terms import covariates
from reference_store.units import SIGNED, factor
from reference_store.values import Subject
from service.commands.reference_commands.printing import command, folder_of, found_in, tell

_UNLOCKED = "device and settings were not checked: this is arithmetic from the document alone"


def add_parsers(subparsers: Any) -> None:  # noqa: ANN401
    """Add ``zscore``."""
    parser = command(subparsers, "zscore", "compare one value with one reference document", _zscore)
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--model", type=Path, metavar="FILE", help="a reference document")
    which.add_argument("--id", metavar="ID", help="a reference of the store: id, id@version or content hash")
    parser.add_argument("--entry", metavar="ID", help="which document, when FILE holds several")
    parser.add_argument("--value", type=_finite, required=True, metavar="V", help="the measured value")
    parser.add_argument("--unit", metavar="UNIT", help="unit of the value; the document's when absent")
    parser.add_argument("--age", type=_number, metavar="YEARS")
    parser.add_argument("--sex", choices=("M", "F"))
    parser.add_argument("--height-cm", type=_number, metavar="CM")
    parser.add_argument("--weight-kg", type=_number, metavar="KG")


def _finite(text: str) -> float:
    try:
        value = float(text)
    except ValueError as error:
        comma = "; write a decimal point" if "," in text else ""
        raise argparse.ArgumentTypeError(f"{text!r} is not a number{comma}") from error
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number")
    return value


def _number(text: str) -> float:
    value = _finite(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of zero or more")
    return value


def _zscore(args: argparse.Namespace) -> int:
    document, standing = _document(args)
    subject = Subject(args.age, args.sex, args.height_cm, args.weight_kg)
    answer = from_document(document, args.value, args.unit or document.unit, subject)
    if isinstance(answer, Comparison):
        retired = ("retired: only to compute old reports again",) if standing is Status.RETIRED else ()
        answer = dataclasses.replace(answer, status=standing.value, warnings=(*answer.warnings, *retired))
    tell(args, _facts(document, standing, answer), _lines(document, answer))
    return 0  # a refusal is an answer too, and the right one


def from_document(document: Document, value: float, unit: str, subject: Subject) -> Comparison | Refusal:
    """Compare without a device. Raises ``ValueError`` when the unit measures something else."""
    if value < 0 and document.quantity not in SIGNED:
        raise ValueError(f"--value {value:g}: {document.quantity} is never below zero")
    into = factor(unit, document.unit)
    if into is None:
        raise ValueError(
            f"--unit {unit}: {document.release} is in {document.unit}, which {unit} cannot be changed into"
        )
    stopped = validity.violation(document, subject)
    if stopped:
        return stopped
    result = score(document, value * into, covariates(subject))
    if result.says_nothing:
        return refusals.no_number(document)
    said = (*validity.warnings(document, subject), *result.warnings, _UNLOCKED)
    return comparison(document, result, value * into, into, said)


def _document(args: argparse.Namespace) -> tuple[Document, Status]:
    """The document, and its status now: as written, unless a store knows of later decisions."""
    if args.id:
        references = load(folder_of(args))
        found = found_in(references, args.id)
        return found, references.standing(found)
    read = parse(read_text(args.model), args.model.name)
    chosen = [document for document in read if args.entry in (None, document.id, document.release)]
    if len(chosen) != 1:
        names = ", ".join(document.release for document in read[:5])
        raise LookupError(f"{args.model.name} holds {len(read)} documents ({names} …): name one with --entry")
    return chosen[0], chosen[0].status


def _facts(document: Document, standing: Status, answer: Comparison | Refusal) -> dict[str, Any]:
    origin = {
        "id": document.id,
        "version": document.version,
        "hash": document.content_hash,
        "status": standing.value,
        "source": document.source_line,
    }
    if isinstance(answer, Refusal):
        return {"refused": answer.code.value, "reason": answer.text, "remedy": answer.remedy, "reference": origin}
    facts = dataclasses.asdict(answer)
    names = ("z", "z_sd", "percentile", "sd", "lower_limit", "upper_limit", "limits", "outside")
    kept = {name: facts[name] for name in names}
    return {**kept, "predicted": answer.expected, "warnings": list(answer.warnings), "reference": origin}


def _lines(document: Document, answer: Comparison | Refusal) -> list[str]:
    if isinstance(answer, Refusal):
        return [f"refused ({answer.code}): {answer.text}", f"what to do: {answer.remedy}"]
    lines = []
    if answer.z is not None:
        about = f" ± {answer.z_sd:.2f}" if answer.z_sd is not None else ""
        lines.append(f"z {answer.z:+.2f}{about}")
    if answer.percentile is not None:
        lines.append(f"percentile {answer.percentile:.1f}")
    if answer.expected is not None and answer.sd is not None:
        lines.append(f"expected {answer.expected:.4g} ± {answer.sd:.4g} (SD)")
    bounds = " to ".join(f"{limit:.4g}" for limit in (answer.lower_limit, answer.upper_limit) if limit is not None)
    lines.append(f"limits {bounds} ({answer.limits}): {answer.outside or 'within'}")
    lines.append(f"source {answer.source}; {document.release}, {answer.status}")
    return [*lines, *(f"note: {warning}" for warning in answer.warnings)]
