"""Late interaction: the slices of what is asked about with those of each answer, or the Regions of two Studies."""

from collections.abc import Mapping, Sequence, Sized

import numpy as np
from numpy.typing import NDArray

from similar_cases.domain.case import Case, derived_uid
from similar_cases.domain.description import Level
from similar_cases.domain.errors import InvalidRequest
from similar_cases.domain.references import FrameRef
from similar_cases.domain.similarity import MatchedFrames
from similar_cases.index.late_interaction import SetMatch, max_sim
from similar_cases.index.vector_sets import VectorSets
from similar_cases.pipeline.question import Question, Slices
from similar_cases.pipeline.tools import Tools
from similar_cases.rank.ranking import Rerank, Retrieval

#: matched slices that are told of an answer
TOLD = 3


class Matching:
    """Compares sets of vectors. May be shared by threads."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._sets = VectorSets(tools.worklist.catalogue.engine)

    def scores(self, question: Question, cases: Sequence[Case], ways: tuple[Rerank, Retrieval]) -> NDArray[np.float64]:
        """Return MaxSim of n answers, 0 to 1; NaN for one that has nothing to compare.

        Args:
            question: shows the slices, or is about a Study that has Regions.
            cases: n answers.
            ways: what is compared, and how the answers were found: by localized slices compare localized slices.

        Raises:
            InvalidRequest: when the question shows nothing to compare.
        """
        if ways[0] is Rerank.REGIONS:
            return self._of_regions(question, cases)
        shown = question.slices.all(localized=_is_localized(question, ways[1]))
        if shown is None or not len(shown.vectors):
            raise InvalidRequest("slices are compared with slices, and the query shows none")
        matches = self._matches(shown, cases)
        return np.array([max(matches[case.uid].score, 0.0) if case.uid in matches else np.nan for case in cases])

    def matched(self, question: Question, cases: Sequence[Case]) -> Mapping[str, tuple[MatchedFrames, ...]]:
        """Return Case UID → which slices match best, best first; the key frames where slices are not known."""
        if question.case is None:
            return {}
        asked = question.case
        shown = question.slices.known(localized=_is_localized(question, Retrieval.OWN))
        matches = self._matches(shown, cases) if shown is not None and len(shown.vectors) else {}
        frames = self._frames(cases)
        found: dict[str, tuple[MatchedFrames, ...]] = {}
        for case in cases:
            if shown is not None and case.uid in matches and case.uid in frames:
                found[case.uid] = _told(matches[case.uid], shown, frames[case.uid])
            else:
                found[case.uid] = (MatchedFrames(asked.key_frame, case.key_frame, None),)
        return found

    def _matches(self, shown: Slices, cases: Sequence[Case]) -> dict[str, SetMatch]:
        volumes = self._sets.of_slices({_volume_of(case) for case in cases}, shown.space.id)
        frames = self._sets.frames_of({_volume_of(case) for case in cases if case.level is Level.REGION})
        sets = {
            case.uid: volumes[_volume_of(case)][_rows_of(case, frames.get(_volume_of(case)), volumes[_volume_of(case)])]
            for case in cases
            if _volume_of(case) in volumes
        }
        sets = {uid: rows for uid, rows in sets.items() if len(rows)}
        return dict(zip(sets, max_sim(shown.vectors, list(sets.values())), strict=True)) if sets else {}

    def _frames(self, cases: Sequence[Case]) -> dict[str, list[FrameRef]]:
        """Return Case UID → the Frame of each slice that `_matches` compares."""
        known = self._sets.frames_of({_volume_of(case) for case in cases})
        found = {}
        for case in cases:
            frames = known.get(_volume_of(case))
            if frames:
                rows = _rows_of(case, frames, frames)
                found[case.uid] = [frames[row][1] for row in rows]
        return found

    def _of_regions(self, question: Question, cases: Sequence[Case]) -> NDArray[np.float64]:
        if question.case is None:
            raise InvalidRequest("the regions of studies are compared, and the query shows no study")
        space, own = self._tools.embedder.region_space.id, question.case.series.study_uid
        sets = self._sets.of_regions({own, *(case.series.study_uid for case in cases)}, space)
        if own not in sets:
            raise InvalidRequest("the regions of studies are compared, and the study asked about has none")
        studies = sorted(
            sets.keys() - {own} | ({own} if any(case.series.study_uid == own for case in cases) else set())
        )
        matches = dict(zip(studies, max_sim(sets[own][1], [sets[study][1] for study in studies]), strict=True))
        scores = [
            matches[case.series.study_uid].score if case.series.study_uid in matches else np.nan for case in cases
        ]
        return np.clip(np.array(scores, dtype=np.float64), 0.0, 1.0)


def _is_localized(question: Question, retrieval: Retrieval) -> bool:
    """Tell whether only the slices through the Region ask: where it is sought itself, or the ranking says so."""
    return retrieval is Retrieval.LOCALIZED or question.level is Level.REGION


def _volume_of(case: Case) -> str:
    """Return the UID of the Case of the Volume that a Case is, or lies in."""
    if case.level is Level.SERIES:
        return case.uid
    return derived_uid("case", case.series.series_uid, case.volume_number)


def _rows_of(case: Case, frames: Sequence[tuple[int, FrameRef]] | None, rows: Sized) -> list[int]:
    """Return the rows of the slices of a Case: all of a Volume, those through it of a Region."""
    if case.region is None:
        return list(range(len(rows)))
    places = [k for k, _ in frames] if frames else range(len(rows))
    low, high = case.region.lower_index[0], case.region.upper_index[0]
    return [row for row, k in enumerate(places) if low <= k < high]


def _told(match: SetMatch, shown: Slices, frames: Sequence[FrameRef]) -> tuple[MatchedFrames, ...]:
    return tuple(
        MatchedFrames(shown.frames[asked], frames[found], cosine) for asked, found, cosine in match.best_pairs(TOLD)
    )
