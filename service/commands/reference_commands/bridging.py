"""``bridge``: may one scanner's values be compared with another scanner's reference? Only within declared limits."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from reference_store import bridging, observations_csv
from reference_store.events import Kind, event
from reference_store.files import read_text
from reference_store.store import load
from service.commands.reference_commands.printing import command, found_in, signature, signed_by, store_of, tell


def add_parsers(subparsers: Any) -> None:  # noqa: ANN401
    """Add ``bridge``."""
    parser = command(subparsers, "bridge", "fit a line between two scanners; status 1 when it is refused", _bridge)
    parser.add_argument("id", metavar="ID", help="the reference to lead to")
    parser.add_argument("--pairs", type=Path, required=True, metavar="FILE", help="CSV with both scanners' values")
    parser.add_argument("--method", choices=("deming", "passing-bablok"), default="deming")
    parser.add_argument("--dry-run", action="store_true", help="judge only, record nothing")
    signature(parser)


def _bridge(args: argparse.Namespace) -> int:
    store = store_of(args)
    references = load(store.folder)
    document = found_in(references, args.id)
    observations = observations_csv.read(read_text(args.pairs), args.pairs.name)
    source, pairs = bridging.pair(observations, document, signed_by(references, document))
    bridge = bridging.fit(document, source, pairs, args.method)
    recorded = bridge.accepted and not args.dry_run
    if recorded:
        store.record([event(Kind.BRIDGE, args.by, args.on, bridge=bridging.to_json(bridge))])
    facts = {**bridging.to_json(bridge), "recorded": recorded, "hash": bridge.content_hash}
    lines = [
        bridge.text,
        f"{args.method}: {bridge.intercept:.4g} + {bridge.slope:.4g} × value, for {source.scanner}",
        "every comparison over it says so and carries its residual" if recorded else "nothing was recorded",
    ]
    tell(args, facts, lines)
    return 0 if bridge.accepted else 1
