"""Several volumes in one Series: told apart by the attribute that explains why positions are taken twice."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace

from similar_cases.volume import diffusion
from similar_cases.volume.bounds import VolumeBounds
from similar_cases.volume.layout import layouts
from similar_cases.volume.slices import Slice
from similar_cases.volume.stacks import Stack

Key = tuple[object, ...]


def _number(keyword: str) -> Callable[[Slice], Key]:
    def read(one: Slice) -> Key:
        found = one.number(keyword)
        return () if found is None else (round(found, 4),)

    return read


def _words(keyword: str) -> Callable[[Slice], Key]:
    return lambda one: one.words(keyword)


def _in_plane(one: Slice) -> Key:
    """Where the slice begins within its plane, in whole mm: two stacks side by side differ in it."""
    return round(float(one.origin_lps @ one.row_direction)), round(float(one.origin_lps @ one.column_direction))


#: what can explain several volumes, the most telling first; the first that leaves no position taken twice wins
EXPLANATIONS: tuple[tuple[str, Callable[[Slice], Key]], ...] = (
    ("StackID", _words("StackID")),
    ("ImageType", _words("ImageType")),
    ("FrameType", _words("FrameType")),
    ("ComplexImageComponent", _words("ComplexImageComponent")),
    ("EchoTime", _number("EchoTime")),
    ("EffectiveEchoTime", _number("EffectiveEchoTime")),
    ("EchoNumbers", _number("EchoNumbers")),
    ("InversionTime", _number("InversionTime")),
    ("DiffusionBValue", diffusion.b_value),
    ("DiffusionGradientOrientation", diffusion.gradient),
    ("TemporalPositionIdentifier", _number("TemporalPositionIdentifier")),
    ("TemporalPositionIndex", _number("TemporalPositionIndex")),
    ("NominalPercentageOfCardiacPhase", _number("NominalPercentageOfCardiacPhase")),
    ("NominalCardiacTriggerDelayTime", _number("NominalCardiacTriggerDelayTime")),
    ("TriggerTime", _number("TriggerTime")),
    ("FrameReferenceTime", _number("FrameReferenceTime")),
    ("KVP", _number("KVP")),
    ("ConvolutionKernel", _words("ConvolutionKernel")),
    ("FlipAngle", _number("FlipAngle")),
    ("AcquisitionNumber", _number("AcquisitionNumber")),
    ("ContrastBolusAgent", _words("ContrastBolusAgent")),
    ("SliceThickness", _number("SliceThickness")),
    ("AcquisitionDateTime", _words("AcquisitionDateTime")),
    ("AcquisitionTime", _words("AcquisitionTime")),
    ("SeriesTime", _words("SeriesTime")),
    ("ImagePositionPatient in plane", _in_plane),
)

#: in which order images at one position are taken where nothing explains them
_ORDER = ("TemporalPositionIdentifier", "TemporalPositionIndex", "TriggerTime", "AcquisitionNumber", "InstanceNumber")


def separate(stack: Stack, bounds: VolumeBounds, digest: Callable[[Slice], bytes]) -> list[Stack]:
    """Part a stack into stacks that hold each position once, each with the label that explains it.

    Images at one position that are equal in every pixel (`digest` tells) are kept once. Where no attribute explains
    the others, the first image at each position makes the first stack, and so on. A stack that is regular as it
    stands is left alone, whatever its attributes say.
    """
    if _cost(stack, bounds) == 0 or len(stack.positions()) < bounds.min_slices:
        return [stack]
    return _explained(_without_copies(stack, digest), bounds, digest)


def _explained(stack: Stack, bounds: VolumeBounds, digest: Callable[[Slice], bytes]) -> list[Stack]:
    cost = _cost(stack, bounds)
    if cost == 0:
        return [stack]
    candidates = [
        (sum(_cost(part, bounds) for part in parts), rank, parts)
        for rank, (name, read) in enumerate(EXPLANATIONS)
        if len(parts := _parts(stack, name, read)) > 1
    ]
    best = min(candidates, default=None, key=lambda found: found[:2])
    if best is not None and best[0] < cost:
        return [small for part in best[2] for small in _explained(part, bounds, digest)]
    return _by_order(stack, digest)


def _without_copies(stack: Stack, digest: Callable[[Slice], bytes]) -> Stack:
    """Drop images that are equal in every pixel to another at their position.

    Only the middle one of the positions taken twice is looked at first: where it holds no copies there are none
    worth the decoding, and phases that happen to be equal far from the heart stay whole.
    """
    crowded = [group for group in stack.positions() if len(group) > 1]
    if not crowded or len(_distinct(stack, crowded[len(crowded) // 2], digest)) == len(crowded[len(crowded) // 2]):
        return stack
    return _kept(stack, [_distinct(stack, group, digest) for group in stack.positions()])


def _distinct(stack: Stack, group: list[int], digest: Callable[[Slice], bytes]) -> list[int]:
    """Return the first of each set of equal images."""
    if len(group) == 1:
        return group
    first: dict[bytes, int] = {}
    for index in group:
        first.setdefault(digest(stack.slices[index]), index)
    return sorted(first.values())


def _kept(stack: Stack, positions: list[list[int]]) -> Stack:
    kept = stack.part([index for group in positions for index in group])
    dropped = len(stack.slices) - len(kept.slices)
    note = f"{dropped} duplicate image{'s' * (dropped > 1)} at the same position with the same pixels dropped"
    return replace(kept, notes=(*kept.notes, note)) if dropped else kept


def _cost(stack: Stack, bounds: VolumeBounds) -> int:
    """Count the Slices that would be in no volume, were the stack laid out as it is."""
    positions = stack.positions()
    surplus = len(stack.slices) - len(positions)
    first = [group[0] for group in positions]
    laid = layouts(stack.distances_mm[first], bounds)
    # one grid is better than several pieces, so each further piece counts too
    return surplus + len(first) - sum(len(one.members) for one in laid) + max(0, len(laid) - 1)


def _parts(stack: Stack, name: str, read: Callable[[Slice], Key]) -> list[Stack]:
    """Part a stack by one attribute, in the order of its values."""
    groups: dict[Key, list[int]] = defaultdict(list)
    for index, one in enumerate(stack.slices):
        groups[read(one)].append(index)
    if len(groups) == 1:
        return []
    common = _common(list(groups))
    return [
        stack.part(groups[key], f"{name}={_shown(key, common)}")
        for key in sorted(groups, key=lambda key: (len(key) > 0, [(isinstance(v, str), v) for v in key]))
    ]


def _common(keys: list[Key]) -> int:
    """Count the leading values that all keys share (ORIGINAL, PRIMARY …), which tell nothing."""
    shortest = min(len(key) for key in keys)
    return next((at for at in range(shortest) if len({key[at] for key in keys}) > 1), shortest)


def _shown(key: Key, common: int) -> str:
    return "\\".join(value if isinstance(value, str) else f"{value:g}" for value in key[common:]) or "none"


def _by_order(stack: Stack, digest: Callable[[Slice], bytes]) -> list[Stack]:
    """Take the first Slice at each position, then the second, and so on."""
    if len({len(group) for group in stack.positions()}) > 1:
        stack = _kept(stack, [_distinct(stack, group, digest) for group in stack.positions()])
    positions = [sorted(group, key=lambda index: _rank(stack.slices[index])) for group in stack.positions()]
    count = max(len(group) for group in positions)
    if count == 1:
        return [stack]
    return [
        stack.part([group[turn] for group in positions if turn < len(group)], f"order={turn + 1}")
        for turn in range(count)
    ]


def _rank(one: Slice) -> tuple[float | str, ...]:
    return (*(one.number(keyword) or 0.0 for keyword in _ORDER), one.ref.sop_instance_uid, one.frame_index)
