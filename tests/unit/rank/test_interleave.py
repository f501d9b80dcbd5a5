from similar_cases.rank.interleave import interleave, unique


def test_rankings_take_turns_and_nobody_comes_twice():
    assert interleave([["a", "b", "c"], ["b", "a", "d", "e"]]) == ["a", "b", "c", "d", "e"]


def test_a_short_ranking_leaves_its_turn():
    assert interleave([[], ["x", "y"]]) == ["x", "y"]
    assert interleave([]) == []


def test_the_first_mention_counts():
    assert unique(["b", "b", "a", "b"]) == ["b", "a"]
