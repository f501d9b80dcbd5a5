"""Inputs of the recorder, made by code: source series, volumes, regions, descriptions; and dciodvfy."""

import subprocess
from collections.abc import Sequence
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
from highdicom.seg import Segmentation
from numpy.typing import NDArray
from pydicom import Dataset, dcmread, dcmwrite
from pydicom.uid import EnhancedMRImageStorage

from similar_cases.demo.phantoms import Phantom, lesion_mask, phantom_array, phantom_series
from similar_cases.domain.case import derived_uid
from similar_cases.domain.coding import NEOPLASM, CodedConcept
from similar_cases.domain.description import (
    Description,
    Embedding,
    EmbeddingSpace,
    Level,
    RadiomicsRecipe,
    RadiomicsVector,
)
from similar_cases.domain.references import FrameRef, SeriesRef
from similar_cases.domain.region import AlgorithmIdentity, Authorship, Region
from similar_cases.domain.volume import SeriesFacts, Volume, VoxelUnit
from similar_cases.record.codes import FEATURES

UNITS = {"CT": VoxelUnit.HU, "MR": VoxelUnit.ARBITRARY, "PT": VoxelUnit.SUVBW}
SPACE = EmbeddingSpace(
    model="efficientnet_lite0", version="1", weights="abc", preprocessing="224", level=Level.REGION, size=4
)
LUNG = CodedConcept("39607008", "SCT", "Lung")


def volume_of(phantom: Phantom, source: Sequence[Dataset]) -> Volume:
    """The volume of an upright phantom, whose slices are its instances in order."""
    return Volume(
        array=phantom_array(phantom),
        geometry=phantom.geometry,
        unit=UNITS[phantom.modality],
        series=SeriesRef(str(source[0].StudyInstanceUID), str(source[0].SeriesInstanceUID)),
        facts=SeriesFacts(modality=phantom.modality),
        frames=tuple(FrameRef(str(s.SOPClassUID), str(s.SOPInstanceUID)) for s in source),
    )


def region_in(volume: Volume, mask: NDArray[np.bool_], **known: object) -> Region:
    """A region drawn by an algorithm, unless `known` says otherwise."""
    given: dict[str, object] = {
        "tracking_uid": derived_uid("test", "tracking"),
        "label": "GTV-1",
        "finding": NEOPLASM,
        "finding_site": LUNG,
        "authorship": Authorship.SEMIAUTOMATIC,
        "algorithm": AlgorithmIdentity("region growing", "1", (("tolerance", "0.5"),)),
        "quality": 0.75,
    }
    return Region.from_mask(mask, volume.geometry, **(given | known))  # type: ignore[arg-type]


def description(count: int = len(FEATURES)) -> Description:
    """A description with `count` of the features; their values are no round numbers."""
    names = list(FEATURES)[:count]
    values = {name: float((-1) ** n * np.exp(n / 7.0) / 3.0) for n, name in enumerate(names)}
    recipe = RadiomicsRecipe(library="pyradiomics-cuda 1.0.4")
    return Description(embedding=Embedding(np.ones(4, np.float32), SPACE), radiomics=RadiomicsVector(values, recipe))


def phantom_case(phantom: Phantom, **known: object) -> tuple[list[Dataset], Volume, Region]:
    """Source, volume and region of a phantom's lesion."""
    source = phantom_series(phantom)
    volume = volume_of(phantom, source)
    return source, volume, region_in(volume, lesion_mask(phantom), **known)


def encoded(instance: Dataset) -> bytes:
    buffer = BytesIO()
    dcmwrite(buffer, instance, enforce_file_format=True)
    return buffer.getvalue()


def complaints(instance: Dataset, folder: Path) -> tuple[list[str], list[str]]:
    """The errors and the warnings of dciodvfy."""
    path = folder / f"{instance.Modality}-{instance.SOPInstanceUID}.dcm"
    path.write_bytes(encoded(instance))
    run = subprocess.run(["dciodvfy", str(path)], capture_output=True, text=True, errors="replace", check=False)
    lines = (run.stdout + run.stderr).splitlines()
    return [x for x in lines if x.startswith("Error")], [x for x in lines if x.startswith("Warning")]


def enhanced_case(phases: int = 2) -> tuple[list[Dataset], Volume, NDArray[np.bool_]]:
    """One enhanced MR instance with `phases` volumes at the same positions; the volume is the second phase."""
    phantom = Phantom(modality="MR", shape=(8, 24, 20), lesion_radius_mm=8.0, lesion_lps=(4.0, 0.0, 0.0))
    slices = phantom_series(phantom)
    image = Dataset()
    image.update({element.tag: element for element in slices[0] if element.tag.group < 0x28})
    image.SOPClassUID, image.Rows, image.Columns = EnhancedMRImageStorage, 24, 20
    image.NumberOfFrames = phases * len(slices)
    for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "SliceThickness"):
        delattr(image, keyword)
    shared, orientation, measures = Dataset(), Dataset(), Dataset()
    orientation.ImageOrientationPatient = slices[0].ImageOrientationPatient
    measures.PixelSpacing, measures.SliceThickness = slices[0].PixelSpacing, "2.5"
    shared.PlaneOrientationSequence, shared.PixelMeasuresSequence = [orientation], [measures]
    image.SharedFunctionalGroupsSequence = [shared]
    image.PerFrameFunctionalGroupsSequence = [_frame(one) for one in slices for _ in range(phases)]
    volume = volume_of(phantom, slices)
    frames = tuple(FrameRef(str(image.SOPClassUID), str(image.SOPInstanceUID), 2 + phases * k) for k in range(8))
    return [image], replace(volume, frames=frames), lesion_mask(phantom)


def _frame(one: Dataset) -> Dataset:
    groups, position = Dataset(), Dataset()
    position.ImagePositionPatient = one.ImagePositionPatient
    groups.PlanePositionSequence = [position]
    return groups


def mask_in_lps(seg: Dataset, volume: Volume) -> NDArray[np.bool_]:
    """Put each voxel of a SEG where it lies in LPS; it must meet the centre of a voxel of `volume`."""
    read = Segmentation.from_dataset(dcmread(BytesIO(encoded(seg))))
    found = np.zeros(volume.geometry.shape, dtype=bool)
    frames = read.pixel_array.reshape(-1, read.Rows, read.Columns)
    shared = read.SharedFunctionalGroupsSequence[0]
    row, column = np.reshape(np.array(shared.PlaneOrientationSequence[0].ImageOrientationPatient, float), (2, 3))
    spacing = [float(v) for v in shared.PixelMeasuresSequence[0].PixelSpacing]
    for groups, frame in zip(read.PerFrameFunctionalGroupsSequence, frames, strict=True):
        corner = np.array(groups.PlanePositionSequence[0].ImagePositionPatient, float)
        j, i = np.nonzero(frame)
        points = corner + np.outer(j * spacing[0], column) + np.outer(i * spacing[1], row)
        indices = volume.geometry.lps_to_index(points)
        assert np.abs(indices - np.rint(indices)).max() < 0.16
        found[tuple(np.rint(indices).astype(int).T)] = True
    return found
