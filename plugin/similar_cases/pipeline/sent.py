"""What is sent along with a query: images, and objects that show a Region. Read, used, and not kept anywhere."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from pydicom import Dataset

from similar_cases.domain.case import Case
from similar_cases.domain.errors import InvalidRequest, NotFound
from similar_cases.domain.prompts import PromptSet
from similar_cases.domain.references import SeriesRef
from similar_cases.domain.region import Region
from similar_cases.domain.similarity import SimilarityQuery
from similar_cases.domain.volume import Volume
from similar_cases.pacs.parse import Bounds, parse_instance, series_of
from similar_cases.pipeline.ingest import describe_region, description_of_volume
from similar_cases.pipeline.tools import Tools
from similar_cases.segment.prompts import is_annotation, read_prompts, referenced_series, region_of_expert
from similar_cases.volume.build import build_volumes

#: the Volumes of one Series, by its reference
VolumesOf = Callable[[SeriesRef], Sequence[Volume]]


@dataclass(frozen=True, eq=False)
class Shown:
    """What sent objects show: a Region or Volumes, described.

    Attributes:
        cases: the Region's Case, or one a Volume.
        volume: the Case of the Volume that the Region lies in, with its slices; None where it was not wanted.
    """

    cases: tuple[Case, ...]
    volume: Case | None


class Sent:
    """Reads what is sent along. Nothing outlives the call but what it returns."""

    def __init__(self, tools: Tools, held: VolumesOf, bounds: Bounds | None = None) -> None:
        """Take the tools.

        Args:
            tools: with which Regions are drawn and described.
            held: the Volumes of a Series in the archive, for objects that are sent without images.
            bounds: what the objects may cost; those of a retrieval.
        """
        self._tools = tools
        self._held = held
        self._bounds = bounds or Bounds()

    def shown(self, query: SimilarityQuery, *, wants_slices: bool) -> Shown:
        """Return what the objects of `query` show.

        Raises:
            InvalidRequest: when they do not say one thing: several Series without a choice, or several Regions.
            Refused: when the images make no Volume, or an object is malformed or over the bounds.
            NotFound: when they refer to a Series that neither came nor is in the archive.
            SegmentationFailed: when the hints give no Region.
        """
        images, annotations = self._read(query.sent)
        volumes = self._volumes(query, images, annotations)
        if annotations or query.prompts:
            region_in, prompts = self._chosen(query, volumes, annotations)
            region = self._drawn(region_in, prompts)
            case = Case.of_region(region_in, region, describe_region(region_in, region, self._tools), ("", ""))
            return Shown((case,), self._described(region_in) if wants_slices else None)
        found = tuple(self._described(volume) for volume in volumes)
        return Shown(found, found[0])

    def _read(self, sent: Iterable[bytes]) -> tuple[dict[SeriesRef, list[Dataset]], list[Dataset]]:
        """Return the images by Series, and the objects that show Regions."""
        images: dict[SeriesRef, list[Dataset]] = {}
        annotations: list[Dataset] = []
        size = 0
        for data in sent:
            size += len(data)
            self._bounds.check_series_bytes(size)
            one = parse_instance(data, self._bounds)
            if is_annotation(str(one.get("SOPClassUID", ""))):
                annotations.append(one)
            else:
                images.setdefault(series_of(one), []).append(one)
        self._bounds.check_instances(sum(map(len, images.values())) + len(annotations))
        return images, annotations

    def _volumes(
        self, query: SimilarityQuery, images: dict[SeriesRef, list[Dataset]], annotations: list[Dataset]
    ) -> list[Volume]:
        """Return the Volumes in question: of the Series that the query names, of all that came, or of the archive's."""
        if query.series is not None and query.series in images:
            images = {query.series: images[query.series]}
        if images and (query.series is None or query.series in images):
            volumes = [volume for ref in sorted(images) for volume in build_volumes(images[ref])]
        else:
            named = (
                [query.series]
                if query.series
                else sorted({ref for one in annotations for ref in referenced_series(one)})
            )
            if not named:
                raise InvalidRequest(
                    "what was sent names no series of images; send the images, too, or name the series"
                )
            volumes = [volume for ref in named for volume in self._held(ref)]
        if query.volume_number:
            volumes = [volume for volume in volumes if volume.number == query.volume_number]
        if not volumes:
            raise NotFound(f"there is no volume {query.volume_number} in what was sent")
        return volumes

    def _chosen(
        self, query: SimilarityQuery, volumes: Sequence[Volume], annotations: Sequence[Dataset]
    ) -> tuple[Volume, PromptSet]:
        """Return the one Region that is shown, and the Volume that it lies in."""
        if query.prompts:
            if len(volumes) > 1:
                raise InvalidRequest(
                    "points, a box or a mask need one series, and several volumes came; name the series"
                )
            return volumes[0], PromptSet(prompts=query.prompts, tracking_uid=_HERE)
        found = {
            prompts.tracking_uid: (volume, prompts)
            for volume in reversed(volumes)
            for one in annotations
            for prompts in read_prompts(one, volume)
        }
        if query.tracking_uid:
            if query.tracking_uid not in found:
                raise NotFound(
                    f"what was sent shows no region {query.tracking_uid}; there are: {', '.join(sorted(found))}"
                )
            return found[query.tracking_uid]
        if not found:
            raise InvalidRequest("what was sent shows no region in the images")
        if len(found) > 1:
            raise InvalidRequest(
                f"what was sent shows {len(found)} regions; name one by tracking_uid: {', '.join(sorted(found))}"
            )
        return next(iter(found.values()))

    def _drawn(self, volume: Volume, prompts: PromptSet) -> Region:
        return (
            region_of_expert(volume, prompts)
            if prompts.is_expert_mask
            else self._tools.segmenter.segment(volume, prompts)
        )

    def _described(self, volume: Volume) -> Case:
        embedding, slices = self._tools.embedder.embed_volume(volume)
        return Case.of_volume(volume, description_of_volume(volume, embedding, slices, self._tools))


#: the Tracking UID of a Region that hints show in what was sent; it is in no archive
_HERE = "2.25.1"
