"""Captions and reports: what they say, and what they never say."""

import io

from pydicom import Dataset
from tests.case_samples import sample
from tests.case_samples import series as ref

from similar_cases.describe.text import CDA_CLASS, MAX_REPORT, PDF_CLASS, caption_of, report_of, without_name
from similar_cases.domain.description import Level
from similar_cases.domain.volume import SeriesFacts

FACTS = SeriesFacts(patient_name="Müller^Anna-Lena=山田^太郎", patient_id="4711-X")
MEASURED = {
    "shape_Maximum3DDiameter": 84.0,
    "shape_Sphericity": 0.4,
    "firstorder_Mean": 35.0,
    "firstorder_10Percentile": 5.0,
    "firstorder_90Percentile": 120.0,
}


def test_a_caption_says_what_is_known_in_words():
    case = sample(ref(1), "a", radiomics=MEASURED, body_part_examined="THIGH", series_description="soft tissue")
    caption = caption_of(case)
    for words in ("computed tomography", "thigh", "large 84 mm", "irregular", "necrotic", "heterogeneous", "1.5 ml"):
        assert words in caption
    small = {**MEASURED, "shape_Maximum3DDiameter": 8.0, "firstorder_10Percentile": 30.0, "shape_Sphericity": 0.9}
    other = caption_of(sample(ref(1), "a", radiomics=small))
    assert "tiny" in other
    assert "round" in other
    assert "necrotic" not in other


def test_a_caption_of_a_volume_says_what_the_series_is():
    case = sample(ref(1), 0, level=Level.SERIES, modality="MR", series_description="T1 axial")
    assert "magnetic resonance" in caption_of(case)
    assert "T1 axial" in caption_of(case)
    assert "lesion" not in caption_of(case)


def test_no_name_and_no_identifier_is_in_a_caption_or_a_report():
    facts = {"patient_name": "Doe^John", "patient_id": "4711", "study_description": "DOE, john: thorax (4711)"}
    caption = caption_of(sample(ref(1), "a", radiomics=MEASURED, **facts, series_description="Doe's series"))
    assert "thorax" in caption
    for private in ("doe", "john", "4711"):
        assert private not in caption.casefold()
    told = report_of([sr("Frau MÜLLER, Anna-Lena (4711-X), 山田 zeigt eine Raumforderung.")], FACTS)
    assert "Raumforderung" in told
    for private in ("müller", "anna", "lena", "4711", "山田"):
        assert private not in told.casefold()
    assert without_name("a J. b", SeriesFacts(patient_name="J")) == "a J. b", "an initial is in too many words"


def sr(*texts: str) -> Dataset:
    document = Dataset()
    document.SOPClassUID = "1.2.840.10008.5.1.4.1.1.88.22"
    document.ContentSequence = []
    for text in texts:
        container, item = Dataset(), Dataset()
        item.ValueType, item.TextValue = "TEXT", text
        container.ContentSequence = [item]
        document.ContentSequence.append(container)
    return document


def encapsulated(kind: str, document: bytes) -> Dataset:
    held = Dataset()
    held.SOPClassUID, held.EncapsulatedDocument = kind, document
    return held


def pdf(words: str) -> bytes:
    """The smallest PDF that shows `words`."""
    stream = f"BT /F1 12 Tf 72 720 Td ({words}) Tj ET".encode()
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>",
        b"<</Length %d>>stream\n%s\nendstream" % (len(stream), stream),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    ]
    written, places = io.BytesIO(b"%PDF-1.4\n"), []
    written.seek(0, io.SEEK_END)
    for number, body in enumerate(objects, 1):
        places.append(written.tell())
        written.write(b"%d 0 obj%s\nendobj\n" % (number, body))
    table = written.tell()
    written.write(b"xref\n0 6\n0000000000 65535 f \n" + b"".join(b"%010d 00000 n \n" % place for place in places))
    written.write(b"trailer<</Size 6/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF" % table)
    return written.getvalue()


def test_reports_are_read_from_sr_pdf_and_cda():
    cda = b"<?xml version='1.0'?><ClinicalDocument><text>hepatic <b>cyst</b> &amp; nodule</text></ClinicalDocument>"
    objects = [sr("first", "second"), encapsulated(PDF_CLASS, pdf("renal mass")), encapsulated(CDA_CLASS, cda)]
    assert report_of(objects, FACTS) == "first second renal mass hepatic cyst & nodule"


def test_hostile_reports_have_no_text_and_do_no_harm():
    bomb = b"<!DOCTYPE a [<!ENTITY b 'x'><!ENTITY c '&b;&b;'>]><a>&c;&c;</a>"
    assert "xx" not in report_of([encapsulated(CDA_CLASS, bomb)], FACTS)
    assert report_of([encapsulated(PDF_CLASS, b"%PDF-1.4 nonsense")], FACTS) == ""
    assert report_of([Dataset()], FACTS) == ""
    assert len(report_of([sr("mass " * 100_000)], FACTS)) <= MAX_REPORT
    deep = sr("top")
    item = deep.ContentSequence[0]
    for _ in range(200):
        inner = Dataset()
        inner.TextValue = "in"
        item.ContentSequence = [inner]
        item = inner
    assert report_of([deep], FACTS).count("in") == 200
