"""The PACS as the pipeline sees it: search, retrieve, store; and take back what was stored."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from pydicom import Dataset

from similar_cases.domain.references import SeriesRef


@dataclass(frozen=True, kw_only=True)
class SeriesListing:
    """What QIDO-RS says of a Series."""

    series: SeriesRef
    modality: str
    instance_count: int


class PacsClient(Protocol):
    """A DICOM archive.

    Implementations: ``dicomweb`` (the product's own way), ``dimse`` (store only, as a scanner does), ``folder``.
    """

    def search_series(self, study_uid: str | None = None) -> list[SeriesListing]:
        """Search for the Series of one Study, or of the archive, in the order of their UIDs.

        Raises:
            PacsUnavailable: when the archive does not answer.
        """
        ...

    def search_instances(self, series: SeriesRef) -> list[str]:
        """Search for the SOP Instance UIDs of a Series, sorted; empty where the archive has no such Series."""
        ...

    def retrieve_series(self, series: SeriesRef) -> list[Dataset]:
        """Retrieve every Instance of a Series, each with its file meta information, sorted by SOP Instance UID.

        What came is compared with QIDO: missing ones are asked for again.

        Raises:
            NotFound: when the archive has no such Series.
            IncompleteTransfer: when Instances are still missing after the second asking.
            MalformedDicom: when an object cannot be parsed within the bounds.
        """
        ...

    def retrieve_instance(self, study_uid: str, sop_instance_uid: str) -> Dataset:
        """Retrieve one Instance of a Study, of whichever Series.

        Raises:
            NotFound: when the Study has no such Instance.
            MalformedDicom: when it cannot be parsed within the bounds.
        """
        ...

    def store_instances(self, instances: Sequence[Dataset]) -> None:
        """Store `instances` and read them back; storing the same bytes under the same UID again is no error.

        Raises:
            StoreFailed: when the archive refused one, or does not have it afterwards.
        """
        ...

    def remove_instances(self, series: SeriesRef, sop_instance_uids: Collection[str]) -> None:
        """Take Instances of ours back, which newer ones replace; those that are gone already are passed over.

        Raises:
            PacsUnavailable: when the archive does not answer.
        """
        ...


def uids_of(instances: Iterable[Dataset]) -> list[str]:
    """Return the sorted SOP Instance UIDs of `instances`."""
    return sorted(str(instance.SOPInstanceUID) for instance in instances)
