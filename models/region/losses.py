"""The losses of the shared space: same lesion, alike values, near places, right class."""

import torch
from torch import Tensor
from torch.nn import functional

#: RadiomicsRetrieval's temperature
TEMPERATURE = 0.07
#: root mean square difference of scaled values over which two regions stop being alike
ALIKE = 0.15
#: and distance in the body, mm
NEAR_MM = 40.0


def same_lesion(vectors: Tensor, lesions: Tensor, links: Tensor, shapes: Tensor) -> Tensor:
    """Return the multi-positive InfoNCE over all vectors (n, size), image and radiomics alike (the paper's equation 3).

    Args:
        vectors: (n, size).
        lesions: (n,) number of the lesion.
        links: (n,) number of the measured image that a vector belongs to; -1 for one that is in another contrast.
        shapes: (n,) 0 for an image, 1 for radiomics of grey values, 2 for what holds in every modality (shape, place).

    Two vectors of one lesion are positives where both speak of the same image, or neither speaks of grey values that
    the other lacks; else they are neither positives nor negatives.
    """
    unit = functional.normalize(vectors)
    logits = unit @ unit.T / TEMPERATURE
    same = lesions[:, None] == lesions[None]
    grey = shapes == 1
    linked = (links[:, None] == links[None]) & (links >= 0)[:, None]
    positive = same & (linked | ~(grey[:, None] | grey[None]))
    itself = torch.eye(len(vectors), dtype=torch.bool, device=vectors.device)
    logits = logits.masked_fill(itself | (same & ~positive), -1e4)
    positive = positive & ~itself
    logs = logits.log_softmax(dim=1).masked_fill(~positive, 0.0)
    counts = positive.sum(1)
    return -(logs.sum(1) / counts.clamp(min=1))[counts > 0].mean()


def alike_values(asked: Tensor, wanted: Tensor, images: Tensor, values: Tensor) -> Tensor:
    """Return how far the ranking of images by a radiomics query is from the ranking by the asked values themselves.

    Two regions of the same sphericity are equally right answers to a question for that sphericity, whosever they are.

    Args:
        asked: (q, size) vectors of radiomics queries.
        wanted: (q, features) what they asked, NaN for the rest.
        images: (n, size) vectors of images.
        values: (n, features) of the same images.
    """
    off = values[None] - wanted[:, None]
    common = ~off.isnan()
    count = common.sum(2)
    apart = (off.nan_to_num(0.0) ** 2).sum(2) / count.clamp(min=1)
    closeness = (-apart / ALIKE**2).masked_fill(count == 0, -1e4)
    return _soft(asked, images, closeness)


def near_places(asked: Tensor, here: Tensor, images: Tensor, there: Tensor) -> Tensor:
    """Return the same for queries by place: `here` (q, 3) and `there` (n, 3) in mm, no NaN among them."""
    return _soft(asked, images, -((torch.cdist(here, there) / NEAR_MM) ** 2))


def _soft(asked: Tensor, images: Tensor, closeness: Tensor) -> Tensor:
    logits = functional.normalize(asked) @ functional.normalize(images).T / TEMPERATURE
    return functional.cross_entropy(logits, closeness.softmax(dim=1))
