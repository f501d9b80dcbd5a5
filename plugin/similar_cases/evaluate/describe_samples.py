"""Every lesion of some samples, described as the product describes Regions, one volume in memory at a time.

What was computed is kept (`result_store`): a volume of which all is known is not read again.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial

import numpy as np
from numpy.typing import NDArray

from similar_cases.describe.embedder import Embedder
from similar_cases.describe.location import BodyPosition, locate
from similar_cases.describe.radiomics import RadiomicsExtractor
from similar_cases.domain.case import derived_uid
from similar_cases.domain.description import BodyCoordinate, Location, RadiomicsVector, fingerprint
from similar_cases.domain.errors import DescriptionFailed, SegmentationFailed
from similar_cases.domain.prompts import PromptSet
from similar_cases.domain.region import Region
from similar_cases.evaluate.clicks import first_click
from similar_cases.evaluate.lesion_samples import Lesion, LesionSample
from similar_cases.evaluate.result_store import ResultStore, files_key
from similar_cases.segment.segmenter import Segmenter

Moved = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True, eq=False)
class Describers:
    """What describes a Region.

    Attributes:
        embedders: by the name under which their rows stand.
        segmenter: what draws the Region from one click in the lesion's middle; None takes the expert's mask.
        body: what tells where in the body a Region lies; None where nothing does.
    """

    embedders: Mapping[str, Embedder]
    extractor: RadiomicsExtractor
    segmenter: Segmenter | None = None
    body: BodyPosition | None = None

    @property
    def masks(self) -> str:
        """Names where masks come from, with everything that changes them."""
        if self.segmenter is None:
            return "expert"
        identity = self.segmenter.identity
        return fingerprint((identity.name, identity.version, identity.parameters))


@dataclass(frozen=True, kw_only=True, eq=False)
class DescribedRegion:
    """One lesion of one volume.

    Attributes:
        label: what the data set calls it.
        radiomics: None where the Region could not be described, or no Region was found.
        location: where the Region lies; None where none was found.
        vectors: an embedder's name → (size,) unit vector; NaN where no Region was found.
    """

    uid: str
    dataset: str
    modality: str
    patient: str
    label: str = ""
    location: Location | None = None
    radiomics: RadiomicsVector | None = None
    vectors: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)


def describe_samples(
    samples: Sequence[LesionSample],
    describers: Describers,
    store: ResultStore,
    moved: Moved = lambda done, of: None,
) -> list[DescribedRegion]:
    """Return the lesions in the order of `samples`; `moved` is told (samples done, samples) on the way."""
    found: list[DescribedRegion] = []
    for done, sample in enumerate(samples):
        moved(done, len(samples))
        found.extend(_Described(sample, describers, store).regions())
    moved(len(samples), len(samples))
    return found


class _Described:
    """One sample; its volume is read when the first thing is missing."""

    def __init__(self, sample: LesionSample, describers: Describers, store: ResultStore) -> None:
        self._sample = sample
        self._describers = describers
        self._store = store
        files = files_key(sample.source) if sample.source else fingerprint(id(sample))
        self._key = (sample.dataset, sample.modality, sample.patient, files, describers.masks)

    def regions(self) -> list[DescribedRegion]:
        describers, store = self._describers, self._store
        facts = store.document((*self._key, "facts"), self._facts)
        bodies = [None] * len(facts)
        if describers.body is not None:
            bodies = store.document((*self._key, "body", describers.body.space), self._bodies)
        measured = store.document((*self._key, describers.extractor.recipe.fingerprint), self._radiomics)
        vectors = {
            name: store.array((*self._key, embedder.region_space.id), partial(self._vectors, embedder))
            for name, embedder in describers.embedders.items()
        }
        return [
            DescribedRegion(
                uid=derived_uid("evaluated", *self._key[:3], self._key[4], number),
                dataset=self._sample.dataset,
                modality=self._sample.modality,
                patient=f"{self._sample.dataset} {self._sample.patient}",
                label=fact["label"],
                location=_location(fact, body, describers.body),
                radiomics=RadiomicsVector(values, describers.extractor.recipe) if values else None,
                vectors={name: rows[number] for name, rows in vectors.items()},
            )
            for number, (fact, body, values) in enumerate(zip(facts, bodies, measured, strict=True))
        ]

    @cached_property
    def _lesions(self) -> list[tuple[Lesion, Region | None]]:
        return [(lesion, _region(lesion, self._describers.segmenter)) for lesion in self._sample.load()]

    def _facts(self) -> list[dict[str, object]]:
        def fact(lesion: Lesion, region: Region | None) -> dict[str, object]:
            where = locate(lesion.volume, region) if region else None
            return {"label": lesion.label} | (
                {"centroid_lps": where.centroid_lps, "relative": where.relative} if where else {}
            )

        return [fact(*pair) for pair in self._lesions]

    def _bodies(self) -> list[tuple[float, float, float] | None]:
        body = self._describers.body
        assert body is not None

        def told(lesion: Lesion, region: Region | None) -> tuple[float, float, float] | None:
            found = body.coordinates(lesion.volume, np.array([region.centroid_lps])) if region else [None]
            return found[0].at_mm if found[0] else None

        return [told(*pair) for pair in self._lesions]

    def _radiomics(self) -> list[dict[str, float]]:
        def values(lesion: Lesion, region: Region | None) -> dict[str, float]:
            try:
                return dict(self._describers.extractor.extract(lesion.volume, region).values) if region else {}
            except DescriptionFailed:
                return {}

        return [values(*pair) for pair in self._lesions]

    def _vectors(self, embedder: Embedder) -> NDArray[np.float32]:
        rows = np.full((len(self._lesions), embedder.region_space.size), np.nan, dtype=np.float32)
        there = [number for number, (_, region) in enumerate(self._lesions) if region]
        if there:
            regions = [region for _, region in self._lesions if region]
            embedded = embedder.embed_regions(self._lesions[0][0].volume, regions)
            rows[there] = np.stack([one.vector for one in embedded])
        return rows


def _region(lesion: Lesion, segmenter: Segmenter | None) -> Region | None:
    uid = derived_uid("region", lesion.volume.series.series_uid, lesion.label, int(lesion.truth.sum()))
    if segmenter is None:
        return Region.from_mask(lesion.truth, lesion.volume.geometry, tracking_uid=uid)
    click = first_click(lesion.truth, lesion.volume.geometry)
    try:
        return segmenter.segment(lesion.volume, PromptSet(prompts=(click,), tracking_uid=uid))
    except SegmentationFailed:
        return None


def _location(
    fact: Mapping[str, list[float]], at_mm: Sequence[float] | None, body: BodyPosition | None
) -> Location | None:
    if "relative" not in fact:
        return None
    (x, y, z), (k, j, i) = fact["centroid_lps"], fact["relative"]
    told = BodyCoordinate((at_mm[0], at_mm[1], at_mm[2]), body.space) if body and at_mm else None
    return Location(centroid_lps=(x, y, z), relative=(k, j, i), body=told)
