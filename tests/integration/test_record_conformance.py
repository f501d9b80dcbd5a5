"""dciodvfy finds no error in SEG and SR of phantoms and real patients, and another process writes the same bytes."""

import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset, dcmread

from similar_cases.demo.phantoms import Phantom, phantom_series
from similar_cases.domain.coding import CodedConcept
from similar_cases.domain.prompts import PromptOrigin
from similar_cases.domain.region import AlgorithmIdentity, Authorship, Region
from similar_cases.domain.volume import Volume
from similar_cases.record import Recorded, Recorder, RecorderSettings
from similar_cases.segment.prompts import read_prompts, region_of_expert
from similar_cases.volume.build import build_volumes
from tests.unit.record.samples import (
    complaints,
    description,
    encoded,
    enhanced_case,
    mask_in_lps,
    phantom_case,
    region_in,
)

#: what dciodvfy cannot know: that a site's scheme is one, and how the source's patient is named
UNAVOIDABLE = (
    "Unrecognized defined term <99SIMILARCASES>",
    "Unrecognized defined term <99ELSEWHERE>",
    "Unrecognized defined term <XNAT>",
    "Retired Person Name form",
    "needed to build DICOMDIR",
)
SMALL = {"shape": (12, 40, 32), "lesion_radius_mm": 8.0, "lesion_lps": (6.0, 0.0, 0.0)}
EXPERT = {
    "authorship": Authorship.MANUAL,
    "algorithm": None,
    "quality": None,
    "origin": PromptOrigin.RTSTRUCT,
    "source_sop_instance_uid": "1.2.3.4",
}
BARE = {"finding": None, "finding_site": None}


@pytest.fixture(scope="module", autouse=True)
def dciodvfy() -> None:
    if shutil.which("dciodvfy") is None:
        pytest.skip("dciodvfy is not installed (Debian package dicom3tools)")


def record(source: list[Dataset], volume: Volume, region: Region, count: int = 107) -> Recorded:
    return Recorder(RecorderSettings()).record(source, volume, region, description(count))


def assert_conforms(out: Recorded, folder: Path) -> None:
    for instance in (out.seg, out.sr):
        errors, warnings = complaints(instance, folder)
        assert not errors
        assert not [line for line in warnings if not any(known in line for known in UNAVOIDABLE)]


@pytest.mark.parametrize("modality", ["CT", "MR", "PT"])
@pytest.mark.parametrize(
    "known", [{}, EXPERT, {"finding": None, "finding_site": None}], ids=["drawn", "expert", "bare"]
)
def test_phantoms(tmp_path, modality, known):
    assert_conforms(record(*phantom_case(Phantom(modality=modality, **SMALL), **known)), tmp_path)


@pytest.mark.parametrize(
    ("character_set", "name", "label"),
    [
        ("ISO 2022 IR 13\\ISO 2022 IR 87", "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう", "腫瘍"),
        ("\\ISO 2022 IR 149", "Hong^Gildong=洪^吉洞=홍^길동", "종양\\1"),
        ("ISO_IR 127", "قباني^لنزار", "ورم"),
        ("ISO_IR 144", "Люксембург^Роза", "Опухоль\r\n" * 12),
    ],
)
def test_names_and_labels_of_the_world(tmp_path, character_set, name, label):
    phantom = Phantom(character_set=character_set, patient_name=name, **SMALL)
    out = record(*phantom_case(phantom, label=label), count=3)
    assert_conforms(out, tmp_path)
    for instance in (out.seg, out.sr):
        assert str(dcmread(tmp_path / f"{instance.Modality}-{instance.SOPInstanceUID}.dcm").PatientName) == name


def test_an_enhanced_source(tmp_path):
    source, volume, mask = enhanced_case()
    assert_conforms(record(source, volume, region_in(volume, mask), count=3), tmp_path)


def test_grids_of_their_own_and_a_mask_in_pieces(tmp_path):
    source = phantom_series(Phantom(gantry_tilt_degrees=15.0, **SMALL))
    [volume] = build_volumes(source)
    mask = np.zeros(volume.geometry.shape, dtype=bool)
    mask[2:4, 10:20, 9:14] = mask[8, 12:14, 20] = True
    out = record(source, volume, region_in(volume, mask), count=3)
    assert_conforms(out, tmp_path)
    assert np.array_equal(mask_in_lps(out.seg, volume), mask)


def test_headers_without_anything_optional(tmp_path):
    source, volume, region = phantom_case(Phantom(**SMALL))
    for instance in source:
        for keyword in ("PatientName", "PatientSex", "StudyDate", "SeriesDate", "StudyID", "Manufacturer", "PatientID"):
            delattr(instance, keyword)
        instance.StudyTime, instance.SeriesNumber, instance.SliceThickness = "", None, None
    assert_conforms(record(source, volume, region, count=3), tmp_path)


def test_a_foreign_finding_and_a_talkative_algorithm(tmp_path):
    algorithm = AlgorithmIdentity("n" * 80, "v" * 80, tuple((f"parameter {n}", "x" * 60) for n in range(40)))
    finding = CodedConcept("a-code-of-more-than-16", "99ELSEWHERE", "Meaning " * 12)
    case = phantom_case(Phantom(**SMALL), algorithm=algorithm, finding=finding)
    assert_conforms(record(*case, count=3), tmp_path)


def test_a_lossy_source_is_told_on(tmp_path):
    source, volume, region = phantom_case(Phantom(**SMALL))
    for instance in source:
        instance.LossyImageCompression, instance.LossyImageCompressionRatio = "01", "10"
        instance.LossyImageCompressionMethod = "ISO_10918_1"
    out = record(source, volume, region, count=3)
    assert (out.seg.LossyImageCompression, out.seg.LossyImageCompressionRatio) == ("01", 10)
    assert_conforms(out, tmp_path)


def test_source_seg_and_sr_tell_one_story(tmp_path):
    """dcentvfy compares what a study's objects say of the same patient, study, series and frame of reference."""
    source, volume, region = phantom_case(Phantom(**SMALL))
    other = replace(region, tracking_uid="2.25.77", label="GTV-2")
    paths = []
    for out in (record(source, volume, region, count=3), record(source, volume, other, count=3)):
        for instance in (out.seg, out.sr, *source):
            paths.append(tmp_path / f"{instance.SOPInstanceUID}.dcm")
            paths[-1].write_bytes(encoded(instance))
    run = subprocess.run(["dcentvfy", *dict.fromkeys(paths)], capture_output=True, text=True, check=False)
    assert not [line for line in (run.stdout + run.stderr).splitlines() if line.startswith("Error")]


HERE = Path(__file__).parents[2]
ELSEWHERE = """
from hashlib import sha256
from similar_cases.demo.phantoms import Phantom
from similar_cases.record import Recorder, RecorderSettings
from tests.unit.record.samples import description, encoded, phantom_case
out = Recorder(RecorderSettings()).record(*phantom_case(Phantom()), description())
print(sha256(encoded(out.seg)).hexdigest(), sha256(encoded(out.sr)).hexdigest())
"""


def test_another_process_at_another_time_in_another_place_writes_the_same_bytes():
    out = record(*phantom_case(Phantom()))
    here = [sha256(encoded(instance)).hexdigest() for instance in (out.seg, out.sr)]
    environment = {"PYTHONPATH": f"{HERE / 'plugin'}:{HERE}", "PYTHONHASHSEED": "4711", "TZ": "Asia/Tokyo", "LANG": "C"}
    run = subprocess.run(
        [sys.executable, "-c", ELSEWHERE], capture_output=True, text=True, check=True, env=environment, cwd="/"
    )
    assert run.stdout.split() == here


# Real patients


def series_in(folder: Path) -> list[list[Dataset]]:
    found: dict[str, list[Dataset]] = defaultdict(list)
    for path in sorted(path for path in folder.rglob("*") if path.suffix in ("", ".dcm") and path.is_file()):
        instance = dcmread(path, force=True)
        if "SOPClassUID" in instance:
            found[str(instance.SeriesInstanceUID)].append(instance)
    return list(found.values())


def expert_regions(folder: Path) -> Iterator[tuple[list[Dataset], Volume, Region]]:
    """Every contoured region of a folder's image series."""
    series = series_in(folder)
    structures = [one for instances in series for one in instances if one.Modality == "RTSTRUCT"]
    for source in series:
        if source[0].Modality not in ("CT", "MR", "PT"):
            continue
        for volume in build_volumes(source):
            for structure in structures:
                for prompts in read_prompts(structure, volume):
                    yield source, volume, region_of_expert(volume, prompts)


@pytest.mark.data
@pytest.mark.parametrize(
    ("folder", "count"),
    [("sarcoma/dicom/STS_003", 3), ("sarcoma/dicom/STS_030", 3), ("nsclc", 8), ("ibsi_lung/pat_1", 1)],
)
@pytest.mark.filterwarnings("ignore::UserWarning:pydicom")
def test_contoured_regions_of_real_patients(data_dir, tmp_path, folder, count):
    cases = list(expert_regions(data_dir / folder))
    assert len(cases) == count
    for source, volume, region in cases:
        out = record(source, volume, region)
        assert_conforms(out, tmp_path)
        assert region.authorship is Authorship.MANUAL
        assert np.array_equal(mask_in_lps(out.seg, volume), region.full_mask(volume.geometry.shape))


@pytest.mark.data
@pytest.mark.parametrize(
    "folder",
    [
        "hippocampus/Study1",
        "liver_metastases_ct/CRLM-CT-1004",
        "awkward/philips_enhanced",
        "awkward/siemens_multiframe",
        "awkward/hitachi",
        "awkward/generic/compressed_j2k",
    ],
)
@pytest.mark.filterwarnings("ignore::UserWarning:pydicom")
def test_boxes_in_series_of_many_vendors(data_dir, tmp_path, folder):
    for source in series_in(data_dir / folder):
        for volume in build_volumes(source):
            mask = np.zeros(volume.geometry.shape, dtype=bool)
            mask[tuple(slice(n // 3, max(n // 3 + 1, 2 * n // 3)) for n in mask.shape)] = True
            out = record(source, volume, region_in(volume, mask), count=3)
            assert_conforms(out, tmp_path)
            assert np.array_equal(mask_in_lps(out.seg, volume), mask)
