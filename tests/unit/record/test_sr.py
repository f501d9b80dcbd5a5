"""The SR tells every value with its code and unit, of what, and how it was computed."""

from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from highdicom.sr import Comprehensive3DSR, MeasurementReport
from highdicom.sr.utils import find_content_items
from pydicom import Dataset, dcmread
from tests.unit.record.samples import SPACE, description, encoded, enhanced_case, phantom_case, region_in

from similar_cases.demo.phantoms import Phantom
from similar_cases.domain.description import Description, RadiomicsVector
from similar_cases.domain.region import Authorship
from similar_cases.record import Recorded, Recorder, RecorderSettings
from similar_cases.record.codes import FEATURES, feature_unit

SMALL = {"shape": (12, 40, 32), "lesion_radius_mm": 8.0, "lesion_lps": (6.0, 0.0, 0.0)}


def recorded(*, modality: str = "CT", described: Description | None = None, **known: object) -> Recorded:
    source, volume, region = phantom_case(Phantom(modality=modality, **SMALL), **known)
    return Recorder(RecorderSettings()).record(source, volume, region, described or description())


def read_back(instance: Dataset) -> Comprehensive3DSR:
    return Comprehensive3DSR.from_dataset(dcmread(BytesIO(encoded(instance))))


def group_of(report: Comprehensive3DSR):
    assert isinstance(report.content, MeasurementReport)
    [group] = report.content.get_volumetric_roi_measurement_groups()
    return group


@pytest.fixture(scope="module")
def full() -> Recorded:
    return recorded()


@pytest.mark.parametrize("modality", ["CT", "MR", "PT"])
def test_every_value_comes_back_with_its_code_and_unit(modality):
    wanted = description().radiomics
    units = {"CT": "[hnsf'U]", "MR": "1", "PT": "g/ml{SUVbw}"}
    measured = {m.name.value: m for m in group_of(read_back(recorded(modality=modality).sr)).get_measurements()}
    for name, value in wanted.values.items():
        assert measured[FEATURES[name].value].value == float(f"{value:.7g}")
    assert measured["Q4LE"].unit.value == units[modality]
    assert len(measured) == 107 + 2


def test_units_are_written_as_the_table_says(full):
    for measurement in group_of(read_back(full.sr)).get_measurements():
        names = [name for name, concept in FEATURES.items() if concept.value == measurement.name.value]
        if names:
            assert measurement.unit.value == feature_unit(names[0], "[hnsf'U]").value


def test_what_could_not_be_computed_is_absent_not_zero():
    values = {"firstorder_Mean": 1.5, "glcm_MCC": float("nan"), "firstorder_Median": float("inf")}
    radiomics = RadiomicsVector(values, description().radiomics.recipe, {"glcm_Contrast": "one grey level"})
    report = read_back(recorded(described=replace(description(), radiomics=radiomics)).sr)
    names = {m.name.value for m in group_of(report).get_measurements()}
    assert names == {"118565006", "SEG-QUALITY", "Q4LE"}


def test_without_radiomics_the_volume_is_still_told():
    report = read_back(recorded(described=replace(description(), radiomics=None)).sr)
    assert {m.name.value for m in group_of(report).get_measurements()} == {"118565006", "SEG-QUALITY"}


def test_the_volume_is_the_mask_s_and_names_what_drew_it():
    source, volume, region = phantom_case(Phantom(**SMALL))
    out = Recorder(RecorderSettings()).record(source, volume, region, description(1))
    [measured] = [m for m in group_of(read_back(out.sr)).get_measurements() if m.name.value == "118565006"]
    assert measured.value == pytest.approx(region.volume_ml)
    assert measured.unit.value == "ml"
    assert measured.method.value == "126030"
    texts = [i.TextValue for i in measured[0].ContentSequence if i.ValueType == "TEXT"]
    assert texts == ["region growing", "1", "tolerance=0.5"]


def test_an_expert_s_mask_names_no_algorithm_and_no_quality():
    out = recorded(authorship=Authorship.MANUAL, algorithm=None, quality=None)
    measurements = group_of(read_back(out.sr)).get_measurements()
    assert "SEG-QUALITY" not in {m.name.value for m in measurements}
    assert all("region growing" not in str(m) for m in measurements)


def test_the_group_is_tracked_found_and_placed_as_the_segment(full):
    group = group_of(read_back(full.sr))
    item = full.seg.SegmentSequence[0]
    assert (group.tracking_uid, group.tracking_identifier) == (item.TrackingUID, item.TrackingID)
    assert group.finding_type.value == item.SegmentedPropertyTypeCodeSequence[0].CodeValue
    assert group.finding_sites[0].value.value == item.AnatomicRegionSequence[0].CodeValue
    reference = group.referenced_segment
    assert reference.referenced_sop_instance_uid == full.seg.SOPInstanceUID
    assert reference.referenced_segment_numbers == [1]
    [series] = full.seg.ReferencedSeriesSequence
    assert reference.source_series_for_segmentation.value == series.SeriesInstanceUID


def parameters(report: Comprehensive3DSR) -> list[str]:
    group = group_of(report)
    return [
        item.TextValue
        for item in group[0].ContentSequence
        if item.ValueType == "TEXT" and item.ConceptNameCodeSequence[0].CodeMeaning == "Algorithm Parameters"
    ]


def test_everything_that_one_needs_to_compute_it_again_is_told(full):
    told = dict(line.split("=", 1) for line in parameters(read_back(full.sr)))
    assert told["radiomics.library"] == "pyradiomics-cuda 1.0.4"
    assert (told["radiomics.bin_count"], told["radiomics.spacing_mm"]) == ("128", "1.5")
    assert "radiomics.bin_width" not in told
    assert told["radiomics.recipe"] == description().radiomics.recipe.fingerprint
    assert (told["embedding.space"], told["embedding.size"]) == (SPACE.id, "4")
    assert told["mask"] == "Drawn by an algorithm from USER"


def test_a_note_of_the_radiomics_is_told():
    radiomics = replace(description(3).radiomics, notes=("resampled to 2.5 mm",))
    told = parameters(read_back(recorded(described=replace(description(), radiomics=radiomics)).sr))
    assert "radiomics.note=resampled to 2.5 mm" in told


def test_every_instance_referred_to_is_in_the_evidence(full):
    report = read_back(full.sr)
    referred = {
        item.ReferencedSOPSequence[0].ReferencedSOPInstanceUID
        for item in find_content_items(report.content[0], value_type="IMAGE", recursive=True)
    }
    evidence = {sop for _, _, sop, _ in report.get_evidence()}
    sources = {i.ReferencedSOPInstanceUID for i in full.seg.ReferencedSeriesSequence[0].ReferencedInstanceSequence}
    assert referred == evidence == sources | {full.seg.SOPInstanceUID}


def test_the_report_says_what_it_is_and_is_not(full):
    sr = full.sr
    assert (sr.CompletionFlag, sr.VerificationFlag, sr.PreliminaryFlag) == ("COMPLETE", "UNVERIFIED", "PRELIMINARY")
    assert sr.ContentQualification == full.seg.ContentQualification == "RESEARCH"
    assert sr.ConceptNameCodeSequence[0].CodeValue == "126000"
    assert sr.ContentTemplateSequence[0].TemplateIdentifier == "1500"
    [scheme] = sr.CodingSchemeIdentificationSequence
    assert scheme.CodingSchemeDesignator == "99SIMILARCASES"


@pytest.mark.parametrize(("modality", "procedure"), [("CT", "25045-6"), ("MR", "25056-3"), ("PT", "44136-0")])
def test_the_procedure_follows_the_modality(modality, procedure):
    report = read_back(recorded(modality=modality, described=description(1)).sr)
    [item] = [i for i in report.content[0].ContentSequence if i.name.meaning == "Procedure reported"]
    assert item.value.value == procedure


def test_the_observer_is_this_installation():
    settings = RecorderSettings(device_serial_number="ward-7")
    source, volume, region = phantom_case(Phantom(**SMALL))
    text = str(Recorder(settings).record(source, volume, region, description(1)).sr)
    assert settings.device_uid in text
    assert "ward-7" in text
    assert RecorderSettings().device_uid not in text


def library_images(report: Comprehensive3DSR) -> list[Dataset]:
    [library] = [i for i in report.content[0].ContentSequence if i.name.meaning == "Image Library"]
    [group] = library.ContentSequence
    return [item for item in group.ContentSequence if item.ValueType == "IMAGE"]


def test_the_image_library_lists_the_slices_of_the_region_with_their_places(full):
    images = library_images(read_back(full.sr))
    assert len(images) == full.seg.NumberOfFrames
    positions = [[float(i.value) for i in image.ContentSequence] for image in images]
    frames = [g.PlanePositionSequence[0].ImagePositionPatient for g in full.seg.PerFrameFunctionalGroupsSequence]
    assert sorted(positions) == sorted(list(map(float, frame)) for frame in frames)


def test_a_multi_frame_source_is_listed_once_with_its_frames():
    source, volume, mask = enhanced_case()
    out = Recorder(RecorderSettings()).record(source, volume, region_in(volume, mask), description(1))
    [image] = library_images(read_back(out.sr))
    frames = image.ReferencedSOPSequence[0].ReferencedFrameNumber
    assert list(frames) == [2 + 2 * int(k) for k in mask.any(axis=(1, 2)).nonzero()[0]]


def test_no_vector_is_written(full):
    assert "0.5," not in str(full.sr)  # the unit vector of the sample is four times a half
    assert all(len(str(line)) < 200 for line in parameters(read_back(full.sr)))


def test_the_last_digits_of_a_sum_make_no_other_object():
    """They depend on where arrays lie in memory: 0.9583776938159010 in one process was …8997 in the next."""
    phantom = phantom_case(Phantom())
    before = description()
    features = before.radiomics
    nudged = {name: float(np.nextafter(value, np.inf)) for name, value in features.values.items()}
    after = replace(before, radiomics=replace(features, values=nudged))
    recorder = Recorder(RecorderSettings())
    assert recorder.record(*phantom, before).sr.SOPInstanceUID == recorder.record(*phantom, after).sr.SOPInstanceUID
