"""A file or a folder of weights, held by its hash."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from similar_cases.domain.errors import InvalidSettings
from similar_cases.models.kinds import KINDS, ModelKind

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_CHUNK = 1 << 20


@dataclass(frozen=True, kw_only=True)
class ModelFile:
    """Weights that a site has.

    Attributes:
        name: what the site calls it, and its settings say.
        kind: name of its architecture, one of `KINDS`.
        path: a file, or the folder of a bundle; absolute.
        sha256: of the file, or of the folder as `sha256_of` tells.
    """

    name: str
    kind: str
    path: Path
    sha256: str
    licence: str
    version: str = ""

    def __post_init__(self) -> None:
        """Refuse what cannot be a model's."""
        if not _NAME.fullmatch(self.name):
            raise InvalidSettings(f"a model's name has a to z, 0 to 9, . _ and - alone, not {self.name!r}")
        kind_of(self.kind)
        if not _SHA256.fullmatch(self.sha256):
            raise InvalidSettings(f"model {self.name}: the sha256 has 64 digits, 0 to 9 and a to f")
        if not self.path.is_absolute():
            raise InvalidSettings(f"model {self.name}: {self.path} must be an absolute path")

    def check(self) -> None:
        """Look whether the bytes are those of the hash.

        Raises:
            InvalidSettings: when they are gone, cannot be read, or are others.
        """
        found = sha256_of(self.path)
        if found != self.sha256:
            raise InvalidSettings(
                f"model {self.name}: {self.path} has sha256 {found}, and {self.sha256} is named; "
                "get the file again, or add it anew under another name"
            )


def kind_of(name: str) -> ModelKind:
    """Return the kind of that name.

    Raises:
        InvalidSettings: when there is none; the message lists the known ones.
    """
    if name not in KINDS:
        raise InvalidSettings(f"no model is of kind {name!r}; known are {', '.join(sorted(KINDS))}")
    return KINDS[name]


def sha256_of(path: Path) -> str:
    """Return the hash of a file, or of all files of a folder.

    A folder's is that of the lines ``HASH  ./RELATIVE/PATH``, sorted by path, as this prints in it:
    ``find . -type f | LC_ALL=C sort | xargs sha256sum | sha256sum``.

    Raises:
        InvalidSettings: when there is no such file or folder, or it cannot be read.
    """
    try:
        if not path.is_dir():
            return _sha256_of_file(path)
        files = sorted((f"./{one.relative_to(path).as_posix()}".encode(), one) for one in _files_in(path))
        lines = [f"{_sha256_of_file(one)}  ".encode() + name + b"\n" for name, one in files]
    except OSError as error:
        raise InvalidSettings(f"{path} cannot be read: {error.strerror}") from None
    if not lines:
        raise InvalidSettings(f"{path} is an empty folder")
    return hashlib.sha256(b"".join(lines)).hexdigest()


def size_of(path: Path) -> int | None:
    """Return the bytes of a file, or of all files of a folder; None when they cannot be read."""
    try:
        return sum(one.stat().st_size for one in _files_in(path)) if path.is_dir() else path.stat().st_size
    except OSError:
        return None


def _files_in(folder: Path) -> list[Path]:
    return [one for one in folder.rglob("*") if one.is_file()]


def _sha256_of_file(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
