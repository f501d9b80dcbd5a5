"""What makes no volume."""

from pydicom import Dataset

from tests.phantoms.classic import AXIAL, CORONAL, ENHANCED_CT, MR, SAGITTAL, SECONDARY_CAPTURE, Grid, series
from tests.phantoms.multi_frame import enhanced


def colour(name: str = "colour") -> list[Dataset]:
    """Parametric colour maps under an MR SOP Class."""
    found = series(name, sop_class=MR)
    for one in found:
        one.SamplesPerPixel, one.PhotometricInterpretation, one.PlanarConfiguration = 3, "RGB", 0
        one.BitsAllocated, one.BitsStored, one.HighBit, one.PixelRepresentation = 8, 8, 7, 0
        one.PixelData = bytes(one.Rows * one.Columns * 3)
        del one.RescaleSlope, one.RescaleIntercept
    return found


def localizer(name: str = "localizer") -> list[Dataset]:
    """A three-plane localizer."""
    found: list[Dataset] = []
    for number, orientation in enumerate((AXIAL, SAGITTAL, CORONAL)):
        grid = Grid(shape=(5, 32, 40), orientation=orientation)
        kind = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
        found += series(name, sop_class=MR, grid=grid, start=10 * number, ImageType=kind)
    return found


def scout_and_ct(name: str = "scout-and-ct") -> list[Dataset]:
    """A CT with its scout in the same Series."""
    scout = Grid(shape=(1, 64, 64), orientation=CORONAL)
    return series(name) + series(name, grid=scout, start=90, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])


def secondary_capture(name: str = "secondary-capture") -> list[Dataset]:
    """Screens saved as Secondary Capture, with positions copied from the CT."""
    return series(name, sop_class=SECONDARY_CAPTURE, ImageType=["DERIVED", "SECONDARY"])


def one_slice(name: str = "one-slice") -> list[Dataset]:
    """A single CT image."""
    return series(name, grid=Grid(shape=(1, 32, 40)))


def projections(name: str = "projections") -> list[Dataset]:
    """Rotating maximum intensity projections."""
    return series(name, sop_class=MR, ImageType=["DERIVED", "SECONDARY", "PROJECTION IMAGE", "MIP"])


def zero_spacing(name: str = "zero-spacing") -> list[Dataset]:
    """A CT whose pixels have no size."""
    return series(name, PixelSpacing=[0.0, 0.0])


def contradictory_frames(name: str = "contradictory-frames") -> list[Dataset]:
    """An enhanced object that promises four billion frames."""
    [found] = enhanced(name, sop_class=ENHANCED_CT)
    found.add_new(0x00280008, "IS", "2147483647")
    return [found]
