"""Which weights a site has added: ``models.json`` in its data folder. Written as a whole or not at all.

Several processes may read it; the command line alone writes it.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Collection
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from similar_cases.domain.errors import InvalidSettings
from similar_cases.models.model_file import ModelFile, sha256_of

#: the form of the file
_FORM = 1


@dataclass(frozen=True)
class ModelRegister:
    """What a site has added, by name."""

    data_dir: Path

    @property
    def path(self) -> Path:
        """Where it is written."""
        return self.data_dir / "models.json"

    def all(self) -> tuple[ModelFile, ...]:
        """Return what was added, in that order.

        Raises:
            InvalidSettings: when the file cannot be read, or was not written by this version.
        """
        try:
            told = json.loads(self.path.read_text("utf-8"))
        except FileNotFoundError:
            return ()
        except (OSError, ValueError) as error:
            raise InvalidSettings(f"{self.path} cannot be read: {error}") from None
        try:
            if told["form"] != _FORM:
                raise InvalidSettings(f"{self.path} is of form {told['form']}; this version reads {_FORM}")
            return tuple(ModelFile(**{**one, "path": Path(one["path"])}) for one in told["models"])
        except (KeyError, TypeError) as error:
            raise InvalidSettings(f"{self.path} is not as this version writes it: {error}") from None

    def find(self, name: str) -> ModelFile | None:
        """Return what was added under that name."""
        return next((one for one in self.all() if one.name == name), None)

    def add(self, model: ModelFile, *, taken: Collection[str] = (), copy: bool = False) -> ModelFile:
        """Keep a model.

        Args:
            model: what to keep; its bytes have been hashed.
            taken: names that stand for something else.
            copy: lay the bytes into the data folder, so that the original may go.

        Raises:
            InvalidSettings: when the name is taken, or nothing can be written here.
        """
        known = self.all()
        if model.name in taken or any(one.name == model.name for one in known):
            raise InvalidSettings(f"a model {model.name!r} is there already; choose another name")
        if twin := next((one for one in known if (one.kind, one.sha256) == (model.kind, model.sha256)), None):
            raise InvalidSettings(f"the same {model.kind} weights are there already, as {twin.name!r}")
        try:
            kept = self._copied(model) if copy else model
            self._write((*known, kept))
        except OSError as error:
            raise InvalidSettings(f"{self.data_dir}: nothing can be written here: {error.strerror}") from None
        return kept

    def _copied(self, model: ModelFile) -> ModelFile:
        """Copy the bytes, and look whether they are the same over there."""
        target = self.data_dir / "models" / model.name / model.path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        if model.path.is_dir():
            shutil.copytree(model.path, target, dirs_exist_ok=True)
        else:
            shutil.copyfile(model.path, target)
        copied = replace(model, path=target)
        if sha256_of(target) != model.sha256:
            raise InvalidSettings(f"{target}: the copy differs from {model.path}, which changed meanwhile")
        return copied

    def _write(self, models: Collection[ModelFile]) -> None:
        told = {"form": _FORM, "models": [{**asdict(one), "path": str(one.path)} for one in models]}
        self.data_dir.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=self.data_dir, prefix=".models-", suffix=".json")
        draft = Path(name)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(told, file, indent=2)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(self.path)
        finally:
            draft.unlink(missing_ok=True)
