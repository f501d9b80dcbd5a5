"""An error in one line that holds nothing of a patient."""

import logging
import traceback
from pathlib import Path

from similar_cases.domain.errors import SimilarCasesError

_LOG = logging.getLogger(__name__)


def told(what: str, error: BaseException) -> str:
    """Return what went wrong with `what`; of an error that is not ours only its kind, and its place goes to the log.

    >>> told("region 2.25.1", ValueError("Doe^John"))
    'region 2.25.1: unexpected ValueError'
    """
    if isinstance(error, SimilarCasesError):
        return f"{what}: {error}"
    _LOG.warning("%s: unexpected %s at %s", what, type(error).__name__, _place(error))
    return f"{what}: unexpected {type(error).__name__}"


def _place(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    return f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "an unknown place"
