"""What the bundle says of itself: metadata for programs, the model card for people."""

from typing import Any

from models import bundle

from similar_cases.describe.backends.region_token.inputs import CHANNELS, SHARE, SIZE
from similar_cases.describe.backends.region_token.network import SIZE as VECTOR

_DATA = [
    {
        "name": "Soft-tissue-Sarcoma (TCIA), as published by the IBSI: CT, T1 MR, FDG-PET",
        "licence": "CC BY 3.0",
        "reference": "Vallières et al. 2015, 10.7937/K9/TCIA.2015.7GO2GSKS; modified by A. Zwanenburg (IBSI)",
        "training": "STS_001 to STS_027",
        "validation": "STS_028 to STS_036, not read in training",
    },
    {
        "name": "Medical Segmentation Decathlon, Task04 Hippocampus",
        "licence": "CC BY-SA 4.0",
        "reference": "Antonelli et al. 2022, 10.1038/s41467-022-30695-9",
        "training": "the first 160 by name",
        "validation": "the other 40",
    },
    {
        "name": "TotalSegmentator's example CT and MR with label maps",
        "licence": "Apache-2.0",
        "reference": "Wasserthal et al. 2023, 10.1148/ryai.230024",
        "training": "both",
        "validation": "none",
    },
    {
        "name": "Simulated lesions in those images and in two abdominal CTs (Colorectal-Liver-Metastases, TCIA)",
        "licence": "CC BY 4.0",
        "reference": "Simpson et al. 2023, 10.7937/QXK2-QG03",
        "training": "1200, made by simulate.py",
        "validation": "none",
    },
]
_LIMITS = [
    "Trained on 27 patients with soft-tissue sarcoma, 160 hippocampi, some sixty organs of one CT and one MR, and "
    "simulated lesions: to all else it is new. What it learnt of real lesions is what sarcomas show.",
    "Radiomics must follow the recipe that the bundle names (its fingerprint is checked). Values beyond the training "
    "regions' 0.5 to 99.5 percentiles count as at the end.",
    "A query by grey-value features means the values as such, whatever the modality: 40 is a fat-free tissue in HU and "
    "next to nothing in most MR.",
    "A region is seen on a cube of its own scale: what lies further than about half its size away is not seen.",
    "Trained with body coordinates of version 0.1.0, which a better model has replaced: the product leaves the place "
    "out of every vector, and the place of a CT, too, is known by appearance alone.",
    "The labels of the organs were made by another model (TotalSegmentator), not by experts.",
]
_HOW = f"""\
Two encoders share one space of {VECTOR} numbers, after RadiomicsRetrieval (arXiv 2507.08546).

*The region's token.* A cube of {SIZE} voxels, the region's longest side {SHARE:.0%} of it, axes those of the patient;
{CHANNELS} channels: the image over its own spread, relative to the mean inside, as its rank, and the mask. Every level
of a residual encoder is pooled inside the mask (mean and spread), round it, and over the cube; size, principal axes,
intensities in the image's unit and, for CT, the body coordinate are tokens beside these. One learned token asks them
all. What is unknown is left out, in training at random, at inference never at random.

*Radiomics.* One token a feature that is there, of its name and its value; the value is its place among the training
regions' quantiles, clipped. Any subset, a single feature, or a body coordinate alone, has a vector.

*Training.* Multi-positive InfoNCE (temperature 0.07) over image views, subsets of [72, 54, 36, 18, 9, 3, 1] features
and a view of the place alone; positives are the same lesion, in its other modalities too, but grey-value radiomics only
with the image that they were measured on. Beside it, which the paper lacks: a query by some features is taught to rank
images by how near their values are, for two lesions of the same sphericity are equally right answers to a question for
it. A classification of organ and data set counts a tenth. Views are turned, shifted, zoomed (the network is told the
size of a voxel) and get noise of a few hundredths of the spread, which leaves the radiomics nearly as they were; views
in another contrast are linked to no grey-value radiomics. Masks are redrawn as a segmenter or a hurried person would.
The encoder began as that of the promptable segmentation, version 0.1.0, and was trained on."""
_CHANNELS = ("image over its spread", "relative to the inside", "rank", "mask")
_DATA_FORMAT: dict[str, Any] = {
    "inputs": {
        "image": bundle.tensor_format(
            "cube round a region, as similar_cases.describe.backends.region_token.inputs makes it",
            _CHANNELS,
            [SIZE] * 3,
            [-4, 4],
            modality="CT, MR, PT",
        ),
    },
    "outputs": {
        "pred": bundle.tensor_format(
            "vector; its direction counts", ["vector"], [], type="feature", num_channels=VECTOR
        ),
    },
}


def metadata_of(facts: dict[str, Any]) -> dict[str, Any]:
    """Return ``configs/metadata.json`` from what one export knows."""
    training = facts["training"]
    return bundle.made_with(facts["version"]) | {
        "name": "Region token",
        "setting": "region-token",
        "task": "Embedding of a region of CT, MR or PET, and of radiomics, in one space",
        "description": "A token that looks at a region, and an encoder of any named radiomics features, in one space.",
        **bundle.AUTHORSHIP,
        "intended_use": "Research. Finds regions that look alike, by a region, by any radiomics features, or by a "
        "place in the body. Not a medical device; not for diagnosis.",
        "limits": _LIMITS,
        "data": _DATA,
        "network": facts["network"],
        "radiomics": facts["radiomics"],
        "body_position": facts["body_position"],
        "weights_sha256": facts["weights_sha256"],
        "training": training
        | {
            "classes": facts["classes"],
            "command": "python -m models.region.train --items .cache/region-training.npz --position .cache/position "
            f"--encoder BUNDLE --out .cache/region --minutes {training['minutes']}",
            "seed": 20261126,
            "optimiser": "AdamW, 1e-3 falling by a cosine, 64 lesions a step, weights averaged exponentially",
        },
        "metrics": facts["metrics"],
        "network_data_format": _DATA_FORMAT,
    }


def model_card(metadata: dict[str, Any]) -> str:
    """Return README.md of the bundle."""
    training = metadata["training"]
    repeated = [
        "{steps} steps in {minutes} minutes on one GPU. {optimiser}; seed {seed}.".format(**training),
        "To repeat it, on a CPU or a GPU; a training that is stopped goes on where it was:",
        "```\npython -m models.region.prepare --data DIR --out .cache/region-training.npz\n"
        "python -m models.position.train --items .cache/region-training.npz --out .cache/position\n"
        f"{training['command']}\n"
        f"python -m models.region.export --training .cache/region --version {metadata['version']} --data DIR\n```",
    ]
    goes_with = (
        f"It goes with `{metadata['body_position']}` and radiomics recipe `{metadata['radiomics']['fingerprint']}`. "
    )
    return bundle.model_card(metadata, _HOW, bundle.figures(metadata["metrics"]), repeated, goes_with)
