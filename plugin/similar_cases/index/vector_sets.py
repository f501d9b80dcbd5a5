"""Sets of vectors out of the catalogue, for late interaction: many at once, in half precision as they are kept."""

from collections.abc import Collection, Iterator

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Engine, select

from similar_cases.domain.description import Level
from similar_cases.domain.references import FrameRef
from similar_cases.index import encoding
from similar_cases.index.database import reading
from similar_cases.index.schema import cases, slice_frames, slice_vectors, vectors

CHUNK = 500


class VectorSets:
    """Reads the vectors of slices and of Regions. May be shared by threads."""

    def __init__(self, engine: Engine) -> None:
        self._engine = reading(engine)

    def of_slices(self, case_uids: Collection[str], space_id: str) -> dict[str, NDArray[np.float16]]:
        """Return Case UID → (slices, size), slices as they lie in the Volume; a Case that has none there is absent."""
        columns = (slice_vectors.c.case_uid, slice_vectors.c.slices, slice_vectors.c.vectors)
        found: dict[str, NDArray[np.float16]] = {}
        with self._engine.begin() as connection:
            for some in _chunks(case_uids):
                these = slice_vectors.c.case_uid.in_(some), slice_vectors.c.space_id == space_id
                for uid, count, blob in connection.execute(select(*columns).where(*these)):
                    if count:
                        found[uid] = np.frombuffer(blob, dtype="<f2").reshape(count, -1)
        return found

    def frames_of(self, case_uids: Collection[str]) -> dict[str, list[tuple[int, FrameRef]]]:
        """Return Case UID → the (k, Frame) of each of its slices; a Case of which they are not known is absent."""
        columns = (slice_frames.c.case_uid, slice_frames.c.sop_class_uid, slice_frames.c.frames)
        found: dict[str, list[tuple[int, FrameRef]]] = {}
        with self._engine.begin() as connection:
            for some in _chunks(case_uids):
                for uid, kind, frames in connection.execute(select(*columns).where(slice_frames.c.case_uid.in_(some))):
                    found[uid] = encoding.frames_of(kind, frames)
        return found

    def of_regions(
        self, study_uids: Collection[str], space_id: str
    ) -> dict[str, tuple[list[str], NDArray[np.float16]]]:
        """Return Study UID → the UIDs of its Regions' Cases, sorted, and their (n, size) vectors in that order."""
        columns = (cases.c.study_uid, cases.c.uid, vectors.c.vector)
        joined = select(*columns).join(vectors, vectors.c.case_uid == cases.c.uid).where(vectors.c.space_id == space_id)
        rows: list[tuple[str, str, bytes]] = []
        with self._engine.begin() as connection:
            for some in _chunks(study_uids):
                these = cases.c.study_uid.in_(some), cases.c.level == Level.REGION.value
                rows += [(row[0], row[1], row[2]) for row in connection.execute(joined.where(*these))]
        found: dict[str, tuple[list[str], list[bytes]]] = {}
        for study_uid, case_uid, blob in sorted(rows):
            uids, blobs = found.setdefault(study_uid, ([], []))
            uids.append(case_uid)
            blobs.append(blob)
        return {
            study_uid: (uids, np.frombuffer(b"".join(blobs), dtype="<f2").reshape(len(uids), -1))
            for study_uid, (uids, blobs) in found.items()
        }


def _chunks(uids: Collection[str]) -> Iterator[list[str]]:
    ordered = sorted(set(uids))
    return (ordered[start : start + CHUNK] for start in range(0, len(ordered), CHUNK))
