from pathlib import Path

import pytest
from tests.small_archive import SmallArchive, contours_of, images_of, phantom

from similar_cases.demo.phantoms import LesionKind
from similar_cases.domain.description import Level
from similar_cases.pipeline.find_similar import SimilarityFinder
from similar_cases.worker.loop import JobLoop

KINDS = (LesionKind.SOLID, LesionKind.NECROTIC, LesionKind.CALCIFIED)


class Hospital:
    """Two patients for each of three kinds of lesion, indexed for real; and a finder."""

    def __init__(self, folder: Path) -> None:
        self.archive = SmallArchive(folder)
        self.phantoms = [phantom(f"{kind}-{n}", kind, seed=n, patient_sex="FM"[n]) for kind in KINDS for n in range(2)]
        self.series = [self.archive.put(images_of(one)) for one in self.phantoms]
        for one in self.phantoms:
            self.archive.put([contours_of(one)])
        self.archive.seen()
        JobLoop(self.archive.tools, "test").run_until_empty()
        self.finder = SimilarityFinder(self.archive.tools)

    def region(self, number: int):
        cases = self.archive.tools.lookups.cases_of(self.series[number].series_uid)
        return next(case for case in cases if case.level is Level.REGION)

    def numbers(self, answer) -> list[int]:
        return [self.series.index(found.case.series) for found in answer.cases]


@pytest.fixture(scope="session")
def hospital(tmp_path_factory) -> Hospital:
    return Hospital(tmp_path_factory.mktemp("hospital"))
