"""``find`` and ``status``: what the catalogue answers."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import typer

from similar_cases import bootstrap
from similar_cases.cli import asking_options as options
from similar_cases.cli import asking_words
from similar_cases.cli.console import ExitCode, answering, print_json, print_table, session_of, tell
from similar_cases.domain.case import SeriesState
from similar_cases.domain.references import SeriesRef, require_uid
from similar_cases.domain.similarity import Filters, SimilarCase, SimilarityAnswer, SimilarityQuery
from similar_cases.index.lookups import Lookups
from similar_cases.settings import Settings
from similar_cases.web import plain_json


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(find)
    app.command()(status)


def find(  # noqa: PLR0913 - one parameter an option, as Typer reads them
    context: typer.Context,
    series: options.SeriesUid = "",
    study: options.StudyUid = "",
    region: options.TrackingUid = "",
    point: options.Points = None,
    box: options.Box = "",
    at: options.At = "",
    at_relative: options.AtRelative = "",
    at_body: options.AtBody = "",
    radiomics: options.Radiomics = None,
    text: options.Words = "",
    like: options.Like = None,
    unlike: options.Unlike = None,
    rank_by: options.RankBy = "",
    top: options.Top = 10,
    include_same_patient: options.SamePatient = False,
    as_json: options.AsJson = False,
) -> None:
    """Find similar cases: to a study, a series, a region, a point or a box; by place, features, text and examples."""
    with answering(as_json=as_json):
        prompts = asking_words.prompts(point or [], box)
        settings = session_of(context).effective().settings
        books = bootstrap.open_books(settings)
        query = SimilarityQuery(
            study=require_uid(study) if study and not series and not region else "",
            series=_series(series, study, books.lookups) if series else None,
            tracking_uid=require_uid(region) if region else "",
            prompts=prompts,
            place=asking_words.place(at, at_relative, at_body),
            features=tuple(asking_words.feature(wish) for wish in radiomics or []),
            text=text,
            like=tuple(require_uid(uid) for uid in like or []),
            unlike=tuple(require_uid(uid) for uid in unlike or []),
            rank_by=rank_by,
            filters=Filters(exclude_same_patient=not include_same_patient),
            limit=top,
        )
        answer = _answered(query, settings, books)
    _tell_answer(answer, as_json=as_json)


def status(context: typer.Context, as_json: options.AsJson = False) -> None:
    """Count the series by state and the cases, and show what is being worked on."""
    with answering(as_json=as_json):
        books = bootstrap.open_books(session_of(context).effective().settings)
        stats, working = books.lookups.stats(), books.worklist.working()
        failed = books.lookups.series_rows(SeriesState.FAILED, limit=20)
    if as_json:
        print_json(
            {
                "states": {state.value: count for state, count in stats.states.items()},
                "cases": {level.value: count for level, count in stats.cases.items()},
                "results": stats.results,
                "working": [
                    {"series": job.series_uid, "attempt": job.attempts, "since": job.claimed_at} for job in working
                ],
                "failed": [plain_json.series_json(row, None, None) for row in failed],
            }
        )
        return
    print_table("Series by state", [state.value for state in stats.states], [list(stats.states.values())])
    print_table("Findable cases", [level.value for level in stats.cases], [list(stats.cases.values())])
    if working:
        rows = [(job.series_uid, job.attempts, _since(job.claimed_at)) for job in working]
        print_table("At work", ("series", "attempt", "since"), rows)
    if failed:
        print_table("Failed", ("series", "reason"), [(row.series.series_uid, row.reason) for row in failed])


def _series(series: str, study: str, lookups: Lookups) -> SeriesRef:
    require_uid(series)
    return SeriesRef(study, series) if study else lookups.series_row(series).series


def _answered(query: SimilarityQuery, settings: Settings, books: bootstrap.Books) -> SimilarityAnswer:
    from similar_cases.pipeline.find_similar import SimilarityFinder
    from similar_cases.pipeline.sense import require_sense

    require_sense(query)  # before models are loaded, which takes seconds
    return SimilarityFinder(bootstrap.build_tools(settings, books)).find(query)


def _tell_answer(answer: SimilarityAnswer, *, as_json: bool) -> None:
    if as_json:
        print_json(plain_json.answer_json(answer))
    elif answer.cases:
        _print_answer(answer)
    else:
        tell("nothing similar was found; by default the same patient's cases are left out")
    if not answer.cases:
        raise typer.Exit(ExitCode.NOTHING_FOUND)


def _print_answer(answer: SimilarityAnswer) -> None:
    if answer.segmented:
        volume_ml, centroid = answer.segmented
        tell(
            f"the point gave a region of {volume_ml:.1f} ml round {', '.join(f'{value:.1f}' for value in centroid)} mm"
        )
    columns = ("", "score", "parts", "case", "series", "why")
    print_table(f"Best of {answer.candidates}", columns, [_line(found) for found in answer.cases])


def _line(found: SimilarCase) -> Sequence[Any]:
    case, facts = found.case, found.case.facts
    age = f"{facts.patient_age_years:.0f} y" if facts.patient_age_years is not None else ""
    finding = case.region.finding.meaning if case.region and case.region.finding else case.level.value
    about = " ".join(word for word in (facts.modality, facts.patient_sex, age, facts.study_date, finding) if word)
    parts = "\n".join(f"{part.name} {part.value:.2f}" for part in found.similarity.parts)
    return found.rank, found.similarity.score, parts, about, case.series.series_uid, "\n".join(found.reasons)


def _since(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).astimezone().strftime("%H:%M:%S")
