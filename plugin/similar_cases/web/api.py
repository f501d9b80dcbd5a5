"""The routes of `wire`: each reads the request, calls one act, and answers."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, request

from similar_cases import wire
from similar_cases.domain.case import SeriesState
from similar_cases.domain.errors import InvalidRequest, NotFound
from similar_cases.domain.references import require_uid
from similar_cases.index.overview import Wish
from similar_cases.index.rows import SeriesRow
from similar_cases.web import ask, plain_json, respond
from similar_cases.web.look import Look
from similar_cases.web.measures import Measures
from similar_cases.web.operations import MAX_SERIES, OPERATIONS
from similar_cases.web.pages import Pages
from similar_cases.web.rights import guard, readable_by_caller
from similar_cases.web.services import Services, WebOptions
from similar_cases.web.similar import FindSimilar


def routes(services: Services, options: WebOptions, measures: Measures) -> Blueprint:
    """Return every route of the table of operations; each is answered by the method of the operation's name."""
    api = Blueprint("api", __name__)
    if services.rights:
        guard(api, services.rights, services.lookups)
    pages = Pages(options)
    holders = (FindSimilar(services, options), Handlers(services, options, measures), Look(services), pages)
    for operation in OPERATIONS:
        [handler] = (getattr(one, operation.name) for one in holders if hasattr(one, operation.name))
        _add(api, operation.path, operation.name, handler, operation.method)
    for path in dict.fromkeys(one.path for one in OPERATIONS):
        is_root = path == wire.ROUTE_PAGE
        _add(api, path, f"options {path}", pages.capabilities if is_root else _allowed(path), "OPTIONS")
    return api


def _add(api: Blueprint, path: str, endpoint: str, handler: Callable[..., Response], method: str) -> None:
    rule = path.replace("{", "<").replace("}", ">")
    api.add_url_rule(
        rule, endpoint=endpoint.replace(".", " "), view_func=handler, methods=[method], provide_automatic_options=False
    )


def _allowed(path: str) -> Callable[..., Response]:
    """Return a handler that says which methods a path takes."""
    methods = {one.method for one in OPERATIONS if one.path == path}
    allow = ", ".join(sorted(methods | {"OPTIONS"} | ({"HEAD"} if "GET" in methods else set())))

    def answered(**_: str) -> Response:
        return Response(status=204, headers={"Allow": allow})

    return answered


@dataclass(frozen=True)
class Handlers:
    """One method a route."""

    services: Services
    options: WebOptions
    measures: Measures

    def health(self) -> Response:
        """Tell that the worker lives and its catalogue can be read."""
        self.services.lookups.counts()
        return respond.json_response({"status": "ok", "version": self.options.version})

    def nudge(self) -> Response:
        """Take the bridge's word that something changed; the truth is read from the PACS afterwards."""
        try:
            nudge = wire.Nudge.from_json(request.get_data())
        except ValueError as error:
            raise InvalidRequest(str(error)) from None
        self.services.nudge(nudge)
        return respond.json_response({}, 202)

    def status(self) -> Response:
        """Tell how many series are in which state, how many cases are findable, and what is being worked on."""
        stats = self.services.lookups.stats()
        waiting, working = stats.states[SeriesState.WAITING], self.services.worklist.working()
        indexed, seconds = self.services.overview.indexed_since(time.time() - 3600)
        segmenter = self.services.shelf.segmenter
        body = {
            "version": self.options.version,
            "states": {state.value: count for state, count in stats.states.items()},
            "series": {kind.value: count for kind, count in stats.series.items()},
            "cases": {level.value: count for level, count in stats.cases.items()},
            "results": stats.results,
            "spaces": [
                {
                    "id": held.space.id,
                    "model": held.space.model,
                    "version": held.space.version,
                    "level": held.space.level.value,
                    "vectors": held.vectors,
                }
                for held in stats.spaces
            ],
            "queue": {
                "waiting": waiting,
                "working": [{"series": job.series_uid, "since": job.claimed_at} for job in working],
            },
            "segmenter": {"name": segmenter.name, "version": segmenter.version},
            "last_hour": {"series": indexed, "seconds": seconds},
            "links": self._links(),
            "viewers": dict(self.options.viewers),
        }
        return respond.json_response(body)

    def metrics(self) -> Response:
        """Return the measures in Prometheus' text format."""
        return Response(self.measures.as_text(), content_type="text/plain; version=0.0.4; charset=utf-8")

    def series_list(self) -> Response:
        """Return a page of series, what changed last first."""
        ask.refuse_repeats(request.args, ("state", "study", "annotations", "limit", "offset"))
        limit, offset = ask.page_of(request.args, default=50, maximum=MAX_SERIES)
        study = request.args.get("study", "")
        wish = Wish(
            state=_state(request.args.get("state", "")),
            study_uid=require_uid(study) if study else "",
            annotations=ask.truth("annotations", request.args),
            limit=limit,
            offset=offset,
        )
        uids, total = self.services.overview.series_uids(wish)
        readable = readable_by_caller(self.services.rights)(uids)
        rows = self.services.overview.rows_of([uid for uid in uids if uid in readable])
        return respond.json_response({"series": self._told(rows), "total": total})

    def series_one(self, series: str) -> Response:
        """Return one series with its cases."""
        row = self.services.lookups.series_row(require_uid(series))
        [body] = self._told([row])
        found = [plain_json.case_json(case) for case in self.services.lookups.cases_of(series)]
        return respond.json_response({**body, "cases": found})

    def retry(self, series: str) -> Response:
        """Do everything for a series anew, before all others."""
        respond.require_json(request)
        self.services.worklist.retry(require_uid(series))
        return respond.json_response({}, 202)

    def hurry(self, series: str) -> Response:
        """Put the job of a series before all others."""
        respond.require_json(request)
        if not self.services.worklist.hurry(require_uid(series)):
            raise NotFound(f"series {series} has no job that waits")
        return respond.json_response({}, 202)

    def _told(self, rows: Sequence[SeriesRow]) -> list[dict[str, Any]]:
        uids = [row.series.series_uid for row in rows]
        facts, places = self.services.overview.facts_of(uids), self.services.places(uids)
        return [
            plain_json.series_json(row, facts.get(uid), places.get(uid)) for uid, row in zip(uids, rows, strict=True)
        ]

    def _links(self) -> dict[str, str]:
        """Return where the page finds the archive, relative to itself."""
        up = "../" * self.options.prefix.strip("/").count("/") + "../"
        explorer = f"{up}app/explorer.html"
        return {"orthanc": up, "dicomweb": up + self.options.dicomweb_path.strip("/"), "explorer": explorer}


def _state(text: str) -> SeriesState | None:
    if not text:
        return None
    try:
        return SeriesState(text)
    except ValueError:
        raise InvalidRequest(f"state is one of {', '.join(SeriesState)}, got {text[:40]!r}") from None
