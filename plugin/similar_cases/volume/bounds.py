"""The bounds that protect the worker from what a Series may hold."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class VolumeBounds:
    """How much one Series may ask for.

    Attributes:
        max_instances: Instances in one Series; more is TooLarge.
        max_slices: Frames of all Instances; more is TooLarge.
        max_voxels: voxels of all Volumes of a Series, 4 bytes each; where the first Volume alone is over it, the
            Series is TooLarge; further Volumes over it are left out with a note.
        max_volumes: Volumes of one Series; further ones (a functional MR has hundreds) are left out with a note.
        min_slices: fewer positions make no volume: two planes have no inside.
        max_gap_slices: so many missing slices in a row are interpolated, with a note; a longer gap parts the stack.
    """

    max_instances: int = 20_000
    max_slices: int = 100_000
    max_voxels: int = 600_000_000
    max_volumes: int = 32
    min_slices: int = 3
    max_gap_slices: int = 3


DEFAULT_BOUNDS = VolumeBounds()
