"""What the bundle says of itself: metadata for programs, the model card for people."""

from typing import Any

from models import bundle

from similar_cases.describe.backends.body_network import SIZE, SPACING_MM, STRIDE, WINDOWS_HU

#: which answers count: what the trunks show and 30 mm round it; and the doubt that 95 of 100 points of a trunk that was
#: left out stay under, in every view of measure.py
ANSWERS = {
    "trunk_mm": [[-260.0, -270.0, -200.0], [270.0, 260.0, 285.0]],
    "extremity_below_mm": -550.0,
    "doubt_mm": 30.0,
}
_HOW = f"""\
After the anatomical positional embedding that RadiomicsRetrieval uses (arXiv 2507.08546, section 2.1), made to run and
to learn on one CPU core. Input is a cube of {SIZE} voxels of {SPACING_MM:g} mm, Hounsfield units through the windows
{", ".join(f"{low:g} to {high:g}" for low, high in WINDOWS_HU)}, and whether a voxel lies in the image, in training as
at inference. Output is a coordinate in millimetres at every {STRIDE}th voxel; the product reads the middle one. Nobody
labelled anything: registration (affine, by mutual information, at the height where both are most alike) brings the
trunks into the frame of the tallest, whose middle is the origin and whose axes are those of LPS, and the network tells
places in it, however a crop is turned, stretched, bent, cut off or coloured. Of extremities distances alone are learnt.
Told it was one thing: tumours of the extremities lie well below the trunk.

An answer is none where its parts disagree by more than {ANSWERS["doubt_mm"]:g} mm in the mean, or where it lies outside
of what the trunks show and above the extremities."""

_LIMITS = [
    "A hint, not a measurement, and off until a site asks for it (`describe.body_position`): three trunks were at "
    "hand, one of them kept to measure on, and some minutes of a shared CPU core.",
    "Of the four organs that the labelled CTs of two patients share (a chest CT and a crop round a spleen were never "
    "seen) it places one in both, and that no nearer than chance: see the figures.",
    "In an image no wider than 13 cm it errs by half as much again, and its doubt does not show that: narrow images in "
    "training were extremities mostly.",
    "CT in Hounsfield units alone; of MR and PET it says nothing, and the product then keeps no coordinate.",
    "It saw trunks from the heart to the pubis, and 27 extremities. The upper chest, head and neck were never seen: "
    "what it says of them means little, where it says anything.",
    "No image shows trunk and extremity together: how far one is from the other is a convention, not a measurement.",
    "Which extremity, left or right, arm or leg, is told by what its pieces look like alone.",
    "Organs of two patients differ in place by centimetres even where bones agree; affine registration leaves that in.",
    "A patient who lies prone, or is imaged in a rotated position, was not seen.",
]
_TRUNKS = ("CRLM-CT-1004", "CRLM-CT-1006")
_MEASURED = """\
On CRLM-CT-1004, which was not trained on, by `python -m models.position.measure`: 48 points of the body, how far off
registration's word on where they lie, by what of the image there is.

| image | mean, mm | nine of ten within, mm | chance, mm |
|---|---|---|---|
| whole | 37 | 62 | 147 |
| slab of 130 mm | 41 | 59 | 147 |
| slab of 40 mm | 50 | 67 | 147 |
| box of 130 mm | 56 | 75 | 147 |

Version 0.2.0, of fewer steps, was 34, 36, 37 and 62 mm off: that longer training helps is not shown."""


def _data(held_out: str) -> list[dict[str, str]]:
    left = ", ".join(name for name in _TRUNKS if name != held_out)
    return [
        {
            "name": "TotalSegmentator's example CT (Wasserthal et al. 2023, 10.1148/ryai.230024)",
            "licence": "Apache-2.0",
            "training": "the whole CT; its labels are not read",
        },
        {
            "name": "Colorectal-Liver-Metastases, TCIA (Simpson et al. 2023, 10.7937/QXK2-QG03)",
            "licence": "CC BY 4.0",
            "training": left + (f"; {held_out} was left out, to measure on" if held_out else ""),
        },
        {
            "name": "Soft-tissue-Sarcoma, TCIA (Vallières et al. 2015, 10.7937/K9/TCIA.2015.7GO2GSKS), by the IBSI",
            "licence": "CC BY 3.0",
            "training": "CT of STS_001 to STS_027",
        },
    ]


_DATA_FORMAT: dict[str, Any] = {
    "inputs": {
        "image": bundle.tensor_format(
            "windowed CT", ["all", "soft tissue", "bone", "inside the image"], [SIZE] * 3, [0, 1], modality="CT"
        ),
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
        "description": "A small 3-D network that looks at 38 cm round a point of a CT and tells where in a body it is.",
        **bundle.AUTHORSHIP,
        "intended_use": "Research. Finds regions at the same place of other patients' bodies. Not a medical device; "
        "not for navigation, registration or planning.",
        "limits": _LIMITS,
        "data": _data(facts["training"]["held_out"]),
        "network": facts["network"],
        "answers": facts["answers"],
        "weights_sha256": facts["weights_sha256"],
        "training": facts["training"]
        | {
            "command": "python -m models.position.train --items .cache/region-training.npz --out .cache/position "
            + (f"--held-out {facts['training']['held_out']} " if facts["training"]["held_out"] else "")
            + f"--minutes {facts['training']['minutes']}",
            "seed": 20261126,
            "optimiser": "AdamW, 2e-3 falling by a cosine, weights averaged exponentially",
        },
        "metrics": facts["metrics"],
        "network_data_format": _DATA_FORMAT,
    }


def model_card(metadata: dict[str, Any]) -> str:
    """Return README.md of the bundle."""
    training = metadata["training"]
    repeated = [
        "{steps} steps in {minutes} minutes of one CPU core. {optimiser}; seed {seed}.".format(**training),
        f"```\npython -m models.region.prepare --data DIR --out .cache/region-training.npz\n{training['command']}\n"
        f"python -m models.position.export --training .cache/position --version {metadata['version']} --data DIR\n```",
    ]
    return bundle.model_card(metadata, _HOW, [_MEASURED, *bundle.figures(metadata["metrics"])], repeated)
