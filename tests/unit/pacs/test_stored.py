"""What leaves for the archive is a whole DICOM file, whoever made the Dataset."""

from io import BytesIO

import pytest
from pydicom import Dataset, FileMetaDataset, dcmread, dcmwrite
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

from similar_cases.domain.errors import StoreFailed
from similar_cases.pacs.stored import storable


def bare() -> Dataset:
    instance = Dataset()
    instance.SOPClassUID, instance.SOPInstanceUID = CTImageStorage, "2.25.7"
    instance.file_meta = FileMetaDataset()
    instance.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return instance


def test_a_file_has_all_meta_information_that_the_standard_asks_for():
    """As dicomweb-client writes it: a Dataset's own words, nothing enforced."""
    out = BytesIO()
    dcmwrite(out, storable(bare()))
    meta = dcmread(BytesIO(out.getvalue())).file_meta
    assert [element.keyword for element in meta][:5] == [
        "FileMetaInformationGroupLength",
        "FileMetaInformationVersion",
        "MediaStorageSOPClassUID",
        "MediaStorageSOPInstanceUID",
        "TransferSyntaxUID",
    ]
    assert "ImplementationClassUID" in meta
    assert meta.MediaStorageSOPInstanceUID == "2.25.7"
    # preamble, prefix, the group length itself, and what it counts
    assert len(out.getvalue()) > 128 + 4 + 12 + meta.FileMetaInformationGroupLength > 128 + 4 + 12 + 50


def test_what_was_given_is_not_changed():
    instance = bare()
    storable(instance)
    assert list(instance.file_meta.keys()) == [0x00020010]


def test_without_a_transfer_syntax_nothing_is_stored():
    instance = bare()
    del instance.file_meta.TransferSyntaxUID
    with pytest.raises(StoreFailed, match="TransferSyntaxUID"):
        storable(instance)
