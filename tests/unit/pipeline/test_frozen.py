"""Pages of one frozen list."""

from dataclasses import replace

import pytest
from tests.case_samples import sample
from tests.case_samples import series as ref
from tests.small_archive import SmallArchive

from similar_cases.domain.errors import InvalidRequest, NotFound
from similar_cases.domain.similarity import Per, SimilarityQuery
from similar_cases.index.rows import IndexedSeries, SeriesKind, SeriesSighting
from similar_cases.pipeline.find_similar import SimilarityFinder
from similar_cases.pipeline.frozen import FrozenList, FrozenLists


def put(archive: SmallArchive, number: int) -> None:
    worklist = archive.tools.worklist
    with worklist.catalogue.writing() as connection:
        sighting = SeriesSighting(series=ref(number), kind=SeriesKind.IMAGE, modality="CT", instance_count=1)
        worklist.catalogue.see(connection, sighting)
        indexed = IndexedSeries(series=ref(number), content_key="", pipeline="", cases=(sample(ref(number), "a"),))
        worklist.catalogue.commit(connection, indexed)


@pytest.fixture
def archive(tmp_path) -> SmallArchive:
    held = SmallArchive(tmp_path)
    for number in range(1, 10):
        put(held, number)
    return held


def uids(answer) -> list[str]:
    return [found.case.uid for found in answer.cases]


def test_the_second_page_continues_the_first_whatever_came_meanwhile(archive):
    finder = SimilarityFinder(archive.tools)
    query = SimilarityQuery(tracking_uid=sample(ref(1), "a").region.tracking_uid, limit=4)
    whole = uids(finder.find(replace(query, limit=100)))
    first = finder.find(query)
    for number in range(10, 30):
        put(archive, number)
    second = finder.find(replace(query, offset=4))
    assert uids(first) + uids(second) == whole
    assert second.frozen == first.frozen
    fresh = finder.find(query)
    assert fresh.frozen != first.frozen
    assert fresh.candidates == 28
    by_name = finder.find(replace(query, offset=4, frozen=first.frozen))
    assert uids(by_name) == uids(second)
    last = finder.find(replace(query, offset=4))
    assert last.frozen == fresh.frozen, "of two lists of one query the last that was begun"


def test_what_is_deleted_leaves_a_frozen_list_at_once(archive):
    finder = SimilarityFinder(archive.tools)
    query = SimilarityQuery(tracking_uid=sample(ref(1), "a").region.tracking_uid, limit=4)
    whole = finder.find(replace(query, limit=100))
    gone = whole.cases[5].case
    archive.tools.worklist.forget([gone.series.series_uid])
    second = finder.find(replace(query, offset=4, frozen=whole.frozen))
    assert gone.uid not in uids(second)
    assert [found.rank for found in second.cases] == [5, 7, 8]


def test_a_list_that_is_not_kept_or_of_another_query_is_refused(archive):
    finder = SimilarityFinder(archive.tools)
    query = SimilarityQuery(tracking_uid=sample(ref(1), "a").region.tracking_uid)
    answer = finder.find(query)
    with pytest.raises(NotFound, match="not kept any more"):
        finder.find(replace(query, frozen="abc"))
    with pytest.raises(InvalidRequest, match="another query"):
        finder.find(replace(query, rank_by="appearance", frozen=answer.frozen))


def made(name: str, key: str) -> FrozenList:
    return FrozenList(name, key, None, None, None, None, Per.CASE, 0)


def test_lists_leave_after_a_while_and_the_oldest_first():
    now = [0.0]
    lists = FrozenLists(most=2, seconds=10.0, clock=lambda: now[0])
    queries = [SimilarityQuery(text=f"mass {number}") for number in range(3)]
    names = [lists.get(query, "1", made).name for query in queries]
    with pytest.raises(NotFound):
        lists.get(replace(queries[0], frozen=names[0]), "1", made)
    assert lists.get(replace(queries[2], frozen=names[2]), "2", made).name == names[2]
    now[0] = 11.0
    with pytest.raises(NotFound):
        lists.get(replace(queries[2], frozen=names[2]), "1", made)
