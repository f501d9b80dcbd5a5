"""Real patients, sent as a scanner does: every contoured region comes back as a SEG and an SR that others can read."""

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median

import nibabel
import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom import Dataset, dcmread

from tests.integration.archive_client import ArchiveClient, archive
from tests.integration.conftest import require
from tests.integration.figures import tell

#: CT, MR and PET of each patient, with one contour in each
SERIES_A_PATIENT = 3
SOME = ("STS_001", "STS_007", "STS_023", "STS_030")
MODALITY_OF = {"CT": "CT", "MR_T1": "MR", "PET": "PT"}

pytestmark = [pytest.mark.orthanc, pytest.mark.data]


@dataclass(frozen=True)
class Contoured:
    """One series of the dataset: its images' UID, its RTSTRUCT's, and the oracle of its mask."""

    patient: str
    kind: str
    series_uid: str
    structure_set_uid: str
    mask_path: Path


@dataclass(frozen=True)
class Sent:
    """An archive in which the patients are, and what was sent."""

    archive: ArchiveClient
    contoured: tuple[Contoured, ...]

    @property
    def name(self) -> str:
        """What figures are told about."""
        return f"sarcoma, {len(self.contoured)} series"


def contoured(sarcoma: Path, patient: str) -> Iterator[Contoured]:
    for folder in sorted((sarcoma / "dicom" / patient).iterdir()):
        first = dcmread(next((folder / "image").iterdir()), stop_before_pixels=True)
        structures = dcmread(folder / "mask" / "RS.dcm", stop_before_pixels=True)
        yield Contoured(
            patient=patient,
            kind=folder.name,
            series_uid=str(first.SeriesInstanceUID),
            structure_set_uid=str(structures.SOPInstanceUID),
            mask_path=sarcoma / "nifti" / patient / f"{folder.name}_mask.nii.gz",
        )


@pytest.fixture(
    scope="module", params=[pytest.param(SOME, id="some"), pytest.param((), id="all", marks=pytest.mark.slow)]
)
def sent(request: pytest.FixtureRequest, data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sent]:
    require("debian", request.config)
    sarcoma = data_dir / "sarcoma"
    patients = request.param or sorted(path.name for path in (sarcoma / "dicom").iterdir())
    with archive(tmp_path_factory.mktemp("sarcoma")) as running:
        report = running.send([sarcoma / "dicom" / patient for patient in patients])
        assert not report.failures
        running.wait_until_settled()
        yield Sent(running, tuple(one for patient in patients for one in contoured(sarcoma, patient)))


def test_every_series_is_indexed_without_a_hand(sent: Sent) -> None:
    rows = sent.archive.images()
    assert {row["state"] for row in rows.values()} == {"indexed"}
    assert {uid: rows[uid]["modality"] for uid in rows} == {
        one.series_uid: MODALITY_OF[one.kind] for one in sent.contoured
    }


def test_every_contoured_region_has_one_seg_and_one_sr(sent: Sent) -> None:
    results = {str(result.SOPInstanceUID): result for result in sent.archive.results()}
    expected: dict[str, str] = {}
    for one in sent.contoured:
        [case] = sent.archive.regions(one.series_uid)
        region = case["region"]
        assert (region["authorship"], region["origin"]) == ("MANUAL", "RTSTRUCT")
        expected |= {region["seg"]: "SEG", region["sr"]: "SR"}
        assert referenced_series(results[region["seg"]]) == one.series_uid
        assert results[region["seg"]].PatientID == results[region["sr"]].PatientID == one.patient
    assert {uid: result.Modality for uid, result in results.items()} == expected


def referenced_series(seg: Dataset) -> str:
    [reference] = seg.ReferencedSeriesSequence
    return str(reference.SeriesInstanceUID)


def test_every_mask_is_that_of_the_dataset(sent: Sent) -> None:
    by_series = {referenced_series(one): one for one in sent.archive.results() if one.Modality == "SEG"}
    found = {(one.patient, one.kind): dice_with(one.mask_path, by_series[one.series_uid]) for one in sent.contoured}
    tell(sent.name, dice={"min": min(found.values()), "mean": mean(found.values()), "masks": len(found)})
    assert not {where: value for where, value in found.items() if value <= 0.995}


def test_dciodvfy_finds_no_error(sent: Sent, tmp_path: Path) -> None:
    faults: dict[str, list[str]] = {}
    count = 0
    for result, file in sent.archive.result_files():
        path = tmp_path / f"{result.SOPInstanceUID}.dcm"
        path.write_bytes(file)
        run = subprocess.run(["dciodvfy", path], capture_output=True, text=True, errors="replace", check=False)
        lines = [line for line in (run.stdout + run.stderr).splitlines() if line.startswith("Error")]
        faults |= {path.name: lines} if lines else {}
        count += 1
    tell(sent.name, checked_by_dciodvfy=count, with_errors=len(faults))
    assert not faults
    assert count == 2 * len(sent.contoured)


def test_the_most_similar_cases_are_of_others_with_reasons_and_of_one_modality_where_asked(sent: Sent) -> None:
    """A lesion looks like a lesion in any modality; who wants to compare images of one kind says so."""
    for one in sent.contoured:
        [case] = sent.archive.regions(one.series_uid)
        asked = {"tracking-uid": case["region"]["tracking_uid"], "limit": 3}
        found = sent.archive.similar(case["study"], case["series"], params=asked).json()["cases"]
        assert len(found) == 3
        assert all(near["patient_id"] != one.patient and near["reasons"] for near in found)
        asked["Modality"] = MODALITY_OF[one.kind]
        narrowed = sent.archive.similar(case["study"], case["series"], params=asked).json()["cases"]
        assert narrowed
        assert {near["modality"] for near in narrowed} == {MODALITY_OF[one.kind]}


def test_logs_are_quiet_and_name_nobody(sent: Sent) -> None:
    tell(sent.name, seconds_by_step=seconds_by_step(sent.archive), peak_memory_mib=sent.archive.worker_peak_mib())
    sent.archive.assert_quiet_logs(*{one.patient for one in sent.contoured})


def dice_with(nifti: Path, seg: Dataset) -> float:
    """Return the Dice of a SEG with a NIfTI mask, voxel centre by voxel centre."""
    oracle = nibabel.load(nifti)
    inside = np.asanyarray(oracle.dataobj) > 0
    # NIfTI's world is RAS, DICOM's LPS: x and y change their sign
    to_index = np.linalg.inv(np.diag([-1, -1, 1, 1]) @ oracle.affine)
    points = points_of(seg)
    indices = np.rint(points @ to_index[:3, :3].T + to_index[:3, 3]).astype(int)
    within = indices[((indices >= 0) & (indices < inside.shape)).all(axis=1)]
    assert len(np.unique(within, axis=0)) == len(within)
    return 2 * int(inside[tuple(within.T)].sum()) / (len(points) + int(inside.sum()))


def points_of(seg: Dataset) -> NDArray[np.float64]:
    """Return the centres (n, 3) of the voxels inside of a SEG, LPS mm."""
    shared = seg.SharedFunctionalGroupsSequence[0]
    row, column = np.reshape(np.array(shared.PlaneOrientationSequence[0].ImageOrientationPatient, float), (2, 3))
    spacing = [float(value) for value in shared.PixelMeasuresSequence[0].PixelSpacing]
    frames = seg.pixel_array.reshape(-1, seg.Rows, seg.Columns)
    found = []
    for groups, frame in zip(seg.PerFrameFunctionalGroupsSequence, frames, strict=True):
        corner = np.array(groups.PlanePositionSequence[0].ImagePositionPatient, float)
        j, i = np.nonzero(frame)
        found.append(corner + np.outer(j * spacing[0], column) + np.outer(i * spacing[1], row))
    return np.concatenate(found)


def seconds_by_step(running: ArchiveClient) -> dict[str, dict[str, float]]:
    rows = list(running.images().values())
    steps = {step: [row["timings"][step] for row in rows if step in row["timings"]] for step in rows[0]["timings"]}
    steps["all"] = [row["seconds"] for row in rows]
    return {
        step: {"median": round(median(told), 3), "mean": round(mean(told), 3), "max": round(max(told), 3)}
        for step, told in steps.items()
    }
