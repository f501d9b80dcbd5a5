"""A study that is deleted while it is worked on does not come back by its own results."""

import pytest
from tests.small_archive import SmallArchive, contours_of, images_of, phantom

from similar_cases.worker.loop import JobLoop


def modalities(archive: SmallArchive) -> set[str]:
    return {listing.modality for listing in archive.pacs.search_series()}


@pytest.mark.parametrize(
    ("owner", "act", "stored"),
    [("pacs", "retrieve_series", 0), ("embedder", "embed_volume", 0), ("pacs", "store_instances", 2)],
)
def test_a_study_that_is_deleted_after_an_act_stays_deleted(tmp_path, monkeypatch, owner, act, stored):
    archive = SmallArchive(tmp_path)
    series, contours = archive.put(images_of(phantom("1"))), archive.put([contours_of(phantom("1"))])
    archive.seen()
    place = archive.pacs if owner == "pacs" else archive.tools.embedder
    honest, calls = getattr(place, act), []

    def then_deleted(*asked):
        found = honest(*asked)
        if act != "retrieve_series" or asked == (series,):
            calls.append(act)
            for one in (series, contours):
                archive.take_away(one)
            archive.tools.worklist.forget([series.series_uid, contours.series_uid])
        return found

    monkeypatch.setattr(place, act, then_deleted)
    JobLoop(archive.tools, "test").run_until_empty()
    assert calls == [act]
    assert len(archive.pacs.stored) == stored
    assert modalities(archive) == set()
    assert archive.tools.lookups.stats().results == 0


def test_what_another_worker_has_by_now_is_not_taken_back(tmp_path, monkeypatch):
    archive = SmallArchive(tmp_path)
    archive.put(images_of(phantom("1")))
    archive.put([contours_of(phantom("1"))])
    archive.seen()
    honest = archive.pacs.store_instances

    def then_lost(instances):
        honest(instances)
        monkeypatch.setattr(archive.pacs, "store_instances", honest)
        archive.tools.worklist.bury(["slow"])

    monkeypatch.setattr(archive.pacs, "store_instances", then_lost)
    JobLoop(archive.tools, "slow").run_until_empty()
    assert modalities(archive) == {"CT", "RTSTRUCT", "SEG", "SR"}
    assert archive.tools.lookups.stats().results == 2
