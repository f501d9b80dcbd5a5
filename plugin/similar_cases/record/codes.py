"""Codes of what is measured: IBSI's where the definition is the same, the private scheme 99SIMILARCASES where not.

Feature names are pyradiomics' (``class_Feature``). A code of IBSI names a definition, so each line was checked against
the values that IBSI publishes for its digital phantom (``tests/unit/record/test_codes.py``). Three traps:

- DICOM's context groups hold the *histogram* statistics alone (CID 7478). pyradiomics' first order is computed from the
  intensities themselves, which IBSI codes apart: mean is Q4LE, not X6K6. Entropy and uniformity are of the histogram.
- pyradiomics' kurtosis is IBSI's (IPH6) plus 3, and so is another thing: private.
- pyradiomics' GLDM is IBSI's NGLDM under other names (small dependence is *low dependence*).
"""

from functools import cache
from types import MappingProxyType

from highdicom.sr import CodedConcept as CodeItem
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from similar_cases.domain.coding import CodedConcept
from similar_cases.domain.volume import VoxelUnit

#: the private coding scheme (PS3.3 table 8.2-1 keeps the prefix 99 for such)
PRIVATE_SCHEME = "99SIMILARCASES"

# One feature a line: name, code, meaning. Meanings are those of PS3.16 where it has the code, else of the IBSI
# reference manual (arXiv:1612.07003), else ours.
_IBSI_FEATURES = """
shape_MeshVolume                            RNU0  Volume of Mesh
shape_VoxelVolume                           YEKZ  Volume from Voxel Summation
shape_SurfaceArea                           C0JK  Surface Area of Mesh
shape_SurfaceVolumeRatio                    2PR5  Surface to Volume Ratio
shape_Sphericity                            QCFX  Sphericity
shape_Maximum3DDiameter                     L0JK  Maximum 3D Diameter of a Mesh
shape_MajorAxisLength                       TDIC  Major Axis in 3D Length
shape_MinorAxisLength                       P9VJ  Minor Axis in 3D Length
shape_LeastAxisLength                       7J51  Least Axis in 3D Length
shape_Elongation                            Q3CK  Elongation
shape_Flatness                              N17B  Flatness
firstorder_Mean                             Q4LE  Mean Intensity
firstorder_Variance                         ECT3  Intensity Variance
firstorder_Skewness                         KE2A  Intensity Skewness
firstorder_Median                           Y12H  Median Intensity
firstorder_Minimum                          1GSF  Minimum Intensity
firstorder_10Percentile                     QG58  10th Intensity Percentile
firstorder_90Percentile                     8DWT  90th Intensity Percentile
firstorder_Maximum                          84IY  Maximum Intensity
firstorder_InterquartileRange               SALO  Intensity Interquartile Range
firstorder_Range                            2OJQ  Intensity Range
firstorder_MeanAbsoluteDeviation            4FUA  Intensity-based Mean Absolute Deviation
firstorder_RobustMeanAbsoluteDeviation      1128  Intensity-based Robust Mean Absolute Deviation
firstorder_Energy                           N8CA  Intensity-based Energy
firstorder_RootMeanSquared                  5ZWQ  Root Mean Square Intensity
firstorder_Entropy                          TLU2  Intensity Histogram Entropy
firstorder_Uniformity                       BJ5W  Intensity Histogram Uniformity
glcm_MaximumProbability                     GYBY  Joint Maximum of GLCM
glcm_JointAverage                           60VM  Joint Average of GLCM
glcm_SumSquares                             UR99  Joint Variance of GLCM
glcm_JointEntropy                           TU9B  Joint Entropy of GLCM
glcm_DifferenceAverage                      TF7R  Difference Average of GLCM
glcm_DifferenceVariance                     D3YU  Difference Variance of GLCM
glcm_DifferenceEntropy                      NTRS  Difference Entropy of GLCM
glcm_SumAverage                             ZGXS  Sum Average of GLCM
glcm_SumEntropy                             P6QZ  Sum Entropy of GLCM
glcm_JointEnergy                            8ZQL  Angular Second Moment of GLCM
glcm_Contrast                               ACUI  Contrast of GLCM
glcm_Id                                     IB1Z  Inverse Difference of GLCM
glcm_Idn                                    NDRX  Normalized Inverse Difference of GLCM
glcm_Idm                                    WF0Z  Inverse Difference Moment of GLCM
glcm_Idmn                                   1QCO  Normalized Inverse Difference Moment of GLCM
glcm_InverseVariance                        E8JP  Inverse Variance of GLCM
glcm_Correlation                            NI2N  Correlation of GLCM
glcm_Autocorrelation                        QWB0  Autocorrelation of GLCM
glcm_ClusterTendency                        DG8W  Cluster Tendency of GLCM
glcm_ClusterShade                           7NFM  Cluster Shade of GLCM
glcm_ClusterProminence                      AE86  Cluster Prominence of GLCM
glcm_Imc1                                   R8DG  First Measure of Information Correlation of GLCM
glcm_Imc2                                   JN9H  Second Measure of Information Correlation of GLCM
glrlm_ShortRunEmphasis                      22OV  Short Runs Emphasis
glrlm_LongRunEmphasis                       W4KF  Long Runs Emphasis
glrlm_LowGrayLevelRunEmphasis               V3SW  Low Gray Level Run Emphasis
glrlm_HighGrayLevelRunEmphasis              G3QZ  High Gray Level Run Emphasis
glrlm_ShortRunLowGrayLevelEmphasis          HTZT  Short Run Low Gray Level Emphasis
glrlm_ShortRunHighGrayLevelEmphasis         GD3A  Short Run High Gray Level Emphasis
glrlm_LongRunLowGrayLevelEmphasis           IVPO  Long Run Low Gray Level Emphasis
glrlm_LongRunHighGrayLevelEmphasis          3KUM  Long Run High Gray Level Emphasis
glrlm_GrayLevelNonUniformity                R5YN  Gray Level Nonuniformity in Runs
glrlm_GrayLevelNonUniformityNormalized      OVBL  Normalized Gray Level Nonuniformity in Runs
glrlm_RunLengthNonUniformity                W92Y  Run Length Nonuniformity
glrlm_RunLengthNonUniformityNormalized      IC23  Normalized Run Length Nonuniformity
glrlm_RunPercentage                         9ZK5  Run Percentage
glrlm_GrayLevelVariance                     8CE5  Gray Level Variance in Runs
glrlm_RunVariance                           SXLW  Run Length Variance
glrlm_RunEntropy                            HJ9O  Run Entropy
glszm_SmallAreaEmphasis                     5QRC  Small Zone Emphasis
glszm_LargeAreaEmphasis                     48P8  Large Zone Emphasis
glszm_LowGrayLevelZoneEmphasis              XMSY  Low Gray Level Zone Emphasis
glszm_HighGrayLevelZoneEmphasis             5GN9  High Gray Level Zone Emphasis
glszm_SmallAreaLowGrayLevelEmphasis         5RAI  Small Zone Low Gray Level Emphasis
glszm_SmallAreaHighGrayLevelEmphasis        HW1V  Small Zone High Gray Level Emphasis
glszm_LargeAreaLowGrayLevelEmphasis         YH51  Large Zone Low Gray Level Emphasis
glszm_LargeAreaHighGrayLevelEmphasis        J17V  Large Zone High Gray Level Emphasis
glszm_GrayLevelNonUniformity                JNSA  Gray Level Nonuniformity of Size Zone Counts
glszm_GrayLevelNonUniformityNormalized      Y1RO  Normalized Gray Level Nonuniformity of Size Zone Counts
glszm_SizeZoneNonUniformity                 4JP3  Zone Size Nonuniformity
glszm_SizeZoneNonUniformityNormalized       VB3A  Normalized Zone Size Nonuniformity
glszm_ZonePercentage                        P30P  Size Zone Percentage
glszm_GrayLevelVariance                     BYLV  Gray Level Variance in Size Zones
glszm_ZoneVariance                          3NSA  Zone Size Variance
glszm_ZoneEntropy                           GU8N  Zone Size Entropy
ngtdm_Coarseness                            QCDE  Coarseness of NGTDM
ngtdm_Contrast                              65HE  Contrast of NGTDM
ngtdm_Busyness                              NQ30  Busyness of NGTDM
ngtdm_Complexity                            HDEZ  Complexity of NGTDM
ngtdm_Strength                              1X9X  Strength of NGTDM
gldm_SmallDependenceEmphasis                SODN  Low dependence emphasis
gldm_LargeDependenceEmphasis                IMOQ  High dependence emphasis
gldm_LowGrayLevelEmphasis                   TL9H  Low grey level count emphasis
gldm_HighGrayLevelEmphasis                  OAE7  High grey level count emphasis
gldm_SmallDependenceLowGrayLevelEmphasis    EQ3F  Low dependence low grey level emphasis
gldm_SmallDependenceHighGrayLevelEmphasis   JA6D  Low dependence high grey level emphasis
gldm_LargeDependenceLowGrayLevelEmphasis    NBZI  High dependence low grey level emphasis
gldm_LargeDependenceHighGrayLevelEmphasis   9QMG  High dependence high grey level emphasis
gldm_GrayLevelNonUniformity                 FP8K  Grey level non-uniformity of NGLDM
gldm_DependenceNonUniformity                Z87G  Dependence count non-uniformity
gldm_DependenceNonUniformityNormalized      OKJI  Dependence count non-uniformity normalized
gldm_GrayLevelVariance                      1PFV  Grey level variance of NGLDM
gldm_DependenceVariance                     DNX2  Dependence count variance
gldm_DependenceEntropy                      FCBV  Dependence count entropy
"""

_PRIVATE_FEATURES = """
shape_Maximum2DDiameterSlice    SH-MAX2D-SLICE   Maximum 2D Diameter in the Row-Column Plane
shape_Maximum2DDiameterColumn   SH-MAX2D-COLUMN  Maximum 2D Diameter in the Row-Slice Plane
shape_Maximum2DDiameterRow      SH-MAX2D-ROW     Maximum 2D Diameter in the Column-Slice Plane
firstorder_Kurtosis             FO-KURTOSIS      Intensity Kurtosis, 3 for a Normal Distribution
firstorder_TotalEnergy          FO-TOTALENERGY   Intensity-based Energy times Voxel Volume
glcm_MCC                        GLCM-MCC         Maximal Correlation Coefficient of GLCM
"""


def _concepts(table: str, scheme: str) -> dict[str, CodedConcept]:
    lines = (line.split(maxsplit=2) for line in table.strip().splitlines())
    return {name: CodedConcept(value, scheme, meaning) for name, value, meaning in lines}


#: pyradiomics' name → the code that is written
FEATURES = MappingProxyType(_concepts(_IBSI_FEATURES, "IBSI") | _concepts(_PRIVATE_FEATURES, PRIVATE_SCHEME))

#: the volume of the Region on the Volume's own grid (radiomics' own is of the resampled mask)
VOLUME = CodedConcept("118565006", "SCT", "Volume")
#: CID 7474
SUM_OF_VOXELS = CodedConcept("126030", "DCM", "Sum of segmented voxel method for volume")
#: the segmenter's own estimate of its mask, 0 to 1
SEGMENTATION_QUALITY = CodedConcept("SEG-QUALITY", PRIVATE_SCHEME, "Segmentation quality as the algorithm estimates it")

#: the whole private scheme
PRIVATE_CODES = (*(c for c in FEATURES.values() if c.scheme == PRIVATE_SCHEME), SEGMENTATION_QUALITY)

NO_UNITS = CodedConcept("1", "UCUM", "no units")
MILLILITRE = CodedConcept("ml", "UCUM", "ml")

_SHAPE_UNITS = {
    "shape_MeshVolume": "mm3",
    "shape_VoxelVolume": "mm3",
    "shape_SurfaceArea": "mm2",
    "shape_SurfaceVolumeRatio": "/mm",
    "shape_Sphericity": "1",
    "shape_Elongation": "1",
    "shape_Flatness": "1",
}
_PURE_NUMBERS = {"firstorder_Skewness", "firstorder_Kurtosis", "firstorder_Entropy", "firstorder_Uniformity"}
_SQUARED_INTENSITIES = {"firstorder_Variance", "firstorder_Energy"}
# UCUM has no exponent of a bracket, and a code has 16 characters at most, so squares are written out
_SQUARED = {VoxelUnit.HU: "[hnsf'U]2", VoxelUnit.SUVBW: "g2/ml2{SUVbw}", VoxelUnit.BQML: "Bq2/ml2"}
_SQUARED_TIMES_VOLUME = {VoxelUnit.HU: "[hnsf'U]2.mm3", VoxelUnit.SUVBW: "g2.mm3/ml2", VoxelUnit.BQML: "Bq2.mm3/ml2"}
_UNIT_MEANINGS = {
    "[hnsf'U]": "Hounsfield unit",
    "g/ml{SUVbw}": "Standardized Uptake Value body weight",
    "1": "no units",
}


def feature_concept(name: str) -> CodedConcept:
    """Return the code of the feature that pyradiomics calls `name`; one of no table is private under its own name.

    >>> str(feature_concept("firstorder_Mean")), str(feature_concept("glcm_MCC"))
    ('(Q4LE, IBSI, "Mean Intensity")', '(GLCM-MCC, 99SIMILARCASES, "Maximal Correlation Coefficient of GLCM")')
    >>> feature_concept("wavelet_LLH_glcm_Contrast").value
    'wavelet_LLH_glcm_Contrast'
    """
    return FEATURES.get(name) or CodedConcept(name, PRIVATE_SCHEME, name[:64])


def feature_unit(name: str, intensity: VoxelUnit) -> CodedConcept:
    """Return the UCUM unit of a feature's values on an image whose voxels are in `intensity`.

    >>> feature_unit("firstorder_Energy", VoxelUnit.HU).value, feature_unit("glcm_Contrast", VoxelUnit.HU).value
    ("[hnsf'U]2", '1')
    """
    code = _unit_code(name, intensity)
    return CodedConcept(code, "UCUM", _UNIT_MEANINGS.get(code, code))


def _unit_code(name: str, intensity: VoxelUnit) -> str:
    if name.startswith("shape_"):
        return _SHAPE_UNITS.get(name, "mm")
    if not name.startswith("firstorder_") or name in _PURE_NUMBERS:
        return "1"
    if name in _SQUARED_INTENSITIES:
        return _SQUARED.get(intensity, "1")
    if name == "firstorder_TotalEnergy":
        return _SQUARED_TIMES_VOLUME.get(intensity, "mm3")
    return str(intensity)


def code_item(concept: CodedConcept) -> CodeItem:
    """Return `concept` as an item of a code sequence (PS3.3 8.8); a value over 16 characters is a Long Code Value."""
    return CodeItem(concept.value, concept.scheme, concept.meaning[:64])


def property_category(finding: CodedConcept) -> CodedConcept:
    """Return the Segmented Property Category (CID 7150) that the property type `finding` belongs to.

    What stands in no list is taken for an abnormal structure, as that is what is sought here.

    >>> property_category(CodedConcept("52988006", "SCT", "Lesion")).meaning
    'Morphologically Abnormal Structure'
    >>> property_category(CodedConcept("39607008", "SCT", "Lung")).meaning
    'Anatomical Structure'
    """
    category = _categories().get((finding.value, finding.scheme), codes.SCT.MorphologicallyAbnormalStructure)
    return CodedConcept(category.value, category.scheme_designator, category.meaning)


@cache
def _categories() -> dict[tuple[str, str], Code]:
    """Map (value, scheme) of property types to their category; where lists share a type, the later list wins."""
    lists = (
        (codes.cid7193, codes.SCT.PhysicalObject),
        (codes.cid7191, codes.SCT.Tissue),
        (codes.cid7192, codes.SCT.AnatomicalStructure),
        (codes.cid7194, codes.SCT.MorphologicallyAbnormalStructure),
    )
    return {(c.value, c.scheme_designator): category for types, category in lists for c in types.concepts.values()}
