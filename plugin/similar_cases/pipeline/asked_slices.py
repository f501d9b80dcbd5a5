"""The slices of what is asked about, fetched when a ranking needs them and not before."""

from dataclasses import dataclass

import numpy as np

from similar_cases.domain.case import Case
from similar_cases.domain.references import FrameRef
from similar_cases.domain.similarity import SimilarityQuery
from similar_cases.index.vector_sets import VectorSets
from similar_cases.pipeline.ingest import description_of_volume
from similar_cases.pipeline.question import Slices
from similar_cases.pipeline.shelf import Shelf
from similar_cases.pipeline.tools import Tools


@dataclass(frozen=True)
class AskedSlices:
    """Gives the slices of the first Case that a query shows: from the catalogue, or embedded there and then."""

    tools: Tools
    shelf: Shelf
    query: SimilarityQuery
    subjects: tuple[Case, ...]

    def __call__(self, localized: bool) -> Slices | None:
        """Return every slice, or those alone that hold the Region or the point; None where nothing is shown."""
        if not self.subjects:
            return None
        subject = self.subjects[0]
        held = self._known(subject) or self._embedded(subject)
        kept = [at for at, (k, _) in enumerate(held[1]) if not localized or self._holds(subject, k)]
        space = self.tools.embedder.slice_space
        return Slices(held[0][kept], tuple(held[1][at][1] for at in kept), space)

    def _known(self, subject: Case) -> tuple[np.ndarray, list[tuple[int, FrameRef | None]]] | None:
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

    def _embedded(self, subject: Case) -> tuple[np.ndarray, list[tuple[int, FrameRef | None]]]:
        volume = self.shelf.volume(subject.series, subject.volume_number)
        made = description_of_volume(volume, *self.tools.embedder.embed_volume(volume), self.tools)
        assert made.slice_vectors is not None
        return made.slice_vectors.astype(np.float32), list(made.slice_frames)

    def _holds(self, subject: Case, k: int) -> bool:
        if subject.region is None:
            return True
        return subject.region.lower_index[0] <= k < subject.region.upper_index[0]
