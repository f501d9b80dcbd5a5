"""Which weights a setting means: added under that name, or of that kind and at a path beside it."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from similar_cases.domain.errors import InvalidSettings
from similar_cases.models.kinds import KINDS, ModelUse
from similar_cases.models.model_file import ModelFile
from similar_cases.models.register import ModelRegister


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What the settings of a section say.

    Attributes:
        name: of a model that was added, or of a kind.
        built_in: names that need no weights of the site, for the answer to an unknown one.
        weights: where a kind's weights lie.
        sha256: what they must hash to.
    """

    use: ModelUse
    name: str
    built_in: Collection[str]
    weights: Path | None = None
    sha256: str = ""

    @property
    def section(self) -> str:
        """The section of the settings."""
        return self.use.value.partition(".")[0]


def chosen_model(register: ModelRegister, wanted: Wanted) -> ModelFile:
    """Return the weights that a setting means; what was added goes before a kind of the same name.

    Raises:
        InvalidSettings: for an unknown name (the message lists the known ones), one for another use, or a kind without
            weights.
    """
    added = register.all()
    if found := next((one for one in added if one.name == wanted.name), None):
        if KINDS[found.kind].use is not wanted.use:
            raise InvalidSettings(f"{wanted.use} names {found.name}, which is for {KINDS[found.kind].use}")
        return found
    kinds = sorted(name for name, kind in KINDS.items() if kind.use is wanted.use)
    if wanted.name not in kinds:
        names = sorted(one.name for one in added if KINDS[one.kind].use is wanted.use)
        raise InvalidSettings(
            f"{wanted.use} names {wanted.name!r}; there are {', '.join(sorted(wanted.built_in))}; "
            f"added were {', '.join(names) or 'none'}; with weights of yours, {', '.join(kinds)}"
        )
    if wanted.weights is None:
        raise InvalidSettings(
            f"{wanted.use} is {wanted.name}, and nothing says where its weights lie: "
            f"`similar-cases models add PATH --name NAME --kind {wanted.name}` and name NAME, "
            f"or set {wanted.section}.weights and {wanted.section}.weights_sha256"
        )
    if not wanted.sha256:
        raise InvalidSettings(
            f"{wanted.section}.weights needs {wanted.section}.weights_sha256, as `sha256sum` prints it"
        )
    return ModelFile(
        name=wanted.name,
        kind=wanted.name,
        path=wanted.weights.expanduser().absolute(),
        sha256=wanted.sha256.strip().lower(),
        licence=KINDS[wanted.name].licence,
    )
