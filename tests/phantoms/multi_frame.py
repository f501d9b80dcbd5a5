"""Enhanced multi-frame objects."""

import numpy as np
from pydicom import Dataset
from pydicom.sequence import Sequence as DicomSequence

from tests.phantoms.classic import ENHANCED_CT, INTERCEPT, Grid, header_of, set_pixels, tissue_hu


def enhanced(
    name: str = "enhanced-ct", *, sop_class: str = ENHANCED_CT, temporal_positions: int = 1, grid: Grid | None = None
) -> list[Dataset]:
    """One enhanced multi-frame object; its frames run backwards through the stack."""
    where = grid or Grid()
    dataset = header_of(name, sop_class, 0)
    order = [(t, k) for t in range(temporal_positions) for k in reversed(range(where.shape[0]))]
    set_pixels(dataset, np.stack([tissue_hu(where.points_of(k)) + 100.0 * t for t, k in order]))
    dataset.NumberOfFrames = len(order)
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
    for keyword in ("RescaleSlope", "RescaleIntercept", "RescaleType"):
        if keyword in dataset:
            del dataset[keyword]
    shared = Dataset()
    shared.PixelMeasuresSequence = DicomSequence(
        [item_of(PixelSpacing=list(where.spacing_mm[1:]), SliceThickness=where.spacing_mm[0])]
    )
    shared.PlaneOrientationSequence = DicomSequence(
        [item_of(ImageOrientationPatient=[round(float(v), 9) for v in where.orientation])]
    )
    scale = {
        "RescaleSlope": 1,
        "RescaleIntercept": INTERCEPT,
        "RescaleType": "HU" if sop_class == ENHANCED_CT else "US",
    }
    shared.PixelValueTransformationSequence = DicomSequence([item_of(**scale)])
    dataset.SharedFunctionalGroupsSequence = DicomSequence([shared])
    frames: list[Dataset] = []
    for t, k in order:
        frame = Dataset()
        position = [round(float(v), 6) for v in where.origin_of(k)]
        frame.PlanePositionSequence = DicomSequence([item_of(ImagePositionPatient=position)])
        content = item_of(StackID="1", InStackPositionNumber=k + 1, TemporalPositionIndex=t + 1)
        content.DimensionIndexValues = [1, k + 1, t + 1]
        frame.FrameContentSequence = DicomSequence([content])
        frames.append(frame)
    dataset.PerFrameFunctionalGroupsSequence = DicomSequence(frames)
    return [dataset]


def item_of(**attributes: object) -> Dataset:
    found = Dataset()
    for keyword, value in attributes.items():
        setattr(found, keyword, value)
    return found
