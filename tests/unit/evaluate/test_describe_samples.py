from dataclasses import replace

import numpy as np
import pytest
from tests.unit.evaluate.tiny_data import phantom

from similar_cases.demo.phantoms import lesion_mask, phantom_series
from similar_cases.describe.radiomics import RadiomicsExtractor
from similar_cases.domain.description import Embedding, EmbeddingSpace, Level, RadiomicsRecipe
from similar_cases.domain.errors import SegmentationFailed
from similar_cases.domain.region import AlgorithmIdentity
from similar_cases.evaluate.describe_samples import Describers, describe_samples
from similar_cases.evaluate.lesion_samples import Lesion, LesionSample
from similar_cases.evaluate.result_store import ResultStore
from similar_cases.segment.backends.region_growing import RegionGrowing
from similar_cases.volume.build import build_volumes


class Volumes:
    """Embeds a Region as its size beside one."""

    region_space = EmbeddingSpace(
        model="volumes", version="1", weights="", preprocessing="", level=Level.REGION, size=2
    )

    def embed_regions(self, volume, regions):
        return [Embedding(np.array([1.0, region.volume_ml], np.float32), self.region_space) for region in regions]


class Nothing:
    identity = AlgorithmIdentity("Nothing", "1")

    def segment(self, volume, prompts):
        raise SegmentationFailed("nothing")


@pytest.fixture(scope="module")
def lesion():
    one = phantom("one", "CT")
    return Lesion(build_volumes(phantom_series(one))[0], lesion_mask(one), "GTV")


@pytest.fixture
def describers():
    recipe = RadiomicsRecipe(classes=("shape", "firstorder"))
    return Describers(embedders={"volumes": Volumes()}, extractor=RadiomicsExtractor(recipe))


@pytest.fixture
def sample(lesion, tmp_path):
    source = tmp_path / "images"
    source.mkdir()
    (source / "1.dcm").write_text("image")
    loaded = []
    made = LesionSample(
        dataset="made", modality="CT", patient="one", load=lambda: loaded.append(1) or [lesion], source=source
    )
    return made, loaded


def test_a_lesion_is_described_as_the_product_does(sample, describers, tmp_path):
    [one] = describe_samples([sample[0]], describers, ResultStore(tmp_path / "kept"))
    ml = np.count_nonzero(sample[0].load()[0].truth) * 4.0 * 2.0 * 2.2 / 1000
    assert (one.patient, one.label, one.modality) == ("made one", "GTV", "CT")
    assert one.vectors["volumes"] == pytest.approx(np.array([1.0, ml]) / np.hypot(1.0, ml), rel=1e-4)
    assert one.radiomics.values["shape_VoxelVolume"] == pytest.approx(ml * 1000, rel=0.05)
    assert one.location.centroid_lps == pytest.approx((5.0, -3.0, 2.0), abs=1.0)


def test_a_second_run_reads_no_volume_and_says_the_same(sample, describers, tmp_path):
    store = ResultStore(tmp_path / "kept")
    first, again = (describe_samples([sample[0]], describers, store)[0] for _ in range(2))
    assert sample[1] == [1]
    assert first.uid == again.uid
    assert first.radiomics == again.radiomics
    assert first.location == again.location
    np.testing.assert_array_equal(first.vectors["volumes"], again.vectors["volumes"])


def test_other_files_or_another_recipe_are_computed_anew(sample, describers, tmp_path):
    store = ResultStore(tmp_path / "kept")
    describe_samples([sample[0]], describers, store)
    other = replace(describers, extractor=RadiomicsExtractor(RadiomicsRecipe(classes=("shape",))))
    [shape] = describe_samples([sample[0]], other, store)
    assert len(shape.radiomics.values) == 14
    (sample[0].source / "2.dcm").write_text("one more")
    describe_samples([sample[0]], other, store)
    assert sample[1] == [1, 1, 1]


def test_a_click_takes_the_segmenters_mask(sample, describers, tmp_path):
    store = ResultStore(tmp_path / "kept")
    [drawn] = describe_samples([sample[0]], describers, store)
    [clicked] = describe_samples([sample[0]], replace(describers, segmenter=RegionGrowing()), store)
    assert drawn.radiomics.values["shape_VoxelVolume"] != clicked.radiomics.values["shape_VoxelVolume"]
    assert clicked.location.centroid_lps == pytest.approx(drawn.location.centroid_lps, abs=6.0)


def test_where_nothing_is_found_nothing_is_said(sample, describers, tmp_path):
    clicking = replace(describers, segmenter=Nothing())
    [one] = describe_samples([sample[0]], clicking, ResultStore(tmp_path / "kept"))
    assert (one.radiomics, one.location) == (None, None)
    assert np.isnan(one.vectors["volumes"]).all()


def test_progress_is_told(sample, describers, tmp_path):
    told = []
    describe_samples([sample[0]], describers, ResultStore(tmp_path / "kept"), lambda *move: told.append(move))
    assert told == [(0, 1), (1, 1)]
