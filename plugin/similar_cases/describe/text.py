"""Words on a Case: a caption built from its coded facts, and the text of its Study's reports.

A caption never holds a patient's name, identifier, birth date or age: it is made of codes and measurements, and of the
descriptions of Study and Series with every part of the name taken out.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from html.parser import HTMLParser
from io import BytesIO
from typing import Protocol

from pydicom import Dataset

from similar_cases.domain.case import Case
from similar_cases.domain.description import Embedding, EmbeddingSpace
from similar_cases.domain.volume import SeriesFacts

#: raised when captions change, so that Series are described again
CAPTION_VERSION = 1
#: characters of the reports of one Study that are kept
MAX_REPORT = 20_000
#: items of a report's content tree that are read
_MAX_ITEMS = 5_000
#: Encapsulated PDF and Encapsulated CDA Storage (PS3.4 B.5)
PDF_CLASS, CDA_CLASS = "1.2.840.10008.5.1.4.1.1.104.1", "1.2.840.10008.5.1.4.1.1.104.2"
#: encapsulated documents longer than this are passed over
_MAX_DOCUMENT = 20 * 2**20

_MODALITIES = {
    "CT": "CT computed tomography",
    "MR": "MR magnetic resonance MRI",
    "PT": "PET positron emission tomography",
}
#: largest diameter in mm under which a Region is …
_SIZES = ((10, "tiny"), (20, "small"), (50, "medium-sized"), (100, "large"), (float("inf"), "very large"))
#: mean Hounsfield units under which a Region is …
_DENSITIES = (
    (-200, "air-containing"), (-30, "fatty fat"), (20, "cystic fluid low density"), (80, "soft tissue density"),
    (300, "dense enhancing"), (float("inf"), "calcified bone"),
)  # fmt: skip
_WORD = re.compile(r"\w+")


class TextEmbedder(Protocol):
    """What turns sentences into vectors. The same sentence gives the same bytes twice."""

    @property
    def space(self) -> EmbeddingSpace:
        """The space of the vectors."""
        ...

    def embed(self, text: str) -> Embedding:
        """Return the vector of a text; what is longer than the model reads is cut."""
        ...


def caption_of(case: Case) -> str:
    """Return the caption of a Case: modality, body part, what is found where, size, shape, density, side."""
    facts = case.facts
    words = [_MODALITIES.get(facts.modality, facts.modality), facts.body_part_examined.lower()]
    words += [without_name(text, facts) for text in (facts.study_description, facts.series_description)]
    if case.region is not None:
        words += ["lesion mass region"]
        words += [code.meaning for code in (case.region.finding, case.region.finding_site) if code]
        words += [without_name(case.region.label, facts), f"{case.region.volume_ml:.3g} ml", *_side(case)]
    if case.description.radiomics is not None:
        words += _measured(case.description.radiomics.values, facts.modality)
    return ", ".join(word.strip() for word in words if word.strip())


def without_name(text: str, facts: SeriesFacts) -> str:
    """Return `text` with every word of the patient's name, and the identifier, taken out.

    >>> without_name("Thorax DOE john 4711", SeriesFacts(patient_name="Doe^John", patient_id="4711"))
    'Thorax'
    """
    private = {word.casefold() for word in _WORD.findall(f"{facts.patient_name} {facts.patient_id}") if len(word) > 1}
    kept = [part for part in text.split() if not private & {word.casefold() for word in _WORD.findall(part)}]
    return " ".join(kept)


def report_of(objects: Sequence[Dataset], facts: SeriesFacts) -> str:
    """Return the text of reports: of the content of SR documents, and of encapsulated PDF and CDA where it can be read.

    Args:
        objects: SR documents and encapsulated documents; others have no text.
        facts: of the patient, whose name and identifier are taken out.
    """
    told = " ".join(text for one in objects for text in _texts_of(one))
    return without_name(told[: 2 * MAX_REPORT], facts)[:MAX_REPORT]


def _measured(values: Mapping[str, float], modality: str) -> list[str]:
    get = values.get
    words = []
    if (diameter := get("shape_Maximum3DDiameter")) is not None:
        words.append(f"{_below(diameter, _SIZES)} {diameter:.0f} mm")
    if (roundness := get("shape_Sphericity")) is not None:
        words.append("round" if roundness > 0.75 else "oval" if roundness > 0.6 else "irregular lobulated")
    if (elongation := get("shape_Elongation")) is not None and elongation < 0.5:
        words.append("elongated")
    if (flatness := get("shape_Flatness")) is not None and flatness < 0.4:
        words.append("flat")
    if modality == "CT":
        percentiles = (get("firstorder_10Percentile"), get("firstorder_90Percentile"))
        words += _densities(get("firstorder_Mean"), percentiles, get("firstorder_Maximum"))
    if modality == "PT" and (highest := get("firstorder_Maximum")) is not None:
        words.append("high uptake avid" if highest > 5 else "low uptake")
    return words


def _densities(mean: float | None, percentiles: tuple[float | None, float | None], highest: float | None) -> list[str]:
    low, high = percentiles
    words = [] if mean is None else [_below(mean, _DENSITIES)]
    if low is not None and high is not None:
        words.append("heterogeneous" if high - low > 100 else "homogeneous")
        if low < 25 and high > 60:
            words.append("necrotic necrosis")
    if highest is not None and highest > 300:
        words.append("calcification")
    return words


def _below(value: float, steps: Sequence[tuple[float, str]]) -> str:
    return next(word for limit, word in steps if value < limit or limit == float("inf"))


def _side(case: Case) -> list[str]:
    """Tell the side of the body where a model knows it: x of LPS runs to the patient's left."""
    location = case.description.location
    if location is None or location.body is None or abs(location.body.at_mm[0]) < 15:
        return []
    return ["left side"] if location.body.at_mm[0] > 0 else ["right side"]


def _texts_of(one: Dataset) -> Iterator[str]:
    kind = str(one.get("SOPClassUID", ""))
    document = one.get("EncapsulatedDocument", b"")
    if kind in (PDF_CLASS, CDA_CLASS):
        if isinstance(document, bytes) and len(document) <= _MAX_DOCUMENT:
            yield _pdf_text(document) if kind == PDF_CLASS else _markup_text(document)
        return
    items, read = list(reversed(list(one.get("ContentSequence", None) or []))), 0
    while items and read < _MAX_ITEMS:
        item, read = items.pop(), read + 1
        if text := str(item.get("TextValue", "") or ""):
            yield text
        items += reversed(list(item.get("ContentSequence", None) or []))


def _markup_text(document: bytes) -> str:
    """Return the text of a CDA between its tags; entities that a document defines itself are not expanded."""

    class Reader(HTMLParser):
        found: list[str]

        def handle_data(self, data: str) -> None:
            self.found.append(data)

    reader = Reader(convert_charrefs=True)
    reader.found = []
    reader.feed(document.decode("utf-8", "replace"))
    return " ".join(" ".join(reader.found).split())


def _pdf_text(document: bytes) -> str:
    """Return the text layer of a PDF; empty where there is none, it cannot be read, or no library is there for it."""
    try:
        from pypdf import PdfReader
    except ImportError:
        return ""
    try:
        pages = PdfReader(BytesIO(document)).pages[:50]
        return " ".join(page.extract_text() or "" for page in pages)
    except Exception:  # whatever a hostile document does to its reader, it has no text then
        return ""
