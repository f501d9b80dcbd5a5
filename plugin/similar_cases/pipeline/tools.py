"""Everything that the pipeline works with, wired by ``bootstrap`` alone."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from similar_cases.describe.embedder import Embedder
from similar_cases.describe.location import BodyPosition
from similar_cases.describe.text import TextEmbedder
from similar_cases.domain.coding import CodedConcept
from similar_cases.domain.description import RadiomicsRecipe, RadiomicsVector
from similar_cases.domain.region import Region
from similar_cases.domain.volume import Volume
from similar_cases.index.case_indexes import CaseIndexes
from similar_cases.index.lookups import Lookups
from similar_cases.pacs.client import PacsClient
from similar_cases.pacs.parse import Bounds
from similar_cases.pipeline.worklist import Worklist
from similar_cases.rank.ranking import Rankings
from similar_cases.record.recorder import Recorder
from similar_cases.segment.everything import EverythingRecipe
from similar_cases.segment.segmenter import Segmenter


class Radiomics(Protocol):
    """What measures a Region: ``describe.radiomics.RadiomicsExtractor``."""

    @property
    def recipe(self) -> RadiomicsRecipe:
        """Everything that changes a value."""
        ...

    def extract(self, volume: Volume, region: Region) -> RadiomicsVector:
        """Return the features of `region` in `volume`.

        Raises:
            DescriptionFailed: when not one feature can be computed.
        """
        ...


class AutoRecord(StrEnum):
    """Of which Regions SEG and SR are written; all are indexed."""

    #: of none
    OFF = "off"
    #: of those that an annotation in the archive tells of
    ANNOTATIONS = "annotations"
    #: of those that were found without a hint too
    EVERYTHING = "everything"
    #: of those whose finding is one of the site's classes, which are segmented in every Series
    CLASSES = "classes"


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What the site decided.

    Attributes:
        sent_bounds: what objects that come with a query may cost.
        rankings: how answers can be ranked, by name.
        auto: of which Regions SEG and SR are written.
        everything: what is looked for in a Series without annotations; no points for nothing.
        classes: what AutoRecord.CLASSES asks the segmenter for.
        max_regions: more than so many Regions in one Series are left out, with a note.
        max_limit: largest page of similar cases.
        cached_volumes: how many Series stay in memory for the next picture and the next click.
    """

    sent_bounds: Bounds = field(default_factory=Bounds)
    rankings: Rankings = field(default_factory=Rankings)
    auto: AutoRecord = AutoRecord.ANNOTATIONS
    everything: EverythingRecipe = field(default_factory=lambda: EverythingRecipe(points=0))
    classes: tuple[CodedConcept, ...] = ()
    max_regions: int = 200
    max_limit: int = 100
    cached_volumes: int = 4


@dataclass(frozen=True, kw_only=True, eq=False)
class Tools:
    """The ports and rules; the same in the HTTP process, in the job process and in the command line.

    Attributes:
        proposer: searches Series without annotations for Regions; None where `segmenter` does that too.
        recorder: None where the site wants nothing written back.
        text_embedder: a sentence model; None where captions and reports are sought by their words alone.
        body_position: None where no model tells where in a body a Region lies.
        worklist: the queue together with the states; its `catalogue` is the write side.
        lookups: the read side of the catalogue.
    """

    pacs: PacsClient
    segmenter: Segmenter
    embedder: Embedder
    radiomics: Radiomics
    recorder: Recorder | None
    worklist: Worklist
    lookups: Lookups
    indexes: CaseIndexes
    body_position: BodyPosition | None = None
    text_embedder: TextEmbedder | None = None
    proposer: Segmenter | None = None
    rules: Rules = field(default_factory=Rules)

    @property
    def searcher(self) -> Segmenter:
        """What searches a Series without annotations."""
        return self.proposer or self.segmenter
