"""Radiomics features in words, with units; those that a reader of images can make sense of."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

#: the feature that stands for a Region's volume, mm³
VOLUME = "shape_VoxelVolume"

_GREY_UNITS: Mapping[str, str] = MappingProxyType({"CT": "HU", "PT": "SUV"})


@dataclass(frozen=True)
class FeatureWords:
    """A feature in words.

    Attributes:
        unit: "grey" for the unit of the voxels.
        aspect: features of one aspect say nearly the same.
        factor: what a value is multiplied by for its unit.
    """

    words: str
    unit: str
    aspect: str
    factor: float = 1.0


#: feature → its words, in the order in which equally good reasons are told
WORDS: Mapping[str, FeatureWords] = MappingProxyType(
    {
        VOLUME: FeatureWords("volume", "ml", "size", 0.001),
        "shape_Maximum3DDiameter": FeatureWords("largest diameter", "mm", "size"),
        "shape_MajorAxisLength": FeatureWords("length of the longest axis", "mm", "size"),
        "shape_Sphericity": FeatureWords("roundness (sphericity)", "", "roundness"),
        "shape_SurfaceVolumeRatio": FeatureWords("surface for its volume", "1/mm", "surface"),
        "shape_Elongation": FeatureWords("ratio of the second to the longest axis (elongation)", "", "elongation"),
        "shape_Flatness": FeatureWords("ratio of the shortest to the longest axis (flatness)", "", "elongation"),
        "firstorder_Mean": FeatureWords("mean grey value", "grey", "brightness"),
        "firstorder_Median": FeatureWords("median grey value", "grey", "brightness"),
        "firstorder_Maximum": FeatureWords("highest grey value", "grey", "maximum"),
        "firstorder_Minimum": FeatureWords("lowest grey value", "grey", "minimum"),
        "firstorder_InterquartileRange": FeatureWords("spread of grey values (interquartile)", "grey", "spread"),
        "firstorder_MeanAbsoluteDeviation": FeatureWords("spread of grey values (mean deviation)", "grey", "spread"),
        "firstorder_Skewness": FeatureWords("lean of the histogram (skewness)", "", "histogram"),
        "firstorder_Kurtosis": FeatureWords("peak of the histogram (kurtosis)", "", "histogram"),
        "firstorder_Entropy": FeatureWords("disorder of grey values (entropy)", "bit", "entropy"),
        "firstorder_Uniformity": FeatureWords("uniformity of grey values", "", "entropy"),
        "glcm_Contrast": FeatureWords("contrast between neighbours", "", "contrast"),
        "glcm_Correlation": FeatureWords("correlation of neighbours", "", "correlation"),
        "glcm_Idm": FeatureWords("likeness of neighbours (homogeneity)", "", "contrast"),
        "glcm_JointEntropy": FeatureWords("disorder of neighbours (joint entropy)", "bit", "texture disorder"),
        "glszm_ZonePercentage": FeatureWords("fineness of texture (zone percentage)", "", "fineness"),
        "glszm_ZoneEntropy": FeatureWords("disorder of zones (zone entropy)", "bit", "texture disorder"),
        "glrlm_RunPercentage": FeatureWords("fineness of texture (run percentage)", "", "fineness"),
        "ngtdm_Coarseness": FeatureWords("coarseness of texture", "", "coarseness"),
        "ngtdm_Busyness": FeatureWords("busyness of texture", "", "coarseness"),
    }
)


def written(name: str, value: float, modality: str) -> str:
    """Write a value with its unit; grey values get that of `modality`, none for MR.

    >>> written("shape_VoxelVolume", 12345.6, "CT"), written("firstorder_Mean", -41.26, "CT")
    ('12.3 ml', '-41.3 HU')
    """
    words = WORDS[name]
    unit = _GREY_UNITS.get(modality, "") if words.unit == "grey" else words.unit
    scaled = value * words.factor
    number = f"{scaled:.0f}" if abs(scaled) >= 1000 else f"{scaled:.3g}"
    return f"{number} {unit}".strip()
