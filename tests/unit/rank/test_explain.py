import numpy as np
import pytest

from similar_cases.describe.radiomics import ALL_107
from similar_cases.domain.coding import LESION, NEOPLASM
from similar_cases.domain.description import (
    Description,
    Embedding,
    EmbeddingSpace,
    Level,
    RadiomicsRecipe,
    RadiomicsVector,
)
from similar_cases.domain.similarity import ScorePart, Similarity
from similar_cases.domain.volume import SeriesFacts
from similar_cases.rank.explain import Described, reasons
from similar_cases.rank.feature_words import WORDS

SPACE = EmbeddingSpace(model="m", version="1", weights="w", preprocessing="p", level=Level.REGION, size=2)
BOTH = Similarity(0.8, (ScorePart("appearance", 0.9, 0.6), ScorePart("radiomics", 0.654, 0.4)))


def side(values=None, *, percentile=lambda name, value: value / 100, recipe=None, finding=None, **facts):
    radiomics = None if values is None else RadiomicsVector(values, recipe or RadiomicsRecipe())
    return Described(
        description=Description(embedding=Embedding(np.ones(2), SPACE), radiomics=radiomics),
        facts=SeriesFacts(**{"modality": "CT", "patient_name": "Doe^Jane", "patient_id": "4711"} | facts),
        percentile=percentile,
        finding=finding,
    )


def test_every_feature_with_words_is_a_feature():
    assert set(WORDS) <= set(ALL_107)


def test_the_parts_of_the_score_come_first():
    assert reasons(side(), side(), BOTH) == ("Appearance agrees to 90%", "Radiomics agrees to 65%")
    assert reasons(None, side(), Similarity(0.5, (ScorePart("words", 0.5, 1.0),))) == ("Words agree to 50%",)


def test_what_both_share_is_told():
    told = reasons(
        side(finding=NEOPLASM, body_part_examined="CHEST"), side(finding=NEOPLASM, body_part_examined="CHEST"), BOTH
    )
    assert told[2:] == ("Same finding: Neoplasm", "Same body part: CHEST")
    told = reasons(
        side(finding=NEOPLASM, body_part_examined="CHEST"),
        side(finding=LESION, body_part_examined="LEG", modality="MR"),
        BOTH,
    )
    assert told[2:] == ("Another modality: MR, asked with CT",)


@pytest.mark.parametrize(
    ("asked_ml", "found_ml", "told"),
    [
        (12.0, 13.0, ("Similar volume: 12 ml and 13 ml",)),
        (12.0, 300.0, ("Differs in volume: 12 ml and 300 ml",)),
        (2333.4, 17.0, ("Differs in volume: 2333 ml and 17 ml",)),
        (10.0, 20.0, ()),
    ],
)
def test_volumes_are_compared_by_their_ratio(asked_ml, found_ml, told):
    asked, found = ({"shape_VoxelVolume": ml * 1000} for ml in (asked_ml, found_ml))
    assert reasons(side(asked), side(found), BOTH)[2:] == told


def test_features_that_agree_are_told_with_values_units_and_percentiles():
    asked = {"firstorder_Mean": 41.26, "shape_Sphericity": 0.8}
    found = {"firstorder_Mean": 43.0, "shape_Sphericity": 0.3}
    at = {41.26: 0.91, 43.0: 0.93, 0.8: 0.95, 0.3: 0.12}

    def percentile(name, value):
        return at[value]

    told = reasons(side(asked, percentile=percentile), side(found, percentile=percentile), BOTH)
    assert told[2:] == (
        "Similar mean grey value: 41.3 HU and 43 HU (91st and 93rd percentile)",
        "Differs in roundness (sphericity): 0.8 and 0.3 (95th and 12th percentile)",
    )


def test_grey_values_carry_the_unit_of_their_modality():
    values = {"firstorder_Mean": 4.0}
    pet, mr = (side(values, modality=modality) for modality in ("PT", "MR"))
    assert reasons(pet, mr, BOTH)[-1] == "Similar mean grey value: 4 SUV and 4 (4th and 4th percentile)"


def test_the_extraordinary_is_the_better_reason():
    asked = {"shape_Sphericity": 50.0, "firstorder_Entropy": 97.0, "glcm_Contrast": 51.0, "firstorder_Mean": 5.0}
    told = [line for line in reasons(side(asked), side(asked), BOTH) if line.startswith("Similar")]
    assert len(told) == 3
    assert "entropy" in told[0]
    assert "mean grey value" in told[1]


def test_three_names_for_one_thing_are_one_reason():
    same = {"firstorder_Mean": 90.0, "firstorder_Median": 91.0, "glcm_Contrast": 50.0}
    told = [line for line in reasons(side(same), side(same), BOTH) if line.startswith("Similar")]
    assert len(told) == 2


def test_at_most_three_agree_and_two_differ():
    asked = dict.fromkeys(WORDS, 50.0)
    agreeing = reasons(side(asked), side(asked), BOTH)
    assert sum(line.startswith("Similar") and "volume: " not in line for line in agreeing) == 3
    differing = reasons(side(asked), side(dict.fromkeys(WORDS, 95.0)), BOTH)
    assert sum(line.startswith("Differs") for line in differing) == 2


def test_without_comparable_radiomics_no_feature_is_told():
    values = {"firstorder_Mean": 50.0}
    other = RadiomicsRecipe(bin_count=64)
    for pair in (
        (side(values), side(None)),
        (side(values), side(values, recipe=other)),
        (side(values), side({"firstorder_Median": 50.0})),
        (side(values), side(values, percentile=lambda name, value: None)),
    ):
        assert len(reasons(*pair, BOTH)) == 2


def test_nobody_is_named():
    values = dict.fromkeys(WORDS, 50.0)
    told = " ".join(reasons(side(values), side(values), BOTH))
    assert "Doe" not in told
    assert "4711" not in told
