"""What a Region becomes in the archive: one SEG and one SR."""

from collections.abc import Sequence
from dataclasses import dataclass

from pydicom import Dataset

from similar_cases.domain.description import Description
from similar_cases.domain.errors import MalformedDicom
from similar_cases.domain.references import SeriesRef
from similar_cases.domain.region import Region
from similar_cases.domain.volume import Volume
from similar_cases.record.planes import mask_planes
from similar_cases.record.provenance import RecorderSettings, Role, result_series_uid
from similar_cases.record.seg import segmentation
from similar_cases.record.source import header_of
from similar_cases.record.sr import Measured, measurement_report
from similar_cases.volume.quiet import quiet_pydicom


@dataclass(frozen=True, eq=False)
class Recorded:
    """The two objects of one Region, each with its file meta information, Explicit VR Little Endian."""

    seg: Dataset
    sr: Dataset


class Recorder:
    """Makes SEG and SR. The same inputs give the same bytes under the same UIDs, in any process.

    One source Series gets one Series of SEG and one of SR from each version of the software; a Region is an Instance
    in each. Keeps no state: one Recorder may serve several threads.
    """

    def __init__(self, settings: RecorderSettings) -> None:
        self._settings = settings

    @property
    def fingerprint(self) -> str:
        """Twelve hexadecimal digits that change with the rules by which objects are written, and the site's choices."""
        return self._settings.fingerprint

    def result_series(self, source: SeriesRef) -> tuple[SeriesRef, ...]:
        """Return the Series in which the SEG and the SR of a source Series stand."""
        uids = (result_series_uid(role, source.series_uid, self._settings) for role in Role)
        return tuple(SeriesRef(source.study_uid, uid) for uid in uids)

    def record(self, source: Sequence[Dataset], volume: Volume, region: Region, description: Description) -> Recorded:
        """Make the SEG and the SR of one Region.

        Args:
            source: the image Instances of the Series; headers suffice, in any order.
            volume: the Volume built from them; its `frames` tell which Frame each slice k is.
            region: a Region in the grid of `volume`.
            description: what was computed of `region`.

        Raises:
            MalformedDicom: when `source` is empty, or lacks an Instance that `volume` names.
        """
        if not source:
            raise MalformedDicom("a region can only be recorded beside its source images; there are none")
        with quiet_pydicom():  # its warnings quote values of the header, which must reach no log
            return self._record(source, volume, region, description)

    def _record(self, source: Sequence[Dataset], volume: Volume, region: Region, description: Description) -> Recorded:
        header = header_of(source)
        images = {str(instance.SOPInstanceUID): instance for instance in source}
        planes = mask_planes(images, volume, region)
        seg = segmentation(header, planes, region, self._settings)
        measured = Measured(volume=volume, region=region, description=description, seg=seg, planes=planes)
        return Recorded(seg=seg, sr=measurement_report(header, measured, self._settings))
