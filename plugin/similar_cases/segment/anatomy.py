"""Structures that organ segmenters know by name, as coded concepts: TotalSegmentator's classes and VISTA3D's.

``anatomy.csv`` has a row a structure: TotalSegmentator's name, its label in the task ``total`` (version 2), VISTA3D's
class, and SNOMED CT's code and side as TotalSegmentator's own mapping gives them (its resource
``totalsegmentator_snomed_mapping.csv``, 2.18.0). A structure that the mapping tells only by a general code and a region
(a cyst of a kidney) has none here, and is meant by its name. `group` is the code of what several rows make up: lobes a
lung, bones the skeleton.
"""

import csv
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from similar_cases.domain.coding import LEFT, RIGHT, CodedConcept
from similar_cases.domain.errors import SegmentationFailed
from similar_cases.domain.prompts import ClassPrompt

#: the scheme of a concept that is meant by a segmenter's own name of it
BY_NAME = "99SIMILARCASES"
_SIDES = {"Left": LEFT, "Right": RIGHT, "": None}


@dataclass(frozen=True)
class Structure:
    """One structure.

    Attributes:
        name: TotalSegmentator's, or VISTA3D's with underscores where TotalSegmentator has none.
        total: label in TotalSegmentator's task ``total``; None where it is of another task.
        vista3d: VISTA3D's class; None where it has none, or does not support it.
        group: SNOMED CT's code of what it is a part of.
    """

    name: str
    total: int | None
    vista3d: int | None
    concept: CodedConcept
    side: CodedConcept | None
    group: str


@cache
def structures() -> tuple[Structure, ...]:
    """Return all structures, in the order of the table."""
    text = files("similar_cases.segment").joinpath("anatomy.csv").read_text("utf-8")
    return tuple(_structure(row) for row in csv.DictReader(text.splitlines()))


def structure_named(name: str) -> Structure | None:
    """Return the structure of that name; case, and blanks for underscores, do not matter.

    >>> structure_named("Kidney Left").concept.meaning
    'Kidney'
    """
    return next((one for one in structures() if one.name.lower() == _plain(name)), None)


def structures_meant(prompt: ClassPrompt) -> tuple[Structure, ...]:
    """Return the structures that together are what a prompt means: by code, by group, or by name.

    A code without a side means both.

    Raises:
        SegmentationFailed: when nothing here is meant.

    >>> [one.name for one in structures_meant(ClassPrompt(CodedConcept("64033007", "SCT", "Kidney")))]
    ['kidney_right', 'kidney_left']
    """
    concept = prompt.concept
    if concept.scheme == "SCT":
        found = [one for one in structures() if concept.value in (one.concept.value, one.group)]
    else:
        found = [one for one in structures() if one.name.lower() in (_plain(concept.value), _plain(concept.meaning))]
    of_side = tuple(one for one in found if prompt.side is None or one.side in (None, prompt.side))
    if not of_side:
        raise SegmentationFailed(f"no structure is known for {concept}; name one of SNOMED CT, or of {BY_NAME} by name")
    return of_side


def _structure(row: dict[str, str]) -> Structure:
    coded = CodedConcept(row["code"], "SCT", row["meaning"])
    named = CodedConcept(row["name"], BY_NAME, row["name"].replace("_", " "))
    return Structure(
        name=row["name"],
        total=int(row["total"]) if row["total"] else None,
        vista3d=int(row["vista3d"]) if row["vista3d"] else None,
        concept=coded if row["code"] else named,
        side=_SIDES[row["side"]],
        group=row["group"],
    )


def _plain(name: str) -> str:
    return name.strip().lower().replace(" ", "_")
