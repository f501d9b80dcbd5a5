"""One Frame as a picture: the same numbers at the same place as in the volume of its series."""

import copy
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from tests.small_archive import images_of, phantom

from similar_cases.domain.errors import MalformedDicom, NotAVolume, NotFound, Refused
from similar_cases.volume.build import build_volumes
from similar_cases.volume.single import build_slice


@pytest.mark.parametrize("modality", ["CT", "MR", "PT"])
@pytest.mark.parametrize("changes", [{}, {"orientation": (0.8, 0.6, 0.0, -0.6, 0.8, 0.0)}])
def test_a_frame_is_the_slice_of_its_volume(modality, changes):
    instances = images_of(phantom("P", modality=modality, **changes))
    alone = copy.deepcopy(instances[3])
    [volume] = build_volumes(instances)
    picture = build_slice(alone)
    k = [frame.sop_instance_uid for frame in volume.frames].index(picture.frames[0].sop_instance_uid)
    assert picture.array.shape == (1, *volume.array.shape[1:])
    assert np.allclose(picture.array[0], volume.array[k], rtol=1e-5)
    assert picture.unit is volume.unit
    assert picture.geometry.frame_of_reference_uid == volume.geometry.frame_of_reference_uid
    assert np.allclose(picture.geometry.index_to_lps([0, 5, 7]), volume.geometry.index_to_lps([k, 5, 7]), atol=1e-3)
    assert np.allclose(picture.geometry.affine[:3, :3], volume.geometry.affine[:3, :3], atol=1e-3)


def test_what_is_no_slice_is_refused_with_the_reason():
    [localizer] = images_of(phantom("P"))[:1]
    localizer.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
    with pytest.raises(NotAVolume, match="localizer"):
        build_slice(localizer)
    [cut] = images_of(phantom("P"))[:1]
    cut.PixelData = cut.PixelData[:100]
    with pytest.raises(MalformedDicom, match="cut off"):
        build_slice(cut)
    with pytest.raises(NotFound, match="no frame 2"):
        build_slice(images_of(phantom("P"))[0], 2)


@pytest.mark.data
def test_every_transfer_syntax_gives_a_picture(data_dir: Path):
    read = 0
    for path in sorted((data_dir / "awkward").rglob("*.dcm")):
        instance = dcmread(path)
        frame = 1 if "PerFrameFunctionalGroupsSequence" in instance else None
        try:
            picture = build_slice(instance, frame)
        except Refused:
            continue  # what no volume is made of has no picture either
        read += 1
        assert picture.array.shape[0] == 1
        assert np.isfinite(picture.array).all()
    assert read > 10
