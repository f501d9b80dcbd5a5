"""Points, lines and outlines of reports and presentation states → prompts."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from scipy import ndimage

from similar_cases.domain.geometry import FloatArray
from similar_cases.domain.prompts import BoxPrompt, MaskPrompt, PointPrompt, Prompt
from similar_cases.domain.volume import Volume
from similar_cases.segment.prompts.contours import draw_contours

MAX_POINTS = 1_000_000
#: vertices of a circle or an ellipse drawn as an outline
_VERTICES = 72
#: where on a line that measures a lesion points are taken: its ends lie on the border
_ALONG_LINE = (0.25, 0.5, 0.75)


class ShapeKind(StrEnum):
    """What a graphic says about where a lesion is."""

    #: each point is inside
    POINTS = "points"
    #: a diameter: its middle is inside
    LINE = "line"
    #: closed and planar: a cut through it
    OUTLINE = "outline"
    #: the ends of three axes
    BODY = "body"


@dataclass(frozen=True, eq=False)
class Shape:
    """A graphic: its kind and (n, dimensions) points, in pixels (column, row) or LPS mm (x, y, z)."""

    kind: ShapeKind
    points: FloatArray


def shape_of(graphic_type: str, points: FloatArray) -> Shape | None:
    """Return the shape of a graphic in the words of PS3.3 C.10.5.1.2, C.18.6.1.2 and C.18.9.1.2; None for no hint.

    Args:
        graphic_type: Graphic Type of a presentation state or of a report's SCOORD or SCOORD3D.
        points: (n, 2) or (n, 3).

    >>> shape_of("CIRCLE", np.array([[5.0, 5.0], [5.0, 8.0]])).points.min(axis=0).round(1).tolist()
    [2.0, 2.0]
    >>> shape_of("POLYLINE", np.array([[0.0, 0.0], [4.0, 0.0]])).kind
    <ShapeKind.LINE: 'line'>
    """
    count = len(points)
    if graphic_type in ("POINT", "MULTIPOINT") and count:
        return Shape(ShapeKind.POINTS, points)
    if graphic_type in ("POLYLINE", "INTERPOLATED", "POLYGON") and count > 1:
        is_closed = graphic_type == "POLYGON" or np.allclose(points[0], points[-1], atol=1e-2)
        return Shape(ShapeKind.OUTLINE if is_closed and count > 3 else ShapeKind.LINE, points)
    if graphic_type == "CIRCLE" and points.shape == (2, 2):
        radius = points[1] - points[0]
        return Shape(ShapeKind.OUTLINE, _ellipse(points[0], radius, np.array([-radius[1], radius[0]])))
    if graphic_type == "ELLIPSE" and count == 4:
        return Shape(ShapeKind.OUTLINE, _ellipse(points.mean(axis=0), *(points[1::2] - points[::2]) / 2))
    if graphic_type == "ELLIPSOID" and points.shape == (6, 3):
        return Shape(ShapeKind.BODY, points)
    return None


def rectangle(corner: FloatArray, opposite: FloatArray) -> Shape:
    """Return the outline of a rectangle along the pixel axes, given by two opposite corners, each (column, row)."""
    (left, top), (right, bottom) = corner, opposite
    return Shape(ShapeKind.OUTLINE, np.array([[left, top], [right, top], [right, bottom], [left, bottom]]))


def ellipse_in(corner: FloatArray, opposite: FloatArray) -> Shape:
    """Return the outline of the ellipse in the rectangle between two opposite corners, each (column, row)."""
    half = np.abs(opposite - corner) / 2
    return Shape(ShapeKind.OUTLINE, _ellipse((corner + opposite) / 2, half * [1, 0], half * [0, 1]))


def _ellipse(centre: FloatArray, first: FloatArray, second: FloatArray) -> FloatArray:
    """Return the vertices of an ellipse with two half axes, in any number of dimensions."""
    angle = np.linspace(0, 2 * np.pi, _VERTICES, endpoint=False)[:, None]
    return np.asarray(centre + np.cos(angle) * first + np.sin(angle) * second)


def in_lps(shape: Shape, volume: Volume, slice_index: int) -> Shape:
    r"""Move a shape from pixels of slice k to LPS mm.

    Pixel coordinates count from the outer corner of the first pixel (PS3.3 C.10.5.1.2, C.18.6.1.2), so that the
    centre of that pixel is 0.5\0.5.
    """
    column, row = shape.points.T - 0.5
    index = np.stack([np.full_like(row, slice_index), row, column], axis=1)
    return Shape(shape.kind, volume.geometry.index_to_lps(index))


def prompts_of(shapes: Sequence[Shape], volume: Volume) -> tuple[tuple[Prompt, ...], bool]:
    """Return the prompts that the shapes of one finding, LPS mm, give, and whether they are an expert's mask.

    Outlines on several slices are a mask that an expert drew. Outlines on one slice, and bodies, give the box that a
    body as deep as wide fills, and a point well inside. Else the points, and the inner points of lines, count. Points
    outside the volume are left out.
    """
    outlines = [shape.points for shape in shapes if shape.kind is ShapeKind.OUTLINE]
    bodies = [shape.points for shape in shapes if shape.kind is ShapeKind.BODY]
    if outlines and _slices_spanned(outlines, volume) > 1:
        return (draw_contours(outlines, volume.geometry).prompt,), True
    if outlines or bodies:
        return _box_and_point(outlines, bodies, volume), False
    found = [p for shape in shapes for p in (_along(shape.points) if shape.kind is ShapeKind.LINE else shape.points)]
    return _points_inside(found, volume), False


def _slices_spanned(outlines: Sequence[FloatArray], volume: Volume) -> int:
    """Return how many planes outlines, LPS mm, lie in."""
    depths = [volume.geometry.lps_to_index(outline)[:, 0] for outline in outlines]
    return len({round(float(depth.mean())) for depth in depths if np.ptp(depth) <= 1.0})


def _points_inside(points: Sequence[FloatArray], volume: Volume) -> tuple[Prompt, ...]:
    """Return the points, LPS mm, that lie in the volume."""
    return tuple(PointPrompt(tuple(point)) for point in points if volume.geometry.contains_lps(point))


def _along(line: FloatArray) -> FloatArray:
    """Return the points at a quarter, the half and three quarters of a line's length."""
    lengths = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
    if not lengths[-1]:
        return line[:1]
    wanted = np.asarray(_ALONG_LINE) * lengths[-1]
    return np.stack([np.interp(wanted, lengths, line[:, axis]) for axis in range(line.shape[1])], axis=1)


def _box_and_point(outlines: Sequence[FloatArray], bodies: Sequence[FloatArray], volume: Volume) -> tuple[Prompt, ...]:
    """Return the box round outlines and bodies, LPS mm, and a point well inside; nothing outside the volume."""
    corners = np.concatenate([*map(_with_depth, outlines), *bodies])
    margin = min(volume.geometry.spacing_mm) / 2
    lower, upper = corners.min(axis=0) - margin, corners.max(axis=0) + margin
    inside = _deepest(outlines, volume) if outlines else np.mean([body.mean(axis=0) for body in bodies], axis=0)
    point = _points_inside([inside], volume)
    return (BoxPrompt(tuple(lower), tuple(upper)), *point) if point else ()


def _with_depth(outline: FloatArray) -> FloatArray:
    """Return an outline moved to either side of its plane by half of its longer side."""
    centred = outline - outline.mean(axis=0)
    # the direction of least extent; the plane's normal
    normal = np.linalg.svd(centred, full_matrices=True)[2][-1]
    half = float(np.ptp(centred, axis=0).max()) / 2
    return np.concatenate([outline + half * normal, outline - half * normal])


def _deepest(outlines: Sequence[FloatArray], volume: Volume) -> FloatArray:
    """Return the voxel centre furthest from the border of outlines, LPS mm; their mean where they hold none."""
    drawn: MaskPrompt = draw_contours(outlines, volume.geometry).prompt
    if not drawn.mask.any():
        return np.asarray(np.concatenate(list(outlines)).mean(axis=0))
    framed = np.pad(drawn.mask, 1)
    depth = ndimage.distance_transform_edt(framed, sampling=drawn.geometry.spacing_mm)[1:-1, 1:-1, 1:-1]
    deepest = np.unravel_index(int(depth.argmax()), depth.shape)
    return np.asarray(drawn.geometry.index_to_lps(deepest)[0])
