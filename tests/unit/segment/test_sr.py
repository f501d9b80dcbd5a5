import highdicom as hd
import numpy as np
import pytest
from pydicom.sr.codedict import codes
from tests.unit.segment.annotations import region_on, report, reread, segmentation, source, tracking, volume_of

from similar_cases.domain.case import derived_uid
from similar_cases.domain.errors import MalformedDicom
from similar_cases.domain.prompts import BoxPrompt, PointPrompt, PromptOrigin
from similar_cases.segment.prompts import (
    read_prompts,
    referenced_frames_of_reference,
    referenced_series,
    region_of_expert,
)
from similar_cases.segment.prompts import sr as module

#: (column, row) of a square: the centres of columns 10 to 19 and rows 5 to 14 lie inside
SQUARE = [(10.0, 5.0), (20.0, 5.0), (20.0, 15.0), (10.0, 15.0), (10.0, 5.0)]


@pytest.fixture(scope="module")
def instances():
    return source()


@pytest.fixture(scope="module")
def volume(instances):
    return volume_of(instances)


def planar(image, graphic_type="POLYLINE", points=SQUARE, **known):
    region = region_on(image, graphic_type, points)
    return hd.sr.PlanarROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=tracking(), referenced_region=region, finding_type=codes.SCT.Neoplasm, **known
    )


def in_space(volume, graphic_type, index):
    region = hd.sr.ImageRegion3D(
        graphic_type=hd.sr.GraphicTypeValues3D(graphic_type),
        graphic_data=volume.geometry.index_to_lps(index),
        frame_of_reference_uid=volume.geometry.frame_of_reference_uid,
    )
    return hd.sr.PlanarROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=tracking(), referenced_region=region, finding_type=codes.SCT.Nodule
    )


def read(instances, volume, *groups):
    return read_prompts(reread(report(instances, groups)), volume)


def test_an_outline_on_one_slice_is_a_box_and_a_point_inside(instances, volume):
    site = [hd.sr.FindingSite(anatomic_location=codes.SCT.Lung)]
    [prompts] = read(instances, volume, planar(instances[4], finding_sites=site))
    box, point = prompts.prompts
    assert isinstance(box, BoxPrompt)
    assert isinstance(point, PointPrompt)
    # columns 1.25 mm, rows 1.5 mm apart; the first pixel's centre is at 0
    np.testing.assert_allclose(box.lower_lps[:2], [9.5 * 1.25 - 0.625, 4.5 * 1.5 - 0.625], atol=1e-6)
    np.testing.assert_allclose(box.upper_lps[:2], [19.5 * 1.25 + 0.625, 14.5 * 1.5 + 0.625], atol=1e-6)
    # as deep as wide, round the slice
    assert box.upper_lps[2] - 10.0 == pytest.approx(7.5 + 0.625)
    k, j, i = volume.geometry.lps_to_index(point.point_lps)[0]
    assert (round(k), 5 <= j <= 14, 10 <= i <= 19) == (4, True, True)
    assert not prompts.is_expert_mask
    assert (prompts.origin, prompts.finding.meaning, prompts.finding_site.meaning) == (
        PromptOrigin.SR,
        "Neoplasm",
        "Lung",
    )
    assert (prompts.tracking_uid, prompts.label) == (derived_uid("test", "sr tracked", 1), "lesion 1")


def volumetric(instances, volume, graphic_type, groups):
    """A group that is a surface of (n, 3) indices."""
    surface = hd.sr.VolumeSurface(
        graphic_type=hd.sr.GraphicTypeValues3D(graphic_type),
        graphic_data=[volume.geometry.index_to_lps(index) for index in groups],
        frame_of_reference_uid=volume.geometry.frame_of_reference_uid,
        source_images=[hd.sr.SourceImageForSegmentation(one.SOPClassUID, one.SOPInstanceUID) for one in instances],
    )
    return hd.sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=tracking(), referenced_volume_surface=surface, finding_type=codes.SCT.Neoplasm
    )


def test_outlines_on_several_slices_are_the_experts_mask(instances, volume):
    squares = [[(k, 4.5, 9.5), (k, 4.5, 19.5), (k, 14.5, 19.5), (k, 14.5, 9.5), (k, 4.5, 9.5)] for k in (3, 4, 5)]
    [prompts] = read(instances, volume, volumetric(instances, volume, "POLYGON", squares))
    region = region_of_expert(volume, prompts)
    assert (region.lower_index, region.mask.shape, region.mask.all()) == ((3, 5, 10), (3, 10, 10), True)


@pytest.mark.parametrize(
    ("graphic_type", "points", "lower", "upper"),
    [
        ("CIRCLE", [(15.0, 10.0), (15.0, 14.0)], (10.5, 5.5), (18.5, 13.5)),
        ("ELLIPSE", [(9.0, 10.0), (21.0, 10.0), (15.0, 7.0), (15.0, 13.0)], (8.5, 6.5), (20.5, 12.5)),
    ],
)
def test_circles_and_ellipses_have_their_box(instances, volume, graphic_type, points, lower, upper):
    [prompts] = read(instances, volume, planar(instances[4], graphic_type, points))
    box = prompts.prompts[0]
    spacing = np.array([1.25, 1.5])
    np.testing.assert_allclose(box.lower_lps[:2], np.array(lower) * spacing - 0.625, atol=0.05)
    np.testing.assert_allclose(box.upper_lps[:2], np.array(upper) * spacing + 0.625, atol=0.05)


def test_points_are_where_they_are(instances, volume):
    [pixel] = read(instances, volume, planar(instances[4], "POINT", [(12.5, 7.5)]))
    [space] = read(instances, volume, in_space(volume, "POINT", [(4, 7, 12)]))
    for prompts in (pixel, space):
        [point] = prompts.prompts
        np.testing.assert_allclose(volume.geometry.lps_to_index(point.point_lps)[0], [4, 7, 12], atol=1e-4)


def test_an_ellipsoid_gives_its_box_and_its_middle(instances, volume):
    ends = [(5, 10, 8), (5, 10, 24), (5, 6, 16), (5, 14, 16), (3, 10, 16), (7, 10, 16)]
    [prompts] = read(instances, volume, volumetric(instances, volume, "ELLIPSOID", [ends]))
    box, point = prompts.prompts
    np.testing.assert_allclose(volume.geometry.lps_to_index(point.point_lps)[0], [5, 10, 16], atol=1e-4)
    np.testing.assert_allclose(box.lower_lps, np.array([8 * 1.25, 9.0, 7.5]) - 0.625, atol=1e-4)


def test_a_diameter_gives_points_on_it_away_from_its_ends(instances, volume):
    long_axis = hd.sr.Measurement(
        name=codes.SCT.Length,
        value=10.0,
        unit=codes.UCUM.Millimeter,
        referenced_coordinates=[
            hd.sr.CoordinatesForMeasurement(
                hd.sr.GraphicTypeValues.POLYLINE,
                np.array([(10.5, 7.5), (18.5, 7.5)]),
                hd.sr.SourceImageForRegion(instances[4].SOPClassUID, instances[4].SOPInstanceUID),
            )
        ],
    )
    group = hd.sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=tracking(), finding_type=codes.SCT.Neoplasm, measurements=[long_axis]
    )
    [prompts] = read(instances, volume, group)
    index = volume.geometry.lps_to_index([point.point_lps for point in prompts.prompts])
    np.testing.assert_allclose(index, [[4, 7, 12], [4, 7, 14], [4, 7, 16]], atol=1e-4)


def test_a_referenced_segment_is_left_to_its_seg(instances, volume):
    mask = np.zeros(volume.geometry.shape, np.uint8)
    mask[3:5, 4:8, 4:8] = 1
    seg = segmentation(instances, mask, "BINARY")
    group = hd.sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=tracking(),
        referenced_segment=hd.sr.ReferencedSegment(
            seg.SOPClassUID,
            seg.SOPInstanceUID,
            1,
            source_series=hd.sr.SourceSeriesForSegmentation(volume.series.series_uid),
        ),
        finding_type=codes.SCT.Neoplasm,
    )
    dataset = reread(report([*instances, seg], [group]))
    assert read_prompts(dataset, volume) == []
    assert referenced_series(dataset) == [volume.series]


def test_coordinates_in_another_space_or_on_another_image_are_not_here(instances, volume):
    elsewhere = source("elsewhere")
    assert read_prompts(reread(report(elsewhere, [planar(elsewhere[3])])), volume) == []
    dataset = report(instances, [in_space(volume, "POINT", [(4, 7, 12)])])
    assert referenced_frames_of_reference(dataset) == [volume.geometry.frame_of_reference_uid]
    assert len(read_prompts(dataset, volume)) == 1
    outside = report(instances, [in_space(volume, "POINT", [(4, 7, 400)])])
    assert read_prompts(outside, volume) == []


def test_groups_are_bounded(instances, volume, monkeypatch):
    monkeypatch.setattr(module, "MAX_GROUPS", 1)
    with pytest.raises(MalformedDicom, match="measurement groups"):
        read(instances, volume, planar(instances[4]), planar(instances[5]))
