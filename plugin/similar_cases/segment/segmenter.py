"""What turns prompts into a Region."""

from typing import Protocol, runtime_checkable

from similar_cases.domain.prompts import PromptSet
from similar_cases.domain.region import AlgorithmIdentity, Region
from similar_cases.domain.volume import Volume


class Segmenter(Protocol):
    """A promptable 3-D segmentation. The same volume and prompts give the same mask, byte for byte."""

    @property
    def identity(self) -> AlgorithmIdentity:
        """Name, version and parameters, as TID 4019 records them and as the pipeline's fingerprint counts them."""
        ...

    def segment(self, volume: Volume, prompts: PromptSet) -> Region:
        """Return the Region that `prompts` point at, in the grid of `volume`.

        A set with an expert's mask never reaches a Segmenter: ``prompts.region_of_expert`` keeps that mask as it is.

        Raises:
            SegmentationFailed: when no positive prompt lies inside the volume, or nothing was found there.
            SegmenterUnavailable: when it runs elsewhere, and does not answer.
        """
        ...


@runtime_checkable
class RemoteSegmenter(Protocol):
    """What a Segmenter that runs elsewhere can do besides."""

    def look(self) -> str:
        """Ask it what it is, for people.

        Raises:
            SegmenterUnavailable: when it does not answer.
        """
        ...
