"""Regions and descriptions become DICOM SEG and SR."""

from similar_cases.record.provenance import ContentQualification, RecorderSettings
from similar_cases.record.recorder import Recorded, Recorder

__all__ = ["ContentQualification", "Recorded", "Recorder", "RecorderSettings"]
