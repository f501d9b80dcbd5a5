"""Values that are stored otherwise than as the signed numbers of CT."""

import numpy as np
from pydicom import Dataset
from pydicom.sequence import Sequence as DicomSequence

from tests.phantoms.classic import CT, INTERCEPT, PT, series, tissue_hu


def monochrome1(name: str = "monochrome1", sop_class: str = CT) -> list[Dataset]:
    """Images to be shown inverted."""
    return series(name, sop_class=sop_class, PhotometricInterpretation="MONOCHROME1")


def padded_ct(name: str = "padded-ct") -> list[Dataset]:
    """A CT whose corners hold a padding value, written unsigned although pixels are signed (as scanners do)."""
    found = series(name)
    for one in found:
        stored = np.frombuffer(one.PixelData, "<i2").reshape(one.Rows, one.Columns).copy()
        stored[:4, :4] = -2000
        one.PixelData = stored.tobytes()
        one.add_new(0x00280120, "US", 63536)
    return found


def pet(name: str = "pet", **attributes: object) -> list[Dataset]:
    """A PET in Bq/ml with a slope of its own for each slice, injected before midnight and scanned after it."""
    found = series(name, sop_class=PT, values=lambda at: tissue_hu(at) + 2000.0, **attributes)
    for k, one in enumerate(found):
        stored = np.frombuffer(one.PixelData, "<i2").astype(float) + INTERCEPT  # the wanted Bq/ml
        one.RescaleSlope, one.RescaleIntercept = round(0.5 + 0.01 * k, 4), 0
        one.PixelData = np.rint(stored / float(one.RescaleSlope)).astype("<i2").tobytes()
        one.Units, one.DecayCorrection = attributes.get("Units", "BQML"), attributes.get("DecayCorrection", "START")
        one.PatientWeight = attributes.get("PatientWeight", 70.0)
        one.SeriesDate = one.AcquisitionDate = "20240301"
        one.SeriesTime = one.AcquisitionTime = "003000"
        tracer = Dataset()
        tracer.RadiopharmaceuticalStartTime = "233000"
        tracer.RadionuclideTotalDose, tracer.RadionuclideHalfLife = 350e6, 6586.2
        one.RadiopharmaceuticalInformationSequence = DicomSequence([tracer])
    return found


def truncated_pixels(name: str = "truncated-pixels") -> list[Dataset]:
    """A CT of which one object was cut off."""
    found = series(name)
    found[3].PixelData = found[3].PixelData[: len(found[3].PixelData) // 3 & ~1]
    return found
