"""Radiomics as percentiles among the archive's Regions, kept in memory for the next question.

Concurrency. One lock: whoever asks first after a change reads what is new, and the others wait for it.
"""

import difflib
import threading
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Engine

from similar_cases.describe.normalise import Population, agreements, matrix_of
from similar_cases.domain.description import RadiomicsVector
from similar_cases.domain.errors import InvalidRequest
from similar_cases.index.radiomics_table import RadiomicsTable
from similar_cases.pipeline.scaled_rows import ScaledRows
from similar_cases.rank.near import wished_agreement

#: a population is learnt again when this share of its rows has changed; in a small archive, at every change
_DRIFT = 0.02
#: rows that are compared at a time
_ROWS = 65_536


@dataclass(frozen=True)
class Wished:
    """A feature that answers should be near to: at a percentile (0 to 1), or at a value in its own unit."""

    name: str
    weight: float
    percentile: float | None = None
    value: float | None = None


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
        self._scaled: dict[str, ScaledRows] = {}
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
            table, query, scaled = self._compared(asked, modality)
            places = table.places(case_uids)
            rows = (
                np.where((places >= 0)[:, None], scaled[places], np.float32(np.nan))
                if len(scaled)
                else np.full((len(case_uids), len(table.names)), np.nan, dtype=np.float32)
            )
        return agreements(query, rows, table.names)

    def all_agreements(self, asked: RadiomicsVector, modality: str) -> tuple[Sequence[str], NDArray[np.float64]]:
        """Return every Case that has radiomics, and the same of each."""
        with self._lock:
            table, query, scaled = self._compared(asked, modality)
            parts = [
                agreements(query, scaled[start : start + _ROWS], table.names) for start in range(0, len(scaled), _ROWS)
            ]
            return table.case_uids, np.concatenate(parts) if parts else np.empty(0)

    def _compared(
        self, asked: RadiomicsVector, modality: str
    ) -> tuple[RadiomicsTable, NDArray[np.float32], NDArray[np.float32]]:
        """Return the table, the percentiles of `asked` among its Modality, and those of every row among its own."""
        key = asked.recipe.fingerprint
        table = self._table(key)
        own = self._population(table, key, modality)
        held = self._scaled.setdefault(key, ScaledRows())
        rows = held.brought_to(table, lambda kind: self._population(table, key, kind))
        return table, own.scale(matrix_of([asked], own.names))[0], rows

    def case_uids(self, recipe_fingerprint: str) -> Sequence[str]:
        """Return every Case that has radiomics under a recipe."""
        with self._lock:
            return self._table(recipe_fingerprint).case_uids

    def wished(
        self, recipe_fingerprint: str, wishes: Sequence[Wished], case_uids: Sequence[str] | None = None
    ) -> tuple[Sequence[str], NDArray[np.float64]]:
        """Return Cases, and how near each is to the wished features, 0 to 1; NaN for one that has none of them.

        A value in its own unit becomes a percentile among the Regions of each Case's own Modality: 20 ml of a CT is
        compared with CTs, of an MR with MRs.

        Args:
            recipe_fingerprint: of the values.
            wishes: at least one.
            case_uids: which Cases, in this order; None for all that have radiomics.

        Raises:
            InvalidRequest: for a feature that no Region of the archive has.
        """
        with self._lock:
            table = self._table(recipe_fingerprint)
            if not table.names:
                uids = () if case_uids is None else case_uids
                return uids, np.full(len(uids), np.nan)
            columns = _columns([wish.name for wish in wishes], table.names)
            uids = table.case_uids if case_uids is None else case_uids
            values = table.columns(columns) if case_uids is None else table.rows(case_uids)[:, columns]
            kinds = table.modalities if case_uids is None else np.array([table.modality_of(uid) for uid in case_uids])
            found, wanted = (np.full(values.shape, np.nan) for _ in range(2))
            for kind in sorted(set(kinds.tolist()) - {""}):
                chosen, population = kinds == kind, self._population(table, recipe_fingerprint, kind)
                found[chosen] = population.scale_some(values[chosen], [wish.name for wish in wishes])
                wanted[chosen] = [_wanted(wish, population) for wish in wishes]
        return uids, wished_agreement(wanted, found, np.array([wish.weight for wish in wishes]))

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


def _columns(names: Sequence[str], known: Sequence[str]) -> list[int]:
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=3, cutoff=0.3)
            hint = f"; did you mean {' or '.join(near)}?" if near else ""
            raise InvalidRequest(f"no region of the archive has a radiomics feature {name[:80]!r}{hint}")
    return [known.index(name) for name in names]


def _wanted(wish: Wished, population: Population) -> float:
    if wish.percentile is not None:
        return wish.percentile
    assert wish.value is not None
    at = population.percentile(wish.name, wish.value)
    return np.nan if at is None else at
