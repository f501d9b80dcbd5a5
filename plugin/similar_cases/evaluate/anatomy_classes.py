"""TotalSegmentator's classes made coarse.

arXiv 2405.09334 evaluates 104 classes and 29 coarse ones; its mapping was not published in a form that could be read.
This one is ours: sides, levels, lobes, chambers and muscles are merged until 29 are left.
"""

import re
from collections.abc import Mapping, Sequence

#: pattern of a fine class (TotalSegmentator v1 or v2) → coarse class; the first that fits counts
_COARSE: tuple[tuple[str, str], ...] = (
    (r"adrenal_gland", "adrenal gland"),
    (r"kidney", "kidney"),
    (r"lung", "lung"),
    (r"vertebrae", "vertebrae"),
    (r"rib_|sternum|costal_cartilages", "ribs"),
    (r"heart|atrial_appendage", "heart"),
    (r"pulmonary", "pulmonary vessels"),
    (r"iliac_(artery|vena)", "iliac vessels"),
    (r"inferior_vena_cava", "inferior vena cava"),
    (r"portal_vein", "portal and splenic vein"),
    (r"aorta", "aorta"),
    (r"small_bowel|duodenum", "small bowel"),
    (r"colon", "colon"),
    (r"humerus", "humerus"),
    (r"scapula|clavicula", "shoulder girdle"),
    (r"femur", "femur"),
    (r"hip", "hip bone"),
    (r"sacrum", "sacrum"),
    (r"gluteus|autochthon|iliopsoas", "muscles"),
    (r"brain", "brain"),
    (r"face|skull", "face"),
    (r"spleen", "spleen"),
    (r"gallbladder", "gallbladder"),
    (r"liver", "liver"),
    (r"stomach", "stomach"),
    (r"pancreas", "pancreas"),
    (r"esophagus", "oesophagus"),
    (r"trachea", "trachea"),
    (r"urinary_bladder", "urinary bladder"),
)


def coarse_class(name: str) -> str:
    """Return the coarse class of a fine one; what v1 did not have stays as it is.

    >>> coarse_class("vertebrae_L3"), coarse_class("rib_left_7"), coarse_class("prostate")
    ('vertebrae', 'ribs', 'prostate')
    """
    return next((coarse for pattern, coarse in _COARSE if re.match(pattern, name)), name)


def coarse_classes() -> tuple[str, ...]:
    """Return the coarse classes that version 1 maps to.

    >>> len(coarse_classes())
    29
    """
    return tuple(coarse for _, coarse in _COARSE)


def merged(shown: Mapping[str, Sequence[int]]) -> dict[str, list[int]]:
    """Return coarse class → slices that show it, of fine class → slices.

    >>> merged({"kidney_left": [1, 2], "kidney_right": [2, 3]})
    {'kidney': [1, 2, 3]}
    """
    coarse: dict[str, set[int]] = {}
    for name, slices in shown.items():
        coarse.setdefault(coarse_class(name), set()).update(slices)
    return {name: sorted(slices) for name, slices in coarse.items()}
