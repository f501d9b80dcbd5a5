"""The slice that shows a Case, with its Region on it: two Instances of the archive, whatever the series' length."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from similar_cases.domain.case import Case
from similar_cases.domain.errors import NotFound, Refused, SegmentationFailed
from similar_cases.domain.references import SeriesRef
from similar_cases.domain.volume import Volume
from similar_cases.pipeline.tools import Tools
from similar_cases.pipeline.volume_cache import LastUsed
from similar_cases.segment.prompts import read_prompts, region_of_expert
from similar_cases.volume.single import build_slice

#: pictures that stay in memory: the answers of some questions, about 1 MB each
_PICTURES = 64


@dataclass(frozen=True, eq=False)
class KeyPicture:
    """The key Frame of a Case.

    Attributes:
        plane: a Volume of one slice, in the unit of the Series.
        mask: (rows, columns) bool, the Region on that slice; None where it has none.
    """

    case: Case
    plane: Volume
    mask: NDArray[np.bool_] | None


class Pictures:
    """Key pictures of the last Cases; may be shared by threads."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._made: LastUsed[KeyPicture] = LastUsed(_PICTURES)

    def of(self, case_uid: str) -> KeyPicture:
        """Return the picture of a Case.

        Raises:
            NotFound: when the catalogue has no such Case, or the archive lacks its key Frame.
            PacsUnavailable: when the archive does not answer.
        """
        case = self._tools.lookups.case(case_uid)
        return self._made.get((case_uid, self.state_of(case)), lambda: self._make(case))

    def frame_of(self, case: Case, sop_instance_uid: str, frame_number: int | None) -> Volume:
        """Return any Frame of the Series of a Case, such as one that matched.

        Raises:
            NotFound: when the Series has no such Frame.
            PacsUnavailable: when the archive does not answer.
        """
        instance = self._tools.pacs.retrieve_instance(case.series.study_uid, sop_instance_uid)
        if str(instance.get("SeriesInstanceUID")) != case.series.series_uid:
            raise NotFound(f"series {case.series.series_uid} has no instance {sop_instance_uid}")
        return build_slice(instance, frame_number)

    def middle_of(self, series: SeriesRef) -> Volume:
        """Return one slice of a Series, indexed or not, about its middle where UIDs count as slices do: one Instance.

        Raises:
            NotFound: when the archive has no such Series.
            NotAVolume: when the Instance is no slice.
            PacsUnavailable: when the archive does not answer.
        """
        uids = self._tools.pacs.search_instances(series)
        if not uids:
            raise NotFound(f"the archive has no series {series.series_uid}")
        # scanners count UIDs as they count slices; where one does not, another slice comes
        uids.sort(key=lambda uid: [part.zfill(64) for part in uid.split(".")])
        instance = self._tools.pacs.retrieve_instance(series.study_uid, uids[len(uids) // 2])
        frames = len(instance.get("PerFrameFunctionalGroupsSequence") or ())
        return build_slice(instance, frames // 2 + 1 if frames else None)

    @staticmethod
    def state_of(case: Case) -> str:
        """Return what changes with the picture: Instances never do under their UIDs."""
        seg = case.region.seg_sop_instance_uid if case.region else ""
        return f"{case.key_frame.sop_instance_uid} {case.key_frame.frame_number} {seg}"

    def _make(self, case: Case) -> KeyPicture:
        key = case.key_frame
        instance = self._tools.pacs.retrieve_instance(case.series.study_uid, key.sop_instance_uid)
        plane = build_slice(instance, key.frame_number)
        return KeyPicture(case=case, plane=plane, mask=self._mask(case, plane))

    def _mask(self, case: Case, plane: Volume) -> NDArray[np.bool_] | None:
        """Read the Region's SEG on the plane; a picture without an outline is better than none."""
        if case.region is None or not case.region.seg_sop_instance_uid:
            return None
        try:
            seg = self._tools.pacs.retrieve_instance(case.series.study_uid, case.region.seg_sop_instance_uid)
            found = [one for one in read_prompts(seg, plane) if one.tracking_uid == case.region.tracking_uid]
            return region_of_expert(plane, found[0]).full_mask(plane.geometry.shape)[0] if found else None
        except (NotFound, Refused, SegmentationFailed):
            return None
