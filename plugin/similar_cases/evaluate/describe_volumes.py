"""Volumes by the vectors of their slices, one volume in memory at a time; kept as `describe_samples` keeps Regions."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from similar_cases.describe.embedder import Embedder, sampled_slices
from similar_cases.domain.volume import Volume
from similar_cases.evaluate.lesion_samples import LesionSample
from similar_cases.evaluate.result_store import ResultStore, files_key

Moved = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True, eq=False)
class VolumeSample:
    """What is known before anything is read.

    Attributes:
        uid: names the volume in rankings; none other has it.
        load: reads the volume.
        source: what is read, by which what was computed is known again.
        labels: what is known of the volume: name → value, such as an organ, a flag, a group.
        lesion: the lesions in it, of which captions are made; None where none is known.
    """

    uid: str
    dataset: str
    modality: str
    patient: str
    load: Callable[[], Volume]
    source: Path
    labels: Mapping[str, str] = field(default_factory=dict)
    lesion: LesionSample | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class DescribedVolume:
    """A volume's slices.

    Attributes:
        slice_index: (n,) which slices k of the volume the rows of `slices` are.
        slices: (n, size) float16 unit vectors, in ascending k.
    """

    sample: VolumeSample
    slice_index: NDArray[np.intp]
    slices: NDArray[np.float16]

    @property
    def uid(self) -> str:
        """The sample's name in rankings."""
        return self.sample.uid

    @property
    def patient(self) -> str:
        """Whose volume it is, told apart from patients of other data sets."""
        return f"{self.sample.dataset} {self.sample.patient}"


def describe_volumes(
    samples: Sequence[VolumeSample],
    embedder: Embedder,
    store: ResultStore,
    moved: Moved = lambda done, of: None,
) -> list[DescribedVolume]:
    """Return the volumes in the order of `samples`; `moved` is told (samples done, samples) on the way."""
    found = []
    for done, sample in enumerate(samples):
        moved(done, len(samples))
        found.append(_described(sample, embedder, store))
    moved(len(samples), len(samples))
    return found


def _described(sample: VolumeSample, embedder: Embedder, store: ResultStore) -> DescribedVolume:
    key = ("volume", sample.uid, files_key(sample.source))
    loaded = _Loaded(sample)
    slices = store.array((*key, embedder.slice_space.id), partial(_slices, loaded, embedder))
    count = store.document((*key, "slices"), lambda: loaded.volume.geometry.shape[0])
    return DescribedVolume(sample=sample, slice_index=sampled_slices(count, len(slices)), slices=slices)


class _Loaded:
    """A volume that is read once, when it is asked for."""

    def __init__(self, sample: VolumeSample) -> None:
        self._sample = sample

    @cached_property
    def volume(self) -> Volume:
        return self._sample.load()


def _slices(loaded: _Loaded, embedder: Embedder) -> NDArray[np.float16]:
    return embedder.embed_volume(loaded.volume)[1]
