"""Where all Regions lie, as arrays in memory, brought to the catalogue's generation.

Concurrency. One lock: whoever asks first after a change reads what is new, and the others wait for it.
"""

import threading
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Engine, select

from similar_cases.domain.description import Location
from similar_cases.index import encoding
from similar_cases.index.case_indexes import BATCH, generation_of, removed_since
from similar_cases.index.database import reading
from similar_cases.index.schema import cases, vectors

Places = NDArray[np.float64]


class LocationTable:
    """One row a Region: where it lies in its Volume, and in the body where a model tells. Threads may share it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = reading(engine)
        self._generation = 0
        self._lock = threading.Lock()
        self._places: dict[str, tuple[float, ...]] = {}
        self._spaces: dict[str, str] = {}
        self._arrays: tuple[list[str], Places, NDArray[np.str_]] | None = None

    def everything(self, space: str = "") -> tuple[list[str], Places, Places]:
        """Return the UIDs of all Regions, their places in their Volumes and in the body, each (n, 3).

        Args:
            space: the model of body coordinates; NaN stands where a Region has none of it.
        """
        with self._lock:
            self._refresh()
            if self._arrays is None:
                rows = np.array(list(self._places.values()), dtype=np.float64).reshape(-1, 6)
                self._arrays = list(self._places), rows, np.array(list(self._spaces.values()), dtype=np.str_)
            uids, rows, spaces = self._arrays
        body = np.where((spaces == space)[:, None] & (space != ""), rows[:, 3:], np.nan)
        return uids, rows[:, :3], body

    def of(self, case_uids: Sequence[str], space: str = "") -> tuple[Places, Places]:
        """Return the same of n Cases, in their order; NaN for one that has no place."""
        with self._lock:
            self._refresh()
            nowhere = (np.nan,) * 6
            rows = np.array([self._places.get(uid, nowhere) for uid in case_uids], dtype=np.float64).reshape(-1, 6)
            known = np.array([self._spaces.get(uid, "") for uid in case_uids], dtype=np.str_)
        return rows[:, :3], np.where((known == space)[:, None] & (space != ""), rows[:, 3:], np.nan)

    def _refresh(self) -> None:
        with self._engine.begin() as connection:
            generation = generation_of(connection)
            if generation == self._generation:
                return
            for uid in removed_since(connection, self._generation):
                self._places.pop(uid, None)
                self._spaces.pop(uid, None)
            query = (
                select(cases.c.uid, cases.c.location)
                .join(vectors, (vectors.c.case_uid == cases.c.uid) & (vectors.c.space_id == cases.c.space_id))
                .where(vectors.c.generation > self._generation, cases.c.tracking_uid != "")
            )
            for row in connection.execution_options(yield_per=BATCH).execute(query):
                if row.location:
                    self._keep(row.uid, encoding.location_of(row.location))
            self._generation, self._arrays = generation, None

    def _keep(self, uid: str, location: Location) -> None:
        body = location.body.at_mm if location.body else (np.nan,) * 3
        self._places[uid] = (*location.relative, *body)
        self._spaces[uid] = location.body.space if location.body else ""
