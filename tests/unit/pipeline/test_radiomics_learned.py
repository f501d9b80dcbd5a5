"""Radiomics asked for by the shipped encoder: any features of a region have a vector where such a region would lie."""

from dataclasses import replace

import pytest
from tests.small_archive import HistogramEmbedder, SmallArchive, contours_of, images_of, phantom

from similar_cases.demo.phantoms import LesionKind
from similar_cases.describe.backends.region_token.embedder import RegionTokenEmbedder
from similar_cases.describe.radiomics import RadiomicsExtractor
from similar_cases.domain.description import Level, RadiomicsRecipe
from similar_cases.domain.errors import InvalidRequest
from similar_cases.domain.similarity import FeatureWish, SimilarityQuery
from similar_cases.pipeline.find_similar import SimilarityFinder
from similar_cases.worker.loop import JobLoop

KINDS = (LesionKind.SOLID, LesionKind.NECROTIC, LesionKind.CALCIFIED)
LEARNED = "radiomics-learned"
FEW = ("shape_MeshVolume", "shape_Sphericity", "firstorder_Mean", "firstorder_Entropy", "glcm_Contrast")


def shipped() -> RegionTokenEmbedder:
    """The network of models/region; series are told by a histogram, which is quicker."""
    return RegionTokenEmbedder(HistogramEmbedder(), None)


@pytest.fixture(scope="module")
def archive(tmp_path_factory) -> SmallArchive:
    """A lesion of each kind, measured as a site does that has changed nothing."""
    held = SmallArchive(tmp_path_factory.mktemp("learned"))
    held.tools = replace(held.tools, embedder=shipped(), radiomics=RadiomicsExtractor(RadiomicsRecipe()))
    for kind in KINDS:
        held.put(images_of(phantom(str(kind), kind)))
        held.put([contours_of(phantom(str(kind), kind))])
    held.seen()
    JobLoop(held.tools, "test").run_until_empty()
    return held


@pytest.fixture(scope="module")
def regions(archive):
    """The cases of the regions by the kind of lesion."""
    found = (archive.tools.lookups.cases_of(row.series.series_uid) for row in archive.tools.lookups.series_rows())
    return {case.facts.patient_id: case for cases in found for case in cases if case.level is Level.REGION}


def wishes(case, names=FEW) -> tuple[FeatureWish, ...]:
    return tuple(FeatureWish(name, case.description.radiomics.values[name]) for name in names)


def ask(archive, **asked):
    return SimilarityFinder(archive.tools).find(SimilarityQuery(rank_by=LEARNED, **asked))


def scored(answer) -> list[tuple[str, float]]:
    return [(found.case.uid, found.similarity.score) for found in answer.cases]


@pytest.mark.parametrize("names", [FEW, FEW[:1], FEW[3:]], ids=lambda names: f"{len(names)} features")
def test_any_features_of_a_region_have_a_vector_in_the_space_of_regions(regions, names):
    case = regions[str(KINDS[0])]
    values = {name: case.description.radiomics.values[name] for name in names}
    one, two = (loaded.embed_radiomics(values, case.description.radiomics.recipe) for loaded in (shipped(), shipped()))
    assert one.space == case.description.embedding.space
    assert one.vector.tobytes() == two.vector.tobytes()


def test_a_query_by_features_alone_goes_the_whole_way(archive, regions):
    asked = regions[str(KINDS[1])]
    answer = ask(archive, features=wishes(asked))
    assert answer.ranking == LEARNED
    assert {found.case.uid for found in answer.cases} == {case.uid for case in regions.values()}
    recipe = asked.description.radiomics.recipe
    values = {wish.name: wish.value for wish in wishes(asked)}
    vector = archive.tools.embedder.embed_radiomics(values, recipe).vector
    for found in answer.cases:
        [part] = found.similarity.parts
        near = max(0.0, float(vector @ found.case.description.embedding.vector))
        assert (part.name, part.value) == (LEARNED, pytest.approx(near, abs=1e-5))
    scores = scored(answer)
    assert scores == sorted(scores, key=lambda one: -one[1])
    assert scores[0][0] == asked.uid
    assert scored(ask(archive, features=wishes(asked))) == scores


def test_a_region_is_asked_about_by_all_its_own_features(archive, regions):
    asked = regions[str(KINDS[0])]
    answer = ask(archive, tracking_uid=asked.region.tracking_uid)
    assert {found.case.facts.patient_id for found in answer.cases} == {str(kind) for kind in KINDS[1:]}
    assert ask(archive, tracking_uid=asked.region.tracking_uid, features=tuple(map(FeatureWish, FEW))).cases


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        (FeatureWish("shape_Beauty", 1.0), "unknown radiomics features shape_Beauty; known are such as"),
        (FeatureWish("shape_Sphericity", 50.0, is_percentile=True), "own units, no percentiles"),
        (FeatureWish("shape_Sphericity"), "is given no value"),
    ],
)
def test_what_the_encoder_cannot_be_asked_is_refused_with_the_reason(archive, wish, words):
    with pytest.raises(InvalidRequest, match=words):
        ask(archive, features=(wish,))


def test_values_that_were_measured_otherwise_are_refused(archive, regions):
    tools = replace(archive.tools, radiomics=RadiomicsExtractor(RadiomicsRecipe(bin_count=16)))
    with pytest.raises(InvalidRequest, match=r"are not those of recipe .* keep \[describe\] bin_count"):
        SimilarityFinder(tools).find(SimilarityQuery(rank_by=LEARNED, features=wishes(regions[str(KINDS[0])])))
