"""Captions and reports in memory for lexical search, brought to the catalogue's generation.

A million captions of forty words take about 0.7 GB and half a minute to read, once a process and only where somebody
asks by text. The same in SQLite and PostgreSQL, whose own full-text searches rank differently.

Concurrency. One lock: whoever asks first after a change reads what is new, and the others wait for it.
"""

import threading
from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Engine, select

from similar_cases.domain.description import Level
from similar_cases.index.bm25 import Postings, words_of
from similar_cases.index.case_indexes import BATCH, generation_of, removed_since
from similar_cases.index.database import reading
from similar_cases.index.schema import captions

Values = NDArray[np.float64]


class WordTable:
    """The words of every Case."""

    def __init__(self, engine: Engine) -> None:
        self._engine = reading(engine)
        self._lock = threading.Lock()
        self._generation = 0
        self._postings = Postings()
        self._uids: list[str] = []
        self._is_region: list[bool] = []
        self._number_of: dict[str, int] = {}

    def everything(self, words: Collection[str], level: Level) -> tuple[Sequence[str], Values]:
        """Return the Cases of `level` that hold one of `words` at least, and their scores, over 0 to 1."""
        with self._lock:
            self._refresh()
            scores = self._postings.scores(words, self._live())
            wanted = np.array(self._is_region, dtype=bool) == (level is Level.REGION)
            at = np.flatnonzero((scores > 0) & wanted)
            return [self._uids[place] for place in at.tolist()], scores[at]

    def of(self, words: Collection[str], case_uids: Sequence[str]) -> Values:
        """Return the scores of n Cases; 0 for one that holds none of `words`, NaN for one that has no words at all."""
        with self._lock:
            self._refresh()
            scores = self._postings.scores(words, self._live())
            numbers = [self._number_of.get(uid, -1) for uid in case_uids]
            return np.array([scores[number] if number >= 0 else np.nan for number in numbers])

    def of_level(self, case_uids: Sequence[str], level: Level) -> list[str]:
        """Return those of some Cases that are of `level`."""
        with self._lock:
            self._refresh()
            numbers = {uid: self._number_of[uid] for uid in case_uids if uid in self._number_of}
            return [uid for uid, number in numbers.items() if self._is_region[number] == (level is Level.REGION)]

    def caption(self, case_uid: str) -> str:
        """Return the caption of a Case; empty for one that has none."""
        query = select(captions.c.caption).where(captions.c.case_uid == case_uid)
        with self._engine.begin() as connection:
            return connection.execute(query).scalar_one_or_none() or ""

    def _live(self) -> NDArray[np.bool_]:
        live = np.zeros(len(self._uids), dtype=bool)
        live[list(self._number_of.values())] = True
        return live

    def _refresh(self) -> None:
        with self._engine.begin() as connection:
            generation = generation_of(connection)
            if generation == self._generation:
                return
            for uid in removed_since(connection, self._generation):
                self._number_of.pop(uid, None)
            columns = (captions.c.case_uid, captions.c.level, captions.c.caption, captions.c.report)
            query = select(*columns).where(captions.c.generation > self._generation).order_by(captions.c.case_uid)
            for row in connection.execution_options(yield_per=BATCH).execute(query):
                self._number_of[row.case_uid] = self._postings.add(words_of(f"{row.caption} {row.report}"))
                self._uids.append(row.case_uid)
                self._is_region.append(row.level == Level.REGION.value)
            self._generation = generation
