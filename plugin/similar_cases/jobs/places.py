"""Where jobs stand in the queue."""

from collections.abc import Collection, Mapping

from sqlalchemy import Connection, func, select

from similar_cases.jobs.queue import jobs


def places(connection: Connection, series_uids: Collection[str]) -> Mapping[str, int]:
    """Return how many waiting jobs are before those of `series_uids`; Series without a waiting job are left out.

    A job that waits for its next attempt is counted where it stands, though others may overtake it until it is due.
    """
    order = func.row_number().over(order_by=(jobs.c.priority, jobs.c.asked_at, jobs.c.series_uid)) - 1
    waiting = select(jobs.c.series_uid, order.label("place")).where(jobs.c.token == "").subquery()
    query = select(waiting.c.series_uid, waiting.c.place).where(waiting.c.series_uid.in_(list(series_uids)))
    return {row.series_uid: int(row.place) for row in connection.execute(query)}
