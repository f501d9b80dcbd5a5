"""A class prompt is a coded structure, on a side where the code has none; organ segmenters' names are such codes."""

import pytest

from similar_cases.domain.coding import LEFT, RIGHT, CodedConcept
from similar_cases.domain.errors import InvalidRequest, SegmentationFailed
from similar_cases.domain.prompts import ClassPrompt, PromptSet
from similar_cases.segment.anatomy import BY_NAME, structure_named, structures, structures_meant

KIDNEY = CodedConcept("64033007", "SCT", "Kidney")


def names(concept: CodedConcept, side: CodedConcept | None = None) -> list[str]:
    return [one.name for one in structures_meant(ClassPrompt(concept, side))]


def test_a_class_can_stand_alone_in_a_set():
    assert PromptSet(prompts=(ClassPrompt(KIDNEY, LEFT),), tracking_uid="1.2.3").prompts[0].side == LEFT


@pytest.mark.parametrize(
    ("concept", "side"),
    [(CodedConcept("", "SCT", "Kidney"), None), (CodedConcept("1", "", "x"), None), (KIDNEY, KIDNEY)],
)
def test_what_is_no_code_or_no_side_is_refused(concept, side):
    with pytest.raises(InvalidRequest):
        ClassPrompt(concept, side)


def test_a_code_means_both_sides_and_a_side_one():
    assert names(KIDNEY) == ["kidney_right", "kidney_left"]
    assert names(KIDNEY, RIGHT) == ["kidney_right"]
    assert names(CodedConcept("10200004", "SCT", "Liver"), LEFT) == ["liver"]


def test_a_group_means_its_parts():
    assert len(names(CodedConcept("39607008", "SCT", "Lung"))) == 5
    assert len(names(CodedConcept("39607008", "SCT", "Lung"), LEFT)) == 2
    assert len(names(CodedConcept("272673000", "SCT", "Bone"))) == 62


def test_what_has_no_code_is_meant_by_its_name():
    assert names(CodedConcept("kidney_cyst_left", BY_NAME, "")) == ["kidney_cyst_left"]
    assert names(CodedConcept("x", BY_NAME, "hepatic tumor")) == ["hepatic_tumor"]
    assert structure_named("hepatic tumor").concept.scheme == BY_NAME
    assert structure_named("nothing") is None


def test_what_nobody_knows_is_told():
    with pytest.raises(SegmentationFailed, match="no structure is known for"):
        names(CodedConcept("113343008", "SCT", "Eyelid"))


def test_the_table_has_each_label_once():
    total = [one.total for one in structures() if one.total is not None]
    vista = [one.vista3d for one in structures() if one.vista3d is not None]
    assert sorted(total) == list(range(1, 118))
    # 127 are supported: 124 here, and kidney, lung and bone as the sums of their parts
    assert sorted(set(range(1, 133)) - set(vista)) == [2, 16, 18, 20, 21, 129, 130, 131]
    assert len(vista) == len(set(vista))
    assert len({one.name for one in structures()}) == len(structures())
