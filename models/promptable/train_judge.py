"""Teaches the judge of scales (`ScaleJudge`): looks at many scales in training volumes, and how well each had it.

    python -m models.promptable.train_judge --items .cache/promptable-fine.npz --training .cache/promptable --take mean

The network stays as it is. Looks are taken and their traits told by the code that the product runs; ``judged.npz`` in
the training's folder keeps them, and is read again when it is there. ``judge.pt`` is the judge, which export.py puts
into the bundle. Printed is how good the looks are that a judge believes which never saw the patient, beside those that
the network's quality and that the truth would choose. Validation patients are not read.
"""

import argparse
import logging
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from models.promptable.atlas import log_uniform
from models.promptable.choose_zoom import opened
from models.promptable.export import TAKEN, training_in
from models.promptable.validate import network_with
from models.promptable.whole_scenes import Asked, on_lesion, on_target, targets_asked
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from similar_cases.segment.backends.promptable.look import Look, back_to_volume, lowest
from similar_cases.segment.backends.promptable.network import ScaleJudge
from similar_cases.segment.backends.promptable.traits import traits_of
from similar_cases.segment.backends.promptable.zoom import Looker

log = logging.getLogger(__name__)

SEED = 20261127
#: a lesion set in is small below this, mm; a group of its own in the table
_SMALL_MM = 30.0
#: by how much the scales of the starts are drawn larger or smaller, so that the judge knows those between, too
_JITTER = 1.45
#: how much each group counts in the loss
_WEIGHTS = {"hippocampus": 0.5, "organs": 1.0, "sarcoma CT": 1.5, "sarcoma MR": 1.5, "sarcoma PT": 1.5}
EPOCHS, BATCH, RATE, DECAY, DROPPED, FOLDS = 60, 64, 3e-3, 0.02, 0.25, 5


@dataclass(frozen=True, eq=False)
class Judged:
    """The looks at one click: of what kind and of whom; traits (n, 3 * TRAITS), IoU with the whole object (n,)."""

    kind: str
    patient: str
    traits: NDArray[np.float32]
    overlap: NDArray[np.float32]


def main() -> None:
    """Look, teach, and tell how well the taught judge believes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=Path, required=True)
    parser.add_argument("--training", type=Path, required=True, help="folder of train.py")
    parser.add_argument("--take", choices=TAKEN, default="best", help="which of its weights look, as in export.py")
    parser.add_argument("--lesions", type=int, default=600, help="so many are set into the images")
    parser.add_argument("--processes", type=int, default=2)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    looks = arguments.training / "judged.npz"
    if not looks.exists():
        save(looks, looked(arguments))
    cases = load(looks)
    believed = told(cases, examined(cases))
    for row in believed:
        log.info("%-12s n %4d  judge %.3f  quality %.3f  best %.3f", *row.values())
    kept = {"weights": taught(cases).state_dict(), "clicks": len(cases), "believed": believed}
    torch.save(kept, arguments.training / "judge.pt")


def looked(arguments: argparse.Namespace) -> list[Judged]:
    """Look at every target and at lesions set in, by several processes."""
    wanted: list[tuple | None] = [*targets_asked(opened(arguments.items)), *[None] * arguments.lesions]
    order = np.random.default_rng(SEED).permutation(len(wanted))
    look = partial(judged, arguments.items, arguments.training, arguments.take)
    cases = []
    with ProcessPoolExecutor(arguments.processes) as pool:
        for case in pool.map(look, order.tolist(), [wanted[n] for n in order], chunksize=4):
            cases.append(case)
            if len(cases) % 50 == 0:
                log.info("%d of %d clicks", len(cases), len(wanted))
    return cases


@cache
def looker_of(training: Path, taken: str) -> Looker:
    """Return what looks, made once a process."""
    return Looker(network=network_with(training_in(training, taken).weights))


def judged(items: Path, training: Path, taken: str, seed: int, target: tuple | None) -> Judged:
    """Take the looks at one click, a target's or on a lesion set in."""
    rng = np.random.default_rng((SEED, seed))
    found = opened(items)
    asked = on_target(found, *target, rng) if target else on_lesion(found, rng)
    looker = looker_of(training, taken)
    moved = log_uniform(rng, 1 / _JITTER, _JITTER)
    recipe = replace(
        looker.recipe,
        first_spacing_mm=looker.recipe.first_spacing_mm * moved,
        volume_share=looker.recipe.volume_share * moved,
    )
    series = replace(looker, recipe=recipe).starts(asked.volume, asked.hints, lowest(asked.volume))
    overlap = [overlap_of(one.look, asked) for one in series]
    return Judged(group_of(asked), asked.patient, traits_of(series).numpy(), np.array(overlap, dtype=np.float32))


def group_of(asked: Asked) -> str:
    """Return the kind; of lesions set in, small and large are two."""
    if asked.kind != "set in":
        return asked.kind
    sides = asked.volume.affine[:3, :3].norm(dim=0).numpy()
    return "small" if float((np.ptp(np.argwhere(asked.truth), axis=0) * sides).max()) < _SMALL_MM else "large"


def overlap_of(look: Look, asked: Asked) -> float:
    """Return the IoU of a look with the whole object, in the volume's own grid."""
    mask = back_to_volume(look.reduced_to(asked.hints.positive), asked.volume).full_mask(asked.truth.shape)
    return float((mask & asked.truth).sum() / max(1, (mask | asked.truth).sum()))


def save(path: Path, cases: list[Judged]) -> None:
    """Write the cases as arrays of one row a look."""
    starts = np.cumsum([0, *(len(one.overlap) for one in cases)])
    np.savez_compressed(
        path,
        kind=np.array([one.kind for one in cases]),
        patient=np.array([one.patient for one in cases]),
        starts=starts,
        traits=np.concatenate([one.traits for one in cases]),
        overlap=np.concatenate([one.overlap for one in cases]),
    )


def load(path: Path) -> list[Judged]:
    """Read what `save` wrote."""
    with np.load(path) as file:
        rows = [slice(a, b) for a, b in zip(file["starts"], file["starts"][1:], strict=False)]
        traits, overlap = file["traits"], file["overlap"]
        return [
            Judged(str(kind), str(patient), traits[row], overlap[row])
            for kind, patient, row in zip(file["kind"], file["patient"], rows, strict=True)
        ]


def taught(cases: list[Judged]) -> ScaleJudge:
    """Return a judge that learnt from the cases, by the squared error of the intersection over union."""
    torch.manual_seed(SEED)
    traits = torch.from_numpy(np.concatenate([one.traits for one in cases]))
    overlap = torch.from_numpy(np.concatenate([one.overlap for one in cases]))
    weight = torch.tensor([_WEIGHTS.get(one.kind, 1.0) for one in cases for _ in one.overlap])
    judge = ScaleJudge()
    judge.mean.copy_(traits.mean(0))
    judge.spread.copy_(traits.std(0) + 1e-3)
    steps = EPOCHS * len(traits) // BATCH + 1
    optimiser = torch.optim.AdamW(judge.parameters(), lr=RATE, weight_decay=DECAY)
    course = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=steps)
    for _ in range(steps):
        rows = torch.randint(0, len(traits), (BATCH,))
        loss = (weight[rows] * (judge(_dropped(traits[rows], judge)) - overlap[rows]) ** 2).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        course.step()
    return judge.eval()


def _dropped(traits: Tensor, judge: ScaleJudge) -> Tensor:
    """Replace some traits by their mean, so that no single one is leant on."""
    return torch.where(functional.dropout(torch.ones_like(traits), DROPPED) > 0, traits, judge.mean)


def examined(cases: list[Judged]) -> list[NDArray[np.float32]]:
    """Return what judges say of each case's looks that learnt from other patients alone."""
    patients = sorted({one.patient for one in cases})
    fold = dict(zip(patients, np.random.default_rng(SEED).integers(FOLDS, size=len(patients)), strict=True))
    said: list[NDArray[np.float32]] = [np.zeros(0, np.float32)] * len(cases)
    for number in range(FOLDS):
        judge = taught([one for one in cases if fold[one.patient] != number])
        for n, one in enumerate(cases):
            if fold[one.patient] == number:
                with torch.inference_mode():
                    said[n] = judge(torch.from_numpy(one.traits)).numpy()
    return said


def told(cases: list[Judged], said: list[NDArray[np.float32]]) -> list[dict[str, Any]]:
    """Return, by kind, the mean IoU of the look that the judge believes, of that with the best quality, of the best."""
    rows = []
    for kind in sorted({one.kind for one in cases}):
        here = [(one, worth) for one, worth in zip(cases, said, strict=True) if one.kind == kind]
        rows.append(
            {
                "kind": kind,
                "n": len(here),
                "judge": float(np.mean([one.overlap[worth.argmax()] for one, worth in here])),
                "quality": float(np.mean([one.overlap[one.traits[:, 0].argmax()] for one, _ in here])),
                "best": float(np.mean([one.overlap.max() for one, _ in here])),
            }
        )
    return rows


if __name__ == "__main__":
    main()
