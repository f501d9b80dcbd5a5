"""The private attributes of an answer: one block in one group under one creator (PS3.5 7.8.1), and its dictionary.

`DICTIONARY` is what ``docs/dicom-conformance.md`` prints and what readers register with their own library, as
`pydicom_entries` does for pydicom.
"""

import re
from dataclasses import dataclass

from pydicom import Dataset
from pydicom.dataset import PrivateBlock

from similar_cases import wire

#: group of the block
PRIVATE_GROUP = 0x0077
_TAG = re.compile(rf"{PRIVATE_GROUP:04X}(00|[1-9A-F][0-9A-F])([0-9A-F]{{2}})")


@dataclass(frozen=True)
class PrivateAttribute:
    """One attribute of the block.

    Attributes:
        element: the last byte of its element number.
        vr: value representation.
        vm: value multiplicity.
        name: as a reader shows it; without its spaces it is the keyword.
        meaning: in words.
        within: name of the sequence in whose items it stands, empty for the top.
        on_request: stands in an answer only where ``includefield`` names it, or asks for all.
    """

    element: int
    vr: str
    vm: str
    name: str
    meaning: str
    within: str = ""
    on_request: bool = False

    @property
    def keyword(self) -> str:
        """The name without its spaces."""
        return self.name.replace(" ", "")


_MATCHED, _AGREEING = "Matched Frame Sequence", "Agreeing Feature Sequence"
_PARTS, _REGION, _RADIOMICS = "Similarity Part Sequence", "Similar Region Sequence", "Radiomics Feature Sequence"
DICTIONARY: tuple[PrivateAttribute, ...] = (
    PrivateAttribute(0x01, "FD", "1", "Similarity Score", "0 to 1; the most similar case has the highest"),
    PrivateAttribute(0x02, "UL", "1", "Similarity Rank", "from 1, over all pages"),
    PrivateAttribute(0x03, "SQ", "1", _PARTS, "what the score is made of, one item a part"),
    PrivateAttribute(0x04, "LO", "1", "Similarity Part Name", "such as appearance, radiomics", _PARTS),
    PrivateAttribute(0x05, "FD", "1", "Similarity Part Value", "0 to 1", _PARTS),
    PrivateAttribute(0x06, "FD", "1", "Similarity Part Weight", "in the score", _PARTS),
    PrivateAttribute(0x07, "UC", "1-n", "Similarity Reason", "why this case, in words"),
    PrivateAttribute(0x08, "UI", "1", "Similar Case UID", "the case, as `GET /cases/{case}` takes it"),
    PrivateAttribute(0x09, "CS", "1", "Similar Case Level", "REGION or SERIES"),
    PrivateAttribute(0x0A, "UL", "1", "Volume Number", "of the volume in its series, from 0"),
    PrivateAttribute(0x0B, "UC", "1", "Volume Label", "tells that volume from its neighbours: EchoTime=12.0"),
    PrivateAttribute(
        0x0C, "SQ", "1", "Key Frame Sequence",
        "the frame that shows the case: Referenced SOP Class UID, Referenced SOP Instance UID, Referenced Frame Number",
    ),
    PrivateAttribute(
        0x0D, "SQ", "1", _REGION,
        "the region: Tracking UID, Segment Algorithm Type, Segmented Property Type Code Sequence, Anatomic Region "
        "Sequence, and ours",
    ),
    PrivateAttribute(0x0E, "FD", "1", "Region Volume", "ml", _REGION),
    PrivateAttribute(0x0F, "FD", "3", "Region Centroid", "LPS, mm", _REGION),
    PrivateAttribute(0x10, "UC", "1", "Region Label", "as the source of the region names it", _REGION),
    PrivateAttribute(0x11, "FD", "1", "Region Quality", "the segmenter's own estimate, 0 to 1", _REGION),
    PrivateAttribute(
        0x12, "SQ", "1", "Region Result Sequence",
        "SEG and SR of the region: Referenced SOP Class UID, Referenced SOP Instance UID", _REGION,
    ),
    PrivateAttribute(0x13, "LO", "1", "Embedding Space Identifier", "the model that compared the images"),
    PrivateAttribute(0x14, "LO", "1", "Radiomics Recipe Fingerprint", "how the radiomics were computed"),
    PrivateAttribute(
        0x15, "SQ", "1", _RADIOMICS, "one item a feature; one that could not be computed is absent", on_request=True
    ),
    PrivateAttribute(0x16, "LO", "1", "Radiomics Feature Name", "as in the structured report", _RADIOMICS),
    PrivateAttribute(0x17, "FD", "1", "Radiomics Feature Value", "in the feature's own unit", _RADIOMICS),
    PrivateAttribute(
        0x18, "SQ", "1", _MATCHED,
        "frames that match what was asked about, the best first: Referenced SOP Class UID, Referenced SOP Instance "
        "UID, Referenced Frame Number, and ours",
    ),
    PrivateAttribute(0x19, "SQ", "1", "Asked Frame Sequence", "the frame of what was asked about", _MATCHED),
    PrivateAttribute(0x1A, "FD", "1", "Frame Similarity", "cosine of the two, -1 to 1", _MATCHED),
    PrivateAttribute(0x1B, "SQ", "1", _AGREEING, "radiomics features that agree most, the best first"),
    PrivateAttribute(0x1C, "LO", "1", "Agreeing Feature Name", "as in the structured report", _AGREEING),
    PrivateAttribute(0x1D, "FD", "1", "Asked Feature Value", "of what was asked about", _AGREEING),
    PrivateAttribute(0x1E, "FD", "1", "Found Feature Value", "of the case", _AGREEING),
    PrivateAttribute(0x1F, "FD", "1", "Asked Feature Percentile", "0 to 1, in the modality's population", _AGREEING),
    PrivateAttribute(0x20, "FD", "1", "Found Feature Percentile", "0 to 1, in the modality's population", _AGREEING),
    PrivateAttribute(0x21, "FD", "1", "Chance Level", "share of random pairs that are at least as similar, 0 to 1"),
    PrivateAttribute(0x22, "UL", "1", "Chance Pairs", "how many random pairs of the archive were compared"),
    PrivateAttribute(0x23, "UL", "1", "Candidate Count", "how many cases passed the filters"),
)  # fmt: skip
_BY_KEYWORD = {attribute.keyword: attribute for attribute in DICTIONARY}
_BY_ELEMENT = {attribute.element: attribute for attribute in DICTIONARY}


def private_keyword(name: str) -> str | None:
    """Return the keyword of a private attribute from its keyword or from its tag in any block; None where it is none.

    >>> private_keyword("00771001"), private_keyword("0077ff15"), private_keyword("Modality")
    ('SimilarityScore', 'RadiomicsFeatureSequence', None)
    """
    if name in _BY_KEYWORD:
        return name
    tag = _TAG.fullmatch(name.upper())
    attribute = _BY_ELEMENT.get(int(tag[2], 16)) if tag else None
    return attribute.keyword if attribute else None


class Block:
    """The private block of a data set; takes values by the names of the dictionary."""

    def __init__(self, item: Dataset) -> None:
        self._block: PrivateBlock = item.private_block(PRIVATE_GROUP, wire.PRIVATE_CREATOR, create=True)

    def put(self, keyword: str, value: object) -> None:
        """Set an attribute; an empty text, and None, leave it absent."""
        if value is None or value == "":
            return
        attribute = _BY_KEYWORD[keyword]
        self._block.add_new(attribute.element, attribute.vr, value)


def pydicom_entries() -> dict[int, tuple[str, str, str]]:
    """Return what ``pydicom.datadict.add_private_dict_entries(wire.PRIVATE_CREATOR, …)`` takes: tag → VR, VM, name.

    >>> pydicom_entries()[0x00771001]
    ('FD', '1', 'Similarity Score')
    """
    return {(PRIVATE_GROUP << 16) + 0x1000 + one.element: (one.vr, one.vm, one.name) for one in DICTIONARY}
