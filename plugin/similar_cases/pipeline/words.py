"""Words on the Cases of one Series: captions, and the text of the Study's reports."""

from collections.abc import Sequence
from dataclasses import replace

from pydicom import Dataset

from similar_cases.describe.text import caption_of, report_of
from similar_cases.domain.case import Case
from similar_cases.domain.errors import NotFound, Refused
from similar_cases.pipeline.tools import Tools
from similar_cases.segment.prompts import is_ours

#: what a report's Series says that it is: structured reports, encapsulated documents
REPORTS = frozenset({"SR", "DOC"})
#: Series of reports of one Study, and instances of each, that are read
_MAX_SERIES, _MAX_INSTANCES = 8, 20


def with_words(cases: Sequence[Case], tools: Tools) -> list[Case]:
    """Return the Cases of one Series with captions, the reports of their Study and, where there is a model, a vector.

    Raises:
        PacsUnavailable: when the PACS does not answer.
    """
    report = report_of(_reports(cases[0], tools), cases[0].facts) if cases else ""
    return [_with_words(case, report, tools) for case in cases]


def _with_words(case: Case, report: str, tools: Tools) -> Case:
    caption = caption_of(case)
    embedded = tools.text_embedder.embed(f"{caption}. {report}") if tools.text_embedder else None
    return replace(case, description=replace(case.description, caption=caption, report=report, text_embedding=embedded))


def _reports(case: Case, tools: Tools) -> list[Dataset]:
    found: list[Dataset] = []
    listed = [one for one in tools.pacs.search_series(case.series.study_uid) if one.modality in REPORTS]
    for listing in [one for one in listed if one.instance_count <= _MAX_INSTANCES][:_MAX_SERIES]:
        try:
            found += [one for one in tools.pacs.retrieve_series(listing.series) if not is_ours(one)]
        except (Refused, NotFound):
            continue  # one report that cannot be read leaves the others their words
    return found
