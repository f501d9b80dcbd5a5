"""Percentiles kept beside the table agree with those of a table that is read anew, whatever came and went."""

import numpy as np
import pytest
from tests.case_samples import RECIPE, sample
from tests.case_samples import series as ref
from tests.small_archive import SmallArchive

from similar_cases.domain.description import RadiomicsVector
from similar_cases.index.rows import IndexedSeries, SeriesKind, SeriesSighting
from similar_cases.pipeline.populations import Populations

NAMES = [f"shape_F{n}" for n in range(6)]
ASKED = RadiomicsVector(dict.fromkeys(NAMES, 0.5), RECIPE)


def put(archive: SmallArchive, number: int, modality: str = "CT", names: list[str] = NAMES) -> str:
    rng = np.random.default_rng(number)
    values = {name: float(rng.random()) for name in names if rng.random() < 0.8}
    case = sample(ref(number), "a", radiomics=values or {NAMES[0]: 0.1}, modality=modality)
    worklist = archive.tools.worklist
    with worklist.catalogue.writing() as connection:
        sighting = SeriesSighting(series=ref(number), kind=SeriesKind.IMAGE, modality=modality, instance_count=1)
        worklist.catalogue.see(connection, sighting)
        worklist.catalogue.commit(
            connection, IndexedSeries(series=ref(number), content_key="", pipeline="", cases=(case,))
        )
    return case.uid


def told(populations: Populations) -> dict[str, float]:
    uids, values = populations.all_agreements(ASKED, "CT")
    return dict(zip(uids, values.tolist(), strict=True))


def test_whatever_came_and_went_the_agreements_are_those_of_a_fresh_table(tmp_path):
    archive = SmallArchive(tmp_path)
    engine = archive.tools.worklist.catalogue.engine
    held = Populations(engine)
    assert held.all_agreements(ASKED, "CT")[1].shape == (0,)
    for number in range(12):
        put(archive, number, "MR" if number % 3 == 0 else "CT")
    steps = [
        lambda: None,
        lambda: put(archive, 20, "PT"),
        lambda: archive.tools.worklist.forget([ref(3).series_uid, ref(11).series_uid]),
        lambda: put(archive, 5, "MR"),
        lambda: put(archive, 21, "CT", [*NAMES, "glcm_New"]),
    ]
    for step in steps:
        step()
        fresh = told(Populations(engine))
        assert told(held) == pytest.approx(fresh, nan_ok=True)
        uids = [*sorted(fresh)[::-1], "1.2.3"]
        some = held.agreements(ASKED, "CT", uids)
        assert np.isnan(some[-1])
        assert some[:-1] == pytest.approx([fresh[uid] for uid in uids[:-1]], nan_ok=True)
