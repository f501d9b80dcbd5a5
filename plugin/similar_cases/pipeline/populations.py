"""Radiomics as percentiles among the archive's Regions, kept in memory for the next question.

Concurrency. One lock: whoever asks first after a change reads what is new, and the others wait for it.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Engine

from similar_cases.describe.normalise import Population, agreements, matrix_of
from similar_cases.domain.description import RadiomicsVector
from similar_cases.index.radiomics_table import RadiomicsTable

#: a population is learnt again when this share of its rows has changed; in a small archive, at every change
_DRIFT = 0.02


@dataclass(frozen=True)
class _Learnt:
    population: Population
    changes: int


class Populations:
    """The Regions of each Modality, by which values become percentiles."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._tables: dict[str, RadiomicsTable] = {}
        self._learnt: dict[tuple[str, str], _Learnt] = {}
        self._lock = threading.Lock()

    def of(self, recipe_fingerprint: str, modality: str) -> Population:
        """Return the population of a Modality under a recipe; learnt again when enough of it has changed."""
        with self._lock:
            return self._population(self._table(recipe_fingerprint), recipe_fingerprint, modality)

    def agreements(self, asked: RadiomicsVector, modality: str, case_uids: Sequence[str]) -> NDArray[np.float64]:
        """Return how well each of n Cases agrees with `asked`, 0 to 1; NaN where too little is common.

        Args:
            asked: values of the Region asked about.
            modality: of that Region.
            case_uids: n Cases, each measured against the population of its own Modality.
        """
        with self._lock:
            key = asked.recipe.fingerprint
            table = self._table(key)
            own = self._population(table, key, modality)
            query = own.scale(matrix_of([asked], own.names))[0]
            values = table.rows(case_uids)
            scaled = np.full(values.shape, np.nan, dtype=np.float32)
            kinds = np.array([table.modality_of(uid) for uid in case_uids])
            for kind in sorted(set(kinds.tolist()) - {""}):
                chosen = kinds == kind
                scaled[chosen] = self._population(table, key, kind).scale(values[chosen])
        return agreements(query, scaled, own.names)

    def _table(self, key: str) -> RadiomicsTable:
        table = self._tables.setdefault(key, RadiomicsTable(self._engine, key))
        names = table.names
        table.refresh()
        if table.names != names:
            self._learnt = {pair: learnt for pair, learnt in self._learnt.items() if pair[0] != key}
        return table

    def _population(self, table: RadiomicsTable, key: str, modality: str) -> Population:
        learnt = self._learnt.get((key, modality))
        if learnt is None or table.changes - learnt.changes > _DRIFT * learnt.population.count:
            learnt = _Learnt(Population(table.names, table.of_modality(modality)), table.changes)
            self._learnt[key, modality] = learnt
        return learnt.population
