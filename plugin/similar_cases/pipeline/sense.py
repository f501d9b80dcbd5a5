"""Whether a query asks something, before anything is fetched for it."""

from similar_cases.domain.errors import InvalidRequest
from similar_cases.domain.similarity import SimilarityQuery

#: examples of either kind
MAX_EXAMPLES = 64


def require_sense(query: SimilarityQuery) -> None:
    """Refuse a query that asks about nothing, or about what does not go together, with the way out.

    Raises:
        InvalidRequest: with the reason.
    """
    shows = any((query.study, query.series, query.tracking_uid, query.prompts, query.sent, query.like))
    if not (shows or query.text.strip() or query.features or query.place):
        if query.unlike:
            raise InvalidRequest("examples that are not alike need something that is: a query, or an alike example")
        raise InvalidRequest(
            "a query asks about a study, a series, a region, points, a box or a mask in a series, DICOM that is sent"
            " along, a place, features, text, or examples that are alike; there is none of them"
        )
    if query.study and (query.series or query.tracking_uid or query.prompts or query.sent):
        raise InvalidRequest("a query asks about a whole study, or about something in a series, not about both")
    if query.prompts and query.tracking_uid:
        raise InvalidRequest("a query asks about a region by its tracking UID or by prompts, not by both")
    if query.series is None and query.place and query.place.point_lps:
        raise InvalidRequest("a place in LPS mm needs the series that it lies in")
    if query.series is None and not query.sent:
        _require_no_series(query)
    _require_single_examples(query)
    names = [wish.name for wish in query.features]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise InvalidRequest(f"the feature {twice[0][:80]} is wished for twice")


def _require_no_series(query: SimilarityQuery) -> None:
    if query.prompts:
        raise InvalidRequest("prompts need the series that they lie in")
    if query.volume_number:
        raise InvalidRequest("a volume number needs the series that it counts in")


def _require_single_examples(query: SimilarityQuery) -> None:
    if len(query.like) > MAX_EXAMPLES or len(query.unlike) > MAX_EXAMPLES:
        raise InvalidRequest(f"more than {MAX_EXAMPLES} examples of one kind")
    if both := sorted(set(query.like) & set(query.unlike)):
        raise InvalidRequest(f"{both[0]} is an example both of what is alike and of what is not")
