"""Bodies of the page's acts: a region that is shown by points and a box, and a word on an answer."""

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, fields

from pydantic import Field

from similar_cases.domain.case import Case, derived_uid
from similar_cases.domain.references import SeriesRef
from similar_cases.index.feedback import Feedback, Verdict
from similar_cases.web.body import Body, HintsBody, Uid


class RegionBody(HintsBody):
    """Body of ``POST /region``: hints in a volume."""

    study: Uid
    series: Uid
    volume_number: int = Field(default=0, ge=0, le=100_000)

    @property
    def ref(self) -> SeriesRef:
        """The Series."""
        return SeriesRef(self.study, self.series)


class AskedBody(RegionBody):
    """What was asked about: a region by its Tracking UID, or by points and a box, or else a whole volume."""

    tracking_uid: Uid | None = None

    @property
    def uid(self) -> str:
        """The same for the same question."""
        shown = self.prompts()
        if self.tracking_uid and not shown:
            return self.tracking_uid
        return derived_uid("asked", self.series, self.volume_number, shown)


class FeedbackBody(Body):
    """Body of ``POST /feedback``; without a verdict the user's earlier word is taken back."""

    asked: AskedBody
    case: Uid
    verdict: Verdict | None = Field(default=None, strict=False)
    rank: int | None = Field(default=None, ge=1, le=1_000_000)
    score: float | None = Field(default=None, ge=0, le=1, allow_inf_nan=False)


def feedback_of(body: FeedbackBody, answered: Case, user: str) -> Feedback:
    """Return what is kept of a word."""
    asked = body.asked
    shown = asked.model_dump(mode="json", include={"points", "box"}, exclude_none=True)
    if asked.mask:
        shown["mask"] = repr(asked.mask.prompt())  # which one, not all of it
    return Feedback(
        asked_uid=asked.uid,
        case_uid=body.case,
        user=user,
        asked_study_uid=asked.study,
        asked_series_uid=asked.series,
        asked_tracking_uid=asked.tracking_uid or "",
        asked_prompts=shown if asked.prompts() else {},
        case_series_uid=answered.series.series_uid,
        case_tracking_uid=answered.region.tracking_uid if answered.region else "",
        verdict=body.verdict or Verdict.ALIKE,
        rank=body.rank,
        score=body.score,
    )


def as_csv(said: Sequence[Feedback]) -> str:
    """Return words on answers as CSV, one a line under their names."""
    text = io.StringIO()
    names = [one.name for one in fields(Feedback)]
    writer = csv.DictWriter(text, names, lineterminator="\r\n")
    writer.writeheader()
    for one in said:
        row = asdict(one)
        # a spreadsheet must not take a user's name for a formula
        row["user"] = "'" + row["user"] if row["user"][:1] in ("=", "+", "-", "@", "\t", "\r") else row["user"]
        row["asked_prompts"] = row["asked_prompts"] or ""
        writer.writerow(row)
    return text.getvalue()
