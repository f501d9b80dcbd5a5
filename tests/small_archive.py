"""A whole product on a folder: real PACS port, volumes, prompts, segmenter, radiomics, SEG, SR and catalogue.

Only the network is replaced, by a histogram, so that a series takes a fraction of a second.
"""

import shutil
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from pydicom import Dataset, dcmread

from similar_cases.demo.annotations import segmentation_of, structure_set_of
from similar_cases.demo.phantoms import LesionKind, Phantom, lesion_mask, phantom_series
from similar_cases.describe.radiomics import RadiomicsExtractor
from similar_cases.domain.description import Embedding, EmbeddingSpace, Level, RadiomicsRecipe
from similar_cases.domain.errors import PacsUnavailable
from similar_cases.domain.references import SeriesRef
from similar_cases.domain.region import Region
from similar_cases.domain.volume import Volume
from similar_cases.index.case_indexes import CaseIndexes
from similar_cases.index.catalogue import Catalogue
from similar_cases.index.database import open_engine, sqlite_url
from similar_cases.index.exact import ExactIndex
from similar_cases.index.lookups import Lookups
from similar_cases.jobs.queue import JobQueue, Policy
from similar_cases.pacs.folder import FolderPacs
from similar_cases.pacs.orthanc_changes import Change, ChangePage, OrthancSeries, orthanc_id_of
from similar_cases.pipeline.tools import Rules, Tools
from similar_cases.pipeline.worklist import Worklist
from similar_cases.record.provenance import RecorderSettings
from similar_cases.record.recorder import Recorder
from similar_cases.segment.backends.region_growing import RegionGrowing
from similar_cases.worker.reconcile import Reconciliation

#: quick, and every group of features
RECIPE = RadiomicsRecipe(classes=("shape", "firstorder", "glcm"), bin_count=16, spacing_mm=None)


class HistogramEmbedder:
    """Grey values as a vector."""

    def __init__(self, version: str = "1") -> None:
        self._version = version

    def _space(self, level: Level) -> EmbeddingSpace:
        return EmbeddingSpace(
            model="histogram", version=self._version, weights="", preprocessing="", level=level, size=24
        )

    region_space = property(lambda self: self._space(Level.REGION))
    series_space = property(lambda self: self._space(Level.SERIES))
    slice_space = property(lambda self: self._space(Level.SLICE))

    def embed_regions(self, volume: Volume, regions: Sequence[Region]) -> list[Embedding]:
        boxes = (volume.array[region.slices_in(volume)][region.mask] for region in regions)
        return [Embedding(_histogram(voxels), self.region_space) for voxels in boxes]

    def embed_volume(self, volume: Volume) -> tuple[Embedding, np.ndarray]:
        slices = np.array([_histogram(plane) for plane in volume.array]).astype(np.float16)
        return Embedding(_histogram(volume.array), self.series_space), slices


def _histogram(voxels: np.ndarray) -> np.ndarray:
    counts, _ = np.histogram(voxels, bins=24, range=(-1100, 1300))
    vector = np.sqrt(counts.astype(np.float32)) + 0.01
    return vector / np.linalg.norm(vector)


class Outages:
    """A PACS port over another one, that can be switched off, and that counts what is stored."""

    def __init__(self, pacs: FolderPacs) -> None:
        self._pacs = pacs
        self.is_away = False
        self.stored: list[str] = []

    def _check(self) -> None:
        if self.is_away:
            raise PacsUnavailable("the archive at nowhere does not answer")

    def search_series(self, study_uid: str | None = None):
        self._check()
        return self._pacs.search_series(study_uid)

    def search_instances(self, series: SeriesRef) -> list[str]:
        self._check()
        return self._pacs.search_instances(series)

    def retrieve_series(self, series: SeriesRef) -> list[Dataset]:
        self._check()
        return self._pacs.retrieve_series(series)

    def retrieve_instance(self, study_uid: str, sop_instance_uid: str) -> Dataset:
        self._check()
        return self._pacs.retrieve_instance(study_uid, sop_instance_uid)

    def store_instances(self, instances: Sequence[Dataset]) -> None:
        self._check()
        self.stored += [str(instance.SOPInstanceUID) for instance in instances]
        self._pacs.store_instances(instances)

    def remove_instances(self, series: SeriesRef, sop_instance_uids: Collection[str]) -> None:
        self._check()
        self._pacs.remove_instances(series, sop_instance_uids)


@dataclass
class FolderFeed:
    """What Orthanc tells of the folder's Series; a test says what became stable, and what is still coming."""

    folder: Path
    lines: list[Change] = field(default_factory=list)
    unstable: set[str] = field(default_factory=set)
    first: int = 0
    is_away: bool = False

    def tell(self, kind: str, orthanc_id: str) -> None:
        self.lines.append(Change(self.first + len(self.lines) + 1, kind, "series", orthanc_id))

    def changes(self, since: int, limit: int = 1000) -> ChangePage:
        behind = [line for line in self.lines if line.sequence > since]
        some = tuple(behind[:limit])
        return ChangePage(some, some[-1].sequence if some else max(since, 0), len(some) == len(behind))

    def last_sequence(self) -> int:
        if self.is_away:
            raise PacsUnavailable("Orthanc does not answer")
        return self.first + len(self.lines)

    def series(self, orthanc_id: str) -> OrthancSeries | None:
        return next((one for one in self.all_series() if one.orthanc_id == orthanc_id), None)

    def all_series(self) -> Iterator[OrthancSeries]:
        found: dict[str, list[Dataset]] = {}
        for path in sorted(self.folder.rglob("*.dcm")):
            header = dcmread(path, stop_before_pixels=True)
            found.setdefault(str(header.SeriesInstanceUID), []).append(header)
        for headers in found.values():
            yield self._told(headers)

    def exists(self, level: str, orthanc_id: str) -> bool:
        if self.is_away:
            raise PacsUnavailable("Orthanc does not answer")
        return any(orthanc_id in (o.orthanc_id, o.study_orthanc_id, o.patient_orthanc_id) for o in self.all_series())

    def _told(self, headers: list[Dataset]) -> OrthancSeries:
        first = headers[0]
        patient, study, series = str(first.PatientID), str(first.StudyInstanceUID), str(first.SeriesInstanceUID)
        orthanc_id = orthanc_id_of(patient, study, series)
        return OrthancSeries(
            orthanc_id=orthanc_id,
            study_orthanc_id=orthanc_id_of(patient, study),
            patient_orthanc_id=orthanc_id_of(patient),
            series=SeriesRef(study, series),
            modality=str(first.Modality),
            instance_count=len(headers),
            is_stable=orthanc_id not in self.unstable,
            manufacturer_model_name=str(first.get("ManufacturerModelName", "")),
        )


class SmallArchive:
    """A folder of DICOM files, and everything that the product keeps of it."""

    def __init__(self, folder: Path, policy: Policy | None = None, embedder_version: str = "1") -> None:
        self.dicom, self.folder = folder / "dicom", folder
        self.dicom.mkdir(parents=True, exist_ok=True)
        self.pacs = Outages(FolderPacs(self.dicom))
        self.feed = FolderFeed(self.dicom)
        self.tools = self.open_tools(policy, embedder_version)
        self.reconciliation = Reconciliation(self.feed, self.tools.worklist, ("CT", "MR", "PT"))

    def open_tools(self, policy: Policy | None = None, embedder_version: str = "1", **rules: object) -> Tools:
        """Open everything as a new process would."""
        engine = open_engine(sqlite_url(self.folder))
        queue = JobQueue(policy or Policy(first_delay_seconds=0.0))
        worklist = Worklist(Catalogue(engine), queue)
        worklist.create()
        return Tools(
            pacs=self.pacs,
            segmenter=RegionGrowing(),
            embedder=HistogramEmbedder(embedder_version),
            radiomics=RadiomicsExtractor(RECIPE),
            recorder=Recorder(RecorderSettings()),
            worklist=worklist,
            lookups=Lookups(engine),
            indexes=CaseIndexes(engine, lambda space: ExactIndex(space, device="cpu")),
            rules=Rules(**rules),
        )

    def put(self, instances: Sequence[Dataset]) -> SeriesRef:
        """Lay files into the folder, as a scanner's C-STORE would."""
        for instance in instances:
            path = self.dicom / str(instance.SeriesInstanceUID) / f"{instance.SOPInstanceUID}.dcm"
            path.parent.mkdir(exist_ok=True)
            instance.save_as(path, enforce_file_format=True)
        return SeriesRef(str(instances[0].StudyInstanceUID), str(instances[0].SeriesInstanceUID))

    def take_away(self, series: SeriesRef) -> str:
        """Delete a Series from the folder, and return Orthanc's identifier of it."""
        told = next(one for one in self.feed.all_series() if one.series == series)
        shutil.rmtree(self.dicom / series.series_uid)
        return told.orthanc_id

    def seen(self) -> None:
        """Take in what is in the folder."""
        self.reconciliation.compare()


def phantom(key: str, kind: LesionKind = LesionKind.SOLID, **changes: object) -> Phantom:
    """A small phantom; another key is another patient."""
    shape = changes.pop("shape", (10, 32, 32))
    return Phantom(
        kind=kind, shape=shape, spacing_mm=(4.0, 2.0, 2.0), lesion_radius_mm=9.0, **{"patient_id": key, **changes}
    )


def images_of(one: Phantom) -> list[Dataset]:
    return list(phantom_series(one))


def contours_of(one: Phantom, label: str = "GTV") -> Dataset:
    return structure_set_of(images_of(one), lesion_mask(one), label)


def segments_of(one: Phantom, label: str = "GTV") -> Dataset:
    return segmentation_of(images_of(one), lesion_mask(one), label)
