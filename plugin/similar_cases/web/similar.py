"""The routes that find similar cases: below a study, a series or a frame; as QIDO-RS searches; and by a body."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

from flask import Response, request

from similar_cases import wire
from similar_cases.domain.errors import InvalidRequest
from similar_cases.domain.references import SeriesRef, require_uid
from similar_cases.domain.similarity import Per, SimilarityAnswer, SimilarityQuery
from similar_cases.web import ask, dicom_items, dicom_xml, media, plain_json, respond, sent_along
from similar_cases.web.audited import entry_of
from similar_cases.web.question import query_of_body
from similar_cases.web.rights import readable_by_caller, require_readable
from similar_cases.web.services import Services, WebOptions
from similar_cases.web.subject import Subjects

_Names = tuple[str, ...]
_ONE_SENT = threading.Lock()
#: of every route that asks by a query string
_COMMON = ask.COMMON_PARAMETERS
_BELOW_SERIES: _Names = (*_COMMON, "tracking-uid", "volume-number")
_SEARCH: _Names = (*_COMMON, "similar-to", "volume-number")


@dataclass(frozen=True)
class FindSimilar:
    """One method a route."""

    services: Services
    options: WebOptions

    def series_similar(self, study: str, series: str) -> Response:
        """Find the cases similar to a series, or to one of its regions."""
        return self._by_parameters(_BELOW_SERIES, lambda: ask.about_series(SeriesRef(study, series), request.args))

    def study_similar(self, study: str) -> Response:
        """Find the cases similar to a study."""
        return self._by_parameters(_COMMON, lambda: Subjects(self.services).study(study))

    def frame_similar(self, study: str, series: str, instance: str, frame: str) -> Response:
        """Find the cases similar to what a frame shows."""
        number = ask.whole("frame", frame)
        about = Subjects(self.services).frame
        return self._by_parameters(_COMMON, lambda: about(SeriesRef(study, series), instance, number))

    def similar_studies(self) -> Response:
        """Search the studies that hold a case similar to what ``similar-to`` names, as QIDO-RS does."""
        return self._by_parameters(_SEARCH, self._named, Per.STUDY)

    def similar_series(self) -> Response:
        """Search the series that hold a case similar to what ``similar-to`` names."""
        return self._by_parameters(_SEARCH, self._named, Per.SERIES)

    def similar_study_series(self, study: str) -> Response:
        """Search the series of one study."""
        return self._by_parameters(_SEARCH, self._named, Per.SERIES, within=require_uid(study))

    def similar(self) -> Response:
        """Find the cases similar to what a JSON body asks about, or DICOM that is sent along; nothing is stored."""
        media_type = self._media_type()
        if request.mimetype in sent_along.MEDIA_TYPES:
            # one at a time: what is sent lies in memory
            with _ONE_SENT:
                query, wanted = self._sent_query()
                return self._answered(query, wanted, media_type)
        respond.require_json(request)
        query, wanted = query_of_body(request.get_data(), request.args, self.options.max_limit)
        return self._answered(query, wanted, media_type)

    def _sent_query(self) -> tuple[SimilarityQuery, ask.Wanted]:
        body, sent = sent_along.read(request, self.options.max_sent_bytes)
        query, wanted = query_of_body(body, request.args, self.options.max_limit)
        return replace(query, sent=sent), wanted

    def _named(self) -> ask.About:
        uid = request.args.get("similar-to")
        if not uid:
            raise InvalidRequest(
                "similar-to is missing: the UID of a series, a region (tracking UID), a case or a study"
            )
        return Subjects(self.services).named(uid, ask.volume_number(request.args))

    def _by_parameters(
        self, known: _Names, about: Callable[[], ask.About], per: Per = Per.CASE, within: str = ""
    ) -> Response:
        media_type = self._media_type()
        ask.refuse_unknown(request.args, known)
        query, wanted = ask.query_of_parameters(about(), request.args, self.options.max_limit, per)
        return self._answered(_within(query, within), wanted, media_type)

    def _media_type(self) -> str:
        media.require_utf8(request.args.get("charset"))
        return media.negotiated(request.headers.get("Accept", ""), request.args.get("accept"))

    def _answered(self, query: SimilarityQuery, wanted: ask.Wanted, media_type: str) -> Response:
        if query.series and not query.sent:
            # before anything of it is looked at
            require_readable(self.services.rights, query.series.series_uid)
        answer = self.services.find_similar(query, readable_by_caller(self.services.rights))
        route = (request.endpoint or "").rpartition(".")[2]
        self.services.audit.keep(entry_of(query, answer, respond.user_of(request.headers), route))
        if not answer.cases:
            return respond.no_content()
        response = self._written(answer, query.one_per, wanted, media_type)
        response.headers["Vary"] = "Accept"
        if answer.remaining > 0:
            response.headers["Warning"] = respond.warning_of_more(answer.remaining)
        return response

    def _written(self, answer: SimilarityAnswer, per: Per, wanted: ask.Wanted, media_type: str) -> Response:
        if media_type == wire.JSON:
            return respond.json_response(self._plain(answer))
        shown = self._shown(answer, per)
        items = [dicom_items.dicom_item(found, wanted, shown) for found in answer.cases]
        if media_type == wire.DICOM_JSON:
            return respond.json_response([dicom_items.as_json(item) for item in items], media_type=media_type)
        body, content_type = dicom_xml.multipart(items)
        return Response(body, content_type=content_type, headers={"Cache-Control": "no-store"})

    def _plain(self, answer: SimilarityAnswer) -> object:
        body = plain_json.answer_json(answer)
        ids = self.services.overview.orthanc_ids_of({found.case.series.series_uid for found in answer.cases})
        for case in body["cases"]:
            if case["series"] in ids:
                case["orthanc_id"] = ids[case["series"]]
        return body

    def _shown(self, answer: SimilarityAnswer, per: Per) -> dicom_items.Shown:
        series = [found.case.series for found in answer.cases]
        origin = respond.origin_of_caller(request.headers, self.options.pacs_url)
        return dicom_items.Shown(
            per=per,
            retrieve_root=origin.rstrip("/") + "/" + self.options.dicomweb_path.strip("/"),
            studies=self.services.overview.studies_of({one.study_uid for one in series}),
            instances=self.services.overview.instances_of({one.series_uid for one in series}),
        )


def _within(query: SimilarityQuery, study_uid: str) -> SimilarityQuery:
    if not study_uid:
        return query
    attributes = (*query.filters.attributes, ("StudyInstanceUID", study_uid))
    return replace(query, filters=replace(query.filters, attributes=attributes))
