"""Which slice of a volume a reference to an Instance and its Frames means."""

from collections.abc import Mapping

from pydicom import Dataset

from similar_cases.domain.volume import Volume
from similar_cases.segment.prompts.attributes import items, numbers, uid

#: (SOP Instance UID, frame number or None) → slice k
SliceIndex = Mapping[tuple[str, int | None], int]


def slices_by_frame(volume: Volume) -> SliceIndex:
    """Return where each Frame of `volume` lies; a Frame that several slices came from stands for the first."""
    found: dict[tuple[str, int | None], int] = {}
    for k, frame in enumerate(volume.frames):
        found.setdefault((frame.sop_instance_uid, frame.frame_number), k)
    return found


def slices_of_images(item: Dataset, keyword: str, slices: SliceIndex) -> list[int]:
    """Return the slices k that the Image SOP Instance References (PS3.3 table 10-3) in `item` mean, ascending."""
    found = set()
    for image in items(item, keyword):
        instance = uid(image, "ReferencedSOPInstanceUID")
        frames = [int(number) for number in numbers(image, "ReferencedFrameNumber")]
        found |= {slices[key] for key in [(instance, None), *((instance, n) for n in frames or [1])] if key in slices}
    return sorted(found)
