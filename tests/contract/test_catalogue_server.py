"""The catalogue, the queue and the matching of attributes on a real PostgreSQL: the same tests as on SQLite.

PyPI's pgserver brings a server; it runs in a folder of its own, on a socket, for as long as this module's tests.
"""

import itertools
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url
from tests.unit.index import test_case_indexes, test_catalogue, test_matching
from tests.unit.jobs import test_queue

from similar_cases.index.database import open_engine
from similar_cases.index.lookups import Lookups

#: those that are about SQLite alone
NOT_HERE = {
    "test_a_database_of_another_version_is_refused",
    "test_addresses_that_cannot_hold_a_catalogue_are_refused",
    "test_what_was_committed_outlives_a_loss_of_power",
    "test_the_same_patient_is_the_same_id_or_the_same_study",
    "test_every_attribute_that_can_be_asked_for_has_its_clause",
}
_SAME_TESTS = {
    f"{name}_{module.__name__.rpartition('_')[2]}": test
    for module in (test_catalogue, test_matching, test_case_indexes, test_queue)
    for name, test in vars(module).items()
    if name.startswith("test_") and name not in NOT_HERE
}
globals().update(_SAME_TESTS)


@pytest.fixture(scope="module")
def new_database(
    request: pytest.FixtureRequest,
) -> Iterator[Callable[[], str]]:
    """Makes an empty database, and returns its address."""
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory(prefix="similar-cases-") as name:
        folder = Path(name)
        # PostgreSQL does not run as root; pgserver runs it as another user then
        folder.chmod(0o755)
        (folder / "run").mkdir(mode=0o700)
        patch.setenv("XDG_RUNTIME_DIR", str(folder / "run"))
        try:
            import pgserver

            server = pgserver.get_server(folder / "data")
        except Exception as fault:
            reason = f"no PostgreSQL to test with (pip install pgserver): {type(fault).__name__}: {fault}"
            if request.config.getoption("--require-postgresql"):
                pytest.fail(reason)
            pytest.skip(reason)
        address = make_url(server.get_uri()).set(drivername="postgresql+psycopg")
        desk = create_engine(address, isolation_level="AUTOCOMMIT")
        with desk.connect() as connection:
            # nothing here is to outlive anything
            connection.execute(text("alter system set fsync = off"))
            connection.execute(text("select pg_reload_conf()"))
        numbers = itertools.count()

        def made() -> str:
            name = f"catalogue_{next(numbers)}"
            with desk.connect() as connection:
                connection.execute(text(f"create database {name}"))
            return address.set(database=name).render_as_string(hide_password=False)

        yield made
        desk.dispose()
        server.cleanup()


@pytest.fixture
def shelf(new_database: Callable[[], str]) -> Iterator[test_catalogue.Shelf]:
    held = test_catalogue.Shelf(Path(), new_database())
    yield held
    held.engine.dispose()


@pytest.fixture
def desk(new_database: Callable[[], str]) -> Iterator[test_queue.Desk]:
    engine = open_engine(new_database())
    yield test_queue.Desk(engine)
    engine.dispose()


@pytest.fixture(scope="module")
def lookups(new_database: Callable[[], str]) -> Iterator[Lookups]:
    held = test_matching.filled(new_database())
    yield held
    held._engine.dispose()
