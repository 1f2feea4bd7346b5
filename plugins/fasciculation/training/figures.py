"""Tables of README.md from what ``heldout.py`` wrote: exact intervals of every figure, scene by scene.

python plugins/fasciculation/training/figures.py FILE [FIRST_SEED LAST_SEED]
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
from scipy.special import gammaincinv

from plugins.fasciculation.evaluate import MATCH_S, Share, matches
from service.demo.simulator.scenes import ASSESSABLE, MOVING

EDGES_MM = (0.1, 0.15, 0.2, 0.3, 0.5, 0.8, 1.2)
BIG_MM = 0.3
Row = dict


def assessed(row: Row) -> bool:
    return "reason" not in row


def kept(row: Row) -> list[dict]:
    return [event for event in row["events"] if event["accepted"]]


def pairs(row: Row) -> list[tuple[int, int]]:
    """(truth, counted event) within the tolerance, one to one."""
    return matches([one["peak_s"] for one in row["truth"]], [one["peak_s"] for one in kept(row)], MATCH_S)


def rate(alarms: int, minutes: float) -> str:
    """Events a minute with Garwood's exact 95 % interval."""
    if not minutes:
        return "none"
    low = float(gammaincinv(alarms, 0.025)) / minutes if alarms else 0.0
    return (
        f"{alarms} in {minutes:.1f} min = {alarms / minutes:.2f} ({low:.3f} to "
        f"{float(gammaincinv(alarms + 1, 0.975)) / minutes:.2f})"
    )


def scene_line(name: str, rows: list[Row]) -> str:
    twitching = [row for row in rows if row["per_minute"] > 0 and assessed(row)]
    quiet = [row for row in rows if row["per_minute"] == 0 and assessed(row)]
    hits, counted, found, big = 0, 0, 0, 0
    for row in twitching:
        joined = pairs(row)
        hits, counted = hits + len(joined), counted + len(kept(row))
        large = {at for at, one in enumerate(row["truth"]) if one["peak_mm"] >= BIG_MM}
        found, big = found + sum(at in large for at, _ in joined), big + len(large)
    minutes = sum(row["observed_s"] for row in quiet) / 60
    false = rate(sum(len(kept(row)) for row in quiet), minutes)
    refused = sum(not assessed(row) for row in rows)
    return f"{name:18} P {Share(hits, counted)} | R {Share(found, big)} | {false} | not assessed {refused}/{len(rows)}"


def curve(rows: list[Row]) -> None:
    bins: Counter[tuple[int, bool]] = Counter()
    for row in rows:
        if row["per_minute"] > 0 and assessed(row):
            seen = {at for at, _ in pairs(row)}
            for at, one in enumerate(row["truth"]):
                bins[int(np.digitize(one["peak_mm"], EDGES_MM)), at in seen] += 1
    for place, (low, high) in enumerate(pairwise(EDGES_MM), 1):
        print(f"  {low:.2f} to {high:.2f} mm: {Share(bins[place, True], bins[place, True] + bins[place, False])}")


def sizes_and_times(rows: list[Row]) -> None:
    gaps, ratio, far = [], [], 0
    for row in rows:
        if row["per_minute"] > 0 and assessed(row):
            for at, which in pairs(row):
                truth, event = row["truth"][at], kept(row)[which]
                gaps.append(event["peak_s"] - truth["peak_s"])
                ratio.append(event["mm"] / truth["peak_mm"])
                far += event["truly"] != "fasciculation"
    print(f"timing: mean {np.mean(gaps):+.3f} s, median absolute {np.median(np.abs(gaps)):.3f} s, {len(gaps)} pairs")
    print("measured over true:", np.round(np.percentile(ratio, [25, 50, 75]), 2), "pairs by time alone:", far)


def names(rows: list[Row]) -> None:
    """What was rejected: how often under the right name, by itself and in a stretch that moves and has one name."""
    table: Counter[tuple[str, bool, bool]] = Counter()
    for row in rows:
        if assessed(row):
            for event in row["events"]:
                if not event["accepted"] and event["truly"] not in {"", "fasciculation"}:
                    table[event["truly"], event["in_motion"], event["truly"] == event["rejected_as"]] += 1
    for name in sorted({name for name, _, _ in table}):
        parts = []
        for moving, where in ((False, "by itself"), (True, "in a moving stretch")):
            right, wrong = table[name, moving, True], table[name, moving, False]
            parts.append(f"{where} {right} of {right + wrong}")
        print(f"  {name}: named right {', '.join(parts)}")


def main() -> None:
    rows: list[Row] = [json.loads(line) for line in Path(sys.argv[1]).read_text("utf-8").splitlines()]
    if len(sys.argv) > 3:
        rows = [row for row in rows if int(sys.argv[2]) <= row["seed"] <= int(sys.argv[3])]
    for group in ("", "still-"):
        mine = [row for row in rows if row["kind"] in {group + kind for kind in (*ASSESSABLE, *MOVING)}]
        still = [row for row in mine if row["kind"].removeprefix(group) in ASSESSABLE]
        if still:
            for kind in ASSESSABLE:
                print(scene_line(group + kind, [row for row in still if row["kind"] == group + kind]))
            print(scene_line(f"ALL {group}", still))
            curve(still)
            sizes_and_times(still)
            names(still)
        for kind in MOVING:
            here = [row for row in mine if row["kind"] == group + kind]
            counts = [len(kept(row)) for row in here if assessed(row)]
            print(f"{group + kind:14} not assessable {Share(len(here) - len(counts), len(here))}; counts {counts}")


if __name__ == "__main__":
    main()
