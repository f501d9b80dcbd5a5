"""What a query asks about: a Case of the catalogue, or a Region that is segmented there and then."""

from similar_cases.domain.case import Case, SeriesState
from similar_cases.domain.errors import InvalidRequest, NotAVolume, NotFound, NotReady
from similar_cases.domain.references import SeriesRef
from similar_cases.domain.similarity import SimilarityQuery
from similar_cases.index.rows import SeriesRow
from similar_cases.pipeline.ingest import describe_region
from similar_cases.pipeline.shelf import Shelf
from similar_cases.pipeline.tools import Tools


class AskedFor:
    """Turns queries into Cases; the `shelf` keeps the volumes of the last Series, so that a second click is quick."""

    def __init__(self, tools: Tools, shelf: Shelf) -> None:
        self._tools = tools
        self._shelf = shelf

    def case_of(self, query: SimilarityQuery) -> Case:
        """Return the Case that `query` asks about.

        Raises:
            InvalidRequest: for a query that asks about nothing, or about two things.
            NotFound: when the Series, Volume or Region is not known.
            NotReady: when the Series is still to be indexed.
            NotAVolume: when it was refused.
            SegmentationFailed: when the prompts give no Region.
        """
        if query.prompts and query.tracking_uid:
            raise InvalidRequest("a query asks about a region by its tracking UID or by prompts, not by both")
        if query.prompts:
            return self._region_at(query)
        if query.tracking_uid:
            return self._known_region(query)
        if query.series is None:
            raise InvalidRequest("a query asks about a series, a region by its tracking UID, or prompts in a series")
        return self._known_volume(query.series, query.volume_number)

    def _known_volume(self, series: SeriesRef, volume_number: int) -> Case:
        row = self._shelf.row_of(series)
        cases = [case for case in self._tools.lookups.cases_of(series.series_uid) if case.region is None]
        if not cases:
            raise _not_there(row)
        found = next((case for case in cases if case.volume_number == volume_number), None)
        if found is None:
            numbers = ", ".join(str(case.volume_number) for case in cases)
            raise NotFound(f"series {series.series_uid} has no volume {volume_number}; there are: {numbers}")
        return found

    def _known_region(self, query: SimilarityQuery) -> Case:
        if query.series is None:
            return self._tools.lookups.region_case(query.tracking_uid)
        row = self._shelf.row_of(query.series)
        try:
            return self._tools.lookups.region_case(query.tracking_uid, query.series.series_uid)
        except NotFound:
            if row.state is SeriesState.INDEXED:
                raise
            raise _not_there(row) from None

    def _region_at(self, query: SimilarityQuery) -> Case:
        """Segment and describe there and then; nothing is stored."""
        if query.series is None:
            raise InvalidRequest("prompts need the series that they lie in")
        volume, region = self._shelf.region_at(query.series, query.volume_number, query.prompts)
        return Case.of_region(volume, region, describe_region(volume, region, self._tools), ("", ""))


def _not_there(row: SeriesRow) -> NotFound | NotReady | NotAVolume:
    """Say why a Series has no Case."""
    uid = row.series.series_uid
    if row.state is SeriesState.REFUSED:
        return NotAVolume(f"series {uid} is not indexed: {row.reason}")
    if row.state is SeriesState.FAILED:
        return NotFound(f"series {uid} could not be indexed ({row.reason}); ask for it again with retry")
    if row.state is None:
        return NotFound(f"series {uid} holds no images of a kind that is indexed")
    return NotReady(f"series {uid} is {row.state.value}; ask again in a moment")
