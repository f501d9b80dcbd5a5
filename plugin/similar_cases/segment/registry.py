"""Names of segmenters, and what makes them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Self

from similar_cases.domain.errors import InvalidSettings
from similar_cases.models.model_file import ModelFile
from similar_cases.segment.backends.region_growing import RegionGrowing
from similar_cases.segment.segmenter import Segmenter


@dataclass(frozen=True, kw_only=True)
class SegmenterChoice:
    """What a site may choose of a segmenter: a bundle in place of the shipped one, weights of its own, a device.

    What runs elsewhere has an address or a command instead, and a time for one answer.
    """

    bundle: Path | None = None
    device: str = "cpu"
    model: ModelFile | None = None
    server_url: str = ""
    server_key: str = field(default="", repr=False)
    command: str = "TotalSegmentator"
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    timeout_seconds: float = 600.0


SegmenterFactory = Callable[[SegmenterChoice], Segmenter]


@dataclass(frozen=True)
class SegmenterRegistry:
    """Name → factory. Registering gives a new registry; nothing is changed in place.

    >>> sorted(SEGMENTERS.names)
    ['promptable', 'region_growing']
    """

    factories: Mapping[str, SegmenterFactory] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Freeze the mapping."""
        object.__setattr__(self, "factories", MappingProxyType(dict(self.factories)))

    @property
    def names(self) -> tuple[str, ...]:
        """The names, in alphabetical order."""
        return tuple(sorted(self.factories))

    def registered(self, name: str, factory: SegmenterFactory) -> Self:
        """Return a registry with one more segmenter.

        Raises:
            InvalidSettings: when the name is taken.
        """
        if name in self.factories:
            raise InvalidSettings(f"a segmenter {name!r} is registered already")
        return type(self)({**self.factories, name: factory})

    def create(self, name: str, choice: SegmenterChoice | None = None) -> Segmenter:
        """Make the segmenter of that name.

        Raises:
            InvalidSettings: when there is none, the message lists the names; or when its bundle cannot be used.
        """
        if name not in self.factories:
            raise InvalidSettings(f"no segmenter {name!r}; there are: {', '.join(self.names)}")
        return self.factories[name](choice or SegmenterChoice())


def _promptable(choice: SegmenterChoice) -> Segmenter:
    # torch is loaded where it is used: naming the segmenters takes no second
    from similar_cases.segment.backends.promptable.segmenter import PromptableSegmenter

    return PromptableSegmenter(choice.bundle, choice.device)


#: what this distribution carries
SEGMENTERS = SegmenterRegistry({"region_growing": lambda _: RegionGrowing(), "promptable": _promptable})


def _vista3d(choice: SegmenterChoice) -> Segmenter:
    from similar_cases.segment.backends.vista3d import Vista3dSegmenter

    return Vista3dSegmenter(_weights(choice), choice.device)


def _sam_med3d(choice: SegmenterChoice) -> Segmenter:
    from similar_cases.segment.backends.sam_med3d import SamMed3dSegmenter

    return SamMed3dSegmenter(_weights(choice), choice.device)


def _bundle(choice: SegmenterChoice) -> Segmenter:
    """Open a MONAI bundle by what its own configuration says that it is."""
    from similar_cases.segment.backends.promptable.segmenter import PromptableSegmenter
    from similar_cases.segment.backends.vista3d import Vista3dSegmenter, is_vista3d

    model = _weights(choice)
    if not model.path.is_dir():
        raise InvalidSettings(f"model {model.name}: {model.path} is no folder of a bundle")
    if is_vista3d(model.path):
        return Vista3dSegmenter(model, choice.device)
    model.check()
    return PromptableSegmenter(model.path, choice.device)


def _weights(choice: SegmenterChoice) -> ModelFile:
    if choice.model is None:
        raise InvalidSettings("this segmenter needs weights of the site's own")
    return choice.model


#: what draws with weights that the site has, by their kind
SEGMENTERS_OF_KINDS = SegmenterRegistry({"vista3d": _vista3d, "monai-bundle": _bundle, "sam-med3d": _sam_med3d})


def _nninteractive(choice: SegmenterChoice) -> Segmenter:
    from similar_cases.segment.backends.nninteractive import NnInteractiveSegmenter, Server

    server = Server(url=choice.server_url, key=choice.server_key, timeout_seconds=choice.timeout_seconds)
    return NnInteractiveSegmenter(server)


def _totalsegmentator(choice: SegmenterChoice) -> Segmenter:
    from similar_cases.segment.backends.totalsegmentator import Command, TotalSegmentator

    return TotalSegmentator(
        Command(
            path=choice.command,
            device=choice.device,
            timeout_seconds=choice.timeout_seconds,
            environment=choice.environment,
        )
    )


#: what the site runs beside the worker
SEGMENTERS_ELSEWHERE = SegmenterRegistry({"nninteractive": _nninteractive, "totalsegmentator": _totalsegmentator})
