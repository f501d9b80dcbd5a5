"""How good a mask is after 1, 3 and 5 clicks, beside a reference that gets the same clicks.

The clicks follow the segmenter's own errors (`clicks`). After each, the segmenter is asked again with all clicks and
the mask so far, as the page asks; the reference gets the clicks alone, since it would but fill the mask. The Dice
coefficient is that of the mask in the volume's own grid.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from similar_cases.domain.errors import SegmentationFailed
from similar_cases.domain.prompts import MaskPrompt, Prompt, PromptSet
from similar_cases.domain.volume import Volume
from similar_cases.evaluate.bootstrap_interval import bootstrap_interval
from similar_cases.evaluate.clicks import Mask, first_click, next_click
from similar_cases.evaluate.lesion_samples import Lesion, LesionSample
from similar_cases.segment.segmenter import Segmenter

#: after how many clicks a row is told
CLICKS = (1, 3, 5)


@dataclass(frozen=True, kw_only=True)
class ClickRow:
    """One line of the table; `dice_ci` is a 95 % interval over patients, None where there are fewer than two."""

    dataset: str
    modality: str
    clicks: int
    n: int
    patients: int
    dice_mean: float
    dice_ci: tuple[float, float] | None
    reference_dice_mean: float

    def as_json(self) -> dict[str, object]:
        """Return the row's fields, rounded to what they mean."""
        rounded = {k: round(v, 4) if isinstance(v, float) else v for k, v in asdict(self).items()}
        return rounded | {"dice_ci": self.dice_ci and [round(end, 4) for end in self.dice_ci]}


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One lesion after some clicks."""

    sample: LesionSample
    clicks: int
    dice: float
    reference_dice: float


def click_to_mask(
    samples: Sequence[LesionSample],
    segmenter: Segmenter,
    reference: Segmenter,
    moved: Callable[[int, int], None] = lambda done, of: None,
) -> list[ClickRow]:
    """Return the table; `moved` is told (samples done, samples) on the way."""
    found: list[Measurement] = []
    for done, sample in enumerate(samples):
        moved(done, len(samples))
        for lesion in sample.load():
            found.extend(_measured(sample, lesion, segmenter, reference))
    moved(len(samples), len(samples))
    return rows_of(found)


def rows_of(measurements: Sequence[Measurement]) -> list[ClickRow]:
    """Return one row a data set, modality and number of clicks, in the order in which they come."""
    groups: dict[tuple[str, str, int], list[Measurement]] = {}
    for one in measurements:
        groups.setdefault((one.sample.dataset, one.sample.modality, one.clicks), []).append(one)
    return [_row(key, group) for key, group in groups.items()]


def _row(key: tuple[str, str, int], group: list[Measurement]) -> ClickRow:
    patients = [one.sample.patient for one in group]
    scores = [one.dice for one in group]
    return ClickRow(
        dataset=key[0],
        modality=key[1],
        clicks=key[2],
        n=len(group),
        patients=len(set(patients)),
        dice_mean=float(np.mean(scores)),
        dice_ci=bootstrap_interval(scores, patients),
        reference_dice_mean=float(np.mean([one.reference_dice for one in group])),
    )


def _measured(
    sample: LesionSample, lesion: Lesion, segmenter: Segmenter, reference: Segmenter
) -> Iterator[Measurement]:
    clicks: list[Prompt] = [first_click(lesion.truth, lesion.volume.geometry)]
    so_far: list[Prompt] = []
    for number in range(1, max(CLICKS) + 1):
        guess = mask_of(segmenter, lesion.volume, [*clicks, *so_far])
        so_far = [MaskPrompt(guess, lesion.volume.geometry)] if guess.any() else []
        if number in CLICKS:
            other = mask_of(reference, lesion.volume, clicks)
            yield Measurement(
                sample=sample, clicks=number, dice=dice(guess, lesion.truth), reference_dice=dice(other, lesion.truth)
            )
        correction = next_click(guess, lesion.truth, lesion.volume.geometry)
        if correction is not None:
            clicks.append(correction)


def mask_of(segmenter: Segmenter, volume: Volume, prompts: Sequence[Prompt]) -> Mask:
    """Return what a segmenter makes of `prompts`, (k, j, i) over the whole volume; nothing where it finds nothing."""
    asked = PromptSet(prompts=tuple(prompts), tracking_uid="2.25.1")
    try:
        return segmenter.segment(volume, asked).full_mask(volume.geometry.shape)
    except SegmentationFailed:
        return np.zeros(volume.geometry.shape, dtype=bool)


def dice(guess: Mask, truth: Mask) -> float:
    """Return the Dice coefficient of two masks, 0 to 1; two empty ones are equal.

    >>> dice(np.array([True, True, False]), np.array([False, True, False]))
    0.6666666666666666
    """
    total = int(np.count_nonzero(guess)) + int(np.count_nonzero(truth))
    return 2.0 * int(np.count_nonzero(guess & truth)) / total if total else 1.0
