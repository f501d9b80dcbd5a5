"""Each way of ranking against what a few lines of numpy give on the same vectors."""

from dataclasses import replace

import numpy as np
import pytest
from tests.small_archive import SmallArchive, images_of, phantom

from similar_cases.domain.description import Level
from similar_cases.domain.errors import InvalidRequest
from similar_cases.domain.similarity import Filters, SimilarityQuery
from similar_cases.index.vector_sets import VectorSets
from similar_cases.pipeline.find_similar import SimilarityFinder
from similar_cases.rank.pooling import Pooling, pool
from similar_cases.rank.ranking import BUILT_IN, Fusion, Ranking, Rankings
from similar_cases.worker.loop import JobLoop

ANSWERING = sorted(set(BUILT_IN) - {"radiomics-learned", "learned", "text", "hybrid"})


@pytest.fixture(scope="module")
def slices(hospital) -> dict[str, np.ndarray]:
    """Case UID → unit slice vectors of every volume."""
    tools = hospital.archive.tools
    uids = [volume(hospital, number).uid for number in range(6)]
    held = VectorSets(tools.worklist.catalogue.engine).of_slices(uids, tools.embedder.slice_space.id)
    return {uid: unit(rows.astype(np.float64)) for uid, rows in held.items()}


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def volume(hospital, number: int):
    cases = hospital.archive.tools.lookups.cases_of(hospital.series[number].series_uid)
    return next(case for case in cases if case.level is Level.SERIES)


def scores(answer) -> dict[str, float]:
    return {found.case.uid: found.similarity.score for found in answer.cases}


@pytest.mark.parametrize("name", ANSWERING)
def test_every_ranking_answers_and_twice_the_same(hospital, name):
    query = SimilarityQuery(tracking_uid=hospital.region(0).region.tracking_uid, rank_by=name)
    answer = hospital.finder.find(query)
    assert answer.cases
    assert answer.ranking == name
    found = [one.similarity.score for one in answer.cases]
    assert found == sorted(found, reverse=True)
    assert all(0 <= score <= 1 for score in found)
    assert 0 not in hospital.numbers(answer), "the same patient is left out"
    again = SimilarityFinder(hospital.archive.open_tools()).find(query)
    assert [(one.case.uid, one.similarity, one.reasons, one.matches) for one in again.cases] == [
        (one.case.uid, one.similarity, one.reasons, one.matches) for one in answer.cases
    ]


@pytest.mark.parametrize("how", Pooling)
def test_pooled_volumes_compare_by_the_cosine_of_what_was_pooled(hospital, slices, how):
    query = SimilarityQuery(series=hospital.series[0], rank_by=f"volume-{how}")
    asked = unit(pool(slices[volume(hospital, 0).uid], how).astype(np.float64))
    expected = {
        uid: max(0.0, float(unit(pool(rows, how).astype(np.float64)) @ asked))
        for uid, rows in slices.items()
        if uid != volume(hospital, 0).uid
    }
    assert scores(hospital.finder.find(query)) == pytest.approx(expected, abs=1e-4)


def test_slices_vote_for_their_volumes(hospital, slices):
    own = volume(hospital, 0).uid
    others = [(uid, row) for uid in sorted(slices) if uid != own for row in slices[uid]]
    matrix = np.array([row for _, row in others])
    found: dict[str, list[float]] = {}
    for row in slices[own]:
        cosines = matrix @ row
        for at in np.argsort(-cosines, kind="stable")[:20]:
            found.setdefault(others[at][0], []).append(float(cosines[at]))
    most = 20 * len(slices[own])
    tolerance = {"frequency": 2 / most, "max": 1e-4, "sum": 2 / most}
    for voting, score in (("frequency", len), ("max", max), ("sum", sum)):
        scale = 1 if voting == "max" else most
        expected = {uid: score(similarities) / scale for uid, similarities in found.items()}
        told = scores(hospital.finder.find(SimilarityQuery(series=hospital.series[0], rank_by=f"slices-{voting}")))
        assert told == pytest.approx(expected, abs=tolerance[voting])


def test_reranking_is_maxsim_over_slices_and_tells_which_slices_matched(hospital, slices):
    own = volume(hospital, 0).uid
    query = SimilarityQuery(series=hospital.series[0], rank_by="reranked")
    answer = hospital.finder.find(query)
    expected = {uid: float((slices[own] @ rows.T).max(axis=1).mean()) for uid, rows in slices.items() if uid != own}
    assert scores(answer) == pytest.approx({uid: expected[uid] for uid in scores(answer)}, abs=1e-3)
    frames = hospital.archive.pacs.search_instances(hospital.series[0])
    for found in answer.cases:
        assert found.matches
        own_frames = hospital.archive.pacs.search_instances(found.case.series)
        for match in found.matches:
            assert match.asked.sop_instance_uid in frames
            assert match.found.sop_instance_uid in own_frames
            assert match.similarity is not None


def test_a_region_matches_by_the_slices_through_it(hospital):
    region = hospital.region(0)
    answer = hospital.finder.find(SimilarityQuery(tracking_uid=region.region.tracking_uid))
    sets = VectorSets(hospital.archive.tools.worklist.catalogue.engine)
    for found in answer.cases:
        number = hospital.series.index(found.case.series)
        frames = sets.frames_of([volume(hospital, number).uid])[volume(hospital, number).uid]
        low, high = found.case.region.lower_index[0], found.case.region.upper_index[0]
        through = {frame.sop_instance_uid for k, frame in frames if low <= k < high}
        assert {match.found.sop_instance_uid for match in found.matches} <= through


def test_regions_of_studies_are_compared_as_sets(hospital):
    query = SimilarityQuery(series=hospital.series[0], rank_by="reranked-regions")
    answer = hospital.finder.find(query)
    asked = hospital.region(0).description.embedding.vector
    for found in answer.cases:
        other = hospital.region(hospital.series.index(found.case.series)).description.embedding.vector
        assert found.similarity.score == pytest.approx(max(0.0, float(asked @ other)), abs=1e-3)


def test_the_first_of_each_list_in_turn(hospital):
    own = Ranking(name="woven", members=("radiomics", "appearance"), fusion=Fusion.ROUND_ROBIN)
    tools = hospital.archive.open_tools(rankings=Rankings([own]))
    query = SimilarityQuery(tracking_uid=hospital.region(0).region.tracking_uid)
    finder = SimilarityFinder(tools)
    by = {
        name: [one.case.uid for one in finder.find(replace(query, rank_by=name)).cases]
        for name in ("radiomics", "appearance", "woven")
    }
    expected = []
    for pair in zip(by["radiomics"], by["appearance"], strict=True):
        expected += [uid for uid in pair if uid not in expected]
    assert by["woven"] == list(dict.fromkeys(expected))
    parts = finder.find(replace(query, rank_by="woven")).cases[0].similarity.parts
    assert {part.name for part in parts} == {"radiomics", "appearance"}


def test_reciprocal_ranks_of_the_parts(hospital):
    query = SimilarityQuery(tracking_uid=hospital.region(0).region.tracking_uid)
    by = {
        name: [one.case.uid for one in hospital.finder.find(replace(query, rank_by=name)).cases]
        for name in ("radiomics", "appearance")
    }
    weights = {"appearance": 0.6, "radiomics": 0.4}
    expected = {
        uid: sum(weight / (61 + by[name].index(uid)) for name, weight in weights.items()) * 61
        for uid in by["radiomics"]
    }
    assert scores(hospital.finder.find(replace(query, rank_by="reciprocal-rank"))) == pytest.approx(expected)


def test_calibrated_parts_are_shares_of_random_pairs(hospital):
    query = SimilarityQuery(tracking_uid=hospital.region(0).region.tracking_uid, rank_by="calibrated")
    regions = [hospital.region(number) for number in range(6)]
    vectors = np.array([case.description.embedding.vector for case in regions], dtype=np.float64)
    cosines = np.clip((vectors @ vectors.T)[~np.eye(6, dtype=bool)], 0, 1)
    plain = hospital.finder.find(replace(query, rank_by="appearance"))
    told = hospital.finder.find(replace(query, weights=(("radiomics", 0.0),)))
    for found in plain.cases:
        below = np.mean(cosines < found.similarity.score - 1e-4)
        above = np.mean(cosines <= found.similarity.score + 1e-4)
        assert below - 1e-9 <= scores(told)[found.case.uid] <= above + 1e-9


def test_the_archive_tells_how_far_an_answer_lies_from_chance(hospital):
    answer = hospital.finder.find(SimilarityQuery(tracking_uid=hospital.region(0).region.tracking_uid))
    shares = [found.certainty.chance for found in answer.cases]
    assert shares == sorted(shares)
    assert shares[0] < 0.25, "the one of the same kind is among the best of thirty pairs"
    assert {(found.certainty.pairs, found.certainty.candidates) for found in answer.cases} == {(30, 5)}
    assert any("random pairs" in reason for reason in answer.cases[0].reasons)
    by_ranks = SimilarityQuery(tracking_uid=hospital.region(0).region.tracking_uid, rank_by="round-robin")
    assert hospital.finder.find(by_ranks).cases[0].certainty is None, "ranks have no chance level"


def test_the_features_that_agree_most_are_told_with_their_numbers(hospital):
    first = hospital.finder.find(SimilarityQuery(tracking_uid=hospital.region(0).region.tracking_uid)).cases[0]
    measured = hospital.region(0).description.radiomics.values
    for feature in first.features:
        assert feature.asked == measured[feature.name]
        assert feature.found == first.case.description.radiomics.values[feature.name]
        assert abs(feature.asked_percentile - feature.found_percentile) <= 0.1


def test_rankings_by_slices_need_slices(hospital):
    for name in ("slices-max", "volume-mean", "reranked"):
        with pytest.raises(InvalidRequest, match=r"shows none|looks"):
            hospital.finder.find(SimilarityQuery(text="mass", rank_by=name, weights=(("words", 0.1),)))


def test_filters_hold_for_slices_too(hospital):
    men = Filters(attributes=(("PatientSex", "M"),))
    for name in ("slices-frequency", "volume-max", "reranked", "localized"):
        tracking = hospital.region(0).region.tracking_uid
        answer = hospital.finder.find(SimilarityQuery(tracking_uid=tracking, rank_by=name, filters=men))
        assert sorted(hospital.numbers(answer)) == [1, 3, 5]
        assert answer.candidates == 3


def test_what_the_first_question_needs_can_be_read_before(hospital, tmp_path):
    assert SimilarityFinder(hospital.archive.open_tools()).warm() == 12
    assert SimilarityFinder(SmallArchive(tmp_path).tools).warm() == 0


def test_pooled_volumes_follow_the_archive(tmp_path):
    archive = SmallArchive(tmp_path)
    finder = SimilarityFinder(archive.tools)
    query = SimilarityQuery(series=indexed(archive, "first", 0), rank_by="volume-mean")
    second, third = indexed(archive, "second", 1), indexed(archive, "third", 2)
    assert {found.case.series for found in finder.find(query).cases} == {second, third}
    archive.take_away(second)
    archive.tools.worklist.forget([second.series_uid])
    fourth = indexed(archive, "fourth", 3)
    answer = finder.find(query)
    assert {found.case.series for found in answer.cases} == {third, fourth}
    assert scores(answer) == scores(SimilarityFinder(archive.open_tools()).find(query))


def indexed(archive: SmallArchive, key: str, seed: int):
    series = archive.put(images_of(phantom(key, seed=seed)))
    archive.seen()
    JobLoop(archive.tools, "test").run_until_empty()
    return series
