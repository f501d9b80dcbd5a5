"""Every code names the definition that pyradiomics computes, and every unit fits its number."""

import logging
from pathlib import Path

import numpy as np
import pytest
import radiomics
import SimpleITK
from pydicom.sr._concepts_dict import concepts
from pydicom.sr.codedict import codes
from radiomics.featureextractor import RadiomicsFeatureExtractor

from similar_cases.domain.coding import LESION, NEOPLASM, CodedConcept
from similar_cases.domain.volume import VoxelUnit
from similar_cases.record.codes import (
    FEATURES,
    PRIVATE_CODES,
    PRIVATE_SCHEME,
    code_item,
    feature_concept,
    feature_unit,
    property_category,
)

CLASSES = ("shape", "firstorder", "glcm", "glrlm", "glszm", "gldm", "ngtdm")

# The digital phantom of the IBSI reference manual (arXiv:1612.07003, chapter 5): 5 × 4 × 4 voxels of 2 mm, 0 outside.
PHANTOM = np.array(
    [
        [[1, 4, 4, 1, 1], [1, 4, 6, 1, 1], [4, 1, 6, 4, 1], [4, 4, 6, 4, 1]],
        [[1, 4, 4, 1, 1], [1, 1, 6, 1, 1], [0, 1, 3, 1, 1], [4, 4, 6, 1, 1]],
        [[1, 4, 4, 0, 0], [1, 1, 1, 1, 1], [1, 1, 0, 1, 1], [1, 1, 6, 1, 1]],
        [[1, 4, 4, 0, 0], [1, 1, 1, 1, 1], [1, 1, 1, 1, 1], [1, 1, 6, 1, 1]],
    ],
    dtype=float,
)

# IBSI's own values for it, three digits, by code: GLCM and GLRLM averaged over 3-D directions (ITBB), the others 3-D.
PUBLISHED = """
RNU0 556   YEKZ 592   C0JK 388    2PR5 0.698 QCFX 0.843  L0JK 13.1   Q3CK 0.816   N17B 0.749
Q4LE 2.15  ECT3 3.05  KE2A 1.08   Y12H 1     1GSF 1      QG58 1      8DWT 4       84IY 6      SALO 3     2OJQ 5
4FUA 1.55  1128 1.11  N8CA 567    5ZWQ 2.77  TLU2 1.27   BJ5W 0.512
GYBY 0.503 60VM 2.14  UR99 3.10   TU9B 2.40  TF7R 1.43   D3YU 3.06   NTRS 1.56    ZGXS 4.29   P6QZ 1.92  8ZQL 0.303
ACUI 5.32  IB1Z 0.677 NDRX 0.851  WF0Z 0.618 1QCO 0.898  E8JP 0.0604 NI2N 0.157   QWB0 5.06   DG8W 7.07  7NFM 16.6
AE86 145   R8DG -0.157 JN9H 0.520
22OV 0.705 W4KF 3.06  V3SW 0.603  G3QZ 9.70  HTZT 0.352  GD3A 8.54   IVPO 2.39    3KUM 17.6   R5YN 21.8  OVBL 0.430
W92Y 26.9  IC23 0.513 9ZK5 0.680  8CE5 3.46  SXLW 0.574  HJ9O 2.43
5QRC 0.255 48P8 550   XMSY 0.253  5GN9 15.6  5RAI 0.0256 HW1V 2.76   YH51 503     J17V 1490   JNSA 1.40  Y1RO 0.280
4JP3 1.00  VB3A 0.200 P30P 0.0676 BYLV 2.64  3NSA 331    GU8N 2.32
QCDE 0.0296 65HE 0.584 NQ30 6.54  HDEZ 13.5  1X9X 0.763
SODN 0.0450 IMOQ 109  TL9H 0.693  OAE7 7.66  EQ3F 0.00963 JA6D 0.736 NBZI 102     9QMG 235    FP8K 37.9  Z87G 4.86
OKJI 0.0657 1PFV 3.05 DNX2 22.1   FCBV 4.40
"""
#: IBSI divides the covariance by n - 1 in the published values, pyradiomics by n: √(74/73) for 74 voxels
AXES = {"TDIC": 11.4, "P9VJ": 9.31, "7J51": 8.54}


@pytest.fixture(scope="module")
def computed() -> dict[str, float]:
    """IBSI code → pyradiomics' value on the digital phantom."""
    image, mask = SimpleITK.GetImageFromArray(PHANTOM), SimpleITK.GetImageFromArray((PHANTOM > 0).astype(np.uint8))
    for one in (image, mask):
        one.SetSpacing((2.0, 2.0, 2.0))
    logging.getLogger("radiomics").setLevel(logging.ERROR)
    extractor = RadiomicsFeatureExtractor(binWidth=1, additionalInfo=False)
    extractor.disableAllFeatures()
    for name in CLASSES:
        extractor.enableFeatureClassByName(name)
    values = extractor.execute(image, mask)
    return {feature_concept(k.removeprefix("original_")).value: float(v) for k, v in values.items()}


def published() -> list[tuple[str, str]]:
    words = PUBLISHED.split()
    return list(zip(words[::2], words[1::2], strict=True))


def test_a_value_is_published_for_every_code_of_ibsi():
    coded = {concept.value for concept in FEATURES.values() if concept.scheme == "IBSI"}
    assert {code for code, _ in published()} | set(AXES) == coded
    assert len(coded) == 101


@pytest.mark.parametrize(("code", "value"), published())
def test_the_code_names_what_pyradiomics_computes(computed, code, value):
    third_digit = 10.0 ** (np.floor(np.log10(abs(float(value)))) - 2)
    assert computed[code] == pytest.approx(float(value), abs=0.51 * third_digit)


@pytest.mark.parametrize(("code", "value"), AXES.items())
def test_axis_lengths_differ_by_the_divisor_of_the_covariance_alone(computed, code, value):
    assert computed[code] * np.sqrt(74 / 73) == pytest.approx(value, abs=0.0101)


def test_kurtosis_is_private_as_it_is_not_the_excess_of_ibsi(computed):
    assert feature_concept("firstorder_Kurtosis").scheme == PRIVATE_SCHEME
    assert computed["FO-KURTOSIS"] - 3 == pytest.approx(-0.355, abs=1e-3)


def test_every_feature_of_pyradiomics_has_a_code_of_its_own():
    names = {
        f"{family}_{name}"
        for family, cls in radiomics.getFeatureClasses().items()
        if family in CLASSES
        for name, is_deprecated in cls.getFeatureNames().items()
        if not is_deprecated
    }
    assert set(FEATURES) == names
    assert len({(c.scheme, c.value) for c in FEATURES.values()}) == len(names) == 107


def test_meanings_are_those_of_the_standard_where_it_has_the_code():
    known = {value: meaning for entry in concepts["IBSI"].values() for value, (meaning, _) in entry.items()}
    ours = {c.value: c.meaning for c in FEATURES.values() if c.scheme == "IBSI"}
    assert {v: ours[v] for v in ours if v in known} == {v: known[v] for v in ours if v in known}
    assert {n.split("_")[0] for n, c in FEATURES.items() if c.scheme == "IBSI" and c.value not in known} == {
        "firstorder"
    }


def test_intensity_statistics_are_never_coded_as_histogram_statistics():
    histogram = {code.value for code in codes.cid7478.concepts.values()}
    coded = {n for n, c in FEATURES.items() if c.value in histogram}
    assert coded == {"firstorder_Entropy", "firstorder_Uniformity"}


def test_private_codes_fit_a_code_value():
    assert len(PRIVATE_CODES) == 7
    assert all(len(code.value) <= 16 and len(code.meaning) <= 64 for code in PRIVATE_CODES)


def test_the_conformance_statement_lists_the_private_scheme():
    text = (Path(__file__).parents[3] / "plugin" / "docs" / "dicom-conformance.md").read_text()
    rows = {tuple(cell.strip(" `") for cell in line.split("|")[1:3]) for line in text.splitlines() if "|" in line}
    assert {(code.value, code.meaning) for code in PRIVATE_CODES} <= rows
    unlisted = {n: c for n, c in FEATURES.items() if c.scheme == "IBSI" and n.startswith("firstorder")}
    assert {(name, concept.value) for name, concept in unlisted.items()} <= rows


def test_a_feature_of_no_table_is_private_under_its_own_name():
    concept = feature_concept("wavelet-LLH_glcm_Contrast")
    assert concept.scheme == PRIVATE_SCHEME
    assert code_item(concept).LongCodeValue == "wavelet-LLH_glcm_Contrast"


@pytest.mark.parametrize(
    ("name", "unit", "code"),
    [
        ("shape_MeshVolume", VoxelUnit.HU, "mm3"),
        ("shape_SurfaceArea", VoxelUnit.HU, "mm2"),
        ("shape_SurfaceVolumeRatio", VoxelUnit.HU, "/mm"),
        ("shape_Maximum2DDiameterRow", VoxelUnit.HU, "mm"),
        ("shape_Elongation", VoxelUnit.HU, "1"),
        ("firstorder_Mean", VoxelUnit.HU, "[hnsf'U]"),
        ("firstorder_Mean", VoxelUnit.SUVBW, "g/ml{SUVbw}"),
        ("firstorder_Mean", VoxelUnit.BQML, "Bq/ml"),
        ("firstorder_Mean", VoxelUnit.ARBITRARY, "1"),
        ("firstorder_Variance", VoxelUnit.HU, "[hnsf'U]2"),
        ("firstorder_Variance", VoxelUnit.SUVBW, "g2/ml2{SUVbw}"),
        ("firstorder_Energy", VoxelUnit.BQML, "Bq2/ml2"),
        ("firstorder_TotalEnergy", VoxelUnit.HU, "[hnsf'U]2.mm3"),
        ("firstorder_TotalEnergy", VoxelUnit.ARBITRARY, "mm3"),
        ("firstorder_Skewness", VoxelUnit.HU, "1"),
        ("firstorder_Entropy", VoxelUnit.HU, "1"),
        ("glcm_Contrast", VoxelUnit.HU, "1"),
    ],
)
def test_units_are_ucum_and_follow_the_voxels(name, unit, code):
    assert feature_unit(name, unit).value == code


def test_no_unit_is_longer_than_a_code_value():
    assert all(len(feature_unit(name, unit).value) <= 16 for name in FEATURES for unit in VoxelUnit)


@pytest.mark.parametrize(
    ("finding", "category"),
    [
        (LESION, "49755003"),
        (NEOPLASM, "49755003"),
        (CodedConcept("39607008", "SCT", "Lung"), "91723000"),
        (CodedConcept("17373004", "SCT", "Articular cartilage"), "49755003"),
        (CodedConcept("55603005", "SCT", "Adipose tissue"), "85756007"),
        (CodedConcept("X1", "99ELSEWHERE", "Something of theirs"), "49755003"),
    ],
)
def test_the_category_follows_the_type(finding, category):
    assert property_category(finding).value == category
