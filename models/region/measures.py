"""What a training measures on the way, on regions held out of it: is the same lesion found, do values find values."""

import numpy as np
import torch
from models.region.bank import Bank
from models.region.views import image_views
from torch import Tensor
from torch.nn import functional

from similar_cases.describe.backends.region_token.network import SharedSpace

#: regions that are embedded at a time
BATCH = 64


def measured(space: SharedSpace, bank: Bank, rows: list[int]) -> dict[str, float]:
    """Return top-1 of the same lesion in another modality (masks as drawn, and redrawn), and correlations at 5.

    Queries are `rows`; candidates are all regions of the bank.
    """
    found = {}
    for name, rough in (("top1", False), ("top1 rough", True)):
        found[name] = same_lesion_top1(embedded(space, bank, rough=rough), bank, rows)
    images = embedded(space, bank, rough=True)
    classes = [name.partition("_")[0] for name in bank.text["names"]]
    for subset in ("all", "shape", "firstorder", "glcm"):
        wanted = torch.tensor([subset in ("all", one) for one in classes], device=images.device)
        found[f"corr {subset}"] = correlation_at_5(space, bank, images, rows, wanted)
    return {name: round(value, 3) for name, value in found.items()}


@torch.inference_mode()
def embedded(space: SharedSpace, bank: Bank, *, rough: bool) -> Tensor:
    """Return (n, size) unit vectors of every region's image, by the mask as drawn, or as redrawn in haste."""
    random = torch.Generator(device=bank.images.device).manual_seed(1)
    parts = torch.arange(len(bank.sources), device=bank.images.device).split(BATCH)
    views = [image_views(bank, part, random, plain=True, rough=rough) for part in parts]
    return functional.normalize(torch.cat([space.region(one.inputs, one.body_mm) for one in views]))


def same_lesion_top1(images: Tensor, bank: Bank, rows: list[int]) -> float:
    """Return how often the nearest region of another modality is the same lesion; patients have one sarcoma each."""
    hits = []
    for row in rows:
        source = bank.sources[row]
        if not source.startswith("sarcoma"):
            continue
        for other in {one for one in bank.sources if one.startswith("sarcoma")} - {source}:
            pool = [n for n, one in enumerate(bank.sources) if one == other]
            nearest = pool[int((images[pool] @ images[row]).argmax())]
            hits.append(bank.patients[nearest] == bank.patients[row])
    return float(np.mean(hits)) if hits else float("nan")


@torch.inference_mode()
def correlation_at_5(space: SharedSpace, bank: Bank, images: Tensor, rows: list[int], wanted: Tensor) -> float:
    """Return the mean correlation of a query's asked values with those of the five images nearest to it."""
    asked = torch.where(wanted, bank.values[rows], torch.nan)
    nowhere = torch.full((len(rows), 3), torch.nan, device=images.device)
    alike = functional.normalize(space.radiomics(asked, nowhere)) @ images.T
    alike[bank.lesions[rows][:, None] == bank.lesions[None]] = -2.0
    scores = []
    for row, nearest in zip(rows, alike.topk(5).indices.tolist(), strict=True):
        for one in nearest:
            pair = bank.values[[row, one]][:, wanted].cpu().numpy()
            pair = pair[:, np.isfinite(pair).all(0)]
            if pair.shape[1] > 2 and pair.std(1).min() > 0:
                scores.append(np.corrcoef(pair)[0, 1])
    return float(np.mean(scores))
