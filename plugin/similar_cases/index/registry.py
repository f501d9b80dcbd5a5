"""Names of case indexes, and what makes them; a library is imported when its index is opened."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from similar_cases.domain.description import EmbeddingSpace
from similar_cases.domain.errors import InvalidSettings
from similar_cases.index.case_index import CaseIndex

#: makes the empty index of a space; the second argument is the device, ``cpu`` or ``cuda``
CaseIndexFactory = Callable[[EmbeddingSpace, str], CaseIndex]


def _exact(space: EmbeddingSpace, device: str) -> CaseIndex:
    from similar_cases.index.exact import ExactIndex

    return ExactIndex(space, device)


def _faiss(name: str) -> CaseIndexFactory:
    def opened(space: EmbeddingSpace, _device: str) -> CaseIndex:
        try:
            from similar_cases.index.faiss_index import FaissIndex, FaissKind
        except ImportError as error:
            raise InvalidSettings(f"index.engine = {name!r} needs FAISS: pip install 'similar-cases[faiss]'") from error
        return FaissIndex(space, FaissKind(name))

    return opened


CASE_INDEXES: Mapping[str, CaseIndexFactory] = MappingProxyType(
    {
        "exact": _exact,
        **{name: _faiss(name) for name in ("faiss-flat", "faiss-sq8", "faiss-hnsw", "faiss-ivfpq", "faiss-lsh")},
    }
)


def case_index_factory(name: str) -> CaseIndexFactory:
    """Return what makes the index of that name.

    Raises:
        InvalidSettings: when there is none, the message lists the names.

    >>> case_index_factory("magic")
    Traceback (most recent call last):
    similar_cases.domain.errors.InvalidSettings: no index 'magic'; there are exact, faiss-flat, faiss-sq8, ...
    """
    if name not in CASE_INDEXES:
        raise InvalidSettings(f"no index {name!r}; there are {', '.join(CASE_INDEXES)}")
    return CASE_INDEXES[name]
