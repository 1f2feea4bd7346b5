"""The finding of a longitudinal image: mean, least and largest diameter, constrictions, the profile as a chart."""

from __future__ import annotations

from plugins.contract import (
    Acquisition,
    Chart,
    Clip,
    Finding,
    FrameRef,
    Line,
    LineRole,
    Measurement,
    NotAssessable,
    Observation,
    Page,
    Panel,
    ReasonCode,
    Series,
    TissueRegion,
)
from plugins.nerve_area import codes, gates
from plugins.nerve_area.longitudinal import Constriction, Diameters, constrictions, diameters
from plugins.nerve_area.pages import crop_around, place_of
from plugins.nerve_area.seeds import Seed, SeedKind, seed_of

NO_AREA = "the image is longitudinal: it shows the nerve's diameter, not its cross-section"


def along_the_nerve(clip: Clip, acquisition: Acquisition, noted_ratio: float) -> Finding | NotAssessable:
    """The diameter profile where a caliper was set across the nerve; otherwise why there is none."""
    seed = seed_of(clip, acquisition.structure)
    if seed is None or seed.kind is not SeedKind.CALIPER or not 0 <= seed.frame < clip.frames.count:
        remedy = "send a transverse image for the area; set one caliper across the nerve for the diameter profile"
        return NotAssessable(ReasonCode.WRONG_VIEW, NO_AREA, remedy, FrameRef(clip.sop_instance_uid))
    image = FrameRef(clip.sop_instance_uid, seed.frame)
    tissue = gates.calibrated(clip, seed.points, seed.frame)
    if isinstance(tissue, NotAssessable):
        return tissue
    profile = _profile(clip, seed, tissue)
    if profile is None:
        return NotAssessable(
            ReasonCode.IMAGE_QUALITY,
            "the nerve's borders could not be followed from the caliper for two diameters",
            "set the caliper where both borders are sharp, or send a clearer image",
            image,
        )
    found = constrictions(profile)
    noted = tuple(each for each in found if each.ratio < noted_ratio)
    return Finding(
        image,
        profile.outline,
        _measurements(profile, found),
        region_origin=seed.origin,
        observations=tuple(_observation(each) for each in noted),
        lines=tuple(Line((each.point,), LineRole.MARK, f"{each.diameter_mm:.1f} mm") for each in noted),
        pages=(_page(clip, image, profile, acquisition, noted),),
        tables={"nerve_diameter.csv": _table(profile)},
    )


def _profile(clip: Clip, seed: Seed, tissue: TissueRegion) -> Diameters | None:
    """The profile in the lit part of the region."""
    grey = clip.frames.grey(seed.frame)
    first, last = seed.points[0], seed.points[-1]
    return diameters(grey, gates.spacing_of(tissue), gates.lit_box(grey, tissue.box), (first, last))


def _measurements(profile: Diameters, found: tuple[Constriction, ...]) -> tuple[Measurement, ...]:
    width = profile.diameter_mm
    rows = [
        (
            "diameter_mean",
            codes.DIAMETER_MEAN,
            width.mean(),
            "mm",
            "mean over the profile, at right angles to the nerve",
        ),
        ("diameter_minimum", codes.DIAMETER_MINIMUM, width.min(), "mm", "least diameter of the profile"),
        ("diameter_maximum", codes.DIAMETER_MAXIMUM, width.max(), "mm", "largest diameter of the profile"),
        ("profile_length", codes.PROFILE_LENGTH, profile.along_mm[-1], "mm", "length along the nerve's middle line"),
    ]
    if found:
        text = "diameter at the deepest minimum / mean of the maxima on its two sides; no limit is published"
        rows.append(("calibre_ratio", codes.CALIBRE_RATIO, found[0].ratio, "1", text))
    return tuple(Measurement(name, code, float(value), unit, definition=text) for name, code, value, unit, text in rows)


def _observation(each: Constriction) -> Observation:
    text = f"minimum of {each.diameter_mm:.1f} mm between two maxima, {each.ratio:.2f} of their mean"
    text += "; such a calibre change is described with hourglass constriction"
    return Observation("calibre_change", codes.CALIBRE_CHANGE, codes.CALIBRE_CHANGE, text, "Arányi 2017; Meiling 2025")


def _page(
    clip: Clip, image: FrameRef, profile: Diameters, acquisition: Acquisition, noted: tuple[Constriction, ...]
) -> Page:
    line = Series("line", tuple(map(float, profile.along_mm)), tuple(map(float, profile.diameter_mm)), label="diameter")
    marks = Series("points", tuple(c.at_mm for c in noted), tuple(c.diameter_mm for c in noted), label="minimum")
    chart = Chart(
        "Diameter along the nerve", "along the nerve, mm", "diameter, mm", (line, marks) if noted else (line,)
    )
    crop = crop_around((profile.outline,), clip.frames.shape)
    panel = Panel("borders", image, crop, (Line(profile.outline),))
    return Page(f"Nerve diameter: {place_of(acquisition)}", (panel, Panel(chart=chart)), ())


def _table(profile: Diameters) -> str:
    rows = zip(profile.along_mm, profile.columns, profile.diameter_mm, strict=True)
    return "along_mm,column,diameter_mm\n" + "".join(f"{a:.3f},{c:.1f},{d:.4f}\n" for a, c, d in rows)
