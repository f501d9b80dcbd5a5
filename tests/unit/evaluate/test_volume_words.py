from tests.unit.evaluate.described import region
from tests.unit.evaluate.volumes import axis, volume

from similar_cases.domain.description import Location
from similar_cases.evaluate.volume_words import by_words, caption_of_volume


def captioned(diameter):
    values = {"shape_Maximum3DDiameter": diameter, "shape_VoxelVolume": 5000.0, "shape_Sphericity": 0.9}
    lesion = region("p", values=values, location=Location((1.0, 2.0, 3.0), (0.5, 0.5, 0.5)))
    return caption_of_volume(volume("v", [axis(0)]).sample, lesion)


def test_a_caption_tells_what_was_measured_of_the_lesion():
    assert "5 ml" in captioned(8.0)
    assert captioned(8.0) != captioned(120.0)
    bare = caption_of_volume(volume("v", [axis(0)]).sample, None)
    assert "ml" not in bare
    assert "CT" in bare


def test_words_find_the_captions_that_hold_them():
    archive = {"big": captioned(120.0), "small": captioned(8.0), "other": captioned(9.4)}
    volumes = [volume(uid, [axis(0)]) for uid in archive]
    way = by_words({"q": captioned(8.0)}, archive, "words")
    query = volume("q", [axis(0)])
    assert way.ranking(query, volumes)[0] == "small"
    assert way.ranking(query, volumes[:1]) == ["big"]


def test_what_shares_no_word_is_no_answer():
    way = by_words({"q": "liver"}, {"a": "thigh", "b": "liver"}, "words")
    assert way.ranking(volume("q", [axis(0)]), [volume("a", [axis(0)]), volume("b", [axis(0)])]) == ["b"]
