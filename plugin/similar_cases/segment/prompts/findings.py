"""What a structure is called → a coded finding.

Codes are of SNOMED CT as PS3.16 uses it (CID 7151, CID 9502, CID 4031 among others).
"""

import re

from similar_cases.domain.coding import LESION, NEOPLASM, CodedConcept

#: a structure of which only is known that it is anatomy, not a lesion
ANATOMICAL_STRUCTURE = CodedConcept("91723000", "SCT", "Anatomical Structure")

_MASS = CodedConcept("4147007", "SCT", "Mass")
_NODULE = CodedConcept("27925004", "SCT", "Nodule")
_LYMPH_NODE = CodedConcept("59441001", "SCT", "Lymph Node")
_CYST = CodedConcept("367643001", "SCT", "Cyst")
_EDEMA = CodedConcept("79654002", "SCT", "Edema")
_NECROSIS = CodedConcept("6574001", "SCT", "Necrosis")
_HEMORRHAGE = CodedConcept("50960005", "SCT", "Hemorrhage")

_LESIONS: tuple[tuple[str, CodedConcept], ...] = (
    (r"[a-z]?gtv|itv|tumou?r|neoplas|cancer|\w*(sarc|carcin|blast|lymph)oma|metasta|mets?\b|prim(ary|air)", NEOPLASM),
    (r"lymph ?node|\bln\b|\bnodes?\b", _LYMPH_NODE),
    (r"nodule", _NODULE),
    (r"\bmass", _MASS),
    (r"cyst\b", _CYST),
    (r"o?edema", _EDEMA),
    (r"necro", _NECROSIS),
    (r"ha?emorrhage|ha?ematoma|bleed", _HEMORRHAGE),
    (r"lesion|finding|target|\broi\b", LESION),
)

_ANATOMY: tuple[tuple[str, CodedConcept], ...] = tuple(
    (pattern, CodedConcept(value, "SCT", meaning))
    for pattern, value, meaning in (
        (r"lungs?\b|pulm", "39607008", "Lung"),
        (r"(spinal ?)?(cord|canal)\b|myelon|medulla", "2748008", "Spinal cord"),
        (r"o?esoph", "32849002", "Esophagus"),
        (r"heart|cardiac|pericard", "80891009", "Heart"),
        (r"liver|hepar", "10200004", "Liver"),
        (r"kidneys?\b|renal", "64033007", "Kidney"),
        (r"spleen", "78961009", "Spleen"),
        (r"brain ?stem", "119238007", "Brain Stem"),
        (r"brain\b", "12738006", "Brain"),
        (r"bladder", "89837001", "Bladder"),
        (r"prostate", "41216001", "Prostate"),
        (r"rect(um|al)", "34402009", "Rectum"),
        (r"mandible", "91609006", "Mandible"),
        (r"parotid", "45289007", "Parotid gland"),
        (r"eye\b|eyes\b|globe", "81745001", "Eye"),
        (r"optic ?n", "18234004", "optic nerve"),
        (r"chiasm", "244453006", "Optic chiasm"),
        (r"trachea", "44567001", "Trachea"),
        (r"carina", "28700002", "Carina"),
        (r"aorta", "15825003", "Aorta"),
        (r"pancreas", "15776009", "Pancreas"),
        (r"stomach", "69695003", "Stomach"),
        (r"duoden", "38848004", "Duodenum"),
        (r"colon\b", "71854001", "Colon"),
        (r"thyroid", "69748006", "Thyroid"),
        (r"larynx", "4596009", "Larynx"),
        (r"breast|mamma", "76752008", "Breast"),
        (r"femur|femoral", "71341001", "Femur"),
        (r"vertebra", "51282000", "Vertebra"),
        (r"bones?\b", "272673000", "Bone"),
        (r"external|body\b|patient|skin|couch|table|support|bolus|ptv|ctv|outline", "91723000", "Anatomical Structure"),
    )
)

#: RT ROI Interpreted Type (PS3.3 C.8.8.8.1) of what is a lesion
_LESION_TYPES = frozenset({"GTV", "TREATED_VOLUME"})
#: … and of what is none: a plan's volumes, marks and devices; kept as regions, since a person drew them
_OTHER_TYPES = frozenset(
    {
        "ORGAN",
        "EXTERNAL",
        "AVOIDANCE",
        "CAVITY",
        "CTV",
        "PTV",
        "IRRAD_VOLUME",
        "SUPPORT",
        "FIXATION",
        "BOLUS",
        "CONTROL",
    }
    | {"BRACHY_CHANNEL", "BRACHY_ACCESSORY", "BRACHY_SRC_APP", "BRACHY_CHNL_SHLD", "DOSE_REGION", "DOSE_MEASUREMENT"}
    | {"MARKER", "REGISTRATION", "ISOCENTER", "CONTRAST_AGENT"}
)


def finding_of_structure(name: str, interpreted_type: str = "") -> CodedConcept:
    """Return the finding that a structure's name and RT ROI Interpreted Type tell of.

    A name that says tumour wins over the type, since planning systems write ORGAN for everything.

    >>> finding_of_structure("GTV-1", "ORGAN").meaning, finding_of_structure("Lung_L", "").meaning
    ('Neoplasm', 'Lung')
    >>> finding_of_structure("x17", "ORGAN").meaning, finding_of_structure("x17").meaning
    ('Anatomical Structure', 'Lesion')
    """
    words = re.sub(r"[\W_]+|(?<=[a-z])(?=[A-Z])", " ", name).lower()
    if interpreted_type in _LESION_TYPES:
        return NEOPLASM
    for pattern, finding in (*_LESIONS[:1], *_ANATOMY, *_LESIONS[1:]):
        if re.search(rf"\b(?:{pattern})", words):
            return finding
    return ANATOMICAL_STRUCTURE if interpreted_type in _OTHER_TYPES else LESION


def is_anatomy(finding: CodedConcept | None) -> bool:
    """Tell whether a finding is a normal structure (an organ, a body's outline) and no lesion."""
    return finding is not None and (finding.value, finding.scheme) in _ANATOMY_CODES


_ANATOMY_CODES = frozenset((finding.value, finding.scheme) for _, finding in _ANATOMY)
