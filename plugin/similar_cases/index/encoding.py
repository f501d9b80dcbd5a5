"""Cases as rows and rows as Cases."""

import json
import unicodedata
from collections.abc import Sequence
from dataclasses import asdict, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import RowMapping

from similar_cases.domain.case import Case, RegionSummary
from similar_cases.domain.coding import CodedConcept
from similar_cases.domain.description import (
    BodyCoordinate,
    Description,
    Embedding,
    EmbeddingSpace,
    Level,
    Location,
    RadiomicsRecipe,
    RadiomicsVector,
)
from similar_cases.domain.references import FrameRef, SeriesRef
from similar_cases.domain.volume import SeriesFacts

Row = dict[str, Any]
FACTS = tuple(field.name for field in fields(SeriesFacts))


def folded_name(name: str) -> str:
    """Return every group of a PN folded and set between ``=``, so that a pattern can match one group or all.

    >>> folded_name("Doe^John^^=山田^太郎")
    '=doe^john=山田^太郎='
    """
    groups = [unicodedata.normalize("NFC", group).casefold().rstrip("^ ") for group in name.split("=")]
    return "=" + "=".join(group for group in groups if group) + "="


def storable(value: Any) -> Any:
    r"""Return a header's value as every database can hold it: no NUL, no half surrogate, no NaN, 64 bits.

    >>> storable("a\x00b"), storable("\udce9"), storable(10**30), storable(float("nan"))
    ('ab', '?', None, None)
    """
    if isinstance(value, str):
        return value.replace("\0", "").encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, int | float) and not abs(value) < 2**63:
        return None
    return value


def case_row(case: Case) -> Row:
    """Return the row of ``cases``."""
    location = case.description.location
    return {
        "uid": case.uid,
        "level": case.level.value,
        "series_uid": case.series.series_uid,
        "study_uid": case.series.study_uid,
        "volume_number": case.volume_number,
        "volume_label": storable(case.volume_label),
        "tracking_uid": case.region.tracking_uid if case.region else "",
        "space_id": case.description.embedding.space.id,
        "key_frame": asdict(case.key_frame),
        "location": asdict(location) if location else None,
        "region": _plain(asdict(case.region)) if case.region else None,
        "patient_name_folded": folded_name(storable(case.facts.patient_name)),
        **{name: storable(getattr(case.facts, name)) for name in FACTS},
    }


def vector_row(case: Case, generation: int) -> Row:
    """Return the row of ``vectors``."""
    embedding = case.description.embedding
    return {
        "case_uid": case.uid,
        "space_id": embedding.space.id,
        "series_uid": case.series.series_uid,
        "vector": half(embedding.vector),
        "generation": generation,
    }


def slice_row(case: Case) -> Row:
    """Return the row of ``slice_vectors``."""
    vectors, space = case.description.slice_vectors, case.description.slice_space
    assert vectors is not None
    assert space is not None
    return {
        "case_uid": case.uid,
        "space_id": space.id,
        "series_uid": case.series.series_uid,
        "slices": len(vectors),
        "vectors": half(vectors),
    }


def caption_row(case: Case, generation: int) -> Row:
    """Return the row of ``captions``."""
    return {
        "case_uid": case.uid,
        "series_uid": case.series.series_uid,
        "level": case.level.value,
        "caption": storable(case.description.caption),
        "report": storable(case.description.report),
        "generation": generation,
    }


def text_vector_row(case: Case, generation: int) -> Row:
    """Return the row of ``vectors`` that holds what a sentence model makes of the words."""
    embedding = case.description.text_embedding
    assert embedding is not None
    return {**vector_row(case, generation), "space_id": embedding.space.id, "vector": half(embedding.vector)}


def frames_row(case: Case) -> Row:
    """Return the row of ``slice_frames``."""
    frames = case.description.slice_frames
    assert frames
    return {
        "case_uid": case.uid,
        "series_uid": case.series.series_uid,
        "sop_class_uid": frames[0][1].sop_class_uid,
        "frames": [[k, frame.sop_instance_uid, frame.frame_number] for k, frame in frames],
    }


def frames_of(sop_class_uid: str, frames: Sequence[Sequence[Any]]) -> list[tuple[int, FrameRef]]:
    """Return the (k, Frame) of each slice vector, of a row of ``slice_frames``."""
    return [(k, FrameRef(sop_class_uid, uid, number)) for k, uid, number in frames]


def radiomics_row(case: Case, names: Sequence[str], generation: int) -> Row:
    """Return the row of ``radiomics``, its values in the order of `names`, NaN for absent."""
    vector = case.description.radiomics
    assert vector is not None
    values = np.array([vector.values.get(name, np.nan) for name in names], dtype="<f8")
    return {
        "case_uid": case.uid,
        "fingerprint": vector.recipe.fingerprint,
        "series_uid": case.series.series_uid,
        "values": values.tobytes(),
        "missing": dict(vector.missing),
        "generation": generation,
    }


def result_rows(case: Case) -> list[Row]:
    """Return the rows of ``results``."""
    if case.region is None:
        return []
    stored = (("SEG", case.region.seg_sop_instance_uid), ("SR", case.region.sr_sop_instance_uid))
    common = {"case_uid": case.uid, "series_uid": case.series.series_uid}
    return [{**common, "kind": kind, "sop_instance_uid": uid} for kind, uid in stored if uid]


def case_of(row: RowMapping, embedding: Embedding, radiomics: RadiomicsVector | None) -> Case:
    """Return the Case of a row of ``cases``; slice vectors are left where they are."""
    location = row["location"]
    return Case(
        uid=row["uid"],
        level=Level(row["level"]),
        series=SeriesRef(row["study_uid"], row["series_uid"]),
        volume_number=row["volume_number"],
        volume_label=row["volume_label"],
        facts=SeriesFacts(**{name: row[name] for name in FACTS}),
        key_frame=FrameRef(**row["key_frame"]),
        description=Description(
            embedding=embedding,
            radiomics=radiomics,
            location=location_of(location) if location else None,
        ),
        region=_region_of(row["region"]) if row["region"] else None,
    )


def location_of(value: Row) -> Location:
    """Return the Location of ``cases.location``."""
    body = value.get("body")
    return Location(
        centroid_lps=tuple(value["centroid_lps"]),
        relative=tuple(value["relative"]),
        body=BodyCoordinate(tuple(body["at_mm"]), body["space"]) if body else None,
    )


def radiomics_of(values: bytes, names: Sequence[str], recipe: RadiomicsRecipe, missing: Row) -> RadiomicsVector:
    """Return the values of a blob; a name that came later than the blob is absent."""
    numbers = np.frombuffer(values, dtype="<f8")
    present = {name: float(value) for name, value in zip(names, numbers, strict=False) if not np.isnan(value)}
    return RadiomicsVector(present, recipe, missing)


def half(vectors: NDArray[np.floating]) -> bytes:
    """Return `vectors` in half precision, little-endian, row by row."""
    return vectors.astype("<f2").tobytes()


def from_half(blob: bytes, size: int) -> NDArray[np.float32]:
    """Return the (n, size) float32 vectors of a blob of `half`."""
    return np.frombuffer(blob, dtype="<f2").reshape(-1, size).astype(np.float32)


def space_json(space: EmbeddingSpace) -> Row:
    """Return what ``spaces`` keeps of a space."""
    return _plain(asdict(space))


def space_of(value: Row) -> EmbeddingSpace:
    """Return the space of `space_json`."""
    return EmbeddingSpace(**{**value, "level": Level(value["level"])})


def recipe_json(recipe: RadiomicsRecipe) -> Row:
    """Return what ``recipes`` keeps of a recipe."""
    return _plain(asdict(recipe))


def recipe_of(value: Row) -> RadiomicsRecipe:
    """Return the recipe of `recipe_json`."""
    return RadiomicsRecipe(**{**value, "classes": tuple(value["classes"])})


def _plain(value: Row) -> Row:
    """Return `value` as JSON gives it back: tuples are lists, enums their values."""
    plain: Row = json.loads(json.dumps(value), object_hook=lambda item: {k: storable(v) for k, v in item.items()})
    return plain


def _region_of(value: Row) -> RegionSummary:
    def concept(name: str) -> CodedConcept | None:
        return CodedConcept(**value[name]) if value[name] else None

    def three(name: str) -> tuple[Any, Any, Any]:
        a, b, c = value[name]
        return a, b, c

    return RegionSummary(
        **{
            **value,
            "finding": concept("finding"),
            "finding_site": concept("finding_site"),
            "centroid_lps": three("centroid_lps"),
            "lower_index": three("lower_index"),
            "upper_index": three("upper_index"),
            "key_frame": FrameRef(**value["key_frame"]),
        }
    )
