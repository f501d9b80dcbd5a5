"""What the audit trail keeps of a question and its answer."""

from similar_cases.domain.similarity import SimilarityAnswer, SimilarityQuery
from similar_cases.index.audit import AuditEntry


def entry_of(query: SimilarityQuery, answer: SimilarityAnswer, user: str, route: str) -> AuditEntry:
    """Return the entry: UIDs and kinds alone, since words, DICOM that was sent and filters may name a patient.

    Args:
        query: as it was asked.
        answer: the page that is sent.
        user: as Orthanc authenticated them.
        route: name of the operation.
    """
    series = (query.series.study_uid, query.series.series_uid) if query.series else ()
    named = (query.study, *series, query.tracking_uid, *query.like, *query.unlike)
    given = {
        "study": query.study,
        "series": query.series and not (query.tracking_uid or query.prompts or query.sent),
        "region": query.tracking_uid,
        "hints": query.prompts,
        "dicom": query.sent,
        "place": query.place,
        "radiomics": query.features,
        "text": query.text,
        "examples": query.like or query.unlike,
    }
    shown = dict.fromkeys(found.case.series.study_uid for found in answer.cases)
    return AuditEntry(
        user=user,
        route=route,
        kinds=tuple(kind for kind, value in given.items() if value),
        asked=tuple(uid for uid in named if uid),
        cases=len(answer.cases),
        shown=tuple(shown),
    )
