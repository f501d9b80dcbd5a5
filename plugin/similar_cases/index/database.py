"""The one database of catalogue and queue: SQLite on a local disk, or PostgreSQL where several hosts share it.

Concurrency. On SQLite the journal is a WAL: readers never wait, writers wait for each other. A transaction that writes
takes the write lock when it begins (BEGIN IMMEDIATE), so that it never has to be given up half-way; one that only
reads is opened on `reading(engine)`. `synchronous=FULL`: what was committed outlives kill -9 *and* loss of power. It
costs one fsync a commit, a handful a series; with NORMAL the last commits could vanish with the power, and INDEXED
would not hold.
"""

import sqlite3
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url

from similar_cases.domain.errors import InvalidSettings

#: how long a writer waits for another one before it gives up
BUSY_SECONDS = 30.0
_READING = {"similar_cases_reading": True}


def open_engine(url: str) -> Engine:
    """Open the database at an SQLAlchemy `url`; the folder of an SQLite file is made.

    Raises:
        InvalidSettings: for an SQLite database in memory, which two processes cannot share, or a URL that is none.

    >>> open_engine("sqlite://")
    Traceback (most recent call last):
    similar_cases.domain.errors.InvalidSettings: the catalogue needs a file or a server, not memory
    """
    try:
        address = make_url(url)
    except Exception as error:
        raise InvalidSettings("index.url is no SQLAlchemy address") from error
    if not address.drivername.startswith("sqlite"):
        return create_engine(address, pool_pre_ping=True)
    if address.database in (None, "", ":memory:"):
        raise InvalidSettings("the catalogue needs a file or a server, not memory")
    Path(str(address.database)).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(address, connect_args={"timeout": BUSY_SECONDS, "isolation_level": None})
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    return engine


def sqlite_url(data_dir: Path) -> str:
    """Return the address of the catalogue in `data_dir`.

    >>> sqlite_url(Path("/var/lib/similar-cases"))
    'sqlite:////var/lib/similar-cases/catalogue.sqlite'
    """
    return f"sqlite:///{data_dir / 'catalogue.sqlite'}"


def reading(engine: Engine) -> Engine:
    """Return the same engine, whose transactions take no write lock, and see the moment at which they began."""
    if engine.dialect.name == "sqlite":
        return engine.execution_options(**_READING)
    return engine.execution_options(isolation_level="REPEATABLE READ")


def _prepare(connection: sqlite3.Connection, _record: Any) -> None:
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        # as PostgreSQL's LIKE and as DICOM's matching (PS3.4 C.2.2.2.4) have it
        "case_sensitive_like=ON",
        "journal_size_limit=67108864",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Connection) -> None:
    is_reading = connection.get_execution_options().get("similar_cases_reading", False)
    connection.exec_driver_sql("BEGIN" if is_reading else "BEGIN IMMEDIATE")
