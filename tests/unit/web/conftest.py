"""A real catalogue with three indexed series, one that waits, one refused and one failed; and the app over it."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from flask.testing import FlaskClient
from jsonschema import Draft202012Validator
from tests.small_archive import SmallArchive, contours_of, images_of, phantom
from werkzeug.exceptions import HTTPException
from werkzeug.test import TestResponse

from similar_cases import wire
from similar_cases.cli.foreground import Selection, ingest_now
from similar_cases.demo.phantoms import LesionKind
from similar_cases.domain.case import Case, RegionSummary, SeriesState, derived_uid
from similar_cases.domain.coding import LESION, CodedConcept
from similar_cases.domain.description import (
    Description,
    Embedding,
    EmbeddingSpace,
    Level,
    RadiomicsRecipe,
    RadiomicsVector,
)
from similar_cases.domain.readable import Readable, everything
from similar_cases.domain.references import FrameRef, SeriesRef
from similar_cases.domain.region import AlgorithmIdentity
from similar_cases.domain.similarity import (
    AgreeingFeature,
    Certainty,
    MatchedFrames,
    ScorePart,
    SimilarCase,
    Similarity,
    SimilarityAnswer,
    SimilarityQuery,
)
from similar_cases.domain.volume import SeriesFacts
from similar_cases.index.audit import AuditBook
from similar_cases.index.catalogue import Catalogue
from similar_cases.index.database import open_engine, sqlite_url
from similar_cases.index.feedback import FeedbackBook
from similar_cases.index.lookups import Lookups
from similar_cases.index.overview import Overview
from similar_cases.index.rows import IndexedSeries, SeriesKind, SeriesSighting
from similar_cases.jobs.queue import JobQueue
from similar_cases.pipeline.find_similar import SimilarityFinder
from similar_cases.pipeline.pictures import Pictures
from similar_cases.pipeline.shelf import Shelf
from similar_cases.pipeline.worklist import Worklist
from similar_cases.web.app import create_app
from similar_cases.web.openapi import document
from similar_cases.web.services import Services, WebOptions

TOKEN = "the-token"
ROOT = "/similar-cases"
SPACE = EmbeddingSpace(model="net", version="1", weights="0" * 12, preprocessing="none", level=Level.REGION, size=4)
STUDY = "1.2.3"
CT = "image/CT"


def series_of(number: int) -> SeriesRef:
    return SeriesRef(f"{STUDY}.{number}", f"{STUDY}.{number}.1")


def facts_of(number: int) -> SeriesFacts:
    return SeriesFacts(
        patient_id=f"P{number}",
        patient_name="Yamada^Tarou=山田^太郎=やまだ^たろう",
        patient_sex="F",
        patient_birth_date="19600101",
        patient_age_years=60.5,
        study_date="20200630",
        study_time="101500",
        study_description="Thorax <b>&amp;\\",
        accession_number="A1",
        modality="CT",
        series_number=4,
        series_description="Lunge 1,0 B70f",
        body_part_examined="CHEST",
        manufacturer="Siemens",
        manufacturer_model_name="Definition",
    )


def case_of(number: int) -> Case:
    series = series_of(number)
    frame = FrameRef("1.2.840.10008.5.1.4.1.1.2", f"{series.series_uid}.7", 3 if number == 2 else None)
    region = RegionSummary(
        tracking_uid=f"{series.series_uid}.9",
        label="GTV \\ left",
        finding=LESION,
        finding_site=CodedConcept("39607008", "SCT", "Lung"),
        authorship="MANUAL",
        origin="RTSTRUCT",
        volume_ml=12.5,
        centroid_lps=(1.0, -2.0, 3.5),
        lower_index=(0, 0, 0),
        upper_index=(1, 2, 3),
        key_frame=frame,
        seg_sop_instance_uid=f"{series.series_uid}.10",
        sr_sop_instance_uid=f"{series.series_uid}.11",
    )
    return Case(
        uid=derived_uid("test", number),
        level=Level.REGION,
        series=series,
        volume_number=0,
        volume_label="",
        facts=facts_of(number),
        key_frame=frame,
        description=Description(
            embedding=Embedding(np.array([1.0, number, 0.0, 0.0], np.float32), SPACE),
            radiomics=RadiomicsVector({"shape_MeshVolume": 12.5}, RadiomicsRecipe()),
        ),
        region=region,
    )


def similar(number: int, rank: int) -> SimilarCase:
    score = 1.0 / rank
    parts = (ScorePart("appearance", score, 0.7), ScorePart("radiomics", score / 2, 0.3))
    return SimilarCase(
        case=case_of(number),
        rank=rank,
        similarity=Similarity(score, parts),
        reasons=("both small", "back\\slash"),
        features=(AgreeingFeature("shape_Sphericity", 0.5, 0.25, 0.75, 0.5),),
        matches=(MatchedFrames(case_of(1).key_frame, case_of(number).key_frame, 0.5),),
        certainty=Certainty(0.125, 1000, 9),
    )


@dataclass
class Asked:
    """What the routes asked of the pipeline, and what it is to answer."""

    queries: list[SimilarityQuery] = field(default_factory=list)
    nudges: list[wire.Nudge] = field(default_factory=list)
    answer: SimilarityAnswer = field(
        default_factory=lambda: SimilarityAnswer(cases=(similar(2, 1), similar(3, 2)), candidates=9, remaining=7)
    )
    error: Exception | None = None

    def find_similar(self, query: SimilarityQuery, readable: Readable = everything) -> SimilarityAnswer:
        self.queries.append(query)
        if self.error:
            raise self.error
        return self.answer


@dataclass
class Http:
    """The app as the bridge speaks to it."""

    client: FlaskClient
    asked: Asked
    services: Services

    def get(self, path: str, **options: object) -> TestResponse:
        return self._open("GET", path, **options)

    def post(self, path: str, **options: object) -> TestResponse:
        return self._open("POST", path, **options)

    def _open(self, method: str, path: str, **options: object) -> TestResponse:
        headers = {wire.TOKEN_HEADER: TOKEN, **options.pop("headers", {})}
        answer = self.client.open(ROOT + path, method=method, headers=headers, buffered=True, **options)
        return checked(answer, method, self.client)


def sighting(series: SeriesRef) -> SeriesSighting:
    return SeriesSighting(
        series=series,
        kind=SeriesKind.IMAGE,
        modality="CT",
        instance_count=120,
        series_orthanc_id=f"orthanc-{series.series_uid}",
    )


def filled(worklist: Worklist) -> None:
    worklist.take_in([sighting(series_of(number)) for number in range(1, 7)])
    catalogue = worklist.catalogue
    for number in (1, 2, 3):
        with catalogue.writing() as connection:
            worklist.queue.drop(connection, [series_of(number).series_uid])
            catalogue.commit(
                connection,
                IndexedSeries(
                    series=series_of(number),
                    content_key="k",
                    pipeline="p",
                    cases=(case_of(number),),
                    timings={"retrieve": 0.5, "build": 0.25},
                    notes=("a gap of one slice was filled",),
                ),
            )
    for number, state, reason in ((5, SeriesState.REFUSED, "a localizer"), (6, SeriesState.FAILED, "out of memory")):
        with catalogue.writing() as connection:
            worklist.queue.drop(connection, [series_of(number).series_uid])
            catalogue.set_state(connection, series_of(number).series_uid, state, reason=reason, attempts=5)


@pytest.fixture(scope="session")
def filled_catalogue(tmp_path_factory) -> Path:
    """The file of a filled catalogue, which every test copies: making it takes a second of fsync."""
    folder = tmp_path_factory.mktemp("catalogue")
    engine = open_engine(sqlite_url(folder))
    worklist = Worklist(Catalogue(engine), JobQueue())
    worklist.create()
    filled(worklist)
    engine.dispose()
    return folder / "catalogue.sqlite"


@pytest.fixture
def http(tmp_path, filled_catalogue) -> Iterator[Http]:
    shutil.copy(filled_catalogue, tmp_path)
    engine = open_engine(sqlite_url(tmp_path))
    worklist = Worklist(Catalogue(engine), JobQueue())
    asked = Asked()
    services = Services(
        find_similar=asked.find_similar,
        worklist=worklist,
        lookups=Lookups(engine),
        overview=Overview(engine),
        nudge=asked.nudges.append,
        # what looks at voxels is tested over a real archive, in test_look.py
        shelf=SimpleNamespace(segmenter=AlgorithmIdentity("grower", "1")),
        pictures=None,
        feedback=FeedbackBook(engine),
        audit=AuditBook(engine, days=30),
    )
    options = WebOptions(token=TOKEN, pacs_url="http://127.0.0.1:8042", version="0.1.0", max_body_bytes=64 * 1024)
    yield Http(create_app(services, options).test_client(), asked, services)
    engine.dispose()


@pytest.fixture
def with_answer(http) -> Callable[..., Http]:
    def changed(**changes: object) -> Http:
        http.asked.answer = replace(http.asked.answer, **changes)
        return http

    return changed


KINDS = (LesionKind.SOLID, LesionKind.SOLID, LesionKind.NECROTIC, LesionKind.CALCIFIED)


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """Four patients with a contoured lesion each, of whom the first two are alike; a fifth that is one slice."""
    held = SmallArchive(tmp_path_factory.mktemp("archive"))
    patients = [phantom(f"P{number}", kind, seed=number) for number, kind in enumerate(KINDS)]
    refs = []
    for one in patients:
        refs.append(held.put(images_of(one)))
        held.put([contours_of(one)])
    flat = held.put(images_of(phantom("P9"))[:1])
    rows = ingest_now(Selection(), held.tools, held.reconciliation, held.feed)
    engine = held.tools.worklist.catalogue.engine
    shelf = Shelf(held.tools)
    services = Services(
        find_similar=SimilarityFinder(held.tools, shelf).find,
        worklist=held.tools.worklist,
        lookups=held.tools.lookups,
        overview=Overview(engine),
        nudge=lambda nudge: None,
        shelf=shelf,
        pictures=Pictures(held.tools),
        feedback=FeedbackBook(engine),
        audit=AuditBook(engine, days=30),
    )
    client = create_app(services, WebOptions(token=TOKEN)).test_client()
    yield SimpleNamespace(
        held=held, rows=rows, refs=refs, flat=flat, patients=patients, client=client, services=services
    )
    engine.dispose()


@pytest.fixture
def ask(archive):
    def asked(path: str, method: str = "GET", **options: object):
        headers = {wire.TOKEN_HEADER: TOKEN, **options.pop("headers", {})}
        answer = archive.client.open(ROOT + path, method=method, headers=headers, buffered=True, **options)
        return checked(answer, method, archive.client)

    return asked


@cache
def _documented() -> dict[tuple[str, str], dict]:
    told = document(ROOT, "0")
    return {(path, method.upper()): one for path, methods in told["paths"].items() for method, one in methods.items()}


@cache
def _validator(reference: str) -> Draft202012Validator:
    told = document(ROOT, "0")
    return Draft202012Validator({"$ref": reference, "components": told["components"]})


def checked(answer: TestResponse, method: str, client: FlaskClient) -> TestResponse:
    """Return the answer, once it is one that the API's document tells of."""
    try:
        rule, _ = client.application.url_map.bind("").match(answer.request.path, method, return_rule=True)
    except HTTPException:  # no such route; not a matter of the document
        return answer
    if method == "OPTIONS":
        return answer
    path = rule.rule.removeprefix(ROOT).replace("<", "{").replace(">", "}")
    responses = _documented()[path, "GET" if method == "HEAD" else method]["responses"]
    assert str(answer.status_code) in responses, (
        f"{method} {path} answers {answer.status_code}, which is not documented"
    )
    content = responses[str(answer.status_code)].get("content", {})
    told = next((media for media in content if media.partition(";")[0] == answer.mimetype), None)
    assert bool(answer.data) <= (told is not None), (
        f"{method} {path} answers {answer.mimetype}, which is not documented"
    )
    if answer.data and "$ref" in content[told].get("schema", {}):
        # what is not declared is to be added to web/schemas.py
        _validator(content[told]["schema"]["$ref"]).validate(answer.get_json())
    return answer
