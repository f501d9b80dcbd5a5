"""What the page looks at: voxels, masks and key pictures of a real archive, and words on answers."""

import base64
import csv
import io
from itertools import pairwise

import numpy as np
import pytest

from similar_cases import wire
from similar_cases.demo.phantoms import lesion_mask, phantom_array
from similar_cases.index.feedback import Verdict


def volume_at(ref, number: int = 0) -> str:
    return wire.ROUTE_VOLUME.format(study=ref.study_uid, series=ref.series_uid, volume=number)


def mask_of(told: dict, shape: tuple[int, ...]) -> np.ndarray:
    """Undo the runs."""
    ends = np.cumsum(told["runs"])
    flat = np.zeros(ends[-1], bool)
    for number, (start, end) in enumerate(pairwise([0, *ends])):
        flat[start:end] = number % 2 == 1
    sizes = [high - low for low, high in zip(told["lower_index"], told["upper_index"], strict=True)]
    whole = np.zeros(shape, bool)
    box = tuple(slice(low, high) for low, high in zip(told["lower_index"], told["upper_index"], strict=True))
    whole[box] = flat.reshape(sizes)
    return whole


def region_of(ask, ref) -> dict:
    return next(case for case in ask(f"/archive/series/{ref.series_uid}").get_json()["cases"] if "region" in case)


def dice(one: np.ndarray, other: np.ndarray) -> float:
    return 2 * int((one & other).sum()) / int(one.sum() + other.sum())


class TestVolumes:
    """Geometry and voxels."""

    def test_geometry_is_that_of_the_series(self, archive, ask):
        told = ask(volume_at(archive.refs[0])).get_json()
        grid = archive.patients[0].geometry
        assert told["shape"] == list(grid.shape)
        assert np.allclose(told["affine"], grid.affine, atol=1e-3)
        assert told["unit"] == "[hnsf'U]"
        assert len(told["frames"]) == grid.shape[0]
        assert told["volumes"] == [{"number": 0, "label": "", "slices": grid.shape[0]}]

    def test_voxels_are_hounsfield_units_slice_by_slice(self, archive, ask):
        told = ask(volume_at(archive.refs[0])).get_json()
        answer = ask(f"{volume_at(archive.refs[0])}/slices?first=2&last=4")
        assert answer.content_type == wire.VOXELS
        stored = np.frombuffer(answer.data, "<i2").reshape(3, *told["shape"][1:])
        values = stored * told["slope"] + told["intercept"]
        assert np.abs(values - phantom_array(archive.patients[0])[2:5]).max() <= 1.0

    def test_a_browser_that_has_it_is_told_so_and_nothing_is_sent(self, archive, ask):
        path = f"{volume_at(archive.refs[0])}/slices?first=0&last=1"
        first = ask(path)
        assert first.headers["Cache-Control"] == "private, no-cache"
        again = ask(path, headers={"If-None-Match": first.headers["ETag"]})
        assert (again.status_code, again.data) == (304, b"")
        assert ask(f"{volume_at(archive.refs[0])}/slices?first=0&last=2").headers["ETag"] != first.headers["ETag"]

    @pytest.mark.parametrize(
        ("query", "status"),
        [("first=0", 400), ("first=3&last=2", 400), ("first=0&last=10", 400), ("first=-1&last=0", 400)],
    )
    def test_slices_that_are_not_there(self, archive, ask, query, status):
        assert ask(f"{volume_at(archive.refs[0])}/slices?{query}").status_code == status

    def test_more_than_an_answer_may_hold_is_refused(self, archive, ask, monkeypatch):
        monkeypatch.setattr("similar_cases.web.look.MAX_CHUNK_BYTES", 2 * 32 * 32 * 2)
        assert ask(volume_at(archive.refs[1])).get_json()["slices_per_request"] == 2
        assert ask(f"{volume_at(archive.refs[1])}/slices?first=0&last=2").status_code == 413

    def test_what_is_no_volume_says_why(self, archive, ask):
        refused = ask(volume_at(archive.flat))
        assert (refused.status_code, refused.get_json()["class"]) == (422, "NotAVolume")
        assert ask(volume_at(archive.refs[0], 3)).status_code == 404
        assert ask("/studies/1.9/series/1.9.1/volumes/0").status_code == 404


class TestRegions:
    """Masks."""

    def test_a_known_region_is_read_back_from_the_archive(self, archive, ask):
        ref, case = archive.refs[0], region_of(ask, archive.refs[0])
        path = wire.ROUTE_REGION_ONE.format(
            study=ref.study_uid, series=ref.series_uid, region=case["region"]["tracking_uid"]
        )
        told = ask(path).get_json()
        drawn = lesion_mask(archive.patients[0])
        assert dice(mask_of(told, drawn.shape), drawn) > 0.9
        assert told["volume_ml"] == pytest.approx(case["region"]["volume_ml"])
        assert told["voxels"] == mask_of(told, drawn.shape).sum()

    def test_a_point_shows_a_region_and_a_correction_changes_it(self, archive, ask):
        ref = archive.refs[0]
        centre = region_of(ask, ref)["region"]["centroid_lps"]
        body = {"study": ref.study_uid, "series": ref.series_uid, "points": [{"lps": centre}]}
        told = ask("/region", "POST", json=body).get_json()
        drawn = lesion_mask(archive.patients[0])
        found = mask_of(told, drawn.shape)
        assert found[tuple(np.rint(archive.patients[0].geometry.lps_to_index(centre)[0]).astype(int))]
        inside = np.argwhere(found)[-1]
        outside = archive.patients[0].geometry.index_to_lps(inside)[0].tolist()
        body["points"].append({"lps": outside, "positive": False})
        corrected = mask_of(ask("/region", "POST", json=body).get_json(), drawn.shape)
        assert not corrected[tuple(inside)]

    def test_the_question_and_the_mask_are_of_the_same_region(self, archive, ask):
        ref = archive.refs[1]
        body = {
            "study": ref.study_uid,
            "series": ref.series_uid,
            "points": [{"lps": region_of(ask, ref)["region"]["centroid_lps"]}],
        }
        mask = ask("/region", "POST", json=body).get_json()
        answer = ask("/similar", "POST", json=body).get_json()
        assert answer["segmented"]["volume_ml"] == mask["volume_ml"]
        assert answer["asked"]["radiomics"]["firstorder_Mean"]

    def test_a_correction_starts_from_the_mask_so_far(self, archive, ask):
        ref = archive.refs[0]
        body = {"study": ref.study_uid, "series": ref.series_uid}
        first = {"lps": region_of(ask, ref)["region"]["centroid_lps"]}
        told = ask("/region", "POST", json={**body, "points": [first]}).get_json()
        so_far = {name: told[name] for name in ("affine", "shape", "runs")}
        found = mask_of(told, lesion_mask(archive.patients[0]).shape)
        outside = archive.patients[0].geometry.index_to_lps(np.argwhere(found)[-1])[0].tolist()
        asked = {**body, "points": [first, {"lps": outside, "positive": False}], "mask": so_far}
        corrected = ask("/region", "POST", json=asked).get_json()
        assert not mask_of(corrected, found.shape)[tuple(np.argwhere(found)[-1])]
        assert dice(mask_of(corrected, found.shape), found) > 0.5
        assert ask("/region", "POST", json=asked).get_json() == corrected
        assert ask("/similar", "POST", json=asked).get_json()["segmented"]["volume_ml"] == corrected["volume_ml"]
        alone = ask("/region", "POST", json={**body, "mask": so_far}).get_json()
        assert np.array_equal(mask_of(alone, found.shape), found)
        assert len({one["tracking_uid"] for one in (told, corrected, alone)}) == 3

    def test_a_mask_that_fits_nothing_is_refused(self, archive, ask):
        ref = archive.refs[0]
        body = {"study": ref.study_uid, "series": ref.series_uid}
        told = ask(
            wire.ROUTE_REGION_ONE.format(
                study=ref.study_uid, series=ref.series_uid, region=region_of(ask, ref)["region"]["tracking_uid"]
            )
        ).get_json()
        good = {name: told[name] for name in ("affine", "shape", "runs")}
        turned = np.array(good["affine"])[:, [1, 0, 2, 3]].tolist()
        far = [[*row[:3], row[3] + 5000.0 * (at == 0)] for at, row in enumerate(good["affine"])]
        for changes, status, word in (
            ({"affine": turned}, 400, "does not lie on the voxels"),
            ({"affine": np.zeros((4, 4)).tolist()}, 400, "affine"),
            ({"affine": far}, 422, ""),
            ({"runs": [1]}, 400, "the runs hold 1 voxels"),
            ({"runs": [*good["runs"], -1]}, 400, "mask.runs"),
            ({"shape": [65536, 65536, 65536]}, 400, "at most"),
            ({"shape": [0, 1, 1], "runs": []}, 400, "mask.shape.0"),
        ):
            answer = ask("/region", "POST", json={**body, "mask": {**good, **changes}})
            assert (answer.status_code, word in answer.get_json()["detail"]) == (status, True), changes
        both = {**body, "tracking_uid": "1.2", "mask": good}
        assert "not both" in ask("/similar", "POST", json=both).get_json()["detail"]

    @pytest.mark.parametrize("changes", [{}, {"points": [{"lps": [9999, 0, 0]}]}, {"box": {"lower_lps": [0, 0, 0]}}])
    def test_what_shows_nothing_is_refused(self, archive, ask, changes):
        ref = archive.refs[0]
        body = {"study": ref.study_uid, "series": ref.series_uid, **changes}
        assert ask("/region", "POST", json=body).status_code in (400, 422)
        assert ask("/region", "POST", data="{}", content_type="text/plain").status_code == 415


class TestCases:
    """Key pictures and radiomics."""

    def test_the_key_picture_is_the_slice_with_the_region(self, archive, ask):
        case = region_of(ask, archive.refs[2])
        told = ask(wire.ROUTE_CASE_PICTURE.format(case=case["case"])).get_json()
        stored = np.frombuffer(base64.b64decode(told["voxels"]), "<i2").reshape(told["rows"], told["columns"])
        frames = ask(volume_at(archive.refs[2])).get_json()["frames"]
        k = frames.index(case["key_frame"])
        expected = phantom_array(archive.patients[2])[k]
        assert np.abs(stored * told["slope"] + told["intercept"] - expected).max() <= 1.0
        mask = np.repeat(np.arange(len(told["runs"])) % 2 == 1, told["runs"]).reshape(stored.shape)
        assert dice(mask, lesion_mask(archive.patients[2])[k]) > 0.9

    def test_a_series_has_a_picture_before_anything_else_of_it_is_known(self, archive, ask):
        ref = archive.refs[0]
        path = wire.ROUTE_SERIES_PICTURE.format(study=ref.study_uid, series=ref.series_uid)
        told = ask(path).get_json()
        assert [told["rows"], told["columns"]] == list(archive.patients[0].shape[1:])
        k = archive.patients[0].geometry.lps_to_index(np.array(told["affine"])[:3, 3])[0][0]
        assert round(k) in range(archive.patients[0].shape[0])
        assert ask(path.replace(ref.study_uid, "1.9")).status_code == 404

    def test_any_frame_of_a_case_s_series_can_be_seen_and_no_other(self, archive, ask):
        case = region_of(ask, archive.refs[2])
        path = wire.ROUTE_CASE_PICTURE.format(case=case["case"])
        volume = wire.ROUTE_VOLUME.format(study=archive.refs[2].study_uid, series=archive.refs[2].series_uid, volume=0)
        first = ask(volume).get_json()["frames"][0]["instance"]
        told = ask(f"{path}?instance={first}").get_json()
        assert "runs" not in told
        k = archive.patients[2].geometry.lps_to_index(np.array(told["affine"])[:3, 3])[0][0]
        assert k == pytest.approx(0, abs=1e-6)
        seg = case["region"]["seg"]
        for other in (f"instance={seg}", "instance=1.2.3.4", f"instance={first}&frame=2"):
            assert ask(f"{path}?{other}").status_code == 404, other
        assert ask(f"{path}?instance=x").status_code == 400

    def test_a_square_round_the_region_is_as_large_as_asked(self, archive, ask):
        case = region_of(ask, archive.refs[2])
        told = ask(wire.ROUTE_CASE_PICTURE.format(case=case["case"]) + "?side-mm=20").get_json()
        assert [told["rows"], told["columns"]] == pytest.approx([20 / 2 + 1] * 2, abs=1)
        assert sum(told["runs"]) == told["rows"] * told["columns"]

    def test_a_case_tells_its_radiomics(self, archive, ask):
        case = region_of(ask, archive.refs[0])
        told = ask(wire.ROUTE_CASE.format(case=case["case"])).get_json()
        assert told["radiomics"]["shape_MeshVolume"] > 0
        assert ask(wire.ROUTE_CASE.format(case="1.9")).status_code == 404


class TestFeedback:
    """Words on answers."""

    @pytest.fixture
    def said(self, archive, ask):
        ref = archive.refs[0]
        body = {
            "asked": {"study": ref.study_uid, "series": ref.series_uid, "points": [{"lps": [1, 2, 3]}]},
            "case": region_of(ask, archive.refs[1])["case"],
            "verdict": "alike",
            "rank": 1,
            "score": 0.9,
        }
        yield body
        for user in ("", "anna%20b"):
            ask("/feedback", "POST", json={**body, "verdict": None}, headers={wire.USER_HEADER: user})

    def test_the_last_word_of_a_user_counts(self, archive, ask, said):
        for verdict in ("alike", "not_alike"):
            answer = ask("/feedback", "POST", json={**said, "verdict": verdict}, headers={wire.USER_HEADER: "anna%20b"})
            assert answer.status_code == 200
        [kept] = ask("/feedback").get_json()["feedback"]
        assert (kept["verdict"], kept["user"], kept["rank"]) == (Verdict.NOT_ALIKE, "anna b", 1)
        assert kept["case_series_uid"] == archive.refs[1].series_uid
        assert kept["asked_prompts"] == {"points": [{"lps": [1.0, 2.0, 3.0], "positive": True}]}

    def test_a_word_on_a_corrected_region_names_its_mask_and_keeps_it_out(self, ask, said):
        mask = {"affine": np.eye(4).tolist(), "shape": [2, 2, 2], "runs": [1, 6, 1]}
        ask("/feedback", "POST", json={**said, "asked": {**said["asked"], "mask": mask}})
        [kept] = ask("/feedback").get_json()["feedback"]
        assert kept["asked_prompts"]["mask"].startswith("MaskPrompt((2, 2, 2), ")
        ask("/feedback", "POST", json={**said, "asked": {**said["asked"], "mask": mask}, "verdict": None})

    def test_a_word_can_be_taken_back(self, ask, said):
        ask("/feedback", "POST", json=said)
        ask("/feedback", "POST", json={**said, "verdict": None})
        assert ask("/feedback").get_json() == {"feedback": []}

    def test_a_spreadsheet_gets_a_table(self, archive, ask, said):
        ask("/feedback", "POST", json=said, headers={wire.USER_HEADER: "%3DSUM(1)"})
        answer = ask("/feedback?accept=text/csv")
        assert answer.content_type.startswith("text/csv")
        [row] = csv.DictReader(io.StringIO(answer.get_data(as_text=True)))
        assert (row["verdict"], row["user"]) == ("alike", "'=SUM(1)")
        ask("/feedback", "POST", json={**said, "verdict": None}, headers={wire.USER_HEADER: "%3DSUM(1)"})

    def test_words_on_what_is_not_there_are_refused(self, ask, said):
        assert ask("/feedback", "POST", json={**said, "case": "1.9"}).status_code == 404
        assert ask("/feedback", "POST", json={**said, "verdict": "so so"}).status_code == 400

    def test_what_is_forgotten_takes_its_words_along(self, archive, ask, said):
        ask("/feedback", "POST", json=said)
        catalogue = archive.held.tools.worklist.catalogue
        with catalogue.engine.connect() as connection, connection.begin() as moment:
            catalogue.forget(connection, [archive.refs[1].series_uid])
            left = connection.exec_driver_sql("select count(*) from feedback").scalar_one()
            moment.rollback()
        assert left == 0
