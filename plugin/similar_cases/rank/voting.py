"""Slices vote for volumes: each query slice has found its nearest slices, and their volumes are put in order."""

from collections.abc import Iterable
from enum import StrEnum


class Vote(StrEnum):
    """How the slices found add up to their volume (3D-MIR, arXiv 2311.13752, section on slice-based retrieval)."""

    #: how many slices of the volume were found
    FREQUENCY = "frequency"
    #: the most similar slice alone
    MAX = "max"
    #: the similarities of all slices found
    SUM = "sum"


def vote(hits: Iterable[Iterable[tuple[str, float]]], how: Vote) -> list[tuple[str, float]]:
    """Return (volume, score), best first; equal scores by the sum of similarities, then by the volume's name.

    Args:
        hits: for each query slice, the (volume, similarity) of each slice that it found.
        how: what a volume's score is.

    >>> hits = [[("a", 0.9), ("b", 0.5)], [("b", 0.6), ("b", 0.2)]]
    >>> vote(hits, Vote.FREQUENCY)
    [('b', 3.0), ('a', 1.0)]
    >>> vote(hits, Vote.MAX)[0], vote(hits, Vote.SUM)[0]
    (('a', 0.9), ('b', 1.3))
    """
    found: dict[str, list[float]] = {}
    for of_slice in hits:
        for volume, similarity in of_slice:
            found.setdefault(volume, []).append(similarity)
    scored = [(volume, _score(similarities, how), sum(similarities)) for volume, similarities in found.items()]
    return [(volume, score) for volume, score, _ in sorted(scored, key=lambda one: (-one[1], -one[2], one[0]))]


def _score(similarities: list[float], how: Vote) -> float:
    match how:
        case Vote.FREQUENCY:
            return float(len(similarities))
        case Vote.MAX:
            return max(similarities)
        case Vote.SUM:
            return sum(similarities)
