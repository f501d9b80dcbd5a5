"""The one place where settings become objects.

Heavy libraries are imported inside the functions that need them, so that ``similar-cases --help``, ``settings`` and
``status`` start at once.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from similar_cases.index.catalogue import Catalogue
from similar_cases.index.database import open_engine, sqlite_url
from similar_cases.index.lookups import Lookups
from similar_cases.index.overview import Overview
from similar_cases.jobs.queue import JobQueue, Policy
from similar_cases.models.choice import Wanted, chosen_model
from similar_cases.models.kinds import KINDS, ModelUse
from similar_cases.models.register import ModelRegister
from similar_cases.models.shipped import shipped_models
from similar_cases.pipeline.worklist import Worklist
from similar_cases.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from similar_cases.describe.embedder import Embedder
    from similar_cases.describe.location import BodyPosition
    from similar_cases.describe.text import TextEmbedder
    from similar_cases.domain.coding import CodedConcept
    from similar_cases.domain.description import EmbeddingSpace, RadiomicsRecipe
    from similar_cases.index.case_index import CaseIndex
    from similar_cases.models.model_file import ModelFile
    from similar_cases.pacs.caller_rights import CallerRights
    from similar_cases.pacs.client import PacsClient
    from similar_cases.pacs.http import HttpAccess
    from similar_cases.pacs.orthanc_changes import OrthancFeed
    from similar_cases.pacs.parse import Bounds
    from similar_cases.pipeline.tools import Rules, Tools
    from similar_cases.rank.ranking import Rankings
    from similar_cases.record.recorder import Recorder
    from similar_cases.segment.segmenter import Segmenter


@dataclass(frozen=True, kw_only=True, eq=False)
class Books:
    """The catalogue, the queue and their read sides: what needs neither a network nor the archive."""

    worklist: Worklist
    lookups: Lookups
    overview: Overview


def open_books(settings: Settings) -> Books:
    """Open the catalogue and the queue; their tables are made where they are missing.

    Raises:
        InvalidSettings: for an address that is none, or a catalogue of another version.
    """
    engine = open_engine(settings.index.url or sqlite_url(settings.index.data_dir))
    queue = JobQueue(Policy(attempts=settings.worker.attempts))
    worklist = Worklist(Catalogue(engine), queue)
    worklist.create()
    return Books(worklist=worklist, lookups=Lookups(engine), overview=Overview(engine))


def build_tools(settings: Settings, books: Books | None = None, pacs: PacsClient | None = None) -> Tools:
    """Return everything that the pipeline works with.

    Args:
        settings: in force.
        books: where they are open already.
        pacs: another archive than the settings' own, such as a folder.

    Raises:
        InvalidSettings: for an unknown backend, or what cannot work together.
    """
    from similar_cases.describe.radiomics import RadiomicsExtractor
    from similar_cases.index.case_indexes import CaseIndexes
    from similar_cases.pipeline.tools import Tools

    books, segmenter = books or open_books(settings), open_segmenter(settings)
    return Tools(
        pacs=pacs or open_pacs(settings),
        segmenter=segmenter,
        proposer=open_proposer(settings, segmenter),
        embedder=open_embedder(settings),
        radiomics=RadiomicsExtractor(radiomics_recipe(settings)),
        recorder=open_recorder(settings),
        worklist=books.worklist,
        lookups=books.lookups,
        indexes=CaseIndexes(books.worklist.catalogue.engine, _index_opener(settings)),
        text_embedder=open_text_embedder(settings),
        body_position=open_body_position(settings),
        rules=rules(settings),
    )


def open_text_embedder(settings: Settings) -> TextEmbedder | None:
    """Return the sentence model that the settings name; None where captions are sought by their words alone.

    Raises:
        InvalidSettings: when it is not installed.
    """
    if not settings.describe.text_model:
        return None
    from similar_cases.describe.backends.minilm import MiniLmEmbedder

    return MiniLmEmbedder()


def rules(settings: Settings) -> Rules:
    """Return what the site decided.

    Raises:
        InvalidSettings: for a ranking or a class that cannot be read.
    """
    from similar_cases.pipeline.tools import AutoRecord, Rules
    from similar_cases.segment.everything import EverythingRecipe

    segment = settings.segment
    return Rules(
        rankings=rankings(settings),
        sent_bounds=bounds_of(settings),
        auto=AutoRecord(segment.auto),
        everything=EverythingRecipe(points=segment.everything_points, regions=segment.everything_regions),
        classes=tuple(_concept(text) for text in segment.classes),
        max_regions=settings.worker.max_regions,
        max_limit=settings.web.max_limit,
    )


def _concept(text: str) -> CodedConcept:
    from similar_cases.domain.coding import CodedConcept
    from similar_cases.domain.errors import InvalidSettings

    scheme, _, rest = text.partition(":")
    value, _, meaning = rest.partition(":")
    if not (scheme and value and meaning):
        raise InvalidSettings(f"segment.classes: {text!r} is not SCHEME:VALUE:MEANING")
    return CodedConcept(value, scheme, meaning)


def rankings(settings: Settings) -> Rankings:
    """Return the rankings that the settings name, beside those that come with the product.

    Raises:
        InvalidSettings: for one that cannot work.
    """
    from similar_cases.domain.errors import InvalidRequest, InvalidSettings
    from similar_cases.rank.ranking import Rankings, ranking_of

    try:
        own = [ranking_of(name, wishes) for name, wishes in settings.rank.rankings.items()]
        return Rankings(own, settings.rank.ranking, settings.rank.weights.items())
    except InvalidRequest as error:
        raise InvalidSettings(f"section rank: {error}") from None


def http_access(settings: Settings) -> HttpAccess:
    """Return the credentials and the patience for Orthanc."""
    from similar_cases.pacs.http import HttpAccess, basic_authorization

    pacs = settings.pacs
    authorization = pacs.authorization.get_secret_value()
    if not authorization and pacs.username:
        authorization = basic_authorization(pacs.username, pacs.password.get_secret_value())
    return HttpAccess(
        authorization=authorization,
        read_seconds=pacs.timeout_seconds,
        ca_file=str(pacs.ca_file) if pacs.ca_file else "",
    )


def open_pacs(settings: Settings) -> PacsClient:
    """Return the archive, spoken to by DICOMweb."""
    from similar_cases.pacs.dicomweb import DicomWebClient

    return DicomWebClient(dicomweb_url(settings), http_access(settings), bounds_of(settings), open_feed(settings))


def bounds_of(settings: Settings) -> Bounds:
    """Return what one Series may cost, whether it is retrieved or comes with a query."""
    from similar_cases.pacs.parse import Bounds

    pacs = settings.pacs
    return Bounds(
        max_instances=pacs.max_instances,
        max_instance_bytes=pacs.max_instance_mib * 2**20,
        max_series_bytes=pacs.max_series_mib * 2**20,
        max_nesting=pacs.max_nesting,
    )


def dicomweb_url(settings: Settings) -> str:
    """Return the root of the archive's DICOMweb."""
    return f"{settings.pacs.orthanc_url}/{settings.pacs.dicomweb_path.strip('/')}"


def open_feed(settings: Settings) -> OrthancFeed:
    """Return Orthanc's feed of changes."""
    from similar_cases.pacs.orthanc_changes import OrthancFeed

    return OrthancFeed(settings.pacs.orthanc_url, http_access(settings))


def open_caller_rights(settings: Settings) -> CallerRights:
    """Return who asks Orthanc, with a caller's own credentials, what they may read."""
    from similar_cases.pacs.caller_rights import CallerRights

    return CallerRights(settings.pacs.orthanc_url, http_access(settings))


def open_segmenter(settings: Settings) -> Segmenter:
    """Return the segmenter that the settings name, with the bundle and on the device that they choose."""
    from similar_cases.segment.registry import SEGMENTERS, SEGMENTERS_ELSEWHERE, SEGMENTERS_OF_KINDS, SegmenterChoice

    segment = settings.segment
    choice = SegmenterChoice(
        bundle=segment.bundle,
        device=device(settings),
        server_url=segment.server_url,
        server_key=segment.server_key.get_secret_value(),
        command=segment.command,
        environment=os.environ,
        timeout_seconds=segment.timeout_seconds,
    )
    for registry in (SEGMENTERS, SEGMENTERS_ELSEWHERE):
        if segment.backend in registry.names:
            return registry.create(segment.backend, choice)
    wanted = Wanted(
        use=ModelUse.SEGMENT,
        name=segment.backend,
        built_in=(*SEGMENTERS.names, *SEGMENTERS_ELSEWHERE.names),
        weights=segment.weights,
        sha256=segment.weights_sha256,
    )
    model = chosen_model(open_register(settings), wanted)
    return SEGMENTERS_OF_KINDS.create(model.kind, replace(choice, model=model))


def open_proposer(settings: Settings, segmenter: Segmenter) -> Segmenter | None:
    """Return the shipped network, where series are searched and `segmenter` cannot propose regions by itself.

    Growing a region finds what is asked for by a click; without one it finds air as gladly as an organ.
    """
    from similar_cases.segment.everything import Proposer
    from similar_cases.segment.registry import SEGMENTERS, SegmenterChoice

    if not settings.segment.everything_points or isinstance(segmenter, Proposer):
        return None
    return SEGMENTERS.create("promptable", SegmenterChoice(bundle=settings.segment.bundle, device=device(settings)))


def open_embedder(settings: Settings) -> Embedder:
    """Return the embedder that the settings name, on the device that they choose."""
    from similar_cases.describe.registry import EMBEDDERS, open_embedder, open_model

    describe = settings.describe
    if describe.embedder in EMBEDDERS:
        return open_embedder(describe.embedder, device(settings))
    wanted = Wanted(
        use=ModelUse.DESCRIBE,
        name=describe.embedder,
        built_in=EMBEDDERS.keys(),
        weights=describe.weights,
        sha256=describe.weights_sha256,
    )
    return open_model(chosen_model(open_register(settings), wanted), device(settings))


def open_body_position(settings: Settings) -> BodyPosition | None:
    """Return the model of places in the body; None where the site wants none."""
    from similar_cases.describe.registry import open_body_position

    return open_body_position(device(settings)) if settings.describe.body_position else None


def open_register(settings: Settings) -> ModelRegister:
    """Return the register of what the site has added."""
    return ModelRegister(settings.index.data_dir)


def open_added(model: ModelFile, settings: Settings) -> None:
    """Lay weights that were added into their network, and let go of it.

    Raises:
        InvalidSettings: for another hash, or another architecture than the kind's.
    """
    if KINDS[model.kind].use is ModelUse.DESCRIBE:
        from similar_cases.describe.registry import open_model

        open_model(model, device(settings))
    else:
        from similar_cases.segment.registry import SEGMENTERS_OF_KINDS, SegmenterChoice

        SEGMENTERS_OF_KINDS.create(model.kind, SegmenterChoice(device=device(settings), model=model))


def names_taken() -> frozenset[str]:
    """Return the names that no model of the site may have: those of what needs no weights of it."""
    from similar_cases.describe.registry import EMBEDDERS
    from similar_cases.segment.registry import SEGMENTERS, SEGMENTERS_ELSEWHERE

    return frozenset(
        {*EMBEDDERS, *SEGMENTERS.names, *SEGMENTERS_ELSEWHERE.names, *(one.name for one in shipped_models())}
    )


def device(settings: Settings) -> str:
    """Return ``cpu`` or ``cuda``; ``auto`` is the GPU where there is one."""
    if settings.describe.device != "auto":
        return settings.describe.device
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def radiomics_recipe(settings: Settings) -> RadiomicsRecipe:
    """Return the recipe that the settings tell."""
    from similar_cases.domain.description import RadiomicsRecipe

    describe = settings.describe
    return RadiomicsRecipe(
        bin_count=None if describe.bin_width else describe.bin_count,
        bin_width=describe.bin_width or None,
        spacing_mm=describe.spacing_mm or None,
    )


def open_recorder(settings: Settings) -> Recorder | None:
    """Return what makes SEG and SR; None where the site wants nothing written back."""
    if not settings.record.enabled:
        return None
    from similar_cases.record.provenance import ContentQualification, RecorderSettings
    from similar_cases.record.recorder import Recorder

    return Recorder(
        RecorderSettings(
            content_qualification=ContentQualification(settings.record.content_qualification),
            device_serial_number=settings.record.device_serial_number,
        )
    )


def _index_opener(settings: Settings) -> Callable[[EmbeddingSpace], CaseIndex]:
    from similar_cases.index.registry import case_index_factory

    create = case_index_factory(settings.index.engine)
    return lambda space: create(space, device(settings))
