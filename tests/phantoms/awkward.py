"""All of them by name, and what must become of each."""

from collections.abc import Callable
from dataclasses import dataclass, field

from pydicom import Dataset

from tests.phantoms.classic import ENHANCED_MR, MR, series
from tests.phantoms.geometry import (
    gantry_tilt,
    irregular,
    long_gap,
    missing_slices,
    mixed_orientations,
    no_frame_of_reference,
    oblique,
    two_spacings,
)
from tests.phantoms.multi_frame import enhanced
from tests.phantoms.no_volume import (
    colour,
    contradictory_frames,
    localizer,
    one_slice,
    projections,
    scout_and_ct,
    secondary_capture,
    zero_spacing,
)
from tests.phantoms.people import NAMES, named
from tests.phantoms.pixels import monochrome1, padded_ct, pet, truncated_pixels
from tests.phantoms.several_volumes import (
    diffusion,
    duplicated_positions,
    echoes,
    one_duplicate,
    three_phases,
    three_phases_unexplained,
)


@dataclass(frozen=True)
class Awkward:
    """A phantom and what must become of it: how many volumes, or 0 and words of the reason."""

    make: Callable[[], list[Dataset]] = field(repr=False)
    volumes: int
    reason: str = ""


#: by name; each value makes a fresh Series
AWKWARD: dict[str, Awkward] = {
    "plain-ct": Awkward(lambda: series("plain-ct"), 1),
    "oblique": Awkward(oblique, 1),
    "gantry-tilt": Awkward(gantry_tilt, 1),
    "missing-slices": Awkward(missing_slices, 1),
    "long-gap": Awkward(long_gap, 2),
    "two-spacings": Awkward(two_spacings, 2),
    "irregular": Awkward(irregular, 0, "irregular distances"),
    "mixed-orientations": Awkward(mixed_orientations, 2),
    "no-frame-of-reference": Awkward(no_frame_of_reference, 1),
    "three-phases": Awkward(three_phases, 3),
    "three-phases-unexplained": Awkward(three_phases_unexplained, 3),
    "echoes": Awkward(echoes, 4),
    "diffusion": Awkward(diffusion, 3),
    "duplicated-positions": Awkward(duplicated_positions, 1),
    "one-duplicate": Awkward(one_duplicate, 1),
    "monochrome1-ct": Awkward(lambda: monochrome1("monochrome1-ct"), 1),
    "monochrome1-mr": Awkward(lambda: monochrome1("monochrome1-mr", MR), 1),
    "padded-ct": Awkward(padded_ct, 1),
    "pet": Awkward(pet, 1),
    "enhanced-ct": Awkward(enhanced, 1),
    "enhanced-mr": Awkward(lambda: enhanced("enhanced-mr", sop_class=ENHANCED_MR, temporal_positions=3), 3),
    "truncated-pixels": Awkward(truncated_pixels, 0, "cut off"),
    "colour": Awkward(colour, 0, "colour"),
    "localizer": Awkward(localizer, 0, "localizer"),
    "scout-and-ct": Awkward(scout_and_ct, 1),
    "secondary-capture": Awkward(secondary_capture, 0, "Secondary Capture"),
    "one-slice": Awkward(one_slice, 0, "at 3 positions at least"),
    "projections": Awkward(projections, 0, "projection"),
    "zero-spacing": Awkward(zero_spacing, 0, "PixelSpacing"),
    "contradictory-frames": Awkward(contradictory_frames, 0, "NumberOfFrames"),
    **{name: Awkward(lambda name=name: named(name), 1) for name in NAMES},
}
