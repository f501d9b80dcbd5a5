"""What a route asks about, where it names no series: a UID of any kind, a study, or a frame."""

from dataclasses import dataclass

from similar_cases.domain.case import Case
from similar_cases.domain.errors import NotFound
from similar_cases.domain.references import SeriesRef, require_uid
from similar_cases.web.ask import About
from similar_cases.web.services import Services


@dataclass(frozen=True)
class Subjects:
    """Finds it in the catalogue."""

    services: Services

    def named(self, uid: str, volume_number: int = 0) -> About:
        """Return the Series, the Region (Tracking UID), the Case or the Study that `uid` is of.

        Raises:
            InvalidUid: when it is no UID.
            NotFound: when the catalogue knows it as none of them.
        """
        require_uid(uid)
        lookups = self.services.lookups
        try:
            return About(series=lookups.series_row(uid).series, volume_number=volume_number)
        except NotFound:
            pass
        try:
            lookups.region_case(uid)
        except NotFound:
            found = lookups.cases([uid])
            return _about_case(found[0]) if found else self.study(uid)
        return About(tracking_uid=uid, volume_number=volume_number)

    def study(self, study_uid: str) -> About:
        """Return a Study: every Volume of it is asked about.

        Raises:
            NotFound: when the catalogue has no indexed Series of it.
        """
        if not self.services.overview.has_cases(require_uid(study_uid)):
            raise NotFound(f"the catalogue has no indexed series, region, case or study {study_uid}")
        return About(study=study_uid)

    def frame(self, series: SeriesRef, instance_uid: str, frame_number: int) -> About:
        """Return the largest Region that reaches into a Frame; where there is none, the volume that the Frame is in.

        Args:
            series: where the Instance is.
            instance_uid: SOP Instance UID.
            frame_number: from 1; 1 in an object of a single frame.

        Raises:
            NotFound: when the volumes of the Series have no such Frame.
        """
        require_uid(instance_uid)
        cases = self.services.lookups.cases_of(series.series_uid)
        if not cases:  # nothing to resolve; the pipeline says why
            return About(series=series)
        for volume in self.services.shelf.volumes(series):
            for slice_number, frame in enumerate(volume.frames):
                if (frame.sop_instance_uid, frame.frame_number or 1) == (instance_uid, frame_number):
                    return _in_slice(cases, series, volume.number, slice_number)
        raise NotFound(f"no volume of series {series.series_uid} has frame {frame_number} of instance {instance_uid}")


def _about_case(case: Case) -> About:
    if case.region is not None:
        return About(series=case.series, tracking_uid=case.region.tracking_uid)
    return About(series=case.series, volume_number=case.volume_number)


def _in_slice(cases: list[Case], series: SeriesRef, volume_number: int, slice_number: int) -> About:
    reaching = [
        (-case.region.volume_ml, case.region.tracking_uid)
        for case in cases
        if case.region is not None
        and case.volume_number == volume_number
        and case.region.lower_index[0] <= slice_number < case.region.upper_index[0]
    ]
    tracking_uid = min(reaching)[1] if reaching else ""
    return About(series=series, tracking_uid=tracking_uid, volume_number=volume_number)
