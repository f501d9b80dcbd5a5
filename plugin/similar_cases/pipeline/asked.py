"""What a query asks about: its references resolved into Cases, vectors, values and places."""

from collections.abc import Iterable, Sequence

from similar_cases.describe.location import locate_point
from similar_cases.domain.case import Case, SeriesState
from similar_cases.domain.description import BodyCoordinate, EmbeddingSpace, Level
from similar_cases.domain.errors import InvalidRequest, NotAVolume, NotFound, NotReady
from similar_cases.domain.references import SeriesRef
from similar_cases.domain.similarity import Place, SimilarityQuery
from similar_cases.index.rows import SeriesRow
from similar_cases.pipeline.asked_slices import AskedSlices
from similar_cases.pipeline.ingest import describe_region
from similar_cases.pipeline.question import Question, ResolvedPlace, Vector
from similar_cases.pipeline.sense import require_sense
from similar_cases.pipeline.sent import Sent
from similar_cases.pipeline.shelf import Shelf
from similar_cases.pipeline.tools import Tools
from similar_cases.pipeline.volume_cache import LastUsed
from similar_cases.rank.steer import steered

#: Volumes of one Study that ask at the most
MAX_PROBES = 32
#: Regions segmented there and then whose descriptions stay in memory
_DESCRIBED = 64


class AskedFor:
    """Resolves queries; may be shared by threads.

    The `shelf` keeps the volumes of the last Series, so that a second click is quick; what a click's Region was
    described by is kept here, so that another filter or ranking is quicker still.
    """

    def __init__(self, tools: Tools, shelf: Shelf) -> None:
        self._tools = tools
        self._shelf = shelf
        self._described: LastUsed[Case] = LastUsed(_DESCRIBED)
        self._sent = Sent(tools, shelf.volumes, tools.rules.sent_bounds)

    def question(self, query: SimilarityQuery, *, wants_slices: bool = False) -> Question:
        """Return what `query` asks, with every reference resolved.

        Args:
            query: as it came.
            wants_slices: whether the ranking compares slices, so that those of images that were sent are kept.

        Raises:
            InvalidRequest: for a query that asks about nothing, or about what does not go together.
            NotFound: when the Study, Series, Volume, Region or example is not known.
            NotReady: when the Series is still to be indexed.
            NotAVolume: when it was refused.
            SegmentationFailed: when the prompts give no Region.
        """
        require_sense(query)
        sent = self._sent.shown(query, wants_slices=wants_slices) if query.sent else None
        subjects = list(sent.cases) if sent else self._subjects(query)
        like, unlike = ([self._example(uid) for uid in uids] for uids in (query.like, query.unlike))
        level = query.level or _level_of((*subjects, *like, *unlike))
        asked = [self._at_level(case, level, sent.volume if sent else None) for case in subjects]
        for example in (*like, *unlike):
            _require_level(example, level)
        space = next((case.description.embedding.space for case in (*asked, *like)), self._space(level))
        asked = [case for case in asked if case.description.embedding.space == space]
        for example in (*like, *unlike):
            _require_space(example, space)
        return Question(
            case=asked[0] if asked else None,
            level=level,
            space=space,
            probes=tuple(_probes(asked, like, unlike)),
            shown=(*asked, *like),
            # what was segmented there and then has no row; a study's own cases are no answers to it
            left_out=frozenset(case.uid for case in (*asked, *like, *unlike)),
            features=query.features,
            place=self._place(query),
            text=query.text.strip(),
            slices=AskedSlices(self._tools, self._shelf, tuple(subjects or like), sent.volume if sent else None),
        )

    def _space(self, level: Level) -> EmbeddingSpace:
        embedder = self._tools.embedder
        return embedder.region_space if level is Level.REGION else embedder.series_space

    def _subjects(self, query: SimilarityQuery) -> list[Case]:
        """Return the Case asked about; of a Study every Volume's; none where the query shows nothing."""
        if query.prompts:
            return [self._region_at(query)]
        if query.tracking_uid:
            return [self._known_region(query)]
        if query.study:
            return self._study(query.study)
        # a series that only says where a point lies is not itself asked about
        if query.series is None or (query.place and query.place.point_lps):
            return []
        return [self._known_volume(query.series, query.volume_number)]

    def _study(self, study_uid: str) -> list[Case]:
        cases = [case for case in self._tools.lookups.cases_of(study_uid=study_uid) if case.region is None]
        if not cases:
            raise NotFound(f"no volume of study {study_uid} is indexed")
        return cases[:MAX_PROBES]

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
        assert query.series is not None
        volume, region = self._shelf.region_at(query.series, query.volume_number, query.prompts)
        return self._described.get(
            (region.tracking_uid, self._shelf.state_of(query.series)),
            lambda: Case.of_region(volume, region, describe_region(volume, region, self._tools), ("", "")),
        )

    def _example(self, uid: str) -> Case:
        """Return the Case that a UID names: its own, a Region's Tracking UID, or a Series'."""
        lookups = self._tools.lookups
        if found := lookups.cases([uid]):
            return found[0]
        try:
            return lookups.region_case(uid)
        except NotFound:
            volumes = [case for case in lookups.cases_of(uid) if case.region is None]
        if not volumes:
            raise NotFound(f"no case, region or indexed series has the UID {uid}; it cannot be an example")
        return volumes[0]

    def _at_level(self, case: Case, level: Level, sent: Case | None) -> Case:
        """Return the Case; where Series are sought for a Region that of its Volume, `sent` where it came along."""
        if case.level is level:
            return case
        if level is Level.REGION:
            raise InvalidRequest(
                "a whole series shows no region to find regions by; name a region, points or a box in it"
            )
        return sent or self._known_volume(case.series, case.volume_number)

    def _place(self, query: SimilarityQuery) -> ResolvedPlace | None:
        place = query.place
        if place is None:
            return None
        if place.relative is not None:
            return ResolvedPlace(relative=place.relative)
        if place.body is not None:
            if self._tools.body_position is None:
                raise InvalidRequest("no model here tells where in a body something lies; give a place in a series")
            return ResolvedPlace(body=BodyCoordinate(place.body, self._tools.body_position.space))
        return self._place_in(query, place)

    def _place_in(self, query: SimilarityQuery, place: Place) -> ResolvedPlace:
        assert query.series is not None
        assert place.point_lps is not None
        volume = self._shelf.volume(query.series, query.volume_number)
        if not volume.geometry.contains_lps(place.point_lps):
            raise InvalidRequest("the place does not lie in the volume of the series")
        location = locate_point(volume, place.point_lps, self._tools.body_position)
        return ResolvedPlace(relative=location.relative, body=location.body)


def _level_of(cases: Iterable[Case]) -> Level:
    return next((case.level for case in cases), Level.REGION)


def _require_level(example: Case, level: Level) -> None:
    if example.level is not level:
        raise InvalidRequest(
            f"the example {example.uid} is a {example.level.value}, and the question is about a {level.value}"
        )


def _require_space(example: Case, space: EmbeddingSpace) -> None:
    if example.description.embedding.space != space:
        raise InvalidRequest(f"the example {example.uid} was described by another model; index its series again")


def _probes(asked: Sequence[Case], like: Sequence[Case], unlike: Sequence[Case]) -> list[Vector]:
    if not asked and not like and not unlike:
        return []
    vectors = ([case.description.embedding.vector for case in cases] for cases in (asked, like, unlike))
    return steered(*vectors)


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
