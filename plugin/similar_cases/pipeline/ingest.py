"""From a Series in the PACS to Cases: the steps in their order."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from similar_cases.describe.embedder import sampled_slices
from similar_cases.describe.location import locate
from similar_cases.domain.case import Case, derived_uid
from similar_cases.domain.description import Description, Embedding
from similar_cases.domain.errors import DescriptionFailed, LeaseLost
from similar_cases.domain.prompts import ClassPrompt, PromptOrigin, PromptSet
from similar_cases.domain.references import SeriesRef
from similar_cases.domain.region import Authorship, Region
from similar_cases.domain.volume import Volume
from similar_cases.index.rows import IndexedSeries
from similar_cases.pacs.client import uids_of
from similar_cases.pipeline.annotations import prompts_for, retrieve_annotations
from similar_cases.pipeline.content import Content, content_of, pipeline_of
from similar_cases.pipeline.faults import told
from similar_cases.pipeline.steps import Steps
from similar_cases.pipeline.tools import AutoRecord, Rules, Tools
from similar_cases.pipeline.words import with_words
from similar_cases.segment.everything import segment_everything
from similar_cases.segment.prompts import region_of_expert
from similar_cases.volume.build import build_volumes

#: SEG and SR that are sent to the PACS at a time
STORED_AT_A_TIME = 20


@dataclass(frozen=True, kw_only=True, eq=False)
class IngestReport:
    """What came of one ingestion, before it is committed.

    Attributes:
        results: what the catalogue gets: Cases, notes, timings by step (``steps.STEPS``; `index` is the commit's).
        failures: Regions and annotations that were left out, each with its reason; they are among the notes too.
    """

    content: Content
    results: IndexedSeries
    failures: tuple[str, ...]

    @property
    def cases(self) -> tuple[Case, ...]:
        """The Volumes and the Regions."""
        return self.results.cases


def ingest_series(
    series: SeriesRef, tools: Tools, keep_going: Callable[[], None] = lambda: None, content: Content | None = None
) -> IngestReport:
    """Describe a Series and every Region that the archive knows in it, and store SEG and SR of each Region.

    Storing is the last step: what is in the PACS afterwards was read back. The caller commits the report's `results`.

    Raises:
        NotFound: when the PACS does not have the Series.
        Refused: when it makes no Volume; TooLarge when it passes the bounds.
        PacsUnavailable: and StoreFailed, when the PACS cannot give or keep; trying again can help.
        LeaseLost: from `keep_going`.
    """
    steps = Steps(keep_going)
    with steps("retrieve"):
        held = content or content_of(series, tools)
        instances = tools.pacs.retrieve_series(series)
        annotations = retrieve_annotations(held.annotations, tools, steps)
    with steps("build"):
        volumes = build_volumes(instances)
    cases: list[Case] = []
    results: list[Dataset] = []
    for volume in volumes:
        steps.notes += [f"{_name(volume)}: {note}" for note in volume.notes]
        cases += describe_volume(volume, tools, steps)
        for case, recorded in regions_of(volume, instances, annotations, tools, steps):
            cases.append(case)
            results += recorded
    if not cases:
        raise DescriptionFailed("; ".join(steps.failures) or "nothing in the series could be described")
    with steps("describe"):
        cases = with_words(cases, tools)
    with steps("store"):
        store(results, tools)
        remove_superseded(series, results, tools)
    return IngestReport(
        content=held,
        results=IndexedSeries(
            series=series,
            content_key=held.key,
            pipeline=pipeline_of(tools),
            cases=tuple(cases),
            timings=steps.seconds,
            notes=(*steps.notes, *steps.failures),
        ),
        failures=tuple(steps.failures),
    )


def describe_volume(volume: Volume, tools: Tools, steps: Steps) -> list[Case]:
    """Return the Case of one Volume; none, with the reason noted, where it cannot be described."""
    try:
        with steps("describe"):
            embedding, slices = tools.embedder.embed_volume(volume)
    except DescriptionFailed as error:
        steps.failures.append(told(_name(volume), error))
        return []
    return [Case.of_volume(volume, description_of_volume(volume, embedding, slices, tools))]


def description_of_volume(
    volume: Volume, embedding: Embedding, slices: NDArray[np.float16], tools: Tools
) -> Description:
    """Return what is said of a Volume: its vector, and its slices' with the Frames that they are of."""
    shown = sampled_slices(len(volume.frames), len(slices))
    return Description(
        embedding=embedding,
        slice_vectors=slices,
        slice_space=tools.embedder.slice_space,
        slice_frames=tuple((int(k), volume.frames[k]) for k in shown),
    )


def regions_of(
    volume: Volume, source: Sequence[Dataset], annotations: Sequence[Dataset], tools: Tools, steps: Steps
) -> Iterator[tuple[Case, list[Dataset]]]:
    """Give the Case of every Region in `volume`, with its SEG and SR where the site wants them; bad ones are noted.

    They are those that the archive knows and those of the site's classes; where there are none, what is found without
    a hint.
    """
    with steps("segment"):
        prompts = [*prompts_for(volume, annotations, steps), *prompts_of_classes(volume, tools.rules)]
    most = tools.rules.max_regions
    if len(prompts) > most:
        steps.failures.append(f"{_name(volume)}: {len(prompts) - most} regions over the bound of {most} were left out")
    for one in prompts[:most]:
        try:
            yield _region_case(volume, source, one, tools, steps)
        except (LeaseLost, MemoryError):
            raise
        except Exception as error:  # whatever one Region does to a library, the others are kept
            steps.failures.append(told(f"{one.origin.value} region {one.tracking_uid}", error))
    if not prompts and tools.rules.everything.points:
        yield from _found_regions(volume, source, tools, steps)


def prompts_of_classes(volume: Volume, rules: Rules) -> list[PromptSet]:
    """Return a prompt for each of the classes that the site wants segmented in every Series."""
    if rules.auto is not AutoRecord.CLASSES:
        return []
    return [
        PromptSet(
            prompts=(ClassPrompt(one),),
            tracking_uid=derived_uid("class", volume.series.series_uid, volume.number, one.scheme, one.value),
            label=one.meaning,
            finding=one,
            origin=PromptOrigin.ALGORITHM,
        )
        for one in rules.classes
    ]


def is_written(region: Region, rules: Rules) -> bool:
    """Tell whether the site wants SEG and SR of a Region."""
    if rules.auto is AutoRecord.CLASSES:
        wanted = {(one.scheme, one.value) for one in rules.classes}
        return region.finding is not None and (region.finding.scheme, region.finding.value) in wanted
    by_nobody = region.origin is PromptOrigin.ALGORITHM
    return rules.auto is AutoRecord.EVERYTHING or (rules.auto is AutoRecord.ANNOTATIONS and not by_nobody)


def describe_region(volume: Volume, region: Region, tools: Tools) -> Description:
    """Return all that is said of one Region.

    Raises:
        DescriptionFailed: when it cannot be described.
    """
    [embedding] = tools.embedder.embed_regions(volume, [region])
    return Description(
        embedding=embedding,
        radiomics=tools.radiomics.extract(volume, region),
        location=locate(volume, region, tools.body_position),
    )


def store(results: Sequence[Dataset], tools: Tools) -> None:
    """Store SEG and SR, some at a time; each is read back.

    Raises:
        StoreFailed: when the PACS does not keep one.
    """
    remaining = iter(results)
    while some := list(islice(remaining, STORED_AT_A_TIME)):
        tools.pacs.store_instances(some)


def remove_superseded(series: SeriesRef, results: Sequence[Dataset], tools: Tools) -> None:
    """Take back what an earlier ingestion stored of the Series, and this one did not: a Region has one SEG and one SR.

    Raises:
        PacsUnavailable: when the PACS does not answer.
    """
    kept = set(uids_of(results))
    for ours in tools.recorder.result_series(series) if tools.recorder else ():
        superseded = set(tools.pacs.search_instances(ours)) - kept
        if superseded:
            tools.pacs.remove_instances(ours, superseded)


def _region_case(
    volume: Volume, source: Sequence[Dataset], prompts: PromptSet, tools: Tools, steps: Steps
) -> tuple[Case, list[Dataset]]:
    with steps("segment"):
        # an expert's mask is the Region: nobody redraws it
        keeps_mask = prompts.is_expert_mask
        region = region_of_expert(volume, prompts) if keeps_mask else tools.segmenter.segment(volume, prompts)
        if prompts.origin is PromptOrigin.ALGORITHM:
            region = replace(region, authorship=Authorship.AUTOMATIC)
    steps.notes += [f"region {region.tracking_uid}: {note}" for note in prompts.notes]
    return _described(volume, source, region, tools, steps)


def _found_regions(
    volume: Volume, source: Sequence[Dataset], tools: Tools, steps: Steps
) -> Iterator[tuple[Case, list[Dataset]]]:
    """Give the Cases of what is found without a hint; one that cannot be described is noted."""
    try:
        with steps("everything"):
            found = segment_everything(volume, tools.searcher, tools.rules.everything, steps.keep_going)
    except (LeaseLost, MemoryError):
        raise
    except Exception as error:  # nobody asked for these: the Series must not fail for them
        steps.failures.append(told(f"{_name(volume)}: nothing was found without a hint", error))
        return
    for region in found:
        try:
            yield _described(volume, source, region, tools, steps)
        except (LeaseLost, MemoryError):
            raise
        except Exception as error:  # as above
            steps.failures.append(told(f"region {region.tracking_uid}, found without a hint", error))


def _described(
    volume: Volume, source: Sequence[Dataset], region: Region, tools: Tools, steps: Steps
) -> tuple[Case, list[Dataset]]:
    with steps("describe"):
        description = describe_region(volume, region, tools)
    if tools.recorder is None or not is_written(region, tools.rules):
        return Case.of_region(volume, region, description, ("", "")), []
    with steps("record"):
        made = tools.recorder.record(source, volume, region, description)
    uids = (str(made.seg.SOPInstanceUID), str(made.sr.SOPInstanceUID))
    return Case.of_region(volume, region, description, uids), [made.seg, made.sr]


def _name(volume: Volume) -> str:
    return f"volume {volume.number}"
