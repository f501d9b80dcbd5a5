"""Reading attributes of hostile objects: bounded, and every break of the rules is MalformedDicom with its reason."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.dataelem import RawDataElement
from pydicom.sequence import Sequence as DicomSequence
from pydicom.sr._snomed_dict import mapping as snomed_mapping

from similar_cases.domain.coding import CodedConcept
from similar_cases.domain.errors import InvalidUid, MalformedDicom
from similar_cases.domain.references import require_uid

#: no object that a clinic makes has more items in one sequence
MAX_ITEMS = 200_000
#: LO's 64 characters (PS3.5 table 6.2-1); what is longer is cut
MAX_LABEL = 64
#: coordinates and spacings beyond this, mm or pixels, are of no patient
MAX_NUMBER = 1e6

_BREAKS = (ValueError, TypeError, AttributeError, KeyError, IndexError, OverflowError, NotImplementedError)


@contextmanager
def reading(what: str) -> Iterator[None]:
    """Turn what parsing of a broken object raises into MalformedDicom that names `what` was read.

    The cause's text is left out, since it may quote the object, and so the patient.
    """
    try:
        yield
    except _BREAKS as error:
        raise MalformedDicom(
            f"{what} cannot be read ({type(error).__name__}); the object breaks its own rules"
        ) from error


def items(dataset: Dataset, keyword: str, most: int = MAX_ITEMS) -> list[Dataset]:
    """Return the items of a sequence, none where it is absent or empty.

    Raises:
        MalformedDicom: when it is no sequence, or has more than `most` items.
    """
    with reading(keyword):
        value = dataset.get(keyword)
    if value is None or value == "":
        return []
    if not isinstance(value, DicomSequence):
        raise MalformedDicom(f"{keyword} is not a sequence")
    if len(value) > most:
        raise MalformedDicom(f"{keyword} has {len(value)} items; more than {most} are not read")
    return list(value)


def first(dataset: Dataset, keyword: str) -> Dataset:
    """Return the first item of a sequence; an empty Dataset where there is none."""
    return next(iter(items(dataset, keyword)), Dataset())


def text(dataset: Dataset, keyword: str) -> str:
    """Return a value as one line of at most 64 characters, without control characters; empty where absent."""
    with reading(keyword):
        value = dataset.get(keyword)
    if value is None:
        return ""
    return "".join(letter for letter in str(value) if letter.isprintable()).strip()[:MAX_LABEL]


def uid(dataset: Dataset, keyword: str) -> str:
    """Return a UID, empty where it is absent or is none."""
    try:
        return require_uid(text(dataset, keyword))
    except InvalidUid:
        return ""


def integer(dataset: Dataset, keyword: str) -> int | None:
    """Return a whole number, None where absent."""
    with reading(keyword):
        value = dataset.get(keyword)
        return None if value is None or value == "" else int(value)


def required_integer(dataset: Dataset, keyword: str) -> int:
    """Return a whole number.

    Raises:
        MalformedDicom: when it is absent.
    """
    value = integer(dataset, keyword)
    if value is None:
        raise MalformedDicom(f"{keyword} is missing")
    return value


def numbers(dataset: Dataset, keyword: str) -> NDArray[np.float64]:
    """Return the values of a DS, FL or FD attribute, (n,) float64, empty where absent.

    A decimal string that is not parsed yet is parsed at once: pydicom makes an object of every number, and a chest's
    contours hold some hundred thousand.

    Raises:
        MalformedDicom: when a value is no finite number, or out of bounds.
    """
    with reading(keyword):
        raw: object = dataset.get_item(keyword)
        if isinstance(raw, RawDataElement) and raw.VR in (None, "DS") and raw.value:
            values = np.array(raw.value.rstrip(b" \x00").split(b"\\"), dtype=np.float64)
        else:
            value = dataset.get(keyword)
            values = np.asarray([] if value is None else value, dtype=np.float64).reshape(-1)
    if not (np.abs(values) <= MAX_NUMBER).all():
        raise MalformedDicom(f"{keyword} holds a number that is not finite, or beyond {MAX_NUMBER:g}")
    return values


def points(dataset: Dataset, keyword: str, dimensions: int) -> NDArray[np.float64]:
    """Return the values of an attribute as (n, `dimensions`) coordinates.

    Raises:
        MalformedDicom: when their count is no multiple of `dimensions`.
    """
    values = numbers(dataset, keyword)
    if len(values) % dimensions:
        raise MalformedDicom(f"{keyword} holds {len(values)} numbers, which are no points of {dimensions}")
    return values.reshape(-1, dimensions)


def code(dataset: Dataset, keyword: str) -> CodedConcept | None:
    """Return the coded concept in a sequence (PS3.3 section 8.8), None where there is none.

    Codes of the retired SNOMED-RT identifiers are given in SNOMED CT, so that one finding has one code
    (PS3.16 Annex L).

    >>> from pydicom.sr.codedict import codes
    >>> breast, kind = Dataset(), Dataset()
    >>> breast.CodeValue, breast.CodingSchemeDesignator, breast.CodeMeaning = "T-04000", "SRT", "Breast"
    >>> kind.AnatomicRegionSequence = [breast]
    >>> str(code(kind, "AnatomicRegionSequence"))
    '(76752008, SCT, "Breast")'
    """
    item = first(dataset, keyword)
    value = text(item, "CodeValue") or text(item, "LongCodeValue") or text(item, "URNCodeValue")
    scheme = text(item, "CodingSchemeDesignator")
    if not value or not (scheme or "URNCodeValue" in item):
        return None
    if scheme in ("SRT", "SNM3", "99SDM"):
        value, scheme = snomed_mapping["SRT"].get(value, value), "SCT" if value in snomed_mapping["SRT"] else scheme
    return CodedConcept(value, scheme, text(item, "CodeMeaning"))
