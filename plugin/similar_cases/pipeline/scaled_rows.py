"""The radiomics of every Region as percentiles, beside the table of values: only what changed is computed again."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from similar_cases.describe.normalise import Population
from similar_cases.index.radiomics_table import RadiomicsTable

#: rows that are computed at a time
_ROWS = 65_536


class ScaledRows:
    """One row a Region, in the order of the table; for one thread at a time."""

    def __init__(self) -> None:
        self._rows: NDArray[np.float32] = np.empty((0, 0), dtype=np.float32)
        self._kinds: NDArray[np.str_] = np.empty(0, dtype=np.str_)
        self._by: dict[str, Population] = {}

    def brought_to(self, table: RadiomicsTable, population_of: Callable[[str], Population]) -> NDArray[np.float32]:
        """Return (regions, features) percentiles, each in the population of its own Modality; NaN for what is missing.

        Args:
            table: as it stands; what changed in it since the last time is computed again.
            population_of: Modality → its population; all Regions of a population that was learnt again are, too.
        """
        changed = table.drained()
        if changed or len(table) != len(self._kinds):
            self._kinds = table.modalities
        stale = np.zeros(len(table), dtype=bool)
        stale[[row for row in changed if row < len(table)]] = True
        stale |= self._resized(len(table), len(table.names))
        for kind in np.unique(self._kinds).tolist():
            population = population_of(kind)
            of_kind = self._kinds == kind
            if self._by.get(kind) is not population:
                stale |= of_kind
                self._by[kind] = population
            rows = np.flatnonzero(stale & of_kind)
            for start in range(0, len(rows), _ROWS):
                some = rows[start : start + _ROWS]
                self._rows[some] = population.scale(table.at(some))
        return self._rows[: len(table)]

    def _resized(self, count: int, width: int) -> bool:
        """Make room, and tell whether everything is to be computed again."""
        if self._rows.shape[1] != width:
            self._rows = np.full((count, width), np.nan, dtype=np.float32)
            return True
        if count > len(self._rows):
            wide = np.full((max(count, len(self._rows) * 3 // 2), width), np.nan, dtype=np.float32)
            wide[: len(self._rows)] = self._rows
            self._rows = wide
        return False
