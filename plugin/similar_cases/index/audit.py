"""Who asked what, when, and which studies the answer showed: UIDs and counts, no names and none of the caller's words.

One line a question goes to the log, and one row into the catalogue, which outlives the study that it tells of.
"""

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from sqlalchemy import Engine, delete, insert, select
from sqlalchemy.exc import SQLAlchemyError

from similar_cases.index.database import reading
from similar_cases.index.schema import audit

logger = logging.getLogger(__name__)
DAY_SECONDS = 86_400.0


@dataclass(frozen=True, kw_only=True)
class AuditEntry:
    """One question that was answered.

    Attributes:
        at: seconds since 1970, UTC; 0 until it is kept.
        user: as Orthanc authenticated them, empty where it does not.
        route: name of the operation, as in the API's document.
        kinds: what was asked by: series, region, points, text …
        asked: the UIDs that the question named.
        cases: how many the answer held.
        shown: Study Instance UIDs of the answer, in its order, each once.
    """

    at: float = 0.0
    user: str = ""
    route: str
    kinds: tuple[str, ...]
    asked: tuple[str, ...]
    cases: int
    shown: tuple[str, ...] = field(default=())


class AuditBook:
    """Keeps entries for so many days; for 0 days none but the log's lines."""

    def __init__(self, engine: Engine, days: int, clock: Callable[[], float] = time.time) -> None:
        self._engine = engine
        self._days = days
        self._clock = clock

    def keep(self, entry: AuditEntry) -> None:
        """Log an entry and keep it; an answer never fails because it cannot be kept."""
        told = replace(entry, at=self._clock())
        logger.info(
            "asked user=%r route=%s by=%s uids=%s cases=%d",
            told.user,
            told.route,
            ",".join(told.kinds),
            ",".join(told.asked),
            told.cases,
        )
        if not self._days:
            return
        row = {name: list(value) if isinstance(value, tuple) else value for name, value in vars(told).items()}
        try:
            with self._engine.begin() as connection:
                connection.execute(delete(audit).where(audit.c.at < told.at - self._days * DAY_SECONDS))
                connection.execute(insert(audit), row)
        except SQLAlchemyError as error:
            logger.warning("the audit trail cannot be written (%s); the line above is all", type(error).__name__)

    def entries(self, since: float = 0.0, user: str = "", study_uid: str = "") -> Iterator[AuditEntry]:
        """Yield entries in the order of time.

        Args:
            since: seconds since 1970, UTC.
            user: of that user alone; empty for all.
            study_uid: that asked about a Study, or showed it; empty for all.
        """
        query = select(*(column for column in audit.c if column.name != "number")).where(audit.c.at >= since)
        query = query.order_by(audit.c.at, audit.c.number)
        with reading(self._engine).begin() as connection:
            for row in connection.execute(query.where(audit.c.user == user) if user else query).mappings():
                lists = {name: tuple(row[name]) for name in ("kinds", "asked", "shown")}
                entry = AuditEntry(**{**row, **lists})
                if not study_uid or study_uid in (*entry.asked, *entry.shown):
                    yield entry
