import highdicom as hd
import numpy as np
import pytest
from pydicom import Dataset
from tests.unit.segment.annotations import graphic, presentation_state, reread, source, volume_of

from similar_cases.domain.prompts import BoxPrompt, PointPrompt, PromptOrigin
from similar_cases.segment.prompts import read_prompts, referenced_instances, referenced_series


@pytest.fixture(scope="module")
def instances():
    return source()


@pytest.fixture(scope="module")
def volume(instances):
    return volume_of(instances)


def read(volume, instances, on, graphics=(), texts=()):
    return read_prompts(reread(presentation_state(instances, on, graphics, texts)), volume)


def index_of(volume, point):
    return volume.geometry.lps_to_index(point.point_lps)[0]


def test_a_point_counts_from_the_corner_of_the_first_pixel(volume, instances):
    [prompts] = read(volume, instances, [instances[6]], [graphic("POINT", [(12.5, 7.5)])])
    [point] = prompts.prompts
    np.testing.assert_allclose(index_of(volume, point), [6, 7, 12], atol=1e-5)
    assert (prompts.origin, prompts.is_expert_mask) == (PromptOrigin.PR, False)


@pytest.mark.parametrize(
    ("kind", "points"),
    [
        ("POLYLINE", [(8.0, 4.0), (20.0, 4.0), (20.0, 12.0), (8.0, 12.0), (8.0, 4.0)]),
        ("CIRCLE", [(14.0, 8.0), (14.0, 12.0)]),
        ("ELLIPSE", [(8.0, 8.0), (20.0, 8.0), (14.0, 4.0), (14.0, 12.0)]),
    ],
)
def test_a_closed_graphic_is_a_box_and_a_point_inside(volume, instances, kind, points):
    [prompts] = read(volume, instances, [instances[6]], [graphic(kind, points)])
    box, point = prompts.prompts
    assert isinstance(box, BoxPrompt)
    assert box.lower_lps[2] < 15.0 < box.upper_lps[2]
    k, j, i = index_of(volume, point)
    assert (round(k), 4 <= j <= 12, 8 <= i <= 20) == (6, True, True)
    assert not prompts.is_expert_mask


def test_two_graphics_are_two_lesions(volume, instances):
    found = read(volume, instances, [instances[6]], [graphic("POINT", [(5.0, 5.0)]), graphic("POINT", [(20.0, 20.0)])])
    assert len({prompts.tracking_uid for prompts in found}) == 2


def test_a_text_alone_points_with_its_anchor_and_beside_a_graphic_it_names_it(volume, instances):
    words = hd.pr.TextObject("nodule?", units="PIXEL", anchor_point=(12.5, 7.5))
    [alone] = read(volume, instances, [instances[6]], texts=[words])
    assert alone.label == "nodule?"
    np.testing.assert_allclose(index_of(volume, alone.prompts[0]), [6, 7, 12], atol=1e-5)
    [beside] = read(volume, instances, [instances[6]], [graphic("POINT", [(20.5, 9.5)])], [words])
    assert beside.label == "nodule?"
    np.testing.assert_allclose(index_of(volume, beside.prompts[0]), [6, 9, 20], atol=1e-5)


def test_a_hidden_anchor_is_none(volume, instances):
    words = hd.pr.TextObject("L", units="PIXEL", anchor_point=(12.5, 7.5), anchor_point_visible=False)
    assert read(volume, instances, [instances[6]], texts=[words]) == []


def test_a_mark_on_the_whole_stack_marks_no_place(volume, instances):
    assert read(volume, instances, instances, [graphic("POINT", [(12.5, 7.5)])]) == []


def test_a_mark_on_a_screen_is_on_no_patient(volume, instances):
    assert read(volume, instances, [instances[6]], [graphic("POINT", [(0.5, 0.5)], "DISPLAY")]) == []


def test_a_mark_outside_is_left_out(volume, instances):
    dataset = presentation_state(instances, [instances[6]], [graphic("POINT", [(12.5, 7.5)])])
    dataset.GraphicAnnotationSequence[0].GraphicObjectSequence[0].GraphicData = [500.0, 7.5]
    assert read_prompts(dataset, volume) == []


def test_images_of_another_series_are_not_this_volume(volume):
    elsewhere = source("elsewhere")
    assert read(volume, elsewhere, [elsewhere[6]], [graphic("POINT", [(12.5, 7.5)])]) == []


def test_references_name_the_series_and_its_images(volume, instances):
    dataset = presentation_state(instances, [instances[6]], [graphic("POINT", [(1.0, 1.0)])])
    assert referenced_series(dataset) == [volume.series]
    assert referenced_instances(dataset) == sorted(str(one.SOPInstanceUID) for one in instances)


def compound(kind, points, **more):
    item = Dataset()
    item.CompoundGraphicInstanceID, item.CompoundGraphicUnits, item.CompoundGraphicType = 1, "PIXEL", kind
    item.GraphicDimensions, item.NumberOfGraphicPoints = 2, len(points)
    item.GraphicData = [value for point in points for value in point]
    for keyword, value in more.items():
        setattr(item, keyword, value)
    return item


def read_compound(volume, instances, item):
    # the same drawn as a simple graphic, as every compound one comes with
    simple = graphic("POLYLINE", [(0.0, 0.0), (3.0, 3.0)])
    simple.CompoundGraphicInstanceID = 1
    dataset = presentation_state(instances, [instances[6]], [simple])
    dataset.GraphicAnnotationSequence[0].CompoundGraphicSequence = [item]
    return read_prompts(reread(dataset), volume)


@pytest.mark.parametrize("kind", ["RECTANGLE", "ELLIPSE"])
def test_a_compound_outline_counts_once(volume, instances, kind):
    [prompts] = read_compound(volume, instances, compound(kind, [(8.0, 4.0), (20.0, 12.0)]))
    box, _ = prompts.prompts
    np.testing.assert_allclose(box.lower_lps[:2], [7.5 * 1.25 - 0.625, 3.5 * 1.5 - 0.625], atol=0.02)
    np.testing.assert_allclose(box.upper_lps[:2], [19.5 * 1.25 + 0.625, 11.5 * 1.5 + 0.625], atol=0.02)


def test_a_rectangle_turned_by_a_quarter_stands_upright(volume, instances):
    turned = compound("RECTANGLE", [(8.0, 6.0), (20.0, 10.0)], RotationAngle=90.0, RotationPoint=[14.0, 8.0])
    [prompts] = read_compound(volume, instances, turned)
    np.testing.assert_allclose(prompts.prompts[0].lower_lps[:2], [11.5 * 1.25 - 0.625, 1.5 * 1.5 - 0.625], atol=1e-5)


def test_an_arrow_points_with_its_tip(volume, instances):
    [prompts] = read_compound(volume, instances, compound("ARROW", [(2.0, 2.0), (12.5, 7.5)]))
    [point] = prompts.prompts
    assert isinstance(point, PointPrompt)
    np.testing.assert_allclose(index_of(volume, point), [6, 7, 12], atol=1e-5)


@pytest.mark.parametrize("kind", ["AXIS", "CUTLINE", "RANGELINE"])
def test_lines_for_reading_mark_no_lesion(volume, instances, kind):
    assert read_compound(volume, instances, compound(kind, [(2.0, 2.0), (12.0, 7.0)])) == []
