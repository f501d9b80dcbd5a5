"""What people said of answers, as parts of the score and verdicts, from which weights are learnt.

Concurrency. One lock: whoever asks first after a new verdict learns, and the others wait for it.
"""

import threading
from collections.abc import Mapping

import numpy as np

from similar_cases.domain.case import Case
from similar_cases.domain.description import Level
from similar_cases.domain.errors import InvalidRequest
from similar_cases.index.feedback import Feedback, FeedbackBook, Verdict
from similar_cases.pipeline.chance import appearances, locations
from similar_cases.pipeline.populations import Populations
from similar_cases.pipeline.tools import Tools
from similar_cases.rank.learn import Learnt, learn
from similar_cases.rank.ranking import APPEARANCE, LOCATION, RADIOMICS

#: parts that two Cases of the catalogue have; text, and features by value, are the question's own
PARTS = (APPEARANCE, RADIOMICS, LOCATION)
#: the last so many verdicts teach
MOST = 5000


class LearnedWeights:
    """Learns from the verdicts that the catalogue keeps. May be shared by threads."""

    def __init__(self, tools: Tools, populations: Populations) -> None:
        self._tools = tools
        self._populations = populations
        self._book = FeedbackBook(tools.worklist.catalogue.engine)
        self._held: dict[tuple[str, tuple[tuple[str, float], ...]], Learnt] = {}
        self._lock = threading.Lock()

    def state(self) -> str:
        """Return what changes with every verdict."""
        return self._book.state()

    def of(self, weights: Mapping[str, float]) -> Learnt:
        """Return what the verdicts teach of the parts that `weights` name.

        Raises:
            InvalidRequest: for a part that verdicts say nothing of, or too few verdicts.
        """
        for name in weights:
            if name not in PARTS:
                raise InvalidRequest(f"weights are learnt of {', '.join(PARTS)}; the query asks by {name}, too")
        key = (self.state(), tuple(sorted(weights.items())))
        with self._lock:
            if key not in self._held:
                # what was learnt from fewer verdicts is of no more use
                self._held = {key: self._learnt(dict(weights))}
            return self._held[key]

    def _learnt(self, weights: dict[str, float]) -> Learnt:
        told = sorted(self._book.all()[-MOST:], key=lambda one: (one.asked_uid, one.case_uid, one.user))
        found = {case.uid: case for case in self._tools.lookups.cases(sorted({one.case_uid for one in told}))}
        series = {uid: self._tools.lookups.cases_of(uid) for uid in sorted({one.asked_series_uid for one in told})}
        pairs = [(_asked(one, series[one.asked_series_uid]), found.get(one.case_uid), one) for one in told]
        usable = [
            (asked, case, one)
            for asked, case, one in pairs
            if asked and case and asked.description.embedding.space == case.description.embedding.space
        ]
        parts = {name: [self._part(name, asked, case) for asked, case, _ in usable] for name in weights}
        return learn(parts, [one.verdict is Verdict.ALIKE for _, _, one in usable], weights)

    def _part(self, name: str, asked: Case, found: Case) -> float:
        if name == APPEARANCE:
            return float(appearances(asked, [found])[0])
        if name == LOCATION:
            return float(locations(asked, [found])[0])
        measured = asked.description.radiomics
        if measured is None:
            return float(np.nan)
        return float(self._populations.agreements(measured, asked.facts.modality, [found.uid])[0])


def _asked(one: Feedback, cases: list[Case]) -> Case | None:
    """Return the Case that was asked about; None for hints, whose region is not kept, and for what is gone."""
    if one.asked_tracking_uid:
        known = [case for case in cases if case.region and case.region.tracking_uid == one.asked_tracking_uid]
    else:
        known = [case for case in cases if case.level is Level.SERIES and not one.asked_prompts]
    return known[0] if known else None
