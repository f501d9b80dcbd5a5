"""Grey values as three channels: the windows through which a 2-D network sees a Volume."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from similar_cases.domain.volume import Volume, VoxelUnit

#: percentiles are taken over at most about this many voxels, evenly strided
_SAMPLE = 2_000_000
_CT = ((-1350.0, 150.0), (-160.0, 240.0), (-500.0, 1300.0))
_SUV = ((0.0, 5.0), (0.0, 10.0), (0.0, 20.0))

#: names the rules below in an EmbeddingSpace; change it whenever a window changes
WINDOWS = "CT lung -1350..150, soft -160..240, bone -500..1300 HU; SUV 0..5, 0..10, 0..20; else percentiles 1..99"


@dataclass(frozen=True)
class Windows:
    """Three windows, each from black to white, in the unit of the Volume; one a channel."""

    ranges: tuple[tuple[float, float], tuple[float, float], tuple[float, float]]

    def apply(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        """Map (n, rows, columns) to (n, 3, rows, columns) in 0 to 1; what is no number becomes black.

        >>> Windows(((0, 10), (0, 20), (10, 20))).apply(np.full((1, 1, 1), 10, np.float32)).ravel().tolist()
        [1.0, 0.5, 0.0]
        """
        with np.errstate(over="ignore", invalid="ignore"):  # values near the end of float32 are black or white
            channels = np.stack([(pixels - low) / (high - low) for low, high in self.ranges], axis=1)
        return np.asarray(np.nan_to_num(np.clip(channels, 0.0, 1.0), nan=0.0), dtype=np.float32)


def windows_of(volume: Volume) -> Windows:
    """Return the windows for `volume`: by its unit, and by its own percentiles where the unit is arbitrary.

    A Volume of one value gets a window above it, and so is black all over.
    """
    if volume.unit is VoxelUnit.HU:
        return Windows(_CT)
    if volume.unit is VoxelUnit.SUVBW:
        return Windows(_SUV)
    sample = volume.array.ravel()[:: max(1, volume.array.size // _SAMPLE)]
    finite = sample[np.isfinite(sample)]
    low, high = np.percentile(finite, (1, 99)) if finite.size else (0.0, 1.0)
    least = max(1.0, 1e-3 * abs(float(low)))
    window = (float(low), float(high) if high > low else float(low) + least)
    return Windows((window, window, window))
