"""Diffusion weighting, where vendors hide it."""

from similar_cases.volume import header
from similar_cases.volume.slices import Slice

#: (group, element, creator, count) of the private b-value, s/mm²
_PRIVATE_B_VALUES = (
    (0x0019, 0x0C, "SIEMENS MR HEADER"),
    (0x0043, 0x39, "GEMS_PARM_01"),
    (0x2001, 0x03, "Philips Imaging DD 001"),
)
#: GE adds this to a b-value that was computed from the gradients
_GE_OFFSET = 1_000_000_000


def b_value(one: Slice) -> tuple[object, ...]:
    """Return the b-value (s/mm²) of a Slice as a key, empty where none is told."""
    stated = one.number("DiffusionBValue")
    if stated is None:
        found = (header.private(one.dataset, *where) for where in _PRIVATE_B_VALUES)
        stated = next((value for value in map(_first_number, found) if value is not None), None)
    return () if stated is None else (round(stated % _GE_OFFSET, 1),)


def gradient(one: Slice) -> tuple[object, ...]:
    """Return the gradient's direction as a key, empty where none is told."""
    stated = one.numbers("DiffusionGradientOrientation", 3)
    if stated is None:
        private = header.private(one.dataset, 0x0019, 0x0E, "SIEMENS MR HEADER")
        stated = tuple(map(float, private)) if isinstance(private, list | tuple) and len(private) == 3 else ()
    return tuple(round(value, 3) for value in stated)


def _first_number(value: object) -> float | None:
    first = value[0] if isinstance(value, list | tuple) and len(value) else value
    try:
        return float(str(first))
    except ValueError:
        return None
