"""A Ranking: which parts make a score, how candidates are found, and what puts them in order. All by name."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from similar_cases.domain.errors import InvalidRequest
from similar_cases.rank.pooling import Pooling
from similar_cases.rank.voting import Vote

#: compares embeddings, as `Retrieval` says
APPEARANCE = "appearance"
#: compares radiomics: all that both sides have, or the features that the query names
RADIOMICS = "radiomics"
#: compares radiomics as a trained encoder sees them
RADIOMICS_LEARNED = "radiomics-learned"
#: how near a Case lies to where it should lie
LOCATION = "location"
#: how well a Case's caption and reports fit the query's text
WORDS = "words"
#: late interaction: for every slice (or Region) asked about its best match
MATCHING = "matching"
#: every part, with what it says
PARTS: tuple[str, ...] = (APPEARANCE, RADIOMICS, RADIOMICS_LEARNED, LOCATION, WORDS, MATCHING)


class Retrieval(StrEnum):
    """How candidates are found, and so what `appearance` compares."""

    #: the vectors of the level asked about: Regions with Regions, Volumes with Volumes
    OWN = "own"
    #: Region vectors
    REGION = "region"
    #: one vector a Volume, pooled from its slices
    VOLUME = "volume"
    #: every slice votes for the Volumes of the slices nearest to it
    SLICES = "slices"
    #: as `SLICES`, of the slices alone that hold the Region or the place
    LOCALIZED = "localized"
    #: captions and reports
    TEXT = "text"


class Fusion(StrEnum):
    """How parts, or whole rankings, become one order."""

    #: weighted mean of the parts
    WEIGHTED = "weighted"
    #: weighted mean of the parts, each as the share of random pairs that it exceeds
    CALIBRATED = "calibrated"
    #: reciprocal rank fusion
    RECIPROCAL = "reciprocal-rank"
    #: the first of each, then the second of each, and so on
    ROUND_ROBIN = "round-robin"
    #: weights learnt from what people said of answers
    LEARNED = "learned"


class Rerank(StrEnum):
    """What the first candidates are compared by once more."""

    NONE = "none"
    #: slice with slice
    SLICES = "slices"
    #: the Regions of a Series with the Regions of a Series
    REGIONS = "regions"


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """How an answer is ranked.

    Attributes:
        pooling: how the slices of a Volume become one vector; None for the embedder's own vector of the Volume.
        voting: how slices that were found become Volumes.
        weights: (part, weight) pairs of the parts that count whenever what is asked about gives them.
        named_weights: likewise, of parts that count only where the query itself names them (text, a place, features).
        members: names of other rankings; their lists are fused by `fusion`, which is ROUND_ROBIN or RECIPROCAL then.
        rerank: compares the first `rerank_count` once more, by MaxSim; only those are answers.
        pool: how many candidates every way of finding them gives at most.
        slice_neighbours: how many slices each slice finds.
        query_slices: at most so many slices ask, evenly spread.
    """

    name: str = "default"
    retrieval: Retrieval = Retrieval.OWN
    pooling: Pooling | None = None
    voting: Vote = Vote.FREQUENCY
    weights: tuple[tuple[str, float], ...] = ((APPEARANCE, 0.6), (RADIOMICS, 0.4))
    named_weights: tuple[tuple[str, float], ...] = ()
    fusion: Fusion = Fusion.WEIGHTED
    members: tuple[str, ...] = ()
    rerank: Rerank = Rerank.NONE
    rerank_count: int = 50
    pool: int = 1000
    slice_neighbours: int = 20
    query_slices: int = 64

    def __post_init__(self) -> None:
        """Refuse weights that make no score, and members that cannot be fused."""
        for name, weight in (*self.weights, *self.named_weights):
            if name not in PARTS:
                raise InvalidRequest(f"no part of the score is called {name[:80]!r}; there are {', '.join(PARTS)}")
            if not math.isfinite(weight) or weight < 0:
                raise InvalidRequest("a weight is a number, 0 or more")
        if not any(weight for _, weight in (*self.weights, *self.named_weights)):
            raise InvalidRequest("at least one weight must be over 0")
        if self.members and self.fusion not in (Fusion.ROUND_ROBIN, Fusion.RECIPROCAL):
            raise InvalidRequest(f"ranking {self.name} fuses rankings; its fusion is round-robin or reciprocal-rank")

    def weighted(self, weights: Iterable[tuple[str, float]]) -> "Ranking":
        """Return the ranking with some weights changed.

        Raises:
            InvalidRequest: for a part that there is not, or weights that make no score.

        >>> Ranking().weighted([("radiomics", 0)]).weights
        (('appearance', 0.6), ('radiomics', 0))
        """
        changed = dict(weights)
        if not changed:
            return self
        named = tuple((name, weight) for name, weight in self.named_weights if name not in changed)
        return replace(self, weights=tuple((dict(self.weights) | changed).items()), named_weights=named)

    def weights_for(self, named: Iterable[str]) -> dict[str, float]:
        """Return the weights that count for a query that itself names the parts `named`.

        Raises:
            InvalidRequest: when a part that the query names has no weight: it would be passed over in silence.

        >>> BUILT_IN["default"].weights_for([WORDS])
        {'appearance': 0.6, 'radiomics': 0.4, 'words': 0.4}
        """
        given, own = set(named), dict(self.weights)
        counted = own | {name: weight for name, weight in self.named_weights if name in given and name not in own}
        for name in sorted(given):
            if not counted.get(name, 0.0) and not (name == RADIOMICS and counted.get(RADIOMICS_LEARNED, 0.0)):
                raise InvalidRequest(
                    f"ranking {self.name} gives {name} no weight, and the query asks by it: leave that out, give it a"
                    " weight, or take another ranking"
                )
        if not any(counted.values()):
            raise InvalidRequest(f"ranking {self.name} gives weight only to parts that the query does not name")
        return {name: weight for name, weight in counted.items() if weight > 0}


def _built_in() -> Iterable[Ranking]:
    yield Ranking(named_weights=((LOCATION, 0.3), (WORDS, 0.4)))
    yield Ranking(name="appearance", weights=((APPEARANCE, 1.0),))
    yield Ranking(name="radiomics", weights=((RADIOMICS, 1.0),))
    yield Ranking(name="radiomics-learned", weights=((RADIOMICS_LEARNED, 1.0),))
    yield Ranking(name="location", weights=((LOCATION, 1.0),))
    yield Ranking(name="text", weights=((WORDS, 1.0),), retrieval=Retrieval.TEXT)
    alone = ((APPEARANCE, 1.0),)
    for pooling in Pooling:
        yield Ranking(name=f"volume-{pooling}", weights=alone, retrieval=Retrieval.VOLUME, pooling=pooling)
    for voting in Vote:
        yield Ranking(name=f"slices-{voting}", weights=alone, retrieval=Retrieval.SLICES, voting=voting)
    yield Ranking(name="localized", weights=alone, retrieval=Retrieval.LOCALIZED)
    matched = ((MATCHING, 1.0),)
    yield Ranking(name="reranked", weights=matched, retrieval=Retrieval.SLICES, rerank=Rerank.SLICES)
    yield Ranking(name="reranked-localized", weights=matched, retrieval=Retrieval.LOCALIZED, rerank=Rerank.SLICES)
    yield Ranking(name="reranked-regions", weights=matched, retrieval=Retrieval.VOLUME, rerank=Rerank.REGIONS)
    parts = ((APPEARANCE, 0.6), (RADIOMICS, 0.4))
    named = ((LOCATION, 0.3), (WORDS, 0.4))
    for fusion in (Fusion.CALIBRATED, Fusion.RECIPROCAL, Fusion.ROUND_ROBIN, Fusion.LEARNED):
        yield Ranking(name=fusion.value, weights=parts, named_weights=named, fusion=fusion)
    # 3D-MIR's hybrid of slice voting and text
    yield Ranking(name="hybrid", members=("slices-frequency", "text"), fusion=Fusion.ROUND_ROBIN)


#: the rankings that come with the product
BUILT_IN: Mapping[str, Ranking] = MappingProxyType({ranking.name: ranking for ranking in _built_in()})


class Rankings:
    """Rankings by name: those that come with the product, and the site's own, which may replace them."""

    def __init__(
        self, own: Iterable[Ranking] = (), default: str = "default", weights: Iterable[tuple[str, float]] = ()
    ) -> None:
        """Take the site's own.

        Args:
            own: further rankings, or others under the same names.
            default: the ranking of queries that name none.
            weights: (part, weight) pairs that replace those of that one.

        Raises:
            InvalidRequest: when `default`, or a member of a ranking, is unknown, or a member has members itself.
        """
        self._known = {**BUILT_IN, **{ranking.name: ranking for ranking in own}}
        self._default = default
        self._known[default] = self.of("").weighted(weights)
        for ranking in self._known.values():
            for member in ranking.members:
                if self.of(member).members:
                    raise InvalidRequest(f"ranking {ranking.name} has the member {member}, which has members itself")

    @property
    def names(self) -> tuple[str, ...]:
        """Every name, sorted."""
        return tuple(sorted(self._known))

    def of(self, name: str) -> Ranking:
        """Return the ranking of that name; of an empty one the site's default.

        Raises:
            InvalidRequest: for an unknown name, which lists the known ones.
        """
        found = self._known.get(name or self._default)
        if found is None:
            known = ", ".join(self.names)
            raise InvalidRequest(f"no ranking is called {(name or self._default)[:80]!r}; there are {known}")
        return found


def ranking_of(name: str, wishes: Mapping[str, object]) -> Ranking:
    """Return the ranking that a site describes: fields of `Ranking` by name, what it leaves out at its default.

    Raises:
        InvalidRequest: for a field that there is not, or a value that it cannot have; the known ones are listed.

    >>> ranking_of("mine", {"retrieval": "slices", "voting": "max", "weights": {"appearance": 1.0}}).voting
    <Vote.MAX: 'max'>
    """
    read: dict[str, object] = {}
    for field_name, value in wishes.items():
        if field_name not in _READERS:
            known = ", ".join(_READERS)
            raise InvalidRequest(f"ranking {name}: no field is called {field_name[:80]!r}; there are {known}")
        try:
            read[field_name] = _READERS[field_name](value)
        except (TypeError, ValueError, AttributeError):
            raise InvalidRequest(f"ranking {name}: {field_name} is {_allowed(field_name)}, got {value!r}") from None
    return Ranking(name=name, **read)  # type: ignore[arg-type]  # each by its reader


def _pairs(value: Any) -> tuple[tuple[str, float], ...]:
    return tuple((str(part), float(weight)) for part, weight in value.items())


def _count(value: Any) -> int:
    if isinstance(value, bool) or int(value) != value or value < 1:
        raise ValueError
    return int(value)


_READERS: Mapping[str, Callable[[Any], object]] = MappingProxyType(
    {
        "retrieval": Retrieval,
        "pooling": Pooling,
        "voting": Vote,
        "weights": _pairs,
        "named_weights": _pairs,
        "fusion": Fusion,
        "members": lambda names: tuple(str(name) for name in names),
        "rerank": Rerank,
        "rerank_count": _count,
        "pool": _count,
        "slice_neighbours": _count,
        "query_slices": _count,
    }
)


def _allowed(field_name: str) -> str:
    reader = _READERS[field_name]
    if isinstance(reader, type) and issubclass(reader, StrEnum):
        return f"one of {', '.join(reader)}"
    return (
        "a table of numbers" if reader is _pairs else "a whole number over 0" if reader is _count else "a list of names"
    )
