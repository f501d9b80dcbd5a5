"""What every protocol works with."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from similar_cases.describe.embedder import Embedder
from similar_cases.evaluate.describe_samples import DescribedRegion, Describers, describe_samples
from similar_cases.evaluate.describe_volumes import DescribedVolume, VolumeSample, describe_volumes
from similar_cases.evaluate.lesion_samples import LesionSample
from similar_cases.evaluate.result_store import ResultStore
from similar_cases.evaluate.volume_ways import OpenIndex
from similar_cases.rank.ranking import BUILT_IN, Ranking
from similar_cases.segment.segmenter import Segmenter

#: opens a bar with a title and a total; gives what moves it, called with (done, total)
Progress = Callable[[str, int], AbstractContextManager[Callable[[int, int], None]]]


@dataclass(frozen=True, kw_only=True)
class Bench:
    """What every protocol works with.

    Attributes:
        data: the folder of data.
        describers: what describes; its embedders are compared.
        store: where results are kept.
        progress: shows how far the describing is.
        indexes: name → what opens an index of slices; the first is the exact one.
        clicking: what finds a Region from one click; None leaves clicks out.
        rankings: the product's fusions that are compared.
    """

    data: Path
    describers: Describers
    store: ResultStore
    progress: Progress
    indexes: Mapping[str, OpenIndex]
    clicking: Segmenter | None = None
    rankings: Sequence[Ranking] = (BUILT_IN["default"], BUILT_IN["calibrated"], BUILT_IN["reciprocal-rank"])

    @property
    def embedders(self) -> Mapping[str, Embedder]:
        """The embedders that are compared."""
        return self.describers.embedders

    @property
    def trained(self) -> Mapping[str, Embedder]:
        """Those among them that have learnt something."""
        return {name: one for name, one in self.embedders.items() if not name.endswith("untrained")}

    @property
    def about(self) -> dict[str, object]:
        """What was compared, as JSON: models with the hashes of their weights, the recipe, what finds a Region."""
        clicking = self.clicking.identity if self.clicking else None
        return {
            "embedders": {name: asdict(one.region_space) for name, one in self.embedders.items()},
            "radiomics": asdict(self.describers.extractor.recipe),
            "body_position": self.describers.body.space if self.describers.body else None,
            "clicks": {"name": clicking.name, "version": clicking.version} if clicking else None,
        }

    def described(self, samples: Sequence[LesionSample]) -> list[DescribedRegion]:
        """Return the lesions of `samples` by experts' masks."""
        with self.progress(f"Describing regions of {len(samples)} volumes", len(samples)) as move:
            return describe_samples(samples, self.describers, self.store, move)

    def clicked(self, samples: Sequence[LesionSample]) -> list[DescribedRegion]:
        """Return the lesions of `samples` by what one click in each finds; none where clicks are left out."""
        if self.clicking is None:
            return []
        with self.progress(f"Clicking in {len(samples)} volumes", len(samples)) as move:
            return describe_samples(samples, replace(self.describers, segmenter=self.clicking), self.store, move)

    def volumes(self, samples: Sequence[VolumeSample], name: str) -> list[DescribedVolume]:
        """Return `samples` by the slices that the embedder of that name sees."""
        with self.progress(f"Describing slices of {len(samples)} volumes, {name}", len(samples)) as move:
            return describe_volumes(samples, self.embedders[name], self.store, move)
