"""Precision, recall and false alarms by scene, for clips whose candidates have been judged."""

from __future__ import annotations

import numpy as np
from dataset import ClipData

from plugins.fasciculation.pulse import beating

BIG_MM = 0.3


def table(clips: list[ClipData], shares: dict[int, np.ndarray], threshold: float) -> None:
    print(f"--- threshold {threshold}")
    kinds = sorted({(clip.kind, clip.per_minute > 0) for clip in clips})
    for kind, twitching in kinds:
        chosen = [
            (at, clip)
            for at, clip in enumerate(clips)
            if clip.kind == kind and (clip.per_minute > 0) == twitching and at in shares
        ]
        hit = wrong = big = found_big = small = found_small = judged_big = judged_hit = 0
        minutes, shareds = 0.0, []
        for at, clip in chosen:
            needed = np.where(clip.in_motion, max(threshold, 0.95), threshold)
            kept = (shares[at][:, 0] >= needed) & ~np.array(beating(clip.found), bool)
            wrong += sum(1 for index in np.flatnonzero(kept) if clip.matched[index] < 0)
            seen = {clip.matched[index] for index in np.flatnonzero(kept)} - {-1}
            hit += len(seen)
            for which, event in enumerate(clip.truth):
                if event["peak_mm"] >= BIG_MM:
                    big += 1
                    found_big += which in seen
                    judged_big += not clip.truth_in_motion[which]
                    judged_hit += which in seen and not clip.truth_in_motion[which]
                else:
                    small += 1
                    found_small += which in seen
            minutes += clip.duration_s / 60
            shareds.append(clip.judged_share)
        precision = hit / (hit + wrong) if hit + wrong else float("nan")
        print(
            f"{kind:12s} {'twitching' if twitching else 'none':9s} n {len(chosen):3d} P {precision:.3f} "
            f"R>=0.3 {found_big}/{big} {found_big / max(big, 1):.3f} (judged {judged_hit / max(judged_big, 1):.3f}) "
            f"R<0.3 {found_small}/{small} false {wrong} = {wrong / max(minutes, 1e-9):.2f}/min "
            f"judged {np.mean(shareds):.2f} not assessable {np.mean([s < 0.5 for s in shareds]):.2f}"
        )
