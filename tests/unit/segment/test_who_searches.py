"""Who searches series without annotations, by the settings."""

import pytest

from similar_cases.bootstrap import open_proposer, open_segmenter
from similar_cases.settings import Settings


@pytest.mark.parametrize(
    ("segment", "who"),
    [
        ({}, "Promptable U-Net"),
        ({"backend": "promptable"}, None),  # it can do both
        ({"everything_points": 0}, None),
    ],
)
def test_the_shipped_network_searches_where_the_backend_cannot(segment, who):
    settings = Settings.model_validate({"segment": segment})
    proposer = open_proposer(settings, open_segmenter(settings))
    assert (proposer and proposer.identity.name) == who
