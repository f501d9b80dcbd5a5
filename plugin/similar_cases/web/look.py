"""The routes of what the page looks at: volumes, regions, key pictures, and what people say of the answers."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from flask import Response, request

from similar_cases import wire
from similar_cases.domain.errors import InvalidRequest, TooLarge
from similar_cases.domain.references import SeriesRef, require_uid
from similar_cases.domain.volume import Volume
from similar_cases.index.feedback import Feedback
from similar_cases.pipeline.volume_cache import LastUsed
from similar_cases.web import ask, media, plain_json, respond, voxels
from similar_cases.web.body import read_body
from similar_cases.web.rights import readable_by_caller, require_readable
from similar_cases.web.said import FeedbackBody, RegionBody, as_csv, feedback_of
from similar_cases.web.services import Services

#: an answer of voxels is at most so long: older Orthancs hold it in memory as a whole
MAX_CHUNK_BYTES = 16 * 2**20
_SCALES = 8
#: the largest square of a key picture that is cut out, mm
_MAX_SIDE_MM = 2000.0


@dataclass(frozen=True)
class Look:
    """One method a route."""

    services: Services
    _scales: LastUsed[voxels.Scale] = field(default_factory=lambda: LastUsed(_SCALES))

    def volume(self, study: str, series: str, volume: str) -> Response:
        """Tell where the voxels of a volume lie, and how they are scaled."""
        ref, number = SeriesRef(study, series), ask.whole("volume", volume)
        state = self.services.shelf.state_of(ref)

        def body() -> dict[str, Any]:
            found = self.services.shelf.volume(ref, number)
            told = voxels.volume_json(found, self.services.shelf.volumes(ref), self._scale(found, state))
            return {**told, "slices_per_request": _slices_per_request(found)}

        return respond.cached("volume", series, volume, state, make=lambda: respond.json_response(body()))

    def slices(self, study: str, series: str, volume: str) -> Response:
        """Return some slices of a volume as 16-bit integers, slice by slice, row by row."""
        ask.refuse_repeats(request.args, ("first", "last"))
        ref, number = SeriesRef(study, series), ask.whole("volume", volume)
        first, last = (ask.whole(name, request.args.get(name, "")) for name in ("first", "last"))
        state = self.services.shelf.state_of(ref)

        def make() -> Response:
            found = self.services.shelf.volume(ref, number)
            if not first <= last < found.geometry.shape[0]:
                raise InvalidRequest(f"slices {first} to {last} of 0 to {found.geometry.shape[0] - 1}")
            if last - first >= _slices_per_request(found):
                raise TooLarge(f"{last - first + 1} slices at once; at most {_slices_per_request(found)}")
            stored = self._scale(found, state).stored(found.array[first : last + 1])
            return Response(stored.tobytes(), content_type=wire.VOXELS)

        return respond.cached("slices", series, volume, state, first, last, make=make)

    def series_picture(self, study: str, series: str) -> Response:
        """Return one slice of a series, before anything else of it is known."""
        plane = self.services.pictures.middle_of(SeriesRef(study, series))
        response = respond.json_response(voxels.plane_json(plane, None, 0.0, (0.0, 0.0, 0.0)))
        response.headers["Cache-Control"] = "private, no-cache"
        return response

    def region_known(self, study: str, series: str, region: str) -> Response:
        """Return the mask of a region of the catalogue."""
        ref = SeriesRef(study, series)
        volume, found = self.services.shelf.region_known(ref, require_uid(region))
        return respond.json_response({"volume_number": volume.number, **voxels.region_mask_json(found)})

    def region_at(self) -> Response:
        """Segment what points and a box show, there and then."""
        respond.require_json(request)
        asked = read_body(RegionBody, request.get_data())
        require_readable(self.services.rights, asked.series)
        volume, found = self.services.shelf.region_at(asked.ref, asked.volume_number, asked.prompts())
        return respond.json_response({"volume_number": volume.number, **voxels.region_mask_json(found)})

    def case(self, case: str) -> Response:
        """Return all that is known of a case, its radiomics included."""
        found = self.services.lookups.case(require_uid(case))
        return respond.json_response(plain_json.described_case_json(found))

    def picture(self, case: str) -> Response:
        """Return the slice that shows a case, or the square round its region, or another frame of its series."""
        ask.refuse_repeats(request.args, ("side-mm", "instance", "frame"))
        side = ask.decimal_of("side-mm", request.args, 0.0)
        if side > _MAX_SIDE_MM:
            raise InvalidRequest(f"side-mm is at most {_MAX_SIDE_MM:g}")
        found = self.services.lookups.case(require_uid(case))
        instance, frame = request.args.get("instance", ""), request.args.get("frame", "")
        number = ask.whole("frame", frame) if frame else None

        def body() -> dict[str, Any]:
            if instance:
                plane = self.services.pictures.frame_of(found, require_uid(instance), number)
                return voxels.plane_json(plane, None, 0.0, (0.0, 0.0, 0.0))
            made = self.services.pictures.of(case)
            grid = made.plane.geometry
            middle = found.region.centroid_lps if found.region else grid.index_to_lps([(n - 1) / 2 for n in grid.shape])
            return voxels.plane_json(made.plane, made.mask, side, middle)

        state = self.services.pictures.state_of(found)
        return respond.cached("picture", case, state, side, instance, frame, make=lambda: respond.json_response(body()))

    def feedback(self) -> Response:
        """Return what people said of answers, as JSON or CSV."""
        ask.refuse_repeats(request.args, ("series", "accept"))
        offered = (wire.JSON, wire.CSV)
        media_type = media.negotiated(request.headers.get("Accept", ""), request.args.get("accept"), offered)
        series = request.args.get("series", "")
        said = self._readable(self.services.feedback.all(require_uid(series) if series else ""))
        if media_type == wire.JSON:
            return respond.json_response({"feedback": [asdict(one) for one in said]})
        return Response(as_csv(said), content_type=f"{wire.CSV}; charset=utf-8", headers=_DOWNLOAD)

    def tell(self) -> Response:
        """Keep a word on one answer, or take it back."""
        respond.require_json(request)
        body = read_body(FeedbackBody, request.get_data())
        answered = self.services.lookups.case(body.case)
        require_readable(self.services.rights, body.asked.series, answered.series.series_uid)
        said = feedback_of(body, answered, respond.user_of(request.headers))
        if body.verdict is None:
            self.services.feedback.take_back(said)
        else:
            self.services.feedback.tell(said)
        return respond.json_response({"asked_uid": said.asked_uid, "verdict": body.verdict})

    def _readable(self, said: Sequence[Feedback]) -> list[Feedback]:
        """Leave out the words on what the caller may not read."""
        named = {uid for one in said for uid in (one.asked_series_uid, one.case_series_uid)}
        readable = readable_by_caller(self.services.rights)(named)
        return [one for one in said if one.asked_series_uid in readable and one.case_series_uid in readable]

    def _scale(self, volume: Volume, state: str) -> voxels.Scale:
        key = (volume.series.series_uid, str(volume.number), state)
        return self._scales.get(key, lambda: voxels.scale_of(volume))


_DOWNLOAD = {"Cache-Control": "no-store", "Content-Disposition": 'attachment; filename="feedback.csv"'}


def _slices_per_request(volume: Volume) -> int:
    _, rows, columns = volume.geometry.shape
    return max(1, MAX_CHUNK_BYTES // (2 * rows * columns))
