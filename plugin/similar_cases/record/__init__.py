"""Regions and descriptions become DICOM SEG and SR."""

from similar_cases.record.provenance import MODEL, ContentQualification, RecorderSettings, is_ours
from similar_cases.record.recorder import Recorded, Recorder

__all__ = ["MODEL", "ContentQualification", "Recorded", "Recorder", "RecorderSettings", "is_ours"]
