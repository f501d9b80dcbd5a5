"""What people said of answers: alike, or not alike. Kept for evaluation; forgotten with the series that it is about."""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from sqlalchemy import Engine, delete, func, insert, select

from similar_cases.index.database import reading
from similar_cases.index.schema import feedback


class Verdict(StrEnum):
    """What somebody said of one answer."""

    #: it looks like what was asked about
    ALIKE = "alike"
    #: it does not
    NOT_ALIKE = "not_alike"


@dataclass(frozen=True, kw_only=True)
class Feedback:
    """One user's word on one answer to one question.

    Attributes:
        asked_uid: the same for the same question: the Region's Tracking UID, or derived from Series and prompts.
        asked_prompts: points and box as they were sent; empty for a known Region and for a whole Series.
        user: as Orthanc authenticated them, empty where it does not.
        told_at: seconds since 1970, UTC; 0 until it is stored.
    """

    asked_uid: str
    case_uid: str
    user: str = ""
    asked_study_uid: str
    asked_series_uid: str
    asked_tracking_uid: str = ""
    asked_prompts: dict[str, Any] = field(default_factory=dict)
    case_series_uid: str
    case_tracking_uid: str = ""
    verdict: Verdict
    rank: int | None = None
    score: float | None = None
    told_at: float = 0.0


class FeedbackBook:
    """Keeps the last word of every user on every answer."""

    def __init__(self, engine: Engine, clock: Callable[[], float] = time.time) -> None:
        self._engine = engine
        self._clock = clock

    def tell(self, said: Feedback) -> None:
        """Keep a word; an earlier one of the same user on the same answer is replaced."""
        with self._engine.begin() as connection:
            connection.execute(_same(said))
            connection.execute(insert(feedback), {**asdict(said), "told_at": self._clock()})

    def take_back(self, said: Feedback) -> None:
        """Forget the user's word on that answer, whatever it was."""
        with self._engine.begin() as connection:
            connection.execute(_same(said))

    def all(self, series_uid: str = "") -> list[Feedback]:
        """Return every word in the order of telling; of questions about one Series where it is named."""
        query = select(feedback).order_by(feedback.c.told_at, feedback.c.asked_uid, feedback.c.case_uid)
        if series_uid:
            query = query.where(feedback.c.asked_series_uid == series_uid)
        with reading(self._engine).begin() as connection:
            rows = connection.execute(query).mappings().all()
        return [Feedback(**{**row, "verdict": Verdict(row["verdict"])}) for row in rows]

    def state(self) -> str:
        """Return what changes with every word."""
        query = select(func.count(), func.max(feedback.c.told_at))
        with reading(self._engine).begin() as connection:
            count, last = connection.execute(query).one()
        return f"{count} {last}"


def _same(said: Feedback) -> Any:
    table = feedback.c
    return delete(feedback).where(
        table.asked_uid == said.asked_uid, table.case_uid == said.case_uid, table.user == said.user
    )
