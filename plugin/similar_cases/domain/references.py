"""References to DICOM's levels, by UID."""

import re
from dataclasses import dataclass

from similar_cases.domain.errors import InvalidUid

_UID = re.compile(r"[0-9]+(\.[0-9]+)*")


def require_uid(text: str) -> str:
    """Return `text` when it is a DICOM UID (PS3.5 section 9.1; leading zeros are let pass, as archives hold them).

    Raises:
        InvalidUid: otherwise.

    >>> require_uid("1.2.840.10008.1.1")
    '1.2.840.10008.1.1'
    """
    if len(text) > 64 or not _UID.fullmatch(text):
        raise InvalidUid(f"not a DICOM UID: {text[:80]!r}; a UID has at most 64 digits and dots")
    return text


@dataclass(frozen=True, order=True)
class SeriesRef:
    """One Series in one Study."""

    study_uid: str
    series_uid: str

    def __post_init__(self) -> None:
        """Refuse what is no UID."""
        require_uid(self.study_uid)
        require_uid(self.series_uid)


@dataclass(frozen=True)
class FrameRef:
    """One Frame of one Instance; `frame_number` counts from 1 (PS3.3 C.7.6.6), None for single-frame objects."""

    sop_class_uid: str
    sop_instance_uid: str
    frame_number: int | None = None
