"""The smallest DICOM objects that Orthanc takes, for tests of what happens around them."""

from io import BytesIO

from pydicom import Dataset, FileMetaDataset
from pydicom.filewriter import dcmwrite
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid


def tiny_instances(count: int = 1, *, pixels: int = 16) -> list[bytes]:
    """Return the instances of one new series, as the bytes of DICOM files."""
    study, series = generate_uid(), generate_uid()
    return [_tiny(study, series, number, pixels) for number in range(1, count + 1)]


def _tiny(study: str, series: str, number: int, pixels: int) -> bytes:
    dataset = Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = SecondaryCaptureImageStorage, generate_uid()
    dataset.PatientID, dataset.PatientName = study[-16:], "Phantom"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = study, series
    dataset.Modality, dataset.InstanceNumber = "OT", number
    dataset.Rows = dataset.Columns = pixels
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit, dataset.PixelRepresentation = 7, 0
    dataset.PixelData = bytes(pixels * pixels)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    written = BytesIO()
    dcmwrite(written, dataset, enforce_file_format=True)
    return written.getvalue()
