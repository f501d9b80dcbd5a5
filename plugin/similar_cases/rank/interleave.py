"""Several rankings in turn: the first of each, then the second of each, what has been named left out."""

from collections.abc import Iterable, Sequence
from itertools import zip_longest


def unique(ranking: Iterable[str]) -> list[str]:
    """Return a ranking with the first mention of each name alone.

    >>> unique(["b", "a", "b"])
    ['b', 'a']
    """
    return list(dict.fromkeys(ranking))


def interleave(rankings: Sequence[Iterable[str]]) -> list[str]:
    """Return the round-robin of `rankings` (3D-MIR, arXiv 2311.13752, hybrid retrieval); the first one begins.

    >>> interleave([["a", "b", "c"], ["b", "d"]])
    ['a', 'b', 'd', 'c']
    """
    turns = zip_longest(*rankings)
    return unique(name for turn in turns for name in turn if name is not None)
