"""What people look at and click in: volumes, and the Regions in them, kept for the next picture and the next question.

Concurrency. Both memories guard themselves; everything that they hold is immutable.
"""

from similar_cases.domain.case import derived_uid
from similar_cases.domain.errors import InvalidRequest, NotFound
from similar_cases.domain.prompts import MaskPrompt, Prompt, PromptSet
from similar_cases.domain.references import SeriesRef
from similar_cases.domain.region import AlgorithmIdentity, Region
from similar_cases.domain.volume import Volume
from similar_cases.index.rows import SeriesRow
from similar_cases.pipeline.annotations import prompts_for, retrieve_annotations
from similar_cases.pipeline.steps import Steps
from similar_cases.pipeline.tools import Tools
from similar_cases.pipeline.volume_cache import LastUsed, VolumeCache
from similar_cases.segment.everything import found_again
from similar_cases.segment.planes import lies_on
from similar_cases.segment.prompts import read_prompts, region_of_expert
from similar_cases.volume.build import build_volumes

#: Regions that stay in memory; each is the box round its voxels, one byte a voxel
_REGIONS = 24


class Shelf:
    """Volumes and Regions of the last Series; may be shared by threads."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._volumes = VolumeCache(tools.rules.cached_volumes)
        self._regions: LastUsed[Region] = LastUsed(_REGIONS)

    @property
    def segmenter(self) -> AlgorithmIdentity:
        """What turns prompts into Regions here."""
        return self._tools.segmenter.identity

    def volumes(self, series: SeriesRef) -> list[Volume]:
        """Return every Volume of a Series.

        Raises:
            NotFound: when the archive has no such Series.
            Refused: when it makes no Volume.
            PacsUnavailable: when the archive does not answer.
        """
        return self._volumes.get((series.series_uid, self.state_of(series)), lambda: self._fetch(series))

    def volume(self, series: SeriesRef, volume_number: int) -> Volume:
        """Return one Volume of a Series.

        Raises:
            NotFound: when there is none of that number; else as `volumes`.
        """
        volumes = self.volumes(series)
        found = next((volume for volume in volumes if volume.number == volume_number), None)
        if found is None:
            raise NotFound(f"series {series.series_uid} has no volume {volume_number}; there are {len(volumes)}")
        return found

    def region_at(self, series: SeriesRef, volume_number: int, prompts: tuple[Prompt, ...]) -> tuple[Volume, Region]:
        """Segment there and then; nothing is stored. A mask alone is the Region; beside others it is the mask so far.

        Raises:
            InvalidRequest: without a prompt, or with a mask that does not lie on the volume's voxels.
            SegmentationFailed: when the prompts give no Region.
        """
        if not prompts:
            raise InvalidRequest("a region is found by points, a box or a mask; there are none")
        volume = self.volume(series, volume_number)
        masks = [prompt for prompt in prompts if isinstance(prompt, MaskPrompt)]
        # others would be resampled, plane by plane, for as long as whoever sent them likes
        if not all(lies_on(mask.geometry, volume.geometry) for mask in masks):
            raise InvalidRequest(f"the mask does not lie on the voxels of volume {volume.number} of the series")
        # the same prompts are the same region, in whatever process
        uid = derived_uid("asked", series.series_uid, volume.number, prompts)
        asked = PromptSet(prompts=prompts, tracking_uid=uid, is_expert_mask=len(masks) == len(prompts))
        return volume, self._regions.get((uid, self.state_of(series)), lambda: self._drawn(volume, asked))

    def region_known(self, series: SeriesRef, tracking_uid: str) -> tuple[Volume, Region]:
        """Return a Region of the catalogue with its mask: from our SEG in the archive, or as it was found at first.

        Raises:
            NotFound: when the catalogue has no such Region, or the archive lacks what it was read from.
        """
        case = self._tools.lookups.region_case(tracking_uid, series.series_uid)
        assert case.region is not None
        volume = self.volume(series, case.volume_number)
        seg = case.region.seg_sop_instance_uid
        key = (tracking_uid, self.state_of(series), seg)
        return volume, self._regions.get(key, lambda: self._read_back(volume, tracking_uid, seg))

    def state_of(self, series: SeriesRef) -> str:
        """Return what changes with the Series' Instances; from the catalogue, which is quick, where it knows.

        Raises:
            NotFound: when the archive has no such Series.
        """
        try:
            row = self.row_of(series)
        except NotFound:
            return str(self._tools.pacs.search_instances(series))
        return f"{row.content_key} {row.instance_count}"

    def row_of(self, series: SeriesRef) -> SeriesRow:
        """Return the catalogue's row of a Series.

        Raises:
            NotFound: when it has none, or it is of another Study.
        """
        row = self._tools.lookups.series_row(series.series_uid)
        if row.series != series:
            raise NotFound(f"series {series.series_uid} is not in study {series.study_uid}")
        return row

    def _fetch(self, series: SeriesRef) -> list[Volume]:
        return build_volumes(self._tools.pacs.retrieve_series(series))

    def _read_back(self, volume: Volume, tracking_uid: str, seg_sop_instance_uid: str) -> Region:
        sets: list[PromptSet] = []
        if seg_sop_instance_uid:
            seg = self._tools.pacs.retrieve_instance(volume.series.study_uid, seg_sop_instance_uid)
            sets = read_prompts(seg, volume)
        else:  # a site that wants nothing written back: as the ingestion did it
            steps = Steps()
            annotations = self._tools.lookups.annotations_of(volume.series)
            sets = prompts_for(volume, retrieve_annotations(annotations, self._tools, steps), steps)
        found = next((one for one in sets if one.tracking_uid == tracking_uid), None)
        if found is None:  # nobody's hint led to it, and nothing of it was written
            again = found_again(volume, tracking_uid, self._tools.searcher, self._tools.rules.everything)
            if again is not None:
                return again
            raise NotFound(f"the archive has no mask of region {tracking_uid} any more")
        return self._drawn(volume, found)

    def _drawn(self, volume: Volume, prompts: PromptSet) -> Region:
        if prompts.is_expert_mask:
            return region_of_expert(volume, prompts)
        return self._tools.segmenter.segment(volume, prompts)
