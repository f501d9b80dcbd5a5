"""Ways to rank volumes by their slices: voting, pooling, late interaction, and several in turn.

The ranking itself is the product's (``rank.voting``, ``rank.pooling``, ``rank.interleave``, ``index``); here it is put
together as the papers did.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from similar_cases.domain.description import EmbeddingSpace
from similar_cases.evaluate.describe_volumes import DescribedVolume
from similar_cases.index.case_index import CaseIndex
from similar_cases.index.late_interaction import max_sim
from similar_cases.rank.interleave import interleave, unique
from similar_cases.rank.pooling import Pooling, pool
from similar_cases.rank.voting import Vote, vote

#: opens an empty index of a space: exact, or an approximate one that is held against it
OpenIndex = Callable[[EmbeddingSpace], CaseIndex]
#: (query, who may answer) → uids of volumes, best first
Ranks = Callable[[DescribedVolume, Sequence[DescribedVolume]], list[str]]

#: for each slice of a query, what it found: (volume, row of its slices, cosine)
Hits = list[list[tuple[str, int, float]]]


@dataclass(frozen=True)
class VolumeWay:
    """A way to rank volumes, and what its rows are called."""

    name: str
    ranking: Ranks


class SliceArchive:
    """The slices of many volumes in one index; a query's slices find the nearest of other volumes."""

    def __init__(self, volumes: Sequence[DescribedVolume], space: EmbeddingSpace, open_index: OpenIndex) -> None:
        self._index = open_index(space)
        self._volume_of: dict[str, tuple[str, int]] = {}
        self._last: dict[tuple[str, int, tuple[str, ...]], Hits] = {}
        self._slices_of: dict[str, list[str]] = {}
        for volume in volumes:
            uids = [f"{volume.uid}/{k:05}" for k in volume.slice_index.tolist()]
            self._volume_of |= {uid: (volume.uid, row) for row, uid in enumerate(uids)}
            self._slices_of[volume.uid] = uids
            self._index.add(uids, volume.slices.astype(np.float32))

    def hits(self, query: DescribedVolume, count: int, among: Sequence[DescribedVolume]) -> Hits:
        """Return, for each slice of `query`, the `count` nearest as (volume, row of its slices, cosine).

        What was asked last time is remembered: several ways to rank ask the same.
        """
        asked = (query.uid, count, tuple(volume.uid for volume in among))
        if asked not in self._last:
            self._last = {asked: self._sought(query, count, among)}
        return self._last[asked]

    def _sought(self, query: DescribedVolume, count: int, among: Sequence[DescribedVolume]) -> Hits:
        uids = None
        if len(among) < len(self._slices_of):
            uids = [uid for volume in among for uid in self._slices_of[volume.uid]]
        found = (self._index.nearest(one.astype(np.float32), count, uids) for one in query.slices)
        return [[(*self._volume_of[near.case_uid], near.similarity) for near in of_slice] for of_slice in found]


def by_voting(archive: SliceArchive, how: Vote, per_slice: int) -> VolumeWay:
    """Return the ranking by the `per_slice` nearest slices of each of the query's slices."""

    def ranking(query: DescribedVolume, among: Sequence[DescribedVolume]) -> list[str]:
        hits = archive.hits(query, per_slice, among)
        return [uid for uid, _ in vote([[(uid, near) for uid, _, near in one] for one in hits], how)]

    return VolumeWay(f"slices vote by {how.value}", ranking)


def by_pooling(
    volumes: Sequence[DescribedVolume], how: Pooling, space: EmbeddingSpace, open_index: OpenIndex, nearest: int = 50
) -> VolumeWay:
    """Return the ranking by one vector a volume, the first mention of each among the `nearest`."""
    vectors = {one.uid: pool(one.slices, how) for one in volumes}
    index = open_index(space)
    there = [uid for uid, vector in vectors.items() if np.linalg.norm(vector) > 0]
    index.add(there, np.stack([vectors[uid] for uid in there]))

    def ranking(query: DescribedVolume, among: Sequence[DescribedVolume]) -> list[str]:
        vector = pool(query.slices, how)
        if not np.linalg.norm(vector):
            return []
        return unique(near.case_uid for near in index.nearest(vector, nearest, [one.uid for one in among]))

    return VolumeWay(f"pooled, {how.value}", ranking)


def by_max_sim(archive: SliceArchive, volumes: Sequence[DescribedVolume], per_slice: int) -> VolumeWay:
    """Return the re-ranking by late interaction of every volume that a slice of the query found."""
    slices = {one.uid: one.slices for one in volumes}

    def ranking(query: DescribedVolume, among: Sequence[DescribedVolume]) -> list[str]:
        hits = archive.hits(query, per_slice, among)
        return rerank(query.slices, {uid: slices[uid] for one in hits for uid, _, _ in one})

    return VolumeWay("slices vote, re-ranked by MaxSim", ranking)


def rerank(query: NDArray[np.floating], candidates: Mapping[str, NDArray[np.floating]]) -> list[str]:
    """Return the candidates by the MaxSim of their slices with the query's, equal scores by name."""
    names = sorted(candidates)
    scores = [match.score for match in max_sim(query, [candidates[name] for name in names])]
    return sorted(names, key=dict(zip(names, [-score for score in scores], strict=True)).__getitem__)


def in_turn(first: VolumeWay, *others: VolumeWay) -> VolumeWay:
    """Return the round-robin of several ways."""
    ways = (first, *others)

    def ranking(query: DescribedVolume, among: Sequence[DescribedVolume]) -> list[str]:
        return interleave([way.ranking(query, among) for way in ways])

    return VolumeWay(" in turn with ".join(way.name for way in ways), ranking)
