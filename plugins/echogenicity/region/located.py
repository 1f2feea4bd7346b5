"""What the search for a muscle gives back: an outline with a confidence, or the reason why a person must draw it."""

from __future__ import annotations

from dataclasses import dataclass, field

from plugins.images import Box, Mask, Outline, Point

NEEDS_A_REGION = "needs a region"


@dataclass(frozen=True, slots=True)
class Located:
    """A muscle found, or not. Points are ``(column, row)`` by pixel edges, in the picture's own coordinates.

    ``outline`` is ``None`` whenever ``confidence`` is below ``threshold``: what was found is then only in
    ``alternatives``, best first, for the overlay and for the person who decides.
    """

    outline: Outline | None
    """The muscle without its fasciae: closed, between the inner edges of the two aponeuroses."""
    superficial: tuple[Point, ...]
    """Centre line of the superficial aponeurosis, left to right; empty without an outline."""
    deep: tuple[Point, ...]
    """Centre line of the deep aponeurosis, left to right; empty without an outline."""
    alternatives: tuple[Outline, ...]
    """Other outlines worth showing, best first."""
    confidence: float
    """Share of answers with such a score that were right on blocks of images never trained on, 0 to 1."""
    threshold: float
    """The confidence from which an outline is given."""
    method: str
    """What found it, with the version of the weights."""
    reason: str = ""
    """Why no outline is given; empty when one is."""
    alternative_confidences: tuple[float, ...] = ()
    """One for each alternative: shares of what the best leaves; 0 where nothing is known (transverse views)."""
    caution: str = ""
    """What a reader of an answer must know, such as a muscle the finder was not judged on; empty for none."""

    seen: tuple[Box, Mask] | None = field(default=None, compare=False, repr=False)
    """The field of view that was searched, and its mask within that box: whoever measures needs them too."""

    def __post_init__(self) -> None:
        """An outline without confidence, or a refusal without a reason, cannot be made."""
        if self.outline is not None and self.confidence < self.threshold:
            raise ValueError(f"an outline at confidence {self.confidence:.3f} under the threshold {self.threshold:.3f}")
        if (self.outline is None) != bool(self.reason):
            raise ValueError("a reason belongs to every refusal, and to nothing else")
        if len(self.alternatives) != len(self.alternative_confidences):
            raise ValueError("every alternative has its confidence")
