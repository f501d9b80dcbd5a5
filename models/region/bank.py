"""The training regions, each as one cube wider than the network's, so that a batch is cut and turned in one call."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from models.region.simulate import simulated
from torch import Tensor

from similar_cases.describe.backends.body_network import BodyNetwork, coordinates_at
from similar_cases.describe.backends.cube import Cube, cut
from similar_cases.describe.backends.region_token.inputs import cube_round
from similar_cases.describe.backends.region_token.quantiles import learned_knots, row_of, scaled

#: voxels a side of a cube in the bank; the network's has 48
WIDE = 64
#: of a patient's CT, MR and PET the body coordinate is the CT's: they share one frame of reference
SHARED_FRAME = "sarcoma"


@dataclass(eq=False, kw_only=True)
class Bank:
    """n regions; several (the modalities of one tumour) may be one lesion.

    Attributes:
        images: (n, WIDE, WIDE, WIDE) float32, in each image's unit.
        masks: (n, WIDE, WIDE, WIDE) uint8, 255 inside.
        spacings_mm, units: (n,) of each cube.
        lesions: (n,) number of the lesion.
        kinds: (n,) number of the class, -1 for none.
        sources: which data set and modality, in words.
        values: (n, features) radiomics in -1 to 1, NaN where missing.
        body_mm: (n, 3) body coordinate, NaN where none is known.
        told: (n,) bool, whether the body coordinate is one that the product would know too (CT alone).
        knots: (features, KNOTS) of the values' curves.
        text: what the file says of features and recipe.
    """

    images: Tensor
    masks: Tensor
    spacings_mm: Tensor
    units: Tensor
    lesions: Tensor
    kinds: Tensor
    sources: list[str]
    patients: list[str]
    values: Tensor
    body_mm: Tensor
    told: Tensor
    knots: np.ndarray
    text: dict[str, Any]

    @property
    def kinds_count(self) -> int:
        """Number of classes."""
        return int(self.kinds.max()) + 1


@dataclass(eq=False)
class Volume:
    """One item of the file, decoded."""

    told: dict[str, Any]
    voxels: Tensor
    labels: np.ndarray
    affine: Tensor


def bank_of(path: Path, position: Path | None, device: str) -> Bank:
    """Read the prepared file and lay its regions into cubes on `device`.

    Args:
        path: the file.
        position: folder of a training of body coordinates; None for none.
        device: where the cubes lie.
    """
    with np.load(path) as packed:
        text = json.loads(packed["listing"].tobytes())
        volumes = [
            Volume(
                one,
                torch.from_numpy(packed[f"table{n}"][packed[f"codes{n}"]]),
                packed[f"labels{n}"],
                torch.tensor(one["affine"], dtype=torch.float64),
            )
            for n, one in enumerate(text["items"])
        ]
    rows = [*_real(volumes), *_made(volumes, text["lesions"])]
    network = _position(position, device)
    places = _places(rows, volumes, network, device)
    kinds = {kind: number for number, kind in enumerate(sorted({row["kind"] for row in rows if row["kind"]}))}
    lesions = {key: number for number, key in enumerate(dict.fromkeys(row["lesion"] for row in rows))}
    raw = np.array([row_of(row["values"]) for row in rows], dtype=np.float64)
    sources = [row["source"] for row in rows]
    knots = learned_knots(raw, _balance(sources))
    return Bank(
        images=torch.stack([row["image"] for row in rows]).to(device),
        masks=torch.stack([row["mask"] for row in rows]).to(device),
        spacings_mm=torch.tensor([row["spacing"] for row in rows], device=device),
        units=torch.tensor([row["unit"] for row in rows], device=device),
        lesions=torch.tensor([lesions[row["lesion"]] for row in rows], device=device),
        kinds=torch.tensor([kinds.get(row["kind"], -1) for row in rows], device=device),
        sources=sources,
        patients=[row["patient"] for row in rows],
        values=torch.from_numpy(scaled(raw, knots)).to(device),
        body_mm=places.to(device),
        told=torch.tensor([row["modality"] == "CT" for row in rows], device=device),
        knots=knots,
        text={key: text[key] for key in ("names", "recipe", "fingerprint")} | {"kinds": list(kinds)},
    )


def _real(volumes: list[Volume]) -> list[dict[str, Any]]:
    """Return the regions that people or models drew."""
    with ThreadPoolExecutor() as pool:
        return [row for rows in pool.map(_drawn_in, range(len(volumes)), volumes) for row in rows]


def _drawn_in(number: int, volume: Volume) -> list[dict[str, Any]]:
    told, rows = volume.told, []
    for region in told["regions"]:
        mask = torch.from_numpy(volume.labels == region["label"])
        name = told["patient"] if told["dataset"] == SHARED_FRAME else told["name"]
        known = {
            "item": number,
            "modality": told["modality"],
            "patient": told["patient"],
            "source": f"{told['dataset']} {told['modality']}",
            "lesion": f"{name} {region['label']}",
            "kind": region["kind"],
            "values": region["values"],
        }
        rows.append(_row(volume.voxels, volume.affine, mask, told["unit"]) | known)
    return rows


def _made(volumes: list[Volume], lesions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the simulated lesions, made anew from their numbers."""

    def make(one: dict[str, Any]) -> dict[str, Any]:
        volume = volumes[one["item"]]
        image, mask, spacing = simulated(volume.voxels, volume.affine, one["seed"])
        affine = torch.diag(torch.tensor([spacing, spacing, spacing, 1.0], dtype=torch.float64))[[2, 1, 0, 3]]
        return _row(image, affine, torch.from_numpy(mask), volume.told["unit"]) | {
            "item": None,
            "modality": "",
            "patient": f"simulated {one['seed']}",
            "source": "simulated",
            "lesion": f"simulated {one['seed']}",
            "kind": "",
            "values": one["values"],
        }

    with ThreadPoolExecutor() as pool:
        return list(pool.map(make, lesions))


def _row(voxels: Tensor, affine: Tensor, mask: Tensor, unit: int) -> dict[str, Any]:
    where = torch.argwhere(mask).double()
    ends = torch.stack((where.amin(0) - 0.5, where.amax(0) + 0.5))
    corners = torch.cartesian_prod(*ends.T) @ affine[:3, :3].T + affine[:3, 3]
    cube = cube_round(corners.amin(0), corners.amax(0))
    wide = Cube(cube.centre_lps, cube.spacing_mm, WIDE)
    image = cut(voxels, affine, wide, float(voxels.min()))
    inside = cut(mask.float(), affine, wide, 0.0)
    return {
        "image": image,
        "mask": (inside * 255).round().to(torch.uint8),
        "spacing": cube.spacing_mm,
        "unit": unit,
        "centroid": (where.mean(0) @ affine[:3, :3].T + affine[:3, 3]),
    }


def _position(folder: Path | None, device: str) -> BodyNetwork | None:
    if folder is None:
        return None
    network = BodyNetwork()
    network.load_state_dict(torch.load(folder / "last.pt", map_location="cpu", weights_only=True)["average"])
    return network.eval().to(device)


def _places(rows: list[dict[str, Any]], volumes: list[Volume], network: BodyNetwork | None, device: str) -> Tensor:
    """Return (n, 3) body coordinates: of CT regions, and of those that share a frame of reference with a CT."""
    places = torch.full((len(rows), 3), torch.nan)
    if network is None:
        return places
    scans = {one.told["patient"]: one for one in volumes if one.told["modality"] == "CT"}
    for number, row in enumerate(rows):
        if row["item"] is None or row["patient"] not in scans:
            continue
        scan = scans[row["patient"]]
        with torch.inference_mode():
            told = coordinates_at(network, scan.voxels.to(device), scan.affine, row["centroid"][None])
        places[number] = told[0].cpu()
    return places


def _balance(sources: list[str]) -> np.ndarray:
    """Return weights by which each source counts as the root of its number, so that none fills the scale."""
    counts = {source: sources.count(source) for source in set(sources)}
    return np.array([counts[source] ** -0.5 for source in sources])
