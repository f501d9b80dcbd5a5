"""Slices to stacks: what is parallel, of one size and in one Frame of Reference belongs together."""

from dataclasses import dataclass

import numpy as np

from similar_cases.domain.geometry import FloatArray
from similar_cases.volume import header
from similar_cases.volume.layout import SAME_POSITION_MM
from similar_cases.volume.slices import Slice

#: orientations whose direction cosines differ by less are one, as decimals are cut
_SAME_DIRECTION = 1e-3
_SAME_SPACING = 1e-3


@dataclass(frozen=True, eq=False)
class Stack:
    """Parallel Slices of one size, sorted along their normal.

    Attributes:
        slices: sorted by `distances_mm`; those at one position in the order of their SOP Instance UIDs.
        distances_mm: (n,) along the normal, from LPS 0, ascending.
        label: what tells the stack from the others of the Series.
        notes: what was left out of it, for people.
    """

    slices: tuple[Slice, ...]
    distances_mm: FloatArray
    label: str = ""
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, slices: list[Slice], label: str = "") -> "Stack":
        """Sort parallel Slices along the normal of the first (never by Instance Number, which means nothing)."""
        normal = slices[0].normal
        distances = np.array([one.origin_lps @ normal for one in slices])
        keys = [(d, one.ref.sop_instance_uid, one.frame_index) for d, one in zip(distances, slices, strict=True)]
        order = sorted(range(len(slices)), key=keys.__getitem__)
        return cls(tuple(slices[index] for index in order), distances[order], label)

    def positions(self) -> list[list[int]]:
        """Return the indices of the Slices at each position, in the order of the positions."""
        if not len(self.slices):
            return []
        new = np.flatnonzero(np.diff(self.distances_mm) > SAME_POSITION_MM) + 1
        return [group.tolist() for group in np.split(np.arange(len(self.slices)), new)]

    def part(self, indices: list[int], label: str = "") -> "Stack":
        """Return the stack of some of the Slices, `indices` ascending; `label` is added to the stack's own."""
        labels = ", ".join(one for one in (self.label, label) if one)
        return Stack(tuple(self.slices[index] for index in indices), self.distances_mm[indices], labels, self.notes)


def parallel_stacks(slices: list[Slice]) -> list[Stack]:
    """Group Slices by orientation, size, spacing and Frame of Reference; the largest group first."""
    groups: list[list[Slice]] = []
    for one in slices:
        for group in groups:
            if _belong_together(group[0], one):
                group.append(one)
                break
        else:
            groups.append([one])
    groups.sort(key=lambda group: (-len(group), min(one.ref.sop_instance_uid for one in group)))
    return [Stack.of(group, _label(group[0], groups)) for group in groups]


def frame_of_reference(one: Slice) -> str:
    """Return the Frame of Reference UID of a Slice; empty where it has none."""
    return header.text(one.dataset, "FrameOfReferenceUID")


def _belong_together(a: Slice, b: Slice) -> bool:
    return (
        a.size == b.size
        and np.allclose(a.spacing_mm, b.spacing_mm, rtol=_SAME_SPACING, atol=0)
        and float(np.abs(a.row_direction - b.row_direction).max()) < _SAME_DIRECTION
        and float(np.abs(a.column_direction - b.column_direction).max()) < _SAME_DIRECTION
        and frame_of_reference(a) == frame_of_reference(b)
    )


def _label(one: Slice, groups: list[list[Slice]]) -> str:
    """Tell a stack by its plane and its size, where there are several."""
    if len(groups) == 1:
        return ""
    plane = ("sagittal", "coronal", "axial")[int(np.abs(one.normal).argmax())]
    return f"{plane} {one.size[0]}×{one.size[1]}"
