"""BM25 against its formula written out for three documents, and words that are only words."""

import math

import numpy as np
import pytest

from similar_cases.index.bm25 import Postings, words_of

DOCUMENTS = ("large necrotic mass of the thigh", "small round mass", "cyst in the liver, a small cyst")


@pytest.fixture
def held() -> Postings:
    postings = Postings()
    for text in DOCUMENTS:
        postings.add(words_of(text))
    return postings


def by_hand(word: str, counts: list[int]) -> tuple[list[float], float]:
    lengths = [len(words_of(text)) for text in DOCUMENTS]
    mean = sum(lengths) / 3
    df = sum(count > 0 for count in counts)
    idf = math.log(1 + (3 - df + 0.5) / (df + 0.5))
    scores = [
        idf * count * 2.2 / (count + 1.2 * (0.25 + 0.75 * length / mean)) if count else 0.0
        for count, length in zip(counts, lengths, strict=True)
    ]
    return scores, idf * 2.2


def test_scores_are_those_of_the_formula(held):
    mass, cyst = by_hand("mass", [1, 1, 0]), by_hand("cyst", [0, 0, 2])
    expected = (np.array(mass[0]) + np.array(cyst[0])) / (mass[1] + cyst[1])
    assert held.scores(["mass", "cyst"], np.ones(3, bool)) == pytest.approx(expected)
    assert held.scores(["mass", "mass"], np.ones(3, bool)) == pytest.approx(np.array(mass[0]) / mass[1])


def test_what_is_gone_counts_in_nothing(held):
    live = np.array([True, False, True])
    scores = held.scores(["mass"], live)
    assert scores[1] == 0.0
    idf = math.log(1 + (2 - 1 + 0.5) / (1 + 0.5))
    lengths = [len(words_of(DOCUMENTS[0])), len(words_of(DOCUMENTS[2]))]
    tf = 2.2 / (1 + 1.2 * (0.25 + 0.75 * lengths[0] / (sum(lengths) / 2)))
    assert scores[0] == pytest.approx(idf * tf / (idf * 2.2))


def test_unknown_words_lower_every_score_alike(held):
    known = held.scores(["mass"], np.ones(3, bool))
    with_unknown = held.scores(["mass", "unicorn"], np.ones(3, bool))
    assert (with_unknown[:2] < known[:2]).all()
    assert not held.scores(["unicorn"], np.ones(3, bool)).any()
    assert not Postings().scores(["mass"], np.ones(0, bool)).any()


@pytest.mark.parametrize(
    "text",
    ['mass" OR 1=1 --', "mass*", "NEAR(mass, 3)", "caption : mass", "^mass", "(((mass", "mass AND NOT", "'; drop"],
)
def test_a_text_is_words_and_no_query_language(held, text):
    assert held.scores(words_of(text), np.ones(3, bool)).shape == (3,)
    assert set(words_of(text)) <= {"mass", "1", "near", "3", "caption", "not", "drop"}


def test_words_are_folded_in_every_script():
    assert words_of("ＭＡＳＳ Straße ΤΥΜΟΣ 腫瘤") == ["mass", "strasse", "τυμοσ", "腫瘤"]
