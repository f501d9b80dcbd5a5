"""Graphic annotations of presentation states → prompts (PS3.3 C.10.5)."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from pydicom import Dataset

from similar_cases.domain.case import derived_uid
from similar_cases.domain.errors import MalformedDicom
from similar_cases.domain.geometry import FloatArray
from similar_cases.domain.prompts import Prompt, PromptOrigin, PromptSet
from similar_cases.domain.volume import Volume
from similar_cases.segment.prompts.attributes import integer, items, numbers, points, text, uid
from similar_cases.segment.prompts.frames import SliceIndex, slices_by_frame, slices_of_images
from similar_cases.segment.prompts.shapes import (
    MAX_POINTS,
    Shape,
    ShapeKind,
    ellipse_in,
    in_lps,
    prompts_of,
    rectangle,
    shape_of,
)

_LOG = logging.getLogger(__name__)

MAX_ANNOTATIONS = 10_000
MAX_GRAPHICS = 10_000


@dataclass(frozen=True, eq=False)
class _Graphic:
    """One graphic on an image: its shape in pixels, what stands beside it, and its own Tracking UID, empty for none."""

    shape: Shape
    label: str
    tracking_uid: str


def read_pr(annotation: Dataset, volume: Volume) -> list[PromptSet]:
    """Return one set for each graphic on an image of `volume`, in the object's order.

    Graphics in display-relative coordinates depend on a screen and are left out. A text without a graphic is a point
    where its visible anchor is. Outlines lie on one slice, so that none is an expert's mask.

    Raises:
        MalformedDicom: when the object cannot be read or passes the bounds.
    """
    slices = slices_by_frame(volume)
    found = []
    for number, note in enumerate(items(annotation, "GraphicAnnotationSequence", MAX_ANNOTATIONS), start=1):
        on = _slices_of_note(annotation, note, slices)
        for position, graphic in enumerate(_graphics(note), start=1):
            for k in on:
                prompts, _ = prompts_of([in_lps(graphic.shape, volume, k)], volume)
                if prompts:
                    derived = derived_uid(uid(annotation, "SOPInstanceUID"), number, position, k)
                    found.append(_prompt_set(annotation, graphic, prompts, derived))
    return found


def _prompt_set(annotation: Dataset, graphic: _Graphic, prompts: tuple[Prompt, ...], derived: str) -> PromptSet:
    return PromptSet(
        prompts=prompts,
        tracking_uid=graphic.tracking_uid or derived,
        label=graphic.label,
        origin=PromptOrigin.PR,
        source_sop_instance_uid=uid(annotation, "SOPInstanceUID"),
    )


def _slices_of_note(annotation: Dataset, note: Dataset, slices: SliceIndex) -> list[int]:
    """Return the slice k that a note is on; where it is on all images of the object, only if that is one image."""
    if "ReferencedImageSequence" in note:
        named = slices_of_images(note, "ReferencedImageSequence", slices)
    else:
        series = items(annotation, "ReferencedSeriesSequence")
        named = [k for item in series for k in slices_of_images(item, "ReferencedImageSequence", slices)]
    # a mark repeated on a whole stack marks no place in it
    return named if len(named) == 1 else []


def _graphics(note: Dataset) -> Iterator[_Graphic]:
    """Give the graphics of one note: compound ones, simple ones that are no rendering of those, else the texts."""
    compounds = items(note, "CompoundGraphicSequence", MAX_GRAPHICS)
    drawn_already = {integer(compound, "CompoundGraphicInstanceID") for compound in compounds} - {None}
    simple = [
        graphic
        for graphic in items(note, "GraphicObjectSequence", MAX_GRAPHICS)
        if integer(graphic, "CompoundGraphicInstanceID") not in drawn_already
    ]
    texts = items(note, "TextObjectSequence", MAX_GRAPHICS)
    label = text(texts[0], "UnformattedTextValue") if len(texts) == 1 else ""
    shapes = [(item, _compound_shape(item)) for item in compounds] + [(item, _simple_shape(item)) for item in simple]
    if shapes:
        yield from (_Graphic(shape, label, uid(item, "TrackingUID")) for item, shape in shapes if shape is not None)
    else:
        yield from _anchors(texts)


def _anchors(texts: list[Dataset]) -> Iterator[_Graphic]:
    """Give the visible anchor points of texts in pixels."""
    for item in texts:
        anchor = numbers(item, "AnchorPoint")
        is_pixel = text(item, "AnchorPointAnnotationUnits") == "PIXEL"
        if len(anchor) == 2 and is_pixel and text(item, "AnchorPointVisibility") != "N":
            shape = Shape(ShapeKind.POINTS, anchor.reshape(1, 2))
            yield _Graphic(shape, text(item, "UnformattedTextValue"), uid(item, "TrackingUID"))


def _simple_shape(graphic: Dataset) -> Shape | None:
    """Return the shape, in pixels, of an item of the Graphic Object Sequence; None for no hint."""
    if text(graphic, "GraphicAnnotationUnits") != "PIXEL":
        return None
    return shape_of(text(graphic, "GraphicType"), _graphic_data(graphic))


def _compound_shape(compound: Dataset) -> Shape | None:
    """Return the shape, in pixels, of an item of the Compound Graphic Sequence (C.10.5.1.3); None for no hint.

    Axes, cut lines and range lines mark no lesion. Of an arrow the second point is taken as its tip.
    """
    data, kind = _graphic_data(compound), text(compound, "CompoundGraphicType")
    if text(compound, "CompoundGraphicUnits") != "PIXEL" or not len(data):
        return None
    shape: Shape | None = None
    if kind in ("RECTANGLE", "ELLIPSE") and len(data) == 2:
        shape = rectangle(*data) if kind == "RECTANGLE" else ellipse_in(*data)
    elif kind in ("RULER", "MULTILINE") and len(data) > 1:
        shape = Shape(ShapeKind.LINE, data[:2])
    elif kind in ("ARROW", "CROSSHAIR", "MULTIPOINT"):
        shape = Shape(ShapeKind.POINTS, data[-1:] if kind == "ARROW" else data)
    return None if shape is None else _rotated(shape, compound)


def _rotated(shape: Shape, compound: Dataset) -> Shape:
    """Turn a compound graphic counterclockwise, as seen, round its rotation point (C.10.5.1.3.2)."""
    angle, centre = numbers(compound, "RotationAngle"), numbers(compound, "RotationPoint")
    if len(angle) != 1 or len(centre) != 2:
        return shape
    turn = np.deg2rad(angle[0])
    # rows count downwards, so that counterclockwise on the screen is clockwise in (column, row)
    matrix = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    return Shape(shape.kind, (shape.points - centre) @ matrix.T + centre)


def _graphic_data(item: Dataset) -> FloatArray:
    found = points(item, "GraphicData", 2)
    if len(found) > MAX_POINTS:
        raise MalformedDicom(f"GraphicData holds {len(found)} points; more than {MAX_POINTS} are not read")
    return found
