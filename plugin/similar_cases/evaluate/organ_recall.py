"""Which organs the answers show: the protocol of arXiv 2405.09334 on TotalSegmentator's CTs.

Each slice of a query finds its nearest slice. *Slice*: does that slice show the query slice's organs? *Volume*: all
slices vote, the volume with most hits answers. *Region*: the slices that show an organ vote alone, organ by organ.
*Localized*: does the best of the slices that spoke for that answer show the organ; the *localization ratio* is the
share of them that do. *Re-ranked*: every volume that any slice found is compared by MaxSim.

The value is the mean over the classes of their recall, with the standard deviation over them: of the queries that show
a class, the share whose first answer shows it. Chance is a volume, or a slice, drawn at random. The paper's parameter L
of localized retrieval could not be read; there is none here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from similar_cases.evaluate.bootstrap_interval import bootstrap_macro_interval
from similar_cases.evaluate.describe_volumes import DescribedVolume
from similar_cases.evaluate.row import Row
from similar_cases.evaluate.volume_ways import SliceArchive
from similar_cases.index.late_interaction import SetMatch, max_sim
from similar_cases.rank.voting import Vote, vote


class Mode(StrEnum):
    """What is sent, and what is looked at in the answer."""

    SLICE = "slice"
    VOLUME = "volume"
    REGION = "region"
    LOCALIZED = "localized"
    RATIO = "localization ratio"
    VOLUME_RERANKED = "volume, re-ranked"
    REGION_RERANKED = "region, re-ranked"
    LOCALIZED_RERANKED = "localized, re-ranked"
    RATIO_RERANKED = "localization ratio, re-ranked"


#: what tables call the two sets of classes
FINE, COARSE = "104 classes", "29 classes"
#: (mode, classes) → the best that the paper reports, of any of its extractors (section 3.2)
PAPER: Mapping[tuple[Mode, str], str] = MappingProxyType(
    {
        (Mode.VOLUME_RERANKED, COARSE): ".967 ± .040 (DINOv1), .967 ± .045 (DreamSim)",
        (Mode.VOLUME_RERANKED, FINE): ".924 ± .072 (Swin)",
        (Mode.REGION, COARSE): ".987 ± .027 (DreamSim)",
        (Mode.REGION, FINE): ".987 ± .024 (DreamSim)",
    }
)
_BY_SLICE = frozenset({Mode.SLICE, Mode.LOCALIZED, Mode.RATIO, Mode.LOCALIZED_RERANKED, Mode.RATIO_RERANKED})


@dataclass(frozen=True, kw_only=True, eq=False)
class ShownVolume:
    """A volume, and for each class that it shows, which rows of its slices do: name → (n,) bool."""

    volume: DescribedVolume
    shows: Mapping[str, NDArray[np.bool_]]

    @classmethod
    def of(cls, volume: DescribedVolume, slices: Mapping[str, Sequence[int]]) -> "ShownVolume":
        """Return the volume with class → slices k; a class between the slices that were looked at is not shown."""
        rows = {name: np.isin(volume.slice_index, ks) for name, ks in slices.items()}
        return cls(volume=volume, shows={name: row for name, row in rows.items() if row.any()})


def organ_recall(
    queries: Sequence[ShownVolume], archive: Sequence[ShownVolume], slices: SliceArchive, about: tuple[str, str, str]
) -> list[Row]:
    """Return one row a mode.

    Args:
        queries: of patients that the `archive` has not.
        archive: the volumes in `slices`.
        slices: their slices.
        about: the rows' data, task (how many classes) and way.
    """
    classes = sorted({name for one in queries for name in one.shows})
    tallies = {mode: _Tally(len(queries), classes) for mode in Mode}
    by_uid = {one.volume.uid: one for one in archive}
    for row, query in enumerate(queries):
        _Asked(query, by_uid, slices, row, tallies).count()
    chances = {True: _slice_shares(archive, classes), False: _volume_shares(archive, classes)}
    return [tally.row(mode, about, chances[mode in _BY_SLICE]) for mode, tally in tallies.items()]


class _Tally:
    """Hits and counts by query and class."""

    def __init__(self, queries: int, classes: Sequence[str]) -> None:
        self._column = {name: column for column, name in enumerate(classes)}
        self._hits = np.zeros((queries, len(classes)))
        self._counts = np.zeros((queries, len(classes)))

    def add(self, query: int, name: str, hits: float, of: float = 1.0) -> None:
        self._hits[query, self._column[name]] += hits
        self._counts[query, self._column[name]] += of

    def row(self, mode: Mode, about: tuple[str, str, str], chance: Mapping[str, float]) -> Row:
        asked = self._counts.sum(axis=0)
        known = asked > 0
        recalls = self._hits.sum(axis=0)[known] / asked[known]
        data, task, way = about
        return Row(
            data=data,
            task=task,
            way=f"{way}: {mode.value}",
            metric="recall" if mode not in (Mode.RATIO, Mode.RATIO_RERANKED) else "share",
            value=float(recalls.mean()),
            std=float(recalls.std()),
            chance=float(np.mean([chance[name] for name, column in self._column.items() if known[column]])),
            n=int(asked.sum()),
            patients=len(self._hits),
            ci=bootstrap_macro_interval(self._hits, self._counts),
            paper=PAPER.get((mode, task), ""),
        )


class _Asked:
    """One query: its slices' neighbours are sought once, and counted in every mode."""

    def __init__(
        self,
        query: ShownVolume,
        by_uid: Mapping[str, ShownVolume],
        slices: SliceArchive,
        row: int,
        tallies: Mapping[Mode, _Tally],
    ) -> None:
        volumes = [one.volume for one in by_uid.values()]
        self._query, self._by_uid, self._row, self._tallies = query, by_uid, row, tallies
        self._hits = [one[0] for one in slices.hits(query.volume, 1, volumes)]
        found = sorted({uid for uid, _, _ in self._hits})
        matches = max_sim(query.volume.slices, [by_uid[uid].volume.slices for uid in found])
        self._matches = dict(zip(found, matches, strict=True))

    def count(self) -> None:
        every = np.ones(len(self._hits), dtype=bool)
        voted, reranked = self._voted(every), self._reranked(every)
        for name, rows in self._query.shows.items():
            near = [self._shows(uid, at, name) for uid, at, _ in (self._hits[r] for r in np.flatnonzero(rows))]
            self._tallies[Mode.SLICE].add(self._row, name, float(sum(near)), float(len(near)))
            self._has(Mode.VOLUME, voted, name)
            self._has(Mode.VOLUME_RERANKED, reranked, name)
            self._region(name, rows)

    def _region(self, name: str, rows: NDArray[np.bool_]) -> None:
        voted, reranked = self._voted(rows), self._reranked(rows)
        self._has(Mode.REGION, voted, name)
        self._has(Mode.REGION_RERANKED, reranked, name)
        spoke = [(at, near) for uid, at, near in (self._hits[r] for r in np.flatnonzero(rows)) if uid == voted]
        self._localized(Mode.LOCALIZED, Mode.RATIO, (voted, spoke), name)
        match = self._matches[reranked]
        pairs = list(zip(match.matched[rows].tolist(), match.cosines[rows].tolist(), strict=True))
        self._localized(Mode.LOCALIZED_RERANKED, Mode.RATIO_RERANKED, (reranked, pairs), name)

    def _localized(self, best: Mode, ratio: Mode, spoke: tuple[str, list[tuple[int, float]]], name: str) -> None:
        uid, pairs = spoke
        first, _ = max(pairs, key=lambda pair: (pair[1], -pair[0]))
        shown = [self._shows(uid, at, name) for at, _ in pairs]
        self._tallies[best].add(self._row, name, float(self._shows(uid, first, name)))
        self._tallies[ratio].add(self._row, name, float(np.mean(shown)))

    def _voted(self, rows: NDArray[np.bool_]) -> str:
        chosen = [[(uid, near)] for (uid, _, near), row in zip(self._hits, rows, strict=True) if row]
        return vote(chosen, Vote.FREQUENCY)[0][0]

    def _reranked(self, rows: NDArray[np.bool_]) -> str:
        found = sorted({uid for (uid, _, _), row in zip(self._hits, rows, strict=True) if row})
        return max(found, key=lambda uid: (_mean(self._matches[uid], rows), [-ord(letter) for letter in uid]))

    def _has(self, mode: Mode, uid: str, name: str) -> None:
        self._tallies[mode].add(self._row, name, float(name in self._by_uid[uid].shows))

    def _shows(self, uid: str, at: int, name: str) -> bool:
        shown = self._by_uid[uid].shows.get(name)
        return shown is not None and bool(shown[at])


def _mean(match: SetMatch, rows: NDArray[np.bool_]) -> float:
    """Return MaxSim over some of the query's slices: each has its nearest whichever others are sent."""
    return float(np.round(match.cosines[rows].mean(), 6))


def _volume_shares(archive: Sequence[ShownVolume], classes: Sequence[str]) -> dict[str, float]:
    return {name: sum(name in one.shows for one in archive) / len(archive) for name in classes}


def _slice_shares(archive: Sequence[ShownVolume], classes: Sequence[str]) -> dict[str, float]:
    total = sum(len(one.volume.slice_index) for one in archive)
    return {name: sum(int(one.shows[name].sum()) for one in archive if name in one.shows) / total for name in classes}
