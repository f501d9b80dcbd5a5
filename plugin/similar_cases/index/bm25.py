"""Lexical search: words of a text, and BM25 over the documents that hold them (Robertson and Zaragoza 2009)."""

import math
import re
import unicodedata
from array import array
from collections import Counter
from collections.abc import Collection, Mapping

import numpy as np
from numpy.typing import NDArray

#: the customary constants: how soon a repeated word stops counting, and how much a document's length does
K1, B = 1.2, 0.75
#: words that say nothing about what is sought
STOP = frozenset(
    word
    for words in ("a an and are as at be by for from in is it its", "of on or that the this to was were with without")
    for word in words.split()
)
_WORD = re.compile(r"[^\W_]+")
_MAX_WORD = 40


def words_of(text: str) -> list[str]:
    """Return the words of a text, folded, the plural's s and words that say nothing left out.

    No query language: nothing in a text has a meaning but its words.

    >>> words_of("Large NECROTIC masses in the (thigh) OR *")
    ['large', 'necrotic', 'mass', 'thigh']
    """
    folded = unicodedata.normalize("NFKC", text).casefold()
    return [_stem(word[:_MAX_WORD]) for word in _WORD.findall(folded) if word not in STOP]


def _stem(word: str) -> str:
    if len(word) > 5 and word.endswith(("sses", "xes", "ches")):
        return word[:-2]
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")) else word


class Postings:
    """Which documents hold which word, and how often. Documents are numbered from 0 and only grow; for one thread.

    >>> held = Postings()
    >>> held.add(["mass", "thigh", "mass"]), held.add(["cyst", "thigh"])
    (0, 1)
    >>> held.scores(["mass"], np.array([True, True])).round(3).tolist()
    [0.592, 0.0]
    """

    def __init__(self) -> None:
        self._documents: dict[str, array[int]] = {}
        self._counts: dict[str, array[int]] = {}
        self._lengths: array[int] = array("l")

    def __len__(self) -> int:
        """Return the number of documents."""
        return len(self._lengths)

    def add(self, words: Collection[str]) -> int:
        """Add a document, and return its number."""
        number = len(self._lengths)
        counted: Mapping[str, int] = Counter(words)
        for word, count in counted.items():
            self._documents.setdefault(word, array("l")).append(number)
            self._counts.setdefault(word, array("l")).append(count)
        self._lengths.append(sum(counted.values()))
        return number

    def scores(self, words: Collection[str], live: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Return BM25 of every document, as the share of the most that these words can give; 0 where it holds none.

        score = Σ idf · tf (k1 + 1) / (tf + k1 (1 - b + b · length / mean length)) over the distinct words asked for,
        divided by Σ idf · (k1 + 1); idf = ln(1 + (n - df + ½) / (df + ½)).

        Args:
            words: what is asked for.
            live: (documents,) those that count; of the others the score is 0.
        """
        found = np.zeros(len(self._lengths))
        total, alive = 0.0, int(live.sum())
        lengths = np.frombuffer(self._lengths, dtype=np.dtype("l")) if len(self._lengths) else np.empty(0)
        mean = float(lengths[live].mean()) if alive else 1.0
        for word in sorted(set(words)):
            documents = np.frombuffer(self._documents.get(word, array("l", [])), dtype=np.dtype("l"))
            counts = np.frombuffer(self._counts.get(word, array("l", [])), dtype=np.dtype("l"))
            kept = live[documents] if len(documents) else np.zeros(0, dtype=bool)
            documents, counts = documents[kept], counts[kept].astype(np.float64)
            idf = math.log(1 + (alive - len(documents) + 0.5) / (len(documents) + 0.5))
            total += idf * (K1 + 1)
            found[documents] += (
                idf * counts * (K1 + 1) / (counts + K1 * (1 - B + B * lengths[documents] / max(mean, 1e-9)))
            )
        return found / total if total else found
