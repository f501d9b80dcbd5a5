"""The made-up Regions as a catalogue in SQL."""

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Engine, insert, update

from similar_cases.domain.references import SeriesRef
from similar_cases.index import encoding, schema
from similar_cases.index.catalogue import Catalogue
from tests.benchmark import synthetic_archive as archive
from tests.case_samples import sample


def fill_catalogue(engine: Engine, made: NDArray[np.float16], known: archive.Attributes) -> None:
    """Put every Region into an empty catalogue, in bulk: one Series and one Study each, patients have several."""
    Catalogue(engine).create()
    template = encoding.case_row(sample(SeriesRef("1.2", "1.2.1"), vector=np.ones(archive.SIZE)))
    stored = {"id": archive.space().id, "space": encoding.space_json(archive.space()), "created_at": 0.0}
    with engine.begin() as connection:
        connection.execute(insert(schema.spaces), stored)
        connection.execute(update(schema.meta).where(schema.meta.c.name == "generation").values(value=1))
    for start in range(0, len(made), archive.BLOCK):
        positions = range(start, min(start + archive.BLOCK, len(made)))
        vector_rows = [
            {
                "case_uid": archive.uid_of(at),
                "space_id": archive.space().id,
                "series_uid": f"2.26.{at}",
                "vector": made[at].tobytes(),
                "generation": 1,
            }
            for at in positions
        ]
        with engine.begin() as connection:
            connection.execute(insert(schema.cases), [{**template, **_facts(at, known)} for at in positions])
            connection.execute(insert(schema.vectors), vector_rows)


def _facts(at: int, known: archive.Attributes) -> dict[str, object]:
    patient = f"P{known.patient[at]}"
    return {
        "uid": archive.uid_of(at),
        "series_uid": f"2.26.{at}",
        "study_uid": f"2.27.{at}",
        "tracking_uid": f"2.28.{at}",
        "space_id": archive.space().id,
        "patient_id": patient,
        "patient_name": patient,
        "patient_name_folded": encoding.folded_name(patient),
        "patient_sex": str(known.sex[at]),
        "patient_age_years": float(known.age[at]),
        "study_date": str(known.date[at]),
        "modality": str(known.modality[at]),
        "body_part_examined": str(known.body_part[at]),
        "manufacturer": str(known.manufacturer[at]),
        "study_description": f"{known.modality[at]} {known.body_part[at]}",
    }
