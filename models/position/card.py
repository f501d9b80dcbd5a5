"""What the bundle says of itself: metadata for programs, the model card for people."""

from typing import Any

from models import bundle

from similar_cases.describe.backends.body_network import SIZE, SPACING_MM, STRIDE, WINDOW_HU

_HOW = f"""\
After the anatomical positional embedding that RadiomicsRetrieval uses (arXiv 2507.08546, section 2.1). Input is a cube
of {SIZE} voxels of {SPACING_MM:g} mm, Hounsfield units {WINDOW_HU[0]:g} to {WINDOW_HU[1]:g} brought to 0 to 1, in
training as at inference. Output is a coordinate in millimetres at every {STRIDE}th voxel; the product reads the middle
one. Nobody labelled anything: two voxels of one patient must be as far apart in the output as in the body, and the same
voxel seen through other eyes (noise, window, cut-off ends, a body drawn larger or smaller) must stay where it is. The
axes were turned afterwards to run as those of LPS; the origin is the middle of the trunks. Told it was one thing:
tumours of the extremities lie well away from the trunk."""

_LIMITS = [
    "A hint, not a measurement, and off until a site asks for it (`describe.body_position`): trained for a minute. The "
    "spleen of a patient never seen, in a crop of 26 slices, came out 16 cm from that of the example CT; in a chest CT "
    "never seen, left and right were told, the height was not.",
    "CT in Hounsfield units alone; of MR and PET it says nothing, and the product then keeps no coordinate.",
    "It saw three trunks (thorax to pelvis) and 27 extremities: a body part that none of them shows has a coordinate "
    "too, which means little. Head and neck were never seen.",
    "No image shows trunk and extremity together: how far one is from the other is a convention, not a measurement.",
    "Which extremity, left or right, arm or leg, is told by what its pieces look like alone.",
    "A patient who lies prone, or is imaged in a rotated position, was not seen.",
]
_DATA = [
    {
        "name": "TotalSegmentator's example CT (Wasserthal et al. 2023, 10.1148/ryai.230024)",
        "licence": "Apache-2.0",
        "training": "the whole CT; its labels are not read",
    },
    {
        "name": "Colorectal-Liver-Metastases, TCIA (Simpson et al. 2023, 10.7937/QXK2-QG03)",
        "licence": "CC BY 4.0",
        "training": "CRLM-CT-1004, CRLM-CT-1006",
    },
    {
        "name": "Soft-tissue-Sarcoma, TCIA (Vallières et al. 2015, 10.7937/K9/TCIA.2015.7GO2GSKS), by the IBSI",
        "licence": "CC BY 3.0",
        "training": "CT of STS_001 to STS_027",
    },
]
_DATA_FORMAT: dict[str, Any] = {
    "inputs": {
        "image": bundle.tensor_format("windowed CT", ["image"], [SIZE] * 3, [0, 1], modality="CT"),
    },
    "outputs": {
        "pred": bundle.tensor_format("coordinates in mm", ["x", "y", "z"], [SIZE // STRIDE] * 3),
    },
}


def metadata_of(facts: dict[str, Any]) -> dict[str, Any]:
    """Return ``configs/metadata.json`` from what one export knows: version, hash, network, training, metrics."""
    return bundle.made_with(facts["version"]) | {
        "name": "Body position",
        "task": "Coordinates of a point of a CT in a body of standard size",
        "description": "A small 3-D network that looks at 26 cm round a point of a CT and tells where in a body it is.",
        **bundle.AUTHORSHIP,
        "intended_use": "Research. Finds regions at the same place of other patients' bodies. Not a medical device; "
        "not for navigation, registration or planning.",
        "limits": _LIMITS,
        "data": _DATA,
        "network": facts["network"],
        "weights_sha256": facts["weights_sha256"],
        "training": facts["training"]
        | {
            "command": "python -m models.position.train --items .cache/region-training.npz --out .cache/position "
            f"--minutes {facts['training']['minutes']}",
            "seed": 20261126,
            "optimiser": "AdamW, 1e-3 falling by a cosine, weights averaged exponentially",
        },
        "metrics": facts["metrics"],
        "network_data_format": _DATA_FORMAT,
    }


def model_card(metadata: dict[str, Any]) -> str:
    """Return README.md of the bundle."""
    training = metadata["training"]
    repeated = [
        "{steps} steps in {minutes} minutes on one GPU. {optimiser}; seed {seed}.".format(**training),
        f"```\npython -m models.region.prepare --data DIR --out .cache/region-training.npz\n{training['command']}\n"
        f"python -m models.position.export --training .cache/position --version {metadata['version']} --data DIR\n```",
    ]
    return bundle.model_card(metadata, _HOW, bundle.figures(metadata["metrics"]), repeated)
