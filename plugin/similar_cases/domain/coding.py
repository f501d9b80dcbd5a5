"""Coded concepts (PS3.3 section 8.8)."""

from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class CodedConcept:
    """A code, the scheme that defines it, and its meaning for people.

    >>> str(CodedConcept("108369006", "SCT", "Neoplasm"))
    '(108369006, SCT, "Neoplasm")'
    """

    value: str
    scheme: str
    meaning: str

    def __str__(self) -> str:
        """The notation of the standard's tables."""
        return f'({self.value}, {self.scheme}, "{self.meaning}")'


#: the finding of a Region of which nothing more is known (CID 7151 Segmentation Property Type neighbourhood)
LESION = CodedConcept("52988006", "SCT", "Lesion")
NEOPLASM = CodedConcept("108369006", "SCT", "Neoplasm")
#: sides of the body (CID 244 Laterality)
LEFT = CodedConcept("7771000", "SCT", "Left")
RIGHT = CodedConcept("24028007", "SCT", "Right")
