"""The slices of what is asked about, fetched when a ranking needs them and not before."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from similar_cases.domain.case import Case
from similar_cases.domain.references import FrameRef
from similar_cases.index.vector_sets import VectorSets
from similar_cases.pipeline.ingest import description_of_volume
from similar_cases.pipeline.question import Slices
from similar_cases.pipeline.shelf import Shelf
from similar_cases.pipeline.tools import Tools

#: (n, size) vectors, and the (k, Frame) of each; None for a Frame that is not known
Held = tuple[NDArray[np.float32], list[tuple[int, FrameRef | None]]]


@dataclass(frozen=True)
class AskedSlices:
    """Gives the slices of the first Case that a query shows: from the catalogue, or embedded there and then.

    Attributes:
        sent: a Volume that came with the query, embedded; where the catalogue has none of it, its slices ask.
    """

    tools: Tools
    shelf: Shelf
    subjects: tuple[Case, ...]
    sent: Case | None = None

    def known(self, *, localized: bool) -> Slices | None:
        """Return the slices that the catalogue holds; see `SlicesAsked`."""
        return self._slices(self._known(self.subjects[0]), localized) if self.subjects else None

    def all(self, *, localized: bool) -> Slices | None:
        """Return the slices, embedded there and then where the catalogue has none; see `SlicesAsked`."""
        if not self.subjects:
            return None
        return self._slices(self._known(self.subjects[0]) or self._embedded(self.subjects[0]), localized)

    def _slices(self, held: Held | None, localized: bool) -> Slices | None:
        if held is None:
            return None
        vectors, frames = held
        kept = [at for at, (k, _) in enumerate(frames) if not localized or self._holds(self.subjects[0], k)]
        return Slices(vectors[kept], tuple(frames[at][1] for at in kept), self.tools.embedder.slice_space)

    def _known(self, subject: Case) -> Held | None:
        if self.sent is not None and self.sent.description.slice_vectors is not None:
            return self.sent.description.slice_vectors.astype(np.float32), list(self.sent.description.slice_frames)
        volumes = self.tools.lookups.cases_of(subject.series.series_uid)
        same = [case for case in volumes if case.region is None and case.volume_number == subject.volume_number]
        if not same:
            return None
        sets = VectorSets(self.tools.worklist.catalogue.engine)
        vectors = sets.of_slices([same[0].uid], self.tools.embedder.slice_space.id).get(same[0].uid)
        if vectors is None:
            return None
        frames = sets.frames_of([same[0].uid]).get(same[0].uid)
        return vectors.astype(np.float32), list(frames) if frames else [(k, None) for k in range(len(vectors))]

    def _embedded(self, subject: Case) -> Held:
        volume = self.shelf.volume(subject.series, subject.volume_number)
        made = description_of_volume(volume, *self.tools.embedder.embed_volume(volume), self.tools)
        assert made.slice_vectors is not None
        return made.slice_vectors.astype(np.float32), list(made.slice_frames)

    def _holds(self, subject: Case, k: int) -> bool:
        if subject.region is None:
            return True
        return subject.region.lower_index[0] <= k < subject.region.upper_index[0]
