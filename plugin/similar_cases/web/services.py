"""What the HTTP side needs of the rest, handed in by whoever puts the worker together."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from similar_cases import wire
from similar_cases.domain.readable import Readable
from similar_cases.domain.similarity import SimilarityAnswer, SimilarityQuery
from similar_cases.index.audit import AuditBook
from similar_cases.index.feedback import FeedbackBook
from similar_cases.index.lookups import Lookups
from similar_cases.index.overview import Overview
from similar_cases.jobs.places import places
from similar_cases.pipeline.worklist import Worklist

if TYPE_CHECKING:  # what reads pixels is heavy, and `serve --help` need not wait for it
    from similar_cases.pipeline.pictures import Pictures
    from similar_cases.pipeline.shelf import Shelf
    from similar_cases.web.rights import Rights


@dataclass(frozen=True, kw_only=True)
class WebOptions:
    """What a site chooses about the HTTP side.

    Attributes:
        prefix: where the routes begin, such as ``/similar-cases``.
        token: what every request but ``/health`` has to show.
        dicomweb_path: the archive's DICOMweb, below the origin that the caller sees.
        pacs_url: the archive's address where no bridge tells the caller's.
        max_body_bytes: a larger body is refused with 413.
        max_sent_bytes: a larger body of DICOM that comes with a query is refused with 413.
        max_limit: largest page of similar cases.
        viewers: address by name, with ``{study}`` and ``{series}`` for UIDs.
        version: of Similar Cases.
    """

    prefix: str = wire.DEFAULT_PREFIX
    token: str
    dicomweb_path: str = "/dicom-web"
    pacs_url: str = ""
    max_body_bytes: int = 2048 * 1024
    max_sent_bytes: int = 512 * 2**20
    max_limit: int = 100
    viewers: Mapping[str, str] = field(default_factory=dict)
    version: str = ""


@dataclass(frozen=True, kw_only=True)
class Services:
    """The acts behind the routes.

    Attributes:
        find_similar: answers a query with what the caller may read.
        nudge: takes the bridge's word that something changed; returns at once.
        shelf: volumes and regions that people look at.
        pictures: the slices that show cases.
        feedback: what people said of answers.
        audit: keeps who asked what.
        rights: of callers; None where whoever may ask sees everything.
    """

    find_similar: Callable[[SimilarityQuery, Readable], SimilarityAnswer]
    worklist: Worklist
    lookups: Lookups
    overview: Overview
    nudge: Callable[[wire.Nudge], None]
    shelf: Shelf
    pictures: Pictures
    feedback: FeedbackBook
    audit: AuditBook
    rights: Rights | None = None

    def places(self, series_uids: Collection[str]) -> Mapping[str, int]:
        """Return how many jobs wait before those of `series_uids`."""
        with self.worklist.catalogue.engine.connect() as connection:
            return places(connection, series_uids)
