# ruff: noqa: F401 - tests ask for all of them by this name
"""Awkward DICOM made by code: what hospitals send, without a patient and without a file.

Each phantom is a Series as pydicom Datasets with their file meta information, ready for C-STORE, for STOW-RS or for
`build_volumes`; `to_bytes` writes one as a file. `AWKWARD` lists them with what must become of each; `raw_objects`
holds what no library would write. Sizes are small; the content is a function of the place in LPS mm (`tissue_hu`), so
that every voxel of a built volume can be checked where it lies.
"""

from tests.phantoms.awkward import AWKWARD, Awkward
from tests.phantoms.classic import (
    AXIAL,
    CORONAL,
    CT,
    ENHANCED_CT,
    ENHANCED_MR,
    INTERCEPT,
    LESION_LPS,
    LESION_RADIUS_MM,
    MR,
    PT,
    SAGITTAL,
    SECONDARY_CAPTURE,
    Grid,
    _instance,
    header_of,
    ramp_hu,
    series,
    series_uid,
    set_pixels,
    tissue_hu,
    to_bytes,
)
from tests.phantoms.geometry import (
    gantry_tilt,
    irregular,
    long_gap,
    missing_slices,
    mixed_orientations,
    no_frame_of_reference,
    oblique,
    rotated,
    two_spacings,
)
from tests.phantoms.hostile import many_instances, nested_bomb, raw_objects, truncated_file
from tests.phantoms.multi_frame import enhanced, item_of
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
