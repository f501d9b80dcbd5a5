"""Ordered lists that pages are cut from, kept for a while: page 2 continues page 1 whatever was ingested in between.

Concurrency. One lock; what is held is immutable.
"""

import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace

from similar_cases.domain.description import fingerprint
from similar_cases.domain.errors import InvalidRequest, NotFound
from similar_cases.domain.similarity import Per, SimilarityQuery
from similar_cases.pipeline.order import Ordered
from similar_cases.pipeline.question import Question
from similar_cases.rank.ranking import Ranking

#: lists that are kept, each at most a Ranking's pools long, and for how long
MOST, SECONDS = 64, 900.0


@dataclass(frozen=True, eq=False)
class FrozenList:
    """One ordered list: of which query, in which state of the archive, and the order.

    Attributes:
        whole: what pages are cut from: where the query wants one Case a home, the best of each.
        every: all Cases in order, among which a caller who may not read the best of a home has another best.
    """

    name: str
    query_key: str
    question: Question
    ranking: Ranking
    whole: Ordered
    every: Ordered
    one_per: Per
    candidates: int


def query_key(query: SimilarityQuery) -> str:
    """Return what is the same for every page of one query.

    >>> one = SimilarityQuery(text="mass")
    >>> query_key(one) == query_key(replace(one, offset=10, limit=5))
    True
    >>> query_key(one) == query_key(replace(one, text="masses"))
    False
    """
    asked = replace(query, limit=0, offset=0, frozen="")
    return fingerprint([repr(asked), asked.text, [hashlib.sha256(sent).hexdigest() for sent in asked.sent]])


class FrozenLists:
    """The last lists; the oldest leave first, and each after a while."""

    def __init__(self, most: int = MOST, seconds: float = SECONDS, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._seconds = seconds
        self._clock = clock
        self._held: OrderedDict[str, tuple[float, FrozenList]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, query: SimilarityQuery, state: str, make: Callable[[str, str], FrozenList]) -> FrozenList:
        """Return the list that a page is cut from.

        A query that names a list goes on in it, and may leave everything else out; one that asks for a later page goes
        on in the last list of the same query; every other gets the list of the archive's present `state`, made where
        there is none.

        Args:
            query: with its page.
            state: what changes whenever the archive does.
            make: (name, query key) → the list; called without the lock.

        Raises:
            NotFound: when the list named is not kept any more.
            InvalidRequest: when it belongs to another query.
        """
        key = query_key(query)
        name = fingerprint([key, state])
        with self._lock:
            held = self._known(query, key, name)
        if held is None:
            held = make(name, key)
            with self._lock:
                self._held[name] = (self._clock(), held)
                while len(self._held) > self._most:
                    self._held.popitem(last=False)
        return held

    def _known(self, query: SimilarityQuery, key: str, name: str) -> FrozenList | None:
        now = self._clock()
        for old in [one for one, (since, _) in self._held.items() if now - since > self._seconds]:
            del self._held[old]
        if query.frozen:
            if query.frozen not in self._held:
                raise NotFound(f"the list {query.frozen[:64]} is not kept any more; ask again without naming it")
            found = self._held[query.frozen][1]
            if found.query_key != key and not _names_a_list_alone(query):
                raise InvalidRequest(f"the list {query.frozen[:64]} belongs to another query")
            return found
        if query.offset:
            same = [one for _, one in self._held.values() if one.query_key == key]
            if same:
                return same[-1]
        return self._held[name][1] if name in self._held else None


def _names_a_list_alone(query: SimilarityQuery) -> bool:
    return query == SimilarityQuery(limit=query.limit, offset=query.offset, frozen=query.frozen)
