import pytest

from similar_cases.domain.errors import InvalidSettings
from similar_cases.segment.backends.region_growing import RegionGrowing
from similar_cases.segment.registry import SEGMENTERS


def test_a_name_makes_its_segmenter():
    assert isinstance(SEGMENTERS.create("region_growing"), RegionGrowing)


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(InvalidSettings, match=r"no segmenter 'sam'.*region_growing"):
        SEGMENTERS.create("sam")


def test_a_name_is_taken_once():
    with pytest.raises(InvalidSettings, match="already"):
        SEGMENTERS.registered("region_growing", RegionGrowing)


def test_registering_leaves_the_old_registry_as_it_was():
    more = SEGMENTERS.registered("other", RegionGrowing)
    assert set(more.names) == {*SEGMENTERS.names, "other"}
    assert "other" not in SEGMENTERS.names
    with pytest.raises(TypeError):
        SEGMENTERS.factories["other"] = RegionGrowing
