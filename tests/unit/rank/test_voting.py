from similar_cases.rank.voting import Vote, vote

HITS = [[("a", 0.9), ("b", 0.5), ("b", 0.4)], [("c", 0.7), ("b", 0.1)], []]


def test_each_way_to_vote_has_its_own_winner():
    assert vote(HITS, Vote.FREQUENCY)[0] == ("b", 3.0)
    assert vote(HITS, Vote.MAX)[0] == ("a", 0.9)
    assert [name for name, _ in vote(HITS, Vote.SUM)] == ["b", "a", "c"]


def test_equal_counts_are_told_apart_by_similarity_then_by_name():
    assert [name for name, _ in vote([[("z", 0.5), ("y", 0.6)]], Vote.FREQUENCY)] == ["y", "z"]
    assert [name for name, _ in vote([[("z", 0.5), ("y", 0.5)]], Vote.FREQUENCY)] == ["y", "z"]


def test_nothing_found_is_no_volume():
    assert vote([[], []], Vote.SUM) == []


def test_the_order_of_slices_is_no_matter():
    assert vote(HITS, Vote.MAX) == vote(HITS[::-1], Vote.MAX)
