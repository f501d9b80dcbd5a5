"""The radiomics of all Cases under one recipe as a matrix in memory, brought to the catalogue's generation."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Engine, select

from similar_cases.index.case_indexes import BATCH, generation_of, removed_since
from similar_cases.index.database import reading
from similar_cases.index.schema import cases, radiomics, recipes


class RadiomicsTable:
    """One row a Case; for one thread at a time.

    Attributes:
        names: the features, in the order of the columns; new ones go to the end.
        changes: grows with every row that comes or goes.
    """

    def __init__(self, engine: Engine, recipe_fingerprint: str) -> None:
        self._engine = reading(engine)
        self._fingerprint = recipe_fingerprint
        self._generation = 0
        self.names: tuple[str, ...] = ()
        self.changes = 0
        self._values = np.empty((0, 0))
        self._uids: list[str] = []
        self._modalities: list[str] = []
        self._row_of: dict[str, int] = {}
        self._touched: set[int] = set()

    def __len__(self) -> int:
        """Return the number of Cases."""
        return len(self._uids)

    def refresh(self) -> None:
        """Read what has changed in the catalogue."""
        with self._engine.begin() as connection:
            generation = generation_of(connection)
            if generation == self._generation:
                return
            names = select(recipes.c.names).where(recipes.c.fingerprint == self._fingerprint)
            self._widen(connection.execute(names).scalar_one_or_none() or [])
            for uid in removed_since(connection, self._generation):
                self._remove(uid)
            query = (
                select(radiomics.c.case_uid, radiomics.c["values"], cases.c.modality)
                .join(cases, cases.c.uid == radiomics.c.case_uid)
                .where(radiomics.c.fingerprint == self._fingerprint, radiomics.c.generation > self._generation)
            )
            for part in connection.execution_options(yield_per=BATCH).execute(query).partitions(BATCH):
                self._add([(row[0], row[1], row[2]) for row in part])
            self._generation = generation

    @property
    def case_uids(self) -> Sequence[str]:
        """Every Case, in the order of the rows; a copy, as later changes move rows."""
        return tuple(self._uids)

    @property
    def modalities(self) -> NDArray[np.str_]:
        """The Modality of every Case, in the order of the rows."""
        return np.array(self._modalities, dtype=np.str_)

    def drained(self) -> list[int]:
        """Return the rows that have changed since this was last asked; some may be gone by now."""
        changed, self._touched = sorted(self._touched), set()
        return changed

    def at(self, rows: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return (n, features) values of some rows."""
        found: NDArray[np.float64] = self._values[rows]
        return found

    def places(self, case_uids: Sequence[str]) -> NDArray[np.intp]:
        """Return the rows of Cases, -1 for one that has none."""
        return np.array([self._row_of.get(uid, -1) for uid in case_uids], dtype=np.intp)

    def columns(self, columns: Sequence[int]) -> NDArray[np.float64]:
        """Return (n, len(columns)) values of every Case, NaN for what is missing."""
        found: NDArray[np.float64] = self._values[: len(self._uids)][:, list(columns)]
        return found

    def modality_of(self, case_uid: str) -> str:
        """Return the Modality of a Case; empty for one that has no radiomics."""
        row = self._row_of.get(case_uid)
        return "" if row is None else self._modalities[row]

    def rows(self, case_uids: Sequence[str]) -> NDArray[np.float64]:
        """Return (n, features) values of Cases, NaN for what is missing, a whole row for a Case that has none."""
        found = np.full((len(case_uids), len(self.names)), np.nan)
        rows = [self._row_of.get(uid, -1) for uid in case_uids]
        there = np.array(rows, dtype=np.intp)
        found[there >= 0] = self._values[there[there >= 0]]
        return found

    def of_modality(self, modality: str) -> NDArray[np.float64]:
        """Return (n, features) values of all Cases of a Modality."""
        rows = [row for row, one in enumerate(self._modalities) if one == modality]
        found: NDArray[np.float64] = self._values[rows]
        return found

    def _widen(self, names: Sequence[str]) -> None:
        if len(names) > len(self.names):
            wide = np.full((len(self._values), len(names)), np.nan)
            wide[:, : len(self.names)] = self._values
            self._values, self.names = wide, tuple(names)

    def _add(self, part: Sequence[tuple[str, bytes, str]]) -> None:
        fresh = [uid for uid, _, _ in part if uid not in self._row_of]
        for uid in fresh:
            self._row_of[uid] = len(self._uids)
            self._uids.append(uid)
            self._modalities.append("")
        if len(self._uids) > len(self._values):
            wide = np.full((max(len(self._uids), len(self._values) * 3 // 2), len(self.names)), np.nan)
            wide[: len(self._values)] = self._values
            self._values = wide
        for uid, blob, modality in part:
            numbers = np.frombuffer(blob, dtype="<f8")
            row = self._row_of[uid]
            self._values[row] = np.nan
            self._values[row, : len(numbers)] = numbers
            self._modalities[row] = modality
            self._touched.add(row)
        self.changes += len(part)

    def _remove(self, uid: str) -> None:
        row = self._row_of.pop(uid, None)
        if row is None:
            return
        last, moved = len(self._uids) - 1, self._uids.pop()
        modality = self._modalities.pop()
        if row != last:
            self._values[row], self._uids[row], self._modalities[row] = self._values[last], moved, modality
            self._row_of[moved] = row
            self._touched.add(row)
        self.changes += 1
