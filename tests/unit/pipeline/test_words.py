"""Questions by words: captions of coded facts, reports, and a sentence model where there is one."""

import numpy as np
import pytest
from pydicom import Dataset
from pydicom.uid import ExplicitVRLittleEndian
from sqlalchemy import select
from tests.small_archive import SmallArchive, contours_of, images_of, phantom

from similar_cases.demo.phantoms import LesionKind
from similar_cases.domain.description import Embedding, EmbeddingSpace, Level
from similar_cases.domain.errors import InvalidRequest
from similar_cases.domain.similarity import SimilarityQuery
from similar_cases.index.bm25 import words_of
from similar_cases.index.schema import captions
from similar_cases.pipeline.find_similar import SimilarityFinder
from similar_cases.pipeline.reindex import reindex
from similar_cases.worker.loop import JobLoop


def report_in(one, text: str) -> Dataset:
    """An SR of another maker, in the study of a phantom."""
    image = images_of(one)[0]
    document = Dataset()
    document.SOPClassUID = "1.2.840.10008.5.1.4.1.1.88.11"
    document.SOPInstanceUID = f"{image.StudyInstanceUID}.77.1"
    document.StudyInstanceUID, document.SeriesInstanceUID = image.StudyInstanceUID, f"{image.StudyInstanceUID}.77"
    document.PatientID, document.PatientName, document.Modality = image.PatientID, image.PatientName, "SR"
    item = Dataset()
    item.ValueType, item.TextValue = "TEXT", text
    document.ContentSequence = [item]
    document.file_meta = Dataset()
    document.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    document.file_meta.MediaStorageSOPClassUID = document.SOPClassUID
    document.file_meta.MediaStorageSOPInstanceUID = document.SOPInstanceUID
    return document


class BagOfLetters:
    """A sentence model of which everything is known: counts of letters."""

    space = EmbeddingSpace(model="letters", version="1", weights="", preprocessing="", level=Level.TEXT, size=27)

    def embed(self, text: str) -> Embedding:
        counts = [text.casefold().count(chr(97 + at)) for at in range(26)]
        return Embedding(np.array([*counts, 0.01], np.float32), self.space)


@pytest.fixture(scope="module")
def worded(tmp_path_factory) -> SmallArchive:
    """Two patients, one of whom has a report."""
    archive = SmallArchive(tmp_path_factory.mktemp("worded"))
    for number, kind in enumerate((LesionKind.SOLID, LesionKind.CALCIFIED)):
        one = phantom(f"W{number}", kind, seed=number, patient_name="Quagmire^Zoe")
        archive.put(images_of(one))
        archive.put([contours_of(one)])
        if number:
            archive.put([report_in(one, "Zoe Quagmire: unchanged sequestration near the diaphragm.")])
    archive.seen()
    JobLoop(archive.tools, "test").run_until_empty()
    return archive


def parts(answer) -> set[str]:
    return {part.name for found in answer.cases for part in found.similarity.parts}


def test_text_alone_finds_what_its_words_describe(hospital):
    answer = hospital.finder.find(SimilarityQuery(text="calcification"))
    assert parts(answer) == {"words"}
    assert sorted(hospital.numbers(answer)) == [4, 5]
    assert {found.case.level for found in answer.cases} == {Level.REGION}
    volumes = hospital.finder.find(SimilarityQuery(text="computed tomography", level=Level.SERIES))
    assert {found.case.level for found in volumes.cases} == {Level.SERIES}
    assert len(volumes.cases) == 6


def test_text_and_a_region_count_together(hospital):
    tracking = hospital.region(0).region.tracking_uid
    answer = hospital.finder.find(SimilarityQuery(tracking_uid=tracking, text="calcification"))
    assert parts(answer) == {"appearance", "radiomics", "words"}
    for found in answer.cases:
        told = {part.name: part.value for part in found.similarity.parts}
        assert (told["words"] > 0) is (hospital.series.index(found.case.series) in (4, 5))


def test_ranked_by_text_a_region_asks_by_its_caption(hospital):
    tracking = hospital.region(4).region.tracking_uid
    answer = hospital.finder.find(SimilarityQuery(tracking_uid=tracking, rank_by="text"))
    assert hospital.numbers(answer)[0] == 5
    assert parts(answer) == {"words"}


def test_the_hybrid_takes_slices_and_text_in_turn(hospital):
    query = SimilarityQuery(series=hospital.series[0], text="computed tomography", rank_by="hybrid")
    answer = hospital.finder.find(query)
    slices = hospital.finder.find(SimilarityQuery(series=hospital.series[0], rank_by="slices-frequency"))
    assert answer.cases[0].case.uid == slices.cases[0].case.uid
    assert parts(answer) == {"slices-frequency", "text"}


@pytest.mark.parametrize(
    ("query", "words"),
    [
        (SimilarityQuery(text="the of, in"), "holds no word"),
        (SimilarityQuery(text="...!"), "holds no word"),
        (SimilarityQuery(text="mass", rank_by="radiomics"), "gives words no weight"),
        (SimilarityQuery(text="mass", weights=(("words", 0.0),)), "gives words no weight"),
    ],
)
def test_text_that_says_nothing_is_refused(hospital, query, words):
    with pytest.raises(InvalidRequest, match=words):
        hospital.finder.find(query)


def test_a_report_is_found_by_its_words_and_names_nobody(worded):
    answer = SimilarityFinder(worded.tools).find(SimilarityQuery(text="sequestration"))
    assert [found.case.facts.patient_id for found in answer.cases] == ["W1"]
    with worded.tools.worklist.catalogue.engine.connect() as connection:
        rows = connection.execute(select(captions.c.caption, captions.c.report)).all()
    assert len(rows) == 4
    assert any("diaphragm" in row.report for row in rows)
    for row in rows:
        assert not {"zoe", "quagmire", "w0", "w1"} & set(words_of(f"{row.caption} {row.report}"))


def test_what_is_forgotten_is_in_no_answer_by_words(worded):
    finder = SimilarityFinder(worded.tools)
    found = finder.find(SimilarityQuery(text="calcification mass lesion"))
    gone = found.cases[0].case.series
    finder.find(SimilarityQuery(text="mass"))
    worded.tools.worklist.forget([gone.series_uid])
    assert gone not in {one.case.series for one in finder.find(SimilarityQuery(text="mass lesion")).cases}
    with worded.tools.worklist.catalogue.engine.connect() as connection:
        assert gone.series_uid not in connection.execute(select(captions.c.series_uid)).scalars().all()
    worded.seen()
    JobLoop(worded.tools, "test").run_until_empty()


def test_a_sentence_model_finds_what_shares_no_word(worded):
    tools = worded.open_tools()
    object.__setattr__(tools, "text_embedder", BagOfLetters())
    assert reindex(tools) == 2, "another model of words is another pipeline"
    JobLoop(tools, "test").run_until_empty()
    finder = SimilarityFinder(tools)
    answer = finder.find(SimilarityQuery(text="lesi"))
    assert {found.case.facts.patient_id for found in answer.cases} == {"W0", "W1"}
    asked = BagOfLetters().embed("lesi").vector
    with tools.worklist.catalogue.engine.connect() as connection:
        told = {row.case_uid: f"{row.caption}. {row.report}" for row in connection.execute(select(captions))}
    for found in answer.cases:
        cosine = float(BagOfLetters().embed(told[found.case.uid]).vector @ asked)
        assert found.similarity.score == pytest.approx(cosine / 2, abs=1e-3)
        assert found.case.description.embedding.space == tools.embedder.region_space
    again = finder.find(SimilarityQuery(tracking_uid=answer.cases[0].case.region.tracking_uid))
    assert parts(again) == {"appearance", "radiomics"}
