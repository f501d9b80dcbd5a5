"""Rankings that learn from the verdicts in the catalogue."""

from dataclasses import replace

import pytest

from similar_cases.domain.errors import InvalidRequest
from similar_cases.domain.similarity import Place, SimilarityQuery
from similar_cases.index.feedback import Feedback, FeedbackBook, Verdict
from similar_cases.pipeline.find_similar import SimilarityFinder


def word(hospital, asked: int, found: int, verdict: Verdict) -> Feedback:
    question, answer = hospital.region(asked), hospital.region(found)
    return Feedback(
        asked_uid=question.region.tracking_uid,
        case_uid=answer.uid,
        user="tester",
        asked_study_uid=question.series.study_uid,
        asked_series_uid=question.series.series_uid,
        asked_tracking_uid=question.region.tracking_uid,
        case_series_uid=answer.series.series_uid,
        case_tracking_uid=answer.region.tracking_uid,
        verdict=verdict,
    )


def test_verdicts_teach_the_weights(hospital):
    tools = hospital.archive.open_tools()
    book, finder = FeedbackBook(tools.worklist.catalogue.engine), SimilarityFinder(tools)
    query = SimilarityQuery(tracking_uid=hospital.region(0).region.tracking_uid, rank_by="learned")
    with pytest.raises(InvalidRequest, match=r"at least 20 verdicts.*there are 0 alike"):
        finder.find(query)
    told = []
    try:
        for asked in range(6):
            for found in set(range(6)) - {asked}:
                told.append(
                    word(hospital, asked, found, Verdict.ALIKE if asked // 2 == found // 2 else Verdict.NOT_ALIKE)
                )
                book.tell(told[-1])
        answer = finder.find(query)
        assert answer.cases[0].case.uid == hospital.region(1).uid
        assert [found.similarity.score for found in answer.cases] == sorted(
            (found.similarity.score for found in answer.cases), reverse=True
        )
        assert answer.cases[0].similarity.score > 0.5 > answer.cases[-1].similarity.score
        assert set(dict(answer.weights)) == {"appearance", "radiomics"}
        before = dict(answer.weights)
        book.take_back(told[0])
        assert dict(finder.find(query).weights) != before, "a word that is taken back teaches no more"
        with pytest.raises(InvalidRequest, match="learnt of appearance, radiomics, location"):
            finder.find(replace(query, text="mass"))
        placed = finder.find(replace(query, place=Place(relative=(0.5, 0.5, 0.5))))
        assert "location" in dict(placed.weights)
    finally:
        for one in told:
            book.take_back(one)
