"""What the bundle says of itself, for programs: the fields of MONAI's bundle specification, and ours."""

from typing import Any

from models import bundle

from similar_cases.segment.backends.promptable.inputs import SIZE

_INTENDED_USE = (
    "Research. Draws the outline of one lesion or structure in a CT, MR or PET volume from points, a box or a rough "
    "mask that a person gives, so that similar cases can be looked up. Not a medical device; not for diagnosis, "
    "treatment planning or measurement of response."
)
_LIMITS = [
    "Trained on 27 patients with soft-tissue sarcoma, 160 hippocampi, six volumes with organ or vertebra labels, and "
    "on simulated lesions and shapes; everything else is new to it.",
    "The sarcoma images are cropped 5 cm round the tumour, by whoever published them. Random margins are cut off in "
    "training, so that their border tells little; what lies further away than 5 cm was seldom seen.",
    "Very small lesions in a wide field of view (as of multiple sclerosis in a whole brain) are lost: the brain, which "
    "neither network nor judge ever saw whole, is taken for them. A box round the lesion tells the scale. This is why "
    "it is not the default.",
    "That first looks are taken at several scales was decided after failures on nsclc, pyradiomics and ms_lesions; "
    "their figures are no longer of unseen data.",
    "Lesions that spread through an organ without a border are mostly missed or overdrawn.",
    "The figures of ms_lesions are of the first lesions of the one patient, as many as the table says.",
    "The quality after clicks alone is the judge's estimate of intersection over union with the whole object, after a "
    "box or a mask the network's own of what lies in the crop; neither is calibrated on unseen kinds of lesion.",
    "The labels of the organs were made by another model (TotalSegmentator), not by experts.",
]
_CHOSEN = "The validation patients chose which evaluation's weights were kept, though not the weights themselves."
_DATA = [
    {
        "name": "Soft-tissue-Sarcoma (TCIA), as published by the IBSI: CT, T1 MR, FDG-PET of 36 patients",
        "licence": "CC BY 3.0",
        "reference": "Vallières et al. 2015, 10.7937/K9/TCIA.2015.7GO2GSKS; modified by A. Zwanenburg (IBSI)",
        "training": "STS_001 to STS_027",
        "validation": "STS_028 to STS_036",
    },
    {
        "name": "Medical Segmentation Decathlon, Task04 Hippocampus: 200 MR crops",
        "licence": "CC BY-SA 4.0",
        "reference": "Antonelli et al. 2022, 10.1038/s41467-022-30695-9; Simpson et al. 2019, arXiv 1902.09063",
        "training": "the first 160 by name",
        "validation": "the other 40",
    },
    {
        "name": "TotalSegmentator's example CTs and MR with label maps, two vertebra crops (TPTBox)",
        "licence": "Apache-2.0",
        "reference": "Wasserthal et al. 2023, 10.1148/ryai.230024; github.com/Hendrik-code/TPTBox",
        "training": "all",
        "validation": "none",
    },
    {
        "name": "Medical Segmentation Decathlon, Task09 Spleen: a crop of spleen_2",
        "licence": "CC BY-SA 4.0",
        "reference": "Antonelli et al. 2022, 10.1038/s41467-022-30695-9; ivadomed/data-testing",
        "training": "the crop",
        "validation": "none",
    },
    {
        "name": "Colorectal-Liver-Metastases (TCIA): two abdominal CTs without masks, as backgrounds",
        "licence": "CC BY 4.0",
        "reference": "Simpson et al. 2023, 10.7937/QXK2-QG03",
        "training": "CRLM-CT-1004, CRLM-CT-1006",
        "validation": "none",
    },
    {
        "name": "Simulated lesions in those images, and random shapes of random contrast",
        "licence": "made by train.py and train_judge.py",
        "reference": "",
        "training": "unlimited",
        "validation": "none",
    },
]
_CHANNELS = (
    "image over its own spread",
    "image relative to the clicked intensity",
    "rank of the voxel in the crop",
    "positive points",
    "negative points",
    "box",
    "previous mask",
)
_DATA_FORMAT: dict[str, Any] = {
    "inputs": {
        "image": bundle.tensor_format(
            "crop with prompts, as similar_cases.segment.backends.promptable.inputs makes it",
            _CHANNELS,
            [SIZE] * 3,
            [-4, 4],
            modality="CT, MR, PT",
        ),
    },
    "outputs": {"pred": bundle.tensor_format("logits of the mask", ["inside"], [SIZE] * 3)},
}


def metadata_of(facts: dict[str, Any]) -> dict[str, Any]:
    """Return ``configs/metadata.json`` from what one export knows: version, hash, network, training, metrics."""
    training = facts["training"]
    return bundle.made_with(facts["version"]) | {
        "name": "Promptable segmentation",
        "task": "Segmentation of a lesion or structure in CT, MR and PET by points, box or mask",
        "description": "A residual 3-D U-Net on crops of 64 voxels a side, which zooms to the size of what it finds.",
        **bundle.AUTHORSHIP,
        "intended_use": _INTENDED_USE,
        "limits": [*_LIMITS, *([_CHOSEN] if training["taken"] != "last" else [])],
        "data": _DATA,
        "network": facts["network"],
        "weights_sha256": facts["weights_sha256"],
        "training": training
        | {
            "command": "python -m models.promptable.train --items .cache/promptable-training.npz "
            f"--out .cache/promptable --minutes {training['minutes']}",
            "seed": 20261121,
            "optimiser": "AdamW, 1.5e-3 falling by a cosine, batch 32, weights averaged exponentially",
        },
        "judge": facts["judge"],
        "metrics": facts["metrics"],
        "network_data_format": _DATA_FORMAT,
    }
