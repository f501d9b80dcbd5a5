"""Organs of the folder of data sets: labelled CT and MR of different patients, by names that they share."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

from pydicom import dcmread

from similar_cases.evaluate.lesion_samples import Lesion, LesionSample, annotated
from similar_cases.evaluate.nifti import oriented_labels, oriented_volume

_CT: Mapping[int, str] = MappingProxyType(
    {
        1: "spleen",
        2: "kidney right",
        3: "kidney left",
        4: "gallbladder",
        5: "liver",
        6: "stomach",
        7: "pancreas",
        8: "adrenal gland right",
        9: "adrenal gland left",
        18: "small bowel",
        19: "duodenum",
        20: "colon",
        52: "aorta",
        63: "inferior vena cava",
        64: "portal vein",
        79: "spinal cord",
        86: "back muscle left",
        87: "back muscle right",
        88: "iliopsoas left",
        89: "iliopsoas right",
    }
)
_MR: Mapping[int, str] = MappingProxyType(
    {
        **{number: name for number, name in _CT.items() if number < 10},
        13: "small bowel",
        14: "duodenum",
        15: "colon",
        21: "spinal cord",
        23: "aorta",
        24: "inferior vena cava",
        25: "portal vein",
        46: "back muscle left",
        47: "back muscle right",
        48: "iliopsoas left",
        49: "iliopsoas right",
    }
)
_LUNGS = MappingProxyType({10: "lung left", 11: "lung left", 12: "lung right", 13: "lung right", 14: "lung right"})
#: TotalSegmentator's numbers (version 2, total and total_mr) of what both kinds of image show
_NUMBERS: Mapping[str, Mapping[int, str]] = MappingProxyType(
    {"CT": {**_CT, **_LUNGS}, "MR": {**_MR, 10: "lung left", 11: "lung right"}}
)
#: an organ of fewer voxels is cut off by the volume's end
_FEWEST_VOXELS = 30
#: what an RTSTRUCT calls them
_STRUCTURES = MappingProxyType({"Lung L": "lung left", "Lung R": "lung right", "Spinal cord": "spinal cord"})


def organ_samples(data: Path) -> Iterator[LesionSample]:
    """Yield the labelled volumes, each with its organs; what is absent is left out."""
    folder = data / "organs"
    spleen = folder / "msd_spleen2_crop"
    for image, mask, modality, names in (
        (folder / "example_ct_sm.nii.gz", folder / "example_seg.nii.gz", "CT", _NUMBERS["CT"]),
        (folder / "example_mr_sm.nii.gz", folder / "example_seg_mr.nii.gz", "MR", _NUMBERS["MR"]),
        (_first(spleen, "*_ct.nii.gz"), _first(spleen, "*_seg-manual.nii.gz"), "CT", {1: "spleen"}),
    ):
        if image.is_file() and mask.is_file():
            load = _from_labels(image, mask, modality, names)
            yield LesionSample(dataset="organs", modality=modality, patient=image.stem, load=load, source=image)
    for where in sorted((data / "nsclc").glob("*/")):
        yield LesionSample(
            dataset="organs", modality="CT", patient=where.name, load=_from_structures(where), source=where
        )


def _first(folder: Path, pattern: str) -> Path:
    return next(iter(sorted(folder.rglob(pattern))), folder / pattern)


def _from_labels(image: Path, mask: Path, modality: str, names: Mapping[int, str]) -> Callable[[], list[Lesion]]:
    def load() -> list[Lesion]:
        volume, labels = oriented_volume(image, modality), oriented_labels(mask)
        organs = {name: [number for number, other in names.items() if other == name] for name in names.values()}
        masks = {name: sum((labels == number for number in numbers), labels < 0) for name, numbers in organs.items()}
        return [Lesion(volume, drawn > 0, name) for name, drawn in masks.items() if drawn.sum() >= _FEWEST_VOXELS]

    return load


def _from_structures(folder: Path) -> Callable[[], list[Lesion]]:
    def load() -> list[Lesion]:
        instances = [dcmread(path) for path in sorted(folder.rglob("*.dcm"))]
        found = annotated(instances, _STRUCTURES.__contains__, anatomy=True)
        return [Lesion(lesion.volume, lesion.truth, _STRUCTURES[lesion.label]) for lesion in found]

    return load
