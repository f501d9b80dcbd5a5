from similar_cases.describe.backends.efficientnet import EfficientNetEmbedder


def test_the_space_names_the_weights_by_their_whole_hash():
    assert EfficientNetEmbedder().slice_space.weights == (
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
    )


def test_the_spaces_stay_those_that_archives_are_indexed_in():
    """Another identifier would leave every vector of an archive without a partner."""
    embedder = EfficientNetEmbedder()
    spaces = (embedder.region_space, embedder.series_space, embedder.slice_space)
    assert [space.id for space in spaces] == ["361974ae0903", "1538405b1a76", "7f7855560515"]
